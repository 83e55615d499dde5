//! Operators that take each pixel by itself, and sums over pixels.
//!
//! Pixels are taken in blocks whose size depends on nothing else, and what blocks sum up is added in
//! their order, in double precision: the number of threads changes no result.

use macerator::Simd;
use rayon::prelude::*;

use super::dropout::Dropout;
use super::geometry::{Dims, Locate, Part, Shared};

/// Pixels of a block.
pub(crate) const BLOCK: usize = 256;

/// What followed a convolution or a norm, to be gone back through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Followed<'a> {
    /// The output, where a ReLU made it.
    pub rectified: Option<&'a [f32]>,
    pub dropout: Option<Dropout>,
}

/// Turns the gradient of an output into that of what ReLU and dropout were given, in place.
///
/// # Shapes
/// - gradient: `[pixels, channels]`
/// - output: the sum over pixels, `[channels]`; nothing where it is not asked for
pub(crate) fn before(
    gradient: &mut [f32],
    channels: usize,
    followed: Followed,
    summed: bool,
) -> Vec<f32> {
    let block = BLOCK * channels.max(1);
    let channels = if summed { channels } else { 0 };
    let sums = gradient
        .par_chunks_mut(block)
        .enumerate()
        .map(|(index, gradient)| {
            let start = index * block;
            let rectified = followed.rectified.map(|all| &all[start..start + gradient.len()]);
            let mut sums = vec![0.0; channels];
            before_block(gradient, start, Followed { rectified, ..followed }, &mut sums);
            sums
        })
        .collect();
    added(sums, channels)
}

/// Numbers that loops take at a time: those of several pixels where these have few channels, so that most are whole vectors.
const TOGETHER: usize = 256;

/// Numbers of each channel, again and again for the pixels that loops take at a time.
pub(crate) fn repeated(of_channels: &[f32]) -> Vec<f32> {
    of_channels.repeat((TOGETHER / of_channels.len().max(1)).max(1))
}

/// The sums of channels, from those of the pixels that loops take at a time.
pub(crate) fn by_channel(sums: &[f32], channels: usize) -> Vec<f32> {
    (0..channels).map(|channel| sums[channel..].iter().step_by(channels).sum()).collect()
}

#[macerator::with_simd]
fn before_block<'a, S: Simd>(
    gradient: &mut [f32],
    start: usize,
    followed: Followed<'a>,
    sums: &mut [f32],
) {
    if let Some(dropout) = followed.dropout {
        for (place, value) in gradient.iter_mut().enumerate() {
            *value *= dropout.factor(start + place);
        }
    }
    if let Some(output) = followed.rectified {
        for (value, &output) in gradient.iter_mut().zip(output) {
            *value = if output <= 0.0 { 0.0 } else { *value };
        }
    }
    if sums.is_empty() {
        return;
    }
    let mut together = repeated(&vec![0f32; sums.len()]);
    for pixels in gradient.chunks(together.len()) {
        for (sum, &value) in together.iter_mut().zip(pixels) {
            *sum += value;
        }
    }
    sums.copy_from_slice(&by_channel(&together, sums.len()));
}

/// Adds up what blocks summed, in their order.
pub(crate) fn added(blocks: Vec<Vec<f32>>, len: usize) -> Vec<f32> {
    let mut total = vec![0f64; len];
    for block in blocks {
        for (total, sum) in total.iter_mut().zip(block) {
            *total += f64::from(sum);
        }
    }
    total.into_iter().map(|sum| sum as f32).collect()
}

/// Multiplies each channel by its factor, in place.
pub(crate) fn scale(values: &mut [f32], factors: &[f32]) {
    values.par_chunks_mut(BLOCK * factors.len().max(1)).for_each(|values| {
        for pixel in values.chunks_exact_mut(factors.len()) {
            for (value, factor) in pixel.iter_mut().zip(factors) {
                *value *= factor;
            }
        }
    });
}

/// Adds to each channel its summand, in place.
pub(crate) fn add_to_channels(values: &mut [f32], summands: &[f32]) {
    values.par_chunks_mut(BLOCK * summands.len().max(1)).for_each(|values| {
        for pixel in values.chunks_exact_mut(summands.len()) {
            for (value, summand) in pixel.iter_mut().zip(summands) {
                *value += summand;
            }
        }
    });
}

/// Parts the gradient of a whole input: to each part its channels, and where a part was doubled, the
/// sum of each 2x2 block.
pub(crate) fn split(whole: &[f32], dims: Dims, parts: &[Part<Shared<f32>>]) {
    let mut first = 0;
    for part in parts {
        let locate = Locate::new(part, dims.height, dims.width);
        let step = if part.doubled { 2 } else { 1 };
        let rows = dims.height / step;
        (0..dims.batch * rows).into_par_iter().for_each(|row| {
            let (image, y) = (row / rows, row % rows * step);
            for x in (0..dims.width).step_by(step) {
                if !part.doubled {
                    let pixel = (image * dims.height + y) * dims.width + x;
                    let channels = &whole[pixel * dims.channels + first..][..part.channels];
                    // SAFETY: a pixel of this row, which no other task writes.
                    unsafe {
                        let to = part.data.at(locate.pixel(image, y, x));
                        std::ptr::copy_nonoverlapping(channels.as_ptr(), to, channels.len());
                    }
                    continue;
                }
                for channel in 0..part.channels {
                    let mut sum = 0.0;
                    for (y, x) in (y..y + step).flat_map(|y| (x..x + step).map(move |x| (y, x))) {
                        let pixel = (image * dims.height + y) * dims.width + x;
                        sum += whole[pixel * dims.channels + first + channel];
                    }
                    // SAFETY: pixels of this row, which no other task writes.
                    unsafe { *part.data.at(locate.pixel(image, y, x) + channel) = sum };
                }
            }
        });
        first += part.channels;
    }
}

