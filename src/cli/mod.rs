//! The command line: one file per subcommand.
//!
//! People read standard error, machines standard output (`--json`). The exit code is 0 when done, 1
//! when something failed while working, 2 for the user's mistake.

mod bench;
mod cam;
mod check;
mod ci;
mod cluster;
mod compare;
mod data;
mod dedup;
mod demo;
mod determinism;
mod doctor;
mod evaluate;
mod explain;
mod export;
mod first_step;
mod images;
mod index;
mod init;
mod job;
mod list;
mod new;
mod one_run;
mod page_file;
mod page_records;
mod pdf;
mod plan;
mod predict;
mod report;
mod run;
mod runs;
mod several;
mod spec;
mod sweep;
mod watch;
mod weights;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use serde::{Deserialize, Serialize};

use crate::device;
use crate::error::{Error, Result};
use crate::finding::Level;
use crate::{machine, parquet, progress, text};

/// Declarative experiments for breast-cancer imaging: one TOML in, one HTML report out.
#[derive(Debug, Parser)]
#[command(name = "oncospec", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: Output,
}

/// What is printed, and where.
#[derive(Clone, Copy, Debug, Args)]
struct Output {
    /// Write the result as JSON to standard output.
    #[arg(long, global = true)]
    json: bool,
    /// Print nothing while working.
    #[arg(long, short, global = true)]
    quiet: bool,
}

/// What lets a command replace files of others.
#[derive(Clone, Copy, Debug, Args, Serialize, Deserialize)]
struct OverwriteArgs {
    /// Replace files that oncospec did not write or that were changed since, and write pictures into a folder that
    /// holds images.
    #[arg(long)]
    overwrite: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train, evaluate, record and report; a finished run is not made again.
    Run(run::RunArgs),
    /// Find what is wrong with specs and their data, from names and headers of the images.
    Check(check::CheckArgs),
    /// Show every decision of a spec, the layers and the cost; train nothing.
    Plan(plan::PlanArgs),
    /// Time training steps, or prediction, on real batches.
    Bench(bench::BenchArgs),
    /// Score the best weights of a run again, or on other data.
    Evaluate(evaluate::EvaluateArgs),
    /// Predict masks for images without labels.
    Predict(predict::PredictArgs),
    /// Draw which regions of images drove a run's predictions.
    Cam(cam::CamArgs),
    /// Write the best weights of a run for PyTorch, with everything that prediction needs.
    Export(export::ExportArgs),
    /// Render an HTML report of runs.
    Report(report::ReportArgs),
    /// Show in what two runs or experiments differ: specs, data, figures, and a paired test.
    Compare(compare::CompareArgs),
    /// List the runs of a folder.
    List(list::ListArgs),
    /// Inspect a data set, write a first spec for it, or make a synthetic one.
    Data(data::DataArgs),
    /// List the experiments that come with oncospec, or copy one as a start.
    New(new::NewArgs),
    /// Print the JSON Schema of a spec, for editors.
    Schema,
    /// List published weights, or download some: the only command that uses the network.
    Weights(weights::WeightsArgs),
    /// Explain a key of a spec, or list them all.
    Explain(explain::ExplainArgs),
    /// Show the hardware and software that runs use, or whether training is the same each time.
    Doctor(doctor::DoctorArgs),
    /// Train a small network on synthetic images and render a report.
    Demo(demo::DemoArgs),
    /// Say what changed, run experiments that are not finished, judge their gates, print a summary in Markdown.
    Ci(ci::CiArgs),
    /// Say how far the jobs of `run --on slurm` are, cancel them, or write the page of what is there.
    Slurm(cluster::SlurmArgs),
    /// Write the runs of a spec as jobs of another cluster.
    Manifest(cluster::ManifestArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    #[command(name = device::PROBE, hide = true)]
    Probe { indices: Vec<usize> },
    #[command(name = one_run::COMMAND, hide = true)]
    OneRun,
    #[command(name = cluster::ELEMENT, hide = true)]
    Element(cluster::ElementArgs),
}

/// With how many open files each command is known to work: some for each core, and as many again.
const LEAST_OPEN_FILES: u64 = 64;

/// Runs the command; gives the exit code.
///
/// # Errors
/// What stops the work; [`crate::Error::exit_code`] is 2 for mistakes of the user.
pub fn execute(cli: Cli) -> Result<u8> {
    let output = cli.output;
    if !output.quiet {
        progress::show();
    }
    if let Some(most) = machine::open_files().filter(|&most| most < LEAST_OPEN_FILES) {
        return Err(Error::failed(format!(
            "this process may have {most} files open at once, and oncospec needs {LEAST_OPEN_FILES}: allow more, such as by \
             `ulimit -n 1024`"
        )));
    }
    parquet::start_threads().map_err(|why| {
        Error::failed(format!(
            "no thread can be started: {why}: allow more memory or processes, such as by `ulimit -v` and `ulimit -u`"
        ))
    })?;
    match cli.command {
        Command::Run(args) => run::execute(args, output),
        Command::Check(args) => check::execute(args, output),
        Command::Plan(args) => plan::execute(args, output),
        Command::Bench(args) => bench::execute(args, output),
        Command::Evaluate(args) => evaluate::execute(args, output),
        Command::Predict(args) => predict::execute(args, output),
        Command::Cam(args) => cam::execute(args, output),
        Command::Export(args) => export::execute(args, output),
        Command::Report(args) => report::execute(args, output),
        Command::Compare(args) => compare::execute(args, output),
        Command::List(args) => list::execute(args, output),
        Command::Data(args) => data::execute(args, output),
        Command::New(args) => new::execute(&args, output),
        Command::Schema => print(&pretty(&crate::spec::schema())?),
        Command::Weights(args) => weights::execute(args, output),
        Command::Explain(args) => explain::execute(args),
        Command::Doctor(args) => doctor::execute(&args, output),
        Command::Demo(args) => demo::execute(args, output),
        Command::Ci(args) => ci::execute(args, output),
        Command::Slurm(args) => cluster::slurm(args, output),
        Command::Manifest(args) => cluster::manifest(args, output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "oncospec", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        Command::OneRun => one_run::execute(),
        Command::Element(args) => cluster::element(args, output),
        Command::Probe { indices } => print(&pretty(&device::answer(&indices))?.replace('\n', " ")),
    }
}

/// Says an error on standard error, in whole lines without hidden characters.
pub fn say_error(error: &Error) {
    progress::print(&format!("error: {error}"));
}

/// Writes a text to standard output, what is hidden in it shown; a reader that has gone away is no error.
fn print(text: &str) -> Result<u8> {
    use std::io::{ErrorKind, Write};
    let text = text::lines(text);
    let mut out = std::io::stdout().lock();
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") })
        .and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(crate::Error::failed(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(0),
    }
}

/// A value as JSON.
fn pretty<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map(|json| text::json(&json).into_owned())
        .map_err(|error| crate::Error::failed(format!("cannot write JSON: {error}")))
}

/// The command line as one would type it.
fn command_line() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

impl Output {
    /// Prints a line on standard error.
    fn say(self, text: impl AsRef<str>) {
        if !self.quiet {
            progress::say(text.as_ref());
        }
    }

    /// Prints a finding about data; `--quiet` leaves out notes only.
    fn warn(self, level: Level, text: impl AsRef<str>) {
        if !self.quiet || level != Level::Note {
            progress::say(text.as_ref());
        }
    }
}
