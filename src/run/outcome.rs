//! How a run ended.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::Result;
use crate::record::{Record, RunState};

/// How a run ended, and where its record is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// The run directory.
    pub path: PathBuf,
    /// Name of the experiment.
    pub experiment: String,
    /// The run id.
    pub run_id: String,
    /// The seed.
    pub seed: u32,
    /// How far it came.
    pub state: RunState,
    /// Why it ended early.
    pub why: Option<String>,
    /// Whether a finished run was found instead of made.
    pub reused: bool,
    /// The headline figures.
    pub figures: Vec<(String, f64)>,
}

impl Outcome {
    /// Reads it from the record.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn read(path: PathBuf, reused: bool) -> Result<Self> {
        let record = Record::read(&path)?;
        let headline = record.summary.headline.iter();
        let figures =
            headline.filter_map(|name| Some((name.clone(), record.figure(name)?.value))).collect();
        Ok(Self {
            path,
            experiment: record.summary.experiment,
            run_id: record.provenance.run_id,
            seed: record.provenance.seed,
            state: record.status.state,
            why: record.status.why,
            reused,
            figures,
        })
    }
}
