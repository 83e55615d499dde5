//! What is done to whole channels of an image: their means, and factors for them.

use macerator::Simd;
use rayon::prelude::*;

use super::geometry::Dims;

/// Channels of a task.
const CHANNELS: usize = 64;
/// Pixels that are summed in single precision.
const PIXELS: usize = 64;

/// The mean of each channel of each image, `[batch, channels]`.
pub(crate) fn means(maps: &[f32], dims: Dims, out: &mut [f32]) {
    sums(dims, out, |pixels, first, sums| add(&maps[pixels], dims.channels, first, sums));
    let pixels = (dims.height * dims.width) as f32;
    out.iter_mut().for_each(|sum| *sum /= pixels);
}

/// The gradient of maps whose means were taken.
pub(crate) fn means_backward(gradient: &[f32], dims: Dims, out: &mut [f32]) {
    let row = (dims.width * dims.channels).max(1);
    let part = 1.0 / (dims.height * dims.width) as f32;
    let parts: Vec<f32> = gradient.iter().map(|gradient| gradient * part).collect();
    out.par_chunks_mut(row).enumerate().for_each(|(index, out)| {
        let image = index / dims.height;
        let parts = &parts[image * dims.channels..][..dims.channels];
        out.chunks_exact_mut(dims.channels).for_each(|pixel| pixel.copy_from_slice(parts));
    });
}

/// Multiplies each channel of each image by its factor, `[batch, channels]`, and adds its summand if there are
/// some.
pub(crate) fn weigh(
    maps: &[f32],
    factors: &[f32],
    summands: Option<&[f32]>,
    dims: Dims,
    out: &mut [f32],
) {
    let row = (dims.width * dims.channels).max(1);
    out.par_chunks_mut(row).zip(maps.par_chunks(row)).enumerate().for_each(
        |(index, (out, maps))| {
            let first = index / dims.height * dims.channels;
            let factors = &factors[first..][..dims.channels];
            match summands {
                Some(summands) => weigh_and_add(maps, factors, &summands[first..], out),
                None => weigh_row(maps, factors, out),
            }
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

#[macerator::with_simd]
fn weigh_and_add<S: Simd>(maps: &[f32], factors: &[f32], summands: &[f32], out: &mut [f32]) {
    let pixels = maps.chunks_exact(factors.len()).zip(out.chunks_exact_mut(factors.len()));
    for (maps, out) in pixels {
        let pairs = factors.iter().zip(summands);
        for ((out, value), (factor, summand)) in out.iter_mut().zip(maps).zip(pairs) {
            *out = value * factor + summand;
        }
    }
}

/// The gradient of the factors from that of the weighed maps, `[batch, channels]`.
pub(crate) fn factor_gradient(gradient: &[f32], maps: &[f32], dims: Dims, out: &mut [f32]) {
    sums(dims, out, |pixels, first, sums| {
        add_products(&gradient[pixels.clone()], &maps[pixels], dims.channels, first, sums);
    });
}

/// Adds the numbers of some channels, from `first` on, of some pixels.
#[macerator::with_simd]
fn add<S: Simd>(maps: &[f32], channels: usize, first: usize, sums: &mut [f32]) {
    for pixel in maps.chunks_exact(channels) {
        for (sum, value) in sums.iter_mut().zip(&pixel[first..]) {
            *sum += value;
        }
    }
}

/// The same with products.
#[macerator::with_simd]
fn add_products<S: Simd>(a: &[f32], b: &[f32], channels: usize, first: usize, sums: &mut [f32]) {
    for (a, b) in a.chunks_exact(channels).zip(b.chunks_exact(channels)) {
        for ((sum, a), b) in sums.iter_mut().zip(&a[first..]).zip(&b[first..]) {
            *sum += a * b;
        }
    }
}

/// Sums over the pixels of each image; `add` adds those of some channels of [`PIXELS`] pixels, given where these
/// begin and the first channel.
fn sums(dims: Dims, out: &mut [f32], add: impl Fn(Range, usize, &mut [f32]) + Sync) {
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
                let end = (start + PIXELS).min(pixels);
                let numbers = |pixel: usize| (image * pixels + pixel) * dims.channels;
                add(numbers(start)..numbers(end), first, &mut sums);
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

type Range = std::ops::Range<usize>;
