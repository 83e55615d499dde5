//! `oncospec ci`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::job::Done;
use super::page_file::{PageFile, Written};
use super::run::{Place, Wish, Work, only_planned, prepare, stop_on_signal, work};
use super::spec::{Overrides, Specs};
use super::{Output, OverwriteArgs, pretty, print, say_error};
use crate::baseline::{Accepted, Baseline, Whose};
use crate::error::{Error, Result};
use crate::figure_name::FigureName;
use crate::outputs::OutputFile;
use crate::plan::{Checked, Depth};
use crate::record::{Figure, Gate, Record, with_cost};
use crate::report::{Folds, NotBegun, Unjudged, folds, junit, markdown, unjudged};
use crate::run::{Due, Outcome, Step};
use crate::text;

/// Arguments of `ci`.
#[derive(Debug, Args)]
pub(super) struct CiArgs {
    /// Spec files, or folders of them.
    #[arg(default_value = "experiments/ci", value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    /// Say what would run and why; run and write nothing.
    #[arg(long, conflicts_with_all = ["summary", "junit", "accept"])]
    dry_run: bool,
    /// Write the figures of the runs into the baseline that gates compare with, if all runs finish.
    #[arg(long)]
    accept: bool,
    /// Also write the Markdown summary to this file.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Also write the verdicts as JUnit XML to this file.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// The report.
    #[arg(long, short, value_name = "FILE", default_value = "reports/ci.html")]
    output: PathBuf,
    /// Make up to N runs at once, each in a process of its own with its share of the cores; results are the same.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    jobs: u32,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// What `ci --json` writes.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Verdict<'a> {
    /// Whether all runs finished and all gates hold.
    held: bool,
    /// What was to be done, and why.
    due: &'a [Due],
    /// How the runs ended.
    runs: &'a [Outcome],
    /// Figures over all folds, of experiments that have some.
    folds: Vec<OfFolds<'a>>,
    /// Bounds on such figures that cannot be judged.
    unjudged: &'a [Unjudged],
    /// The runs that could not begin.
    not_begun: &'a [NotBegun],
}

/// Figures over the test cases of all folds of an experiment.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct OfFolds<'a> {
    experiment: &'a str,
    label: &'a str,
    figures: &'a [Figure],
    gates: &'a [Gate],
}

impl<'a> OfFolds<'a> {
    fn new(folds: &'a Folds) -> Self {
        let Folds { experiment, label, figures, gates, .. } = folds;
        Self { experiment, label, figures, gates }
    }
}

