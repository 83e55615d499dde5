//! `oncospec run`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;

use super::job::{Done, Job};
use super::report::PageFile;
use super::spec::{Overrides, Specs};
use super::sweep::SweepJob;
use super::{Output, OverwriteArgs, command_line, pretty, print};
use crate::error::{Error, Result};
use crate::plan::{Checked, Depth, Plan};
use crate::record::RunDir;
use crate::report::{Folds, folds, pooled_lines};
use crate::run::{Again, Due, Options, Outcome, nothing_to_resume, startable};
use crate::spec::{Loaded, Suite, suite};
use crate::train::Stop;

/// Arguments of `run`.
#[derive(Debug, Args)]
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
    #[command(flatten)]
    pub overwrite: OverwriteArgs,
}

/// Runs every seed of every spec, then renders one report over all of them. What is wrong
/// with any of them is reported before the first one trains, as far as it can be known; one that cannot start later does not
/// keep the others from their page.
pub(super) fn execute(args: RunArgs, output: Output) -> Result<u8> {
    let stop = stop_on_signal()?;
    let checked = args.specs.check(Depth::Pixels, output)?;
    let suite = match args.specs.paths.as_slice() {
        [only] => suite(only)?,
        _ => None,
    };
    let page = args.output.unwrap_or_else(|| default_report(&checked, suite.as_ref()));
    let page = PageFile::new(&page, args.templates, args.overwrite.overwrite)?;
    let title = suite.map(|suite| suite.title).unwrap_or_default();
    let (force, resume, extend_epochs) = (args.force, args.resume, args.extend_epochs);
    let wish = Wish { force, resume, wait: false, extend_epochs };
    let jobs = prepare(&checked, &args.specs.overrides, wish, args.resume, output)?;
    let done = work(&jobs, &stop, output);
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

/// What to do with a run that exists already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub force: bool,
    pub resume: bool,
    pub wait: bool,
    /// Epochs to add to finished runs.
    pub extend_epochs: Option<u32>,
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
    fn jobs(&self) -> Vec<&Job> {
        match self {
            Self::Runs(job) => vec![job],
            Self::Sweep(sweep) => sweep.jobs().collect(),
        }
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
    let options = Options {
        device: overrides.device(&one.loaded.spec, output)?,
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
        return Ok(Work::Sweep(SweepJob::new(one, overrides, &options)?));
    }
    let longer = wish.extend_epochs.map(|more| longer(one, more)).transpose()?;
    let job = Job { longer, ..Job::later(one.clone(), options) };
    Ok(Work::Runs(Box::new(job.planned(None)?)))
}

/// A spec with more epochs.
fn longer(one: &Checked, more: u32) -> Result<Loaded> {
    let epochs = one.loaded.spec.schedule.epochs.saturating_add(more);
    Ok(one.loaded.with_sets(&[format!("schedule.epochs={epochs}")])?)
}

/// Makes the runs in turn. One that cannot begin is named, and the others are made.
pub(super) fn work(works: &[Work], stop: &Stop, output: Output) -> Done {
    let mut done = Done::default();
    for work in works {
        if stop.asked() {
            break;
        }
        match work {
            Work::Runs(job) => job.make(stop, output, &mut done),
            Work::Sweep(sweep) => sweep.make(stop, output, &mut done),
        }
    }
    done
}

fn default_report(checked: &[Checked], suite: Option<&Suite>) -> PathBuf {
    let names: Vec<&str> = match suite {
        Some(suite) => vec![&suite.name],
        None => checked.iter().map(|one| one.loaded.spec.name.as_str()).collect(),
    };
    let name = match names.as_slice() {
        [first, rest @ ..] if rest.iter().all(|name| name == first) => first,
        _ => "comparison",
    };
    Path::new("reports").join(format!("{name}.html"))
}

/// A request to stop that the first signal makes; the second ends the process.
pub(super) fn stop_on_signal() -> Result<Stop> {
    let stop = Stop::default();
    let asked = stop.clone();
    ctrlc::set_handler(move || {
        if asked.asked() {
            std::process::exit(130);
        }
        asked.ask();
        eprintln!("stopping after this step; once more to stop at once");
    })
    .map_err(|error| Error::failed(format!("cannot listen for signals: {error}")))?;
    Ok(stop)
}
