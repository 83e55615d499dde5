//! One run, from its plan to its record.

mod again;
mod bench;
mod cases;
mod changes;
mod data_pictures;
mod determinism;
mod due;
mod dump;
mod ensemble;
mod film;
mod gates;
mod guide;
mod headline;
mod judge;
mod net;
mod one_step;
mod options;
mod outcome;
mod pictures;
mod place;
mod refresh;
mod resume;
mod rows;
mod strata;
mod summary;
mod sweep;
mod trained;
mod training;

pub use again::Again;
pub use bench::{Bench, BenchFigures, Mode};
pub use changes::{Change, ChangeKind, in_words};
pub use determinism::{TensorHashes, determinism_key, hashes_after, keep_determinism};
pub use due::{Due, Step, due, due_after, trains};
pub use dump::dump_batches;
pub use ensemble::members_of;
pub use guide::{
    Guided, beside, guided, plans_of_guide, put_new_masks, put_recorded_masks, with_mask,
    with_true_masks,
};
pub use net::{initial_net, objective, predictor};
pub use one_step::one_step;
pub use options::Options;
pub use outcome::Outcome;
pub use resume::{nothing_to_resume, startable};
pub use rows::{figures, image_figures};
pub use strata::{strata_of_images, strata_of_pixels};
pub use sweep::{best_first, note_sweep, trial};
pub use trained::going_on;

use std::sync::Arc;
use std::time::Duration;

use crate::data::pixels_of_cases;
use crate::error::{Error, Result};
use crate::evaluate::Predictor;
use crate::memory;
use crate::panics::{Panicked, quietly};
use crate::plan::{Plan, engine_sources};
use crate::provenance;
use crate::record::{
    Checkpoints, Progressed, Provenance, Reading, ReadingKey, RunDir, RunState, Sources, Status,
    Summary, note_reading, now,
};
use crate::shell::shell;
use crate::spec::ChosenOn;
use crate::split_name::SplitName;
use crate::train::{Ending, Progress, Stop, Training, train};
use film::{EpochReadings, Film, Filmed};
use place::claim;
use refresh::refresh;
use resume::unfinished;

/// Trains, evaluates and records a plan, unless a finished run of the same id is there. That of an average trains nothing: its
/// runs are finished.
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
///     pause_after: None,
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
    let id = &plan.decisions.run_id;
    let begin = || claim(&folder, id, options.wanted(), &|path| RunDir::open_write(path));
    let Some(run) = patiently(begin, options.wait, options.quiet, stop)? else {
        let refresh = || refresh(&folder, plan, &options.again.lines(plan));
        patiently(refresh, options.wait, options.quiet, stop)?;
        return Outcome::read(folder, true);
    };
    let run = Arc::new(run);
    let path = run.path().to_path_buf();
    let checkpoints = Checkpoints::new(Arc::clone(&run), plan.decisions.spec.schedule.epochs);
    let begun = begin_at(plan, options, &run, &checkpoints)?;
    let work = || match plan.is_average() {
        true => average(plan, options, stop, &run),
        false => work(plan, options, stop, &run, checkpoints, begun),
    };
    let ended = quietly(work).unwrap_or_else(|Panicked { said, place }| {
        let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
        Err(Error::Failed(format!("the engine gave up: {said}{place}")))
    });
    let (state, why) = match ended {
        Ok(None) => (RunState::Finished, None),
        Ok(Some((state, why))) => (state, Some(why)),
        Err(error) => (RunState::Failed, Some(error.to_string())),
    };
    let epoch = run.status().map_or(0, |status| status.epoch);
    if let Err(unwritten) = write_status(&run, plan, state, why.clone(), epoch) {
        // What ended the run says more than that its end could not be written.
        return Err(why.filter(|_| state == RunState::Failed).map_or(unwritten, Error::failed));
    }
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

/// The beginning of a run.
struct Begun {
    /// How far it came before, by itself or in the run that it was taken from.
    from: Option<Progressed>,
    /// The run directory that it was taken from.
    taken_from: Option<String>,
}

