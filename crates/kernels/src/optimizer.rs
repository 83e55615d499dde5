//! A step of Adam on Burn's tensors, and what gradients are clipped by.

use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

use super::adam::{Parameter, Step};
use super::bridge::{contiguous, rows, vector};
use super::buffer::Buffer;
use super::{pointwise, supports};

#[backend_extension(Flex)]
trait Steps: Backend {
    /// The parameter and its two moments after a step.
    fn adam(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// The sum of a tensor's squares, `[1]`.
    fn squares(tensor: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Steps for Flex {
    fn adam(
        parameter: FlexTensor,
        gradient: FlexTensor,
        first: FlexTensor,
        second: FlexTensor,
        step: Step,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let (gradient, parameter) = (contiguous(gradient), contiguous(parameter));
        let [mut first, mut second] = [first, second].map(writable);
        // A training loop that still holds the network has the step written elsewhere, in the same pass.
        let (mut after, before) = match parameter.is_unique() {
            true => (parameter, None),
            false => (unwritten(&parameter), Some(parameter)),
        };
        let changed = Parameter {
            value: after.storage_mut(),
            from: before.as_ref().map(|before| before.storage()),
            first: first.storage_mut(),
            second: second.storage_mut(),
        };
        step.apply(changed, gradient.storage());
        (after, first, second)
    }

    fn squares(tensor: FlexTensor) -> FlexTensor {
        vector(&[pointwise::sum_of_squares(contiguous(tensor).storage()) as f32])
    }
}

/// The tensor row by row, in memory that nobody else reads.
fn writable(tensor: FlexTensor) -> FlexTensor {
    let tensor = contiguous(tensor);
    if tensor.is_unique() {
        return tensor;
    }
    let mut copy = unwritten(&tensor);
    copy.storage_mut::<f32>().copy_from_slice(tensor.storage());
    copy
}

/// A tensor of the same shape, row by row, of any numbers.
fn unwritten(like: &FlexTensor) -> FlexTensor {
    let shape = like.layout().shape().clone();
    rows(Buffer::new(shape.num_elements()), [shape.num_elements()]).reshape(shape)
}

/// The parameter and its two moments after a step, where [`super::supports`] is true of them.
///
/// # Shapes
/// - parameter, gradient and the moments: the same
pub fn adam_step<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
    step: Step,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let [first, second] = moments.map(Tensor::into_dispatch);
    let (parameter, first, second) =
        Dispatch::adam(parameter.into_dispatch(), gradient.into_dispatch(), first, second, step);
    (Tensor::from_dispatch(parameter), [first, second].map(Tensor::from_dispatch))
}

/// The sum of a tensor's squares. On the CPU the number of threads does not change it, as it does Burn's own sum of a
/// large tensor.
///
/// # Shapes
/// - output: `[1]`
pub fn sum_of_squares<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    if !supports(&tensor) {
        return total(tensor.square());
    }
    Tensor::from_dispatch(Dispatch::squares(tensor.into_dispatch()))
}

/// The sum of a tensor's numbers. On a GPU it is not Burn's own, which may add with atomic operations, in any order.
///
/// # Shapes
/// - output: `[1]`
pub fn total<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    if supports(&tensor) {
        return tensor.sum();
    }
    let count = tensor.shape().num_elements();
    tensor.reshape([1, count]).sum_dim(1).reshape([1])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn a_step_is_the_same_where_somebody_keeps_the_parameter_which_stays_as_it_was() {
        let step = Step {
            learning_rate: 0.1,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            time: 1,
            weight_decay: 0.1,
            decoupled_decay: 0.01,
        };
        // More numbers than a task takes.
        let numbers = |seed: usize| {
            let values = (0..300 * 101).map(|at| (at * seed % 997) as f32 / 997.0);
            TensorData::new(values.collect::<Vec<f32>>(), [300, 101])
        };
        let (parameter, gradient) = (numbers(31), numbers(57));
        let tensor = |data: &TensorData| Tensor::<2>::from_data(data.clone(), &Device::flex());
        let moments = || [tensor(&gradient), tensor(&parameter)];
        let kept = tensor(&parameter);
        let (beside, _) = adam_step(kept.clone(), tensor(&gradient), moments(), step);
        let (in_place, _) = adam_step(tensor(&parameter), tensor(&gradient), moments(), step);
        assert_eq!(beside.into_data(), in_place.into_data());
        assert_eq!(kept.into_data(), parameter);
    }
}
