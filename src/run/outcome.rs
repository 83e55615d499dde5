//! How a run ended.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::error::Result;
use crate::figure_name::FigureName;
use crate::record::{Figure, Gate, Record, RunState};

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
    /// Of the average of runs, their ids; `seed` is then that of the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// How far it came.
    pub state: RunState,
    /// Why it did not finish.
    pub why: Option<String>,
    /// Notes on its figures, such as that training stopped early.
    pub notes: Vec<String>,
    /// Whether a finished run was found instead of made.
    pub reused: bool,
    /// The headline figures.
    pub figures: Vec<(FigureName, f64)>,
    /// Cases that these leave out because they are undefined for them.
    pub left_out: BTreeMap<String, u64>,
    /// The bounds of the spec and whether they hold.
    pub gates: Vec<Gate>,
}

impl Outcome {
    /// Reads it from the record.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn read(path: PathBuf, reused: bool) -> Result<Self> {
        let record = Record::read(&path)?;
        let headline = record.summary.headline.iter();
        let found: Vec<(FigureName, &Figure)> =
            headline.filter_map(|name| Some((name.clone(), record.figure(name)?))).collect();
        let left_out = found.iter().filter(|(_, figure)| figure.left_out > 0);
        let left_out = left_out.map(|(name, figure)| (name.to_string(), figure.left_out)).collect();
        let figures = found.into_iter().map(|(name, figure)| (name, figure.value)).collect();
        Ok(Self {
            path,
            experiment: record.summary.experiment,
            run_id: record.provenance.run_id,
            seed: record.provenance.seed,
            members: record.summary.members,
            state: record.status.state,
            why: record.status.why,
            notes: [record.summary.notes, record.summary.undrawn].concat(),
            reused,
            figures,
            left_out,
            gates: record.gates,
        })
    }

    /// Whether the run is finished.
    pub fn finished(&self) -> bool {
        self.state == RunState::Finished
    }

    /// Whether the run is finished and all of its gates hold.
    pub fn held(&self) -> bool {
        self.finished() && self.gates.iter().all(|gate| gate.held)
    }
}
