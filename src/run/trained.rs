//! Takes over training from another run: one of the same weights, or the one that a run continues.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::plan::{Plan, prefix};
use crate::record::{
    Artefact, EpochRow, Frame, LAST_CHECKPOINT, Parent, Provenance, RunDir, TimesRow,
    finished_runs, write_file,
};
use crate::spec::RateSpec;

/// Takes over into a new run directory what a finished run has trained that this one would train again, or that it
/// continues. Returns the directory of that run, below the folder of all runs; `None` if there is nothing to take over.
///
/// Killed on the way, the new run has no checkpoint yet.
///
/// # Errors
/// If the run that this one continues is not there any more, one of its files is missing or changed, or the disk
/// refuses.
pub(super) fn take_over(plan: &Plan, run: &RunDir, anew: bool) -> Result<Option<String>> {
    let decisions = &plan.decisions;
    let same = if anew { None } else { finished(plan, &decisions.training_id, run.path())? };
    let before = match (same, &decisions.parent) {
        (Some(before), _) => before,
        (None, None) => return Ok(None),
        (None, Some(parent)) => {
            finished(plan, &parent.training_id, run.path())?.ok_or_else(|| missing(plan))?
        }
    };
    let trained = RunDir::open_read(&before)?;
    share(&trained.best_weights()?.path, &run.model())?;
    for name in [Vec::<EpochRow>::FILE, Vec::<TimesRow>::FILE] {
        take(&trained, run, name)?;
    }
    take_film(&trained, run)?;
    take_checkpoints(&trained, run)?;
    take(&trained, run, LAST_CHECKPOINT)?;
    Ok(Some(super::guide::below(&before)))
}

/// Takes over the pictures of epochs.
fn take_film(from: &RunDir, to: &RunDir) -> Result<()> {
    let film: Vec<Frame> = from.read()?;
    let pictures = film.iter().flat_map(|frame| {
        let images = &frame.images;
        [&images.image, &images.truth, &images.prediction, &images.heat].into_iter().flatten()
    });
    for picture in pictures {
        if let Some(name) = Path::new(&picture.file).file_name() {
            take(from, to, &format!("pictures/{}", name.to_string_lossy()))?;
        }
    }
    to.write(&film)
}

/// Takes over the parts of checkpoints.
fn take_checkpoints(from: &RunDir, to: &RunDir) -> Result<()> {
    for folder in entries(&from.checkpoints())?.into_iter().filter(|path| path.is_dir()) {
        let below = format!("checkpoints/{}", name(&folder));
        let made = to.file(&below);
        fs::create_dir_all(&made).map_err(Error::io(&made, "cannot create"))?;
        for part in entries(&folder)? {
            take(from, to, &format!("{below}/{}", name(&part)))?;
        }
    }
    Ok(())
}

/// A finished run of a training id, other than this one.
///
/// # Errors
/// If the folder of all runs cannot be listed.
pub(super) fn finished(plan: &Plan, training_id: &str, this: &Path) -> Result<Option<PathBuf>> {
    let spec = &plan.decisions.spec;
    let found = finished_runs(Path::new(&spec.run.output), &spec.name, &prefix(training_id))?;
    // A folder may hold another run than its name says.
    let is_it = |path: &PathBuf| {
        let made = RunDir::open_read(path).and_then(|run| run.read::<Provenance>());
        made.is_ok_and(|made| made.training_id.is_empty() || made.training_id == training_id)
    };
    Ok(found.into_iter().find(|path| path != this && is_it(path)))
}

fn missing(plan: &Plan) -> Error {
    let spec = &plan.decisions.spec;
    Error::user(format!(
        "{}: no finished run to go on from: run the spec first, without --extend-epochs",
        Path::new(&spec.run.output).join(&spec.name).display()
    ))
}

/// Shares a file of one run directory, by its name, with another.
fn take(from: &RunDir, to: &RunDir, name: &str) -> Result<()> {
    share(&from.own_file(name)?, &to.file(name))
}

/// The last part of a path.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Links or copies a file; files of a run are replaced and never changed, so that both may have the same bytes on disk.
fn share(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_file(to).map_err(Error::io(to, "cannot remove"))?;
    }
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let bytes = crate::file::read_any(from).map_err(Error::io(from, "cannot read"))?;
    write_file(to, &bytes)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(folder).map_err(Error::io(folder, "cannot read"))?;
    Ok(read.flatten().map(|entry| entry.path()).collect())
}

/// The plan of a run with more epochs, as the continuation of a finished run with fewer.
///
/// # Errors
/// The user's, if that run is not there, stopped before its last epoch, or has a learning rate that ends with its last
/// epoch.
pub fn going_on(longer: Plan, base: &Plan) -> Result<Plan> {
    let spec = &base.decisions.spec;
    let (name, epochs) = (&spec.name, spec.schedule.epochs);
    let ending = match spec.schedule.learning_rate_schedule {
        RateSpec::Cosine(_) => Some("cosine"),
        RateSpec::Polynomial(_) => Some("polynomial"),
        RateSpec::OneCycle(_) => Some("one-cycle"),
        RateSpec::Constant(_) | RateSpec::Step(_) | RateSpec::ReduceOnPlateau(_) => None,
    };
    if let Some(kind) = ending {
        return Err(Error::user(format!(
            "{name}: schedule.learning-rate-schedule: `{kind}` brings the rate to its end in epoch {epochs}, so that \
             there is no rate to go on with: set schedule.epochs={} and train anew, or choose constant, step or \
             reduce-on-plateau",
            longer.decisions.spec.schedule.epochs
        )));
    }
    let found = finished(base, &base.decisions.training_id, Path::new(""))?;
    let before = found.ok_or_else(|| missing(base))?;
    let status = RunDir::open_read(&before)?.status()?;
    if status.epoch < epochs {
        return Err(Error::user(format!(
            "{}: it stopped after {} of {epochs} epochs, as `schedule.early-stopping` says, and would stop there again: \
             run the spec without early stopping first",
            before.display(),
            status.epoch
        )));
    }
    let training_id = base.decisions.training_id.clone();
    longer.with_parent(Parent { training_id, epochs })
}
