//! One run, from its plan to its record.

mod again;
mod film;
mod guide;
mod judge;
mod net;
mod outcome;
mod pictures;
mod place;
mod refresh;
mod rows;
mod summary;
mod trained;

pub use again::Again;
pub use guide::{Guided, beside, guided, put_new_masks, put_recorded_masks, with_mask};
pub use judge::gates;
pub use net::{initial_net, objective, predictor};
pub use outcome::Outcome;
pub use rows::{figures, image_figures};
pub use trained::going_on;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::data::{Cache, Loader};
use crate::device::{Chosen, for_training};
use crate::error::{Error, Result};
use crate::evaluate::Names;
use crate::plan::{Decisions, Plan};
use crate::provenance;
use crate::record::{
    Checkpoints, Progressed, Provenance, Reading, Record, RunDir, RunState, SplitRow, Status,
    check_writable, list_experiment, note_reading,
};
use crate::shell::shell;
use crate::spec::Spec;
use crate::split_name::SplitName;
use crate::text;
use crate::train::{Ending, Progress, Resting, Stop, Training, train};
use film::{Film, Filmed};
use place::{Place, Wanted, claim, place};
use refresh::refresh;

/// How a run is made; nothing here changes its result.
#[derive(Clone, Debug)]
pub struct Options {
    /// The device.
    pub device: Chosen,
    /// Make a finished run again.
    pub force: bool,
    /// Go on from the last checkpoint of an unfinished run.
    pub resume: bool,
    /// Wait for a process that works on the run.
    pub wait: bool,
    /// Say nothing while working.
    pub quiet: bool,
    /// The command line, for the record.
    pub command: Vec<String>,
    /// What makes the run again, for the record.
    pub again: Again,
}

impl Options {
    fn wanted(&self) -> Wanted {
        Wanted { force: self.force, resume: self.resume }
    }
}

/// Trains, evaluates and records a plan, unless a finished run of the same id is there.
///
/// ```no_run
/// use std::path::Path;
///
/// use oncospec::device::{Request, choose};
/// use oncospec::plan::{Depth, Extent, check, survey};
/// use oncospec::run::{Again, Options, run};
/// use oncospec::train::Stop;
///
/// let loaded = oncospec::spec::load(Path::new("experiments/demo.toml"), &[], std::iter::empty())?;
/// let checked = check(loaded, Depth::Pixels)?;
/// let device = choose(Request::Auto)?;
/// let plan = checked.plan(&survey(&checked, Extent::All)?, 0, device.kind.family())?;
/// let options = Options {
///     device,
///     force: false,
///     resume: true,
///     wait: false,
///     quiet: true,
///     command: Vec::new(),
///     again: Again::default(),
/// };
/// let outcome = run(&plan, &options, &Stop::default())?;
/// println!("{}: {:?}", outcome.path.display(), outcome.figures);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The user's, if another process works on the run or an unfinished one is there and neither
/// `resume` nor `force` says what to do. A training run that fails is an [`Outcome`].
pub fn run(plan: &Plan, options: &Options, stop: &Stop) -> Result<Outcome> {
    let folder = plan.folder();
    let begin = || claim(&folder, options.wanted(), &|path| RunDir::open_write(path));
    let Some(run) = patiently(begin, options.wait, options.quiet, stop)? else {
        let refresh = || refresh(&folder, plan);
        patiently(refresh, options.wait, options.quiet, stop)?;
        return Outcome::read(folder, true);
    };
    let run = Arc::new(run);
    let path = run.path().to_path_buf();
    let checkpoints = Checkpoints::new(Arc::clone(&run), plan.decisions.spec.schedule.epochs);
    let from = if options.force {
        run.clear()?;
        None
    } else {
        checkpoints.last()?
    };
    if let (Some(progressed), false) = (&from, options.resume) {
        return Err(unfinished(&path, progressed.epoch, plan.decisions.spec.schedule.epochs));
    }
    let epoch = from.as_ref().map_or(0, |progressed| progressed.epoch);
    write_status(&run, plan, RunState::Running, None, epoch)?;
    let taken_from = match &from {
        Some(_) => None,
        None => trained::take_over(plan, &run, options.force)?,
    };
    let from = match &taken_from {
        Some(_) => checkpoints.last()?,
        None => from,
    };
    let begun = Begun { from, taken_from };
    let work = AssertUnwindSafe(|| work(plan, options, stop, &run, checkpoints, begun));
    let ended = catch_unwind(work).unwrap_or_else(|panic| Err(Error::Failed(said(&*panic))));
    let (state, why) = match ended {
        Ok(None) => (RunState::Finished, None),
        Ok(Some((state, why))) => (state, Some(why)),
        Err(error) => (RunState::Failed, Some(error.to_string())),
    };
    let epoch = Record::read(&path).map_or(0, |record| record.status.epoch);
    write_status(&run, plan, state, why, epoch)?;
    if path == folder || state != RunState::Finished {
        drop(run);
        return Outcome::read(path, false);
    }
    let Some(run) = Arc::into_inner(run) else {
        return Err(Error::failed(format!("{}: still in use after the run", path.display())));
    };
    run.replace(&folder)?;
    Outcome::read(folder, false)
}

