//! The interpreter's loop.

use super::Fault;
use super::convert::convert;
use super::lanes::{LANES, lanes_of};
use super::memory::Memory;
use super::warp::{Group, Warp};
use crate::compile::{Carry, CarryKind, Comparison, Instruction, Operation, Register, Set};
use crate::failure::Failure;

/// How often a warp may look at a barrier object that does not open.
const MOST_WAITS: u32 = 1_000_000;

/// What a group of lanes does after an instruction.
enum Next {
    /// The next instruction.
    Step,
    /// Other groups or warps first.
    Stop,
}

impl Warp {
    /// Runs until all its lanes have ended or wait for other warps.
    pub(super) fn run(&mut self, memory: &Memory) -> Result<(), Fault> {
        loop {
            let Some(group) = self.take_next() else {
                if self.groups.is_empty() {
                    return Ok(());
                }
                let group = self.groups[0];
                let instruction = &memory.launch.program.code[group.pc as usize];
                return Err(at(
                    instruction,
                    Fault::failed(format!(
                        "the lanes {:#x} wait for lanes that never come",
                        group.mask
                    )),
                ));
            };
            if !self.run_group(memory, group)? {
                return Ok(());
            }
        }
    }

    /// Runs a group until others are at a lower instruction. Gives whether the warp goes on.
    fn run_group(&mut self, memory: &Memory, group: Group) -> Result<bool, Fault> {
        let Group { mut pc, mut mask, .. } = group;
        let code = &memory.launch.program.code[..];
        let budget = memory.launch.budget;
        let (mut lowest, mut some_wait) = self.others();
        loop {
            if pc >= lowest || some_wait && self.is_anyone_at(pc) {
                self.add(pc, mask);
                return Ok(true);
            }
            let instruction = &code[pc as usize];
            self.count += 1;
            if self.count > budget {
                self.alive = 0;
                self.groups.clear();
                self.at_barrier.clear();
                return Ok(false);
            }
            let active = if instruction.guard == Instruction::ALWAYS {
                mask
            } else {
                let guard = self.registers.predicates[instruction.guard as usize];
                mask & (guard ^ instruction.flip)
            };
            match &instruction.operation {
                Operation::Lanes(function, operands) => {
                    // SAFETY: the compiler chose the function by this processor.
                    unsafe { function(&mut self.registers, operands, active) };
                    pc += 1;
                }
                Operation::Memory(function, access) => {
                    if active != 0 {
                        // SAFETY: as above, and the access is of this program.
                        let done = unsafe { function(self, memory, access, active) };
                        done.map_err(|fault| at(instruction, fault))?;
                    }
                    pc += 1;
                }
                Operation::Compare(comparison) => {
                    self.compare(comparison, active);
                    pc += 1;
                }
                Operation::Branch(target) => {
                    if active == mask {
                        pc = *target;
                    } else if active != 0 {
                        self.add(*target, active);
                        mask &= !active;
                        (lowest, some_wait) = self.others();
                        pc += 1;
                    } else {
                        pc += 1;
                    }
                }
                Operation::BranchTable { targets, index } => {
                    for lane in lanes_of(active) {
                        let index = self.registers.lanes::<u32>(*index)[lane] as usize;
                        let target = targets.get(index).ok_or_else(|| {
                            at(instruction, Fault::failed("a branch beyond its table"))
                        })?;
                        self.add(*target, 1 << lane);
                    }
                    self.add(pc + 1, mask & !active);
                    return Ok(true);
                }
                Operation::Exit => {
                    self.alive &= !active;
                    mask &= !active;
                    if active != 0 {
                        // Nobody waits for lanes that have ended.
                        self.groups.iter_mut().for_each(|group| group.waits = false);
                        (lowest, some_wait) = self.others();
                    }
                    if mask == 0 {
                        return Ok(true);
                    }
                    pc += 1;
                }
                Operation::Barrier { id, count } => {
                    if active != mask {
                        return Err(at(instruction, Fault::failed("a barrier under a predicate")));
                    }
                    let threads: u32 = memory.launch.block.iter().product();
                    let lane = mask.trailing_zeros() as usize;
                    let number = |slot: u32| self.registers.lanes::<u32>(slot)[lane];
                    if let Some(count) = count.map(number)
                        && count != threads
                    {
                        let text = format!("a barrier of {count} of {threads} threads");
                        return Err(at(instruction, Fault::failed(text)));
                    }
                    let id = number(*id);
                    self.at_barrier.push((Group { pc: pc + 1, mask, waits: false }, id));
                    return Ok(true);
                }
                Operation::Collective(collective) => {
                    if active != 0 {
                        let lane = active.trailing_zeros() as usize;
                        let members = self.registers.lanes::<u32>(collective.members)[lane];
                        if members & self.alive & !mask != 0 {
                            self.groups.push(Group { pc, mask, waits: true });
                            return Ok(true);
                        }
                        self.collective(&collective.kind, active);
                    }
                    pc += 1;
                }
                Operation::WaitForBarrierObject { d, address, state, parity } => {
                    let finished = self
                        .finished_phases(memory, address, *state, *parity, active)
                        .map_err(|fault| at(instruction, fault))?;
                    self.registers.write_predicate(*d, active, finished);
                    if finished != active {
                        // Others have to run for it to open.
                        self.waits += 1;
                        if self.waits > MOST_WAITS {
                            let fault = Fault::failed("waits for a barrier that never opens");
                            return Err(at(instruction, fault));
                        }
                        self.add(pc + 1, mask);
                        return Ok(false);
                    }
                    pc += 1;
                }
                operation => {
                    match self.other(memory, operation, active).map_err(|f| at(instruction, f))? {
                        Next::Step => pc += 1,
                        Next::Stop => return Ok(true),
                    }
                }
            }
        }
    }

