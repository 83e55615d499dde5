//! Arithmetic of integers and bits.

use super::lanes::LaneFunction;
use crate::ptx::Type;

/// Picks the type by the instruction's: bits count as numbers without a sign.
macro_rules! by_type {
    ($type:expr, |$x:ident, $y:ident| $body:block) => {
        match $type {
            Type::U16 | Type::B16 => lanes!(|$x: u16, $y: u16| -> u16 $body),
            Type::S16 => lanes!(|$x: i16, $y: i16| -> i16 $body),
            Type::U32 | Type::B32 => lanes!(|$x: u32, $y: u32| -> u32 $body),
            Type::S32 => lanes!(|$x: i32, $y: i32| -> i32 $body),
            Type::U64 | Type::B64 => lanes!(|$x: u64, $y: u64| -> u64 $body),
            Type::S64 => lanes!(|$x: i64, $y: i64| -> i64 $body),
            _ => return None,
        }
    };
    ($type:expr, |$x:ident| $body:block) => {
        match $type {
            Type::U16 | Type::B16 => lanes!(|$x: u16| -> u16 $body),
            Type::S16 => lanes!(|$x: i16| -> i16 $body),
            Type::U32 | Type::B32 => lanes!(|$x: u32| -> u32 $body),
            Type::S32 => lanes!(|$x: i32| -> i32 $body),
            Type::U64 | Type::B64 => lanes!(|$x: u64| -> u64 $body),
            Type::S64 => lanes!(|$x: i64| -> i64 $body),
            _ => return None,
        }
    };
}

/// As [`by_type`], for what does not depend on the sign.
macro_rules! by_width {
    ($type:expr, |$x:ident $(, $y:ident)?| $body:block) => {
        match $type.bytes() {
            _ if $type.is_float() || $type == Type::Pred => return None,
            2 => lanes!(|$x: u16 $(, $y: u16)?| -> u16 $body),
            4 => lanes!(|$x: u32 $(, $y: u32)?| -> u32 $body),
            8 => lanes!(|$x: u64 $(, $y: u64)?| -> u64 $body),
            _ => return None,
        }
    };
}

/// `name` of two integers, such as `add` or `mul.hi`; none where there is no such instruction.
/// Shifts have their count in a register of 32 bits.
pub(crate) fn binary(name: &str, type_: Type) -> Option<LaneFunction> {
    Some(match name {
        "add" => by_width!(type_, |x, y| { x.wrapping_add(y) }),
        "sub" => by_width!(type_, |x, y| { x.wrapping_sub(y) }),
        "mul.lo" => by_width!(type_, |x, y| { x.wrapping_mul(y) }),
        "and" => by_width!(type_, |x, y| { x & y }),
        "or" => by_width!(type_, |x, y| { x | y }),
        "xor" => by_width!(type_, |x, y| { x ^ y }),
        "min" => by_type!(type_, |x, y| { x.min(y) }),
        "max" => by_type!(type_, |x, y| { x.max(y) }),
        // Division by zero gives some number: all ones, and the dividend as what is left.
        "div" => by_type!(type_, |x, y| { if y == 0 { !0 } else { x.wrapping_div(y) } }),
        "rem" => by_type!(type_, |x, y| { if y == 0 { x } else { x.wrapping_rem(y) } }),
        "mul.hi" => match type_ {
            Type::U16 => {
                lanes!(|x: u16, y: u16| -> u16 { ((u32::from(x) * u32::from(y)) >> 16) as u16 })
            }
            Type::S16 => {
                lanes!(|x: i16, y: i16| -> i16 { ((i32::from(x) * i32::from(y)) >> 16) as i16 })
            }
            Type::U32 => {
                lanes!(|x: u32, y: u32| -> u32 { ((u64::from(x) * u64::from(y)) >> 32) as u32 })
            }
            Type::S32 => {
                lanes!(|x: i32, y: i32| -> i32 { ((i64::from(x) * i64::from(y)) >> 32) as i32 })
            }
            Type::U64 => {
                lanes!(|x: u64, y: u64| -> u64 { ((u128::from(x) * u128::from(y)) >> 64) as u64 })
            }
            Type::S64 => {
                lanes!(|x: i64, y: i64| -> i64 { ((i128::from(x) * i128::from(y)) >> 64) as i64 })
            }
            _ => return None,
        },
        "mul.wide" => match type_ {
            Type::U16 => lanes!(|x: u16, y: u16| -> u32 { u32::from(x) * u32::from(y) }),
            Type::S16 => lanes!(|x: i16, y: i16| -> i32 { i32::from(x) * i32::from(y) }),
            Type::U32 => lanes!(|x: u32, y: u32| -> u64 { u64::from(x) * u64::from(y) }),
            Type::S32 => lanes!(|x: i32, y: i32| -> i64 { i64::from(x) * i64::from(y) }),
            _ => return None,
        },
        "mul24.lo" => match type_ {
            Type::U32 => {
                lanes!(|x: u32, y: u32| -> u32 { (x & 0xff_ffff).wrapping_mul(y & 0xff_ffff) })
            }
            Type::S32 => {
                lanes!(|x: i32, y: i32| -> i32 { (x << 8 >> 8).wrapping_mul(y << 8 >> 8) })
            }
            _ => return None,
        },
        "add.sat" if type_ == Type::S32 => lanes!(|x: i32, y: i32| -> i32 { x.saturating_add(y) }),
        "sub.sat" if type_ == Type::S32 => lanes!(|x: i32, y: i32| -> i32 { x.saturating_sub(y) }),
        "shl" => match type_ {
            Type::B16 => lanes!(|x: u16, n: u32| -> u16 { if n > 15 { 0 } else { x << n } }),
            Type::B32 => lanes!(|x: u32, n: u32| -> u32 { if n > 31 { 0 } else { x << n } }),
            Type::B64 => lanes!(|x: u64, n: u32| -> u64 { if n > 63 { 0 } else { x << n } }),
            _ => return None,
        },
        "shr" => match type_ {
            Type::B16 | Type::U16 => {
                lanes!(|x: u16, n: u32| -> u16 { if n > 15 { 0 } else { x >> n } })
            }
            Type::B32 | Type::U32 => {
                lanes!(|x: u32, n: u32| -> u32 { if n > 31 { 0 } else { x >> n } })
            }
            Type::B64 | Type::U64 => {
                lanes!(|x: u64, n: u32| -> u64 { if n > 63 { 0 } else { x >> n } })
            }
            Type::S16 => lanes!(|x: i16, n: u32| -> i16 { x >> n.min(15) }),
            Type::S32 => lanes!(|x: i32, n: u32| -> i32 { x >> n.min(31) }),
            Type::S64 => lanes!(|x: i64, n: u32| -> i64 { x >> n.min(63) }),
            _ => return None,
        },
        _ => return None,
    })
}

