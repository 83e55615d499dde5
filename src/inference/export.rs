//! The best weights of a run for use without oncospec.

use clap::ValueEnum;
use safetensors::SafeTensors;
use serde::Serialize;

use super::trained::unfinished;
use crate::data::{FusedColumn, StainNormalization, Window};
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::frame::ImageSize;
use crate::loss::Outputs;
use crate::model::{InPytorch, ModelSpec, pth_archive};
use crate::plan::Decisions;
use crate::record::{Record, RunDir};
use crate::source::roi::BEYOND;
use crate::spec::{
    Channels, FilterSpec, InputKind, MaskStepSpec, RefineSpec, Resize, Spec, TestTimeSpec,
};

/// How weights are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// `model.safetensors`.
    Safetensors,
    /// `model.pth`, as `torch.save` writes a `state_dict`.
    Pytorch,
}

impl Format {
    /// The name of the file of weights.
    pub fn file(self) -> &'static str {
        match self {
            Self::Safetensors => "model.safetensors",
            Self::Pytorch => "model.pth",
        }
    }
}

/// Weights and what travels with them.
pub struct Exported {
    /// The bytes of the file of weights.
    pub weights: Vec<u8>,
    /// What `model.json` holds.
    pub card: Card,
}

/// What someone needs to know to predict with the weights without oncospec: `model.json`.
#[derive(Debug, Serialize)]
pub struct Card {
    experiment: String,
    run: String,
    /// How far the run came, where it did not finish.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished: Option<String>,
    network: ModelSpec,
    /// The call that makes the same network in PyTorch, where a library has it.
    pytorch: Option<InPytorch>,
    input: Input,
    /// Numbers that the network is given beside the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    fusion: Option<FusedNumbers>,
    output: Prediction,
    weights: Weights,
}

#[derive(Debug, Serialize)]
struct Input {
    channels: Channels,
    /// What the network's channels are made of, if not those of the image.
    inputs: Vec<InputKind>,
    /// Side of a square, or height and width, in pixels.
    size: ImageSize,
    /// What is done to the stains of the image, before its filters.
    #[serde(skip_serializing_if = "Option::is_none")]
    stain: Option<Stain>,
    /// What is done to the image, in this order, before it is resized.
    filters: Vec<FilterSpec>,
    /// Whether the image is stretched to that size or keeps its shape and is padded.
    fit: Resize,
    resize: String,
    /// How an image is covered, where the network sees parts of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    windows: Option<Covering>,
    /// The values of images of 16 bits a channel that become 0 and 255, before anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    /// What is taken off values from 0 to 1.
    mean: Vec<f32>,
    /// What they are then divided by.
    std: Vec<f32>,
}

/// Windows of the network's size, whose probabilities are blended with Gaussian weights (a standard deviation of an eighth
/// of their side), as by MONAI's `sliding_window_inference`.
#[derive(Debug, Serialize)]
struct Covering {
    /// Pixels of the network for each pixel of the image.
    magnification: f64,
    /// Part of its side that a window shares with the next.
    overlap: f64,
    /// The value of all channels beyond the image.
    beyond: u8,
}

#[derive(Debug, Serialize)]
struct Stain {
    method: &'static str,
    #[serde(flatten)]
    decided: StainNormalization,
}

#[derive(Debug, Serialize)]
struct FusedNumbers {
    /// Of each column the value less `mean` over `std`, 0 where it is missing; then, of each with an `indicator`, 1 where it is
    /// missing, else 0.
    columns: Vec<FusedColumn>,
    /// How the logits come of them.
    logits: &'static str,
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
    /// The classes of images that a second head predicts, by the softmax of its logits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    image_classes: Vec<String>,
    /// Of which views of the image, made of the network's input, probabilities are averaged.
    #[serde(skip_serializing_if = "TestTimeSpec::is_none")]
    test_time_augmentation: TestTimeSpec,
    /// What is made of probabilities of pixels, at the network's size.
    refine: RefineSpec,
    /// What logits of these probabilities (of several classes their logarithms) are divided by, before they are resized.
    temperature: f64,
    resize: String,
    /// What is made of the mask, at the image's own size.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    post_process: Vec<MaskStepSpec>,
}

#[derive(Debug, Serialize)]
struct Weights {
    file: &'static str,
    sha256: String,
    tensors: usize,
    parameters: u64,
}

