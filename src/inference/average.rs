//! Runs of one experiment whose probabilities are averaged: its seeds, or its folds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::trained::{Trained, unfinished};
use crate::device::Request;
use crate::error::{Error, Result};
use crate::evaluate::Predictor;
use crate::plan::Decisions;
use crate::record::{Record, RunDir, RunState, Summary};
use crate::run::members_of;
use crate::spec::{diff, matters};
use crate::split_name::SplitName;

/// A run whose probabilities are averaged with those of another.
pub struct Member {
    /// The run directory.
    pub run: PathBuf,
    /// What it records.
    pub record: Record,
}

impl Trained {
    /// Opens run directories on a device: one, or several of one experiment that differ in seeds and folds alone, whose
    /// probabilities are averaged. Of several, those that did not finish are left out, and so are averages.
    ///
    /// The average has the mean of their thresholds, and the steps of post-processing that more than half of them kept.
    ///
    /// # Errors
    /// If there is none, they cannot be averaged, one has no weights yet, or the device is not there.
    pub fn open_all(runs: Vec<PathBuf>, device: Request) -> Result<Self> {
        let mut runs = match runs.len() {
            1 => runs,
            _ => finished(runs)?,
        };
        if runs.is_empty() {
            return Err(Error::user("none of these runs is finished, so that none is averaged"));
        }
        let first = runs.remove(0);
        let mut trained = Self::open(first, device.clone())?;
        let mut settled = vec![trained.predictor.settled.clone()];
        for run in runs {
            let Self { run, record, decisions, predictor, .. } = Self::open(run, device.clone())?;
            can_be_averaged(&trained, &run, &decisions)?;
            settled.push(predictor.settled.clone());
            trained.predictor.others.push(predictor);
            trained.others.push(Member { run, record });
        }
        if settled.len() > 1 {
            let n = settled.len();
            let thresholds = settled.iter().map(|settled| settled.threshold);
            trained.predictor.settled.threshold = thresholds.sum::<f64>() / n as f64;
            let kept = |step: &_| {
                2 * settled.iter().filter(|one| one.post_process.contains(step)).count() > n
            };
            let asked = &trained.decisions.spec.evaluation.post_process;
            trained.predictor.settled.post_process =
                asked.iter().filter(|step| kept(step)).cloned().collect();
        }
        Ok(trained)
    }

    /// Opens the average that a run directory records, with the threshold and the steps of post-processing that the
    /// validation split chose for it.
    pub(super) fn open_average(run: PathBuf, record: Record, device: &Request) -> Result<Self> {
        let decisions = Decisions::from_toml(&record.plan)?;
        let settled = record.settled(&decisions.spec.evaluation);
        let (mut predictors, mut others) = (Vec::new(), Vec::new());
        for member in members_of(&run, &record.summary.members) {
            let Self { run, record, predictor, .. } = Self::open(member, device.clone())?;
            predictors.push(predictor);
            others.push(Member { run, record });
        }
        let mut predictors = predictors.into_iter();
        let first = predictors.next().ok_or_else(|| Error::failed("an average of no run"))?;
        let mut predictor = Predictor { others: predictors.collect(), ..first };
        predictor.settled.threshold = settled.threshold;
        predictor.settled.post_process = settled.post_process;
        let unfinished = unfinished(&record);
        Ok(Self {
            run,
            record,
            decisions,
            predictor,
            others,
            guide: None,
            columns: None,
            unfinished,
        })
    }

    /// The runs whose probabilities are averaged, the first of which stands for them, unless the average is recorded itself;
    /// one alone is not averaged.
    pub fn runs(&self) -> Vec<&Path> {
        let others = self.others.iter().map(|other| other.run.as_path());
        let own = (!self.record.summary.is_average()).then_some(self.run.as_path());
        own.into_iter().chain(others).collect()
    }

    /// Whether all runs that are averaged have the same cases in a split: else one was trained on what another is tested on.
    ///
    /// # Errors
    /// The user's, if not.
    pub(super) fn same_split(&self, split: SplitName) -> Result<()> {
        let cases = |record: &Record| {
            let rows = record.split.iter().filter(|row| row.split == split);
            rows.map(|row| row.case.clone()).collect::<BTreeSet<_>>()
        };
        let own = cases(&self.record);
        match self.others.iter().find(|other| cases(&other.record) != own) {
            None => Ok(()),
            Some(other) => Err(Error::user(format!(
                "{} and {} have other cases in their {split} split, so that one was trained on cases of the other's: \
                 their average is scored on other data alone (--data DIR), and the page pools the test cases of folds",
                self.run.display(),
                other.run.display()
            ))),
        }
    }
}

/// The runs that finished, without averages of them.
fn finished(runs: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let mut finished = Vec::new();
    for run in runs {
        let directory = RunDir::open_read(&run)?;
        let is_average = directory.read::<Summary>()?.is_average();
        if directory.status()?.state == RunState::Finished && !is_average {
            finished.push(run);
        }
    }
    Ok(finished)
}

/// Runs are averaged that differ in seeds and folds alone.
fn can_be_averaged(first: &Trained, run: &Path, decisions: &Decisions) -> Result<()> {
    let refused = |why: String| {
        Err(Error::user(format!(
            "{} and {} cannot be averaged: {why}; name one run",
            first.run.display(),
            run.display()
        )))
    };
    let of_repeats = ["dataset.split.fold", "dataset.split.seed"];
    let differing = diff(&[&first.decisions.spec, &decisions.spec]);
    let other = differing.iter().find(|(key, _)| {
        matters(key) && !key.starts_with("seeds") && !of_repeats.contains(&key.as_str())
    });
    if let Some((key, values)) = other {
        return refused(format!("`{key}` is {} in one and {} in the other", values[0], values[1]));
    }
    if first.decisions.window != decisions.window {
        return refused("their training splits decided other intensity windows".into());
    }
    if first.guide.is_some() {
        return refused("each has its own network that makes masks".into());
    }
    Ok(())
}
