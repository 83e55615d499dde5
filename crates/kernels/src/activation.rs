//! Activations that no convolution or norm before them can apply.
//!
//! What is not a number stays so, and infinities become what PyTorch makes of them, on every instruction set: cuts are
//! comparisons that are false of a NaN, never `max` or `min`, which may drop it.

use macerator::{Scalar, Simd};
use rayon::prelude::*;

use super::simd::{Vector, load_part, map, rectified, splat, store_part, zero};

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
        apply(self, values);
    }

    /// Applies it to a vector.
    #[inline(always)]
    pub(crate) fn of<S: Simd>(self, x: Vector<S>) -> Vector<S> {
        match self {
            Self::Relu => rectified::<S>(x),
            Self::Gelu => x * share::<S>(x),
            Self::Relu6 => cut::<S>(x, 0.0, 6.0),
            Self::Silu => x * logistic::<S>(x),
        }
    }

    /// Turns the gradient of the output into that of the input, in place.
    pub(crate) fn backward(self, gradient: &mut [f32], input: &[f32]) {
        let chunks = gradient.par_chunks_mut(NUMBERS).zip(input.par_chunks(NUMBERS));
        chunks.for_each(|(gradient, input)| self.turn(gradient, input));
    }

    /// The same on one thread.
    pub(crate) fn turn(self, gradient: &mut [f32], input: &[f32]) {
        turn(self, gradient, input);
    }

    /// The gradient of an input `x` from that of the output.
    #[inline(always)]
    fn before<S: Simd>(self, gradient: Vector<S>, x: Vector<S>) -> Vector<S> {
        let nothing = zero::<S>();
        match self {
            Self::Relu => x.le(nothing).select(nothing, gradient),
            Self::Gelu => gradient * x.mul_add(density::<S>(x), share::<S>(x)),
            Self::Relu6 => {
                let below = x.ge(splat::<S>(6.0)).select(nothing, gradient);
                x.le(nothing).select(nothing, below)
            }
            Self::Silu => {
                let part = logistic::<S>(x);
                gradient * (x * part).mul_add(splat::<S>(1.0) - part, part)
            }
        }
    }
}

#[macerator::with_simd]
fn apply<S: Simd>(activation: Activation, values: &mut [f32]) {
    match activation {
        Activation::Relu => map::<S>(values, |x| Activation::Relu.of::<S>(x)),
        Activation::Gelu => map::<S>(values, |x| Activation::Gelu.of::<S>(x)),
        Activation::Relu6 => map::<S>(values, |x| Activation::Relu6.of::<S>(x)),
        Activation::Silu => map::<S>(values, |x| Activation::Silu.of::<S>(x)),
    }
}

#[macerator::with_simd]
fn turn<S: Simd>(activation: Activation, gradient: &mut [f32], input: &[f32]) {
    for (gradient, x) in gradient.chunks_mut(S::lanes32()).zip(input.chunks(S::lanes32())) {
        let len = gradient.len();
        // SAFETY: a vector of both at the most, of the same length.
        unsafe {
            let [of_output, x] = [gradient.as_ptr(), x.as_ptr()].map(|at| load_part::<S>(at, len));
            store_part(gradient.as_mut_ptr(), activation.before::<S>(of_output, x), len);
        }
    }
}

/// Cut at the least and the most. A NaN stays.
#[inline(always)]
fn cut<S: Simd>(x: Vector<S>, least: f32, most: f32) -> Vector<S> {
    let [least, most] = [least, most].map(splat::<S>);
    let x = x.lt(least).select(least, x);
    x.gt(most).select(most, x)
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
fn logistic<S: Simd>(x: Vector<S>) -> Vector<S> {
    let one = splat::<S>(1.0);
    let below = exp::<S>(zero::<S>() - x.abs());
    let part = below / (one + below);
    x.lt(zero::<S>()).select(part, one - part)
}

/// The share of a standard normal distribution below `x`.
#[inline(always)]
fn share<S: Simd>(x: Vector<S>) -> Vector<S> {
    let half = splat::<S>(0.5);
    erf::<S>(x * splat::<S>(std::f32::consts::FRAC_1_SQRT_2)).mul_add(half, half)
}

/// Its density at `x`.
#[inline(always)]
fn density<S: Simd>(x: Vector<S>) -> Vector<S> {
    // 1 / sqrt(2 pi)
    splat::<S>(0.398_942_3) * exp::<S>(splat::<S>(-0.5) * x * x)
}

/// The value of a polynomial, its highest coefficient first.
#[inline(always)]
fn polynomial<S: Simd>(x: Vector<S>, coefficients: &[f32]) -> Vector<S> {
    coefficients.iter().fold(zero::<S>(), |sum, &coefficient| sum.mul_add(x, splat(coefficient)))
}

/// A quotient of polynomials, minimax on [-4, 4], beyond which a float32 has no other value than 1: error 4e-7.
#[inline(always)]
fn erf<S: Simd>(x: Vector<S>) -> Vector<S> {
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
    let x = cut::<S>(x, -4.0, 4.0);
    let square = x * x;
    let inside = x * polynomial::<S>(square, &ABOVE) / polynomial::<S>(square, &BELOW);
    let above = x.ge(splat(4.0)).select(splat(1.0), inside);
    x.le(splat(-4.0)).select(splat(-1.0), above)
}

/// Of numbers up to 0; below -87, where a float32 has few digits left, 0. The power of two is put into the exponent,
/// the rest is a Taylor series on [-ln 2 / 2, ln 2 / 2]: relative error 2e-7.
#[inline(always)]
pub(crate) fn exp<S: Simd>(x: Vector<S>) -> Vector<S> {
    /// 1.5 * 2^23: a sum with it has no room for a fraction, and ends in the whole number's bits.
    const WHOLE: f32 = 12_582_912.0;
    const SERIES: [f32; 7] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let least = splat::<S>(-87.0);
    let cut = x.lt(least).select(least, x);
    let sum = cut.mul_add(splat(std::f32::consts::LOG2_E), splat(WHOLE));
    let power = sum - splat(WHOLE);
    // ln 2 in two parts, the first of which times a power is exact.
    let rest = power.mul_add(splat(-0.693_359_4), cut);
    let rest = power.mul_add(splat(2.121_944_4e-4), rest);
    let two_to_power = (sum.reinterpret::<u32>() + 127u32.splat()) << 23;
    let value = polynomial::<S>(rest, &SERIES) * two_to_power.reinterpret::<f32>();
    x.lt(least).select(zero::<S>(), value)
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
            apply_impl::<S>(activation, &mut values);
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
            turn_impl::<S>(activation, &mut gradient, input);
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
