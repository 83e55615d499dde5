//! The operators as compositions of Burn's own: what runs on GPUs, and what the kernels are compared
//! with.

use std::f64::consts::FRAC_1_SQRT_2;

use burn::nn::conv::Conv2d;
use burn::nn::pool::{AvgPool2dConfig, MaxPool2dConfig};
use burn::nn::{BatchNorm, PaddingConfig2d};
use burn::tensor::activation::{log_softmax, relu, sigmoid, silu};
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Int, Tensor};

use super::activation::Activation;
use super::after::After;
use super::batch_norm::normalised_by_batch;
use super::class_counts::ClassCounts;
use super::input::Input;
use super::precision::convolve;

impl Input {
    /// All of it in one tensor.
    pub fn into_maps(self) -> Tensor<4> {
        let first = if self.first.doubled { nearest(self.first.maps) } else { self.first.maps };
        match self.more.is_empty() {
            true => first,
            false => Tensor::cat([first].into_iter().chain(self.more).collect(), 1),
        }
    }
}

/// Whether a norm takes the statistics of a batch and moves its running ones.
pub(crate) fn trains(norm: &BatchNorm, device: &Device) -> bool {
    device.is_autodiff() && norm.training.is_enabled()
}

/// What the variance of a batch's numbers is multiplied by to become an estimate of that of all numbers, which is what
/// PyTorch's running variance averages: n / (n - 1).
pub(crate) fn of_sample(maps: &Tensor<4>) -> f64 {
    let [batch, _, height, width] = maps.dims();
    let count = (batch * height * width) as f64;
    count / (count - 1.0).max(1.0)
}

/// Batch normalisation, whose running variance is that of a sample, as PyTorch's, where Burn's is biased.
pub(crate) fn batch_norm(norm: &BatchNorm, maps: Tensor<4>) -> Tensor<4> {
    if !trains(norm, &maps.device()) {
        return norm.forward(maps);
    }
    let of_sample = of_sample(&maps);
    let (output, [mean, variance]) =
        normalised_by_batch(maps, norm.gamma.val(), norm.beta.val(), norm.epsilon);
    move_running(norm, mean, variance * of_sample);
    output
}

/// Moves the running statistics of a norm towards the mean and the variance of a batch.
pub(crate) fn move_running(norm: &BatchNorm, mean: Tensor<1>, variance: Tensor<1>) {
    for (running, now) in [(&norm.running_mean, mean), (&norm.running_var, variance)] {
        // Copies of a network on several devices share their running statistics, which lie on one of them.
        let before = running.value_sync().to_device(&now.device());
        running.update((before * (1.0 - norm.momentum) + now.detach() * norm.momentum).detach());
    }
}

/// What follows a convolution or a norm.
pub(crate) fn after(maps: Tensor<4>, after: After) -> Tensor<4> {
    let mut maps = maps;
    if let Some(residual) = after.residual {
        maps = maps + residual;
    }
    if let Some(activation) = after.activation {
        maps = activated(maps, activation);
    }
    match after.dropout {
        Some(dropout) => dropout.forward(maps),
        None => maps,
    }
}

/// An activation of each number.
pub(crate) fn activated(maps: Tensor<4>, activation: Activation) -> Tensor<4> {
    match activation {
        Activation::Relu => relu(maps),
        Activation::Gelu => gelu(maps),
        Activation::Relu6 => maps.clamp(0.0, 6.0),
        Activation::Silu => silu(maps),
    }
}

