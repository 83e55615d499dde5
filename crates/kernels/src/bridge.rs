//! Between Burn's CPU tensors and the slices that kernels work on.
//!
//! A tensor of maps keeps Burn's shape, `[batch, channels, height, width]`; its strides say that the
//! channels of a pixel lie side by side. Burn's own operators read such a tensor like any other.

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{DType, Shape};

use super::buffer::Buffer;
use super::geometry::Dims;
use super::pointwise::transpose;

/// Height and width, batch and channels of a tensor of maps.
pub(crate) fn dims(tensor: &FlexTensor) -> Dims {
    let shape = tensor.layout().shape();
    Dims { batch: shape[0], channels: shape[1], height: shape[2], width: shape[3] }
}

/// The tensor with the channels of each pixel side by side and nothing else in its memory.
pub(crate) fn by_pixel(tensor: FlexTensor) -> FlexTensor {
    let dims = dims(&tensor);
    if is_by_pixel(&tensor, dims) {
        return tensor;
    }
    let tensor = contiguous(tensor);
    let pixels = dims.height * dims.width;
    let mut buffer = Buffer::new(dims.len());
    transpose(tensor.storage(), dims.channels, pixels, &mut buffer);
    maps(buffer, dims)
}

fn is_by_pixel(tensor: &FlexTensor, dims: Dims) -> bool {
    let shape = tensor.layout().shape();
    let strides = tensor.layout().strides().iter().zip(strides(dims));
    tensor.layout().start_offset() == 0
        && tensor.bytes().len() == dims.len() * size_of::<f32>()
        && strides.enumerate().all(|(axis, (found, wanted))| shape[axis] == 1 || *found == wanted)
}

fn strides(dims: Dims) -> [isize; 4] {
    let (row, pixel) = (dims.width * dims.channels, dims.channels);
    [dims.height * row, 1, row, pixel].map(|stride| stride as isize)
}

/// The tensor row by row, with nothing else in its memory.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    let whole = tensor.layout().num_elements() * size_of::<f32>() == tensor.bytes().len();
    if tensor.is_contiguous() && tensor.layout().start_offset() == 0 && whole {
        tensor
    } else {
        let copy = tensor.to_contiguous();
        FlexTensor::from_data(copy.into_data())
    }
}

/// The tensor by pixel, in memory that nobody else reads.
pub(crate) fn owned(tensor: FlexTensor) -> FlexTensor {
    let tensor = by_pixel(tensor);
    if tensor.is_unique() {
        return tensor;
    }
    let mut buffer = Buffer::new(tensor.layout().num_elements());
    buffer.copy_from_slice(tensor.storage());
    maps(buffer, dims(&tensor))
}

/// A tensor of maps from what lies in memory pixel by pixel.
pub(crate) fn maps(buffer: Buffer, dims: Dims) -> FlexTensor {
    let shape = Shape::new([dims.batch, dims.channels, dims.height, dims.width]);
    let flat = dims.channels == 1 || dims.height * dims.width == 1;
    let layout = if flat {
        Layout::contiguous(shape)
    } else {
        Layout::new(shape, strides(dims).to_vec(), 0)
    };
    FlexTensor::new(buffer.into_bytes(), layout, DType::F32)
}

/// Numbers row by row with the shape of another tensor.
pub(crate) fn shaped(values: &[f32], like: &FlexTensor) -> FlexTensor {
    let mut buffer = Buffer::new(values.len());
    buffer.copy_from_slice(values);
    let layout = Layout::contiguous(like.layout().shape().clone());
    FlexTensor::new(buffer.into_bytes(), layout, DType::F32)
}

/// A tensor of the given shape from numbers row by row.
pub(crate) fn rows<const D: usize>(buffer: Buffer, shape: [usize; D]) -> FlexTensor {
    FlexTensor::new(buffer.into_bytes(), Layout::contiguous(Shape::new(shape)), DType::F32)
}

/// A tensor of one axis.
pub(crate) fn vector(values: &[f32]) -> FlexTensor {
    let mut buffer = Buffer::new(values.len());
    buffer.copy_from_slice(values);
    rows(buffer, [values.len()])
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    #[test]
    fn maps_keep_their_meaning_whatever_their_strides() {
        let values: Vec<f32> = (0..24).map(|value| value as f32).collect();
        let data = TensorData::new(values.clone(), [2, 3, 2, 2]);
        let tensor = by_pixel(FlexTensor::from_data(data.clone()));
        assert_eq!(tensor.storage::<f32>()[..6], [0., 4., 8., 1., 5., 9.]);
        assert_eq!(tensor.clone().into_data().try_to_vec::<f32>().unwrap(), values);
        let copy = owned(tensor.clone());
        assert_eq!(copy.into_data(), data);
        assert!(is_by_pixel(&by_pixel(tensor.clone()), dims(&tensor)));
    }
}
