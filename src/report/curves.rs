//! The charts of a report: curves over epochs, and distributions over cases.

use std::collections::BTreeSet;

use serde::Serialize;

use super::cases::ValueOfCase;
use super::charts::{self, Chart, Line};
use super::names;
use super::words;
use crate::error::Result;
use crate::record::Record;
use crate::split_name::SplitName;

/// A chart with its heading.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Curve {
    /// What it shows.
    pub title: String,
    /// The recorded figure's name.
    pub name: String,
    /// Inline SVG; `None` where no value is finite.
    pub svg: Option<String>,
}

const LEARNING_RATE: &str = "learning-rate";

/// Figures drawn first; the others are folded up.
const FIRST: [&str; 9] = [
    "loss",
    "dice.mean",
    "iou.mean",
    "accuracy.pooled",
    "accuracy",
    "balanced-accuracy",
    "auc.macro",
    "image-balanced-accuracy",
    "image-auc.macro",
];

/// Curves of training and of the split that chooses over the epochs of all runs: the first ones, then the others.
///
/// # Errors
/// When plotters cannot draw.
pub(super) fn training(records: &[Record], labels: &[String]) -> Result<(Vec<Curve>, Vec<Curve>)> {
    let present: BTreeSet<&str> = records
        .iter()
        .flat_map(|record| &record.epochs)
        .flat_map(|row| row.figures.keys().map(String::as_str))
        .collect();
    let draw = |name: &&str| curve(name, records, labels);
    let first = FIRST.iter().filter(|name| present.contains(*name)).map(draw);
    let first = first.collect::<Result<Vec<_>>>()?;
    let mut others = present
        .iter()
        .filter(|name| !FIRST.contains(name))
        .map(draw)
        .collect::<Result<Vec<_>>>()?;
    if !present.is_empty() {
        others.push(curve(LEARNING_RATE, records, labels)?);
    }
    Ok((first, others))
}

fn curve(name: &str, records: &[Record], labels: &[String]) -> Result<Curve> {
    let mut lines = Vec::new();
    let mut described = Vec::new();
    let splits = if name == LEARNING_RATE { &SplitName::ALL[..1] } else { &SplitName::ALL[..] };
    for (run, (record, label)) in records.iter().zip(labels).enumerate() {
        for &split in splits {
            let points = points(record, name, split);
            if let (Some(first), Some(last)) = (points.first(), points.last()) {
                described.push(format!(
                    "{label}, {}: {} in epoch {:.0}, {} in epoch {:.0}",
                    names::split(split).to_lowercase(),
                    words::figure(first.1),
                    first.0,
                    words::figure(last.1),
                    last.0,
                ));
                let chosen =
                    record.summary.selection.as_ref().map(|chosen| f64::from(chosen.epoch));
                let chosen = chosen.filter(|_| split != SplitName::Train);
                let marked = points.iter().copied().find(|point| chosen == Some(point.0));
                let dashed = split == SplitName::Train && name != LEARNING_RATE;
                lines.push(Line { run, dashed, points, marked });
            }
        }
    }
    let title = names::figure(name);
    let svg = charts::draw(&Chart {
        description: &format!("{title} by epoch. {}.", described.join("; ")),
        x_label: "Epoch",
        y_label: &title,
        whole_x: true,
        y_ends: None,
        lines,
    })?;
    Ok(Curve { title, name: name.to_owned(), svg })
}

fn points(record: &Record, name: &str, split: SplitName) -> Vec<(f64, f64)> {
    record
        .epochs
        .iter()
        .filter(|row| row.split == split)
        .filter_map(|row| {
            let value = match name {
                LEARNING_RATE => Some(row.learning_rate),
                name => row.figures.get(name).copied(),
            };
            value.map(|value| (f64::from(row.epoch), value))
        })
        .collect()
}

/// For each evaluated split, the share of its cases that reach a Dice; one line per run.
///
/// # Errors
/// When plotters cannot draw.
pub(super) fn distributions(runs: &[Vec<ValueOfCase>], labels: &[String]) -> Result<Vec<Curve>> {
    let splits = names::splits(runs.iter().flatten().map(|case| case.split));
    splits.into_iter().map(|split| distribution(split, runs, labels)).collect()
}

fn distribution(split: SplitName, runs: &[Vec<ValueOfCase>], labels: &[String]) -> Result<Curve> {
    let mut lines = Vec::new();
    let mut described = Vec::new();
    let mut left_out = Vec::new();
    for (run, (cases, label)) in runs.iter().zip(labels).enumerate() {
        let of_split: Vec<_> = cases.iter().filter(|case| case.split == split).collect();
        let dice: Vec<f64> = of_split.iter().filter_map(|case| case.value).collect();
        if dice.is_empty() {
            continue;
        }
        if dice.len() < of_split.len() {
            left_out.push(format!("{} of {label}", of_split.len() - dice.len()));
        }
        let reaching = |bound: f64| {
            100.0 * dice.iter().filter(|&&value| value >= bound).count() as f64 / dice.len() as f64
        };
        described.push(format!("{label}: {:.0} % reach 0.5", reaching(0.5)));
        let points =
            (0..=100).map(|step| f64::from(step) / 100.0).map(|x| (x, reaching(x))).collect();
        lines.push(Line { run, dashed: false, points, marked: None });
    }
    let mut title = format!("{}: cases that reach a Dice", names::split(split));
    if !left_out.is_empty() {
        title += &format!(" (left out, without a Dice: {})", left_out.join("; "));
    }
    let svg = charts::draw(&Chart {
        description: &format!("{title}. {}.", described.join("; ")),
        x_label: "Dice of the case",
        y_label: "Cases that reach it (%)",
        whole_x: false,
        y_ends: Some((0.0, 102.0)),
        lines,
    })?;
    Ok(Curve { title, name: split.to_string(), svg })
}
