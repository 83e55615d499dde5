//! Binary cross-entropy.

use std::collections::BTreeSet;

use burn::tensor::{Tensor, activation::log_sigmoid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(test)]
use super::testing::Example;
use super::{LossFunction, Outputs, Problems, Scope, measured::Measured, reduce, target::Target};
use crate::error::Result;

/// Binary cross-entropy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct BceSpec {
    /// Label smoothing s: the target of a lesion pixel is 1 - s/2, of another s/2.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub label_smoothing: f64,
    /// Weight of lesion pixels against the others; 1 leaves them equal.
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub positive_weight: f64,
}

impl Default for BceSpec {
    fn default() -> Self {
        Self { label_smoothing: 0.0, positive_weight: 1.0 }
    }
}

/// Binary cross-entropy of each pixel, averaged over the valid pixels.
///
/// With the logit `x`, the smoothed truth `t` (`1 - s/2` on the lesion, `s/2` elsewhere) and the
/// weight `w` of the lesion, the loss of a pixel is
///
/// ```text
/// -(w t log sigmoid(x) + (1 - t) log(1 - sigmoid(x)))
/// ```
///
/// as in PyTorch's `binary_cross_entropy_with_logits` with `pos_weight`.
#[derive(Clone, Debug, PartialEq)]
pub struct Bce {
    label_smoothing: f64,
    positive_weight: f64,
}

impl LossFunction for Bce {
    type Settings = BceSpec;

    fn new(settings: &BceSpec, _: &[u64]) -> Result<Self> {
        let BceSpec { label_smoothing, positive_weight } = *settings;
        Ok(Self { label_smoothing, positive_weight })
    }

    fn check(_: &BceSpec, outputs: Outputs, problems: &mut Problems) {
        if let Some(classes) = outputs.classes() {
            problems.add(
                "kind",
                format!(
                    "`bce` is for one foreground class, and this network tells {classes} classes \
                     apart; use `cross-entropy`"
                ),
            );
        }
    }

    fn scopes(_: &BceSpec) -> BTreeSet<Scope> {
        Scope::Pixels.into()
    }

    fn forward(&self, logits: Tensor<4>, target: &Target) -> Measured {
        let margin = margin(logits, target);
        let right = -log_sigmoid(margin.clone());
        reduce::mean_over_pixels(self.per_pixel(margin, right, target), target.valid.clone())
    }

    #[cfg(test)]
    fn examples() -> Vec<Example> {
        vec![Example::binary(""), Example::binary("label-smoothing = 0.1\npositive-weight = 2.0")]
    }
}

impl Bce {
    /// With h = s / 2, `right` times the loss of the true class plus h times that of the other:
    /// softplus(m) = softplus(-m) + m, so one logarithm serves both and small losses keep their
    /// precision.
    fn per_pixel(&self, margin: Tensor<4>, right: Tensor<4>, target: &Target) -> Tensor<4> {
        let half = self.label_smoothing / 2.0;
        let weight = self.positive_weight;
        if half == 0.0 && weight == 1.0 {
            return right;
        }
        let lesion = target.truth();
        let of_right = (lesion.clone() * (weight - 1.0) + 1.0) * (1.0 - half);
        if half == 0.0 {
            return right * of_right;
        }
        let of_wrong = (lesion * (1.0 - weight) + weight) * half;
        right * (of_right + of_wrong.clone()) + margin * of_wrong
    }
}

/// The logit, its sign turned where the truth is background: above 0 where the pixel is right.
///
/// # Shapes
///
/// - logits, output: `[N, 1, H, W]`
pub fn margin(logits: Tensor<4>, target: &Target) -> Tensor<4> {
    logits * (target.truth() * 2.0 - 1.0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, gradient, labels, logits};
    use super::*;

    fn loss(spec: BceSpec, values: &[f32], truth: &[i64]) -> f32 {
        let target = Target::new(labels(truth), 1);
        Bce::new(&spec, &[]).unwrap().forward(logits(1, values), &target).value.into_scalar()
    }

    #[test]
    fn an_undecided_pixel_costs_log_2() {
        assert_close(loss(BceSpec::default(), &[0.0, 0.0], &[0, 1]), 2f32.ln());
    }

    #[test]
    fn the_mean_is_over_valid_pixels_only() {
        // -log sigmoid(log 3) = log(4 / 3), -log(1 - sigmoid(log 3)) = log 4
        let log_3 = 3f32.ln();
        let expected = ((4.0 / 3.0f32).ln() + 4f32.ln()) / 2.0;
        assert_close(loss(BceSpec::default(), &[log_3, log_3, 50.0], &[1, 0, 255]), expected);
    }

    #[test]
    fn smoothing_and_weight_mix_the_two_classes() {
        let spec = BceSpec { label_smoothing: 0.2, positive_weight: 3.0 };
        let log_3 = 3f32.ln();
        let (lesion, other) = ((4.0 / 3.0f32).ln(), 4f32.ln());
        assert_close(loss(spec.clone(), &[log_3], &[1]), 3.0 * 0.9 * lesion + 0.1 * other);
        assert_close(loss(spec, &[log_3], &[0]), 3.0 * 0.1 * lesion + 0.9 * other);
    }

    #[test]
    fn the_gradient_is_probability_minus_truth_over_valid_pixels() {
        let bce = Bce::new(&BceSpec::default(), &[]).unwrap();
        let gradient = gradient(1, &[3f32.ln(), 0.0, 7.0], &[0, 1, 255], |logits, target| {
            bce.forward(logits, target)
        });
        for (found, expected) in gradient.iter().zip([0.375, -0.25, 0.0]) {
            assert_close(*found, expected);
        }
    }
}
