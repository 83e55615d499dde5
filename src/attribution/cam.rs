//! Class activation maps from maps and the gradient of a score with respect to them.

use burn::tensor::Tensor;

use super::method::{Attribution, Settings, Unfit, layer_of};
use super::{Heat, Score, Subject, numbers, positive, still};
use crate::error::{Error, Result};
use crate::model::{self, ModelSpec};

/// Grad-CAM of a layer.
pub type GradCam = Weighted<false>;

/// Grad-CAM++ of a layer.
pub type GradCamPlusPlus = Weighted<true>;

/// A class activation map of a layer, whose channels are weighed by [`grad_cam`] or [`grad_cam_plus_plus`]; where pixels
/// have classes, that of Seg-Grad-CAM (Vinogradova, Dibrov and Myers 2020).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighted<const PLUS_PLUS: bool> {
    /// Where maps are weighed.
    pub layer: String,
}

impl<const PLUS_PLUS: bool> Attribution for Weighted<PLUS_PLUS> {
    const SETTINGS: &'static [&'static str] = &["layer"];

    fn new(settings: Settings, model: &ModelSpec, _: usize) -> Result<Self, Unfit> {
        let usual = || model::usual_place(model);
        layer_of(settings.layer, model::places(model), usual).map(|layer| Self { layer })
    }

    fn layer(&self) -> Option<&str> {
        Some(&self.layer)
    }

    fn heat(&self, subject: &Subject) -> Result<Heat> {
        let input = Tensor::from_inner(subject.input.clone());
        let (logits, maps) = still(subject.net).watched(input, &self.layer)?;
        let score = Score::new(&logits, subject)?;
        let gradients = score.of(logits).sum().backward();
        let gradient = maps.grad(&gradients).ok_or_else(|| {
            Error::user(format!("`{}` does not bear on the prediction", self.layer))
        })?;
        let [_, channels, height, width] = maps.dims();
        let weighed = if PLUS_PLUS { grad_cam_plus_plus } else { grad_cam };
        let values = weighed(&numbers(maps.inner()), &numbers(gradient), channels);
        Ok(Heat { width, height, values })
    }
}

/// Grad-CAM (Selvaraju et al. 2017): each channel weighs the mean of its gradient; negative
/// values are left out, and the highest is 1.
///
/// # Shapes
/// - maps, gradient: `[channels, pixels]`
/// - output: `[pixels]`
pub fn grad_cam(maps: &[f32], gradient: &[f32], channels: usize) -> Vec<f32> {
    let pixels = maps.len() / channels.max(1);
    let weights = gradient
        .chunks(pixels.max(1))
        .map(|gradient| gradient.iter().map(|&g| f64::from(g)).sum::<f64>() / pixels as f64);
    weighed(maps, weights.collect(), pixels)
}

/// Grad-CAM++ (Chattopadhay et al. 2018): each pixel of a channel counts by how much of the score it makes up, with
/// the closed form for an exponential of the score.
///
/// # Shapes
/// - maps, gradient: `[channels, pixels]`
/// - output: `[pixels]`
pub fn grad_cam_plus_plus(maps: &[f32], gradient: &[f32], channels: usize) -> Vec<f32> {
    /// Keeps quotients of zeros finite.
    const SMALL: f64 = 1e-6;
    let pixels = maps.len() / channels.max(1);
    let weights = maps.chunks(pixels.max(1)).zip(gradient.chunks(pixels.max(1)));
    let weights = weights.map(|(maps, gradient)| {
        let total: f64 = maps.iter().map(|&value| f64::from(value)).sum();
        let share = |g: f64| g * g / (2.0 * g * g + total * g * g * g + SMALL);
        gradient.iter().map(|&g| f64::from(g).max(0.0) * share(f64::from(g))).sum()
    });
    weighed(maps, weights.collect(), pixels)
}

/// The positive part of the weighed sum of channels, scaled to a highest value of 1.
fn weighed(maps: &[f32], weights: Vec<f64>, pixels: usize) -> Vec<f32> {
    let mut sums = vec![0f64; pixels];
    for (maps, weight) in maps.chunks(pixels.max(1)).zip(weights) {
        for (sum, &value) in sums.iter_mut().zip(maps) {
            *sum += weight * f64::from(value);
        }
    }
    positive(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_count_by_their_mean_gradient_and_negative_values_are_left_out() {
        let maps = [1.0, 0.0, 2.0, 0.0, 3.0, 1.0];
        // Three channels of two pixels, weights 0.5, -1 and 0.
        let gradient = [1.0, 0.0, -1.0, -1.0, 0.5, -0.5];
        assert_eq!(grad_cam(&maps, &gradient, 3), [0.0, 0.0]);
        let gradient = [1.0, 0.0, 0.0, 0.0, 1.0, 1.0];
        // 0.5 * [1, 0] + 1 * [3, 1] = [3.5, 1].
        assert_eq!(grad_cam(&maps, &gradient, 3), [1.0, 1.0 / 3.5]);
    }

    #[test]
    fn pixels_without_gradient_weigh_nothing_in_grad_cam_plus_plus() {
        let maps = [1.0, 1.0, 0.0, 4.0];
        let gradient = [0.0, 0.0, 2.0, 0.0];
        // Only the second channel weighs: 2 * 4 / (8 + 4 * 8) = 0.2.
        assert_eq!(grad_cam_plus_plus(&maps, &gradient, 2), [0.0, 1.0]);
        assert_eq!(grad_cam_plus_plus(&maps, &[0.0; 4], 2), [0.0, 0.0]);
    }
}
