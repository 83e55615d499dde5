//! Layer normalisation: of each pixel, over its channels. A pixel lies in memory in one piece, so that both
//! directions read it from the nearest cache.

use macerator::Simd;
use rayon::prelude::*;

use super::norm::Affine;
use super::pointwise::{BLOCK, added};

/// Normalises `[pixels, channels]`.
pub(crate) fn forward(input: &[f32], affine: Affine, output: &mut [f32]) {
    let block = BLOCK * affine.gamma.len();
    output.par_chunks_mut(block).zip(input.par_chunks(block)).for_each(|(output, input)| {
        forward_block(input, affine, output);
    });
}

#[macerator::with_simd]
fn forward_block<'a, S: Simd>(input: &[f32], affine: Affine<'a>, output: &mut [f32]) {
    let channels = affine.gamma.len();
    for (input, output) in input.chunks_exact(channels).zip(output.chunks_exact_mut(channels)) {
        let (mean, scale) = moments(input, affine.epsilon as f32);
        let factors = affine.gamma.iter().zip(affine.beta);
        for ((output, &x), (gamma, beta)) in output.iter_mut().zip(input).zip(factors) {
            *output = (x - mean) * scale * gamma + beta;
        }
    }
}

/// Turns the gradient of the output into that of the input, in place; gives the gradients of the factors
/// and of the summands.
pub(crate) fn backward(
    gradient: &mut [f32],
    input: &[f32],
    gamma: &[f32],
    epsilon: f64,
) -> [Vec<f32>; 2] {
    let channels = gamma.len();
    let block = BLOCK * channels;
    let sums: Vec<Vec<f32>> = gradient
        .par_chunks_mut(block)
        .zip(input.par_chunks(block))
        .map(|(gradient, input)| {
            let mut sums = vec![0.0; 2 * channels];
            backward_block(gradient, input, gamma, epsilon as f32, &mut sums);
            sums
        })
        .collect();
    let mut of_gamma = added(sums, 2 * channels);
    let of_beta = of_gamma.split_off(channels);
    [of_gamma, of_beta]
}

#[macerator::with_simd]
fn backward_block<S: Simd>(
    gradient: &mut [f32],
    input: &[f32],
    gamma: &[f32],
    epsilon: f32,
    sums: &mut [f32],
) {
    let channels = gamma.len();
    let (of_gamma, of_beta) = sums.split_at_mut(channels);
    for (gradient, input) in gradient.chunks_exact_mut(channels).zip(input.chunks_exact(channels)) {
        let (mean, scale) = moments(input, epsilon);
        let normalised = |x: f32| (x - mean) * scale;
        for channel in 0..channels {
            of_gamma[channel] += gradient[channel] * normalised(input[channel]);
            of_beta[channel] += gradient[channel];
        }
        let weighted = |channel: usize| gradient[channel] * gamma[channel];
        let first = sum(channels, weighted) / channels as f32;
        let second = sum(channels, |channel| weighted(channel) * normalised(input[channel]))
            / channels as f32;
        for channel in 0..channels {
            let weighted = gradient[channel] * gamma[channel];
            gradient[channel] = scale * (weighted - first - normalised(input[channel]) * second);
        }
    }
}

/// Mean, and one over the standard deviation.
#[inline(always)]
fn moments(pixel: &[f32], epsilon: f32) -> (f32, f32) {
    let count = pixel.len() as f32;
    let mean = sum(pixel.len(), |channel| pixel[channel]) / count;
    let variance = sum(pixel.len(), |channel| (pixel[channel] - mean).powi(2)) / count;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

/// A sum in eight strands, which the compiler makes vectors of.
#[inline(always)]
fn sum(len: usize, value: impl Fn(usize) -> f32) -> f32 {
    const STRANDS: usize = 8;
    let mut strands = [0f32; STRANDS];
    let whole = len / STRANDS * STRANDS;
    for start in (0..whole).step_by(STRANDS) {
        for (strand, sum) in strands.iter_mut().enumerate() {
            *sum += value(start + strand);
        }
    }
    let rest: f32 = (whole..len).map(value).sum();
    strands.iter().sum::<f32>() + rest
}
