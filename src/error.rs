//! What a person reads when something is wrong.

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
    #[error("{}: {action}: {source}", text::path(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done, such as `cannot read`.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
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
