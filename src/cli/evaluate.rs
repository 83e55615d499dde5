//! `oncospec evaluate`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::runs::{Trained, TrainedArgs};
use super::spec::tell;
use super::{Output, pretty, print};
use crate::data::{Dataset, Labels, SplitName, open_for};
use crate::error::{Error, Result};
use crate::evaluate::{Cases, classify, describe_refinement, evaluate};
use crate::record::{Figure, Record, RunDir};
use crate::report::left_out;
use crate::run::{figures, image_figures, put_new_masks, put_recorded_masks};
use crate::spec::SourceSpec;

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    #[command(flatten)]
    trained: TrainedArgs,
    /// Score on all labelled cases of this folder, of the run's kind of data.
    #[arg(long, value_name = "DIR", conflicts_with = "split")]
    data: Option<PathBuf>,
    /// Score on this split of the run's own data.
    #[arg(long, default_value = "valid")]
    split: Part,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    Train,
    Valid,
    Test,
}

/// Scores the best weights of a run. A reading of the run's own test split is counted in its record.
pub fn execute(args: EvaluateArgs, output: Output) -> Result<u8> {
    let Trained { run, record, decisions, predictor, threshold, guide } = args.trained.open()?;
    let mut spec = decisions.spec.clone();
    let split = match args.split {
        Part::Train => SplitName::Train,
        Part::Valid => SplitName::Valid,
        Part::Test => SplitName::Test,
    };
    if let Some(folder) = &args.data {
        set_root(&mut spec.dataset.source, folder)?;
    }
    let mut dataset = open_for(&spec)?;
    tell(&dataset.findings, &spec.name, output);
    let indices = match &args.data {
        Some(_) => (0..dataset.cases.len()).collect(),
        None => cases_of(&record, &dataset, split)?,
    };
    let folder;
    match &guide {
        Some((guide, threshold)) if args.data.is_some() => {
            folder = tempfile::tempdir().map_err(Error::io("temporary folder", "cannot create"))?;
            put_new_masks(&mut dataset, (guide, *threshold), folder.path())?;
        }
        Some(_) => put_recorded_masks(&mut dataset, &indices, &run, &record.guide)?,
        None => {}
    }
    let groups: Vec<String> = groups(&record, &dataset);
    let split = if args.data.is_some() { SplitName::Test } else { split };
    let cases = Cases { dataset: &dataset, indices: &indices, groups: &groups, split };
    let (told, found) = match &dataset.labels {
        Labels::Images { names } => (decisions.labels.names(), names),
        Labels::Binary { .. } | Labels::Classes { .. } => {
            (decisions.image_classes.clone(), &dataset.image_classes)
        }
    };
    if told != *found {
        return Err(Error::user(format!(
            "the run tells {} apart, these images are {}",
            told.join(", "),
            found.join(", ")
        )));
    }
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
    if args.data.is_none() && split == SplitName::Test {
        let mut provenance = record.provenance.clone();
        provenance.test_reads += 1;
        RunDir::open_write(&run)?.write_provenance(&provenance)?;
    }
    if output.json {
        return print(&pretty(&figures)?);
    }
    let refined = describe_refinement(&spec.evaluation.refine);
    print(&table(&figures, indices.len(), args.data.as_deref(), split, refined.as_deref()))
}

/// The cases of a split, by the record.
fn cases_of(record: &Record, dataset: &Dataset, split: SplitName) -> Result<Vec<usize>> {
    let wanted: BTreeSet<&str> = record
        .split
        .iter()
        .filter(|row| row.split == split.as_str())
        .map(|row| row.case.as_str())
        .collect();
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

/// The group of every case: as recorded, else the case itself.
fn groups(record: &Record, dataset: &Dataset) -> Vec<String> {
    let recorded = |id: &str| record.split.iter().find(|row| row.case == id);
    dataset
        .cases
        .iter()
        .map(|case| recorded(&case.id).map_or_else(|| case.id.clone(), |row| row.group.clone()))
        .collect()
}

fn set_root(source: &mut SourceSpec, folder: &Path) -> Result<()> {
    let folder = folder.display().to_string();
    match source {
        SourceSpec::Busi(busi) => busi.root = folder,
        SourceSpec::Bcss(bcss) => bcss.root = folder,
        SourceSpec::Phantom(_) => {
            return Err(Error::user(
                "this run was trained on synthetic images, which lie in no folder: \
                 leave out --data",
            ));
        }
    }
    Ok(())
}

fn table(
    figures: &[Figure],
    cases: usize,
    data: Option<&Path>,
    split: SplitName,
    refined: Option<&str>,
) -> String {
    let place = match data {
        Some(folder) => folder.display().to_string(),
        None => format!("the {split} split"),
    };
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
