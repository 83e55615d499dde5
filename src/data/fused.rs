//! Columns of a table as numbers beside an image, for late fusion.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind};
use crate::source::Metadata;
use crate::source::cell::{number, without_numbers};

/// Fewest cases of a class, and of the others together, that are compared.
const FEWEST_CASES: usize = 5;

/// A column whose numbers a network is given, less the mean over the standard deviation of those of the training split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FusedColumn {
    /// Its name.
    pub column: String,
    /// Mean of the training cases that have a value.
    pub mean: f64,
    /// Their standard deviation, over their number (ddof 0), as scikit-learn's `StandardScaler`.
    pub std: f64,
    /// Whether a further number says, by 1, that a value is missing: where one is in the training split, as scikit-learn's
    /// `MissingIndicator`.
    pub indicator: bool,
}

/// How many numbers a network is given for these columns.
pub fn fused_numbers(fused: &[FusedColumn]) -> usize {
    fused.len() + fused.iter().filter(|column| column.indicator).count()
}

/// The numbers of a case: of each column, 0 where its value is missing, then the indicators.
///
/// # Errors
/// The user's, if the case does not carry a column, or a value is no number.
pub(super) fn fused(columns: &[FusedColumn], case: &str, metadata: &Metadata) -> Result<Vec<f32>> {
    let mut numbers = Vec::with_capacity(fused_numbers(columns));
    let mut indicators = Vec::new();
    for FusedColumn { column, mean, std, indicator } in columns {
        let Some(cell) = metadata.get(column) else {
            return Err(Error::user(format!(
                "{case}: nothing says its `{column}`, which the network is given beside the image"
            )));
        };
        let value = cell.as_deref().map(|cell| {
            number(cell).ok_or_else(|| {
                Error::user(format!("{case}: `{column}` is `{cell}`, which is no number"))
            })
        });
        let value = value.transpose()?;
        numbers.push(value.map_or(0.0, |value| ((value - mean) / std) as f32));
        indicators.extend(indicator.then_some(f32::from(u8::from(value.is_none()))));
    }
    numbers.extend(indicators);
    Ok(numbers)
}

/// A column as the training split decides it.
///
/// # Errors
/// In words, if a value is no number, or the training cases have not two different ones.
pub fn fused_column(
    column: &str,
    dataset: &Dataset,
    train: &[usize],
) -> Result<FusedColumn, String> {
    let cell = |case: usize| dataset.cases[case].metadata.get(column).cloned().flatten();
    let there = dataset.cases.iter().filter_map(|case| {
        let cell = case.metadata.get(column)?.as_deref()?;
        Some((cell, case.id.as_str()))
    });
    if let Some(wrong) = without_numbers(there) {
        return Err(format!(
            "`{column}` {wrong}; categories become columns of 0 and 1 in the table, one each"
        ));
    }
    let values: Vec<f64> = train.iter().filter_map(|&case| number(&cell(case)?)).collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    let std = variance.sqrt();
    // What rounding leaves of equal numbers.
    if values.is_empty() || std <= 1e-12 * mean.abs() {
        let have = match values.first() {
            None => "no value".to_string(),
            Some(value) => format!("one value, {value}"),
        };
        return Err(format!(
            "`{column}` has {have} in the training split, and tells no case from another: leave it out"
        ));
    }
    let indicator = values.len() < train.len();
    Ok(FusedColumn { column: column.into(), mean, std, indicator })
}

