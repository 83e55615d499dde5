//! Tables of single cases, the runs beside each other.

use std::collections::BTreeMap;

use serde::Serialize;

use super::configuration::{empty_rule, headline_resolution};
use crate::evaluate::CaseScore;
use crate::metric::{Counts, across_classes};
use crate::record::{CaseRow, Record};
use crate::spec::MetricKind;
use crate::split_name::SplitName;

/// A value for each case of a split, a column for each run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct CaseTable {
    /// The measure, such as `Dice`.
    pub measure: &'static str,
    /// The split.
    pub split: SplitName,
    /// Cases in all.
    pub cases: usize,
    /// The cases with the lowest mean over the runs, lowest first.
    pub rows: Vec<CaseValues>,
}

/// The value of one case in each run; with several classes, the mean of their Dice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct CaseValues {
    /// Name of the case.
    pub case: String,
    /// Label of the case; empty where cases carry none.
    pub label: String,
    /// The values; `None` if the run lacks the case or the value is undefined.
    pub values: Vec<Option<f64>>,
    /// Mean over the runs that have a value.
    pub mean: Option<f64>,
}

/// Most cases of a table.
const CASES_SHOWN: usize = 200;

/// The value of each case in each run, the hardest cases first; one table per split, test first.
pub(super) fn case_tables(measure: &'static str, runs: &[Vec<ValueOfCase>]) -> Vec<CaseTable> {
    let mut splits: BTreeMap<SplitName, BTreeMap<&str, CaseValues>> = BTreeMap::new();
    for (run, cases) in runs.iter().enumerate() {
        for case in cases {
            let row = splits.entry(case.split).or_default().entry(&case.case);
            let row = row.or_insert_with(|| CaseValues {
                case: case.case.clone(),
                label: case.label.clone(),
                values: vec![None; runs.len()],
                mean: None,
            });
            row.values[run] = case.value;
        }
    }
    let table = |(split, cases): (SplitName, BTreeMap<&str, CaseValues>)| {
        let mut rows: Vec<CaseValues> = cases.into_values().map(CaseValues::with_mean).collect();
        let rank = |row: &CaseValues| row.mean.unwrap_or(f64::INFINITY);
        rows.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
        let cases = rows.len();
        rows.truncate(CASES_SHOWN);
        CaseTable { measure, split, cases, rows }
    };
    splits.into_iter().rev().map(table).collect()
}

impl CaseValues {
    fn with_mean(self) -> Self {
        let values: Vec<f64> = self.values.iter().flatten().copied().collect();
        let mean = || values.iter().sum::<f64>() / values.len() as f64;
        Self { mean: (!values.is_empty()).then(mean), ..self }
    }
}

/// A value of a case.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ValueOfCase {
    /// The split.
    pub split: SplitName,
    /// Name of the case.
    pub case: String,
    /// Label of the case; empty where cases carry none.
    pub label: String,
    /// The value; `None` where undefined.
    pub value: Option<f64>,
}

/// Dice of each case at the headline resolution. With several classes, the mean over those in its
/// truth or prediction, as in the figure `dice.mean`.
pub(super) fn dice_of_cases(record: &Record) -> Vec<ValueOfCase> {
    let rule = empty_rule(record);
    let value = |((split, case), rows): ((SplitName, &str), Vec<&CaseRow>)| ValueOfCase {
        split,
        case: case.to_owned(),
        label: rows[0].label.clone(),
        value: across_classes(MetricKind::Dice, &counts_of(&rows), rule),
    };
    rows_of_cases(record).into_iter().map(value).collect()
}

/// The rows of each case at the headline resolution, one for each class.
pub(super) fn rows_of_cases(record: &Record) -> BTreeMap<(SplitName, &str), Vec<&CaseRow>> {
    rows_at(record, &headline_resolution(record))
}

/// The rows of each case at a resolution, one for each class.
pub(super) fn rows_at<'a>(
    record: &'a Record,
    resolution: &str,
) -> BTreeMap<(SplitName, &'a str), Vec<&'a CaseRow>> {
    let mut cases: BTreeMap<_, Vec<&CaseRow>> = BTreeMap::new();
    for row in record.cases.iter().filter(|row| row.resolution == resolution) {
        cases.entry((row.split, row.case.as_str())).or_default().push(row);
    }
    cases
}

/// A class of a case as it was scored.
pub(super) fn score(row: &CaseRow, classes: &[String]) -> CaseScore {
    let place = classes.iter().position(|class| *class == row.class).unwrap_or(0);
    CaseScore {
        case: row.case.clone(),
        group: row.group.clone(),
        label: row.label.clone(),
        class: row.class.clone(),
        class_index: if classes.len() == 1 { 1 } else { place },
        counts: counts(row),
        measured: row.measured.clone(),
    }
}

/// The counts of the classes of a case.
pub(super) fn counts_of(rows: &[&CaseRow]) -> Vec<Counts> {
    rows.iter().map(|row| counts(row)).collect()
}

/// The counts of a class of a case.
pub(super) fn counts(case: &CaseRow) -> Counts {
    Counts { tp: case.tp, fp: case.fp, fn_: case.fn_, tn: case.tn }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_set_side_by_side_with_the_hardest_first() {
        // Dice of tp found and 10 - tp missed: 2 tp / (tp + 10).
        let named = |name: &str, class: &str, tp: u64| CaseRow {
            split: SplitName::Test,
            resolution: "original".into(),
            case: name.into(),
            class: class.into(),
            tp,
            fn_: 10 - tp,
            tn: 1,
            ..Default::default()
        };
        let record = |cases: Vec<CaseRow>| Record { cases: cases.into(), ..Default::default() };
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
}
