//! Tables of cases, by polars.

use std::collections::BTreeMap;

use polars::prelude::*;
use serde::Serialize;

use super::configuration::spec_text;
use super::names;
use crate::error::{Error, Result};
use crate::metric::{Counts, across_classes, overlap};
use crate::record::{CaseRow, Record, SplitRow, case_columns, split_columns};
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
    /// Cases that the means are over: by class those whose truth has it, by label all.
    pub n: usize,
    /// Cases whose truth lacks the class.
    pub absent: usize,
    /// Cases among those in which some pixel is called the class.
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
    let rule = empty_rule(record);
    let frame = metrics_frame(&record.cases, rule).map_err(untabled)?;
    let mut blocks: Vec<Block> = Vec::new();
    let parts = frame.partition_by_stable(["split", "resolution", key], true).map_err(untabled)?;
    for part in parts.iter().filter(|part| part.height() > 0) {
        let split = split_of(part).map_err(untabled)?;
        let resolution = text(part, "resolution").map_err(untabled)?;
        let name = text(part, key).map_err(untabled)?;
        let means = match key {
            "class" => means_of_class(name, part, rule),
            _ => means(name, part, rule),
        };
        let means = means.map_err(untabled)?;
        match blocks.iter_mut().find(|b| b.split == split && b.resolution == resolution) {
            Some(block) => block.rows.push(means),
            None => {
                blocks.push(Block { split, resolution, rows: vec![means], measured: Vec::new() })
            }
        }
    }
    let headline = headline_resolution(record);
    for block in &mut blocks {
        let order = |name: &str| record.summary.classes.iter().position(|class| class == name);
        let defined: Vec<bool> = (0..MetricKind::measured().count())
            .map(|metric| block.rows.iter().any(|row| row.measured[metric].value.is_some()))
            .collect();
        let titles = MetricKind::measured().map(|kind| kind.row().title());
        block.measured = shown(titles, &defined);
        for row in &mut block.rows {
            row.measured = shown(row.measured.drain(..), &defined);
        }
        match key {
            "class" => block.rows.sort_by_key(|row| order(&row.name).unwrap_or(usize::MAX)),
            _ => block.rows.sort_by(|a, b| a.name.cmp(&b.name)),
        }
    }
    blocks.sort_by_key(|b| (b.resolution != headline, names::split_rank(b.split)));
    Ok(blocks)
}

/// The resolution that the spec names for headline figures.
pub(super) fn headline_resolution(record: &Record) -> String {
    spec_text(record, "evaluation.resolution").unwrap_or_else(|| "original".into())
}

fn empty_rule(record: &Record) -> EmptyRule {
    match spec_text(record, "evaluation.empty").as_deref() {
        Some("skip") => EmptyRule::Skip,
        _ => EmptyRule::One,
    }
}

fn shown<T>(values: impl Iterator<Item = T>, defined: &[bool]) -> Vec<T> {
    values.zip(defined).filter(|(_, defined)| **defined).map(|(value, _)| value).collect()
}

/// The cases with what was measured of them under a rule, and a column for each overlap metric.
fn metrics_frame(cases: &[CaseRow], rule: EmptyRule) -> PolarsResult<DataFrame> {
    let ruled = |case: &CaseRow| {
        let measured = case.measured.iter().filter_map(|(kind, value)| {
            Some((*kind, kind.of_case(&counts(case), Some(*value), rule)?))
        });
        CaseRow { measured: measured.collect(), ..case.clone() }
    };
    let mut columns = case_columns(&cases.iter().map(ruled).collect::<Vec<_>>());
    for (name, kind) in OVERLAPS {
        let values: Vec<Option<f64>> =
            cases.iter().map(|case| overlap(kind, &counts(case), rule)).collect();
        columns.push(Series::new(name.into(), values).into());
    }
    DataFrame::new_infer_height(columns)
}