/// The best weights of a run in a format, and what someone must know to predict with them.
///
/// # Errors
/// If the run has no weights yet, or they are damaged.
pub fn export(record: &Record, format: Format) -> Result<Exported> {
    let decisions = Decisions::from_toml(&record.plan)?;
    let source = RunDir::open_read(&record.path)?.best_weights()?.path;
    let bytes = crate::file::read_any(&source).map_err(Error::io(&source, "cannot read"))?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|error| Error::user(format!("{}: damaged: {error}", source.display())))?;
    let n_tensors = tensors.len();
    let archive = match format {
        Format::Safetensors => None,
        Format::Pytorch => Some(pth_archive(&tensors)?),
    };
    let weights = archive.unwrap_or(bytes);
    let written = Weights {
        file: format.file(),
        sha256: sha256(&weights),
        tensors: n_tensors,
        parameters: decisions.parameters,
    };
    let card = card(record, &decisions, written)?;
    Ok(Exported { weights, card })
}

fn card(record: &Record, decisions: &Decisions, weights: Weights) -> Result<Card> {
    let spec = &decisions.spec;
    let binary = decisions.outputs() == Outputs::Binary;
    let settled = record.settled(&spec.evaluation);
    Ok(Card {
        experiment: spec.name.clone(),
        run: decisions.run_id.clone(),
        unfinished: unfinished(record),
        network: spec.model.clone(),
        pytorch: match spec.task.fuse() {
            Some(_) => None,
            None => spec.model.in_pytorch(
                [spec.input_channels(), decisions.labels.channels()],
                decisions.second_head(),
            ),
        },
        fusion: spec.task.fuse().map(|_| FusedNumbers {
            columns: decisions.fused.clone(),
            logits: "those of the network for the image, plus fusion.output.weight times the ReLU of \
                     (fusion.hidden.weight times the numbers, plus fusion.hidden.bias)",
        }),
        input: Input {
            channels: spec.dataset.channels,
            inputs: spec.task.inputs().to_vec(),
            size: spec.dataset.image_size,
            stain: decisions.stain.clone().map(|decided| Stain {
                method: "Macenko et al. 2009 as torchstain's NumpyMacenkoNormalizer, with Io = 240, alpha = percentile, \
                         beta = background, HERef = the columns haematoxylin and eosin, maxCRef = concentrations; levels \
                         are rounded; images without two stains stay as they are",
                decided,
            }),
            filters: spec.dataset.filters.clone(),
            fit: spec.dataset.resize,
            resize: resizing(spec),
            windows: decisions.windows().map(|windows| Covering {
                magnification: windows.scale,
                overlap: windows.overlap,
                beyond: BEYOND.0[0],
            }),
            window: decisions.window,
            mean: decisions.normalization.mean.clone(),
            std: decisions.normalization.std.clone(),
        },
        output: Prediction {
            activation: if binary { "sigmoid" } else { "softmax" },
            of: if spec.task.classifies() { "images" } else { "pixels" },
            classes: decisions.labels.names(),
            codes: codes(decisions)?,
            threshold: record.summary.threshold.as_ref().map(|threshold| threshold.value),
            image_classes: decisions.image_classes.clone(),
            test_time_augmentation: settled.test_time,
            refine: settled.refine,
            temperature: settled.temperature,
            post_process: settled.post_process,
            resize: format!(
                "{}probabilities to the image's own size, bilinear and antialiased, before the threshold",
                match spec.dataset.resize {
                    Resize::Stretch => "",
                    Resize::Letterbox => "without the rows or columns of padding, ",
                }
            ),
        },
        weights,
    })
}

/// How an image gets the network's size, in words.
fn resizing(spec: &Spec) -> String {
    let gray = if spec.dataset.filters.is_empty() { "after it" } else { "before the filters" };
    let fit = match spec.dataset.resize {
        Resize::Stretch => "to that height and width",
        Resize::Letterbox => {
            "by one factor until height or width is that of the network and the other is not above it (rounded, a half to \
             the even number), then padded with 0 on both sides of it, of an odd number one more below or to the right, as \
             LongestMaxSize and PadIfNeeded of albumentations"
        }
    };
    format!(
        "{fit}; bilinear and antialiased, as Pillow's BILINEAR, on red, green and blue; gray, if any, is taken {gray} as \
         Pillow's mode L"
    )
}

/// The data's code that stands for each class of pixels.
fn codes(decisions: &Decisions) -> Result<Vec<u8>> {
    let Outputs::Classes(classes) = decisions.outputs() else { return Ok(Vec::new()) };
    let (_, codes) = decisions.spec.dataset.source.source().classes()?;
    Ok((0..classes).map(|label| codes.first_of(label as u8)).collect())
}
