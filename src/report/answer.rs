//! The first screen: what came out, of how many cases, and what to distrust.

use serde::Serialize;

use super::comparison::{Comparison, Pair};
use super::gallery::{Gallery, Typical};
use super::headline::{Column, Headline, MeanAndDeviation, left_out};
use super::run::{RunView, SharedRemark};
use super::seeded::label_of_seeds;
use super::words;
use crate::evaluate::figure_goal;
use crate::record::{Figure, Interval, RunState};
use crate::spec::Goal;

/// What the page says first.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Answer {
    /// What came out, a sentence each.
    sentences: Vec<String>,
    /// What casts doubt on it.
    doubts: Vec<String>,
    /// The worst, the median and the best case of the run with the best figure.
    typical: Vec<Typical>,
}

/// What a page says first, of what its other parts say.
pub(super) fn answer(
    headlines: &[Headline],
    comparisons: &[Comparison],
    galleries: &[Gallery],
    runs: &[RunView],
    shared: &[SharedRemark],
) -> Answer {
    let mut sentences = Vec::new();
    let mut best: Option<usize> = None;
    for headline in headlines {
        let Some(column) = headline.columns.first() else { continue };
        let mut sets = by_cases(contestants(headline), comparisons);
        sets.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
        let has_others = sets.len() > 1;
        let unsaid: usize = sets.iter().skip(MOST_SETS).map(|(_, rows)| rows.len()).sum();
        for (cases, rows) in &sets[..sets.len().min(MOST_SETS)] {
            let Some(leader) = leader(column, rows) else { continue };
            let on_the_same = has_others && cases.is_some();
            sentences.push(figure_in_a_sentence(column, leader, rows.len(), on_the_same));
            best = best.or(leader.run);
        }
        if unsaid > 0 {
            sentences.push(format!("The table has {} on other cases.", more_rows(unsaid)));
        }
        let of_task = comparisons.iter().filter(|one| one.measure == column.label);
        sentences.extend(of_task.flat_map(differences));
    }
    if sentences.is_empty() {
        sentences.push("There is no figure of an evaluated split yet.".into());
    }
    let gallery = galleries.first();
    Answer {
        sentences,
        doubts: doubts(headlines, comparisons, runs, shared),
        typical: gallery.map(|gallery| gallery.typical(best)).unwrap_or_default(),
    }
}

/// Sets of cases of which the page says first what came out.
const MOST_SETS: usize = 3;

/// A row of a headline table that stands for itself: a run, the runs of all folds, or those of several seeds.
struct Contestant<'a> {
    label: String,
    /// Index of a run of it.
    run: Option<usize>,
    value: f64,
    shown: Shown<'a>,
}

/// The figure of a contestant.
enum Shown<'a> {
    Figure(Figure),
    OverSeeds(&'a MeanAndDeviation, usize),
}

/// The rows that compete in the first column; runs of several seeds count as one.
fn contestants(headline: &Headline) -> Vec<Contestant<'_>> {
    let of_seeds = |run: usize| headline.spreads.iter().any(|spread| spread.runs.contains(&run));
    let pooled = headline.pooled.iter().map(|row| (&row.label, None, &row.cells));
    let finished = RunState::Finished.to_string();
    let alone = headline.rows.iter().filter(|row| row.state == finished && !of_seeds(row.run));
    let alone = alone.map(|row| (&row.label, Some(row.run), &row.cells));
    let with_figure = |(label, run, cells): (&String, _, &'_ Vec<Option<Figure>>)| {
        let figure = cells.first()?.clone().filter(|figure| figure.value.is_finite())?;
        Some(Contestant {
            label: label.clone(),
            run,
            value: figure.value,
            shown: Shown::Figure(figure),
        })
    };
    let over_seeds = headline.spreads.iter().filter_map(|spread| {
        let mean = spread.cells.first()?.as_ref()?;
        Some(Contestant {
            label: spread.experiment.clone(),
            run: spread.runs.first().copied(),
            value: mean.mean,
            shown: Shown::OverSeeds(mean, spread.seeds),
        })
    });
    pooled.chain(alone).filter_map(with_figure).chain(over_seeds).collect()
}

impl Contestant<'_> {
    /// What a comparison calls it.
    fn compared_as(&self) -> String {
        match self.shown {
            Shown::Figure(_) => self.label.clone(),
            Shown::OverSeeds(_, seeds) => label_of_seeds(&self.label, seeds),
        }
    }
}

