//! The normalised surface distance, also called surface Dice.
//!
//! Nikolov et al. (2021), Journal of Medical Internet Research 23:e26151, on outlines of pixels as MONAI's
//! `compute_surface_dice` without subvoxels.

use super::surface::Distances;
use super::{ClassPixels, Metric};

pub(super) const METRIC: Metric =
    Metric::highest("nsd", "NSD").also_named(&["surface-dice", "nsdice"]).of_masks(of_pixels);

/// The part of both outlines that lies within the tolerance of the other; 1 of two empty masks, 0 where one is empty.
fn of_pixels(pixels: &ClassPixels) -> Option<f64> {
    Some(pixels.distances().map_or(0.0, |distances| of(distances, pixels.tolerance_px)))
}

fn of(Distances { forth, back }: &Distances, tolerance_px: f64) -> f64 {
    let all = forth.iter().chain(back);
    let near = all.clone().filter(|distance| **distance <= tolerance_px).count();
    if forth.is_empty() && back.is_empty() { 1.0 } else { near as f64 / all.count() as f64 }
}