/// Prepares the run directory: cleared, as the unfinished run left it, or with the training of another run.
fn begin_at(
    plan: &Plan,
    options: &Options,
    run: &RunDir,
    checkpoints: &Checkpoints,
) -> Result<Begun> {
    let from = match options.force {
        true => run.clear().map(|()| None)?,
        false => checkpoints.last()?,
    };
    let epoch = from.as_ref().map_or(0, |progressed| progressed.epoch);
    if from.is_some() && !options.resume {
        return Err(unfinished(run.path(), epoch, plan.decisions.spec.schedule.epochs));
    }
    write_status(run, plan, RunState::Running, None, epoch)?;
    if from.is_some() || plan.is_average() {
        return Ok(Begun { from, taken_from: None });
    }
    let taken_from = trained::take_over(plan, run, options.force)?;
    let from = if taken_from.is_some() { checkpoints.last()? } else { None };
    Ok(Begun { from, taken_from })
}

/// Repeats what needs a run that another process holds, if `wait` is set, until it is free or someone asks to stop.
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
                    crate::progress::print(&format!("waiting: {why}"));
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            other => return other,
        }
    }
}

/// Trains and evaluates; the state and its reason if that did not finish.
fn work(
    plan: &Plan,
    options: &Options,
    stop: &Stop,
    run: &Arc<RunDir>,
    checkpoints: Checkpoints,
    Begun { from, taken_from }: Begun,
) -> Result<Option<(RunState, String)>> {
    let paused = options.pause_after.filter(|&last| {
        from.as_ref().is_some_and(|from| from.epoch >= last)
            && last < plan.decisions.spec.schedule.epochs
    });
    if let Some(epoch) = paused {
        return Ok(Some((RunState::Interrupted, format!("paused after epoch {epoch}"))));
    }
    memory::restart_peak();
    let mut provenance = write_plan(plan, options, run, from.as_ref(), taken_from)?;
    let resumed = from.as_ref().map_or(0, |progressed| progressed.epoch);
    write_status(run, plan, RunState::Running, None, resumed)?;
    data_pictures::write(plan, run)?;

    let training =
        Training { pause_after: options.pause_after, ..training::training(plan, &options.device)? };
    let progress = Progress::new(options.quiet);
    let film = Film::new(plan, &options.device.device, Arc::clone(run))?;
    let chooses_on_test = plan.decisions.spec.schedule.choose_on == ChosenOn::Test;
    let readings = match chooses_on_test {
        true => Some(EpochReadings::new(test_reading(plan, options)?)),
        false => None,
    };
    let keeper = Arc::new(Filmed { checkpoints, film, readings });
    let trained = train(training, from, keeper, progress, stop.clone())?;
    let epoch = trained.progressed.epoch;
    let stopped = |state, why: String| {
        write_status(run, plan, state, Some(why.clone()), epoch)?;
        Ok(Some((state, why)))
    };
    let note = match trained.ending {
        Ending::Complete => None,
        Ending::Early(why) => Some(format!("stopped early after epoch {epoch}: {why}")),
        Ending::Interrupted(why) => return stopped(RunState::Interrupted, why),
        Ending::Failed(why) => return stopped(RunState::Failed, why),
    };
    write_status(run, plan, RunState::Running, Some("evaluating".into()), epoch)?;
    let all = plan.decisions.spec.evaluation.all_steps();
    let predictor = net::predictor(run.path(), &plan.decisions, all, &options.device)?;
    provenance.weights_sha256 = Some(run.best_weights()?.sha256);
    let mut summary = summary::summary(plan);
    summary.selection = summary::selection(plan, &trained.progressed);
    summary.notes.extend(note);
    summary.notes.extend(skipped(trained.skipped, resumed));
    evaluate(plan, options, stop, run, (predictor, summary, provenance))
}

/// Evaluates the average of finished runs; the state and its reason if that did not finish.
fn average(
    plan: &Plan,
    options: &Options,
    stop: &Stop,
    run: &RunDir,
) -> Result<Option<(RunState, String)>> {
    memory::restart_peak();
    let provenance = write_plan(plan, options, run, None, None)?;
    write_status(run, plan, RunState::Running, Some("evaluating".into()), 0)?;
    let predictor = ensemble::average(plan, &options.device)?;
    evaluate(plan, options, stop, run, (predictor, summary::summary(plan), provenance))
}

