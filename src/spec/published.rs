//! `[[published]]`: figures from papers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Published figures of a comparable system, shown beside the runs' own; they change no result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PublishedSpec {
    /// The system, as its source names it.
    pub system: String,
    /// Who published the figures, and where.
    pub source: String,
    /// How they were measured, or that the source leaves it out.
    pub protocol: String,
    /// Whether they compare with this experiment's figures, and why.
    pub compares: String,
    /// The figures, by the names that the source gives them.
    pub figures: BTreeMap<String, f64>,
}
