//! What lanes of a warp do together.

use super::function::{Compiler, Decoded};
use super::opcode::Opcode;
use super::program::*;
use crate::ptx::{Operand, Type};

impl<'a> Compiler<'_, '_, 'a> {
    /// Decodes an instruction of a whole warp.
    pub(super) fn collective(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        if op.name == "activemask" {
            op.type_()?;
            return Ok(Operation::ActiveMask(self.register(o.first(), 4)?));
        }
        if op.name != "elect" && !op.has("sync") {
            return Err("form without .sync".into());
        }
        op.ignore(&["sync"]);
        let first = o.first().ok_or("an operand is missing")?;
        let (first, second) = match first {
            Operand::Pair(first, second) => (&**first, Some(&**second)),
            first => (first, None),
        };
        let (kind, members) = match op.name {
            "shfl" => {
                op.type_()?;
                let mode = op.take_as(|word| match word {
                    "up" => Some(Shuffle::Up),
                    "down" => Some(Shuffle::Down),
                    "bfly" => Some(Shuffle::Butterfly),
                    "idx" => Some(Shuffle::Index),
                    _ => None,
                });
                let kind = CollectiveKind::Shuffle {
                    mode: mode.ok_or("mode")?,
                    d: self.register(Some(first), 4)?,
                    valid: second.map(|operand| self.predicate(operand)).transpose()?,
                    a: self.register(o.get(1), 4)?,
                    b: self.register(o.get(2), 4)?,
                    c: self.register(o.get(3), 4)?,
                };
                (kind, o.get(4))
            }
            "vote" => {
                let a = self.condition(o.get(1).ok_or("an operand is missing")?)?;
                let type_ = op.type_()?;
                let kind = if op.take("ballot") {
                    CollectiveKind::Ballot { d: self.register(Some(first), 4)?, a }
                } else {
                    let mode = op.take_as(|word| match word {
                        "all" => Some(Vote::All),
                        "any" => Some(Vote::Any),
                        "uni" => Some(Vote::Same),
                        _ => None,
                    });
                    let mode = mode.filter(|_| type_ == Type::Pred).ok_or("mode")?;
                    CollectiveKind::Vote { mode, d: self.predicate(first)?, a }
                };
                (kind, o.get(2))
            }
            "redux" => {
                let type_ = op.type_()?;
                if type_.is_float() || type_.bytes() != 4 {
                    return Err("type".into());
                }
                let mode = op.take_as(|word| {
                    Some(match (word, type_.is_signed()) {
                        ("add", _) => Reduce::Add,
                        ("and", _) => Reduce::And,
                        ("or", _) => Reduce::Or,
                        ("xor", _) => Reduce::Xor,
                        ("min", false) => Reduce::Least,
                        ("max", false) => Reduce::Most,
                        ("min", true) => Reduce::LeastSigned,
                        ("max", true) => Reduce::MostSigned,
                        _ => return None,
                    })
                });
                let kind = CollectiveKind::Reduce {
                    mode: mode.ok_or("operation")?,
                    d: self.register(Some(first), 4)?,
                    a: self.register(o.get(1), 4)?,
                };
                (kind, o.get(2))
            }
            "match" => {
                let bytes = op.type_()?.bytes();
                let a = Register { slot: self.register(o.get(1), bytes)?, bytes };
                let d = self.register(Some(first), 4)?;
                let kind = if op.take("any") {
                    CollectiveKind::MatchAny { d, a }
                } else if op.take("all") {
                    let all = second.map(|operand| self.predicate(operand)).transpose()?;
                    CollectiveKind::MatchAll { d, all, a }
                } else {
                    return Err("mode".into());
                };
                (kind, o.get(2))
            }
            "elect" => {
                let elected = self.predicate(second.ok_or("an operand is missing")?)?;
                let d = self.register(Some(first), 4)?;
                (CollectiveKind::Elect { d, elected }, o.get(1))
            }
            _ => return Err("operation".into()),
        };
        let members = self.register(members, 4)?;
        Ok(Operation::Collective(Box::new(Collective { members, kind })))
    }
}
