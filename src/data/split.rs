//! How cases are divided into training, validation and test.
//!
//! Divisions by fractions and by folds deal whole groups at random (`deal`); one of a seed is the same on every
//! machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::case::Case;
use super::dataset::Dataset;
use super::deal::deal;
use super::duplicates::Duplicates;
use super::files::{image_stem, read_whole};
use super::linked::Linked;
use super::overlap::overlap_clusters;
use crate::error::{Error, Result};
use crate::spec::{
    FileSplitSpec, Fractions, GroupKey, HoldoutSpec, KfoldSpec, SplitSpec, Stratify,
};
use crate::split_name::SplitName;

/// Most mistakes of a list that one error names.
const LISTED: usize = 20;

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
        }
    }
}

/// Divides a data set. Where near-duplicates were not looked for, they stand alone.
///
/// # Errors
/// A user's error: fractions that do not add up, a part or a class of a part without cases, a group
/// key that the data set does not have, lists that name a case that is not there or name it twice.
pub fn split(spec: &SplitSpec, dataset: &Dataset, duplicates: &Duplicates) -> Result<Split> {
    let split = match spec {
        SplitSpec::Holdout(holdout) => split_holdout(holdout, dataset, duplicates)?,
        SplitSpec::Kfold(kfold) => split_kfold(kfold, dataset, duplicates)?,
        SplitSpec::File(files) => split_by_lists(files, dataset)?,
        SplitSpec::ByFolder(_) => split_by_folder(dataset)?,
    };
    check_parts(dataset, &split)
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
    let KfoldSpec { folds, fold, .. } = *spec;
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
/// A division that is given has the patients or slides that the images name.
pub fn group_key(spec: &SplitSpec, dataset: &Dataset) -> GroupKey {
    match spec.group() {
        Some(GroupKey::Auto) => natural_key(dataset),
        Some(key) => key,
        None if dataset.cases.iter().any(|case| case.patient().is_some()) => GroupKey::Patient,
        None if dataset.cases.iter().any(|case| case.slide.is_some()) => GroupKey::Slide,
        None => GroupKey::None,
    }
}

fn natural_key(dataset: &Dataset) -> GroupKey {
    let known =
        |name: fn(&Case) -> Option<&str>| dataset.cases.iter().all(|case| name(case).is_some());
    match (known(Case::patient), known(Case::patient_or_slide)) {
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
                "`dataset.split.group = \"{key}\"`: `{}` has no {key}; this data set can be grouped by \
                 \"duplicates\" or \"none\"",
                case.id
            ))),
        };
        dataset.cases.iter().map(name).collect()
    };
    let key = if key == GroupKey::Auto { natural_key(dataset) } else { key };
    let groups = match key {
        GroupKey::Auto | GroupKey::None => ids(dataset),
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

/// What belongs together as far as names tell: patients, or slides, and tiles that overlap.
pub fn natural_groups(dataset: &Dataset) -> Vec<String> {
    let of = |case: &Case| case.patient_or_slide().unwrap_or(&case.id).to_string();
    with_overlaps(dataset.cases.iter().map(of).collect(), dataset)
}

/// Training and validation need cases, and every class that is used at all is in every part.
fn check_parts(dataset: &Dataset, split: &Split) -> Result<()> {
    for name in [SplitName::Train, SplitName::Valid] {
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

/// A case as a list names it, and where it does.
struct Listed {
    entry: String,
    part: SplitName,
    at: String,
}

fn split_by_lists(spec: &FileSplitSpec, dataset: &Dataset) -> Result<Split> {
    let listed = read_lists(dataset, spec)?;
    let index = Index::new(dataset);
    let mut parts: Vec<Option<SplitName>> = vec![None; dataset.cases.len()];
    let mut named: Vec<Option<usize>> = vec![None; dataset.cases.len()];
    let mut mistakes = Vec::new();
    for (position, Listed { entry, part, at }) in listed.iter().enumerate() {
        let found = match index.find(entry) {
            Ok(found) => found,
            Err(mistake) => {
                mistakes.push(format!("{at}: `{entry}` {mistake}"));
                continue;
            }
        };
        for case in found {
            match parts[case] {
                Some(other) if other != *part => {
                    let first = named[case].map_or("", |first| listed[first].at.as_str());
                    mistakes.push(format!(
                        "{at}: `{entry}` is listed for `{part}`, and for `{other}` in {first}"
                    ));
                }
                Some(_) => {
                    let first = named[case].map_or("", |first| listed[first].at.as_str());
                    mistakes.push(format!("{at}: `{entry}` is listed in {first} already"));
                }
                None => (parts[case], named[case]) = (Some(*part), Some(position)),
            }
        }
    }
    if mistakes.is_empty() {
        return Ok(Split::from_parts(&parts, natural_groups(dataset), None));
    }
    let count = mistakes.len();
    mistakes.truncate(LISTED);
    if count > LISTED {
        mistakes.push(format!("... and {} more", count - LISTED));
    }
    if count > 1 {
        mistakes.insert(0, format!("{count} entries of the split's lists are wrong:"));
    }
    Err(Error::user(mistakes.join("\n  ")))
}

/// Cases by the last component of their ids.
struct Index<'a> {
    dataset: &'a Dataset,
    by_name: BTreeMap<&'a str, Vec<usize>>,
    by_slide: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Index<'a> {
    fn new(dataset: &'a Dataset) -> Self {
        let mut index = Self { dataset, by_name: BTreeMap::new(), by_slide: BTreeMap::new() };
        for (place, case) in dataset.cases.iter().enumerate() {
            let name = case.id.rsplit('/').next().unwrap_or(&case.id);
            index.by_name.entry(name).or_default().push(place);
            if let Some(slide) = &case.slide {
                index.by_slide.entry(slide).or_default().push(place);
            }
        }
        index
    }

    /// The cases that an entry names: one, or all of a slide.
    fn find(&self, entry: &str) -> Result<Vec<usize>, String> {
        let entry = entry.replace('\\', "/");
        let entry = image_stem(&entry).unwrap_or(&entry);
        let wanted: Vec<&str> =
            entry.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let Some(name) = wanted.last() else { return Err("names nothing".into()) };
        let candidates = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        let found: Vec<usize> = candidates
            .iter()
            .copied()
            .filter(|&case| {
                let id = self.dataset.cases[case].id.rsplit('/');
                id.zip(wanted.iter().rev()).all(|(a, b)| a == *b)
            })
            .collect();
        match found.as_slice() {
            [_] => Ok(found),
            [] => match self.slide(entry) {
                Some(cases) => Ok(cases.to_vec()),
                None => Err(self.nothing(name)),
            },
            several => {
                let ids: Vec<_> = several
                    .iter()
                    .take(3)
                    .map(|&case| format!("`{}`", self.dataset.cases[case].id))
                    .collect();
                Err(format!("may mean any of {} cases ({}, ...)", several.len(), ids.join(", ")))
            }
        }
    }

    /// The cases of a slide, whose barcode may be written in any case.
    fn slide(&self, entry: &str) -> Option<&[usize]> {
        let upper = entry.to_ascii_uppercase();
        self.by_slide.get(entry).or_else(|| self.by_slide.get(upper.as_str())).map(Vec::as_slice)
    }

    fn nothing(&self, name: &str) -> String {
        let mut near: Vec<(usize, &str)> = self
            .by_name
            .keys()
            .map(|other| (strsim::levenshtein(name, other), *other))
            .filter(|(distance, _)| *distance <= 2)
            .collect();
        near.sort_unstable();
        let hint =
            near.first().map_or(String::new(), |(_, other)| format!("; did you mean `{other}`?"));
        format!("names no case of the data set{hint}")
    }
}

fn read_lists(dataset: &Dataset, spec: &FileSplitSpec) -> Result<Vec<Listed>> {
    let lists = [
        (SplitName::Train, &spec.train),
        (SplitName::Valid, &spec.valid),
        (SplitName::Test, &spec.test),
    ];
    match &spec.path {
        Some(path) => {
            if let Some((name, _)) = lists.iter().find(|(_, list)| list.is_some()) {
                return Err(Error::user(format!(
                    "`dataset.split`: `path` and `{name}` exclude each other; give either one file \
                     with all splits or one list for each"
                )));
            }
            let path = Path::new(path);
            let extension = path.extension().and_then(|extension| extension.to_str());
            match extension.map(str::to_ascii_lowercase).as_deref() {
                Some("csv") => read_csv(dataset, path),
                Some("json") => read_json(path),
                _ => Err(Error::user(format!(
                    "`dataset.split.path`: {}: must end in .csv or .json; lists in .txt files are \
                     given as `train`, `valid` and `test`",
                    path.display()
                ))),
            }
        }
        None => {
            let mut listed = Vec::new();
            for (part, list) in lists {
                match list {
                    Some(path) => listed.extend(read_txt(dataset, Path::new(path), part)?),
                    None if part == SplitName::Test => {}
                    None => {
                        return Err(Error::user(format!(
                            "`dataset.split.{part}` is missing: give `path`, or lists as `train`, \
                             `valid` and perhaps `test`"
                        )));
                    }
                }
            }
            Ok(listed)
        }
    }
}

fn read_text(path: &Path) -> Result<String> {
    let bytes = read_whole(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::user(format!("{}: no such file", path.display())),
        _ => Error::io(path, "cannot read")(error),
    })?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::user(format!("{}: not UTF-8 text", path.display())))?;
    Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_string))
}

