//! The operators' backward passes.
//!
//! Each keeps what its gradient needs (no copies: tensors share their memory) and computes the
//! gradients that are asked for: none of the input of a first layer, none of frozen weights.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::{Autodiff, AutodiffBackend};

use super::activation::Activation;
use super::block::{self, Block, Seed};
use super::bridge::{by_pixel, contiguous, dims, owned, shaped, vector};
use super::convolution::{Prepared, prepare};
use super::excitation::{self, Middle};
use super::fan_out::{give, take};
use super::flex::{self, before, scaled};
use super::geometry::{Dims, Window};
use super::layer_norm;
use super::norm::{self, Given, Moments};
use super::ops::{Convolution, Kernels, More, Normalisation, Operands, Optional};
use super::tracked::{Tracked, finish};

/// Stands for a tensor that is not there: nothing wants its gradient.
fn absent<C: CheckpointStrategy>() -> Tracked<C> {
    Autodiff::<Flex, C>::from_inner(vector(&[]))
}

/// A tensor, or what stands for one.
fn tracked<C: CheckpointStrategy>(tensor: Optional<Autodiff<Flex, C>>) -> Tracked<C> {
    tensor.into_option().unwrap_or_else(absent::<C>)
}

#[derive(Debug)]
struct ConvolutionBackward;

#[derive(Clone, Debug)]
struct ConvolutionState {
    prepared: Prepared,
    /// Where a ReLU made it.
    output: Option<FlexTensor>,
}

impl Backward<Flex, 8> for ConvolutionBackward {
    type State = ConvolutionState;

    fn backward(self, ops: Ops<Self::State, 8>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [weight, bias, residual, maps @ ..] = ops.parents;
        let ConvolutionState { prepared, output } = ops.state;
        let gradient = take!(grads, ops);
        let dropout = prepared.settings.dropout;
        let (mut gradient, sums) = before(gradient, output.as_ref(), dropout, bias.is_some());
        drop(output);
        if let Some(node) = bias {
            grads.register::<Flex>(node.id, vector(&sums));
        }
        if let Some(node) = residual {
            give!(grads, node, gradient.clone());
        }
        if let Some(scale) = &prepared.scale {
            gradient = scaled(gradient, scale);
        }
        if let Some(node) = weight {
            grads.register::<Flex>(node.id, prepared.weight_gradient(&gradient));
        }
        if maps.iter().any(Option::is_some) {
            for (node, gradient) in maps.into_iter().zip(prepared.input_gradient(&gradient)) {
                if let Some(node) = node {
                    give!(grads, node, gradient);
                }
            }
        }
    }
}

#[derive(Debug)]
struct TransposedBackward;

#[derive(Clone, Debug)]
struct TransposedState {
    input: FlexTensor,
    weight: FlexTensor,
    window: Window,
}

impl Backward<Flex, 3> for TransposedBackward {
    type State = TransposedState;

    /// The roles of input and output are exchanged: what came in is the output of a convolution of
    /// the gradient.
    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [input, weight, bias] = ops.parents;
        let state = ops.state;
        let (gradient, sums) = before(take!(grads, ops), None, None, bias.is_some());
        if let Some(node) = bias {
            grads.register::<Flex>(node.id, vector(&sums));
        }
        let settings = Convolution::plain(state.window);
        let prepared = Prepared {
            maps: vec![gradient],
            weight: state.weight,
            shift: None,
            scale: None,
            settings,
        };
        if let Some(node) = weight {
            grads.register::<Flex>(node.id, prepared.weight_gradient(&state.input));
        }
        if let Some(node) = input {
            give!(grads, node, prepared.forward(None, None));
        }
    }
}

#[derive(Debug)]
struct NormalisationBackward;

#[derive(Clone, Debug)]
struct NormalisationState {
    input: FlexTensor,
    gamma: FlexTensor,
    beta: FlexTensor,
    moments: Moments,
    settings: Normalisation,
    /// Where a ReLU made it.
    output: Option<FlexTensor>,
}

