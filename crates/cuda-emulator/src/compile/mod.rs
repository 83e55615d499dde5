//! Kernels become programs: registers get their places, functions are put where they are called,
//! and each instruction is decoded once.

mod arithmetic;
mod collective;
mod control;
mod convert;
mod function;
mod matrix;
mod memory;
mod opcode;
mod operand;
mod program;
mod scope;

use std::collections::HashMap;

use crate::ptx::{Module, Space, Variable};
pub(crate) use program::*;

/// What kernels of a module know of it: addresses of its variables.
pub(crate) struct Environment<'m, 'a> {
    pub(crate) module: &'m Module<'a>,
    /// Addresses of variables in memory of the device.
    pub(crate) globals: &'m HashMap<&'a str, u64>,
}

/// Compiles the kernels of a module.
///
/// # Errors
/// What is wrong in the structure of a kernel. An instruction that is not known is no error here:
/// the program has its text in `unknown`.
pub(crate) fn compile(environment: &Environment) -> Result<Vec<Program>, String> {
    let kernels = environment.module.functions.iter().filter(|function| function.is_kernel);
    kernels
        .filter(|function| function.body.is_some())
        .map(|function| {
            function::compile(function, environment)
                .map_err(|error| format!("kernel {}: {error}", function.name))
        })
        .collect()
}

/// Places of variables one after another, each aligned; they are given with the number of bytes.
fn laid_out<'a, 'v>(variables: &'v [Variable<'a>]) -> (Vec<(&'v Variable<'a>, usize)>, usize) {
    let mut end = 0usize;
    let placed = variables
        .iter()
        .map(|variable| {
            let at = end.next_multiple_of(variable.alignment);
            end = at + variable.bytes;
            (variable, at)
        })
        .collect();
    (placed, end)
}

/// Variables of a module in shared memory.
fn shared_variables<'m, 'a>(module: &'m Module<'a>) -> impl Iterator<Item = &'m Variable<'a>> {
    module.variables.iter().filter(|variable| variable.space == Space::Shared)
}
