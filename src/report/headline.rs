//! The headline tables: runs and their most important figures.

use serde::Serialize;

use super::choice::chosen_on_test;
use super::folds::Folds;
use super::names;
use super::seeded::seeded;
use super::words;
use crate::evaluate::figure_bounds;
use crate::evaluate::paired::mean_over_seeds;
use crate::figure_name::FigureName;
use crate::record::{Figure, Interval, Record, Task};
use crate::spec::PublishedSpec;

/// Runs of one task with its headline figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Headline {
    /// What is predicted.
    pub task: Task,
    /// The figures.
    pub columns: Vec<Column>,
    /// Experiments over the test cases of all of their folds.
    pub pooled: Vec<Pooled>,
    /// The runs, but for those of these folds.
    pub rows: Vec<Row>,
    /// The runs of the folds.
    pub folds: Vec<Row>,
    /// Mean and spread over the seeds of an experiment.
    pub spreads: Vec<Spread>,
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Column {
    /// The figure.
    pub name: FigureName,
    /// The split for people.
    pub split: String,
    /// The figure for people.
    pub label: String,
}

/// A run's figures, in order of the columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row {
    /// The run's label.
    pub label: String,
    /// Index of the run.
    pub run: usize,
    /// How far it came.
    pub state: String,
    /// Whether its epoch was chosen on the test split.
    pub chosen_on_test: bool,
    /// Figures; `None` where not recorded.
    pub cells: Vec<Option<Figure>>,
}

/// An experiment over the test cases of all folds, in order of the columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Pooled {
    /// The experiment with the number of folds.
    pub label: String,
    /// Folds of a division.
    pub folds: usize,
    /// How often each case was tested.
    pub repeats: usize,
    /// Whether an epoch was chosen on the test split.
    pub chosen_on_test: bool,
    /// Figures; `None` of other splits.
    pub cells: Vec<Option<Figure>>,
}

/// Mean and standard deviation over seeds, in order of the columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    /// Name of the experiment.
    pub experiment: String,
    /// Number of seeds.
    pub seeds: usize,
    /// Indices of the runs.
    #[serde(skip)]
    pub runs: Vec<usize>,
    /// Whether their epochs were chosen on the test split.
    pub chosen_on_test: bool,
    /// Mean and sample standard deviation; `None` where a run lacks the figure.
    pub cells: Vec<Option<MeanAndDeviation>>,
}

/// Mean and sample standard deviation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct MeanAndDeviation {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation.
    pub deviation: f64,
    /// The largest number of cases that a run left out.
    pub left_out: u64,
    /// 95 % interval of the mean over cases and seeds; `None` where a run has none over cases.
    pub over_seeds: Option<Interval>,
    /// The part of its variance that is that of the seeds.
    pub share_of_seeds: Option<f64>,
}

/// Builds a table for each task: figures of pixels and of images have no columns in common.
pub(super) fn headlines(records: &[Record], labels: &[String], folds: &[Folds]) -> Vec<Headline> {
    by_task(records)
        .into_iter()
        .map(|(task, runs)| {
            let folds: Vec<&Folds> = folds.iter().filter(|one| one.task == task).collect();
            headline(records, labels, task, &runs, &folds)
        })
        .collect()
}

/// Indices of the runs of each task that occurs.
pub(super) fn by_task(records: &[Record]) -> Vec<(Task, Vec<usize>)> {
    let of_task = |task: Task| {
        let runs = (0..records.len()).filter(|&run| records[run].summary.task == task);
        (task, runs.collect::<Vec<usize>>())
    };
    let tasks = [Task::Segment, Task::Classify].into_iter().map(of_task);
    tasks.filter(|(_, runs)| !runs.is_empty()).collect()
}

fn headline(
    records: &[Record],
    labels: &[String],
    task: Task,
    runs: &[usize],
    folds: &[&Folds],
) -> Headline {
    let of_task: Vec<&Record> = runs.iter().map(|&run| &records[run]).collect();
    let names = columns(&of_task);
    let row = |&run: &usize| Row {
        label: labels[run].clone(),
        run,
        state: records[run].status.state.to_string(),
        chosen_on_test: chosen_on_test(&records[run]),
        cells: names.iter().map(|name| records[run].figure(name).cloned()).collect(),
    };
    let is_fold = |run: &usize| folds.iter().any(|one| one.runs.contains(run));
    let pooled = |one: &&Folds| Pooled {
        label: one.label.clone(),
        folds: one.folds,
        repeats: one.repeats,
        chosen_on_test: one.runs.iter().any(|&run| chosen_on_test(&records[run])),
        cells: names.iter().map(|name| one.figure(name).cloned()).collect(),
    };
    Headline {
        task,
        pooled: folds.iter().map(pooled).collect(),
        rows: runs.iter().filter(|run| !is_fold(run)).map(row).collect(),
        folds: runs.iter().filter(|run| is_fold(run)).map(row).collect(),
        spreads: spreads(&of_task, runs, &names),
        columns: names.into_iter().map(column).collect(),
    }
}

