//! Gradients of maps that several operators read.
//!
//! Burn adds them row by row of its own shape, on one thread, whatever their strides: of maps whose channels lie side by side that
//! takes as long as a convolution, and what comes out has to be turned around. It does not say whether a node has a gradient
//! already, so that is noted here, and they are added as they lie, on all threads.

use std::cell::RefCell;
use std::collections::HashSet;

use burn::backend::autodiff::NodeId;
use burn::backend::flex::FlexTensor;

use super::bridge::{by_pixel, dims, maps};
use super::buffer::Buffer;
use super::pointwise;

/// Nodes noted at one time. Those whose gradients Burn's own operators take are never crossed out; forgetting one costs the
/// time that is saved here and nothing else.
const MOST: usize = 1 << 12;

thread_local! {
    /// Nodes that were given a gradient by an operator of this crate, in the backward passes of this thread.
    static GIVEN: RefCell<HashSet<NodeId>> = RefCell::default();
}

/// Notes that a node is given a gradient; whether it had one from here.
pub(crate) fn has_one(node: NodeId) -> bool {
    GIVEN.with_borrow_mut(|given| {
        if given.len() >= MOST {
            given.clear();
        }
        !given.insert(node)
    })
}

/// Notes that a node's gradient is taken.
pub(crate) fn taken(node: NodeId) {
    GIVEN.with_borrow_mut(|given| given.remove(&node));
}

/// The sum of two gradients of the same maps, in the memory of one of them where nobody else reads it.
pub(crate) fn sum(a: FlexTensor, b: FlexTensor) -> FlexTensor {
    let (mut a, mut b) = (by_pixel(a), by_pixel(b));
    if !a.is_unique() {
        std::mem::swap(&mut a, &mut b);
    }
    if a.is_unique() {
        pointwise::add_to(a.storage_mut(), b.storage());
        return a;
    }
    let mut buffer = Buffer::new(a.layout().num_elements());
    pointwise::sum(a.storage(), b.storage(), &mut buffer);
    maps(buffer, dims(&a))
}

/// Gives a node of maps a gradient. Leaves keep theirs when it is read, so that Burn has to add to them.
macro_rules! give {
    ($grads:expr, $node:expr, $gradient:expr) => {{
        let (node, mut gradient) = ($node, $gradient);
        if !node.parents.is_empty() && $crate::fan_out::has_one(node.id) {
            gradient = $crate::fan_out::sum(gradient, $grads.consume::<Flex>(&node));
        }
        $grads.register::<Flex>(node.id, gradient);
    }};
}

/// Takes the gradient of an operator's output.
macro_rules! take {
    ($grads:expr, $ops:expr) => {{
        $crate::fan_out::taken($ops.node.id);
        $grads.consume::<Flex>(&$ops.node)
    }};
}

pub(crate) use {give, take};

#[cfg(test)]
mod tests {
    use burn::nn::PaddingConfig2d;
    use burn::nn::conv::Conv2dConfig;
    use burn::tensor::{Device, Tensor, TensorData};

    use crate::{After, add, concat, conv2d, max_pool2d};

    /// Gradients of the input of a network whose maps have up to four readers, one of them an operator of Burn.
    fn gradients(readers: usize, values: &Tensor<4>) -> Vec<f32> {
        let device = Device::flex().autodiff();
        let conv =
            Conv2dConfig::new([3, 3], [3, 3]).with_padding(PaddingConfig2d::Same).with_bias(false);
        let conv = conv.init(&device);
        let weight = Tensor::ones([3, 3, 3, 3], &device) * 0.1;
        let conv =
            burn::nn::conv::Conv2d { weight: burn::module::Param::from_tensor(weight), ..conv };
        let leaf = Tensor::<4>::from_data(values.to_data(), &device).require_grad();
        let maps = conv2d(&conv, leaf.clone(), After::relu());
        let mut sum = (maps.clone() * maps.clone()).sum();
        if readers > 1 {
            sum = sum + max_pool2d(maps.clone(), 2, 2, 0).sum() * 3;
        }
        if readers > 2 {
            sum = sum + add(maps.clone(), maps.clone()).sum() * 5;
        }
        if readers > 3 {
            sum = sum + concat(maps.clone(), maps).sum() * 7;
        }
        let gradients = sum.backward();
        leaf.grad(&gradients).unwrap().into_data().iter().collect()
    }

    #[test]
    fn gradients_of_all_readers_are_added() {
        let values: Vec<f32> = (0..2 * 3 * 6 * 8).map(|at| (at * 31 % 97) as f32 / 97.0).collect();
        let values = Tensor::from_data(TensorData::new(values, [2, 3, 6, 8]), &Device::flex());
        let parts: Vec<Vec<f32>> = (1..5).map(|readers| gradients(readers, &values)).collect();
        // Each reader adds what it adds alone: of `add` 10, of `concat` 14 for each of the three filters' nine taps.
        let inside = 8 + 2;
        for (more, readers) in [(10.0, 2), (14.0, 3)] {
            let found = parts[readers][inside] - parts[readers - 1][inside];
            assert!((found - more * 27.0 * 0.1).abs() < 1e-3, "{found} of {readers}");
        }
    }
}
