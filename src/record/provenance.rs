//! `provenance.json`: what made a run, and how to make it again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::artefact::json_file;

/// What made a run, and how to make it again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Training id and evaluation id.
    pub run_id: String,
    /// Id of the training, which decides the weights.
    pub training_id: String,
    /// Seed of initialisation, shuffling and augmentation.
    pub seed: u32,
    /// The command, program name first.
    pub command: Vec<String>,
    /// Shell commands that reproduce this run.
    pub again: Vec<String>,
    /// The spec file, as named on the command line.
    pub spec_path: String,
    /// The repository of the working folder; `None` outside one or without `git`.
    pub git: Option<Git>,
    /// The commit that oncospec itself was built from; `None` where it was built outside of its repository.
    pub tool: Option<Git>,
    /// Digest of the sources that decide the weights of every run.
    pub engine: String,
    /// Digests of the sources of its network, encoder, losses and data set, by name, such as `model/unet`.
    pub engine_parts: BTreeMap<String, String>,
    /// Digest of the sources that decide figures of given weights.
    pub evaluation_engine: String,
    /// The machine.
    pub host: Host,
    /// The device: `CPU (flex)`, or the name of the GPU.
    pub device: String,
    /// The processes that worked on the run, in order.
    pub sessions: Vec<Session>,
    /// The run whose training this one continues.
    pub parent: Option<Parent>,
    /// The run directory, below the folder of all runs, whose weights and epochs were taken over.
    pub taken_from: Option<String>,
    /// SHA-256 of the best weights.
    pub weights_sha256: Option<String>,
    /// Versions of the software.
    pub versions: Versions,
    /// When the first process of this run started, RFC 3339.
    pub started: String,
    /// When it finished, RFC 3339.
    pub finished: Option<String>,
    /// Hash of the pixels and labels of all cases.
    pub data_fingerprint: String,
    /// What `doctor --determinism` had found of these sources on this device; `None` if it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub determinism: Option<Determinism>,
}

json_file!(Provenance, "provenance.json");

/// Whether the first steps of a training give the same weights bit for bit, each time and with any number of threads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Determinism {
    /// Whether they do.
    pub same: bool,
    /// The experiment that was tried.
    pub experiment: String,
    /// Its steps.
    pub steps: usize,
    /// The most threads.
    pub threads: usize,
    /// When it was tried, RFC 3339.
    pub tried: String,
}

/// A process that worked on a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// When it started, RFC 3339.
    pub started: String,
    /// Epochs completed before.
    pub after_epoch: u32,
    /// The device.
    pub device: String,
    /// The machine.
    pub host: Host,
    /// Digests of both engines' sources.
    pub engines: [String; 2],
    /// The most memory that the process held while it worked on the run, in bytes; `None` if the system did not say, or the
    /// process ended before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

/// A finished run whose training another continues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Parent {
    /// Its training id.
    pub training_id: String,
    /// Its epochs.
    pub epochs: u32,
}

/// A git commit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Git {
    /// The full hash.
    pub commit: String,
    /// Whether tracked files differed from the commit.
    pub dirty: bool,
}

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// The processor's model name.
    pub cpu: String,
    /// Logical processors available to the process.
    pub cores: u32,
    /// Operating system and architecture, such as `linux x86_64`.
    pub os: String,
}

/// Versions of the software.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Versions {
    /// oncospec.
    pub oncospec: String,
    /// Burn.
    pub burn: String,
    /// The compiler.
    pub rustc: String,
}