fn column(name: FigureName) -> Column {
    Column { split: names::split(name.split).to_owned(), label: names::figure(&name.figure), name }
}

/// Published figures of comparable systems, each once.
pub(super) fn published(records: &[Record]) -> Vec<&PublishedSpec> {
    names::distinct(records.iter().flat_map(|record| &record.summary.published))
}

/// The headline figures of the runs, test first; without any, the first figures of the first split that has some.
pub(super) fn columns(records: &[&Record]) -> Vec<FigureName> {
    let headlines = records.iter().flat_map(|record| &record.summary.headline);
    let mut names = names::distinct(headlines.cloned());
    names.sort_by_key(|name| names::split_rank(name.split));
    if names.is_empty() {
        let mut figures: Vec<&Figure> = records.iter().flat_map(|record| &record.figures).collect();
        figures.sort_by_key(|figure| names::split_rank(figure.split));
        names = names::distinct(figures.iter().take(6).map(|figure| figure.full_name()));
    }
    names
}

/// Mean and spread of the experiments of several seeds.
fn spreads(records: &[&Record], indices: &[usize], names: &[FigureName]) -> Vec<Spread> {
    seeded(records)
        .into_iter()
        .map(|(experiment, of_seeds)| {
            let runs: Vec<&Record> = of_seeds.iter().map(|&run| records[run]).collect();
            Spread {
                runs: of_seeds.iter().map(|&run| indices[run]).collect(),
                experiment: experiment.to_owned(),
                seeds: runs.len(),
                chosen_on_test: runs.iter().any(|run| chosen_on_test(run)),
                cells: names.iter().map(|name| spread(&runs, name)).collect(),
            }
        })
        .collect()
}

fn spread(runs: &[&Record], name: &FigureName) -> Option<MeanAndDeviation> {
    let figures: Option<Vec<&Figure>> = runs.iter().map(|run| run.figure(name)).collect();
    let figures = figures?;
    let left_out = figures.iter().map(|figure| figure.left_out).max().unwrap_or(0);
    let values: Vec<f64> = figures.iter().map(|figure| figure.value).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let with_interval = |figure: &&Figure| {
        figure.interval.map(|Interval { low, high }| (figure.value, (low, high)))
    };
    let seeds: Option<Vec<_>> = figures.iter().map(with_interval).collect();
    let over = seeds.and_then(|seeds| mean_over_seeds(&seeds));
    let bounds = figure_bounds(&name.figure);
    Some(MeanAndDeviation {
        mean,
        deviation: variance.sqrt(),
        left_out,
        // Over few seeds it is wide.
        over_seeds: over.map(|over| Interval::within(over.interval, bounds)),
        share_of_seeds: over.map(|over| over.share),
    })
}

/// A figure's value with its interval and the cases left out, as text.
pub(super) fn with_interval(figure: &Figure) -> String {
    let value = match figure.interval {
        Some(interval) if interval.low.is_finite() && interval.high.is_finite() => format!(
            "{} ({})",
            words::figure(figure.value),
            words::range(interval.low, interval.high)
        ),
        _ => words::figure(figure.value),
    };
    format!("{value}{}", left_out(figure))
}