/// Dice is read from the record; these are computed from its counts.
const OVERLAPS: [(&str, MetricKind); 3] = [
    ("iou", MetricKind::Iou),
    ("precision", MetricKind::Precision),
    ("recall", MetricKind::Recall),
];

/// The counts of a class of a case.
pub(super) fn counts(case: &CaseRow) -> Counts {
    Counts { tp: case.tp, fp: case.fp, fn_: case.fn_, tn: case.tn }
}

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

/// The one split of a part with rows.
fn split_of(part: &DataFrame) -> PolarsResult<SplitName> {
    text(part, "split")?.parse().map_err(unknown)
}

/// The splits of rows, in order of their names.
fn splits_of(frame: &DataFrame) -> PolarsResult<Vec<SplitName>> {
    distinct(frame, "split")?.iter().map(|name| name.parse().map_err(unknown)).collect()
}

fn unknown(error: NoSplit) -> PolarsError {
    PolarsError::ComputeError(error.to_string().into())
}

/// The one value that a text column of a part with rows has.
fn text(part: &DataFrame, name: &str) -> PolarsResult<String> {
    Ok(part.column(name)?.str()?.get(0).unwrap_or_default().to_owned())
}

/// A number for each case of a split, a column for each run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct CaseTable {
    /// What the number is, such as `Dice`.
    pub measure: &'static str,
    /// The split.
    pub split: SplitName,
    /// Cases in all.
    pub cases: usize,
    /// The cases with the lowest mean over the runs, lowest first.
    pub rows: Vec<CaseValues>,
}

/// The number of one case in each run; Dice is the mean over its classes where there are several.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct CaseValues {
    /// Name of the case.
    pub case: String,
    /// Label of the case; empty where cases carry none.
    pub label: String,
    /// The number; `None` where the run lacks the case or it is undefined.
    pub values: Vec<Option<f64>>,
    /// Mean over the runs that have it.
    pub mean: Option<f64>,
}

/// A table has at most this many cases.
const CASES_SHOWN: usize = 200;

/// The number of each case in each run, the hardest cases first; one table per split.
pub(super) fn case_tables(measure: &'static str, runs: &[Vec<ValueOfCase>]) -> Vec<CaseTable> {
    let mut tables: Vec<CaseTable> = Vec::new();
    let mut index: BTreeMap<(SplitName, String), (usize, usize)> = BTreeMap::new();
    for (run, cases) in runs.iter().enumerate() {
        for case in cases {
            let key = (case.split, case.case.clone());
            let (table, row) = match index.get(&key) {
                Some(&place) => place,
                None => {
                    let (split, name) = key.clone();
                    let table = match tables.iter().position(|table| table.split == split) {
                        Some(table) => table,
                        None => {
                            tables.push(CaseTable { measure, split, cases: 0, rows: Vec::new() });
                            tables.len() - 1
                        }
                    };
                    let values = vec![None; runs.len()];
                    let label = case.label.clone();
                    let row = CaseValues { case: name, label, values, mean: None };
                    tables[table].rows.push(row);
                    index.insert(key, (table, tables[table].rows.len() - 1));
                    (table, tables[table].rows.len() - 1)
                }
            };
            tables[table].rows[row].values[run] = case.value;
        }
    }
    for table in &mut tables {
        for row in &mut table.rows {
            let values: Vec<f64> = row.values.iter().flatten().copied().collect();
            let mean = || values.iter().sum::<f64>() / values.len() as f64;
            row.mean = (!values.is_empty()).then(mean);
        }
        table.cases = table.rows.len();
        let rank = |row: &CaseValues| row.mean.unwrap_or(f64::INFINITY);
        table.rows.sort_by(|a, b| rank(a).total_cmp(&rank(b)).then_with(|| a.case.cmp(&b.case)));
        table.rows.truncate(CASES_SHOWN);
    }
    tables.sort_by_key(|table| names::split_rank(table.split));
    tables
}

