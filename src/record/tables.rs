//! The Parquet files: rows to columns and back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use polars::prelude::*;

use super::files;
use super::{CaseRow, EpochRow, GuideRow, ScoreRow, SplitRow, TimesRow};
use crate::error::Result;
use crate::metric::MetricKind;
use crate::split_name::{NoSplit, SplitName};

/// The bytes of `split.parquet`.
pub(super) fn split_bytes(path: &Path, rows: &[SplitRow]) -> Result<Vec<u8>> {
    bytes(path, split_columns(rows))
}

/// The columns of `split.parquet`.
pub(crate) fn split_columns(rows: &[SplitRow]) -> Vec<Column> {
    vec![
        column("case", rows, |row| row.case.as_str()),
        column("group", rows, |row| row.group.as_str()),
        column("label", rows, |row| row.label.as_str()),
        column("split", rows, |row| row.split.as_str()),
        column("fold", rows, |row| row.fold),
    ]
}

/// Reads `split.parquet`; no rows where there is no file.
pub(super) fn read_split(path: &Path) -> Result<Vec<SplitRow>> {
    let Some(table) = Table::read(path)? else { return Ok(Vec::new()) };
    let mut case = table.strings("case")?;
    let mut group = table.strings("group")?;
    let mut label = table.strings("label")?;
    let split = table.splits()?;
    let fold = table.optional_u32("fold")?;
    Ok((0..table.height())
        .map(|row| SplitRow {
            case: std::mem::take(&mut case[row]),
            group: std::mem::take(&mut group[row]),
            label: std::mem::take(&mut label[row]),
            split: split[row],
            fold: fold[row],
        })
        .collect())
}

/// The bytes of `epochs.parquet`: one column per figure, in order of their names.
pub(super) fn epochs_bytes(path: &Path, rows: &[EpochRow]) -> Result<Vec<u8>> {
    let names: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.figures.keys().map(String::as_str)).collect();
    let mut columns = vec![
        column("epoch", rows, |row| row.epoch),
        column("split", rows, |row| row.split.as_str()),
        column(LEARNING_RATE, rows, |row| row.learning_rate),
    ];
    columns.extend(
        names.into_iter().map(|name| column(name, rows, |row| row.figures.get(name).copied())),
    );
    bytes(path, columns)
}

const LEARNING_RATE: &str = "learning-rate";

/// Reads `epochs.parquet`; no rows where there is no file.
pub(super) fn read_epochs(path: &Path) -> Result<Vec<EpochRow>> {
    let Some(table) = Table::read(path)? else { return Ok(Vec::new()) };
    let epoch = table.u32("epoch")?;
    let split = table.splits()?;
    let learning_rate = table.f64(LEARNING_RATE)?;
    let mut figures = vec![BTreeMap::new(); table.height()];
    for name in table.names() {
        if ["epoch", "split", LEARNING_RATE].contains(&name.as_str()) {
            continue;
        }
        for (figures, value) in figures.iter_mut().zip(table.optional_f64(&name)?) {
            if let Some(value) = value {
                figures.insert(name.clone(), value);
            }
        }
    }
    Ok(figures
        .into_iter()
        .enumerate()
        .map(|(row, figures)| EpochRow {
            epoch: epoch[row],
            split: split[row],
            learning_rate: learning_rate[row],
            figures,
        })
        .collect())
}

/// The bytes of `times.parquet`.
pub(super) fn times_bytes(path: &Path, rows: &[TimesRow]) -> Result<Vec<u8>> {
    bytes(
        path,
        vec![
            column("epoch", rows, |row| row.epoch),
            column("train_s", rows, |row| row.train_s),
            column("valid_s", rows, |row| row.valid_s),
        ],
    )
}

/// Reads `times.parquet`; no rows where there is no file.
pub(super) fn read_times(path: &Path) -> Result<Vec<TimesRow>> {
    let Some(table) = Table::read(path)? else { return Ok(Vec::new()) };
    let epoch = table.u32("epoch")?;
    let train_s = table.f64("train_s")?;
    let valid_s = table.f64("valid_s")?;
    Ok((0..table.height())
        .map(|row| TimesRow { epoch: epoch[row], train_s: train_s[row], valid_s: valid_s[row] })
        .collect())
}

/// The bytes of `cases.parquet`.
pub(super) fn cases_bytes(path: &Path, rows: &[CaseRow]) -> Result<Vec<u8>> {
    bytes(path, case_columns(rows))
}

