//! Numbers of pixels by predicted and true class.

use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{Int, IntDType, Tensor};
use rayon::prelude::*;

use super::bridge::{by_pixel, dims, rows};
use super::buffer::Buffer;
use super::class_counts::ClassCounts;
use super::geometry::Dims;
use super::{standard, supports};

#[backend_extension(Flex)]
trait Counting: Backend {
    /// The four numbers of [`ClassCounts`].
    fn counting(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// Counts the pixels of each class. A pixel is predicted as the channel with the highest logit, the first of equals; of
/// one channel as class 1 from 0 on (a probability of one half). Labels that are no class are left out.
///
/// # Shapes
/// - logits: `[batch, channels, height, width]`, without gradients
/// - labels: `[batch, height, width]`; of one channel 0 and 1 are classes, else those below the number of channels
pub fn class_counts(logits: Tensor<4>, labels: Tensor<3, Int>) -> ClassCounts {
    if !supports(&logits) {
        return standard::class_counts(logits, labels);
    }
    let labels = labels.cast(IntDType::I32);
    let (both, predicted, truth, labelled) =
        Dispatch::counting(logits.into_dispatch(), labels.into_dispatch());
    ClassCounts {
        both: Tensor::from_dispatch(both),
        predicted: Tensor::from_dispatch(predicted),
        truth: Tensor::from_dispatch(truth),
        labelled: Tensor::from_dispatch(labelled),
    }
}

impl Counting for Flex {
    fn counting(
        logits: FlexTensor,
        labels: FlexTensor,
    ) -> (FlexTensor, FlexTensor, FlexTensor, FlexTensor) {
        let (logits, labels) = (by_pixel(logits), labels.to_contiguous());
        let dims = dims(&logits);
        let [both, predicted, truth, labelled] = count(logits.storage(), labels.storage(), dims);
        let by_class = |numbers| rows(numbers, [dims.batch, dims.channels]);
        (by_class(both), by_class(predicted), by_class(truth), rows(labelled, [dims.batch, 1]))
    }
}

/// The numbers of [`ClassCounts`], from logits whose channels lie side by side.
fn count(logits: &[f32], labels: &[i32], dims: Dims) -> [Buffer; 4] {
    let (pixels, channels) = (dims.height * dims.width, dims.channels);
    let mut counts = [channels, channels, channels, 1].map(|each| Buffer::new(dims.batch * each));
    let [both, predicted, truth, labelled] = &mut counts;
    let classes = both
        .par_chunks_mut(channels)
        .zip(predicted.par_chunks_mut(channels))
        .zip(truth.par_chunks_mut(channels));
    let images = logits.par_chunks(pixels * channels).zip(labels.par_chunks(pixels));
    classes.zip(labelled.par_iter_mut()).zip(images).for_each(
        |((((both, predicted), truth), labelled), (logits, labels))| {
            // Whether there is a background, which has no channel.
            let background = i32::from(channels == 1);
            for counts in [&mut *both, &mut *predicted, &mut *truth] {
                counts.fill(0.0);
            }
            *labelled = 0.0;
            for (logits, &label) in logits.chunks_exact(channels).zip(labels) {
                if !(0..channels as i32 + background).contains(&label) {
                    continue;
                }
                *labelled += 1.0;
                let found = predicted_channel(logits);
                let real = usize::try_from(label - background).ok();
                if let Some(found) = found {
                    predicted[found] += 1.0;
                }
                if let Some(real) = real {
                    truth[real] += 1.0;
                    both[real] += f32::from(u8::from(found == Some(real)));
                }
            }
        },
    );
    counts
}

/// The channel that a pixel is predicted as; `None` for background.
fn predicted_channel(logits: &[f32]) -> Option<usize> {
    if let [logit] = logits {
        return (*logit >= 0.0).then_some(0);
    }
    let mut highest = 0;
    for (channel, logit) in logits.iter().enumerate() {
        if *logit > logits[highest] {
            highest = channel;
        }
    }
    Some(highest)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::gpu;

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    fn all(counts: ClassCounts) -> [Vec<f32>; 4] {
        [counts.both, counts.predicted, counts.truth, counts.labelled].map(values)
    }

    fn of(
        count: impl Fn(Tensor<4>, Tensor<3, Int>) -> ClassCounts,
        logits: &[f32],
        labels: &[i32],
        [batch, channels]: [usize; 2],
        device: Device,
    ) -> [Vec<f32>; 4] {
        let pixels = labels.len() / batch;
        let logits = TensorData::new(logits.to_vec(), [batch, channels, 1, pixels]);
        let labels = TensorData::new(labels.to_vec(), [batch, 1, pixels]);
        all(count(Tensor::from_data(logits, &device), Tensor::from_data(labels, &device)))
    }

    #[test]
    fn a_lesion_is_predicted_from_zero_on_and_ignored_pixels_are_left_out() {
        let logits = [1.0, 0.0, -1.0, 3.0, -2.0, -2.0];
        let found = of(class_counts, &logits, &[1, 0, 1, 255, 0, -1], [1, 1], Device::flex());
        assert_eq!(found, [vec![1.0], vec![2.0], vec![2.0], vec![4.0]]);
    }

    #[test]
    fn the_first_of_equal_logits_counts() {
        let logits = [1.0, 5.0, 0.0, 1.0, 5.0, 7.0, 0.0, 5.0, 7.0];
        let found = of(class_counts, &logits, &[1, 0, 2], [1, 3], Device::flex());
        assert_eq!(
            found,
            [vec![1.0, 0.0, 0.0], vec![2.0, 1.0, 0.0], vec![1.0, 1.0, 1.0], vec![3.0]]
        );
    }

    fn case() -> impl Strategy<Value = ([usize; 2], Vec<f32>, Vec<i32>)> {
        (1usize..4, 1usize..6, 1usize..40).prop_flat_map(|(batch, channels, pixels)| {
            // Few numbers, so that there are equal ones.
            let logits =
                prop::collection::vec((-3i32..3).prop_map(|n| n as f32), batch * channels * pixels);
            let label = prop_oneof![3 => 0..channels as i32 + 1, 1 => Just(255)];
            let labels = prop::collection::vec(label, batch * pixels);
            (Just([batch, channels]), logits, labels)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if gpu().is_some() { 8 } else { 256 }))]
        #[test]
        fn counts_are_those_of_burns_operators((shape, logits, labels) in case()) {
            let standard = of(standard::class_counts, &logits, &labels, shape, Device::flex());
            for device in [Some(Device::flex()), gpu()].into_iter().flatten() {
                prop_assert_eq!(&of(class_counts, &logits, &labels, shape, device), &standard);
            }
        }
    }
}
