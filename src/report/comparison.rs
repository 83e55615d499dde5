//! Which runs differ on the same cases more than by chance, in a figure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cases::{counts, rows_of_cases, score};
use super::choice::chosen_on_test;
use super::headline::{by_task, columns};
use super::images;
use super::names;
use super::seeded::{label_of_seeds, seeded};
use crate::error::{Error, Result};
use crate::evaluate::paired::{self, Difference, OverSeeds};
use crate::evaluate::{CaseScore, ImageScore, figure_bounds, figure_goal};
use crate::figure_name::OF_SECOND_HEAD;
use crate::record::{Interval, Record, RunState, ScoreRow, Task};
use crate::spec::Goal;
use crate::split_name::SplitName;

/// Pairs with a lower corrected p count as different.
const LEVEL: f64 = 0.05;

/// Pairwise comparisons of runs on the same cases, in one figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Comparison {
    /// The figure for people.
    pub measure: String,
    /// Whether lower values are better.
    pub lower_is_better: bool,
    /// How a case without a lesion scores; empty where there is none.
    pub rule: &'static str,
    /// How p is computed.
    pub test: &'static str,
    /// All pairs that can be compared.
    pub pairs: Vec<Pair>,
    /// Runs whose cases no other has.
    pub alone: Vec<String>,
    /// Runs whose cases another has, but no pair of them a test.
    pub untested: Vec<String>,
    /// All of them, by the cases of the split that decides of each.
    #[serde(skip)]
    pub sets: Vec<Vec<String>>,
    /// Tests of the page, for all of which p is corrected.
    pub tests: usize,
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
    /// Those for which the figure is undefined of one of both.
    pub left_out: usize,
    /// Groups of the cases.
    pub groups: usize,
    /// The figure of the first less that of the second.
    pub difference: f64,
    /// 95 % interval of that over cases; `None` with too few groups.
    pub interval: Option<Interval>,
    /// 95 % interval over cases and seeds; `None` where one of both has one seed.
    pub over_seeds: Option<Interval>,
    /// The part of the variance that is that of the seeds.
    pub share_of_seeds: Option<f64>,
    /// Whether the difference is larger than cases and seeds explain; `None` where one of both has one seed.
    pub is_beyond_seeds: Option<bool>,
    /// The mean difference by its standard deviation over cases; `None` where the figure is no mean.
    pub effect: Option<f64>,
    /// Groups that would show such a difference with a chance of 0.8, where these are fewer.
    pub groups_needed: Option<u64>,
    /// p of the test.
    pub p: f64,
    /// The same after Holm's correction for all tests of the page.
    pub corrected: f64,
    /// The better one; `None` where they are not distinguishable.
    pub better: Option<String>,
    /// What the test says, in words.
    pub verdict: String,
}

/// What two runs must agree on in a case to be compared.
#[derive(Clone, Debug, Default, PartialEq)]
struct Case {
    group: String,
    truth: String,
}

/// Cases by name.
type Cases = BTreeMap<String, Case>;

/// A run, or the runs of an experiment that differ in their seeds.
struct Contestant<'a> {
    label: String,
    /// Whether its epoch was chosen on the test split.
    chosen_on_test: bool,
    /// Names of the classes of images.
    classes: &'a [String],
    splits: BTreeMap<SplitName, Part>,
}

/// A split of a contestant.
struct Part {
    cases: Cases,
    scores: Scores,
}

/// The scores of each seed, in order of the cases.
enum Scores {
    Pixels(Vec<Vec<CaseScore>>),
    Images(Vec<Vec<ImageScore>>),
}

impl Scores {
    /// Adds those of another seed of the same experiment.
    fn extend(&mut self, other: Self) {
        match (self, other) {
            (Self::Pixels(seeds), Self::Pixels(more)) => seeds.extend(more),
            (Self::Images(seeds), Self::Images(more)) => seeds.extend(more),
            (Self::Pixels(_), Self::Images(_)) | (Self::Images(_), Self::Pixels(_)) => {}
        }
    }
}

/// What a figure is of.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    Pixels,
    Images,
}

