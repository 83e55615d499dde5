//! `[run.slurm]`: what a Slurm cluster gives each run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a Slurm cluster gives each run of `run --on slurm`. What is absent is as the cluster has it by default; options of
/// `sbatch` without a key here are given by its environment variables, such as `SBATCH_RESERVATION`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SlurmSpec {
    /// Partition, or several of which the first that is free is taken, such as `gpu,gpu-long`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.@,-]+$"))]
    pub partition: Option<String>,
    /// Account that the time is charged to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.@-]+$"))]
    pub account: Option<String>,
    /// Quality of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.@-]+$"))]
    pub qos: Option<String>,
    /// Features that a node must have, such as `a100|h100`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.@&|*()\[\]-]+$"))]
    pub constraint: Option<String>,
    /// GPUs. With `run.device = "auto"` a run computes on the first of them, and on the CPU where there are none.
    #[schemars(range(min = 0, max = 64))]
    pub gpus: u32,
    /// Type of the GPUs, as the cluster calls it, such as `a100`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.-]+$"))]
    pub gpu_type: Option<String>,
    /// Cores, and threads that compute.
    #[schemars(range(min = 1, max = 1024))]
    pub cpus: u32,
    /// Memory, such as `16G`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[1-9][0-9]*[KMGT]?$"))]
    pub memory: Option<String>,
    /// The longest time of a job as Slurm writes it, such as `12:00:00` or `2-00:00:00`. A run that takes longer goes on in the
    /// next: see `requeues`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+-)?[0-9]+(:[0-9]+){0,2}$"))]
    pub time: Option<String>,
    /// Seconds before the end of `time` in which a run is told to stop, which it does after a step. The job is then requeued,
    /// and the run goes on from its last checkpoint. They must be enough for a step and for reading the data.
    #[schemars(range(min = 5, max = 86_400))]
    pub notice: u32,
    /// How often a job that was stopped, by its end or by other work that came before it, goes on. One that was killed
    /// without a word goes on three times at the most.
    #[schemars(range(min = 0, max = 1000))]
    pub requeues: u32,
    /// The most runs of one array that are made at once; if absent, as many as the cluster has room for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub at_once: Option<u32>,
    /// Modules that a job loads, in this order, such as `["cuda/12.4"]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(regex(pattern = r"^[A-Za-z0-9_.+/@-]+$")))]
    pub modules: Vec<String>,
    /// Image of a container, relative to this file, in which Apptainer runs oncospec.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-path" = true))]
    pub container: Option<String>,
    /// The program on the nodes, a name or an absolute path; if absent, the one that submits, in a container `oncospec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

impl Default for SlurmSpec {
    fn default() -> Self {
        Self {
            partition: None,
            account: None,
            qos: None,
            constraint: None,
            gpus: 0,
            gpu_type: None,
            cpus: 4,
            memory: None,
            time: None,
            notice: 120,
            requeues: 20,
            at_once: None,
            modules: Vec::new(),
            container: None,
            program: None,
        }
    }
}
