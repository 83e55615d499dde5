//! A batch as tensors.

use burn::tensor::{DType, Device, Int, IntDType, Tensor, TensorData};

use crate::data::Batch;

/// The input of a step.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// `[batch, height, width]`; of whole images `[batch, 1, 1]`.
    pub labels: Tensor<3, Int>,
    /// The classes of images for a second head, `[batch, 1, 1]`.
    pub classes: Option<Tensor<3, Int>>,
    /// What a network is given beside images, `[batch, numbers]`.
    pub numbers: Option<Tensor<2>>,
}

impl Inputs {
    /// Uploads a batch to a device. Labels travel as bytes.
    pub fn new(batch: Batch, device: &Device) -> Self {
        let cases = batch.cases.len();
        let labels = |labels: Vec<u8>, [height, width]: [usize; 2]| {
            let labels = TensorData::new(labels, [cases, height, width]);
            Tensor::<3, Int>::from_data(labels, (device, DType::U8)).cast(IntDType::I32)
        };
        let [height, width] = batch.sides;
        let shape = [cases, batch.channels, height, width];
        let numbers = |numbers: Vec<f32>| {
            let shape = [cases, numbers.len() / cases];
            Tensor::from_data(TensorData::new(numbers, shape), device)
        };
        Self {
            numbers: (!batch.numbers.is_empty()).then(|| numbers(batch.numbers)),
            images: Tensor::from_data(TensorData::new(batch.images, shape), device),
            labels: labels(batch.labels, batch.label_sides),
            classes: (!batch.classes.is_empty()).then(|| labels(batch.classes, [1; 2])),
        }
    }

    /// One case of zeros.
    ///
    /// # Shapes
    /// - `shape`: channels, height, width of the input
    /// - `labels`: height, width of the labels
    /// - `numbers`: how many numbers there are beside the image
    pub fn zeros(
        [channels, height, width]: [usize; 3],
        [rows, columns]: [usize; 2],
        numbers: usize,
        device: &Device,
    ) -> Self {
        Self {
            images: Tensor::zeros([1, channels, height, width], device),
            labels: Tensor::zeros([1, rows, columns], device),
            classes: Some(Tensor::zeros([1, 1, 1], device)),
            numbers: (numbers > 0).then(|| Tensor::zeros([1, numbers], device)),
        }
    }
}