/// Rows that a comparison names together, since they were evaluated on the same cases.
type OnTheSameCases<'a, 'b> = (Option<&'b Vec<String>>, Vec<Contestant<'a>>);

/// Rows by the cases that they were evaluated on; `None` of those that no comparison names, as the rows of all folds.
fn by_cases<'a, 'b>(
    rows: Vec<Contestant<'a>>,
    comparisons: &'b [Comparison],
) -> Vec<OnTheSameCases<'a, 'b>> {
    let mut sets: Vec<OnTheSameCases> = Vec::new();
    for row in rows {
        let label = row.compared_as();
        let cases = comparisons.iter().flat_map(|one| &one.sets).find(|set| set.contains(&label));
        match sets.iter_mut().find(|(of, _)| *of == cases) {
            Some((_, rows)) => rows.push(row),
            None => sets.push((cases, vec![row])),
        }
    }
    sets
}

fn leader<'a, 'b>(column: &Column, rows: &'b [Contestant<'a>]) -> Option<&'b Contestant<'a>> {
    match figure_goal(&column.name.to_string()) == Some(Goal::Lowest) {
        true => rows.iter().min_by(|a, b| a.value.total_cmp(&b.value)),
        false => rows.iter().max_by(|a, b| a.value.total_cmp(&b.value)),
    }
}

fn more_rows(rows: usize) -> String {
    match rows {
        1 => "one more row".into(),
        rows => format!("{} more rows", words::count(rows as u64)),
    }
}

/// The figure of the best of `rows`, which may be those of the table that are on the same cases.
fn figure_in_a_sentence(
    column: &Column,
    leader: &Contestant,
    rows: usize,
    on_the_same_cases: bool,
) -> String {
    let split = column.split.to_lowercase();
    let of = match &leader.shown {
        Shown::Figure(figure) => {
            let interval = match figure.interval {
                Some(Interval { low, high }) if low.is_finite() && high.is_finite() => {
                    format!("95 % interval {}", words::range(low, high))
                }
                _ => format!("no interval: {}", figure.interval_note),
            };
            let groups = match figure.groups {
                groups if groups > 0 && groups < figure.n => {
                    format!(" in {} groups", words::count(groups))
                }
                _ => String::new(),
            };
            let (value, cases) = (words::figure(figure.value), words::count(figure.n));
            let left_out = left_out(figure);
            format!("{value} ({interval}; {cases} {split} cases{groups}{left_out})")
        }
        Shown::OverSeeds(mean, seeds) => {
            let interval = match mean.over_seeds {
                Some(Interval { low, high }) => {
                    format!("95 % interval over cases and seeds {}", words::range(low, high))
                }
                None => format!("standard deviation {}", words::figure(mean.deviation)),
            };
            format!(
                "{} on average over {seeds} seeds ({interval}; {split} split)",
                words::figure(mean.mean)
            )
        }
    };
    let label = &leader.label;
    match rows {
        1 => format!("{label}: {}, {of}.", column.label),
        _ => {
            let which = if on_the_same_cases { "on the same cases" } else { "of the table" };
            format!("Of {rows} rows {which}, {label} has the best {}: {of}.", column.label)
        }
    }
}

/// What the tests of a figure say, in sentences.
fn differences(comparison: &Comparison) -> Vec<String> {
    const SHOWN: usize = 3;
    let pairs = &comparison.pairs;
    let better: Vec<&Pair> = pairs.iter().filter(|pair| pair.better.is_some()).collect();
    let mut said: Vec<String> =
        better.iter().take(SHOWN).map(|pair| better_in_words(pair)).collect();
    if better.len() > SHOWN {
        said.push(format!(
            "{} of {} pairs have a better one; the table of differences has all.",
            better.len(),
            pairs.len()
        ));
    }
    if better.is_empty() && !pairs.is_empty() {
        let on_weights = pairs.iter().any(|pair| pair.verdict.contains("on these weights"));
        said.push(match (pairs.len(), on_weights) {
            (1, true) => {
                "They differ on these weights; one seed each says nothing of the networks.".into()
            }
            (1, false) => {
                format!("The two are not told apart: {}.", difference_in_words(&pairs[0]))
            }
            (_, true) => {
                "Some differ on these weights; one seed each says nothing of the networks.".into()
            }
            (n, false) => format!("No pair of the {n} is told apart by these cases."),
        });
    }
    said
}

