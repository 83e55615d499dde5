//! `oncospec run`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use super::report::PageFile;
use super::spec::{Overrides, Specs};
use super::{Output, OverwriteArgs, command_line, pretty, print};
use crate::error::{Error, Result};
use crate::plan::{Checked, Decisions, Depth, Extent, Plan, survey};
use crate::record::{Record, RunState};
use crate::report::{NotBegun, fallen};
use crate::run::{
    Again, Due, Guided, Options, Outcome, Step, due, due_after, going_on, guided,
    nothing_to_resume, plans_of_guide, run, startable,
};
use crate::spec::{Loaded, Suite, suite};
use crate::text;
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
    let whole = page.write(&done.paths(), title)?;
    output.say(format!("report: {}", page.path().display()));
    if output.json {
        print(&pretty(&done.outcomes)?)?;
    }
    let held = done.outcomes.iter().all(Outcome::held);
    let good = held && whole && !stop.asked();
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

/// A spec, ready to be run.
pub(super) struct Job<'a> {
    checked: &'a Checked,
    options: Options,
    /// The same with the epochs that are to be added.
    longer: Option<Loaded>,
    /// Its plans, one for each seed; `None` where the runs that it depends on come first.
    plans: Option<Vec<Plan>>,
}

/// Plans what can be planned, and finds what stands against starting any of it. Where a person asked to go on with
/// unfinished runs, another unfinished run of the same experiment stands against beginning a new one.
///
/// # Errors
/// All that was found, before anything is trained.
pub(super) fn prepare<'a>(
    checked: &'a [Checked],
    overrides: &Overrides,
    wish: Wish,
    go_on: bool,
    output: Output,
) -> Result<Vec<Job<'a>>> {
    let (jobs, mut errors) = jobs(checked, overrides, wish, output);
    let mut planned: BTreeMap<PathBuf, &Plan> = BTreeMap::new();
    for job in &jobs {
        for plan in job.plans.iter().flatten() {
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
            if go_on {
                errors.extend(nothing_to_resume(plan)?.map(Error::user));
            }
        }
    }
    joined(errors)?;
    Ok(jobs)
}

/// Plans what can be planned, and looks for nothing else.
///
/// # Errors
/// All that stands against a plan.
pub(super) fn only_planned<'a>(
    checked: &'a [Checked],
    overrides: &Overrides,
    wish: Wish,
    output: Output,
) -> Result<Vec<Job<'a>>> {
    let (jobs, errors) = jobs(checked, overrides, wish, output);
    joined(errors)?;
    Ok(jobs)
}

fn jobs<'a>(
    checked: &'a [Checked],
    overrides: &Overrides,
    wish: Wish,
    output: Output,
) -> (Vec<Job<'a>>, Vec<Error>) {
    let (mut jobs, mut errors) = (Vec::new(), Vec::new());
    for one in checked {
        match job(one, overrides, wish, output) {
            Ok(job) => jobs.push(job),
            Err(error) => errors.push(error),
        }
    }
    (jobs, errors)
}

/// All of several mistakes of the user, or the first error.
fn joined(mut errors: Vec<Error>) -> Result<()> {
    if errors.len() > 1 && errors.iter().all(|error| error.exit_code() == 2) {
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        return Err(Error::user(texts.join("\n\n")));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors.remove(0)) }
}

fn job<'a>(
    checked: &'a Checked,
    overrides: &Overrides,
    wish: Wish,
    output: Output,
) -> Result<Job<'a>> {
    let options = Options {
        device: overrides.device(&checked.loaded.spec, output)?,
        force: wish.force,
        resume: wish.resume,
        wait: wish.wait,
        quiet: output.quiet,
        command: command_line(),
        again: Again { extend_epochs: wish.extend_epochs, ..overrides.again(&checked.loaded) },
    };
    let longer = wish.extend_epochs.map(|more| longer(overrides, checked, more)).transpose()?;
    let plans = match checked.guide {
        Some(_) => None,
        None => Some(plans_of(checked, longer.as_ref(), &options)?),
    };
    Ok(Job { checked, options, longer, plans })
}

impl Job<'_> {
    /// What is still to be done for each seed, and for the networks that guide it. No id of a guided run is known until
    /// its guide is finished.
    ///
    /// # Errors
    /// As [`due`], and where the masks of a guide cannot be read.
    pub(super) fn dues(&self) -> Result<Vec<Due>> {
        if let Some(plans) = &self.plans {
            return plans.iter().map(due).collect();
        }
        let guides = plans_of_guide(self.checked, self.options.device.kind.family())?;
        let mut dues: Vec<Due> = guides.iter().map(due).collect::<Result<_>>()?;
        let finished = |plan: &Plan| Outcome::read(plan.folder(), true);
        let ready = match dues.iter().all(|due| due.step == Step::Nothing) {
            true => guided(self.checked.clone(), &self.options.device, &finished)?,
            false => return Ok(self.after(dues)),
        };
        match ready {
            Guided::Ready(checked) => {
                let plans = plans_of(&checked, self.longer.as_ref(), &self.options)?;
                dues.extend(plans.iter().map(due).collect::<Result<Vec<_>>>()?);
                Ok(dues)
            }
            Guided::Unfinished(_) => Ok(self.after(dues)),
        }
    }

    /// What is to be done of a guide, and each seed after it.
    fn after(&self, mut dues: Vec<Due>) -> Vec<Due> {
        let spec = &self.checked.loaded.spec;
        let guide = self.checked.guide.as_ref().map(|guide| guide.loaded.spec.name.as_str());
        let after = |&seed: &u32| due_after(&spec.name, seed, guide.unwrap_or_default());
        dues.extend(spec.seeds.iter().map(after));
        dues
    }
}

