//! `[[published]]`: figures that others printed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Figures that others printed of such a system, shown beside the runs' own; they change no result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PublishedSpec {
    /// The system, as the source calls it.
    pub system: String,
    /// Who printed the figures, and where.
    pub source: String,
    /// How they were measured, or that the source does not say.
    pub protocol: String,
    /// Whether they compare with this experiment's figures, and why.
    pub compares: String,
    /// The figures, by the names that the source gives them.
    pub figures: BTreeMap<String, f64>,
}
