//! Names in a function, and where registers lie.

use std::collections::HashMap;

use super::program::{Constant, Register, Special};
use crate::interpreter::lanes::Slot;
use crate::ptx::Type;

/// What a name in a block stands for.
#[derive(Default)]
pub(crate) struct Scope<'a> {
    registers: HashMap<&'a str, Named>,
    /// `%r<12>`: any number after `%r`.
    families: HashMap<&'a str, Type>,
    pub(crate) variables: HashMap<&'a str, Place>,
    pub(crate) labels: HashMap<&'a str, u32>,
    pub(crate) tables: HashMap<&'a str, Vec<&'a str>>,
}

/// Where a variable lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Parameter(usize),
    Local(usize),
    Shared(usize),
    /// After all shared memory that the kernel declares.
    DynamicShared,
    Global(u64),
}

/// What a name of a register stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Register(Register),
    Predicate(u32),
}

impl<'a> Scope<'a> {
    /// Declares registers.
    pub(crate) fn declare(
        &mut self,
        layout: &mut Layout,
        type_: Type,
        names: &[(&'a str, Option<u32>)],
    ) -> Result<(), String> {
        for (name, count) in names {
            if count.is_some() {
                self.families.insert(name, type_);
            } else {
                self.registers.insert(name, layout.named(type_)?);
            }
        }
        Ok(())
    }

    /// The register of this name, if it is of this scope.
    pub(crate) fn register(
        &mut self,
        layout: &mut Layout,
        name: &'a str,
    ) -> Result<Option<Named>, String> {
        if let Some(found) = self.registers.get(name) {
            return Ok(Some(*found));
        }
        let family = name.trim_end_matches(|last: char| last.is_ascii_digit());
        let Some(type_) = self.families.get(family).filter(|_| family.len() < name.len()) else {
            return Ok(None);
        };
        let named = layout.named(*type_)?;
        self.registers.insert(name, named);
        Ok(Some(named))
    }
}

/// Hands out places for registers.
#[derive(Default)]
pub(crate) struct Layout {
    pub(crate) lines: u32,
    pub(crate) predicates: u32,
    constants: HashMap<(usize, u64), Slot>,
    specials: HashMap<Special, Slot>,
}

impl Layout {
    /// A register of 2, 4 or 8 bytes a lane.
    pub(crate) fn register(&mut self, bytes: usize) -> Register {
        let slot = self.lines;
        self.lines += bytes as u32 / 2;
        Register { slot, bytes }
    }

    /// A predicate.
    pub(crate) fn predicate(&mut self) -> u32 {
        self.predicates += 1;
        self.predicates - 1
    }

    fn named(&mut self, type_: Type) -> Result<Named, String> {
        match type_ {
            Type::Pred => Ok(Named::Predicate(self.predicate())),
            Type::B128 => Err("registers of 128 bits".into()),
            type_ => Ok(Named::Register(self.register(type_.bytes().max(2)))),
        }
    }

    /// A register that has a number in all lanes.
    pub(crate) fn constant(&mut self, value: u64, bytes: usize) -> Slot {
        let value = if bytes == 8 { value } else { value & ((1 << (8 * bytes)) - 1) };
        if let Some(slot) = self.constants.get(&(bytes, value)) {
            return *slot;
        }
        let slot = self.register(bytes).slot;
        self.constants.insert((bytes, value), slot);
        slot
    }

    /// A register that is filled when a block begins.
    pub(crate) fn special(&mut self, special: Special) -> Slot {
        if let Some(slot) = self.specials.get(&special) {
            return *slot;
        }
        let slot = self.register(4).slot;
        self.specials.insert(special, slot);
        slot
    }

    /// All constants and special registers.
    pub(crate) fn filled(self) -> (Vec<Constant>, Vec<(Slot, Special)>) {
        let constants = self.constants.into_iter();
        let constants =
            constants.map(|((bytes, value), slot)| Constant { slot, bytes, value }).collect();
        (constants, self.specials.into_iter().map(|(special, slot)| (slot, special)).collect())
    }
}
