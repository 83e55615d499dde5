//! Which runs differ on the same cases more than by chance.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cases::{counts, counts_of, rows_of_cases};
use super::headline::seeded;
use super::names;
use super::permutation::{holm, p_of_difference};
use crate::evaluate::bootstrap::mean_interval;
use crate::metric::across_classes;
use crate::record::{Interval, Record, RunState};
use crate::spec::{EmptyRule, MetricKind};
use crate::split_name::SplitName;

/// Pairs with a lower corrected p count as different.
const LEVEL: f64 = 0.05;

/// Pairwise comparisons of runs on the same cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Comparison {
    /// What is compared by its mean over the cases; higher is better.
    pub measure: &'static str,
    /// How a case without a lesion scores; empty where there is none.
    pub rule: &'static str,
    /// All pairs that can be compared.
    pub pairs: Vec<Pair>,
    /// Runs without a partner.
    pub alone: Vec<String>,
}

/// Two runs, or two experiments of several seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Pair {
    /// The first.
    pub first: String,
    /// The second.
    pub second: String,
    /// The split, for people.
    pub split: String,
    /// Its cases.
    pub cases: usize,
    /// Groups of these cases.
    pub groups: usize,
    /// Mean of the first less that of the second.
    pub difference: f64,
    /// 95 % interval of that; `None` with too few groups.
    pub interval: Option<Interval>,
    /// p of a paired permutation test.
    pub p: f64,
    /// The same after Holm's correction for all pairs of the comparison.
    pub corrected: f64,
    /// The better one; `None` where they are not distinguishable.
    pub better: Option<String>,
}

/// A case in the comparison.
#[derive(Clone, Debug, Default, PartialEq)]
struct Case {
    group: String,
    /// What two runs must agree on to be compared.
    truth: String,
    value: f64,
}

/// Cases by name.
type Cases = BTreeMap<String, Case>;

struct Contestant {
    label: String,
    splits: BTreeMap<SplitName, Cases>,
}

/// Comparisons of finished runs: of pixels by Dice, of images by whether the class is right.
pub(super) fn comparisons(records: &[Record], labels: &[String]) -> Vec<Comparison> {
    let empty = "A case without a lesion and without a predicted one has a Dice of 1, whatever the rules of the runs.";
    let seeded = seeded(&records.iter().collect::<Vec<_>>());
    let contestants = |cases: fn(&Record) -> BTreeMap<SplitName, Cases>| {
        contestants(records, labels, &seeded, cases)
    };
    let all = [
        comparison("Dice of a case", empty, &contestants(dice)),
        comparison("share of images classified correctly", "", &contestants(right_class)),
    ];
    all.into_iter().flatten().collect()
}

/// The cases of each split with their Dice at the headline resolution; with several classes, the mean over those in
/// truth or prediction.
///
/// Only cases without a labelled pixel are left out: cases without a Dice would be those that a run gets right.
fn dice(record: &Record) -> BTreeMap<SplitName, Cases> {
    let mut splits: BTreeMap<SplitName, Cases> = BTreeMap::new();
    for ((split, name), mut rows) in rows_of_cases(record) {
        rows.retain(|row| counts(row).total() > 0);
        let Some(first) = rows.first() else { continue };
        let truth =
            rows.iter().map(|row| (row, row.tp + row.fn_)).filter(|(_, pixels)| *pixels > 0);
        let case = Case {
            group: first.group.clone(),
            truth: truth.map(|(row, pixels)| format!("{} {pixels} ", row.class)).collect(),
            value: across_classes(MetricKind::Dice, &counts_of(&rows), EmptyRule::One)
                .unwrap_or(1.0),
        };
        splits.entry(split).or_default().insert(name.to_owned(), case);
    }
    splits
}

/// The images of each split, 1 if classified correctly, else 0.
fn right_class(record: &Record) -> BTreeMap<SplitName, Cases> {
    let mut splits: BTreeMap<SplitName, Cases> = BTreeMap::new();
    for row in &record.scores {
        let value = f64::from(u8::from(row.truth == row.predicted));
        let case = Case { group: row.group.clone(), truth: row.truth.clone(), value };
        splits.entry(row.split).or_default().insert(row.case.clone(), case);
    }
    splits
}

