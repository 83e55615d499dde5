//! `status.json`: how far a run came, and, of a finished run, the SHA-256 of each of its files.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::artefact::json_file;

/// How far a run came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Planned, not begun.
    #[default]
    Planned,
    /// A process is at work on it.
    Running,
    /// Trained and evaluated.
    Finished,
    /// Ended by an error.
    Failed,
    /// Stopped before its last epoch, by a person or by the loss of the process.
    Interrupted,
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        })
    }
}

/// How far a run came, and why it ended there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// How far it came.
    pub state: RunState,
    /// Why it ended early, or what it does; `None` if it is finished.
    #[serde(default)]
    pub why: Option<String>,
    /// Epochs completed.
    pub epoch: u32,
    /// Epochs planned.
    pub epochs: u32,
    /// When this was written, RFC 3339.
    #[serde(default)]
    pub updated: String,
}

/// The checksums that each file may have, by its name.
pub(super) type Checksums = BTreeMap<String, Vec<String>>;

/// What the file holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Committed {
    #[serde(flatten)]
    pub status: Status,
    /// Those of a finished run; one of an earlier version has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Checksums>,
}

json_file!(Committed, "status.json");

impl Committed {
    /// The status and checksums of a finished run; `None` of an unfinished run, and of one of an earlier version.
    pub(super) fn finished(self) -> Option<(Status, Checksums)> {
        let files = self.files.filter(|_| self.status.state == RunState::Finished)?;
        Some((self.status, files))
    }
}

/// The time, as RFC 3339 writes it; of a clock that stands before 1970 the beginning of that year.
pub fn now() -> String {
    let now = SystemTime::now().max(UNIX_EPOCH);
    humantime::format_rfc3339_seconds(now).to_string()
}
