//! `oncospec predict`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::runs::{Trained, TrainedArgs};
use super::{Output, pretty, print};
use crate::data::{Decoded, decode_image};
use crate::error::{Error, Result};
use crate::evaluate::{SECOND_HEAD_THRESHOLD, called, overlay, png_gray};
use crate::loss::Outputs;
use crate::record::write_file;
use crate::text;

/// Arguments of `predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    #[command(flatten)]
    trained: TrainedArgs,
    /// PNG or JPEG images, or folders of them.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Folder for IMAGE_mask.png, IMAGE_probability.png and IMAGE_overlay.png; where images have classes, for predictions.json.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// What was written for an image.
#[derive(Debug, Serialize)]
struct Written {
    image: PathBuf,
    mask: PathBuf,
    probability: PathBuf,
    overlay: PathBuf,
    /// Part of the pixels that are not background (one foreground) or of each class.
    parts: Vec<f64>,
    /// The class of the image, where a second head tells it.
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    called: Option<Saying>,
}

/// An image and its class.
#[derive(Debug, Serialize)]
struct Called {
    image: PathBuf,
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
/// class numbers.
pub fn execute(args: PredictArgs, output: Output) -> Result<u8> {
    let trained = args.trained.open()?;
    let Trained { decisions, predictor, .. } = &trained;
    let paths = images(&args.images)?;
    if let Outputs::Images(_) = predictor.outputs {
        let classes = decisions.labels.names();
        let paths = paths.into_iter().map(|path| (String::new(), path));
        let (called, failed) = each(paths, |path, _| {
            let called = call(&trained, path, &classes)?;
            output.say(format!("{}: {}", path.display(), called.saying.told()));
            Ok(called)
        });
        fs::create_dir_all(&args.out).map_err(Error::io(&args.out, "cannot create"))?;
        write_predictions(&called, &args.out)?;
        return ended(&called, failed, output);
    }
    let images = named(paths, "mask.png")?;
    fs::create_dir_all(&args.out).map_err(Error::io(&args.out, "cannot create"))?;
    let (written, failed) = each(images, |path, stem| {
        let one = predict(&trained, path, &args.out, stem)?;
        let class = one.called.as_ref().map(|called| format!(": {}", called.told()));
        let class = class.unwrap_or_default();
        output.say(format!("{} -> {}{class}", path.display(), one.mask.display()));
        Ok(one)
    });
    if decisions.second_head().is_some() {
        write_predictions(&written, &args.out)?;
    }
    ended(&written, failed, output)
}

fn write_predictions<T: Serialize>(predictions: &[T], folder: &Path) -> Result<()> {
    let text = pretty(&predictions)?;
    write_file(&folder.join("predictions.json"), format!("{text}\n").as_bytes())
}

/// What was made of each image, and how many could not be predicted; these are named at once.
pub fn each<T>(
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
pub fn ended<T: Serialize>(done: &[T], failed: usize, output: Output) -> Result<u8> {
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
        image: path.to_path_buf(),
        saying: Saying::new(&seen.values, trained.threshold, classes),
    })
}

/// The image files that arguments mean: folders are searched, not below.
pub fn images(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut images = Vec::new();
    for path in paths {
        if !path.is_dir() {
            images.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).map_err(Error::io(path, "cannot read"))?;
        let mut inside: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                let extension = path.extension().and_then(|extension| extension.to_str());
                extension.is_some_and(|extension| {
                    ["png", "jpg", "jpeg"].contains(&extension.to_ascii_lowercase().as_str())
                })
            })
            .collect();
        if inside.is_empty() {
            return Err(Error::user(format!("{}: no PNG or JPEG file in it", path.display())));
        }
        inside.sort();
        images.extend(inside);
    }
    Ok(images)
}

/// Images with the stems of the files that they write, the first of which ends in `_what`.
///
/// # Errors
/// If two images would write the same files.
pub fn named(images: Vec<PathBuf>, what: &str) -> Result<BTreeMap<String, PathBuf>> {
    let mut named: BTreeMap<String, PathBuf> = BTreeMap::new();
    for image in images {
        let stem = image.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(other) = named.get(&stem).filter(|other| **other != image) {
            return Err(Error::user(format!(
                "{} and {} would both write {stem}_{what}: write them into different folders",
                other.display(),
                image.display()
            )));
        }
        named.insert(stem, image);
    }
    Ok(named)
}

fn predict(trained: &Trained, path: &Path, out: &Path, stem: &str) -> Result<Written> {
    let Trained { predictor, threshold, decisions, .. } = trained;
    let decoded = Decoded { image: decode_image(path)?, labels: None };
    let (width, height) = decoded.image.dimensions();
    let found = predictor.predict(&[&decoded])?.pop();
    let found = found.ok_or_else(|| Error::failed("the network gave no prediction"))?;
    let seen = found.resized(width as usize, height as usize)?;
    let labels = seen.labels(predictor.outputs, *threshold);
    let pixels = labels.len();
    let share = |label: u8| {
        labels.iter().filter(|&&found| found == label).count() as f64 / pixels.max(1) as f64
    };
    let (mask, parts) = match predictor.outputs {
        Outputs::Binary => (labels.iter().map(|&label| label * 255).collect(), vec![share(1)]),
        Outputs::Classes(classes) | Outputs::Images(classes) => {
            (labels.clone(), (0..classes).map(|class| share(class as u8)).collect())
        }
    };
    let highest = (0..pixels)
        .map(|pixel| {
            let values = seen.values[pixel..].iter().step_by(pixels);
            (values.fold(0.0_f32, |highest, &value| highest.max(value)) * 255.0).round() as u8
        })
        .collect();
    let file = |what: &str| out.join(format!("{stem}_{what}.png"));
    let written = Written {
        image: path.to_path_buf(),
        mask: file("mask"),
        probability: file("probability"),
        overlay: file("overlay"),
        parts,
        called: (!seen.of_image.is_empty())
            .then(|| Saying::new(&seen.of_image, SECOND_HEAD_THRESHOLD, &decisions.image_classes)),
    };
    write_file(&written.mask, &png_gray(mask, (width, height))?)?;
    write_file(&written.probability, &png_gray(highest, (width, height))?)?;
    write_file(&written.overlay, &overlay(&decoded.image, &labels, predictor.outputs)?)?;
    Ok(written)
}
