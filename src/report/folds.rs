//! The folds of a division as one row: figures over the test cases of all of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::cases::score;
use super::configuration::{empty_rule, headline_resolution, same_but_fold, spec_text, spec_value};
use super::images::{classes, image_score};
use crate::evaluate::{CaseScore, ImageScore, figures, image_figures};
use crate::figure_name::{FigureName, OF_SECOND_HEAD};
use crate::record::{
    CaseRow, Figure, Froc, Gate, Interval, PixelReliability, Record, RunState, ScoreRow, Task,
};
use crate::spec::MetricKind;
use crate::split_name::SplitName;

/// An experiment whose runs are the folds of a division, or of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folds {
    /// Name of the experiment.
    pub experiment: String,
    /// The experiment with the number of folds.
    pub label: String,
    /// What is predicted.
    pub task: Task,
    /// Folds of a division.
    pub folds: usize,
    /// How often each case was tested: once for each division and seed.
    pub repeats: usize,
    /// Indices of the runs.
    pub runs: Vec<usize>,
    /// Figures of the test split over the cases of all folds. `n` and `left_out` are those of one repeat, rounded up.
    pub figures: Vec<Figure>,
    /// Bounds on these figures, and whether they hold.
    pub gates: Vec<Gate>,
    /// For each repeat, a record with the test cases of all of its folds, and these figures.
    pub records: Vec<Record>,
}

impl Folds {
    /// Whether all bounds on its figures hold.
    pub fn held(&self) -> bool {
        self.gates.iter().all(|gate| gate.held)
    }

    /// The figure of a full name.
    pub fn figure(&self, name: &FigureName) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.has_name(name))
    }
}

/// The bounds of an experiment on figures over all folds, where these are not all there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unjudged {
    /// Name of the experiment.
    pub experiment: String,
    /// The figures.
    pub figures: Vec<FigureName>,
}

impl Unjudged {
    /// Why it is that nothing is judged, for a person.
    pub fn why(&self) -> String {
        let figures: Vec<String> = self.figures.iter().map(FigureName::to_string).collect();
        format!(
            "not judged: {}: bounds on figures over all folds, and not all folds are finished runs here",
            figures.join(", ")
        )
    }
}

/// The bounds on figures over all folds of experiments whose folds are not all among the runs.
pub fn unjudged(records: &[Record], folds: &[Folds]) -> Vec<Unjudged> {
    let mut found: Vec<Unjudged> = Vec::new();
    for (run, record) in records.iter().enumerate() {
        let experiment = &record.summary.experiment;
        let is_judged = folds.iter().any(|one| one.runs.contains(&run));
        let is_known = found.iter().any(|one| one.experiment == *experiment);
        if is_judged || is_known || record.gates_of_folds.is_empty() {
            continue;
        }
        let figures = record.gates_of_folds.iter().map(|gate| gate.figure.clone()).collect();
        found.push(Unjudged { experiment: experiment.clone(), figures });
    }
    found
}

/// The experiments all of whose folds are finished runs; the runs of others stand for themselves.
///
/// Runs belong together that differ in nothing but the fold, the seeds, and keys that a sweep chose for each fold.
pub fn folds(records: &[Record]) -> Vec<Folds> {
    let mut experiments: Vec<Vec<usize>> = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let tested = record.cases.iter().any(|row| row.split == SplitName::Test)
            || record.scores.iter().any(|row| row.split == SplitName::Test);
        if record.status.state != RunState::Finished || !tested || number(record, "fold").is_none()
        {
            continue;
        }
        match experiments.iter_mut().find(|runs| same_but_fold(&records[runs[0]], record)) {
            Some(runs) => runs.push(index),
            None => experiments.push(vec![index]),
        }
    }
    experiments.iter().filter_map(|runs| of_experiment(records, runs)).collect()
}

/// A number of a k-fold division.
fn number(record: &Record, key: &str) -> Option<u32> {
    spec_text(record, &format!("dataset.split.{key}"))?.parse().ok()
}