/// Finished runs that have cases; seeds of an experiment count as one, with the mean of each case.
fn contestants(
    records: &[Record],
    labels: &[String],
    seeded: &[(&str, Vec<usize>)],
    cases: fn(&Record) -> BTreeMap<SplitName, Cases>,
) -> Vec<Contestant> {
    let contestant = |(record, label): (&Record, &String)| {
        let finished = record.status.state == RunState::Finished;
        let splits = if finished { cases(record) } else { BTreeMap::new() };
        (!splits.is_empty()).then(|| Contestant { label: label.clone(), splits })
    };
    let mut all: Vec<Option<Contestant>> = records.iter().zip(labels).map(contestant).collect();
    for (experiment, runs) in seeded {
        let seeds: Vec<&Contestant> = runs.iter().filter_map(|&run| all[run].as_ref()).collect();
        let Some(splits) = mean_of(&seeds) else { continue };
        let label = format!("{experiment}, {} seeds", seeds.len());
        for &run in runs {
            all[run] = None;
        }
        all[runs[0]] = Some(Contestant { label, splits });
    }
    all.into_iter().flatten().collect()
}

/// Each case with its mean over the seeds; `None` if the seeds have different cases.
fn mean_of(seeds: &[&Contestant]) -> Option<BTreeMap<SplitName, Cases>> {
    let [first, others @ ..] = seeds else { return None };
    let same = |other: &&Contestant| {
        let splits = first.splits.iter().zip(&other.splits);
        first.splits.len() == other.splits.len()
            && splits.into_iter().all(|(a, b)| a.0 == b.0 && same_cases(a.1, b.1))
    };
    if !others.iter().all(same) {
        return None;
    }
    let mut splits = first.splits.clone();
    for (split, cases) in &mut splits {
        for (name, case) in cases {
            let sum: f64 = seeds.iter().map(|seed| seed.splits[split][name].value).sum();
            case.value = sum / seeds.len() as f64;
        }
    }
    Some(splits)
}