/// `name` of one integer.
pub(crate) fn unary(name: &str, type_: Type) -> Option<LaneFunction> {
    Some(match name {
        "not" => by_width!(type_, |x| { !x }),
        "cnot" => by_width!(type_, |x| { (x == 0).into() }),
        "neg" => match type_ {
            Type::S16 => lanes!(|x: i16| -> i16 { x.wrapping_neg() }),
            Type::S32 => lanes!(|x: i32| -> i32 { x.wrapping_neg() }),
            Type::S64 => lanes!(|x: i64| -> i64 { x.wrapping_neg() }),
            _ => return None,
        },
        "abs" => match type_ {
            Type::S16 => lanes!(|x: i16| -> i16 { x.wrapping_abs() }),
            Type::S32 => lanes!(|x: i32| -> i32 { x.wrapping_abs() }),
            Type::S64 => lanes!(|x: i64| -> i64 { x.wrapping_abs() }),
            _ => return None,
        },
        // What counts bits answers in 32 bits.
        "popc" => match type_ {
            Type::B32 => lanes!(|x: u32| -> u32 { x.count_ones() }),
            Type::B64 => lanes!(|x: u64| -> u32 { x.count_ones() }),
            _ => return None,
        },
        "clz" => match type_ {
            Type::B32 => lanes!(|x: u32| -> u32 { x.leading_zeros() }),
            Type::B64 => lanes!(|x: u64| -> u32 { x.leading_zeros() }),
            _ => return None,
        },
        "brev" => match type_ {
            Type::B32 => lanes!(|x: u32| -> u32 { x.reverse_bits() }),
            Type::B64 => lanes!(|x: u64| -> u64 { x.reverse_bits() }),
            _ => return None,
        },
        "bfind" => match type_ {
            Type::U32 => lanes!(|x: u32| -> u32 { highest_bit(x.into()) }),
            Type::S32 => lanes!(|x: i32| -> u32 { highest_bit(u64::from((x ^ x >> 31) as u32)) }),
            Type::U64 => lanes!(|x: u64| -> u32 { highest_bit(x) }),
            Type::S64 => lanes!(|x: i64| -> u32 { highest_bit((x ^ x >> 63) as u64) }),
            _ => return None,
        },
        "bfind.shiftamt" => match type_ {
            Type::U32 => lanes!(|x: u32| -> u32 { shift_to_top(x.into(), 31) }),
            Type::S32 => {
                lanes!(|x: i32| -> u32 { shift_to_top(u64::from((x ^ x >> 31) as u32), 31) })
            }
            Type::U64 => lanes!(|x: u64| -> u32 { shift_to_top(x, 63) }),
            Type::S64 => lanes!(|x: i64| -> u32 { shift_to_top((x ^ x >> 63) as u64, 63) }),
            _ => return None,
        },
        _ => return None,
    })
}

