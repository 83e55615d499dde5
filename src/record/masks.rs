//! `masks.json`: checksums of the masks that a network predicted for the runs that it guides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::artefact::json_file;

/// SHA-256 of files in `masks/`, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MaskChecksums(pub BTreeMap<String, String>);

json_file!(MaskChecksums, "masks.json");
