//! Predictions and attributions of cases during training.

use serde::Serialize;

use super::pictures::{Shown, load};
use crate::record::{Frame, Record};
use crate::spec::AttributionKind;

/// Pictures of some epochs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Film {
    /// The attribution method.
    pub method: &'static str,
    /// What its maps show.
    pub shows: String,
    /// The layer or gate that they are of; empty where they are of the input.
    pub layer: String,
    /// The same case in each epoch.
    pub fixed: Vec<Still>,
    /// A case drawn at random in each epoch.
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
    /// Predicted class of the image; empty where only pixels have classes.
    pub predicted: String,
    /// The image.
    pub image: Shown,
    /// The true mask.
    pub truth: Shown,
    /// The predicted mask.
    pub prediction: Shown,
    /// The attribution map.
    pub heat: Shown,
}

/// The film of a run; `None` if there are no pictures of epochs.
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

/// What an attribution map shows.
fn shows(method: AttributionKind) -> String {
    const SCALED: &str = "scaled to the highest value of the map";
    match method {
        AttributionKind::GradCam | AttributionKind::GradCamPlusPlus => format!(
            "{} shows which regions of the named layer drove the prediction, {SCALED}.",
            method.title()
        ),
        AttributionKind::Occlusion => format!(
            "Occlusion shows how much the score of the prediction falls when a patch hides a region of the input, \
             {SCALED}; regions where it rises are left out."
        ),
        AttributionKind::IntegratedGradients => format!(
            "Integrated gradients show how much each pixel adds to the score of the prediction, {SCALED}; what pixels \
             take away is left out."
        ),
        AttributionKind::Gate => {
            "The map of an attention gate shows how much of the skip connection the named gate \
                                  passes at each place, from 0 to 1, whatever the prediction."
                .into()
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
