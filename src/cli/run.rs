//! `oncospec run`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::job::{Declared, Done, Job, Maker};
use super::page_file::PageFile;
use super::several::Several;
use super::spec::{Overrides, Specs};
use super::sweep::SweepJob;
use super::{Output, OverwriteArgs, cluster, command_line, pretty, print};
use crate::device::{Request, choose};
use crate::error::{Error, Result};
use crate::plan::{Checked, Depth, Plan};
use crate::progress;
use crate::record::RunDir;
use crate::report::{Folds, folds, pooled_lines};
use crate::run::{Again, Due, Options, Outcome, nothing_to_resume, startable};
use crate::spec::{Loaded, Suite, suite};
use crate::train::Stop;

/// Arguments of `run`.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub specs: Specs,
    /// Repeat finished runs and restart unfinished ones; a finished run is kept until its replacement is complete.
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    /// Resume unfinished runs, forced ones too, from their last checkpoint.
    #[arg(long)]
    pub resume: bool,
    /// Continue the finished runs of the specs for so many more epochs, as new runs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..100_000))]
    pub extend_epochs: Option<u32>,
    /// The report; reports/NAME.html if not given.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Folder whose files replace the built-in templates of the same name.
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
    /// Make up to N runs at once, each in a process of its own with its share of the cores; results are the same.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub jobs: u32,
    /// Have a cluster make the runs, as jobs with what `run.slurm` gives each; `oncospec slurm status SPEC` says how far they are.
    #[arg(long, value_enum, value_name = "CLUSTER", conflicts_with_all = ["jobs", "force"])]
    pub on: Option<Cluster>,
    #[command(flatten)]
    pub overwrite: OverwriteArgs,
}

/// What makes runs on several machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub(super) enum Cluster {
    /// Slurm, by `sbatch`.
    Slurm,
}

/// Runs every seed of every spec, then renders one report over all of them. What is wrong
/// with any of them is reported before the first one trains, as far as it can be known; one that cannot start later does not
/// keep the others from their page.
pub(super) fn execute(args: RunArgs, output: Output) -> Result<u8> {
    match args.on {
        Some(Cluster::Slurm) => cluster::submit(args, output),
        None => make(args, Place::Here, &stop_on_signal()?, output),
    }
}

/// The same on this machine. On a node of a cluster nothing is trained, since others do that.
///
/// # Errors
/// All that stands against starting, and if the page cannot be written.
pub(super) fn make(args: RunArgs, place: Place, stop: &Stop, output: Output) -> Result<u8> {
    let checked = args.specs.check(Depth::Pixels, output)?;
    let suite = match args.specs.paths.as_slice() {
        [only] => suite(only)?,
        _ => None,
    };
    let page = args.output.unwrap_or_else(|| default_report(&checked, suite.as_ref()));
    let page = PageFile::new(&page, args.templates, args.overwrite.overwrite)?;
    let title = suite.map(|suite| suite.title).unwrap_or_default();
    let (force, extend_epochs) = (args.force, args.extend_epochs);
    let done = match place {
        Place::ThisNode => collect(&checked, &args.specs.overrides, extend_epochs, stop, output)?,
        Place::Here | Place::Nodes => {
            let wish = Wish { force, resume: args.resume, wait: false, extend_epochs, place };
            let works = prepare(&checked, &args.specs.overrides, wish, args.resume, output)?;
            work(&works, args.jobs, stop, output)
        }
    };
    if done.outcomes.is_empty() {
        return Ok(done.failed.unwrap_or(1));
    }
    let written = page.write(&done.paths(), title)?;
    let folds = match checked.iter().any(|one| one.loaded.member().is_some()) {
        true => folds(&written.records),
        false => Vec::new(),
    };
    pooled_lines(&written.records, &folds).iter().for_each(|line| output.say(line));
    output.say(format!("report: {}", page.path().display()));
    if output.json {
        print(&pretty(&done.outcomes)?)?;
    }
    let held = done.outcomes.iter().all(Outcome::held) && folds.iter().all(Folds::held);
    let good = held && written.whole && !stop.asked();
    Ok(done.failed.unwrap_or(if good { 0 } else { 1 }))
}

