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

/// Gradients of a block: of its two inputs, and of its weights by their nodes.
pub(crate) struct Gradient {
    /// Of its inputs.
    pub inputs: [Option<FlexTensor>; 2],
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

impl Backward<Flex, 3> for BlockBackward {
    type State = Block;

    fn backward(self, ops: Ops<Block, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [first, second, _] = ops.parents;
        let Gradient { inputs, weights } = ops.state.0.gradient(take!(grads, ops));
        for (node, gradient) in [first, second].into_iter().zip(inputs) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                give!(grads, node, gradient);
            }
        }
        for (node, gradient) in weights {
            grads.register::<Flex>(node, gradient);
        }
    }
}

/// Puts a block into the graph, behind its inputs and one of its weights.
pub(crate) fn put<C: CheckpointStrategy>(
    output: Tracked<C>,
    [first, second, weight]: [Tracked<C>; 3],
    block: Block,
) -> Tracked<C> {
    let nodes = [first.node(), second.node(), weight.node()];
    let prepared = BlockBackward.prepare::<C>(nodes);
    finish(prepared, output.into_primitive(), |_| block)
}
