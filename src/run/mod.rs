//! One run, from its plan to its record.

mod film;
mod guide;
mod judge;
mod judge_images;
mod net;
mod outcome;
mod pictures;
mod summary;

pub use guide::{Guided, beside, guided, put_new_masks, put_recorded_masks, with_mask};
pub use judge::{figures, gates, rejudge, split_name};
pub use judge_images::image_figures;
pub use net::{initial_net, objective, predictor};
pub use outcome::Outcome;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use crate::data::{Cache, Loader, SplitName};
use crate::device::{Chosen, for_training};
use crate::error::{Error, Result};
use crate::evaluate::Names;
use crate::plan::Plan;
use crate::provenance;
use crate::record::{Checkpoints, Provenance, Record, RunDir, RunState, SplitRow, Status};
use crate::spec::{EvaluatedSplit, Spec};
use crate::train::{Ending, Progress, Progressed, Resting, Stop, Training, train};
use film::{Film, Filmed};

/// How a run is made; nothing here changes its result.
#[derive(Clone, Debug)]
pub struct Options {
    /// The device.
    pub device: Chosen,
    /// Make a finished run again.
    pub force: bool,
    /// Go on from the last checkpoint of an unfinished run.
    pub resume: bool,
    /// Say nothing while working.
    pub quiet: bool,
    /// The command line, for the record.
    pub command: Vec<String>,
}

/// Trains, evaluates and records a plan, unless a finished run of the same id is there.
///
/// # Errors
/// The user's, if another process works on the run or an unfinished one is there and neither
/// `resume` nor `force` says what to do. A training run that fails is an [`Outcome`].
pub fn run(plan: &Plan, options: &Options, stop: &Stop) -> Result<Outcome> {
    let folder = plan.folder();
    if !options.force {
        let before = status(&folder)?;
        if before.is_some_and(|status| status.state == RunState::Finished) {
            return Outcome::read(folder, true);
        }
    }
    let run = Arc::new(RunDir::open_write(&folder)?);
    let checkpoints = Checkpoints::new(Arc::clone(&run), plan.decisions.spec.schedule.epochs);
    let from = if options.force {
        clear(&folder)?;
        None
    } else {
        checkpoints.last()?
    };
    if let (Some(progressed), false) = (&from, options.resume) {
        return Err(Error::user(format!(
            "{}: an unfinished run is here, {} of {} epochs done: --resume goes on, --force starts \
             over",
            folder.display(),
            progressed.epoch,
            plan.decisions.spec.schedule.epochs
        )));
    }
    let work = AssertUnwindSafe(|| work(plan, options, stop, &run, checkpoints, from));
    let ended = catch_unwind(work).unwrap_or_else(|panic| Err(Error::Failed(said(&*panic))));
    let (state, why) = match ended {
        Ok(None) => (RunState::Finished, None),
        Ok(Some((state, why))) => (state, Some(why)),
        Err(error) => (RunState::Failed, Some(error.to_string())),
    };
    let epoch = Record::read(&folder).map_or(0, |record| record.status.epoch);
    write_status(&run, plan, state, why, epoch)?;
    drop(run);
    Outcome::read(folder, false)
}

/// Removes what an earlier run left; the lock and the format stay.
fn clear(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io(folder, "cannot read"))?.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if name == "lock" || name == "format.json" {
            continue;
        }
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(Error::io(&path, "cannot remove"))?;
    }
    for name in ["pictures", "checkpoints"] {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(Error::io(&path, "cannot create"))?;
    }
    Ok(())
}

/// The message of a panic.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the engine gave up: {}", text.unwrap_or("it gave no reason"))
}

/// The status of a run directory, if there is one.
fn status(folder: &Path) -> Result<Option<Status>> {
    if !folder.join("status.json").exists() {
        return Ok(None);
    }
    Ok(Some(Record::read(folder)?.status))
}

