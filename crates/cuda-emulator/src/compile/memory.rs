//! Instructions that touch memory.

use super::function::{Compiler, Decoded};
use super::opcode::Opcode;
use super::program::*;
use crate::interpreter::access;
use crate::interpreter::lanes::Operands;
use crate::interpreter::memory::{GENERIC_LOCAL, GENERIC_PARAM, GENERIC_SHARED};
use crate::ptx::{Operand, Space, Type};

impl<'a> Compiler<'_, '_, 'a> {
    /// Decodes an instruction that touches memory.
    pub(super) fn memory(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        match op.name {
            "ld" | "ldu" | "st" => self.load_or_store(op, o),
            "cvta" => self.generic_address(op, o),
            "atom" | "red" => self.atomic(op, o),
            "cp" if op.has("bulk") => self.tensor_load(op, o),
            "cp" => self.copy_async(op, o),
            "mbarrier" => self.barrier_object(op, o),
            _ => Err("operation".into()),
        }
    }

    fn load_or_store(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        let type_ = op.type_()?;
        let space = op.space();
        op.ignore_memory_hints();
        let count = op.take_as(|word| match word {
            "v2" => Some(2),
            "v4" => Some(4),
            "v8" => Some(8),
            _ => None,
        });
        if type_ == Type::Pred || type_ == Type::B128 {
            return Err("type".into());
        }
        let stores = op.name == "st";
        let (address, value) = if stores { (o.first(), o.get(1)) } else { (o.get(1), o.first()) };
        let (address, of_variable) = self.address(address)?;
        // Parameters of a call lie in memory of the thread.
        let space = match (space, of_variable) {
            (Space::Param, Some(Space::Local)) => Space::Local,
            (Space::Generic, Some(_)) => return Err("a variable without its space".into()),
            _ => space,
        };
        let value = value.ok_or("an operand is missing")?;
        let registers = self.registers(value, type_.bytes().max(2))?;
        let bytes = registers[0].bytes;
        let fits = registers.iter().all(|register| register.bytes == bytes);
        if registers.len() != count.unwrap_or(1) || !fits {
            return Err("registers".into());
        }
        let values = registers.iter().map(|register| register.slot).collect();
        let access = Box::new(Access { space, address, values });
        let function = if stores {
            access::store(type_.bytes(), bytes)
        } else {
            access::load(type_.bytes(), type_.is_signed(), bytes)
        };
        Ok(Operation::Memory(function.ok_or("type")?, access))
    }

    fn generic_address(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        let type_ = op.type_()?;
        if type_.bytes() != 8 {
            return Err("type".into());
        }
        let to_space = op.take("to");
        let base = match op.space() {
            Space::Shared => GENERIC_SHARED,
            Space::Local => GENERIC_LOCAL,
            Space::Param => GENERIC_PARAM,
            _ => 0,
        };
        let base = if to_space { base.wrapping_neg() } else { base };
        let operands = Operands {
            d: self.register(o.first(), 8)?,
            a: self.register(o.get(1), 8)?,
            b: self.layout.constant(base, 8),
            ..Operands::default()
        };
        let add = lanes!(|x: u64, y: u64| -> u64 { x.wrapping_add(y) });
        Ok(Operation::Lanes(add, operands))
    }

    fn atomic(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        let type_ = op.type_()?;
        let space = op.space();
        let kind = op.take_as(|word| {
            Some(match word {
                "add" => AtomicKind::Add,
                "min" => AtomicKind::Least,
                "max" => AtomicKind::Most,
                "and" => AtomicKind::And,
                "or" => AtomicKind::Or,
                "xor" => AtomicKind::Xor,
                "exch" => AtomicKind::Exchange,
                "cas" => AtomicKind::CompareAndSwap,
                "inc" => AtomicKind::Increment,
                "dec" => AtomicKind::Decrement,
                _ => return None,
            })
        });
        let kind = kind.ok_or("operation")?;
        op.ignore_memory_hints();
        op.ignore(&["noftz", "v2", "v4", "v8"]);
        let bytes = type_.bytes();
        if !matches!(bytes, 2 | 4 | 8) {
            return Err("type".into());
        }
        let mut rest = o.iter();
        let old = if op.name == "atom" {
            Some(self.registers(rest.next().ok_or("an operand is missing")?, bytes)?)
        } else {
            None
        };
        let (address, _) = self.address(rest.next())?;
        let values = self.registers(rest.next().ok_or("an operand is missing")?, bytes)?;
        let replacement = match (kind, rest.next()) {
            (AtomicKind::CompareAndSwap, Some(operand)) => Some(self.any(operand, bytes)?),
            (AtomicKind::CompareAndSwap, None) | (_, Some(_)) => return Err("operands".into()),
            _ => None,
        };
        access::check_atomic(kind, type_)?;
        if space != Space::Shared {
            self.has_atomics = true;
        }
        if type_.is_float() && kind == AtomicKind::Add {
            self.has_float_atomics = true;
        }
        let atomic = Atomic { kind, type_, space, address, old, values, replacement };
        Ok(Operation::Atomic(Box::new(atomic)))
    }

