//! `oncospec report`.

use std::path::PathBuf;

use clap::Args;

use super::index::write_index;
use super::page_file::{PageFile, Shown, beside};
use super::pdf::Pdf;
use super::watch::{LOOK, watch};
use super::{Output, OverwriteArgs};
use crate::error::Result;
use crate::inference::find_runs;
use crate::spec::literature;

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
    /// Figures that are tested between runs, such as `dice.lesion,hd95.mean`; p is corrected for all of them. Without, the
    /// first headline figure.
    #[arg(long, value_name = "FIGURE", value_delimiter = ',')]
    compare: Vec<String>,
    /// File of published figures, such as `experiments/literature/busi.toml`, that are shown beside the runs and ranked with
    /// those that share their protocol; may be repeated.
    #[arg(long, value_name = "FILE")]
    literature: Vec<PathBuf>,
    /// Write an index over all runs instead, with a page for each experiment beside it.
    #[arg(long, conflicts_with_all = ["assets", "pdf", "watch"])]
    index: bool,
    /// Leave out pictures and the names of cases and groups, which become numbers.
    #[arg(long)]
    redact: bool,
    /// Folder beside the page for its pictures, which are inside the page otherwise; both belong together.
    #[arg(long, value_name = "DIR")]
    assets: Option<PathBuf>,
    /// Print the page to this file too, by a Chromium that is on the machine.
    #[arg(long, value_name = "FILE")]
    pdf: Option<PathBuf>,
    /// Write the page again whenever a run has got further, until all are finished; an open page loads itself again.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Renders a report over any runs; 1 if one of them could not be read.
pub(super) fn execute(args: ReportArgs, output: Output) -> Result<u8> {
    let runs = find_runs(&args.runs, &args.root)?;
    let literature = args.literature.iter().map(|file| literature(file)).collect::<Result<_>>()?;
    let page = PageFile::new(&args.output, args.templates, args.overwrite.overwrite)?;
    let overwrite = args.overwrite.overwrite;
    let assets = args.assets.map(|folder| beside(&args.output, folder, overwrite)).transpose()?;
    let again_after = args.watch.then_some(LOOK);
    let (compare, redact) = (args.compare, args.redact);
    let page = page.with(Shown { compare, literature, redact, assets, again_after });
    if args.index {
        let (whole, pages) = write_index(&page, &args.output, &runs, overwrite)?;
        output.say(format!("index: {}, with {pages} pages beside it", args.output.display()));
        return Ok(if whole { 0 } else { 1 });
    }
    let pdf = args.pdf.as_deref().map(|file| Pdf::new(file, overwrite)).transpose()?;
    let mut written = page.write(&runs, String::new())?;
    output.say(format!("report: {}", args.output.display()));
    if args.watch {
        written = watch(&page, &args.runs, &args.root, written)?;
    }
    if let Some(pdf) = pdf {
        pdf.print(&page.path())?;
        output.say(format!("printed: {}", pdf.file.path().display()));
    }
    Ok(if written.whole { 0 } else { 1 })
}
