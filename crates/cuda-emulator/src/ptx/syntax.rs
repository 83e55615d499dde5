//! The syntax tree of a module.

use super::types::{Space, Type};
use crate::versions::Version;

/// A file of PTX.
#[derive(Debug, Default)]
pub(crate) struct Module<'a> {
    pub(crate) version: Version,
    /// Such as `sm_75`.
    pub(crate) target: &'a str,
    pub(crate) functions: Vec<Function<'a>>,
    pub(crate) variables: Vec<Variable<'a>>,
}

/// A variable, parameters included.
#[derive(Clone, Debug)]
pub(crate) struct Variable<'a> {
    pub(crate) space: Space,
    pub(crate) name: &'a str,
    pub(crate) alignment: usize,
    pub(crate) element_bytes: usize,
    pub(crate) bytes: usize,
    /// Declared as `name[]`: its size is said at the launch.
    pub(crate) is_unsized: bool,
    pub(crate) initial: Vec<Initial<'a>>,
}

/// One element of an initialiser.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Initial<'a> {
    Number(u64),
    /// The address of a variable.
    Address(&'a str),
}

/// A kernel or a function that kernels call.
#[derive(Debug)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_kernel: bool,
    pub(crate) parameters: Vec<Variable<'a>>,
    pub(crate) returns: Vec<Variable<'a>>,
    /// `.maxntid` or `.reqntid`.
    pub(crate) most_threads: Option<u32>,
    /// None where it is only declared.
    pub(crate) body: Option<Vec<Statement<'a>>>,
}

/// A statement of a function.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    pub(crate) line: u32,
    pub(crate) kind: StatementKind<'a>,
}

/// What a statement is.
#[derive(Debug)]
pub(crate) enum StatementKind<'a> {
    Block(Vec<Statement<'a>>),
    Label(&'a str),
    /// `.reg .b32 %r<12>;`: names, each with the number of registers that it stands for.
    Registers(Type, Vec<(&'a str, Option<u32>)>),
    Variable(Variable<'a>),
    /// `.branchtargets` of the label before.
    Targets(Vec<&'a str>),
    Instruction(Instruction<'a>),
}

/// `@!%p1 opcode operands;`
#[derive(Debug)]
pub(crate) struct Instruction<'a> {
    /// The predicate, and whether it is negated.
    pub(crate) guard: Option<(&'a str, bool)>,
    /// With its modifiers, such as `ld.global.f32`.
    pub(crate) opcode: &'a str,
    pub(crate) operands: Vec<Operand<'a>>,
    /// As it stands in the file, for messages.
    pub(crate) text: &'a str,
}

/// An operand of an instruction.
#[derive(Clone, Debug)]
pub(crate) enum Operand<'a> {
    /// A register, a variable or a label.
    Name(&'a str),
    /// `variable+8`
    Sum(&'a str, i64),
    Number(u64),
    /// `{a, b}`
    Vector(Vec<Operand<'a>>),
    /// `[base+offset]`, with coordinates where it is a tensor's.
    Address {
        base: Box<Operand<'a>>,
        offset: i64,
        coordinates: Vec<Operand<'a>>,
    },
    /// `a|b`
    Pair(Box<Operand<'a>>, Box<Operand<'a>>),
    /// `!a`
    Not(&'a str),
    /// `(a, b)`
    Arguments(Vec<Operand<'a>>),
}
