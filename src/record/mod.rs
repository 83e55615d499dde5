//! The run directory: everything a run leaves behind, and all that a report reads.
//!
//! ```text
//! runs/<experiment>/<run-id>/
//!   format.json         which version of this layout     lock               held while a process writes
//!   spec.toml           as merged, with origins          plan.toml          every decision
//!   provenance.json     git, host, device, versions      status.json        how far it came, and why it ended
//!   split.parquet       one row per case                 epochs.parquet     one row per epoch and split
//!   times.parquet       seconds per epoch                cases.parquet      counts and distances per case and class
//!   scores.parquet      probabilities of classified images     guide.parquet  which network made the mask of each case
//!   figures.json        recorded figures                 confusion.json     confusion matrices
//!   layers.json         layer table                      summary.json       sizes, semantics, notes
//!   gates.json          bounds and whether they held     model.safetensors  best weights
//!   test-readings.json  what the ledger said when it finished, and later readings by this run
//!   pictures/           PNG files and pictures.json      checkpoints/       last and best
//! ```
//!
//! Beside the runs of an experiment lies `test-readings.jsonl`, the ledger of how often its test split was read.
//!
//! Every file is replaced as a whole: written beside its place, flushed to disk and renamed. A
//! process killed at any moment leaves each file as it was before or as it is after. `status.json` commits a finished run:
//! it has the SHA-256 of every other file but weights, whose sums `checkpoints/last.json` has, and who reads the run
//! refuses one that is missing or changed. A finished run that is made again is made in `<run-id>.new` beside it, which
//! takes its place when it is whole. `contents.rs` has the names of all of these files; what else lies in a run directory
//! is a person's, and stays.

mod checkpoints;
mod committed;
mod contents;
mod files;
mod list;
mod read;
mod readings;
mod rows;
mod run_dir;
mod tables;

pub use checkpoints::{BestWeights, Checkpoints, Progressed};
pub use contents::Part;
pub use files::{check_writable, write as write_file, write_with as write_file_with};
pub use list::{RunSummary, finished_runs, list_experiment, list_runs};
pub use read::Record;
pub use readings::{Reading, note_reading};
pub use rows::*;
pub use run_dir::{FORMAT_VERSION, RunDir};
pub(crate) use tables::{case_columns, split_columns};

#[cfg(test)]
pub(crate) mod examples;
#[cfg(test)]
mod tests;
