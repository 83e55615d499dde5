//! Batch and group normalisation, forward and backward, each in two passes over the maps: one sums,
//! one applies. ReLU, dropout and the addition of a residual are done while it is written.
//!
//! Both normalisations are `x * scale + shift` with numbers for each image and channel; they differ
//! in what is averaged to find them: all images of a channel (Ioffe and Szegedy 2015), or the channels
//! of a group of an image (Wu and He 2018).

use macerator::Simd;
use rayon::prelude::*;

use super::activation::Activation;
use super::buffer::Buffer;
use super::dropout::Dropout;
use super::geometry::Dims;
use super::pointwise::{BLOCK, by_channel, repeated};

/// What a mean and a variance are taken of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Over {
    /// A channel of all images.
    Batch,
    /// So many groups of the channels of each image.
    Groups(usize),
}

impl Over {
    /// How many means there are, and which one an image's channel belongs to.
    fn sets(self, dims: Dims) -> (usize, impl Fn(usize, usize) -> usize) {
        let (sets, groups) = match self {
            Self::Batch => (dims.channels, dims.channels),
            Self::Groups(groups) => (dims.batch * groups, groups),
        };
        let size = dims.channels / groups.max(1);
        let of = move |image: usize, channel: usize| match self {
            Self::Batch => channel,
            Self::Groups(groups) => image * groups + channel / size,
        };
        (sets, of)
    }
}

/// Mean and biased variance of each set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moments {
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
}

/// Learned factors and summands of each channel, and what is added to the variance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Affine<'a> {
    pub gamma: &'a [f32],
    pub beta: &'a [f32],
    pub epsilon: f64,
}

/// What is done to the normalised maps before they are written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct After<'a> {
    pub residual: Option<&'a [f32]>,
    pub activation: Option<Activation>,
    pub dropout: Option<Dropout>,
}

/// Pairs of sums for each channel of an image, from those of its blocks in their order.
fn added(blocks: Vec<Vec<[f32; 2]>>, channels: usize) -> Vec<[f64; 2]> {
    let mut total = vec![[0f64; 2]; channels];
    for sums in blocks {
        for (total, sum) in total.iter_mut().zip(sums) {
            total[0] += f64::from(sum[0]);
            total[1] += f64::from(sum[1]);
        }
    }
    total
}

/// Mean and variance of maps `[batch, height, width, channels]`.
///
/// The variance is that of differences to the mean of a block, put together by the formula of Chan,
/// Golub and LeVeque (1983).
pub(crate) fn moments(maps: &[f32], dims: Dims, over: Over) -> Moments {
    let channels = dims.channels;
    let pixels = dims.height * dims.width;
    let (sets, set) = over.sets(dims);
    let mut count = vec![0f64; sets];
    let mut mean = vec![0f64; sets];
    let mut squares = vec![0f64; sets];
    let blocks = pixels.div_ceil(BLOCK);
    let found: Vec<Vec<[f32; 2]>> = (0..dims.batch * blocks)
        .into_par_iter()
        .map(|index| {
            let (image, block) = (index / blocks, index % blocks);
            let start = (image * pixels + block * BLOCK) * channels;
            let len = BLOCK.min(pixels - block * BLOCK) * channels;
            let mut found = vec![[0.0; 2]; channels];
            block_moments(&maps[start..start + len], &mut found);
            found
        })
        .collect();
    for (index, block) in found.into_iter().enumerate() {
        let image = index / blocks;
        let here = BLOCK.min(pixels - index % blocks * BLOCK) as f64;
        for (channel, [block_mean, block_squares]) in block.into_iter().enumerate() {
            let set = set(image, channel);
            let difference = f64::from(block_mean) - mean[set];
            let total = count[set] + here;
            squares[set] +=
                f64::from(block_squares) + difference.powi(2) * count[set] * here / total;
            mean[set] += difference * here / total;
            count[set] = total;
        }
    }
    let variance = squares.iter().zip(&count).map(|(sum, count)| (sum / count) as f32).collect();
    Moments { mean: mean.into_iter().map(|mean| mean as f32).collect(), variance }
}

