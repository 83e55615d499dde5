//! What the page shows of one run.

use std::collections::BTreeSet;

use serde::Serialize;

use super::charts::RUN_COLOURS;
use super::configuration::division;
use super::film::{self, Film};
use super::guide::{self, Guide};
use super::images::{self, ClassTable};
use super::legend::{self, Meaning};
use super::names;
use super::pictures::{self, Group};
use super::readings::{TestReadings, test_readings};
use super::remarks::{self, Remark};
use super::tables::{self, Block, SplitTable};
use crate::error::Result;
use crate::finding::{Finding, Level};
use crate::layer::Layer;
use crate::record::{
    Confusion, Figure, Gate, Provenance, Record, RunState, Status, Summary, Task, TimesRow,
};
use crate::shell::shell;
use crate::split_name::SplitName;

/// What the page shows of one run.
#[derive(Serialize)]
pub(super) struct RunView<'a> {
    index: usize,
    colour: usize,
    label: &'a str,
    path: String,
    finished: bool,
    /// Epochs completed.
    epochs_done: u32,
    /// Whether its curves are dots.
    lone_epoch: bool,
    status: &'a Status,
    provenance: &'a Provenance,
    /// The lines of a shell that make it again.
    again: String,
    test_readings: TestReadings,
    /// Where each case went.
    #[serde(skip)]
    division: BTreeSet<(&'a str, &'a str, &'a str)>,
    summary: &'a Summary,
    spec: &'a str,
    plan: &'a str,
    remarks: Vec<Remark>,
    gates: &'a [Gate],
    figures: &'a [Figure],
    epochs: EpochTable,
    times: Times,
    pictures: Vec<Group>,
    film: Option<Film>,
    legend: Vec<Meaning>,
    classes: Vec<Block>,
    /// Figures of the classes of images.
    image_classes: Vec<ClassTable>,
    /// Whether whole images have classes.
    classifies: bool,
    labels: Vec<Block>,
    confusion: Vec<ConfusionView>,
    guide: Option<Guide<'a>>,
    split: SplitTable,
    balance: Vec<ShareRow>,
    findings: Vec<FindingLine>,
    layers: &'a [Layer],
}

/// Builds it.
///
/// # Errors
/// When its tables cannot be computed.
pub(super) fn view<'a>(index: usize, label: &'a str, record: &'a Record) -> Result<RunView<'a>> {
    let split = tables::split_table(&record.split)?;
    Ok(RunView {
        index,
        colour: index % RUN_COLOURS,
        label,
        path: record.path.display().to_string(),
        finished: record.status.state == RunState::Finished,
        epochs_done: epochs_done(record),
        lone_epoch: record.epochs.iter().all(|row| row.epoch == 1) && !record.epochs.is_empty(),
        status: &record.status,
        provenance: &record.provenance,
        again: match record.provenance.again.as_slice() {
            [] => shell(&record.provenance.command),
            lines => lines.join("\n"),
        },
        test_readings: test_readings(record),
        division: division(record),
        summary: &record.summary,
        spec: &record.spec,
        plan: &record.plan,
        remarks: remarks::remarks(record, &split),
        gates: &record.gates,
        figures: &record.figures,
        epochs: epoch_table(record),
        times: times(&record.times),
        pictures: pictures::groups(record),
        film: film::film(record),
        legend: legend::legend(record),
        classes: tables::by_class(record)?,
        image_classes: images::class_tables(record),
        classifies: record.summary.task == Task::Classify,
        labels: tables::by_label(record)?,
        confusion: confusions(record),
        guide: guide::guide(record),
        balance: balance(&record.summary, &split.splits),
        findings: record.summary.findings.iter().map(FindingLine::new).collect(),
        split,
        layers: &record.layers,
    })
}

impl RunView<'_> {
    /// Whether two runs have data and split in common.
    pub(super) fn same_data(&self, other: &Self) -> bool {
        let (a, b) = (self.summary, other.summary);
        self.division == other.division
            && self.split == other.split
            && a.dataset == b.dataset
            && a.input == b.input
            && a.group_key == b.group_key
            && a.class_balance == b.class_balance
            && a.findings == b.findings
            && self.provenance.data_fingerprint == other.provenance.data_fingerprint
    }

    /// Whether two runs have the network in common.
    pub(super) fn same_model(&self, other: &Self) -> bool {
        let (a, b) = (self.summary, other.summary);
        self.layers == other.layers
            && a.model == b.model
            && a.input == b.input
            && (a.parameters, a.trainable, a.multiply_adds, a.weights_bytes)
                == (b.parameters, b.trainable, b.multiply_adds, b.weights_bytes)
    }
}

