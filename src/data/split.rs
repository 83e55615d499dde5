//! How cases are divided into training, validation and test.
//!
//! Divisions by fractions and by folds deal whole groups at random (`deal`); one of a seed is the same on every
//! machine.

mod lists;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::dataset::Dataset;
use super::deal::deal;
use super::duplicates::Duplicates;
use super::linked::Linked;
use super::overlap::overlap_clusters;
use crate::error::{Error, Result};
use crate::source::case::Case;
use crate::spec::{Fractions, GroupKey, HoldoutSpec, KfoldSpec, SplitSpec, Stratify};
use crate::split_name::SplitName;
use lists::split_by_lists;

/// Cases of a data set, divided. All lists hold indices into its `cases`, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Training.
    pub train: Vec<usize>,
    /// Validation.
    pub valid: Vec<usize>,
    /// Test; may be empty.
    pub test: Vec<usize>,
    /// Cases that are in no part.
    pub left_out: Vec<usize>,
    /// Why these are left out, as a clause.
    pub left_out_why: String,
    /// The group of every case; its own id where it stands alone.
    pub groups: Vec<String>,
    /// The fold that is the test split, of a division into folds.
    pub fold: Option<u32>,
    /// Cases in the order in which lists name them; empty of other divisions.
    pub listed: Vec<usize>,
}

impl Split {
    /// The cases of one part.
    pub fn part(&self, name: SplitName) -> &[usize] {
        match name {
            SplitName::Train => &self.train,
            SplitName::Valid => &self.valid,
            SplitName::Test => &self.test,
        }
    }

    /// The part that a case is in; `None` if it is left out.
    pub fn part_of(&self, case: usize) -> Option<SplitName> {
        SplitName::ALL.into_iter().find(|&name| self.part(name).binary_search(&case).is_ok())
    }

    /// The cases of one part in the order in which lists name them, of other divisions ascending.
    pub fn in_order(&self, name: SplitName) -> Vec<usize> {
        let places: BTreeMap<usize, usize> =
            self.listed.iter().enumerate().map(|(place, &case)| (case, place)).collect();
        let mut cases = self.part(name).to_vec();
        cases.sort_by_key(|case| places.get(case).copied());
        cases
    }

    fn from_parts(parts: &[Option<SplitName>], groups: Vec<String>, fold: Option<u32>) -> Self {
        let of = |wanted: Option<SplitName>| {
            (0..parts.len()).filter(|&case| parts[case] == wanted).collect()
        };
        Self {
            train: of(Some(SplitName::Train)),
            valid: of(Some(SplitName::Valid)),
            test: of(Some(SplitName::Test)),
            left_out: of(None),
            left_out_why: "they are in no list of the split".into(),
            groups,
            fold,
            listed: Vec::new(),
        }
    }
}

/// Divides a data set. Where near-duplicates were not looked for, they stand alone.
///
/// # Errors
/// A user's error: fractions that do not add up, a part or a class of a part without cases, a group
/// key that the data set does not have, lists that name a case that is not there or name it twice.
pub fn split(spec: &SplitSpec, dataset: &Dataset, duplicates: &Duplicates) -> Result<Split> {
    split_to_choose_on(SplitName::Valid, spec, dataset, duplicates)
}

/// As [`split`], where another split than validation has to have cases, because it chooses the epoch.
///
/// # Errors
/// As there.
pub fn split_to_choose_on(
    chooses: SplitName,
    spec: &SplitSpec,
    dataset: &Dataset,
    duplicates: &Duplicates,
) -> Result<Split> {
    let split = match spec {
        SplitSpec::Holdout(holdout) => split_holdout(holdout, dataset, duplicates)?,
        SplitSpec::Kfold(kfold) => split_kfold(kfold, dataset, duplicates)?,
        SplitSpec::File(files) => split_by_lists(files, dataset)?,
        SplitSpec::ByFolder(_) => split_by_folder(dataset)?,
        SplitSpec::ByColumn(_) => split_by_column(dataset)?,
    };
    check_parts(dataset, &split, chooses)
        .map_err(|error| Error::user(format!("{error}\nto mend it, {}", remedy(spec))))?;
    Ok(split)
}

