//! Published figures beside the runs: ranked with the runs that share their protocol, else listed with what differs.

use std::collections::BTreeSet;

use serde::Serialize;

use super::choice::chosen_on_test;
use super::configuration::{spec_text, spec_value};
use super::conventions::counted_as;
use super::names;
use crate::figure_name::FigureName;
use crate::frame::ImageSize;
use crate::record::{Record, RunState, Task};
use crate::spec::{
    Counting, EpochBy, Literature, LiteratureFigure, LiteratureTable, Predicts, Protocol,
};
use crate::split_name::SplitName;

/// A table of one source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct PublishedTable {
    /// Who published it.
    pub source: String,
    /// DOI or address; empty where none is known.
    pub url: String,
    /// What else a reader has to know.
    pub note: String,
    /// How it was measured, in words.
    pub protocol: Vec<String>,
    /// Names of its figures.
    pub figures: Vec<String>,
    /// Its rows and, where some share its protocol, the runs, the best first.
    pub rows: Vec<PublishedRow>,
    /// Whether rows have ranks.
    pub ranked: bool,
    /// The runs that do not share its protocol, with what differs.
    pub apart: Vec<Apart>,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct PublishedRow {
    /// The network as its source names it, or the label of a run.
    pub label: String,
    /// Whether it is a run of this page.
    pub is_run: bool,
    /// Its place by the first figure, equal values sharing one; `None` in a table without ranks.
    pub rank: Option<usize>,
    /// A value for each figure.
    pub values: Vec<Option<f64>>,
    /// The standard deviation of each; empty where none is given.
    pub deviations: Vec<f64>,
    /// Parameters in millions and GFLOPs, where they are given.
    pub cost: [Option<f64>; 2],
}

/// A run that does not share a protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Apart {
    /// The labels of runs of which all of this is true.
    pub runs: Vec<String>,
    /// What differs.
    pub differences: Vec<String>,
}

/// The tables that are about what the finished runs predict, of their data sets.
pub(super) fn tables(
    literature: &[Literature],
    records: &[Record],
    labels: &[String],
) -> Vec<PublishedTable> {
    let runs: Vec<(&Record, &String)> = records
        .iter()
        .zip(labels)
        .filter(|(record, _)| record.status.state == RunState::Finished)
        .collect();
    let mut found = Vec::new();
    for file in literature {
        let of_data: Vec<_> = runs
            .iter()
            .copied()
            .filter(|(record, _)| spec_text(record, "dataset.kind").as_ref() == Some(&file.data))
            .collect();
        for table in &file.tables {
            let of_task = of_data
                .iter()
                .copied()
                .filter(|(record, _)| predicts(record) == table.protocol.predicts);
            let of_task: Vec<_> = of_task.collect();
            if !of_task.is_empty() {
                found.push(joined(table, &of_task));
            }
        }
    }
    found
}

fn predicts(record: &Record) -> Predicts {
    match record.summary.task {
        Task::Segment => Predicts::Pixels,
        Task::Classify => Predicts::Images,
    }
}

fn joined(table: &LiteratureTable, runs: &[(&Record, &String)]) -> PublishedTable {
    let published = table.rows.iter().map(|row| PublishedRow {
        label: row.network.clone(),
        is_run: false,
        rank: None,
        values: row.values.iter().copied().map(Some).collect(),
        deviations: row.deviations.clone(),
        cost: [row.parameters_m, row.gflops],
    });
    let mut rows: Vec<PublishedRow> = published.collect();
    let (mut ranked, mut apart) = (false, Vec::<Apart>::new());
    for (record, label) in runs {
        let mut differences = differences(&table.protocol, record);
        let values: Vec<Option<f64>> =
            table.figures.iter().map(|figure| value(figure, &table.protocol, record)).collect();
        if differences.is_empty() && values.first().is_none_or(Option::is_none) {
            differences.push(format!("{}: not measured by the run", table.figures[0].name));
        }
        if differences.is_empty() {
            ranked = true;
            rows.push(PublishedRow {
                label: (*label).clone(),
                is_run: true,
                rank: None,
                values,
                deviations: Vec::new(),
                cost: [
                    Some(record.summary.parameters as f64 / 1e6)
                        .filter(|_| record.summary.parameters > 0),
                    None,
                ],
            });
        } else {
            match apart.iter_mut().find(|one| one.differences == differences) {
                Some(one) => one.runs.push((*label).clone()),
                None => apart.push(Apart { runs: vec![(*label).clone()], differences }),
            }
        }
    }
    if ranked {
        rank(&mut rows);
    }
    PublishedTable {
        source: table.source.clone(),
        url: table.url.clone().unwrap_or_default(),
        note: table.note.clone(),
        protocol: in_words(&table.protocol),
        figures: table.figures.iter().map(|figure| figure.name.clone()).collect(),
        rows,
        ranked,
        apart,
    }
}