/// Divisions of which every fold is there once, and each case is tested in one of them; `None` without one.
fn of_experiment(records: &[Record], runs: &[usize]) -> Option<Folds> {
    let folds = number(&records[runs[0]], "folds")? as usize;
    let mut repeats: BTreeMap<(u32, u32), Vec<&Record>> = BTreeMap::new();
    for &run in runs {
        let record = &records[run];
        let repeat = (record.provenance.seed, number(record, "seed").unwrap_or(0));
        repeats.entry(repeat).or_default().push(record);
    }
    let whole = |runs: &Vec<&Record>| {
        let numbers: BTreeSet<Option<u32>> =
            runs.iter().map(|record| number(record, "fold")).collect();
        runs.len() == folds && numbers.len() == folds && once_each(runs)
    };
    repeats.retain(|_, runs| whole(runs));
    let first = *repeats.values().next()?.first()?;
    let count = match repeats.len() {
        1 => String::new(),
        count => format!(", {count} repeats"),
    };
    let average = first.summary.average_of();
    let average = average.map(|average| format!(", {average}")).unwrap_or_default();
    let repeats: Vec<Vec<&Record>> = repeats.into_values().collect();
    let figures = pooled(first, &repeats);
    let gates = first.gates_of_folds.iter().map(|gate| gate.clone().judged_by(&figures));
    Some(Folds {
        experiment: first.summary.experiment.clone(),
        gates: gates.collect(),
        label: format!("{}, {folds} folds{count}{average}", first.summary.experiment),
        task: first.summary.task,
        folds,
        repeats: repeats.len(),
        records: repeats
            .iter()
            .enumerate()
            .map(|(repeat, runs)| Record {
                figures: figures.clone(),
                ..joined(first, runs, repeat, folds)
            })
            .collect(),
        figures,
        runs: runs
            .iter()
            .copied()
            .filter(|&run| repeats.iter().flatten().any(|one| std::ptr::eq(*one, &records[run])))
            .collect(),
    })
}

/// Whether each case is in the test split of one run alone, with a row for each class.
fn once_each(runs: &[&Record]) -> bool {
    let mut seen = BTreeSet::new();
    for record in runs {
        let resolution = headline_resolution(record);
        let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
        for row in test_cases(record, &resolution) {
            *classes.entry(&row.case).or_default() += 1;
        }
        let own: BTreeSet<&str> = classes
            .keys()
            .copied()
            .chain(test_scores(record).map(|row| row.case.as_str()))
            .collect();
        let expected = record.summary.classes.len();
        if classes.values().any(|count| *count != expected)
            || own.into_iter().any(|case| !seen.insert(case))
        {
            return false;
        }
    }
    true
}

fn test_cases<'a>(record: &'a Record, resolution: &str) -> impl Iterator<Item = &'a CaseRow> {
    let of_test = move |row: &&CaseRow| row.split == SplitName::Test;
    record.cases.iter().filter(of_test).filter(move |row| row.resolution == resolution)
}

fn test_scores(record: &Record) -> impl Iterator<Item = &ScoreRow> {
    record.scores.iter().filter(|row| row.split == SplitName::Test)
}

