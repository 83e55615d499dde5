//! How a run is made.

use super::again::Again;
use super::place::Wanted;
use crate::device::Chosen;

/// How a run is made; none of it changes the result.
#[derive(Clone, Debug)]
pub struct Options {
    /// The device.
    pub device: Chosen,
    /// Make a finished run again.
    pub force: bool,
    /// Go on from the last checkpoint of an unfinished run.
    pub resume: bool,
    /// The epoch after which training is interrupted, if it is not to go on to the last one now.
    pub pause_after: Option<u32>,
    /// Wait for a process that works on the run.
    pub wait: bool,
    /// Print no progress.
    pub quiet: bool,
    /// The command line, for the record.
    pub command: Vec<String>,
    /// What makes the run again, for the record.
    pub again: Again,
}

impl Options {
    pub(super) fn wanted(&self) -> Wanted {
        Wanted { force: self.force, resume: self.resume }
    }
}
