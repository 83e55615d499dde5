//! `strata.json`: the headline figures of cases that have a value of a column in common.

use serde::{Deserialize, Serialize};

use super::artefact::json_file;
use super::figures::Figure;
use crate::split_name::SplitName;

/// The headline figures of the cases of a split that have a value of a column in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stratum {
    /// The split.
    pub split: SplitName,
    /// The column.
    pub column: String,
    /// The value, or the interval that it lies in; `None` for the cases without one.
    pub value: Option<String>,
    /// Cases that were scored.
    pub cases: u64,
    /// Their figures; none where there are no cases.
    pub figures: Vec<Figure>,
}

json_file!(Vec<Stratum>, "strata.json");
