//! `oncospec ci`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::report::PageFile;
use super::run::{Wish, prepare, stop_on_signal, work};
use super::spec::{Overrides, Specs};
use super::{Output, OverwriteArgs, pretty, print, report};
use crate::error::{Error, Result};
use crate::outputs::OutputFile;
use crate::plan::Depth;
use crate::run::Outcome;

/// Arguments of `ci`.
#[derive(Debug, Args)]
pub(super) struct CiArgs {
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
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Runs what is not finished, judges the gates, and prints a summary: 0 if all hold, 1 if one fell or
/// a run failed. A run that another process works on is waited for, and judged like the others.
pub(super) fn execute(args: CiArgs, output: Output) -> Result<u8> {
    let paths = files(&args.paths)?;
    let specs = Specs { paths, overrides: args.overrides };
    let checked = specs.check(Depth::Pixels, output)?;
    let page = PageFile::new(&args.output, None, args.overwrite.overwrite)?;
    let summary = args
        .summary
        .as_deref()
        .map(|path| OutputFile::new(path, "a summary", args.overwrite.overwrite))
        .transpose()?;
    if summary.as_ref().is_some_and(|summary| page.is(summary)) {
        return Err(Error::user(format!(
            "{}: --summary and --output name one file; give the Markdown summary a name of its own",
            page.path().display()
        )));
    }
    let stop = stop_on_signal()?;
    let wish = Wish { force: false, resume: true, wait: true, extend_epochs: None };
    let jobs = prepare(&checked, &specs.overrides, wish, false, output)?;
    let done = work(jobs, &stop, output);
    if stop.asked() || done.outcomes.is_empty() {
        return Ok(done.failed.unwrap_or(1));
    }
    let mut held = !done.left_out && done.outcomes.iter().all(Outcome::held);
    let runs = done.paths();
    held &= page.write(&runs, String::new())?;
    let text = crate::report::markdown(&report::read(&runs).0);
    if let Some(file) = &summary {
        file.write(text.as_bytes())?;
    }
    output.say(format!("report: {}", page.path().display()));
    print(&if output.json { pretty(&done.outcomes)? } else { text })?;
    Ok(done.failed.unwrap_or(if held { 0 } else { 1 }))
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
