//! A batch as tensors.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::data::Batch;

/// The input of a step.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// `[batch, channels, size, size]`.
    pub images: Tensor<4>,
    /// `[batch, size, size]`; of whole images `[batch, 1, 1]`.
    pub labels: Tensor<3, Int>,
    /// The classes of images for a second head, `[batch, 1, 1]`.
    pub classes: Option<Tensor<3, Int>>,
}

impl Inputs {
    /// A batch on a device.
    pub fn new(batch: &Batch, device: &Device) -> Self {
        let cases = batch.cases.len();
        let images =
            TensorData::new(batch.images.clone(), [cases, batch.channels, batch.size, batch.size]);
        let numbers = |labels: &[u8], side: usize| {
            let numbers: Vec<i32> = labels.iter().map(|&label| i32::from(label)).collect();
            Tensor::from_data(TensorData::new(numbers, [cases, side, side]), device)
        };
        Self {
            images: Tensor::from_data(images, device),
            labels: numbers(&batch.labels, batch.label_size),
            classes: (!batch.classes.is_empty()).then(|| numbers(&batch.classes, 1)),
        }
    }

    /// One case of zeros.
    ///
    /// # Shapes
    /// - `shape`: channels, height, width of the input
    /// - `labels`: height, width of the labels
    pub fn zeros(
        [channels, height, width]: [usize; 3],
        [rows, columns]: [usize; 2],
        device: &Device,
    ) -> Self {
        Self {
            images: Tensor::zeros([1, channels, height, width], device),
            labels: Tensor::zeros([1, rows, columns], device),
            classes: Some(Tensor::zeros([1, 1, 1], device)),
        }
    }
}