fn better_in_words(pair: &Pair) -> String {
    let better = pair.better.as_deref().unwrap_or_default();
    let other = if better == pair.first { &pair.second } else { &pair.first };
    format!("{better} is better than {other}: {}.", difference_in_words(pair))
}

fn difference_in_words(pair: &Pair) -> String {
    let interval = pair
        .over_seeds
        .or(pair.interval)
        .map(|Interval { low, high }| format!(" ({})", words::range(low, high)));
    format!(
        "{} minus {} is {}{}, corrected p {}",
        pair.first,
        pair.second,
        words::figure(pair.difference),
        interval.unwrap_or_default(),
        words::figure(pair.corrected)
    )
}

/// What a reader should distrust, the gravest first.
fn doubts(
    headlines: &[Headline],
    comparisons: &[Comparison],
    runs: &[RunView],
    shared: &[SharedRemark],
) -> Vec<String> {
    let mut doubts: Vec<String> = Vec::new();
    for finding in runs.iter().flat_map(RunView::doubtful_findings) {
        if !doubts.contains(&finding) {
            doubts.push(finding);
        }
    }
    let chosen: Vec<&str> =
        runs.iter().filter(|run| run.is_chosen_on_test()).map(RunView::label).collect();
    if !chosen.is_empty() {
        doubts.push(format!(
            "The epoch was chosen on the test cases that are reported, so that figures are too good: {}.",
            chosen.join("; ")
        ));
    }
    let ungrouped: Vec<&str> =
        runs.iter().filter(|run| run.is_ungrouped()).map(RunView::label).collect();
    if !ungrouped.is_empty() {
        let of = match ungrouped.len() == runs.len() {
            true => String::new(),
            false => format!(" (of {})", ungrouped.join("; ")),
        };
        doubts.push(format!(
            "Groups were not checked{of}: images of one patient may be in several splits, and intervals count each \
             image as independent."
        ));
    }
    let unfinished: Vec<&str> = runs.iter().filter_map(RunView::unfinished).collect();
    if !unfinished.is_empty() && runs.len() > 1 {
        doubts.push(format!("Not finished: {}.", unfinished.join("; ")));
    }
    doubts.extend(shared.iter().filter_map(SharedRemark::doubt));
    doubts.extend(doubts_of_runs(runs));
    let alone: Vec<&str> =
        comparisons.iter().flat_map(|one| &one.alone).map(String::as_str).collect();
    if !alone.is_empty() {
        doubts.push(format!(
            "Evaluated on other cases than the others, so that its figures do not compare: {}.",
            alone.join("; ")
        ));
    }
    let holds_zero = |pair: &&Pair| {
        pair.over_seeds.or(pair.interval).is_some_and(|both| both.low <= 0.0 && both.high >= 0.0)
    };
    for comparison in comparisons.iter().filter(|one| !one.pairs.is_empty()) {
        let wide = comparison.pairs.iter().filter(holds_zero).count();
        if wide > 0 {
            doubts.push(format!(
                "Of {} in {}, {wide} {} an interval that holds zero: it is wider than the difference itself.",
                match comparison.pairs.len() {
                    1 => "one difference".to_owned(),
                    n => format!("{n} differences"),
                },
                comparison.measure,
                if wide == 1 { "has" } else { "have" }
            ));
        }
    }
    doubts.extend(headlines.iter().flat_map(few_cases));
    doubts
}

/// Doubts about single runs; what is true of several is said once, with their labels.
fn doubts_of_runs(runs: &[RunView]) -> Vec<String> {
    let having = |brief: &str| {
        let has = |run: &&RunView| run.doubts().any(|doubt| doubt.brief == brief);
        runs.iter().filter(has).map(RunView::label).collect::<Vec<&str>>()
    };
    let mut said: Vec<&str> = Vec::new();
    let mut doubts = Vec::new();
    for run in runs {
        for doubt in run.doubts() {
            let labels = if doubt.brief.is_empty() { Vec::new() } else { having(doubt.brief) };
            if labels.len() < 2 {
                let of = if runs.len() > 1 { format!("{}: ", run.label()) } else { String::new() };
                doubts.push(format!("{of}{}", doubt.text));
            } else if !said.contains(&doubt.brief) {
                said.push(doubt.brief);
                let of = match labels.len() == runs.len() {
                    true => "all runs".to_owned(),
                    false => {
                        format!("{} of {} runs: {}", labels.len(), runs.len(), labels.join("; "))
                    }
                };
                doubts.push(format!(
                    "{} ({of}).",
                    words::sentence(doubt.brief).trim_end_matches('.')
                ));
            }
        }
    }
    doubts
}