/// Comparisons of finished runs in the figures asked for, such as `dice.lesion`, without any in the first headline figure of
/// each task.
///
/// # Errors
/// The user's, if no run has a figure that is asked for.
pub(super) fn comparisons(
    records: &[Record],
    labels: &[String],
    asked: &[String],
) -> Result<Vec<Comparison>> {
    for figure in asked {
        let has = |record: &Record| record.figures.iter().any(|found| found.name == *figure);
        if !records.iter().any(has) {
            let there = records.iter().flat_map(|record| &record.summary.headline);
            let there = names::distinct(there.map(|name| name.figure.as_str()));
            return Err(Error::user(format!(
                "no run has the figure `{figure}` to compare; headline figures are {}",
                there.join(", ")
            )));
        }
    }
    let seeded = seeded(&records.iter().collect::<Vec<_>>());
    let mut begun = Vec::new();
    for (task, runs) in by_task(records) {
        let of_task: Vec<&Record> = runs.iter().map(|&run| &records[run]).collect();
        let first = columns(&of_task).into_iter().next().map(|name| name.figure);
        let figures: Vec<String> = if asked.is_empty() {
            first.into_iter().collect()
        } else {
            let has = |figure: &&String| {
                of_task.iter().any(|record| record.figures.iter().any(|of| of.name == **figure))
            };
            asked.iter().filter(has).cloned().collect()
        };
        for figure in figures {
            let of = match task {
                Task::Segment if !figure.starts_with(OF_SECOND_HEAD) => Of::Pixels,
                _ => Of::Images,
            };
            let contestants = contestants(records, labels, &runs, &seeded, of);
            if contestants.len() > 1 {
                begun.push((figure, of, contestants));
            }
        }
    }
    let tests = begun.iter().map(|(_, _, all)| all.len() * (all.len() - 1) / 2).sum();
    let mut found: Vec<Comparison> = begun
        .iter()
        .map(|(figure, of, contestants)| comparison(figure, *of, contestants, tests))
        .collect();
    decide(&mut found);
    Ok(found)
}

/// The splits of a run, with the truth and the scores of their cases.
///
/// Cases without a labelled pixel are left out: they are no evidence.
fn splits(record: &Record, of: Of) -> BTreeMap<SplitName, Part> {
    match of {
        Of::Pixels => of_pixels(record),
        Of::Images => names::splits(record.scores.iter().map(|row| row.split))
            .into_iter()
            .map(|split| (split, of_images(record, split)))
            .collect(),
    }
}

fn of_pixels(record: &Record) -> BTreeMap<SplitName, Part> {
    let mut splits: BTreeMap<SplitName, (Cases, Vec<CaseScore>)> = BTreeMap::new();
    for ((split, name), mut rows) in rows_of_cases(record) {
        rows.retain(|row| counts(row).total() > 0);
        let Some(first) = rows.first() else { continue };
        let pixels = rows.iter().map(|row| (&row.class, counts(row).truth()));
        let truth = pixels.filter(|(_, pixels)| *pixels > 0);
        let truth = truth.map(|(class, pixels)| format!("{class} {pixels} ")).collect();
        let (cases, scores) = splits.entry(split).or_default();
        cases.insert(name.to_owned(), Case { group: first.group.clone(), truth });
        scores.extend(rows.iter().map(|row| score(row, &record.summary.classes)));
    }
    let part = |(cases, scores)| Part { cases, scores: Scores::Pixels(vec![scores]) };
    splits.into_iter().map(|(split, found)| (split, part(found))).collect()
}

fn of_images(record: &Record, split: SplitName) -> Part {
    let rows = record.scores.iter().filter(|row| row.split == split);
    let case = |row: &ScoreRow| Case { group: row.group.clone(), truth: row.truth.clone() };
    Part {
        cases: rows.map(|row| (row.case.clone(), case(row))).collect(),
        scores: Scores::Images(vec![images::scores_of(record, split)]),
    }
}

