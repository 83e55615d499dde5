//! Masks and classes that a run predicts for image files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::region::write_region;
use super::trained::Trained;
use crate::data::{Decoded, NoStains, decode_image};
use crate::error::{Error, Result};
use crate::evaluate::{
    Probabilities, SECOND_HEAD_THRESHOLD, Windows, highest, overlay, png_gray, predicted_class,
};
use crate::frame::Inset;
use crate::loss::Outputs as Kind;
use crate::outputs::{Outputs, absolute};
use crate::plan::Decisions;
use crate::source::Rows;
use crate::source::decode::{decode_codes, image_size};
use crate::source::header::Limit;

/// What was written for an image.
#[derive(Debug, Serialize)]
pub struct PredictedMask {
    image: PathBuf,
    run: String,
    /// How far the run came, where it did not finish.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished: Option<String>,
    /// The mask.
    pub mask: PathBuf,
    probability: PathBuf,
    overlay: PathBuf,
    /// The runs whose probabilities are averaged, where they are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<String>,
    /// Where their networks differ: the standard deviation of their probabilities, of which white is 0.5, the largest. None
    /// of an image that is predicted by windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    disagreement: Option<PathBuf>,
    /// The true mask in the values of the predicted one, where it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    truth: Option<PathBuf>,
    /// Why the network saw it smaller than the tiles that it was trained on, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shrunk: Option<String>,
    /// Why the network saw its stains as they are, where they should have been normalised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stains: Option<String>,
    /// What the values of the mask mean.
    legend: Vec<Meaning>,
    /// Part of the pixels that are not background (one foreground) or of each class.
    parts: Vec<f64>,
    /// The class of the image, where a second head predicts it.
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    pub class: Option<ImageClass>,
}

/// What a value of a mask means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Meaning {
    /// The value.
    value: u8,
    /// Its class.
    class: String,
    /// The codes of the data's masks that are this class.
    codes: Vec<u8>,
}

/// The values of the masks of a run: 0 and 255 for one foreground, else the first of the data's codes of each class.
///
/// # Errors
/// If the run's settings name no classes.
pub fn legend(decisions: &Decisions) -> Result<Vec<Meaning>> {
    let (_, codes) = decisions.spec.dataset.source.source().classes()?;
    let names = decisions.labels.names();
    let meaning = |value: u8, class: &str, label: u8| Meaning {
        value,
        class: class.to_string(),
        codes: codes.of_label(label),
    };
    Ok(match decisions.outputs() {
        Kind::Binary => vec![meaning(0, "background", 0), meaning(255, &names[0], 1)],
        Kind::Classes(_) | Kind::Images(_) => (0..)
            .zip(&names)
            .map(|(label, name)| meaning(codes.first_of(label), name, label))
            .collect(),
    })
}

/// An image and its class.
#[derive(Debug, Serialize)]
pub struct PredictedClass {
    image: PathBuf,
    run: String,
    /// The runs whose probabilities are averaged, where they are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<String>,
    /// How far the run came, where it did not finish.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished: Option<String>,
    /// Why the network saw its stains as they are, where they should have been normalised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stains: Option<String>,
    #[serde(flatten)]
    /// Its class.
    pub class: ImageClass,
}

/// The class of an image.
#[derive(Debug, Serialize)]
pub struct ImageClass {
    class: String,
    probabilities: BTreeMap<String, f32>,
}

impl ImageClass {
    fn new(probabilities: &[f32], threshold: f64, classes: &[String]) -> Self {
        Self {
            class: classes[predicted_class(probabilities, threshold)].clone(),
            probabilities: classes.iter().cloned().zip(probabilities.iter().copied()).collect(),
        }
    }

    /// The class with its probability.
    pub fn words(&self) -> String {
        format!("{} ({:.2})", self.class, self.probabilities[&self.class])
    }
}

/// The name of a file made of the image with this stem: its `mask`, `probability`, `overlay` or `disagreement`.
pub fn prediction_file(stem: &str, what: &str) -> String {
    format!("{stem}_{what}.png")
}

