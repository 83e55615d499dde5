//! The score that is explained.

use burn::tensor::Tensor;

use super::numbers;
use crate::error::{Error, Result};
use crate::evaluate::{likeliest, not_a_number};
use crate::loss::Outputs;

/// The sum of a class's logits over the pixels that are predicted to be it, or over all where none is (Vinogradova,
/// Dibrov and Myers 2020); of a classifier, the class's logit. Class and pixels stay, whatever becomes of the image.
pub struct Score {
    class: usize,
    /// `[1, 1, height, width]`, 1 where a pixel counts, else 0.
    region: Tensor<4>,
}

impl Score {
    /// The score of what was predicted to be `class`, or else of the likeliest: of pixels, the class with the most of
    /// them.
    ///
    /// # Shapes
    /// - logits: `[1, channels, height, width]`
    ///
    /// # Errors
    /// If there is no such class, or a logit is not a number.
    pub fn new(logits: &Tensor<4>, outputs: Outputs, class: Option<usize>) -> Result<Self> {
        let logits = logits.clone().detach();
        let [_, channels, height, width] = logits.dims();
        let class = match (outputs, class) {
            (_, Some(class)) => class,
            (Outputs::Binary, None) => 0,
            (Outputs::Classes(classes) | Outputs::Images(classes), None) => {
                let seen = likeliest(&numbers(logits.clone()), classes);
                let pixels =
                    |class: &usize| seen.iter().filter(|&&l| usize::from(l) == *class).count();
                (0..classes).rev().max_by_key(pixels).unwrap_or(0)
            }
        };
        if class >= channels {
            return Err(Error::user(format!(
                "there is no class {class}: the network has {channels}, counted from 0"
            )));
        }
        if numbers(logits.clone()).iter().any(|logit| logit.is_nan()) {
            return Err(Error::failed(not_a_number("the network's output")));
        }
        let found = match outputs {
            Outputs::Binary => logits.greater_equal_elem(0.0),
            Outputs::Classes(_) | Outputs::Images(_) => logits.argmax(1).equal_elem(class as i64),
        };
        let found = found.float();
        let none = found.clone().sum().into_scalar::<f32>() == 0.0;
        let device = found.device();
        let region = if none { Tensor::ones([1, 1, height, width], &device) } else { found };
        Ok(Self { class, region })
    }

    /// The scores of images.
    ///
    /// # Shapes
    /// - logits: `[batch, channels, height, width]`, on the device of those that it was made of
    /// - output: `[batch]`
    pub fn of(&self, logits: Tensor<4>) -> Tensor<1> {
        let batch = logits.dims()[0];
        let of_class = logits.slice([0..batch, self.class..self.class + 1]);
        (of_class * self.region.clone()).flatten::<2>(1, 3).sum_dim(1).flatten(0, 1)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn logits(values: &[f32], channels: usize) -> Tensor<4> {
        let shape = [1, channels, 1, values.len() / channels];
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
    }

    fn score(values: &[f32], outputs: Outputs, class: Option<usize>) -> Vec<f32> {
        let logits = logits(values, outputs.channels());
        let score = Score::new(&logits, outputs, class).unwrap();
        score.of(Tensor::cat(vec![logits.clone(), logits * 10.0], 0)).into_data().iter().collect()
    }

    #[test]
    fn it_sums_the_logits_of_the_pixels_predicted_to_be_the_class() {
        assert_eq!(score(&[3.0, -1.0, 0.5], Outputs::Binary, None), [3.5, 35.0]);
        let values = [1.0, 0.0, 0.0, 2.0, 3.0, -1.0];
        let classes = Outputs::Classes(2);
        assert_eq!(score(&values, classes, None), [5.0, 50.0]);
        assert_eq!(score(&values, classes, Some(0)), [0.0, 0.0]);
        assert_eq!(score(&[0.5, 2.0, 1.0], Outputs::Images(3), Some(1)), [2.0, 20.0]);
    }

    #[test]
    fn all_pixels_count_where_none_is_of_the_class() {
        assert_eq!(score(&[-3.0, -1.0], Outputs::Binary, None), [-4.0, -40.0]);
        assert_eq!(score(&[0.5, 2.0, 1.0], Outputs::Images(3), Some(2)), [1.0, 10.0]);
    }

    #[test]
    fn a_class_that_is_not_there_is_an_error() {
        let error = Score::new(&logits(&[1.0, 2.0], 1), Outputs::Binary, Some(1)).err().unwrap();
        assert!(error.to_string().contains("no class 1: the network has 1"), "{error}");
    }
}
