//! A kernel that the interpreter can run.

use crate::interpreter::access::MemoryFunction;
use crate::interpreter::compare::{Relation, TestFunction};
use crate::interpreter::convert::Conversion;
use crate::interpreter::lanes::{LaneFunction, Operands, Slot};
use crate::ptx::{Space, Type};

/// A compiled kernel.
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) parameter_bytes: usize,
    pub(crate) code: Vec<Instruction>,
    /// Lines of 64 bytes that the registers of a warp need.
    pub(crate) lines: u32,
    pub(crate) predicates: u32,
    pub(crate) constants: Vec<Constant>,
    pub(crate) specials: Vec<(Slot, Special)>,
    /// Bytes of shared memory that the kernel declares.
    pub(crate) shared_bytes: usize,
    /// Bytes of memory of each thread.
    pub(crate) local_bytes: usize,
    pub(crate) most_threads: Option<u32>,
    /// Instructions that the interpreter does not know, with the reason.
    pub(crate) unknown: Vec<String>,
    /// Whether it changes memory of the device atomically, and whether by adding floats.
    pub(crate) has_atomics: bool,
    pub(crate) has_float_atomics: bool,
}

/// A parameter of a kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
}

/// A register that has the same number in all lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Constant {
    pub(crate) slot: Slot,
    pub(crate) bytes: usize,
    pub(crate) value: u64,
}

/// A register that a thread finds filled (32 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Special {
    Thread(usize),
    Threads(usize),
    Block(usize),
    Blocks(usize),
    Lane,
    Warp,
    Warps,
    LanesBelow,
    LanesUpTo,
    LaneBit,
    LanesFrom,
    LanesAbove,
    DynamicShared,
    TotalShared,
}

/// A decoded instruction.
pub(crate) struct Instruction {
    /// The predicate that guards it, or [`Instruction::ALWAYS`].
    pub(crate) guard: u32,
    /// All ones where the guard is negated.
    pub(crate) flip: u32,
    pub(crate) line: u32,
    pub(crate) operation: Operation,
    /// As it stands in the PTX.
    pub(crate) text: Box<str>,
}

impl Instruction {
    /// No guard.
    pub(crate) const ALWAYS: u32 = u32::MAX;
}

/// A register of any width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Register {
    pub(crate) slot: Slot,
    pub(crate) bytes: usize,
}

/// An address: a register and an offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    pub(crate) register: Register,
    pub(crate) offset: i64,
}

/// Loads, stores and what else touches memory.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) space: Space,
    pub(crate) address: Address,
    pub(crate) values: Vec<Slot>,
}

/// What combines two predicates.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
}

impl Logic {
    /// The combination, lane by lane.
    pub(crate) fn of(self, x: u32, y: u32) -> u32 {
        match self {
            Self::And => x & y,
            Self::Or => x | y,
            Self::Xor => x ^ y,
        }
    }
}

/// A predicate, perhaps negated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    pub(crate) predicate: u32,
    /// All ones where it is negated.
    pub(crate) flip: u32,
}

/// What an instruction does. Labels are indices of instructions once a program is whole.
pub(crate) enum Operation {
    Lanes(LaneFunction, Operands),
    Memory(MemoryFunction, Box<Access>),
    Compare(Box<Comparison>),
    /// `testp`
    Test {
        function: TestFunction,
        d: u32,
        a: Slot,
    },
    /// `and.pred` and others.
    Predicates {
        logic: Logic,
        d: u32,
        a: Condition,
        b: Condition,
    },
    /// `mov.pred` of a number.
    Constant {
        d: u32,
        value: u32,
    },
    Set(Box<Set>),
    Convert(Box<Conversion>, Slot, Slot),
    Carry(Box<Carry>),
    Pack {
        d: Register,
        sources: Vec<Register>,
    },
    Unpack {
        targets: Vec<Register>,
        a: Register,
    },
    /// `mov` from a clock.
    Clock(Register),
    Branch(u32),
    BranchTable {
        targets: Vec<u32>,
        index: Slot,
    },
    Exit,
    Barrier {
        id: Slot,
        count: Option<Slot>,
    },
    Collective(Box<Collective>),
    ActiveMask(Slot),
    Atomic(Box<Atomic>),
    CopyAsync(Box<CopyAsync>),
    Matrix(Box<Matrix>),
    BarrierObject(Box<BarrierObject>),
    WaitForBarrierObject {
        d: u32,
        address: Address,
        state: Register,
        parity: bool,
    },
    TensorLoad(Box<TensorLoad>),
    Nothing,
    Trap,
    Unknown,
}

/// `setp`
pub(crate) struct Comparison {
    pub(crate) relation: Relation,
    pub(crate) d: u32,
    /// The second result, which has the opposite.
    pub(crate) other: Option<u32>,
    pub(crate) a: Slot,
    pub(crate) b: Slot,
    pub(crate) combined: Option<(Logic, Condition)>,
}

