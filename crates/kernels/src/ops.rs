//! The operators as Burn's CPU backend runs them, forward and backward.

use std::sync::Arc;

use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType, backend_extension};

use super::activation::Activation;
use super::block::{Block, Seed};
use super::bridge::{by_pixel, contiguous, dims, maps, owned, rows, vector};
use super::buffer::Buffer;
use super::dropout::Dropout;
use super::epilogue::Epilogue;
use super::geometry::{Dims, Input, Part, Shared, Window};
use super::norm::{self, Affine, Moments, Over};
use super::pointwise::{self, Followed};
use super::weights::{self, Form, Key};
use super::{channels, depthwise, direct, excitation, layer_norm, pool, resample, winograd};

/// A tensor that may be absent.
#[derive(ExtensionType)]
pub(crate) enum Optional<B: Backend> {
    Some(FloatTensor<B>),
    None,
}

impl<B: Backend> Optional<B> {
    /// As Rust's own.
    pub(crate) fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Some(tensor) => Some(tensor),
            Self::None => None,
        }
    }
}

impl<B: Backend> From<Option<FloatTensor<B>>> for Optional<B> {
    fn from(tensor: Option<FloatTensor<B>>) -> Self {
        tensor.map_or(Self::None, Self::Some)
    }
}

/// What a convolution is given.
#[derive(ExtensionType)]
pub(crate) struct Operands<B: Backend> {
    /// Maps, and maybe maps whose channels are put behind theirs.
    pub first: FloatTensor<B>,
    #[extension_type]
    pub second: Optional<B>,
    /// `[outputs, inputs / groups, kernel height, kernel width]`.
    pub weight: FloatTensor<B>,
    /// One factor for each output channel: a constant, without gradient.
    #[extension_type]
    pub scale: Optional<B>,
    #[extension_type]
    pub bias: Optional<B>,
    /// Maps of the output's size that are added before ReLU.
    #[extension_type]
    pub residual: Optional<B>,
}

/// `dropout(activation(scale * (weight * [first, second]) + bias + residual))`, as far as asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Convolution {
    pub window: Window,
    /// Whether the first maps have half the size, and each of their pixels stands for 2x2.
    pub doubled: bool,
    /// Where a gradient will be asked for, ReLU or none.
    pub activation: Option<Activation>,
    pub dropout: Option<Dropout>,
}

/// `dropout(activation(normalised * gamma + beta + residual))`, as far as asked for; what is normalised may be an
/// activation of the input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Normalisation {
    /// What comes before: computed again in the backward pass, so that only its input is kept.
    pub before: Option<Activation>,
    pub over: Over,
    pub epsilon: f64,
    /// What comes after; one other than ReLU takes neither residual nor dropout.
    pub activation: Option<Activation>,
    pub dropout: Option<Dropout>,
}