/// Refuses lines that are comments and would name a case if they were not.
fn no_case_is_comment(dataset: &Dataset, path: &Path, text: &str) -> Result<()> {
    let index = Index::new(dataset);
    let names_case = |line: &str| {
        let entry = line.split(',').map(|field| field.trim().trim_matches('"'));
        line.starts_with('#') && entry.into_iter().any(|entry| index.find(entry).is_ok())
    };
    let found = text.lines().map(str::trim).enumerate().find(|(_, line)| names_case(line));
    match found {
        None => Ok(()),
        Some((number, line)) => Err(Error::user(format!(
            "{}:{}: `{line}` names a case and is a comment, as every line is that begins with `#`: write it with \
             its folder in front, or give lists as JSON",
            path.display(),
            number + 1
        ))),
    }
}

fn read_txt(dataset: &Dataset, path: &Path, part: SplitName) -> Result<Vec<Listed>> {
    let text = read_text(path)?;
    no_case_is_comment(dataset, path, &text)?;
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    let listed: Vec<_> = lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| Listed {
            entry: line.to_string(),
            part,
            at: format!("{}:{number}", path.display()),
        })
        .collect();
    if listed.is_empty() {
        return Err(Error::user(format!("{}: lists no case", path.display())));
    }
    Ok(listed)
}

