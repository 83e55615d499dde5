//! Numbers of fewer bits than the host's, and rounding that the host does not offer.

use crate::ptx::Type;

/// How a result that is no number of the type becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    Nearest,
    TowardsZero,
    Down,
    Up,
}

/// Binary16 to binary32, exactly.
#[inline(always)]
pub(crate) fn from_f16(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff);
    // The exponent is put where binary32 has it and then multiplied right, so that numbers below
    // the normal ones come out too.
    let scaled = f32::from_bits(magnitude << 13) * f32::from_bits(0x7780_0000);
    let special =
        if magnitude >= 0x7c00 { 0x7f80_0000 | magnitude << 13 } else { scaled.to_bits() };
    f32::from_bits(sign | special)
}

/// To binary16, to the nearest and of two to the even one.
#[inline(always)]
pub(crate) fn to_f16(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    let rounded = if magnitude > 0x7f80_0000 {
        0x7fff
    } else if magnitude >= 0x477f_f000 {
        0x7c00
    } else if magnitude < 0x3880_0000 {
        // Below the normal numbers: adding 0.5 leaves units of 2^-24 in the mantissa.
        (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits())
    } else {
        (magnitude + 0xfff + (magnitude >> 13 & 1) - 0x3800_0000) >> 13
    };
    sign | rounded as u16
}

/// Bfloat16 to binary32, exactly.
#[inline(always)]
pub(crate) fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// To bfloat16, to the nearest and of two to the even one.
#[inline(always)]
pub(crate) fn to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() { 0x7fff } else { ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16 }
}

/// What matrix units read of a binary32 as TF32: 10 bits of mantissa, ties away from zero.
pub(crate) fn to_tf32(x: f32) -> f32 {
    if x.is_finite() { f32::from_bits(x.to_bits().wrapping_add(0x1000) & 0xffff_e000) } else { x }
}

/// A half of either kind to binary32.
#[inline(always)]
pub(crate) fn from_half(type_: Type, bits: u16) -> f32 {
    if matches!(type_, Type::Bf16 | Type::Bf16x2) { from_bf16(bits) } else { from_f16(bits) }
}

/// Binary64 to binary32, so that a later rounding to fewer bits is right: the last bit says that
/// something was cut off ("round to odd").
fn to_odd(x: f64) -> f32 {
    let near = x as f32;
    if !x.is_finite() || !near.is_finite() || f64::from(near) == x {
        return near;
    }
    let cut = round_to_f32(x, 0.0, Rounding::TowardsZero);
    f32::from_bits(cut.to_bits() | 1)
}

/// Binary64 to a half of either kind, rounded once.
pub(crate) fn to_half(type_: Type, x: f64) -> u16 {
    let x = to_odd(x);
    if matches!(type_, Type::Bf16 | Type::Bf16x2) { to_bf16(x) } else { to_f16(x) }
}

/// `sum + rest`, where `rest` is too small to change the nearest `f64`, rounded to binary32.
pub(crate) fn round_to_f32(sum: f64, rest: f64, rounding: Rounding) -> f32 {
    let near = sum as f32;
    if !sum.is_finite() || rounding == Rounding::Nearest {
        return near;
    }
    let wide = f64::from(near);
    let (above, below) =
        (wide > sum || wide == sum && rest < 0.0, wide < sum || wide == sum && rest > 0.0);
    let down = rounding == Rounding::Down || rounding == Rounding::TowardsZero && sum > 0.0;
    match (down, above, below) {
        (true, true, _) => near.next_down(),
        (false, _, true) => near.next_up(),
        _ => near,
    }
}

/// `x * y + z` of binary32 in any rounding.
pub(crate) fn fma_f32(x: f32, y: f32, z: f32, rounding: Rounding) -> f32 {
    // The product of two binary32 is a binary64, and the error of its sum with the third is too.
    let (product, z) = (f64::from(x) * f64::from(y), f64::from(z));
    let sum = product + z;
    let part = sum - product;
    let rest = (product - (sum - part)) + (z - part);
    round_to_f32(sum, rest, rounding)
}

/// Zero in place of a number below the normal ones, where `on`.
#[inline(always)]
pub(crate) fn flushed(x: f32, on: bool) -> f32 {
    if on && x.is_subnormal() { 0f32.copysign(x) } else { x }
}

/// The smaller; a NaN is passed over, and -0 is below +0.
#[inline(always)]
pub(crate) fn minimum(x: f32, y: f32) -> f32 {
    if x.is_nan() {
        y
    } else if y.is_nan() || x < y || x == y && x.is_sign_negative() {
        x
    } else {
        y
    }
}

/// The larger; a NaN is passed over, and +0 is above -0.
#[inline(always)]
pub(crate) fn maximum(x: f32, y: f32) -> f32 {
    if x.is_nan() {
        y
    } else if y.is_nan() || x > y || x == y && x.is_sign_positive() {
        x
    } else {
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_survives_the_way_there_and_back() {
        for bits in 0..=u16::MAX {
            let x = from_f16(bits);
            if x.is_nan() {
                assert_eq!(to_f16(x), 0x7fff | bits & 0x8000);
            } else {
                assert_eq!(to_f16(x), bits, "{x}");
            }
        }
        assert_eq!((from_f16(0x3c00), from_f16(0x0001)), (1.0, 2f32.powi(-24)));
    }

    #[test]
    fn halves_are_rounded_to_the_nearest_even() {
        assert_eq!(to_f16(1.0 + 2f32.powi(-11)), 0x3c00);
        assert_eq!(to_f16(1.0 + 3.0 * 2f32.powi(-11)), 0x3c02);
        assert_eq!(to_f16(65519.0), 0x7bff);
        assert_eq!(to_f16(65520.0), 0x7c00);
        assert_eq!(to_f16(2f32.powi(-25)), 0);
        assert_eq!(to_f16(3.0 * 2f32.powi(-25)), 2);
        // Through binary32 this would be a tie.
        let above_tie = 1.0 + 2f64.powi(-11) + 2f64.powi(-40);
        assert_eq!(to_half(Type::F16, above_tie), 0x3c01);
        assert_eq!(to_bf16(1.0 + 2f32.powi(-8)), 0x3f80);
    }

    #[test]
    fn sums_are_rounded_in_the_direction_asked_for() {
        let tiny = 2f32.powi(-60);
        assert_eq!(fma_f32(1.0, 1.0, tiny, Rounding::Up), 1f32.next_up());
        assert_eq!(fma_f32(1.0, 1.0, tiny, Rounding::Down), 1.0);
        assert_eq!(fma_f32(1.0, 1.0, -tiny, Rounding::TowardsZero), 1f32.next_down());
        assert_eq!(fma_f32(-1.0, 1.0, tiny, Rounding::TowardsZero), (-1f32).next_up());
        assert_eq!(fma_f32(3.0, 5.0, 0.5, Rounding::Nearest), 15.5);
    }
}