/// `set`: a number where a comparison holds, else zero; of pairs for each half.
pub(crate) struct Set {
    pub(crate) relation: Relation,
    pub(crate) d: Register,
    pub(crate) a: Slot,
    pub(crate) b: Slot,
    pub(crate) value: u64,
    /// Registers that the halves are put in to be compared.
    pub(crate) halves: Option<[Slot; 2]>,
}

/// Arithmetic with a carry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carry {
    pub(crate) kind: CarryKind,
    pub(crate) bytes: usize,
    pub(crate) reads: bool,
    pub(crate) writes: bool,
    pub(crate) d: Slot,
    pub(crate) a: Slot,
    pub(crate) b: Slot,
    pub(crate) c: Slot,
}

/// What is added or subtracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CarryKind {
    Add,
    Subtract,
    MultiplyLow,
    MultiplyHigh,
}

/// What lanes of a warp do together.
pub(crate) struct Collective {
    /// The lanes that take part.
    pub(crate) members: Slot,
    pub(crate) kind: CollectiveKind,
}

/// Which of them it is.
pub(crate) enum CollectiveKind {
    Sync,
    Shuffle {
        mode: Shuffle,
        d: Slot,
        valid: Option<u32>,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    /// `vote.ballot` into a register.
    Ballot {
        d: Slot,
        a: Condition,
    },
    /// `vote.all` and others into a predicate.
    Vote {
        mode: Vote,
        d: u32,
        a: Condition,
    },
    Reduce {
        mode: Reduce,
        d: Slot,
        a: Slot,
    },
    MatchAny {
        d: Slot,
        a: Register,
    },
    MatchAll {
        d: Slot,
        all: Option<u32>,
        a: Register,
    },
    Elect {
        d: Slot,
        elected: u32,
    },
}

/// Where a shuffled value comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

/// What lanes vote about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Vote {
    All,
    Any,
    Same,
}

/// `redux`
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reduce {
    Add,
    And,
    Or,
    Xor,
    Least,
    Most,
    LeastSigned,
    MostSigned,
}

/// `atom` and `red`
pub(crate) struct Atomic {
    pub(crate) kind: AtomicKind,
    pub(crate) type_: Type,
    pub(crate) space: Space,
    pub(crate) address: Address,
    pub(crate) old: Option<Vec<Register>>,
    pub(crate) values: Vec<Register>,
    /// What `cas` puts in its place.
    pub(crate) replacement: Option<Register>,
}

/// What is done atomically.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtomicKind {
    Add,
    Least,
    Most,
    And,
    Or,
    Xor,
    Exchange,
    CompareAndSwap,
    Increment,
    Decrement,
}

/// `cp.async`: done when it is asked for, so that there is nothing to wait for.
pub(crate) struct CopyAsync {
    pub(crate) to: Address,
    pub(crate) from: Address,
    pub(crate) bytes: usize,
    /// How many of them are read; the rest are zeros.
    pub(crate) read: Option<Slot>,
}

/// The shape of a product of matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
}

/// Instructions of matrix units.
pub(crate) enum Matrix {
    /// `wmma.load`
    Load {
        fragment: Fragment,
        space: Space,
        values: Vec<Slot>,
        address: Address,
        stride: Option<Slot>,
    },
    /// `wmma.store`
    Store {
        fragment: Fragment,
        space: Space,
        values: Vec<Slot>,
        address: Address,
        stride: Option<Slot>,
    },
    /// `wmma.mma` and `mma`
    Product(Product),
    /// `ldmatrix`
    LoadTiles { transposed: bool, values: Vec<Slot>, address: Address },
    /// `stmatrix`
    StoreTiles { transposed: bool, values: Vec<Slot>, address: Address },
}

/// A matrix of `wmma` in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_major: bool,
    pub(crate) type_: Type,
}

/// `d = a * b + c`
pub(crate) struct Product {
    /// Whether the layout of `mma` is used, which programs may know, or that of `wmma`.
    pub(crate) known_layout: bool,
    pub(crate) shape: Shape,
    /// Types of d, a, b and c.
    pub(crate) types: [Type; 4],
    /// Registers of d, a, b and c.
    pub(crate) values: [Vec<Slot>; 4],
}

/// What is done to a barrier in shared memory (`mbarrier`).
pub(crate) enum BarrierObject {
    Start {
        address: Address,
        count: Slot,
    },
    Arrive {
        d: Option<Slot>,
        address: Address,
        /// How many arrive; none: one.
        count: Option<Slot>,
        /// Bytes that are expected from now on.
        bytes: Option<Slot>,
        arrives: bool,
    },
}

/// A copy of a tile of a tensor to shared memory (`cp.async.bulk.tensor`).
pub(crate) struct TensorLoad {
    pub(crate) to: Address,
    pub(crate) map: Address,
    pub(crate) coordinates: Vec<Slot>,
    pub(crate) barrier: Address,
}
