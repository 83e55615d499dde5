//! How figures are to be read.

use serde::Serialize;

use super::choice::chosen_on_test;
use super::words;
use crate::evaluate::{describe_steps, figure_goal};
use crate::record::{Record, Task};

/// How figures are to be read in one respect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Semantic {
    /// The respect.
    pub name: &'static str,
    /// The rule; several where runs differ.
    pub rules: Vec<Rule>,
}

/// A rule and its runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Rule {
    /// The rule.
    pub text: String,
    /// Labels of the runs; empty if it holds for all.
    pub runs: Vec<String>,
}

/// How figures are to be read; a rule that all runs share is stated once.
pub(super) fn semantics(records: &[Record], labels: &[String]) -> Vec<Semantic> {
    type Said = (&'static str, fn(&Record) -> String);
    let rules: [Said; 8] = [
        ("Reduction", |record| record.summary.semantics.reduction.clone()),
        ("Absent classes", |record| record.summary.semantics.empty.clone()),
        ("Resolution", |record| record.summary.semantics.resolution.clone()),
        ("After the network", after_the_network),
        ("Threshold", threshold),
        ("Intervals", |record| record.summary.semantics.interval.clone()),
        ("Loss", |record| record.summary.semantics.loss.clone()),
        ("Chosen epoch", chosen_by),
    ];
    rules
        .into_iter()
        .map(|(name, text)| Semantic { name, rules: merged(records, labels, text) })
        .filter(|semantic| !semantic.rules.is_empty())
        .collect()
}

fn merged(records: &[Record], labels: &[String], text: fn(&Record) -> String) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for (record, label) in records.iter().zip(labels) {
        let text = words::sentence(&text(record));
        if text.is_empty() {
            continue;
        }
        match rules.iter_mut().find(|rule| rule.text == text) {
            Some(rule) => rule.runs.push(label.clone()),
            None => rules.push(Rule { text, runs: vec![label.clone()] }),
        }
    }
    if let [rule] = rules.as_mut_slice() {
        rule.runs.clear();
    }
    rules
}

/// What is made of the network's outputs before and after the threshold, and what the validation split decided of it.
fn after_the_network(record: &Record) -> String {
    let settled = record.summary.settled.as_ref();
    let steps = settled.and_then(describe_steps).map(|steps| format!("probabilities are {steps}"));
    let number =
        |value: Option<f64>| value.map_or("undefined".into(), |value| format!("{value:.4}"));
    let tried = record.summary.tried.iter().map(|tried| {
        format!(
            "{} is {}, for on the validation split {} is {} with it and {} without",
            tried.step,
            if tried.kept { "kept" } else { "left out" },
            tried.metric,
            number(tried.with),
            number(tried.without)
        )
    });
    steps.into_iter().chain(tried).collect::<Vec<_>>().join("; ")
}

fn threshold(record: &Record) -> String {
    match &record.summary.threshold {
        Some(threshold) => {
            let what = match (record.summary.task, record.summary.classes.last()) {
                (Task::Classify, Some(class)) => format!("An image is predicted as {class}"),
                _ => "A pixel is predicted as foreground".into(),
            };
            format!("{what} from probability {} ({}).", threshold.value, threshold.chosen)
        }
        None if record.summary.classes.len() > 1 => {
            let what = match record.summary.task {
                Task::Segment => "pixel",
                Task::Classify => "image",
            };
            format!("None: each {what} takes the class of the highest probability.")
        }
        None => String::new(),
    }
}

fn chosen_by(record: &Record) -> String {
    match &record.summary.selection {
        Some(selection) => format!(
            "The weights of the epoch with the {} {}; the test split {}.",
            figure_goal(&selection.metric.figure)
                .map_or_else(|| "best".into(), |goal| goal.to_string()),
            selection.metric,
            match chosen_on_test(record) {
                true => "chose it, so that its figures are not those of unseen cases",
                false => "has no part in the choice",
            }
        ),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_agree_are_stated_once() {
        let mut records = [Record::default(), Record::default()];
        let labels = ["a".to_string(), "b".to_string()];
        records[0].summary.semantics.empty = "scores 1".into();
        records[1].summary.semantics.empty = "scores 1".into();
        let rules = semantics(&records, &labels);
        assert_eq!(rules[0].rules, [Rule { text: "Scores 1.".into(), runs: vec![] }]);
        records[1].summary.semantics.empty = "left out".into();
        let rules = semantics(&records, &labels);
        assert_eq!(rules[0].rules[1].runs, ["b"]);
    }
}
