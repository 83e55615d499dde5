//! Tensors that cannot be read, as where a device failed: for tests.

use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{BackendTensor, DispatchTensorKind};
use burn::tensor::{DType, Device, Shape, Tensor};
use burn_std::Bytes;

/// A tensor whose numbers lie in a file that is not there.
pub(crate) fn unreadable<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let bytes = shape.iter().product::<usize>() * size_of::<f32>();
    let bytes = Bytes::from_file("/nowhere/at/all", bytes as u64, 0);
    let tensor = FlexTensor::new(bytes, Layout::contiguous(Shape::new(shape)), DType::F32);
    let mut dispatch = Tensor::<D>::zeros(shape, &Device::flex()).into_dispatch();
    dispatch.kind = DispatchTensorKind::Flex(BackendTensor::Float(tensor));
    Tensor::from_dispatch(dispatch)
}
