//! The operators that have kernels, as a Burn backend extension, and their settings.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType, backend_extension};

use super::activation::Activation;
use super::block::{Block, Seed};
use super::dropout::Dropout;
use super::geometry::Window;
use super::norm::Over;

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

/// Maps whose channels are put behind those of the first, in their order.
#[derive(ExtensionType)]
pub(crate) struct More<B: Backend> {
    #[extension_type]
    second: Optional<B>,
    #[extension_type]
    third: Optional<B>,
    #[extension_type]
    fourth: Optional<B>,
    #[extension_type]
    fifth: Optional<B>,
}

/// The most maps behind the first.
pub(crate) const MOST_MORE: usize = 4;

impl<B: Backend> More<B> {
    /// One place for each, absent ones last.
    pub(crate) fn into_array(self) -> [Optional<B>; MOST_MORE] {
        [self.second, self.third, self.fourth, self.fifth]
    }

    /// Those that are there.
    pub(crate) fn into_vec(self) -> Vec<FloatTensor<B>> {
        self.into_array().into_iter().filter_map(Optional::into_option).collect()
    }
}

impl<B: Backend> FromIterator<FloatTensor<B>> for More<B> {
    /// Takes [`MOST_MORE`] at the most.
    fn from_iter<I: IntoIterator<Item = FloatTensor<B>>>(maps: I) -> Self {
        let mut maps = maps.into_iter();
        let mut next = || maps.next().into();
        Self { second: next(), third: next(), fourth: next(), fifth: next() }
    }
}

/// What a convolution is given.
#[derive(ExtensionType)]
pub(crate) struct Operands<B: Backend> {
    pub first: FloatTensor<B>,
    #[extension_type]
    pub more: More<B>,
    /// `[outputs, inputs / groups, kernel height, kernel width]`.
    pub weight: FloatTensor<B>,
    /// One summand for each output channel: a constant, without gradient.
    #[extension_type]
    pub shift: Optional<B>,
    /// One factor for each output channel: a constant, without gradient.
    #[extension_type]
    pub scale: Optional<B>,
    #[extension_type]
    pub bias: Optional<B>,
    /// Maps of the output's size that are added before ReLU.
    #[extension_type]
    pub residual: Optional<B>,
}

/// `dropout(activation(scale * before(weight * [first, ..more] + shift) + bias + residual))`, as far as asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Convolution {
    pub window: Window,
    /// Whether the first maps have half the size, and each of their pixels stands for 2x2.
    pub doubled: bool,
    /// Where a gradient will be asked for, none.
    pub before: Option<Activation>,
    /// Where a gradient will be asked for, ReLU or none.
    pub activation: Option<Activation>,
    pub dropout: Option<Dropout>,
}

impl Convolution {
    /// Without anything before or behind it.
    pub(crate) fn plain(window: Window) -> Self {
        Self { window, doubled: false, before: None, activation: None, dropout: None }
    }
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
        #[extension_type] more: More<Self>,
        #[extension_type] weight: Optional<Self>,
        block: Block,
    ) -> FloatTensor<Self>;
}