/// Does what needs a run that another process may hold; if asked to `wait`, until that one lets go of it or someone
/// asks to stop.
///
/// # Errors
/// As `what`.
pub fn patiently<T>(
    what: impl Fn() -> Result<T>,
    wait: bool,
    quiet: bool,
    stop: &Stop,
) -> Result<T> {
    let mut said = false;
    loop {
        match what() {
            Err(Error::Busy(why)) if wait && !stop.asked() => {
                if !std::mem::replace(&mut said, true) && !quiet {
                    eprintln!("waiting: {}", text::lines(&why));
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            other => return other,
        }
    }
}

/// Finds what stands against making a run that can be told before anything is computed.
///
/// # Errors
/// As [`run`], and if run directories cannot be written.
pub fn startable(plan: &Plan, options: &Options) -> Result<()> {
    let Place::At(path) = place(&plan.folder(), options.wanted())? else { return Ok(()) };
    check_writable(Path::new(&plan.decisions.spec.run.output))?;
    if options.force || !path.join("format.json").exists() {
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

/// What `--resume` says where there is nothing to go on from: an unfinished run of the same experiment and seed under
/// another id, and what differs. `None` if the run itself is there, or no other is unfinished.
///
/// # Errors
/// If the folder of the experiment cannot be listed.
pub fn nothing_to_resume(plan: &Plan) -> Result<Option<String>> {
    let folder = plan.folder();
    let Some(experiment) = folder.parent().filter(|experiment| experiment.is_dir()) else {
        return Ok(None);
    };
    if folder.join("format.json").exists() {
        return Ok(None);
    }
    let unfinished = list_experiment(experiment)?.into_iter().find(|run| {
        let state = run.status.state;
        let begun = matches!(state, RunState::Interrupted | RunState::Failed);
        run.seed == plan.decisions.seed && run.problem.is_none() && begun
    });
    let Some(other) = unfinished else { return Ok(None) };
    let changed = changed(&Record::read(&other.path)?, plan);
    Ok(Some(format!(
        "--resume: there is nothing to resume: {} has not begun; {} is there, {} after {} of {} \
         epochs, and it differs in {}: set these as they were to go on with it, or leave out --resume",
        folder.display(),
        other.path.display(),
        other.status.state,
        other.status.epoch,
        other.status.epochs,
        changed.join(", ")
    )))
}

/// What decides the id of a plan and is otherwise in a record.
fn changed(record: &Record, plan: &Plan) -> Vec<String> {
    let Ok(before) = Decisions::from_toml(&record.plan) else {
        return vec!["the version of oncospec".into()];
    };
    let now = &plan.decisions;
    let mut changed: Vec<String> = crate::spec::diff(&[&before.spec, &now.spec])
        .into_iter()
        .filter(|(key, _)| crate::spec::matters(key))
        .map(|(key, values)| {
            let value = |index: usize| match values.get(index).map(String::as_str) {
                None | Some("") => "unset".to_string(),
                Some(value) => value.to_string(),
            };
            format!("{key} ({} there, {} now)", value(0), value(1))
        })
        .collect();
    let others = [
        ("the images or masks", before.data_fingerprint != now.data_fingerprint),
        ("the files of weights", before.weights_sha256 != now.weights_sha256),
        (
            "the sources of oncospec",
            (&before.engine, &before.engine_parts) != (&now.engine, &now.engine_parts),
        ),
        ("the kind of device", before.device != now.device),
        ("the run that it goes on from", before.parent != now.parent),
    ];
    changed.extend(others.iter().filter(|(_, differs)| *differs).map(|(what, _)| what.to_string()));
    if changed.is_empty() {
        changed.push("the division of the cases".into());
    }
    changed
}

fn unfinished(run: &Path, epoch: u32, epochs: u32) -> Error {
    Error::user(format!(
        "{}: an unfinished run is here, {epoch} of {epochs} epochs done: --resume goes on, --force \
         starts over",
        run.display()
    ))
}

/// The message of a panic.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the engine gave up: {}", text.unwrap_or("it gave no reason"))
}

/// Where a run begins.
struct Begun {
    /// How far it came before, here or where that was taken from.
    from: Option<Progressed>,
    /// The run directory that it was taken from.
    taken_from: Option<String>,
}

/// All the work; the state it ended in if not finished.
fn work(
    plan: &Plan,
    options: &Options,
    stop: &Stop,
    run: &Arc<RunDir>,
    checkpoints: Checkpoints,
    Begun { from, taken_from }: Begun,
) -> Result<Option<(RunState, String)>> {
    let mut provenance = write_plan(plan, options, run, from.as_ref(), taken_from)?;
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
    if plan.decisions.spec.evaluation.splits.contains(&SplitName::Test) {
        note_test_reading(plan, options, run)?;
    }
    let Some(threshold) = judge::judge(plan, &options.device, run, stop)? else {
        return Ok(Some((RunState::Interrupted, "asked to stop while evaluating".into())));
    };
    let mut summary = summary::summary(plan);
    summary.threshold = threshold;
    summary.selection = summary::selection(plan, &trained.progressed);
    summary.notes.extend(note);
    summary.notes.extend(skipped(trained.skipped, resumed));
    run.write_summary(&summary)?;
    provenance.weights_sha256 = Some(run.best_weights()?.sha256);
    provenance.finished = Some(provenance::now());
    run.write_provenance(&provenance)?;
    run.write_readings(&plan.decisions.data_fingerprint)?;
    Ok(None)
}

/// That batches were left out, if any were.
fn skipped(batches: u64, resumed: u32) -> Option<String> {
    let of = if batches == 1 { "batch" } else { "batches" };
    let since = if resumed > 0 { format!(" after epoch {resumed}") } else { String::new() };
    (batches > 0).then(|| format!("{batches} {of} without a labelled pixel made no step{since}"))
}

/// Notes in the experiment's ledger that the test split is about to be read.
fn note_test_reading(plan: &Plan, options: &Options, run: &RunDir) -> Result<()> {
    let decisions = &plan.decisions;
    let cases: Vec<&str> =
        plan.split.test.iter().map(|&case| plan.dataset.cases[case].id.as_str()).collect();
    let of = (decisions.run_id.as_str(), decisions.seed);
    let reading = Reading::new(of, shell(&options.command), &decisions.data_fingerprint, &cases);
    note_reading(run.path(), &reading)
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
fn write_plan(
    plan: &Plan,
    options: &Options,
    run: &RunDir,
    from: Option<&Progressed>,
    taken_from: Option<String>,
) -> Result<Provenance> {
    run.write_spec(&plan.spec_text)?;
    run.write_plan(&plan.decisions.with_absolute_paths().to_toml()?)?;
    run.write_layers(&plan.layers)?;
    run.write_summary(&summary::summary(plan))?;
    run.write_split(&split_rows(plan))?;
    if !plan.guide_rows.is_empty() {
        run.write_guide(&plan.guide_rows)?;
    }
    let resumed = from.is_some() && taken_from.is_none();
    let before = if resumed { Record::read(run.path()).ok() } else { None };
    let mut provenance =
        provenance::of(plan, &options.command, options.again.lines(plan), &options.device.kind);
    provenance.taken_from = taken_from;
    if let Some(Record { provenance: before, .. }) = before {
        provenance.started = before.started;
        provenance.taken_from = before.taken_from;
        provenance.sessions = before.sessions;
    }
    let after = from.map_or(0, |progressed| progressed.epoch);
    provenance.sessions.push(provenance::session(&options.device.kind, after));
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
                split: part,
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
