//! Batches as safetensors, for other programs to train on.

use std::borrow::Cow;
use std::path::Path;

use safetensors::tensor::{Dtype, View};

use crate::data::Batch;
use crate::error::{Error, Result};

/// Numbers on their way to a safetensors file.
struct Numbers {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Numbers {
    fn floats(values: &[f32], shape: Vec<usize>) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { dtype: Dtype::F32, shape, bytes }
    }

    fn integers(values: &[u8], shape: Vec<usize>) -> Self {
        let bytes = values.iter().flat_map(|&value| i32::from(value).to_le_bytes()).collect();
        Self { dtype: Dtype::I32, shape, bytes }
    }
}

impl View for Numbers {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes `images.0`, `labels.0`, where images have classes `classes.0`, where the network is given numbers beside them
/// `numbers.0`, then `images.1`, ...
///
/// # Errors
/// If the file cannot be written.
pub fn dump_batches(batches: &[Batch], path: &Path) -> Result<()> {
    let mut tensors = Vec::new();
    for (index, batch) in batches.iter().enumerate() {
        let (cases, [height, width]) = (batch.cases.len(), batch.sides);
        let images = vec![cases, batch.channels, height, width];
        tensors.push((format!("images.{index}"), Numbers::floats(&batch.images, images)));
        let labels = vec![cases, batch.label_sides[0], batch.label_sides[1]];
        tensors.push((format!("labels.{index}"), Numbers::integers(&batch.labels, labels)));
        if !batch.numbers.is_empty() {
            let numbers = vec![cases, batch.numbers.len() / cases];
            tensors.push((format!("numbers.{index}"), Numbers::floats(&batch.numbers, numbers)));
        }
        if !batch.classes.is_empty() {
            let classes = Numbers::integers(&batch.classes, vec![cases]);
            tensors.push((format!("classes.{index}"), classes));
        }
    }
    safetensors::serialize_to_file(tensors, None, path)
        .map_err(|error| Error::failed(format!("cannot write {}: {error}", path.display())))
}
