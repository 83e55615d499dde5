//! Tables of means over cases, by class and by label.

use polars::prelude::*;
use serde::Serialize;

use super::cases::counts;
use super::configuration::{empty_rule, headline_resolution};
use super::names;
use crate::error::{Error, Result};
use crate::metric::{Counts, overlap};
use crate::record::{CaseRow, Record};
use crate::spec::{EmptyRule, MetricKind};
use crate::split_name::{NoSplit, SplitName};

/// Means over the cases of one split at one resolution, a row for each class or label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Block {
    /// `train`, `valid` or `test`.
    pub split: SplitName,
    /// `original` or `network`.
    pub resolution: String,
    /// One for each class or label.
    pub rows: Vec<Means>,
    /// Titles of the metrics of masks and probabilities that are defined for any case.
    pub measured: Vec<String>,
}

/// Means over cases; a mean leaves out the cases that the metric is undefined for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Means {
    /// The class or label.
    pub name: String,
    /// Number of cases of the means: by class those whose truth has it, by label all.
    pub n: usize,
    /// Cases whose truth lacks the class.
    pub absent: usize,
    /// Cases among those with a pixel predicted as the class.
    pub false_alarms: usize,
    /// Dice.
    pub dice: Mean,
    /// Intersection over union.
    pub iou: Mean,
    /// Precision of pixels.
    pub precision: Mean,
    /// Recall of pixels.
    pub recall: Mean,
    /// Dice of the pixels of all cases together.
    pub pooled_dice: Option<f64>,
    /// Metrics of masks and probabilities; in a block those that it names.
    pub measured: Vec<Mean>,
}

/// A mean over the cases that a metric is defined for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Mean {
    /// The mean; `None` over none.
    pub value: Option<f64>,
    /// Cases that the metric is undefined for.
    pub left_out: usize,
}

/// Means by class, the headline resolution first.
pub(super) fn by_class(record: &Record) -> Result<Vec<Block>> {
    blocks(record, "class")
}

/// Means by label (benign, malignant, ..); none where there are several classes or fewer than two labels.
pub(super) fn by_label(record: &Record) -> Result<Vec<Block>> {
    let one_class = record.cases.windows(2).all(|pair| pair[0].class == pair[1].class);
    let labels = record.cases.windows(2).any(|pair| pair[0].label != pair[1].label);
    if one_class && labels { blocks(record, "label") } else { Ok(Vec::new()) }
}

fn blocks(record: &Record, key: &str) -> Result<Vec<Block>> {
    let mut blocks = grouped(record, key).map_err(uncomputed)?;
    for block in &mut blocks {
        let order = |name: &str| record.summary.classes.iter().position(|class| class == name);
        let defined: Vec<bool> = (0..MetricKind::measured().count())
            .map(|metric| block.rows.iter().any(|row| row.measured[metric].value.is_some()))
            .collect();
        block.measured = shown(MetricKind::measured().map(|kind| kind.row().title()), &defined);
        for row in &mut block.rows {
            row.measured = shown(row.measured.drain(..), &defined);
        }
        match key {
            "class" => block.rows.sort_by_key(|row| order(&row.name).unwrap_or(usize::MAX)),
            _ => block.rows.sort_by(|a, b| a.name.cmp(&b.name)),
        }
    }
    let headline = headline_resolution(record);
    blocks.sort_by_key(|b| (b.resolution != headline, names::split_rank(b.split)));
    Ok(blocks)
}

/// Means over the groups of the recorded cases that agree in split, resolution and a key.
fn grouped(record: &Record, key: &str) -> PolarsResult<Vec<Block>> {
    let rule = empty_rule(record);
    let frame = metrics_frame(record, rule)?;
    let mut blocks: Vec<Block> = Vec::new();
    let parts = frame.partition_by_stable(["split", "resolution", key], true)?;
    for part in parts.iter().filter(|part| part.height() > 0) {
        let (split, resolution) = (split_named(&text(part, "split")?)?, text(part, "resolution")?);
        let name = text(part, key)?;
        let means = match key {
            "class" => means_of_class(name, part, rule)?,
            _ => means(name, part, rule)?,
        };
        match blocks.iter_mut().find(|b| b.split == split && b.resolution == resolution) {
            Some(block) => block.rows.push(means),
            None => {
                let rows = vec![means];
                blocks.push(Block { split, resolution, rows, measured: Vec::new() });
            }
        }
    }
    Ok(blocks)
}

/// The values that are defined for any case.
fn shown<T>(values: impl Iterator<Item = T>, defined: &[bool]) -> Vec<T> {
    values.zip(defined).filter(|(_, defined)| **defined).map(|(value, _)| value).collect()
}

