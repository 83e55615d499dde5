//! Tversky and focal Tversky loss.

use std::collections::BTreeSet;

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(test)]
use super::testing::Example;
use super::{
    LossFunction, Outputs, Problems, Scope,
    measured::Measured,
    overlap::{Outer, Overlap, Pool, Ratio, SMALLEST_BASE, check_pixels},
    target::Target,
};
use crate::error::Result;

/// Tversky: tp / (tp + alpha fp + beta fn), raised to gamma as 1 - index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TverskySpec {
    /// Weight of false positives.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub alpha: f64,
    /// Weight of false negatives.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub beta: f64,
    /// Exponent of the loss (focal Tversky, Abraham and Khan 2019); 1 is plain Tversky.
    #[schemars(range(min = 0.1, max = 10.0))]
    pub gamma: f64,
    /// Added to numerator and denominator, in pixels.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub smooth: f64,
    /// Over which pixels sums are taken.
    pub pool: Pool,
}

impl Default for TverskySpec {
    fn default() -> Self {
        Self { alpha: 0.3, beta: 0.7, gamma: 1.0, smooth: 1.0, pool: Pool::Batch }
    }
}

/// 1 - Tversky index (Salehi, Erdogmus and Gholipour 2017), to the power `gamma` (focal Tversky,
/// Abraham and Khan 2019, whose exponent is `1 / gamma`).
///
/// With the soft counts over the valid pixels of the batch, or of each image,
///
/// ```text
/// 1 - (tp + smooth) / (tp + alpha fp + beta fn + smooth)
/// ```
///
/// of each class, averaged over the classes present in the truth, raised to `gamma`, then
/// averaged over images. With `alpha = beta = 0.5` it is Dice with twice the `smooth`, with
/// `alpha = beta = 1` Jaccard. A large `beta` makes missed pixels dear.
#[derive(Clone, Debug, PartialEq)]
pub struct Tversky {
    alpha: f64,
    beta: f64,
    gamma: f64,
    smooth: f64,
    pool: Pool,
}

impl LossFunction for Tversky {
    type Settings = TverskySpec;

    fn new(settings: &TverskySpec, _: &[u64]) -> Result<Self> {
        let TverskySpec { alpha, beta, gamma, smooth, pool } = *settings;
        Ok(Self { alpha, beta, gamma, smooth, pool })
    }

    fn check(settings: &TverskySpec, outputs: Outputs, problems: &mut Problems) {
        check_pixels(outputs, problems);
        if settings.alpha == 0.0 && settings.beta == 0.0 {
            problems.add("beta", "`alpha` and `beta` are both 0, so nothing would be learned");
        }
    }

    fn scopes(settings: &TverskySpec) -> BTreeSet<Scope> {
        settings.pool.scopes()
    }

    fn forward(&self, logits: Tensor<4>, target: &Target) -> Measured {
        let overlap = Overlap::new(logits, target, self.pool);
        let tp = overlap.both.clone();
        let false_positives = overlap.predicted.clone() - tp.clone();
        let false_negatives = overlap.truth.clone() - tp.clone();
        let denominator =
            tp.clone() + false_positives * self.alpha + false_negatives * self.beta + self.smooth;
        let rows = overlap.loss_of_rows(tp + self.smooth, denominator);
        let rows = if self.gamma == 1.0 {
            rows
        } else {
            rows.clamp_min(SMALLEST_BASE).powf_scalar(self.gamma)
        };
        let ratio = Ratio {
            gain: 1.0,
            alpha: self.alpha,
            beta: self.beta,
            smooth: self.smooth,
            outer: Outer::Power(self.gamma),
            binary: target.is_binary(),
        };
        overlap.mean_over_rows(rows, ratio)
    }

    #[cfg(test)]
    fn examples() -> Vec<Example> {
        vec![
            Example::binary("alpha = 0.2\nbeta = 0.9\ngamma = 0.75"),
            Example::binary("gamma = 0.5\nsmooth = 0.0"),
            Example::binary("pool = 'image'"),
            Example::classes("gamma = 0.5"),
            Example::classes("gamma = 0.5\nsmooth = 0.0"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, gradient, labels, logits};
    use super::*;

    fn tversky(alpha: f64, beta: f64, gamma: f64) -> Tversky {
        Tversky { alpha, beta, gamma, smooth: 1.0, pool: Pool::Batch }
    }

    #[test]
    fn false_negatives_weigh_beta_and_false_positives_alpha() {
        // p = 1/2 on three pixels, one of them lesion: tp 1/2, fp 1, fn 1/2.
        let target = Target::new(labels(&[0, 1, 0]), 1);
        let loss = tversky(0.3, 0.7, 1.0).forward(logits(1, &[0.0; 3]), &target);
        assert_close(loss.value.into_scalar(), 1.0 - 1.5 / (0.5 + 0.3 + 0.35 + 1.0));
    }

    #[test]
    fn gamma_is_the_exponent_of_the_loss() {
        let target = Target::new(labels(&[0, 1, 0]), 1);
        let loss = tversky(0.3, 0.7, 2.0).forward(logits(1, &[0.0; 3]), &target);
        assert_close(loss.value.into_scalar(), (1.0 - 1.5f32 / 2.15).powi(2));
    }

    #[test]
    fn a_perfect_row_has_no_gradient_under_a_root() {
        let gradient = gradient(1, &[-1e4, 1e4], &[0, 1], |logits, target| {
            tversky(0.3, 0.7, 0.5).forward(logits, target)
        });
        assert_eq!(gradient, [0.0, 0.0]);
    }

    #[test]
    fn the_gradient_is_that_of_the_ratio() {
        // With alpha = 0, beta = 1: 1 - (p1 + 1) / (1 + 1), so -1/2 dp/dx of the lesion.
        let gradient = gradient(1, &[0.0, 0.0, 4.0], &[0, 1, 255], |logits, target| {
            tversky(0.0, 1.0, 1.0).forward(logits, target)
        });
        for (found, expected) in gradient.iter().zip([0.0, -0.125, 0.0]) {
            assert_close(*found, expected);
        }
    }
}