/// The columns of `cases.parquet`.
pub(crate) fn case_columns(rows: &[CaseRow]) -> Vec<Column> {
    let mut columns = vec![
        column("split", rows, |row| row.split.as_str()),
        column("resolution", rows, |row| row.resolution.as_str()),
        column("case", rows, |row| row.case.as_str()),
        column("group", rows, |row| row.group.as_str()),
        column("label", rows, |row| row.label.as_str()),
        column("class", rows, |row| row.class.as_str()),
        column("tp", rows, |row| row.tp),
        column("fp", rows, |row| row.fp),
        column("fn", rows, |row| row.fn_),
        column("tn", rows, |row| row.tn),
    ];
    columns.extend(
        MetricKind::measured()
            .map(|kind| column(kind.name(), rows, |row| row.measured.get(&kind).copied())),
    );
    columns.push(column("dice", rows, |row| row.dice));
    columns
}

/// Reads `cases.parquet`; no rows where there is no file.
pub(super) fn read_cases(path: &Path) -> Result<Vec<CaseRow>> {
    let Some(table) = Table::read(path)? else { return Ok(Vec::new()) };
    let split = table.splits()?;
    let mut resolution = table.strings("resolution")?;
    let mut case = table.strings("case")?;
    let mut group = table.strings("group")?;
    let mut label = table.strings("label")?;
    let mut class = table.strings("class")?;
    let [tp, fp, fn_, tn] =
        [table.u64("tp")?, table.u64("fp")?, table.u64("fn")?, table.u64("tn")?];
    let dice = table.optional_f64("dice")?;
    let names = table.names();
    // A record may be older than a metric.
    let measured = MetricKind::measured().filter(|kind| names.iter().any(|n| n == kind.name()));
    let measured: Vec<(MetricKind, Vec<Option<f64>>)> =
        measured.map(|kind| Ok((kind, table.optional_f64(kind.name())?))).collect::<Result<_>>()?;
    Ok((0..table.height())
        .map(|row| CaseRow {
            split: split[row],
            resolution: std::mem::take(&mut resolution[row]),
            case: std::mem::take(&mut case[row]),
            group: std::mem::take(&mut group[row]),
            label: std::mem::take(&mut label[row]),
            class: std::mem::take(&mut class[row]),
            tp: tp[row],
            fp: fp[row],
            fn_: fn_[row],
            tn: tn[row],
            measured: measured
                .iter()
                .filter_map(|(kind, values)| Some((*kind, values[row]?)))
                .collect(),
            dice: dice[row],
        })
        .collect())
}

/// What the columns of probabilities begin with; the class follows.
const PROBABILITY: &str = "probability.";

/// The bytes of `scores.parquet`, with a column for the probability of each class.
pub(super) fn scores_bytes(path: &Path, classes: &[String], rows: &[ScoreRow]) -> Result<Vec<u8>> {
    let mut columns = vec![
        column("split", rows, |row| row.split.as_str()),
        column("case", rows, |row| row.case.as_str()),
        column("group", rows, |row| row.group.as_str()),
        column("truth", rows, |row| row.truth.as_str()),
        column("predicted", rows, |row| row.predicted.as_str()),
    ];
    columns.extend(classes.iter().enumerate().map(|(class, name)| {
        column(&format!("{PROBABILITY}{name}"), rows, |row| row.probabilities[class])
    }));
    bytes(path, columns)
}

/// Reads `scores.parquet`; no rows where there is no file.
pub(super) fn read_scores(path: &Path) -> Result<Vec<ScoreRow>> {
    let Some(table) = Table::read(path)? else { return Ok(Vec::new()) };
    let split = table.splits()?;
    let [mut case, mut group, mut truth, mut predicted] = [
        table.strings("case")?,
        table.strings("group")?,
        table.strings("truth")?,
        table.strings("predicted")?,
    ];
    let columns = table.names().into_iter().filter(|name| name.starts_with(PROBABILITY));
    let columns = columns.map(|name| table.f64(&name)).collect::<Result<Vec<_>>>()?;
    Ok((0..table.height())
        .map(|row| ScoreRow {
            split: split[row],
            case: std::mem::take(&mut case[row]),
            group: std::mem::take(&mut group[row]),
            truth: std::mem::take(&mut truth[row]),
            predicted: std::mem::take(&mut predicted[row]),
            probabilities: columns.iter().map(|column| column[row]).collect(),
        })
        .collect())
}

/// The bytes of `guide.parquet`.
pub(super) fn guide_bytes(path: &Path, rows: &[GuideRow]) -> Result<Vec<u8>> {
    bytes(
        path,
        vec![
            column("case", rows, |row| row.case.as_str()),
            column("split", rows, |row| row.split.as_str()),
            column("group", rows, |row| row.group.as_str()),
            column("run", rows, |row| row.run.as_str()),
            column("path", rows, |row| row.path.as_str()),
            column("fold", rows, |row| row.fold),
            column("dice", rows, |row| row.dice),
        ],
    )
}