/// Sorts rows by their first value, the highest first, and gives each its place. Values that print alike share one.
fn rank(rows: &mut [PublishedRow]) {
    let first = |row: &PublishedRow| row.values.first().copied().flatten();
    rows.sort_by(|a, b| {
        first(b).unwrap_or(f64::NEG_INFINITY).total_cmp(&first(a).unwrap_or(f64::NEG_INFINITY))
    });
    let digits = |row: &PublishedRow| first(row).map(|value| (value * 1e4).round());
    let mut before: Option<(usize, Option<f64>)> = None;
    for (index, row) in rows.iter_mut().enumerate() {
        let here = digits(row);
        let place = match before {
            Some((place, value)) if value == here => place,
            _ => index + 1,
        };
        row.rank = Some(place);
        before = Some((place, here));
    }
}

/// The value of a run as the source counts; `None` where it does not say how, or the run has no such figure.
fn value(figure: &LiteratureFigure, protocol: &Protocol, record: &Record) -> Option<f64> {
    match protocol.predicts {
        Predicts::Pixels => {
            let (counting, resolution) = (protocol.convention.as_ref()?, protocol.resolution?);
            counted_as(counting, figure.metric()?, record, SplitName::Test, resolution)
        }
        Predicts::Images => {
            let name = FigureName::new(SplitName::Test, figure.is.clone()?);
            record.figure(&name).map(|found| found.value)
        }
    }
}

/// In what a run was measured otherwise, or the source does not say how; empty where the protocol is the same.
///
/// The number of divisions takes no part: it is how sure a value is, not what it is of. How pixels become one number and at
/// which size takes none either, for the run's counts are taken as the source takes them.
fn differences(protocol: &Protocol, record: &Record) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, theirs: Option<String>, ours: String| match theirs {
        Some(theirs) if theirs == ours => {}
        Some(theirs) => found.push(format!("{what}: {theirs} there, {ours} here")),
        None => found.push(format!("{what}: not stated there, {ours} here")),
    };
    let said = |key: &str| spec_text(record, key).unwrap_or_else(|| "not stated".into());
    let listed = |labels: BTreeSet<&str>| labels.into_iter().collect::<Vec<_>>().join(", ");
    let theirs = protocol.labels.as_ref();
    let theirs = theirs.map(|labels| listed(labels.iter().map(String::as_str).collect()));
    let ours = listed(record.split.iter().map(|row| row.label.as_str()).collect());
    compare("images", theirs, ours);
    // Of data sets whose images have one mask each there is nothing to say.
    let of_pixels = protocol.predicts == Predicts::Pixels;
    if of_pixels && (protocol.masks.is_some() || spec_value(record, "dataset.multi-mask").is_some())
    {
        compare("masks", protocol.masks.clone(), said("dataset.multi-mask"));
    }
    let count = |split: SplitName| record.split.iter().filter(|row| row.split == split).count();
    for (split, theirs) in [
        (SplitName::Train, protocol.cases.train),
        (SplitName::Valid, protocol.cases.valid),
        (SplitName::Test, protocol.cases.test),
    ] {
        let what = format!("{} images", names::split(split).to_lowercase());
        compare(&what, theirs.map(|count| count.to_string()), count(split).to_string());
    }
    compare("kept together by", protocol.groups.clone(), record.summary.group_key.clone());
    let ours = spec_value(record, "dataset.image-size").and_then(|size| size.try_into().ok());
    let ours = ours.map_or_else(|| "not stated".into(), |size: ImageSize| size.to_string());
    compare("image size", protocol.image_size.map(|size| size.to_string()), ours);
    if of_pixels {
        let ours = record.summary.threshold.as_ref().map(|threshold| threshold.value);
        let in_words = |value: Option<f64>| value.map(|value| format!("{value}"));
        let ours = in_words(ours).unwrap_or_else(|| "none".into());
        compare("threshold", in_words(protocol.threshold), ours);
        if protocol.convention.is_none() {
            found.push("mean: not stated there how pixels become one number".into());
        }
        if protocol.resolution.is_none() {
            found.push("size of masks: not stated there".into());
        }
    }
    let ours = if chosen_on_test(record) { EpochBy::Test } else { EpochBy::Valid };
    if protocol.chosen_on != Some(ours) {
        let theirs = protocol.chosen_on.map_or("not stated", chooser);
        found.push(format!("epoch chosen on: {theirs} there, {} here", chooser(ours)));
    }
    found
}

