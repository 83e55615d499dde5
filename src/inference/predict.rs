//! Masks and classes that a run predicts for image files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::trained::Trained;
use crate::data::{Decoded, decode_image};
use crate::error::{Error, Result};
use crate::evaluate::{SECOND_HEAD_THRESHOLD, overlay, png_gray, predicted_class};
use crate::loss::Outputs as Kind;
use crate::outputs::{Outputs, absolute};
use crate::plan::Decisions;

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
    /// How far the run came, where it did not finish.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished: Option<String>,
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

/// The name of a file made of the image with this stem: its `mask`, `probability` or `overlay`.
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
        unfinished: trained.unfinished.clone(),
        class: ImageClass::new(&seen.values, trained.threshold, &classes),
    })
}

/// Predicts the mask of an image at its own size, and writes it with the highest probability of each pixel and a picture
/// of both. Values of the mask are those of the legend.
///
/// # Errors
/// If it cannot be decoded, or a file not be written.
pub fn predict_mask(
    trained: &Trained,
    path: &Path,
    files: &Outputs,
    stem: &str,
    legend: &[Meaning],
) -> Result<PredictedMask> {
    let Trained { predictor, threshold, decisions, .. } = trained;
    let decoded = Decoded { image: decode_image(path, decisions.levels())?, labels: None };
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
        Kind::Binary => vec![share(1)],
        Kind::Classes(classes) | Kind::Images(classes) => {
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
    let write = |what: &str, bytes: Vec<u8>| files.write(&prediction_file(stem, what), &bytes);
    Ok(PredictedMask {
        image: absolute(path),
        run: trained.run.display().to_string(),
        unfinished: trained.unfinished.clone(),
        mask: write("mask", png_gray(mask, size)?)?,
        probability: write("probability", png_gray(highest, size)?)?,
        overlay: write("overlay", overlay(&decoded.image, &labels, predictor.outputs)?)?,
        legend: legend.to_vec(),
        parts,
        class: (!seen.of_image.is_empty()).then(|| {
            ImageClass::new(&seen.of_image, SECOND_HEAD_THRESHOLD, &decisions.image_classes)
        }),
    })
}