/// Reads `guide.parquet`; no rows where there is no file.
pub(super) fn read_guide(path: &Path) -> Result<Vec<GuideRow>> {
    let Some(table) = Table::read(path)? else { return Ok(Vec::new()) };
    let split = table.splits()?;
    let [mut case, mut group, mut run, mut folder] = [
        table.strings("case")?,
        table.strings("group")?,
        table.strings("run")?,
        table.strings("path")?,
    ];
    let (fold, dice) = (table.u32("fold")?, table.optional_f64("dice")?);
    Ok((0..table.height())
        .map(|row| GuideRow {
            case: std::mem::take(&mut case[row]),
            split: split[row],
            group: std::mem::take(&mut group[row]),
            run: std::mem::take(&mut run[row]),
            path: std::mem::take(&mut folder[row]),
            fold: fold[row],
            dice: dice[row],
        })
        .collect())
}

/// One column: a field of every row.
fn column<'a, R, V, T: ?Sized>(name: &str, rows: &'a [R], field: impl Fn(&'a R) -> V) -> Column
where
    Series: NamedFrom<Vec<V>, T>,
{
    Series::new(name.into(), rows.iter().map(field).collect::<Vec<V>>()).into()
}

/// Writes columns as Parquet, Zstandard-compressed; equal columns make equal bytes.
fn bytes(path: &Path, columns: Vec<Column>) -> Result<Vec<u8>> {
    let unwritable = |error: PolarsError| files::damaged(path, &error.to_string());
    let mut frame = DataFrame::new_infer_height(columns).map_err(unwritable)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).map_err(unwritable)?;
    Ok(bytes)
}

/// A Parquet file in memory, with its path for errors.
struct Table<'a> {
    path: &'a Path,
    frame: DataFrame,
}

impl<'a> Table<'a> {
    fn read(path: &'a Path) -> Result<Option<Self>> {
        let Some(bytes) = files::read(path)? else { return Ok(None) };
        // polars panics on some damaged files instead of returning an error.
        let parsed =
            catch_unwind(AssertUnwindSafe(|| ParquetReader::new(Cursor::new(bytes)).finish()));
        match parsed {
            Ok(Ok(frame)) => Ok(Some(Self { path, frame })),
            Ok(Err(error)) => Err(files::damaged(path, &error.to_string())),
            Err(_) => Err(files::damaged(path, "its pages cannot be decoded")),
        }
    }

    fn height(&self) -> usize {
        self.frame.height()
    }

    fn names(&self) -> Vec<String> {
        self.frame.get_column_names().into_iter().map(|name| name.to_string()).collect()
    }

    /// A column through polars' typed view; the error names file and column.
    fn typed<V>(
        &self,
        name: &str,
        view: impl FnOnce(&Column) -> PolarsResult<Vec<Option<V>>>,
    ) -> Result<Vec<Option<V>>> {
        let column = self.frame.column(name).and_then(view);
        column.map_err(|error| files::damaged(self.path, &format!("column `{name}`: {error}")))
    }

    /// A column that has a value in every row.
    fn filled<V>(&self, name: &str, values: Vec<Option<V>>) -> Result<Vec<V>> {
        values.into_iter().collect::<Option<Vec<V>>>().ok_or_else(|| {
            files::damaged(self.path, &format!("column `{name}` lacks a value in some row"))
        })
    }

    fn strings(&self, name: &str) -> Result<Vec<String>> {
        let values = self.typed(name, |column| {
            Ok(column.str()?.iter().map(|value| value.map(str::to_owned)).collect())
        })?;
        self.filled(name, values)
    }

    fn splits(&self) -> Result<Vec<SplitName>> {
        let parsed: std::result::Result<_, NoSplit> =
            self.strings("split")?.iter().map(|name| name.parse()).collect();
        parsed.map_err(|error| files::damaged(self.path, &format!("column `split`: {error}")))
    }

    fn optional_u32(&self, name: &str) -> Result<Vec<Option<u32>>> {
        self.typed(name, |column| Ok(column.u32()?.iter().collect()))
    }

    fn u32(&self, name: &str) -> Result<Vec<u32>> {
        self.filled(name, self.optional_u32(name)?)
    }

    fn u64(&self, name: &str) -> Result<Vec<u64>> {
        let values = self.typed(name, |column| Ok(column.u64()?.iter().collect()))?;
        self.filled(name, values)
    }

    fn optional_f64(&self, name: &str) -> Result<Vec<Option<f64>>> {
        self.typed(name, |column| Ok(column.f64()?.iter().collect()))
    }

    fn f64(&self, name: &str) -> Result<Vec<f64>> {
        self.filled(name, self.optional_f64(name)?)
    }
}