/// A remark on several runs.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct SharedRemark {
    remark: Remark,
    /// Their indices; empty where it is on all.
    runs: Vec<usize>,
}

/// Takes out of the runs the remarks that several of them have, the doubts first.
pub(super) fn take_shared_remarks(runs: &mut [RunView]) -> Vec<SharedRemark> {
    let mut shared: Vec<SharedRemark> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        for remark in &run.remarks {
            match shared.iter_mut().find(|shared| shared.remark == *remark) {
                Some(shared) => shared.runs.push(index),
                None => shared.push(SharedRemark { remark: remark.clone(), runs: vec![index] }),
            }
        }
    }
    shared.retain(|shared| shared.runs.len() > 1);
    shared.sort_by_key(|shared| !shared.remark.warning);
    for run in runs.iter_mut() {
        run.remarks.retain(|remark| shared.iter().all(|shared| shared.remark != *remark));
    }
    for shared in &mut shared {
        if shared.runs.len() == runs.len() {
            shared.runs.clear();
        }
    }
    shared
}

/// Indices of runs that have something in common, in order of appearance.
pub(super) fn groups<'a>(
    runs: &[RunView<'a>],
    same: fn(&RunView<'a>, &RunView<'a>) -> bool,
) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        match groups.iter_mut().find(|group| same(&runs[group[0]], run)) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}

/// Epochs completed: the status may lag behind the figures of a run that is at work.
pub(super) fn epochs_done(record: &Record) -> u32 {
    let recorded =
        record.epochs.iter().filter(|row| row.split == SplitName::Valid).map(|row| row.epoch);
    recorded.fold(record.status.epoch, u32::max)
}

/// The numbers behind the curves.
#[derive(Serialize)]
struct EpochTable {
    columns: Vec<String>,
    rows: Vec<EpochLine>,
}

#[derive(Serialize)]
struct EpochLine {
    epoch: u32,
    split: String,
    learning_rate: f64,
    values: Vec<Option<f64>>,
    chosen: bool,
}

fn epoch_table(record: &Record) -> EpochTable {
    let columns: BTreeSet<&String> =
        record.epochs.iter().flat_map(|row| row.figures.keys()).collect();
    let mut columns: Vec<String> = columns.into_iter().cloned().collect();
    columns.sort_by_key(|name| name != "loss");
    let chosen = record.summary.selection.as_ref().map(|selection| selection.epoch);
    let rows = record
        .epochs
        .iter()
        .map(|row| EpochLine {
            epoch: row.epoch,
            split: names::split(row.split).to_owned(),
            learning_rate: row.learning_rate,
            values: columns.iter().map(|name| row.figures.get(name).copied()).collect(),
            chosen: chosen == Some(row.epoch),
        })
        .collect();
    EpochTable { columns, rows }
}

/// How long epochs took.
#[derive(Serialize)]
struct Times {
    epochs: usize,
    train_s: f64,
    valid_s: f64,
    total_s: f64,
}

/// Mean seconds of an epoch's two parts, and the sum of all.
fn times(rows: &[TimesRow]) -> Times {
    let sum = |part: fn(&TimesRow) -> f64| rows.iter().map(part).sum::<f64>();
    let (train, valid) = (sum(|row| row.train_s), sum(|row| row.valid_s));
    let n = rows.len() as f64;
    Times { epochs: rows.len(), train_s: train / n, valid_s: valid / n, total_s: train + valid }
}

/// A confusion matrix with the part of each cell in its row.
#[derive(Serialize)]
struct ConfusionView {
    split: SplitName,
    /// What is counted.
    unit: &'static str,
    /// Whether it is of the first split that has any.
    first: bool,
    classes: Vec<String>,
    rows: Vec<ConfusionRow>,
}

#[derive(Serialize)]
struct ConfusionRow {
    class: String,
    total: u64,
    cells: Vec<ConfusionCell>,
}

#[derive(Serialize)]
struct ConfusionCell {
    count: u64,
    part: f64,
    agree: bool,
}

/// The matrices, test first.
fn confusions(record: &Record) -> Vec<ConfusionView> {
    let of_images = |one: &Confusion| {
        record.summary.task == Task::Classify || one.classes == record.summary.image_classes
    };
    let mut views: Vec<ConfusionView> =
        record.confusion.iter().map(|one| confusion(one, of_images(one))).collect();
    views.sort_by_key(|view| names::split_rank(view.split));
    if let Some(first) = views.first().map(|view| view.split) {
        views.iter_mut().for_each(|view| view.first = view.split == first);
    }
    views
}

