//! The queue of Slurm, by its own commands.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::process::Command;

use crate::error::{Error, Result};
use crate::shell::shell;

/// Most elements of an array where Slurm does not say it: what it has by default.
const MOST: usize = 1001;

/// States of a job that is not in the queue any more.
const ENDED: [&str; 10] = [
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
];

/// A job of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Queued {
    /// The number of the array.
    pub array: String,
    /// Its place in the array.
    pub index: usize,
    /// Its state as Slurm calls it, such as `PENDING`.
    pub state: String,
    /// Why it waits or has ended, such as `Dependency`.
    pub reason: String,
    /// The node that it is on.
    pub node: String,
}

impl Queued {
    /// Whether it waits or runs.
    pub(super) fn is_active(&self) -> bool {
        !ENDED.contains(&self.state.as_str())
    }
}

/// The jobs of a name that wait, run, or have ended within the last minutes.
///
/// # Errors
/// If Slurm cannot be asked.
pub(super) fn queued(name: &str) -> Result<Vec<Queued>> {
    let name = format!("--name={name}");
    let format = "--format=%F|%K|%T|%r|%N";
    let said = ask("squeue", ["--noheader", "--array", "--states=all", &name, format])?;
    Ok(said.lines().filter_map(read_line).collect())
}

fn read_line(line: &str) -> Option<Queued> {
    let mut parts = line.trim().split('|').map(String::from);
    let mut next = || parts.next();
    let (array, index) = (next()?, next()?.parse().ok()?);
    Some(Queued { array, index, state: next()?, reason: next()?, node: next()? })
}

/// Makes sure that this machine can submit jobs.
///
/// # Errors
/// If it has not the commands of Slurm.
pub(super) fn is_there() -> Result<()> {
    ask("sbatch", ["--version"]).map(|_| ())
}

/// Most elements of an array.
pub(super) fn most_of_array() -> usize {
    let said = ask("scontrol", ["show", "config"]).unwrap_or_default();
    let line = said.lines().find_map(|line| line.trim().strip_prefix("MaxArraySize"));
    let number = line.and_then(|rest| rest.trim_start_matches([' ', '=']).trim().parse().ok());
    number.unwrap_or(MOST).max(1)
}

/// Submits a script, by arguments of `sbatch`; the number of the array.
///
/// # Errors
/// If Slurm refuses it.
pub(super) fn submit(arguments: &[String]) -> Result<String> {
    let said = ask("sbatch", arguments)?;
    // With several clusters it is followed by the name of one.
    let job = said.trim().split(';').next().unwrap_or_default();
    match !job.is_empty() && job.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(job.into()),
        false => Err(Error::failed(format!("sbatch: it gave no number of a job, but `{said}`"))),
    }
}

/// Cancels the jobs of a name.
///
/// # Errors
/// If Slurm cannot be asked.
pub(super) fn cancel(name: &str) -> Result<()> {
    ask("scancel", [format!("--name={name}")]).map(|_| ())
}

/// What a command of Slurm prints.
fn ask<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::user(format!(
            "{program}: there is no such command: run this on a machine that submits jobs to Slurm, or leave out --on"
        )),
        _ => Error::failed(format!("{program}: cannot be started: {error}")),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::failed(format!("Slurm refused `{}`: {}", shell(&words), said.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_read_as_squeue_writes_them() {
        let found = read_line("12|3|PENDING|Dependency|").unwrap();
        assert_eq!((found.array.as_str(), found.index), ("12", 3));
        assert!(found.is_active() && found.node.is_empty());
        assert!(!read_line("12|3|OUT_OF_MEMORY|OutOfMemory|n1").unwrap().is_active());
        assert_eq!(read_line("12|N/A|RUNNING|None|n1"), None);
        assert_eq!(read_line(""), None);
    }
}
