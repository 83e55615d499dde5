//! The same predictions, counted as different publications count.

use serde::Serialize;

use super::cases::{counts, counts_of, rows_of_cases};
use super::configuration::spec_text;
use super::names;
use crate::metric::{Counts, across_classes};
use crate::record::{CaseRow, Record};
use crate::spec::{EmptyRule, MetricKind};
use crate::split_name::SplitName;

/// Dice and IoU of a split by every convention.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ConventionTable {
    /// The split.
    pub split: SplitName,
    /// Labels of the runs that have it.
    pub runs: Vec<String>,
    /// One row for each convention.
    pub rows: Vec<Convention>,
}

/// A way to make one number of the pixels of many cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Convention {
    /// In words.
    pub name: String,
    /// Dice and IoU of each run; `None` where it is undefined.
    pub values: Vec<[Option<f64>; 2]>,
}

/// The tables of the runs that predict pixels, test first.
pub(super) fn tables(records: &[Record], labels: &[String]) -> Vec<ConventionTable> {
    let splits = records.iter().flat_map(|record| record.cases.iter().map(|row| row.split));
    names::splits(splits).into_iter().map(|split| table(records, labels, split)).collect()
}

const METRICS: [MetricKind; 2] = [MetricKind::Dice, MetricKind::Iou];

fn table(records: &[Record], labels: &[String], split: SplitName) -> ConventionTable {
    let mut runs = Vec::new();
    let mut rows: Vec<Convention> = Vec::new();
    for (record, label) in records.iter().zip(labels) {
        let of_split = rows_of_cases(record).into_iter().filter(|((of, _), _)| *of == split);
        let cases: Vec<Vec<&CaseRow>> = of_split.map(|(_, rows)| rows).collect();
        if cases.is_empty() {
            continue;
        }
        let batch = spec_text(record, "schedule.batch-size").and_then(|size| size.parse().ok());
        for (place, (name, value)) in conventions(&cases, batch).into_iter().enumerate() {
            if place == rows.len() {
                rows.push(Convention { name, values: Vec::new() });
            }
            rows[place].values.push(value);
        }
        runs.push(label.clone());
    }
    ConventionTable { split, runs, rows }
}

/// Dice and IoU of cases by each convention.
fn conventions(cases: &[Vec<&CaseRow>], batch: Option<usize>) -> Vec<(String, [Option<f64>; 2])> {
    let counted: Vec<Vec<Counts>> = cases.iter().map(|rows| counts_of(rows)).collect();
    let of_cases = |value: &dyn Fn(MetricKind, &[Counts]) -> Option<f64>| {
        METRICS.map(|metric| mean(counted.iter().filter_map(|counts| value(metric, counts))))
    };
    let with_lesion: Vec<&Vec<Counts>> = cases
        .iter()
        .zip(&counted)
        .filter(|(rows, _)| rows.iter().any(|row| counts(row).truth() > 0))
        .map(|(_, counts)| counts)
        .collect();
    let skip = |metric, counts: &[Counts]| across_classes(metric, counts, EmptyRule::Skip);
    let one = |metric, counts: &[Counts]| across_classes(metric, counts, EmptyRule::One);
    let pooled = |metric: MetricKind, counted: &[Vec<Counts>]| one(metric, &sum(counted));
    // One batch where the spec does not say how many cases it has.
    let size = batch.unwrap_or(counted.len()).max(1);
    vec![
        ("Mean over cases, empty in truth and prediction as 1".into(), of_cases(&one)),
        (
            "Mean over cases, empty in truth and prediction as 0".into(),
            of_cases(&|metric, counts| Some(skip(metric, counts).unwrap_or(0.0))),
        ),
        ("Mean over cases, empty in truth and prediction left out".into(), of_cases(&skip)),
        (
            "Mean over cases with a lesion in the truth".into(),
            METRICS.map(|metric| mean(with_lesion.iter().filter_map(|counts| one(metric, counts)))),
        ),
        (
            format!("Mean over batches of {size} of pooled pixels, cases in order of their names"),
            METRICS
                .map(|metric| mean(counted.chunks(size).filter_map(|batch| pooled(metric, batch)))),
        ),
        ("All pixels pooled".into(), METRICS.map(|metric| pooled(metric, &counted))),
    ]
}

/// The counts of each class over cases.
fn sum(cases: &[Vec<Counts>]) -> Vec<Counts> {
    let mut sums = vec![Counts::default(); cases.iter().map(Vec::len).max().unwrap_or(0)];
    for case in cases {
        sums.iter_mut().zip(case).for_each(|(sum, &counts)| *sum += counts);
    }
    sums
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, [tp, fp, fn_, tn]: [u64; 4]) -> CaseRow {
        CaseRow {
            split: SplitName::Test,
            resolution: "original".into(),
            case: name.into(),
            class: "lesion".into(),
            tp,
            fp,
            fn_,
            tn,
            ..Default::default()
        }
    }

    #[test]
    fn every_convention_is_that_computed_by_hand() {
        let cases = vec![
            row("a", [4, 1, 1, 4]),
            row("b", [1, 1, 1, 7]),
            row("c", [0, 0, 0, 10]),
            row("d", [0, 5, 0, 5]),
        ];
        let spec = "[schedule]\nbatch-size = 2".into();
        let records = [
            Record { cases: cases.into(), spec, ..Default::default() },
            // A run of images has no place in the table.
            Record::default(),
        ];
        let tables = tables(&records, &["a".into(), "b".into()]);
        assert_eq!((tables.len(), tables[0].runs.as_slice()), (1, ["a".to_string()].as_slice()));
        let found: Vec<[f64; 2]> =
            tables[0].rows.iter().map(|row| row.values[0].map(Option::unwrap)).collect();
        let (a, b) = ([0.8, 4.0 / 6.0], [0.5, 1.0 / 3.0]);
        let expected = [0, 1].map(|metric| {
            let lesions = a[metric] + b[metric];
            let pooled = [[10.0 / 14.0, 5.0 / 9.0], [0.0, 0.0], [10.0 / 19.0, 5.0 / 14.0]];
            [
                (lesions + 1.0) / 4.0,
                lesions / 4.0,
                lesions / 3.0,
                lesions / 2.0,
                (pooled[0][metric] + pooled[1][metric]) / 2.0,
                pooled[2][metric],
            ]
        });
        for (place, row) in found.iter().enumerate() {
            for metric in [0, 1] {
                let right = expected[metric][place];
                assert!((row[metric] - right).abs() < 1e-12, "{place} {metric}: {row:?} {right}");
            }
        }
        assert!(tables[0].rows[4].name.contains("batches of 2"));
    }

    #[test]
    fn without_masks_there_is_no_table() {
        assert!(super::tables(&[Record::default()], &["a".into()]).is_empty());
    }
}
