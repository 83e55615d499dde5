//! `oncospec export`.

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use safetensors::SafeTensors;
use serde::Serialize;

use super::outputs::{Outputs as Files, OverwriteArgs, Planned};
use super::predict::code_of;
use super::runs::{find_run, unfinished};
use super::{Output, pretty, print};
use crate::data::{Window, codes_of};
use crate::digest::sha256_of_file;
use crate::error::{Error, Result};
use crate::loss::Outputs;
use crate::model::{InPytorch, ModelSpec, pth_archive};
use crate::plan::Decisions;
use crate::record::{Record, RunDir};
use crate::spec::{Channels, FilterSpec, InputKind, RefineSpec};

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Run directory, run id or name of an experiment with one run.
    #[arg(value_name = "RUN")]
    run: String,
    /// How the weights are written.
    #[arg(long, value_enum, default_value_t = Format::Safetensors)]
    format: Format,
    /// Folder for the weights and model.json.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Folder of the run directories, for ids and names.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    root: PathBuf,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// `model.safetensors`.
    Safetensors,
    /// `model.pth`, as `torch.save` writes a `state_dict`.
    Pytorch,
}

/// What someone needs to know to predict with the weights elsewhere: `model.json`.
#[derive(Debug, Serialize)]
struct Card {
    experiment: String,
    run: String,
    /// How far the run came, where it did not finish.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished: Option<String>,
    network: ModelSpec,
    /// The call that makes the same network in PyTorch, where a library has it.
    pytorch: Option<InPytorch>,
    input: Input,
    output: Prediction,
    weights: Weights,
}

#[derive(Debug, Serialize)]
struct Input {
    channels: Channels,
    /// What the network's channels are made of, if not those of the image.
    inputs: Vec<InputKind>,
    /// Height and width in pixels.
    size: u32,
    /// What is done to the image, in this order, before it is resized.
    filters: Vec<FilterSpec>,
    resize: &'static str,
    /// The values of images of 16 bits a channel that become 0 and 255, before all else.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    /// What is taken off values from 0 to 1.
    mean: Vec<f32>,
    /// What they are then divided by.
    std: Vec<f32>,
}

#[derive(Debug, Serialize)]
struct Prediction {
    activation: &'static str,
    /// Whether there are probabilities of pixels or of whole images.
    of: &'static str,
    /// Of the channels.
    classes: Vec<String>,
    /// The data's code that stands for each class in masks of `oncospec predict`, where pixels have several classes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    codes: Vec<u8>,
    /// Of one foreground class, or of the second of two classes of images, the lowest probability.
    threshold: Option<f64>,
    /// The classes that a second head tells images apart by, with the softmax of its logits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    image_classes: Vec<String>,
    /// What is made of probabilities of pixels, at the network's size.
    refine: RefineSpec,
    resize: &'static str,
}

#[derive(Debug, Serialize)]
struct Weights {
    file: String,
    sha256: String,
    tensors: usize,
    parameters: u64,
}

/// Writes the best weights of a run with what travels with them.
pub(super) fn execute(args: ExportArgs, output: Output) -> Result<u8> {
    let run = find_run(&args.run, &args.root)?;
    let record = Record::read(&run)?;
    let decisions = Decisions::from_toml(&record.plan)?;
    let file = match args.format {
        Format::Safetensors => "model.safetensors",
        Format::Pytorch => "model.pth",
    };
    let planned = [file, "model.json"].map(|name| Planned::of(&run, name)).to_vec();
    let files = Files::folder(&args.out, "an export", planned, args.overwrite)?;
    let unfinished = unfinished(&record);
    let source = RunDir::open_read(&run)?.best_weights()?.path;
    let bytes = fs::read(&source).map_err(Error::io(&source, "cannot read"))?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|error| Error::user(format!("{}: damaged: {error}", source.display())))?;
    let path = match args.format {
        Format::Safetensors => files.write(file, &bytes)?,
        Format::Pytorch => files.write(file, &pth_archive(&tensors)?)?,
    };
    let spec = &decisions.spec;
    let binary = decisions.outputs() == Outputs::Binary;
    let card = Card {
        experiment: spec.name.clone(),
        run: decisions.run_id.clone(),
        unfinished,
        network: spec.model.clone(),
        pytorch: spec.model.in_pytorch(
            [spec.input_channels(), decisions.labels.channels()],
            decisions.second_head(),
        ),
        input: Input {
            channels: spec.dataset.channels,
            inputs: spec.task.inputs().to_vec(),
            size: spec.dataset.image_size,
            filters: spec.dataset.filters.clone(),
            resize: if spec.dataset.filters.is_empty() {
                "bilinear and antialiased, as Pillow's BILINEAR, on red, green and blue; gray, if any, \
                 is taken after it as Pillow's mode L"
            } else {
                "bilinear and antialiased, as Pillow's BILINEAR, on red, green and blue; gray, if any, \
                 is taken before the filters as Pillow's mode L"
            },
            window: decisions.window,
            mean: decisions.normalization.mean.clone(),
            std: decisions.normalization.std.clone(),
        },
        output: Prediction {
            activation: if binary { "sigmoid" } else { "softmax" },
            of: if spec.task.classifies() { "images" } else { "pixels" },
            classes: decisions.labels.names(),
            codes: codes(&decisions)?,
            threshold: record.summary.threshold.as_ref().map(|threshold| threshold.value),
            image_classes: decisions.image_classes.clone(),
            refine: spec.evaluation.refine.clone(),
            resize: "probabilities to the image's own size, bilinear and antialiased, before the \
                     threshold",
        },
        weights: Weights {
            file: file.into(),
            sha256: sha256_of_file(&path)?,
            tensors: tensors.len(),
            parameters: decisions.parameters,
        },
    };
    let text = pretty(&card)?;
    files.write("model.json", format!("{text}\n").as_bytes())?;
    output.say(format!("{} and model.json", path.display()));
    if output.json { print(&text) } else { Ok(0) }
}

/// The data's code that stands for each class of pixels.
fn codes(decisions: &Decisions) -> Result<Vec<u8>> {
    let Outputs::Classes(classes) = decisions.outputs() else { return Ok(Vec::new()) };
    let codes = codes_of(&decisions.spec.dataset.source)?;
    Ok((0..classes).map(|label| code_of(&codes, label as u8)).collect())
}
