//! `oncospec predict`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::images::{ImageArgs, named};
use super::outputs::{Outputs as Files, OverwriteArgs, Planned, absolute};
use super::runs::Trained;
use super::{Output, pretty, print};
use crate::data::{Codes, Decoded, codes_of, decode_image};
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::evaluate::{SECOND_HEAD_THRESHOLD, called, overlay, png_gray};
use crate::loss::Outputs;
use crate::plan::Decisions;
use crate::text;

/// What it writes.
const KIND: &str = "a prediction";

/// What was predicted of each image, of all commands that wrote into the folder.
const PREDICTIONS: &str = "predictions.json";

/// What the values of the masks in the folder mean.
const LEGEND: &str = "legend.json";

/// Arguments of `predict`.
#[derive(Debug, Args)]
pub(super) struct PredictArgs {
    #[command(flatten)]
    of: ImageArgs,
    /// Folder for IMAGE_mask.png, IMAGE_probability.png and IMAGE_overlay.png, with legend.json, what the values of
    /// masks mean, and predictions.json, what was said of each image.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// What was written for an image.
#[derive(Debug, Serialize)]
struct Written {
    image: PathBuf,
    run: String,
    /// How far the run came, where it did not finish.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished: Option<String>,
    mask: PathBuf,
    probability: PathBuf,
    overlay: PathBuf,
    /// What the values of the mask mean.
    legend: Vec<Meaning>,
    /// Part of the pixels that are not background (one foreground) or of each class.
    parts: Vec<f64>,
    /// The class of the image, where a second head tells it.
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    called: Option<Saying>,
}

/// What a value of a mask means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Meaning {
    /// The value.
    value: u8,
    /// Its class.
    class: String,
    /// The codes of the data's masks that are this class.
    codes: Vec<u8>,
}

/// The values of the masks of a run: 0 and 255 for one foreground, else the first of the data's codes of each class.
fn legend(decisions: &Decisions) -> Result<Vec<Meaning>> {
    let codes = codes_of(&decisions.spec.dataset.source)?;
    let names = decisions.labels.names();
    let meaning = |value: u8, class: &str, label: u8| Meaning {
        value,
        class: class.to_string(),
        codes: codes.of_label(label),
    };
    Ok(match decisions.outputs() {
        Outputs::Binary => vec![meaning(0, "background", 0), meaning(255, &names[0], 1)],
        Outputs::Classes(_) | Outputs::Images(_) => (0..)
            .zip(&names)
            .map(|(label, name)| meaning(code_of(&codes, label), name, label))
            .collect(),
    })
}

/// The data's code that stands for a class.
pub(super) fn code_of(codes: &Codes, label: u8) -> u8 {
    codes.of_label(label).first().copied().unwrap_or(label)
}

/// An image and its class.
#[derive(Debug, Serialize)]
struct Called {
    image: PathBuf,
    run: String,
    /// How far the run came, where it did not finish.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished: Option<String>,
    #[serde(flatten)]
    saying: Saying,
}

/// The class of an image.
#[derive(Debug, Serialize)]
struct Saying {
    class: String,
    probabilities: BTreeMap<String, f32>,
}

impl Saying {
    fn new(probabilities: &[f32], threshold: f64, classes: &[String]) -> Self {
        Self {
            class: classes[called(probabilities, threshold)].clone(),
            probabilities: classes.iter().cloned().zip(probabilities.iter().copied()).collect(),
        }
    }

    /// The class with its probability.
    fn told(&self) -> String {
        format!("{} ({:.2})", self.class, self.probabilities[&self.class])
    }
}

/// Predicts masks at each image's own size, or the class of each image. Binary masks are 0 and 255, others hold
/// the data's codes.
pub(super) fn execute(args: PredictArgs, output: Output) -> Result<u8> {
    let (trained, paths) = args.of.open(output)?;
    let Trained { decisions, predictor, .. } = &trained;
    if let Outputs::Images(_) = predictor.outputs {
        let files =
            Files::folder(&args.out, KIND, vec![Planned::named(PREDICTIONS)], args.overwrite)?;
        let classes = decisions.labels.names();
        let paths = paths.into_iter().map(|path| (String::new(), path));
        let (called, failed) = each(paths, |path, _| {
            let called = call(&trained, path, &classes)?;
            output.say(format!("{}: {}", path.display(), called.saying.told()));
            Ok(called)
        });
        files.merge(PREDICTIONS, &called)?;
        return ended(&called, failed, output);
    }
    let images = named(paths, "mask.png")?;
    let legend = legend(decisions)?;
    let mut planned = vec![Planned::named(PREDICTIONS), Planned::named(LEGEND)];
    for (stem, image) in &images {
        let of = |what: &&str| Planned::of(image, file_name(stem, what));
        planned.extend(["mask", "probability", "overlay"].iter().map(of));
    }
    let files = Files::folder(&args.out, KIND, planned, args.overwrite)?;
    write_legend(&files, &legend, args.overwrite)?;
    let (written, failed) = each(images, |path, stem| {
        let one = predict(&trained, path, &files, stem, &legend)?;
        let class = one.called.as_ref().map(|called| format!(": {}", called.told()));
        let class = class.unwrap_or_default();
        output.say(format!("{} -> {}{class}", path.display(), one.mask.display()));
        Ok(one)
    });
    files.merge(PREDICTIONS, &written)?;
    ended(&written, failed, output)
}