/// The recorded cases with their measured metrics under a rule, and a column for each overlap metric.
fn metrics_frame(record: &Record, rule: EmptyRule) -> PolarsResult<DataFrame> {
    let mut frame = record.cases.frame()?.into_owned();
    let mut add = |name: &str, value: &dyn Fn(&CaseRow) -> Option<f64>| {
        let values: Vec<Option<f64>> = record.cases.iter().map(value).collect();
        frame.with_column(Column::new(name.into(), values)).map(|_| ())
    };
    for kind in MetricKind::measured() {
        let measured = |case: &CaseRow| case.measured.get(&kind).copied();
        add(kind.name(), &|case| kind.of_case(&counts(case), Some(measured(case)?), rule))?;
    }
    for (name, kind) in OVERLAPS {
        add(name, &|case| overlap(kind, &counts(case), rule))?;
    }
    Ok(frame)
}

/// Dice is read from the record; these are computed from its counts.
const OVERLAPS: [(&str, MetricKind); 3] = [
    ("iou", MetricKind::Iou),
    ("precision", MetricKind::Precision),
    ("recall", MetricKind::Recall),
];

/// Means over the cases that have the class, and a count of false alarms among the others.
fn means_of_class(name: String, part: &DataFrame, rule: EmptyRule) -> PolarsResult<Means> {
    let column = |name: &str| part.column(name)?.u64();
    let present: BooleanChunked = column("tp")?
        .iter()
        .zip(column("fn")?.iter())
        .map(|pair| pair != (Some(0), Some(0)))
        .collect();
    let others = part.filter(&!&present)?;
    let alarms = others.column("fp")?.u64()?.iter().filter(|fp| *fp != Some(0)).count();
    let mut means = means(name, &part.filter(&present)?, rule)?;
    means.absent = others.height();
    means.false_alarms = alarms;
    Ok(means)
}

/// Means over all cases of a part.
fn means(name: String, part: &DataFrame, rule: EmptyRule) -> PolarsResult<Means> {
    let mean = |name: &str| {
        let values = part.column(name)?.f64()?;
        Ok::<_, PolarsError>(Mean { value: values.mean(), left_out: values.null_count() })
    };
    let total = |name: &str| Ok::<_, PolarsError>(part.column(name)?.u64()?.sum().unwrap_or(0));
    let pooled = Counts { tp: total("tp")?, fp: total("fp")?, fn_: total("fn")?, tn: total("tn")? };
    Ok(Means {
        name,
        n: part.height(),
        absent: 0,
        false_alarms: 0,
        dice: mean("dice")?,
        iou: mean("iou")?,
        precision: mean("precision")?,
        recall: mean("recall")?,
        pooled_dice: overlap(MetricKind::Dice, &pooled, rule),
        measured: MetricKind::measured()
            .map(|kind| mean(kind.name()))
            .collect::<PolarsResult<_>>()?,
    })
}

/// A split by its name.
pub(super) fn split_named(name: &str) -> PolarsResult<SplitName> {
    let unknown = |error: NoSplit| PolarsError::ComputeError(error.to_string().into());
    name.parse().map_err(unknown)
}

/// The one value that a text column of a part with rows has.
pub(super) fn text(part: &DataFrame, name: &str) -> PolarsResult<String> {
    Ok(part.column(name)?.str()?.get(0).unwrap_or_default().to_owned())
}

