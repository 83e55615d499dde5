//! What decides a run and differs from what decided an earlier one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::cases::data_rows;
use crate::error::Result;
use crate::plan::{Decisions, Plan, engine_sources, weights};
use crate::record::{CaseChange, DataRow, RunDir, Sources, SplitRow, Table, changed_cases};
use crate::source::{Case, Metadata};
use crate::spec::{diff, matters};
use crate::text;

/// Names of one kind that a line shows.
const SHOWN: usize = 3;

/// Something that decides a run and differs from an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// What it is.
    pub kind: ChangeKind,
    /// Its name: a key, a file, a case, a source.
    pub name: String,
    /// What it was; `None` where there was none, or it is no value that a person reads.
    pub before: Option<String>,
    /// What it is.
    pub now: Option<String>,
}

/// What may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// A key of the spec.
    Key,
    /// The file of an image; of synthetic data, the case.
    Image,
    /// The file of a mask; of synthetic data, the case.
    Mask,
    /// A case that was added.
    Added,
    /// A case that was removed.
    Removed,
    /// The label of a case.
    Label,
    /// What a table says of a case beside that.
    Metadata,
    /// A source of oncospec.
    Source,
    /// A file of weights to start from.
    Weights,
    /// The kind of device.
    Device,
    /// The run that it goes on from.
    Parent,
    /// Which split the cases went to, or their groups.
    Division,
    /// The version of oncospec, whose record cannot be compared.
    Version,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = text::name(&self.name);
        match self.kind {
            ChangeKind::Key => f.write_str(&name)?,
            ChangeKind::Image => write!(f, "image {name}")?,
            ChangeKind::Mask => write!(f, "mask {name}")?,
            ChangeKind::Added => write!(f, "added case {name}")?,
            ChangeKind::Removed => write!(f, "removed case {name}")?,
            ChangeKind::Label => write!(f, "label of {name}")?,
            ChangeKind::Metadata => write!(f, "table's row of {name}")?,
            ChangeKind::Source => write!(f, "source {name}")?,
            ChangeKind::Weights => write!(f, "weights {name}")?,
            ChangeKind::Device
            | ChangeKind::Parent
            | ChangeKind::Division
            | ChangeKind::Version => {
                f.write_str(&name)?;
            }
        }
        match (&self.before, &self.now) {
            (None, None) => Ok(()),
            (before, now) => {
                let or_unset = |value: &Option<String>| {
                    text::name(value.as_deref().unwrap_or("unset")).into_owned()
                };
                write!(f, ": {} -> {}", or_unset(before), or_unset(now))
            }
        }
    }
}

/// Changes in a line: all keys, and of each other kind the first three.
pub fn in_words(changes: &[Change]) -> String {
    let mut of_kind: BTreeMap<ChangeKind, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        of_kind.entry(change.kind).or_default().push(change);
    }
    let words = |(kind, changes): (&ChangeKind, &Vec<&Change>)| {
        let shown = if *kind == ChangeKind::Key { changes.len() } else { SHOWN };
        let more = changes.len().saturating_sub(shown);
        let mut words: Vec<String> =
            changes.iter().take(shown).map(|change| change.to_string()).collect();
        words.extend((more > 0).then(|| format!("and {more} more like the last")));
        words.join(", ")
    };
    of_kind.iter().map(words).collect::<Vec<_>>().join("; ")
}

/// What decides a plan and differs from what decided the run in a directory, keys of the spec first.
///
/// # Errors
/// If a file of the run cannot be read.
pub(super) fn changes(run: &Path, plan: &Plan) -> Result<Vec<Change>> {
    let run = RunDir::open_read(run)?;
    let Ok(before) = Decisions::from_toml(&run.plan()?) else {
        return Ok(vec![unnamed(ChangeKind::Version, "the version of oncospec")]);
    };
    let now = &plan.decisions;
    let mut changes: Vec<Change> = diff(&[&before.spec, &now.spec])
        .into_iter()
        .filter(|(key, _)| matters(key))
        .map(key)
        .collect();
    if before.data_fingerprint != now.data_fingerprint {
        changes.extend(of_data(&run.read::<Table<DataRow>>()?, plan));
    }
    changes.extend(of_rows(&run.read::<Table<SplitRow>>()?, plan));
    if engines(&before) != engines(now) {
        changes.extend(of_sources(&run.read()?, engines(&before), engines(now)));
    }
    changes.extend(of_weights(&before, now));
    if before.device != now.device {
        let (before, now) = (before.device.to_string(), now.device.to_string());
        changes.push(changed(ChangeKind::Device, "device", Some(before), Some(now)));
    }
    if before.parent != now.parent {
        changes.push(unnamed(ChangeKind::Parent, "the run that it goes on from"));
    }
    if changes.is_empty() {
        changes.push(unnamed(ChangeKind::Division, "the division of the cases"));
    }
    Ok(changes)
}

