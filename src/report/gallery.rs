//! Every evaluated case with its pictures in all runs.

use std::collections::{BTreeMap, BTreeSet};

use image::GrayImage;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

use super::cases::{counts_of, rows_of_cases};
use super::configuration::{empty_rule, spec_value};
use super::folds::Folds;
use super::headline::seeded;
use super::images;
use super::names;
use super::pictures::uri;
use super::spread::score;
use super::words;
use crate::error::{Error, Result};
use crate::evaluate::differences::{BACKGROUND, IGNORED, class_map, error_map, truth_map};
use crate::evaluate::pictures::{FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE, class_colour};
use crate::record::{PicturedRow, Record, Task};
use crate::spec::{Goal, MetricKind};
use crate::split_name::SplitName;

/// The cases of a split, each with its pictures in every run that has some.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Gallery {
    split: SplitName,
    kind: Kind,
    /// Metrics of the scores, the one that is shown first.
    measure: String,
    columns: Vec<Column>,
    cases: Vec<GalleryCase>,
    /// How many cases were evaluated.
    evaluated: usize,
    /// What the scripts of the page know of it, as JSON.
    data: String,
}

/// A case that stands for others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Typical {
    /// Why it is shown.
    title: &'static str,
    case: String,
    label: String,
    /// Label of the run that predicted it.
    run: String,
    measure: String,
    score: Option<f64>,
    image: Option<Drawn>,
    truth: Option<Drawn>,
    picture: Option<Drawn>,
}

impl Gallery {
    /// The worst, the median and the best case of a run by its first metric; of the first run that has pictures, where it
    /// has none.
    pub(super) fn typical(&self, run: Option<usize>) -> Vec<Typical> {
        let of_run = |column: &Column| run.is_some_and(|run| column.runs.contains(&run));
        let column = self.columns.iter().position(of_run).unwrap_or(0);
        let score = |case: &GalleryCase| case.panels.get(column)?.scores.first().copied().flatten();
        let mut scored: Vec<&GalleryCase> =
            self.cases.iter().filter(|case| score(case).is_some()).collect();
        // Of an image without a lesion there is little to see.
        if scored.iter().any(|case| case.size.is_some_and(|size| size > 0)) {
            scored.retain(|case| case.size != Some(0));
        }
        let value = |case: &GalleryCase| score(case).unwrap_or_default();
        scored.sort_by(|a, b| value(a).total_cmp(&value(b)));
        let (Some(last), Some(label)) = (scored.len().checked_sub(1), self.columns.get(column))
        else {
            return Vec::new();
        };
        let places = [("Worst", 0), ("Median", last / 2), ("Best", last)];
        let shown = places.into_iter().filter(|(_, at)| *at == 0 || last > 1 || *at == last);
        let typical = |(title, at): (&'static str, usize)| {
            let case = scored[at];
            Typical {
                title,
                case: case.case.clone(),
                label: case.label.clone(),
                run: label.label.clone(),
                measure: self.measure.clone(),
                score: score(case),
                image: case.image.clone(),
                truth: case.truth.clone(),
                picture: case.panels[column].picture.clone(),
            }
        };
        shown.take(if last == 0 { 1 } else { 3 }).map(typical).collect()
    }
}

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// One foreground.
    Binary,
    /// Several classes of pixels.
    Classes,
    /// Classes of images.
    Images,
}

/// A run, or the runs of all folds of a division.
#[derive(Debug, PartialEq, Serialize)]
struct Column {
    label: String,
    /// Index of the run whose colour it has.
    run: usize,
    #[serde(skip)]
    runs: Vec<usize>,
}

/// A case.
#[derive(Debug, PartialEq, Serialize)]
struct GalleryCase {
    case: String,
    label: String,
    group: String,
    image: Option<Drawn>,
    truth: Option<Drawn>,
    /// One for each column.
    panels: Vec<Panel>,
    /// Pixels of the foreground in the truth; `None` of several classes.
    #[serde(skip)]
    size: Option<u64>,
}

/// A picture in the page.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Drawn {
    uri: String,
    width: u32,
    height: u32,
}

/// What a run made of a case.
#[derive(Debug, PartialEq, Serialize)]
struct Panel {
    picture: Option<Drawn>,
    /// By the metrics, in their order.
    scores: Vec<Option<f64>>,
    /// The predicted class of an image, with its probability.
    predicted: String,
}