/// Says what is to be done and why, runs what is not finished, judges the gates, and prints a summary: 0 if all hold, 1 if
/// one fell or a run failed. A run that another process works on is waited for, and judged like the others.
pub(super) fn execute(args: CiArgs, output: Output) -> Result<u8> {
    let paths = files(&args.paths)?;
    let specs = Specs { paths, overrides: args.overrides };
    let checked = specs.check(Depth::Pixels, output)?;
    if args.dry_run {
        let jobs = only_planned(&checked, &specs.overrides, WISH, output)?;
        let dues = dues(&jobs)?;
        let lines: Vec<String> = dues.iter().map(Due::line).collect();
        return print(&if output.json { pretty(&dues)? } else { lines.join("\n") });
    }
    let page = PageFile::new(&args.output, None, args.overwrite.overwrite)?;
    let file = |path: &Option<PathBuf>, kind| {
        let file =
            path.as_deref().map(|path| OutputFile::new(path, kind, args.overwrite.overwrite));
        file.transpose()
    };
    let (summary, verdicts) = (file(&args.summary, "a summary")?, file(&args.junit, "verdicts")?);
    apart(&page, &[("--summary", &summary), ("--junit", &verdicts)])?;
    let stop = stop_on_signal()?;
    let jobs = prepare(&checked, &specs.overrides, WISH, false, output)?;
    let dues = dues(&jobs)?;
    for due in dues.iter().filter(|due| due.step != Step::Nothing) {
        output.say(due.line());
    }
    let mut done = work(&jobs, args.jobs, &stop, output);
    if stop.asked() || done.outcomes.is_empty() {
        if let Some(file) = &verdicts {
            file.write(junit(&[], &done.not_begun).as_bytes())?;
        }
        return Ok(done.failed.unwrap_or(1));
    }
    let mut refused = None;
    if args.accept {
        match accept(&checked, &done) {
            Ok(()) => {
                // Of finished runs nothing is made again but the verdicts.
                done = work(&jobs, 1, &stop, Output { quiet: true, ..output });
                output.say("accepted: the baseline has the figures of these runs");
            }
            Err(error) => {
                say_error(&error);
                refused = Some(error.exit_code());
            }
        }
    }
    let mut held = !done.left_out && done.outcomes.iter().all(Outcome::held);
    let Written { records, whole } = page.write(&done.paths(), String::new())?;
    let folds = folds(&records);
    let unjudged = unjudged(&records, &folds);
    held &= whole && folds.iter().all(Folds::held) && unjudged.is_empty();
    let text = markdown(&records, &baselines(&checked)?) + &reasons(&dues);
    if let Some(file) = &summary {
        file.write(text.as_bytes())?;
    }
    if let Some(file) = &verdicts {
        file.write(junit(&records, &done.not_begun).as_bytes())?;
    }
    output.say(format!("report: {}", page.path().display()));
    let Done { outcomes, not_begun, failed, .. } = &done;
    held &= failed.is_none() && refused.is_none();
    let verdict = Verdict {
        held,
        due: &dues,
        runs: outcomes,
        folds: folds.iter().map(OfFolds::new).collect(),
        unjudged: &unjudged,
        not_begun,
    };
    print(&if output.json { pretty(&verdict)? } else { text })?;
    Ok(failed.or(refused).unwrap_or(if held { 0 } else { 1 }))
}

/// Unfinished runs go on, and those of other processes are waited for.
const WISH: Wish =
    Wish { force: false, resume: true, wait: true, extend_epochs: None, place: Place::Here };

fn dues(works: &[Work]) -> Result<Vec<Due>> {
    let dues: Vec<Vec<Due>> = works.iter().map(Work::dues).collect::<Result<_>>()?;
    let mut all: Vec<Due> = Vec::new();
    for due in dues.into_iter().flatten() {
        // One guide may serve several specs.
        if !all.contains(&due) {
            all.push(due);
        }
    }
    Ok(all)
}

/// What ran and why, below the tables of a summary; empty where nothing did.
fn reasons(dues: &[Due]) -> String {
    let ran: Vec<String> = dues
        .iter()
        .filter(|due| due.step != Step::Nothing)
        .map(|due| format!("- {}\n", text::markdown(&due.line())))
        .collect();
    if ran.is_empty() { String::new() } else { format!("\nWhat ran, and why:\n\n{}", ran.concat()) }
}

/// Makes sure that the files that are asked for are not one.
fn apart(page: &PageFile, files: &[(&str, &Option<OutputFile>)]) -> Result<()> {
    let named: Vec<(&str, &OutputFile)> =
        files.iter().filter_map(|(option, file)| Some((*option, file.as_ref()?))).collect();
    let mut both = None;
    for (index, (option, file)) in named.iter().enumerate() {
        if page.is(file) {
            both = Some((*option, "--output"));
        }
        if let Some((other, _)) = named[..index].iter().find(|(_, other)| other.is(file)) {
            both = Some((*option, *other));
        }
    }
    let Some((one, other)) = both else { return Ok(()) };
    let path = named.iter().find(|(option, _)| *option == one).map(|(_, file)| file.path());
    Err(Error::user(format!(
        "{}: {one} and {other} name one file; give each a name of its own",
        path.unwrap_or_default().display()
    )))
}

