//! `confusion.json`: confusion matrices.

use serde::{Deserialize, Serialize};

use super::artefact::json_file;
use crate::split_name::SplitName;

/// A confusion matrix of pixels, or of whole images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// The split.
    pub split: SplitName,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Rows are the truth, columns the prediction.
    pub matrix: Vec<Vec<u64>>,
}

json_file!(Vec<Confusion>, "confusion.json");
