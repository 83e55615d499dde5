//! Soft Jaccard loss.

use std::collections::BTreeSet;

use burn::tensor::Tensor;

#[cfg(test)]
use super::testing::Example;
use super::{
    LossFunction, Outputs, Problems, Scope,
    measured::Measured,
    overlap::{Outer, Overlap, OverlapSpec, Pool, Ratio, check_pixels},
    target::Target,
};
use crate::error::Result;

/// 1 - soft Jaccard index, or intersection over union (Rahman and Wang 2016).
///
/// With the probabilities `p` and the truth `y` over the valid pixels of the batch, or of each
/// image,
///
/// ```text
/// 1 - (sum(p y) + smooth) / (sum(p) + sum(y) - sum(p y) + smooth)
/// ```
///
/// of each class, averaged over the classes present in the truth, then over images, as in
/// [`Dice`](super::dice::Dice).
#[derive(Clone, Debug, PartialEq)]
pub struct Jaccard {
    smooth: f64,
    pool: Pool,
}

impl LossFunction for Jaccard {
    type Settings = OverlapSpec;

    fn new(settings: &OverlapSpec, _: &[u64]) -> Result<Self> {
        let OverlapSpec { smooth, pool } = *settings;
        Ok(Self { smooth, pool })
    }

    fn check(_: &OverlapSpec, outputs: Outputs, problems: &mut Problems) {
        check_pixels(outputs, problems);
    }

    fn scopes(settings: &OverlapSpec) -> BTreeSet<Scope> {
        settings.pool.scopes()
    }

    fn forward(&self, logits: Tensor<4>, target: &Target) -> Measured {
        let overlap = Overlap::new(logits, target, self.pool);
        let both = overlap.both.clone();
        let union = overlap.predicted.clone() + overlap.truth.clone() - both.clone();
        let ratio = Ratio {
            gain: 1.0,
            alpha: 1.0,
            beta: 1.0,
            smooth: self.smooth,
            outer: Outer::Power(1.0),
            binary: target.is_binary(),
        };
        let rows = overlap.loss_of_rows(both + self.smooth, union + self.smooth);
        overlap.mean_over_rows(rows, ratio)
    }

    #[cfg(test)]
    fn examples() -> Vec<Example> {
        vec![
            Example::binary("smooth = 0.0"),
            Example::binary("smooth = 0.5"),
            Example::binary("pool = 'image'"),
            Example::classes(""),
            Example::classes("smooth = 0.0"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, gradient, labels, logits};
    use super::*;

    fn jaccard(smooth: f64) -> Jaccard {
        Jaccard { smooth, pool: Pool::Batch }
    }

    #[test]
    fn half_sure_pixels_have_the_jaccard_of_their_sums() {
        // p = 1/2 on two pixels, one of them lesion: 1 - (1/2 + 1) / (1 + 1 - 1/2 + 1)
        let target = Target::new(labels(&[0, 1]), 1);
        let loss = jaccard(1.0).forward(logits(1, &[0.0, 0.0]), &target);
        assert_close(loss.value.into_scalar(), 1.0 - 1.5 / 2.5);
    }

    #[test]
    fn the_mean_is_over_the_classes_present() {
        let target = Target::new(labels(&[0, 1]), 3);
        let loss = jaccard(0.0).forward(logits(3, &[0.0; 6]), &target);
        assert_close(loss.value.into_scalar(), 1.0 - (1.0 / 3.0) / (2.0 / 3.0 + 1.0 - 1.0 / 3.0));
    }

    #[test]
    fn the_gradient_is_that_of_the_ratio() {
        // 1 - (p1 + 1) / (p0 + 2): d/dp0 = 1.5 / 6.25, d/dp1 = -1 / 2.5; dp/dx = 1/4.
        let gradient = gradient(1, &[0.0, 0.0, 4.0], &[0, 1, 255], |logits, target| {
            jaccard(1.0).forward(logits, target)
        });
        for (found, expected) in gradient.iter().zip([0.06, -0.1, 0.0]) {
            assert_close(*found, expected);
        }
    }
}