/// What gives a part, or a class of a part, the cases that it lacks.
fn remedy(spec: &SplitSpec) -> String {
    let (larger, stratify, group) = match spec {
        SplitSpec::Holdout(holdout) => {
            ("give that part a larger one of `fractions`", holdout.stratify, holdout.group)
        }
        SplitSpec::Kfold(kfold) => ("divide into fewer `folds`", kfold.stratify, kfold.group),
        SplitSpec::File(_) => return "name a case of it in the list of that part".into(),
        SplitSpec::ByColumn(_) => {
            return "write that part into the column of a case of it, or divide by `kind = \"holdout\"`".into();
        }
        SplitSpec::ByFolder(_) => {
            return "put a case of it into that folder, or divide by `kind = \"holdout\"`".into();
        }
    };
    let mut ways = vec![larger, "try another `seed` of `dataset.split`", "add cases of the class"];
    if stratify == Stratify::None {
        ways.insert(1, "set `stratify = \"class\"`");
    }
    if !matches!(group, GroupKey::None | GroupKey::Auto) {
        ways.push("group by something smaller, if cases of one group may part");
    }
    ways.push("leave the class out of the data set");
    format!("{}, or {}", ways[..ways.len() - 1].join(", "), ways[ways.len() - 1])
}

fn split_holdout(spec: &HoldoutSpec, dataset: &Dataset, duplicates: &Duplicates) -> Result<Split> {
    let Fractions { train, valid, test } = spec.fractions;
    for (name, fraction) in [("train", train), ("valid", valid), ("test", test)] {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(Error::user(format!(
                "`dataset.split.fractions.{name}` is {fraction}: fractions are 0 to 1"
            )));
        }
    }
    let total = train + valid + test;
    if (total - 1.0).abs() > 1e-6 {
        return Err(Error::user(format!(
            "`dataset.split.fractions` add up to {}: {train} (train) + {valid} (valid) + {test} \
             (test) must be 1",
            (total * 1e6).round() / 1e6
        )));
    }
    let groups = groups_of(spec.group, dataset, duplicates)?;
    let strata = strata_of(spec.stratify, dataset);
    let bins = deal(&groups, &strata, &[train, valid, test], spec.seed);
    let parts: Vec<_> = bins.into_iter().map(|bin| Some(SplitName::ALL[bin])).collect();
    let split = Split::from_parts(&parts, groups, None);
    for (name, fraction) in SplitName::ALL.into_iter().zip([train, valid, test]) {
        if fraction > 0.0 && split.part(name).is_empty() {
            return Err(too_few(
                dataset,
                &split,
                &format!("a fraction of {fraction} for `{name}`"),
            ));
        }
    }
    Ok(split)
}

fn too_few(dataset: &Dataset, split: &Split, wanted: &str) -> Error {
    let groups: BTreeSet<&String> = split.groups.iter().collect();
    Error::user(format!(
        "`dataset.split`: {wanted} leaves it without cases: the data set has {} cases in {} groups",
        dataset.cases.len(),
        groups.len()
    ))
}

fn split_kfold(spec: &KfoldSpec, dataset: &Dataset, duplicates: &Duplicates) -> Result<Split> {
    let folds = spec.folds;
    // The first where a spec names none: each fold that is run is named.
    let fold = spec.fold.unwrap_or(0);
    if folds < 3 {
        return Err(Error::user(format!(
            "`dataset.split.folds` is {folds}: at least 3, for training, validation and test"
        )));
    }
    if fold >= folds {
        return Err(Error::user(format!(
            "`dataset.split.fold` is {fold}: with {folds} folds it is 0 to {}",
            folds - 1
        )));
    }
    let groups = groups_of(spec.group, dataset, duplicates)?;
    let strata = strata_of(spec.stratify, dataset);
    let fractions = vec![1.0 / f64::from(folds); folds as usize];
    let bins = deal(&groups, &strata, &fractions, spec.seed);
    let (test, valid) = (fold as usize, ((fold + 1) % folds) as usize);
    let parts: Vec<_> = bins
        .into_iter()
        .map(|bin| match bin {
            bin if bin == test => Some(SplitName::Test),
            bin if bin == valid => Some(SplitName::Valid),
            _ => Some(SplitName::Train),
        })
        .collect();
    let split = Split::from_parts(&parts, groups, Some(fold));
    for name in SplitName::ALL {
        if split.part(name).is_empty() {
            return Err(too_few(dataset, &split, &format!("{folds} folds: `{name}`")));
        }
    }
    Ok(split)
}

