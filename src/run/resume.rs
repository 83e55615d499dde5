//! Whether a run can start or go on, asked before anything is computed.

use std::path::Path;

use super::changes::{changes, in_words};
use super::options::Options;
use super::place::{Place, place};
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::record::{RunDir, check_writable, unfinished_runs};

/// Checks that a run can be made, as far as that is known before anything is computed.
///
/// # Errors
/// As [`super::run`], and if run directories cannot be written.
pub fn startable(plan: &Plan, options: &Options) -> Result<()> {
    let place = place(&plan.folder(), &plan.decisions.run_id, options.wanted())?;
    let Place::At(path) = place else { return Ok(()) };
    check_writable(Path::new(&plan.decisions.spec.run.output))?;
    if options.force || !RunDir::is_begun(&path) {
        return Ok(());
    }
    let run = RunDir::open_read(&path)?;
    if run.is_locked() && !options.wait {
        return RunDir::open_write(&path).map(|_| ());
    }
    let epochs = plan.decisions.spec.schedule.epochs;
    match run.committed_epoch() {
        Some(epoch) if !options.resume => Err(unfinished(&path, epoch, epochs)),
        _ => Ok(()),
    }
}

/// The message of `--resume` without a run to resume: an unfinished run of the same experiment and seed under another id,
/// and what differs. `None` if the run itself is there, or no other is unfinished.
///
/// # Errors
/// If the folder of the experiment cannot be listed.
pub fn nothing_to_resume(plan: &Plan) -> Result<Option<String>> {
    let folder = plan.folder();
    let Some(experiment) = folder.parent().filter(|experiment| experiment.is_dir()) else {
        return Ok(None);
    };
    if RunDir::is_begun(&folder) {
        return Ok(None);
    }
    let unfinished = unfinished_runs(experiment)?.into_iter().find(|run| {
        let is_average = run.position.as_ref().is_some_and(|position| !position.average.is_empty());
        run.seed == plan.decisions.seed && run.problem.is_none() && !is_average
    });
    let Some(other) = unfinished else { return Ok(None) };
    let changed = changes(&other.path, plan)?;
    Ok(Some(format!(
        "--resume: there is nothing to resume: {} has not begun; {} is there, {} after {} of {} \
         epochs, and it differs in {}: set these as they were to go on with it, or leave out --resume",
        folder.display(),
        other.path.display(),
        other.status.state,
        other.status.epoch,
        other.status.epochs,
        in_words(&changed)
    )))
}

/// The error of an unfinished run that is neither resumed nor made again.
pub(super) fn unfinished(run: &Path, epoch: u32, epochs: u32) -> Error {
    Error::user(format!(
        "{}: an unfinished run is here, {epoch} of {epochs} epochs done: --resume goes on, --force \
         starts over",
        run.display()
    ))
}
