//! Operands: which registers, predicates and addresses they name.

use super::function::{Compiler, Decoded};
use super::program::*;
use super::scope::{Named, Place};
use crate::interpreter::lanes::Slot;
use crate::ptx::{Operand, Space};

impl<'a> Compiler<'_, '_, 'a> {
    fn named(&mut self, name: &'a str) -> Decoded<Option<Named>> {
        for scope in self.scopes.iter_mut().rev() {
            if let Some(found) = scope.register(&mut self.layout, name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The predicate that an operand names.
    pub(super) fn predicate(&mut self, operand: &Operand<'a>) -> Decoded<u32> {
        match operand {
            Operand::Name("_") => Ok(self.layout.predicate()),
            Operand::Name(name) => match self.named(name)? {
                Some(Named::Predicate(predicate)) => Ok(predicate),
                _ => Err(format!("{name} is no predicate")),
            },
            other => Err(format!("{other:?} where a predicate should be")),
        }
    }

    /// A predicate, perhaps negated.
    pub(super) fn condition(&mut self, operand: &Operand<'a>) -> Decoded<Condition> {
        match operand {
            Operand::Not(name) => {
                let predicate = self.predicate(&Operand::Name(name))?;
                Ok(Condition { predicate, flip: u32::MAX })
            }
            other => Ok(Condition { predicate: self.predicate(other)?, flip: 0 }),
        }
    }

    /// The register that an operand names, of whatever width; numbers and addresses of variables
    /// have the width that is asked for.
    pub(super) fn any(&mut self, operand: &Operand<'a>, bytes: usize) -> Decoded<Register> {
        let (name, offset) = match operand {
            Operand::Number(value) => {
                return Ok(Register { slot: self.layout.constant(*value, bytes), bytes });
            }
            Operand::Name("_") => return Ok(self.layout.register(bytes)),
            Operand::Name("WARP_SZ") => {
                return Ok(Register { slot: self.layout.constant(32, bytes), bytes });
            }
            Operand::Name(name) => (*name, 0),
            Operand::Sum(name, offset) => (*name, *offset),
            other => return Err(format!("{other:?} where a register should be")),
        };
        match self.named(name)? {
            Some(Named::Register(register)) if offset == 0 => return Ok(register),
            Some(_) => return Err(format!("{name} is no number")),
            None => {}
        }
        if name.starts_with('%') {
            return self.special(name);
        }
        let constant = |compiler: &mut Self, value: u64| Register {
            slot: compiler.layout.constant(value.wrapping_add_signed(offset), bytes),
            bytes,
        };
        match self.variable(name).ok_or_else(|| format!("{name} is not declared"))? {
            Place::Parameter(at) | Place::Local(at) | Place::Shared(at) => {
                Ok(constant(self, at as u64))
            }
            Place::Global(at) => Ok(constant(self, at)),
            Place::DynamicShared => {
                let register = self.layout.register(bytes);
                self.dynamic.push((register, offset));
                Ok(register)
            }
        }
    }

    fn special(&mut self, name: &str) -> Decoded<Register> {
        let part = |name: &str| match name {
            "x" => Some(0),
            "y" => Some(1),
            "z" => Some(2),
            _ => None,
        };
        let special = match name.split_once('.') {
            Some(("%tid", axis)) => part(axis).map(Special::Thread),
            Some(("%ntid", axis)) => part(axis).map(Special::Threads),
            Some(("%ctaid", axis)) => part(axis).map(Special::Block),
            Some(("%nctaid", axis)) => part(axis).map(Special::Blocks),
            _ => match name {
                "%laneid" => Some(Special::Lane),
                "%warpid" => Some(Special::Warp),
                "%nwarpid" => Some(Special::Warps),
                "%lanemask_lt" => Some(Special::LanesBelow),
                "%lanemask_le" => Some(Special::LanesUpTo),
                "%lanemask_eq" => Some(Special::LaneBit),
                "%lanemask_ge" => Some(Special::LanesFrom),
                "%lanemask_gt" => Some(Special::LanesAbove),
                "%dynamic_smem_size" => Some(Special::DynamicShared),
                "%total_smem_size" => Some(Special::TotalShared),
                _ => None,
            },
        };
        if let Some(special) = special {
            return Ok(Register { slot: self.layout.special(special), bytes: 4 });
        }
        // A cluster is one block here, and there is one multiprocessor.
        let value = match name {
            "%smid" | "%cluster_ctarank" | "%cluster_ctaid.x" | "%cluster_ctaid.y"
            | "%cluster_ctaid.z" => 0,
            "%nsmid" | "%cluster_nctarank" | "%cluster_nctaid.x" | "%cluster_nctaid.y"
            | "%cluster_nctaid.z" => 1,
            _ => return Err(format!("register {name}")),
        };
        Ok(Register { slot: self.layout.constant(value, 4), bytes: 4 })
    }

    /// The register that an operand names, which must have this width.
    pub(super) fn register(
        &mut self,
        operand: Option<&Operand<'a>>,
        bytes: usize,
    ) -> Decoded<Slot> {
        let operand = operand.ok_or("an operand is missing")?;
        let register = self.any(operand, bytes)?;
        if register.bytes != bytes {
            return Err(format!("{operand:?} has {} bits", 8 * register.bytes));
        }
        Ok(register.slot)
    }

    /// The registers of a vector, or the one that stands alone.
    pub(super) fn registers(
        &mut self,
        operand: &Operand<'a>,
        bytes: usize,
    ) -> Decoded<Vec<Register>> {
        match operand {
            Operand::Vector(list) => list.iter().map(|one| self.any(one, bytes)).collect(),
            one => Ok(vec![self.any(one, bytes)?]),
        }
    }

    /// As [`Self::registers`], all of one width.
    pub(super) fn slots(
        &mut self,
        operand: Option<&Operand<'a>>,
        bytes: usize,
    ) -> Decoded<Vec<Slot>> {
        let operand = operand.ok_or("an operand is missing")?;
        let registers = self.registers(operand, bytes)?;
        if registers.iter().any(|register| register.bytes != bytes) {
            return Err(format!("{operand:?} is not of {} bits", 8 * bytes));
        }
        Ok(registers.iter().map(|register| register.slot).collect())
    }

    /// `[base+offset]`, with the space of the variable where the base is one.
    pub(super) fn address(
        &mut self,
        operand: Option<&Operand<'a>>,
    ) -> Decoded<(Address, Option<Space>)> {
        let Some(Operand::Address { base, offset, .. }) = operand else {
            return Err(format!("{operand:?} where an address should be"));
        };
        let mut space = None;
        if let Operand::Name(name) = **base
            && self.named(name)?.is_none()
        {
            space = self.variable(name).map(|place| match place {
                Place::Parameter(_) => Space::Param,
                Place::Local(_) => Space::Local,
                Place::Shared(_) | Place::DynamicShared => Space::Shared,
                Place::Global(_) => Space::Global,
            });
        }
        let register = self.any(base, 8)?;
        if register.bytes < 4 {
            return Err("an address of 16 bits".into());
        }
        Ok((Address { register, offset: *offset }, space))
    }
}
