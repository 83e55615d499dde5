//! Tables of figures by the columns that a spec names.

use serde::Serialize;

use super::names;
use crate::record::{Figure, Record, Stratum};
use crate::split_name::SplitName;

/// The headline figures of the strata of a column in a split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct StrataTable {
    /// The column.
    pub column: String,
    /// The split.
    pub split: SplitName,
    /// The figures, for people.
    pub figures: Vec<String>,
    /// One row for each stratum.
    pub rows: Vec<StratumRow>,
}

/// A stratum.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct StratumRow {
    /// The value or interval; `None` of cases without a value.
    pub value: Option<String>,
    /// Its cases.
    pub cases: u64,
    /// Figures in the order of the columns; `None` where there is none.
    pub cells: Vec<Option<Figure>>,
}

/// The tables of a run: by column, test first.
pub(super) fn tables(record: &Record) -> Vec<StrataTable> {
    let columns = names::distinct(record.strata.iter().map(|stratum| stratum.column.as_str()));
    let splits = names::splits(record.strata.iter().map(|stratum| stratum.split));
    let of_column = |column: &str| {
        let table = |&split: &SplitName| {
            let strata = record.strata.iter();
            let strata: Vec<&Stratum> = strata
                .filter(|stratum| stratum.column == column && stratum.split == split)
                .collect();
            table(column, split, &strata)
        };
        splits.iter().map(table).collect::<Vec<_>>()
    };
    columns.into_iter().flat_map(of_column).filter(|table| !table.rows.is_empty()).collect()
}

fn table(column: &str, split: SplitName, strata: &[&Stratum]) -> StrataTable {
    let figures = strata.iter().flat_map(|stratum| &stratum.figures);
    let figures = names::distinct(figures.map(|figure| figure.name.as_str()));
    let row = |stratum: &&Stratum| StratumRow {
        value: stratum.value.clone(),
        cases: stratum.cases,
        cells: figures
            .iter()
            .map(|name| stratum.figures.iter().find(|figure| figure.name == *name).cloned())
            .collect(),
    };
    StrataTable {
        column: column.to_owned(),
        split,
        rows: strata.iter().map(row).collect(),
        figures: figures.iter().map(|name| names::figure(name)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_a_table_for_each_split_test_first_and_a_dash_where_no_case_is() {
        let stratum = |split, column: &str, value: Option<&str>, dice: &[f64]| Stratum {
            split,
            column: column.into(),
            value: value.map(String::from),
            cases: dice.len() as u64,
            figures: dice
                .iter()
                .map(|&value| Figure { name: "dice.mean".into(), value, ..Figure::default() })
                .collect(),
        };
        let record = Record {
            strata: vec![
                stratum(SplitName::Valid, "device", Some("A"), &[0.5]),
                stratum(SplitName::Test, "device", Some("A"), &[0.75]),
                stratum(SplitName::Test, "device", Some("B"), &[]),
                stratum(SplitName::Test, "device", None, &[0.25]),
                stratum(SplitName::Valid, "age", Some("< 40"), &[0.5]),
            ],
            ..Record::default()
        };
        let found = tables(&record);
        let named: Vec<_> = found.iter().map(|t| (t.column.as_str(), t.split)).collect();
        let (test, valid) = (SplitName::Test, SplitName::Valid);
        assert_eq!(named, [("device", test), ("device", valid), ("age", valid)]);
        assert_eq!(found[0].figures, ["Dice, mean over cases"]);
        let cells: Vec<Option<f64>> =
            found[0].rows.iter().map(|row| row.cells[0].as_ref().map(|f| f.value)).collect();
        assert_eq!(cells, [Some(0.75), None, Some(0.25)]);
        assert_eq!(found[0].rows[2].value, None);
    }
}