/// Puts the channels of two maps side by side.
pub(crate) fn join([a, b]: [&[f32]; 2], [first, second]: [usize; 2], out: &mut [f32]) {
    out.par_chunks_mut(BLOCK * (first + second)).enumerate().for_each(|(block, out)| {
        let start = block * BLOCK;
        for (pixel, out) in out.chunks_exact_mut(first + second).enumerate() {
            let pixel = start + pixel;
            out[..first].copy_from_slice(&a[pixel * first..][..first]);
            out[first..].copy_from_slice(&b[pixel * second..][..second]);
        }
    });
}

/// Adds numbers to others, in place.
pub(crate) fn add_to(total: &mut [f32], summands: &[f32]) {
    const NUMBERS: usize = 1 << 14;
    let parts = total.par_chunks_mut(NUMBERS).zip(summands.par_chunks(NUMBERS));
    parts.for_each(|(total, summands)| {
        for (total, summand) in total.iter_mut().zip(summands) {
            *total += summand;
        }
    });
}

/// Writes `a + b`.
pub(crate) fn sum(a: &[f32], b: &[f32], out: &mut [f32]) {
    const NUMBERS: usize = 1 << 14;
    let parts = a.par_chunks(NUMBERS).zip(b.par_chunks(NUMBERS));
    out.par_chunks_mut(NUMBERS).zip(parts).for_each(|(out, (a, b))| {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = a + b;
        }
    });
}

/// The sum of squares, in blocks that are then added in their order.
pub(crate) fn sum_of_squares(values: &[f32]) -> f64 {
    const NUMBERS: usize = 1 << 14;
    let blocks: Vec<f64> = values.par_chunks(NUMBERS).map(block_of_squares).collect();
    blocks.into_iter().sum()
}

#[macerator::with_simd]
fn block_of_squares<S: Simd>(values: &[f32]) -> f64 {
    const STRANDS: usize = 16;
    let mut strands = [0f64; STRANDS];
    let (whole, rest) = values.as_chunks::<STRANDS>();
    for values in whole {
        for (strand, &value) in strands.iter_mut().zip(values) {
            *strand += f64::from(value) * f64::from(value);
        }
    }
    let rest = rest.iter().map(|&value| f64::from(value) * f64::from(value));
    strands.into_iter().chain(rest).sum()
}

/// Copies maps `[batch, channels, pixels]` to `[batch, pixels, channels]`, or back with the two
/// lengths exchanged.
pub(crate) fn transpose(from: &[f32], rows: usize, columns: usize, to: &mut [f32]) {
    const TILE: usize = 16;
    const COLUMNS: usize = 256;
    if rows * columns == 0 {
        return;
    }
    // Each task writes some columns of one image, which are rows of the output.
    let images = to.par_chunks_mut(rows * columns).zip(from.par_chunks(rows * columns));
    images.for_each(|(to, from)| {
        to.par_chunks_mut(COLUMNS * rows).enumerate().for_each(|(part, to)| {
            let first = part * COLUMNS;
            let here = to.len() / rows;
            for column in (0..here).step_by(TILE) {
                for row in (0..rows).step_by(TILE) {
                    for column in column..(column + TILE).min(here) {
                        for row in row..(row + TILE).min(rows) {
                            to[column * rows + row] = from[row * columns + first + column];
                        }
                    }
                }
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use macerator::WithSimd;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_same, on_every_set, partly_nan, strange};

    struct Before<'a>(&'a [f32], &'a [f32]);

    impl WithSimd for Before<'_> {
        type Output = (Vec<f32>, Vec<f32>);

        #[inline(always)]
        fn with_simd<S: Simd>(self) -> (Vec<f32>, Vec<f32>) {
            let Self(gradient, output) = self;
            let (mut gradient, mut sums) = (gradient.to_vec(), vec![0.0; 19]);
            let followed = Followed { rectified: Some(output), dropout: None };
            before_block_impl::<S>(&mut gradient, 0, followed, &mut sums);
            (gradient, sums)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn gradients_pass_where_the_output_is_not_a_number_on_every_instruction_set(
            gradient in partly_nan(4 * 19),
            output in strange(4 * 19),
        ) {
            let passed = |at: usize| if output[at] <= 0.0 { 0.0 } else { gradient[at] };
            for (set, (found, sums)) in on_every_set(|| Before(&gradient, &output)) {
                assert_same(&format!("on {set:?}"), &found, passed);
                assert_same(&format!("sums on {set:?}"), &sums, |channel| {
                    (0..4).map(|pixel| passed(pixel * 19 + channel)).sum()
                });
            }
        }
    }

    #[test]
    fn a_transposition_and_back_is_nothing() {
        let (batch, rows, columns) = (2, 5, 777);
        let from: Vec<f32> = (0..batch * rows * columns).map(|value| value as f32).collect();
        let (mut there, mut back) = (vec![0.0; from.len()], vec![0.0; from.len()]);
        transpose(&from, rows, columns, &mut there);
        assert_eq!(there[1], from[columns]);
        transpose(&there, columns, rows, &mut back);
        assert_eq!(back, from);
    }

    #[test]
    fn gradients_pass_where_the_output_is_positive_and_are_summed_by_channel() {
        let mut gradient = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let output = [0.0, 1.0, 2.0, 0.0, 0.5, 0.25];
        let followed = Followed { rectified: Some(&output), dropout: None };
        let sums = before(&mut gradient, 2, followed, true);
        assert_eq!(gradient, [0.0, 2.0, 3.0, 0.0, 5.0, 6.0]);
        assert_eq!(sums, [8.0, 8.0]);
    }
}