/// What came of some jobs.
#[derive(Default)]
pub(super) struct Done {
    /// How the runs ended that were begun.
    pub outcomes: Vec<Outcome>,
    /// The runs that could not begin.
    pub not_begun: Vec<NotBegun>,
    /// The exit code of the first of these.
    pub failed: Option<u8>,
    /// Whether runs that a spec depends on kept it from being run.
    pub left_out: bool,
}

impl Done {
    /// The run directories.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.outcomes.iter().map(|outcome| outcome.path.clone()).collect()
    }

    fn fail(&mut self, name: String, error: &Error) {
        eprintln!("error: {}", text::lines(&error.to_string()));
        self.not_begun.push(NotBegun { name, why: error.to_string() });
        self.failed.get_or_insert(error.exit_code());
    }
}

/// Makes the runs in turn. One that cannot begin is named, and the others are made.
pub(super) fn work(jobs: &[Job], stop: &Stop, output: Output) -> Done {
    let mut done = Done::default();
    for job in jobs {
        if stop.asked() {
            break;
        }
        let plans = match &job.plans {
            Some(plans) => plans.clone(),
            None => match plans(job, stop, output, &mut done.outcomes) {
                Ok(plans) => plans,
                Err(error) => {
                    done.fail(job.checked.loaded.spec.name.clone(), &error);
                    continue;
                }
            },
        };
        done.left_out |= plans.is_empty();
        for plan in plans {
            if stop.asked() {
                break;
            }
            match run_one(&plan, &job.options, stop, output) {
                Ok(outcome) => done.outcomes.push(outcome),
                Err(error) => {
                    let Decisions { spec, seed, .. } = &plan.decisions;
                    done.fail(format!("{}, seed {seed}", spec.name), &error);
                }
            }
        }
    }
    done
}

/// A plan for each seed of a spec that depends on no run; with a longer spec, of that, going on from the runs of the
/// other.
fn plans_of(checked: &Checked, longer: Option<&Loaded>, options: &Options) -> Result<Vec<Plan>> {
    let survey = survey(checked, Extent::All)?;
    let device = options.device.kind.family();
    let longer = longer.map(|loaded| Checked { loaded: loaded.clone(), ..checked.clone() });
    let of_seed = |&seed: &u32| {
        let plan = checked.plan(&survey, seed, device)?;
        match &longer {
            Some(longer) => going_on(longer.plan(&survey, seed, device)?, &plan),
            None => Ok(plan),
        }
    };
    checked.loaded.spec.seeds.iter().map(of_seed).collect()
}

/// A spec with more epochs.
fn longer(overrides: &Overrides, one: &Checked, more: u32) -> Result<Loaded> {
    let mut overrides = overrides.clone();
    let epochs = one.loaded.spec.schedule.epochs.saturating_add(more);
    overrides.sets.push(format!("schedule.epochs={epochs}"));
    overrides.load(&one.loaded.path)
}

/// A plan for each seed, once the runs that it depends on are made; none if one of these did not finish, which then
/// goes to `outcomes`.
fn plans(
    Job { checked, options, longer, .. }: &Job,
    stop: &Stop,
    output: Output,
    outcomes: &mut Vec<Outcome>,
) -> Result<Vec<Plan>> {
    // What failed for one spec is not tried again for another.
    let failed = |plan: &Plan| {
        let of_plan = |outcome: &&Outcome| {
            outcome.run_id == plan.decisions.run_id
                && outcome.experiment == plan.decisions.spec.name
        };
        let found = outcomes.iter().find(of_plan)?;
        (found.state != RunState::Finished).then(|| found.clone())
    };
    let run = |plan: &Plan| match failed(plan) {
        Some(outcome) => Ok(outcome),
        None => run_one(plan, options, stop, output),
    };
    let checked = match guided(Checked::clone(checked), &options.device, &run)? {
        Guided::Ready(checked) => checked,
        Guided::Unfinished(outcome) => {
            let (name, path) = (&checked.loaded.spec.name, outcome.path.display());
            output.say(format!("{name}: not run: {path}, which guides it, did not finish"));
            if outcomes.iter().all(|other| other.path != outcome.path) {
                outcomes.push(outcome);
            }
            return Ok(Vec::new());
        }
    };
    plans_of(&checked, longer.as_ref(), options)
}

/// Makes one run and says how it ended.
fn run_one(plan: &Plan, options: &Options, stop: &Stop, output: Output) -> Result<Outcome> {
    let decisions = &plan.decisions;
    output.say(format!(
        "{} seed {}: {} ({} parameters) on {}",
        decisions.spec.name,
        decisions.seed,
        plan.folder().display(),
        decisions.parameters,
        options.device.kind
    ));
    let outcome = run(plan, options, stop)?;
    let state =
        if outcome.reused { "was finished before".into() } else { outcome.state.to_string() };
    let why = outcome.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    output.say(format!("{} seed {}: {state}{why}", decisions.spec.name, decisions.seed));
    for note in &outcome.notes {
        output.say(format!("  note: {note}"));
    }
    for (name, value) in &outcome.figures {
        let left_out = match outcome.left_out.get(&name.to_string()) {
            Some(cases) => format!(", {cases} left out"),
            None => String::new(),
        };
        output.say(format!("  {name:24} {value:.4}{left_out}"));
    }
    if outcome.gates.iter().any(|gate| !gate.held) {
        let record = Record::read(&outcome.path)?;
        for gate in record.gates.iter().filter(|gate| !gate.held) {
            output.say(format!("  gate fell: {}", fallen(gate, &record)));
        }
    }
    Ok(outcome)
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