#[inline(always)]
fn highest_bit(x: u64) -> u32 {
    if x == 0 { u32::MAX } else { 63 - x.leading_zeros() }
}

#[inline(always)]
fn shift_to_top(x: u64, top: u32) -> u32 {
    if x == 0 { u32::MAX } else { top - highest_bit(x) }
}

/// `name` of three integers.
pub(crate) fn ternary(name: &str, type_: Type) -> Option<LaneFunction> {
    Some(match name {
        "mad.lo" => match type_ {
            Type::U16 | Type::S16 => {
                lanes!(|x: u16, y: u16, z: u16| -> u16 { x.wrapping_mul(y).wrapping_add(z) })
            }
            Type::U32 | Type::S32 => {
                lanes!(|x: u32, y: u32, z: u32| -> u32 { x.wrapping_mul(y).wrapping_add(z) })
            }
            Type::U64 | Type::S64 => {
                lanes!(|x: u64, y: u64, z: u64| -> u64 { x.wrapping_mul(y).wrapping_add(z) })
            }
            _ => return None,
        },
        "mad.hi" => match type_ {
            Type::U32 => lanes!(|x: u32, y: u32, z: u32| -> u32 {
                (((u64::from(x) * u64::from(y)) >> 32) as u32).wrapping_add(z)
            }),
            Type::S32 => lanes!(|x: i32, y: i32, z: i32| -> i32 {
                (((i64::from(x) * i64::from(y)) >> 32) as i32).wrapping_add(z)
            }),
            Type::U64 => lanes!(|x: u64, y: u64, z: u64| -> u64 {
                (((u128::from(x) * u128::from(y)) >> 64) as u64).wrapping_add(z)
            }),
            Type::S64 => lanes!(|x: i64, y: i64, z: i64| -> i64 {
                (((i128::from(x) * i128::from(y)) >> 64) as i64).wrapping_add(z)
            }),
            _ => return None,
        },
        "mad.wide" => match type_ {
            Type::U16 => lanes!(|x: u16, y: u16, z: u32| -> u32 {
                (u32::from(x) * u32::from(y)).wrapping_add(z)
            }),
            Type::S16 => lanes!(|x: i16, y: i16, z: i32| -> i32 {
                (i32::from(x) * i32::from(y)).wrapping_add(z)
            }),
            Type::U32 => lanes!(|x: u32, y: u32, z: u64| -> u64 {
                (u64::from(x) * u64::from(y)).wrapping_add(z)
            }),
            Type::S32 => lanes!(|x: i32, y: i32, z: i64| -> i64 {
                (i64::from(x) * i64::from(y)).wrapping_add(z)
            }),
            _ => return None,
        },
        "sad" => match type_ {
            Type::U32 => lanes!(|x: u32, y: u32, z: u32| -> u32 { x.abs_diff(y).wrapping_add(z) }),
            Type::S32 => lanes!(|x: i32, y: i32, z: u32| -> u32 { x.abs_diff(y).wrapping_add(z) }),
            _ => return None,
        },
        "prmt" => lanes!(|x: u32, y: u32, z: u32| -> u32 { permute(x, y, z) }),
        "bfe" => match type_ {
            Type::U32 => lanes!(|x: u32, p: u32, n: u32| -> u32 {
                extract(x.into(), p, n, 32, false) as u32
            }),
            Type::S32 => {
                lanes!(|x: u32, p: u32, n: u32| -> u32 { extract(x.into(), p, n, 32, true) as u32 })
            }
            Type::U64 => lanes!(|x: u64, p: u32, n: u32| -> u64 { extract(x, p, n, 64, false) }),
            Type::S64 => lanes!(|x: u64, p: u32, n: u32| -> u64 { extract(x, p, n, 64, true) }),
            _ => return None,
        },
        "shf.l.wrap" => {
            lanes!(|x: u32, y: u32, n: u32| -> u32 { (joined(x, y) << (n & 31) >> 32) as u32 })
        }
        "shf.r.wrap" => {
            lanes!(|x: u32, y: u32, n: u32| -> u32 { (joined(x, y) >> (n & 31)) as u32 })
        }
        "shf.l.clamp" => {
            lanes!(|x: u32, y: u32, n: u32| -> u32 { (joined(x, y) << n.min(32) >> 32) as u32 })
        }
        "shf.r.clamp" => {
            lanes!(|x: u32, y: u32, n: u32| -> u32 { (joined(x, y) >> n.min(32)) as u32 })
        }
        "dp4a.s32.s32" => lanes!(|x: u32, y: u32, z: i32| -> i32 {
            bytes_product(x, y, true, true).wrapping_add(z)
        }),
        "dp4a.s32.u32" => lanes!(|x: u32, y: u32, z: i32| -> i32 {
            bytes_product(x, y, true, false).wrapping_add(z)
        }),
        "dp4a.u32.s32" => lanes!(|x: u32, y: u32, z: i32| -> i32 {
            bytes_product(x, y, false, true).wrapping_add(z)
        }),
        "dp4a.u32.u32" => lanes!(|x: u32, y: u32, z: i32| -> i32 {
            bytes_product(x, y, false, false).wrapping_add(z)
        }),
        "lop3" => lanes!(o, |x: u32, y: u32, z: u32| -> u32 {
            // Each bit of the table is the result for one combination of the three inputs.
            let mut result = 0;
            for case in 0..8u32 {
                let pick = |value: u32, bit: u32| if case >> bit & 1 != 0 { value } else { !value };
                let wanted = 0u32.wrapping_sub(u32::from(o.flags) >> case & 1);
                result |= pick(x, 2) & pick(y, 1) & pick(z, 0) & wanted;
            }
            result
        }),
        _ => return None,
    })
}

