//! A warp: its lanes, and which instructions they are at.

use super::lanes::{FULL, LANES, Registers};
use super::launch::Launch;
use crate::compile::{Program, Special};

/// Lanes that are at the same instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) pc: u32,
    pub(super) mask: u32,
    /// Whether they wait for lanes that are elsewhere.
    pub(super) waits: bool,
}

/// A warp of a block.
pub(crate) struct Warp {
    pub(crate) registers: Registers,
    /// Memory of each lane, one lane after another.
    pub(crate) local: super::memory::Bytes,
    /// The allocation that was used last.
    pub(crate) last_range: (u64, u64),
    index: u32,
    lanes: u32,
    pub(super) alive: u32,
    pub(super) groups: Vec<Group>,
    /// Lanes at a barrier of the block: where they go on, and the barrier.
    pub(super) at_barrier: Vec<(Group, u32)>,
    pub(super) count: u64,
    /// How often the warp has given way to others while it waits for a barrier object.
    pub(super) waits: u32,
}

impl Warp {
    /// The warp of this index in a block.
    pub(super) fn new(launch: &Launch, index: u32) -> Self {
        let program = launch.program;
        let threads: u32 = launch.block.iter().product();
        let lanes = match threads - index * LANES as u32 {
            some @ ..32 => (1 << some) - 1,
            _ => FULL,
        };
        let mut warp = Self {
            registers: Registers::new(program.lines, program.predicates),
            local: super::memory::Bytes::new(program.local_bytes * LANES),
            last_range: (1, 0),
            index,
            lanes,
            alive: 0,
            groups: vec![],
            at_barrier: vec![],
            count: 0,
            waits: 0,
        };
        for constant in &program.constants {
            let values = [constant.value; LANES];
            warp.registers.write_wide(constant.slot, constant.bytes, FULL, &values);
        }
        warp.fill_specials(launch, [0; 3], |_| true);
        warp
    }

    fn fill_specials(&mut self, launch: &Launch, place: [u32; 3], which: impl Fn(Special) -> bool) {
        let Program { specials, shared_bytes, .. } = launch.program;
        let (x, y) = (launch.block[0], launch.block[1]);
        let warps = launch.block.iter().product::<u32>().div_ceil(LANES as u32);
        for (slot, special) in specials.iter().filter(|(_, special)| which(*special)) {
            let value = |lane: u32| {
                let thread = self.index * LANES as u32 + lane;
                match *special {
                    Special::Thread(axis) => [thread % x, thread / x % y, thread / (x * y)][axis],
                    Special::Threads(axis) => launch.block[axis],
                    Special::Block(axis) => place[axis],
                    Special::Blocks(axis) => launch.grid[axis],
                    Special::Lane => lane,
                    Special::Warp => self.index,
                    Special::Warps => warps,
                    Special::LaneBit => 1 << lane,
                    Special::LanesBelow => (1 << lane) - 1,
                    Special::LanesUpTo => u32::MAX >> (31 - lane),
                    Special::LanesFrom => u32::MAX << lane,
                    Special::LanesAbove => !(u32::MAX >> (31 - lane)),
                    Special::DynamicShared => launch.dynamic_shared as u32,
                    Special::TotalShared => (launch.dynamic_shared + shared_bytes) as u32,
                }
            };
            *self.registers.lanes_mut::<u32>(*slot) =
                std::array::from_fn(|lane| value(lane as u32));
        }
    }

    /// Begins a block.
    pub(super) fn start(&mut self, launch: &Launch, place: [u32; 3]) {
        self.fill_specials(launch, place, |special| matches!(special, Special::Block(_)));
        self.alive = self.lanes;
        self.groups.clear();
        self.groups.push(Group { pc: 0, mask: self.lanes, waits: false });
        self.at_barrier.clear();
        self.waits = 0;
    }

    /// Its number in the block.
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// Whether some of its lanes wait for nothing of other warps.
    pub(super) fn is_running(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Threads that have not ended.
    pub(super) fn alive(&self) -> u32 {
        self.alive.count_ones()
    }

    /// Threads at a barrier of the block.
    pub(super) fn waiting(&self) -> u32 {
        self.at_barrier.iter().map(|(group, _)| group.mask.count_ones()).sum()
    }

    /// The barriers that its threads wait at.
    pub(super) fn barriers(&self) -> impl Iterator<Item = u32> {
        self.at_barrier.iter().map(|(_, id)| *id)
    }

    /// Goes on after a barrier.
    pub(super) fn pass_barrier(&mut self) {
        for (group, _) in std::mem::take(&mut self.at_barrier) {
            self.add(group.pc, group.mask);
        }
    }

    /// Instructions since it was last asked.
    pub(super) fn take_count(&mut self) -> u64 {
        std::mem::take(&mut self.count)
    }

    /// Puts lanes at an instruction, with those that are there.
    pub(super) fn add(&mut self, pc: u32, mask: u32) {
        if mask == 0 {
            return;
        }
        match self.groups.iter_mut().find(|group| group.pc == pc) {
            Some(group) => {
                group.mask |= mask;
                group.waits = false;
            }
            None => self.groups.push(Group { pc, mask, waits: false }),
        }
    }

    /// Takes the group that is next: of those that need not wait the one at the lowest instruction.
    pub(super) fn take_next(&mut self) -> Option<Group> {
        let ready = self.groups.iter().enumerate().filter(|(_, group)| !group.waits);
        let (index, _) = ready.min_by_key(|(_, group)| group.pc)?;
        Some(self.groups.swap_remove(index))
    }

    /// The lowest instruction of groups that need not wait, and whether some wait.
    pub(super) fn others(&self) -> (u32, bool) {
        let ready = self.groups.iter().filter(|group| !group.waits);
        let lowest = ready.map(|group| group.pc).min().unwrap_or(u32::MAX);
        (lowest, self.groups.iter().any(|group| group.waits))
    }

    /// Whether a group is at an instruction.
    pub(super) fn is_anyone_at(&self, pc: u32) -> bool {
        self.groups.iter().any(|group| group.pc == pc)
    }
}
