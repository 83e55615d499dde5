//! Records to galleries: every evaluated case with its pictures in all runs.

use std::collections::{BTreeMap, BTreeSet};

use image::GrayImage;
use rayon::prelude::*;

use super::case_scores::{Measure, Scored, metrics, scored};
use super::folds::Folds;
use super::gallery::{Column, Drawn, Gallery, GalleryCase, Kind, Panel};
use super::gallery_data::data;
use super::names;
use super::pictures::{media, uri};
use super::words;
use crate::error::{Error, Result};
use crate::evaluate::differences::{class_map, error_map, truth_map};
use crate::record::{PicturedRow, Record, Task};

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
    let mut groups: BTreeMap<(u8, Kind), Vec<Pictured>> = BTreeMap::new();
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

/// A run by its index, with its cases as it keeps them.
type Pictured = (usize, Vec<PicturedRow>);

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
    pictured: &[Pictured],
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
    let task = records[runs[0]].summary.task;
    let metrics = metrics(records, &runs, task);
    let scores: BTreeMap<usize, BTreeMap<&str, Scored>> =
        runs.iter().map(|&run| (run, scored(&records[run], split, task, &metrics))).collect();
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

/// Most pixels of a recorded mask: as many as a region of interest has at the most.
const MOST_PIXELS: u64 = 1 << 27;

fn mask(png: &[u8]) -> Result<GrayImage> {
    let damaged = |error| Error::failed(format!("a recorded mask is damaged: {error}"));
    let (width, height) = size(png).map_err(damaged)?;
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Error::failed(format!(
            "a recorded mask of {width}x{height} pixels, more than the limit of {MOST_PIXELS}"
        )));
    }
    let read = image::load_from_memory_with_format(png, image::ImageFormat::Png);
    Ok(read.map_err(damaged)?.into_luma8())
}

/// Width and height of a picture.
fn size(bytes: &[u8]) -> image::ImageResult<(u32, u32)> {
    let reader = image::ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format();
    reader.map_err(image::ImageError::IoError)?.into_dimensions()
}

fn drawn(bytes: &[u8]) -> Result<Drawn> {
    let unreadable = |why: String| Error::failed(format!("a recorded picture is damaged: {why}"));
    let media = media(bytes).ok_or_else(|| unreadable("neither PNG, JPEG nor WebP".into()))?;
    let (width, height) = size(bytes).map_err(|error| unreadable(error.to_string()))?;
    Ok(Drawn { uri: uri(media, bytes), width, height })
}
