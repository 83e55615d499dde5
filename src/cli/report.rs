//! `oncospec report`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Output, OverwriteArgs, command_line};
use crate::error::{Error, Result};
use crate::inference::find_runs;
use crate::outputs::OutputFile;
use crate::record::{Provenance, Record};
use crate::report::{ReportOptions, Unreadable, check_templates, render};
use crate::shell::shell;
use crate::text;

/// Arguments of `report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Run directories, experiment folders, run ids or names of experiments.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    /// The page.
    #[arg(long, short, value_name = "FILE", default_value = "reports/report.html")]
    output: PathBuf,
    /// Folder of the run directories, for ids and names.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    root: PathBuf,
    /// Folder whose files replace the built-in templates of the same name.
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Renders a report over any runs; 1 if one of them could not be read.
pub(super) fn execute(args: ReportArgs, output: Output) -> Result<u8> {
    let runs = find_runs(&args.runs, &args.root)?;
    let page = PageFile::new(&args.output, args.templates, args.overwrite.overwrite)?;
    let whole = page.write(&runs, String::new())?;
    output.say(format!("report: {}", args.output.display()));
    Ok(if whole { 0 } else { 1 })
}

/// A page that is to be written.
#[derive(Debug)]
pub(super) struct PageFile {
    file: OutputFile,
    templates: Option<PathBuf>,
}

impl PageFile {
    /// Makes sure, before any work, that it can be rendered and written.
    ///
    /// # Errors
    /// If it cannot, or the templates are wrong.
    pub(super) fn new(path: &Path, templates: Option<PathBuf>, overwrite: bool) -> Result<Self> {
        if let Some(folder) = &templates {
            check_templates(folder)?;
        }
        Ok(Self { file: OutputFile::new(path, "a report", overwrite)?, templates })
    }

    /// Renders it over run directories and writes it; without a title it has the experiments' names. Whether all of
    /// them could be read: those that could not are named on standard error and on the page.
    ///
    /// # Errors
    /// If none can be read, or it cannot be written.
    pub(super) fn write(&self, runs: &[PathBuf], title: String) -> Result<bool> {
        let (records, mut errors) = read(runs);
        if records.is_empty() && !errors.is_empty() {
            return Err(errors.remove(0).1);
        }
        let unreadable = errors.iter().map(|(path, error)| Unreadable {
            path: path.display().to_string(),
            problem: error.to_string(),
        });
        let options = ReportOptions {
            title,
            command: shell(&command_line()),
            templates: self.templates.clone(),
            unreadable: unreadable.collect(),
        };
        self.file.write(render(&records, &options)?.as_bytes())?;
        for (_, error) in &errors {
            eprintln!("error: {}", text::lines(&error.to_string()));
        }
        Ok(errors.is_empty())
    }

    /// Where it lies.
    pub(super) fn path(&self) -> PathBuf {
        self.file.path()
    }

    /// Whether it is the same file as another.
    pub(super) fn is(&self, other: &OutputFile) -> bool {
        self.file.is(other)
    }
}

/// The records of run directories, each run once, and those that cannot be read.
///
/// A copy of a run, by its id and weights, is no second run: it is left out, and standard error names it.
pub(super) fn read(runs: &[PathBuf]) -> (Vec<Record>, Vec<(PathBuf, Error)>) {
    let (mut records, mut errors): (Vec<Record>, _) = (Vec::new(), Vec::new());
    for run in runs {
        match Record::read(run) {
            Ok(record) => match records.iter().find(|other| is_copy(other, &record)) {
                Some(other) => eprintln!(
                    "note: {} is a copy of {}; it is left out",
                    text::path(&record.path),
                    text::path(&other.path)
                ),
                None => records.push(record),
            },
            Err(error) => errors.push((run.clone(), error)),
        }
    }
    (records, errors)
}

/// Whether two run directories hold one run.
fn is_copy(one: &Record, other: &Record) -> bool {
    let named = |record: &Record| {
        let Provenance { run_id, weights_sha256, .. } = &record.provenance;
        (run_id.clone(), weights_sha256.clone())
    };
    let (id, weights) = named(one);
    !id.is_empty() && weights.is_some() && named(other) == (id, weights)
}
