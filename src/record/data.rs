//! `data.parquet`: what each case held, as digests.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Table, parquet_file, row};

row! {
    /// A row of `data.parquet`: digests of what a case held, as decoded.
    pub struct DataRow {
        /// Name of the case.
        pub case: String = "case",
        /// The beginning of the SHA-256 of its size and its image.
        pub image: String = "image",
        /// The beginning of the SHA-256 of these and its mask.
        pub whole: String = "whole",
    }
}

parquet_file!(Table<DataRow>, "data.parquet");

/// What became of a case between two data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseChange {
    /// It is in the second alone.
    Added,
    /// It is in the first alone.
    Removed,
    /// Its image is another, and perhaps its mask.
    Image,
    /// Its mask is another.
    Mask,
}

/// The cases that differ between two data sets, in order of their names.
pub fn changed_cases(before: &[DataRow], now: &[DataRow]) -> Vec<(String, CaseChange)> {
    let named = |rows: &[DataRow]| -> BTreeMap<String, DataRow> {
        rows.iter().map(|row| (row.case.clone(), row.clone())).collect()
    };
    let (before, now) = (named(before), named(now));
    let cases: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let change = |case: &&String| match (before.get(*case), now.get(*case)) {
        (Some(_), None) => Some(CaseChange::Removed),
        (Some(a), Some(b)) if a.image != b.image => Some(CaseChange::Image),
        (Some(a), Some(b)) if a.whole != b.whole => Some(CaseChange::Mask),
        (Some(_), Some(_)) => None,
        (None, _) => Some(CaseChange::Added),
    };
    cases.iter().filter_map(|case| Some(((*case).clone(), change(case)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_that_were_added_removed_or_hold_something_else_are_named_and_no_others() {
        let row = |case: &str, image: &str, whole: &str| DataRow {
            case: case.into(),
            image: image.into(),
            whole: whole.into(),
        };
        let before =
            [row("d", "1", "1"), row("a", "1", "1"), row("b", "1", "1"), row("c", "1", "1")];
        let now = [row("a", "1", "1"), row("b", "2", "2"), row("c", "1", "2"), row("e", "1", "1")];
        let found = changed_cases(&before, &now);
        let found: Vec<(&str, CaseChange)> =
            found.iter().map(|(case, change)| (case.as_str(), *change)).collect();
        let expected = [
            ("b", CaseChange::Image),
            ("c", CaseChange::Mask),
            ("d", CaseChange::Removed),
            ("e", CaseChange::Added),
        ];
        assert_eq!(found, expected);
    }
}