fn part_named(name: &str) -> Option<SplitName> {
    match name {
        "train" => Some(SplitName::Train),
        "valid" | "val" => Some(SplitName::Valid),
        "test" => Some(SplitName::Test),
        _ => None,
    }
}

fn read_csv(dataset: &Dataset, path: &Path) -> Result<Vec<Listed>> {
    let text = read_text(path)?;
    no_case_is_comment(dataset, path, &text)?;
    let wrong = |error: csv::Error| Error::user(format!("{}: {error}", path.display()));
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(wrong)?.clone();
    let column = |name: &str| {
        let mut places = (0..header.len()).filter(|&place| &header[place] == name);
        let place = places.next();
        if places.next().is_some() {
            return Err(Error::user(format!(
                "{}: several columns `{name}` in the first line: keep one",
                path.display()
            )));
        }
        place.ok_or_else(|| {
            let found: Vec<_> = header.iter().map(|name| format!("`{name}`")).collect();
            Error::user(format!(
                "{}: no column `{name}` in the first line, which has {}; `case` and `split` are needed",
                path.display(),
                found.join(", ")
            ))
        })
    };
    let (case, split) = (column("case")?, column("split")?);
    let mut listed = Vec::new();
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        let line = record.position().map_or(0, csv::Position::line);
        let at = format!("{}:{line}", path.display());
        let name = record.get(split).unwrap_or_default();
        let part = part_named(name).ok_or_else(|| {
            Error::user(format!("{at}: split `{name}`: must be `train`, `valid` or `test`"))
        })?;
        listed.push(Listed { entry: record.get(case).unwrap_or_default().to_string(), part, at });
    }
    Ok(listed)
}

/// Keys and lists in the order of a JSON object, in which a key may stand twice.
struct Keyed(Vec<(String, Vec<String>)>);

impl<'de> Deserialize<'de> for Keyed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Keyed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of lists")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keyed, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Keyed(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

