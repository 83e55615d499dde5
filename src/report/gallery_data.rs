//! What the scripts of the page know of a gallery.

use serde_json::{Value, json};

use super::case_scores::Measure;
use super::gallery::{Column, GalleryCase, Kind};
use super::seeded::seeded;
use crate::evaluate::differences::{BACKGROUND, IGNORED};
use crate::evaluate::pictures::{FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE, class_colour};
use crate::record::Record;
use crate::split_name::SplitName;

/// What the scripts of the page know of a gallery.
pub(super) fn data(
    records: &[Record],
    split: SplitName,
    kind: Kind,
    metrics: &[Measure],
    columns: &[Column],
    cases: &[GalleryCase],
) -> Value {
    let first = columns.first().map(|column| &records[column.run]);
    let classes = first.map(|record| record.summary.classes.as_slice()).unwrap_or_default();
    let of_classes = (0..=u8::MAX).take(if kind == Kind::Classes { classes.len() } else { 0 });
    let titles: Vec<String> = metrics.iter().map(Measure::title).collect();
    let lower = metrics.iter().filter(|metric| metric.lower_is_better()).map(Measure::title);
    let of_case = |case: &GalleryCase| {
        let scores = titles.iter().enumerate().map(|(at, title)| {
            let values = case.panels.iter().map(|panel| panel.scores.get(at).copied().flatten());
            (title.clone(), values.map(|value| json!(value.map(rounded))).collect::<Value>())
        });
        json!({
            "case": case.case, "label": case.label, "group": case.group, "size": case.size,
            "scores": scores.collect::<serde_json::Map<String, Value>>(),
        })
    };
    json!({
        "split": split,
        "kind": kind,
        "runs": columns.iter().map(|one| json!({"label": one.label, "run": one.run})).collect::<Value>(),
        "classes": classes,
        "palette": {
            "background": BACKGROUND,
            "ignored": IGNORED,
            "right": TRUE_POSITIVE,
            "too-much": FALSE_POSITIVE,
            "missed": FALSE_NEGATIVE,
            "classes": of_classes.map(class_colour).collect::<Vec<_>>(),
        },
        "metrics": titles,
        "lower_is_better": lower.collect::<Vec<_>>(),
        "seeds": seeds(records, columns),
        "cases": cases.iter().map(of_case).collect::<Value>(),
    })
}

/// A score with four decimals, or as many as three digits of a large one need, to order cases by; the record has all.
fn rounded(score: f64) -> f64 {
    let scale = if score.abs() < 10.0 { 1e4 } else { 1e2 };
    (score * scale).round() / scale
}

/// Columns that differ in their seeds only, by index.
fn seeds(records: &[Record], columns: &[Column]) -> Vec<Vec<usize>> {
    let all: Vec<&Record> = records.iter().collect();
    let column = |run: &usize| columns.iter().position(|one| one.runs == [*run]);
    let groups = seeded(&all).into_iter().map(|(_, runs)| runs.iter().filter_map(column).collect());
    groups.filter(|group: &Vec<usize>| group.len() > 1).collect()
}
