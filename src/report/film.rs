//! The film strip: what the network made of cases as it learned.

use serde::Serialize;

use super::pictures::{Shown, load};
use crate::record::{Frame, Record};

/// Pictures of some epochs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Film {
    /// The layer that the heat maps are of.
    pub layer: String,
    /// One case throughout.
    pub fixed: Vec<Still>,
    /// Another case each time.
    pub drawn: Vec<Still>,
}

/// One case in one epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Still {
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
    /// Where the layer speaks for it.
    pub heat: Shown,
}

/// A run's film; none where no epoch was shown.
pub fn film(record: &Record) -> Option<Film> {
    let layer = record.film.first()?.layer.clone();
    let stills = |fixed: bool| {
        let frames = record.film.iter().filter(|frame| frame.fixed == fixed);
        frames.map(|frame| still(record, frame)).collect()
    };
    Some(Film { layer, fixed: stills(true), drawn: stills(false) })
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
        heat: load(record, "Grad-CAM", &images.heat),
    }
}
