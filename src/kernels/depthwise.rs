//! Depthwise convolutions: each channel by a kernel of its own.
//!
//! There is one product for each number read, so that the time is that of reading: vectors of
//! channels, no gathering.

use macerator::Simd;
use rayon::prelude::*;

use super::epilogue::Epilogue;
use super::geometry::{Dims, Window};
use super::pointwise::added;
use super::simd::{load_part, store_part, zero};

/// Rows of outputs that a task of the weights' gradient sums.
const ROWS: usize = 8;

/// Whether a convolution from `inputs` to `outputs` channels is depthwise.
pub fn applies(window: &Window, inputs: usize, outputs: usize) -> bool {
    window.groups == inputs && inputs == outputs && inputs > 1
}

/// Weights `[channels, taps]` as `[taps, channels]`.
fn by_tap(weights: &[f32], channels: usize) -> Vec<f32> {
    let taps = weights.len() / channels;
    (0..weights.len()).map(|index| weights[index % channels * taps + index / channels]).collect()
}

/// Convolves maps of the given size.
pub fn forward(
    maps: &[f32],
    dims: Dims,
    weights: &[f32],
    window: &Window,
    epilogue: Epilogue,
    out: &mut [f32],
) {
    let [height, width] = window.output([dims.height, dims.width]);
    let weights = by_tap(weights, dims.channels);
    let row = (width * dims.channels).max(1);
    out.par_chunks_mut(row).enumerate().for_each(|(index, out)| {
        forward_row(maps, dims, &weights, window, [index / height, index % height], epilogue, out);
    });
}

#[macerator::with_simd]
fn forward_row<'a, S: Simd>(
    maps: &[f32],
    dims: Dims,
    weights: &[f32],
    window: &Window,
    place: [usize; 2],
    epilogue: Epilogue<'a>,
    out: &mut [f32],
) {
    let channels = dims.channels;
    let [image, row] = place;
    let [height, width] = window.output([dims.height, dims.width]);
    let start = (image * height + row) * width * channels;
    for column in 0..width {
        let mut channel = 0;
        while channel < channels {
            let left = channels - channel;
            let mut sum = zero::<S>();
            for tap in 0..window.taps() {
                let Some(pixel) = pixel(window, dims, [image, row, column], tap) else { continue };
                // SAFETY: `left` channels of a pixel, and weights of as many.
                unsafe {
                    let value = load_part::<S>(maps.as_ptr().add(pixel + channel), left);
                    let weight = load_part(weights.as_ptr().add(tap * channels + channel), left);
                    sum = value.mul_add(weight, sum);
                }
            }
            let index = column * channels + channel;
            let value = epilogue.apply::<S>(sum, channel, start + index, left);
            // SAFETY: `left` channels of an output pixel of this row.
            unsafe { store_part(out.as_mut_ptr().add(index), value, left) };
            channel += S::lanes32();
        }
    }
}

/// Where the pixel begins that a tap reads for an output, if it is inside the maps.
#[inline(always)]
fn pixel(window: &Window, dims: Dims, at: [usize; 3], tap: usize) -> Option<usize> {
    let [image, row, column] = at;
    let (y, x) = window.reads([row, column], tap, dims)?;
    Some(((image * dims.height + y) * dims.width + x) * dims.channels)
}

/// The gradient of the maps from that of the output.
pub fn input_gradient(
    gradient: &[f32],
    weights: &[f32],
    window: &Window,
    dims: Dims,
    out: &mut [f32],
) {
    let weights = by_tap(weights, dims.channels);
    let row = (dims.width * dims.channels).max(1);
    out.par_chunks_mut(row).enumerate().for_each(|(index, out)| {
        let place = [index / dims.height, index % dims.height];
        input_gradient_row(gradient, &weights, window, dims, place, out);
    });
}

#[macerator::with_simd]
fn input_gradient_row<S: Simd>(
    gradient: &[f32],
    weights: &[f32],
    window: &Window,
    dims: Dims,
    place: [usize; 2],
    out: &mut [f32],
) {
    let channels = dims.channels;
    let [image, row] = place;
    let size = window.output([dims.height, dims.width]);
    for column in 0..dims.width {
        let mut channel = 0;
        while channel < channels {
            let left = channels - channel;
            let mut sum = zero::<S>();
            for tap in 0..window.taps() {
                let Some((y, x)) = window.read_by([row, column], tap, size) else { continue };
                let pixel = ((image * size[0] + y) * size[1] + x) * channels;
                // SAFETY: `left` channels of a pixel, and weights of as many.
                unsafe {
                    let value = load_part::<S>(gradient.as_ptr().add(pixel + channel), left);
                    let weight = load_part(weights.as_ptr().add(tap * channels + channel), left);
                    sum = value.mul_add(weight, sum);
                }
            }
            // SAFETY: `left` channels of a pixel of this row.
            unsafe { store_part(out.as_mut_ptr().add(column * channels + channel), sum, left) };
            channel += S::lanes32();
        }
    }
}

/// The gradient of the weights, `[channels, 1, kernel height, kernel width]`.
pub fn weight_gradient(
    maps: &[f32],
    dims: Dims,
    gradient: &[f32],
    window: &Window,
    weights: &mut [f32],
) {
    let [height, _] = window.output([dims.height, dims.width]);
    let rows = dims.batch * height;
    let blocks = (0..rows.div_ceil(ROWS))
        .into_par_iter()
        .map(|block| {
            let mut sums = vec![0.0; weights.len()];
            for row in block * ROWS..((block + 1) * ROWS).min(rows) {
                let place = [row / height, row % height];
                add_row(maps, dims, gradient, window, place, &mut sums);
            }
            sums
        })
        .collect();
    let sums = added(blocks, weights.len());
    let taps = window.taps();
    for (index, weight) in weights.iter_mut().enumerate() {
        *weight = sums[index % taps * dims.channels + index / taps];
    }
}

/// Adds what a row of outputs makes of `[taps, channels]`.
#[macerator::with_simd]
fn add_row<S: Simd>(
    maps: &[f32],
    dims: Dims,
    gradient: &[f32],
    window: &Window,
    place: [usize; 2],
    sums: &mut [f32],
) {
    let channels = dims.channels;
    let [image, row] = place;
    let [height, width] = window.output([dims.height, dims.width]);
    for tap in 0..window.taps() {
        let mut channel = 0;
        while channel < channels {
            let left = channels - channel;
            let mut sum = zero::<S>();
            for column in 0..width {
                let Some(pixel) = pixel(window, dims, [image, row, column], tap) else { continue };
                let output = ((image * height + row) * width + column) * channels;
                // SAFETY: `left` channels of a pixel and of an output.
                unsafe {
                    let value = load_part::<S>(maps.as_ptr().add(pixel + channel), left);
                    let factor = load_part(gradient.as_ptr().add(output + channel), left);
                    sum = value.mul_add(factor, sum);
                }
            }
            let at = sums[tap * channels + channel..].as_mut_ptr();
            // SAFETY: `left` sums of this tap.
            unsafe {
                let before = load_part::<S>(at, left);
                store_part(at, before + sum, left);
            }
            channel += S::lanes32();
        }
    }
}
