//! How unlikely a softmax over classes makes the true class of each pixel: the part of cross-entropy that reads all logits.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::tensor::{Int, IntDType, Tensor};
use macerator::Simd;
use rayon::prelude::*;

use super::activation::exp;
use super::bridge::{by_pixel, dims, maps};
use super::buffer::Buffer;
use super::fan_out::{give, take};
use super::geometry::Dims;
use super::pointwise::BLOCK;
use super::simd::map;
use super::tracked::{Tracked, finish};
use super::{standard, supports};

#[backend_extension(Flex, Autodiff)]
trait Surprise: Backend {
    /// Of each pixel `-log softmax(logits)` at its label.
    fn surprise_of(logits: FloatTensor<Self>, labels: IntTensor<Self>) -> FloatTensor<Self>;
}

/// Of each pixel `-log softmax(logits)` of its class.
///
/// # Shapes
/// - logits: `[batch, classes, height, width]`
/// - labels: `[batch, 1, height, width]`, each below the number of classes
/// - output: `[batch, 1, height, width]`
pub fn surprise(logits: Tensor<4>, labels: Tensor<4, Int>) -> Tensor<4> {
    if !supports(&logits) {
        return standard::surprise(logits, labels);
    }
    let labels = labels.cast(IntDType::I32);
    Tensor::from_dispatch(Dispatch::surprise_of(logits.into_dispatch(), labels.into_dispatch()))
}

impl Surprise for Flex {
    fn surprise_of(logits: FlexTensor, labels: FlexTensor) -> FlexTensor {
        let (logits, labels) = (by_pixel(logits), labels.to_contiguous());
        forward(&logits, &labels).0
    }
}

impl<C: CheckpointStrategy> Surprise for Autodiff<Flex, C> {
    fn surprise_of(logits: Tracked<C>, labels: FlexTensor) -> Tracked<C> {
        let nodes = [logits.node()];
        let (logits, labels) = (by_pixel(logits.into_primitive()), labels.to_contiguous());
        let (output, normalisers) = forward(&logits, &labels);
        let prepared = SurpriseBackward.prepare::<C>(nodes);
        finish(prepared, output, |_| State { logits, labels, normalisers })
    }
}

#[derive(Debug)]
struct SurpriseBackward;

#[derive(Clone, Debug)]
struct State {
    logits: FlexTensor,
    labels: FlexTensor,
    /// Of each pixel the logarithm of the sum of its logits' exponentials.
    normalisers: Vec<f32>,
}

impl Backward<Flex, 1> for SurpriseBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = by_pixel(take!(grads, ops));
        let [logits] = ops.parents;
        let Some(node) = logits else { return };
        let State { logits, labels, normalisers } = ops.state;
        let size = dims(&logits);
        let mut out = Buffer::new(size.len());
        let block = BLOCK * size.channels;
        let given = gradient.storage::<f32>().par_chunks(BLOCK);
        let pixels = labels.storage::<i32>().par_chunks(BLOCK).zip(normalisers.par_chunks(BLOCK));
        out.par_chunks_mut(block)
            .zip(logits.storage::<f32>().par_chunks(block))
            .zip(given.zip(pixels))
            .for_each(|((out, logits), (gradient, (labels, normalisers)))| {
                backward_block(gradient, logits, labels, normalisers, out);
            });
        give!(grads, node, maps(out, size));
    }
}

/// The output, and the normaliser of each pixel.
fn forward(logits: &FlexTensor, labels: &FlexTensor) -> (FlexTensor, Vec<f32>) {
    let size = dims(logits);
    let one = Dims { channels: 1, ..size };
    let (mut out, mut normalisers) = (Buffer::new(one.len()), vec![0f32; one.len()]);
    let block = BLOCK * size.channels;
    let pixels = out.par_chunks_mut(BLOCK).zip(normalisers.par_chunks_mut(BLOCK));
    let labels = labels.storage::<i32>().par_chunks(BLOCK);
    pixels.zip(labels).zip(logits.storage::<f32>().par_chunks(block)).for_each(
        |(((out, normalisers), labels), logits)| {
            let mut scratch = vec![0f32; logits.len()];
            forward_block(logits, labels, &mut scratch, normalisers, out);
        },
    );
    (maps(out, one), normalisers)
}

