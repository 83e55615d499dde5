//! Branches, barriers and what does nothing here.

use super::function::{Compiler, Decoded};
use super::opcode::Opcode;
use super::program::*;
use crate::ptx::Operand;

impl<'a> Compiler<'_, '_, 'a> {
    /// Decodes an instruction that chooses what comes next, or waits.
    pub(super) fn control(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        match op.name {
            "bra" => {
                op.ignore(&["uni"]);
                let Some(Operand::Name(label)) = o.first() else { return Err("label".into()) };
                Ok(Operation::Branch(self.label(label)?))
            }
            "brx" => {
                op.ignore(&["idx", "uni"]);
                let Some(Operand::Name(table)) = o.get(1) else { return Err("table".into()) };
                let targets = self.table(table)?;
                Ok(Operation::BranchTable { targets, index: self.register(o.first(), 4)? })
            }
            "ret" => {
                op.ignore(&["uni"]);
                Ok(self.return_label().map_or(Operation::Exit, Operation::Branch))
            }
            "exit" => Ok(Operation::Exit),
            "trap" => Ok(Operation::Trap),
            "bar" | "barrier" => self.barrier(op, o),
            // One lane after another sees all that was written, and no time passes.
            "membar" | "fence" | "nanosleep" | "prefetch" | "prefetchu" | "discard" | "pmevent"
            | "griddepcontrol" | "setmaxnreg" => {
                op.ignore_all();
                Ok(Operation::Nothing)
            }
            _ => Err("operation".into()),
        }
    }

    fn barrier(&mut self, op: &mut Opcode, o: &[Operand<'a>]) -> Decoded {
        if op.take("warp") {
            op.ignore(&["sync"]);
            let members = self.register(o.first(), 4)?;
            return Ok(Operation::Collective(Box::new(Collective {
                members,
                kind: CollectiveKind::Sync,
            })));
        }
        op.ignore(&["cta", "aligned"]);
        if !op.take("sync") {
            return Err("form of a barrier".into());
        }
        let count = if o.len() > 1 { Some(self.register(o.get(1), 4)?) } else { None };
        Ok(Operation::Barrier { id: self.register(o.first(), 4)?, count })
    }
}