/// The error of a table that polars cannot compute.
pub(super) fn uncomputed(error: PolarsError) -> Error {
    Error::failed(format!("the tables of the report cannot be computed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(label: &str, class: &str, [tp, fp, fn_, tn]: [u64; 4], dice: Option<f64>) -> CaseRow {
        CaseRow {
            split: SplitName::Test,
            resolution: "original".into(),
            case: format!("{label} {tp}"),
            label: label.into(),
            class: class.into(),
            tp,
            fp,
            fn_,
            tn,
            dice,
            ..Default::default()
        }
    }

    fn record(cases: Vec<CaseRow>) -> Record {
        Record { cases: cases.into(), ..Default::default() }
    }

    #[test]
    fn class_means_are_over_the_cases_that_have_it_and_pooled_dice_over_their_pixels() {
        let record = record(vec![
            case("benign", "lesion", [1, 0, 1, 8], Some(2.0 / 3.0)),
            case("malignant", "lesion", [6, 2, 0, 2], Some(12.0 / 14.0)),
            case("normal", "lesion", [0, 0, 0, 10], Some(1.0)),
            case("normal", "lesion", [0, 3, 0, 7], Some(0.0)),
        ]);
        let blocks = by_class(&record).unwrap();
        let [block] = blocks.as_slice() else { panic!("one block") };
        let [row] = block.rows.as_slice() else { panic!("one class") };
        assert_eq!((row.n, row.absent, row.false_alarms), (2, 2, 1));
        assert!((row.dice.value.unwrap() - (2.0 / 3.0 + 12.0 / 14.0) / 2.0).abs() < 1e-12);
        assert!((row.iou.value.unwrap() - (0.5 + 0.75) / 2.0).abs() < 1e-12);
        assert!((row.precision.value.unwrap() - (1.0 + 0.75) / 2.0).abs() < 1e-12);
        assert!((row.recall.value.unwrap() - (0.5 + 1.0) / 2.0).abs() < 1e-12);
        assert!((row.pooled_dice.unwrap() - 14.0 / 17.0).abs() < 1e-12);
        // No distance is defined for any of them.
        assert!(block.measured.is_empty() && row.measured.is_empty());
        assert_eq!(row.dice.left_out, 0);
    }

    #[test]
    fn label_means_are_over_all_cases_of_the_label() {
        let record = record(vec![
            case("normal", "lesion", [0, 0, 0, 10], Some(1.0)),
            case("benign", "lesion", [1, 0, 1, 8], Some(2.0 / 3.0)),
            case("normal", "lesion", [0, 3, 0, 7], Some(0.0)),
        ]);
        let rows = by_label(&record).unwrap().remove(0).rows;
        let found: Vec<_> =
            rows.iter().map(|row| (row.name.as_str(), row.n, row.dice.value)).collect();
        assert_eq!(found, [("benign", 1, Some(2.0 / 3.0)), ("normal", 2, Some(0.5))]);
    }

    #[test]
    fn a_class_that_no_case_has_has_no_means() {
        let record = record(vec![case("normal", "lesion", [0, 3, 0, 7], Some(0.0))]);
        let row = by_class(&record).unwrap().remove(0).rows.remove(0);
        assert_eq!((row.name.as_str(), row.n, row.false_alarms), ("lesion", 0, 1));
        assert_eq!((row.dice.value, row.pooled_dice), (None, None));
    }

    #[test]
    fn cases_left_out_by_the_rule_are_left_out_of_every_overlap() {
        let mut record = record(vec![
            case("a", "lesion", [1, 0, 1, 8], Some(2.0 / 3.0)),
            case("b", "lesion", [0, 0, 0, 10], None),
        ]);
        record.spec = "[evaluation]\nempty = 'skip'".into();
        let rows = by_label(&record).unwrap().remove(0).rows;
        assert_eq!((rows[0].dice.value, rows[0].iou.value), (Some(2.0 / 3.0), Some(0.5)));
        let nothing = Mean { value: None, left_out: 1 };
        assert_eq!([rows[1].dice, rows[1].iou, rows[1].recall], [nothing; 3]);
    }

    #[test]
    fn distances_of_two_empty_masks_follow_the_rule() {
        let mut empty = case("b", "lesion", [0, 0, 0, 10], None);
        empty.measured = [(MetricKind::Hd95, 0.0), (MetricKind::Assd, 0.0)].into();
        let mut apart = case("a", "lesion", [1, 0, 1, 8], Some(2.0 / 3.0));
        apart.measured = [(MetricKind::Hd95, 3.0), (MetricKind::Assd, 2.0)].into();
        let mut record = record(vec![apart, empty]);
        for (rule, expected) in [
            ("one", Mean { value: Some(0.0), left_out: 0 }),
            ("skip", Mean { value: None, left_out: 1 }),
        ] {
            record.spec = format!("[evaluation]\nempty = '{rule}'");
            let block = by_label(&record).unwrap().remove(0);
            assert_eq!(block.measured, ["HD95 (px)", "ASSD (px)"]);
            assert_eq!(block.rows[1].measured, [expected; 2], "{rule}");
        }
    }

    #[test]
    fn classes_come_in_the_order_of_the_network_and_the_test_split_first() {
        let mut cases = vec![
            case("", "stroma", [1, 0, 0, 1], Some(1.0)),
            case("", "tumor", [1, 0, 0, 1], Some(1.0)),
        ];
        cases.insert(0, CaseRow { split: SplitName::Valid, ..cases[0].clone() });
        let mut record = record(cases);
        record.summary.classes = vec!["tumor".into(), "stroma".into()];
        let blocks = by_class(&record).unwrap();
        assert_eq!(blocks.iter().map(|b| b.split.as_str()).collect::<Vec<_>>(), ["test", "valid"]);
        assert_eq!(blocks[0].rows[0].name, "tumor");
        assert!(by_label(&record).unwrap().is_empty());
    }

    #[test]
    fn an_empty_record_makes_no_means() {
        assert!(by_class(&Record::default()).unwrap().is_empty());
        assert!(by_label(&Record::default()).unwrap().is_empty());
    }
}