/// The name of a file made of the image with this stem.
fn file_name(stem: &str, what: &str) -> String {
    format!("{stem}_{what}.png")
}

/// Writes what masks mean, unless the masks that are there mean something else by the legend that was written for them.
fn write_legend(files: &Files, legend: &[Meaning], overwrite: OverwriteArgs) -> Result<()> {
    let text = format!("{}\n", pretty(&legend)?);
    let path = files.path(LEGEND);
    let masks = files.any_left(|name| name.ends_with("_mask.png"));
    let other = masks && files.last_sha256(LEGEND).is_some_and(|last| last != sha256(&text));
    if other && !overwrite.overwrite {
        return Err(Error::user(format!(
            "{}: masks in this folder have other classes than this run: write into another folder",
            path.display()
        )));
    }
    files.write(LEGEND, text.as_bytes()).map(|_| ())
}

/// What was made of each image, and how many could not be predicted; these are named at once.
pub(super) fn each<T>(
    images: impl IntoIterator<Item = (String, PathBuf)>,
    predict: impl Fn(&Path, &str) -> Result<T>,
) -> (Vec<T>, usize) {
    let (mut done, mut failed) = (Vec::new(), 0);
    for (stem, path) in images {
        match predict(&path, &stem) {
            Ok(one) => done.push(one),
            Err(error) => {
                failed += 1;
                eprintln!("error: {}", text::lines(&error.to_string()));
            }
        }
    }
    (done, failed)
}

/// Prints what was made where machines read; an error if images failed.
///
/// # Errors
/// As said.
pub(super) fn ended<T: Serialize>(done: &[T], failed: usize, output: Output) -> Result<u8> {
    if output.json {
        print(&pretty(&done)?)?;
    }
    match failed {
        0 => Ok(0),
        count => Err(Error::user(format!("{count} images failed, the others are done"))),
    }
}

fn call(trained: &Trained, path: &Path, classes: &[String]) -> Result<Called> {
    let seen = trained.predictor.predict(&[&trained.image(path)?])?.remove(0);
    Ok(Called {
        image: absolute(path),
        run: trained.run.display().to_string(),
        unfinished: trained.unfinished.clone(),
        saying: Saying::new(&seen.values, trained.threshold, classes),
    })
}

fn predict(
    trained: &Trained,
    path: &Path,
    files: &Files,
    stem: &str,
    legend: &[Meaning],
) -> Result<Written> {
    let Trained { predictor, threshold, decisions, .. } = trained;
    let decoded = Decoded { image: decode_image(path, trained.decisions.levels())?, labels: None };
    let (width, height) = decoded.image.dimensions();
    let found = predictor.predict(&[&decoded])?.pop();
    let found = found.ok_or_else(|| Error::failed("the network gave no prediction"))?;
    let seen = found.resized(width as usize, height as usize)?;
    let labels = seen.labels(predictor.outputs, *threshold);
    let pixels = labels.len();
    let share = |label: u8| {
        labels.iter().filter(|&&found| found == label).count() as f64 / pixels.max(1) as f64
    };
    let mask = labels.iter().map(|&label| legend[usize::from(label)].value).collect();
    let parts = match predictor.outputs {
        Outputs::Binary => vec![share(1)],
        Outputs::Classes(classes) | Outputs::Images(classes) => {
            (0..classes).map(|class| share(class as u8)).collect()
        }
    };
    let highest = (0..pixels)
        .map(|pixel| {
            let values = seen.values[pixel..].iter().step_by(pixels);
            (values.fold(0.0_f32, |highest, &value| highest.max(value)) * 255.0).round() as u8
        })
        .collect();
    let size = (width, height);
    let write = |what: &str, bytes: Vec<u8>| files.write(&file_name(stem, what), &bytes);
    Ok(Written {
        image: absolute(path),
        run: trained.run.display().to_string(),
        unfinished: trained.unfinished.clone(),
        mask: write("mask", png_gray(mask, size)?)?,
        probability: write("probability", png_gray(highest, size)?)?,
        overlay: write("overlay", overlay(&decoded.image, &labels, predictor.outputs)?)?,
        legend: legend.to_vec(),
        parts,
        called: (!seen.of_image.is_empty())
            .then(|| Saying::new(&seen.of_image, SECOND_HEAD_THRESHOLD, &decisions.image_classes)),
    })
}