/// All the work; the state it ended in if not finished.
fn work(
    plan: &Plan,
    options: &Options,
    stop: &Stop,
    run: &Arc<RunDir>,
    checkpoints: Checkpoints,
    from: Option<Progressed>,
) -> Result<Option<(RunState, String)>> {
    let mut provenance = write_plan(plan, options, run, from.is_some())?;
    let resumed = from.as_ref().map_or(0, |progressed| progressed.epoch);
    write_status(run, plan, RunState::Running, None, resumed)?;

    let training = training(plan, &options.device)?;
    let progress = Progress::new(options.quiet);
    let film = Film::new(plan, &options.device.device, Arc::clone(run))?;
    let keeper = Arc::new(Filmed { checkpoints, film });
    let trained = train(training, from, keeper, progress, stop.clone())?;
    let epoch = trained.progressed.epoch;
    let note = match trained.ending {
        Ending::Complete => None,
        Ending::Early(why) => Some(format!("stopped early after epoch {epoch}: {why}")),
        Ending::Interrupted(why) => {
            write_status(run, plan, RunState::Interrupted, Some(why.clone()), epoch)?;
            return Ok(Some((RunState::Interrupted, why)));
        }
        Ending::Failed(why) => {
            write_status(run, plan, RunState::Failed, Some(why.clone()), epoch)?;
            return Ok(Some((RunState::Failed, why)));
        }
    };
    write_status(run, plan, RunState::Running, Some("evaluating".into()), epoch)?;
    let Some(threshold) = judge::judge(plan, &options.device, run, stop)? else {
        return Ok(Some((RunState::Interrupted, "asked to stop while evaluating".into())));
    };
    let mut summary = summary::summary(plan);
    summary.threshold = threshold;
    summary.selection = summary::selection(plan, &trained.progressed);
    summary.notes.extend(note);
    summary.notes.extend(skipped(trained.skipped, resumed));
    run.write_summary(&summary)?;
    if plan.decisions.spec.evaluation.splits.contains(&EvaluatedSplit::Test) {
        provenance.test_reads += 1;
    }
    provenance.finished = Some(provenance::now());
    run.write_provenance(&provenance)?;
    Ok(None)
}

/// That batches were left out, if any were.
fn skipped(batches: u64, resumed: u32) -> Option<String> {
    let of = if batches == 1 { "batch" } else { "batches" };
    let since = if resumed > 0 { format!(" after epoch {resumed}") } else { String::new() };
    (batches > 0).then(|| format!("{batches} {of} without a labelled pixel made no step{since}"))
}

fn write_status(
    run: &RunDir,
    plan: &Plan,
    state: RunState,
    why: Option<String>,
    epoch: u32,
) -> Result<()> {
    let epochs = plan.decisions.spec.schedule.epochs;
    run.write_status(&Status { state, why, epoch, epochs, updated: String::new() })
}

/// Writes what is known before training.
fn write_plan(plan: &Plan, options: &Options, run: &RunDir, resumed: bool) -> Result<Provenance> {
    run.write_spec(&plan.spec_text)?;
    run.write_plan(&plan.decisions.to_toml()?)?;
    run.write_layers(&plan.layers)?;
    run.write_summary(&summary::summary(plan))?;
    run.write_split(&split_rows(plan))?;
    if !plan.guide_rows.is_empty() {
        run.write_guide(&plan.guide_rows)?;
    }
    let before = if resumed { Record::read(run.path()).ok() } else { None };
    let mut provenance = provenance::of(plan, options);
    if let Some(before) = before {
        provenance.started = before.provenance.started;
        provenance.test_reads = before.provenance.test_reads;
    }
    run.write_provenance(&provenance)?;
    Ok(provenance)
}

fn split_rows(plan: &Plan) -> Vec<SplitRow> {
    let mut rows = Vec::new();
    for part in SplitName::ALL {
        for &index in plan.split.part(part) {
            let case = &plan.dataset.cases[index];
            rows.push(SplitRow {
                case: case.id.clone(),
                group: plan.split.groups[index].clone(),
                label: case.label.clone(),
                split: part.to_string(),
                fold: plan.split.fold,
            });
        }
    }
    rows
}

/// What is frozen until an epoch.
fn resting(spec: &Spec) -> Option<Resting> {
    let until = spec.schedule.unfreeze_epoch?;
    Some(Resting { model: spec.model.clone(), until })
}

fn training(plan: &Plan, chosen: &Chosen) -> Result<Training> {
    let decisions = &plan.decisions;
    let spec = &decisions.spec;
    let device = for_training(&chosen.device, spec.schedule.activation_checkpointing);
    let cache = Arc::new(Cache::new((spec.dataset.cache_mib as usize) << 20));
    let loader = |cases: &[usize], augment| {
        Loader::new(
            Arc::clone(&plan.dataset),
            cases.to_vec(),
            decisions.preprocess(),
            augment,
            spec.schedule.batch_size as usize,
            spec.run.workers as usize,
            Arc::clone(&cache),
        )
    };
    Ok(Training {
        net: initial_net(decisions, &device)?.0,
        resting: resting(spec),
        objective: objective(decisions)?,
        schedule: spec.schedule.clone(),
        outputs: decisions.outputs(),
        names: Names {
            cases: plan.dataset.cases.iter().map(|case| case.id.clone()).collect(),
            classes: decisions.labels.names(),
            image_classes: decisions.image_classes.clone(),
        },
        empty: spec.evaluation.empty,
        seed: decisions.seed,
        train: loader(&plan.split.train, Some(spec.augment.clone())),
        valid: loader(&plan.split.valid, None),
        device,
    })
}
