//! `oncospec run`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::spec::Specs;
use super::{Output, command_line, pretty, print, report};
use crate::error::{Error, Result};
use crate::plan::{Checked, Depth, Extent, Plan, survey};
use crate::record::RunState;
use crate::run::{Guided, Options, Outcome, guided, run};
use crate::spec::{Suite, suite};
use crate::train::Stop;

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub specs: Specs,
    /// Make finished runs again, and start unfinished ones over.
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    /// Go on with unfinished runs from their last checkpoint.
    #[arg(long)]
    pub resume: bool,
    /// The report; reports/NAME.html if not given.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Folder whose files replace the built-in templates of the same name.
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
}

/// Runs every seed of every spec, then renders one report over all of them.
pub fn execute(args: RunArgs, output: Output) -> Result<u8> {
    let stop = stop_on_signal()?;
    let checked = args.specs.check(Depth::Pixels, output)?;
    let mut outcomes = Vec::new();
    for one in &checked {
        if stop.asked() {
            break;
        }
        let device = args.specs.overrides.device(&one.loaded.spec, output)?;
        let options = Options {
            device,
            force: args.force,
            resume: args.resume,
            quiet: output.quiet,
            command: command_line(),
        };
        let plans = plans(one, &options, &stop, output, &mut outcomes)?;
        for plan in &plans {
            if stop.asked() {
                break;
            }
            outcomes.push(run_one(plan, &options, &stop, output)?);
        }
    }
    if outcomes.is_empty() {
        return Ok(1);
    }
    let suite = match args.specs.paths.as_slice() {
        [only] => suite(only)?,
        _ => None,
    };
    let page = args.output.unwrap_or_else(|| default_report(&checked, suite.as_ref()));
    let title = suite.map(|suite| suite.title).unwrap_or_default();
    let records: Vec<PathBuf> = outcomes.iter().map(|outcome| outcome.path.clone()).collect();
    report::write(&records, &page, title, args.templates)?;
    output.say(format!("report: {}", page.display()));
    if output.json {
        print(&pretty(&outcomes)?)?;
    }
    let whole = |outcome: &Outcome| outcome.state == RunState::Finished;
    Ok(if outcomes.iter().all(whole) && !stop.asked() { 0 } else { 1 })
}

/// A plan for each seed, once the runs that it depends on are made; none if one of these did not finish, which then
/// goes to `outcomes`.
pub fn plans(
    checked: &Checked,
    options: &Options,
    stop: &Stop,
    output: Output,
    outcomes: &mut Vec<Outcome>,
) -> Result<Vec<Plan>> {
    // What failed for one spec is not tried again for another.
    let failed = |plan: &Plan| {
        let found = outcomes.iter().find(|outcome| outcome.path == plan.folder())?;
        (found.state != RunState::Finished).then(|| found.clone())
    };
    let run = |plan: &Plan| match failed(plan) {
        Some(outcome) => Ok(outcome),
        None => run_one(plan, options, stop, output),
    };
    let checked = match guided(checked.clone(), &options.device, &run)? {
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
    let survey = survey(&checked, Extent::All)?;
    checked.loaded.spec.seeds.iter().map(|&seed| checked.plan(&survey, seed)).collect()
}

/// Makes one run and says how it ended.
pub fn run_one(plan: &Plan, options: &Options, stop: &Stop, output: Output) -> Result<Outcome> {
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
    for (name, value) in &outcome.figures {
        let left_out = match outcome.left_out.get(name) {
            Some(cases) => format!(", {cases} left out"),
            None => String::new(),
        };
        output.say(format!("  {name:24} {value:.4}{left_out}"));
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
pub fn stop_on_signal() -> Result<Stop> {
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