fn chooser(by: EpochBy) -> &'static str {
    match by {
        EpochBy::Valid => "validation",
        EpochBy::Test => "the images that are reported",
    }
}

/// What a source says of how it measured.
fn in_words(protocol: &Protocol) -> Vec<String> {
    let mut said = Vec::new();
    said.extend(protocol.labels.as_ref().map(|labels| format!("images: {}", labels.join(", "))));
    said.extend(protocol.masks.as_ref().map(|masks| format!("masks: {masks}")));
    let cases = protocol.cases;
    let counts = [("training", cases.train), ("validation", cases.valid), ("test", cases.test)];
    let counts: Vec<String> =
        counts.iter().filter_map(|(name, count)| Some(format!("{} {name}", (*count)?))).collect();
    if !counts.is_empty() {
        said.push(counts.join(", "));
    }
    said.extend(protocol.divisions.map(|count| format!("means over {count} divisions")));
    said.extend(protocol.groups.as_ref().map(|groups| format!("kept together by: {groups}")));
    said.extend(protocol.image_size.map(|size| format!("{size} px")));
    said.extend(protocol.convention.as_ref().map(counting));
    said.extend(protocol.chosen_on.map(|by| format!("epoch chosen on {}", chooser(by))));
    said
}

fn counting(counting: &Counting) -> String {
    match counting {
        Counting::Images(_) => "mean over images".into(),
        Counting::Pooled(_) => "all pixels pooled".into(),
        Counting::Batches(batches) => match batches.size {
            Some(size) => format!("mean over batches of {size}"),
            None => "mean over batches".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::examples::named;
    use crate::record::{CaseRow, Selection, SplitRow, Status, Threshold};

    const FILE: &str = "data = 'busi'\n[[table]]\nsource = 'a benchmark'\nurl = 'https://example.org'\n\
        figures = [{ name = 'IoU', is = 'iou' }, { name = 'F1', is = 'dice' }]\n\
        [table.protocol]\npredicts = 'pixels'\nlabels = ['benign', 'malignant']\nmasks = 'first'\n\
        cases = { train = 2, valid = 0, test = 3 }\ndivisions = 3\ngroups = 'none'\nimage-size = 256\n\
        resolution = 'network'\nthreshold = 0.5\nchosen-on = 'test'\n\
        convention = { kind = 'batches', size = 2, order = 'split' }\n\
        [[table.row]]\nnetwork = 'high'\nvalues = [0.9, 0.95]\ndeviations = [0.01, 0.02]\nparameters-m = 3.1\n\
        [[table.row]]\nnetwork = 'low'\nvalues = [0.4, 0.5]\n";

    fn literature(text: &str) -> Literature {
        toml::from_str(text).unwrap()
    }

    /// A run under the protocol of the table. Its test cases, in order of their list c, a, b, have IoU 8/10, 4/10 and
    /// 6/10 at the network's size.
    fn run() -> Record {
        let split = |(case, split, label): &(&str, SplitName, &str)| SplitRow {
            case: (*case).into(),
            label: (*label).into(),
            split: *split,
            ..SplitRow::default()
        };
        let (train, test) = (SplitName::Train, SplitName::Test);
        let cases = [
            ("x", train, "benign"),
            ("y", train, "malignant"),
            ("c", test, "benign"),
            ("a", test, "malignant"),
            ("b", test, "benign"),
        ];
        let row = |(case, tp, resolution): (&str, u64, &str)| CaseRow {
            split: test,
            resolution: resolution.into(),
            case: case.into(),
            class: "lesion".into(),
            tp,
            fp: 10 - tp,
            tn: 90,
            ..CaseRow::default()
        };
        let rows = [("a", 4), ("b", 6), ("c", 8)].into_iter();
        let rows = rows.flat_map(|(case, tp)| [(case, tp, "network"), (case, 10, "original")]);
        let mut record = Record {
            status: Status { state: RunState::Finished, ..Status::default() },
            spec: "[dataset]\nkind = 'busi'\nmulti-mask = 'first'\nimage-size = 256\n[schedule]\nchoose-on = 'test'"
                .into(),
            split: cases.iter().map(split).collect::<Vec<_>>().into(),
            cases: rows.map(row).collect::<Vec<_>>().into(),
            ..Record::default()
        };
        record.summary.group_key = "none".into();
        record.summary.parameters = 1_470_000;
        record.summary.threshold = Some(Threshold { value: 0.5, ..Threshold::default() });
        let metric = named("test.iou.pooled");
        record.summary.selection = Some(Selection { epoch: 3, metric, value: 0.6 });
        record
    }

    fn table(text: &str, record: Record) -> PublishedTable {
        tables(&[literature(text)], &[record], &["mine".into()]).remove(0)
    }

    #[test]
    fn a_run_of_the_same_protocol_is_ranked_by_its_figures_as_the_source_counts_them() {
        let table = table(FILE, run());
        assert!(table.ranked && table.apart.is_empty(), "{table:?}");
        let told: Vec<(Option<usize>, &str, bool)> =
            table.rows.iter().map(|row| (row.rank, row.label.as_str(), row.is_run)).collect();
        assert_eq!(
            told,
            [(Some(1), "high", false), (Some(2), "mine", true), (Some(3), "low", false)]
        );
        // Batches c and a, 12 / 20, then b, 6 / 10, by their cases.
        let iou = (2.0 * 0.6 + 0.6) / 3.0;
        let ours = &table.rows[1];
        assert!((ours.values[0].unwrap() - iou).abs() < 1e-12, "{ours:?}");
        assert!((ours.values[1].unwrap() - 2.0 * iou / (1.0 + iou)).abs() < 1e-12, "{ours:?}");
        assert_eq!((ours.cost[0], table.rows[0].deviations.len()), (Some(1.47), 2));
        assert!(
            table.protocol.contains(&"mean over batches of 2".to_string()),
            "{:?}",
            table.protocol
        );
    }

    #[test]
    fn a_run_that_was_measured_otherwise_is_not_ranked_and_each_difference_is_said() {
        let mut other = run();
        other.spec = "[dataset]\nkind = 'busi'\nmulti-mask = 'union'\nimage-size = 128".into();
        other.summary.group_key = "duplicates".into();
        let metric = named("valid.loss");
        other.summary.selection = Some(Selection { epoch: 3, metric, value: 0.6 });
        other.split[1].split = SplitName::Valid;
        let table = table(FILE, other);
        assert!(!table.ranked && table.rows.iter().all(|row| row.rank.is_none() && !row.is_run));
        assert_eq!(
            table.apart,
            [Apart {
                runs: vec!["mine".into()],
                differences: [
                    "masks: first there, union here",
                    "training images: 2 there, 1 here",
                    "validation images: 0 there, 1 here",
                    "kept together by: none there, duplicates here",
                    "image size: 256 there, 128 here",
                    "epoch chosen on: the images that are reported there, validation here",
                ]
                .map(String::from)
                .to_vec(),
            }]
        );
    }

    #[test]
    fn what_a_source_does_not_say_no_run_shares() {
        for silent in [
            "groups = 'none'\n",
            "image-size = 256\n",
            "threshold = 0.5\n",
            "chosen-on = 'test'\n",
            "masks = 'first'\n",
            "resolution = 'network'\n",
            "convention = { kind = 'batches', size = 2, order = 'split' }\n",
        ] {
            assert!(FILE.contains(silent), "{silent}");
            let table = table(&FILE.replace(silent, ""), run());
            assert!(!table.ranked, "{silent}");
            assert!(table.apart[0].differences[0].contains("not stated"), "{:?}", table.apart);
        }
    }

    #[test]
    fn tables_of_other_data_and_tasks_and_unfinished_runs_are_left_out() {
        let tables = |text: &str, record: Record| {
            super::tables(&[literature(text)], &[record], &["mine".into()]).len()
        };
        assert_eq!(tables(FILE, run()), 1);
        assert_eq!(tables(&FILE.replace("'busi'", "'bcss'"), run()), 0);
        assert_eq!(tables(&FILE.replace("'pixels'", "'images'"), run()), 0);
        let mut stopped = run();
        stopped.status.state = RunState::Interrupted;
        assert_eq!(tables(FILE, stopped), 0);
    }

    #[test]
    fn values_that_print_alike_share_a_rank() {
        let mut rows = table(FILE, run()).rows;
        rows[0].values[0] = Some(0.60001);
        rank(&mut rows);
        let ranks: Vec<usize> = rows.iter().filter_map(|row| row.rank).collect();
        assert_eq!(ranks, [1, 1, 3]);
    }
}
