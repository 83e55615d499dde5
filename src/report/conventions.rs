//! The same predictions, counted as different publications count.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cases::{counts_of, rows_at, rows_of_cases};
use super::configuration::{spec_text, spec_value};
use super::names;
use crate::metric::{Counts, across_classes, mean_of_classes};
use crate::record::{CaseRow, Record};
use crate::spec::{
    BatchOrder, BatchWeight, BatchesSpec, Counting, Empty, EmptyRule, MetricKind, OverImages,
    Resolution,
};
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
        let batches = Batches::new(record, split, &cases);
        for (place, (name, value)) in conventions(&cases, &batches).into_iter().enumerate() {
            let row = match rows.iter().position(|row| row.name == name) {
                Some(row) => row,
                None => {
                    let values = vec![[None; 2]; runs.len()];
                    let place = place.min(rows.len());
                    rows.insert(place, Convention { name, values });
                    place
                }
            };
            rows[row].values.push(value);
        }
        runs.push(label.clone());
        rows.iter_mut().for_each(|row| row.values.resize(runs.len(), [None; 2]));
    }
    ConventionTable { split, runs, rows }
}

/// The batches of a split, as `evaluation.batches` says.
struct Batches {
    spec: BatchesSpec,
    size: usize,
    /// Indices of the cases, in their order.
    order: Vec<usize>,
}

impl Batches {
    /// Those of cases in order of their names, as the run's spec says.
    fn new(record: &Record, split: SplitName, cases: &[Vec<&CaseRow>]) -> Self {
        let spec = spec_value(record, "evaluation.batches").and_then(|said| said.try_into().ok());
        Self::of(spec.unwrap_or_default(), record, split, cases)
    }

    /// The same, as something else says.
    fn of(spec: BatchesSpec, record: &Record, split: SplitName, cases: &[Vec<&CaseRow>]) -> Self {
        let of_training = || spec_text(record, "schedule.batch-size")?.parse().ok();
        // One batch where the spec does not say how many cases it has.
        let size = spec.size.or_else(of_training).map_or(cases.len(), |size: u32| size as usize);
        let mut order: Vec<usize> = (0..cases.len()).collect();
        if spec.order == BatchOrder::Split {
            let listed = record.split.iter().filter(|row| row.split == split);
            let places: BTreeMap<&str, usize> =
                listed.enumerate().map(|(place, row)| (row.case.as_str(), place)).collect();
            order.sort_by_key(|&case| places.get(cases[case][0].case.as_str()).copied());
        }
        Self { spec, size: size.max(1), order }
    }

    /// In words.
    fn name(&self) -> String {
        let short = match self.order.len() % self.size {
            0 => String::new(),
            _ if self.order.len() < self.size => format!(" (there are {})", self.order.len()),
            last => format!(" (the last has {last})"),
        };
        let weight = match self.spec.weight {
            BatchWeight::Cases => "weighted by their cases",
            BatchWeight::Equal => "each as much",
        };
        let order = match self.spec.order {
            BatchOrder::Names => "in order of their names",
            BatchOrder::Split => "in order of the split's list",
        };
        let smooth = match self.spec.smooth {
            0.0 => String::new(),
            smooth => format!("; {smooth} is added to intersection and union"),
        };
        format!(
            "Mean over batches of {} cases{short}, {weight}, of pooled pixels, cases {order}{smooth}",
            self.size
        )
    }

    /// The mean over batches of a metric, Dice or IoU, of the counts of each case.
    fn mean(&self, metric: MetricKind, counted: &[Vec<Counts>]) -> Option<f64> {
        let (mut total, mut weights) = (0.0, 0.0);
        for batch in self.order.chunks(self.size) {
            let cases: Vec<Vec<Counts>> = batch.iter().map(|&case| counted[case].clone()).collect();
            let pooled = sum(&cases);
            let values: Vec<Option<f64>> =
                pooled.iter().map(|counts| smoothed(metric, counts, self.spec.smooth)).collect();
            let Some(value) = mean_of_classes(metric, &pooled, &values) else { continue };
            let weight = match self.spec.weight {
                BatchWeight::Cases => batch.len() as f64,
                BatchWeight::Equal => 1.0,
            };
            total += weight * value;
            weights += weight;
        }
        (weights > 0.0).then(|| total / weights)
    }
}

