//! Strata: cases that agree in a value of a column, or whose value lies between two cuts.

use std::collections::{BTreeSet, HashMap};

use crate::data::{Case, Dataset, Labels};
use crate::error::Error;
use crate::source::cell::{number, without_numbers};
use crate::source::files::natural_order;
use crate::source::nearest::nearest;
use crate::spec::StrataSpec;

/// The class of the image, a column of every data set whose images have one.
const LABEL: &str = "label";

/// The part of the labelled pixels that is lesion, in per cent: a column of every data set with one foreground. Missing
/// where there is no lesion.
const LESION_PERCENT: &str = "lesion-percent";

/// Most strata of a column that is not cut.
const MOST_VALUES: usize = 12;

/// The strata of a column.
#[derive(Clone, Debug)]
pub struct Strata {
    /// The values or intervals, in order; cases without a value are a stratum after these.
    pub names: Vec<String>,
    places: Places,
}

/// Where cases belong.
#[derive(Clone, Debug)]
enum Places {
    /// The stratum of each case that has a value, by its name.
    Known(HashMap<String, usize>),
    /// As its part that is lesion says, by cuts.
    LesionPercent(Vec<f64>),
}

/// Why cases have no such strata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unstratified {
    /// The key that is wrong, below `evaluation.by`.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
}

impl From<Unstratified> for Error {
    fn from(wrong: Unstratified) -> Self {
        Self::user(format!("evaluation.by: {}: {}", wrong.key, wrong.message))
    }
}

impl Strata {
    /// The strata of the cases of a data set by a column: one that the table has and cases carry, `label` or
    /// `lesion-percent`.
    ///
    /// # Errors
    /// If there is no such column, it has too many different values, or is cut and holds what is no number.
    pub fn new(
        spec: &StrataSpec,
        dataset: &Dataset,
        carried: &[String],
    ) -> Result<Self, Unstratified> {
        let (column, cuts) = (spec.column.as_str(), spec.cuts.as_slice());
        if cuts.windows(2).any(|pair| pair[0] >= pair[1]) {
            let message = "each cut must be greater than the one before it".into();
            return Err(Unstratified { key: "cuts", message });
        }
        let is_carried = carried.iter().any(|name| name == column);
        let value = |case: &Case| match is_carried {
            true => case.metadata.get(column).cloned().flatten(),
            false => Some(case.label.clone()).filter(|label| !label.is_empty()),
        };
        let labelled = dataset.cases.iter().any(|case| !case.label.is_empty());
        let lesions = matches!(dataset.labels, Labels::Binary { .. });
        match column {
            _ if is_carried => {}
            LABEL if labelled => {}
            LESION_PERCENT if lesions && cuts.is_empty() => {
                let message = "`lesion-percent` differs from case to case: cut it, such as by `cuts = [2, 10]`";
                return Err(Unstratified { key: "column", message: message.into() });
            }
            LESION_PERCENT if lesions => {
                let places = Places::LesionPercent(cuts.to_vec());
                return Ok(Self { names: intervals(cuts), places });
            }
            _ => {
                let mut known: Vec<&str> = carried.iter().map(String::as_str).collect();
                known.extend(labelled.then_some(LABEL));
                known.extend(lesions.then_some(LESION_PERCENT));
                return Err(unknown(column, &known));
            }
        }
        let values: Vec<(&str, Option<String>)> =
            dataset.cases.iter().map(|case| (case.id.as_str(), value(case))).collect();
        if cuts.is_empty() { by_value(column, &values) } else { by_cuts(column, cuts, &values) }
    }

    /// The stratum of a case, of which this percentage is lesion; that after all names where it has no value.
    pub fn of(&self, case: &str, lesion_percent: Option<f64>) -> usize {
        let place = match &self.places {
            Places::Known(places) => places.get(case).copied(),
            Places::LesionPercent(cuts) => lesion_percent.map(|percent| interval(cuts, percent)),
        };
        place.unwrap_or(self.names.len())
    }
}

fn unknown(column: &str, known: &[&str]) -> Unstratified {
    let there = match nearest(column, known.iter().copied()).first() {
        None => "nothing is known of its cases".to_string(),
        Some(nearest) => {
            format!("did you mean `{nearest}`? Known of its cases: {}", known.join(", "))
        }
    };
    let message = format!(
        "no column `{column}`; {there}; further columns of a table are carried by `dataset.metadata`"
    );
    Unstratified { key: "column", message }
}

