//! Instructions that compute in registers.

use super::convert::logic;
use super::function::{Compiler, Decoded};
use super::opcode::Opcode;
use super::program::*;
use crate::interpreter::compare;
use crate::interpreter::lanes::{LANES, Lane, LaneFunction, Operands, Registers};
use crate::interpreter::{float, integer};
use crate::ptx::{Operand, Type};

impl<'a> Compiler<'_, '_, 'a> {
    /// Decodes an instruction that computes in registers.
    pub(super) fn arithmetic(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        match op.name {
            "mov" => self.mov(op, o),
            "cvt" => self.cvt(op, o),
            "setp" => self.setp(op, o),
            "set" => self.set(op, o),
            "testp" => {
                let type_ = op.type_()?;
                let function = op.take_as(|kind| compare::test(kind, type_)).ok_or("kind")?;
                let (d, a) = (self.first_predicate(o)?, self.register(o.get(1), type_.bytes())?);
                Ok(Operation::Test { function, d, a })
            }
            "selp" => {
                let bytes = op.type_()?.bytes();
                let function = select(bytes).ok_or("type")?;
                let e = self.predicate(o.get(3).ok_or("an operand is missing")?)?;
                let sources = Operands {
                    d: self.register(o.first(), bytes)?,
                    a: self.register(o.get(1), bytes)?,
                    b: self.register(o.get(2), bytes)?,
                    e,
                    ..Operands::default()
                };
                Ok(Operation::Lanes(function, sources))
            }
            "slct" => {
                let by = op.type_()?;
                op.ignore(&["ftz"]);
                let bytes = op.type_()?.bytes();
                let function = match (bytes, by) {
                    (4, Type::S32) => {
                        lanes!(|x: u32, y: u32, z: i32| -> u32 { if z >= 0 { x } else { y } })
                    }
                    (4, Type::F32) => {
                        lanes!(|x: u32, y: u32, z: f32| -> u32 { if z >= 0.0 { x } else { y } })
                    }
                    (8, Type::S32) => {
                        lanes!(|x: u64, y: u64, z: i32| -> u64 { if z >= 0 { x } else { y } })
                    }
                    _ => return Err("types".into()),
                };
                self.lanes(function, 0, o, &[bytes, bytes, bytes, 4])
            }
            "and" | "or" | "xor" | "not" if op.has("pred") => {
                op.type_()?;
                let d = self.first_predicate(o)?;
                let a = self.condition(o.get(1).ok_or("an operand is missing")?)?;
                if op.name == "not" {
                    let b = Condition { flip: !a.flip, ..a };
                    return Ok(Operation::Predicates { logic: Logic::And, d, a: b, b });
                }
                let b = self.condition(o.get(2).ok_or("an operand is missing")?)?;
                Ok(Operation::Predicates { logic: logic(op.name).ok_or("logic")?, d, a, b })
            }
            "lop3" => {
                op.type_()?;
                let Some(Operand::Number(table)) = o.get(4) else { return Err("table".into()) };
                let function = integer::ternary("lop3", Type::B32).ok_or("type")?;
                self.lanes(function, *table as u8, o, &[4; 4])
            }
            "bfi" => {
                let type_ = op.type_()?;
                let function = integer::insert(type_).ok_or("type")?;
                let bytes = type_.bytes();
                let operands = Operands {
                    d: self.register(o.first(), bytes)?,
                    a: self.register(o.get(1), bytes)?,
                    b: self.register(o.get(2), bytes)?,
                    c: self.register(o.get(3), 4)?,
                    e: self.register(o.get(4), 4)?,
                    flags: 0,
                };
                Ok(Operation::Lanes(function, operands))
            }
            "add" | "sub" | "addc" | "subc" | "mad" | "madc" if is_of_carry(op) => {
                self.carry(op, o)
            }
            "fma" | "mad" if matches!(o.len(), 4) => self.multiply_add(op, o),
            "bfe" => {
                let type_ = op.type_()?;
                let function = integer::ternary("bfe", type_).ok_or("type")?;
                self.lanes(function, 0, o, &[type_.bytes(), type_.bytes(), 4, 4])
            }
            "sad" => {
                let type_ = op.type_()?;
                self.lanes(integer::ternary("sad", type_).ok_or("type")?, 0, o, &[4; 4])
            }
            "prmt" => {
                op.type_()?;
                self.lanes(integer::ternary("prmt", Type::B32).ok_or("type")?, 0, o, &[4; 4])
            }
            "shf" => {
                op.type_()?;
                let mut name = String::from("shf");
                for choice in [["l", "r"], ["wrap", "clamp"]] {
                    let taken =
                        choice.iter().find(|word| op.take(word)).ok_or("direction or mode")?;
                    name = name + "." + taken;
                }
                self.lanes(integer::ternary(&name, Type::B32).ok_or("mode")?, 0, o, &[4; 4])
            }
            "dp4a" => {
                let sign = |type_| if type_ == Type::S32 { "s32" } else { "u32" };
                let types = op.types();
                let [a, b] = types[..] else { return Err("types".into()) };
                let name = format!("dp4a.{}.{}", sign(a), sign(b));
                self.lanes(integer::ternary(&name, Type::B32).ok_or("types")?, 0, o, &[4; 4])
            }
            _ => self.plain(op, o),
        }
    }

