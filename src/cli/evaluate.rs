//! `oncospec evaluate`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::overlap::overlap;
use super::runs::{Trained, TrainedArgs};
use super::spec::tell;
use super::{Output, command_line, pretty, print};
use crate::data::{Case, Dataset, Labels, fingerprint, open_told};
use crate::error::{Error, Result};
use crate::evaluate::{Cases, classify, describe_refinement, evaluate};
use crate::plan::Decisions;
use crate::record::{Figure, Reading, Record, RunDir};
use crate::report::left_out;
use crate::run::{figures, image_figures, put_new_masks, put_recorded_masks};
use crate::shell::shell;
use crate::spec::Spec;
use crate::split_name::SplitName;
use crate::text;

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    #[command(flatten)]
    trained: TrainedArgs,
    /// Score on the data in this folder, of the run's kind: on all labelled cases, or, with --split, on those that the
    /// run recorded for that split.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Score on this split of the run, as it was recorded; valid unless given.
    #[arg(long)]
    split: Option<SplitName>,
    /// Go on where images or masks are not those that the run recorded.
    #[arg(long)]
    changed_data: bool,
}

impl ValueEnum for SplitName {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

/// What is scored.
enum Scored {
    /// A split of the run, as recorded.
    Recorded(SplitName),
    /// All cases of other data.
    Other,
}

impl Scored {
    /// The name of the split in figures.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Recorded(split) => split.as_str(),
            Self::Other => "data",
        }
    }
}

/// Scores the best weights of a run. A reading of its own test split is counted in the experiment's ledger.
pub(super) fn execute(args: EvaluateArgs, output: Output) -> Result<u8> {
    let Trained { run, record, decisions, predictor, threshold, guide, .. } =
        args.trained.open()?;
    let mut spec = decisions.spec.clone();
    let scored = match (&args.data, args.split) {
        (Some(_), None) => Scored::Other,
        (_, split) => Scored::Recorded(split.unwrap_or(SplitName::Valid)),
    };
    if let Some(folder) = &args.data {
        let Some(root) = spec.dataset.source.root_mut() else {
            return Err(Error::user(
                "this run was trained on synthetic images, which lie in no folder: \
                 leave out --data",
            ));
        };
        *root = folder.display().to_string();
    }
    let mut dataset = open_data(&spec, &decisions, &args)?;
    dataset.decide_levels(decisions.window);
    tell(&dataset.findings, &spec.name, output);
    let indices: Vec<usize> = match scored {
        Scored::Other => (0..dataset.cases.len()).collect(),
        Scored::Recorded(split) => cases_of(&record, &dataset, split)?,
    };
    let folder;
    match (&guide, &scored) {
        (Some((guide, threshold)), Scored::Other) => {
            folder = tempfile::tempdir().map_err(Error::io("temporary folder", "cannot create"))?;
            put_new_masks(&mut dataset, (guide, *threshold), folder.path())?;
        }
        (Some(_), Scored::Recorded(_)) => {
            let guided = |case: &Case| record.guide.iter().any(|row| row.case == case.id);
            let guided: Vec<usize> =
                (0..dataset.cases.len()).filter(|&case| guided(&dataset.cases[case])).collect();
            put_recorded_masks(&mut dataset, &guided, &run, &record.guide)?;
        }
        (None, _) => {}
    }
    let read: BTreeSet<String> = match scored {
        Scored::Recorded(_) => {
            same_data(&dataset, &decisions, &spec, args.changed_data)?;
            indices.iter().map(|&index| dataset.cases[index].id.clone()).collect()
        }
        Scored::Other => {
            let seen = overlap(&dataset, &record, &decisions);
            if let Some(said) = seen.said() {
                let root = spec.dataset.source.root().unwrap_or_default();
                eprintln!("warning: {}", text::lines(&format!("{root}: {said}")));
            }
            seen.read().clone()
        }
    };
    let groups = match scored {
        Scored::Recorded(_) => recorded_groups(&record, &dataset),
        Scored::Other => dataset.cases.iter().map(group_of).collect(),
    };
    let split = match scored {
        Scored::Recorded(split) => split,
        Scored::Other => SplitName::Test,
    };
    let cases = Cases { dataset: &dataset, indices: &indices, groups: &groups, split };
    note_test_cases(&run, &record, &read)?;
    let figures = match &dataset.labels {
        Labels::Binary { .. } | Labels::Classes { .. } => {
            let seen = evaluate(&predictor, &cases, &spec.evaluation, threshold, &|_| Ok(()))?;
            figures(&seen, &dataset.image_classes, &spec)
        }
        Labels::Images { names } => {
            let scores = classify(&predictor, &cases, threshold, &|_| Ok(()))?;
            image_figures(&scores, split, names, &spec)
        }
    };
    if output.json {
        return print(&pretty(&of(&scored, &figures)?)?);
    }
    let refined = describe_refinement(&spec.evaluation.refine);
    let place = match (&args.data, &scored) {
        (Some(folder), Scored::Other) => folder.display().to_string(),
        (Some(folder), Scored::Recorded(split)) => {
            format!("the {split} split, read from {}", folder.display())
        }
        (None, _) => format!("the {} split", scored.as_str()),
    };
    print(&table(&figures, indices.len(), &place, refined.as_deref()))
}

