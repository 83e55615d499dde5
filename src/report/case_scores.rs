//! What cases of a split are scored by, for those who look at single ones.

use std::collections::BTreeMap;

use super::cases::{ValueOfCase, counts_of, rows_of_cases};
use super::configuration::{empty_rule, spec_value};
use super::images;
use super::names;
use super::spread::score;
use crate::record::{Record, ScoreRow, Task};
use crate::spec::{Goal, MetricKind};
use crate::split_name::SplitName;

/// What a case is scored by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Measure {
    /// A metric of masks.
    Metric(MetricKind),
    /// The probability of the true class of an image.
    TrueClass,
}

impl Measure {
    /// Its title.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Metric(metric) => metric.row().title(),
            Self::TrueClass => "Probability of the true class".into(),
        }
    }

    /// Whether lower values are better.
    pub(super) fn lower_is_better(self) -> bool {
        match self {
            Self::Metric(metric) => metric.row().goal == Goal::Lowest,
            Self::TrueClass => false,
        }
    }
}

/// Dice, then the other metrics that runs name.
pub(super) fn metrics(records: &[Record], runs: &[usize], task: Task) -> Vec<Measure> {
    if task == Task::Classify {
        return vec![Measure::TrueClass];
    }
    let named = |run: &usize| -> Vec<MetricKind> {
        let named = spec_value(&records[*run], "evaluation.metrics");
        named.and_then(|named| named.try_into().ok()).unwrap_or_default()
    };
    let of_pixels = |metric: &MetricKind| metric.row().of_pixels.is_some();
    let named = runs.iter().flat_map(named).filter(of_pixels);
    let all = [MetricKind::Dice, MetricKind::Iou].into_iter().chain(named);
    names::distinct(all.map(Measure::Metric))
}

/// What a record says of a case.
pub(super) struct Scored {
    /// Its label.
    pub label: String,
    /// Its group.
    pub group: String,
    /// Pixels of the foreground in the truth; `None` of several classes.
    pub size: Option<u64>,
    /// The predicted class of an image.
    pub predicted: String,
    /// By the measures, in their order.
    pub scores: Vec<Option<f64>>,
}

/// The cases of a split by their names.
pub(super) fn scored<'a>(
    record: &'a Record,
    split: SplitName,
    task: Task,
    metrics: &[Measure],
) -> BTreeMap<&'a str, Scored> {
    if task == Task::Classify {
        let values = images::probabilities(record);
        let rows = record.scores.iter().zip(values).filter(|(row, _)| row.split == split);
        let scored = |(row, probability): (&'a ScoreRow, ValueOfCase)| {
            let scored = Scored {
                label: row.truth.clone(),
                group: row.group.clone(),
                size: None,
                predicted: row.predicted.clone(),
                scores: vec![probability.value],
            };
            (row.case.as_str(), scored)
        };
        return rows.map(scored).collect();
    }
    let rule = empty_rule(record);
    let of_split = rows_of_cases(record).into_iter().filter(|((of, _), _)| *of == split);
    let scored = of_split.map(|((_, case), rows)| {
        let value = |measure: &Measure| match measure {
            Measure::Metric(metric) => score(&rows, *metric, rule),
            Measure::TrueClass => None,
        };
        let counts = counts_of(&rows);
        let scored = Scored {
            label: rows[0].label.clone(),
            group: rows[0].group.clone(),
            size: (record.summary.classes.len() < 2)
                .then(|| counts.iter().map(|of| of.tp + of.fn_).sum()),
            predicted: String::new(),
            scores: metrics.iter().map(value).collect(),
        };
        (case, scored)
    });
    scored.collect()
}