fn read_json(path: &Path) -> Result<Vec<Listed>> {
    let text = read_text(path)?;
    let Keyed(lists) = serde_json::from_str(&text).map_err(|error| {
        Error::user(format!(
            "{}: {error}; expected {{\"train\": [..], \"valid\": [..], \"test\": [..]}}",
            path.display()
        ))
    })?;
    let mut listed = Vec::new();
    let mut seen: Vec<(SplitName, String)> = Vec::new();
    for (name, entries) in lists {
        let part = part_named(&name).ok_or_else(|| {
            Error::user(format!(
                "{}: key `{name}`: must be `train`, `valid` or `test`",
                path.display()
            ))
        })?;
        if let Some((_, other)) = seen.iter().find(|(known, _)| *known == part) {
            return Err(Error::user(format!(
                "{}: keys `{other}` and `{name}` are of the same split: put all entries under one",
                path.display()
            )));
        }
        seen.push((part, name.clone()));
        listed.extend(entries.into_iter().enumerate().map(|(number, entry)| Listed {
            entry,
            part,
            at: format!("{}: {name}[{number}]", path.display()),
        }));
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::Levels;
    use super::super::case::PhantomImage;
    use super::super::case::{Case, ImageSource, MaskSource};
    use super::super::classes::Codes;
    use super::super::dataset::Dataset;
    use super::super::labels::Labels;
    use super::super::open;
    use super::super::roi::RoiCache;
    use super::super::sample::{save_bytes, spec};
    use super::*;
    use crate::data::{find_duplicates, leaks, unsought};

    fn split(spec: &SplitSpec, dataset: &Dataset) -> Result<Split> {
        super::split(spec, dataset, &unsought(dataset))
    }

    /// What is said to lie in more than one split.
    fn crossing(dataset: &Dataset, split: &Split) -> Vec<String> {
        let leaks = leaks(dataset, split, &unsought(dataset));
        leaks.into_iter().flat_map(|finding| finding.names).collect()
    }

    /// Cases as `(label, slide)`, named `<label>/<number>`.
    fn dataset(cases: &[(&str, Option<u32>)]) -> Dataset {
        let case = |(number, (label, slide)): (usize, &(&str, Option<u32>))| Case {
            id: format!("{label}/{label} ({number})"),
            label: (*label).into(),
            slide: slide.map(|slide| format!("S{slide}")),
            institution: None,
            folder: None,
            image: ImageSource::Phantom(PhantomImage::ultrasound(0, number as u32)),
            mask: MaskSource::Phantom,
            width: 8,
            height: 8,
        };
        Dataset {
            cases: cases.iter().enumerate().map(case).collect(),
            unlabelled: Vec::new(),
            labels: Labels::Binary { foreground: "lesion".into() },
            image_classes: vec![],
            codes: Codes::binary(),
            foreground: Default::default(),
            levels: Levels::Refused,
            ignored: Vec::new(),
            label_pixels: Vec::new(),
            findings: Default::default(),
            rois: Arc::new(RoiCache::default()),
        }
    }

    fn busi_like() -> Dataset {
        let labels = [("benign", 40), ("malignant", 20), ("normal", 10)];
        let cases: Vec<_> =
            labels.iter().flat_map(|&(label, count)| vec![(label, None); count]).collect();
        dataset(&cases)
    }

    fn holdout(train: f64, valid: f64, test: f64) -> HoldoutSpec {
        HoldoutSpec { fractions: Fractions { train, valid, test }, ..HoldoutSpec::default() }
    }

    fn error_of(spec: &SplitSpec, dataset: &Dataset) -> String {
        let error = split(spec, dataset).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    fn labels_of(dataset: &Dataset, cases: &[usize]) -> [usize; 3] {
        ["benign", "malignant", "normal"]
            .map(|label| cases.iter().filter(|&&case| dataset.cases[case].label == label).count())
    }

    #[test]
    fn each_split_gets_its_share_of_every_class() {
        let dataset = busi_like();
        let split = split(&SplitSpec::Holdout(holdout(0.7, 0.2, 0.1)), &dataset).unwrap();
        assert_eq!(labels_of(&dataset, &split.train), [28, 14, 7]);
        assert_eq!(labels_of(&dataset, &split.valid), [8, 4, 2]);
        assert_eq!(labels_of(&dataset, &split.test), [4, 2, 1]);
    }

    #[test]
    fn the_division_of_a_seed_is_the_same_on_every_machine() {
        let dataset = dataset(&[("a", None); 12]);
        let with = |seed| SplitSpec::Holdout(HoldoutSpec { seed, ..holdout(0.5, 0.25, 0.25) });
        let first = split(&with(0), &dataset).unwrap();
        assert_eq!((first.valid, first.test), (vec![0, 1, 5], vec![4, 8, 9]));
        let second = split(&with(1), &dataset).unwrap();
        assert_eq!((second.valid, second.test), (vec![0, 1, 5], vec![3, 6, 8]));
    }

    #[test]
    fn folds_take_turns_as_test_and_validation() {
        let dataset = busi_like();
        let fold = |fold| {
            let spec = KfoldSpec { fold, ..KfoldSpec::default() };
            split(&SplitSpec::Kfold(spec), &dataset).unwrap()
        };
        let folds: Vec<_> = (0..5).map(fold).collect();
        let mut tested: Vec<usize> = folds.iter().flat_map(|split| split.test.clone()).collect();
        tested.sort_unstable();
        assert_eq!(tested, (0..70).collect::<Vec<_>>());
        for (number, split) in folds.iter().enumerate() {
            assert_eq!(labels_of(&dataset, &split.test), [8, 4, 2]);
            assert_eq!(split.valid, folds[(number + 1) % 5].test);
            assert_eq!(split.fold, Some(number as u32));
        }
    }

    proptest! {
        #[test]
        fn groups_never_part_and_nothing_is_lost(
            cases in prop::collection::vec((0u32..3, 0u32..12), 40..160),
            seed in any::<u32>(),
            folds in prop::bool::ANY,
        ) {
            let cases: Vec<_> =
                cases.iter().map(|&(label, slide)| (["a", "b", "c"][label as usize], Some(slide))).collect();
            let dataset = dataset(&cases);
            let spec = if folds {
                SplitSpec::Kfold(KfoldSpec { seed, group: GroupKey::Slide, ..KfoldSpec::default() })
            } else {
                SplitSpec::Holdout(HoldoutSpec { seed, group: GroupKey::Slide, ..HoldoutSpec::default() })
            };
            // A class may be missing from a part, which is an error of its own.
            if let Ok(split) = split(&spec, &dataset) {
                let mut all = [split.train.clone(), split.valid.clone(), split.test.clone()].concat();
                all.sort_unstable();
                prop_assert_eq!(all, (0..cases.len()).collect::<Vec<_>>());
                prop_assert_eq!(crossing(&dataset, &split), Vec::<String>::new());
            }
        }

        #[test]
        fn without_groups_every_class_is_within_one_case_of_its_share(
            counts in prop::collection::vec(10usize..60, 3), seed in any::<u32>(),
        ) {
            let labels = ["benign", "malignant", "normal"];
            let cases: Vec<_> =
                labels.iter().zip(&counts).flat_map(|(label, &count)| vec![(*label, None); count]).collect();
            let dataset = dataset(&cases);
            let spec = HoldoutSpec { seed, ..HoldoutSpec::default() };
            let split = split(&SplitSpec::Holdout(spec), &dataset).unwrap();
            for (part, fraction) in [(&split.train, 0.7), (&split.valid, 0.15), (&split.test, 0.15)] {
                for (got, all) in labels_of(&dataset, part).into_iter().zip(&counts) {
                    let share = fraction * *all as f64;
                    prop_assert!((got as f64 - share).abs() <= 1.0 + 1e-9, "{} of {}", got, share);
                }
            }
        }
    }

    #[test]
    fn a_shared_slide_is_seen_to_cross_an_ungrouped_split() {
        let dataset = dataset(&[("a", Some(1)); 20]);
        let alone = HoldoutSpec { group: GroupKey::None, ..holdout(0.5, 0.5, 0.0) };
        let split = split(&SplitSpec::Holdout(alone), &dataset).unwrap();
        assert_eq!(crossing(&dataset, &split), ["S1 in train and valid"]);
    }

    #[test]
    fn slides_of_one_patient_stay_together_unless_the_spec_says_otherwise() {
        let mut dataset = dataset(&[("a", Some(0)); 40]);
        for (number, case) in dataset.cases.iter_mut().enumerate() {
            case.slide = Some(format!("TCGA-A2-A{:03}-DX{}", number / 4, number % 2 + 1));
        }
        let of = |group, seed| {
            let spec = HoldoutSpec { group, seed, ..HoldoutSpec::default() };
            split(&SplitSpec::Holdout(spec), &dataset).unwrap()
        };
        assert_eq!(of(GroupKey::Auto, 0).groups[1], "TCGA-A2-A000");
        for seed in 0..20 {
            assert_eq!(crossing(&dataset, &of(GroupKey::Auto, seed)), Vec::<String>::new());
        }
        let by_slide = of(GroupKey::Slide, 0);
        assert_eq!(by_slide.groups[1], "TCGA-A2-A000-DX2");
        let parted = crossing(&dataset, &by_slide);
        assert!(parted.iter().any(|name| name.starts_with("TCGA-A2-A0")), "{parted:?}");
    }

    #[test]
    fn slides_of_which_nobody_knows_the_patient_are_called_slides() {
        let mut dataset = dataset(&[("a", Some(0)); 20]);
        for (number, case) in dataset.cases.iter_mut().enumerate() {
            case.slide = Some(format!("roi {}", number / 4));
        }
        let spec = SplitSpec::Holdout(HoldoutSpec::default());
        assert_eq!(group_key(&spec, &dataset), GroupKey::Slide);
        let split = split(&spec, &dataset).unwrap();
        assert_eq!((split.groups[1].as_str(), crossing(&dataset, &split)), ("roi 0", vec![]));
        dataset.cases[0].slide = None;
        assert_eq!(group_key(&spec, &dataset), GroupKey::None);
    }

    #[test]
    fn overlapping_tiles_stay_together_whatever_the_group_is() {
        let mut dataset = dataset(&[("a", None); 60]);
        for (number, case) in dataset.cases.iter_mut().enumerate() {
            // Rows of three tiles of 224 pixels, each 112 further; rows do not touch.
            case.id =
                format!("train/S{}_{}_{}_size224", number / 30, number / 3 * 300, number % 3 * 112);
            case.image = ImageSource::File(case.id.clone().into());
        }
        for seed in 0..20 {
            let alone = HoldoutSpec { group: GroupKey::None, seed, ..HoldoutSpec::default() };
            let split = split(&SplitSpec::Holdout(alone), &dataset).unwrap();
            assert_eq!(crossing(&dataset, &split), Vec::<String>::new());
            assert_eq!(split.groups[2], split.groups[0]);
            assert_ne!(split.groups[3], split.groups[0]);
        }
    }

    #[test]
    fn fractions_must_add_up_and_leave_no_split_without_cases() {
        let dataset = busi_like();
        let message = error_of(&SplitSpec::Holdout(holdout(0.7, 0.2, 0.2)), &dataset);
        assert!(message.contains("add up to 1.1") && message.contains("must be 1"), "{message}");
        let message = error_of(&SplitSpec::Holdout(holdout(1.5, -0.5, 0.0)), &dataset);
        assert!(message.contains("fractions.train` is 1.5: fractions are 0 to 1"), "{message}");
        let message = error_of(&SplitSpec::Holdout(holdout(0.998, 0.001, 0.001)), &dataset);
        assert!(message.contains("a fraction of 0.001 for `valid` leaves it without"), "{message}");
        let message = error_of(&SplitSpec::Holdout(holdout(1.0, 0.0, 0.0)), &dataset);
        assert!(message.contains("no case for `valid`"), "{message}");
    }

    #[test]
    fn a_class_that_a_split_lacks_is_named_with_the_split() {
        let cases = [vec![("benign", None); 30], vec![("normal", None); 1]].concat();
        let dataset = dataset(&cases);
        let message = error_of(&SplitSpec::Holdout(holdout(0.7, 0.15, 0.15)), &dataset);
        let expected = "no case of class `normal` in `valid` (1 train, 0 valid, 0 test)";
        assert!(message.contains(expected), "{message}");
        let remedy = "to mend it, give that part a larger one of `fractions`, try another `seed`";
        assert!(message.contains(remedy), "{message}");
    }

    #[test]
    fn a_fold_or_a_group_that_is_not_there_is_an_error() {
        let dataset = busi_like();
        let kfold =
            |folds, fold| SplitSpec::Kfold(KfoldSpec { folds, fold, ..KfoldSpec::default() });
        assert!(error_of(&kfold(5, 5), &dataset).contains("with 5 folds it is 0 to 4"));
        assert!(error_of(&kfold(2, 0), &dataset).contains("at least 3"));
        let slide = HoldoutSpec { group: GroupKey::Slide, ..HoldoutSpec::default() };
        let message = error_of(&SplitSpec::Holdout(slide), &dataset);
        assert!(message.contains("`benign/benign (0)` has no slide"), "{message}");
        assert!(
            error_of(&SplitSpec::ByFolder(Default::default()), &dataset).contains("is in none")
        );
    }

    fn real() -> Option<(Dataset, std::path::PathBuf)> {
        let data = crate::testing::shared()?;
        let spec = spec("kind = 'busi'\nroot = $", &data.join("Dataset_BUSI_with_GT"));
        Some((open(&spec).unwrap(), data.join("splits")))
    }

    fn lists(train: &Path, valid: &Path, test: Option<&Path>) -> SplitSpec {
        let text = |path: &Path| Some(path.display().to_string());
        SplitSpec::File(FileSplitSpec {
            path: None,
            train: text(train),
            valid: text(valid),
            test: test.and_then(text),
        })
    }

    #[test]
    fn the_shared_lists_divide_the_real_images_as_they_say() {
        let Some((dataset, folder)) = real() else { return };
        let path = |name: &str| folder.join(format!("busi_{name}.txt"));
        let spec = lists(&path("train"), &path("valid"), Some(&path("test")));
        let split = split(&spec, &dataset).unwrap();
        let sizes = [&split.train, &split.valid, &split.test].map(Vec::len);
        assert_eq!((sizes, split.left_out.len()), ([273, 59, 59], 0));
        assert!(split.test.iter().any(|&case| dataset.cases[case].id == "benign/benign (119)"));
    }

    #[test]
    fn lists_name_cases_by_path_file_name_or_stem() {
        let dataset =
            dataset(&[("a", None), ("a", None), ("a", None), ("a", Some(7)), ("a", Some(7))]);
        let folder = tempfile::tempdir().unwrap();
        let (train, valid) = (folder.path().join("t.txt"), folder.path().join("v.txt"));
        save_bytes(&train, b"\xef\xbb\xbf# by hand\r\n\r\n  a (0)  \r\n./data/a/a (1).png\r\n");
        save_bytes(&valid, b"a\\a (2).PNG\nS7\n");
        let split = split(&lists(&train, &valid, None), &dataset).unwrap();
        assert_eq!((split.train, split.valid, split.test), (vec![0, 1], vec![2, 3, 4], vec![]));
        assert_eq!(split.groups[3], "S7");
    }

    #[test]
    fn csv_and_json_say_the_same_as_lists() {
        let dataset = dataset(&[("a", None), ("a", None), ("a", None), ("a", None)]);
        let folder = tempfile::tempdir().unwrap();
        let (csv, json) = (folder.path().join("s.csv"), folder.path().join("s.JSON"));
        save_bytes(&csv, b"split, case\nvalid, a (1)\r\ntrain,\"a (0)\"\ntest, a/a (2).png\n");
        save_bytes(&json, br#"{"train": ["a (0)"], "val": ["a (1)"], "test": ["a (2)"]}"#);
        for path in [csv, json] {
            let path = Some(path.display().to_string());
            let spec = SplitSpec::File(FileSplitSpec { path, ..FileSplitSpec::default() });
            let split = split(&spec, &dataset).unwrap();
            assert_eq!((split.train, split.valid, split.test), (vec![0], vec![1], vec![2]));
            assert_eq!(split.left_out, [3]);
        }
    }

    #[test]
    fn what_stands_twice_in_lists_is_refused() {
        let mut dataset = dataset(&[("a", None), ("a", None), ("a", None)]);
        dataset.cases[2].id = "a/#7".into();
        let folder = tempfile::tempdir().unwrap();
        let one = |name: &str, text: &str| {
            let path = folder.path().join(name);
            save_bytes(&path, text.as_bytes());
            let path = Some(path.display().to_string());
            error_of(&SplitSpec::File(FileSplitSpec { path, ..Default::default() }), &dataset)
        };
        let message = one("a.csv", "case,split\na (0),train\na (1),valid\na/a (0),train\n");
        assert!(message.contains("a.csv:4: `a/a (0)` is listed in"), "{message}");
        let message = one("b.csv", "case,split,split\na (0),train,valid\na (1),valid,train\n");
        assert!(message.contains("several columns `split`"), "{message}");
        let message = one("c.json", r#"{"train": ["a (0)"], "valid": ["a (1)"], "train": []}"#);
        assert!(message.contains("keys `train` and `train` are of the same split"), "{message}");
        let message = one("d.json", r#"{"train": ["a (0)"], "valid": [], "val": ["a (1)"]}"#);
        assert!(message.contains("keys `valid` and `val` are of the same split"), "{message}");
        let message = one("e.csv", "case,split\na (0),train\n#7,valid\n");
        assert!(message.contains("e.csv:3: `#7,valid` names a case and is a comment"), "{message}");
    }

    #[test]
    fn everything_wrong_in_lists_is_named_with_its_line() {
        let mut dataset = dataset(&[("a", None), ("a", None), ("b", None), ("b", None)]);
        dataset.cases[3].id = "b/a (0)".into();
        let folder = tempfile::tempdir().unwrap();
        let (train, valid) = (folder.path().join("t.txt"), folder.path().join("v.txt"));
        save_bytes(&train, b"a (1)\nb (2)\na (0)\nx/b (2)\n");
        save_bytes(&valid, b"b (2)\nb (33)\n");
        let message = error_of(&lists(&train, &valid, None), &dataset);
        for part in [
            "4 entries of the split's lists are wrong",
            "t.txt:3: `a (0)` may mean any of 2 cases (`a/a (0)`, `b/a (0)`",
            "t.txt:4: `x/b (2)` names no case",
            "v.txt:1: `b (2)` is listed for `valid`, and for `train` in ",
            "v.txt:2: `b (33)` names no case of the data set; did you mean `b (2)`?",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }

    #[test]
    fn files_that_are_no_lists_are_refused() {
        let dataset = busi_like();
        let folder = tempfile::tempdir().unwrap();
        let one = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            save_bytes(&path, bytes);
            let path = Some(path.display().to_string());
            error_of(&SplitSpec::File(FileSplitSpec { path, ..Default::default() }), &dataset)
        };
        assert!(one("a.csv", b"image,part\nx,train\n").contains("no column `case`"));
        assert!(one("b.csv", b"case,split\nx,training\n").contains("b.csv:2: split `training`"));
        assert!(one("c.json", b"{\"train\": 3}").contains("expected {\"train\""));
        assert!(one("d.json", b"{\"fit\": []}").contains("key `fit`"));
        assert!(one("e.txt", b"x").contains("must end in .csv or .json"));
        assert!(one("f.json", b"\xff\xfe").contains("not UTF-8"));
        let message = error_of(&SplitSpec::File(FileSplitSpec::default()), &dataset);
        assert!(message.contains("`dataset.split.train` is missing"), "{message}");
        let nowhere = Path::new("/nowhere/t.txt");
        let message = error_of(&lists(nowhere, nowhere, None), &dataset);
        assert!(message.contains("/nowhere/t.txt: no such file"), "{message}");
        save_bytes(&folder.path().join("empty.txt"), b"# nothing\n");
        let empty = folder.path().join("empty.txt");
        assert!(error_of(&lists(&empty, &empty, None), &dataset).contains("lists no case"));
    }

    #[test]
    fn tiles_are_divided_as_their_folders_say() {
        let Some(data) = crate::testing::shared() else { return };
        let toml = "kind = 'bcss'\nroot = $\nimage-size = 224";
        let dataset = open(&spec(toml, &data.join("BCSS_22"))).unwrap();
        let split = split(&SplitSpec::ByFolder(Default::default()), &dataset).unwrap();
        assert_eq!((split.train.len(), split.valid.len(), split.test.len()), (60, 8, 0));
        assert_eq!(crossing(&dataset, &split), Vec::<String>::new());
        assert_eq!(split.groups[0], "TCGA-A2-A0D2");
    }

    #[test]
    fn near_duplicates_of_real_images_stay_together() {
        let Some((dataset, _)) = real() else { return };
        let spec = HoldoutSpec { group: GroupKey::Duplicates, ..HoldoutSpec::default() };
        let duplicates = find_duplicates(&dataset).unwrap();
        let grouped = super::split(&SplitSpec::Holdout(spec), &dataset, &duplicates).unwrap();
        let groups: BTreeSet<&String> = grouped.groups.iter().collect();
        assert!((280..391).contains(&groups.len()), "{} groups", groups.len());
        assert!(leaks(&dataset, &grouped, &duplicates).is_empty());
        let alone = split(&SplitSpec::Holdout(HoldoutSpec::default()), &dataset).unwrap();
        let said = leaks(&dataset, &alone, &duplicates).remove(0).to_string();
        assert!(said.starts_with("warning: near-duplicate images lie in more than one"), "{said}");
    }
}
