//! Runs that differ in their seeds only.

use super::configuration::same_recipe;
use crate::record::{Record, RunState};

/// What the runs of several seeds are called together.
pub(super) fn label_of_seeds(experiment: &str, seeds: usize) -> String {
    format!("{experiment}, {seeds} seeds")
}

/// Experiments with two or more finished runs that differ in their seeds only, with the indices of the runs.
pub(super) fn seeded<'a>(records: &[&'a Record]) -> Vec<(&'a str, Vec<usize>)> {
    let mut experiments: Vec<(&str, Vec<usize>)> = Vec::new();
    for (run, record) in records.iter().enumerate() {
        if record.status.state != RunState::Finished || record.summary.is_average() {
            continue;
        }
        let name = record.summary.experiment.as_str();
        match experiments.iter_mut().find(|(experiment, _)| *experiment == name) {
            Some((_, runs)) => runs.push(run),
            None => experiments.push((name, vec![run])),
        }
    }
    experiments.retain(|(_, runs)| {
        let mut seeds: Vec<u32> = runs.iter().map(|&run| records[run].provenance.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let first = records[runs[0]];
        seeds.len() == runs.len()
            && seeds.len() > 1
            && runs.iter().all(|&run| same_recipe(first, records[run]))
    });
    experiments
}
