//! How the scores of cases spread, which their mean does not show.

use serde::Serialize;

use super::by_run;
use super::cases::{counts_of, rows_of_cases};
use super::configuration::{empty_rule, spec_value};
use crate::metric::{mean_of_classes, quantile};
use crate::record::{CaseRow, Record};
use crate::spec::{EmptyRule, MetricKind};
use crate::split_name::SplitName;

/// The scores of a run's cases by one metric; with several classes the mean over those in truth or prediction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    /// Label of the run.
    pub run: String,
    /// The split.
    pub split: SplitName,
    /// The metric.
    pub metric: String,
    /// Cases for which it is defined.
    pub cases: u64,
    /// Lowest score, lower quartile, median, upper quartile and highest score (linear between ranks).
    pub quantiles: [f64; 5],
}

const QUANTILES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// The spreads of the metrics that runs name, test first.
pub(super) fn table(records: &[Record], labels: &[String]) -> Vec<Spread> {
    let splits = records.iter().flat_map(|record| record.cases.iter().map(|row| row.split));
    by_run::rows(records, labels, splits, of_run)
}

fn of_run(record: &Record, label: &str, split: SplitName) -> Vec<Spread> {
    let named = spec_value(record, "evaluation.metrics");
    let named: Vec<MetricKind> = named.and_then(|named| named.try_into().ok()).unwrap_or_default();
    let cases = rows_of_cases(record);
    let rule = empty_rule(record);
    let spread = |metric: MetricKind| {
        let of_split = cases.iter().filter(|((of, _), _)| *of == split);
        let mut scores: Vec<f64> =
            of_split.filter_map(|(_, rows)| score(rows, metric, rule)).collect();
        if scores.is_empty() {
            return None;
        }
        scores.sort_unstable_by(f64::total_cmp);
        Some(Spread {
            run: label.to_owned(),
            split,
            metric: metric.row().title(),
            cases: scores.len() as u64,
            quantiles: QUANTILES.map(|part| quantile(&scores, part)),
        })
    };
    named.into_iter().filter_map(spread).collect()
}

/// The score of a case by a metric, from the rows of its classes.
pub(super) fn score(rows: &[&CaseRow], metric: MetricKind, rule: EmptyRule) -> Option<f64> {
    let counts = counts_of(rows);
    let values: Vec<Option<f64>> = rows
        .iter()
        .zip(&counts)
        .map(|(row, counts)| metric.of_case(counts, row.measured.get(&metric).copied(), rule))
        .collect();
    mean_of_classes(metric, &counts, &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_given_by_quartile_for_each_metric_that_is_named() {
        let row = |case: &str, tp: u64, distance: Option<f64>| CaseRow {
            case: case.into(),
            class: "lesion".into(),
            split: SplitName::Test,
            resolution: "original".into(),
            tp,
            fn_: 10 - tp,
            tn: 90,
            measured: distance.map(|distance| (MetricKind::Hd95, distance)).into_iter().collect(),
            ..CaseRow::default()
        };
        let cases = vec![
            row("a", 10, Some(0.0)),
            row("b", 0, None),
            row("c", 5, Some(4.0)),
            row("d", 5, Some(2.0)),
        ];
        let spec = "[evaluation]\nmetrics = ['recall', 'hd95', 'auc']".into();
        let record = Record { cases: cases.into(), spec, ..Record::default() };
        let found = table(&[record], &["run".into()]);
        let said: Vec<(&str, u64, [f64; 5])> =
            found.iter().map(|row| (row.metric.as_str(), row.cases, row.quantiles)).collect();
        assert_eq!(
            said,
            [
                ("Recall", 4, [0.0, 0.375, 0.5, 0.625, 1.0]),
                ("HD95 (px)", 3, [0.0, 1.0, 2.0, 3.0, 4.0])
            ]
        );
    }
}