/// Mean of each channel of a block, and the sum of squared differences to it.
#[macerator::with_simd]
fn block_moments<S: Simd>(maps: &[f32], found: &mut [[f32; 2]]) {
    let channels = found.len();
    let mut sums = repeated(&vec![0f32; channels]);
    let period = sums.len();
    for pixels in maps.chunks(period) {
        for (sum, value) in sums.iter_mut().zip(pixels) {
            *sum += value;
        }
    }
    let pixels = (maps.len() / channels) as f32;
    let mean: Vec<f32> = by_channel(&sums, channels).iter().map(|sum| sum / pixels).collect();
    let means = repeated(&mean);
    sums.fill(0.0);
    for pixels in maps.chunks(period) {
        for ((square, value), mean) in sums.iter_mut().zip(pixels).zip(&means) {
            *square += (value - mean) * (value - mean);
        }
    }
    let squares = by_channel(&sums, channels);
    for (found, (mean, square)) in found.iter_mut().zip(mean.into_iter().zip(squares)) {
        *found = [mean, square];
    }
}

/// Normalises maps with the moments given.
pub(crate) fn forward(
    maps: &[f32],
    dims: Dims,
    over: Over,
    moments: &Moments,
    affine: Affine,
    after: After,
    out: &mut [f32],
) {
    let (len, block) = lengths(dims);
    out.par_chunks_mut(len).zip(maps.par_chunks(len)).enumerate().for_each(
        |(image, (out, maps))| {
            let (scale, shift) = line(dims, over, moments, affine, image);
            let blocks = out.par_chunks_mut(block).zip(maps.par_chunks(block)).enumerate();
            blocks.for_each(|(index, (out, maps))| {
                let start = image * len + index * block;
                let residual = after.residual.map(|all| &all[start..start + out.len()]);
                apply(maps, &scale, &shift, After { residual, ..after }, start, out);
            });
        },
    );
}

/// Numbers of an image, and of a block of its pixels; 1 at least.
fn lengths(dims: Dims) -> (usize, usize) {
    let channels = dims.channels.max(1);
    ((dims.height * dims.width * channels).max(1), BLOCK * channels)
}

/// Factor and summand of each channel of an image, [`repeated`].
fn line(
    dims: Dims,
    over: Over,
    moments: &Moments,
    affine: Affine,
    image: usize,
) -> (Vec<f32>, Vec<f32>) {
    let (_, set) = over.sets(dims);
    let (scale, shift): (Vec<f32>, Vec<f32>) = (0..dims.channels)
        .map(|channel| {
            let set = set(image, channel);
            let scale = affine.gamma[channel] * deviation(moments.variance[set], affine.epsilon);
            (scale, affine.beta[channel] - moments.mean[set] * scale)
        })
        .unzip();
    (repeated(&scale), repeated(&shift))
}

fn deviation(variance: f32, epsilon: f64) -> f32 {
    (1.0 / (f64::from(variance) + epsilon).sqrt()) as f32
}

#[macerator::with_simd]
fn apply<'a, S: Simd>(
    maps: &[f32],
    scale: &[f32],
    shift: &[f32],
    after: After<'a>,
    start: usize,
    out: &mut [f32],
) {
    for (pixels, out) in maps.chunks(scale.len()).zip(out.chunks_mut(scale.len())) {
        for (((out, value), scale), shift) in out.iter_mut().zip(pixels).zip(scale).zip(shift) {
            *out = value * scale + shift;
        }
    }
    if let Some(residual) = after.residual {
        for (out, residual) in out.iter_mut().zip(residual) {
            *out += residual;
        }
    }
    match after.activation {
        Some(Activation::Relu) => {
            for out in out.iter_mut() {
                *out = if *out < 0.0 { 0.0 } else { *out };
            }
        }
        Some(activation) => activation.apply(out),
        None => {}
    }
    if let Some(dropout) = after.dropout {
        for (place, out) in out.iter_mut().enumerate() {
            *out *= dropout.factor(start + place);
        }
    }
}

/// The gradients of a normalisation.
pub(crate) struct Gradients {
    pub maps: Buffer,
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
}

