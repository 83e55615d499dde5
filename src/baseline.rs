//! The baseline: accepted figures in a small text file, which gates compare with and which is meant to be committed.
//!
//! ```toml
//! [busi-unet.0]
//! run = "20a6de16c9f4-df7bff"
//! "test.dice.lesion" = 0.7312
//! ```
//!
//! A table for each experiment and seed, with the run that was accepted and a line for each figure, in order of their names.
//! Where the cases are divided into folds, one table `all-folds` has the runs of all of them, and figures over their test cases. An
//! average over seeds has the table `average`, or `average-of-all-folds`.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::Path;

use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::figure_name::{FigureName, NoFigureName};
use crate::record::write_file;

/// The key of the run that was accepted.
const RUN: &str = "run";
/// The key of the runs that were accepted together.
const RUNS: &str = "runs";
/// The name of the table of all folds.
const ALL_FOLDS: &str = "all-folds";
/// The name of the table of the average over seeds.
const AVERAGE: &str = "average";
/// The name of the table of all folds of that average.
const AVERAGE_OF_ALL_FOLDS: &str = "average-of-all-folds";

/// Accepted figures of experiments, by experiment and what of it they are of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline(BTreeMap<String, BTreeMap<Whose, Accepted>>);

/// What of an experiment figures are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// The run of a seed.
    Seed(u32),
    /// The test cases of all folds, of all seeds and divisions.
    AllFolds,
    /// The average of the runs of all seeds.
    Average,
    /// The test cases of all folds, by the average of the runs of all seeds.
    AverageOfAllFolds,
}

impl Whose {
    /// Of a run of a seed, or an average of runs.
    pub fn of_run(seed: u32, is_average: bool) -> Self {
        if is_average { Self::Average } else { Self::Seed(seed) }
    }

    /// Of all folds of runs, or of averages of runs.
    pub fn of_folds(are_averages: bool) -> Self {
        if are_averages { Self::AverageOfAllFolds } else { Self::AllFolds }
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(seed) => seed.fmt(f),
            Self::AllFolds => f.write_str(ALL_FOLDS),
            Self::Average => f.write_str(AVERAGE),
            Self::AverageOfAllFolds => f.write_str(AVERAGE_OF_ALL_FOLDS),
        }
    }
}

/// Accepted figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accepted {
    /// The ids of the runs that they are of.
    pub runs: Vec<String>,
    /// The figures.
    pub figures: BTreeMap<FigureName, f64>,
}