/// The figures of the test split over all folds. In several repeats a case counts once for each, within its group, so
/// that means are over its mean and an interval over groups takes all of its repeats together.
fn pooled(first: &Record, repeats: &[Vec<&Record>]) -> Vec<Figure> {
    let asked = spec_value(first, "evaluation.metrics");
    let asked: Vec<MetricKind> = asked.and_then(|value| value.try_into().ok()).unwrap_or_default();
    let resolution = headline_resolution(first);
    let (mut cases, mut images) = (Vec::new(), Vec::new());
    for (repeat, runs) in repeats.iter().enumerate() {
        for record in runs {
            let of_run = test_cases(record, &resolution);
            cases.extend(of_run.map(|row| CaseScore {
                case: in_repeat(repeat, &row.case),
                ..score(row, &first.summary.classes)
            }));
            let scores = test_scores(record).filter_map(|row| image_score(row, first));
            images.extend(
                scores.map(|score| ImageScore { case: in_repeat(repeat, &score.case), ..score }),
            );
        }
    }
    let mut found = Vec::new();
    if !cases.is_empty() {
        found.extend(figures(&cases, &asked, empty_rule(first)));
    }
    if !images.is_empty() {
        let (metrics, prefix) = match first.summary.image_classes.as_slice() {
            [] => (asked, ""),
            _ => (MetricKind::of_images(), OF_SECOND_HEAD),
        };
        found.extend(image_figures(&images, classes(first), &metrics).into_iter().map(|figure| {
            crate::evaluate::Figure { name: format!("{prefix}{}", figure.name), ..figure }
        }));
    }
    let of_one = |count: usize| count.div_ceil(repeats.len()) as u64;
    let recorded = found.into_iter().map(|figure| Figure {
        split: SplitName::Test,
        name: figure.name,
        value: figure.value,
        n: of_one(figure.n),
        left_out: of_one(figure.left_out),
        penalised: of_one(figure.penalised),
        groups: figure.groups as u64,
        interval: figure.interval.map(|(low, high)| Interval { low, high }),
        interval_note: figure.interval_note,
    });
    recorded.collect()
}

/// The name of a case in a repeat, since it is another case there.
fn in_repeat(repeat: usize, case: &str) -> String {
    format!("{repeat} {case}")
}

/// The test cases of a division as one record, so that experiments are compared on all of them. What differs between its
/// runs, the fold and keys that a sweep chose, is that of the first.
fn joined(first: &Record, runs: &[&Record], repeat: usize, folds: usize) -> Record {
    let test = |record: &&Record| {
        let rows = record.split.iter().filter(|row| row.split == SplitName::Test);
        rows.cloned().collect::<Vec<_>>()
    };
    let resolution = headline_resolution(first);
    let mut joined = Record {
        path: first.path.clone(),
        status: first.status.clone(),
        provenance: first.provenance.clone(),
        spec: first.spec.clone(),
        summary: first.summary.clone(),
        split: runs.iter().flat_map(test).collect::<Vec<_>>().into(),
        cases: runs
            .iter()
            .flat_map(|record| test_cases(record, &resolution).cloned())
            .collect::<Vec<_>>()
            .into(),
        scores: runs.iter().flat_map(|record| test_scores(record).cloned()).collect(),
        reliability: of_folds(
            runs,
            |record| record.reliability.iter().find(|part| part.split == SplitName::Test).cloned(),
            PixelReliability::united,
        ),
        froc: of_folds(
            runs,
            |record| record.froc.iter().find(|part| part.split == SplitName::Test).cloned(),
            Froc::united,
        ),
        ..Record::default()
    };
    joined.summary.experiment = format!("{}, {folds} folds", first.summary.experiment);
    joined.provenance.seed = repeat as u32;
    joined.provenance.run_id = String::new();
    joined
}