/// `bfi`: the lowest `n` bits of the first operand at place `p` of the second.
pub(crate) fn insert(type_: Type) -> Option<LaneFunction> {
    Some(match type_ {
        Type::B32 => lanes!(|x: u32, y: u32, p: u32, n: u32| -> u32 {
            inserted(x.into(), y.into(), p & 255, n & 255) as u32
        }),
        Type::B64 => {
            lanes!(|x: u64, y: u64, p: u32, n: u32| -> u64 { inserted(x, y, p & 255, n & 255) })
        }
        _ => return None,
    })
}

#[inline(always)]
fn inserted(x: u64, y: u64, p: u32, n: u32) -> u64 {
    let field = if n > 63 { u64::MAX } else { (1 << n) - 1 };
    let (field, x) = if p > 63 { (0, 0) } else { (field << p, x << p) };
    y & !field | x & field
}

#[inline(always)]
fn joined(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[inline(always)]
fn extract(x: u64, p: u32, n: u32, width: u32, signed: bool) -> u64 {
    let (p, n) = (p & 255, n & 255);
    if n == 0 {
        return 0;
    }
    let sign = signed && x >> (p + n - 1).min(width - 1) & 1 != 0;
    let shifted = if p >= width { 0 } else { x >> p };
    let length = n.min(width.saturating_sub(p));
    let field = if length > 63 { u64::MAX } else { (1 << length) - 1 };
    if sign { shifted & field | !field } else { shifted & field }
}

#[inline(always)]
fn permute(x: u32, y: u32, selector: u32) -> u32 {
    let source = joined(x, y);
    let mut result = 0;
    for place in 0..4 {
        let pick = selector >> (4 * place) & 15;
        let byte = source >> (8 * (pick & 7)) & 255;
        // The fourth bit asks for the sign in all bits of the byte.
        let byte = if pick & 8 == 0 { byte } else { 255 * (byte >> 7) };
        result |= (byte as u32) << (8 * place);
    }
    result
}

#[inline(always)]
fn bytes_product(x: u32, y: u32, x_signed: bool, y_signed: bool) -> i32 {
    let byte = |value: u32, place: u32, signed: bool| {
        let byte = (value >> (8 * place)) as u8;
        if signed { i32::from(byte as i8) } else { i32::from(byte) }
    };
    (0..4).fold(0i32, |sum, place| {
        sum.wrapping_add(byte(x, place, x_signed) * byte(y, place, y_signed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_bits() {
        assert_eq!(extract(0xabcd, 4, 8, 32, false), 0xbc);
        assert_eq!(extract(0xabcd, 4, 8, 32, true) as u32, 0xffff_ffbc);
        assert_eq!(extract(0xf000_0000, 28, 16, 32, true) as u32, u32::MAX);
        assert_eq!(inserted(0x3, 0xff00, 8, 4), 0xf300);
        assert_eq!(inserted(1, 7, 200, 4), 7);
        assert_eq!(permute(0x4433_2211, 0x8877_6655, 0x7610), 0x8877_2211);
        assert_eq!(permute(0x80, 0, 0x8888), u32::MAX);
        assert_eq!(bytes_product(0xff, 0x02, true, false), -2);
        assert_eq!((highest_bit(1), highest_bit(0), shift_to_top(1, 31)), (0, u32::MAX, 31));
    }
}
