//! The 95th percentile Hausdorff distance.
//!
//! As MONAI's `compute_hausdorff_distance(percentile=95)`. medpy's `hd95` differs: it pools both directions.

use super::surface::Distances;
use super::{Metric, Range, quantile};

pub(super) const METRIC: Metric = Metric::lowest("hd95", "HD95")
    .also_named(&["hd", "hausdorff", "hausdorff95"])
    .between(Range::Distance)
    .in_unit("px")
    .of_masks(|pixels| pixels.distances().map(of).or(pixels.missed_px));

/// The larger of the 95th percentiles (linear between ranks) of the distances forth and back; 0 of two empty masks.
pub(super) fn of(distances: &Distances) -> f64 {
    percentile(&distances.forth).max(percentile(&distances.back))
}

fn percentile(distances: &[f64]) -> f64 {
    let mut sorted = distances.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    if sorted.is_empty() { 0.0 } else { quantile(&sorted, 0.95) }
}
