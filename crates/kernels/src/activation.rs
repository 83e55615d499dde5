//! Activations that no convolution or norm before them can apply.
//!
//! What is not a number stays so, and infinities become what PyTorch makes of them, on every instruction set: cuts are
//! comparisons that are false of a NaN, never `max` or `min`, which may drop it.

use macerator::Simd;
use rayon::prelude::*;

/// Numbers of a task.
const NUMBERS: usize = 1 << 14;

/// What is applied to each number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// The number where it is positive, else zero.
    Relu,
    /// `x * P(x)` with `P(x) = (1 + erf(x / sqrt 2)) / 2`.
    Gelu,
    /// The number, cut at 0 and 6.
    Relu6,
    /// `x / (1 + exp(-x))`, also called swish.
    Silu,
}

impl Activation {
    /// Applies it.
    pub(crate) fn forward(self, input: &[f32], output: &mut [f32]) {
        let chunks = output.par_chunks_mut(NUMBERS).zip(input.par_chunks(NUMBERS));
        chunks.for_each(|(output, input)| {
            output.copy_from_slice(input);
            self.apply(output);
        });
    }

    /// Applies it in place, on one thread.
    pub(crate) fn apply(self, values: &mut [f32]) {
        match self {
            Self::Relu => relu(values),
            Self::Gelu => gelu(values),
            Self::Relu6 => relu6(values),
            Self::Silu => silu(values),
        }
    }

    /// Applies it in place.
    pub(crate) fn apply_to_all(self, values: &mut [f32]) {
        values.par_chunks_mut(NUMBERS).for_each(|values| self.apply(values));
    }

    /// Turns the gradient of the output into that of the input, in place.
    pub(crate) fn backward(self, gradient: &mut [f32], input: &[f32]) {
        let chunks = gradient.par_chunks_mut(NUMBERS).zip(input.par_chunks(NUMBERS));
        chunks.for_each(|(gradient, input)| self.turn(gradient, input));
    }

    /// The same on one thread.
    pub(crate) fn turn(self, gradient: &mut [f32], input: &[f32]) {
        match self {
            Self::Relu => relu_backward(gradient, input),
            Self::Gelu => gelu_backward(gradient, input),
            Self::Relu6 => relu6_backward(gradient, input),
            Self::Silu => silu_backward(gradient, input),
        }
    }
}

#[macerator::with_simd]
fn relu<S: Simd>(values: &mut [f32]) {
    for x in values.iter_mut() {
        *x = if *x < 0.0 { 0.0 } else { *x };
    }
}

#[macerator::with_simd]
fn relu_backward<S: Simd>(gradient: &mut [f32], input: &[f32]) {
    for (gradient, &x) in gradient.iter_mut().zip(input) {
        *gradient = if x <= 0.0 { 0.0 } else { *gradient };
    }
}

#[macerator::with_simd]
fn relu6<S: Simd>(values: &mut [f32]) {
    for x in values.iter_mut() {
        *x = x.clamp(0.0, 6.0);
    }
}

#[macerator::with_simd]
fn relu6_backward<S: Simd>(gradient: &mut [f32], input: &[f32]) {
    for (gradient, &x) in gradient.iter_mut().zip(input) {
        *gradient = if x <= 0.0 || x >= 6.0 { 0.0 } else { *gradient };
    }
}

#[macerator::with_simd]
fn silu<S: Simd>(values: &mut [f32]) {
    for x in values.iter_mut() {
        *x *= logistic(*x);
    }
}