/// What keeps the cases of a division together, where a spec leaves it to the data.
///
/// A division that is given has the groups of the data set, or the patients or slides that the images name.
pub fn group_key(spec: &SplitSpec, dataset: &Dataset) -> GroupKey {
    match spec.group() {
        Some(GroupKey::Auto) => natural_key(dataset),
        Some(key) => key,
        None if dataset.cases.iter().any(|case| case.group.is_some()) => GroupKey::Given,
        None if dataset.cases.iter().any(|case| case.patient().is_some()) => GroupKey::Patient,
        None if dataset.cases.iter().any(|case| case.slide.is_some()) => GroupKey::Slide,
        None => GroupKey::None,
    }
}

fn natural_key(dataset: &Dataset) -> GroupKey {
    let known =
        |name: fn(&Case) -> Option<&str>| dataset.cases.iter().all(|case| name(case).is_some());
    match (known(Case::patient), known(Case::patient_or_slide)) {
        _ if dataset.cases.iter().all(|case| case.group.is_some()) => GroupKey::Given,
        (true, _) => GroupKey::Patient,
        (false, true) => GroupKey::Slide,
        (false, false) => GroupKey::None,
    }
}

fn groups_of(key: GroupKey, dataset: &Dataset, duplicates: &Duplicates) -> Result<Vec<String>> {
    let named = |key: &str, name: fn(&Case) -> Option<&str>| -> Result<Vec<String>> {
        let name = |case: &Case| match name(case) {
            Some(name) => Ok(name.to_string()),
            None => Err(Error::user(format!(
                "`dataset.split.group = \"{key}\"`: `{}` has no {}; this data set can be grouped by \
                 \"duplicates\" or \"none\"",
                case.id,
                if key == "given" { "group, which `dataset.group` gives" } else { key }
            ))),
        };
        dataset.cases.iter().map(name).collect()
    };
    let key = if key == GroupKey::Auto { natural_key(dataset) } else { key };
    let groups = match key {
        GroupKey::Auto | GroupKey::None => ids(dataset),
        GroupKey::Given => named("given", |case| case.group.as_deref())?,
        GroupKey::Patient => named("patient", Case::patient)?,
        GroupKey::Slide => named("slide", |case| case.slide.as_deref())?,
        GroupKey::Institution => named("institution", |case| case.institution.as_deref())?,
        GroupKey::Duplicates => duplicates.groups(dataset),
    };
    Ok(with_overlaps(groups, dataset))
}

fn ids(dataset: &Dataset) -> Vec<String> {
    dataset.cases.iter().map(|case| case.id.clone()).collect()
}

/// The same groups, but those of tiles that overlap are one.
fn with_overlaps(groups: Vec<String>, dataset: &Dataset) -> Vec<String> {
    let mut linked = Linked::new(groups.len());
    let mut first_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (case, (group, first)) in groups.iter().zip(overlap_clusters(dataset)).enumerate() {
        linked.join(case, *first_of.entry(group).or_insert(case));
        linked.join(case, first);
    }
    linked.firsts().into_iter().map(|first| groups[first].clone()).collect()
}

