//! Operators of convolutional networks on [Burn](https://burn.dev): one function each, whatever the device of its tensors.
//!
//! On the CPU they run the kernels of this crate, which have backward passes of their own, as a Burn backend extension;
//! elsewhere they are compositions of Burn's operators. Layers and parameters are Burn's.
//!
//! ```
//! use burn::nn::conv::Conv2dConfig;
//! use burn::nn::{BatchNormConfig, PaddingConfig2d};
//! use burn::tensor::{Device, Tensor};
//! use oncospec_kernels::{After, conv2d_batch_norm, max_pool2d};
//!
//! let device = Device::flex();
//! let conv = Conv2dConfig::new([3, 8], [3, 3])
//!     .with_padding(PaddingConfig2d::Same)
//!     .with_bias(false)
//!     .init(&device);
//! let norm = BatchNormConfig::new(8).init(&device);
//! let maps = Tensor::ones([1, 3, 16, 16], &device);
//! let maps = conv2d_batch_norm(&conv, &norm, maps, After::relu());
//! assert_eq!(max_pool2d(maps, 2, 2, 0).dims(), [1, 8, 8, 8]);
//! ```

// From the outside in: this file and `standard.rs` choose; `ops.rs` declares the operators, `flex.rs`, `convolution.rs` and
// `autodiff.rs` join kernels and Burn's tensors;
// `fan_out.rs` adds the gradients of maps that several of them read; `precision.rs` rounds what they give Burn's convolutions; `constant.rs` keeps tensors that do not change;
// `block.rs`, `recompute.rs` and `replay.rs` run a block again instead of keeping what it made; `winograd.rs`, `direct.rs`,
// `depthwise.rs`, `norm.rs`, `layer_norm.rs`, `activation.rs`, `pool.rs`, `resample.rs`, `channels.rs`, `excitation.rs`,
// `pointwise.rs`, `counts.rs`, `surprise.rs` and `adam.rs` are kernels on slices; `gemm.rs`, `simd.rs` and `buffer.rs` are what those are made of.

#![expect(
    clippy::extra_unused_type_parameters,
    reason = "`with_simd` takes a parameter for the instruction set, for plain loops too"
)]

mod activation;
mod adam;
mod after;
mod autodiff;
mod batch_norm;
mod block;
mod bridge;
mod buffer;
mod channels;
mod class_counts;
mod constant;
mod convolution;
mod counts;
mod depthwise;
mod direct;
mod dropout;
mod epilogue;
mod excitation;
mod fan_out;
mod flex;
mod gemm;
mod geometry;
mod input;
mod layer_norm;
mod norm;
mod ops;
mod optimizer;
mod pointwise;
mod pool;
mod precision;
mod recompute;
mod replay;
mod resample;
mod scoped;
mod simd;
mod standard;
mod surprise;
mod tracked;
mod weights;
mod winograd;
mod winograd_transforms;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use adam::Step as AdamStep;
pub use after::After;
pub use buffer::keep_freed_memory;
pub use class_counts::ClassCounts;
pub use constant::constant;
pub use counts::class_counts;
pub use input::{Input, Source};
pub use optimizer::{adam_step, sum_of_squares, total};
pub use precision::with_convolutions;
pub use scoped::scoped;
pub use surprise::surprise;

use burn::backend::Dispatch;
use burn::module::{Module, Param, ParamId};
use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::nn::{BatchNorm, GroupNorm, LayerNorm, PaddingConfig2d};
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{DType, Device, Distribution, Tensor};

use activation::Activation;
use dropout::Dropout;
use geometry::Window;
use norm::Over;
use ops::{Convolution, Kernels, Normalisation, Operands};
use precision::{convolve, transposed};
use standard::{of_sample, trains};

/// Whether the kernels compute on a tensor: one of single precision in main memory.
pub fn supports<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && tensor.device() == Device::flex()
}

/// A block of a network. Where the device asks for gradient checkpointing, the graph keeps its input
/// alone, and its backward pass runs it again; elsewhere Burn's own strategy applies.
///
/// # Shapes
/// - input and output: as `forward` has them
pub fn block<M, F>(module: &M, input: Input, forward: F) -> Tensor<4>
where
    M: Module + Sync + 'static,
    F: Fn(&M, Input) -> Tensor<4> + Send + Sync + 'static,
{
    if !supports(&input.first.maps) || !recompute::is_asked_for(&input.first.maps) {
        return forward(module, input);
    }
    let (output, block, weight) = recompute::run(module, &input, forward);
    Tensor::from_dispatch(Dispatch::block(
        output.into_dispatch(),
        input.first.maps.into_dispatch(),
        input.more.into_iter().map(Tensor::into_dispatch).collect(),
        weight.into(),
        block,
    ))
}