/// Finished runs of a task that have cases; seeds of an experiment on the same cases count as one.
fn contestants<'a>(
    records: &'a [Record],
    labels: &[String],
    runs: &[usize],
    seeded: &[(&str, Vec<usize>)],
    of: Of,
) -> Vec<Contestant<'a>> {
    let contestant = |&run: &usize| {
        let record = &records[run];
        let finished = record.status.state == RunState::Finished;
        let splits = if finished { splits(record, of) } else { BTreeMap::new() };
        let (label, classes) = (labels[run].clone(), images::classes(record));
        let chosen_on_test = chosen_on_test(record);
        (!splits.is_empty()).then_some((run, Contestant { label, chosen_on_test, classes, splits }))
    };
    let mut all: BTreeMap<usize, Contestant> = runs.iter().filter_map(contestant).collect();
    for (experiment, runs) in seeded {
        let seeds: Vec<usize> = runs.iter().copied().filter(|run| all.contains_key(run)).collect();
        let [first, others @ ..] = seeds.as_slice() else { continue };
        if others.is_empty() || !others.iter().all(|other| same_cases(&all[first], &all[other])) {
            continue;
        }
        let others: Vec<Contestant> = others.iter().filter_map(|other| all.remove(other)).collect();
        let Some(contestant) = all.get_mut(first) else { continue };
        contestant.label = label_of_seeds(experiment, seeds.len());
        for (split, part) in others.into_iter().flat_map(|other| other.splits) {
            if let Some(whole) = contestant.splits.get_mut(&split) {
                whole.scores.extend(part.scores);
            }
        }
    }
    all.into_values().collect()
}

/// Whether two have the same cases in the same splits.
fn same_cases(one: &Contestant, other: &Contestant) -> bool {
    let cases = |(split, part): (&SplitName, &Part)| (*split, part.cases.clone());
    one.splits.iter().map(cases).eq(other.splits.iter().map(cases))
}

/// Compares all pairs in a figure; p is not corrected yet.
fn comparison(figure: &str, of: Of, contestants: &[Contestant], tests: usize) -> Comparison {
    let mut pairs: Vec<Pair> = Vec::new();
    for (index, first) in contestants.iter().enumerate() {
        let others = contestants[index + 1..].iter();
        pairs.extend(others.filter_map(|second| pair(figure, first, second, tests)));
    }
    let paired = |label: &String| pairs.iter().any(|p| p.first == *label || p.second == *label);
    let has_partner = |one: &Contestant| {
        let mut others = contestants.iter().filter(|other| other.label != one.label);
        others.any(|other| shared_split(one, other).is_some())
    };
    let (untested, alone): (Vec<&Contestant>, Vec<&Contestant>) =
        contestants.iter().filter(|one| !paired(&one.label)).partition(|one| has_partner(one));
    let label = |one: &Contestant| one.label.clone();
    let empty = "A case without a lesion and without a predicted one counts as found, whatever the rules of the runs.";
    let of_ranking = figure.trim_start_matches(OF_SECOND_HEAD).starts_with("auc.");
    Comparison {
        measure: names::figure(figure),
        lower_is_better: figure_goal(figure) == Some(Goal::Lowest),
        rule: if of == Of::Pixels { empty } else { "" },
        test: match of {
            Of::Images if of_ranking => {
                "DeLong's test (1988), with images in groups Obuchowski's (1997)"
            }
            _ => "a paired permutation test",
        },
        alone: alone.into_iter().map(label).collect(),
        untested: untested.into_iter().map(label).collect(),
        sets: by_cases(contestants),
        pairs,
        tests,
    }
}

/// Labels of those that have the same cases in the first of test, validation and training split that they have.
fn by_cases(contestants: &[Contestant]) -> Vec<Vec<String>> {
    let decisive =
        |one: &Contestant| one.splits.keys().copied().min_by_key(|split| names::split_rank(*split));
    let mut sets: Vec<(&Contestant, Vec<String>)> = Vec::new();
    for one in contestants {
        let split = decisive(one);
        let is_of =
            |first: &Contestant| decisive(first) == split && shared_split(first, one) == split;
        match sets.iter_mut().find(|(first, _)| is_of(first)) {
            Some((_, set)) => set.push(one.label.clone()),
            None => sets.push((one, vec![one.label.clone()])),
        }
    }
    sets.into_iter().map(|(_, set)| set).collect()
}

