//! What a person reads when something is wrong.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::text;

/// The result of anything in oncospec.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error, sorted by who can mend it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user's mistake: a spec, a path, an argument, a data set. Exit code 2.
    #[error("{0}")]
    User(String),
    /// Another process holds what is asked for. Exit code 2.
    #[error("{0}")]
    Busy(String),
    /// Something failed while working: a disk, a device, a training run. Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// A file could not be read or written. Exit code 1.
    #[error("{}: {action}: {source}{}", text::path(path), remedy(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done, such as `cannot read`.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// What a person can do about what the system said, after a colon; empty where nothing is known.
fn remedy(said: &io::Error) -> &'static str {
    // Of the process and of the machine: too many open files.
    const TOO_MANY: [i32; 2] = [24, 23];
    match said.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            ": the disk is full; free some space and run the command again, a run with --resume: what was recorded before is kept"
        }
        _ if said.raw_os_error().is_some_and(|code| TOO_MANY.contains(&code)) => {
            ": allow more open files at once, such as by `ulimit -n 1024`"
        }
        _ => "",
    }
}

impl Error {
    /// The user's mistake.
    pub fn user(message: impl Into<String>) -> Self {
        Self::User(message.into())
    }

    /// A failure while working.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// Wraps an I/O error with the file and what was being done to it.
    pub fn io(path: impl AsRef<Path>, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, action, source }
    }

    /// 2 for the user's mistake, 1 for a failure while working.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::User(_) | Self::Busy(_) => 2,
            Self::Failed(_) | Self::Io { .. } => 1,
        }
    }
}