/// How many cases a figure leaves out, to follow its value; empty if none.
pub fn left_out(figure: &Figure) -> String {
    let mut said = match figure.left_out {
        0 => String::new(),
        cases => format!(", {} left out", words::count(cases)),
    };
    if figure.penalised > 0 {
        said.push_str(&format!(", {} at the diagonal", words::count(figure.penalised)));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::examples::named;
    use crate::record::{Provenance, RunState, Status, Summary};
    use crate::split_name::SplitName;

    fn run(seed: u32, dice: f64) -> Record {
        Record {
            status: Status { state: RunState::Finished, ..Default::default() },
            provenance: Provenance { seed, ..Default::default() },
            summary: Summary {
                experiment: "a".into(),
                headline: vec![named("test.dice.mean")],
                ..Default::default()
            },
            figures: vec![Figure {
                split: SplitName::Test,
                name: "dice.mean".into(),
                value: dice,
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn labels(records: &[Record]) -> Vec<String> {
        super::names::labels(records)
    }

    #[test]
    fn the_spread_over_seeds_is_the_sample_deviation() {
        let records = [run(0, 0.5), run(1, 0.6), run(2, 0.7)];
        let table = headlines(&records, &labels(&records), &[]).remove(0);
        let spread = table.spreads[0].cells[0].clone().unwrap();
        assert!((spread.mean - 0.6).abs() < 1e-12 && (spread.deviation - 0.1).abs() < 1e-12);
        assert_eq!(table.spreads[0].seeds, 3);
        assert_eq!(table.columns[0].label, "Dice, mean over cases");
    }

    #[test]
    fn the_interval_over_seeds_is_wider_than_that_over_cases() {
        let with_interval = |seed: u32, dice: f64| {
            let mut record = run(seed, dice);
            record.figures[0].interval = Some(Interval { low: dice - 0.1, high: dice + 0.05 });
            record
        };
        let records = [with_interval(0, 0.69), with_interval(1, 0.7), with_interval(2, 0.71)];
        let cell =
            headlines(&records, &labels(&records), &[])[0].spreads[0].cells[0].clone().unwrap();
        // Student's of three: 4.3027 * 0.01 / sqrt(3) = 0.02484.
        let (low, high) = (0.7 - 0.1_f64.hypot(0.02484), 0.7 + 0.05_f64.hypot(0.02484));
        let found = cell.over_seeds.unwrap();
        assert!((found.low - low).abs() < 1e-4 && (found.high - high).abs() < 1e-4, "{found:?}");
        assert!(cell.share_of_seeds.unwrap() < 0.1);
        let records = [with_interval(0, 0.6), run(1, 0.7)];
        let cell =
            headlines(&records, &labels(&records), &[])[0].spreads[0].cells[0].clone().unwrap();
        assert_eq!(cell.over_seeds, None);
    }

    #[test]
    fn an_average_is_a_row_and_no_seed() {
        let mut average = run(0, 0.9);
        average.summary.members = vec!["x".into(), "y".into()];
        let records = [run(0, 0.5), run(1, 0.6), average];
        let table = headlines(&records, &labels(&records), &[]).remove(0);
        assert_eq!((table.spreads[0].seeds, table.rows.len()), (2, 3));
        let spread = table.spreads[0].cells[0].clone().unwrap();
        assert!((spread.mean - 0.55).abs() < 1e-12);
    }

    #[test]
    fn one_seed_has_no_spread_and_unfinished_runs_do_not_count() {
        let mut stopped = run(1, 0.1);
        stopped.status.state = RunState::Interrupted;
        let records = [run(0, 0.5), stopped];
        assert!(headlines(&records, &labels(&records), &[])[0].spreads.is_empty());
    }

    #[test]
    fn runs_of_pixels_and_of_images_have_tables_of_their_own() {
        let mut classifier = run(0, 0.5);
        classifier.summary.task = Task::Classify;
        classifier.summary.headline = vec![named("test.accuracy")];
        let records = [run(0, 0.5), classifier, run(1, 0.6)];
        let tables = headlines(&records, &labels(&records), &[]);
        let seen: Vec<(Task, FigureName, Vec<usize>)> = tables
            .iter()
            .map(|table| {
                let runs = table.rows.iter().map(|row| row.run).collect();
                (table.task, table.columns[0].name.clone(), runs)
            })
            .collect();
        assert_eq!(
            seen,
            [
                (Task::Segment, named("test.dice.mean"), vec![0, 2]),
                (Task::Classify, named("test.accuracy"), vec![1])
            ]
        );
        assert_eq!((tables[0].spreads[0].seeds, tables[1].spreads.len()), (2, 0));
    }

    #[test]
    fn test_figures_come_first_whatever_the_first_run_has() {
        let mut of_valid = run(0, 0.5);
        of_valid.summary.headline = ["valid.dice.mean", "valid.iou.mean"].map(named).into();
        assert_eq!(
            columns(&[&of_valid, &run(0, 0.5)]),
            ["test.dice.mean", "valid.dice.mean", "valid.iou.mean"].map(named)
        );
    }

    #[test]
    fn without_a_headline_the_test_figures_come_first() {
        let mut record = run(0, 0.5);
        record.summary.headline.clear();
        record.figures.insert(
            0,
            Figure { split: SplitName::Valid, name: "loss".into(), ..Default::default() },
        );
        assert_eq!(columns(&[&record]), ["test.dice.mean", "valid.loss"].map(named));
    }
}
