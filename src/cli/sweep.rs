//! The trials of a sweep, and the run of the one that is chosen.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Output;
use super::job::{Declared, DeclaredTrial, Done, Job, Maker, make_all};
use super::spec::Overrides;
use crate::device::Family;
use crate::error::{Error, Result};
use crate::figure_name::{FigureName, NoFigureName};
use crate::plan::{Checked, Extent, Survey, survey};
use crate::record::{RunState, Sweep, SweepTrial, in_a_line};
use crate::run::{Options, Outcome, best_first, note_sweep, trial};
use crate::spec::DatasetSpec;

/// A sweep, ready to be run.
pub(super) struct SweepJob {
    /// Of what, for a person.
    pub name: String,
    metric: FigureName,
    /// The epochs after which bad trials are ended.
    rungs: Vec<u32>,
    /// One in how many goes on there.
    factor: usize,
    trials: Vec<TrialJob>,
}

/// The trials of a sweep by their runs, from which a process that makes one of them sees whether it is to go on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SweepTable {
    metric: FigureName,
    /// The epochs after which bad trials are ended.
    pub rungs: Vec<u32>,
    /// One in how many goes on there.
    factor: usize,
    trials: Vec<TrialRuns>,
}

/// The run directories of a trial, one for each seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct TrialRuns {
    number: usize,
    runs: Vec<PathBuf>,
}

impl SweepTable {
    /// Whether a trial goes on after some of the first rungs. One whose runs did not get that far has ended.
    pub(super) fn goes_on(&self, number: usize, rungs: usize) -> bool {
        let mut left: Vec<&TrialRuns> = self.trials.iter().collect();
        for &rung in &self.rungs[..rungs] {
            if left.len() < 2 {
                continue;
            }
            let tried = |one: &&TrialRuns| {
                let read = |run: &PathBuf| Outcome::read(run.clone(), true);
                let ended: Vec<Outcome> = one.runs.iter().map(read).collect::<Result<_>>().ok()?;
                trial(one.number, &BTreeMap::new(), &self.metric, &ended, Some(rung)).ok()
            };
            let mut tried: Vec<SweepTrial> = left.iter().filter_map(tried).collect();
            let most = (left.len() / self.factor).max(1);
            let go_on = best_of(&self.metric, most, &mut tried);
            left.retain(|one| go_on.contains(&one.number));
        }
        left.iter().any(|one| one.number == number)
    }
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
    /// Plans the trials of a spec on a kind of device.
    ///
    /// # Errors
    /// If one of them cannot be planned.
    pub(super) fn new(
        checked: &Checked,
        overrides: &Overrides,
        options: &Options,
        device: Family,
    ) -> Result<Self> {
        let spec = &checked.loaded.spec;
        let metric = spec.sweep.as_ref().map_or("", |sweep| &sweep.metric);
        let metric =
            metric.parse().map_err(|error: NoFigureName| Error::user(error.to_string()))?;
        let of = |one: &Checked| Options {
            resume: !options.force,
            again: overrides.again(&one.loaded),
            ..options.clone()
        };
        let declared = |number: usize, whole: bool| Declared {
            trial: Some(DeclaredTrial { number, whole }),
            ..Declared::new(checked, overrides)
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
                on_validation: Job::later(on_validation, of_trial, declared(trial.number, false))
                    .planned(Some(&surveys[known].1), device)?,
                whole: Job::later(whole, of_whole, declared(trial.number, true)),
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

    /// Its trials as others can make them.
    pub(super) fn table(&self) -> SweepTable {
        let runs = |one: &TrialJob| {
            let plans = one.on_validation.plans.iter().flatten();
            TrialRuns { number: one.number, runs: plans.map(|plan| plan.folder()).collect() }
        };
        SweepTable {
            metric: self.metric.clone(),
            rungs: self.rungs.clone(),
            factor: self.factor,
            trials: self.trials.iter().map(runs).collect(),
        }
    }

    /// The jobs of the trials, with their numbers.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (&Job, usize)> {
        self.trials.iter().map(|trial| (&trial.on_validation, trial.number))
    }

    /// The jobs of the trials.
    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.trials.iter().map(|trial| &trial.on_validation)
    }