impl Backward<Flex, 4> for NormalisationBackward {
    type State = NormalisationState;

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [input, gamma, beta, residual] = ops.parents;
        let NormalisationState {
            input: maps,
            gamma: factors,
            beta: summands,
            moments,
            settings,
            output,
        } = ops.state;
        let gradient = take!(grads, ops);
        let (gradient, _) = before(gradient, output.as_ref(), settings.dropout, false);
        drop(output);
        let affine = flex::affine(&factors, &summands, &settings);
        let size = dims(&maps);
        let activated = settings.before.map(|activation| flex::activated(&maps, activation));
        let values: &[f32] = activated.as_deref().unwrap_or(maps.storage());
        let mut gradient = gradient;
        let given = match settings.activation {
            Some(Activation::Relu) | None => Given::Normalised(gradient.storage()),
            Some(activation) => {
                gradient = owned(gradient);
                Given::Activated(gradient.storage_mut(), activation)
            }
        };
        let mut found = norm::backward(given, values, size, settings.over, &moments, affine);
        if let Some(node) = residual {
            give!(grads, node, gradient);
        }
        if let Some(activation) = settings.before {
            activation.backward(&mut found.maps, maps.storage());
        }
        if let Some(node) = input {
            give!(grads, node, super::bridge::maps(found.maps, size));
        }
        if let Some(node) = gamma {
            grads.register::<Flex>(node.id, vector(&found.gamma));
        }
        if let Some(node) = beta {
            grads.register::<Flex>(node.id, vector(&found.beta));
        }
    }
}

#[derive(Debug)]
struct PoolingBackward;

#[derive(Clone, Debug)]
struct PoolingState {
    places: Vec<u8>,
    dims: Dims,
    window: Window,
}

impl Backward<Flex, 1> for PoolingBackward {
    type State = PoolingState;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [input] = ops.parents;
        let PoolingState { places, dims, window } = ops.state;
        let gradient = take!(grads, ops);
        if let Some(node) = input {
            let gradient = flex::max_pool_backward(gradient, &places, dims, &window);
            give!(grads, node, gradient);
        }
    }
}

#[derive(Debug)]
struct DoubledBackward;

impl Backward<Flex, 1> for DoubledBackward {
    type State = Dims;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [input] = ops.parents;
        let gradient = take!(grads, ops);
        if let Some(node) = input {
            give!(grads, node, flex::doubled_bilinear_backward(gradient, ops.state));
        }
    }
}

#[derive(Debug)]
struct GatingBackward;

#[derive(Clone, Debug)]
struct FactorsState {
    input: FlexTensor,
    factors: FlexTensor,
}

impl Backward<Flex, 2> for GatingBackward {
    type State = FactorsState;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [input, factors] = ops.parents;
        let gradient = by_pixel(take!(grads, ops));
        if let Some(node) = factors {
            grads.register::<Flex>(node.id, flex::gate_backward(&gradient, &ops.state.input));
        }
        if let Some(node) = input {
            give!(grads, node, flex::gate(&gradient, &ops.state.factors));
        }
    }
}

#[derive(Debug)]
struct AdditionBackward;

impl Backward<Flex, 2> for AdditionBackward {
    type State = ();

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = take!(grads, ops);
        for node in ops.parents.into_iter().flatten() {
            give!(grads, node, gradient.clone());
        }
    }
}

#[derive(Debug)]
struct ConcatenationBackward;

impl Backward<Flex, 2> for ConcatenationBackward {
    /// Channels of each.
    type State = [usize; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = take!(grads, ops);
        let gradients = flex::concatenation_backward(gradient, ops.state);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                give!(grads, node, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct AveragingBackward;

impl Backward<Flex, 1> for AveragingBackward {
    type State = Dims;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [input] = ops.parents;
        let gradient = take!(grads, ops);
        if let Some(node) = input {
            give!(grads, node, flex::average_backward(gradient, ops.state));
        }
    }
}

#[derive(Debug)]
struct WeighingBackward;

impl Backward<Flex, 2> for WeighingBackward {
    type State = FactorsState;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [input, factors] = ops.parents;
        let gradient = by_pixel(take!(grads, ops));
        if let Some(node) = factors {
            grads.register::<Flex>(node.id, flex::weigh_backward(&gradient, &ops.state.input));
        }
        if let Some(node) = input {
            give!(grads, node, flex::weigh(&gradient, &ops.state.factors));
        }
    }
}

#[derive(Debug)]
struct ExcitationBackward;

#[derive(Clone, Debug)]
struct ExcitationState {
    input: FlexTensor,
    layers: [FlexTensor; 4],
    middle: Middle,
}

impl Backward<Flex, 5> for ExcitationBackward {
    type State = ExcitationState;

    fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [input, layers @ ..] = ops.parents;
        let ExcitationState { input: given, layers: weights, middle } = ops.state;
        let gradient = by_pixel(take!(grads, ops));
        let size = dims(&given);
        let read = flex::excitation_layers(&weights);
        let found = excitation::backward(gradient.storage(), given.storage(), size, read, &middle);
        if let Some(node) = input {
            give!(grads, node, super::bridge::maps(found.maps, size));
        }
        let of_layers = [found.first, found.first_bias, found.second, found.second_bias];
        for ((node, gradient), weights) in layers.into_iter().zip(of_layers).zip(&weights) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, shaped(&gradient, weights));
            }
        }
    }
}

#[derive(Debug)]
struct ActivationBackward;

