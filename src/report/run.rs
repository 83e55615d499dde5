//! One run on the page.

use std::collections::BTreeSet;

use serde::Serialize;

use super::charts::{RUN_COLOURS, marker_points};
use super::choice::{chosen_on_test, measured};
use super::configuration::division;
use super::confusion::{ConfusionView, confusions};
use super::film::{self, Film};
use super::gates::GateView;
use super::guide::{self, Guide};
use super::images::{self, ClassTable};
use super::legend::{self, Meaning};
use super::means::{self, Block};
use super::names;
use super::network;
use super::parallel;
use super::pictures::{self, Group, Seen, seen_data};
use super::readings::{TestReadings, test_readings};
use super::remarks::{self, Remark};
use super::split_table::{self, SplitTable};
use super::strata::{self, StrataTable};
use super::words;
use crate::error::Result;
use crate::finding::{Finding, Level};
use crate::layer::Layer;
use crate::record::{Figure, Provenance, Record, RunState, Status, Summary, Sweep, Task, TimesRow};
use crate::shell::shell;
use crate::split_name::SplitName;

/// One run on the page.
#[derive(Serialize)]
pub(super) struct RunView<'a> {
    index: usize,
    colour: usize,
    /// The outline of its marker.
    marker: String,
    label: &'a str,
    path: String,
    finished: bool,
    /// Epochs completed.
    epochs_done: u32,
    /// Whether its curves are single dots.
    lone_epoch: bool,
    status: &'a Status,
    provenance: &'a Provenance,
    /// Shell commands that reproduce it.
    again: String,
    test_readings: TestReadings,
    /// Where each case went.
    #[serde(skip)]
    division: BTreeSet<(&'a str, &'a str, &'a str)>,
    summary: &'a Summary,
    spec: &'a str,
    plan: &'a str,
    remarks: Vec<Remark>,
    gates: Vec<GateView<'a>>,
    figures: &'a [Figure],
    epochs: EpochTable,
    times: Times,
    pictures: Vec<Group>,
    film: Option<Film>,
    data_pictures: Vec<Seen>,
    legend: Vec<Meaning>,
    classes: Vec<Block>,
    /// Figures of the classes of images.
    image_classes: Vec<ClassTable>,
    /// Whether whole images have classes.
    classifies: bool,
    labels: Vec<Block>,
    /// Whether the epoch was chosen on the test split.
    chosen_on_test: bool,
    /// Figures by the columns that the spec names.
    strata: Vec<StrataTable>,
    /// The trials by which keys were chosen.
    sweep: &'a Sweep,
    /// Their parallel coordinates, as SVG.
    trials_drawn: String,
    confusion: Vec<ConfusionView>,
    guide: Option<Guide<'a>>,
    split: SplitTable,
    balance: Vec<ShareRow>,
    findings: Vec<FindingLine>,
    layers: &'a [Layer],
    /// Training cases.
    trained_on: usize,
    /// Peak memory of the process in bytes, of the last session that recorded it.
    peak_memory: Option<u64>,
    /// The drawing of its network, as SVG.
    network: String,
}

/// Builds it.
///
/// # Errors
/// When its tables cannot be computed.
pub(super) fn view<'a>(index: usize, label: &'a str, record: &'a Record) -> Result<RunView<'a>> {
    let split = split_table::split_table(&record.split)?;
    Ok(RunView {
        index,
        colour: index % RUN_COLOURS,
        marker: marker_points(index),
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
        gates: record.gates.iter().map(GateView::new).collect(),
        figures: &record.figures,
        epochs: epoch_table(record),
        times: times(&record.times),
        pictures: pictures::groups(record),
        film: film::film(record),
        data_pictures: seen_data(record),
        legend: legend::legend(record),
        classes: means::by_class(record)?,
        image_classes: images::class_tables(record),
        classifies: record.summary.task == Task::Classify,
        labels: means::by_label(record)?,
        chosen_on_test: chosen_on_test(record),
        strata: strata::tables(record),
        sweep: &record.sweep,
        trials_drawn: parallel::drawing(&record.sweep),
        confusion: confusions(record),
        guide: guide::guide(record),
        balance: balance(&record.summary, &split.splits),
        findings: record.summary.findings.iter().map(FindingLine::new).collect(),
        split,
        layers: &record.layers,
        trained_on: record.split.iter().filter(|row| row.split == SplitName::Train).count(),
        peak_memory: record.provenance.sessions.iter().rev().find_map(|one| one.peak_memory_bytes),
        network: network::drawing(&record.layers),
    })
}

