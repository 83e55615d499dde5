//! Two runs, or two experiments, side by side in words.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;

use super::comparison::{Comparison, Pair, comparisons};
use super::configuration::{Difference, differences};
use super::headline::{columns, with_interval};
use super::names;
use super::words::{self, UNDEFINED};
use crate::error::Result;
use crate::figure_name::FigureName;
use crate::record::{CaseChange, DataRow, Record, RunDir, RunState, Sources, Table, changed_cases};
use crate::text;

/// Names of cases or sources that a line shows.
const SHOWN: usize = 3;

/// What differs between two sides, each a run or the seeds of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SideBySide {
    /// The runs of the first side, then those of the second.
    runs: [Vec<RunName>; 2],
    /// The keys of the specs, and what else decides results, in which any of the runs differ.
    differences: Vec<Difference>,
    /// The cases whose images or masks differ, by what became of each from the first side to the second; `None` where a run
    /// does not say what its cases held.
    cases: Option<Vec<(String, CaseChange)>>,
    /// The sources of oncospec that differ; `None` where a run does not name them.
    sources: Option<Vec<String>>,
    /// Headline figures of both sides.
    figures: Vec<FigureRow>,
    /// Paired tests on the cases that both have.
    comparisons: Vec<Comparison>,
}

/// A run and its label.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct RunName {
    label: String,
    path: String,
}

/// A figure of both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct FigureRow {
    figure: FigureName,
    /// Of each side the value, or the mean over its runs.
    values: [Option<f64>; 2],
    /// The same in words: of one run with its interval.
    words: [String; 2],
}

/// Sets two sides side by side, of which each has a run.
///
/// # Errors
/// If a file of a run cannot be read.
pub fn side_by_side(first: &[Record], second: &[Record]) -> Result<SideBySide> {
    let records = [first, second].concat();
    let labels = names::labels(&records);
    let name = |(record, label): (&Record, &String)| RunName {
        label: label.clone(),
        path: record.path.display().to_string(),
    };
    let named = |side: &[Record], labels: &[String]| side.iter().zip(labels).map(name).collect();
    let all: Vec<&Record> = records.iter().collect();
    let figures = columns(&all).into_iter().map(|figure| FigureRow {
        values: [mean(first, &figure), mean(second, &figure)],
        words: [in_words(first, &figure), in_words(second, &figure)],
        figure,
    });
    let (cases, sources) = match (first.first(), second.first()) {
        (Some(first), Some(second)) => (cases(first, second)?, sources(first, second)?),
        _ => (None, None),
    };
    Ok(SideBySide {
        runs: [named(first, &labels), named(second, &labels[first.len()..])],
        differences: differences(&records),
        cases,
        sources,
        figures: figures.collect(),
        comparisons: comparisons(&records, &labels, &[])?,
    })
}

/// The mean of a figure over the finished runs of a side; `None` where one lacks it.
fn mean(side: &[Record], figure: &FigureName) -> Option<f64> {
    let finished = side.iter().filter(|record| record.status.state == RunState::Finished);
    let values: Option<Vec<f64>> =
        finished.map(|record| record.figure(figure).map(|figure| figure.value)).collect();
    let values = values.filter(|values| !values.is_empty())?;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (!mean.is_nan()).then_some(mean)
}

fn in_words(side: &[Record], figure: &FigureName) -> String {
    match side {
        [only] => only.figure(figure).map_or_else(|| UNDEFINED.into(), with_interval),
        several => mean(several, figure).map_or_else(
            || UNDEFINED.into(),
            |mean| format!("{} (mean of {})", words::figure(mean), several.len()),
        ),
    }
}

fn cases(first: &Record, second: &Record) -> Result<Option<Vec<(String, CaseChange)>>> {
    if first.provenance.data_fingerprint == second.provenance.data_fingerprint {
        return Ok(Some(Vec::new()));
    }
    let rows = |record: &Record| RunDir::open_read(&record.path)?.read::<Table<DataRow>>();
    let (before, now) = (rows(first)?, rows(second)?);
    let known = !before.is_empty() && !now.is_empty();
    Ok(known.then(|| changed_cases(&before, &now)))
}

fn sources(first: &Record, second: &Record) -> Result<Option<Vec<String>>> {
    let named = |record: &Record| RunDir::open_read(&record.path)?.read::<Sources>();
    let (Sources(before), Sources(now)) = (named(first)?, named(second)?);
    if before.is_empty() || now.is_empty() {
        return Ok(None);
    }
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    // What one side alone uses, as another network, is no other source.
    let differs = |name: &&&String| {
        before.get(**name).zip(now.get(**name)).is_some_and(|(before, now)| before != now)
    };
    Ok(Some(names.iter().filter(differs).map(|name| (*name).clone()).collect()))
}

