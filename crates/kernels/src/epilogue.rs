//! What is done to a convolution's sums before they are written.

use macerator::Simd;

use super::activation::Activation;
use super::dropout::Dropout;
use super::simd::{Vector, load_part};

/// `dropout(activation(scale * before(sums + shift) + bias + residual))`, as far as asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Epilogue<'a> {
    /// One number for each channel.
    pub shift: Option<&'a [f32]>,
    pub before: Option<Activation>,
    /// One number for each channel.
    pub scale: Option<&'a [f32]>,
    /// One number for each channel.
    pub bias: Option<&'a [f32]>,
    /// One number for each number of the output.
    pub residual: Option<&'a [f32]>,
    pub activation: Option<Activation>,
    pub dropout: Option<Dropout>,
}

impl Epilogue<'_> {
    /// Whether sums are written as they are.
    pub(crate) fn is_nothing(&self) -> bool {
        let Self { shift, before, scale, bias, residual, activation, dropout } = self;
        let activations = before.is_some() || activation.is_some();
        let vectors = [shift, scale, bias, residual];
        !activations && dropout.is_none() && vectors.iter().all(|vector| vector.is_none())
    }

    /// Applies it to `len` channels (a vector at most) from `channel` on, which begin at `index` of
    /// the output.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(
        &self,
        sums: Vector<S>,
        channel: usize,
        index: usize,
        len: usize,
    ) -> Vector<S> {
        let part = |values: &[f32], at: usize| {
            debug_assert!(values.len() >= at + len.min(S::lanes32()));
            // SAFETY: `len` numbers follow: those of the channels, or of the output.
            unsafe { load_part::<S>(values.as_ptr().add(at), len) }
        };
        let mut value = sums;
        if let Some(shift) = self.shift {
            value += part(shift, channel);
        }
        if let Some(before) = self.before {
            value = before.of::<S>(value);
        }
        if let Some(scale) = self.scale {
            value *= part(scale, channel);
        }
        if let Some(bias) = self.bias {
            value += part(bias, channel);
        }
        if let Some(residual) = self.residual {
            value += part(residual, index);
        }
        if let Some(activation) = self.activation {
            value = activation.of::<S>(value);
        }
        match self.dropout {
            Some(dropout) => dropout.apply::<S>(value, index),
            None => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use macerator::WithSimd;
    use proptest::prelude::*;

    use super::*;
    use crate::simd::{load_part, store_part};
    use crate::testing::{assert_same, on_every_set, strange};

    const RELU: Option<Activation> = Some(Activation::Relu);

    struct Apply<'a>(&'a [f32], Epilogue<'a>);

    impl WithSimd for Apply<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn with_simd<S: Simd>(self) -> Vec<f32> {
            let Self(sums, epilogue) = self;
            let mut out = vec![0.0; sums.len()];
            for at in (0..sums.len()).step_by(S::lanes32()) {
                let left = sums.len() - at;
                // SAFETY: `left` numbers follow in both.
                unsafe {
                    let sums = load_part::<S>(sums.as_ptr().add(at), left);
                    let value = epilogue.apply::<S>(sums, at, at, left);
                    store_part(out.as_mut_ptr().add(at), value, left);
                }
            }
            out
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_not_a_number_stays_so_on_every_instruction_set(
            sums in strange(37),
            scale in prop::collection::vec(-2f32..2.0, 37),
            residual in strange(37),
        ) {
            let (scale, residual) = (&scale[..], &residual[..]);
            for epilogue in [
                Epilogue { activation: RELU, ..Epilogue::default() },
                Epilogue { activation: RELU, residual: Some(residual), ..Epilogue::default() },
                Epilogue { activation: RELU, scale: Some(scale), bias: Some(scale), ..Epilogue::default() },
            ] {
                for (set, found) in on_every_set(|| Apply(&sums, epilogue)) {
                    assert_same(&format!("on {set:?}"), &found, |at| {
                        let factor = epilogue.scale.map_or(1.0, |scale| scale[at]);
                        let more = epilogue.bias.map_or(0.0, |bias| bias[at]);
                        let more = more + epilogue.residual.map_or(0.0, |residual| residual[at]);
                        let value = sums[at] * factor + more;
                        if value < 0.0 { 0.0 } else { value }
                    });
                }
            }
        }
    }
}