    fn other(&mut self, memory: &Memory, operation: &Operation, mask: u32) -> Result<Next, Fault> {
        match operation {
            Operation::Test { function, d, a } => {
                // SAFETY: the compiler chose the function by this processor.
                let holds = unsafe { function(&self.registers, *a) };
                self.registers.write_predicate(*d, mask, holds);
            }
            Operation::Predicates { logic, d, a, b } => {
                let value = |of: &crate::compile::Condition| {
                    self.registers.predicates[of.predicate as usize] ^ of.flip
                };
                let value = logic.of(value(a), value(b));
                self.registers.write_predicate(*d, mask, value);
            }
            Operation::Constant { d, value } => self.registers.write_predicate(*d, mask, *value),
            Operation::Set(set) => self.set(set, mask),
            Operation::Convert(conversion, d, a) => {
                convert(&mut self.registers, conversion, *d, *a, mask);
            }
            Operation::Carry(carry) => self.carry(carry, mask),
            Operation::Pack { d, sources } => {
                for lane in lanes_of(mask) {
                    let parts = sources.iter().enumerate().map(|(index, source)| {
                        self.lane(*source, lane) << (8 * source.bytes * index)
                    });
                    let value = parts.fold(0, |value, part| value | part);
                    self.set_lane(*d, lane, value);
                }
            }
            Operation::Unpack { targets, a } => {
                for lane in lanes_of(mask) {
                    let value = self.lane(*a, lane);
                    for (index, target) in targets.iter().enumerate() {
                        self.set_lane(*target, lane, value >> (8 * target.bytes * index));
                    }
                }
            }
            Operation::Clock(Register { slot, bytes }) => {
                let now = [self.count; LANES];
                self.registers.write_wide(*slot, *bytes, mask, &now);
            }
            Operation::ActiveMask(slot) => self.registers.write(*slot, mask, &[mask; LANES]),
            Operation::Atomic(atomic) => self.atomic(memory, atomic, mask)?,
            Operation::CopyAsync(copy) => self.copy_async(memory, copy, mask)?,
            Operation::Matrix(matrix) if mask != 0 => self.matrix(memory, matrix, mask)?,
            Operation::BarrierObject(object) => self.barrier_object(memory, object, mask)?,
            Operation::TensorLoad(load) => self.tensor_load(memory, load, mask)?,
            Operation::Matrix(_) | Operation::Nothing => {}
            Operation::Trap if mask == 0 => {}
            Operation::Trap => return Err(Fault::failed("trap")),
            Operation::Unknown if mask == 0 => {}
            Operation::Unknown => {
                let text = "an instruction that the emulator does not know";
                return Err(Fault::new(Failure::IllegalInstruction, text));
            }
            // The loop runs these.
            Operation::Lanes(..)
            | Operation::Memory(..)
            | Operation::Compare(..)
            | Operation::Branch(..)
            | Operation::BranchTable { .. }
            | Operation::Exit
            | Operation::Barrier { .. }
            | Operation::Collective(..)
            | Operation::WaitForBarrierObject { .. } => return Ok(Next::Stop),
        }
        Ok(Next::Step)
    }