impl Baseline {
    /// Reads a baseline; an empty one where there is no such file.
    ///
    /// # Errors
    /// The user's, if it is not what [`Baseline::write`] writes: the key, what was found, and what would be right.
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = crate::file::read_to_string(path).map_err(Error::io(path, "cannot read"))?;
        Self::parse(&text).map_err(|why| {
            Error::user(format!(
                "{}: {why}; `oncospec ci --accept` writes this file: take it from your repository, or remove it",
                path.display()
            ))
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let whole: Table = text.parse().map_err(|error| format!("not TOML: {error}"))?;
        let mut baseline = Self::default();
        for (experiment, tables) in &whole {
            for (name, accepted) in table(tables, experiment)? {
                let key = format!("{experiment}.{name}");
                let seed = |_| {
                    let others = [ALL_FOLDS, AVERAGE, AVERAGE_OF_ALL_FOLDS].join("`, `");
                    format!("`{key}`: `{name}` is no seed, and none of `{others}`")
                };
                let whose = match name.as_str() {
                    ALL_FOLDS => Whose::AllFolds,
                    AVERAGE => Whose::Average,
                    AVERAGE_OF_ALL_FOLDS => Whose::AverageOfAllFolds,
                    seeds => Whose::Seed(seeds.parse().map_err(seed)?),
                };
                baseline.accept(experiment, whose, accepted_in(table(accepted, &key)?, &key)?);
            }
        }
        Ok(baseline)
    }

    /// Accepted figures of an experiment.
    pub fn accepted(&self, experiment: &str, whose: Whose) -> Option<&Accepted> {
        self.0.get(experiment)?.get(&whose)
    }

    /// Accepts figures of an experiment in the place of earlier ones.
    pub fn accept(&mut self, experiment: &str, whose: Whose, accepted: Accepted) {
        self.0.entry(experiment.into()).or_default().insert(whose, accepted);
    }

    /// Whether a run of an experiment and a seed was accepted, alone or with those of other folds, or an average.
    pub fn has_accepted(&self, experiment: &str, seed: u32, run: &str) -> bool {
        [Whose::Seed(seed), Whose::AllFolds, Whose::Average, Whose::AverageOfAllFolds]
            .into_iter()
            .filter_map(|whose| self.accepted(experiment, whose))
            .any(|accepted| accepted.runs.iter().any(|id| id == run))
    }

    /// Accepts all figures that another baseline has of an experiment, in the place of earlier ones.
    pub fn add(&mut self, experiment: &str, other: &Self) {
        for (whose, accepted) in other.0.get(experiment).into_iter().flatten() {
            self.accept(experiment, *whose, accepted.clone());
        }
    }

    /// Takes an experiment over from another baseline.
    pub fn take(&mut self, experiment: &str, other: &Self) {
        if let Some(tables) = other.0.get(experiment) {
            self.0.insert(experiment.into(), tables.clone());
        }
    }

    /// Replaces a file by this baseline.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_file(path, self.text().as_bytes())
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "# Accepted figures, which gates compare with. Written by `oncospec ci --accept`.\n",
        );
        let quoted = |name: &str| Value::String(name.into()).to_string();
        for (experiment, tables) in &self.0 {
            for (whose, Accepted { runs, figures }) in tables {
                let line = match runs.as_slice() {
                    [run] => format!("{RUN} = {}", quoted(run)),
                    runs => format!("{RUNS} = {}", Value::from(runs.to_vec())),
                };
                // Writing to a string cannot fail.
                let _ = write!(text, "\n[{}.{whose}]\n{line}\n", quoted(experiment));
                for (name, value) in figures.iter().filter(|(_, value)| value.is_finite()) {
                    let _ = writeln!(text, "{} = {value:?}", quoted(&name.to_string()));
                }
            }
        }
        text
    }
}

fn table<'a>(value: &'a Value, key: &str) -> Result<&'a Table, String> {
    value.as_table().ok_or_else(|| format!("`{key}` is {value}; it must be a table"))
}