/// The class of every case as a number; all 0 without stratification.
fn strata_of(stratify: Stratify, dataset: &Dataset) -> Vec<usize> {
    match stratify {
        Stratify::None => vec![0; dataset.cases.len()],
        Stratify::Class => {
            let labels: BTreeSet<&str> =
                dataset.cases.iter().map(|case| case.label.as_str()).collect();
            let labels: Vec<&str> = labels.into_iter().collect();
            let place = |label: &str| labels.iter().position(|other| *other == label).unwrap_or(0);
            dataset.cases.iter().map(|case| place(&case.label)).collect()
        }
    }
}

/// The fold, of so many, of each of some cases: groups stay together and labels are spread evenly.
pub fn folds(dataset: &Dataset, groups: &[String], cases: &[usize], count: usize) -> Vec<usize> {
    let strata = strata_of(Stratify::Class, dataset);
    let strata: Vec<usize> = cases.iter().map(|&case| strata[case]).collect();
    let groups: Vec<String> = cases.iter().map(|&case| groups[case].clone()).collect();
    deal(&groups, &strata, &vec![1.0 / count.max(1) as f64; count.max(1)], 0)
}

fn split_by_folder(dataset: &Dataset) -> Result<Split> {
    if let Some(case) = dataset.cases.iter().find(|case| case.folder.is_none()) {
        return Err(Error::user(format!(
            "`dataset.split.kind = \"by-folder\"` needs folders `train`, `val` and perhaps `test`, but \
             `{}` is in none: use \"holdout\", \"kfold\" or \"file\"",
            case.id
        )));
    }
    let parts: Vec<_> = dataset.cases.iter().map(|case| case.folder).collect();
    Ok(Split::from_parts(&parts, natural_groups(dataset), None))
}

fn split_by_column(dataset: &Dataset) -> Result<Split> {
    if dataset.cases.iter().all(|case| case.folder.is_none()) {
        return Err(Error::user(
            "`dataset.split.kind = \"by-column\"` needs a table whose column `dataset.split-column` names, and no case has a \
             split there: use \"holdout\", \"kfold\" or \"file\"",
        ));
    }
    let parts: Vec<_> = dataset.cases.iter().map(|case| case.folder).collect();
    let why = "the table gives them no split".into();
    Ok(Split { left_out_why: why, ..Split::from_parts(&parts, natural_groups(dataset), None) })
}

/// What belongs together by its source: groups that it gives, patients or slides, and tiles that overlap.
pub fn natural_groups(dataset: &Dataset) -> Vec<String> {
    let of = |case: &Case| case.known_group().unwrap_or(&case.id).to_string();
    with_overlaps(dataset.cases.iter().map(of).collect(), dataset)
}

/// Training and the split that chooses need cases, and every class that is used at all is in every part.
fn check_parts(dataset: &Dataset, split: &Split, chooses: SplitName) -> Result<()> {
    for name in [SplitName::Train, chooses] {
        if split.part(name).is_empty() {
            return Err(Error::user(format!(
                "`dataset.split`: no case for `{name}` ({} train, {} valid, {} test)",
                split.train.len(),
                split.valid.len(),
                split.test.len()
            )));
        }
    }
    let used: Vec<SplitName> =
        SplitName::ALL.into_iter().filter(|&name| !split.part(name).is_empty()).collect();
    let labels_of = |name: SplitName| -> BTreeSet<&str> {
        split.part(name).iter().map(|&case| dataset.cases[case].label.as_str()).collect()
    };
    let all: BTreeSet<&str> = used.iter().flat_map(|&name| labels_of(name)).collect();
    let mut missing = Vec::new();
    for &name in &used {
        for label in all.difference(&labels_of(name)) {
            let there = |name: SplitName| {
                let cases = split.part(name).iter();
                cases.filter(|&&case| dataset.cases[case].label == *label).count()
            };
            let counts: Vec<_> =
                used.iter().map(|&name| format!("{} {name}", there(name))).collect();
            missing.push(format!(
                "`dataset.split`: no case of class `{label}` in `{name}` ({})",
                counts.join(", ")
            ));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Error::user(missing.join("\n"))) }
}
