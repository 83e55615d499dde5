//! An opcode with its modifiers, each of which must be understood by somebody.

use crate::interpreter::lanes::{FTZ, RELU, SAT};
use crate::interpreter::number::Rounding;
use crate::ptx::{Space, Type};

/// An opcode; what is taken is gone, and [`Opcode::finish`] names what is left.
pub(crate) struct Opcode<'a> {
    pub(crate) name: &'a str,
    modifiers: Vec<&'a str>,
}

impl<'a> Opcode<'a> {
    /// Splits `ld.global.f32`.
    pub(crate) fn new(text: &'a str) -> Self {
        let mut parts = text.split('.').filter(|part| !part.is_empty());
        Self { name: parts.next().unwrap_or(""), modifiers: parts.collect() }
    }

    /// Whether the modifier is there; it stays.
    pub(crate) fn has(&self, modifier: &str) -> bool {
        self.modifiers.contains(&modifier)
    }

    /// Whether the modifier is there; it is gone then.
    pub(crate) fn take(&mut self, modifier: &str) -> bool {
        let at = self.modifiers.iter().position(|found| *found == modifier);
        at.map(|at| self.modifiers.remove(at)).is_some()
    }

    /// The first modifier that a function knows.
    pub(crate) fn take_as<T>(&mut self, known: impl Fn(&str) -> Option<T>) -> Option<T> {
        let at = self.modifiers.iter().position(|found| known(found).is_some())?;
        known(self.modifiers.remove(at))
    }

    /// Takes modifiers that change nothing here.
    pub(crate) fn ignore(&mut self, modifiers: &[&str]) {
        self.modifiers.retain(|found| !modifiers.contains(found));
    }

    /// Takes all modifiers.
    pub(crate) fn ignore_all(&mut self) {
        self.modifiers.clear();
    }

    /// Takes hints about caches, scopes and the order of memory: here all is in order at once.
    pub(crate) fn ignore_memory_hints(&mut self) {
        self.modifiers.retain(|found| {
            let hint = matches!(
                *found,
                "relaxed"
                    | "acquire"
                    | "release"
                    | "acq_rel"
                    | "volatile"
                    | "weak"
                    | "cta"
                    | "cluster"
                    | "gpu"
                    | "sys"
                    | "nc"
                    | "ca"
                    | "cg"
                    | "cs"
                    | "lu"
                    | "cv"
                    | "wb"
                    | "wt"
                    | "sc"
                    | "mmio"
            );
            !(hint || found.starts_with("L1::") || found.starts_with("L2::"))
        });
    }

    /// The type at the end.
    pub(crate) fn type_(&mut self) -> Result<Type, String> {
        let last = self.modifiers.last().and_then(|last| Type::of_name(last));
        let type_ = last.ok_or("no type at the end")?;
        self.modifiers.pop();
        Ok(type_)
    }

    /// All types, in order.
    pub(crate) fn types(&mut self) -> Vec<Type> {
        std::iter::from_fn(|| self.take_as(Type::of_name)).collect()
    }

    /// The space of a memory access.
    pub(crate) fn space(&mut self) -> Space {
        let named = self.take_as(|word| match word {
            "global" | "const" => Some(Space::Global),
            "shared" | "shared::cta" => Some(Space::Shared),
            "local" => Some(Space::Local),
            "param" | "param::entry" | "param::func" => Some(Space::Param),
            _ => None,
        });
        named.unwrap_or(Space::Generic)
    }

    /// The rounding, which is to the nearest where nothing is said.
    pub(crate) fn rounding(&mut self) -> Rounding {
        let named = self.take_as(|word| match word {
            "rn" => Some(Rounding::Nearest),
            "rz" => Some(Rounding::TowardsZero),
            "rm" => Some(Rounding::Down),
            "rp" => Some(Rounding::Up),
            _ => None,
        });
        named.unwrap_or(Rounding::Nearest)
    }

    /// `.ftz`, `.sat` and `.relu`.
    pub(crate) fn flags(&mut self) -> u8 {
        let mut flag = |name, flag| if self.take(name) { flag } else { 0 };
        flag("ftz", FTZ) | flag("sat", SAT) | flag("relu", RELU)
    }

    /// # Errors
    /// A modifier that nobody took.
    pub(crate) fn finish(&self) -> Result<(), String> {
        match self.modifiers.first() {
            None => Ok(()),
            Some(modifier) => Err(format!("modifier .{modifier}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modifier_that_nobody_takes_is_named() {
        let mut opcode = Opcode::new("ld.global.L2::128B.nc.magic.f32");
        assert_eq!((opcode.type_(), opcode.space()), (Ok(Type::F32), Space::Global));
        opcode.ignore_memory_hints();
        assert_eq!(opcode.finish(), Err("modifier .magic".into()));
    }
}
