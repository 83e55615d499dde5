//! What counting the pixels of classes gives.

use burn::tensor::Tensor;

/// Of each image and class the number of pixels, among those whose label is a class. Whole numbers, exact up to 2^24
/// pixels an image.
#[derive(Clone, Debug)]
pub struct ClassCounts {
    /// `[batch, channels]`: pixels of the class that are predicted as it.
    pub both: Tensor<2>,
    /// `[batch, channels]`: pixels that are predicted as the class.
    pub predicted: Tensor<2>,
    /// `[batch, channels]`: pixels of the class.
    pub truth: Tensor<2>,
    /// `[batch, 1]`: pixels whose label is a class.
    pub labelled: Tensor<2>,
}
