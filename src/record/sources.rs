//! `sources.json`: the sources that decided the figures of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::artefact::json_file;

/// The sources of oncospec that decided the figures of a run, each with the beginning of its SHA-256: files from the root
/// of its package, `crate NAME VERSION` and `build settings`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sources(pub BTreeMap<String, String>);

json_file!(Sources, "sources.json");
