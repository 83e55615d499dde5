//! Sums and means over pixels, images and classes.
//!
//! On the CPU sums go axis by axis: Burn's backend splits the sum of a whole tensor above 4 Mi elements
//! over its threads as they happen to be free, and its last bits with them. On a GPU they go over as few kernels as may
//! be, and not by Burn's sum of a whole tensor, which may add with atomic operations in any order.

use burn::tensor::{ElementConversion, Tensor};

use super::measured::Measured;
use crate::kernels::{supports, total};

/// Sum of all elements, in an order that does not depend on threads.
///
/// # Shapes
///
/// - tensor: `[N, C, H, W]`
/// - output: `[1]`
pub(super) fn sum(tensor: Tensor<4>) -> Tensor<1> {
    total(per_channel(tensor))
}

/// Sum over the pixels of each image and channel.
///
/// # Shapes
///
/// - tensor: `[N, C, H, W]`
/// - output: `[N, C]`
pub(super) fn per_channel(tensor: Tensor<4>) -> Tensor<2> {
    if supports(&tensor) {
        return tensor.sum_dim(3).sum_dim(2).squeeze_dims(&[2, 3]);
    }
    let [images, channels, height, width] = tensor.dims();
    tensor.reshape([images, channels, height * width]).sum_dim(2).reshape([images, channels])
}

/// `numerator / denominator`, and 0 with no gradient where the denominator is 0.
pub(super) fn ratio<const D: usize>(numerator: Tensor<D>, denominator: Tensor<D>) -> Tensor<D> {
    let empty = denominator.clone().equal_elem(0.0);
    numerator.mask_fill(empty.clone(), 0.0) / denominator.mask_fill(empty, 1.0)
}

/// Mean over the valid pixels; 0 if there is none.
///
/// # Shapes
///
/// - loss: `[N, 1, H, W]`
/// - valid: `[N, 1, H, W]`, 0 or 1
pub(super) fn mean_over_pixels(loss: Tensor<4>, valid: Tensor<4>) -> Measured {
    Measured::mean(sum(loss * valid.clone()), sum(valid))
}

/// Mean over the classes present in each row, rows being images or the whole batch; 0 in a row
/// where none is.
///
/// # Shapes
///
/// - loss: `[R, C]`
/// - present: `[R, C]`, 0 or 1
/// - output: `[R, 1]`
pub(super) fn mean_over_classes(loss: Tensor<2>, present: Tensor<2>) -> Tensor<2> {
    ratio((loss * present.clone()).sum_dim(1), present.sum_dim(1))
}

/// Mean over the rows in which any class is present; 0 if there is none.
///
/// # Shapes
///
/// - loss: `[R, 1]`
/// - present: `[R, C]`, 0 or 1
pub(super) fn mean_over_rows(loss: Tensor<2>, present: Tensor<2>) -> Measured {
    let counts = positive(present.sum_dim(1));
    Measured::mean(total(loss * counts.clone()), total(counts))
}

/// 1 where an element is above 0, else 0.
pub(super) fn positive<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    tensor.greater_elem(0.0.elem::<f32>()).float()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn a_ratio_over_zero_is_zero_without_gradient() {
        let device = Device::flex().autodiff();
        let numerator = Tensor::<1>::from_floats([3.0, 4.0], &device).require_grad();
        let ratio = ratio(numerator.clone(), Tensor::from_floats([0.0, 2.0], &device));
        assert_eq!(ratio.clone().into_data().iter::<f32>().collect::<Vec<_>>(), [0.0, 2.0]);
        let gradient = numerator.grad(&ratio.sum().backward()).unwrap();
        assert_eq!(gradient.into_data().iter::<f32>().collect::<Vec<_>>(), [0.0, 0.5]);
    }

    #[test]
    fn absent_classes_and_rows_without_any_are_left_out_of_means() {
        let device = Device::flex();
        let loss = Tensor::<2>::from_floats([[0.2, 0.4], [0.6, 9.0], [9.0, 9.0]], &device);
        let present = Tensor::<2>::from_floats([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]], &device);
        let rows = mean_over_classes(loss, present.clone());
        let mean: f32 = mean_over_rows(rows, present).value.into_scalar();
        assert!((mean - (0.3 + 0.6) / 2.0).abs() < 1e-6, "{mean}");
    }
}
