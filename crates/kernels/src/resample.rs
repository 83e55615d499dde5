//! Doubling of height and width, alone and as the last step of an attention gate.

use macerator::Simd;
use rayon::prelude::*;

use super::geometry::Dims;

/// The two pixels between whose centres a doubled one lies, and the weight of the second: a quarter
/// from the nearer, and at the border that alone.
#[inline(always)]
fn neighbours(at: usize, size: usize) -> (usize, usize, f32) {
    let near = at / 2;
    if at.is_multiple_of(2) {
        (near.saturating_sub(1), near, 0.75)
    } else {
        (near, (near + 1).min(size - 1), 0.25)
    }
}

/// Doubles maps by bilinear interpolation between the centres of pixels; `dims` are those of the input.
pub(crate) fn bilinear(maps: &[f32], dims: Dims, out: &mut [f32]) {
    let row = (2 * dims.width * dims.channels).max(1);
    out.par_chunks_mut(row).enumerate().for_each(|(index, out)| {
        bilinear_row(maps, dims, index / (2 * dims.height), index % (2 * dims.height), out);
    });
}

#[macerator::with_simd]
fn bilinear_row<S: Simd>(maps: &[f32], dims: Dims, image: usize, y: usize, out: &mut [f32]) {
    let channels = dims.channels;
    let len = dims.width * channels;
    let (above, below, down) = neighbours(y, dims.height);
    let row = |y: usize| &maps[(image * dims.height + y) * len..][..len];
    // Between two rows first: numbers that lie one behind the other.
    let between = row(above).iter().zip(row(below));
    let line: Vec<f32> =
        between.map(|(above, below)| above * (1.0 - down) + below * down).collect();
    for (x, out) in out.chunks_exact_mut(channels).enumerate() {
        let (left, right, across) = neighbours(x, dims.width);
        let [left, right] = [left, right].map(|x| &line[x * channels..][..channels]);
        for ((out, left), right) in out.iter_mut().zip(left).zip(right) {
            *out = left * (1.0 - across) + right * across;
        }
    }
}

/// The doubled pixels along an axis that read a pixel, with its weight in each.
fn readers(at: usize, size: usize) -> impl Iterator<Item = (usize, f32)> + Clone {
    let first = (2 * at).saturating_sub(1);
    (first..(2 * at + 3).min(2 * size)).filter_map(move |reader| {
        let (first, second, weight) = neighbours(reader, size);
        let found =
            if first == at { 1.0 - weight } else { 0.0 } + if second == at { weight } else { 0.0 };
        (found > 0.0).then_some((reader, found))
    })
}

/// The gradient of [`bilinear`]'s input.
pub(crate) fn bilinear_backward(gradient: &[f32], dims: Dims, out: &mut [f32]) {
    let row = (dims.width * dims.channels).max(1);
    out.par_chunks_mut(row).enumerate().for_each(|(index, out)| {
        bilinear_backward_row(gradient, dims, index / dims.height, index % dims.height, out);
    });
}

#[macerator::with_simd]
fn bilinear_backward_row<S: Simd>(
    gradient: &[f32],
    dims: Dims,
    image: usize,
    y: usize,
    out: &mut [f32],
) {
    let channels = dims.channels;
    let len = 2 * dims.width * channels;
    let mut line = vec![0f32; len];
    for (y, down) in readers(y, dims.height) {
        let row = &gradient[(image * 2 * dims.height + y) * len..][..len];
        for (sum, gradient) in line.iter_mut().zip(row) {
            *sum += down * gradient;
        }
    }
    out.fill(0.0);
    for (x, out) in out.chunks_exact_mut(channels).enumerate() {
        for (x, across) in readers(x, dims.width) {
            for (out, sum) in out.iter_mut().zip(&line[x * channels..][..channels]) {
                *out += across * sum;
            }
        }
    }
}

/// Multiplies each pixel by the number of its 2x2 block.
///
/// # Shapes
/// - maps and out: `dims`
/// - factors: `[batch, height / 2, width / 2]`
pub(crate) fn gate(maps: &[f32], factors: &[f32], dims: Dims, out: &mut [f32]) {
    let row = (dims.width * dims.channels).max(1);
    out.par_chunks_mut(row).zip(maps.par_chunks(row)).enumerate().for_each(
        |(index, (out, maps))| {
            let start = index / 2 * (dims.width / 2);
            gate_row(maps, &factors[start..start + dims.width / 2], dims.channels, out);
        },
    );
}

#[macerator::with_simd]
fn gate_row<S: Simd>(maps: &[f32], factors: &[f32], channels: usize, out: &mut [f32]) {
    let pairs = maps.chunks_exact(2 * channels).zip(out.chunks_exact_mut(2 * channels));
    for ((values, out), factor) in pairs.zip(factors) {
        for (out, value) in out.iter_mut().zip(values) {
            *out = value * factor;
        }
    }
}

/// The gradient of [`gate`]'s factors; that of its maps is the gate of the gradient.
pub(crate) fn gate_backward(gradient: &[f32], maps: &[f32], dims: Dims, factors: &mut [f32]) {
    let rows = (2 * dims.width * dims.channels).max(1);
    let pairs = gradient.par_chunks(rows).zip(maps.par_chunks(rows));
    factors.par_chunks_mut((dims.width / 2).max(1)).zip(pairs).for_each(
        |(factors, (gradient, maps))| gate_backward_row(gradient, maps, dims.channels, factors),
    );
}

#[macerator::with_simd]
fn gate_backward_row<S: Simd>(
    gradient: &[f32],
    maps: &[f32],
    channels: usize,
    factors: &mut [f32],
) {
    let row = 2 * factors.len() * channels;
    let mut sums = vec![0f32; 2 * channels];
    for (block, factor) in factors.iter_mut().enumerate() {
        sums.fill(0.0);
        for start in [block * 2 * channels, row + block * 2 * channels] {
            let here = start..start + 2 * channels;
            let products = gradient[here.clone()].iter().zip(&maps[here]);
            for (sum, (gradient, value)) in sums.iter_mut().zip(products) {
                *sum += gradient * value;
            }
        }
        *factor = sums.iter().sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pixel_gives_all_of_itself_to_the_doubled_ones() {
        for size in [1, 2, 3, 7] {
            let read: Vec<f32> =
                (0..size).map(|at| readers(at, size).map(|(_, weight)| weight).sum()).collect();
            assert!(read.iter().all(|&sum| sum == 2.0), "{size}: {read:?}");
        }
    }

    #[test]
    fn a_gate_weighs_blocks_and_its_gradient_sums_them() {
        let dims = Dims { batch: 1, height: 2, width: 4, channels: 1 };
        let maps = [1., 2., 3., 4., 5., 6., 7., 8.];
        let mut out = [0.0; 8];
        gate(&maps, &[2.0, 10.0], dims, &mut out);
        assert_eq!(out, [2., 4., 30., 40., 10., 12., 70., 80.]);
        let mut factors = [0.0; 2];
        gate_backward(&[1.0; 8], &maps, dims, &mut factors);
        assert_eq!(factors, [14.0, 22.0]);
    }
}