/// The accepted figures of the experiments, of each from the baseline that its spec names.
fn baselines(checked: &[Checked]) -> Result<Baseline> {
    let mut all = Baseline::default();
    for one in checked {
        let spec = &one.loaded.spec;
        all.take(&spec.name, &Baseline::read(Path::new(&spec.run.baseline))?);
    }
    Ok(all)
}

/// Writes the headline figures, and those that gates are about, of all runs, or of all folds together, into the baselines
/// that their specs name.
///
/// # Errors
/// If a run did not finish, so that nothing is accepted, or a baseline cannot be read or written.
fn accept(checked: &[Checked], done: &Done) -> Result<()> {
    let unfinished = done.outcomes.iter().find(|outcome| !outcome.finished());
    if let Some(outcome) = unfinished {
        let (path, state) = (outcome.path.display(), outcome.state);
        return Err(Error::failed(format!("--accept: {path} is {state}, so nothing is accepted")));
    }
    if done.left_out || done.failed.is_some() {
        return Err(Error::failed("--accept: not all runs could begin, so nothing is accepted"));
    }
    let records: Vec<Record> =
        done.outcomes.iter().map(|outcome| Record::read(&outcome.path)).collect::<Result<_>>()?;
    let mut all = Baseline::default();
    for (experiment, whose, accepted) in to_accept(&records) {
        if all.accepted(experiment, whose).is_some() {
            return Err(Error::user(format!(
                "--accept: {experiment}, seed {whose}, has several runs (some folds of a division, or of several), and a \
                 baseline keeps one for each seed, or all folds: give its gates bounds, or run one fold or all of them"
            )));
        }
        all.accept(experiment, whose, accepted);
    }
    let paths: BTreeSet<&String> =
        checked.iter().map(|one| &one.loaded.spec.run.baseline).collect();
    for path in paths {
        let mut baseline = Baseline::read(Path::new(path))?;
        for one in checked.iter().filter(|one| &one.loaded.spec.run.baseline == path) {
            baseline.add(&one.loaded.spec.name, &all);
        }
        baseline.write(Path::new(path))?;
    }
    Ok(())
}

/// The figures of runs that a baseline keeps: of all folds together where they are there, else of each run.
fn to_accept(records: &[Record]) -> Vec<(&str, Whose, Accepted)> {
    let folds = folds(records);
    let id = |record: &Record| record.provenance.run_id.clone();
    let mut accepted: Vec<(&str, Whose, Accepted)> = Vec::new();
    for (run, record) in records.iter().enumerate() {
        let experiment = record.summary.experiment.as_str();
        match folds.iter().find(|one| one.runs.contains(&run)) {
            Some(one) if one.runs[0] == run => {
                let runs = one.runs.iter().map(|&run| id(&records[run])).collect();
                let figures = kept(&one.figures, &one.gates, record);
                let whose = Whose::of_folds(record.summary.is_average());
                accepted.push((experiment, whose, Accepted { runs, figures }));
            }
            Some(_) => {}
            None => {
                let figures = with_cost(&record.figures, &record.times, &record.provenance);
                let figures = kept(&figures, &record.gates, record);
                let whose = Whose::of_run(record.provenance.seed, record.summary.is_average());
                accepted.push((experiment, whose, Accepted { runs: vec![id(record)], figures }));
            }
        }
    }
    accepted
}

/// The headline figures among some, and those that gates are about.
fn kept(figures: &[Figure], gates: &[Gate], record: &Record) -> BTreeMap<FigureName, f64> {
    let gated = gates.iter().map(|gate| &gate.figure);
    let kept: BTreeSet<&FigureName> = record.summary.headline.iter().chain(gated).collect();
    let kept = figures.iter().filter(|figure| kept.contains(&figure.full_name()));
    kept.map(|figure| (figure.full_name(), figure.value)).collect()
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