/// Whether cases are the same, in the same groups and with the same truth.
fn same_cases(a: &Cases, b: &Cases) -> bool {
    let same = |((name, case), (other_name, other)): ((&String, &Case), (&String, &Case))| {
        name == other_name && case.group == other.group && case.truth == other.truth
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}

/// Compares all pairs; `None` with fewer than two contestants.
fn comparison(
    measure: &'static str,
    rule: &'static str,
    contestants: &[Contestant],
) -> Option<Comparison> {
    if contestants.len() < 2 {
        return None;
    }
    let mut pairs: Vec<Pair> = Vec::new();
    for (index, first) in contestants.iter().enumerate() {
        pairs.extend(contestants[index + 1..].iter().filter_map(|second| pair(first, second)));
    }
    let corrected = holm(&pairs.iter().map(|pair| pair.p).collect::<Vec<_>>());
    for (pair, corrected) in pairs.iter_mut().zip(corrected) {
        pair.corrected = corrected;
        if corrected < LEVEL {
            let better = if pair.difference > 0.0 { &pair.first } else { &pair.second };
            pair.better = Some(better.clone());
        }
    }
    let paired = |label: &String| pairs.iter().any(|p| p.first == *label || p.second == *label);
    let labels = contestants.iter().map(|contestant| &contestant.label);
    let alone = labels.filter(|label| !paired(label)).cloned().collect();
    Some(Comparison { measure, rule, pairs, alone })
}

/// Compares two on the first of test, validation and training split whose cases are the same; `None` without one.
fn pair(first: &Contestant, second: &Contestant) -> Option<Pair> {
    let same = |split: &SplitName| {
        second.splits.get(split).is_some_and(|cases| same_cases(&first.splits[split], cases))
    };
    let shared = first.splits.keys().copied().filter(same);
    let split = shared.min_by_key(|split| names::split_rank(*split))?;
    let cases = first.splits[&split].values().zip(second.splits[&split].values());
    let (groups, differences): (Vec<&str>, Vec<f64>) =
        cases.map(|(a, b)| (a.group.as_str(), a.value - b.value)).unzip();
    let mut of_groups: BTreeMap<&str, f64> = BTreeMap::new();
    for (group, difference) in groups.iter().zip(&differences) {
        *of_groups.entry(group).or_default() += difference;
    }
    let interval = mean_interval(&differences, &groups).map(|(low, high)| Interval { low, high });
    Some(Pair {
        first: first.label.clone(),
        second: second.label.clone(),
        split: names::split(split).to_owned(),
        cases: differences.len(),
        groups: of_groups.len(),
        difference: differences.iter().sum::<f64>() / differences.len() as f64,
        interval,
        p: p_of_difference(&of_groups.into_values().collect::<Vec<_>>()),
        corrected: 1.0,
        better: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{CaseRow, Provenance, ScoreRow, Status, Summary};

    /// A finished run whose test cases, of 1000 pixels with a lesion of 500, have about these Dice, each in a group of
    /// its own.
    fn run(experiment: &str, seed: u32, dice: &[f64]) -> Record {
        let case = |(index, &dice): (usize, &f64)| {
            let tp = (500.0 * dice).round() as u64;
            CaseRow {
                split: SplitName::Test,
                resolution: "original".into(),
                case: format!("case {index}"),
                group: format!("group {index}"),
                class: "lesion".into(),
                // As much is found as there is.
                tp,
                fp: 500 - tp,
                fn_: 500 - tp,
                ..Default::default()
            }
        };
        Record {
            status: Status { state: RunState::Finished, ..Default::default() },
            provenance: Provenance { seed, ..Default::default() },
            summary: Summary { experiment: experiment.into(), ..Default::default() },
            cases: dice.iter().enumerate().map(case).collect::<Vec<_>>().into(),
            ..Default::default()
        }
    }

    fn compared(records: &[Record]) -> Vec<Comparison> {
        comparisons(records, &names::labels(records))
    }

    /// 40 numbers around 0.7.
    fn numbers() -> Vec<f64> {
        (0..40).map(|i| 0.5 + 0.4 * f64::from(i * 17 % 40) / 40.0).collect()
    }

    #[test]
    fn a_difference_in_every_case_is_found_and_one_by_chance_is_not() {
        let base = numbers();
        let better: Vec<f64> = base.iter().map(|dice| dice + 0.05).collect();
        let by_chance: Vec<f64> =
            base.iter().enumerate().map(|(i, d)| d + 0.1 * [1.0, -1.0][i % 2]).collect();
        let records = [run("a", 0, &base), run("b", 0, &better), run("c", 0, &by_chance)];
        let found = compared(&records).remove(0);
        let told: Vec<_> = found
            .pairs
            .iter()
            .map(|p| (p.first.as_str(), p.second.as_str(), p.better.as_deref()))
            .collect();
        assert_eq!(told[0], ("a", "b", Some("b")));
        assert_eq!(told[1], ("a", "c", None));
        let pair = &found.pairs[0];
        assert_eq!((pair.cases, pair.groups), (40, 40));
        assert!((pair.difference + 0.05).abs() < 1e-9 && pair.p < 0.001);
        assert!(pair.corrected >= 2.0 * pair.p && found.alone.is_empty());
    }

    #[test]
    fn cases_of_one_group_are_one_piece_of_evidence() {
        let base = numbers();
        let better: Vec<f64> = base.iter().map(|dice| dice + 0.05).collect();
        let mut records = [run("a", 0, &base), run("b", 0, &better)];
        for row in records.iter_mut().flat_map(|record| record.cases.iter_mut()) {
            row.group = "one slide".into();
        }
        let pair = &compared(&records)[0].pairs[0];
        assert_eq!((pair.groups, pair.p, pair.better.as_deref()), (1, 1.0, None));
        assert_eq!(pair.interval, None);
    }

    #[test]
    fn seeds_of_an_experiment_are_one_with_the_mean_of_each_case() {
        let base = numbers();
        let shifted = |by: f64| base.iter().map(|dice| dice + by).collect::<Vec<f64>>();
        let records =
            [run("a", 0, &shifted(0.02)), run("a", 1, &shifted(0.04)), run("b", 0, &base)];
        let pair = &compared(&records)[0].pairs[0];
        assert_eq!((pair.first.as_str(), pair.second.as_str()), ("a, 2 seeds", "b"));
        assert!((pair.difference - 0.03).abs() < 1e-9);
    }

    #[test]
    fn other_cases_other_truths_and_unfinished_runs_are_not_compared() {
        let base = numbers();
        let mut other_truth = run("b", 0, &base);
        other_truth.cases[3].fn_ += 1;
        let fewer = run("c", 0, &base[..39]);
        let mut stopped = run("d", 0, &base);
        stopped.status.state = RunState::Interrupted;
        let found = compared(&[run("a", 0, &base), other_truth, fewer, stopped.clone()]).remove(0);
        assert_eq!((found.pairs.len(), found.alone), (0, vec!["a".into(), "b".into(), "c".into()]));
        assert!(compared(&[run("a", 0, &base), stopped]).is_empty());
    }

    #[test]
    fn a_case_without_a_lesion_counts_whatever_is_found_in_it() {
        let empty = |name: &str, found: u64| {
            let mut record = run(name, 0, &numbers());
            for row in &mut record.cases[..20] {
                (row.tp, row.fp, row.fn_, row.tn) = (0, found, 0, 1000 - found);
                row.dice = None;
            }
            record
        };
        let pair = compared(&[empty("a", 0), empty("b", 9)]).remove(0).pairs.remove(0);
        assert_eq!((pair.cases, pair.better.as_deref()), (40, Some("a")));
        assert!((pair.difference - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_case_without_a_labelled_pixel_is_no_evidence() {
        let ignored = |name: &str| {
            let mut record = run(name, 0, &numbers());
            for row in record.cases.iter_mut().take(3) {
                (row.tp, row.fp, row.fn_, row.tn) = (0, 0, 0, 0);
            }
            record
        };
        let pair = compared(&[ignored("a"), ignored("b")]).remove(0).pairs.remove(0);
        assert_eq!(pair.cases, numbers().len() - 3);
    }

    #[test]
    fn a_pair_is_compared_on_the_first_split_that_both_have() {
        let both = |name: &str| {
            let mut record = run(name, 0, &numbers());
            let valid = record.cases.iter().cloned();
            let valid = valid.map(|row| CaseRow { split: SplitName::Valid, ..row });
            let valid: Vec<CaseRow> = valid.collect();
            record.cases.extend(valid);
            record
        };
        let mut of_valid = both("b");
        of_valid.cases.retain(|row| row.split == SplitName::Valid);
        let splits: Vec<String> = compared(&[both("a"), of_valid, both("c")])[0]
            .pairs
            .iter()
            .map(|pair| pair.split.clone())
            .collect();
        assert_eq!(splits, ["Validation", "Test", "Validation"]);
    }

    #[test]
    fn images_are_compared_by_whether_they_are_called_right() {
        let classifier = |name: &str, right: usize| {
            let score = |index: usize| ScoreRow {
                split: SplitName::Test,
                case: format!("case {index}"),
                group: format!("group {index}"),
                truth: "benign".into(),
                predicted: if index < right { "benign" } else { "malignant" }.into(),
                ..Default::default()
            };
            Record { scores: (0..30).map(score).collect(), ..run(name, 0, &[]) }
        };
        let found = compared(&[classifier("a", 24), classifier("b", 20)]).remove(0);
        assert_eq!(found.measure, "share of images classified correctly");
        let pair = &found.pairs[0];
        // Four images of one sign: 2 of 2^4 ways are as far from zero.
        assert!((pair.difference - 4.0 / 30.0).abs() < 1e-12 && (pair.p - 0.125).abs() < 1e-12);
    }
}
