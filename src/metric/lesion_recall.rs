//! Recall of lesions, of which an image can have several.

use super::Metric;
use super::lesions::Lesions;

pub(super) const METRIC: Metric = Metric::highest("lesion-recall", "Lesion recall")
    .also_named(&["lesion-sensitivity", "detection-rate"])
    .of_masks(|pixels| {
        let Lesions { truth, found, .. } = pixels.lesions();
        (*truth > 0).then(|| *found as f64 / *truth as f64)
    });
