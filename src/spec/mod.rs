//! What an author may write: the TOML language of an experiment.
//!
//! Every key's doc comment is its documentation: the JSON Schema, `oncospec explain` and the checks
//! made before anything runs are derived from these types.

mod arguments;
mod augment;
mod batches;
mod calibration;
mod check;
mod dataset;
mod defaults;
mod evaluation;
mod explain;
mod extends;
mod files;
mod filter;
mod gate;
mod hints;
mod keep;
mod layer;
#[cfg(test)]
mod layer_tests;
mod literature;
mod load;
mod locate;
mod member;
mod merge;
mod off;
mod origin;
mod parse;
mod post_process;
mod problem;
mod published;
mod reference;
mod refine;
mod render;
mod report;
mod role;
mod rules;
mod said;
mod schedule;
mod schema;
mod settled;
mod slurm;
mod stain;
mod suggest;
mod suite;
mod sweep;
mod task;
mod test_time;
#[cfg(test)]
mod tests;

pub use arguments::environment;
pub use augment::*;
pub use batches::*;
pub use calibration::*;
pub use dataset::*;
pub use evaluation::*;
pub use explain::explain;
pub use extends::Extends;
pub use filter::*;
pub use gate::*;
pub use keep::*;
pub use literature::*;
pub use load::{Loaded, Origins, load};
pub use member::{Member, folds};
pub use origin::{Note, Origin};
pub use post_process::*;
pub use problem::{Place, Problem, Problems};
pub use published::PublishedSpec;
pub use reference::reference;
pub use refine::*;
pub use render::{diff, overridden, render, to_toml};
pub use report::*;
pub use role::{Role, matters, role};
pub use schedule::*;
pub use schema::schema;
pub use settled::{Settled, TriedStep};
pub use slurm::SlurmSpec;
pub use stain::*;
pub use suite::{Suite, spec_files, suite};
pub use sweep::*;
pub use task::*;
pub use test_time::TestTimeSpec;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::loss::LossSpec;
use crate::model::ModelSpec;

/// One experiment: everything that decides its result, and a few keys that do not (`run`, `report`).
///
/// A key that may be left out, a table that may be empty and what the author named (a gate, a group of codes) are
/// switched off by `false` where a lower layer says them: `schedule.clip = false`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Spec {
    /// Spec files that this one builds on, relative to this file: one, or an array of several. Their keys lie below
    /// this file's, and those of a later one over those of an earlier one.
    #[serde(default, skip_serializing)]
    #[schemars(extend("x-path" = true, "x-role" = Role::Presentation))]
    pub extends: Option<Extends>,
    /// Name of the experiment: up to 100 letters, digits, `-`, `_` and `.`, of which the first is a letter or digit; its
    /// runs lie in `runs/<name>/`.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    #[schemars(extend("x-role" = Role::Presentation))]
    pub name: String,
    /// What the experiment is for, in a sentence or two; shown in the report.
    #[serde(default)]
    #[schemars(extend("x-role" = Role::Presentation))]
    pub description: String,
    /// Seeds of initialisation, shuffling and augmentation; one run per seed.
    #[serde(default = "default_seeds")]
    #[schemars(length(min = 1, max = 1000), extend("x-role" = Role::Instance))]
    pub seeds: Vec<u32>,
    /// What is predicted.
    #[serde(default)]
    pub task: TaskSpec,
    /// Images, labels and how they are divided.
    pub dataset: DatasetSpec,
    /// Random changes to the training images; absent ones are off.
    #[serde(default)]
    pub augment: AugmentSpec,
    /// The network.
    pub model: ModelSpec,
    /// What training minimises.
    #[serde(default)]
    pub loss: LossSpec,
    /// Epochs, batches and the optimizer.
    #[serde(default)]
    pub schedule: ScheduleSpec,
    /// What is measured and how.
    #[serde(default)]
    pub evaluation: EvaluationSpec,
    /// Trials that differ in some keys, of which the validation split chooses one; that one alone is evaluated as
    /// `evaluation.splits` says. Each division into folds chooses its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-role" = Role::Presentation))]
    pub sweep: Option<SweepSpec>,
    /// What the report shows.
    #[serde(default)]
    #[schemars(extend("x-role" = Role::Pictures))]
    pub report: ReportSpec,
    /// Published figures of comparable systems, shown beside the runs' own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-role" = Role::Presentation))]
    pub published: Vec<PublishedSpec>,
    /// Bounds that recorded figures must keep, by figure name, such as `"test.dice.mean"`. What training took has a name
    /// too: `"train.seconds"`, and `"train.peak-memory-mib"` of the process.
    #[serde(default)]
    #[schemars(extend("x-role" = Role::Presentation))]
    pub gate: BTreeMap<String, GateSpec>,
    /// Where and with how many threads to run; changes no result.
    #[serde(default)]
    #[schemars(extend("x-role" = Role::Execution))]
    pub run: RunSpec,
}

impl Spec {
    /// Channels of the network's input.
    pub fn input_channels(&self) -> usize {
        match self.task.inputs() {
            [] => self.dataset.channels.count(),
            inputs => inputs.len(),
        }
    }
}

/// Where and how to run. Of these keys only `device` changes the run id, by whether it is a CPU or how many GPUs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RunSpec {
    /// `auto` (CUDA where there is a GPU, else the CPU), `cpu`, `cuda`, `cuda:<index>`, or several GPUs that training
    /// parts each batch over, such as `cuda:0,cuda:1`.
    #[schemars(regex(pattern = r"^(auto|cpu|cuda|cuda:[0-9]+(,cuda:[0-9]+)*)$"))]
    pub device: String,
    /// Threads that load and augment images beside training; if absent, one for each thread that computes, at most 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub workers: Option<u32>,
    /// Epochs from one checkpoint to the next. A run that is stopped goes on from its last one.
    #[schemars(range(min = 1, max = 100_000))]
    pub checkpoint_every: u32,
    /// Folder of the run directories, relative to this file; if absent, `runs` in the working directory.
    #[schemars(extend("x-path" = true))]
    pub output: String,
    /// Folder of weights with a name, relative to this file; if absent, `weights` in the working directory.
    #[schemars(extend("x-path" = true))]
    pub weights: String,
    /// File of accepted figures that gates compare with, relative to this file; if absent, `baseline.toml` in the working
    /// directory.
    #[schemars(extend("x-path" = true, "x-role" = Role::Presentation))]
    pub baseline: String,
    /// What a Slurm cluster gives each run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slurm: Option<SlurmSpec>,
}

impl Default for RunSpec {
    fn default() -> Self {
        Self {
            device: "auto".into(),
            workers: None,
            checkpoint_every: 1,
            output: "runs".into(),
            weights: "weights".into(),
            baseline: "baseline.toml".into(),
            slurm: None,
        }
    }
}

/// The most threads that load images where a spec does not say how many.
const MOST_WORKERS: usize = 16;

impl RunSpec {
    /// Threads that load and augment images.
    pub fn threads(&self) -> usize {
        match self.workers {
            Some(workers) => workers as usize,
            None => rayon::current_num_threads().min(MOST_WORKERS),
        }
    }
}

fn default_seeds() -> Vec<u32> {
    vec![0]
}