/// A metric of counts of a split at a resolution, as a publication counts; `None` where no case was scored there, or it is
/// not defined.
pub(super) fn counted_as(
    counting: &Counting,
    metric: MetricKind,
    record: &Record,
    split: SplitName,
    resolution: Resolution,
) -> Option<f64> {
    let resolution = match resolution {
        Resolution::Original => "original",
        Resolution::Network => "network",
    };
    let of_split = rows_at(record, resolution).into_iter().filter(|((of, _), _)| *of == split);
    let cases: Vec<Vec<&CaseRow>> = of_split.map(|(_, rows)| rows).collect();
    let counted: Vec<Vec<Counts>> = cases.iter().map(|rows| counts_of(rows)).collect();
    match counting {
        Counting::Images(OverImages { empty }) => over_images(metric, *empty, &counted),
        Counting::Pooled(_) if counted.is_empty() => None,
        Counting::Pooled(_) => across_classes(metric, &sum(&counted), EmptyRule::One),
        Counting::Batches(_) if !METRICS.contains(&metric) => None,
        Counting::Batches(spec) => {
            Batches::of(spec.clone(), record, split, &cases).mean(metric, &counted)
        }
    }
}

/// The mean of a metric over images, of the counts of each.
fn over_images(metric: MetricKind, empty: Empty, counted: &[Vec<Counts>]) -> Option<f64> {
    let value = |counts: &Vec<Counts>| match empty {
        Empty::One => across_classes(metric, counts, EmptyRule::One),
        Empty::Zero => Some(across_classes(metric, counts, EmptyRule::Skip).unwrap_or(0.0)),
        Empty::Skip => across_classes(metric, counts, EmptyRule::Skip),
        Empty::WithClass => {
            let has_class = counts.iter().any(|of_class| of_class.truth() > 0);
            across_classes(metric, counts, EmptyRule::One).filter(|_| has_class)
        }
    };
    mean(counted.iter().filter_map(value))
}

/// Dice or IoU of pooled pixels, with a number added to intersection and union; 1 where the class is in neither.
fn smoothed(metric: MetricKind, counts: &Counts, smooth: f64) -> Option<f64> {
    if counts.total() == 0 {
        return None;
    }
    let union = counts.tp + counts.fp + counts.fn_;
    let iou = match union {
        0 => 1.0,
        union => (counts.tp as f64 + smooth) / (union as f64 + smooth),
    };
    Some(if metric == MetricKind::Dice { 2.0 * iou / (1.0 + iou) } else { iou })
}