/// A convolution and what follows it.
///
/// # Shapes
/// - input: `[batch, channels_in, height, width]` in all
/// - output: `[batch, channels_out, height_out, width_out]`
pub fn conv2d<'a>(conv: &Conv2d, input: impl Into<Input>, after: After<'a>) -> Tensor<4> {
    let input = input.into();
    if supports(&input.first.maps) {
        convolution(conv, None, None, input, after)
    } else {
        standard::after(convolve(conv, input.into_maps()), after)
    }
}

/// A convolution without bias, batch normalisation, and what follows it. Outside training the
/// normalisation is part of the convolution.
///
/// # Shapes
/// - input: `[batch, channels_in, height, width]` in all
/// - output: `[batch, channels_out, height_out, width_out]`
pub fn conv2d_batch_norm<'a>(
    conv: &Conv2d,
    norm: &BatchNorm,
    input: impl Into<Input>,
    after: After<'a>,
) -> Tensor<4> {
    let input = input.into();
    if !supports(&input.first.maps) {
        let maps = convolve(conv, input.into_maps());
        return standard::after(standard::batch_norm(norm, maps), after);
    }
    if trains(norm, &input.first.maps.device()) {
        let maps = convolution(conv, None, None, input, After::nothing());
        return batch_norm(norm, maps, after);
    }
    convolution(conv, None, Some(running(norm).map(Tensor::detach)), input, after)
}

/// A convolution, Gaussian error linear units, batch normalisation, and what follows it. Where no gradient can be
/// asked for, all of it is part of the convolution.
///
/// # Shapes
/// - input: `[batch, channels_in, height, width]` in all
/// - output: `[batch, channels_out, height_out, width_out]`
pub fn conv2d_gelu_batch_norm<'a>(
    conv: &Conv2d,
    norm: &BatchNorm,
    input: impl Into<Input>,
    after: After<'a>,
) -> Tensor<4> {
    let input = input.into();
    let device = input.first.maps.device();
    if supports(&input.first.maps) && !device.is_autodiff() {
        return convolution(conv, Some(Activation::Gelu), Some(running(norm)), input, after);
    }
    gelu_batch_norm(norm, conv2d(conv, input, After::nothing()), after)
}

/// Factor and summand of each channel that running statistics amount to.
fn running(norm: &BatchNorm) -> [Tensor<1>; 2] {
    let deviation = norm.running_var.value().add_scalar(norm.epsilon).sqrt();
    let scale = norm.gamma.val() / deviation;
    let shift = norm.beta.val() - norm.running_mean.value() * scale.clone();
    [scale, shift]
}

fn convolution(
    conv: &Conv2d,
    before: Option<Activation>,
    affine: Option<[Tensor<1>; 2]>,
    input: Input,
    after: After,
) -> Tensor<4> {
    let learns = input.first.maps.device().is_autodiff();
    if !after.is_simple() || (learns && !matches!(after.activation, None | Some(Activation::Relu)))
    {
        let (now, then) = after.parted();
        return followed(convolution(conv, before, affine, input, now), then);
    }
    let Input { first: Source { maps, doubled }, more } = input;
    let [_, _, height, width] = maps.dims();
    let size = if doubled { [2 * height, 2 * width] } else { [height, width] };
    let settings = Convolution {
        window: window(conv, size),
        doubled,
        before,
        activation: after.activation,
        dropout: after.dropout.and_then(|dropout| drawn(dropout, &maps.device())),
    };
    let bias = conv.bias.as_ref().map(|bias| bias.val());
    let (shift, scale, bias) = match (affine, bias, before) {
        (Some([scale, more]), Some(bias), None) => {
            (None, Some(scale.clone()), Some(bias * scale + more))
        }
        (Some([scale, more]), bias, _) => (bias, Some(scale), Some(more)),
        (None, bias, _) => (None, None, bias),
    };
    let optional = |tensor: Option<Tensor<1>>| tensor.map(Tensor::into_dispatch).into();
    let operands = Operands::<Dispatch> {
        first: maps.into_dispatch(),
        more: more.into_iter().map(Tensor::into_dispatch).collect(),
        weight: conv.weight.val().into_dispatch(),
        shift: optional(shift),
        scale: optional(scale),
        bias: optional(bias),
        residual: after.residual.map(Tensor::into_dispatch).into(),
    };
    Tensor::from_dispatch(Dispatch::convolution(operands, settings))
}

