//! Squeeze-and-excitation (Hu, Shen and Sun 2018): each channel of an image times a factor that a perceptron makes
//! of the means of all.
//!
//! As one operator, its backward pass goes over the maps twice: once for the gradient of the factors, once for that
//! of the maps, to which the factors and the means contribute.

use macerator::Simd;
use rayon::prelude::*;

use super::activation::Activation;
use super::buffer::Buffer;
use super::channels;
use super::geometry::Dims;
use super::simd::{load_part, store_part, zero};

/// The two layers: `[squeezed, channels]` and `[channels, squeezed]` with their biases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layers<'a> {
    pub first: &'a [f32],
    pub first_bias: &'a [f32],
    pub second: &'a [f32],
    pub second_bias: &'a [f32],
}

/// What the backward pass needs besides the maps; all `[batch, ..]`.
#[derive(Clone, Debug)]
pub(crate) struct Middle {
    means: Vec<f32>,
    /// Before its activation.
    hidden: Vec<f32>,
    factors: Vec<f32>,
}

/// Weighs the maps.
pub(crate) fn forward(maps: &[f32], dims: Dims, layers: Layers, out: &mut [f32]) -> Middle {
    let mut means = vec![0.0; dims.batch * dims.channels];
    channels::means(maps, dims, &mut means);
    let hidden = layer(&means, layers.first, layers.first_bias);
    let mut factors = layer(&silu(&hidden), layers.second, layers.second_bias);
    factors.iter_mut().for_each(|factor| *factor = 1.0 / (1.0 + (-*factor).exp()));
    channels::weigh(maps, &factors, None, dims, out);
    Middle { means, hidden, factors }
}

/// The gradients of maps and layers.
pub(crate) struct Gradients {
    pub maps: Buffer,
    pub first: Vec<f32>,
    pub first_bias: Vec<f32>,
    pub second: Vec<f32>,
    pub second_bias: Vec<f32>,
}

/// The gradients from that of the weighed maps.
pub(crate) fn backward(
    gradient: &[f32],
    maps: &[f32],
    dims: Dims,
    layers: Layers,
    middle: &Middle,
) -> Gradients {
    let channels = dims.channels;
    let mut of_factors = vec![0.0; dims.batch * channels];
    channels::factor_gradient(gradient, maps, dims, &mut of_factors);
    for (gradient, factor) in of_factors.iter_mut().zip(&middle.factors) {
        *gradient *= factor * (1.0 - factor);
    }
    let activated = silu(&middle.hidden);
    let [second, second_bias] = weights(&of_factors, &activated, dims.batch);
    let mut of_hidden = inputs(&of_factors, layers.second, dims.batch);
    Activation::Silu.turn(&mut of_hidden, &middle.hidden);
    let [first, first_bias] = weights(&of_hidden, &middle.means, dims.batch);
    let mut of_means = inputs(&of_hidden, layers.first, dims.batch);
    let part = 1.0 / (dims.height * dims.width) as f32;
    of_means.iter_mut().for_each(|gradient| *gradient *= part);
    let mut out = Buffer::new(dims.len());
    channels::weigh(gradient, &middle.factors, Some(&of_means), dims, &mut out);
    Gradients { maps: out, first, first_bias, second, second_bias }
}

fn silu(values: &[f32]) -> Vec<f32> {
    let mut activated = values.to_vec();
    Activation::Silu.apply(&mut activated);
    activated
}

/// A linear layer: `[batch, outputs]` from `[batch, inputs]` and weights `[outputs, inputs]`.
fn layer(input: &[f32], weights: &[f32], bias: &[f32]) -> Vec<f32> {
    let inputs = weights.len() / bias.len();
    let rows = input.par_chunks(inputs);
    rows.flat_map_iter(|row| {
        let outputs = weights.chunks(inputs).zip(bias);
        outputs.map(|(weights, bias)| dot(row, weights) + bias).collect::<Vec<_>>()
    })
    .collect()
}

/// The gradients of a layer's weights and biases.
fn weights(gradient: &[f32], input: &[f32], batch: usize) -> [Vec<f32>; 2] {
    let (outputs, inputs) = (gradient.len() / batch, input.len() / batch);
    let mut weights = vec![0.0; outputs * inputs];
    weights.par_chunks_mut(inputs).enumerate().for_each(|(output, weights)| {
        for image in 0..batch {
            add_times(gradient[image * outputs + output], &input[image * inputs..], weights);
        }
    });
    let mut bias = vec![0.0; outputs];
    for gradient in gradient.chunks(outputs) {
        add_times(1.0, gradient, &mut bias);
    }
    [weights, bias]
}

/// The gradient of a layer's input.
fn inputs(gradient: &[f32], weights: &[f32], batch: usize) -> Vec<f32> {
    let outputs = gradient.len() / batch;
    let inputs = weights.len() / outputs;
    let mut out = vec![0.0; batch * inputs];
    out.par_chunks_mut(inputs).zip(gradient.par_chunks(outputs)).for_each(|(out, gradient)| {
        for (gradient, weights) in gradient.iter().zip(weights.chunks(inputs)) {
            add_times(*gradient, weights, out);
        }
    });
    out
}

/// The sum of products of as many numbers as `a` has.
#[macerator::with_simd]
fn dot<S: Simd>(a: &[f32], b: &[f32]) -> f32 {
    assert!(b.len() >= a.len());
    let mut sums = zero::<S>();
    let mut at = 0;
    while at < a.len() {
        let left = a.len() - at;
        // SAFETY: `left` numbers of each.
        unsafe {
            let a = load_part::<S>(a.as_ptr().add(at), left);
            sums = load_part::<S>(b.as_ptr().add(at), left).mul_add(a, sums);
        }
        at += S::lanes32();
    }
    let mut lanes = [0f32; super::simd::MAX_LANES];
    // SAFETY: there is room for any vector.
    unsafe { store_part(lanes.as_mut_ptr(), sums, S::lanes32()) };
    lanes.iter().sum()
}

/// Adds a multiple of as many numbers as `out` has.
#[macerator::with_simd]
fn add_times<S: Simd>(factor: f32, values: &[f32], out: &mut [f32]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out += factor * value;
    }
}
