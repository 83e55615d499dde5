//! Comparisons: a bit for each lane.

use super::lanes::{LANES, Lane, Registers, Slot};
use super::number::{flushed, from_bf16, from_f16};
use crate::ptx::Type;

/// Compares two registers in all lanes.
///
/// # Safety
/// As with `LaneFunction`.
type CompareFunction = unsafe fn(&Registers, Slot, Slot) -> u32;

/// Tests a register in all lanes.
///
/// # Safety
/// As with `LaneFunction`.
pub(crate) type TestFunction = unsafe fn(&Registers, Slot) -> u32;

#[inline(always)]
fn bits<A: Lane>(registers: &Registers, a: Slot, b: Slot, holds: impl Fn(A, A) -> bool) -> u32 {
    let (a, b) = (registers.lanes::<A>(a), registers.lanes::<A>(b));
    (0..LANES).fold(0, |mask, lane| mask | u32::from(holds(a[lane], b[lane])) << lane)
}

#[inline(always)]
fn bits_of_one<A: Lane>(registers: &Registers, a: Slot, holds: impl Fn(A) -> bool) -> u32 {
    let a = registers.lanes::<A>(a);
    (0..LANES).fold(0, |mask, lane| mask | u32::from(holds(a[lane])) << lane)
}

macro_rules! comparison {
    ($type:ty, |$x:ident, $y:ident| $holds:expr) => {
        compiled_twice!(CompareFunction, (r: &Registers, a: Slot, b: Slot) -> u32,
            bits::<$type>(r, a, b, |$x, $y| $holds))
    };
}

/// Those comparisons of a type that what is no number fails. `$read` makes numbers of what the
/// register holds.
macro_rules! of_type {
    ($name:expr, $type:ty, $read:expr) => {
        match $name {
            "eq" => comparison!($type, |x, y| $read(x) == $read(y)),
            "ne" => comparison!($type, |x, y| $read(x) < $read(y) || $read(x) > $read(y)),
            "lt" | "lo" => comparison!($type, |x, y| $read(x) < $read(y)),
            "le" | "ls" => comparison!($type, |x, y| $read(x) <= $read(y)),
            "gt" | "hi" => comparison!($type, |x, y| $read(x) > $read(y)),
            "ge" | "hs" => comparison!($type, |x, y| $read(x) >= $read(y)),
            "num" => comparison!($type, |x, y| $read(x) <= $read(y) || $read(x) > $read(y)),
            _ => return None,
        }
    };
}

/// A comparison, perhaps negated.
#[derive(Clone, Copy)]
pub(crate) struct Relation {
    function: CompareFunction,
    /// All ones where it is negated.
    flip: u32,
}

impl Relation {
    /// The relation of this name; none where there is no such instruction.
    pub(crate) fn of_name(name: &str, type_: Type, ftz: bool) -> Option<Self> {
        // What holds of what is no number is the opposite of what fails then.
        let opposite = match name {
            "equ" => Some("ne"),
            "neu" => Some("eq"),
            "ltu" => Some("ge"),
            "leu" => Some("gt"),
            "gtu" => Some("le"),
            "geu" => Some("lt"),
            "nan" => Some("num"),
            _ => None,
        };
        if !type_.is_float() && (ftz || name == "num" || opposite.is_some()) {
            return None;
        }
        let name = opposite.unwrap_or(name);
        let function = match type_ {
            Type::U16 | Type::B16 => of_type!(name, u16, std::convert::identity),
            Type::S16 => of_type!(name, i16, std::convert::identity),
            Type::U32 | Type::B32 => of_type!(name, u32, std::convert::identity),
            Type::S32 => of_type!(name, i32, std::convert::identity),
            Type::U64 | Type::B64 => of_type!(name, u64, std::convert::identity),
            Type::S64 => of_type!(name, i64, std::convert::identity),
            Type::F32 if ftz => of_type!(name, f32, (|x| flushed(x, true))),
            Type::F32 => of_type!(name, f32, std::convert::identity),
            Type::F64 => of_type!(name, f64, std::convert::identity),
            Type::F16 => of_type!(name, u16, from_f16),
            Type::Bf16 => of_type!(name, u16, from_bf16),
            _ => return None,
        };
        Some(Self { function, flip: if opposite.is_some() { u32::MAX } else { 0 } })
    }

    /// In which lanes it holds.
    #[inline(always)]
    pub(crate) fn holds(&self, registers: &Registers, a: Slot, b: Slot) -> u32 {
        // SAFETY: `of_name` chose the function by this processor.
        let holds = unsafe { (self.function)(registers, a, b) };
        holds ^ self.flip
    }
}

macro_rules! kinds {
    ($kind:expr, $type:ty) => {
        match $kind {
            "finite" => kinds!(@ $type, |x| x.is_finite()),
            "infinite" => kinds!(@ $type, |x| x.is_infinite()),
            "number" => kinds!(@ $type, |x| !x.is_nan()),
            "notanumber" => kinds!(@ $type, |x| x.is_nan()),
            "normal" => kinds!(@ $type, |x| x.is_normal()),
            "subnormal" => kinds!(@ $type, |x| x.is_subnormal()),
            _ => return None,
        }
    };
    (@ $type:ty, |$x:ident| $holds:expr) => {
        compiled_twice!(TestFunction, (r: &Registers, a: Slot) -> u32,
            bits_of_one::<$type>(r, a, |$x| $holds))
    };
}

/// `testp`: whether a number is of a kind.
pub(crate) fn test(kind: &str, type_: Type) -> Option<TestFunction> {
    Some(match type_ {
        Type::F32 => kinds!(kind, f32),
        Type::F64 => kinds!(kind, f64),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_neither_less_nor_equal() {
        let mut registers = Registers::new(4, 0);
        let x = [1.0, f32::NAN, 2.0, -0.0];
        let y = [2.0, 1.0, 2.0, 0.0];
        *registers.lanes_mut::<f32>(0) = std::array::from_fn(|lane| x[lane % 4]);
        *registers.lanes_mut::<f32>(2) = std::array::from_fn(|lane| y[lane % 4]);
        let cases = [
            ("lt", 0b0001),
            ("le", 0b1101),
            ("eq", 0b1100),
            ("ne", 0b0001),
            ("neu", 0b0011),
            ("equ", 0b1110),
            ("ltu", 0b0011),
            ("geu", 0b1110),
            ("num", 0b1101),
            ("nan", 0b0010),
        ];
        for (name, expected) in cases {
            let relation = Relation::of_name(name, Type::F32, false).unwrap();
            assert_eq!(relation.holds(&registers, 0, 2) & 15, expected, "{name}");
        }
        assert!(Relation::of_name("neu", Type::S32, false).is_none());
    }
}
