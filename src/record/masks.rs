//! `masks.json`: checksums of the masks that a network predicted for the runs that it guides.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::artefact::json_file;
use super::lock::soon;
use super::run_dir::RunDir;
use crate::error::Result;

/// SHA-256 of files in `masks/`, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MaskChecksums(pub BTreeMap<String, String>);

json_file!(MaskChecksums, "masks.json");

impl MaskChecksums {
    /// Adds them to those of a run directory.
    ///
    /// # Errors
    /// If another process holds the run, or the disk refuses.
    pub fn add_to(self, run: &Path) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let run = soon(|| RunDir::open_write(run))?;
        let Self(mut all) = run.read()?;
        all.extend(self.0);
        run.write(&Self(all))
    }
}
