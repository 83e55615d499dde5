//! The trials of a sweep, and the run of the one that is chosen.

use std::collections::BTreeMap;

use super::Output;
use super::job::{Done, Job};
use super::spec::Overrides;
use crate::error::{Error, Result};
use crate::figure_name::{FigureName, NoFigureName};
use crate::plan::{Checked, Extent, Survey, survey};
use crate::record::{RunState, Sweep, SweepTrial};
use crate::run::{Options, best_trial, note_sweep, trial};
use crate::spec::DatasetSpec;
use crate::train::Stop;

/// A sweep, ready to be run.
pub(super) struct SweepJob {
    /// Of what, for a person.
    name: String,
    metric: FigureName,
    trials: Vec<TrialJob>,
}

/// A trial, ready to be run.
struct TrialJob {
    number: usize,
    keys: BTreeMap<String, String>,
    /// Evaluated on the validation split alone.
    on_validation: Job,
    /// Evaluated as the spec says, if it is chosen.
    whole: Job,
}

impl SweepJob {
    /// Plans the trials of a spec.
    ///
    /// # Errors
    /// If one of them cannot be planned.
    pub(super) fn new(checked: &Checked, overrides: &Overrides, options: &Options) -> Result<Self> {
        let spec = &checked.loaded.spec;
        let metric = spec.sweep.as_ref().map_or("", |sweep| &sweep.metric);
        let metric =
            metric.parse().map_err(|error: NoFigureName| Error::user(error.to_string()))?;
        let of = |one: &Checked| Options {
            resume: !options.force,
            again: overrides.again(&one.loaded),
            ..options.clone()
        };
        let mut surveys: Vec<(DatasetSpec, Survey)> = Vec::new();
        let mut trials = Vec::new();
        for trial in &checked.trials {
            let whole = trial.checked.clone();
            let on_validation = trial.on_validation()?;
            let data = &whole.loaded.spec.dataset;
            let known = match surveys.iter().position(|(known, _)| known == data) {
                Some(known) => known,
                None => {
                    surveys.push((data.clone(), survey(&whole, Extent::All)?));
                    surveys.len() - 1
                }
            };
            let (of_trial, of_whole) = (of(&on_validation), of(&whole));
            trials.push(TrialJob {
                number: trial.number,
                keys: trial.keys.clone(),
                on_validation: Job::later(on_validation, of_trial)
                    .planned(Some(&surveys[known].1))?,
                whole: Job::later(whole, of_whole),
            });
        }
        let fold = checked.loaded.member().map(|fold| format!(" {fold}")).unwrap_or_default();
        Ok(Self { name: format!("{}{fold}", spec.name), metric, trials })
    }

    /// The jobs of the trials.
    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.trials.iter().map(|trial| &trial.on_validation)
    }

    /// Makes the trials in turn, a line for each as it ends, then the run of the best one. A trial that fails is named
    /// and takes no part in the choice. Where it is stopped, nothing is chosen.
    pub(super) fn make(&self, stop: &Stop, output: Output, done: &mut Done) {
        output.say(format!("{}: {} trials", self.name, self.trials.len()));
        output.say(format!("  trial  {}  keys", self.metric));
        let mut trials = Vec::new();
        for one in &self.trials {
            if stop.asked() {
                break;
            }
            match self.trial(one, stop, output) {
                Ok(trial) => {
                    output.say(self.line(&trial));
                    trials.push(trial);
                }
                Err(error) => done.fail(&error),
            }
        }
        let whole = trials.len() == self.trials.len();
        let interrupted = trials.iter().any(|trial| trial.state == RunState::Interrupted);
        if stop.asked() || interrupted {
            output.say(format!("{}: stopped before the choice; run it again to go on", self.name));
            done.failed.get_or_insert(1);
            return;
        }
        if !whole || trials.iter().any(|trial| trial.value.is_none()) {
            done.failed.get_or_insert(1);
        }
        let best = best_trial(&self.metric, &trials).map(|trial| trial.number);
        let Some(chosen) = best.and_then(|best| self.trials.iter().find(|one| one.number == best))
        else {
            output.say(format!(
                "{}: no trial has a value of {}: none is chosen",
                self.name, self.metric
            ));
            return;
        };
        output.say(format!("{}: trial {} is chosen", self.name, chosen.number));
        let before = done.outcomes.len();
        chosen.whole.make(stop, output, done);
        let sweep = Sweep { metric: self.metric.to_string(), chosen: chosen.number, trials };
        let made = done.outcomes[before..].iter();
        let finished = made.filter(|outcome| outcome.state == RunState::Finished);
        let noted: Result<Vec<()>> =
            finished.map(|outcome| note_sweep(&outcome.path, &sweep)).collect();
        if let Err(error) = noted {
            done.fail(&error);
        }
    }

    /// Makes the runs of a trial.
    fn trial(&self, one: &TrialJob, stop: &Stop, output: Output) -> Result<SweepTrial> {
        let mut ended = Done::default();
        one.on_validation.make(stop, Output { quiet: true, ..output }, &mut ended);
        let trial = trial(one.number, &one.keys, &self.metric, &ended.outcomes)?;
        Ok(match ended.why {
            Some(why) => {
                SweepTrial { state: RunState::Failed, why: Some(why), value: None, ..trial }
            }
            None => trial,
        })
    }

    /// A trial as a line of the table.
    fn line(&self, trial: &SweepTrial) -> String {
        let value = match (trial.state, trial.value) {
            (RunState::Finished, Some(value)) => format!("{value:.4}"),
            (RunState::Finished, None) => "undefined".into(),
            (state, _) => state.to_string(),
        };
        let width = self.metric.to_string().len();
        let why = trial.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("  {:5}  {value:>width$}  {}{why}", trial.number, in_a_line(&trial.keys))
    }
}

/// Keys with their values.
pub(super) fn in_a_line(keys: &BTreeMap<String, String>) -> String {
    keys.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
}