/// Headline figures for which there are too few groups for an interval.
fn few_cases(headline: &Headline) -> Vec<String> {
    let of_column = |(at, column): (usize, &Column)| {
        let cells = headline.pooled.iter().map(|row| &row.cells);
        let cells = cells.chain(headline.rows.iter().map(|row| &row.cells));
        let lacking = cells.filter_map(|cells| cells.get(at)?.as_ref());
        let lacking =
            lacking.filter(|figure| figure.interval.is_none() && figure.value.is_finite());
        let note =
            lacking.map(|figure| figure.interval_note.as_str()).find(|note| !note.is_empty())?;
        Some(format!(
            "{} of the {} split has no interval: {note}.",
            column.label,
            column.split.to_lowercase()
        ))
    };
    headline.columns.iter().enumerate().filter_map(of_column).collect()
}

#[cfg(test)]
mod tests {
    use crate::record::{Record, RunState, examples};
    use crate::report::{ReportOptions, render};

    /// What the first section says, without its tags.
    fn said(records: &[Record]) -> String {
        let html = render(records, &ReportOptions::default()).unwrap();
        let section = html.split("<section id=\"answer\">").nth(1).unwrap();
        let section = section.split("</section>").next().unwrap();
        let text =
            section.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
        text.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_run_is_answered_with_its_interval_gates_and_doubts() {
        let root = tempfile::tempdir().unwrap();
        let text = said(&[examples::busi(root.path(), "ward", 0, 12, 40)]);
        assert!(text.starts_with("In short ward: Dice, mean over cases, 0."), "{text}");
        for part in [
            "(95 % interval 0.",
            "40 test cases",
            "gates fell",
            "overfitting",
            "Worst: Dice",
            "Best: Dice",
        ] {
            assert!(text.contains(part), "no `{part}` in: {text}");
        }
    }

    #[test]
    fn seeds_count_as_one_and_what_several_runs_have_is_said_once() {
        let root = tempfile::tempdir().unwrap();
        let runs: Vec<Record> =
            (0..3).map(|seed| examples::busi(root.path(), "ward", seed, 12, 40)).collect();
        let text = said(&runs);
        assert!(text.contains("on average over 3 seeds"), "{text}");
        assert_eq!(text.matches("verfitting").count(), 1, "{text}");
        assert!(text.contains("(all runs)"), "{text}");
    }

    #[test]
    fn the_best_is_named_among_rows_on_the_same_cases_alone() {
        let root = tempfile::tempdir().unwrap();
        let run = |name: &str, cases: usize| examples::busi(root.path(), name, 0, 12, cases);
        let text = said(&[run("ward", 40), run("clinic", 30)]);
        assert!(!text.contains("has the best"), "{text}");
        assert!(text.contains("ward: Dice") && text.contains("clinic: Dice"), "{text}");
        let text = said(&[run("lone", 30), run("ward", 40), run("clinic", 40)]);
        assert!(text.starts_with("In short Of 2 rows on the same cases, "), "{text}");
        assert!(text.contains("lone: Dice"), "{text}");
        let apart: Vec<Record> =
            (0..5).map(|more| run(&format!("ward-{more}"), 30 + more)).collect();
        assert!(said(&apart).contains("The table has 2 more rows on other cases."));
        assert!(said(&[run("ward", 40), run("clinic", 40)]).contains("Of 2 rows of the table, "));
    }

    #[test]
    fn a_run_that_is_not_finished_answers_nothing() {
        let root = tempfile::tempdir().unwrap();
        let mut run = examples::interrupted(root.path());
        assert!(said(&[run.clone()]).contains("There is no figure of an evaluated split yet."));
        run.status.state = RunState::Failed;
        let both = said(&[run, examples::busi(root.path(), "ward", 0, 12, 40)]);
        assert!(both.contains("Not finished: busi-unet-interrupted"), "{both}");
    }
}
