//! Occlusion: what a score loses where a part of the input is hidden.

use burn::tensor::{Tensor, TensorData};

use super::method::{Attribution, Settings, Unfit, within};
use super::{BATCH, Heat, Score, Subject, at_input, numbers};
use crate::error::Result;
use crate::model::ModelSpec;

/// Occlusion of a class's score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occlusion {
    /// Side of the square that is hidden, in pixels of the network's input.
    pub patch: usize,
    /// Pixels from one patch to the next.
    pub stride: usize,
}

impl Attribution for Occlusion {
    const SETTINGS: &'static [&'static str] = &["patch", "stride"];

    fn new(settings: Settings, _: &ModelSpec, size: usize) -> Result<Self, Unfit> {
        let patch = within("patch", settings.patch, (size / 10).max(1), size)?;
        let stride = within("stride", settings.stride, (patch / 2).max(1), patch)?;
        Ok(Self { patch, stride })
    }

    fn heat(&self, subject: &Subject) -> Result<Heat> {
        Ok(at_input(&subject.input, self.values(subject)?))
    }
}

impl Occlusion {
    /// What the score loses where each pixel is hidden, below 0 where it gains.
    pub(super) fn values(&self, subject: &Subject) -> Result<Vec<f32>> {
        let Subject { net, input, .. } = subject;
        let whole = net.forward(input.clone());
        let score = Score::new(&whole, subject)?;
        let drop = |inputs| score.of(whole.clone() - net.forward(inputs));
        Ok(occlusion(input, self.patch, self.stride, drop))
    }
}

/// Occlusion (Zeiler and Fergus 2014): a square of `patch` pixels, set to zero in all channels, moves over the input by
/// `stride`. A pixel's value is what the score loses while the patch lies over it, the mean of all patches that do;
/// the last of a row or column reaches as far as the input.
///
/// # Shapes
/// - input: `[1, channels, height, width]`, each side at least `patch`
/// - drop: what the scores of inputs `[batch, channels, height, width]` are less than the whole input's, `[batch]`
/// - output: `[height * width]`
pub fn occlusion(
    input: &Tensor<4>,
    patch: usize,
    stride: usize,
    drop: impl Fn(Tensor<4>) -> Tensor<1>,
) -> Vec<f32> {
    let [_, _, height, width] = input.dims();
    let (device, pixels) = (input.device(), height * width);
    let starts = |side: usize| (0..=(side - patch).div_ceil(stride)).map(move |n| n * stride);
    let patches: Vec<Vec<usize>> = starts(height)
        .flat_map(|top| starts(width).map(move |left| [top, left]))
        .map(|[top, left]| {
            let rows = top..(top + patch).min(height);
            let end = (left + patch).min(width);
            rows.flat_map(|row| (left..end).map(move |column| row * width + column)).collect()
        })
        .collect();
    let (mut sums, mut counts) = (vec![0f64; pixels], vec![0u32; pixels]);
    for batch in patches.chunks(BATCH) {
        let mut seen = vec![1f32; batch.len() * pixels];
        for (image, hidden) in batch.iter().enumerate() {
            hidden.iter().for_each(|pixel| seen[image * pixels + pixel] = 0.0);
        }
        let seen = TensorData::new(seen, [batch.len(), 1, height, width]);
        let drops = numbers(drop(input.clone() * Tensor::from_data(seen, &device)));
        for (hidden, drop) in batch.iter().zip(drops) {
            for &pixel in hidden {
                sums[pixel] += f64::from(drop);
                counts[pixel] += 1;
            }
        }
    }
    sums.into_iter().zip(counts).map(|(sum, count)| (sum / f64::from(count)) as f32).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// Occlusion of rows of pixels, where the score is the sum of all.
    fn of_sum<const N: usize>(rows: &[[f32; N]], patch: usize, stride: usize) -> Vec<f32> {
        let data = TensorData::new(rows.concat(), [1, 1, rows.len(), N]);
        let input = Tensor::from_data(data, &Device::flex());
        let whole = input.clone();
        let drop =
            |seen: Tensor<4>| (whole.clone() - seen).flatten::<2>(1, 3).sum_dim(1).flatten(0, 1);
        occlusion(&input, patch, stride, drop)
    }

    #[test]
    fn a_pixel_is_worth_the_mean_of_what_patches_over_it_take_away() {
        let rows = [[1.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 0.0]];
        assert_eq!(of_sum(&rows, 2, 1), [5.0, 4.5, 4.0, 4.5, 4.25, 4.0, 4.0, 4.0, 4.0]);
        assert_eq!(of_sum(&rows, 1, 1), rows.concat());
        assert_eq!(of_sum(&rows, 3, 1), [5.0; 9]);
    }

    #[test]
    fn the_last_patch_of_a_row_reaches_as_far_as_the_input() {
        let rows = [[1.0, 1.0, 5.0], [1.0, 1.0, 0.0]];
        assert_eq!(of_sum(&rows, 2, 2), [4.0, 4.0, 5.0, 4.0, 4.0, 5.0]);
    }
}
