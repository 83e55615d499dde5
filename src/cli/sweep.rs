//! The trials of a sweep, and the run of the one that is chosen.

use std::collections::BTreeMap;

use super::Output;
use super::job::{Done, Job};
use super::spec::Overrides;
use crate::error::{Error, Result};
use crate::figure_name::{FigureName, NoFigureName};
use crate::plan::{Checked, Extent, Survey, survey};
use crate::record::{RunState, Sweep, SweepTrial, in_a_line};
use crate::run::{Options, best_first, note_sweep, trial};
use crate::spec::DatasetSpec;
use crate::train::Stop;

/// A sweep, ready to be run.
pub(super) struct SweepJob {
    /// Of what, for a person.
    name: String,
    metric: FigureName,
    /// The epochs after which bad trials are ended.
    rungs: Vec<u32>,
    /// One in how many goes on there.
    factor: usize,
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
        let halving = spec.sweep.as_ref().and_then(|sweep| sweep.halving.as_ref());
        Ok(Self {
            name: format!("{}{fold}", spec.name),
            metric,
            rungs: halving.map_or(Vec::new(), |halving| halving.rungs(spec.schedule.epochs)),
            factor: halving.map_or(1, |halving| halving.factor as usize),
            trials,
        })
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
        let mut left: Vec<&TrialJob> = self.trials.iter().collect();
        let mut ended: Vec<SweepTrial> = Vec::new();
        let mut first = true;
        for rung in self.rungs.iter().map(|&epoch| Some(epoch)).chain([None]) {
            if rung.is_some() && left.len() < 2 {
                continue;
            }
            if let Some(epoch) = rung {
                output.say(format!("  after epoch {epoch}"));
            }
            let mut tried = Vec::new();
            for one in &left {
                let trial = self.trial(one, rung, first, stop, output);
                if stop.asked() {
                    output.say(format!(
                        "{}: stopped before the choice; run it again to go on",
                        self.name
                    ));
                    done.failed.get_or_insert(1);
                    return;
                }
                match trial {
                    Ok(trial) => {
                        output.say(self.line(&trial));
                        tried.push(trial);
                    }
                    Err(error) => done.fail(format!("{}, trial {}", self.name, one.number), &error),
                }
            }
            first = false;
            if tried.len() < left.len() || tried.iter().any(|trial| trial.value.is_none()) {
                done.failed.get_or_insert(1);
            }
            best_first(&self.metric, &mut tried);
            let most = rung.map_or(tried.len(), |_| (left.len() / self.factor).max(1));
            let go_on: Vec<usize> = tried
                .iter()
                .filter(|trial| trial.value.is_some())
                .take(most)
                .map(|trial| trial.number)
                .collect();
            left.retain(|one| go_on.contains(&one.number));
            let through = |trial: &SweepTrial| rung.is_none() || !go_on.contains(&trial.number);
            ended.extend(tried.into_iter().filter(through).map(|trial| ended_after(trial, rung)));
            if rung.is_none() {
                let best =
                    go_on.first().and_then(|best| left.iter().find(|one| one.number == *best));
                match best {
                    Some(best) => self.choose(best, ended, stop, output, done),
                    None => output.say(format!(
                        "{}: no trial has a value of {}: none is chosen",
                        self.name, self.metric
                    )),
                }
                return;
            }
        }
    }

    /// Makes the runs of the trial that is chosen.
    fn choose(
        &self,
        chosen: &TrialJob,
        mut trials: Vec<SweepTrial>,
        stop: &Stop,
        output: Output,
        done: &mut Done,
    ) {
        output.say(format!("{}: trial {} is chosen", self.name, chosen.number));
        let before = done.outcomes.len();
        chosen.whole.make(stop, output, done);
        trials.sort_by_key(|trial| trial.number);
        let sweep = Sweep { metric: self.metric.to_string(), chosen: chosen.number, trials };
        let made = done.outcomes[before..].iter();
        let finished = made.filter(|outcome| outcome.state == RunState::Finished);
        let noted: Result<Vec<()>> =
            finished.map(|outcome| note_sweep(&outcome.path, &sweep)).collect();
        if let Err(error) = noted {
            done.fail(self.name.clone(), &error);
        }
    }

    /// Makes the runs of a trial, until an epoch if there is a `rung`. What is made again by force is so once.
    fn trial(
        &self,
        one: &TrialJob,
        rung: Option<u32>,
        first: bool,
        stop: &Stop,
        output: Output,
    ) -> Result<SweepTrial> {
        let job = &one.on_validation;
        let force = first && job.options.force;
        let options = Options { force, resume: !force, pause_after: rung, ..job.options.clone() };
        let mut ended = Done::default();
        job.make_by(&options, stop, Output { quiet: true, ..output }, &mut ended);
        let trial = trial(one.number, &one.keys, &self.metric, &ended.outcomes, rung)?;
        Ok(match ended.not_begun.into_iter().next() {
            Some(not_begun) => SweepTrial {
                state: RunState::Failed,
                why: Some(not_begun.why),
                value: None,
                ..trial
            },
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

/// A trial that successive halving ended after an epoch, unless it failed; without an epoch as it is.
fn ended_after(trial: SweepTrial, rung: Option<u32>) -> SweepTrial {
    let (Some(epoch), Some(value)) = (rung, trial.value) else { return trial };
    let why = format!("ended after epoch {epoch}, when its value was {value:.4}");
    SweepTrial { state: RunState::Interrupted, why: Some(why), value: None, ..trial }
}
