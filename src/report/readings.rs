//! How often the test split was read, and whether its cases are still unseen.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::words;
use crate::record::{Reading, Record};
use crate::split_name::SplitName;

/// The readings of the test split of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct TestReadings {
    /// A clause that follows "the test split was".
    pub clause: String,
    /// Whether more runs than the seeds and divisions of one recipe read these cases.
    pub doubt: bool,
}

/// Counts them. A recipe takes one reading for each seed and for their average, and for each division that its spec asks for;
/// further readings can choose by what they see.
pub(super) fn test_readings(record: &Record) -> TestReadings {
    let Some(all) = record.readings.as_deref().filter(|readings| !readings.is_empty()) else {
        let scored = record.figures.iter().any(|figure| figure.split == SplitName::Test);
        let clause = if scored { "read; how often was not counted" } else { "not read" };
        return TestReadings { clause: clause.into(), doubt: false };
    };
    let runs: BTreeSet<&str> = all.iter().map(|reading| reading.run_id.as_str()).collect();
    let own: Vec<_> = all.iter().filter(|one| one.run_id == record.provenance.run_id).collect();
    let same = all.iter().filter(|one| own.is_empty() || shares_cases(one, &own));
    let same: Vec<_> = same.collect();
    let mut recipes: BTreeMap<(Option<u32>, Option<u32>), Vec<&Reading>> = BTreeMap::new();
    for &reading in &same {
        let seed = (!reading.average).then_some(reading.seed);
        recipes.entry((seed, reading.division)).or_default().push(reading);
    }
    let times = words::times(all.len() as u64);
    let clause = match runs.len() {
        1 => format!("read {times} by one run of this experiment"),
        runs => format!("read {times} by {runs} runs of this experiment"),
    };
    TestReadings {
        clause,
        doubt: recipes.into_iter().any(|((_, division), of)| again(division, &of)),
    }
}

/// Whether readings of one seed are more than one of these cases. Those of a division that the spec asks for are of its
/// folds, which share no case.
fn again(division: Option<u32>, readings: &[&Reading]) -> bool {
    match division {
        None => readings.len() > 1,
        Some(_) => (1..readings.len()).any(|one| shares_cases(readings[one], &readings[..one])),
    }
}

/// Whether a reading has cases in common with one of these; a reading of unknown cases counts.
fn shares_cases(one: &Reading, others: &[&Reading]) -> bool {
    let known: BTreeSet<&str> =
        others.iter().flat_map(|other| &other.case_digests).map(String::as_str).collect();
    let pixels: BTreeSet<&String> = others.iter().flat_map(|other| &other.case_pixels).collect();
    one.cases_sha256.is_empty()
        || one.case_pixels.iter().any(|digest| pixels.contains(digest))
        || others.iter().any(|other| other.cases_sha256 == one.cases_sha256)
        || one.case_digests.iter().any(|digest| known.contains(digest.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Figure;

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
    fn divisions_that_a_spec_asks_for_share_cases_without_a_doubt() {
        // Two folds of another division have cases of the one of this run, and none in common.
        let mut record = record(&[("a", 0, "x"), ("b", 0, "y"), ("c", 0, "z")]);
        let cases: [&[&str]; 3] = [&["1", "2"], &["1", "3"], &["2", "4"]];
        for (reading, cases) in record.readings.iter_mut().flatten().zip(cases) {
            reading.case_digests = cases.iter().map(ToString::to_string).collect();
        }
        assert!(test_readings(&record).doubt);
        for (reading, division) in record.readings.iter_mut().flatten().zip([3, 4, 4]) {
            reading.division = Some(division);
        }
        assert!(!test_readings(&record).doubt);
        let once_more = record.readings.iter().flatten().last().cloned();
        record.readings.iter_mut().for_each(|readings| readings.extend(once_more.clone()));
        assert!(test_readings(&record).doubt, "a fold was read again");
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
    fn the_average_of_the_seeds_may_read_once_as_well() {
        let mut record = record(&[("a", 0, "x"), ("b", 1, "x"), ("c", 0, "x")]);
        assert!(test_readings(&record).doubt);
        let of_average = |readings: &mut Vec<Reading>| readings[2].average = true;
        record.readings.iter_mut().for_each(of_average);
        assert!(!test_readings(&record).doubt);
        let once_more = record.readings.iter().flatten().last().cloned();
        record.readings.iter_mut().for_each(|readings| readings.extend(once_more.clone()));
        assert!(test_readings(&record).doubt);
    }

    #[test]
    fn who_reads_some_of_the_cases_again_can_choose_by_them() {
        let read = |run: &str, seed, cases: &[&str]| {
            Reading::new((run, seed), "oncospec".into(), "data", cases)
        };
        let said = |readings: &[Reading]| {
            let mut record = Record { readings: Some(readings.to_vec()), ..Record::default() };
            record.provenance.run_id = "a".into();
            test_readings(&record).doubt
        };
        let all = read("a", 0, &["p", "q", "r"]);
        let most = read("a", 0, &["p", "q"]);
        assert!(said(&[all.clone(), most.clone()]), "the same run, most of its cases");
        assert!(said(&[all.clone(), read("b", 0, &["r", "s"])]), "another run, one of its cases");
        assert!(!said(&[all.clone(), read("b", 0, &["s", "t"])]), "none of its cases");
        assert!(!said(&[all.clone(), read("b", 1, &["r", "s"])]), "another seed");
        let renamed = |pixels: &[&str]| {
            let pixels: Vec<String> = pixels.iter().map(|one| (*one).to_string()).collect();
            read("b", 0, &["renamed"]).in_experiment("m", &pixels)
        };
        let own = all.clone().in_experiment("m", &["1".into(), "2".into(), "3".into()]);
        assert!(said(&[own.clone(), renamed(&["3"])]), "an image of it by another name");
        assert!(!said(&[own, renamed(&["4"])]), "another image");
        let older = Reading { case_digests: Vec::new(), ..most };
        assert!(said(&[all, older.clone(), older]), "of an earlier version");
    }

    #[test]
    fn runs_that_were_not_counted_are_not_called_unread() {
        let mut old = Record::default();
        assert_eq!(test_readings(&old).clause, "not read");
        old.figures.push(Figure { split: SplitName::Test, ..Figure::default() });
        assert!(test_readings(&old).clause.contains("was not counted"));
    }
}
