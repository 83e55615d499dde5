//! Rules between one key and another, which the schema cannot express.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;

use super::check::Checker;
use super::locate::{KeyPath, Step};
use super::origin::Origin;
use super::{
    AmountSpec, ChosenOn, FileSplitSpec, GateSpec, HoldoutSpec, IntensitySpec, KfoldSpec,
    MetricKind, SplitSpec,
};
use crate::split_name::SplitName;

/// How far the fractions of a split may add up from 1.
const FRACTION_TOLERANCE: f64 = 1e-6;
/// The highest code of a BCSS mask.
const LAST_CODE: u8 = 21;

/// Checks every rule whose keys are there and of the right type.
pub(super) fn check(checker: &mut Checker, root: &Dict) {
    let mut rules = Rules { checker, root };
    rules.no_repeats::<u32>("seeds");
    rules.no_repeats::<MetricKind>("evaluation.metrics");
    rules.no_repeats::<SplitName>("evaluation.splits");
    rules.no_repeats::<String>("dataset.classes");
    rules.split();
    rules.intensity();
    rules.weights("model.weights");
    rules.weights("model.encoder.weights");
    rules.gates();
    rules.amounts();
    rules.codes();
}

struct Rules<'c, 'l> {
    checker: &'c mut Checker<'l>,
    root: &'c Dict,
}

impl Rules<'_, '_> {
    fn find(&self, path: &KeyPath) -> Option<&Value> {
        let (first, rest) = path.steps().split_first()?;
        let Step::Key(first) = first else { return None };
        rest.iter().try_fold(self.root.get(first)?, |value, step| match step {
            Step::Key(key) => value.as_dict()?.get(key),
            Step::Index(index) => value.as_array()?.get(*index),
        })
    }

    /// The value at `path`, if it is a `T`.
    fn read<T: DeserializeOwned>(&self, path: &KeyPath) -> Option<T> {
        self.find(path)?.deserialize().ok()
    }

    /// Records a mistake at `path`, or at the nearest table above it that is there.
    fn report(&mut self, path: &KeyPath, message: String, help: Option<&str>) {
        let mut at = path.clone();
        while let Some(parent) = at.parent().filter(|_| self.find(&at).is_none()) {
            at = parent;
        }
        if let Some(tag) = self.find(&at).map(Value::tag) {
            self.checker.at_value(path, tag, message, help.map(String::from));
        }
    }

    /// No element of the array at `path` stands there twice.
    fn no_repeats<T: DeserializeOwned + PartialEq>(&mut self, path: &str) {
        let path = KeyPath::parse(path);
        let Some(elements) = self.read::<Vec<T>>(&path) else { return };
        // An array that is too long is a mistake already, and pairs are many.
        let elements = &elements[..elements.len().min(1000)];
        for (index, element) in elements.iter().enumerate() {
            if let Some(first) = elements[..index].iter().position(|before| before == element) {
                let message = format!("`{}` repeats `{}`", path.index(index), path.index(first));
                self.report(&path.index(index), message, Some("each may stand there once"));
            }
        }
    }

    fn split(&mut self) {
        let path = KeyPath::parse("dataset.split");
        match self.read::<SplitSpec>(&path) {
            Some(SplitSpec::Holdout(holdout)) => self.fractions(&path, &holdout),
            Some(SplitSpec::Kfold(kfold)) => self.fold(&path, &kfold),
            Some(SplitSpec::File(files)) => self.lists(&path, &files),
            Some(SplitSpec::ByFolder(_) | SplitSpec::ByColumn(_)) | None => {}
        }
    }

    fn fractions(&mut self, path: &KeyPath, holdout: &HoldoutSpec) {
        let parts = &holdout.fractions;
        let sum = parts.train + parts.valid + parts.test;
        if (sum - 1.0).abs() > FRACTION_TOLERANCE {
            let path = path.key("fractions");
            let parts = [("train", parts.train), ("valid", parts.valid), ("test", parts.test)];
            let origins = parts.map(|(name, _)| self.origin(&path.key(name)));
            let said = parts.iter().zip(&origins).map(|((name, part), origin)| {
                let by = if origins.iter().all(|other| other.same_source(origin)) {
                    String::new()
                } else {
                    format!(" ({origin})")
                };
                format!("{name} {part}{by}")
            });
            let said = said.collect::<Vec<_>>().join(", ");
            let sum = (sum * 1e9).round() / 1e9;
            let help = Some("say all three; they add up to 1");
            self.report(&path, format!("`{path}` add up to {sum}, not 1: {said}"), help);
        }
    }

    /// The origin of the value at `path`.
    fn origin(&self, path: &KeyPath) -> Origin {
        self.find(path).map_or(Origin::Default, |value| self.checker.origin(path, value.tag()))
    }

