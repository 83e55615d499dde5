//! Which trial of a sweep is chosen.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use super::outcome::Outcome;
use crate::error::Result;
use crate::evaluate::figure_goal;
use crate::figure_name::FigureName;
use crate::metric::Goal;
use crate::record::{Record, RunDir, RunState, Sweep, SweepTrial};

/// A trial by its runs, one for each seed: the mean of the figure that decides, if all of them finished; of those that were
/// paused `after` an epoch, the mean of its best value until then.
///
/// # Errors
/// If a record cannot be read.
pub fn trial(
    number: usize,
    keys: &BTreeMap<String, String>,
    metric: &FigureName,
    ended: &[Outcome],
    after: Option<u32>,
) -> Result<SweepTrial> {
    let stopped = |outcome: &&Outcome| match after {
        None => outcome.state != RunState::Finished,
        Some(_) => !matches!(outcome.state, RunState::Finished | RunState::Interrupted),
    };
    let stopped = ended.iter().find(stopped);
    let mut values = Vec::new();
    if stopped.is_none() {
        for outcome in ended {
            let record = Record::read(&outcome.path)?;
            values.extend(match after {
                None => record.figure(metric).map(|figure| figure.value),
                Some(epoch) => best_until(&record, metric, epoch),
            });
        }
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    Ok(SweepTrial {
        number,
        keys: keys.clone(),
        runs: ended.iter().map(|outcome| outcome.run_id.clone()).collect(),
        state: stopped.map_or(RunState::Finished, |outcome| outcome.state),
        why: stopped.and_then(|outcome| outcome.why.clone()),
        value: mean.is_finite().then_some(mean),
    })
}

/// The best value of a figure of epochs until one of them.
fn best_until(record: &Record, metric: &FigureName, epoch: u32) -> Option<f64> {
    let rows = record.epochs.iter().filter(|row| row.split == metric.split && row.epoch <= epoch);
    let values = rows.filter_map(|row| row.figures.get(&metric.figure)).copied();
    values.filter(|value| !value.is_nan()).min_by(|a, b| order(metric, *a, *b))
}

/// The better of two values first.
fn order(metric: &FigureName, a: f64, b: f64) -> Ordering {
    match figure_goal(&metric.to_string()) {
        Some(Goal::Lowest) => a.total_cmp(&b),
        Some(Goal::Highest) | None => b.total_cmp(&a),
    }
}

/// Puts trials in order, the best first; equal ones stay as they are, and those without a value come last.
pub fn best_first(metric: &FigureName, trials: &mut [SweepTrial]) {
    trials.sort_by(|a, b| match (a.value, b.value) {
        (Some(a), Some(b)) => order(metric, a, b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
}

/// Records in a finished run by which trials its keys were chosen.
///
/// # Errors
/// If the run directory cannot be written, or another process works on it.
pub fn note_sweep(run: &Path, sweep: &Sweep) -> Result<()> {
    let noted: Sweep = RunDir::open_read(run)?.read()?;
    if noted == *sweep {
        return Ok(());
    }
    RunDir::open_write(run)?.write(sweep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_come_in_order_equal_ones_as_they_are_and_those_without_a_value_last() {
        let trials: Vec<SweepTrial> = [Some(0.5), None, Some(0.75), Some(0.75), Some(0.25)]
            .into_iter()
            .enumerate()
            .map(|(index, value)| SweepTrial { number: index + 1, value, ..SweepTrial::default() })
            .collect();
        let ordered = |metric: &str| {
            let mut trials = trials.clone();
            best_first(&metric.parse().unwrap(), &mut trials);
            trials.iter().map(|trial| trial.number).collect::<Vec<_>>()
        };
        assert_eq!(ordered("valid.dice.lesion"), [3, 4, 1, 5, 2]);
        assert_eq!(ordered("valid.hd95.mean"), [5, 1, 3, 4, 2]);
    }
}