impl Backward<Flex, 1> for ActivationBackward {
    /// What it was given.
    type State = (FlexTensor, Activation);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [input] = ops.parents;
        let (given, activation) = ops.state;
        let gradient = take!(grads, ops);
        if let Some(node) = input {
            let gradient = flex::activation_backward(gradient, &given, activation);
            give!(grads, node, gradient);
        }
    }
}

#[derive(Debug)]
struct LayerNormalisationBackward;

#[derive(Clone, Debug)]
struct LayerNormalisationState {
    input: FlexTensor,
    gamma: FlexTensor,
    epsilon: f64,
}

impl Backward<Flex, 3> for LayerNormalisationBackward {
    type State = LayerNormalisationState;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [input, gamma, beta] = ops.parents;
        let LayerNormalisationState { input: given, gamma: factors, epsilon } = ops.state;
        let mut gradient = owned(take!(grads, ops));
        let factors: &[f32] = factors.storage();
        let [of_gamma, of_beta] =
            layer_norm::backward(gradient.storage_mut(), given.storage(), factors, epsilon);
        if let Some(node) = input {
            give!(grads, node, gradient);
        }
        if let Some(node) = gamma {
            grads.register::<Flex>(node.id, vector(&of_gamma));
        }
        if let Some(node) = beta {
            grads.register::<Flex>(node.id, vector(&of_beta));
        }
    }
}

impl<C: CheckpointStrategy> Kernels for Autodiff<Flex, C> {
    fn convolution(operands: Operands<Self>, settings: Convolution) -> Tracked<C> {
        let Operands { first, more, weight, shift, scale, bias, residual } = operands;
        let [second, third, fourth, fifth] = more.into_array().map(tracked::<C>);
        let [bias, residual] = [bias, residual].map(tracked::<C>);
        let all = [weight, bias, residual, first, second, third, fourth, fifth];
        let nodes = all.each_ref().map(|tensor| tensor.node());
        let [weight, bias, residual, first, more @ ..] = all.map(|tensor| tensor.into_primitive());
        let present = |tensor: &FlexTensor| tensor.layout().num_elements() > 0;
        let operands = Operands::<Flex> {
            first,
            more: more.into_iter().filter(present).collect(),
            weight,
            shift: shift.into_option().map(|shift| shift.into_primitive()).into(),
            scale: scale.into_option().map(|scale| scale.into_primitive()).into(),
            bias: Some(bias).filter(present).into(),
            residual: Some(residual).filter(present).into(),
        };
        let (prepared, bias, residual) = prepare(operands, settings);
        let output = prepared.forward(bias.as_ref(), residual.as_ref());
        finish(ConvolutionBackward.prepare::<C>(nodes), output, |output| ConvolutionState {
            prepared,
            output: (settings.activation == Some(Activation::Relu)).then_some(output),
        })
    }

    fn transposed_convolution(
        input: Tracked<C>,
        weight: Tracked<C>,
        bias: Optional<Self>,
        window: Window,
    ) -> Tracked<C> {
        let bias = bias.into_option();
        let absent = absent::<C>();
        let nodes = [input.node(), weight.node(), bias.as_ref().unwrap_or(&absent).node()];
        let input = by_pixel(input.into_primitive());
        let weight = contiguous(weight.into_primitive());
        let bias = bias.map(|bias| bias.into_primitive()).into();
        let output = Flex::transposed_convolution(input.clone(), weight.clone(), bias, window);
        finish(TransposedBackward.prepare::<C>(nodes), output, |_| TransposedState {
            input,
            weight,
            window,
        })
    }

    fn normalisation(
        input: Tracked<C>,
        gamma: Tracked<C>,
        beta: Tracked<C>,
        residual: Optional<Self>,
        settings: Normalisation,
    ) -> (Tracked<C>, Tracked<C>, Tracked<C>) {
        let residual = residual.into_option();
        let absent = absent::<C>();
        let nodes =
            [input.node(), gamma.node(), beta.node(), residual.as_ref().unwrap_or(&absent).node()];
        let input = by_pixel(input.into_primitive());
        let [gamma, beta] = [gamma, beta].map(|tensor| contiguous(tensor.into_primitive()));
        let residual = residual.map(|residual| by_pixel(residual.into_primitive()));
        let (output, moments) =
            flex::normalise(&input, &gamma, &beta, residual.as_ref(), &settings);
        let [mean, variance] =
            [&moments.mean, &moments.variance].map(|values| Self::from_inner(vector(values)));
        let prepared = NormalisationBackward.prepare::<C>(nodes);
        let output = finish(prepared, output, |output| NormalisationState {
            input,
            gamma,
            beta,
            moments,
            settings,
            output: (settings.activation == Some(Activation::Relu)).then_some(output),
        });
        (output, mean, variance)
    }

