//! Dropout whose mask is a function of a key and the place of a number, so that it is nowhere stored.

use macerator::Simd;

use super::simd::{MAX_LANES, Vector, load};

/// Dropout of one layer in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dropout {
    /// Drawn anew for each use.
    pub key: u64,
    /// Share of numbers that become zero.
    pub probability: f32,
}

impl Dropout {
    /// What kept numbers are multiplied by, so that the mean stays.
    pub(crate) fn scale(&self) -> f32 {
        1.0 / (1.0 - self.probability)
    }

    /// What the number at `index` of its tensor is multiplied by: zero, or the scale.
    #[inline(always)]
    pub(crate) fn factor(&self, index: usize) -> f32 {
        let threshold = (f64::from(self.probability) * 4_294_967_296.0) as u32;
        if mixed(self.key, index as u32) >= threshold { self.scale() } else { 0.0 }
    }

    /// Drops numbers that begin at `index` of their tensor.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(&self, value: Vector<S>, index: usize) -> Vector<S> {
        let mut factors = [0f32; MAX_LANES];
        for (lane, factor) in factors.iter_mut().enumerate().take(S::lanes32()) {
            *factor = self.factor(index + lane);
        }
        // SAFETY: the buffer has room for any vector.
        value * unsafe { load::<S>(factors.as_ptr()) }
    }
}

/// 32 well-mixed bits of a place (of the first 2^32, after which they repeat): two rounds of the
/// finaliser found by Wellons ("lowbias32", <https://nullprogram.com/blog/2018/07/31/>), with a half
/// of the key before each.
#[inline(always)]
fn mixed(key: u64, index: u32) -> u32 {
    let first = finalised(index ^ key as u32);
    finalised(first.wrapping_add((key >> 32) as u32))
}

#[inline(always)]
fn finalised(bits: u32) -> u32 {
    let mut bits = bits;
    bits ^= bits >> 16;
    bits = bits.wrapping_mul(0x7feb_352d);
    bits ^= bits >> 15;
    bits = bits.wrapping_mul(0x846c_a68b);
    bits ^ (bits >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_that_is_dropped_is_the_probability_and_the_mean_stays() {
        for (key, probability) in [(0, 0.1f32), (7, 0.5), (u64::MAX, 0.3)] {
            let dropout = Dropout { key, probability };
            let factors: Vec<f32> = (0..100_000).map(|index| dropout.factor(index)).collect();
            let dropped = factors.iter().filter(|&&factor| factor == 0.0).count() as f32 / 1e5;
            assert!((dropped - probability).abs() < 0.005, "{dropped} of {probability}");
            let mean = factors.iter().sum::<f32>() / 1e5;
            assert!((mean - 1.0).abs() < 0.01, "{mean}");
        }
    }

    #[test]
    fn masks_of_two_keys_agree_no_more_than_chance() {
        let [a, b] = [1, 2].map(|key| Dropout { key, probability: 0.5 });
        let same = (0..100_000).filter(|&index| a.factor(index) == b.factor(index)).count();
        assert!(same.abs_diff(50_000) < 800, "{same}");
        let shifted = (0..100_000).filter(|&index| a.factor(index) == a.factor(index + 1)).count();
        assert!(shifted.abs_diff(50_000) < 800, "{shifted}");
    }
}