    fn first_predicate(&mut self, o: &[Operand<'a>]) -> Decoded<u32> {
        self.predicate(o.first().ok_or("an operand is missing")?)
    }

    /// A function on lanes, whose operands have these widths.
    pub(super) fn lanes(
        &mut self,
        function: LaneFunction,
        flags: u8,
        o: &[Operand<'a>],
        bytes: &[usize],
    ) -> Decoded {
        let mut slots = [0; 4];
        for (index, bytes) in bytes.iter().enumerate() {
            slots[index] = self.register(o.get(index), *bytes)?;
        }
        let [d, a, b, c] = slots;
        Ok(Operation::Lanes(function, Operands { d, a, b, c, e: 0, flags }))
    }

    /// Instructions of one or two operands of one type.
    fn plain(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        let type_ = op.type_()?;
        let bytes = type_.bytes();
        if o.len() == 2 {
            if type_.is_float() {
                op.ignore(&["rn", "approx"]);
                let flags = op.flags();
                let function = float::unary(op.name, type_, flags).ok_or("operation or type")?;
                return self.lanes(function, flags, o, &[bytes; 2]);
            }
            let shift = op.name == "bfind" && op.take("shiftamt");
            let name = if shift { "bfind.shiftamt" } else { op.name };
            let function = integer::unary(name, type_).ok_or("operation or type")?;
            // What counts bits has 32 bits.
            let counts = matches!(op.name, "popc" | "clz" | "bfind");
            return self.lanes(function, 0, o, &[if counts { 4 } else { bytes }, bytes]);
        }
        if o.len() != 3 {
            return Err("operation".into());
        }
        if type_.is_float() {
            let rounding = op.rounding();
            op.ignore(&["approx", "full"]);
            let nan = op.take("NaN");
            let name = match (op.name, nan) {
                ("min", true) => "min.nan",
                ("max", true) => "max.nan",
                (name, false) => name,
                _ => return Err("modifier .NaN".into()),
            };
            let flags = op.flags();
            let function =
                float::binary(name, type_, rounding, flags).ok_or("operation, type or rounding")?;
            return self.lanes(function, flags, o, &[bytes; 3]);
        }
        let mut name = op.name.to_string();
        if let Some(part) =
            op.take_as(|word| ["lo", "hi", "wide", "sat"].into_iter().find(|known| *known == word))
        {
            name = name + "." + part;
        }
        let function = integer::binary(&name, type_).ok_or("operation or type")?;
        let result = if name == "mul.wide" { 2 * bytes } else { bytes };
        let second = if matches!(op.name, "shl" | "shr") { 4 } else { bytes };
        self.lanes(function, 0, o, &[result, bytes, second])
    }

    fn multiply_add(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        let type_ = op.type_()?;
        let bytes = type_.bytes();
        if type_.is_float() {
            let (rounding, flags) = (op.rounding(), op.flags());
            let function = float::fma(type_, rounding, flags).ok_or("type or rounding")?;
            return self.lanes(function, flags, o, &[bytes; 4]);
        }
        let part = ["lo", "hi", "wide"].into_iter().find(|part| op.take(part)).ok_or("part")?;
        let function =
            integer::ternary(&format!("mad.{part}"), type_).ok_or("operation or type")?;
        let result = if part == "wide" { 2 * bytes } else { bytes };
        self.lanes(function, 0, o, &[result, bytes, bytes, result])
    }

    fn carry(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        let type_ = op.type_()?;
        let bytes = type_.bytes();
        if type_.is_float() || bytes < 4 {
            return Err("type".into());
        }
        let writes = op.take("cc");
        let (kind, reads) = match op.name {
            "add" => (CarryKind::Add, false),
            "addc" => (CarryKind::Add, true),
            "sub" => (CarryKind::Subtract, false),
            "subc" => (CarryKind::Subtract, true),
            name => {
                let kind = if op.take("hi") {
                    CarryKind::MultiplyHigh
                } else if op.take("lo") {
                    CarryKind::MultiplyLow
                } else {
                    return Err("part".into());
                };
                if kind == CarryKind::MultiplyHigh && type_.is_signed() {
                    return Err("signed".into());
                }
                (kind, name == "madc")
            }
        };
        let multiplies = matches!(kind, CarryKind::MultiplyLow | CarryKind::MultiplyHigh);
        Ok(Operation::Carry(Box::new(Carry {
            kind,
            bytes,
            reads,
            writes,
            d: self.register(o.first(), bytes)?,
            a: self.register(o.get(1), bytes)?,
            b: self.register(o.get(2), bytes)?,
            c: if multiplies { self.register(o.get(3), bytes)? } else { 0 },
        })))
    }
}

fn is_of_carry(op: &Opcode) -> bool {
    op.name.ends_with('c') || op.has("cc")
}

/// `selp` for lanes of so many bytes; its predicate is in the place of the fourth source.
fn select(bytes: usize) -> Option<LaneFunction> {
    #[inline(always)]
    fn run<T: Lane>(r: &mut Registers, o: &Operands, mask: u32) {
        let taken = r.predicates[o.e as usize];
        let (a, b) = (r.lanes::<T>(o.a), r.lanes::<T>(o.b));
        let mut values = [T::default(); LANES];
        for lane in 0..LANES {
            values[lane] = if taken >> lane & 1 != 0 { a[lane] } else { b[lane] };
        }
        r.write(o.d, mask, &values);
    }
    macro_rules! of {
        ($type:ty) => {
            compiled_twice!(LaneFunction, (r: &mut Registers, o: &Operands, mask: u32),
                run::<$type>(r, o, mask))
        };
    }
    match bytes {
        2 => Some(of!(u16)),
        4 => Some(of!(u32)),
        8 => Some(of!(u64)),
        _ => None,
    }
}
