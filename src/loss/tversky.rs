//! Tversky and focal Tversky loss.

use burn::tensor::Tensor;

use super::{
    measured::Measured,
    overlap::{Overlap, Ratio, SMALLEST_BASE},
    target::Target,
};
use crate::spec::{Pool, TverskySpec};

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

impl From<&TverskySpec> for Tversky {
    fn from(spec: &TverskySpec) -> Self {
        let TverskySpec { alpha, beta, gamma, smooth, pool } = *spec;
        Self { alpha, beta, gamma, smooth, pool }
    }
}

impl Tversky {
    /// The loss; 0 if no pixel is valid.
    ///
    /// # Shapes
    ///
    /// - logits: `[N, C, H, W]`
    pub fn forward(&self, logits: Tensor<4>, target: &Target) -> Measured {
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
            gamma: self.gamma,
            binary: target.is_binary(),
        };
        overlap.mean_over_rows(rows, ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, gradient, labels, logits};
    use super::*;

    fn tversky(alpha: f64, beta: f64, gamma: f64) -> Tversky {
        Tversky::from(&TverskySpec { alpha, beta, gamma, smooth: 1.0, pool: Pool::Batch })
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
