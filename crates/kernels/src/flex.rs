//! The operators as Burn's CPU backend runs them, and the backward passes of single ones.

use burn::backend::flex::{Flex, FlexTensor};

use super::activation::Activation;
use super::block::{Block, Seed};
use super::bridge::{by_pixel, contiguous, dims, maps, owned, vector};
use super::buffer::Buffer;
use super::convolution::{prepare, with_maps};
use super::dropout::Dropout;
use super::geometry::{Dims, Part, Shared, Window};
use super::norm::{self, Affine, Moments};
use super::ops::{Convolution, Kernels, More, Normalisation, Operands, Optional};
use super::pointwise::{self, Followed};
use super::{channels, direct, excitation, layer_norm, pool, resample};

/// Goes back through ReLU and dropout: the gradient of what they were given, and its sum over pixels if asked for.
pub(crate) fn before(
    gradient: FlexTensor,
    output: Option<&FlexTensor>,
    dropout: Option<Dropout>,
    summed: bool,
) -> (FlexTensor, Vec<f32>) {
    if output.is_none() && dropout.is_none() && !summed {
        return (by_pixel(gradient), Vec::new());
    }
    let mut gradient = owned(gradient);
    let channels = dims(&gradient).channels;
    let rectified = output.map(|output| output.storage());
    let followed = Followed { rectified, dropout };
    let sums = pointwise::before(gradient.storage_mut(), channels, followed, summed);
    (gradient, sums)
}

/// The gradient times a constant of each channel.
pub(crate) fn scaled(gradient: FlexTensor, factors: &FlexTensor) -> FlexTensor {
    let mut gradient = owned(gradient);
    pointwise::scale(gradient.storage_mut(), factors.storage());
    gradient
}

/// A normalisation's output and moments.
pub(crate) fn normalise(
    input: &FlexTensor,
    gamma: &FlexTensor,
    beta: &FlexTensor,
    residual: Option<&FlexTensor>,
    settings: &Normalisation,
) -> (FlexTensor, Moments) {
    let dims = dims(input);
    let activated = settings.before.map(|activation| activated(input, activation));
    let values: &[f32] = activated.as_deref().unwrap_or(input.storage());
    let moments = norm::moments(values, dims, settings.over);
    let mut buffer = Buffer::new(dims.len());
    let after = norm::After {
        residual: residual.map(|residual| residual.storage()),
        activation: settings.activation,
        dropout: settings.dropout,
    };
    let affine = affine(gamma, beta, settings);
    norm::forward(values, dims, settings.over, &moments, affine, after, &mut buffer);
    (maps(buffer, dims), moments)
}

/// An activation of a tensor's numbers, in their order.
pub(crate) fn activated(input: &FlexTensor, activation: Activation) -> Buffer {
    let mut buffer = Buffer::new(input.layout().num_elements());
    activation.forward(input.storage(), &mut buffer);
    buffer
}

/// The numbers of a normalisation.
pub(crate) fn affine<'a>(
    gamma: &'a FlexTensor,
    beta: &'a FlexTensor,
    settings: &Normalisation,
) -> Affine<'a> {
    Affine { gamma: gamma.storage(), beta: beta.storage(), epsilon: settings.epsilon }
}

/// Maxima, and where in its window each was found.
pub(crate) fn max_pool(input: &FlexTensor, window: &Window) -> (FlexTensor, Vec<u8>) {
    let dims = dims(input);
    let [height, width] = window.output([dims.height, dims.width]);
    let output = Dims { height, width, ..dims };
    let (mut buffer, mut places) = (Buffer::new(output.len()), vec![0; output.len()]);
    pool::forward(input.storage(), dims, window, &mut buffer, &mut places);
    (maps(buffer, output), places)
}

/// The gradient of the maps, of size `dims`, that were pooled.
pub(crate) fn max_pool_backward(
    gradient: FlexTensor,
    places: &[u8],
    dims: Dims,
    window: &Window,
) -> FlexTensor {
    let mut buffer = Buffer::new(dims.len());
    pool::backward(by_pixel(gradient).storage(), places, dims, window, &mut buffer);
    maps(buffer, dims)
}

/// The gradient of the maps, of size `dims`, that were doubled.
pub(crate) fn doubled_bilinear_backward(gradient: FlexTensor, dims: Dims) -> FlexTensor {
    let mut buffer = Buffer::new(dims.len());
    resample::bilinear_backward(by_pixel(gradient).storage(), dims, &mut buffer);
    maps(buffer, dims)
}