    fn compare(&mut self, comparison: &Comparison, mask: u32) {
        let holds = comparison.relation.holds(&self.registers, comparison.a, comparison.b);
        let (mut first, mut second) = (holds, !holds);
        if let Some((logic, condition)) = comparison.combined {
            let with = self.registers.predicates[condition.predicate as usize] ^ condition.flip;
            (first, second) = (logic.of(first, with), logic.of(second, with));
        }
        self.registers.write_predicate(comparison.d, mask, first);
        if let Some(other) = comparison.other {
            self.registers.write_predicate(other, mask, second);
        }
    }

    fn set(&mut self, set: &Set, mask: u32) {
        let chosen = |holds: u32, lane: usize| if holds >> lane & 1 != 0 { set.value } else { 0 };
        let values: [u64; LANES] = match set.halves {
            None => {
                let holds = set.relation.holds(&self.registers, set.a, set.b);
                std::array::from_fn(|lane| chosen(holds, lane))
            }
            Some([x, y]) => {
                let mut values = [0; LANES];
                for shift in [0, 16] {
                    for (from, to) in [(set.a, x), (set.b, y)] {
                        let half = self.registers.lanes::<u32>(from).map(|v| (v >> shift) as u16);
                        *self.registers.lanes_mut::<u16>(to) = half;
                    }
                    let holds = set.relation.holds(&self.registers, x, y);
                    for (lane, value) in values.iter_mut().enumerate() {
                        *value |= chosen(holds, lane) << shift;
                    }
                }
                values
            }
        };
        self.registers.write_wide(set.d.slot, set.d.bytes, mask, &values);
    }

    fn carry(&mut self, carry: &Carry, mask: u32) {
        let bits = 8 * carry.bytes as u32;
        let wide = |slot| Register { slot, bytes: carry.bytes };
        for lane in lanes_of(mask) {
            let number = |slot| u128::from(self.lane(wide(slot), lane));
            let (x, y) = (number(carry.a), number(carry.b));
            let carried = u128::from(carry.reads && self.registers.carry >> lane & 1 != 0);
            let most = (1u128 << bits) - 1;
            let result = match carry.kind {
                CarryKind::Add => x + y + carried,
                CarryKind::Subtract => x.wrapping_sub(y).wrapping_sub(carried),
                CarryKind::MultiplyLow => ((x * y) & most) + number(carry.c) + carried,
                CarryKind::MultiplyHigh => ((x * y) >> bits) + number(carry.c) + carried,
            };
            if carry.writes {
                let flag = (result >> bits & 1) as u32;
                self.registers.carry = self.registers.carry & !(1 << lane) | flag << lane;
            }
            self.set_lane(wide(carry.d), lane, (result & most) as u64);
        }
    }
}

/// Says at which instruction it happened.
fn at(instruction: &Instruction, fault: Fault) -> Fault {
    let text = format!("{} at `{}` (PTX line {})", fault.text, instruction.text, instruction.line);
    Fault { text, ..fault }
}
