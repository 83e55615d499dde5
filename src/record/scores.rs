//! `scores.parquet`: the probabilities of classified images.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::artefact::Artefact;
use super::table::{Cell, Field, ParquetFile, column, to_parquet};
use crate::error::Result;
use crate::source::Metadata;
use crate::split_name::SplitName;

/// A row of `scores.parquet`: one classified image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// The split.
    pub split: SplitName,
    /// Name of the case.
    pub case: String,
    /// The group.
    pub group: String,
    /// Its true class.
    pub truth: String,
    /// Its predicted class.
    pub predicted: String,
    /// Probability of each class, in the order of the summary's classes.
    pub probabilities: Vec<f64>,
    /// What its table says of the case, in columns `metadata.<column>`.
    pub metadata: Metadata,
}

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// One for each image.
    pub rows: Vec<ScoreRow>,
}

/// The columns beside those of the probabilities.
const COLUMNS: [&str; 5] = ["split", "case", "group", "truth", "predicted"];

/// What the names of the columns of probabilities begin with; the class follows.
const PROBABILITY: &str = "probability.";

impl Artefact for Scores {
    const FILE: &'static str = "scores.parquet";

    fn to_bytes(&self, path: &Path) -> Result<Vec<u8>> {
        let [split, case, group, truth, predicted] = COLUMNS;
        let rows = self.rows.as_slice();
        let mut columns = vec![
            column(split, rows, |row| &row.split),
            column(case, rows, |row| &row.case),
            column(group, rows, |row| &row.group),
            column(truth, rows, |row| &row.truth),
            column(predicted, rows, |row| &row.predicted),
        ];
        columns.extend(self.classes.iter().enumerate().map(|(class, name)| {
            column(&format!("{PROBABILITY}{name}"), rows, |row| &row.probabilities[class])
        }));
        columns.extend(Metadata::columns("", rows.iter().map(|row| &row.metadata).collect()));
        to_parquet(columns, path)
    }

    fn from_bytes(bytes: Vec<u8>, path: &Path) -> Result<Self> {
        let file = ParquetFile::open(bytes, path)?;
        let splits = SplitName::values(&file, COLUMNS[0])?;
        let mut texts = Vec::new();
        for name in &COLUMNS[1..] {
            texts.push(String::values(&file, name)?.into_iter());
        }
        let mut scores = Self::default();
        let mut probabilities = Vec::new();
        for name in file.columns() {
            if let Some(class) = name.strip_prefix(PROBABILITY) {
                scores.classes.push(class.to_owned());
                probabilities.push(f64::values(&file, name)?);
            }
        }
        let metadata = Metadata::read(&file, "", &[])?;
        for (index, (split, metadata)) in splits.into_iter().zip(metadata).enumerate() {
            let [case, group, truth, predicted] =
                std::array::from_fn(|column| texts[column].next().unwrap_or_default());
            let probabilities = probabilities.iter().map(|column| column[index]).collect();
            scores.rows.push(ScoreRow {
                split,
                case,
                group,
                truth,
                predicted,
                probabilities,
                metadata,
            });
        }
        Ok(scores)
    }
}
