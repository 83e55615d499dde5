//! Precision of lesions, of which an image can have several.

use super::Metric;
use super::lesions::Lesions;

pub(super) const METRIC: Metric = Metric::highest("lesion-precision", "Lesion precision")
    .also_named(&["lesion-ppv"])
    .of_masks(|pixels| {
        let Lesions { predicted, right, .. } = pixels.lesions();
        (*predicted > 0).then(|| *right as f64 / *predicted as f64)
    });