/// What the test splits of all folds add up to; nothing where one lacks it.
fn of_folds<T>(
    runs: &[&Record],
    of_test: impl Fn(&Record) -> Option<T>,
    unite: fn(T, T) -> T,
) -> Vec<T> {
    let parts: Option<Vec<T>> = runs.iter().map(|record| of_test(record)).collect();
    parts.and_then(|parts| parts.into_iter().reduce(unite)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Provenance, SplitRow, Status, Summary};
    use crate::spec::{GateSpec, JudgedCases};

    /// A finished run of a fold whose test cases are named by numbers, with a Dice for each; in groups of their own.
    fn run(fold: u32, seed: u32, cases: &[(u32, f64)]) -> Record {
        let rows = cases.iter().map(|&(case, dice)| {
            let tp = (500.0 * dice).round() as u64;
            CaseRow {
                split: SplitName::Test,
                resolution: "original".into(),
                case: format!("case {case}"),
                group: format!("group {case}"),
                class: "lesion".into(),
                tp,
                fp: 500 - tp,
                fn_: 500 - tp,
                ..CaseRow::default()
            }
        });
        let split = cases.iter().map(|&(case, _)| SplitRow {
            case: format!("case {case}"),
            group: format!("group {case}"),
            split: SplitName::Test,
            fold: Some(fold),
            ..SplitRow::default()
        });
        Record {
            status: Status { state: RunState::Finished, ..Status::default() },
            provenance: Provenance { seed, ..Provenance::default() },
            summary: Summary {
                experiment: "a".into(),
                classes: vec!["lesion".into()],
                ..Summary::default()
            },
            spec: format!(
                "[dataset.split]\nkind = 'kfold'\nfolds = 3\nfold = {fold}\nseed = 0\n[evaluation]\nmetrics = ['dice']"
            ),
            split: split.collect::<Vec<_>>().into(),
            cases: rows.collect::<Vec<_>>().into(),
            ..Record::default()
        }
    }

    fn of_cases(seed: u32, dice: impl Fn(u32) -> f64) -> Vec<Record> {
        let cases = |fold: u32| (0..4).map(move |i| 3 * i + fold);
        let of_fold =
            |fold: u32| -> Vec<(u32, f64)> { cases(fold).map(|case| (case, dice(case))).collect() };
        (0..3).map(|fold| run(fold, seed, &of_fold(fold))).collect()
    }

    fn mean(found: &Folds) -> &Figure {
        found.figure(&"test.dice.mean".parse().unwrap()).unwrap()
    }

    #[test]
    fn a_division_is_one_row_over_the_test_cases_of_its_folds() {
        let dice = |case: u32| f64::from(case) / 20.0;
        let records = of_cases(0, dice);
        let found = folds(&records);
        let [found] = found.as_slice() else { panic!("one experiment") };
        assert_eq!((found.label.as_str(), found.runs.as_slice()), ("a, 3 folds", &[0, 1, 2][..]));
        let figure = mean(found);
        assert_eq!((figure.n, figure.groups), (12, 12));
        assert!((figure.value - 5.5 / 20.0).abs() < 1e-9);
        // As of one run with all of the cases.
        let all: Vec<(u32, f64)> = (0..12).map(|case| (case, dice(case))).collect();
        let whole = run(0, 0, &all);
        let scores: Vec<CaseScore> =
            whole.cases.iter().map(|row| score(row, &whole.summary.classes)).collect();
        let expected = figures(&scores, &[MetricKind::Dice], crate::spec::EmptyRule::One);
        let interval = figure.interval.map(|interval| (interval.low, interval.high));
        assert_eq!(interval, expected[0].interval);
    }

    #[test]
    fn a_bound_of_all_folds_is_judged_on_their_row_and_by_no_fold_alone() {
        let bound = |at_least| {
            let bound = GateSpec {
                at_least: Some(at_least),
                of: JudgedCases::AllFolds,
                ..GateSpec::default()
            };
            Gate::judged("test.dice.mean".parse().unwrap(), &bound, None, &[])
        };
        let with = |at_least: f64| {
            let mut records = of_cases(0, |case| f64::from(case) / 20.0);
            records.iter_mut().for_each(|record| record.gates_of_folds = vec![bound(at_least)]);
            records
        };
        // The mean over all twelve cases.
        for (at_least, held) in [(0.27, true), (0.28, false)] {
            let records = with(at_least);
            let found = folds(&records);
            assert!(unjudged(&records, &found).is_empty());
            assert_eq!((found[0].held(), found[0].gates.len()), (held, 1));
            assert_eq!(found[0].gates[0].value, Some(mean(&found[0]).value));
        }
        let lacking = with(0.0);
        let lacking = &lacking[..2];
        let said = unjudged(lacking, &folds(lacking));
        assert_eq!(said.len(), 1);
        assert!(said[0].why().starts_with("not judged: test.dice.mean: "), "{}", said[0].why());
    }

    #[test]
    fn a_case_has_its_mean_over_the_repeats_and_they_are_no_more_evidence() {
        let once = of_cases(0, |case| f64::from(case) / 20.0);
        let twice = [once.clone(), of_cases(1, |case| f64::from(case + 2) / 20.0)].concat();
        let (one, two) = (folds(&once).remove(0), folds(&twice).remove(0));
        let lacking = folds(&twice[..5]).remove(0);
        assert_eq!((lacking.repeats, lacking.runs.as_slice()), (1, &[0, 1, 2][..]));
        assert_eq!((two.repeats, two.records.len()), (2, 2));
        let (single, both) = (mean(&one), mean(&two));
        assert_eq!((both.n, both.groups), (single.n, single.groups));
        assert!((both.value - single.value - 0.05).abs() < 1e-9);
        let width = |figure: &Figure| figure.interval.map(|i| i.high - i.low).unwrap();
        assert!(
            (width(both) - width(single)).abs() < 0.03,
            "no more evidence than of one division"
        );
    }

    #[test]
    fn the_averages_of_all_folds_are_a_row_of_their_own() {
        let runs = [0, 1].map(|seed| of_cases(seed, |case| f64::from(case) / 20.0)).concat();
        let mut averages = of_cases(0, |_| 0.75);
        let members = vec!["x".to_string(), "y".to_string()];
        averages.iter_mut().for_each(|record| record.summary.members = members.clone());
        let records = [runs, averages].concat();
        let found = folds(&records);
        let labels: Vec<&str> = found.iter().map(|one| one.label.as_str()).collect();
        assert_eq!(labels, ["a, 3 folds, 2 repeats", "a, 3 folds, average of 2 seeds"]);
        assert_eq!(found[1].runs, [6, 7, 8]);
        assert!((mean(&found[1]).value - 0.75).abs() < 1e-9);
        let compared = super::super::contestants(&records, &found);
        let labels = super::super::names::labels(&compared);
        assert_eq!(labels.last().unwrap(), "a, 3 folds, average of 2 seeds");
    }

    #[test]
    fn a_division_can_be_compared_in_every_figure_that_it_has() {
        let records = of_cases(0, |case| f64::from(case) / 20.0);
        let contestants = super::super::contestants(&records, &folds(&records));
        assert_eq!(contestants.len(), 1);
        assert!(contestants[0].figures.iter().any(|figure| figure.name == "dice.mean"));
    }

    #[test]
    fn folds_that_lack_one_or_share_a_case_are_runs_of_their_own() {
        let records = of_cases(0, |_| 0.5);
        assert!(folds(&records[..2]).is_empty());
        let mut twice = records.clone();
        twice[1].cases[0].case = "case 0".into();
        assert!(folds(&twice).is_empty());
        let mut stopped = records;
        stopped[2].status.state = RunState::Interrupted;
        assert!(folds(&stopped).is_empty());
    }

    #[test]
    fn keys_that_a_sweep_chose_for_each_fold_do_not_part_them_and_others_do() {
        let with = |rates: [f64; 3], more: &str| {
            let mut records = of_cases(0, |_| 0.5);
            for (record, rate) in records.iter_mut().zip(rates) {
                record.spec += &format!("\n[schedule.optimizer]\nlearning-rate = {rate}\n{more}");
            }
            folds(&records).len()
        };
        let sweep = "[sweep.over.'schedule.optimizer.learning-rate']\nkind = 'values'\nvalues = [0.1, 0.2]\n";
        assert_eq!(with([0.1, 0.1, 0.2], ""), 0);
        assert_eq!(with([0.1, 0.1, 0.2], sweep), 1);
    }
}
