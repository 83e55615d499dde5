//! `atom` and `red`: one lane after another. Blocks of a kernel that has them run in order.

use super::Fault;
use super::access::{read, write};
use super::lanes::lanes_of;
use super::memory::Memory;
use super::number::{from_half, to_half};
use super::warp::Warp;
use crate::compile::{Atomic, AtomicKind, Register};
use crate::ptx::Type;

impl Warp {
    /// Runs an atomic instruction.
    pub(crate) fn atomic(
        &mut self,
        memory: &Memory,
        atomic: &Atomic,
        mask: u32,
    ) -> Result<(), Fault> {
        let bytes = atomic.type_.bytes();
        for lane in lanes_of(mask) {
            let at = self.address(atomic.space, &atomic.address, lane);
            let all = bytes * atomic.values.len();
            let at = self.resolve(memory, atomic.space, lane, at, all)?;
            for (index, value) in atomic.values.iter().enumerate() {
                let value = self.lane(*value, lane);
                let replacement =
                    atomic.replacement.map_or(0, |register| self.lane(register, lane));
                // SAFETY: `resolve` checked the address and its alignment.
                let at = unsafe { at.add(index * bytes) };
                // SAFETY: as above.
                let old = unsafe { read(at, bytes) };
                let new = changed(atomic.kind, atomic.type_, old, value, replacement)
                    .ok_or_else(|| Fault::failed("an atomic operation of this type"))?;
                // SAFETY: as above.
                unsafe { write(at, bytes, new) };
                if let Some(registers) = &atomic.old {
                    self.set_lane(registers[index], lane, old);
                }
            }
        }
        Ok(())
    }

    /// One lane of a register.
    pub(crate) fn lane(&self, register: Register, lane: usize) -> u64 {
        match register.bytes {
            2 => self.registers.lanes::<u16>(register.slot)[lane].into(),
            4 => self.registers.lanes::<u32>(register.slot)[lane].into(),
            _ => self.registers.lanes::<u64>(register.slot)[lane],
        }
    }

    /// Writes one lane of a register.
    pub(crate) fn set_lane(&mut self, register: Register, lane: usize, value: u64) {
        match register.bytes {
            2 => self.registers.lanes_mut::<u16>(register.slot)[lane] = value as u16,
            4 => self.registers.lanes_mut::<u32>(register.slot)[lane] = value as u32,
            _ => self.registers.lanes_mut::<u64>(register.slot)[lane] = value,
        }
    }
}

/// What an atomic operation leaves in memory; none where there is no such operation.
pub(super) fn changed(
    kind: AtomicKind,
    type_: Type,
    old: u64,
    value: u64,
    replacement: u64,
) -> Option<u64> {
    use AtomicKind::*;
    let half = |place: u32| {
        let sum = |bits: u64| f64::from(from_half(type_, (bits >> (16 * place)) as u16));
        u64::from(to_half(type_, sum(old) + sum(value))) << (16 * place)
    };
    let (a, b) = (old as u32, value as u32);
    Some(match (kind, type_) {
        (Add, Type::F32) => (f32::from_bits(a) + f32::from_bits(b)).to_bits().into(),
        (Add, Type::F64) => (f64::from_bits(old) + f64::from_bits(value)).to_bits(),
        (Add, Type::F16 | Type::Bf16) => half(0),
        (Add, Type::F16x2 | Type::Bf16x2) => half(0) | half(1),
        (Add, Type::U32 | Type::S32) => a.wrapping_add(b).into(),
        (Add, Type::U64 | Type::S64) => old.wrapping_add(value),
        (Least, Type::S32) => ((a as i32).min(b as i32) as u32).into(),
        (Most, Type::S32) => ((a as i32).max(b as i32) as u32).into(),
        (Least, Type::U32) => a.min(b).into(),
        (Most, Type::U32) => a.max(b).into(),
        (Least, Type::S64) => (old as i64).min(value as i64) as u64,
        (Most, Type::S64) => (old as i64).max(value as i64) as u64,
        (Least, Type::U64) => old.min(value),
        (Most, Type::U64) => old.max(value),
        (And, Type::B32 | Type::B64) => old & value,
        (Or, Type::B32 | Type::B64) => old | value,
        (Xor, Type::B32 | Type::B64) => old ^ value,
        (Exchange, Type::B32 | Type::B64) => value,
        (CompareAndSwap, Type::B16 | Type::B32 | Type::B64) => {
            if old == value {
                replacement
            } else {
                old
            }
        }
        (Increment, Type::U32) => {
            if a >= b {
                0
            } else {
                u64::from(a + 1)
            }
        }
        (Decrement, Type::U32) => {
            if a == 0 || a > b {
                value
            } else {
                u64::from(a - 1)
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn increments_wrap_at_the_bound() {
        use AtomicKind::*;
        assert_eq!(changed(Increment, Type::U32, 3, 3, 0), Some(0));
        assert_eq!(changed(Increment, Type::U32, 2, 3, 0), Some(3));
        assert_eq!(changed(Decrement, Type::U32, 0, 3, 0), Some(3));
        assert_eq!(changed(CompareAndSwap, Type::B32, 5, 5, 9), Some(9));
        assert_eq!(changed(CompareAndSwap, Type::B32, 5, 6, 9), Some(5));
        assert_eq!(changed(Least, Type::F32, 0, 0, 0), None);
    }
}
