//! Moves, conversions and comparisons.

use super::function::{Compiler, Decoded};
use super::opcode::Opcode;
use super::program::*;
use crate::interpreter::compare::Relation;
use crate::interpreter::convert::{self, Conversion};
use crate::interpreter::lanes::Operands;
use crate::interpreter::number::Rounding;
use crate::ptx::{Operand, Type};

impl<'a> Compiler<'_, '_, 'a> {
    pub(super) fn mov(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        let type_ = op.type_()?;
        let [to, from] = o else { return Err("operands".into()) };
        if type_ == Type::Pred {
            let d = self.predicate(to)?;
            if let Operand::Number(value) = from {
                return Ok(Operation::Constant {
                    d,
                    value: if *value != 0 { u32::MAX } else { 0 },
                });
            }
            let a = self.condition(from)?;
            return Ok(Operation::Predicates { logic: Logic::And, d, a, b: a });
        }
        let bytes = type_.bytes();
        if let Operand::Name("%clock" | "%clock_hi" | "%clock64" | "%globaltimer") = from {
            return Ok(Operation::Clock(Register { slot: self.register(Some(to), bytes)?, bytes }));
        }
        let parts = |list: &[Operand]| match list.len() {
            count @ 2..=4 if bytes / count >= 2 => Ok(bytes / count),
            _ => Err("parts".to_string()),
        };
        match (to, from) {
            (Operand::Vector(list), from) => {
                let part = parts(list)?;
                let targets = self.slots(Some(to), part)?;
                let targets =
                    targets.iter().map(|slot| Register { slot: *slot, bytes: part }).collect();
                let a = Register { slot: self.register(Some(from), bytes)?, bytes };
                Ok(Operation::Unpack { targets, a })
            }
            (to, Operand::Vector(list)) => {
                let part = parts(list)?;
                let sources = self.slots(Some(from), part)?;
                let sources =
                    sources.iter().map(|slot| Register { slot: *slot, bytes: part }).collect();
                let d = Register { slot: self.register(Some(to), bytes)?, bytes };
                Ok(Operation::Pack { d, sources })
            }
            _ => {
                let function = match bytes {
                    2 => lanes!(|x: u16| -> u16 { x }),
                    4 => lanes!(|x: u32| -> u32 { x }),
                    8 => lanes!(|x: u64| -> u64 { x }),
                    _ => return Err("type".into()),
                };
                self.lanes(function, 0, o, &[bytes; 2])
            }
        }
    }

    pub(super) fn cvt(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        let types = op.types();
        let [to, from] = types[..] else { return Err("types".into()) };
        let whole = op.take_as(|word| match word {
            "rni" => Some(Rounding::Nearest),
            "rzi" => Some(Rounding::TowardsZero),
            "rmi" => Some(Rounding::Down),
            "rpi" => Some(Rounding::Up),
            _ => None,
        });
        if to == Type::Tf32 {
            op.ignore(&["rna"]);
        }
        let rounding = whole.unwrap_or_else(|| op.rounding());
        let flags = op.flags();
        let halves = matches!(to, Type::Tf32 | Type::F16 | Type::Bf16 | Type::F16x2 | Type::Bf16x2);
        if halves && rounding != Rounding::Nearest && whole.is_none() {
            return Err("rounding".into());
        }
        if o.len() == 3 {
            if from != Type::F32 {
                return Err("types".into());
            }
            let function = convert::pack(to).ok_or("types")?;
            return self.lanes(function, flags, o, &[4; 3]);
        }
        if to.bytes() > 8 || from.bytes() > 8 || matches!(to, Type::F16x2 | Type::Bf16x2) {
            return Err("types".into());
        }
        let [d, a] = o else { return Err("operands".into()) };
        let d = self.any(d, to.bytes().max(2))?;
        let a = self.any(a, from.bytes().max(2))?;
        if d.bytes < to.bytes() || a.bytes < from.bytes() {
            return Err("a register is too narrow".into());
        }
        // An integer of a float is cut off where nothing is said.
        let cuts = from.is_float() && !to.is_float();
        let conversion = Conversion {
            to,
            from,
            rounding: if cuts && whole.is_none() { Rounding::TowardsZero } else { rounding },
            whole: whole.is_some() || cuts,
            flags,
            to_bytes: d.bytes,
            from_bytes: a.bytes,
        };
        Ok(match convert::fast(&conversion) {
            Some(function) => {
                let operands = Operands { d: d.slot, a: a.slot, ..Operands::default() };
                Operation::Lanes(function, operands)
            }
            None => Operation::Convert(Box::new(conversion), d.slot, a.slot),
        })
    }

    pub(super) fn setp(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        let type_ = op.type_()?;
        let ftz = op.take("ftz");
        let relation =
            op.take_as(|word| Relation::of_name(word, type_, ftz)).ok_or("comparison or type")?;
        let (d, other) = match o.first().ok_or("an operand is missing")? {
            Operand::Pair(d, other) => (self.predicate(d)?, Some(self.predicate(other)?)),
            d => (self.predicate(d)?, None),
        };
        let combined = match (op.take_as(logic), o.get(3)) {
            (Some(logic), Some(operand)) => Some((logic, self.condition(operand)?)),
            (None, None) => None,
            _ => return Err("combination".into()),
        };
        Ok(Operation::Compare(Box::new(Comparison {
            relation,
            d,
            other,
            a: self.register(o.get(1), type_.bytes())?,
            b: self.register(o.get(2), type_.bytes())?,
            combined,
        })))
    }

    pub(super) fn set(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        if o.len() != 3 {
            return Err("a combination".into());
        }
        let types = op.types();
        let [to, type_] = types[..] else { return Err("types".into()) };
        let ftz = op.take("ftz");
        let compared = match type_ {
            Type::F16x2 => Type::F16,
            Type::Bf16x2 => Type::Bf16,
            other => other,
        };
        let relation = op
            .take_as(|word| Relation::of_name(word, compared, ftz))
            .ok_or("comparison or type")?;
        let value = match to {
            Type::F32 => 1f32.to_bits().into(),
            Type::F16 | Type::F16x2 => 0x3c00,
            Type::Bf16 | Type::Bf16x2 => 0x3f80,
            Type::U16 | Type::S16 => 0xffff,
            Type::U32 | Type::S32 if compared == type_ => 0xffff_ffff,
            Type::U32 | Type::S32 => 0xffff,
            _ => return Err("types".into()),
        };
        let halves = (compared != type_)
            .then(|| [self.layout.register(2).slot, self.layout.register(2).slot]);
        Ok(Operation::Set(Box::new(Set {
            relation,
            d: Register { slot: self.register(o.first(), to.bytes())?, bytes: to.bytes() },
            a: self.register(o.get(1), type_.bytes())?,
            b: self.register(o.get(2), type_.bytes())?,
            value,
            halves,
        })))
    }
}

/// What combines predicates, by its name.
pub(super) fn logic(name: &str) -> Option<Logic> {
    match name {
        "and" => Some(Logic::And),
        "or" => Some(Logic::Or),
        "xor" => Some(Logic::Xor),
        _ => None,
    }
}
