//! oncospec: declarative experiments for breast-cancer imaging.
//!
//! A TOML file declares data, network, loss, schedule and evaluation; what follows is one value per
//! stage and one function between two stages:
//!
//! ```text
//! Spec -> Plan -> (Dataset, Split) -> Trained -> Evaluation -> Record -> Report
//! ```
//!
//! - [`spec::load`] reads what an author wished, and finds every mistake in it;
//! - [`plan::check`], [`plan::survey`] and [`plan::Checked::plan`] decide what is done;
//! - [`run::run`] trains ([`train::train`]), evaluates ([`evaluate::evaluate`]) and records
//!   ([`record::RunDir`]);
//! - [`report::render`] reads records and nothing else, and makes one HTML page.

pub mod attribution;
pub mod baseline;
mod cache_folder;
pub mod cli;
pub mod data;
pub mod device;
pub mod digest;
pub mod download;
pub mod error;
pub mod evaluate;
pub mod figure_name;
mod file;
pub mod finding;
pub mod frame;
pub mod inference;
pub mod layer;
pub mod loss;
mod machine;
mod memory;
pub mod metric;
pub mod model;
pub mod outputs;
mod panics;
mod parquet;
pub mod plan;
mod progress;
pub mod provenance;
pub mod record;
pub mod report;
pub mod role;
pub mod run;
mod shell;
pub mod source;
pub mod spec;
pub mod split_name;
#[cfg(test)]
mod testing;
pub mod text;
pub mod train;

pub use error::{Error, Result};

use oncospec_kernels as kernels;

#[cfg(doctest)]
#[doc = include_str!("../docs/how-to/library.md")]
struct HowToUseTheLibrary;
