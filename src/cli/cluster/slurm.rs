//! `oncospec slurm`: what became of a submission.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::queue;
use super::stages::Stages;
use super::status::{Row, State, rows, table};
use super::submission::Files;
use crate::cli::page_file::PageFile;
use crate::cli::run::{common_name, page_of};
use crate::cli::spec::Specs;
use crate::cli::{Output, OverwriteArgs, pretty, print};
use crate::error::{Error, Result};
use crate::record::RunDir;
use crate::spec::{Loaded, Spec, Suite, spec_files, suite};

/// Arguments of `slurm`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SlurmArgs {
    #[command(subcommand)]
    command: SlurmCommand,
}

#[derive(Debug, Subcommand)]
enum SlurmCommand {
    /// Say how far the jobs are, and of those that failed why, and what to do; 1 if one failed.
    Status(Specs),
    /// Cancel all jobs that are not done. Runs stop after a step, and go on when they are submitted again.
    Cancel(Specs),
    /// Write the page of the runs that are there, whatever the jobs are doing.
    Collect(CollectArgs),
}

/// Arguments of `slurm collect`.
#[derive(Debug, Args)]
struct CollectArgs {
    #[command(flatten)]
    specs: Specs,
    /// The report; reports/NAME.html if not given.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Does what is asked about a submission.
pub(in crate::cli) fn execute(args: SlurmArgs, output: Output) -> Result<u8> {
    match args.command {
        SlurmCommand::Status(specs) => status(&specs, output),
        SlurmCommand::Cancel(specs) => cancel(&specs, output),
        SlurmCommand::Collect(args) => collect(args, output),
    }
}

/// The files of what was submitted of specs, and the suite that they are of; no data are read.
fn submitted(specs: &Specs) -> Result<(Files, Vec<Loaded>, Option<Suite>)> {
    let files = spec_files(&specs.paths)?;
    let loaded: Vec<Loaded> =
        files.iter().map(|path| specs.overrides.load(path)).collect::<Result<_>>()?;
    let suite = match specs.paths.as_slice() {
        [only] => suite(only)?,
        _ => None,
    };
    let all: Vec<&Spec> = loaded.iter().map(|loaded| &loaded.spec).collect();
    Ok((Files::of(&all, suite.as_ref())?, loaded, suite))
}

fn all_rows(files: &Files) -> Result<(Vec<Row>, Stages)> {
    let submitted = files.read()?;
    let rows = rows(files, &submitted, &queue::queued(&submitted.0.name)?);
    Ok((rows, submitted.1))
}

fn status(specs: &Specs, output: Output) -> Result<u8> {
    let (files, ..) = submitted(specs)?;
    let (rows, _) = all_rows(&files)?;
    print(&if output.json { pretty(&rows)? } else { table(&rows) })?;
    Ok(if rows.iter().any(|row| row.state == State::Failed) { 1 } else { 0 })
}

fn cancel(specs: &Specs, output: Output) -> Result<u8> {
    let (files, ..) = submitted(specs)?;
    let (submission, _) = files.read()?;
    let queued = queue::queued(&submission.name)?;
    let active = queued.iter().filter(|job| job.is_active()).count();
    if active > 0 {
        queue::cancel(&submission.name)?;
    }
    output.say(format!("cancelled: {active} jobs"));
    Ok(0)
}

fn collect(args: CollectArgs, output: Output) -> Result<u8> {
    let (files, specs, suite) = submitted(&args.specs)?;
    let (rows, stages) = all_rows(&files)?;
    let names = specs.iter().map(|loaded| loaded.spec.name.as_str());
    let page = args.output.unwrap_or_else(|| page_of(&common_name(names, suite.as_ref())));
    let page = PageFile::new(&page, None, args.overwrite.overwrite)?;
    let mut runs: Vec<PathBuf> = Vec::new();
    for run in stages.finished.iter().chain(rows.iter().flat_map(|row| &row.runs)) {
        if RunDir::is_begun(run) && !runs.contains(run) {
            runs.push(run.clone());
        }
    }
    if runs.is_empty() {
        return Err(Error::user(format!(
            "{}: no run has begun: `oncospec slurm status` says what the jobs wait for",
            files.folder.display()
        )));
    }
    let written = page.write(&runs, suite.map(|suite| suite.title).unwrap_or_default())?;
    let left = rows.iter().filter(|row| row.state != State::Done).count();
    output.say(format!(
        "report: {}, of {} runs; {left} jobs are not done",
        page.path().display(),
        runs.len()
    ));
    Ok(if written.whole { 0 } else { 1 })
}
