//! `checkpoints/last.json`: which epoch of a run counts.

use serde::{Deserialize, Serialize};

use super::artefact::{Artefact, json_file};

/// Which epoch to resume from, and which was best.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Last {
    /// The epoch to resume from.
    pub epoch: u32,
    /// The best epoch.
    pub best: Option<u32>,
    /// SHA-256 of the best weights; a run of an earlier version has none.
    #[serde(default)]
    pub best_sha256: Option<String>,
    /// Name of each part and the SHA-256 of its file.
    pub parts: Vec<(String, String)>,
}

/// Name of the file.
pub const LAST_CHECKPOINT: &str = Last::FILE;

json_file!(Last, "checkpoints/last.json");

/// The parts of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Weights and running statistics.
    Model,
    /// State of the optimizer.
    Optimizer,
    /// State of the learning-rate schedule.
    Rate,
    /// Moving average of the weights.
    Average,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Model, Self::Optimizer, Self::Rate, Self::Average];

    /// Name of its file.
    pub(super) fn file(self) -> String {
        format!("{}.burnpack", self.name())
    }

    /// Name of the part, as in its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Optimizer => "optimizer",
            Self::Rate => "rate",
            Self::Average => "average",
        }
    }
}