fn changed(
    kind: ChangeKind,
    name: impl Into<String>,
    before: Option<String>,
    now: Option<String>,
) -> Change {
    Change { kind, name: name.into(), before, now }
}

fn unnamed(kind: ChangeKind, name: impl Into<String>) -> Change {
    changed(kind, name, None, None)
}

fn key((key, values): (String, Vec<String>)) -> Change {
    let value = |index: usize| values.get(index).filter(|value| !value.is_empty()).cloned();
    changed(ChangeKind::Key, key, value(0), value(1))
}

/// Cases that hold something else than they held.
fn of_data(before: &[DataRow], plan: &Plan) -> Vec<Change> {
    if before.is_empty() {
        return vec![unnamed(ChangeKind::Image, "or mask, of which the earlier run names none")];
    }
    let cases: BTreeMap<&str, &Case> =
        plan.dataset.cases.iter().map(|case| (case.id.as_str(), case)).collect();
    let file = |case: &str, of_mask: bool| {
        let paths = cases.get(case).map(|case| match of_mask {
            true => case.mask.paths(),
            false => case.image.file().into_iter().collect(),
        });
        let paths: Vec<String> =
            paths.unwrap_or_default().iter().map(|path| path.display().to_string()).collect();
        if paths.is_empty() { case.to_string() } else { paths.join(" and ") }
    };
    let named = |(case, change): (String, CaseChange)| match change {
        CaseChange::Added => unnamed(ChangeKind::Added, case),
        CaseChange::Removed => unnamed(ChangeKind::Removed, case),
        CaseChange::Image => unnamed(ChangeKind::Image, file(&case, false)),
        CaseChange::Mask => unnamed(ChangeKind::Mask, file(&case, true)),
    };
    changed_cases(before, &data_rows(plan)).into_iter().map(named).collect()
}

/// Labels, and columns of a table, of cases that are there as before.
fn of_rows(before: &[SplitRow], plan: &Plan) -> Vec<Change> {
    let before: BTreeMap<&str, &SplitRow> =
        before.iter().map(|row| (row.case.as_str(), row)).collect();
    let mut changes = Vec::new();
    for case in &plan.dataset.cases {
        let Some(row) = before.get(case.id.as_str()) else { continue };
        if row.label != case.label {
            let (was, is) = (Some(row.label.clone()), Some(case.label.clone()));
            changes.push(changed(ChangeKind::Label, &case.id, was, is));
        }
        // A column that no case has a value in need not be recorded.
        let filled = |cells: &Metadata| -> Metadata {
            let filled = cells.iter().filter(|(_, cell)| cell.is_some());
            filled.map(|(column, cell)| (column.clone(), cell.clone())).collect()
        };
        if filled(&row.metadata) != filled(&case.metadata) {
            changes.push(unnamed(ChangeKind::Metadata, &case.id));
        }
    }
    changes
}

/// Digests of the sources of oncospec that decide a run.
#[derive(Clone, Copy, PartialEq)]
struct Engines<'a> {
    training: &'a str,
    evaluation: &'a str,
    parts: &'a BTreeMap<String, String>,
}

fn engines(decisions: &Decisions) -> Engines<'_> {
    Engines {
        training: &decisions.engine,
        evaluation: &decisions.evaluation_engine,
        parts: &decisions.engine_parts,
    }
}

