//! Columns of a table of cases in the Parquet files of the record.

use std::collections::BTreeSet;

use super::table::{Cell, Column, Field, ParquetFile};
use crate::error::Result;
use crate::source::Metadata;

/// What the names of these columns begin with, so that none is taken for a column of the record; the column follows.
pub(super) const METADATA: &str = "metadata.";

/// A column for each that any case carries, in order of their names; a missing value is null.
impl Field for Metadata {
    fn columns(_name: &str, values: Vec<&Self>) -> Vec<Column> {
        let names: BTreeSet<&String> = values.iter().flat_map(|carried| carried.keys()).collect();
        let column = |name: &String| -> Column {
            let cells: Vec<Option<String>> =
                values.iter().map(|carried| carried.get(name).cloned().flatten()).collect();
            Option::<String>::series(&format!("{METADATA}{name}"), cells.iter().collect()).into()
        };
        names.into_iter().map(column).collect()
    }

    fn read(file: &ParquetFile, _name: &str, _named: &[&str]) -> Result<Vec<Self>> {
        let mut rows = vec![Self::new(); file.rows()];
        for column in file.columns() {
            let Some(name) = column.strip_prefix(METADATA) else { continue };
            for (row, value) in rows.iter_mut().zip(Option::<String>::values(file, column)?) {
                row.insert(name.to_owned(), value);
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Artefact, ScoreRow, Scores, SplitRow, Table};
    use super::*;

    fn carried(age: Option<&str>) -> Metadata {
        [("age", age), ("device", None)]
            .map(|(name, value)| (name.to_string(), value.map(String::from)))
            .into()
    }

    #[test]
    fn values_of_a_table_are_read_back_and_missing_ones_stay_missing() {
        let path = Path::new("a.parquet");
        let row = |case: &str, age| SplitRow {
            case: case.into(),
            metadata: carried(age),
            ..SplitRow::default()
        };
        let table: Table<SplitRow> = vec![row("a", Some("41")), row("b", None)].into();
        let read = Table::<SplitRow>::from_bytes(table.to_bytes(path).unwrap(), path).unwrap();
        assert_eq!(read, table);
        let column = read.frame().unwrap().column("metadata.age").unwrap().null_count();
        assert_eq!(column, 1);
        let score = |age| ScoreRow { metadata: carried(age), ..ScoreRow::default() };
        let scores = Scores { classes: vec![], rows: vec![score(None), score(Some("7"))] };
        assert_eq!(Scores::from_bytes(scores.to_bytes(path).unwrap(), path).unwrap(), scores);
    }

    #[test]
    fn without_a_table_there_are_no_such_columns() {
        let table: Table<SplitRow> = vec![SplitRow::default()].into();
        let names = table.frame().unwrap().get_column_names().len();
        assert_eq!(names, 5);
    }
}
