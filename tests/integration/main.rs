//! Tests of the whole: the command line, the specs, runs, data and the page in a browser.

mod axes;
mod bad_input;
mod browser;
mod ci;
mod classify;
mod cli;
mod cluster;
mod corpus;
mod data_cases;
mod dicom;
mod division;
mod documents;
#[path = "../../build/engine.rs"]
mod engine;
mod ensemble;
mod explain;
mod faults;
mod figures;
mod files;
mod floors;
mod geometry;
mod gpu;
mod hostile;
mod identity;
mod imaging;
mod jobs;
mod leases;
mod metadata;
mod multi_task;
mod own_data;
mod pages;
mod real_data;
mod recipes;
mod regions;
mod runs;
mod specs;
mod stains;
mod support;
#[path = "../../crates/fuzz/src/targets.rs"]
mod targets;
#[path = "../../build/tokens.rs"]
mod tokens;
#[path = "../../build/uses.rs"]
mod uses;
mod weights;
