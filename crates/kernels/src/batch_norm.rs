//! Batch normalisation in training where no kernel of this crate computes it: on a GPU.
//!
//! Burn's own brings maps into another order before each sum, and adds up twice what its gradient needs once. Here a sum
//! over images and pixels is one operation, on maps in whatever order they lie.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::Flex;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, Cube, Dispatch, TensorMetadata, backend_extension,
};
use burn::tensor::{Scalar, Tensor};

#[backend_extension(Flex, Cube, Autodiff)]
trait BatchNormalisation: Backend {
    /// `(maps - mean) / sqrt(variance + epsilon) * gamma + beta` with the mean and the variance of each channel, and these
    /// two. All but the maps are `[1, channels, 1, 1]`.
    fn batch_normalisation(
        maps: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let mean = mean::<Self>(maps.clone());
        let centred = Self::float_sub(maps, mean.clone());
        let variance = mean_of_squares::<Self>(centred.clone());
        let scale = Self::float_mul(gamma, reciprocal_deviation::<Self>(variance.clone(), epsilon));
        let output = Self::float_add(Self::float_mul(centred, scale), beta);
        (output, mean, variance)
    }
}

impl BatchNormalisation for Flex {}

impl BatchNormalisation for Cube {}

/// Batch normalisation with the statistics of the batch: output, mean and variance of each channel.
///
/// # Shapes
/// - maps: `[batch, channels, height, width]`
/// - gamma, beta: `[channels]`
/// - output: that of maps; mean and variance `[channels]`, without gradients
pub(crate) fn normalised_by_batch(
    maps: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> (Tensor<4>, [Tensor<1>; 2]) {
    let channels = maps.dims()[1];
    let [gamma, beta] =
        [gamma, beta].map(|tensor| tensor.reshape([1, channels, 1, 1]).into_dispatch());
    let (output, mean, variance) =
        Dispatch::batch_normalisation(maps.into_dispatch(), gamma, beta, epsilon);
    let statistics = [mean, variance]
        .map(|tensor| Tensor::<4>::from_dispatch(tensor).reshape([channels]).detach());
    (Tensor::from_dispatch(output), statistics)
}

/// Sums over images and pixels, `[1, channels, 1, 1]`.
fn sums<B: Backend>(maps: FloatTensor<B>) -> FloatTensor<B> {
    B::float_sum_dims(maps, &[0, 2, 3])
}

/// Means over images and pixels, `[1, channels, 1, 1]`.
fn mean<B: Backend>(maps: FloatTensor<B>) -> FloatTensor<B> {
    let share = share(&maps);
    B::float_mul_scalar(sums::<B>(maps), share)
}

fn mean_of_squares<B: Backend>(maps: FloatTensor<B>) -> FloatTensor<B> {
    mean::<B>(B::float_mul(maps.clone(), maps))
}

/// The part that a number is of those of its channel.
fn share(maps: &impl TensorMetadata) -> Scalar {
    let shape = maps.shape();
    let numbers = shape.num_elements() / shape[1];
    Scalar::Float(1.0 / numbers as f64)
}

/// One over the standard deviation.
fn reciprocal_deviation<B: Backend>(variance: FloatTensor<B>, epsilon: f64) -> FloatTensor<B> {
    B::float_recip(B::float_sqrt(B::float_add_scalar(variance, Scalar::Float(epsilon))))
}

#[derive(Debug)]
struct BatchNormalisationBackward;

#[derive(Clone, Debug)]
struct State<B: Backend> {
    maps: NodeId,
    gamma: NodeId,
    mean: FloatTensor<B>,
    variance: FloatTensor<B>,
    epsilon: f64,
}

impl<B: Backend> Backward<B, 3> for BatchNormalisationBackward {
    type State = State<B>;

    fn backward(self, ops: Ops<State<B>, 3>, grads: &mut Gradients, kept: &mut Checkpointer) {
        let [maps, gamma, beta] = ops.parents;
        let state = ops.state;
        let gradient = grads.consume::<B>(&ops.node);
        let values = kept.retrieve_node_output::<FloatTensor<B>>(state.maps);
        let factors = kept.retrieve_node_output::<FloatTensor<B>>(state.gamma);
        let share = share(&values);
        let deviation = reciprocal_deviation::<B>(state.variance, state.epsilon);
        let normalised = B::float_mul(B::float_sub(values, state.mean), deviation.clone());
        let of_beta = sums::<B>(gradient.clone());
        let of_gamma = sums::<B>(B::float_mul(gradient.clone(), normalised.clone()));
        if let Some(node) = maps {
            let along = B::float_mul(normalised, B::float_mul_scalar(of_gamma.clone(), share));
            let centred = B::float_sub(gradient, B::float_mul_scalar(of_beta.clone(), share));
            let scale = B::float_mul(factors, deviation);
            grads.register::<B>(node.id, B::float_mul(B::float_sub(centred, along), scale));
        }
        if let Some(node) = gamma {
            grads.register::<B>(node.id, of_gamma);
        }
        if let Some(node) = beta {
            grads.register::<B>(node.id, of_beta);
        }
    }
}

impl<B: BatchNormalisation, C: CheckpointStrategy> BatchNormalisation for Autodiff<B, C> {
    fn batch_normalisation(
        maps: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let nodes = [maps.node(), gamma.node(), beta.node()];
        let prepared = BatchNormalisationBackward.prepare::<C>(nodes).compute_bound().stateful();
        let run = |maps, gamma, beta| B::batch_normalisation(maps, gamma, beta, epsilon);
        let (output, mean, variance) = match prepared {
            OpsKind::Tracked(mut prepared) => {
                let kept = [&maps, &gamma].map(|tensor| prepared.checkpoint(tensor));
                let [maps_id, gamma_id] = kept;
                let (output, mean, variance) =
                    run(maps.into_primitive(), gamma.into_primitive(), beta.into_primitive());
                let state = State {
                    maps: maps_id,
                    gamma: gamma_id,
                    mean: mean.clone(),
                    variance: variance.clone(),
                    epsilon,
                };
                (prepared.finish(state, output), mean, variance)
            }
            OpsKind::UnTracked(prepared) => {
                let (output, mean, variance) =
                    run(maps.into_primitive(), gamma.into_primitive(), beta.into_primitive());
                (prepared.finish(output), mean, variance)
            }
        };
        (output, Self::from_inner(mean), Self::from_inner(variance))
    }
}