fn confusion(confusion: &Confusion, of_images: bool) -> ConfusionView {
    let rows = confusion
        .matrix
        .iter()
        .zip(&confusion.classes)
        .enumerate()
        .map(|(truth, (counts, class))| {
            let total: u64 = counts.iter().sum();
            let cell = |(predicted, &count): (usize, &u64)| ConfusionCell {
                count,
                part: count as f64 / total as f64,
                agree: truth == predicted,
            };
            ConfusionRow {
                class: class.clone(),
                total,
                cells: counts.iter().enumerate().map(cell).collect(),
            }
        })
        .collect();
    ConfusionView {
        split: confusion.split,
        unit: if of_images { "Images" } else { "Pixels" },
        first: false,
        classes: confusion.classes.clone(),
        rows,
    }
}

/// What was found about the data, in a line.
#[derive(Serialize)]
struct FindingLine {
    level: Level,
    line: String,
    /// Whether it says that what is one lies in several splits.
    leak: bool,
}

impl FindingLine {
    fn new(finding: &Finding) -> Self {
        Self { level: finding.level, line: finding.line(), leak: finding.kind.is_leak() }
    }
}

/// A class's part of the pixels of each split.
#[derive(Serialize)]
struct ShareRow {
    class: String,
    shares: Vec<Option<Share>>,
}

#[derive(Serialize)]
struct Share {
    part: f64,
    cases: u64,
}

fn balance(summary: &Summary, splits: &[SplitName]) -> Vec<ShareRow> {
    let mut classes: Vec<&str> = Vec::new();
    for share in &summary.class_balance {
        if !classes.contains(&share.class.as_str()) {
            classes.push(&share.class);
        }
    }
    let total = |split: SplitName| -> u64 {
        summary.class_balance.iter().filter(|s| s.split == split).map(|s| s.pixels).sum()
    };
    let share = |class: &str, split: SplitName| {
        let found = summary.class_balance.iter().find(|s| s.class == class && s.split == split)?;
        Some(Share { part: found.pixels as f64 / total(split) as f64, cases: found.cases })
    };
    classes
        .into_iter()
        .map(|class| ShareRow {
            class: class.to_owned(),
            shares: splits.iter().map(|&split| share(class, split)).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Reading;

    #[test]
    fn cells_of_a_confusion_matrix_are_parts_of_their_row() {
        let view = confusion(
            &Confusion {
                split: SplitName::Test,
                classes: vec!["a".into(), "b".into()],
                matrix: vec![vec![3, 1], vec![0, 0]],
            },
            false,
        );
        assert_eq!((view.rows[0].total, view.rows[0].cells[0].part), (4, 0.75));
        assert!(view.rows[1].cells[0].part.is_nan(), "a class without pixels has no parts");
    }

    #[test]
    fn a_remark_on_several_runs_is_said_once_with_whom_it_is_about() {
        let record = |overrides: &[&str], test_reads| {
            let mut record = Record::default();
            record.summary.overrides = overrides.iter().map(ToString::to_string).collect();
            record.readings = Some(vec![Reading::default(); test_reads]);
            record
        };
        let few = ["schedule.epochs = 1"];
        let records = [record(&few, 1), record(&[], 3), record(&few, 3), record(&["a = 1"], 1)];
        let view = |(index, record)| view(index, "a run", record).unwrap();
        let mut runs: Vec<RunView> = records.iter().enumerate().map(view).collect();
        let shared = take_shared_remarks(&mut runs);
        let seen: Vec<_> = shared.iter().map(|one| (one.remark.warning, &one.runs[..])).collect();
        assert_eq!(seen, [(true, &[1, 2][..]), (false, &[0, 2][..])]);
        let left: Vec<usize> = runs.iter().map(|run| run.remarks.len()).collect();
        assert_eq!(left, [0, 0, 0, 1]);
        let mut equal = [view((0, &records[0])), view((1, &records[0]))];
        assert!(take_shared_remarks(&mut equal)[0].runs.is_empty(), "it is on all");
        assert!(take_shared_remarks(&mut [view((0, &records[0]))]).is_empty());
    }

    #[test]
    fn times_are_means_per_epoch_and_a_sum() {
        let row = |epoch, train_s| TimesRow { epoch, train_s, valid_s: 1.0 };
        let times = times(&[row(1, 8.0), row(2, 10.0)]);
        assert_eq!((times.train_s, times.valid_s, times.total_s), (9.0, 1.0, 20.0));
    }
}