    /// Makes the trials, a line for each as it ends, then the run of the best one. A trial that fails is named and takes no
    /// part in the choice. Where it is stopped, nothing is chosen.
    pub(super) fn make(&self, maker: &Maker, before: &[Outcome], done: &mut Done) {
        let output = maker.output;
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
            let mut tried = self.tried(&left, rung, first, maker, before, done);
            if maker.stop.asked() {
                output.say(format!(
                    "{}: stopped before the choice; run it again to go on",
                    self.name
                ));
                done.failed.get_or_insert(1);
                return;
            }
            first = false;
            if tried.len() < left.len() || tried.iter().any(|trial| trial.value.is_none()) {
                done.failed.get_or_insert(1);
            }
            let most = rung.map_or(tried.len(), |_| (left.len() / self.factor).max(1));
            let go_on = best_of(&self.metric, most, &mut tried);
            left.retain(|one| go_on.contains(&one.number));
            let through = |trial: &SweepTrial| rung.is_none() || !go_on.contains(&trial.number);
            ended.extend(tried.into_iter().filter(through).map(|trial| ended_after(trial, rung)));
            if rung.is_none() {
                let best =
                    go_on.first().and_then(|best| left.iter().find(|one| one.number == *best));
                match best {
                    Some(best) => self.choose(best, ended, maker, before, done),
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
        maker: &Maker,
        before: &[Outcome],
        done: &mut Done,
    ) {
        maker.output.say(format!("{}: trial {} is chosen", self.name, chosen.number));
        let mut ended = Done::default();
        chosen.whole.make(maker, before, &mut ended);
        trials.sort_by_key(|trial| trial.number);
        let sweep = Sweep { metric: self.metric.to_string(), chosen: chosen.number, trials };
        let finished = ended.outcomes.iter().filter(|outcome| outcome.finished());
        let noted: Result<Vec<()>> =
            finished.map(|outcome| note_sweep(&outcome.path, &sweep)).collect();
        done.add(ended);
        if let Err(error) = noted {
            done.fail(self.name.clone(), &error);
        }
    }

    /// Makes the runs of trials, until an epoch if there is a `rung`, and gives the trials in the order in which they are
    /// given. What is made again by force is so once.
    fn tried(
        &self,
        trials: &[&TrialJob],
        rung: Option<u32>,
        first: bool,
        maker: &Maker,
        before: &[Outcome],
        done: &mut Done,
    ) -> Vec<SweepTrial> {
        let options = |job: &Job| {
            let force = first && job.options.force;
            Options { force, resume: !force, pause_after: rung, ..job.options.clone() }
        };
        let jobs = trials.iter().map(|one| &one.on_validation);
        let jobs: Vec<(&Job, Options)> = jobs.map(|job| (job, options(job))).collect();
        let mut tried: BTreeMap<usize, SweepTrial> = BTreeMap::new();
        let quiet = Maker { output: Output { quiet: true, ..maker.output }, ..*maker };
        make_all(&jobs, &quiet, before, &mut |place, ended| {
            if maker.stop.asked() {
                return;
            }
            match self.trial(trials[place], rung, ended) {
                Ok(trial) => {
                    maker.output.say(self.line(&trial));
                    tried.insert(place, trial);
                }
                Err(error) => {
                    done.fail(format!("{}, trial {}", self.name, trials[place].number), &error);
                }
            }
        });
        tried.into_values().collect()
    }

    /// A trial by what came of its runs.
    fn trial(&self, one: &TrialJob, rung: Option<u32>, ended: Done) -> Result<SweepTrial> {
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

/// Puts trials in order, the best first, and gives the numbers of the first so many that have a value.
fn best_of(metric: &FigureName, most: usize, trials: &mut [SweepTrial]) -> Vec<usize> {
    best_first(metric, trials);
    let valued = trials.iter().filter(|trial| trial.value.is_some());
    valued.take(most).map(|trial| trial.number).collect()
}

/// A trial that successive halving ended after an epoch, unless it failed; without an epoch as it is.
fn ended_after(trial: SweepTrial, rung: Option<u32>) -> SweepTrial {
    let (Some(epoch), Some(value)) = (rung, trial.value) else { return trial };
    let why = format!("ended after epoch {epoch}, when its value was {value:.4}");
    SweepTrial { state: RunState::Interrupted, why: Some(why), value: None, ..trial }
}
