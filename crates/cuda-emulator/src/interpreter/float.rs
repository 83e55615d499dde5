//! Arithmetic of floating-point numbers. What a GPU approximates is computed exactly here.

use super::lanes::{FTZ, LaneFunction, RELU, SAT};
use super::number::*;
use crate::ptx::Type;

/// An operation of binary32 in three forms: as it is, with `.ftz` and `.sat`, and in a rounding
/// where it has some.
macro_rules! single {
    ($flags:expr, |$($x:ident),*| $body:expr) => {
        if $flags == 0 {
            lanes!(o, |$($x: f32),*| -> f32 { let _ = o; $body })
        } else {
            lanes!(o, |$($x: f32),*| -> f32 {
                $(let $x = flushed($x, o.flags & FTZ != 0);)*
                finished($body, o.flags)
            })
        }
    };
}

/// The result with the modifiers of the instruction.
#[inline(always)]
fn finished(x: f32, flags: u8) -> f32 {
    let x = flushed(x, flags & FTZ != 0);
    let x = if flags & RELU != 0 && (x <= 0.0) { 0.0 } else { x };
    if flags & SAT != 0 { if x > 0.0 { x.min(1.0) } else { 0.0 } } else { x }
}

#[inline(always)]
fn nan_or(x: f32, y: f32, other: f32) -> f32 {
    if x.is_nan() || y.is_nan() { f32::NAN } else { other }
}

/// `name` of two floating-point numbers; none where there is no such instruction.
pub(crate) fn binary(
    name: &str,
    type_: Type,
    rounding: Rounding,
    flags: u8,
) -> Option<LaneFunction> {
    use Rounding::*;
    Some(match (type_, name, rounding) {
        (Type::F32, "add", Nearest) => single!(flags, |x, y| x + y),
        (Type::F32, "add", Down) => single!(flags, |x, y| fma_f32(x, 1.0, y, Down)),
        (Type::F32, "add", Up) => single!(flags, |x, y| fma_f32(x, 1.0, y, Up)),
        (Type::F32, "add", TowardsZero) => single!(flags, |x, y| fma_f32(x, 1.0, y, TowardsZero)),
        (Type::F32, "sub", Nearest) => single!(flags, |x, y| x - y),
        (Type::F32, "sub", Down) => single!(flags, |x, y| fma_f32(x, 1.0, -y, Down)),
        (Type::F32, "sub", Up) => single!(flags, |x, y| fma_f32(x, 1.0, -y, Up)),
        (Type::F32, "sub", TowardsZero) => single!(flags, |x, y| fma_f32(x, 1.0, -y, TowardsZero)),
        (Type::F32, "mul", Nearest) => single!(flags, |x, y| x * y),
        (Type::F32, "mul", Down) => single!(flags, |x, y| fma_f32(x, y, 0.0, Down)),
        (Type::F32, "mul", Up) => single!(flags, |x, y| fma_f32(x, y, 0.0, Up)),
        (Type::F32, "mul", TowardsZero) => single!(flags, |x, y| fma_f32(x, y, 0.0, TowardsZero)),
        (Type::F32, "div", Nearest) => single!(flags, |x, y| x / y),
        (Type::F32, "min", Nearest) => single!(flags, |x, y| minimum(x, y)),
        (Type::F32, "max", Nearest) => single!(flags, |x, y| maximum(x, y)),
        (Type::F32, "min.nan", Nearest) => single!(flags, |x, y| nan_or(x, y, minimum(x, y))),
        (Type::F32, "max.nan", Nearest) => single!(flags, |x, y| nan_or(x, y, maximum(x, y))),
        (Type::F32, "copysign", Nearest) => lanes!(|x: f32, y: f32| -> f32 { y.copysign(x) }),
        (Type::F64, _, Nearest) if flags == 0 => match name {
            "add" => lanes!(|x: f64, y: f64| -> f64 { x + y }),
            "sub" => lanes!(|x: f64, y: f64| -> f64 { x - y }),
            "mul" => lanes!(|x: f64, y: f64| -> f64 { x * y }),
            "div" => lanes!(|x: f64, y: f64| -> f64 { x / y }),
            "min" => lanes!(|x: f64, y: f64| -> f64 { x.min(y) }),
            "max" => lanes!(|x: f64, y: f64| -> f64 { x.max(y) }),
            "copysign" => lanes!(|x: f64, y: f64| -> f64 { y.copysign(x) }),
            _ => return None,
        },
        (Type::F16 | Type::F16x2 | Type::Bf16 | Type::Bf16x2, _, Nearest) if flags & !FTZ == 0 => {
            return half_binary(name, type_);
        }
        _ => return None,
    })
}

/// An operation on halves, alone or in pairs, computed in binary32.
macro_rules! half {
    ($type:expr, |$($x:ident),*| $body:expr) => {
        match $type {
            Type::F16 => lanes!(|$($x: u16),*| -> u16 { $(let $x = from_f16($x);)* to_f16($body) }),
            Type::Bf16 => lanes!(|$($x: u16),*| -> u16 { $(let $x = from_bf16($x);)* to_bf16($body) }),
            Type::F16x2 => lanes!(|$($x: u32),*| -> u32 {
                let low = { $(let $x = from_f16($x as u16);)* to_f16($body) };
                let high = { $(let $x = from_f16(($x >> 16) as u16);)* to_f16($body) };
                u32::from(high) << 16 | u32::from(low)
            }),
            Type::Bf16x2 => lanes!(|$($x: u32),*| -> u32 {
                let low = { $(let $x = from_bf16($x as u16);)* to_bf16($body) };
                let high = { $(let $x = from_bf16(($x >> 16) as u16);)* to_bf16($body) };
                u32::from(high) << 16 | u32::from(low)
            }),
            _ => return None,
        }
    };
}