/// Activation and dropout by themselves.
fn followed(maps: Tensor<4>, after: After) -> Tensor<4> {
    let maps = match after.activation {
        Some(activation) => activated(maps, activation),
        None => maps,
    };
    match after.dropout {
        Some(dropout) => dropout.forward(maps),
        None => maps,
    }
}

fn window(conv: &Conv2d, size: [usize; 2]) -> Window {
    let axis = |axis: usize| match &conv.padding {
        PaddingConfig2d::Valid => [0, 0],
        PaddingConfig2d::Same => {
            let (kernel, stride) = (conv.kernel_size[axis], conv.stride[axis]);
            let steps = size[axis].div_ceil(stride).saturating_sub(1);
            let zeros = (steps * stride + kernel).saturating_sub(size[axis]);
            [zeros / 2, zeros - zeros / 2]
        }
        &PaddingConfig2d::Explicit(top, left, bottom, right) => {
            if axis == 0 {
                [top, bottom]
            } else {
                [left, right]
            }
        }
    };
    let [rows, columns] = [axis(0), axis(1)];
    Window {
        kernel: conv.kernel_size,
        stride: conv.stride,
        before: [rows[0], columns[0]],
        after: [rows[1], columns[1]],
        dilation: conv.dilation,
        groups: conv.groups,
    }
}

/// The dropout of one use of a layer: its key comes from the device's generator, so that the seed
/// decides it.
fn drawn(layer: &burn::nn::Dropout, device: &Device) -> Option<Dropout> {
    if !layer.training.is_enabled() || !device.is_autodiff() || layer.prob == 0.0 {
        return None;
    }
    let key = replay::key(|| {
        let words =
            Tensor::<1>::random([4], Distribution::Uniform(0.0, 65536.0), &device.clone().inner());
        let words = words.into_data();
        words.iter::<f32>().fold(0, |key, word| key << 16 | (word as u64).min(65535))
    });
    Some(Dropout { key, probability: layer.prob as f32 })
}

/// Batch normalisation and what follows it.
///
/// # Shapes
/// - maps and output: `[batch, channels, height, width]`
pub fn batch_norm<'a>(norm: &BatchNorm, maps: Tensor<4>, after: After<'a>) -> Tensor<4> {
    if !supports(&maps) {
        return standard::after(standard::batch_norm(norm, maps), after);
    }
    if !trains(norm, &maps.device()) {
        return scaled_and_shifted(norm, maps, after);
    }
    trained_batch_norm(norm, None, maps, after)
}

/// Gaussian error linear units, batch normalisation, and what follows it.
fn gelu_batch_norm<'a>(norm: &BatchNorm, maps: Tensor<4>, after: After<'a>) -> Tensor<4> {
    if !supports(&maps) || !trains(norm, &maps.device()) {
        return batch_norm(norm, gelu(maps), after);
    }
    trained_batch_norm(norm, Some(Activation::Gelu), maps, after)
}

fn trained_batch_norm(
    norm: &BatchNorm,
    before: Option<Activation>,
    maps: Tensor<4>,
    after: After,
) -> Tensor<4> {
    let affine = [norm.gamma.val(), norm.beta.val()];
    let unbiased = of_sample(&maps);
    let (output, mean, variance) =
        normalisation(maps, before, affine, Over::Batch, norm.epsilon, after);
    if replay::is_again() {
        return output;
    }
    standard::move_running(norm, mean, variance * unbiased);
    output
}

/// What batch normalisation is outside training: a depthwise convolution of one pixel.
fn scaled_and_shifted(norm: &BatchNorm, maps: Tensor<4>, after: After) -> Tensor<4> {
    let [scale, shift] = running(norm);
    let channels = maps.dims()[1];
    let conv = Conv2d {
        weight: Param::initialized(ParamId::new(), scale.reshape([channels, 1, 1, 1])),
        bias: Some(Param::initialized(ParamId::new(), shift)),
        stride: [1; 2],
        kernel_size: [1; 2],
        dilation: [1; 2],
        groups: channels,
        padding: PaddingConfig2d::Valid,
    };
    convolution(&conv, None, None, maps.into(), after)
}

/// Group normalisation and what follows it.
///
/// # Shapes
/// - maps and output: `[batch, channels, height, width]`
pub fn group_norm<'a>(norm: &GroupNorm, maps: Tensor<4>, after: After<'a>) -> Tensor<4> {
    match (&norm.gamma, &norm.beta) {
        (Some(gamma), Some(beta)) if supports(&maps) => {
            let over = Over::Groups(norm.num_groups);
            normalisation(maps, None, [gamma.val(), beta.val()], over, norm.epsilon, after).0
        }
        _ => standard::after(norm.forward(maps), after),
    }
}

