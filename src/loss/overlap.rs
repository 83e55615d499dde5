//! Soft counts of overlap, which Dice, Jaccard and Tversky are ratios of.

use burn::tensor::{
    Tensor,
    activation::{sigmoid, softmax},
};

use super::{
    reduce::{self, per_channel, positive},
    target::Target,
};
use crate::spec::Pool;

/// Soft counts over the valid pixels, one row for each image or one for the whole batch.
#[derive(Clone, Debug)]
pub struct Overlap {
    /// `[R, C]`: sum of probability where the truth is the class (true positives).
    pub both: Tensor<2>,
    /// `[R, C]`: sum of probability.
    pub predicted: Tensor<2>,
    /// `[R, C]`: number of pixels of the class.
    pub truth: Tensor<2>,
    /// `[R, C]`: 1 where the class takes part, else 0. Of several classes those take part that
    /// the row's truth has (segmentation_models_pytorch sets the loss of absent ones to 0 too,
    /// but divides by all). A lesion takes part in every row with a valid pixel, so that
    /// probability on an image without one has a cost.
    pub present: Tensor<2>,
}

impl Overlap {
    /// Counts the overlap of the probabilities and the truth.
    ///
    /// # Shapes
    ///
    /// - logits: `[N, C, H, W]`
    pub fn new(logits: Tensor<4>, target: &Target, pool: Pool) -> Self {
        let probability = probabilities(logits, target) * target.valid.clone();
        let truth = target.truth();
        let both = pooled(probability.clone() * truth.clone(), pool);
        let truth = pooled(truth, pool);
        let present = if target.is_binary() {
            positive(pooled(target.valid.clone(), pool))
        } else {
            positive(truth.clone())
        };
        Self { both, predicted: pooled(probability, pool), truth, present }
    }

    /// 1 - `numerator / denominator`, averaged over the classes present in each row.
    ///
    /// # Shapes
    ///
    /// - numerator, denominator: `[R, C]`
    /// - output: `[R, 1]`
    pub fn loss_of_rows(&self, numerator: Tensor<2>, denominator: Tensor<2>) -> Tensor<2> {
        let loss = -(numerator / denominator.clamp_min(SMALLEST_DENOMINATOR)) + 1.0;
        reduce::mean_over_classes(loss, self.present.clone())
    }

    /// Mean over the rows with a valid pixel.
    ///
    /// # Shapes
    ///
    /// - loss: `[R, 1]`
    /// - output: `[1]`
    pub fn mean_over_rows(&self, loss: Tensor<2>) -> Tensor<1> {
        reduce::mean_over_rows(loss, self.present.clone())
    }
}

/// Keeps 0 / 0 away where `smooth` is 0, as in segmentation_models_pytorch.
const SMALLEST_DENOMINATOR: f32 = 1e-7;

/// Probability of the lesion, or of each class.
///
/// # Shapes
///
/// - logits, output: `[N, C, H, W]`
pub fn probabilities(logits: Tensor<4>, target: &Target) -> Tensor<4> {
    if target.is_binary() { sigmoid(logits) } else { softmax(logits, 1) }
}

fn pooled(tensor: Tensor<4>, pool: Pool) -> Tensor<2> {
    let images = per_channel(tensor);
    match pool {
        Pool::Image => images,
        Pool::Batch => images.sum_dim(0),
    }
}