/// The operators. On other backends than the CPU's, callers use Burn's own instead.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait Kernels: Backend {
    /// A convolution and what follows it.
    fn convolution(
        #[extension_type] operands: Operands<Self>,
        settings: Convolution,
    ) -> FloatTensor<Self>;

    /// A transposed convolution without padding; `weight` is `[inputs, outputs, height, width]`.
    fn transposed_convolution(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Optional<Self>,
        window: Window,
    ) -> FloatTensor<Self>;

    /// A normalisation and what follows it; output, means and variances.
    fn normalisation(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        #[extension_type] residual: Optional<Self>,
        settings: Normalisation,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Maximum pooling.
    fn max_pooling(input: FloatTensor<Self>, window: Window) -> FloatTensor<Self>;

    /// Doubling of height and width by bilinear interpolation.
    fn doubled_bilinear(input: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Each pixel of `input` times the number of its 2x2 block, `[batch, 1, height / 2, width / 2]`.
    fn gating(input: FloatTensor<Self>, factors: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The sum of two tensors of maps.
    fn addition(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Two tensors of maps, channel after channel.
    fn concatenation(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The mean of each channel of each image, `[batch, channels, 1, 1]`.
    fn averaging(input: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Each channel of each image times its factor, `[batch, channels, 1, 1]`.
    fn weighing(input: FloatTensor<Self>, factors: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Squeeze-and-excitation; `layers` are `[squeezed, channels, 1, 1]` and `[channels, squeezed, 1, 1]`, each
    /// followed by its bias.
    fn excitation(
        input: FloatTensor<Self>,
        first: FloatTensor<Self>,
        first_bias: FloatTensor<Self>,
        second: FloatTensor<Self>,
        second_bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// An activation of each number.
    fn activation(input: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self>;

    /// Normalisation of the channels of each pixel.
    fn layer_normalisation(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;

    /// A number whose gradient with respect to `output` is `gradient`: where a backward pass begins.
    fn seeded(output: FloatTensor<Self>, gradient: Seed) -> FloatTensor<Self>;

    /// What a block made of its inputs without a graph; its backward pass runs it again. `weight` is one
    /// of those that get a gradient.
    fn block(
        output: FloatTensor<Self>,
        first: FloatTensor<Self>,
        #[extension_type] second: Optional<Self>,
        #[extension_type] weight: Optional<Self>,
        block: Block,
    ) -> FloatTensor<Self>;
}

/// A convolution with its operands as kernels read them.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub first: FlexTensor,
    pub second: Option<FlexTensor>,
    pub weight: FlexTensor,
    pub scale: Option<FlexTensor>,
    pub settings: Convolution,
}

impl Prepared {
    /// Height, width and channels of the whole input.
    fn input_dims(&self) -> Dims {
        let first = dims(&self.first);
        let times = if self.settings.doubled { 2 } else { 1 };
        let second = self.second.as_ref().map_or(0, |second| dims(second).channels);
        Dims {
            batch: first.batch,
            height: times * first.height,
            width: times * first.width,
            channels: first.channels + second,
        }
    }

    fn output_dims(&self) -> Dims {
        let input = self.input_dims();
        let [height, width] = self.settings.window.output([input.height, input.width]);
        Dims { batch: input.batch, height, width, channels: self.weight.layout().shape()[0] }
    }

    fn with_input<T>(&self, run: impl FnOnce(&Input) -> T) -> T {
        let Dims { batch, height, width, .. } = self.input_dims();
        let mut parts = vec![Part {
            data: self.first.storage(),
            channels: dims(&self.first).channels,
            doubled: self.settings.doubled,
        }];
        parts.extend(self.second.as_ref().map(|second| Part {
            data: second.storage(),
            channels: dims(second).channels,
            doubled: false,
        }));
        run(&Input { batch, height, width, parts: &parts })
    }

    /// The maps of the only part, where there is no other and it is not doubled.
    fn only(&self) -> Option<&[f32]> {
        (self.second.is_none() && !self.settings.doubled).then(|| self.first.storage())
    }

    fn is_depthwise(&self) -> bool {
        let (input, output) = (self.input_dims().channels, self.output_dims().channels);
        self.only().is_some() && depthwise::applies(&self.settings.window, input, output)
    }

    fn is_winograd(&self, kept: bool) -> bool {
        winograd::pays(&self.settings.window, self.input_dims(), self.output_dims(), kept)
    }

    /// Weights in the form that the forward pass reads.
    fn form(&self, winograd: bool) -> Form {
        let weight: &[f32] = self.weight.storage();
        if winograd {
            Form::Winograd(winograd::for_forward(weight, self.output_dims().channels))
        } else {
            let window = &self.settings.window;
            Form::Direct(self.with_input(|input| direct::for_forward(input, weight, window)))
        }
    }

    /// The same, for weights that will be used again.
    fn kept_form(&self) -> Arc<Form> {
        let channels = |tensor: &FlexTensor| dims(tensor).channels;
        let key = Key {
            window: self.settings.window,
            parts: [channels(&self.first), self.second.as_ref().map_or(0, channels)],
            winograd: self.is_winograd(true),
        };
        weights::form(&self.weight, key, || self.form(key.winograd))
    }

    /// Convolves, with weights that are about to change.
    pub(crate) fn forward(
        &self,
        bias: Option<&FlexTensor>,
        residual: Option<&FlexTensor>,
    ) -> FlexTensor {
        weights::forget();
        self.convolve(bias, residual, || Arc::new(self.form(self.is_winograd(false))))
    }

    fn convolve(
        &self,
        bias: Option<&FlexTensor>,
        residual: Option<&FlexTensor>,
        form: impl FnOnce() -> Arc<Form>,
    ) -> FlexTensor {
        let (window, output) = (&self.settings.window, self.output_dims());
        let mut buffer = Buffer::new(output.len());
        let epilogue = Epilogue {
            scale: self.scale.as_ref().map(|scale| scale.storage()),
            bias: bias.map(|bias| bias.storage()),
            residual: residual.map(|residual| residual.storage()),
            relu: self.settings.activation == Some(Activation::Relu),
            dropout: self.settings.dropout,
        };
        self.with_input(|input| match self.only() {
            Some(maps) if self.is_depthwise() => {
                let weight: &[f32] = self.weight.storage();
                depthwise::forward(maps, input.dims(), weight, window, epilogue, &mut buffer);
            }
            _ => match &*form() {
                Form::Winograd(weight) => {
                    winograd::forward(input, weight, window.before, output, epilogue, &mut buffer);
                }
                Form::Direct(weight) => {
                    direct::forward(input, weight, window, epilogue, &mut buffer);
                }
            },
        });
        match self.settings.activation {
            Some(Activation::Relu) | None => {}
            Some(activation) => activation.apply_to_all(&mut buffer),
        }
        maps(buffer, output)
    }

    /// The gradient of the weights from that of the sums.
    pub(crate) fn weight_gradient(&self, gradient: &FlexTensor) -> FlexTensor {
        let mut buffer = Buffer::new(self.weight.layout().num_elements());
        let window = &self.settings.window;
        let values: &[f32] = gradient.storage();
        self.with_input(|input| match self.only() {
            Some(maps) if self.is_depthwise() => {
                depthwise::weight_gradient(maps, input.dims(), values, window, &mut buffer);
            }
            _ if self.is_winograd(false) => with_maps(gradient, |gradient| {
                winograd::weight_gradient(input, gradient, window.before, &mut buffer);
            }),
            _ => direct::weight_gradient(input, values, window, &mut buffer),
        });
        rows(buffer, self.weight.layout().shape().dims::<4>())
    }

    /// The gradients of the parts from that of the sums.
    pub(crate) fn input_gradient(&self, gradient: &FlexTensor) -> (FlexTensor, Option<FlexTensor>) {
        let whole = self.input_dims();
        let weight: &[f32] = self.weight.storage();
        let window = &self.settings.window;
        let first_dims = dims(&self.first);
        let second_dims = self.second.as_ref().map(dims);
        let mut first = Buffer::new(first_dims.len());
        let mut second = second_dims.map(|dims| Buffer::new(dims.len()));
        let mut parts = vec![Part {
            data: Shared::new(&mut first),
            channels: first_dims.channels,
            doubled: self.settings.doubled,
        }];
        parts.extend(second.as_mut().map(|second| Part {
            data: Shared::new(second),
            channels: whole.channels - first_dims.channels,
            doubled: false,
        }));
        let values: &[f32] = gradient.storage();
        if self.is_depthwise() {
            depthwise::input_gradient(values, weight, window, whole, &mut first);
        } else if self.is_winograd(false) {
            let size = [whole.height, whole.width];
            with_maps(gradient, |gradient| {
                winograd::input_gradient(gradient, weight, window.before, size, &parts);
            });
        } else if self.only().is_some() {
            with_maps(gradient, |gradient| {
                direct::input_gradient(gradient, weight, window, whole, &mut first);
            });
        } else {
            let mut buffer = Buffer::new(whole.len());
            with_maps(gradient, |gradient| {
                direct::input_gradient(gradient, weight, window, whole, &mut buffer);
            });
            pointwise::split(&buffer, whole, &parts);
        }
        (maps(first, first_dims), second.zip(second_dims).map(|(second, dims)| maps(second, dims)))
    }
}

/// Runs with a tensor of maps as the one part of an input.
fn with_maps<T>(tensor: &FlexTensor, run: impl FnOnce(&Input) -> T) -> T {
    let Dims { batch, height, width, channels } = dims(tensor);
    let parts = [Part { data: tensor.storage(), channels, doubled: false }];
    run(&Input { batch, height, width, parts: &parts })
}

/// Goes back through ReLU and dropout: the gradient of what they were given, and its sum over pixels.
pub(crate) fn before(
    gradient: FlexTensor,
    output: Option<&FlexTensor>,
    dropout: Option<Dropout>,
) -> (FlexTensor, Vec<f32>) {
    let mut gradient = owned(gradient);
    let channels = dims(&gradient).channels;
    let rectified = output.map(|output| output.storage());
    let sums = pointwise::before(gradient.storage_mut(), channels, Followed { rectified, dropout });
    (gradient, sums)
}

/// The gradient times a constant of each channel.
pub(crate) fn scaled(gradient: FlexTensor, factors: &FlexTensor) -> FlexTensor {
    let mut gradient = owned(gradient);
    pointwise::scale(gradient.storage_mut(), factors.storage());
    gradient
}

/// Operands as kernels read them, with bias and residual.
pub(crate) fn prepare(
    operands: Operands<Flex>,
    settings: Convolution,
) -> (Prepared, Option<FlexTensor>, Option<FlexTensor>) {
    let prepared = Prepared {
        first: by_pixel(operands.first),
        second: operands.second.into_option().map(by_pixel),
        weight: contiguous(operands.weight),
        scale: operands.scale.into_option().map(contiguous),
        settings,
    };
    let bias = operands.bias.into_option().map(contiguous);
    (prepared, bias, operands.residual.into_option().map(by_pixel))
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
        _: Optional<Self>,
        _: Optional<Self>,
        _: Block,
    ) -> FlexTensor {
        output
    }
}