#[macerator::with_simd]
fn silu_backward<S: Simd>(gradient: &mut [f32], input: &[f32]) {
    for (gradient, &x) in gradient.iter_mut().zip(input) {
        let part = logistic(x);
        *gradient *= part + x * part * (1.0 - part);
    }
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
fn logistic(x: f32) -> f32 {
    let below = exp(-x.abs());
    let part = below / (1.0 + below);
    if x < 0.0 { part } else { 1.0 - part }
}

#[macerator::with_simd]
fn gelu<S: Simd>(values: &mut [f32]) {
    for x in values.iter_mut() {
        *x *= share(*x);
    }
}

#[macerator::with_simd]
fn gelu_backward<S: Simd>(gradient: &mut [f32], input: &[f32]) {
    for (gradient, &x) in gradient.iter_mut().zip(input) {
        *gradient *= share(x) + x * density(x);
    }
}

/// The share of a standard normal distribution below `x`.
#[inline(always)]
fn share(x: f32) -> f32 {
    0.5 + 0.5 * erf(x * std::f32::consts::FRAC_1_SQRT_2)
}

/// Its density at `x`.
#[inline(always)]
fn density(x: f32) -> f32 {
    // 1 / sqrt(2 pi)
    0.398_942_3 * exp(-0.5 * x * x)
}

/// A quotient of polynomials, minimax on [-4, 4], beyond which a float32 has no other value than 1: error 4e-7.
#[inline(always)]
fn erf(x: f32) -> f32 {
    const ABOVE: [f32; 7] = [
        -2.726_142_4e-10,
        2.770_681_5e-8,
        -2.101_024e-6,
        -5.692_506_3e-5,
        -7.349_906_5e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const BELOW: [f32; 5] =
        [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let polynomial = |coefficients: &[f32]| {
        coefficients.iter().fold(0.0, |sum, coefficient| sum * square + coefficient)
    };
    let inside = x * polynomial(&ABOVE) / polynomial(&BELOW);
    if x.abs() >= 4.0 { 1f32.copysign(x) } else { inside }
}

/// Of numbers up to 0; below -87, where a float32 has few digits left, 0. The power of two is put into the exponent,
/// the rest is a Taylor series on [-ln 2 / 2, ln 2 / 2]: relative error 2e-7.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    /// 1.5 * 2^23: a sum with it has no room for a fraction, and ends in the whole number's bits. A conversion would
    /// keep the loop from becoming one of vectors.
    const WHOLE: f32 = 12_582_912.0;
    let small = x < -87.0;
    let x = if small { -87.0 } else { x };
    let sum = x * std::f32::consts::LOG2_E + WHOLE;
    let power = sum - WHOLE;
    // ln 2 in two parts, the first of which times a power is exact.
    let rest = (x - power * 0.693_359_4) - power * -2.121_944_4e-4;
    let series = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let value = series.iter().fold(0.0, |sum, coefficient| sum * rest + coefficient);
    let value = value * f32::from_bits((sum.to_bits().wrapping_add(127)) << 23);
    if small { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use macerator::WithSimd;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{assert_same, on_every_set, partly_nan, strange};

    const ALL: [Activation; 4] =
        [Activation::Relu, Activation::Gelu, Activation::Relu6, Activation::Silu];

    struct Forward<'a>(Activation, &'a [f32]);

    impl WithSimd for Forward<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn with_simd<S: Simd>(self) -> Vec<f32> {
            let Self(activation, values) = self;
            let mut values = values.to_vec();
            match activation {
                Activation::Relu => relu_impl::<S>(&mut values),
                Activation::Gelu => gelu_impl::<S>(&mut values),
                Activation::Relu6 => relu6_impl::<S>(&mut values),
                Activation::Silu => silu_impl::<S>(&mut values),
            }
            values
        }
    }

    struct Backward<'a>(Activation, &'a [f32], &'a [f32]);

    impl WithSimd for Backward<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn with_simd<S: Simd>(self) -> Vec<f32> {
            let Self(activation, gradient, input) = self;
            let mut gradient = gradient.to_vec();
            match activation {
                Activation::Relu => relu_backward_impl::<S>(&mut gradient, input),
                Activation::Gelu => gelu_backward_impl::<S>(&mut gradient, input),
                Activation::Relu6 => relu6_backward_impl::<S>(&mut gradient, input),
                Activation::Silu => silu_backward_impl::<S>(&mut gradient, input),
            }
            gradient
        }
    }

    /// By the definition, in double precision.
    fn value(activation: Activation, x: f32) -> f32 {
        let wide = f64::from(x);
        match activation {
            Activation::Relu => (if x < 0.0 { 0.0 } else { x }) + 0.0,
            Activation::Relu6 => x.clamp(0.0, 6.0),
            Activation::Silu => (wide / (1.0 + (-wide).exp())) as f32,
            Activation::Gelu => (wide * share_below(wide)) as f32,
        }
    }

    fn slope(activation: Activation, x: f32) -> f64 {
        let wide = f64::from(x);
        match activation {
            Activation::Relu | Activation::Relu6 => 1.0,
            Activation::Silu => {
                let part = 1.0 / (1.0 + (-wide).exp());
                part + wide * part * (1.0 - part)
            }
            Activation::Gelu => {
                let density = (-0.5 * wide * wide).exp() / (2.0 * std::f64::consts::PI).sqrt();
                share_below(wide) + wide * density
            }
        }
    }

    /// 0 and 1 where a float32 has nothing between.
    fn share_below(x: f64) -> f64 {
        if x.abs() < 10.0 { exact_share(x) } else { 0.5 + 0.5 * x.signum() }
    }

    /// As PyTorch: nothing where the activation is flat, and of a NaN all of it.
    fn gradient_of(activation: Activation, gradient: f32, x: f32) -> f32 {
        let flat = match activation {
            Activation::Relu => x <= 0.0,
            Activation::Relu6 => x <= 0.0 || x >= 6.0,
            Activation::Silu | Activation::Gelu => false,
        };
        if flat { 0.0 } else { (f64::from(gradient) * slope(activation, x)) as f32 }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_is_not_a_number_stays_so_on_every_instruction_set(
            values in strange(37),
            gradients in partly_nan(37),
        ) {
            for activation in ALL {
                for (set, found) in on_every_set(|| Forward(activation, &values)) {
                    let what = format!("{activation:?} on {set:?}");
                    assert_same(&what, &found, |index| value(activation, values[index]));
                }
                for (set, found) in on_every_set(|| Backward(activation, &gradients, &values)) {
                    let what = format!("{activation:?} backward on {set:?}");
                    assert_same(&what, &found, |index| {
                        gradient_of(activation, gradients[index], values[index])
                    });
                }
            }
        }
    }

    /// By Simpson's rule over the density, in double precision.
    fn exact_share(x: f64) -> f64 {
        const STEPS: usize = 2000;
        let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let width = x / STEPS as f64;
        let sum: f64 = (0..=STEPS)
            .map(|step| {
                let weight = match step {
                    0 | STEPS => 1.0,
                    step if step % 2 == 1 => 4.0,
                    _ => 2.0,
                };
                weight * density(step as f64 * width)
            })
            .sum();
        0.5 + sum * width / 3.0
    }

    #[test]
    fn values_and_slopes_of_silu_are_those_of_the_definition() {
        for step in -400..=400 {
            let x = step as f32 / 4.0;
            let wide = f64::from(x);
            let part = 1.0 / (1.0 + (-wide).exp());
            let [mut value, mut slope] = [[0.0f32], [1.0f32]];
            Activation::Silu.forward(&[x], &mut value);
            Activation::Silu.backward(&mut slope, &[x]);
            let error = (f64::from(value[0]) - wide * part).abs();
            assert!(error < 1e-6 * wide.abs().max(1.0), "{x}: {}", value[0]);
            let expected = part + wide * part * (1.0 - part);
            assert!((f64::from(slope[0]) - expected).abs() < 2e-6, "{x}: {}", slope[0]);
        }
    }

    #[test]
    fn values_and_slopes_of_gelu_are_those_of_the_definition() {
        for step in -80..=80 {
            let x = step as f32 / 8.0;
            let wide = f64::from(x);
            let density = (-0.5 * wide * wide).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let [mut value, mut slope] = [[0.0f32], [1.0f32]];
            Activation::Gelu.forward(&[x], &mut value);
            Activation::Gelu.backward(&mut slope, &[x]);
            let expected = wide * exact_share(wide);
            let error = (f64::from(value[0]) - expected).abs();
            assert!(error < 1e-6 * wide.abs().max(1.0), "{x}: {}, not {expected}", value[0]);
            let expected = exact_share(wide) + wide * density;
            assert!((f64::from(slope[0]) - expected).abs() < 1e-6, "{x}: {}", slope[0]);
        }
    }
}
