//! Runs programs: blocks one after another or on several threads, the warps of a block in turn,
//! 32 lanes at a time.
//!
//! Lanes of a warp that are at different instructions form groups; the group at the lowest
//! instruction goes first, so that groups meet again where their ways join.

#[macro_use]
pub(crate) mod lanes;
pub(crate) mod access;
mod atomic;
mod barrier_object;
mod collective;
pub(crate) mod compare;
pub(crate) mod convert;
mod execute;
pub(crate) mod float;
pub(crate) mod integer;
mod launch;
mod matrix;
pub(crate) mod memory;
pub(crate) mod number;
mod tensor;
mod warp;

pub(crate) use launch::{Launch, run};
pub(crate) use tensor::TensorMap;

use crate::failure::Failure;

/// Why a kernel stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) failure: Failure,
    pub(crate) text: String,
}

impl Fault {
    fn new(failure: Failure, text: impl Into<String>) -> Self {
        Self { failure, text: text.into() }
    }

    fn failed(text: impl Into<String>) -> Self {
        Self::new(Failure::LaunchFailed, text)
    }
}