/// Sources of oncospec. Those that came or went with a network, a loss or a data set are no change of their own.
fn of_sources(Sources(before): &Sources, then: Engines, now: Engines) -> Vec<Change> {
    let here = engine_sources(now.parts);
    let same_parts = then.parts.keys().eq(now.parts.keys());
    let differs = |name: &String, digest: &String| match before.get(name) {
        Some(other) => other != digest,
        None => same_parts && !before.is_empty(),
    };
    let differing = here.iter().filter(|(name, digest)| differs(name, digest));
    let mut changes: Vec<Change> =
        differing.map(|(name, _)| unnamed(ChangeKind::Source, name)).collect();
    let gone = before.keys().filter(|name| same_parts && !here.contains_key(*name));
    changes.extend(gone.map(|name| unnamed(ChangeKind::Source, format!("{name}, which is gone"))));
    if !changes.is_empty() {
        return changes;
    }
    // Of a run that does not name its sources, the digests of several together.
    let of = |what: &str| unnamed(ChangeKind::Source, format!("of {what}"));
    let other = |part: &String, digest: &String| then.parts.get(part).is_some_and(|d| d != digest);
    let parts = now.parts.iter().filter(|(part, digest)| other(part, digest));
    let common = [
        (then.training != now.training).then(|| of("training")),
        (then.evaluation != now.evaluation).then(|| of("evaluation")),
    ];
    parts.map(|(part, _)| of(part)).chain(common.into_iter().flatten()).collect()
}

/// Files of weights to start from.
fn of_weights(before: &Decisions, now: &Decisions) -> Vec<Change> {
    let named = |decisions: &Decisions| -> Vec<(String, String)> {
        let files = weights(&decisions.spec.model);
        let names = files.iter().map(|(spec, _)| spec.path.clone().unwrap_or_default());
        names.zip(decisions.weights_sha256.iter().cloned()).collect()
    };
    let (before, now) = (named(before), named(now));
    let short = |sum: &String| sum.chars().take(12).collect::<String>();
    let mut changes = Vec::new();
    for index in 0..before.len().max(now.len()) {
        let (was, is) = (before.get(index), now.get(index));
        let sum = |file: Option<&(String, String)>| file.map(|(_, sum)| short(sum));
        if was.map(|(_, sum)| sum) != is.map(|(_, sum)| sum) {
            let name = is.or(was).map(|(name, _)| name.clone()).unwrap_or_default();
            changes.push(changed(ChangeKind::Weights, name, sum(was), sum(is)));
        }
    }
    changes
}

/// One of several values; `unset` if it is empty.
pub(super) fn or_unset(values: &[String], index: usize) -> &str {
    values.get(index).map(String::as_str).filter(|value| !value.is_empty()).unwrap_or("unset")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_all_keys_and_three_of_each_other_kind() {
        let image = |number: u32| unnamed(ChangeKind::Image, format!("{number}.png"));
        let mut changes: Vec<Change> = (1..6).map(image).collect();
        changes.push(key(("a.b".into(), vec!["1".into(), String::new()])));
        changes.push(unnamed(ChangeKind::Source, "src/model/unet.rs"));
        assert_eq!(
            in_words(&changes),
            "a.b: 1 -> unset; image 1.png, image 2.png, image 3.png, and 2 more like the last; \
             source src/model/unet.rs"
        );
    }

    #[test]
    fn a_source_is_named_and_those_of_another_network_are_no_change() {
        let parts =
            |name: &str, digest: &str| BTreeMap::from([(name.to_string(), digest.to_string())]);
        let (unet, other_unet, unext) =
            (parts("model/unet", "1"), parts("model/unet", "2"), parts("model/unext", "1"));
        fn of(parts: &BTreeMap<String, String>) -> Engines<'_> {
            Engines { training: "t", evaluation: "e", parts }
        }
        let said = |before: &Sources, then, now| in_words(&of_sources(before, then, now));
        let mut before = Sources(engine_sources(&unet));
        assert_eq!(said(&before, of(&unet), of(&unext)), "");
        assert_eq!(said(&Sources::default(), of(&other_unet), of(&unet)), "source of model/unet");
        before.0.insert("src/model/unet.rs".into(), "other".into());
        assert_eq!(said(&before, of(&other_unet), of(&unet)), "source src/model/unet.rs");
        before = Sources(engine_sources(&unet));
        before.0.insert("src/model/old.rs".into(), "1".into());
        before.0.remove("src/train/rate.rs");
        assert_eq!(
            said(&before, Engines { training: "other", ..of(&unet) }, of(&unet)),
            "source src/train/rate.rs, source src/model/old.rs, which is gone"
        );
    }
}
