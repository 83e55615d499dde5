//! Cases in each split by label, and groups or cases in more than one.

use polars::prelude::*;
use serde::Serialize;

use super::means::{split_named, text, uncomputed};
use super::names;
use crate::error::Result;
use crate::record::{SplitRow, Table};
use crate::split_name::SplitName;

/// Cases by label and split, with groups and cases in more than one split.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct SplitTable {
    /// The splits, in the order of the columns.
    pub splits: Vec<SplitName>,
    /// One row for each label: its name and its cases in each split.
    pub rows: Vec<SplitCounts>,
    /// Cases in each split.
    pub totals: Vec<usize>,
    /// Groups in each split.
    pub groups: Vec<usize>,
    /// Cases in all.
    pub cases: usize,
    /// Groups of more than one case.
    pub shared_groups: usize,
    /// Groups that lie in more than one split.
    pub crossing: Vec<Crossing>,
    /// Cases named in more than one split.
    pub repeated: Vec<String>,
}

/// Cases of a label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct SplitCounts {
    /// The label; empty where cases carry none.
    pub label: String,
    /// Its cases in each split.
    pub cases: Vec<usize>,
}

/// A group that lies in more than one split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Crossing {
    /// The group.
    pub group: String,
    /// Its splits.
    pub splits: Vec<SplitName>,
}

/// Counts cases, and finds groups and cases that are in more than one split.
pub(super) fn split_table(rows: &Table<SplitRow>) -> Result<SplitTable> {
    rows.frame().and_then(|frame| counted(&frame)).map_err(uncomputed)
}

fn counted(frame: &DataFrame) -> PolarsResult<SplitTable> {
    let mut table = SplitTable { cases: frame.height(), ..Default::default() };
    if frame.height() == 0 {
        return Ok(table);
    }
    table.splits = splits_of(frame)?;
    table.splits.sort_by_key(|split| std::cmp::Reverse(names::split_rank(*split)));
    for label in frame.partition_by_stable(["label"], true)? {
        let cases = count_by_split(&label, &table.splits)?;
        table.rows.push(SplitCounts { label: text(&label, "label")?, cases });
    }
    table.rows.sort_by(|a, b| a.label.cmp(&b.label));
    table.totals = count_by_split(frame, &table.splits)?;
    table.groups = vec![0; table.splits.len()];
    for group in frame.partition_by_stable(["group"], true)? {
        let splits = splits_of(&group)?;
        for split in &splits {
            if let Some(index) = table.splits.iter().position(|name| name == split) {
                table.groups[index] += 1;
            }
        }
        table.shared_groups += usize::from(group.height() > 1);
        if splits.len() > 1 {
            table.crossing.push(Crossing { group: text(&group, "group")?, splits });
        }
    }
    for case in frame.partition_by_stable(["case"], true)? {
        if splits_of(&case)?.len() > 1 {
            table.repeated.push(text(&case, "case")?);
        }
    }
    Ok(table)
}

fn count_by_split(frame: &DataFrame, splits: &[SplitName]) -> PolarsResult<Vec<usize>> {
    let column = frame.column("split")?.str()?;
    Ok(splits
        .iter()
        .map(|split| column.iter().filter(|value| *value == Some(split.as_str())).count())
        .collect())
}

/// The splits of rows, in order of appearance.
fn splits_of(frame: &DataFrame) -> PolarsResult<Vec<SplitName>> {
    let mut splits: Vec<SplitName> = Vec::new();
    for name in frame.column("split")?.str()?.iter().flatten() {
        if !splits.iter().any(|split| split.as_str() == name) {
            splits.push(split_named(name)?);
        }
    }
    Ok(splits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, group: &str, label: &str, split: SplitName) -> SplitRow {
        SplitRow {
            case: case.into(),
            group: group.into(),
            label: label.into(),
            split,
            ..SplitRow::default()
        }
    }

    #[test]
    fn groups_and_cases_that_lie_in_two_splits_are_found() {
        let rows = [
            row("a", "1", "benign", SplitName::Test),
            row("b", "1", "benign", SplitName::Train),
            row("c", "2", "normal", SplitName::Train),
            row("c", "2", "normal", SplitName::Train),
            row("d", "3", "normal", SplitName::Train),
            row("d", "4", "normal", SplitName::Valid),
        ];
        let table = split_table(&Vec::from(rows).into()).unwrap();
        assert_eq!(table.splits, SplitName::ALL);
        assert_eq!(table.totals, [4, 1, 1]);
        assert_eq!(table.groups, [3, 1, 1]);
        assert_eq!(table.rows[0], SplitCounts { label: "benign".into(), cases: vec![1, 0, 1] });
        assert_eq!(table.shared_groups, 2);
        let crossing =
            Crossing { group: "1".into(), splits: vec![SplitName::Test, SplitName::Train] };
        assert_eq!(table.crossing, [crossing]);
        assert_eq!(table.repeated, ["d"]);
    }

    #[test]
    fn no_row_makes_an_empty_table() {
        assert_eq!(split_table(&Table::default()).unwrap(), SplitTable::default());
    }
}