/// The gradients of two maps that were put one behind the other.
pub(crate) fn concatenation_backward(
    gradient: FlexTensor,
    channels: [usize; 2],
) -> [FlexTensor; 2] {
    let gradient = by_pixel(gradient);
    let whole = dims(&gradient);
    let sizes = channels.map(|channels| Dims { channels, ..whole });
    let mut buffers = sizes.map(|dims| Buffer::new(dims.len()));
    let [a, b] = &mut buffers;
    let part = |buffer, dims: Dims| {
        let data = Shared::new(buffer);
        Part { data, channels: dims.channels, doubled: false }
    };
    pointwise::split(gradient.storage(), whole, &[part(a, sizes[0]), part(b, sizes[1])]);
    let [a, b] = buffers;
    [maps(a, sizes[0]), maps(b, sizes[1])]
}

/// The gradient of what an activation was given.
pub(crate) fn activation_backward(
    gradient: FlexTensor,
    input: &FlexTensor,
    activation: Activation,
) -> FlexTensor {
    let mut gradient = owned(gradient);
    activation.backward(gradient.storage_mut(), input.storage());
    gradient
}

/// The mean of each channel of each image.
pub(crate) fn average(input: &FlexTensor) -> FlexTensor {
    let whole = dims(input);
    let output = Dims { height: 1, width: 1, ..whole };
    let mut buffer = Buffer::new(output.len());
    channels::means(input.storage(), whole, &mut buffer);
    maps(buffer, output)
}

/// The gradient of the maps, of size `dims`, whose means were taken.
pub(crate) fn average_backward(gradient: FlexTensor, dims: Dims) -> FlexTensor {
    let mut buffer = Buffer::new(dims.len());
    channels::means_backward(by_pixel(gradient).storage(), dims, &mut buffer);
    maps(buffer, dims)
}

/// The maps, each channel of each image times its factor.
pub(crate) fn weigh(input: &FlexTensor, factors: &FlexTensor) -> FlexTensor {
    let dims = dims(input);
    let mut buffer = Buffer::new(dims.len());
    channels::weigh(input.storage(), factors.storage(), None, dims, &mut buffer);
    maps(buffer, dims)
}

/// The weights of squeeze-and-excitation as the kernel reads them.
pub(crate) fn excitation_layers(layers: &[FlexTensor; 4]) -> excitation::Layers<'_> {
    let [first, first_bias, second, second_bias] = layers.each_ref().map(|layer| layer.storage());
    excitation::Layers { first, first_bias, second, second_bias }
}

/// Squeeze-and-excitation, and what its backward pass needs.
pub(crate) fn excite(
    input: &FlexTensor,
    layers: &[FlexTensor; 4],
) -> (FlexTensor, excitation::Middle) {
    let dims = dims(input);
    let mut buffer = Buffer::new(dims.len());
    let layers = excitation_layers(layers);
    let middle = excitation::forward(input.storage(), dims, layers, &mut buffer);
    (maps(buffer, dims), middle)
}

/// The gradient of the factors of channels.
pub(crate) fn weigh_backward(gradient: &FlexTensor, input: &FlexTensor) -> FlexTensor {
    let dims = dims(input);
    let factors = Dims { height: 1, width: 1, ..dims };
    let mut buffer = Buffer::new(factors.len());
    channels::factor_gradient(gradient.storage(), input.storage(), dims, &mut buffer);
    maps(buffer, factors)
}

/// The maps times the number of each 2x2 block.
pub(crate) fn gate(input: &FlexTensor, factors: &FlexTensor) -> FlexTensor {
    let dims = dims(input);
    let mut buffer = Buffer::new(dims.len());
    resample::gate(input.storage(), factors.storage(), dims, &mut buffer);
    maps(buffer, dims)
}

/// The gradient of a gate's factors.
pub(crate) fn gate_backward(gradient: &FlexTensor, input: &FlexTensor) -> FlexTensor {
    let dims = dims(input);
    let factors = Dims { height: dims.height / 2, width: dims.width / 2, channels: 1, ..dims };
    let mut buffer = Buffer::new(factors.len());
    resample::gate_backward(gradient.storage(), input.storage(), dims, &mut buffer);
    maps(buffer, factors)
}

/// A transposed convolution is the gradient of the convolution's input; without padding, its output
/// ends where the last window does.
pub(crate) fn transposed_dims(input: Dims, weight: &FlexTensor, window: &Window) -> Dims {
    let size = |axis: usize, size: usize| {
        (size - 1) * window.stride[axis] + window.dilation[axis] * (window.kernel[axis] - 1) + 1
    };
    let channels = weight.layout().shape()[1] * window.groups;
    Dims { height: size(0, input.height), width: size(1, input.width), channels, ..input }
}

