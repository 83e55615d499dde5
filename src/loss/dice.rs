//! Soft Dice loss.

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

/// 1 - soft Dice (Milletari, Navab and Ahmadi 2016, V-Net, with plain sums in the denominator).
///
/// With the probabilities `p` and the truth `y` over the valid pixels of the batch, or of each
/// image,
///
/// ```text
/// 1 - (2 sum(p y) + smooth) / (sum(p) + sum(y) + smooth)
/// ```
///
/// of each class, averaged over the classes present in the truth, then over images. One lesion
/// channel counts on images without a lesion too: there the loss is
/// `1 - smooth / (sum(p) + smooth)`.
///
/// `smooth` is that of MONAI (`smooth_nr`, `smooth_dr`) and of Keras; segmentation_models_pytorch
/// writes half of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Dice {
    smooth: f64,
    pool: Pool,
}

impl LossFunction for Dice {
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
        let (overlap, rows, ratio) = self.rows(logits, target);
        overlap.mean_over_rows(rows, ratio)
    }

    #[cfg(test)]
    fn examples() -> Vec<Example> {
        vec![
            Example::binary(""),
            Example::binary("smooth = 0.0\npool = 'image'"),
            Example::classes(""),
            Example::classes("pool = 'image'"),
            Example::classes("smooth = 0.0\npool = 'image'"),
        ]
    }
}

impl Dice {
    /// The loss of the batch or of each image, with the counts and the ratio that it is made of.
    ///
    /// # Shapes
    ///
    /// - logits: `[N, C, H, W]`
    /// - loss: `[1, 1]` or `[N, 1]`
    pub fn rows(&self, logits: Tensor<4>, target: &Target) -> (Overlap, Tensor<2>, Ratio) {
        let overlap = Overlap::new(logits, target, self.pool);
        let numerator = overlap.both.clone() * 2.0 + self.smooth;
        let denominator = overlap.predicted.clone() + overlap.truth.clone() + self.smooth;
        let ratio = Ratio {
            gain: 2.0,
            alpha: 1.0,
            beta: 1.0,
            smooth: self.smooth,
            outer: Outer::Power(1.0),
            binary: target.is_binary(),
        };
        let rows = overlap.loss_of_rows(numerator, denominator);
        (overlap, rows, ratio)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int, Tensor, TensorData};

    use super::super::testing::{assert_close, gradient, labels, logits};
    use super::*;

    fn dice(smooth: f64, pool: Pool) -> Dice {
        Dice { smooth, pool }
    }

    #[test]
    fn half_sure_pixels_have_the_dice_of_their_sums() {
        // p = 1/2 on two pixels, one of them lesion: 1 - (2 * 1/2 + 1) / (1 + 1 + 1)
        let target = Target::new(labels(&[0, 1]), 1);
        let loss = dice(1.0, Pool::Batch).forward(logits(1, &[0.0, 0.0]), &target);
        assert_close(loss.value.into_scalar(), 1.0 / 3.0);
    }

    #[test]
    fn probability_on_an_image_without_a_lesion_has_a_cost() {
        let target = Target::new(labels(&[0, 0]), 1);
        let loss = dice(1.0, Pool::Batch).forward(logits(1, &[0.0, 0.0]), &target);
        assert_close(loss.value.into_scalar(), 1.0 - 1.0 / 2.0);
    }

    #[test]
    fn the_mean_is_over_the_classes_present() {
        // p = 1/3 for each of three classes on two pixels, of classes 0 and 1.
        let target = Target::new(labels(&[0, 1]), 3);
        let loss = dice(0.0, Pool::Batch).forward(logits(3, &[0.0; 6]), &target);
        assert_close(loss.value.into_scalar(), 1.0 - (2.0 / 3.0) / (2.0 / 3.0 + 1.0));
    }

    #[test]
    fn pooling_by_image_averages_the_loss_of_images_with_a_valid_pixel() {
        let device = Device::flex();
        let truth: Tensor<3, Int> =
            Tensor::from_data(TensorData::new(vec![1i64, 0, 255], [3, 1, 1]), &device);
        let target = Target::new(truth, 1);
        let logits = || Tensor::<4>::zeros([3, 1, 1, 1], &device);
        let by_image = dice(1.0, Pool::Image).forward(logits(), &target);
        assert_close(by_image.value.into_scalar(), (1.0 - 2.0 / 2.5 + 1.0 - 1.0 / 1.5) / 2.0);
        let pooled = dice(1.0, Pool::Batch).forward(logits(), &target);
        assert_close(pooled.value.into_scalar(), 1.0 - 2.0 / 3.0);
    }

    #[test]
    fn the_gradient_is_that_of_the_ratio() {
        // d/dp of 1 - (2 p1 + 1) / (p0 + p1 + 2) at p = 1/2: 2/9 and 2/9 - 2/3; dp/dx = 1/4.
        let gradient = gradient(1, &[0.0, 0.0, 4.0], &[0, 1, 255], |logits, target| {
            dice(1.0, Pool::Batch).forward(logits, target)
        });
        for (found, expected) in gradient.iter().zip([2.0 / 36.0, -4.0 / 36.0, 0.0]) {
            assert_close(*found, expected);
        }
    }
}
