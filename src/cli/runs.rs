//! Run directories by path, id or name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use super::outputs::canonical;
use crate::data::{Decoded, decode_image};
use crate::device::{Request, choose};
use crate::error::{Error, Result};
use crate::evaluate::Predictor;
use crate::plan::Decisions;
use crate::record::{Record, RunState, list_experiment, list_runs};
use crate::run::{beside, predictor, with_mask};
use crate::text;

/// Arguments that name a run whose weights are used.
#[derive(Debug, Args)]
pub(super) struct TrainedArgs {
    /// Run directory, run id or name of an experiment with one run.
    #[arg(value_name = "RUN")]
    run: String,
    /// Folder of the run directories, for ids and names.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    root: PathBuf,
    /// auto, cpu, cuda or cuda:INDEX.
    #[arg(long, default_value = "auto")]
    device: String,
}

/// A run with its best weights.
pub(super) struct Trained {
    /// The run directory.
    pub run: PathBuf,
    /// What it records.
    pub record: Record,
    /// Its plan.
    pub decisions: Decisions,
    /// Its best weights, ready to predict.
    pub predictor: Predictor,
    /// The probability from which on a pixel is foreground, or an image of the second of two classes.
    pub threshold: f64,
    /// The network that makes masks for a guided classifier, with its threshold.
    pub guide: Option<(Predictor, f64)>,
    /// How far the run came, where it did not finish.
    pub unfinished: Option<String>,
}

/// How far a run came that did not finish, said to the person at the terminal too.
pub(super) fn unfinished(record: &Record) -> Option<String> {
    let status = &record.status;
    if status.state == RunState::Finished {
        return None;
    }
    let why = status.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let (state, epoch, epochs) = (status.state, status.epoch, status.epochs);
    let said = format!("{state} after {epoch} of {epochs} epochs{why}");
    eprintln!(
        "warning: {}: this run is not finished ({said}); its best weights so far are used",
        text::path(&record.path)
    );
    Some(said)
}

impl Trained {
    /// An image file, with a mask where the network wants one.
    ///
    /// # Errors
    /// If it cannot be decoded.
    pub(super) fn image(&self, path: &Path) -> Result<Decoded> {
        let image = Decoded { image: decode_image(path, self.decisions.levels())?, labels: None };
        match &self.guide {
            Some((guide, threshold)) => with_mask(guide, *threshold, image),
            None => Ok(image),
        }
    }
}

impl TrainedArgs {
    /// Opens the run.
    ///
    /// # Errors
    /// If there is none, it has no weights yet, or the device is not there.
    pub(super) fn open(&self) -> Result<Trained> {
        let run = find_run(&self.run, &self.root)?;
        let record = Record::read(&run)?;
        let decisions = Decisions::from_toml(&record.plan)?;
        let chosen = choose(self.device.parse::<Request>()?)?;
        let own = predictor(&run, &decisions, &chosen)?;
        let threshold = record.threshold();
        let unfinished = unfinished(&record);
        let guide = match &decisions.guide {
            Some(path) => {
                let path = beside(&run, path);
                let record = Record::read(&path)?;
                let of_guide = Decisions::from_toml(&record.plan)?;
                Some((predictor(&path, &of_guide, &chosen)?, record.threshold()))
            }
            None => None,
        };
        Ok(Trained { run, record, decisions, predictor: own, threshold, guide, unfinished })
    }
}

/// The run directories that `names` mean, each once: a run directory, a folder of runs, an experiment's name or, where
/// no experiment has it, the beginning of a run id under `root`.
///
/// # Errors
/// If one means nothing.
pub(super) fn find_runs(names: &[String], root: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut seen = BTreeSet::new();
    for name in names {
        // One directory may have several paths.
        found.extend(find(name, root)?.into_iter().filter(|run| seen.insert(canonical(run))));
    }
    Ok(found)
}

/// The one run directory that `name` means.
///
/// # Errors
/// If it means none, or several.
pub(super) fn find_run(name: &str, root: &Path) -> Result<PathBuf> {
    let mut found = find(name, root)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        count => {
            let names: Vec<String> = found.iter().map(|run| run.display().to_string()).collect();
            let names = names.join(", ");
            Err(Error::user(format!("`{name}` means {count} runs, name one of them: {names}")))
        }
    }
}

fn find(name: &str, root: &Path) -> Result<Vec<PathBuf>> {
    let path = Path::new(name);
    if path.join("format.json").exists() {
        return Ok(vec![path.to_path_buf()]);
    }
    if path.is_dir() {
        let mut runs = list_experiment(path)?;
        if runs.is_empty() {
            runs = list_runs(path)?;
        }
        if !runs.is_empty() {
            return Ok(runs.into_iter().map(|run| run.path).collect());
        }
    }
    let there = if root.is_dir() { list_runs(root)? } else { Vec::new() };
    let is_experiment = there.iter().any(|run| run.experiment == name);
    let runs: Vec<PathBuf> = there
        .into_iter()
        .filter(|run| match is_experiment {
            true => run.experiment == name,
            false => !name.is_empty() && run.run_id.starts_with(name),
        })
        .map(|run| run.path)
        .collect();
    if runs.is_empty() {
        let nothing = if root.is_dir() { "" } else { ", which is no folder" };
        return Err(Error::user(format!(
            "`{name}` is neither a run directory nor an experiment or run id under {}{nothing}; \
             `oncospec list` names the runs",
            root.display()
        )));
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RunDir;

    #[test]
    fn a_run_counts_once_and_the_name_of_an_experiment_comes_before_an_id() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (experiment, id) in [("a4", "0123-01"), ("t", "a426-02"), ("t", "b000-03")] {
            RunDir::create(root, experiment, id).unwrap();
        }
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
            let found = find_runs(&names, root).unwrap();
            let relative =
                |run: PathBuf| canonical(&run).strip_prefix(canonical(root)).unwrap().to_path_buf();
            found.into_iter().map(relative).collect::<Vec<_>>()
        };
        let path = root.join("a4/../a4/0123-01").display().to_string();
        assert_eq!(of(&["a4", &path, "0123"]), [Path::new("a4/0123-01")]);
        assert_eq!(of(&["a42"]), [Path::new("t/a426-02")]);
    }
}
