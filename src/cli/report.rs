//! `oncospec report`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::runs::find_runs;
use super::{Output, command_line};
use crate::error::{Error, Result};
use crate::record::Record;
use crate::report::{ReportOptions, render, shell};

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
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
}

/// Renders a report over any runs.
pub fn execute(args: ReportArgs, output: Output) -> Result<u8> {
    let runs = find_runs(&args.runs, &args.root)?;
    write(&runs, &args.output, String::new(), args.templates)?;
    output.say(format!("report: {}", args.output.display()));
    Ok(0)
}

/// Renders a page over run directories and writes it; without a title it has the experiments' names.
pub fn write(
    runs: &[PathBuf],
    page: &Path,
    title: String,
    templates: Option<PathBuf>,
) -> Result<()> {
    let records = runs.iter().map(Record::read).collect::<Result<Vec<_>>>()?;
    let command = shell(&command_line());
    let html = render(&records, &ReportOptions { title, command, templates })?;
    if let Some(folder) = page.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(Error::io(folder, "cannot create"))?;
    }
    crate::record::write_file(page, html.as_bytes())
}
