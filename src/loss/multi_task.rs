//! The loss of a network with a head for pixels and one for whole images.

use burn::tensor::{Int, Tensor};

use super::{Loss, Measured, Outputs, decided, problems_at};
use crate::error::{Error, Result};
use crate::spec::MultiTaskSpec;

/// A weighted sum of the losses of both heads:
///
/// ```text
/// loss = segmentation_weight * loss_of_pixels + classification_weight * loss_of_images
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MultiTask {
    weights: [f64; 2],
    images: Loss,
}

/// The key that says the loss of images.
const KEY: &str = "task.classification-loss";

impl MultiTask {
    /// From the spec, and the images of each class in the training split, which balanced class weights are inverse to.
    ///
    /// # Errors
    /// The user's, if the loss does not fit classes of images.
    pub fn new(spec: &MultiTaskSpec, class_images: &[u64]) -> Result<Self> {
        if let Some((key, message)) = problems(spec, class_images.len()).into_iter().next() {
            return Err(Error::user(format!("{key}: {message}")));
        }
        let weights = [spec.segmentation_weight, spec.classification_weight];
        Ok(Self { weights, images: decided(&spec.classification_loss, class_images)? })
    }

    /// The sum, from the loss of pixels.
    ///
    /// # Shapes
    /// - logits: `[N, classes, 1, 1]`
    /// - classes: `[N, 1, 1]`
    pub fn forward(
        &self,
        pixels: Measured,
        logits: Tensor<4>,
        classes: Tensor<3, Int>,
    ) -> Measured {
        let [of_pixels, of_images] = self.weights;
        let images = self.images.measure(vec![logits], classes);
        pixels.weighted(of_pixels).plus(images.weighted(of_images))
    }
}

/// What keeps the loss of images from fitting so many classes: key and message.
pub fn problems(spec: &MultiTaskSpec, classes: usize) -> Vec<(String, String)> {
    problems_at(&spec.classification_loss, Outputs::Images(classes), KEY)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn spec(toml: &str) -> MultiTaskSpec {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn both_losses_count_by_their_weights() {
        let spec = spec("segmentation-weight = 2.0\nclassification-weight = 0.5");
        let device = Device::flex();
        let logits = Tensor::from_data(TensorData::new(vec![0f32, 0.0], [1, 2, 1, 1]), &device);
        let classes = Tensor::from_data(TensorData::new(vec![1i32], [1, 1, 1]), &device);
        let number = |value: f32| Tensor::from_floats([value], &device);
        let pixels = Measured::mean(number(0.5), number(2.0));
        let loss = MultiTask::new(&spec, &[1, 1]).unwrap().forward(pixels, logits, classes);
        // 2 * 0.25 + 0.5 * ln 2
        assert!((loss.value.into_scalar::<f32>() - 0.846_573_6).abs() < 1e-6);
    }

    #[test]
    fn balanced_weights_are_of_images_and_a_loss_of_overlap_is_refused_at_its_key() {
        let balanced = "classification-loss = { kind = 'cross-entropy', class-weights = { kind = 'balanced' } }";
        assert_ne!(
            MultiTask::new(&spec(balanced), &[30, 10]).unwrap(),
            MultiTask::new(&spec(balanced), &[10, 30]).unwrap()
        );
        let found = problems(&spec("classification-loss = { kind = 'dice' }"), 2);
        assert_eq!(found[0].0, "task.classification-loss.kind");
    }
}
