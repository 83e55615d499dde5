//! The loss of a network with a head for pixels and one for whole images.

use burn::tensor::{Int, Tensor};

use super::{Loss, LossSpec, Measured, Outputs};
use crate::error::Result;

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
    /// From the weights of segmentation and classification, the loss of images, and the images of each class in the
    /// training split, which balanced class weights are inverse to.
    ///
    /// # Errors
    /// The user's, if the loss does not fit classes of images.
    pub fn new(weights: [f64; 2], images: &LossSpec, class_images: &[u64]) -> Result<Self> {
        let outputs = Outputs::Images(class_images.len());
        Ok(Self { weights, images: images.fitted(KEY, outputs, class_images)? })
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
pub fn problems(images: &LossSpec, classes: usize) -> Vec<(String, String)> {
    images.problems(KEY, Outputs::Images(classes))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn spec(toml: &str) -> LossSpec {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn both_losses_count_by_their_weights() {
        let images = spec("kind = 'cross-entropy'");
        let device = Device::flex();
        let logits = Tensor::from_data(TensorData::new(vec![0f32, 0.0], [1, 2, 1, 1]), &device);
        let classes = Tensor::from_data(TensorData::new(vec![1i32], [1, 1, 1]), &device);
        let number = |value: f32| Tensor::from_floats([value], &device);
        let pixels = Measured::mean(number(0.5), number(2.0));
        let loss = MultiTask::new([2.0, 0.5], &images, &[1, 1]).unwrap();
        let loss = loss.forward(pixels, logits, classes);
        // 2 * 0.25 + 0.5 * ln 2
        assert!((loss.value.into_scalar::<f32>() - 0.846_573_6).abs() < 1e-6);
    }

    #[test]
    fn balanced_weights_are_of_images_and_a_loss_of_overlap_is_refused_at_its_key() {
        let balanced = spec("kind = 'cross-entropy'\nclass-weights = { kind = 'balanced' }");
        assert_ne!(
            MultiTask::new([1.0, 1.0], &balanced, &[30, 10]).unwrap(),
            MultiTask::new([1.0, 1.0], &balanced, &[10, 30]).unwrap()
        );
        let found = problems(&spec("kind = 'dice'"), 2);
        assert_eq!(found[0].0, "task.classification-loss.kind");
    }
}