fn normalisation(
    maps: Tensor<4>,
    before: Option<Activation>,
    [gamma, beta]: [Tensor<1>; 2],
    over: Over,
    epsilon: f64,
    after: After,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    if !after.is_simple() {
        let (now, then) = after.parted();
        let (maps, mean, variance) = normalisation(maps, before, [gamma, beta], over, epsilon, now);
        return (followed(maps, then), mean, variance);
    }
    let dropout = after.dropout.and_then(|dropout| drawn(dropout, &maps.device()));
    let activation = after.activation;
    let settings = Normalisation { before, over, epsilon, activation, dropout };
    let (output, mean, variance) = Dispatch::normalisation(
        maps.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        after.residual.map(Tensor::into_dispatch).into(),
        settings,
    );
    let [mean, variance] = [mean, variance].map(Tensor::from_dispatch);
    (Tensor::from_dispatch(output), mean, variance)
}

/// A transposed convolution.
///
/// # Shapes
/// - maps: `[batch, channels_in, height, width]`
/// - output: `[batch, channels_out, height_out, width_out]`
pub fn conv_transpose2d(conv: &ConvTranspose2d, maps: Tensor<4>) -> Tensor<4> {
    if !supports(&maps) || conv.padding != [0; 2] || conv.padding_out != [0; 2] {
        return transposed(conv, maps);
    }
    let window = Window {
        kernel: conv.kernel_size,
        stride: conv.stride,
        before: [0; 2],
        after: [0; 2],
        dilation: conv.dilation,
        groups: conv.groups,
    };
    let weight = conv.weight.val().into_dispatch();
    let bias = conv.bias.as_ref().map(|bias| bias.val().into_dispatch()).into();
    Tensor::from_dispatch(Dispatch::transposed_convolution(
        maps.into_dispatch(),
        weight,
        bias,
        window,
    ))
}

/// Maximum pooling with square windows.
///
/// # Shapes
/// - maps: `[batch, channels, height, width]`
/// - output: `[batch, channels, height_out, width_out]`
pub fn max_pool2d(maps: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    if !supports(&maps) {
        return standard::max_pool2d(maps, kernel, stride, padding);
    }
    let window = Window::square(kernel, stride, padding);
    Tensor::from_dispatch(Dispatch::max_pooling(maps.into_dispatch(), window))
}

/// Doubles height and width by bilinear interpolation between the centres of pixels.
///
/// # Shapes
/// - maps: `[batch, channels, height, width]`
/// - output: `[batch, channels, 2 * height, 2 * width]`
pub fn bilinear(maps: Tensor<4>) -> Tensor<4> {
    if !supports(&maps) {
        return standard::bilinear(maps, 2);
    }
    Tensor::from_dispatch(Dispatch::doubled_bilinear(maps.into_dispatch()))
}

/// Multiplies height and width by bilinear interpolation between the centres of pixels.
///
/// # Shapes
/// - maps: `[batch, channels, height, width]`
/// - output: `[batch, channels, times * height, times * width]`
pub fn enlarge(maps: Tensor<4>, times: usize) -> Tensor<4> {
    match times {
        1 => maps,
        2 => bilinear(maps),
        _ if !supports(&maps) => standard::bilinear(maps, times),
        _ => {
            let [_, _, height, width] = maps.dims();
            let options = InterpolateOptions::new(InterpolateMode::Bilinear)
                .with_output_size([height * times, width * times])
                .with_align_corners(false);
            interpolate(maps, options)
        }
    }
}

/// Weighs each 2x2 block of pixels.
///
/// # Shapes
/// - maps and output: `[batch, channels, height, width]`
/// - factors: `[batch, 1, height / 2, width / 2]`
pub fn gate(maps: Tensor<4>, factors: Tensor<4>) -> Tensor<4> {
    if !supports(&maps) {
        return standard::nearest(factors) * maps;
    }
    Tensor::from_dispatch(Dispatch::gating(maps.into_dispatch(), factors.into_dispatch()))
}

/// The sum of two maps.
///
/// # Shapes
/// - a, b and output: `[batch, channels, height, width]`
pub fn add(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    if !supports(&a) {
        return a + b;
    }
    Tensor::from_dispatch(Dispatch::addition(a.into_dispatch(), b.into_dispatch()))
}

