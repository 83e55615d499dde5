//! The baseline: accepted figures in a small text file, which gates compare with and which is meant to be committed.
//!
//! ```toml
//! [busi-unet.0]
//! run = "20a6de16c9f4-df7bff"
//! "test.dice.lesion" = 0.7312
//! ```
//!
//! A table for each experiment and seed, with the run that was accepted and a line for each figure, in order of their names.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::figure_name::{FigureName, NoFigureName};
use crate::record::write_file;

/// The key of the run that was accepted.
const RUN: &str = "run";

/// Accepted figures of experiments, by experiment and seed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline(BTreeMap<String, BTreeMap<u32, Accepted>>);

/// The accepted figures of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accepted {
    /// Its id.
    pub run: String,
    /// Its figures.
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
        for (experiment, seeds) in &whole {
            for (seed, accepted) in table(seeds, experiment)? {
                let key = format!("{experiment}.{seed}");
                let seed = seed.parse().map_err(|_| format!("`{key}`: `{seed}` is no seed"))?;
                baseline.accept(experiment, seed, accepted_in(table(accepted, &key)?, &key)?);
            }
        }
        Ok(baseline)
    }

    /// The accepted figures of an experiment and a seed.
    pub fn accepted(&self, experiment: &str, seed: u32) -> Option<&Accepted> {
        self.0.get(experiment)?.get(&seed)
    }

    /// Accepts figures of an experiment and a seed in the place of earlier ones.
    pub fn accept(&mut self, experiment: &str, seed: u32, accepted: Accepted) {
        self.0.entry(experiment.into()).or_default().insert(seed, accepted);
    }

    /// Takes an experiment over from another baseline.
    pub fn take(&mut self, experiment: &str, other: &Self) {
        if let Some(seeds) = other.0.get(experiment) {
            self.0.insert(experiment.into(), seeds.clone());
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
        for (experiment, seeds) in &self.0 {
            for (seed, Accepted { run, figures }) in seeds {
                // Writing to a string cannot fail.
                let _ =
                    write!(text, "\n[{}.{seed}]\n{RUN} = {}\n", quoted(experiment), quoted(run));
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
            (RUN, Value::String(run)) => accepted.run.clone_from(run),
            (RUN, other) => return Err(format!("`{key}.{RUN}` is {other}; it must be a run id")),
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
        let accepted = Accepted { run: "01-23".into(), figures: figures.into() };
        baseline.accept("u.net", 3, Accepted::default());
        baseline.accept("u.net", 10, accepted.clone());
        baseline.accept("a", 0, accepted);
        baseline
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
                        [\"u.net\".3]\nrun = \"\"\n\n[\"u.net\".10]\nrun = \"01-23\"\n";
        assert!(tables.starts_with(expected), "{text}");
        let read = Baseline::read(&path).unwrap();
        assert_eq!(read.text(), text);
        let accepted = read.accepted("a", 0).unwrap();
        assert_eq!(accepted.figures[&"test.iou.mean".parse().unwrap()], 1.0 / 3.0);
        assert!(read.accepted("a", 1).is_none() && read.accepted("b", 0).is_none());
    }

    #[test]
    fn what_no_baseline_can_hold_is_refused_with_its_key() {
        for (text, said) in [
            ("name = 'a'", "`name` is \"a\"; it must be a table"),
            ("[a]\nx = {}", "`x` is no seed"),
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
