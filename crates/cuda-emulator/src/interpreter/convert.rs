//! `cvt`: a number of one type becomes one of another.

use super::lanes::{FTZ, LANES, LaneFunction, RELU, Registers, SAT, Slot};
use super::number::*;
use crate::ptx::Type;

/// What `cvt` does, beside its operands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conversion {
    pub(crate) to: Type,
    pub(crate) from: Type,
    pub(crate) rounding: Rounding,
    /// Rounds to a whole number (`.rni` and others).
    pub(crate) whole: bool,
    pub(crate) flags: u8,
    /// Bytes of a lane of the two registers, which may be more than the types have.
    pub(crate) to_bytes: usize,
    pub(crate) from_bytes: usize,
}

/// The frequent conversions as functions on lanes.
pub(crate) fn fast(c: &Conversion) -> Option<LaneFunction> {
    if c.flags != 0 || c.to.bytes() != c.to_bytes || c.from.bytes() != c.from_bytes {
        return None;
    }
    use Rounding::{Nearest, TowardsZero};
    Some(match (c.to, c.from, c.whole, c.rounding) {
        (Type::U64 | Type::S64 | Type::B64, Type::U32, false, Nearest) => {
            lanes!(|x: u32| -> u64 { x.into() })
        }
        (Type::U64 | Type::S64, Type::S32, false, Nearest) => lanes!(|x: i32| -> i64 { x.into() }),
        (Type::U32 | Type::S32 | Type::B32, Type::U64 | Type::S64, false, Nearest) => {
            lanes!(|x: u64| -> u32 { x as u32 })
        }
        (Type::U32 | Type::S32, Type::U16, false, Nearest) => lanes!(|x: u16| -> u32 { x.into() }),
        (Type::U16 | Type::S16, Type::U32 | Type::S32, false, Nearest) => {
            lanes!(|x: u32| -> u16 { x as u16 })
        }
        (Type::F32, Type::S32, false, Nearest) => lanes!(|x: i32| -> f32 { x as f32 }),
        (Type::F32, Type::U32, false, Nearest) => lanes!(|x: u32| -> f32 { x as f32 }),
        (Type::F32, Type::F16, false, Nearest) => lanes!(|x: u16| -> f32 { from_f16(x) }),
        (Type::F32, Type::Bf16, false, Nearest) => lanes!(|x: u16| -> f32 { from_bf16(x) }),
        (Type::F16, Type::F32, false, Nearest) => lanes!(|x: f32| -> u16 { to_f16(x) }),
        (Type::Bf16, Type::F32, false, Nearest) => lanes!(|x: f32| -> u16 { to_bf16(x) }),
        (Type::F64, Type::F32, false, Nearest) => lanes!(|x: f32| -> f64 { x.into() }),
        (Type::F32, Type::F64, false, Nearest) => lanes!(|x: f64| -> f32 { x as f32 }),
        (Type::S32, Type::F32, true, TowardsZero) => lanes!(|x: f32| -> i32 { x as i32 }),
        (Type::U32, Type::F32, true, TowardsZero) => lanes!(|x: f32| -> u32 { x as u32 }),
        _ => return None,
    })
}

/// Any conversion, lane by lane.
pub(crate) fn convert(registers: &mut Registers, c: &Conversion, d: Slot, a: Slot, mask: u32) {
    let read = registers.wide(a, c.from_bytes);
    let values: [u64; LANES] = std::array::from_fn(|lane| one(c, read[lane]));
    registers.write_wide(d, c.to_bytes, mask, &values);
}

impl Registers {
    /// The lanes of a register of any width.
    pub(crate) fn wide(&self, slot: Slot, bytes: usize) -> [u64; LANES] {
        match bytes {
            2 => self.lanes::<u16>(slot).map(u64::from),
            4 => self.lanes::<u32>(slot).map(u64::from),
            _ => *self.lanes::<u64>(slot),
        }
    }

    /// Writes the lanes of a mask into a register of any width.
    pub(crate) fn write_wide(
        &mut self,
        slot: Slot,
        bytes: usize,
        mask: u32,
        values: &[u64; LANES],
    ) {
        match bytes {
            2 => self.write(slot, mask, &values.map(|value| value as u16)),
            4 => self.write(slot, mask, &values.map(|value| value as u32)),
            _ => self.write(slot, mask, values),
        }
    }
}

/// One lane of a conversion, as bits.
fn one(c: &Conversion, bits: u64) -> u64 {
    if c.from.is_float() { from_float(c, bits) } else { from_integer(c, bits) }
}