    fn copy_async(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        if !op.take("async") {
            return Err("operation".into());
        }
        if op.take("commit_group") || op.take("wait_group") || op.take("wait_all") {
            op.ignore(&["commit_group", "wait_group", "wait_all"]);
            return Ok(Operation::Nothing);
        }
        if op.take("mbarrier") {
            op.ignore(&["arrive", "b64", "shared", "shared::cta"]);
            let (address, _) = self.address(o.first())?;
            if !op.take("noinc") {
                return Ok(Operation::Nothing);
            }
            let (d, count, bytes) = (None, None, None);
            let arrive = BarrierObject::Arrive { d, address, count, bytes, arrives: true };
            return Ok(Operation::BarrierObject(Box::new(arrive)));
        }
        op.ignore(&["shared", "shared::cta", "global"]);
        op.ignore_memory_hints();
        let Some(Operand::Number(bytes)) = o.get(2) else { return Err("size".into()) };
        if !matches!(bytes, 4 | 8 | 16) {
            return Err("size".into());
        }
        Ok(Operation::CopyAsync(Box::new(CopyAsync {
            to: self.address(o.first())?.0,
            from: self.address(o.get(1))?.0,
            bytes: *bytes as usize,
            read: if o.len() > 3 { Some(self.register(o.get(3), 4)?) } else { None },
        })))
    }

    fn tensor_load(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        let known = ["async", "bulk", "tensor", "mbarrier::complete_tx::bytes"];
        if !known.iter().all(|word| op.take(word)) {
            return Err("form of a bulk copy".into());
        }
        let into = ["shared::cluster", "shared::cta"];
        if !into.iter().any(|word| op.take(word)) || !op.take("global") {
            return Err("direction of a bulk copy".into());
        }
        op.ignore(&["1d", "2d", "3d", "4d", "5d", "tile"]);
        let Some(Operand::Address { coordinates, .. }) = o.get(1) else {
            return Err("coordinates".into());
        };
        let coordinates: Decoded<Vec<_>> =
            coordinates.iter().map(|one| self.register(Some(one), 4)).collect();
        Ok(Operation::TensorLoad(Box::new(TensorLoad {
            to: self.address(o.first())?.0,
            map: self.address(o.get(1))?.0,
            coordinates: coordinates?,
            barrier: self.address(o.get(2))?.0,
        })))
    }

    fn barrier_object(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        op.ignore(&["b64", "shared", "shared::cta"]);
        op.ignore_memory_hints();
        let object = |object| Ok(Operation::BarrierObject(Box::new(object)));
        if op.take("init") {
            let address = self.address(o.first())?.0;
            return object(BarrierObject::Start { address, count: self.register(o.get(1), 4)? });
        }
        if op.take("inval") {
            return Ok(Operation::Nothing);
        }
        if op.take("test_wait") || op.take("try_wait") {
            let parity = op.take("parity");
            let bytes = if parity { 4 } else { 8 };
            return Ok(Operation::WaitForBarrierObject {
                d: self.predicate(o.first().ok_or("an operand is missing")?)?,
                address: self.address(o.get(1))?.0,
                state: Register { slot: self.register(o.get(2), bytes)?, bytes },
                parity,
            });
        }
        let arrives = op.take("arrive");
        let expects = op.take("expect_tx");
        if !arrives && !expects {
            return Err("operation".into());
        }
        let has_result = !matches!(o.first(), Some(Operand::Address { .. }));
        let rest = &o[usize::from(has_result)..];
        let d = match o.first() {
            Some(Operand::Name("_")) | None => None,
            Some(_) if !has_result => None,
            result => Some(self.register(result, 8)?),
        };
        let address = self.address(rest.first())?.0;
        let number = if rest.len() > 1 { Some(self.register(rest.get(1), 4)?) } else { None };
        let (count, bytes) = if expects { (None, number) } else { (number, None) };
        object(BarrierObject::Arrive { d, address, count, bytes, arrives })
    }
}
