//! Activation checkpointing (Chen, Xu, Zhang and Guestrin 2016, "Training Deep Nets with Sublinear Memory
//! Cost"): of a block only its input is kept, and its backward pass runs it again.
//!
//! Burn's own strategy recomputes what is bound by memory and never a convolution. Here a whole block is
//! one operator of the graph. Its backward pass builds the block's graph anew, on weights of the same
//! values, goes through it backward, and hands the gradients on: to the input through the graph, to
//! the weights by their nodes, for weights are leaves and nothing has to be visited after them.

use std::sync::Arc;

use burn::backend::autodiff::NodeId;
use burn::backend::flex::FlexTensor;
use burn::backend::{BackendTensor, Dispatch, DispatchTensor, DispatchTensorKind};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{GradientCheckpointingStrategy, Gradients as Found, Tensor};

use super::block::{Again, Block, Gradient, Seed};
use super::input::{Input, Source};
use super::ops::Kernels;
use super::replay;

/// Whether what is computed with a tensor is to be computed again for its gradients.
pub(crate) fn is_asked_for(maps: &Tensor<4>) -> bool {
    maps.device().gradient_checkpointing_strategy() == Some(GradientCheckpointingStrategy::Balanced)
}

/// A module, what it was given, and how it dropped.
struct Kept<M, F> {
    module: M,
    /// Of each parameter, in the module's order: its node, if it gets a gradient.
    leaves: Vec<Option<NodeId>>,
    input: Input,
    forward: F,
    keys: Vec<u64>,
}

/// The output of a block without its graph, the block, and one of its weights that get a gradient.
pub(crate) fn run<M, F>(
    module: &M,
    input: &Input,
    forward: F,
) -> (Tensor<4>, Block, Option<DispatchTensor>)
where
    M: Module + Sync + 'static,
    F: Fn(&M, Input) -> Tensor<4> + Send + Sync + 'static,
{
    // Before anything else: weights that were never used are drawn by this.
    let mut leaves = Leaves::default();
    module.visit(&mut leaves);
    let constant = module.clone().map(&mut Constant);
    let (output, keys) = replay::first(|| forward(&constant, input.map(Tensor::detach)));
    let kept = Kept {
        module: module.valid(),
        leaves: leaves.nodes,
        input: input.map(Tensor::inner),
        forward,
        keys,
    };
    (output, Block(Arc::new(kept)), leaves.any)
}

impl<M, F> Again for Kept<M, F>
where
    M: Module + Sync,
    F: Fn(&M, Input) -> Tensor<4> + Send + Sync,
{
    fn gradient(&self, output: FlexTensor) -> Gradient {
        let module = self.module.clone().train();
        let module = module.map(&mut AsLeaves { leaves: self.leaves.iter() });
        let input = self.input.map(|maps| Tensor::from_inner(maps).require_grad());
        let maps = replay::again(&self.keys, || (self.forward)(&module, input.clone()));
        let begin = Dispatch::seeded(maps.into_dispatch(), Seed(output));
        let mut found = Tensor::<1>::from_dispatch(begin).backward();
        let mut collected = Collected { found: &mut found, gradients: Vec::new() };
        module.visit(&mut collected);
        let weights = self.leaves.iter().flatten().zip(collected.gradients);
        let weights = weights.filter_map(|(&node, gradient)| Some((node, gradient?))).collect();
        let mut of = |maps: &Tensor<4>| maps.grad_remove(&mut found).map(low);
        let inputs = [&input.first.maps].into_iter().chain(&input.more).map(&mut of).collect();
        Gradient { inputs, weights }
    }
}

impl Input {
    fn map(&self, change: impl Fn(Tensor<4>) -> Tensor<4>) -> Self {
        let Source { maps, doubled } = self.first.clone();
        Self {
            first: Source { maps: change(maps), doubled },
            more: self.more.iter().cloned().map(change).collect(),
        }
    }
}

/// Weights that keep no graph.
struct Constant;

impl ModuleMapper for Constant {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // `detach` would leave a leaf a leaf.
        param.set_require_grad(false)
    }
}

/// The node of each parameter, if it gets a gradient, in the module's order.
#[derive(Default)]
struct Leaves {
    nodes: Vec<Option<NodeId>>,
    any: Option<DispatchTensor>,
}

impl ModuleVisitor for Leaves {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let mut node = None;
        if param.is_require_grad() {
            let tensor = param.val().into_dispatch();
            if let DispatchTensorKind::Autodiff(kind) = &tensor.kind
                && let DispatchTensorKind::Flex(BackendTensor::Autodiff(leaf)) = &**kind
            {
                node = Some(leaf.id());
            }
            self.any = Some(tensor);
        }
        self.nodes.push(node);
    }
}

/// Gives a gradient to the parameters whose originals get one.
struct AsLeaves<'a> {
    leaves: std::slice::Iter<'a, Option<NodeId>>,
}

impl ModuleMapper for AsLeaves<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let wanted = self.leaves.next().is_some_and(Option::is_some);
        param.map(|tensor| tensor.set_require_grad(wanted))
    }
}

/// Takes the gradients of the same weights, in the same order.
struct Collected<'a> {
    found: &'a mut Found,
    /// None of a weight that the block does not use.
    gradients: Vec<Option<FlexTensor>>,
}

impl ModuleVisitor for Collected<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.gradients.push(param.val().grad_remove(self.found).map(low));
        }
    }
}

fn low<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    match tensor.into_dispatch().kind {
        DispatchTensorKind::Flex(tensor) => tensor.float(),
        _ => unreachable!("the kernels compute on the CPU"),
    }
}
