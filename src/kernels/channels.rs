//! What is done to whole channels of an image: their means, and factors for them.

use macerator::Simd;
use rayon::prelude::*;

use super::geometry::Dims;

/// Channels of a task.
const CHANNELS: usize = 64;
/// Pixels that are summed in single precision.
const PIXELS: usize = 64;

/// The mean of each channel of each image, `[batch, channels]`.
pub fn means(maps: &[f32], dims: Dims, out: &mut [f32]) {
    sums(dims, out, |pixel, channel, sums| {
        let values = &maps[pixel * dims.channels + channel..][..sums.len()];
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
    });
    let pixels = (dims.height * dims.width) as f32;
    out.iter_mut().for_each(|sum| *sum /= pixels);
}

/// Multiplies each channel of each image by its factor, `[batch, channels]`.
pub fn weigh(maps: &[f32], factors: &[f32], dims: Dims, out: &mut [f32]) {
    let row = (dims.width * dims.channels).max(1);
    out.par_chunks_mut(row).zip(maps.par_chunks(row)).enumerate().for_each(
        |(index, (out, maps))| {
            let image = index / dims.height;
            weigh_row(maps, &factors[image * dims.channels..][..dims.channels], out);
        },
    );
}

#[macerator::with_simd]
fn weigh_row<S: Simd>(maps: &[f32], factors: &[f32], out: &mut [f32]) {
    let pixels = maps.chunks_exact(factors.len()).zip(out.chunks_exact_mut(factors.len()));
    for (maps, out) in pixels {
        for ((out, value), factor) in out.iter_mut().zip(maps).zip(factors) {
            *out = value * factor;
        }
    }
}

/// The gradient of the factors from that of the weighed maps, `[batch, channels]`.
pub fn factor_gradient(gradient: &[f32], maps: &[f32], dims: Dims, out: &mut [f32]) {
    sums(dims, out, |pixel, channel, sums| {
        let range = pixel * dims.channels + channel..;
        let pairs = gradient[range.clone()].iter().zip(&maps[range]);
        for (sum, (gradient, value)) in sums.iter_mut().zip(pairs) {
            *sum += gradient * value;
        }
    });
}

/// The gradient of maps whose means were taken.
pub fn means_backward(gradient: &[f32], dims: Dims, out: &mut [f32]) {
    let pixels = (dims.height * dims.width) as f32;
    let row = (dims.width * dims.channels).max(1);
    out.par_chunks_mut(row).enumerate().for_each(|(index, out)| {
        let image = index / dims.height;
        let means = &gradient[image * dims.channels..][..dims.channels];
        for pixel in out.chunks_exact_mut(dims.channels) {
            for (out, gradient) in pixel.iter_mut().zip(means) {
                *out = gradient / pixels;
            }
        }
    });
}

/// Sums over the pixels of each image; `add` adds those of some channels of a pixel, from one on.
fn sums(dims: Dims, out: &mut [f32], add: impl Fn(usize, usize, &mut [f32]) + Sync) {
    let pixels = dims.height * dims.width;
    let tasks = dims.channels.div_ceil(CHANNELS);
    let found: Vec<Vec<f64>> = (0..dims.batch * tasks)
        .into_par_iter()
        .map(|task| {
            let (image, first) = (task / tasks, task % tasks * CHANNELS);
            let mut total = vec![0f64; CHANNELS.min(dims.channels - first)];
            let mut sums = vec![0f32; total.len()];
            for start in (0..pixels).step_by(PIXELS) {
                sums.fill(0.0);
                for pixel in start..(start + PIXELS).min(pixels) {
                    add(image * pixels + pixel, first, &mut sums);
                }
                for (total, sum) in total.iter_mut().zip(&sums) {
                    *total += f64::from(*sum);
                }
            }
            total
        })
        .collect();
    for (out, sum) in out.iter_mut().zip(found.into_iter().flatten()) {
        *out = sum as f32;
    }
}