/// The first of test, validation and training split in which two have the same cases, and images of the same classes.
fn shared_split(first: &Contestant, second: &Contestant) -> Option<SplitName> {
    let is_shared = |split: &SplitName| {
        let parts = [first.splits.get(split), second.splits.get(split)];
        let [Some(one), Some(other)] = parts else { return false };
        let of_images = matches!(one.scores, Scores::Images(_));
        one.cases == other.cases && (!of_images || first.classes == second.classes)
    };
    let shared = first.splits.keys().copied().filter(is_shared);
    shared.min_by_key(|split| names::split_rank(*split))
}

/// Compares two on the first of test, validation and training split whose cases are the same; `None` without one, or where
/// the figure has no test.
fn pair(figure: &str, first: &Contestant, second: &Contestant, tests: usize) -> Option<Pair> {
    let split = shared_split(first, second)?;
    let parts = [first.splits.get(&split)?, second.splits.get(&split)?];
    let found = match parts.map(|part| &part.scores) {
        [Scores::Pixels(one), Scores::Pixels(other)] => {
            paired::of_pixels([one, other], figure, tests)
        }
        [Scores::Images(one), Scores::Images(other)] => {
            let name = figure.strip_prefix(OF_SECOND_HEAD).unwrap_or(figure);
            paired::of_images([one, other], first.classes, name, tests)
        }
        _ => None,
    }?;
    let (least, most) = figure_bounds(figure);
    let interval = |ends| Interval::within(ends, (least - most, most - least));
    let Difference { value, p, effect, .. } = found;
    Some(Pair {
        first: first.label.clone(),
        second: second.label.clone(),
        split: names::split(split).to_owned(),
        cases: found.cases,
        left_out: found.left_out,
        groups: found.groups,
        difference: value,
        interval: found.interval.map(interval),
        over_seeds: found.over_seeds.map(|OverSeeds { interval: both, .. }| interval(both)),
        share_of_seeds: found.over_seeds.map(|over| over.share),
        is_beyond_seeds: found.over_seeds.map(|over| over.is_beyond),
        effect,
        groups_needed: found.groups_needed.filter(|needed| *needed > found.groups as u64),
        p,
        corrected: 1.0,
        better: None,
        verdict: verdict_without_test(split, [first, second]),
    })
}

/// Why a pair is not decided by a test; empty where it is.
fn verdict_without_test(split: SplitName, pair: [&Contestant; 2]) -> String {
    let chosen = pair.into_iter().filter(|one| one.chosen_on_test);
    let chosen: Vec<&str> = chosen.map(|one| one.label.as_str()).collect();
    match chosen.as_slice() {
        _ if split != SplitName::Test => "only test cases decide".into(),
        [] => String::new(),
        [one] => format!("no conclusion: the epoch of {one} was chosen on these cases"),
        _ => "no conclusion: the epochs of both were chosen on these cases".into(),
    }
}

