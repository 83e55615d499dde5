//! The average symmetric surface distance.
//!
//! As MONAI's `compute_average_surface_distance(symmetric=True)`. medpy's `assd` differs: it averages the two directed means.

use super::surface::Distances;
use super::{Metric, Range};

pub(super) const METRIC: Metric = Metric::lowest("assd", "ASSD")
    .also_named(&["asd"])
    .between(Range::Distance)
    .in_unit("px")
    .of_masks(|pixels| pixels.distances().map(of).or(pixels.missed_px));

/// The mean over the distances of both directions together; 0 of two empty masks.
pub(super) fn of(Distances { forth, back }: &Distances) -> f64 {
    let n = forth.len() + back.len();
    if n == 0 { 0.0 } else { forth.iter().chain(back).sum::<f64>() / n as f64 }
}
