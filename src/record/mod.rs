//! The run directory: everything a run leaves behind, and all that a report reads.
//!
//! ```text
//! runs/<experiment>/<run-id>/
//!   format.json         which version of this layout     lock               held while a process writes
//!   lease.N             which process of which machine writes
//!   spec.toml           as merged, with origins          plan.toml          every decision
//!   provenance.json     git, host, device, versions      status.json        how far it came, and why it ended
//!   data.parquet        digests of each case             sources.json       digests of each source of oncospec
//!   split.parquet       one row per case                 epochs.parquet     one row per epoch and split
//!   times.parquet       seconds per epoch                cases.parquet      counts and distances per case and class
//!   scores.parquet      probabilities of classified images     guide.parquet  which network predicted the mask of each case
//!   figures.json        recorded figures                 confusion.json     confusion matrices
//!   layers.json         layer table                      summary.json       sizes, semantics, notes
//!   gates.json          bounds and whether they held     model.safetensors  best weights
//!   reliability.json    pixels by the probability of each class
//!   froc.json           lesions found and false ones at every threshold
//!   strata.json         headline figures by the columns that the spec names
//!   sweep.json          the trials by which keys of the run were chosen
//!   test-readings.json  readings of the test split: those in the ledger at the end, and later ones by this run
//!   words.json          words and bounds of a later spec     masks.json  checksums of masks for runs that it guides
//!   pictured.parquet    evaluated cases with their masks
//!   pictures/           PNG files and pictures.json      checkpoints/       last and best
//! ```
//!
//! Beside the runs of an experiment lies `test-readings.jsonl`, the ledger of how often its test split was read.
//!
//! Each of these files is an [`Artefact`], in a file of this module that holds its rows, its name and its format;
//! [`RunDir::read`] and [`RunDir::write`] read and write one, [`Record::read`] reads all. `contents.rs` lists them; other
//! files in a run directory belong to a person and stay.
//!
//! Every file is replaced as a whole: written beside its place, flushed to disk and renamed. A process killed at any
//! moment leaves each file as it was before or as it is after. `status.json` commits a finished run: it has the SHA-256 of
//! every other file except weights, whose checksums are in `checkpoints/last.json`; readers refuse a file that is missing,
//! changed or added. A finished run that is made again is made in `<run-id>.new` beside it, which replaces it when it is whole.

mod artefact;
mod cases;
mod checkpoints;
mod committed;
mod confusion;
mod contents;
mod data;
mod data_pictures;
mod epochs;
mod figures;
mod files;
mod film;
mod format;
mod froc;
mod gates;
mod guide;
mod last;
mod layers;
mod lease;
mod list;
mod lock;
mod masks;
mod metadata;
mod pictured;
mod pictures;
mod position;
mod provenance;
mod read;
mod readings;
mod reliability;
mod run_dir;
mod scores;
mod sources;
mod split;
mod status;
mod strata;
mod summary;
mod sweep;
mod table;
mod times;
mod words;

pub use artefact::Artefact;
pub use cases::CaseRow;
pub use checkpoints::{BestWeights, Checkpoints, Progressed};
pub use confusion::Confusion;
pub use data::{CaseChange, DataRow, changed_cases};
pub use data_pictures::{DataPicture, DataPictureKind};
pub use epochs::EpochRow;
pub use figures::{Figure, Interval};
pub use files::{check_writable, write as write_file, write_with as write_file_with};
pub use film::{Frame, FrameImages};
pub use froc::{Froc, FrocPoint};
pub use gates::{COST, Gate, Reference, with_cost};
pub use guide::GuideRow;
pub use last::{LAST_CHECKPOINT, Part};
pub use list::{
    RunSummary, finished_at, finished_runs, is_experiment, list_experiment, list_runs,
    runs_beginning, unfinished_runs,
};
pub use masks::MaskChecksums;
pub use pictured::PicturedRow;
pub use pictures::{Picture, PictureFile, PictureImages, PictureKind};
pub use position::Position;
pub use provenance::{Determinism, Git, Host, Parent, Provenance, Session, Versions};
pub use read::Record;
pub use readings::{Reading, ReadingKey, note_reading};
pub use reliability::{ClassReliability, PixelReliability, ReliabilityBin};
pub use run_dir::RunDir;
pub use scores::{ScoreRow, Scores};
pub use sources::Sources;
pub use split::SplitRow;
pub use status::{RunState, Status, now};
pub use strata::Stratum;
pub use summary::{ClassShare, Selection, Semantics, Summary, Task, Threshold};
pub use sweep::{Sweep, SweepTrial, in_a_line};
pub use table::Table;
pub use times::TimesRow;
pub use words::Words;

#[cfg(test)]
mod example_masks;
#[cfg(test)]
pub(crate) mod examples;
#[cfg(test)]
mod tests;