/// Columns that tell a class by themselves, by their numbers or by where these are missing.
pub fn telling_columns(columns: &[String], dataset: &Dataset) -> Option<Finding> {
    let labels: BTreeSet<&str> = dataset.cases.iter().map(|case| case.label.as_str()).collect();
    let tells = |column: &String| {
        labels.iter().find_map(|label| {
            let values = |of: bool| -> Vec<Option<f64>> {
                let cases = dataset.cases.iter().filter(|case| (case.label == *label) == of);
                cases.map(|case| number(case.metadata.get(column)?.as_deref()?)).collect()
            };
            let (own, others) = (values(true), values(false));
            if own.len().min(others.len()) < FEWEST_CASES {
                return None;
            }
            let (none, some) =
                (|of: &[Option<f64>]| of.iter().all(Option::is_none), Option::is_some);
            if none(&own) && others.iter().all(some) || none(&others) && own.iter().all(some) {
                return Some(format!("{column}: missing for {label} alone, or for all others"));
            }
            let range = |of: &[Option<f64>]| -> Option<(f64, f64)> {
                let values: Vec<f64> = of.iter().copied().collect::<Option<_>>()?;
                let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                Some((least, values.into_iter().fold(f64::NEG_INFINITY, f64::max)))
            };
            let (own, others) = (range(&own)?, range(&others)?);
            (own.1 < others.0 || others.1 < own.0).then(|| {
                format!(
                    "{column}: {label} {} to {}, others {} to {}",
                    own.0, own.1, others.0, others.1
                )
            })
        })
    };
    let names: Vec<String> = columns.iter().filter_map(tells).collect();
    let what = "columns that tell a class by themselves, whatever the image shows";
    (!names.is_empty()).then(|| {
        Finding::warning(FindingKind::TellingColumn, what)
            .naming_all(names)
            .remedy("leave out of `task.fuse.columns` what was written down after the diagnosis")
    })
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::*;

    /// Phantoms, half of them in the training split, with a column.
    fn with(cells: &[&str]) -> (Dataset, Vec<usize>) {
        let text = format!("kind = 'phantom'\ncases = {}", cells.len());
        let mut dataset = open(&toml::from_str(&text).unwrap()).unwrap();
        for (case, cell) in dataset.cases.iter_mut().zip(cells) {
            let cell = Some(cell.to_string()).filter(|cell| !cell.is_empty());
            case.metadata = [("age".to_string(), cell)].into();
        }
        let train = (0..cells.len() / 2).collect();
        (dataset, train)
    }

    #[test]
    fn columns_are_standardised_as_scikit_learn_does_it_and_missing_ones_indicated() {
        #[derive(Deserialize)]
        struct Fixture {
            train: Vec<Option<f64>>,
            other: Vec<Option<f64>>,
            mean: f64,
            std: f64,
            numbers: Vec<Vec<f64>>,
        }
        let text = std::fs::read_to_string(crate::testing::fixture("standardised.json")).unwrap();
        let cases: Vec<Fixture> = serde_json::from_str(&text).unwrap();
        assert_eq!(cases.len(), 3);
        for of in cases {
            let cells = of.train.iter().chain(&of.other);
            let cells: Vec<String> =
                cells.map(|value| value.map_or(String::new(), |value| value.to_string())).collect();
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            let (dataset, train) = with(&cells);
            let column = fused_column("age", &dataset, &train).unwrap();
            assert!((column.mean - of.mean).abs() < 1e-9 && (column.std - of.std).abs() < 1e-9);
            for (case, expected) in dataset.cases.iter().zip(&of.numbers) {
                let found = fused(std::slice::from_ref(&column), "a", &case.metadata).unwrap();
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(expected) {
                    let off = (f64::from(*found) - expected).abs();
                    assert!(off < 1e-6 * expected.abs().max(1.0), "{found}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn words_equal_numbers_and_no_numbers_are_refused() {
        let refused = |cells: &[&str], part: &str| {
            let (dataset, train) = with(cells);
            let said = fused_column("age", &dataset, &train).unwrap_err();
            assert!(said.contains(part), "{said}");
        };
        refused(&["1", "2", "old", "3"], "`old` of ");
        refused(&["0.1", "0.1", "2", "3"], "has one value, 0.1 in the training split");
        refused(&["", "", "2", "3"], "has no value in the training split");
        let (dataset, train) = with(&["1", "2", "3", "4"]);
        let column = [fused_column("age", &dataset, &train).unwrap()];
        let said = fused(&column, "new.png", &Metadata::new()).unwrap_err().to_string();
        assert!(said.contains("new.png: nothing says its `age`"), "{said}");
    }

    #[test]
    fn a_column_that_tells_a_class_is_found_by_its_numbers_or_by_its_gaps() {
        let found = |value: &dyn Fn(&str, usize) -> &'static str| {
            let (mut dataset, _) = with(&["1"; 60]);
            for (number, case) in dataset.cases.iter_mut().enumerate() {
                let cell = Some(value(&case.label, number).to_string());
                let cell = cell.filter(|cell| !cell.is_empty());
                case.metadata.insert("age".into(), cell);
            }
            telling_columns(&["age".to_string()], &dataset).map(|finding| finding.names[0].clone())
        };
        let grade = |label: &str, _: usize| if label == "malignant" { "5" } else { "3" };
        assert_eq!(found(&grade).unwrap(), "age: malignant 5 to 5, others 3 to 3");
        let gaps = |label: &str, _: usize| if label == "malignant" { "" } else { "3" };
        assert!(found(&gaps).unwrap().contains("missing for malignant alone"));
        let mixed = |_: &str, number: usize| ["3", "4", ""][number % 3];
        assert_eq!(found(&mixed), None);
    }
}