impl SideBySide {
    /// All of it for a terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (side, runs) in ["A", "B"].iter().zip(&self.runs) {
            for run in runs {
                // Writing to a string cannot fail.
                let _ =
                    writeln!(text, "{side}  {}  {}", text::name(&run.label), text::name(&run.path));
            }
        }
        self.write_differences(&mut text);
        let _ = writeln!(text, "\nData: {}", self.data());
        let _ = writeln!(text, "Sources of oncospec: {}", self.engine());
        self.write_figures(&mut text);
        for comparison in &self.comparisons {
            let _ = writeln!(text, "\n{}, by {}", comparison.measure, comparison.test);
            for pair in &comparison.pairs {
                let _ = writeln!(text, "  {}", pair_in_words(pair));
            }
            for (why, labels) in [
                ("without a partner on the same cases", &comparison.alone),
                ("without a test on these cases", &comparison.untested),
            ] {
                if !labels.is_empty() {
                    let _ = writeln!(text, "  {why}: {}", text::name(&labels.join(", ")));
                }
            }
        }
        text
    }

    fn write_differences(&self, text: &mut String) {
        let _ = writeln!(text, "\nSpecs and what else decides results");
        if self.differences.is_empty() {
            let _ = writeln!(text, "  the same");
        }
        for Difference { key, values } in &self.differences {
            let values: Vec<_> = values.iter().map(|value| text::name(value)).collect();
            let _ = writeln!(text, "  {:40} {}", text::name(key), values.join("  |  "));
        }
    }

    fn data(&self) -> String {
        match &self.cases {
            None => "they differ; a run of an earlier version does not say in which cases".into(),
            Some(cases) if cases.is_empty() => {
                let other = self.differences.iter().any(|difference| difference.key == "(data)");
                if other { "the same pixels with other labels or classes" } else { "the same" }
                    .into()
            }
            Some(cases) => {
                let what = |change| match change {
                    CaseChange::Added => "added",
                    CaseChange::Removed => "removed",
                    CaseChange::Image => "another image",
                    CaseChange::Mask => "another mask",
                };
                let named =
                    cases.iter().map(|(case, change)| format!("{case} ({})", what(*change)));
                format!("{} cases differ: {}", cases.len(), shortened(named.collect()))
            }
        }
    }

    fn engine(&self) -> String {
        match &self.sources {
            None => "a run of an earlier version does not name them".into(),
            Some(sources) if sources.is_empty() => "the same".into(),
            Some(sources) => format!("{} differ: {}", sources.len(), shortened(sources.clone())),
        }
    }

    fn write_figures(&self, text: &mut String) {
        let _ = writeln!(text, "\n{:32} {:32} {:32} B − A", "Figures", "A", "B");
        for FigureRow { figure, values, words } in &self.figures {
            let difference = match values {
                [Some(first), Some(second)] => {
                    let difference = second - first;
                    let sign = if difference < 0.0 { "−" } else { "+" };
                    format!("{sign}{}", words::figure(difference.abs()))
                }
                _ => UNDEFINED.into(),
            };
            let name = figure.to_string();
            let [first, second] = words;
            let _ = writeln!(text, "{:32} {first:32} {second:32} {difference}", text::name(&name));
        }
    }
}

fn shortened(names: Vec<String>) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> =
        names.iter().take(SHOWN).map(|name| text::name(name).into_owned()).collect();
    shown.extend((more > 0).then(|| format!("and {more} more")));
    shown.join(", ")
}

fn pair_in_words(pair: &Pair) -> String {
    let interval = pair.interval.map_or_else(String::new, |interval| {
        format!(" ({})", words::range(interval.low, interval.high))
    });
    format!(
        "{} minus {}: {}{interval} over {} cases in {} groups ({}), p {}, corrected {}: {}",
        text::name(&pair.first),
        text::name(&pair.second),
        words::figure(pair.difference),
        pair.cases,
        pair.groups,
        pair.split,
        words::figure(pair.p),
        words::figure(pair.corrected),
        text::name(&pair.verdict)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::examples;

    #[test]
    fn two_runs_are_told_apart_by_specs_figures_and_a_paired_test() {
        let root = tempfile::tempdir().unwrap();
        let one = examples::busi(root.path(), "a", 0, 4, 40);
        let other = examples::busi(root.path(), "b", 1, 6, 40);
        let one = std::slice::from_ref(&one);
        let text = side_by_side(one, &[other]).unwrap().text();
        for part in [
            "A  a  ",
            "B  b  ",
            "(seed of this run)                       0  |  1",
            "Data: the same\n",
            "test.hd95.mean                   31.7 (29.5 to 33.6), 9 left out  32.7 (30.4 to 34.7), 9 left out  +1.000",
            "by a paired permutation test\n  a minus b: ",
        ] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
        let same = side_by_side(one, one).unwrap().text();
        assert!(same.contains("decides results\n  the same\n"), "{same}");
    }
}