/// A number of a case.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ValueOfCase {
    /// The split.
    pub split: SplitName,
    /// Name of the case.
    pub case: String,
    /// Label of the case; empty where cases carry none.
    pub label: String,
    /// The number; `None` where undefined.
    pub value: Option<f64>,
}

/// Dice of each case at the headline resolution. With several classes, the mean over those in its
/// truth or prediction, as in the figure `dice.mean`.
pub(super) fn dice_of_cases(record: &Record) -> Vec<ValueOfCase> {
    let resolution = headline_resolution(record);
    let rule = empty_rule(record);
    let mut cases: Vec<(&CaseRow, Vec<Counts>)> = Vec::new();
    let mut index: BTreeMap<(SplitName, &str), usize> = BTreeMap::new();
    for row in record.cases.iter().filter(|row| row.resolution == resolution) {
        let next = cases.len();
        let at = *index.entry((row.split, &row.case)).or_insert(next);
        if at == next {
            cases.push((row, Vec::new()));
        }
        cases[at].1.push(counts(row));
    }
    cases
        .into_iter()
        .map(|(row, counts)| ValueOfCase {
            split: row.split,
            case: row.case.clone(),
            label: row.label.clone(),
            value: across_classes(MetricKind::Dice, &counts, rule),
        })
        .collect()
}

/// Cases by label and split, and whether anything lies on both sides of the division.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct SplitTable {
    /// The splits, in the order of the columns.
    pub splits: Vec<SplitName>,
    /// One row for each label: its name and its cases in each split.
    pub rows: Vec<SplitCounts>,
    /// Cases in each split.
    pub totals: Vec<usize>,
    /// Groups in each split.
    pub groups: Vec<usize>,
    /// Cases in all.
    pub cases: usize,
    /// Groups of more than one case.
    pub shared_groups: usize,
    /// Groups that lie in more than one split.
    pub crossing: Vec<Crossing>,
    /// Cases named in more than one split.
    pub repeated: Vec<String>,
}

/// Cases of a label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct SplitCounts {
    /// The label; empty where cases carry none.
    pub label: String,
    /// Its cases in each split.
    pub cases: Vec<usize>,
}

/// A group that lies in more than one split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Crossing {
    /// The group.
    pub group: String,
    /// The splits it lies in.
    pub splits: Vec<SplitName>,
}

/// Counts cases, and checks that no group and no case lies in two splits.
pub(super) fn split_table(rows: &[SplitRow]) -> Result<SplitTable> {
    split_table_of(rows).map_err(untabled)
}

fn split_table_of(rows: &[SplitRow]) -> PolarsResult<SplitTable> {
    let frame = DataFrame::new_infer_height(split_columns(rows))?;
    let mut table = SplitTable { cases: frame.height(), ..Default::default() };
    if frame.height() == 0 {
        return Ok(table);
    }
    table.splits = splits_of(&frame)?;
    table.splits.sort_by_key(|split| std::cmp::Reverse(names::split_rank(*split)));
    for label in frame.partition_by_stable(["label"], true)? {
        let cases = count_by_split(&label, &table.splits)?;
        table.rows.push(SplitCounts { label: text(&label, "label")?, cases });
    }
    table.rows.sort_by(|a, b| a.label.cmp(&b.label));
    table.totals = count_by_split(&frame, &table.splits)?;
    table.groups = vec![0; table.splits.len()];
    for group in frame.partition_by_stable(["group"], true)? {
        let splits = splits_of(&group)?;
        for split in &splits {
            if let Some(index) = table.splits.iter().position(|name| name == split) {
                table.groups[index] += 1;
            }
        }
        table.shared_groups += usize::from(group.height() > 1);
        if splits.len() > 1 {
            table.crossing.push(Crossing { group: text(&group, "group")?, splits });
        }
    }
    for case in frame.partition_by_stable(["case"], true)? {
        if splits_of(&case)?.len() > 1 {
            table.repeated.push(text(&case, "case")?);
        }
    }
    Ok(table)
}