impl RunView<'_> {
    /// Its label.
    pub(super) fn label(&self) -> &str {
        self.label
    }

    /// Its label with how far it came; `None` of a finished run.
    pub(super) fn unfinished(&self) -> Option<&str> {
        (!self.finished).then_some(self.label)
    }

    /// What was found about its data that casts doubt on them: leaks first, then warnings.
    pub(super) fn doubtful_findings(&self) -> Vec<String> {
        let is_doubtful = |finding: &&FindingLine| finding.leak || finding.level == Level::Warning;
        let mut found: Vec<&FindingLine> = self.findings.iter().filter(is_doubtful).collect();
        found.sort_by_key(|finding| !finding.leak);
        found.into_iter().map(|finding| words::sentence(&finding.line)).collect()
    }

    /// Whether nothing keeps images of one patient together.
    pub(super) fn is_ungrouped(&self) -> bool {
        ["", "none"].contains(&self.summary.group_key.as_str()) && !self.split.splits.is_empty()
    }

    /// Whether its epoch was chosen on the test split.
    pub(super) fn is_chosen_on_test(&self) -> bool {
        self.chosen_on_test
    }

    /// Doubts about its results.
    pub(super) fn doubts(&self) -> impl Iterator<Item = &Remark> {
        self.remarks.iter().filter(|remark| remark.warning)
    }

    /// Whether two runs have the same data and split.
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

    /// Whether two runs have the same network.
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
    /// Their indices; empty if it is on all.
    runs: Vec<usize>,
}

impl SharedRemark {
    /// Its text, where it is a doubt, with how many runs it is on.
    pub(super) fn doubt(&self) -> Option<String> {
        let on = match self.runs.len() {
            0 => String::new(),
            runs => format!(" ({runs} runs)"),
        };
        self.remark.warning.then(|| format!("{}{on}", self.remark.text))
    }
}

/// Moves the remarks that several runs have out of them, the doubts first.
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

/// Groups of runs that are the `same`, by index, in order of appearance.
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

/// Epochs completed: the status may lag behind the recorded figures of a running run.
pub(super) fn epochs_done(record: &Record) -> u32 {
    let measured = measured(record);
    let recorded = record.epochs.iter().filter(|row| row.split == measured).map(|row| row.epoch);
    recorded.fold(record.status.epoch, u32::max)
}

/// The figures of the epochs as a table.
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

/// The date and the time of day to the minute of a time in RFC 3339; empty of none.
pub(super) fn short_date(time: &str) -> String {
    time.get(..16).map(|short| short.replace('T', " ")).unwrap_or_default()
}

/// How long epochs took.
#[derive(Serialize)]
struct Times {
    epochs: usize,
    train_s: f64,
    valid_s: f64,
    total_s: f64,
}

/// Mean seconds of training and validation per epoch, and the total.
fn times(rows: &[TimesRow]) -> Times {
    let sum = |part: fn(&TimesRow) -> f64| rows.iter().map(part).sum::<f64>();
    let (train, valid) = (sum(|row| row.train_s), sum(|row| row.valid_s));
    let n = rows.len() as f64;
    Times { epochs: rows.len(), train_s: train / n, valid_s: valid / n, total_s: train + valid }
}

/// A finding about the data as a line.
#[derive(Serialize)]
struct FindingLine {
    level: Level,
    line: String,
    /// Whether it is a leak.
    leak: bool,
}

impl FindingLine {
    fn new(finding: &Finding) -> Self {
        Self { level: finding.level, line: finding.line(), leak: finding.kind.is_leak() }
    }
}

/// The share of a class of the pixels of each split.
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
    let classes = names::distinct(summary.class_balance.iter().map(|share| share.class.as_str()));
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
    fn a_remark_on_several_runs_is_shown_once_with_its_runs() {
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
