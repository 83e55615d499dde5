//! Integrated gradients: what each pixel contributes to a score.

use std::f64::consts::PI;

use burn::tensor::{Tensor, TensorData};

use super::method::{Attribution, Settings, Unfit, within};
use super::{BATCH, Heat, Score, Subject, at_input, numbers, still};
use crate::error::Result;
use crate::model::ModelSpec;

/// Integrated gradients of a class's score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegratedGradients {
    /// Points between zeros and the image.
    pub steps: usize,
}

impl Attribution for IntegratedGradients {
    const SETTINGS: &'static [&'static str] = &["steps"];

    fn new(settings: Settings, _: &ModelSpec, _: usize) -> Result<Self, Unfit> {
        Ok(Self { steps: within("steps", settings.steps, 50, 1000)? })
    }

    fn heat(&self, subject: &Subject) -> Result<Heat> {
        Ok(at_input(&subject.input, self.values(subject)?))
    }
}

impl IntegratedGradients {
    /// What each pixel adds to the score, below 0 where it lowers it.
    pub(super) fn values(&self, subject: &Subject) -> Result<Vec<f32>> {
        let (net, input) = (still(subject.net), &subject.input);
        let whole = net.forward(Tensor::from_inner(input.clone()));
        let score = Score::new(&whole, subject)?;
        Ok(integrated_gradients(input, self.steps, |inputs| score.of(net.forward(inputs))))
    }
}

/// Integrated gradients (Sundararajan, Taly and Yan 2017) from an input of zeros: the input times the mean gradient of
/// the score on the straight line to it, by Gauss-Legendre quadrature with `steps` points, summed over channels. All
/// together is the score less that of zeros, but for what the quadrature misses.
///
/// # Shapes
/// - input: `[1, channels, height, width]`, without autodiff
/// - score: of inputs with autodiff `[batch, channels, height, width]`, `[batch]`
/// - output: `[height * width]`
pub fn integrated_gradients(
    input: &Tensor<4>,
    steps: usize,
    score: impl Fn(Tensor<4>) -> Tensor<1>,
) -> Vec<f32> {
    let device = input.device();
    let mut mean = input.zeros_like();
    for points in quadrature(steps).chunks(BATCH) {
        let column = |of: fn(&[f64; 2]) -> f64| {
            let values: Vec<f32> = points.iter().map(|point| of(point) as f32).collect();
            Tensor::<4>::from_data(TensorData::new(values, [points.len(), 1, 1, 1]), &device)
        };
        let (place, weight) = (column(|point| point[0]), column(|point| point[1]));
        let inputs = Tensor::from_inner(input.clone() * place).require_grad();
        let gradients = score(inputs.clone()).sum().backward();
        let gradient = inputs.grad(&gradients).expect("a score depends on the input");
        mean = mean + (gradient * weight).sum_dim(0);
    }
    numbers((input.clone() * mean).sum_dim(1))
}

/// Points in [0, 1] and their weights of Gauss-Legendre quadrature: the roots of the Legendre polynomial of degree
/// `count`, by Newton's method (Press et al. 2007, Numerical Recipes, section 4.6).
fn quadrature(count: usize) -> Vec<[f64; 2]> {
    let degree = count as f64;
    let point = |index: usize| {
        let mut x = (PI * (index as f64 + 0.75) / (degree + 0.5)).cos();
        let mut slope = 1.0;
        // It converges from here within five steps.
        for _ in 0..8 {
            let (mut value, mut before) = (1.0, 0.0);
            for n in 0..count {
                let n = n as f64;
                (value, before) = (((2.0 * n + 1.0) * x * value - n * before) / (n + 1.0), value);
            }
            slope = degree * (x * value - before) / (x * x - 1.0);
            x -= value / slope;
        }
        [(1.0 - x) / 2.0, 1.0 / ((1.0 - x * x) * slope * slope)]
    };
    (0..count).map(point).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn quadrature_is_exact_for_polynomials() {
        let close = |found: f64, expected: f64| (found - expected).abs() < 1e-14;
        assert!(quadrature(1).iter().all(|&[x, weight]| close(x, 0.5) && close(weight, 1.0)));
        let root = (1.0 / 3f64).sqrt() / 2.0;
        let two = quadrature(2);
        assert!(close(two[0][0], 0.5 - root) && close(two[1][0], 0.5 + root), "{two:?}");
        for count in [3, 50, 1000] {
            let of = |power: i32| {
                quadrature(count).iter().map(|[x, weight]| weight * x.powi(power)).sum::<f64>()
            };
            assert!((of(0) - 1.0).abs() < 1e-12, "{count}: {}", of(0));
            assert!((of(5) - 1.0 / 6.0).abs() < 1e-12, "{count}: {}", of(5));
        }
    }

    #[test]
    fn contributions_add_up_to_the_change_of_the_score() {
        // The score is the square of the sum over all pixels and channels: 6 * 6, of which each value has its share.
        let data = TensorData::new(vec![1f32, 2.0, 3.0, 0.0], [1, 2, 1, 2]);
        let input = Tensor::from_data(data, &Device::flex());
        let score = |inputs: Tensor<4>| {
            let sums: Tensor<1> = inputs.flatten::<2>(1, 3).sum_dim(1).flatten(0, 1);
            sums.clone() * sums
        };
        for steps in [1, 9] {
            let values = integrated_gradients(&input, steps, score);
            for (value, expected) in values.iter().zip([24.0, 12.0]) {
                assert!((value - expected).abs() < 1e-4, "{values:?}");
            }
        }
    }
}