/// What to do with a run that exists already, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub force: bool,
    pub resume: bool,
    pub wait: bool,
    /// Epochs to add to finished runs.
    pub extend_epochs: Option<u32>,
    /// Which machine makes it.
    pub place: Place,
}

/// Which machine makes runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// This one.
    Here,
    /// The nodes of a cluster, whose devices this one may not have.
    Nodes,
    /// This one, which is a node of a cluster.
    ThisNode,
}

/// A spec, or one fold of it, ready to be run.
pub(super) enum Work {
    /// Its runs, one for each seed.
    Runs(Box<Job>),
    /// The trials of its sweep, and then the one that is chosen.
    Sweep(SweepJob),
}

impl Work {
    /// What is planned before any run is made.
    pub(super) fn jobs(&self) -> Vec<&Job> {
        match self {
            Self::Runs(job) => vec![job],
            Self::Sweep(sweep) => sweep.jobs().collect(),
        }
    }

    /// Makes it, after other runs that the command has made `before`.
    fn make(&self, maker: &Maker, before: &[Outcome], done: &mut Done) {
        match self {
            Self::Runs(job) => job.make(maker, before, done),
            Self::Sweep(sweep) => sweep.make(maker, before, done),
        }
    }

    /// The most runs of it that can be made at once.
    fn width(&self) -> usize {
        let width = |job: &&Job| {
            let spec = &job.checked.loaded.spec;
            let guides = spec.task.guide().map_or(0, |guide| guide.folds as usize);
            spec.seeds.len().max(guides)
        };
        self.jobs().iter().map(width).sum()
    }

    /// Whether networks that may guide other work too come first.
    fn is_guided(&self) -> bool {
        self.jobs().iter().any(|job| job.checked.guide.is_some())
    }

    /// What is still to be done of it; of a sweep its trials alone, since the last run is that of the one that is chosen.
    ///
    /// # Errors
    /// As [`Job::dues`].
    pub(super) fn dues(&self) -> Result<Vec<Due>> {
        let dues: Vec<Vec<Due>> = self.jobs().into_iter().map(Job::dues).collect::<Result<_>>()?;
        Ok(dues.concat())
    }
}

/// Plans what can be planned, and finds what stands against starting any of it. Where a person asked to go on with
/// unfinished runs, another unfinished run of the same experiment stands against beginning a new one.
///
/// # Errors
/// All that was found, before anything is trained.
pub(super) fn prepare(
    checked: &[Checked],
    overrides: &Overrides,
    wish: Wish,
    go_on: bool,
    output: Output,
) -> Result<Vec<Work>> {
    let (works, mut errors) = works(checked, overrides, wish, output);
    let mut planned: BTreeMap<PathBuf, &Plan> = BTreeMap::new();
    let jobs = || works.iter().flat_map(Work::jobs);
    let plans = || jobs().flat_map(|job| job.plans.iter().flatten().map(move |plan| (job, plan)));
    let begun: BTreeSet<&str> = plans()
        .filter(|(_, plan)| RunDir::is_begun(&plan.folder()))
        .map(|(_, plan)| plan.decisions.spec.name.as_str())
        .collect();
    for (job, plan) in plans() {
        if let Some(other) = planned.insert(plan.folder(), plan)
            && other.decisions.spec != plan.decisions.spec
        {
            errors.push(Error::user(format!(
                "{} and {} are the same run, {}, with other words, bounds or places: give one of them another `name`",
                other.spec_path.display(),
                plan.spec_path.display(),
                plan.folder().display()
            )));
        }
        errors.extend(startable(plan, &job.options).err());
        // Of several runs of one spec, those that have not begun follow those that have.
        let follows = job.checked.loaded.member().is_some()
            && begun.contains(plan.decisions.spec.name.as_str());
        if go_on && !follows {
            errors.extend(nothing_to_resume(plan)?.map(Error::user));
        }
    }
    joined(errors)?;
    Ok(works)
}

