//! The film strip: what the network made of cases as it learned.

use serde::Serialize;

use super::pictures::{Shown, load};
use crate::record::{Frame, Record};
use crate::spec::ExplanationKind;

/// Pictures of some epochs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Film {
    /// How the heat maps were made.
    pub method: &'static str,
    /// What they show.
    pub shows: &'static str,
    /// The layer or gate that they are of; empty where they are of the input.
    pub layer: String,
    /// One case throughout.
    pub fixed: Vec<Still>,
    /// Another case each time.
    pub drawn: Vec<Still>,
}

/// One case in one epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Still {
    /// The epoch.
    pub epoch: u32,
    /// Name of the case.
    pub case: String,
    /// Its label; empty where cases carry none.
    pub label: String,
    /// What an image was called; empty where pixels have classes.
    pub predicted: String,
    /// The image.
    pub image: Shown,
    /// The true mask.
    pub truth: Shown,
    /// The predicted mask.
    pub prediction: Shown,
    /// Where the image speaks for it.
    pub heat: Shown,
}

/// A run's film; none where no epoch was shown.
pub(super) fn film(record: &Record) -> Option<Film> {
    let Frame { method, layer, .. } = record.film.first()?;
    let stills = |fixed: bool| {
        let frames = record.film.iter().filter(|frame| frame.fixed == fixed);
        frames.map(|frame| still(record, frame)).collect()
    };
    Some(Film {
        method: method.title(),
        shows: shows(*method),
        layer: layer.clone(),
        fixed: stills(true),
        drawn: stills(false),
    })
}

/// What a heat map shows.
fn shows(method: ExplanationKind) -> &'static str {
    match method {
        ExplanationKind::GradCam => {
            "Grad-CAM shows where the named layer speaks for what is predicted, scaled to the map's own highest value."
        }
        ExplanationKind::GradCamPlusPlus => {
            "Grad-CAM++ shows where the named layer speaks for what is predicted, scaled to the map's own highest value."
        }
        ExplanationKind::Occlusion => {
            "Occlusion shows where the score of what is predicted falls if a patch hides the input, scaled to the map's own highest value; where it rises is left out."
        }
        ExplanationKind::IntegratedGradients => {
            "Integrated gradients show what each pixel adds to the score of what is predicted, scaled to the map's own highest value; what it takes away is left out."
        }
        ExplanationKind::Gate => {
            "An attention gate's map shows how much of each place of a skip the named gate lets through, from 0 to 1, whatever is predicted."
        }
    }
}

fn still(record: &Record, frame: &Frame) -> Still {
    let images = &frame.images;
    Still {
        epoch: frame.epoch,
        case: frame.case.clone(),
        label: frame.label.clone(),
        predicted: frame.predicted.clone(),
        image: load(record, "Image", &images.image),
        truth: load(record, "Truth", &images.truth),
        prediction: load(record, "Prediction", &images.prediction),
        heat: load(record, frame.method.title(), &images.heat),
    }
}
