//! Which runs differ on the same cases by more than chance.

use std::collections::BTreeMap;

use serde::Serialize;

use super::headline::seeded;
use super::names;
use super::permutation::{holm, p_of_difference};
use super::tables::{dice_of_cases, headline_resolution};
use crate::error::Result;
use crate::evaluate::bootstrap::mean_interval;
use crate::record::{Interval, Record, RunState};

/// Pairs with a lower corrected p are said to differ.
const LEVEL: f64 = 0.05;

/// Runs against each other on the same cases of a split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What is compared: the mean of this over the cases; higher is better.
    pub measure: &'static str,
    /// All pairs that can be compared.
    pub pairs: Vec<Pair>,
    /// Those that have no case, or another truth, in common with each other one.
    pub alone: Vec<String>,
}

/// Two runs, or two experiments of several seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// Who is compared.
    pub first: String,
    /// With whom.
    pub second: String,
    /// The split.
    pub split: String,
    /// Cases that both have a number for.
    pub cases: usize,
    /// Groups that these lie in.
    pub groups: usize,
    /// Mean of the first less that of the second.
    pub difference: f64,
    /// 95 % interval of that; `None` with too few groups.
    pub interval: Option<Interval>,
    /// p of a paired permutation test.
    pub p: f64,
    /// The same after Holm's correction for all pairs of the comparison.
    pub corrected: f64,
    /// The better one; `None` where they cannot be told apart.
    pub better: Option<String>,
}

/// What is known of a case.
#[derive(Clone, Debug, PartialEq)]
struct Case {
    group: String,
    /// What two runs must agree on to be compared.
    truth: String,
    value: Option<f64>,
}

type Cases = BTreeMap<String, Case>;

struct Contestant {
    label: String,
    split: String,
    cases: Cases,
}

/// Comparisons of finished runs: of pixels by Dice, of images by whether they are called right.
///
/// # Errors
/// When polars cannot tabulate the cases.
pub fn comparisons(records: &[Record], labels: &[String]) -> Result<Vec<Comparison>> {
    let by_dice = contestants(records, labels, dice)?;
    let by_class = contestants(records, labels, |record| Ok(right_class(record)))?;
    let all = [
        comparison("Dice of a case", &by_dice),
        comparison("share of images called right", &by_class),
    ];
    Ok(all.into_iter().flatten().collect())
}

/// The cases of each split with their Dice at the headline resolution.
fn dice(record: &Record) -> Result<BTreeMap<String, Cases>> {
    let resolution = headline_resolution(record);
    let mut splits: BTreeMap<String, Cases> = BTreeMap::new();
    for seen in dice_of_cases(record)? {
        let case = Case { group: String::new(), truth: String::new(), value: seen.value };
        splits.entry(seen.split).or_default().insert(seen.case, case);
    }
    for row in record.cases.iter().filter(|row| row.resolution == resolution) {
        let case = splits.get_mut(&row.split).and_then(|cases| cases.get_mut(&row.case));
        let Some(case) = case else { continue };
        case.group.clone_from(&row.group);
        let pixels = row.tp + row.fn_;
        if pixels > 0 {
            case.truth += &format!("{} {pixels} ", row.class);
        }
    }
    Ok(splits)
}

/// The images of each split, 1 if called right, else 0.
fn right_class(record: &Record) -> BTreeMap<String, Cases> {
    let mut splits: BTreeMap<String, Cases> = BTreeMap::new();
    for row in &record.scores {
        let case = Case {
            group: row.group.clone(),
            truth: row.truth.clone(),
            value: Some(f64::from(u8::from(row.truth == row.predicted))),
        };
        splits.entry(row.split.clone()).or_default().insert(row.case.clone(), case);
    }
    splits
}

/// Finished runs on the first of test, validation and training split that they have cases of; runs that differ in
/// their seeds as one, with the mean of each case.
fn contestants(
    records: &[Record],
    labels: &[String],
    cases: impl Fn(&Record) -> Result<BTreeMap<String, Cases>>,
) -> Result<Vec<Contestant>> {
    let mut all: Vec<Option<Contestant>> = Vec::new();
    for (record, label) in records.iter().zip(labels) {
        let splits = if record.status.state == RunState::Finished {
            cases(record)?
        } else {
            BTreeMap::new()
        };
        let first = splits.into_iter().min_by_key(|(split, _)| names::split_rank(split));
        all.push(first.map(|(split, cases)| Contestant { label: label.clone(), split, cases }));
    }
    for (experiment, runs) in seeded(&records.iter().collect::<Vec<_>>()) {
        let seeds: Vec<&Contestant> = runs.iter().filter_map(|&run| all[run].as_ref()).collect();
        let [first, others @ ..] = seeds.as_slice() else { continue };
        if others.iter().any(|other| !comparable(first, other)) {
            continue;
        }
        let mean = Contestant {
            label: format!("{experiment}, {} seeds", seeds.len()),
            split: first.split.clone(),
            cases: mean_of(&seeds),
        };
        let place = runs[0];
        for run in runs {
            all[run] = None;
        }
        all[place] = Some(mean);
    }
    Ok(all.into_iter().flatten().collect())
}

/// Each case with the mean of its numbers; none where one is undefined.
fn mean_of(seeds: &[&Contestant]) -> Cases {
    let mean = |name: &String| {
        let values: Option<Vec<f64>> = seeds.iter().map(|seed| seed.cases[name].value).collect();
        values.map(|values| values.iter().sum::<f64>() / values.len() as f64)
    };
    let cases = seeds[0].cases.iter();
    cases.map(|(name, case)| (name.clone(), Case { value: mean(name), ..case.clone() })).collect()
}

