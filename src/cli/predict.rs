//! `oncospec predict`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::images::{ImageArgs, named};
use super::{Output, OverwriteArgs, pretty, print, say_error};
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::finding::Level;
use crate::inference::{Meaning, legend, predict_class, predict_mask, prediction_file};
use crate::loss::Outputs as Kind;
use crate::outputs::{Outputs, Planned};

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
    /// Folder of true masks in the data's own codes, each named as its image and a PNG: it is written beside the
    /// prediction with the same values, as IMAGE_truth.png. For runs whose masks hold codes.
    #[arg(long, value_name = "DIR")]
    truth: Option<PathBuf>,
    /// Folder for IMAGE_mask.png, IMAGE_probability.png and IMAGE_overlay.png (and, where RUN is an experiment whose seeds or
    /// folds are averaged, IMAGE_disagreement.png), with legend.json, what the values of
    /// masks mean, and predictions.json, what was predicted for each image.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Predicts masks at each image's own size, or the class of each image. Binary masks are 0 and 255, others hold
/// the data's codes.
pub(super) fn execute(args: PredictArgs, output: Output) -> Result<u8> {
    let (trained, paths) = args.of.open_all(output)?;
    let overwrite = args.overwrite.overwrite;
    let of_codes = matches!(trained.predictor.outputs, Kind::Classes(_));
    if let Some(folder) = args.truth.as_ref().filter(|_| !of_codes) {
        return Err(Error::user(format!(
            "--truth {}: the masks of this run hold no codes of several classes; leave it out",
            folder.display()
        )));
    }
    if let Kind::Images(_) = trained.predictor.outputs {
        let planned = vec![Planned::named(PREDICTIONS)];
        let files = Outputs::folder(&args.out, KIND, planned, overwrite)?;
        let paths = paths.into_iter().map(|path| (String::new(), path));
        let (predicted, failed) = each(paths, |path, _| {
            let predicted = predict_class(&trained, path)?;
            output.say(format!("{}: {}", path.display(), predicted.class.words()));
            warn(output, path, [&predicted.stains]);
            Ok(predicted)
        });
        files.merge(PREDICTIONS, &predicted)?;
        return ended(&predicted, failed, output);
    }
    let images = named(paths, "mask.png")?;
    let legend = legend(&trained.decisions)?;
    let mut planned = vec![Planned::named(PREDICTIONS), Planned::named(LEGEND)];
    for (stem, image) in &images {
        let of = |what: &&str| Planned::of(image, prediction_file(stem, what)).by(&trained.run);
        planned.extend(["mask", "probability", "overlay"].iter().map(of));
        planned.extend((!trained.others.is_empty()).then(|| of(&"disagreement")));
        planned.extend(args.truth.as_ref().map(|_| of(&"truth")));
    }
    let files = Outputs::folder(&args.out, KIND, planned, overwrite)?;
    write_legend(&files, &legend, overwrite)?;
    let (written, failed) = each(images, |path, stem| {
        let truth = args.truth.as_ref().map(|folder| folder.join(format!("{stem}.png")));
        let one = predict_mask(&trained, path, truth.as_deref(), &files, stem, &legend)?;
        let class = one.class.as_ref().map(|class| format!(": {}", class.words()));
        let class = class.unwrap_or_default();
        output.say(format!("{} -> {}{class}", path.display(), one.mask.display()));
        warn(output, path, [&one.shrunk, &one.stains]);
        Ok(one)
    });
    files.merge(PREDICTIONS, &written)?;
    ended(&written, failed, output)
}

/// Says what a person must know of a prediction.
fn warn<const N: usize>(output: Output, path: &Path, warnings: [&Option<String>; N]) {
    for why in warnings.into_iter().flatten() {
        output.warn(Level::Warning, format!("{}: warning: {why}", path.display()));
    }
}

/// Writes what masks mean, unless the masks that are there mean something else by the legend that was written for them.
fn write_legend(files: &Outputs, legend: &[Meaning], overwrite: bool) -> Result<()> {
    let text = format!("{}\n", pretty(&legend)?);
    let path = files.path(LEGEND);
    let masks = files.any_left(|name| name.ends_with("_mask.png"));
    let other = masks && files.last_sha256(LEGEND).is_some_and(|last| last != sha256(&text));
    if other && !overwrite {
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
                say_error(&error);
            }
        }
    }
    (done, failed)
}

/// Prints what was made as JSON where that is asked for.
///
/// # Errors
/// If images failed.
pub(super) fn ended<T: Serialize>(done: &[T], failed: usize, output: Output) -> Result<u8> {
    if output.json {
        print(&pretty(&done)?)?;
    }
    match failed {
        0 => Ok(0),
        count => Err(Error::user(format!("{count} images failed, the others are done"))),
    }
}