/// Gaussian error linear units. Burn's own have the gradient of an approximation by tanh on a GPU, off by up to 0.002.
fn gelu(maps: Tensor<4>) -> Tensor<4> {
    let below = ((maps.clone() * FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
    maps * below
}

/// The mean of each channel of each image.
pub(crate) fn average(maps: Tensor<4>) -> Tensor<4> {
    maps.mean_dim(3).mean_dim(2)
}

/// Maximum pooling with square windows.
pub(crate) fn max_pool2d(
    maps: Tensor<4>,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    MaxPool2dConfig::new([kernel; 2])
        .with_strides([stride; 2])
        .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
        .init()
        .forward(maps)
}

/// Squeeze-and-excitation.
pub(crate) fn excite(first: &Conv2d, second: &Conv2d, maps: Tensor<4>) -> Tensor<4> {
    let factors = convolve(second, silu(convolve(first, average(maps.clone()))));
    maps * sigmoid(factors)
}

/// The mean of each 2x2 block.
pub(crate) fn halve(maps: Tensor<4>) -> Tensor<4> {
    AvgPool2dConfig::new([2; 2]).with_strides([2; 2]).init().forward(maps)
}

/// Doubles height and width, each pixel four times.
pub(crate) fn nearest(maps: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = maps.dims();
    let options = InterpolateOptions::new(InterpolateMode::Nearest)
        .with_output_size([2 * height, 2 * width])
        .with_align_corners(false);
    interpolate(maps, options)
}

/// Multiplies height and width by bilinear interpolation between the centres of pixels. Made of operators that have
/// gradients on every device: Burn's own interpolation has none of this kind on CUDA.
pub(crate) fn bilinear(maps: Tensor<4>, times: usize) -> Tensor<4> {
    linear(linear(maps, 2, times), 3, times)
}

/// Multiplies one axis: of the new pixels that an old one becomes, each lies between its centre and that of a neighbour.
fn linear(maps: Tensor<4>, axis: usize, times: usize) -> Tensor<4> {
    let mut dims = maps.dims();
    let last = dims[axis] - 1;
    let edge = |at: usize| maps.clone().narrow(axis, at, 1);
    let (before, after) = match last {
        0 => (maps.clone(), maps.clone()),
        _ => (
            Tensor::cat(vec![edge(0), maps.clone().narrow(axis, 0, last)], axis),
            Tensor::cat(vec![maps.clone().narrow(axis, 1, last), edge(last)], axis),
        ),
    };
    let new = (0..times).map(|index| {
        let from_centre = (index as f64 + 0.5) / times as f64 - 0.5;
        let neighbour = if from_centre < 0.0 { &before } else { &after };
        let share = from_centre.abs();
        maps.clone() * (1.0 - share) + neighbour.clone() * share
    });
    dims[axis] *= times;
    Tensor::stack::<5>(new.collect(), axis + 1).reshape(dims)
}

/// Of each pixel `-log softmax(logits)` of its class.
pub(crate) fn surprise(logits: Tensor<4>, labels: Tensor<4, Int>) -> Tensor<4> {
    -log_softmax(logits, 1).gather(1, labels)
}

/// Numbers of pixels by predicted and true class.
pub(crate) fn class_counts(logits: Tensor<4>, labels: Tensor<3, Int>) -> ClassCounts {
    let [batch, channels, height, width] = logits.dims();
    let labels = labels.unsqueeze_dim::<4>(1);
    let is_class = labels.clone().lower_elem(channels.max(2) as i64);
    let labelled = is_class.bool_and(labels.clone().greater_equal_elem(0)).float();
    let (predicted, truth) = if channels == 1 {
        (logits.greater_equal_elem(0.0), labels.equal_elem(1))
    } else {
        let shape = [batch, channels, height, width];
        let class =
            Tensor::<1, Int>::arange(0..channels as i64, (&labels.device(), labels.dtype()));
        let class = class.reshape([1, channels, 1, 1]).expand(shape);
        let highest = logits.argmax(1).cast(labels.dtype());
        (highest.expand(shape).equal(class.clone()), labels.expand(shape).equal(class))
    };
    let of_pixels = |maps: Tensor<4>| {
        let channels = maps.dims()[1];
        maps.reshape([batch, channels, height * width]).sum_dim(2).reshape([batch, channels])
    };
    let [predicted, truth] = [predicted, truth].map(|found| found.float() * labelled.clone());
    ClassCounts {
        both: of_pixels(predicted.clone() * truth.clone()),
        predicted: of_pixels(predicted),
        truth: of_pixels(truth),
        labelled: of_pixels(labelled),
    }
}