/// Evaluates what predicts and records that, with the rest of the summary and the provenance; the state and its reason if
/// that did not finish.
fn evaluate(
    plan: &Plan,
    options: &Options,
    stop: &Stop,
    run: &RunDir,
    (predictor, mut summary, mut provenance): (Predictor, Summary, Provenance),
) -> Result<Option<(RunState, String)>> {
    if plan.decisions.spec.evaluation.splits.contains(&SplitName::Test) {
        note_reading(run.path(), &test_reading(plan, options)?)?;
    }
    let Some(decided) = judge::judge(plan, predictor, run, stop)? else {
        return Ok(Some((RunState::Interrupted, "asked to stop while evaluating".into())));
    };
    summary.threshold = decided.threshold;
    summary.settled = Some(decided.settled);
    summary.tried = decided.tried;
    run.write(&summary)?;
    provenance.finished = Some(now());
    if let Some(session) = provenance.sessions.last_mut() {
        session.peak_memory_bytes = Some(memory::peak()).filter(|&bytes| bytes > 0);
    }
    run.write(&provenance)?;
    run.write(&gates::gates_of_run(plan, run)?)?;
    run.write_readings(&ReadingKey {
        experiment: &plan.decisions.spec.name,
        run_id: &plan.decisions.run_id,
        data: &plan.decisions.data_fingerprint,
    })?;
    Ok(None)
}

/// A note on batches that were left out, if any were.
fn skipped(batches: u64, resumed: u32) -> Option<String> {
    let of = if batches == 1 { "batch" } else { "batches" };
    let since = if resumed > 0 { format!(" after epoch {resumed}") } else { String::new() };
    (batches > 0).then(|| format!("{batches} {of} without a labelled pixel made no step{since}"))
}

/// A reading of the test split, to be noted in the ledger of the experiment before it is made.
fn test_reading(plan: &Plan, options: &Options) -> Result<Reading> {
    let decisions = &plan.decisions;
    let cases: Vec<&str> =
        plan.split.test.iter().map(|&case| plan.dataset.cases[case].id.as_str()).collect();
    let of = (decisions.run_id.as_str(), decisions.seed);
    let reading = Reading::new(of, shell(&options.command), &decisions.data_fingerprint, &cases);
    let division = decisions.spec.dataset.split.division();
    let reading = Reading { division, average: plan.is_average(), ..reading };
    let pixels = pixels_of_cases(&plan.dataset, &plan.split.test)?;
    Ok(reading.in_experiment(&decisions.spec.name, &pixels))
}

fn write_status(
    run: &RunDir,
    plan: &Plan,
    state: RunState,
    why: Option<String>,
    epoch: u32,
) -> Result<()> {
    let epochs = if plan.is_average() { 0 } else { plan.decisions.spec.schedule.epochs };
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
    run.write(&plan.layers)?;
    run.write(&summary::summary(plan))?;
    run.write(&cases::split_rows(plan))?;
    run.write(&cases::data_rows(plan))?;
    run.write(&Sources(engine_sources(&plan.decisions.engine_parts)))?;
    if !plan.guide_rows.is_empty() {
        run.write(&plan.guide_rows)?;
    }
    let resumed = from.is_some() && taken_from.is_none();
    let mut provenance =
        provenance::of(plan, &options.command, options.again.lines(plan), &options.device.kind);
    provenance.taken_from = taken_from;
    provenance.determinism = determinism::kept_determinism(plan, &options.device.kind);
    if resumed {
        let before: Provenance = run.read()?;
        provenance.started = before.started;
        provenance.taken_from = before.taken_from;
        provenance.sessions = before.sessions;
    }
    let after = from.map_or(0, |progressed| progressed.epoch);
    provenance.sessions.push(provenance::session(&options.device.kind, after));
    run.write(&provenance)?;
    Ok(provenance)
}
