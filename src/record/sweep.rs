//! `sweep.json`: the trials by which some keys of a run were chosen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RunState;
use super::artefact::json_file;

/// The trials of a sweep, and which of them a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Sweep {
    /// The figure of the validation split that decided, such as `valid.dice.lesion`; empty of a run without a sweep.
    pub metric: String,
    /// The number of the trial that was chosen, from 1.
    pub chosen: usize,
    /// All of them.
    pub trials: Vec<SweepTrial>,
}

json_file!(Sweep, "sweep.json");

/// A trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SweepTrial {
    /// Its number, from 1.
    pub number: usize,
    /// The keys that it set, with their values as TOML.
    pub keys: BTreeMap<String, String>,
    /// Ids of its runs, one for each seed.
    pub runs: Vec<String>,
    /// How far they came: that of the first that did not finish.
    pub state: RunState,
    /// Why that one did not.
    pub why: Option<String>,
    /// The figure that decides, its mean over the seeds; `None` where it has no value.
    pub value: Option<f64>,
}

/// The keys of a trial with their values.
pub fn in_a_line(keys: &BTreeMap<String, String>) -> String {
    keys.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
}
