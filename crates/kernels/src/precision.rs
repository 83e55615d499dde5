//! The number format of convolutions on a GPU.

use std::cell::RefCell;

use burn::module::Param;
use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::tensor::{FloatDType, Tensor};

use super::scoped::scoped;

thread_local! {
    static BFLOAT16: RefCell<bool> = const { RefCell::new(false) };
}

/// Runs with the convolutions of this thread `in_bfloat16`, or not, where no kernel of this crate computes them: their maps
/// and weights are rounded to it, their outputs are single precision again, and so is everything else, gradients of the
/// parameters included.
pub fn with_convolutions<T>(in_bfloat16: bool, run: impl FnOnce() -> T) -> T {
    scoped(&BFLOAT16, in_bfloat16, run).0
}

fn is_bfloat16() -> bool {
    BFLOAT16.with_borrow(|is| *is)
}

/// A convolution as Burn computes it.
pub(crate) fn convolve(conv: &Conv2d, maps: Tensor<4>) -> Tensor<4> {
    if !is_bfloat16() {
        return conv.forward(maps);
    }
    let conv = Conv2d {
        weight: rounded(&conv.weight),
        bias: conv.bias.as_ref().map(rounded),
        ..conv.clone()
    };
    conv.forward(maps.cast(FloatDType::BF16)).cast(FloatDType::F32)
}

/// A transposed convolution as Burn computes it.
pub(crate) fn transposed(conv: &ConvTranspose2d, maps: Tensor<4>) -> Tensor<4> {
    if !is_bfloat16() {
        return conv.forward(maps);
    }
    let conv = ConvTranspose2d {
        weight: rounded(&conv.weight),
        bias: conv.bias.as_ref().map(rounded),
        ..conv.clone()
    };
    conv.forward(maps.cast(FloatDType::BF16)).cast(FloatDType::F32)
}

/// A parameter in bfloat16, whose gradient goes to the original.
fn rounded<const D: usize>(parameter: &Param<Tensor<D>>) -> Param<Tensor<D>> {
    Param::initialized(parameter.id, parameter.val().cast(FloatDType::BF16))
}

#[cfg(test)]
mod tests {
    use burn::nn::conv::{Conv2dConfig, ConvTranspose2dConfig};
    use burn::tensor::{DType, Device, Distribution};

    use super::*;

    fn random(shape: [usize; 4], device: &Device) -> Tensor<4> {
        Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
    }

    /// Output, and gradients of maps and weights.
    fn found(
        run: impl Fn(Tensor<4>) -> Tensor<4>,
        weight: &Param<Tensor<4>>,
        maps: &Tensor<4>,
    ) -> [Vec<f32>; 3] {
        let maps = Tensor::from_data(maps.to_data(), &maps.device()).require_grad();
        let output = run(maps.clone());
        assert_eq!(output.dtype(), DType::F32);
        let gradients = output.clone().square().sum().backward();
        let of_maps = maps.grad(&gradients).unwrap();
        let of_weight = weight.val().grad(&gradients).unwrap();
        assert_eq!(of_weight.dtype(), DType::F32);
        [output.inner(), of_maps, of_weight].map(|all| all.into_data().iter::<f32>().collect())
    }

    #[track_caller]
    fn assert_near(found: &[Vec<f32>; 3], expected: &[Vec<f32>; 3]) {
        for (found, expected) in found.iter().zip(expected) {
            let scale = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 0.03 * scale, "{found}, not {expected}");
            }
        }
        assert_ne!(found[0], expected[0], "nothing was rounded");
    }

    #[test]
    fn convolutions_in_bfloat16_are_near_and_their_gradients_are_in_single_precision() {
        let device = Device::flex().autodiff();
        let maps = random([2, 3, 6, 6], &device);
        let conv = Conv2dConfig::new([3, 4], [3, 3]).init(&device);
        let single = found(|maps| convolve(&conv, maps), &conv.weight, &maps);
        let half =
            found(|maps| with_convolutions(true, || convolve(&conv, maps)), &conv.weight, &maps);
        assert_near(&half, &single);
        let conv = ConvTranspose2dConfig::new([3, 4], [2, 2]).with_stride([2, 2]).init(&device);
        let single = found(|maps| transposed(&conv, maps), &conv.weight, &maps);
        let half =
            found(|maps| with_convolutions(true, || transposed(&conv, maps)), &conv.weight, &maps);
        assert_near(&half, &single);
    }
}