    fn max_pooling(input: Tracked<C>, window: Window) -> Tracked<C> {
        let nodes = [input.node()];
        let input = by_pixel(input.into_primitive());
        let dims = dims(&input);
        let (output, places) = flex::max_pool(&input, &window);
        finish(PoolingBackward.prepare::<C>(nodes), output, |_| PoolingState {
            places,
            dims,
            window,
        })
    }

    fn doubled_bilinear(input: Tracked<C>) -> Tracked<C> {
        let nodes = [input.node()];
        let input = input.into_primitive();
        let dims = dims(&input);
        finish(DoubledBackward.prepare::<C>(nodes), Flex::doubled_bilinear(input), |_| dims)
    }

    fn gating(input: Tracked<C>, factors: Tracked<C>) -> Tracked<C> {
        let nodes = [input.node(), factors.node()];
        let [input, factors] = [input, factors].map(|tensor| by_pixel(tensor.into_primitive()));
        let output = flex::gate(&input, &factors);
        finish(GatingBackward.prepare::<C>(nodes), output, |_| FactorsState { input, factors })
    }

    fn addition(a: Tracked<C>, b: Tracked<C>) -> Tracked<C> {
        let nodes = [a.node(), b.node()];
        let output = Flex::addition(a.into_primitive(), b.into_primitive());
        finish(AdditionBackward.prepare::<C>(nodes), output, |_| ())
    }

    fn concatenation(a: Tracked<C>, b: Tracked<C>) -> Tracked<C> {
        let nodes = [a.node(), b.node()];
        let (a, b) = (a.into_primitive(), b.into_primitive());
        let channels = [&a, &b].map(|maps| dims(maps).channels);
        let output = Flex::concatenation(a, b);
        finish(ConcatenationBackward.prepare::<C>(nodes), output, |_| channels)
    }

    fn averaging(input: Tracked<C>) -> Tracked<C> {
        let nodes = [input.node()];
        let input = by_pixel(input.into_primitive());
        finish(AveragingBackward.prepare::<C>(nodes), flex::average(&input), |_| dims(&input))
    }

    fn weighing(input: Tracked<C>, factors: Tracked<C>) -> Tracked<C> {
        let nodes = [input.node(), factors.node()];
        let [input, factors] = [input, factors].map(|tensor| by_pixel(tensor.into_primitive()));
        let output = flex::weigh(&input, &factors);
        finish(WeighingBackward.prepare::<C>(nodes), output, |_| FactorsState { input, factors })
    }

    fn excitation(
        input: Tracked<C>,
        first: Tracked<C>,
        first_bias: Tracked<C>,
        second: Tracked<C>,
        second_bias: Tracked<C>,
    ) -> Tracked<C> {
        let layers = [first, first_bias, second, second_bias];
        let [a, b, c, d] = layers.each_ref().map(|layer| layer.node());
        let nodes = [input.node(), a, b, c, d];
        let input = by_pixel(input.into_primitive());
        let layers = layers.map(|layer| contiguous(layer.into_primitive()));
        let (output, middle) = flex::excite(&input, &layers);
        finish(ExcitationBackward.prepare::<C>(nodes), output, |_| ExcitationState {
            input,
            layers,
            middle,
        })
    }

    fn activation(input: Tracked<C>, activation: Activation) -> Tracked<C> {
        let nodes = [input.node()];
        let input = by_pixel(input.into_primitive());
        let output = Flex::activation(input.clone(), activation);
        finish(ActivationBackward.prepare::<C>(nodes), output, |_| (input, activation))
    }

    fn layer_normalisation(
        input: Tracked<C>,
        gamma: Tracked<C>,
        beta: Tracked<C>,
        epsilon: f64,
    ) -> Tracked<C> {
        let nodes = [input.node(), gamma.node(), beta.node()];
        let input = by_pixel(input.into_primitive());
        let gamma = contiguous(gamma.into_primitive());
        let beta = beta.into_primitive();
        let output = Flex::layer_normalisation(input.clone(), gamma.clone(), beta, epsilon);
        let prepared = LayerNormalisationBackward.prepare::<C>(nodes);
        finish(prepared, output, |_| LayerNormalisationState { input, gamma, epsilon })
    }

    fn seeded(output: Tracked<C>, gradient: Seed) -> Tracked<C> {
        block::seed::<C>(output, gradient)
    }

    fn block(
        output: Tracked<C>,
        first: Tracked<C>,
        more: More<Self>,
        weight: Optional<Self>,
        block: Block,
    ) -> Tracked<C> {
        let [second, third, fourth, fifth] = more.into_array().map(tracked::<C>);
        block::put::<C>(output, [tracked(weight), first, second, third, fourth, fifth], block)
    }
}