/// Plans what can be planned, and looks for nothing else.
///
/// # Errors
/// All that stands against a plan.
pub(super) fn only_planned(
    checked: &[Checked],
    overrides: &Overrides,
    wish: Wish,
    output: Output,
) -> Result<Vec<Work>> {
    let (works, errors) = works(checked, overrides, wish, output);
    joined(errors)?;
    Ok(works)
}

fn works(
    checked: &[Checked],
    overrides: &Overrides,
    wish: Wish,
    output: Output,
) -> (Vec<Work>, Vec<Error>) {
    let (mut works, mut errors) = (Vec::new(), Vec::new());
    for one in checked {
        match planned_work(one, overrides, wish, output) {
            Ok(work) => works.push(work),
            Err(error) => errors.push(error),
        }
    }
    (works, errors)
}

/// All of several mistakes of the user, or the first error.
fn joined(mut errors: Vec<Error>) -> Result<()> {
    if errors.len() > 1 && errors.iter().all(|error| error.exit_code() == 2) {
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        return Err(Error::user(texts.join("\n\n")));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors.remove(0)) }
}

fn planned_work(one: &Checked, overrides: &Overrides, wish: Wish, output: Output) -> Result<Work> {
    if wish.extend_epochs.is_some() && !one.trials.is_empty() {
        return Err(Error::user(format!(
            "{}: --extend-epochs goes on from the runs of a spec, and a sweep chooses them: set `schedule.epochs`",
            one.loaded.path.display()
        )));
    }
    let spec = &one.loaded.spec;
    let overrides = &match wish.place {
        Place::Here => overrides.clone(),
        Place::Nodes | Place::ThisNode => overrides.on_cluster(spec)?,
    };
    let (device, family) = match wish.place {
        Place::Nodes => (choose(Request::Cpu)?, overrides.device_on_cluster(spec)?),
        Place::Here | Place::ThisNode => {
            let device = overrides.device(spec, output)?;
            let family = device.kind.family();
            (device, family)
        }
    };
    let options = Options {
        device,
        force: wish.force,
        // Folds and trials are skipped where they are finished, and go on where they are not.
        resume: wish.resume || (one.loaded.member().is_some() && !wish.force),
        pause_after: None,
        wait: wish.wait,
        quiet: output.quiet,
        command: command_line(),
        again: Again { extend_epochs: wish.extend_epochs, ..overrides.again(&one.loaded) },
    };
    if !one.trials.is_empty() {
        return Ok(Work::Sweep(SweepJob::new(one, overrides, &options, family)?));
    }
    let longer = longer_by(one, wish.extend_epochs)?;
    let declared = Declared::new(one, overrides);
    let job = Job { longer, ..Job::later(one.clone(), options, declared) };
    Ok(Work::Runs(Box::new(job.planned(None, family)?)))
}

/// A spec with so many more epochs, where some are asked for.
pub(super) fn longer_by(one: &Checked, more: Option<u32>) -> Result<Option<Loaded>> {
    let Some(more) = more else { return Ok(None) };
    let epochs = one.loaded.spec.schedule.epochs.saturating_add(more);
    Ok(Some(one.loaded.with_sets(&[format!("schedule.epochs={epochs}")])?))
}

/// Takes runs that others have made as they are, and makes what follows from them without training: averages, the choice of a
/// sweep.
///
/// # Errors
/// All that stands against a plan.
pub(super) fn collect(
    checked: &[Checked],
    overrides: &Overrides,
    extend_epochs: Option<u32>,
    stop: &Stop,
    output: Output,
) -> Result<Done> {
    let place = Place::ThisNode;
    let wish = Wish { force: false, resume: true, wait: true, extend_epochs, place };
    let works = prepare(checked, overrides, wish, false, output)?;
    let maker = Maker { stop, output, several: None, place: 0, collects: true };
    let mut done = Done::default();
    in_turn(works.iter().enumerate(), &maker, |_, ended| done.add(ended));
    Ok(done)
}