fn half_binary(name: &str, type_: Type) -> Option<LaneFunction> {
    Some(match name {
        "add" => half!(type_, |x, y| x + y),
        "sub" => half!(type_, |x, y| x - y),
        "mul" => half!(type_, |x, y| x * y),
        "min" => half!(type_, |x, y| minimum(x, y)),
        "max" => half!(type_, |x, y| maximum(x, y)),
        "min.nan" => half!(type_, |x, y| nan_or(x, y, minimum(x, y))),
        "max.nan" => half!(type_, |x, y| nan_or(x, y, maximum(x, y))),
        _ => return None,
    })
}

/// `name` of one floating-point number.
pub(crate) fn unary(name: &str, type_: Type, flags: u8) -> Option<LaneFunction> {
    Some(match (type_, name) {
        (Type::F32, "abs") => single!(flags, |x| x.abs()),
        (Type::F32, "neg") => single!(flags, |x| -x),
        (Type::F32, "rcp") => single!(flags, |x| 1.0 / x),
        (Type::F32, "sqrt") => single!(flags, |x| x.sqrt()),
        (Type::F32, "rsqrt") => single!(flags, |x| (1.0 / f64::from(x).sqrt()) as f32),
        (Type::F32, "sin") => single!(flags, |x| f64::from(x).sin() as f32),
        (Type::F32, "cos") => single!(flags, |x| f64::from(x).cos() as f32),
        (Type::F32, "lg2") => single!(flags, |x| x.log2()),
        (Type::F32, "ex2") => single!(flags, |x| x.exp2()),
        (Type::F32, "tanh") => single!(flags, |x| f64::from(x).tanh() as f32),
        (Type::F64, "abs") => lanes!(|x: f64| -> f64 { x.abs() }),
        (Type::F64, "neg") => lanes!(|x: f64| -> f64 { -x }),
        (Type::F64, "rcp") => lanes!(|x: f64| -> f64 { 1.0 / x }),
        (Type::F64, "sqrt") => lanes!(|x: f64| -> f64 { x.sqrt() }),
        (Type::F64, "rsqrt") => lanes!(|x: f64| -> f64 { 1.0 / x.sqrt() }),
        (_, "abs") => half!(type_, |x| x.abs()),
        (_, "neg") => half!(type_, |x| -x),
        (_, "ex2") => half!(type_, |x| x.exp2()),
        (_, "tanh") => half!(type_, |x| x.tanh()),
        _ => return None,
    })
}

/// `x * y + z`, rounded once.
pub(crate) fn fma(type_: Type, rounding: Rounding, flags: u8) -> Option<LaneFunction> {
    use Rounding::*;
    Some(match (type_, rounding) {
        (Type::F32, Nearest) => single!(flags, |x, y, z| x.mul_add(y, z)),
        (Type::F32, Down) => single!(flags, |x, y, z| fma_f32(x, y, z, Down)),
        (Type::F32, Up) => single!(flags, |x, y, z| fma_f32(x, y, z, Up)),
        (Type::F32, TowardsZero) => single!(flags, |x, y, z| fma_f32(x, y, z, TowardsZero)),
        (Type::F64, Nearest) => lanes!(|x: f64, y: f64, z: f64| -> f64 { x.mul_add(y, z) }),
        // The product of two halves and the sum are exact in binary64, or rounded to odd after it.
        (Type::F16, Nearest) => {
            lanes!(o, |x: u16, y: u16, z: u16| -> u16 { half_fma(Type::F16, x, y, z, o.flags) })
        }
        (Type::Bf16, Nearest) => {
            lanes!(o, |x: u16, y: u16, z: u16| -> u16 { half_fma(Type::Bf16, x, y, z, o.flags) })
        }
        (Type::F16x2, Nearest) => {
            lanes!(o, |x: u32, y: u32, z: u32| -> u32 { pair_fma(Type::F16, x, y, z, o.flags) })
        }
        (Type::Bf16x2, Nearest) => {
            lanes!(o, |x: u32, y: u32, z: u32| -> u32 { pair_fma(Type::Bf16, x, y, z, o.flags) })
        }
        _ => return None,
    })
}

fn half_fma(type_: Type, x: u16, y: u16, z: u16, flags: u8) -> u16 {
    let wide = |bits| f64::from(from_half(type_, bits));
    let mut sum = wide(x).mul_add(wide(y), wide(z));
    if flags & RELU != 0 && sum <= 0.0 {
        sum = 0.0;
    }
    if flags & SAT != 0 {
        sum = if sum > 0.0 { sum.min(1.0) } else { 0.0 };
    }
    to_half(type_, sum)
}

fn pair_fma(type_: Type, x: u32, y: u32, z: u32, flags: u8) -> u32 {
    let low = half_fma(type_, x as u16, y as u16, z as u16, flags);
    let high = half_fma(type_, (x >> 16) as u16, (y >> 16) as u16, (z >> 16) as u16, flags);
    u32::from(high) << 16 | u32::from(low)
}
