//! What is done to a convolution's sums before they are written.

use macerator::Simd;

use super::dropout::Dropout;
use super::simd::{Vector, load_part, zero};

/// `dropout(relu(scale * sums + bias + residual))`, as far as asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// One number for each channel.
    pub scale: Option<&'a [f32]>,
    /// One number for each channel.
    pub bias: Option<&'a [f32]>,
    /// One number for each number of the output.
    pub residual: Option<&'a [f32]>,
    pub relu: bool,
    pub dropout: Option<Dropout>,
}

impl Epilogue<'_> {
    /// Applies it to `len` channels (a vector at most) from `channel` on, which begin at `index` of
    /// the output.
    #[inline(always)]
    pub fn apply<S: Simd>(
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
        if let Some(scale) = self.scale {
            value *= part(scale, channel);
        }
        if let Some(bias) = self.bias {
            value += part(bias, channel);
        }
        if let Some(residual) = self.residual {
            value += part(residual, index);
        }
        if self.relu {
            value = value.max(zero::<S>());
        }
        match self.dropout {
            Some(dropout) => dropout.apply::<S>(value, index),
            None => value,
        }
    }
}
