//! What is still to be done for a plan, and why.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::changes::{Change, changes, in_words};
use super::guide::below;
use super::trained::finished;
use crate::baseline::Baseline;
use crate::error::Result;
use crate::plan::Plan;
use crate::record::{Position, RunDir, RunState, finished_at};

/// What is still to be done for a run, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Due {
    /// Name of the experiment.
    pub experiment: String,
    /// The seed.
    pub seed: u32,
    /// Which of the runs of the experiment and seed it is.
    #[serde(flatten)]
    pub position: Position,
    /// The run directory; `None` where masks that are not predicted yet decide its id.
    pub run: Option<PathBuf>,
    /// What is to be done.
    pub step: Step,
    /// The accepted run, or else the last finished one, of the experiment, seed and position that it is compared with;
    /// `None` if there is none, or nothing is to be done.
    pub since: Option<PathBuf>,
    /// What decides it and differs from that run.
    pub changes: Vec<Change>,
}

/// What is to be done for a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Step {
    /// Nothing: it is finished.
    Nothing,
    /// Training from the first epoch, and evaluation.
    Train,
    /// Training after an epoch, and evaluation.
    Resume {
        /// The last epoch that is done.
        after_epoch: u32,
    },
    /// Evaluation of weights that another run has trained.
    Evaluate {
        /// That run, below the folder of all runs.
        weights_of: String,
    },
    /// The average of the runs of several seeds is evaluated.
    Average,
    /// Another process is at work on it.
    Wait,
    /// It depends on runs that come first.
    After {
        /// The experiment that guides it.
        guide: String,
    },
}

impl Due {
    /// A line for people: the run, what is done, and why.
    pub fn line(&self) -> String {
        let why = match (&self.since, self.changes.as_slice()) {
            (Some(since), changes) if !changes.is_empty() => {
                format!(": {} (since {})", in_words(changes), since.display())
            }
            _ if matches!(self.step, Step::Train) => ": no run of it has finished before".into(),
            _ => String::new(),
        };
        let run = self.run.as_ref().map(|run| run.display().to_string()).unwrap_or_default();
        let step = match &self.step {
            Step::Nothing => format!("nothing to do, {run} is finished"),
            Step::Train => "trains".into(),
            Step::Resume { after_epoch } => format!("goes on after epoch {after_epoch}"),
            Step::Evaluate { weights_of } => format!("evaluates the weights of {weights_of} again"),
            Step::Average => "is evaluated once these runs are finished".into(),
            Step::Wait => format!("another process is at work on {run}, which is waited for"),
            Step::After { guide } => format!("runs once {guide}, which guides it, is finished"),
        };
        format!("{}: {step}{why}", self.position.name(&self.experiment, self.seed))
    }
}

/// What is still to be done for a plan, and what changed since the accepted run: that of the baseline where it is there,
/// else the last finished one.
///
/// # Errors
/// If runs of the experiment cannot be listed or read, or the baseline cannot.
pub fn due(plan: &Plan) -> Result<Due> {
    let decisions = &plan.decisions;
    let folder = plan.folder();
    let mut due = Due {
        experiment: decisions.spec.name.clone(),
        seed: decisions.seed,
        position: plan.position.clone(),
        run: Some(folder.clone()),
        step: step(plan, &folder)?,
        since: None,
        changes: Vec::new(),
    };
    if due.step != Step::Nothing
        && let Some(before) = accepted(plan, &folder)?
    {
        due.changes = changes(&before, plan)?;
        due.since = Some(before);
    }
    Ok(due)
}

/// What is to be done for a seed and position of a guided experiment whose guide is not finished.
pub fn due_after(experiment: &str, seed: u32, position: &Position, guide: &str) -> Due {
    Due {
        experiment: experiment.into(),
        seed,
        position: position.clone(),
        run: None,
        step: Step::After { guide: guide.into() },
        since: None,
        changes: Vec::new(),
    }
}

/// Whether the run of a plan is still to be trained, or another process is at work on it.
///
/// # Errors
/// As [`due`].
pub fn trains(plan: &Plan) -> Result<bool> {
    let step = step(plan, &plan.folder())?;
    Ok(matches!(step, Step::Train | Step::Resume { .. } | Step::Wait))
}

fn step(plan: &Plan, folder: &Path) -> Result<Step> {
    if RunDir::is_begun(folder) {
        let run = RunDir::open_read(folder)?;
        let status = run.status()?;
        match (status.state, run.committed_epoch()) {
            (RunState::Finished, _) => return Ok(Step::Nothing),
            _ if run.is_locked() => return Ok(Step::Wait),
            _ if plan.is_average() => return Ok(Step::Average),
            (_, Some(after_epoch)) => return Ok(Step::Resume { after_epoch }),
            (_, None) => {}
        }
    }
    if plan.is_average() {
        return Ok(Step::Average);
    }
    let trained = finished(plan, &plan.decisions.training_id, folder)?;
    Ok(match trained {
        Some(other) => Step::Evaluate { weights_of: below(&other) },
        None => Step::Train,
    })
}

/// The run directory of the accepted run of a plan's experiment, seed and position, or of the last finished one.
fn accepted(plan: &Plan, folder: &Path) -> Result<Option<PathBuf>> {
    let spec = &plan.decisions.spec;
    let Some(experiment) = folder.parent() else { return Ok(None) };
    let seed = plan.decisions.seed;
    let baseline = Baseline::read(Path::new(&spec.run.baseline))?;
    let is_other = |id: &str| folder.file_name() != Some(id.as_ref());
    let is_accepted = |id: &str| is_other(id) && baseline.has_accepted(&spec.name, seed, id);
    let last = |wanted: &dyn Fn(&str) -> bool| -> Result<Option<PathBuf>> {
        Ok(finished_at(experiment, seed, &plan.position, wanted)?.next().map(|run| run.path))
    };
    match last(&is_accepted)? {
        None => last(&is_other),
        accepted => Ok(accepted),
    }
}