/// The galleries of a page: one for each task and split that runs have pictures of.
///
/// # Errors
/// When a picture cannot be made. A run whose pictures cannot be read has none; `problems` has the reason.
pub(super) fn galleries(
    records: &[Record],
    labels: &[String],
    folds: &[Folds],
    problems: &mut Vec<String>,
) -> Result<Vec<Gallery>> {
    let columns = columns(records, labels, folds);
    let mut groups: BTreeMap<(u8, Kind), Vec<(usize, Vec<PicturedRow>)>> = BTreeMap::new();
    for (run, record) in records.iter().enumerate() {
        match record.pictured() {
            Ok(rows) => {
                let Some(first) = rows.first() else { continue };
                let key = (names::split_rank(first.split), kind(record));
                groups.entry(key).or_default().push((run, rows));
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    groups
        .into_iter()
        .map(|((_, kind), pictured)| gallery(records, &columns, kind, &pictured))
        .collect()
}

fn kind(record: &Record) -> Kind {
    match (record.summary.task, record.summary.classes.len()) {
        (Task::Classify, _) => Kind::Images,
        (Task::Segment, 0 | 1) => Kind::Binary,
        (Task::Segment, _) => Kind::Classes,
    }
}

fn columns(records: &[Record], labels: &[String], folds: &[Folds]) -> Vec<(String, Vec<usize>)> {
    let is_fold = |run: &usize| folds.iter().any(|one| one.runs.contains(run));
    let alone = (0..records.len()).filter(|run| !is_fold(run));
    let alone = alone.map(|run| (labels[run].clone(), vec![run]));
    alone.chain(folds.iter().map(|one| (one.label.clone(), one.runs.clone()))).collect()
}

fn gallery(
    records: &[Record],
    columns: &[(String, Vec<usize>)],
    kind: Kind,
    pictured: &[(usize, Vec<PicturedRow>)],
) -> Result<Gallery> {
    let rows_of: BTreeMap<usize, BTreeMap<&str, &PicturedRow>> = pictured
        .iter()
        .map(|(run, rows)| (*run, rows.iter().map(|row| (row.case.as_str(), row)).collect()))
        .collect();
    let columns: Vec<Column> = columns
        .iter()
        .filter(|(_, runs)| runs.iter().any(|run| rows_of.contains_key(run)))
        .map(|(label, runs)| Column { label: label.clone(), run: runs[0], runs: runs.clone() })
        .collect();
    let split = pictured[0].1[0].split;
    let runs: Vec<usize> = rows_of.keys().copied().collect();
    let metrics = metrics(records, &runs, kind);
    let scores: BTreeMap<usize, BTreeMap<&str, Scored>> =
        runs.iter().map(|&run| (run, scored(&records[run], split, kind, &metrics))).collect();
    let evaluated: BTreeSet<&str> = scores.values().flat_map(|of| of.keys().copied()).collect();
    let cases: BTreeSet<&str> = rows_of.values().flat_map(|rows| rows.keys().copied()).collect();
    let draw = |case: &&str| case_of(case, kind, &columns, &rows_of, &scores, metrics.len());
    let cases: Vec<&str> = cases.into_iter().collect();
    let mut cases: Vec<GalleryCase> = cases.par_iter().map(draw).collect::<Result<_>>()?;
    let worst = |case: &GalleryCase| {
        let values: Vec<f64> =
            case.panels.iter().filter_map(|panel| *panel.scores.first()?).collect();
        if values.is_empty() {
            f64::INFINITY
        } else {
            values.iter().sum::<f64>() / values.len() as f64
        }
    };
    cases.sort_by(|a, b| worst(a).total_cmp(&worst(b)));
    let data = data(records, split, kind, &metrics, &columns, &cases);
    Ok(Gallery {
        split,
        kind,
        measure: metrics.first().map(Measure::title).unwrap_or_default(),
        evaluated: evaluated.len(),
        columns,
        cases,
        data: words::json_in_html(&data),
    })
}

/// What a case is scored by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    Metric(MetricKind),
    TrueClass,
}

impl Measure {
    fn title(&self) -> String {
        match self {
            Self::Metric(metric) => metric.row().title(),
            Self::TrueClass => "Probability of the true class".into(),
        }
    }

    fn lower_is_better(self) -> bool {
        match self {
            Self::Metric(metric) => metric.row().goal == Goal::Lowest,
            Self::TrueClass => false,
        }
    }
}

/// Dice, then the other metrics that runs name.
fn metrics(records: &[Record], runs: &[usize], kind: Kind) -> Vec<Measure> {
    if kind == Kind::Images {
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
struct Scored {
    label: String,
    group: String,
    size: Option<u64>,
    predicted: String,
    scores: Vec<Option<f64>>,
}

fn scored<'a>(
    record: &'a Record,
    split: SplitName,
    kind: Kind,
    metrics: &[Measure],
) -> BTreeMap<&'a str, Scored> {
    if kind == Kind::Images {
        let of_split = record.scores.iter().filter(|row| row.split == split);
        let probabilities = images::probabilities(record);
        let probability: BTreeMap<&str, Option<f64>> = probabilities
            .iter()
            .filter(|value| value.split == split)
            .map(|value| (value.case.as_str(), value.value))
            .collect();
        let scored = |row: &'a crate::record::ScoreRow| {
            let scores = vec![probability.get(row.case.as_str()).copied().flatten()];
            let (label, predicted) = (row.truth.clone(), row.predicted.clone());
            (
                row.case.as_str(),
                Scored { label, group: row.group.clone(), size: None, predicted, scores },
            )
        };
        return of_split.map(scored).collect();
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
            size: (kind == Kind::Binary).then(|| counts.iter().map(|of| of.tp + of.fn_).sum()),
            predicted: String::new(),
            scores: metrics.iter().map(value).collect(),
        };
        (case, scored)
    });
    scored.collect()
}

