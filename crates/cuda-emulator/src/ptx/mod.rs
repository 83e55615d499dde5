//! PTX as text: tokens, then the syntax tree of a module (Parallel Thread Execution ISA, chapter 4).

mod parse;
mod syntax;
mod token;
mod types;

pub(crate) use parse::parse;
pub(crate) use syntax::{
    Function, Initial, Instruction, Module, Operand, Statement, StatementKind, Variable,
};
pub(crate) use types::{Space, Type};