/// Makes the runs in turn, or up to so many `jobs` at once. One that cannot begin is named, and the others are made.
pub(super) fn work(works: &[Work], jobs: u32, stop: &Stop, output: Output) -> Done {
    let most = works.iter().map(Work::width).sum::<usize>().min(jobs as usize);
    let several = (most > 1).then(|| Several::new(most));
    let maker = Maker { stop, output, several: several.as_ref(), place: 0, collects: false };
    let mut done = Done::default();
    if several.is_none() {
        in_turn(works.iter().enumerate(), &maker, |_, ended| done.add(ended));
        return done;
    }
    // Guided work may share its guides, so that it waits for other such work.
    let (guided, alone): (Vec<_>, Vec<_>) =
        works.iter().enumerate().partition(|(_, work)| work.is_guided());
    let chains = std::iter::once(guided).chain(alone.into_iter().map(|one| vec![one]));
    let ended = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for chain in chains {
            let (maker, ended) = (&maker, &ended);
            scope.spawn(move || {
                in_turn(chain.into_iter(), maker, |place, done| {
                    ended.lock().unwrap_or_else(PoisonError::into_inner).insert(place, done);
                });
            });
        }
    });
    let ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    ended.into_values().for_each(|one| done.add(one));
    done
}

/// Makes work one after the other, and gives what came of each with its place among all work.
fn in_turn<'a>(
    works: impl Iterator<Item = (usize, &'a Work)>,
    maker: &Maker,
    mut ended: impl FnMut(usize, Done),
) {
    let mut before: Vec<Outcome> = Vec::new();
    for (place, work) in works {
        if maker.stop.asked() {
            break;
        }
        let mut done = Done::default();
        work.make(&Maker { place, ..*maker }, &before, &mut done);
        before.extend(done.outcomes.iter().cloned());
        ended(place, done);
    }
}

/// Where the page of specs lies that the command does not say.
pub(super) fn default_report(checked: &[Checked], suite: Option<&Suite>) -> PathBuf {
    let names = checked.iter().map(|one| one.loaded.spec.name.as_str());
    page_of(&common_name(names, suite))
}

/// Where the page of that name lies.
pub(super) fn page_of(name: &str) -> PathBuf {
    Path::new("reports").join(format!("{name}.html"))
}

/// The name of a suite or an experiment; of several experiments `comparison`.
pub(super) fn common_name<'a>(
    names: impl Iterator<Item = &'a str>,
    suite: Option<&'a Suite>,
) -> String {
    let names: Vec<&str> = match suite {
        Some(suite) => vec![&suite.name],
        None => names.collect(),
    };
    match names.as_slice() {
        [first, rest @ ..] if rest.iter().all(|name| name == first) => (*first).into(),
        _ => "comparison".into(),
    }
}

/// A request to stop that every signal makes which a cluster gives before it ends a process: SIGTERM, SIGINT, SIGHUP and
/// SIGUSR1. None ends the process at once, for a cluster may give several.
pub(super) fn stop_on_every_signal() -> Result<Stop> {
    let stop = Stop::default();
    let asked = stop.clone();
    on_signal(move || asked.ask())?;
    #[cfg(unix)]
    {
        let listened = signal_hook::iterator::Signals::new([signal_hook::consts::SIGUSR1]);
        let mut signals = listened
            .map_err(|error| Error::failed(format!("cannot listen for SIGUSR1: {error}")))?;
        let asked = stop.clone();
        thread::spawn(move || signals.forever().for_each(|_| asked.ask()));
    }
    Ok(stop)
}

/// A request to stop that the first signal makes; the second ends the process.
pub(super) fn stop_on_signal() -> Result<Stop> {
    let stop = Stop::default();
    let asked = stop.clone();
    on_signal(move || {
        ask_or_end(&asked);
        progress::say("stopping after this step; once more to stop at once");
    })?;
    Ok(stop)
}

/// Asks for a stop; ends the process where that was asked for before.
pub(super) fn ask_or_end(stop: &Stop) {
    if stop.asked() {
        std::process::exit(130);
    }
    stop.ask();
}

/// Does something at each signal that is to end the process.
pub(super) fn on_signal(what: impl FnMut() + Send + 'static) -> Result<()> {
    ctrlc::set_handler(what)
        .map_err(|error| Error::failed(format!("cannot listen for signals: {error}")))
}
