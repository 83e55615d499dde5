//! A block of a network as one operator of the graph, whose backward pass runs it again.

use std::fmt;
use std::sync::Arc;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::{Flex, FlexTensor};

use super::bridge::vector;
use super::fan_out::{give, take};
use super::tracked::{Tracked, finish};

/// A block that can be run again.
#[derive(Clone)]
pub(crate) struct Block(pub(super) Arc<dyn Again>);

impl fmt::Debug for Block {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Block")
    }
}

/// Gradients of a block: of its inputs, and of its weights by their nodes.
pub(crate) struct Gradient {
    /// Of its inputs, in their order.
    pub inputs: Vec<Option<FlexTensor>>,
    /// Of its weights.
    pub weights: Vec<(NodeId, FlexTensor)>,
}

/// Runs a block again.
pub(crate) trait Again: Send + Sync {
    /// The gradients, from that of the output.
    fn gradient(&self, output: FlexTensor) -> Gradient;
}

/// The gradient of what a backward pass begins at.
#[derive(Clone, Debug)]
pub(crate) struct Seed(pub(super) FlexTensor);

#[derive(Debug)]
struct SeedBackward;

impl Backward<Flex, 1> for SeedBackward {
    type State = Seed;

    fn backward(self, ops: Ops<Seed, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        grads.consume::<Flex>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<Flex>(node.id, ops.state.0);
        }
    }
}

/// Puts the beginning of a backward pass behind its output.
pub(crate) fn seed<C: CheckpointStrategy>(output: Tracked<C>, gradient: Seed) -> Tracked<C> {
    let prepared = SeedBackward.prepare::<C>([output.node()]);
    finish(prepared, vector(&[0.0]), |_| gradient)
}

#[derive(Debug)]
struct BlockBackward;

impl Backward<Flex, 6> for BlockBackward {
    type State = Block;

    fn backward(self, ops: Ops<Block, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [_, maps @ ..] = ops.parents;
        let Gradient { inputs, weights } = ops.state.0.gradient(take!(grads, ops));
        for (node, gradient) in maps.into_iter().zip(inputs) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                give!(grads, node, gradient);
            }
        }
        for (node, gradient) in weights {
            grads.register::<Flex>(node, gradient);
        }
    }
}

/// Puts a block into the graph, behind one of its weights and its inputs.
pub(crate) fn put<C: CheckpointStrategy>(
    output: Tracked<C>,
    reads: [Tracked<C>; 6],
    block: Block,
) -> Tracked<C> {
    let nodes = reads.each_ref().map(|tensor| tensor.node());
    let prepared = BlockBackward.prepare::<C>(nodes);
    finish(prepared, output.into_primitive(), |_| block)
}