fn case_of(
    case: &str,
    kind: Kind,
    columns: &[Column],
    rows_of: &BTreeMap<usize, BTreeMap<&str, &PicturedRow>>,
    scores: &BTreeMap<usize, BTreeMap<&str, Scored>>,
    metrics: usize,
) -> Result<GalleryCase> {
    let row = |run: &usize| rows_of.get(run)?.get(case).copied();
    let scored = |run: &usize| scores.get(run)?.get(case);
    let all = || columns.iter().flat_map(|column| &column.runs);
    let image = all().find_map(row).map(|row| drawn(&row.image)).transpose()?;
    let truth = all().find_map(row).and_then(|row| row.truth.as_deref()).map(mask).transpose()?;
    let truth = truth.map(|truth| truth_map(&truth, kind == Kind::Classes)).transpose()?;
    let first = all().find_map(scored);
    let panel = |column: &Column| {
        let picture = match column.runs.iter().find_map(row) {
            Some(row) => difference(row, kind)?,
            None => None,
        };
        let scored = column.runs.iter().find_map(scored);
        Ok(Panel {
            picture: picture.map(|picture| drawn(&picture)).transpose()?,
            scores: scored.map_or_else(|| vec![None; metrics], |scored| scored.scores.clone()),
            predicted: scored.map(|scored| scored.predicted.clone()).unwrap_or_default(),
        })
    };
    Ok(GalleryCase {
        case: case.to_owned(),
        label: first.map(|scored| scored.label.clone()).unwrap_or_default(),
        group: first.map(|scored| scored.group.clone()).unwrap_or_default(),
        size: first.and_then(|scored| scored.size),
        image,
        truth: truth.map(|truth| drawn(&truth)).transpose()?,
        panels: columns.iter().map(panel).collect::<Result<_>>()?,
    })
}

/// A prediction beside its truth: the error map of one foreground, the predicted classes of several.
fn difference(row: &PicturedRow, kind: Kind) -> Result<Option<Vec<u8>>> {
    let (Some(truth), Some(prediction)) = (&row.truth, &row.prediction) else { return Ok(None) };
    let (truth, prediction) = (mask(truth)?, mask(prediction)?);
    match kind {
        Kind::Binary => error_map(&truth, &prediction).map(Some),
        Kind::Classes => class_map(&truth, &prediction).map(Some),
        Kind::Images => Ok(None),
    }
}

fn mask(png: &[u8]) -> Result<GrayImage> {
    let read = image::load_from_memory_with_format(png, image::ImageFormat::Png);
    let read =
        read.map_err(|error| Error::failed(format!("a recorded mask is damaged: {error}")))?;
    Ok(read.into_luma8())
}

fn drawn(bytes: &[u8]) -> Result<Drawn> {
    let unreadable = |why: String| Error::failed(format!("a recorded picture is damaged: {why}"));
    let reader = image::ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format();
    let reader = reader.map_err(|error| unreadable(error.to_string()))?;
    let media = match reader.format() {
        Some(image::ImageFormat::Png) => "image/png",
        Some(image::ImageFormat::Jpeg) => "image/jpeg",
        _ => return Err(unreadable("neither PNG nor JPEG".into())),
    };
    let size = reader.into_dimensions().map_err(|error| unreadable(error.to_string()))?;
    Ok(Drawn { uri: uri(media, bytes), width: size.0, height: size.1 })
}

/// What the scripts of the page know of a gallery.
fn data(
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
