//! How often a test split was read, and whether its figures are still those of cases never looked at.

use std::collections::BTreeSet;

use serde::Serialize;

use super::words;
use crate::record::Record;
use crate::split_name::SplitName;

/// What the page says of the readings of a run's test split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct TestReadings {
    /// A clause that follows "the test split was".
    pub clause: String,
    /// Whether more than the seeds of one recipe read these cases.
    pub doubt: bool,
}

/// Counts them. One reading for each seed is what a recipe takes; any more can choose by what they see.
pub(super) fn test_readings(record: &Record) -> TestReadings {
    let Some(all) = record.readings.as_deref().filter(|readings| !readings.is_empty()) else {
        let scored = record.figures.iter().any(|figure| figure.split == SplitName::Test);
        let clause = if scored { "read; how often, nobody counted" } else { "not read" };
        return TestReadings { clause: clause.into(), doubt: false };
    };
    let runs: BTreeSet<&str> = all.iter().map(|reading| reading.run_id.as_str()).collect();
    let own: Vec<_> = all.iter().filter(|one| one.run_id == record.provenance.run_id).collect();
    let cases: Option<&str> = own.first().map(|reading| reading.cases_sha256.as_str());
    let same = all.iter().filter(|one| {
        cases.is_none_or(|cases| one.cases_sha256 == cases) || one.cases_sha256.is_empty()
    });
    let same: Vec<_> = same.collect();
    let seeds: BTreeSet<u32> = same.iter().map(|reading| reading.seed).collect();
    let times = words::times(all.len() as u64);
    let clause = match runs.len() {
        1 => format!("read {times} by one run of this experiment"),
        runs => format!("read {times} by {runs} runs of this experiment"),
    };
    TestReadings { clause, doubt: same.len() > seeds.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Figure, Reading};

    fn record(readings: &[(&str, u32, &str)]) -> Record {
        let reading = |&(run_id, seed, cases): &(&str, u32, &str)| Reading {
            run_id: run_id.into(),
            seed,
            cases_sha256: cases.into(),
            ..Reading::default()
        };
        let mut record =
            Record { readings: Some(readings.iter().map(reading).collect()), ..Record::default() };
        record.provenance.run_id = "a".into();
        record
    }

    fn said(readings: &[(&str, u32, &str)]) -> (String, bool) {
        let said = test_readings(&record(readings));
        (said.clause, said.doubt)
    }

    #[test]
    fn one_reading_for_each_seed_is_no_doubt_and_any_more_is() {
        let one = ("read once by one run of this experiment".to_string(), false);
        assert_eq!(said(&[("a", 0, "x")]), one);
        let seeds = ("read 2 times by 2 runs of this experiment".to_string(), false);
        assert_eq!(said(&[("a", 0, "x"), ("b", 1, "x")]), seeds);
        assert!(said(&[("a", 0, "x"), ("a", 0, "x")]).1, "the same run again");
        assert!(said(&[("a", 0, "x"), ("b", 0, "x")]).1, "another run of the same seed");
        assert!(!said(&[("a", 0, "x"), ("b", 0, "y")]).1, "the test cases of another fold");
    }

    #[test]
    fn runs_that_were_not_counted_are_not_called_unread() {
        let mut old = Record::default();
        assert_eq!(test_readings(&old).clause, "not read");
        old.figures.push(Figure { split: SplitName::Test, ..Figure::default() });
        assert!(test_readings(&old).clause.contains("nobody counted"));
    }
}