/// Corrects p for all tests, and says of each pair of test cases which is better.
fn decide(comparisons: &mut [Comparison]) {
    let ps: Vec<f64> =
        comparisons.iter().flat_map(|of| of.pairs.iter().map(|pair| pair.p)).collect();
    let mut corrected = paired::holm(&ps).into_iter();
    for comparison in comparisons {
        for pair in &mut comparison.pairs {
            pair.corrected = corrected.next().unwrap_or(1.0);
            if !pair.verdict.is_empty() {
                continue;
            }
            let first_is_better = (pair.difference > 0.0) != comparison.lower_is_better;
            let better = if first_is_better { &pair.first } else { &pair.second }.clone();
            (pair.better, pair.verdict) = match pair.is_beyond_seeds {
                _ if pair.corrected >= LEVEL => (None, "not distinguishable".into()),
                None => {
                    (None, format!("{better}, on these weights: one seed says nothing of others"))
                }
                Some(false) => (None, "not distinguishable over seeds".into()),
                Some(true) => (Some(better.clone()), better),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::examples::named;
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
            summary: Summary {
                experiment: experiment.into(),
                headline: vec![named("test.dice.mean")],
                classes: vec!["lesion".into()],
                ..Default::default()
            },
            cases: dice.iter().enumerate().map(case).collect::<Vec<_>>().into(),
            ..Default::default()
        }
    }

    fn compared(records: &[Record]) -> Vec<Comparison> {
        comparisons(records, &names::labels(records), &[]).unwrap()
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
            .map(|p| (p.first.as_str(), p.second.as_str(), p.better.as_deref(), p.verdict.as_str()))
            .collect();
        let of_b = "b, on these weights: one seed says nothing of others";
        assert_eq!(told[0], ("a", "b", None, of_b));
        assert_eq!(told[1], ("a", "c", None, "not distinguishable"));
        let pair = &found.pairs[0];
        assert_eq!((pair.cases, pair.groups), (40, 40));
        assert!((pair.difference + 0.05).abs() < 1e-9 && pair.p < 0.001);
        assert!(pair.corrected >= 2.0 * pair.p && found.alone.is_empty());
    }

    #[test]
    fn nothing_better_is_concluded_of_an_epoch_that_was_chosen_on_the_cases() {
        let base = numbers();
        let shifted = |by: f64| base.iter().map(|dice| dice + by).collect::<Vec<f64>>();
        let on_test = |name: &str, seed, by| {
            let mut record = run(name, seed, &shifted(by));
            let metric = named("test.dice.mean");
            record.summary.selection =
                Some(crate::record::Selection { epoch: 1, metric, value: 0.7 });
            record
        };
        let told = |records: &[Record]| {
            let pair = compared(records).remove(0).pairs.remove(0);
            assert!(pair.corrected < 0.05, "{pair:?}");
            (pair.better, pair.verdict)
        };
        let valid = [0, 1].map(|seed| run("b", seed, &shifted(0.001 * f64::from(seed))));
        let one = [on_test("a", 0, 0.1), on_test("a", 1, 0.101)];
        assert_eq!(
            told(&[&one[..], &valid].concat()),
            (None, "no conclusion: the epoch of a, 2 seeds was chosen on these cases".into())
        );
        let both = "no conclusion: the epochs of both were chosen on these cases".to_string();
        assert_eq!(told(&[on_test("a", 0, 0.1), on_test("c", 0, 0.0)]), (None, both));
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
        assert_eq!((pair.over_seeds, pair.better.as_deref()), (None, None));
    }

    #[test]
    fn seeds_of_both_decide_and_such_as_differ_more_than_the_networks_do_not() {
        let base = numbers();
        let shifted = |by: f64| base.iter().map(|dice| dice + by).collect::<Vec<f64>>();
        let of = |name: &str, shifts: [f64; 3]| {
            let runs = shifts.into_iter().zip(0..).map(|(by, seed)| run(name, seed, &shifted(by)));
            runs.collect::<Vec<Record>>()
        };
        let b = of("b", [-0.002, 0.0, 0.002]);
        let alike = compared(&[of("a", [0.098, 0.1, 0.102]), b.clone()].concat());
        let pair = &alike[0].pairs[0];
        assert_eq!(
            (pair.better.as_deref(), pair.verdict.as_str()),
            (Some("a, 3 seeds"), "a, 3 seeds")
        );
        let (cases, both) = (pair.interval.unwrap(), pair.over_seeds.unwrap());
        assert!(both.low < cases.low && both.high > cases.high, "{pair:?}");
        let apart = compared(&[of("a", [-0.1, 0.1, 0.2]), b].concat());
        let pair = &apart[0].pairs[0];
        assert!(pair.corrected < 0.05 && pair.share_of_seeds.unwrap() > 0.9, "{pair:?}");
        assert_eq!(pair.verdict, "not distinguishable over seeds");
    }

    #[test]
    fn figures_that_are_asked_for_are_corrected_together_and_unknown_ones_are_named() {
        let base = numbers();
        let better: Vec<f64> = base.iter().map(|dice| dice + 0.05).collect();
        let mut records = [run("a", 0, &base), run("b", 0, &better)];
        for record in &mut records {
            for name in ["dice.mean", "iou.pooled"] {
                let figure = crate::record::Figure { name: name.into(), ..Default::default() };
                record.figures.push(figure);
            }
        }
        let ask = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
            comparisons(&records, &names::labels(&records), &names)
        };
        let found = ask(&["dice.mean", "iou.pooled"]).unwrap();
        assert_eq!(found.iter().map(|of| of.pairs.len()).collect::<Vec<_>>(), [1, 1]);
        assert!(found.iter().all(|of| of.tests == 2 && of.pairs[0].corrected >= of.pairs[0].p));
        assert!(found[1].pairs[0].difference < -0.01, "{:?}", found[1].pairs[0]);
        let error = ask(&["dice.mena"]).unwrap_err().to_string();
        assert!(error.contains("`dice.mena`") && error.contains("dice.mean"), "{error}");
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
        assert_eq!((found.untested.len(), found.sets.len()), (0, 3));
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
        assert!(pair.verdict.starts_with("a, on these weights"), "{}", pair.verdict);
        assert_eq!(pair.cases, 40);
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
        let found = compared(&[both("a"), of_valid, both("c")]);
        let told: Vec<(&str, bool)> = found[0]
            .pairs
            .iter()
            .map(|pair| (pair.split.as_str(), pair.verdict == "only test cases decide"))
            .collect();
        assert_eq!(told, [("Validation", true), ("Test", false), ("Validation", true)]);
    }

    /// A classifier that calls the first `right` of 30 images, a third of them malignant, rightly.
    fn classifier(name: &str, right: usize, figure: &str) -> Record {
        let score = |index: usize| {
            let classes = ["benign", "malignant"];
            let truth = usize::from(index.is_multiple_of(3));
            let predicted = if index < right { truth } else { 1 - truth };
            let p = 0.3 + 0.4 * predicted as f64 + 0.01 * index as f64;
            ScoreRow {
                split: SplitName::Test,
                case: format!("case {index:02}"),
                group: format!("group {index}"),
                truth: classes[truth].into(),
                predicted: classes[predicted].into(),
                probabilities: vec![1.0 - p, p],
                ..Default::default()
            }
        };
        let mut record = Record { scores: (0..30).map(score).collect(), ..run(name, 0, &[]) };
        record.summary.task = Task::Classify;
        record.summary.classes = ["benign", "malignant"].map(String::from).to_vec();
        record.summary.headline = vec![named(figure)];
        record
    }

    #[test]
    fn images_are_compared_by_whether_they_are_called_right() {
        let figure = "test.accuracy";
        let records = [classifier("a", 24, figure), classifier("b", 20, figure)];
        let found = compared(&records).remove(0);
        assert_eq!((found.measure.as_str(), found.rule), ("Accuracy", ""));
        let pair = &found.pairs[0];
        // Four images of one sign: 2 of 2^4 ways are as far from zero.
        assert!((pair.difference - 4.0 / 30.0).abs() < 1e-12 && (pair.p - 0.125).abs() < 1e-12);
        assert!(pair.interval.is_some() && pair.groups_needed.is_some_and(|groups| groups > 30));
    }

    #[test]
    fn areas_are_compared_by_delong() {
        let figure = "test.auc.macro";
        let records = [classifier("a", 28, figure), classifier("b", 14, figure)];
        let found = compared(&records).remove(0);
        assert!(found.test.starts_with("DeLong"));
        let pair = &found.pairs[0];
        assert!(pair.difference > 0.2 && pair.p < 0.05, "{pair:?}");
        assert!(pair.interval.unwrap().low > 0.0, "{pair:?}");
    }

    #[test]
    fn a_figure_without_a_test_leaves_nobody_alone() {
        let figure = "test.average-precision.macro";
        let records = [classifier("a", 28, figure), classifier("b", 14, figure)];
        let found = compared(&records).remove(0);
        assert_eq!((found.pairs.len(), found.alone.len()), (0, 0));
        assert_eq!(found.untested, ["a", "b"]);
        assert_eq!(found.sets, [["a", "b"]]);
    }
}