impl Kernels for Flex {
    fn convolution(operands: Operands<Self>, settings: Convolution) -> FlexTensor {
        let (prepared, bias, residual) = prepare(operands, settings);
        prepared.convolve(bias.as_ref(), residual.as_ref(), || prepared.kept_form())
    }

    fn transposed_convolution(
        input: FlexTensor,
        weight: FlexTensor,
        bias: Optional<Self>,
        window: Window,
    ) -> FlexTensor {
        let (input, weight) = (by_pixel(input), contiguous(weight));
        let output = transposed_dims(dims(&input), &weight, &window);
        let mut buffer = Buffer::new(output.len());
        with_maps(&input, |input| {
            direct::input_gradient(input, weight.storage(), &window, output, &mut buffer);
        });
        if let Some(bias) = bias.into_option().map(contiguous) {
            pointwise::add_to_channels(&mut buffer, bias.storage());
        }
        maps(buffer, output)
    }

    fn normalisation(
        input: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        residual: Optional<Self>,
        settings: Normalisation,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let residual = residual.into_option().map(by_pixel);
        let [gamma, beta] = [gamma, beta].map(contiguous);
        let input = by_pixel(input);
        let (output, moments) = normalise(&input, &gamma, &beta, residual.as_ref(), &settings);
        (output, vector(&moments.mean), vector(&moments.variance))
    }

    fn max_pooling(input: FlexTensor, window: Window) -> FlexTensor {
        max_pool(&by_pixel(input), &window).0
    }

    fn doubled_bilinear(input: FlexTensor) -> FlexTensor {
        let input = by_pixel(input);
        let small = dims(&input);
        let dims = Dims { height: 2 * small.height, width: 2 * small.width, ..small };
        let mut buffer = Buffer::new(dims.len());
        resample::bilinear(input.storage(), small, &mut buffer);
        maps(buffer, dims)
    }

    fn gating(input: FlexTensor, factors: FlexTensor) -> FlexTensor {
        gate(&by_pixel(input), &by_pixel(factors))
    }

    fn addition(a: FlexTensor, b: FlexTensor) -> FlexTensor {
        let (a, b) = (by_pixel(a), by_pixel(b));
        let mut buffer = Buffer::new(a.layout().num_elements());
        pointwise::sum(a.storage(), b.storage(), &mut buffer);
        maps(buffer, dims(&a))
    }

    fn concatenation(a: FlexTensor, b: FlexTensor) -> FlexTensor {
        let (a, b) = (by_pixel(a), by_pixel(b));
        let channels = [&a, &b].map(|maps| dims(maps).channels);
        let whole = Dims { channels: channels[0] + channels[1], ..dims(&a) };
        let mut buffer = Buffer::new(whole.len());
        pointwise::join([a.storage(), b.storage()], channels, &mut buffer);
        maps(buffer, whole)
    }

    fn averaging(input: FlexTensor) -> FlexTensor {
        average(&by_pixel(input))
    }

    fn weighing(input: FlexTensor, factors: FlexTensor) -> FlexTensor {
        weigh(&by_pixel(input), &by_pixel(factors))
    }

    fn excitation(
        input: FlexTensor,
        first: FlexTensor,
        first_bias: FlexTensor,
        second: FlexTensor,
        second_bias: FlexTensor,
    ) -> FlexTensor {
        excite(&by_pixel(input), &[first, first_bias, second, second_bias].map(contiguous)).0
    }

    fn activation(input: FlexTensor, activation: Activation) -> FlexTensor {
        let input = by_pixel(input);
        maps(activated(&input, activation), dims(&input))
    }

    fn layer_normalisation(
        input: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        epsilon: f64,
    ) -> FlexTensor {
        let input = by_pixel(input);
        let [gamma, beta] = [gamma, beta].map(contiguous);
        let affine = Affine { gamma: gamma.storage(), beta: beta.storage(), epsilon };
        let mut buffer = Buffer::new(input.layout().num_elements());
        layer_norm::forward(input.storage(), affine, &mut buffer);
        maps(buffer, dims(&input))
    }

    fn seeded(_: FlexTensor, _: Seed) -> FlexTensor {
        vector(&[0.0])
    }

    fn block(
        output: FlexTensor,
        _: FlexTensor,
        _: More<Self>,
        _: Optional<Self>,
        _: Block,
    ) -> FlexTensor {
        output
    }
}
