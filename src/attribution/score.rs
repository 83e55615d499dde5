//! The score that is explained.

use burn::tensor::{Tensor, TensorData};

use super::{Subject, numbers};
use crate::error::{Error, Result};
use crate::evaluate::{likeliest, not_a_number};
use crate::frame::Inset;
use crate::loss::Outputs;

/// The sum of a class's logits over the pixels that are predicted to be it, or over all where none is (Vinogradova,
/// Dibrov and Myers 2020); of a classifier, the class's logit. Class and pixels stay, whatever becomes of the image.
pub struct Score {
    class: usize,
    /// `[1, 1, height, width]`, 1 where a pixel counts, else 0.
    region: Tensor<4>,
}

impl Score {
    /// The score of what was predicted to be the subject's class, or else of the likeliest: of pixels, the class with the
    /// most of them. Pixels that pad the image do not count.
    ///
    /// # Shapes
    /// - logits: `[1, channels, height, width]`
    ///
    /// # Errors
    /// If there is no such class, or a logit is not a number.
    pub fn new(logits: &Tensor<4>, subject: &Subject) -> Result<Self> {
        let logits = logits.clone().detach();
        let [_, channels, height, width] = logits.dims();
        let outputs = subject.outputs;
        let counts = counts(outputs, subject.inset.as_ref(), [height, width]);
        let class = match (outputs, subject.class) {
            (_, Some(class)) => class,
            (Outputs::Binary, None) => 0,
            (Outputs::Classes(classes) | Outputs::Images(classes), None) => {
                let seen = likeliest(&numbers(logits.clone()), classes);
                let pixels = |class: &usize| {
                    let seen = seen.iter().zip(&counts).filter(|(_, counts)| **counts > 0.0);
                    seen.filter(|(label, _)| usize::from(**label) == *class).count()
                };
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
        let counts = TensorData::new(counts, [1, 1, height, width]);
        let counts = Tensor::from_data(counts, &found.device());
        let found = found * counts.clone();
        let none = found.clone().sum().into_scalar::<f32>() == 0.0;
        Ok(Self { class, region: if none { counts } else { found } })
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

/// 1 for each pixel of the output that counts, row by row, and 0 for those that pad the image.
fn counts(outputs: Outputs, inset: Option<&Inset>, [height, width]: [usize; 2]) -> Vec<f32> {
    match (outputs, inset) {
        (Outputs::Binary | Outputs::Classes(_), Some(inset)) => {
            inset.pad(vec![1.0; inset.width * inset.height], [height, width], 0.0)
        }
        (Outputs::Images(_), _) | (_, None) => vec![1.0; height * width],
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::model::init;

    fn logits(values: &[f32], channels: usize) -> Tensor<4> {
        let shape = [1, channels, 1, values.len() / channels];
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
    }

    /// The subject of logits, whatever the network that gave them.
    fn scored(
        logits: &Tensor<4>,
        outputs: Outputs,
        class: Option<usize>,
        inset: Option<Inset>,
    ) -> Result<Score> {
        let spec = "kind = 'unet'\nencoder = { kind = 'plain', filters = [2, 4] }";
        let net = init(&toml::from_str(spec).unwrap(), 1, 1, &Device::flex());
        let input = Tensor::zeros([1, 1, 4, 4], &Device::flex());
        Score::new(logits, &Subject { net: &net, input, outputs, class, inset })
    }

    fn score(values: &[f32], outputs: Outputs, class: Option<usize>) -> Vec<f32> {
        of_inset(values, outputs, class, None)
    }

    fn of_inset(
        values: &[f32],
        outputs: Outputs,
        class: Option<usize>,
        inset: Option<Inset>,
    ) -> Vec<f32> {
        let logits = logits(values, outputs.channels());
        let score = scored(&logits, outputs, class, inset).unwrap();
        score.of(Tensor::cat(vec![logits.clone(), logits * 10.0], 0)).into_data().iter().collect()
    }

    #[test]
    fn padding_does_not_count() {
        let inset = Some(Inset { left: 1, top: 0, width: 2, height: 1 });
        assert_eq!(of_inset(&[9.0, -1.0, 0.5, 9.0], Outputs::Binary, None, inset), [0.5, 5.0]);
        assert_eq!(of_inset(&[9.0, -1.0, -2.0, 9.0], Outputs::Binary, None, inset), [-3.0, -30.0]);
        // Two pixels of padding are of the first class, both of the image of the second.
        let values = [5.0, 0.0, 0.0, 5.0, 0.0, 1.0, 2.0, 0.0];
        assert_eq!(of_inset(&values, Outputs::Classes(2), None, inset), [3.0, 30.0]);
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
        let error = scored(&logits(&[1.0, 2.0], 1), Outputs::Binary, Some(1), None).err().unwrap();
        assert!(error.to_string().contains("no class 1: the network has 1"), "{error}");
    }
}
