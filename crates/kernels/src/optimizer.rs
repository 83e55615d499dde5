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
        let gradient = contiguous(gradient);
        let [mut parameter, mut first, mut second] = [parameter, first, second].map(writable);
        let changed = Parameter {
            value: parameter.storage_mut(),
            first: first.storage_mut(),
            second: second.storage_mut(),
        };
        step.apply(changed, gradient.storage());
        (parameter, first, second)
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
    let mut buffer = Buffer::new(tensor.layout().num_elements());
    buffer.copy_from_slice(tensor.storage());
    let shape = tensor.layout().shape().clone();
    rows(buffer, [shape.num_elements()]).reshape(shape)
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
