//! Tensors with a graph behind them.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, OpsKind, OpsPrep};
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;

/// A tensor and its graph.
pub(crate) type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

/// Puts the output of an operator into the graph, with its state if a gradient will be asked for.
pub(crate) fn finish<T, const N: usize, C>(
    prepared: OpsPrep<T, Flex, T::State, C, N>,
    output: FlexTensor,
    state: impl FnOnce(FlexTensor) -> T::State,
) -> Tracked<C>
where
    T: Backward<Flex, N>,
    C: CheckpointStrategy,
{
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let state = state(output.clone());
            prepared.finish(state, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}