fn from_float(c: &Conversion, bits: u64) -> u64 {
    let mut x = match c.from {
        Type::F64 => f64::from_bits(bits),
        Type::F32 => flushed(f32::from_bits(bits as u32), c.flags & FTZ != 0).into(),
        half => from_half(half, bits as u16).into(),
    };
    if c.flags & RELU != 0 && x <= 0.0 {
        x = 0.0;
    }
    if c.whole {
        x = match c.rounding {
            Rounding::Nearest => x.round_ties_even(),
            Rounding::TowardsZero => x.trunc(),
            Rounding::Down => x.floor(),
            Rounding::Up => x.ceil(),
        };
    }
    if !c.to.is_float() {
        // `as` puts what is too large at the end of the range, as the GPU does.
        return match c.to {
            Type::S8 => x as i8 as u64,
            Type::S16 => x as i16 as u64,
            Type::S32 => x as i32 as u64,
            Type::S64 => x as i64 as u64,
            Type::U8 => (x as u8).into(),
            Type::U16 => (x as u16).into(),
            Type::U32 => (x as u32).into(),
            _ => x as u64,
        };
    }
    if c.flags & SAT != 0 {
        x = if x > 0.0 { x.min(1.0) } else { 0.0 };
    }
    match c.to {
        Type::F64 => x.to_bits(),
        Type::F32 => {
            let rounding = if c.whole { Rounding::Nearest } else { c.rounding };
            flushed(round_to_f32(x, 0.0, rounding), c.flags & FTZ != 0).to_bits().into()
        }
        Type::Tf32 => to_tf32(x as f32).to_bits().into(),
        half => to_half(half, x).into(),
    }
}

fn from_integer(c: &Conversion, bits: u64) -> u64 {
    let x: i128 = match c.from {
        Type::S8 => (bits as i8).into(),
        Type::S16 => (bits as i16).into(),
        Type::S32 => (bits as i32).into(),
        Type::S64 => (bits as i64).into(),
        Type::U8 | Type::B8 => (bits as u8).into(),
        Type::U16 | Type::B16 => (bits as u16).into(),
        Type::U32 | Type::B32 => (bits as u32).into(),
        _ => bits.into(),
    };
    match c.to {
        Type::F64 => (x as f64).to_bits(),
        Type::F32 => {
            if c.rounding == Rounding::Nearest {
                return (x as f32).to_bits().into();
            }
            let sum = x as f64;
            round_to_f32(sum, (x - sum as i128) as f64, c.rounding).to_bits().into()
        }
        Type::F16 | Type::Bf16 => {
            // Below 2^53 the binary64 is exact, and above it every half is infinite or far coarser.
            to_half(c.to, x as f64).into()
        }
        integer => {
            let (least, most) = range(integer);
            let x = if c.flags & SAT != 0 { x.clamp(least, most) } else { x };
            // What the register has above the type's bits is the sign, or zero.
            match integer {
                Type::S8 => x as i8 as u64,
                Type::S16 => x as i16 as u64,
                Type::S32 => x as i32 as u64,
                Type::U8 | Type::B8 => (x as u8).into(),
                Type::U16 | Type::B16 => (x as u16).into(),
                Type::U32 | Type::B32 => (x as u32).into(),
                _ => x as u64,
            }
        }
    }
}

fn range(type_: Type) -> (i128, i128) {
    let bits = 8 * type_.bytes() as u32;
    if type_.is_signed() {
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    } else {
        (0, (1 << bits) - 1)
    }
}

/// `cvt.rn.f16x2.f32`: two numbers become a pair of halves, the first of them the upper one.
pub(crate) fn pack(type_: Type) -> Option<LaneFunction> {
    Some(match type_ {
        Type::F16x2 => lanes!(o, |x: f32, y: f32| -> u32 {
            u32::from(to_f16(kept(x, o.flags))) << 16 | u32::from(to_f16(kept(y, o.flags)))
        }),
        Type::Bf16x2 => lanes!(o, |x: f32, y: f32| -> u32 {
            u32::from(to_bf16(kept(x, o.flags))) << 16 | u32::from(to_bf16(kept(y, o.flags)))
        }),
        _ => return None,
    })
}

#[inline(always)]
fn kept(x: f32, flags: u8) -> f32 {
    if flags & RELU != 0 && x <= 0.0 { 0.0 } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(
        to: Type,
        from: Type,
        rounding: Rounding,
        whole: bool,
        flags: u8,
        bits: u64,
    ) -> u64 {
        let c = Conversion { to, from, rounding, whole, flags, to_bytes: 8, from_bytes: 8 };
        one(&c, bits)
    }

    #[test]
    fn conversions_round_and_saturate() {
        use Rounding::*;
        let f = |x: f32| u64::from(x.to_bits());
        assert_eq!(converted(Type::S32, Type::F32, Nearest, true, 0, f(2.5)), 2);
        assert_eq!(converted(Type::S32, Type::F32, Down, true, 0, f(-2.5)) as i64, -3);
        assert_eq!(converted(Type::U8, Type::S32, Nearest, false, SAT, -7i32 as u32 as u64), 0);
        assert_eq!(converted(Type::S32, Type::F32, TowardsZero, true, 0, f(f32::NAN)), 0);
        assert_eq!(converted(Type::F32, Type::F32, Nearest, false, SAT, f(3.0)), f(1.0));
        let large = (1u64 << 60) + 1;
        assert_eq!(
            converted(Type::F32, Type::U64, Up, false, 0, large),
            f((2f32.powi(60)).next_up())
        );
        assert_eq!(converted(Type::S64, Type::S8, Nearest, false, 0, 0xff) as i64, -1);
    }
}