fn accepted_in(table: &Table, key: &str) -> Result<Accepted, String> {
    let mut accepted = Accepted::default();
    for (name, value) in table {
        match (name.as_str(), value) {
            (RUN, Value::String(run)) => accepted.runs = vec![run.clone()],
            (RUN, other) => return Err(format!("`{key}.{RUN}` is {other}; it must be a run id")),
            (RUNS, value) => {
                let wrong = || format!("`{key}.{RUNS}` is {value}; it must be a list of run ids");
                let runs = value.as_array().ok_or_else(wrong)?.iter();
                let runs = runs.map(|run| run.as_str().map(String::from));
                accepted.runs = runs.collect::<Option<_>>().ok_or_else(wrong)?;
            }
            (name, value) => {
                let figure: FigureName =
                    name.parse().map_err(|error: NoFigureName| format!("in `{key}`: {error}"))?;
                let number =
                    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
                let wrong = || format!("`{key}.{name:?}` is {value}; it must be a number");
                accepted.figures.insert(figure, number.ok_or_else(wrong)?);
            }
        }
    }
    Ok(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline() -> Baseline {
        let mut baseline = Baseline::default();
        let figures = [
            ("test.iou.mean", 1.0 / 3.0),
            ("test.dice.label.a b", 1.0),
            ("test.auc.mean", f64::NAN),
        ];
        let figures = figures.map(|(name, value)| (name.parse().unwrap(), value));
        let accepted = Accepted { runs: vec!["01-23".into()], figures: figures.into() };
        let nothing = Accepted { runs: vec!["ab".into()], ..Accepted::default() };
        let of_folds = Accepted { runs: vec!["x".into(), "y".into()], ..nothing.clone() };
        baseline.accept("u.net", Whose::AllFolds, of_folds);
        baseline.accept("u.net", Whose::Seed(3), nothing);
        baseline.accept("u.net", Whose::Seed(10), accepted.clone());
        baseline.accept("a", Whose::Seed(0), accepted);
        baseline
    }

    #[test]
    fn averages_have_tables_beside_those_of_seeds_and_folds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baseline.toml");
        let mut written = baseline();
        let whose = [Whose::of_run(3, true), Whose::of_folds(true)];
        for (whose, run) in whose.into_iter().zip(["p", "q"]) {
            let accepted = Accepted { runs: vec![run.into()], ..Accepted::default() };
            written.accept("u.net", whose, accepted);
        }
        written.write(&path).unwrap();
        let read = Baseline::read(&path).unwrap();
        assert_eq!(read.text(), written.text());
        assert_eq!(read.accepted("u.net", Whose::Average).unwrap().runs, ["p"]);
        assert_eq!(read.accepted("u.net", Whose::AverageOfAllFolds).unwrap().runs, ["q"]);
        assert_eq!(read.accepted("u.net", Whose::Seed(3)).unwrap().runs, ["ab"]);
        assert!(read.has_accepted("u.net", 9, "p"));
    }

    #[test]
    fn the_file_has_a_line_for_each_figure_in_a_stable_order_and_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baseline.toml");
        assert_eq!(Baseline::read(&path).unwrap(), Baseline::default());
        baseline().write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let (_, tables) = text.split_once("\n\n").unwrap();
        let expected = "[\"a\".0]\nrun = \"01-23\"\n\"test.dice.label.a b\" = 1.0\n\"test.iou.mean\" = 0.3333333333333333\n\n\
                        [\"u.net\".3]\nrun = \"ab\"\n\n[\"u.net\".10]\nrun = \"01-23\"\n";
        assert!(tables.starts_with(expected), "{text}");
        assert!(tables.ends_with("\n[\"u.net\".all-folds]\nruns = [\"x\", \"y\"]\n"), "{text}");
        let read = Baseline::read(&path).unwrap();
        assert_eq!(read.text(), text);
        let accepted = read.accepted("a", Whose::Seed(0)).unwrap();
        assert_eq!(accepted.figures[&"test.iou.mean".parse().unwrap()], 1.0 / 3.0);
        assert!(read.accepted("a", Whose::Seed(1)).is_none());
        assert!(read.accepted("a", Whose::AllFolds).is_none());
        assert!(read.accepted("b", Whose::Seed(0)).is_none());
        assert!(read.has_accepted("u.net", 9, "y") && read.has_accepted("u.net", 3, "ab"));
        assert!(!read.has_accepted("u.net", 9, "ab") && !read.has_accepted("a", 0, "y"));
    }

    #[test]
    fn what_no_baseline_can_hold_is_refused_with_its_key() {
        for (text, said) in [
            ("name = 'a'", "`name` is \"a\"; it must be a table"),
            (
                "[a]\nx = {}",
                "`x` is no seed, and none of `all-folds`, `average`, `average-of-all-folds`",
            ),
            ("[a.all-folds]\nruns = ['b', 3]", "it must be a list of run ids"),
            ("[a.0]\nrun = 3", "`a.0.run` is 3"),
            ("[a.0]\ndice = 3", "`dice` is no figure's full name"),
            ("[a.0]\n'test.dice' = 'x'", "it must be a number"),
            ("[", "not TOML"),
        ] {
            let why = Baseline::parse(text).unwrap_err();
            assert!(why.contains(said), "{why}");
        }
    }
}
