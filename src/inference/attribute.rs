//! Attributions of a run's predictions for image files.

use std::path::Path;

use super::predict::stains_kept;
use super::trained::Trained;
use crate::attribution::{self, Method, hot, panels};
use crate::device::on_device;
use crate::error::{Error, Result};
use crate::evaluate::jpeg;
use crate::loss::Outputs;

/// A picture of which regions drove a prediction.
pub struct Attributed {
    /// The picture, as JPEG.
    pub picture: Vec<u8>,
    /// Why the network saw the image's stains as they are, where they should have been normalised.
    pub stains: Option<String>,
}

/// The image, the part of it that was found (of a classifier: that contributes most to the class) and the map over the
/// image, side by side as JPEG. Without a class, of the predicted one, or that with the most predicted pixels.
///
/// # Errors
/// If the image cannot be decoded, or there is no such class.
pub fn attribute(
    trained: &Trained,
    path: &Path,
    class: Option<usize>,
    method: &Method,
) -> Result<Attributed> {
    let predictor = &trained.predictor;
    let decoded = trained.image(path)?;
    if let Some(windows) = &predictor.windows {
        let ((width, height), side) = (decoded.image.dimensions(), windows.side());
        if (width, height) != (side, side) {
            return Err(Error::user(format!(
                "{}: {width}x{height}, and this network was trained on {} of {side}x{side} pixels, whose scale \
                 another size would change: cut one out of the image",
                path.display(),
                if predictor.preprocess.sampling.crop.is_some() { "crops" } else { "tiles" }
            )));
        }
    }
    let seen = predictor.predict(&[&decoded])?.remove(0);
    let class = match (class, predictor.outputs) {
        (None, Outputs::Images(_)) => Some(predictor.class(&seen.values)),
        (class, _) => class,
    };
    let attributed = || attribution::attribute(predictor, &decoded, class, method);
    let heat = on_device(|| "computing an attribution".into(), attributed)??;
    let found = match predictor.outputs {
        Outputs::Images(_) => hot(&decoded.image, &heat)?,
        Outputs::Binary | Outputs::Classes(_) => {
            let (width, height) = decoded.image.dimensions();
            let resized = seen.resized(width as usize, height as usize)?;
            predictor.labels(&resized, (width, height))
        }
    };
    Ok(Attributed {
        picture: jpeg(&panels(&decoded.image, &found, &heat)?)?,
        stains: seen.no_stains.map(stains_kept),
    })
}