/// Two maps, channel after channel.
///
/// # Shapes
/// - a, b: `[batch, channels, height, width]`, with channels of their own
/// - output: `[batch, channels_a + channels_b, height, width]`
pub fn concat(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    if !supports(&a) {
        return Tensor::cat(vec![a, b], 1);
    }
    Tensor::from_dispatch(Dispatch::concatenation(a.into_dispatch(), b.into_dispatch()))
}

/// Squeeze-and-excitation: the mean of each channel through two 1x1 convolutions with biases, SiLU between them, and
/// a sigmoid; its factors weigh the channels.
///
/// # Shapes
/// - maps and output: `[batch, channels, height, width]`
pub fn excite(first: &Conv2d, second: &Conv2d, maps: Tensor<4>) -> Tensor<4> {
    match (&first.bias, &second.bias) {
        (Some(first_bias), Some(second_bias)) if supports(&maps) => {
            Tensor::from_dispatch(Dispatch::excitation(
                maps.into_dispatch(),
                first.weight.val().into_dispatch(),
                first_bias.val().into_dispatch(),
                second.weight.val().into_dispatch(),
                second_bias.val().into_dispatch(),
            ))
        }
        _ => standard::excite(first, second, maps),
    }
}

/// Rectified linear units, where no convolution or norm comes directly before them.
///
/// # Shapes
/// - maps and output: `[batch, channels, height, width]`
pub fn relu(maps: Tensor<4>) -> Tensor<4> {
    activated(maps, Activation::Relu)
}

fn activated(maps: Tensor<4>, activation: Activation) -> Tensor<4> {
    if !supports(&maps) {
        return standard::activated(maps, activation);
    }
    Tensor::from_dispatch(Dispatch::activation(maps.into_dispatch(), activation))
}

/// The mean of each channel of each image.
///
/// # Shapes
/// - maps: `[batch, channels, height, width]`
/// - output: `[batch, channels, 1, 1]`
pub fn average(maps: Tensor<4>) -> Tensor<4> {
    if !supports(&maps) {
        return standard::average(maps);
    }
    Tensor::from_dispatch(Dispatch::averaging(maps.into_dispatch()))
}

/// The mean of each 2x2 block of pixels.
///
/// # Shapes
/// - maps: `[batch, channels, height, width]`
/// - output: `[batch, channels, height / 2, width / 2]`
pub fn halve(maps: Tensor<4>) -> Tensor<4> {
    if !supports(&maps) {
        return standard::halve(maps);
    }
    let channels = maps.dims()[1];
    let quarter = Tensor::full([channels, 1, 2, 2], 0.25, &maps.device());
    let conv = Conv2d {
        weight: Param::initialized(ParamId::new(), quarter),
        bias: None,
        stride: [2; 2],
        kernel_size: [2; 2],
        dilation: [1; 2],
        groups: channels,
        padding: PaddingConfig2d::Valid,
    };
    convolution(&conv, None, None, maps.into(), After::nothing())
}

/// Multiplies each channel of each image by its factor.
///
/// # Shapes
/// - maps and output: `[batch, channels, height, width]`
/// - factors: `[batch, channels, 1, 1]`
pub fn weigh(maps: Tensor<4>, factors: Tensor<4>) -> Tensor<4> {
    if !supports(&maps) {
        return maps * factors;
    }
    Tensor::from_dispatch(Dispatch::weighing(maps.into_dispatch(), factors.into_dispatch()))
}

/// Gaussian error linear units (Hendrycks and Gimpel 2016): `x` times the share of a normal distribution
/// below `x`.
///
/// # Shapes
/// - maps and output: `[batch, channels, height, width]`
pub fn gelu(maps: Tensor<4>) -> Tensor<4> {
    activated(maps, Activation::Gelu)
}

/// Burn's and PyTorch's default; Burn's layer keeps its own to itself.
const LAYER_NORM_EPSILON: f64 = 1e-5;

/// Layer normalisation of the channels of each pixel (Ba, Kiros and Hinton 2016), with the default epsilon.
///
/// # Shapes
/// - maps and output: `[batch, channels, height, width]`
pub fn layer_norm(norm: &LayerNorm, maps: Tensor<4>) -> Tensor<4> {
    match &norm.beta {
        Some(beta) if supports(&maps) => Tensor::from_dispatch(Dispatch::layer_normalisation(
            maps.into_dispatch(),
            norm.gamma.val().into_dispatch(),
            beta.val().into_dispatch(),
            LAYER_NORM_EPSILON,
        )),
        _ => norm.forward(maps.permute([0, 2, 3, 1])).permute([0, 3, 1, 2]),
    }
}
