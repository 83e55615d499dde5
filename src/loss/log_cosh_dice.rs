//! Log-cosh Dice loss.

use std::collections::BTreeSet;

use burn::tensor::Tensor;

#[cfg(test)]
use super::testing::Example;
use super::{
    LossFunction, Outputs, Problems, Scope,
    dice::Dice,
    measured::Measured,
    overlap::{Outer, OverlapSpec, Ratio},
    target::Target,
};
use crate::error::Result;

/// The logarithm of the hyperbolic cosine of the Dice loss (Jadon 2020, "A survey of loss functions for semantic
/// segmentation").
///
/// ```text
/// log(cosh(1 - dice))
/// ```
///
/// with the loss of [`Dice`] of the batch, or of each image. Its slope is `tanh(1 - dice)` times that of Dice, so that
/// it vanishes where the overlap is whole.
#[derive(Clone, Debug, PartialEq)]
pub struct LogCoshDice(Dice);

impl LossFunction for LogCoshDice {
    type Settings = OverlapSpec;

    fn new(settings: &OverlapSpec, class_pixels: &[u64]) -> Result<Self> {
        Dice::new(settings, class_pixels).map(Self)
    }

    fn check(settings: &OverlapSpec, outputs: Outputs, problems: &mut Problems) {
        Dice::check(settings, outputs, problems);
    }

    fn scopes(settings: &OverlapSpec) -> BTreeSet<Scope> {
        Dice::scopes(settings)
    }

    /// `log(cosh(x)) = log(1 + sinh(x)^2) / 2`, which keeps its precision near 0.
    fn forward(&self, logits: Tensor<4>, target: &Target) -> Measured {
        let (overlap, dice, ratio) = self.0.rows(logits, target);
        let sinh = dice.sinh();
        let rows = (sinh.clone() * sinh).log1p() * 0.5;
        let ratio =
            Ratio { outer: Outer::Function(|dice| dice.sinh().powi(2).ln_1p() / 2.0), ..ratio };
        overlap.mean_over_rows(rows, ratio)
    }

    #[cfg(test)]
    fn examples() -> Vec<Example> {
        Dice::examples()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, gradient, labels, logits};
    use super::*;

    fn log_cosh_dice(smooth: f64) -> LogCoshDice {
        LogCoshDice::new(&OverlapSpec { smooth, ..OverlapSpec::default() }, &[]).unwrap()
    }

    #[test]
    fn half_sure_pixels_have_the_log_cosh_of_their_dice_loss() {
        // p = 1/2 on two pixels, one of them lesion: the Dice loss is 1/3.
        let target = Target::new(labels(&[0, 1]), 1);
        let loss = log_cosh_dice(1.0).forward(logits(1, &[0.0, 0.0]), &target);
        assert_close(loss.value.into_scalar(), (1.0f32 / 3.0).cosh().ln());
    }

    #[test]
    fn a_small_loss_keeps_its_precision() {
        // p = 1 - e of the one pixel, a lesion: the Dice loss is e / (2 - e), its log-cosh half of the square.
        let target = Target::new(labels(&[1]), 1);
        let loss = log_cosh_dice(0.0).forward(logits(1, &[8.0]), &target);
        let missed = 1.0 / (1.0 + 8f64.exp());
        let expected = (missed / (2.0 - missed)).powi(2) / 2.0;
        let found = loss.value.into_scalar::<f64>();
        assert!((found / expected - 1.0).abs() < 1e-3, "{found}, not {expected}");
    }

    #[test]
    fn the_gradient_is_tanh_of_the_dice_loss_times_that_of_dice() {
        let gradient = gradient(1, &[0.0, 0.0, 4.0], &[0, 1, 255], |logits, target| {
            log_cosh_dice(1.0).forward(logits, target)
        });
        let slope = (1.0f32 / 3.0).tanh();
        for (found, expected) in gradient.iter().zip([2.0 / 36.0, -4.0 / 36.0, 0.0]) {
            assert_close(*found, slope * expected);
        }
    }
}
