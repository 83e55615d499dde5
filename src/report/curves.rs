//! The charts of a report: curves over epochs, and distributions over cases.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::cases::ValueOfCase;
use super::charts::{self, Chart, Line};
use super::names;
use super::seeded::seeded;
use super::words;
use crate::error::Result;
use crate::metric::quantile;
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
    /// What the scripts of the page know of it, as JSON.
    pub data: String,
}

impl Curve {
    /// A chart under its title.
    ///
    /// # Errors
    /// When plotters cannot draw.
    pub(super) fn new(title: String, name: String, chart: &Chart) -> Result<Self> {
        let drawing = charts::draw(chart)?;
        let data = drawing.as_ref().map(|drawing| words::json_in_html(&drawing.data));
        let (svg, data) = (drawing.map(|drawing| drawing.svg), data.unwrap_or_default());
        Ok(Self { title, name, svg, data })
    }
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
pub(super) fn training(records: &[Record], drawn: &[Drawn]) -> Result<(Vec<Curve>, Vec<Curve>)> {
    let present: BTreeSet<&str> = records
        .iter()
        .flat_map(|record| &record.epochs)
        .flat_map(|row| row.figures.keys().map(String::as_str))
        .collect();
    let draw = |name: &&str| curve(name, records, drawn);
    let first = FIRST.iter().filter(|name| present.contains(*name)).map(draw);
    let first = first.collect::<Result<Vec<_>>>()?;
    let mut others = present
        .iter()
        .filter(|name| !FIRST.contains(name))
        .map(draw)
        .collect::<Result<Vec<_>>>()?;
    if !present.is_empty() {
        others.push(curve(LEARNING_RATE, records, drawn)?);
    }
    Ok((first, others))
}

/// What has lines of its own in curves of training: a run, or three or more runs that differ in their seeds only.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Drawn {
    /// Index of the run whose colour and marker it has.
    pub run: usize,
    /// Its label.
    pub label: String,
    /// Indices of its runs.
    #[serde(skip)]
    runs: Vec<usize>,
}

/// As many seeds are shown by their median and their range.
const SEEDS_OF_A_BAND: usize = 3;

/// What has lines of its own, in order of the runs.
pub(super) fn drawn(records: &[Record], labels: &[String]) -> Vec<Drawn> {
    let all: Vec<&Record> = records.iter().collect();
    let mut seeds = seeded(&all);
    seeds.retain(|(_, runs)| runs.len() >= SEEDS_OF_A_BAND);
    let of_run = |run: usize| match seeds.iter().find(|(_, runs)| runs.contains(&run)) {
        None => Some(Drawn { run, label: labels[run].clone(), runs: vec![run] }),
        Some((_, runs)) if runs[0] != run => None,
        Some((experiment, runs)) => {
            let label = format!("{experiment}, median and range of {} seeds", runs.len());
            Some(Drawn { run, label, runs: runs.clone() })
        }
    };
    (0..records.len()).filter_map(of_run).collect()
}

/// The points of a figure of several runs: of each epoch the median, and the lowest and highest value.
struct Points {
    median: Vec<(f64, f64)>,
    range: Vec<(f64, f64, f64)>,
}

impl Points {
    fn new(of_runs: Vec<Vec<(f64, f64)>>) -> Self {
        if let [only] = of_runs.as_slice() {
            return Self { median: only.clone(), range: Vec::new() };
        }
        let mut epochs: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (epoch, value) in of_runs.into_iter().flatten().filter(|(_, value)| value.is_finite()) {
            epochs.entry(epoch as u64).or_default().push(value);
        }
        let (mut median, mut range) = (Vec::new(), Vec::new());
        for (epoch, mut values) in epochs {
            values.sort_unstable_by(f64::total_cmp);
            let epoch = epoch as f64;
            median.push((epoch, quantile(&values, 0.5)));
            range.push((epoch, values[0], values[values.len() - 1]));
        }
        Self { median, range }
    }
}

fn curve(name: &str, records: &[Record], drawn: &[Drawn]) -> Result<Curve> {
    let mut lines = Vec::new();
    let mut described = Vec::new();
    let splits = if name == LEARNING_RATE { &SplitName::ALL[..1] } else { &SplitName::ALL[..] };
    for Drawn { run, label, runs } in drawn {
        let run = *run;
        for &split in splits {
            let of_runs = runs.iter().map(|&run| points(&records[run], name, split));
            let Points { median, range } = Points::new(of_runs.collect());
            if let (Some(first), Some(last)) = (median.first(), median.last()) {
                described.push(format!(
                    "{label}, {}: {} in epoch {:.0}, {} in epoch {:.0}",
                    names::split(split).to_lowercase(),
                    words::figure(first.1),
                    first.0,
                    words::figure(last.1),
                    last.0,
                ));
                let selection = records[run].summary.selection.as_ref();
                let chosen = selection.map(|chosen| f64::from(chosen.epoch));
                // Seeds have epochs of their own.
                let chosen = chosen.filter(|_| split != SplitName::Train && runs.len() == 1);
                let marked = median.iter().copied().find(|point| chosen == Some(point.0));
                let dashed = split == SplitName::Train && name != LEARNING_RATE;
                let of_split = names::split(split).to_lowercase();
                let name = match name {
                    LEARNING_RATE => label.clone(),
                    _ => format!("{label}, {of_split}"),
                };
                lines.push(Line { name, run, dashed, points: median, range, marked });
            }
        }
    }
    let title = names::figure(name);
    let chart = Chart {
        description: &format!("{title} by epoch. {}.", described.join("; ")),
        x_label: "Epoch",
        y_label: &title,
        whole_x: true,
        y_ends: None,
        lines,
    };
    Curve::new(title.clone(), name.to_owned(), &chart)
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
        let name = label.clone();
        lines.push(Line::plain(name, run, points));
    }
    let mut title = format!("{}: cases that reach a Dice", names::split(split));
    if !left_out.is_empty() {
        title += &format!(" (left out, without a Dice: {})", left_out.join("; "));
    }
    let chart = Chart {
        description: &format!("{title}. {}.", described.join("; ")),
        x_label: "Dice of the case",
        y_label: "Cases that reach it (%)",
        whole_x: false,
        y_ends: Some((0.0, 102.0)),
        lines,
    };
    Curve::new(title.clone(), split.to_string(), &chart)
}