/// Subtracts the highest logit of each pixel before exponentials are taken, so that none overflows.
#[macerator::with_simd]
fn forward_block<S: Simd>(
    logits: &[f32],
    labels: &[i32],
    scratch: &mut [f32],
    normalisers: &mut [f32],
    out: &mut [f32],
) {
    let classes = logits.len() / labels.len();
    for ((logits, below), highest) in logits
        .chunks_exact(classes)
        .zip(scratch.chunks_exact_mut(classes))
        .zip(normalisers.iter_mut())
    {
        *highest = logits.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
        for (below, logit) in below.iter_mut().zip(logits) {
            *below = logit - *highest;
        }
    }
    map::<S>(scratch, exp::<S>);
    for ((powers, normaliser), ((logits, &label), out)) in scratch
        .chunks_exact(classes)
        .zip(normalisers)
        .zip(logits.chunks_exact(classes).zip(labels).zip(out))
    {
        *normaliser += powers.iter().sum::<f32>().ln();
        *out = *normaliser - logits[label as usize];
    }
}

/// `(softmax - 1 at the label) * gradient`.
#[macerator::with_simd]
fn backward_block<S: Simd>(
    gradient: &[f32],
    logits: &[f32],
    labels: &[i32],
    normalisers: &[f32],
    out: &mut [f32],
) {
    let classes = logits.len() / labels.len();
    for ((out, logits), normaliser) in
        out.chunks_exact_mut(classes).zip(logits.chunks_exact(classes)).zip(normalisers)
    {
        for (out, logit) in out.iter_mut().zip(logits) {
            let below = logit - normaliser;
            // Rounding may leave a little more than the logarithm of one.
            *out = if below > 0.0 { 0.0 } else { below };
        }
    }
    map::<S>(out, exp::<S>);
    for ((out, gradient), &label) in out.chunks_exact_mut(classes).zip(gradient).zip(labels) {
        out[label as usize] -= 1.0;
        for out in out.iter_mut() {
            *out *= gradient;
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::same;

    /// The surprise and the gradient of a weighted sum of it.
    fn of(
        surprise: impl Fn(Tensor<4>, Tensor<4, Int>) -> Tensor<4>,
        logits: &[f32],
        labels: &[i32],
    ) -> (Vec<f32>, Vec<f32>) {
        let (pixels, device) = (labels.len(), Device::flex().autodiff());
        let classes = logits.len() / pixels;
        let logits = TensorData::new(logits.to_vec(), [1, classes, 1, pixels]);
        let logits = Tensor::from_data(logits, &device).require_grad();
        let labels = TensorData::new(labels.to_vec(), [1, 1, 1, pixels]);
        let found = surprise(logits.clone(), Tensor::from_data(labels, &device));
        let weights: Vec<f32> = (0..pixels).map(|pixel| (pixel % 3) as f32 - 0.5).collect();
        let weights = TensorData::new(weights, [1, 1, 1, pixels]);
        let gradients = (found.clone() * Tensor::from_data(weights, &device)).sum().backward();
        let gradient = logits.grad(&gradients).unwrap();
        (found.into_data().iter().collect(), gradient.into_data().iter().collect())
    }

    fn case() -> impl Strategy<Value = (Vec<f32>, Vec<i32>)> {
        // More than a block of pixels, and more classes than a vector has numbers.
        (2usize..24, 1usize..300).prop_flat_map(|(classes, pixels)| {
            let logits = prop::collection::vec(-30f32..30.0, classes * pixels);
            (logits, prop::collection::vec(0..classes as i32, pixels))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn surprise_and_its_gradient_are_burns((logits, labels) in case()) {
            let (found, gradient) = of(surprise, &logits, &labels);
            let (expected, expected_gradient) = of(standard::surprise, &logits, &labels);
            for (found, expected) in found.iter().zip(&expected).chain(gradient.iter().zip(&expected_gradient)) {
                prop_assert!(same(*found, *expected), "{found}, not {expected}");
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none_and_an_impossible_class_is_infinitely_surprising() {
        // Two classes of three pixels: a NaN, an infinite logit, and a label that has probability 0.
        let logits = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, 0.0, 0.0];
        let (found, _) = of(surprise, &logits, &[1, 0, 0]);
        assert!(found[0].is_nan() && found[1].is_nan());
        assert_eq!(found[2], f32::INFINITY);
    }
}
