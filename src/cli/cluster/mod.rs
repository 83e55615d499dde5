//! Runs that the nodes of a cluster make.
//!
//! The runs of a command become stages (`stages.rs`), whose elements are made by a hidden command (`element.rs`), each by a
//! process of its own, in any order, and more than once where it was stopped. Slurm is given an array of jobs for each stage
//! (`submit.rs`), and Kubernetes an indexed Job (`kubernetes.rs`). All that elements share is the folder of the runs.

mod element;
mod job_script;
mod kubernetes;
mod manifest;
mod queue;
mod slurm;
mod stages;
mod status;
mod submission;
mod submit;

pub(super) use element::{COMMAND as ELEMENT, ElementArgs, execute as element};
pub(super) use manifest::{ManifestArgs, execute as manifest};
pub(super) use slurm::{SlurmArgs, execute as slurm};
pub(super) use submit::submit;
