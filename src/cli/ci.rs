//! `oncospec ci`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::spec::{Overrides, Specs};
use super::{Output, command_line, pretty, print, report, run};
use crate::error::{Error, Result};
use crate::plan::Depth;
use crate::record::{Record, RunState};
use crate::run::{Options, Outcome, rejudge};

/// Arguments of `ci`.
#[derive(Debug, Args)]
pub struct CiArgs {
    /// Spec files, or folders of them.
    #[arg(default_value = "experiments/ci", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    /// Also write the Markdown summary to this file.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// The report.
    #[arg(long, short, value_name = "FILE", default_value = "reports/ci.html")]
    output: PathBuf,
}

/// Runs what is not finished, judges the gates, and prints a summary: 0 if all hold, 1 if one fell or
/// a run failed.
pub fn execute(args: CiArgs, output: Output) -> Result<u8> {
    let paths = files(&args.paths)?;
    let specs = Specs { paths, overrides: args.overrides };
    let checked = specs.check(Depth::Pixels, output)?;
    let stop = run::stop_on_signal()?;
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut held = true;
    for one in &checked {
        let device = specs.overrides.device(&one.loaded.spec, output)?;
        let options = Options {
            device,
            force: false,
            resume: true,
            quiet: output.quiet,
            command: command_line(),
        };
        let plans = run::plans(one, &options, &stop, output, &mut outcomes)?;
        held &= !plans.is_empty();
        for plan in plans {
            let outcome = run::run_one(&plan, &options, &stop, output)?;
            held &= outcome.state == RunState::Finished;
            if outcome.state == RunState::Finished {
                let gates = rejudge(&outcome.path, &plan.decisions.spec)?;
                held &= gates.iter().all(|gate| gate.held);
            }
            outcomes.push(outcome);
            if stop.asked() {
                return Ok(1);
            }
        }
        if stop.asked() {
            return Ok(1);
        }
    }
    let runs: Vec<PathBuf> = outcomes.iter().map(|outcome| outcome.path.clone()).collect();
    report::write(&runs, &args.output, String::new(), None)?;
    let records = runs.iter().map(Record::read).collect::<Result<Vec<_>>>()?;
    let summary = crate::report::markdown(&records);
    if let Some(path) = &args.summary {
        crate::record::write_file(path, summary.as_bytes())?;
    }
    output.say(format!("report: {}", args.output.display()));
    print(&if output.json { pretty(&outcomes)? } else { summary })?;
    Ok(if held { 0 } else { 1 })
}

/// The spec files that paths mean: a folder means the `.toml` files in it, by name.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let inside = specs_in(path)?;
            if inside.is_empty() {
                return Err(Error::user(format!("{}: no .toml file in it", path.display())));
            }
            files.extend(inside);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn specs_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(Error::io(folder, "cannot read"))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    Ok(files)
}
