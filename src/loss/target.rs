//! The truth that logits are compared with, derived once for each batch.

use burn::tensor::{Int, Tensor};

/// Label of a pixel that takes no part in the loss.
pub const IGNORED: i64 = 255;

/// Truth and valid pixels of a batch.
#[derive(Clone, Debug)]
pub struct Target {
    /// `[N, 1, H, W]`: the class of each pixel, 0 where it is ignored.
    pub labels: Tensor<4, Int>,
    /// `[N, 1, H, W]`: 1 where a pixel takes part, 0 where it is ignored.
    pub valid: Tensor<4>,
    /// Channels of the logits: 1 for a lesion, or one for each class.
    channels: usize,
}

impl Target {
    /// Derives truth and valid pixels from labels.
    ///
    /// Labels count from 0; with one channel, 0 is background and 1 lesion. [`IGNORED`], as any
    /// other number that is no class, marks a pixel that takes no part.
    ///
    /// # Shapes
    ///
    /// - labels: `[N, H, W]`
    pub fn new(labels: Tensor<3, Int>, channels: usize) -> Self {
        let classes = channels.max(2) as i64;
        let labels = labels.unsqueeze_dim::<4>(1);
        let valid =
            labels.clone().lower_elem(classes).bool_and(labels.clone().greater_equal_elem(0));
        let labels = labels.mask_fill(valid.clone().bool_not(), 0);
        Self { labels, valid: valid.float(), channels }
    }

    /// 1 in the channel of each valid pixel's class, 0 elsewhere. With one channel, 1 on the
    /// lesion.
    ///
    /// # Shapes
    ///
    /// - output: `[N, C, H, W]`
    pub fn truth(&self) -> Tensor<4> {
        if self.is_binary() {
            return self.labels.clone().float();
        }
        let channels = self.channels;
        let options = (&self.labels.device(), self.labels.dtype());
        let class = Tensor::<1, Int>::arange(0..channels as i64, options);
        let [images, _, height, width] = self.labels.dims();
        let shape = [images, channels, height, width];
        let labels = self.labels.clone().expand(shape);
        labels.equal(class.reshape([1, channels, 1, 1]).expand(shape)).float() * self.valid.clone()
    }

    /// Whether the logits have one channel for the lesion rather than one for each class.
    pub fn is_binary(&self) -> bool {
        self.channels == 1
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn labels<const N: usize>(labels: [i64; N]) -> Tensor<3, Int> {
        Tensor::from_data(TensorData::new(labels.to_vec(), [1, 1, N]), &Device::flex())
    }

    fn values(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    #[test]
    fn binary_truth_is_one_on_the_lesion_and_zero_where_ignored() {
        let target = Target::new(labels([0, 1, IGNORED]), 1);
        assert!(target.is_binary());
        assert_eq!(values(target.truth()), [0.0, 1.0, 0.0]);
        assert_eq!(values(target.valid), [1.0, 1.0, 0.0]);
    }

    #[test]
    fn truth_of_classes_is_one_hot_and_zero_where_ignored() {
        let target = Target::new(labels([2, IGNORED, 0]), 3);
        assert_eq!(target.truth().dims(), [1, 3, 1, 3]);
        assert_eq!(values(target.truth()), [0., 0., 1., 0., 0., 0., 1., 0., 0.]);
        assert_eq!(values(target.valid), [1.0, 0.0, 1.0]);
    }

    #[test]
    fn a_label_that_is_no_class_is_ignored() {
        assert_eq!(values(Target::new(labels([0, 2, -1]), 2).valid), [1.0, 0.0, 0.0]);
    }
}