/// Dice and IoU of cases by each convention.
fn conventions(cases: &[Vec<&CaseRow>], batches: &Batches) -> Vec<(String, [Option<f64>; 2])> {
    let counted: Vec<Vec<Counts>> = cases.iter().map(|rows| counts_of(rows)).collect();
    let over = |empty: Empty| METRICS.map(|metric| over_images(metric, empty, &counted));
    vec![
        ("Mean over cases, empty in truth and prediction as 1".into(), over(Empty::One)),
        ("Mean over cases, empty in truth and prediction as 0".into(), over(Empty::Zero)),
        ("Mean over cases, empty in truth and prediction left out".into(), over(Empty::Skip)),
        ("Mean over cases with a lesion in the truth".into(), over(Empty::WithClass)),
        (batches.name(), METRICS.map(|metric| batches.mean(metric, &counted))),
        (
            "All pixels pooled".into(),
            METRICS.map(|metric| across_classes(metric, &sum(&counted), EmptyRule::One)),
        ),
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
        let name = "Mean over batches of 2 cases, weighted by their cases, of pooled pixels, cases in order of their names";
        assert_eq!(tables[0].rows[4].name, name);
    }

    #[derive(serde::Deserialize)]
    struct Published {
        size: usize,
        images: Vec<Image>,
        unext: [f64; 2],
        benchmark: f64,
    }

    #[derive(serde::Deserialize)]
    struct Image {
        name: String,
        logits: Vec<f32>,
        truth: Vec<u8>,
    }

    fn published() -> (Published, Record) {
        let text = std::fs::read_to_string(crate::testing::fixture("batches.json")).unwrap();
        let published: Published = serde_json::from_str(&text).unwrap();
        let count = |image: &Image| {
            let mut counts = [0; 4];
            for (logit, truth) in image.logits.iter().zip(&image.truth) {
                counts[match (*logit > 0.0, *truth) {
                    (true, 1) => 0,
                    (true, _) => 1,
                    (false, 1) => 2,
                    (false, _) => 3,
                }] += 1;
            }
            row(&image.name, counts)
        };
        let split = |image: &Image| crate::record::SplitRow {
            case: image.name.clone(),
            split: SplitName::Test,
            ..Default::default()
        };
        let record = Record {
            cases: published.images.iter().map(count).collect::<Vec<_>>().into(),
            split: published.images.iter().map(split).collect::<Vec<_>>().into(),
            ..Default::default()
        };
        (published, record)
    }

    /// The name and the values of the mean over batches.
    fn over_batches(record: &Record, batches: &str) -> (String, [f64; 2]) {
        let spec = format!("[evaluation.batches]\n{batches}\n[schedule]\nbatch-size = 100");
        let record = Record { spec, ..record.clone() };
        let row = super::tables(&[record], &["a".into()]).remove(0).rows.remove(4);
        (row.name, row.values[0].map(Option::unwrap))
    }

    #[test]
    fn means_over_batches_are_those_of_published_programs() {
        let (Published { size, unext, benchmark, .. }, record) = published();
        let declared = format!("size = {size}\norder = 'split'\nsmooth = 1e-5");
        let (name, [dice, iou]) = over_batches(&record, &declared);
        assert_eq!(
            name,
            "Mean over batches of 3 cases (the last has 1), weighted by their cases, of pooled pixels, cases in order \
             of the split's list; 0.00001 is added to intersection and union"
        );
        assert!((iou - unext[0]).abs() < 1e-12 && (dice - unext[1]).abs() < 1e-12, "{iou} {dice}");
        // Its sums of 1e-6 move F1 by less than this.
        let (_, [dice, _]) = over_batches(&record, &format!("size = {size}\norder = 'split'"));
        assert!((dice - benchmark).abs() < 1e-5, "{dice} {benchmark}");
    }

    #[test]
    fn order_weight_and_size_of_batches_each_change_their_mean() {
        let (_, record) = published();
        let said =
            ["size = 3", "size = 3\norder = 'split'", "size = 3\nweight = 'equal'", "size = 2", ""];
        let found = said.map(|said| over_batches(&record, said));
        for (index, (_, one)) in found.iter().enumerate() {
            assert!(
                found[..index].iter().all(|(_, other)| (one[1] - other[1]).abs() > 1e-4),
                "{found:?}"
            );
        }
        assert!(
            found[4].0.starts_with("Mean over batches of 100 cases (there are 7), "),
            "{}",
            found[4].0
        );
    }

    #[test]
    fn runs_that_declare_other_batches_have_rows_of_their_own() {
        let (_, record) = published();
        let of = |size: u32| Record {
            spec: format!("evaluation.batches.size = {size}"),
            ..record.clone()
        };
        let table =
            super::tables(&[of(2), of(3), of(2)], &["a", "b", "c"].map(String::from)).remove(0);
        assert_eq!(table.rows.len(), 7);
        let batches: Vec<(bool, [bool; 3])> = table
            .rows
            .iter()
            .filter(|row| row.name.contains("batches"))
            .map(|row| {
                (row.name.contains("of 2 "), [0, 1, 2].map(|run| row.values[run][0].is_some()))
            })
            .collect();
        assert_eq!(batches, [(false, [false, true, false]), (true, [true, false, true])]);
    }

    #[test]
    fn without_masks_there_is_no_table() {
        assert!(super::tables(&[Record::default()], &["a".into()]).is_empty());
    }
}