/// A stratum for each value.
fn by_value(column: &str, values: &[(&str, Option<String>)]) -> Result<Strata, Unstratified> {
    let different: BTreeSet<&String> =
        values.iter().filter_map(|(_, value)| value.as_ref()).collect();
    if different.len() > MOST_VALUES {
        let numbers = different.iter().all(|value| number(value).is_some());
        let advice = match numbers {
            true => "cut it into intervals by `cuts`, such as `cuts = [40, 60]`",
            false => "it is no column of numbers that `cuts` could cut: join values in the table",
        };
        let message = format!(
            "`{column}` has {} different values, and {MOST_VALUES} at the most are strata: {advice}",
            different.len()
        );
        return Err(Unstratified { key: "column", message });
    }
    let mut names: Vec<String> = different.into_iter().cloned().collect();
    names.sort_by(|a, b| match (number(a), number(b)) {
        (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
        _ => natural_order(a, b),
    });
    let place = |(case, value): &(&str, Option<String>)| {
        let place = names.iter().position(|name| Some(name) == value.as_ref())?;
        Some((case.to_string(), place))
    };
    let places = Places::Known(values.iter().filter_map(place).collect());
    Ok(Strata { names, places })
}

/// A stratum for each interval.
fn by_cuts(
    column: &str,
    cuts: &[f64],
    values: &[(&str, Option<String>)],
) -> Result<Strata, Unstratified> {
    let known = || values.iter().filter_map(|(case, value)| Some((value.as_deref()?, *case)));
    if let Some(wrong) = without_numbers(known()) {
        return Err(Unstratified {
            key: "cuts",
            message: format!("`{column}` is cut, and {wrong}"),
        });
    }
    let places = known()
        .filter_map(|(value, case)| Some((case.to_string(), interval(cuts, number(value)?))));
    Ok(Strata { names: intervals(cuts), places: Places::Known(places.collect()) })
}

/// The interval that a number lies in; a cut is the lower end of one.
fn interval(cuts: &[f64], number: f64) -> usize {
    cuts.partition_point(|&cut| cut <= number)
}

/// The names of all intervals.
fn intervals(cuts: &[f64]) -> Vec<String> {
    let (Some(first), Some(last)) = (cuts.first(), cuts.last()) else { return Vec::new() };
    let inner = cuts.windows(2).map(|pair| format!("{} to < {}", pair[0], pair[1]));
    [format!("< {first}")].into_iter().chain(inner).chain([format!(">= {last}")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<'a>(cells: &[(&'a str, &str)]) -> Vec<(&'a str, Option<String>)> {
        let cell = |cell: &str| Some(cell.to_string()).filter(|cell| !cell.is_empty());
        cells.iter().map(|(case, value)| (*case, cell(value))).collect()
    }

    #[test]
    fn a_cut_is_the_lower_end_of_an_interval_and_an_empty_cell_is_missing() {
        let ages = values(&[("a", "39.9"), ("b", "40"), ("c", "59"), ("d", "60"), ("e", "")]);
        let strata = by_cuts("age", &[40.0, 60.0], &ages).unwrap();
        assert_eq!(strata.names, ["< 40", "40 to < 60", ">= 60"]);
        let places: Vec<usize> = ages.iter().map(|(case, _)| strata.of(case, None)).collect();
        assert_eq!(places, [0, 1, 1, 2, 3]);
        assert_eq!(intervals(&[0.5]), ["< 0.5", ">= 0.5"]);
    }

    #[test]
    fn values_are_in_the_order_of_their_numbers_or_names() {
        let numbers = values(&[("a", "10"), ("b", "9"), ("c", "9.5"), ("d", "9")]);
        assert_eq!(by_value("x", &numbers).unwrap().names, ["9", "9.5", "10"]);
        let words = values(&[("a", "site 10"), ("b", "site 9"), ("c", "")]);
        let strata = by_value("x", &words).unwrap();
        assert_eq!(strata.names, ["site 9", "site 10"]);
        assert_eq!((strata.of("a", None), strata.of("c", None)), (1, 2));
    }

    #[test]
    fn thirteen_values_and_what_is_no_number_are_refused_with_advice() {
        let cells: Vec<String> = (0..13).map(|number| number.to_string()).collect();
        let many: Vec<(&str, Option<String>)> =
            cells.iter().map(|cell| (cell.as_str(), Some(cell.clone()))).collect();
        let said = by_value("age", &many).unwrap_err().message;
        assert!(said.contains("13 different values") && said.contains("cuts = [40, 60]"), "{said}");
        assert_eq!(by_value("age", &many[..12]).unwrap().names.len(), 12);
        let wrong = values(&[("a", "4"), ("b", "54,5"), ("c", "nan"), ("d", "old"), ("e", "inf")]);
        let said = by_cuts("age", &[1.0], &wrong).unwrap_err().message;
        assert!(said.contains("`54,5` of b, `nan` of c, `old` of d and 1 more"), "{said}");
    }

    #[test]
    fn lesions_are_cut_by_their_percentage_and_no_lesion_has_none() {
        let strata = Strata {
            names: intervals(&[2.0, 10.0]),
            places: Places::LesionPercent(vec![2.0, 10.0]),
        };
        let places = [Some(1.9), Some(2.0), Some(40.0), None].map(|part| strata.of("a", part));
        assert_eq!(places, [0, 1, 2, 3]);
    }

    #[test]
    fn a_misspelt_column_is_refused_with_the_nearest() {
        let said = unknown("devcie", &["age", "device", "label"]).message;
        assert!(said.contains("did you mean `device`?") && said.contains("age, device, label"));
        assert!(unknown("age", &[]).message.contains("nothing is known of its cases"));
    }
}
