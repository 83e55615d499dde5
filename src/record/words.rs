//! `words.json`: what the present spec of a finished run says in words and bounds.
//!
//! The other files of a finished run stay as they were; one file commits all that a later spec says otherwise.

use serde::{Deserialize, Serialize};

use super::artefact::json_file;
use super::gates::Gate;
use super::summary::Summary;

/// What takes the place of files that were written when the run finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Words {
    /// The spec as merged, with origins.
    pub spec: String,
    /// Every decision.
    pub plan: String,
    /// The run in words and totals.
    pub summary: Summary,
    /// Bounds.
    pub gates: Vec<Gate>,
    /// The lines of a shell that make the run again with these words.
    pub again: Vec<String>,
}

json_file!(Words, "words.json");