/// Figures for programs, with the name of what was scored in place of a split's.
fn of(scored: &Scored, figures: &[Figure]) -> Result<Vec<Value>> {
    let value = |figure: &Figure| {
        let mut value = serde_json::to_value(figure)?;
        value["split"] = scored.as_str().into();
        Ok(value)
    };
    let values: serde_json::Result<_> = figures.iter().map(value).collect();
    values.map_err(|error| Error::failed(format!("cannot be written as JSON: {error}")))
}

/// Opens the data, which lie where they lay when the run was made unless a folder was named.
fn open_data(spec: &Spec, decisions: &Decisions, args: &EvaluateArgs) -> Result<Dataset> {
    let root = spec.dataset.source.root().map(Path::new);
    match root {
        Some(root) if !root.is_dir() && args.data.is_none() => Err(Error::user(format!(
            "{}: the data of this run are not there any more; `--data DIR --split {}` reads them \
             from elsewhere",
            root.display(),
            args.split.unwrap_or(SplitName::Valid)
        ))),
        _ => match &decisions.labels {
            Labels::Images { names } => open_told(spec, names),
            Labels::Binary { .. } | Labels::Classes { .. } => {
                open_told(spec, &decisions.image_classes)
            }
        },
    }
}

/// Images and masks must be those that the run recorded, unless a person goes on all the same.
fn same_data(dataset: &Dataset, decisions: &Decisions, spec: &Spec, go_on: bool) -> Result<()> {
    let found = fingerprint(dataset)?;
    if found == decisions.data_fingerprint {
        return Ok(());
    }
    let short = |fingerprint: &str| fingerprint.chars().take(12).collect::<String>();
    let said = format!(
        "{}: images or masks are not those of the run: their fingerprint is {}, the run recorded {}",
        spec.dataset.source.root().unwrap_or("synthetic images"),
        short(&found),
        short(&decisions.data_fingerprint)
    );
    if !go_on {
        return Err(Error::user(format!(
            "{said}: figures would not compare with the recorded ones; --changed-data scores on them \
             all the same"
        )));
    }
    eprintln!("warning: {}", text::lines(&said));
    Ok(())
}

/// Notes that cases of the run's test split are about to be read, if any of these are of it.
fn note_test_cases(run: &Path, record: &Record, cases: &BTreeSet<String>) -> Result<()> {
    let of_test: BTreeSet<&str> = record
        .split
        .iter()
        .filter(|row| row.split == SplitName::Test)
        .map(|row| row.case.as_str())
        .collect();
    let read: Vec<&str> =
        cases.iter().map(String::as_str).filter(|case| of_test.contains(case)).collect();
    if read.is_empty() {
        return Ok(());
    }
    let made = &record.provenance;
    let of = (made.run_id.as_str(), made.seed);
    let reading = Reading::new(of, shell(&command_line()), &made.data_fingerprint, &read);
    RunDir::note_reading(run, &reading)
}

/// The cases of a split, by the record.
fn cases_of(record: &Record, dataset: &Dataset, split: SplitName) -> Result<Vec<usize>> {
    let wanted: BTreeSet<&str> =
        record.split.iter().filter(|row| row.split == split).map(|row| row.case.as_str()).collect();
    let found: Vec<usize> = (0..dataset.cases.len())
        .filter(|&index| wanted.contains(dataset.cases[index].id.as_str()))
        .collect();
    if wanted.is_empty() {
        return Err(Error::user(format!("the {split} split of this run has no case")));
    }
    if found.len() < wanted.len() {
        return Err(Error::user(format!(
            "{} of the {} cases of the {split} split are not in the data set any more",
            wanted.len() - found.len(),
            wanted.len()
        )));
    }
    Ok(found)
}

/// The group of every case as recorded; of one that is in no split, as its source knows it.
fn recorded_groups(record: &Record, dataset: &Dataset) -> Vec<String> {
    let recorded: BTreeMap<&str, &str> =
        record.split.iter().map(|row| (row.case.as_str(), row.group.as_str())).collect();
    let group = |case: &Case| match recorded.get(case.id.as_str()) {
        Some(group) => group.to_string(),
        None => group_of(case),
    };
    dataset.cases.iter().map(group).collect()
}

/// The group of a case as its source knows it: its patient or slide, else itself.
fn group_of(case: &Case) -> String {
    case.patient_or_slide().unwrap_or(&case.id).to_string()
}

fn table(figures: &[Figure], cases: usize, place: &str, refined: Option<&str>) -> String {
    let refined = refined.map(|how| format!(", probabilities {how}")).unwrap_or_default();
    let mut text = format!("{cases} cases of {place}{refined}\n");
    for figure in figures {
        let interval = figure
            .interval
            .map(|interval| format!("  [{:.4}, {:.4}]", interval.low, interval.high))
            .unwrap_or_default();
        let (name, value, n) = (&figure.name, figure.value, figure.n);
        let left_out = left_out(figure);
        text.push_str(&format!("{name:32} {value:9.4}  n = {n}{left_out}{interval}\n"));
    }
    text
}
