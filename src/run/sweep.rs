//! Which trial of a sweep is chosen.

use std::collections::BTreeMap;
use std::path::Path;

use super::outcome::Outcome;
use crate::error::Result;
use crate::evaluate::figure_goal;
use crate::figure_name::FigureName;
use crate::metric::Goal;
use crate::record::{Record, RunDir, RunState, Sweep, SweepTrial};

/// A trial by its runs, one for each seed: the mean of the figure that decides, if all of them finished.
///
/// # Errors
/// If a record cannot be read.
pub fn trial(
    number: usize,
    keys: &BTreeMap<String, String>,
    metric: &FigureName,
    ended: &[Outcome],
) -> Result<SweepTrial> {
    let unfinished = ended.iter().find(|outcome| outcome.state != RunState::Finished);
    let mut values = Vec::new();
    if unfinished.is_none() {
        for outcome in ended {
            values.extend(Record::read(&outcome.path)?.figure(metric).map(|figure| figure.value));
        }
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    Ok(SweepTrial {
        number,
        keys: keys.clone(),
        runs: ended.iter().map(|outcome| outcome.run_id.clone()).collect(),
        state: unfinished.map_or(RunState::Finished, |outcome| outcome.state),
        why: unfinished.and_then(|outcome| outcome.why.clone()),
        value: mean.is_finite().then_some(mean),
    })
}

/// The best of the trials that have a value; of equal ones the first. `None` where none has one.
pub fn best_trial<'a>(metric: &FigureName, trials: &'a [SweepTrial]) -> Option<&'a SweepTrial> {
    let goal = figure_goal(&metric.to_string());
    let rank = |trial: &SweepTrial| {
        trial.value.map(|value| if goal == Some(Goal::Lowest) { value } else { -value })
    };
    let ranked = trials.iter().filter_map(|trial| Some((rank(trial)?, trial)));
    ranked.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, trial)| trial)
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
    fn the_best_trial_is_the_first_of_the_best_that_have_a_value() {
        let trials: Vec<SweepTrial> = [Some(0.5), None, Some(0.75), Some(0.75), Some(0.25)]
            .into_iter()
            .enumerate()
            .map(|(index, value)| SweepTrial { number: index + 1, value, ..SweepTrial::default() })
            .collect();
        let best = |metric: &str| best_trial(&metric.parse().unwrap(), &trials).unwrap().number;
        assert_eq!(best("valid.dice.lesion"), 3);
        assert_eq!(best("valid.hd95.mean"), 5);
        assert!(best_trial(&"valid.dice.lesion".parse().unwrap(), &trials[1..2]).is_none());
    }
}
