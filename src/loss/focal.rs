//! Focal loss.

use std::collections::BTreeSet;

use burn::tensor::{
    Tensor,
    activation::{log_sigmoid, log_softmax},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(test)]
use super::testing::Example;
use super::{
    LossFunction, Outputs, Problems, Scope, bce::margin, measured::Measured, reduce, target::Target,
};
use crate::error::Result;

/// Focal loss: -(1 - p)^gamma log p, averaged over pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FocalSpec {
    /// How strongly easy pixels are played down.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub gamma: f64,
    /// Weight of lesion pixels, the others weighing 1 - alpha; absent, all weigh 1. Binary only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub alpha: Option<f64>,
}

impl Default for FocalSpec {
    fn default() -> Self {
        Self { gamma: 2.0, alpha: None }
    }
}

/// Focal loss of each pixel (Lin et al. 2017), averaged over the valid pixels.
///
/// With `p` the probability of the true class, by the sigmoid of one channel or the softmax of
/// several,
///
/// ```text
/// -(1 - p)^gamma log p
/// ```
///
/// times `alpha` on the lesion and `1 - alpha` elsewhere where alpha is given. With `gamma = 0` it
/// is (binary) cross-entropy. As segmentation_models_pytorch's `focal_loss_with_logits` and
/// `softmax_focal_loss_with_logits`: the probabilities are those that the network is judged by,
/// where its class `FocalLoss` trains a sigmoid for each class.
#[derive(Clone, Debug, PartialEq)]
pub struct Focal {
    gamma: f64,
    alpha: Option<f64>,
}

impl LossFunction for Focal {
    type Settings = FocalSpec;

    fn new(settings: &FocalSpec, _: &[u64]) -> Result<Self> {
        let FocalSpec { gamma, alpha } = *settings;
        Ok(Self { gamma, alpha })
    }

    fn check(settings: &FocalSpec, outputs: Outputs, problems: &mut Problems) {
        if let (Some(_), Some(classes)) = (settings.alpha, outputs.classes()) {
            problems.add(
                "alpha",
                format!(
                    "`alpha` weighs one foreground class against the rest, and this network tells \
                     {classes} classes apart; leave it out"
                ),
            );
        }
    }

    fn scopes(_: &FocalSpec) -> BTreeSet<Scope> {
        Scope::Pixels.into()
    }

    fn forward(&self, logits: Tensor<4>, target: &Target) -> Measured {
        let (right, wrong) = if target.is_binary() {
            let margin = margin(logits, target);
            (log_sigmoid(margin.clone()), log_sigmoid(-margin).exp())
        } else {
            let right = log_softmax(logits, 1).gather(1, target.labels.clone());
            (right.clone(), -right.exp() + 1.0)
        };
        let loss = if self.gamma == 0.0 {
            -right
        } else {
            -(wrong.clamp_min(SMALLEST_BASE).powf_scalar(self.gamma) * right)
        };
        let loss = match self.alpha {
            Some(alpha) => loss * (target.truth() * (2.0 * alpha - 1.0) + (1.0 - alpha)),
            None => loss,
        };
        reduce::mean_over_pixels(loss, target.valid.clone())
    }

    #[cfg(test)]
    fn examples() -> Vec<Example> {
        vec![
            Example::binary("gamma = 1.5\nalpha = 0.25"),
            Example::binary("gamma = 0.5\nalpha = 0.25"),
            Example::classes("gamma = 0.5"),
        ]
    }
}

/// Keeps away from 0, where the slope of a power below 1 is infinite.
const SMALLEST_BASE: f32 = 1e-7;

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, gradient, labels, logits};
    use super::*;

    fn loss(gamma: f64, alpha: Option<f64>, classes: usize, values: &[f32], truth: &[i64]) -> f32 {
        let target = Target::new(labels(truth), classes);
        let focal = Focal { gamma, alpha };
        focal.forward(logits(classes, values), &target).value.into_scalar()
    }

    #[test]
    fn a_pixel_of_probability_p_costs_its_surprise_times_a_power_of_1_minus_p() {
        // p = 3/4 of the truth, then 1/4.
        let log_3 = 3f32.ln();
        let expected = (4.0 / 3.0f32).ln() / 16.0;
        assert_close(loss(2.0, None, 1, &[log_3], &[1]), expected);
        assert_close(loss(2.0, None, 2, &[log_3, 0.0], &[0]), expected);
        assert_close(loss(2.0, None, 1, &[log_3], &[0]), 4f32.ln() * 9.0 / 16.0);
        assert_close(loss(2.0, None, 2, &[log_3, 0.0], &[1]), 4f32.ln() * 9.0 / 16.0);
    }

    #[test]
    fn alpha_weighs_the_lesion_and_its_complement_the_rest() {
        let log_3 = 3f32.ln();
        let expected = 0.9 * (4.0 / 3.0f32).ln() / 16.0 + 0.1 * 4f32.ln() * 9.0 / 16.0;
        assert_close(loss(2.0, Some(0.9), 1, &[log_3, log_3, 5.0], &[1, 0, 255]), expected / 2.0);
    }

    #[test]
    fn without_gamma_it_is_cross_entropy() {
        assert_close(loss(0.0, None, 3, &[0.0; 6], &[0, 2]), 3f32.ln());
    }

    #[test]
    fn the_gradient_is_finite_where_the_probability_is_1() {
        for gamma in [0.5, 2.0] {
            let focal = Focal { gamma, alpha: None };
            let found =
                gradient(2, &[1e4, -1e4], &[0], |logits, target| focal.forward(logits, target));
            assert_eq!(found, [0.0, 0.0]);
        }
    }

    #[test]
    fn the_gradient_with_gamma_1_is_that_of_its_product() {
        // (1 - p)(-log p) with dp/dx = p(1 - p): p(1 - p)(log p - (1 - p) / p), at p = 1/2.
        let focal = Focal { gamma: 1.0, alpha: None };
        let found =
            gradient(1, &[0.0, 3.0], &[1, 255], |logits, target| focal.forward(logits, target));
        assert_close(found[0], 0.25 * (0.5f32.ln() - 1.0));
        assert_eq!(found[1], 0.0);
    }
}
