//! Adam and AdamW in one pass over parameter, gradient and moments.

use macerator::Simd;
use rayon::prelude::*;

/// Numbers that a task takes.
const NUMBERS: usize = 1 << 14;

/// A step of Adam (Kingma and Ba 2015), with PyTorch's place for epsilon.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The rate of this step.
    pub learning_rate: f64,
    /// How much the moving averages of the gradient and of its square keep.
    pub betas: [f32; 2],
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Steps made, this one included.
    pub time: u32,
    /// Added to the gradient, times the parameter.
    pub weight_decay: f32,
    /// Share of the parameter taken from it before the step (Loshchilov and Hutter 2019).
    pub decoupled_decay: f64,
}

/// A parameter with its moments, which the step changes.
pub(crate) struct Parameter<'a> {
    pub value: &'a mut [f32],
    /// What the parameter is before the step, where `value` does not hold that yet.
    pub from: Option<&'a [f32]>,
    pub first: &'a mut [f32],
    pub second: &'a mut [f32],
}

impl Step {
    /// Makes the step.
    pub(crate) fn apply(&self, parameter: Parameter, gradient: &[f32]) {
        let factors = self.factors();
        let Parameter { value, from, first, second } = parameter;
        let value = value.par_chunks_mut(NUMBERS).enumerate();
        let moments = first.par_chunks_mut(NUMBERS).zip(second.par_chunks_mut(NUMBERS));
        value.zip(moments).zip(gradient.par_chunks(NUMBERS)).for_each(
            |(((chunk, value), (first, second)), gradient)| {
                if let Some(from) = from {
                    value.copy_from_slice(&from[chunk * NUMBERS..][..value.len()]);
                }
                apply_part(factors, value, first, second, gradient);
            },
        );
    }

    fn factors(&self) -> Factors {
        let [beta_1, beta_2] = self.betas;
        let time = self.time as i32;
        let second = (1.0 - beta_2.powi(time)).sqrt();
        Factors {
            betas: self.betas,
            weight_decay: self.weight_decay,
            kept: (1.0 - self.decoupled_decay) as f32,
            rate: (self.learning_rate * f64::from(second / (1.0 - beta_1.powi(time)))) as f32,
            epsilon: self.epsilon * second,
        }
    }
}

#[derive(Clone, Copy)]
struct Factors {
    betas: [f32; 2],
    weight_decay: f32,
    kept: f32,
    rate: f32,
    epsilon: f32,
}

#[macerator::with_simd]
fn apply_part<S: Simd>(
    factors: Factors,
    value: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    gradient: &[f32],
) {
    let Factors { betas: [beta_1, beta_2], weight_decay, kept, rate, epsilon } = factors;
    let moments = first.iter_mut().zip(second.iter_mut());
    for ((value, (first, second)), gradient) in value.iter_mut().zip(moments).zip(gradient) {
        let gradient = gradient + weight_decay * *value;
        *first = beta_1 * *first + (1.0 - beta_1) * gradient;
        *second = beta_2 * *second + (1.0 - beta_2) * gradient * gradient;
        *value = kept * *value - rate * *first / (second.sqrt() + epsilon);
    }
}