/// Whether two have the same cases of the same split, in the same groups and with the same truth.
fn comparable(a: &Contestant, b: &Contestant) -> bool {
    let same = |((name, case), (other_name, other)): ((&String, &Case), (&String, &Case))| {
        name == other_name && case.group == other.group && case.truth == other.truth
    };
    a.split == b.split && a.cases.len() == b.cases.len() && a.cases.iter().zip(&b.cases).all(same)
}

/// All pairs against each other; `None` with fewer than two.
fn comparison(measure: &'static str, contestants: &[Contestant]) -> Option<Comparison> {
    if contestants.len() < 2 {
        return None;
    }
    let mut pairs = Vec::new();
    for (index, first) in contestants.iter().enumerate() {
        let others = contestants[index + 1..].iter().filter(|second| comparable(first, second));
        pairs.extend(others.filter_map(|second| pair(first, second)));
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
    Some(Comparison { measure, pairs, alone })
}

/// Two on the cases that both have a number for; `None` where there is none.
fn pair(first: &Contestant, second: &Contestant) -> Option<Pair> {
    let differences: Vec<(&str, f64)> = first
        .cases
        .iter()
        .filter_map(|(name, case)| {
            Some((case.group.as_str(), case.value? - second.cases[name].value?))
        })
        .collect();
    if differences.is_empty() {
        return None;
    }
    let mut of_groups: BTreeMap<&str, f64> = BTreeMap::new();
    for (group, difference) in &differences {
        *of_groups.entry(group).or_default() += difference;
    }
    let sums: Vec<f64> = of_groups.into_values().collect();
    let (groups, values): (Vec<&str>, Vec<f64>) = differences.into_iter().unzip();
    let interval = mean_interval(&values, &groups).map(|(low, high)| Interval { low, high });
    Some(Pair {
        first: first.label.clone(),
        second: second.label.clone(),
        split: names::split(&first.split).to_owned(),
        cases: values.len(),
        groups: sums.len(),
        difference: values.iter().sum::<f64>() / values.len() as f64,
        interval,
        p: p_of_difference(&sums),
        corrected: 1.0,
        better: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{CaseRow, Provenance, ScoreRow, Status, Summary};

    /// A finished run whose test cases have these Dice, each in a group of its own.
    fn run(experiment: &str, seed: u32, dice: &[f64]) -> Record {
        let case = |(index, &dice): (usize, &f64)| CaseRow {
            split: "test".into(),
            resolution: "original".into(),
            case: format!("case {index}"),
            group: format!("group {index}"),
            class: "lesion".into(),
            tp: 10,
            fn_: 5,
            dice: Some(dice),
            ..Default::default()
        };
        Record {
            status: Status { state: RunState::Finished, ..Default::default() },
            provenance: Provenance { seed, ..Default::default() },
            summary: Summary { experiment: experiment.into(), ..Default::default() },
            cases: dice.iter().enumerate().map(case).collect(),
            ..Default::default()
        }
    }

    fn compared(records: &[Record]) -> Vec<Comparison> {
        comparisons(records, &names::labels(records)).unwrap()
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
        assert!((pair.difference + 0.05).abs() < 1e-12 && pair.p < 0.001);
        assert!(pair.corrected >= 2.0 * pair.p && found.alone.is_empty());
    }

    #[test]
    fn cases_of_one_group_are_one_piece_of_evidence() {
        let base = numbers();
        let better: Vec<f64> = base.iter().map(|dice| dice + 0.05).collect();
        let mut records = [run("a", 0, &base), run("b", 0, &better)];
        for row in records.iter_mut().flat_map(|record| &mut record.cases) {
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
        assert!((pair.difference - 0.03).abs() < 1e-12);
    }

    #[test]
    fn other_cases_other_truths_and_unfinished_runs_are_not_compared() {
        let base = numbers();
        let mut other_truth = run("b", 0, &base);
        other_truth.cases[3].fn_ = 6;
        let fewer = run("c", 0, &base[..39]);
        let mut stopped = run("d", 0, &base);
        stopped.status.state = RunState::Interrupted;
        let found = compared(&[run("a", 0, &base), other_truth, fewer, stopped.clone()]).remove(0);
        assert_eq!((found.pairs.len(), found.alone), (0, vec!["a".into(), "b".into(), "c".into()]));
        assert!(compared(&[run("a", 0, &base), stopped]).is_empty());
    }

    #[test]
    fn images_are_compared_by_whether_they_are_called_right() {
        let classifier = |name: &str, right: usize| {
            let score = |index: usize| ScoreRow {
                split: "test".into(),
                case: format!("case {index}"),
                group: format!("group {index}"),
                truth: "benign".into(),
                predicted: if index < right { "benign" } else { "malignant" }.into(),
                ..Default::default()
            };
            Record { scores: (0..30).map(score).collect(), ..run(name, 0, &[]) }
        };
        let found = compared(&[classifier("a", 24), classifier("b", 20)]).remove(0);
        assert_eq!(found.measure, "share of images called right");
        let pair = &found.pairs[0];
        // Four images of one sign: 2 of 2^4 ways are as far from zero.
        assert!((pair.difference - 4.0 / 30.0).abs() < 1e-12 && (pair.p - 0.125).abs() < 1e-12);
    }
}