/// The gradient of the normalised maps, in which ReLU and dropout have been gone back through, or of another
/// activation of them: the normalised maps are then computed again and the gradient is turned in place.
pub(crate) enum Given<'a> {
    Normalised(&'a [f32]),
    Activated(&'a mut [f32], Activation),
}

/// The gradients of maps, `gamma` and `beta`.
pub(crate) fn backward(
    mut given: Given,
    maps: &[f32],
    dims: Dims,
    over: Over,
    moments: &Moments,
    affine: Affine,
) -> Gradients {
    let inverse: Vec<f32> =
        moments.variance.iter().map(|&variance| deviation(variance, affine.epsilon)).collect();
    let images = sums_of_images(&mut given, maps, dims, over, moments, affine, &inverse);
    let gradient: &[f32] = match &given {
        Given::Normalised(gradient) => gradient,
        Given::Activated(gradient, _) => gradient,
    };
    let pixels = dims.height * dims.width;
    let (sets, set) = over.sets(dims);
    let (mut gamma, mut beta) = (vec![0f64; dims.channels], vec![0f64; dims.channels]);
    let mut weighted = vec![[0f64; 2]; sets];
    let mut count = vec![0f64; sets];
    for (image, sums) in images.iter().enumerate() {
        for (channel, &[plain, normalised]) in sums.iter().enumerate() {
            beta[channel] += plain;
            gamma[channel] += normalised;
            let set = set(image, channel);
            let factor = f64::from(affine.gamma[channel]);
            weighted[set][0] += factor * plain;
            weighted[set][1] += factor * normalised;
            count[set] += pixels as f64;
        }
    }
    let means: Vec<[f64; 2]> =
        weighted.iter().zip(&count).map(|(sums, count)| sums.map(|sum| sum / count)).collect();
    let mut out = Buffer::new(dims.len());
    let (len, block) = lengths(dims);
    let inputs = gradient.par_chunks(len).zip(maps.par_chunks(len));
    out.par_chunks_mut(len).zip(inputs).enumerate().for_each(|(image, (out, (gradient, maps)))| {
        let [a, b, c] = coefficients(dims, over, moments, affine.gamma, &inverse, &means, image);
        let inputs = gradient.par_chunks(block).zip(maps.par_chunks(block));
        out.par_chunks_mut(block).zip(inputs).for_each(|(out, (gradient, maps))| {
            combine(gradient, maps, &a, &b, &c, out);
        });
    });
    let narrow = |sums: Vec<f64>| sums.into_iter().map(|sum| sum as f32).collect();
    Gradients { maps: out, gamma: narrow(gamma), beta: narrow(beta) }
}

/// Of each image and channel: the sum of gradients, and of gradients times normalised values. The gradient is turned
/// where it is that of activated values. `inverse` has 1 over the deviation of each set.
fn sums_of_images(
    given: &mut Given,
    maps: &[f32],
    dims: Dims,
    over: Over,
    moments: &Moments,
    affine: Affine,
    inverse: &[f32],
) -> Vec<Vec<[f64; 2]>> {
    let channels = dims.channels;
    let (len, block) = lengths(dims);
    let (_, set) = over.sets(dims);
    let of_image = |image: usize| {
        let of_channel = |channel: usize| {
            let set = set(image, channel);
            (moments.mean[set], inverse[set])
        };
        let (mean, inverse): (Vec<f32>, Vec<f32>) = (0..channels).map(of_channel).unzip();
        let means = repeated(&mean);
        move |gradient: &[f32], values: &[f32]| {
            let mut sums = vec![[0.0; 2]; channels];
            gradient_sums(gradient, values, &means, &inverse, &mut sums);
            sums
        }
    };
    let images = maps.par_chunks(len).enumerate();
    match given {
        Given::Normalised(gradient) => images
            .zip(gradient.par_chunks(len))
            .map(|((image, values), gradient)| {
                let sums = of_image(image);
                let pairs = gradient.par_chunks(block).zip(values.par_chunks(block));
                let blocks = pairs.map(|(gradient, values)| sums(gradient, values)).collect();
                added(blocks, channels)
            })
            .collect(),
        Given::Activated(gradient, activation) => images
            .zip(gradient.par_chunks_mut(len))
            .map(|((image, values), gradient)| {
                let sums = of_image(image);
                let (scale, shift) = line(dims, over, moments, affine, image);
                let pairs = gradient.par_chunks_mut(block).zip(values.par_chunks(block));
                let blocks = pairs.map(|(gradient, values)| {
                    let mut normalised = vec![0.0; values.len()];
                    apply(values, &scale, &shift, After::default(), 0, &mut normalised);
                    activation.turn(gradient, &normalised);
                    sums(gradient, values)
                });
                added(blocks.collect(), channels)
            })
            .collect(),
    }
}

/// The gradient of an image's maps is `gradient * a + value * b + c` with these numbers of each channel, [`repeated`]. Of each set,
/// `inverse` has 1 over the deviation, `means` those of weighted gradients, plain and times normalised values.
fn coefficients(
    dims: Dims,
    over: Over,
    moments: &Moments,
    gamma: &[f32],
    inverse: &[f32],
    means: &[[f64; 2]],
    image: usize,
) -> [Vec<f32>; 3] {
    let (_, set) = over.sets(dims);
    let rows: Vec<[f32; 3]> = (0..dims.channels)
        .map(|channel| {
            let set = set(image, channel);
            let inverse = f64::from(inverse[set]);
            let [plain, normalised] = means[set];
            let slope = -inverse * inverse * normalised;
            let constant = -inverse * plain - slope * f64::from(moments.mean[set]);
            [f64::from(gamma[channel]) * inverse, slope, constant].map(|number| number as f32)
        })
        .collect();
    let column = |index: usize| rows.iter().map(|row| row[index]).collect::<Vec<f32>>();
    std::array::from_fn(|index| repeated(&column(index)))
}

#[macerator::with_simd]
fn gradient_sums<S: Simd>(
    gradient: &[f32],
    maps: &[f32],
    means: &[f32],
    inverse: &[f32],
    sums: &mut [[f32; 2]],
) {
    let (channels, period) = (sums.len(), means.len());
    let (mut plain, mut normalised) = (vec![0f32; period], vec![0f32; period]);
    for (gradient, values) in gradient.chunks(period).zip(maps.chunks(period)) {
        for (sum, gradient) in plain.iter_mut().zip(gradient) {
            *sum += gradient;
        }
        let centred = values.iter().zip(means).map(|(value, mean)| value - mean);
        for ((sum, gradient), centred) in normalised.iter_mut().zip(gradient).zip(centred) {
            *sum += gradient * centred;
        }
    }
    let (plain, normalised) = (by_channel(&plain, channels), by_channel(&normalised, channels));
    for (channel, sums) in sums.iter_mut().enumerate() {
        *sums = [plain[channel], normalised[channel] * inverse[channel]];
    }
}

#[macerator::with_simd]
fn combine<S: Simd>(
    gradient: &[f32],
    maps: &[f32],
    a: &[f32],
    b: &[f32],
    c: &[f32],
    out: &mut [f32],
) {
    let period = a.len();
    let pixels = gradient.chunks(period).zip(maps.chunks(period));
    for (out, (gradient, values)) in out.chunks_mut(period).zip(pixels) {
        let numbers = out.iter_mut().zip(gradient).zip(values);
        for (((out, gradient), value), ((a, b), c)) in numbers.zip(a.iter().zip(b).zip(c)) {
            *out = gradient * a + value * b + c;
        }
    }
}

#[cfg(test)]
mod tests {
    use macerator::WithSimd;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_same, on_every_set, strange};

    struct Apply<'a>(&'a [f32], [&'a [f32]; 2]);

    impl WithSimd for Apply<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn with_simd<S: Simd>(self) -> Vec<f32> {
            let Self(maps, [scale, shift]) = self;
            let mut out = vec![0.0; maps.len()];
            let after = After { activation: Some(Activation::Relu), ..After::default() };
            apply_impl::<S>(maps, scale, shift, after, 0, &mut out);
            out
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn what_is_not_a_number_stays_so_on_every_instruction_set(
            maps in strange(3 * 19),
            scale in prop::collection::vec(-2f32..2.0, 19),
            shift in strange(19),
        ) {
            for (set, found) in on_every_set(|| Apply(&maps, [&scale, &shift])) {
                assert_same(&format!("on {set:?}"), &found, |at| {
                    let value = maps[at] * scale[at % 19] + shift[at % 19];
                    if value < 0.0 { 0.0 } else { value }
                });
            }
        }

        #[test]
        fn one_number_that_is_none_makes_its_channels_mean_and_variance_none(
            at in 0..600usize,
            number in prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY]),
        ) {
            let dims = Dims { batch: 2, height: 10, width: 15, channels: 2 };
            let mut maps: Vec<f32> = (0..dims.len()).map(|index| (index % 7) as f32).collect();
            maps[at] = number;
            let moments = moments(&maps, dims, Over::Batch);
            let [bad, good] = [at % 2, 1 - at % 2];
            prop_assert!(!moments.mean[bad].is_finite() && moments.variance[bad].is_nan());
            prop_assert!(moments.mean[good].is_finite() && moments.variance[good].is_finite());
        }
    }
}