/// Predicts the class of an image.
///
/// # Errors
/// If it cannot be decoded.
pub fn predict_class(trained: &Trained, path: &Path) -> Result<PredictedClass> {
    let seen = trained.predictor.predict(&[&trained.image(path)?])?.remove(0);
    let classes = trained.decisions.labels.names();
    Ok(PredictedClass {
        image: absolute(path),
        run: trained.run.display().to_string(),
        runs: averaged(trained),
        unfinished: trained.unfinished.clone(),
        stains: seen.no_stains.map(stains_kept),
        class: ImageClass::new(&seen.values, trained.predictor.settled.threshold, &classes),
    })
}

/// What is said of an image whose stains are not normalised.
pub(super) fn stains_kept(why: NoStains) -> String {
    format!("its stains are not normalised, for {why}")
}

/// Predicts the mask of an image at its own size, and writes it with the highest probability of each pixel and a picture
/// of both. Values of the mask are those of the legend. A network that was trained on tiles sees an image that is larger by
/// windows at the scale of these, where it is known. `truth` is a mask in the data's codes, which is written in the same values.
///
/// # Errors
/// If it cannot be decoded, the true mask is not of its size or holds other codes than the data's, or a file cannot be
/// written.
pub fn predict_mask(
    trained: &Trained,
    path: &Path,
    truth: Option<&Path>,
    files: &Outputs,
    stem: &str,
    legend: &[Meaning],
) -> Result<PredictedMask> {
    let Trained { predictor, decisions, .. } = trained;
    let values: Vec<u8> = legend.iter().map(|meaning| meaning.value).collect();
    let truth = truth.map(|truth| write_truth(trained, (path, truth), files, stem)).transpose()?;
    let view = View::of(trained, path)?;
    let written = match &view {
        View::Windows(windows) => write_region(trained, windows, path, files, stem, &values)?,
        View::Whole | View::Shrunk(_) => write_whole(trained, path, files, stem, &values)?,
    };
    let pixels: u64 = written.pixels.iter().sum();
    let share = |&found: &u64| found as f64 / pixels.max(1) as f64;
    let parts = match predictor.outputs {
        Kind::Binary => vec![share(&written.pixels[1])],
        Kind::Classes(_) | Kind::Images(_) => written.pixels.iter().map(share).collect(),
    };
    Ok(PredictedMask {
        image: absolute(path),
        run: trained.run.display().to_string(),
        runs: averaged(trained),
        disagreement: written.disagreement,
        unfinished: trained.unfinished.clone(),
        mask: written.mask,
        probability: written.probability,
        overlay: written.overlay,
        truth,
        shrunk: match view {
            View::Shrunk(why) => Some(why),
            View::Whole | View::Windows(_) => None,
        },
        stains: written.stains,
        legend: legend.to_vec(),
        parts,
        class: (!written.of_image.is_empty()).then(|| {
            ImageClass::new(&written.of_image, SECOND_HEAD_THRESHOLD, &decisions.image_classes)
        }),
    })
}

/// The runs that are averaged; none where one predicts alone.
fn averaged(trained: &Trained) -> Vec<String> {
    match trained.runs().as_slice() {
        [_] => Vec::new(),
        runs => runs.iter().map(|run| run.display().to_string()).collect(),
    }
}

/// How the network sees an image.
enum View {
    /// As it was trained on its cases.
    Whole,
    /// By windows at the scale of the tiles that it was trained on.
    Windows(Windows),
    /// Smaller than those tiles, and why.
    Shrunk(String),
}

impl View {
    fn of(trained: &Trained, path: &Path) -> Result<Self> {
        let Trained { predictor, decisions, .. } = trained;
        if let Some(windows) = predictor.windows {
            return Ok(Self::Windows(windows));
        }
        let dataset = &decisions.spec.dataset;
        if !dataset.source.source().is_of_tiles() {
            return Ok(Self::Whole);
        }
        let (width, height) = image_size(path, Limit::Rows)?;
        let Inset { width: columns, height: rows, .. } = dataset.frame().inset((width, height));
        let exceeds = |side: u32| width > side || height > side;
        Ok(match decisions.tile_windows() {
            Some(windows) if exceeds(windows.side()) && decisions.image_classes.is_empty() => {
                Self::Windows(windows)
            }
            Some(windows) if exceeds(windows.side()) => Self::Shrunk(format!(
                "shrunk from {width}x{height} to {columns}x{rows} pixels, since the network gives the whole image a class; \
                 it was trained on tiles of {0}x{0}",
                windows.side()
            )),
            None if exceeds(dataset.image_size.width) => Self::Shrunk(format!(
                "shrunk from {width}x{height} to {columns}x{rows} pixels: the run does not say one size of its training tiles, \
                 by which a larger image could be read at their scale"
            )),
            Some(_) | None => Self::Whole,
        })
    }
}