    /// A window goes up.
    fn intensity(&mut self) {
        let path = KeyPath::parse("dataset.intensity");
        let (low, high) = match self.read(&path) {
            Some(IntensitySpec::Window(window)) => (window.low, window.high),
            Some(IntensitySpec::Percentiles(percentiles)) => (percentiles.low, percentiles.high),
            _ => return,
        };
        if low >= high {
            let message = format!("`{path}` goes from {low} to {high}");
            self.report(&path, message, Some("`low` must be below `high`"));
        }
    }

    fn fold(&mut self, path: &KeyPath, kfold: &KfoldSpec) {
        if let Some(fold) = kfold.fold
            && fold >= kfold.folds
        {
            let path = path.key("fold");
            let last = kfold.folds.saturating_sub(1);
            let message = format!("`{path}` is {fold}; the {} folds are 0 to {last}", kfold.folds);
            self.report(&path, message, None);
        }
    }

    fn lists(&mut self, path: &KeyPath, files: &FileSplitSpec) {
        let lists = [&files.train, &files.valid, &files.test];
        let chosen_on = self.read(&KeyPath::parse("schedule.choose-on"));
        let on_test = chosen_on == Some(ChosenOn::Test) && files.test.is_some();
        let found = match (files.path.is_some(), lists.iter().filter(|l| l.is_some()).count()) {
            (true, 0) => return,
            (true, _) => "says both `path` and lists",
            (false, 0) => "says no file",
            (false, _) if files.train.is_some() && (files.valid.is_some() || on_test) => return,
            (false, _) if on_test => "lists some splits, but not `train`",
            (false, _) => "lists some splits, but not both `train` and `valid`",
        };
        let help = "give `path`, or `train` and `valid` and perhaps `test`";
        self.report(path, format!("`{path}` {found}"), Some(help));
    }

    /// Weights are named in one way.
    fn weights(&mut self, path: &str) {
        let path = KeyPath::parse(path);
        let Some(Value::Dict(_, weights)) = self.find(&path) else { return };
        let found = match (weights.contains_key("path"), weights.contains_key("name")) {
            (true, false) | (false, true) => return,
            (true, true) => "says both `path` and `name`",
            (false, false) => "says no file",
        };
        let help = "give `path`, or the `name` of published weights";
        self.report(&path, format!("`{path}` {found}"), Some(help));
    }

    fn gates(&mut self) {
        let path = KeyPath::parse("gate");
        let Some(Value::Dict(_, gates)) = self.root.get("gate") else { return };
        for (figure, value) in gates {
            let Ok(gate) = value.deserialize::<GateSpec>() else { continue };
            let path = path.key(figure);
            if gate.against.is_some() && gate.worse_at_most.is_none() {
                let message = format!("`{path}.against` compares nothing");
                let help =
                    "give `worse-at-most`, by how much the figure may be worse, or leave it out";
                self.report(&path.key("against"), message, Some(help));
            }
            match (gate.at_least, gate.at_most) {
                (None, None) if gate.worse_at_most.is_none() => {
                    let help = "give `at-least`, `at-most` or `worse-at-most`";
                    self.report(&path, format!("`{path}` has no bound"), Some(help));
                }
                (Some(least), Some(most)) if least > most => {
                    let message =
                        format!("`{path}` can never hold: at least {least} and at most {most}");
                    self.report(&path, message, None);
                }
                _ => {}
            }
        }
    }

    /// The smallest amount of each augmentation is not above its largest.
    fn amounts(&mut self) {
        let path = KeyPath::parse("augment");
        let Some(Value::Dict(_, augment)) = self.root.get("augment") else { return };
        for (key, value) in augment {
            let Ok(AmountSpec { range: [least, most], .. }) = value.deserialize() else { continue };
            if least > most {
                let path = path.key(key).key("range");
                let message = format!("`{path}` goes from {least} down to {most}");
                self.report(&path, message, Some("the smallest amount comes first"));
            }
        }
    }

    /// The groups of custom BCSS classes name codes that exist, each once.
    fn codes(&mut self) {
        let path = KeyPath::parse("dataset.classes.groups");
        let Some(groups) = self.read::<BTreeMap<String, Vec<u8>>>(&path) else { return };
        let mut taken: BTreeMap<u8, &str> = BTreeMap::new();
        for (group, codes) in &groups {
            for (index, code) in codes.iter().enumerate() {
                let at = path.key(group).index(index);
                let message = match taken.insert(*code, group) {
                    _ if *code > LAST_CODE => format!("`{at}`: BCSS has no code {code}"),
                    Some(other) => format!("`{at}`: code {code} is in group `{other}` already"),
                    None => continue,
                };
                self.report(&at, message, Some("codes are 0 to 21, each in one group"));
            }
        }
    }
}