fn count_by_split(frame: &DataFrame, splits: &[SplitName]) -> PolarsResult<Vec<usize>> {
    let column = frame.column("split")?.str()?;
    Ok(splits
        .iter()
        .map(|split| column.iter().filter(|value| *value == Some(split.as_str())).count())
        .collect())
}

/// Values of a text column, in order of appearance.
fn distinct(frame: &DataFrame, name: &str) -> PolarsResult<Vec<String>> {
    let mut values: Vec<String> = Vec::new();
    for value in frame.column(name)?.str()?.iter().flatten() {
        if !values.iter().any(|seen| seen == value) {
            values.push(value.to_owned());
        }
    }
    Ok(values)
}

fn untabled(error: PolarsError) -> Error {
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
        Record { cases, ..Default::default() }
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
    fn cases_are_set_side_by_side_with_the_hardest_first() {
        // Dice of tp found and 10 - tp missed: 2 tp / (tp + 10).
        let named = |name: &str, class: &str, tp: u64| CaseRow {
            case: name.into(),
            ..case("benign", class, [tp, 0, 10 - tp, 1], None)
        };
        let records = [
            record(vec![
                named("a", "x", 10),
                named("a", "y", 6),
                CaseRow { tp: 0, fn_: 0, dice: Some(1.0), ..named("a", "absent", 0) },
                named("b", "x", 5),
                named("b", "y", 0),
            ]),
            record(vec![named("b", "x", 2), named("c", "x", 1)]),
        ];
        let tables = case_tables("Dice", &records.map(|record| dice_of_cases(&record)));
        assert_eq!((tables.len(), tables[0].cases), (1, 3));
        let rows: Vec<_> =
            tables[0].rows.iter().map(|row| (row.case.as_str(), row.values.clone())).collect();
        assert_eq!(rows[0], ("c", vec![None, Some(2.0 / 11.0)]));
        assert_eq!(rows[1], ("b", vec![Some(1.0 / 3.0), Some(1.0 / 3.0)]));
        // A class in neither truth nor prediction counts nothing, though the record has a Dice of it.
        assert_eq!(rows[2], ("a", vec![Some((1.0 + 0.75) / 2.0), None]));
    }

    fn row(case: &str, group: &str, label: &str, split: SplitName) -> SplitRow {
        SplitRow { case: case.into(), group: group.into(), label: label.into(), split, fold: None }
    }

    #[test]
    fn groups_and_cases_that_lie_in_two_splits_are_found() {
        let rows = [
            row("a", "1", "benign", SplitName::Test),
            row("b", "1", "benign", SplitName::Train),
            row("c", "2", "normal", SplitName::Train),
            row("c", "2", "normal", SplitName::Train),
            row("d", "3", "normal", SplitName::Train),
            row("d", "4", "normal", SplitName::Valid),
        ];
        let table = split_table(&rows).unwrap();
        assert_eq!(table.splits, SplitName::ALL);
        assert_eq!(table.totals, [4, 1, 1]);
        assert_eq!(table.groups, [3, 1, 1]);
        assert_eq!(table.rows[0], SplitCounts { label: "benign".into(), cases: vec![1, 0, 1] });
        assert_eq!(table.shared_groups, 2);
        let crossing =
            Crossing { group: "1".into(), splits: vec![SplitName::Test, SplitName::Train] };
        assert_eq!(table.crossing, [crossing]);
        assert_eq!(table.repeated, ["d"]);
    }

    #[test]
    fn an_empty_record_makes_empty_tables() {
        assert_eq!(split_table(&[]).unwrap(), SplitTable::default());
        assert!(by_class(&Record::default()).unwrap().is_empty());
        assert!(by_label(&Record::default()).unwrap().is_empty());
    }
}