/// Writes the true mask of an image with the codes that stand for classes in predicted ones; what takes no part has the
/// first of its codes.
fn write_truth(
    trained: &Trained,
    (image, mask): (&Path, &Path),
    files: &Outputs,
    stem: &str,
) -> Result<PathBuf> {
    let (_, codes) = trained.decisions.spec.dataset.source.source().classes()?;
    let mut truth = decode_codes(mask, Limit::Roi)?;
    let (found, wanted) =
        (truth.dimensions(), Rows::open(image, trained.decisions.levels())?.size());
    if found != wanted {
        return Err(Error::user(format!(
            "{}: a mask of {}x{} for an image of {}x{} ({}): they must be alike",
            mask.display(),
            found.0,
            found.1,
            wanted.0,
            wanted.1,
            image.display()
        )));
    }
    if let Err(unknown) = codes.apply(&mut truth) {
        return Err(Error::user(format!("{}: {}", mask.display(), codes.unknown(&unknown))));
    }
    let values = truth.iter().map(|&label| codes.first_of(label)).collect();
    files.write(&prediction_file(stem, "truth"), &png_gray(values, found)?)
}

/// What was written for an image.
pub(super) struct Written {
    pub mask: PathBuf,
    pub probability: PathBuf,
    pub overlay: PathBuf,
    /// Where the networks that are averaged differ.
    pub disagreement: Option<PathBuf>,
    /// Pixels of each label.
    pub pixels: Vec<u64>,
    /// Probabilities of the classes of the image; none without a second head.
    pub of_image: Vec<f32>,
    /// Why stains were not normalised, where they should be.
    pub stains: Option<String>,
}

/// Predicts an image that the network sees whole; `values` are those of the mask, by label.
fn write_whole(
    trained: &Trained,
    path: &Path,
    files: &Outputs,
    stem: &str,
    values: &[u8],
) -> Result<Written> {
    let Trained { predictor, decisions, .. } = trained;
    let decoded = Decoded::new(decode_image(path, decisions.levels())?);
    let size = decoded.image.dimensions();
    let each: Vec<Probabilities> = predictor.each(&[&decoded])?.into_iter().flatten().collect();
    let each: Vec<&Probabilities> = each.iter().collect();
    let found = Probabilities::mean(&each)?;
    let disagreement = (each.len() > 1).then(|| {
        let values = Probabilities::disagreement(&found, &each);
        let (of_image, no_stains) = (Vec::new(), None);
        Probabilities { width: found.width, height: found.height, values, of_image, no_stains }
            .resized(size.0 as usize, size.1 as usize)
    });
    let seen = found.resized(size.0 as usize, size.1 as usize)?;
    let labels = predictor.labels(&seen, size);
    let mask = labels.iter().map(|&label| values[usize::from(label)]).collect();
    let write = |what: &str, bytes: Vec<u8>| files.write(&prediction_file(stem, what), &bytes);
    Ok(Written {
        mask: write("mask", png_gray(mask, size)?)?,
        probability: write("probability", png_gray(highest(&seen.values, labels.len()), size)?)?,
        overlay: write("overlay", overlay(&decoded.image, &labels, predictor.outputs)?)?,
        disagreement: match disagreement {
            None => None,
            Some(seen) => {
                let levels =
                    seen?.values.iter().map(|value| (value * 510.0).round() as u8).collect();
                Some(write("disagreement", png_gray(levels, size)?)?)
            }
        },
        pixels: count_labels(&labels, values.len()),
        of_image: seen.of_image,
        stains: seen.no_stains.map(stains_kept),
    })
}

/// Pixels of each of a number of labels.
pub(super) fn count_labels(labels: &[u8], count: usize) -> Vec<u64> {
    let mut pixels = vec![0; count];
    labels.iter().for_each(|&label| pixels[usize::from(label)] += 1);
    pixels
}
