//! Divisions that lists in files say.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::{Split, natural_groups};
use crate::data::dataset::Dataset;
use crate::error::{Error, Result};
use crate::source::files::image_stem;
use crate::spec::FileSplitSpec;
use crate::split_name::SplitName;

/// Most mistakes of a list that one error names.
const LISTED: usize = 20;

/// How to say what lists with the same cases for validation and test are meant to say.
const TO_CHOOSE_ON_TEST: &str = "to choose the epoch on the images that are reported, leave `valid` out and set \
                                 `schedule.choose-on = \"test\"`, which the page then says";

/// A case as a list names it, and where it does.
struct Listed {
    entry: String,
    part: SplitName,
    at: String,
}

/// Divides a data set as lists say.
pub(super) fn split_by_lists(spec: &FileSplitSpec, dataset: &Dataset) -> Result<Split> {
    let listed = read_lists(dataset, spec)?;
    let index = Index::new(dataset);
    let mut parts: Vec<Option<SplitName>> = vec![None; dataset.cases.len()];
    let mut named: Vec<Option<usize>> = vec![None; dataset.cases.len()];
    let (mut order, mut in_both) = (Vec::new(), false);
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
                    in_both |= ![other, *part].contains(&SplitName::Train);
                    let first = named[case].map_or("", |first| listed[first].at.as_str());
                    mistakes.push(format!(
                        "{at}: `{entry}` is listed for `{part}`, and for `{other}` in {first}"
                    ));
                }
                Some(_) => {
                    let first = named[case].map_or("", |first| listed[first].at.as_str());
                    mistakes.push(format!("{at}: `{entry}` is listed in {first} already"));
                }
                None => {
                    (parts[case], named[case]) = (Some(*part), Some(position));
                    order.push(case);
                }
            }
        }
    }
    if mistakes.is_empty() {
        let split = Split::from_parts(&parts, natural_groups(dataset), None);
        return Ok(Split { listed: order, ..split });
    }
    let count = mistakes.len();
    mistakes.truncate(LISTED);
    if count > LISTED {
        mistakes.push(format!("... and {} more", count - LISTED));
    }
    if count > 1 {
        mistakes.insert(0, format!("{count} entries of the split's lists are wrong:"));
    }
    if in_both {
        mistakes.push(format!("Validation and test share cases: {TO_CHOOSE_ON_TEST}"));
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
        // Names of other lengths are further away; they take no time. A letter has up to four bytes.
        let alike = |other: &&&str| other.len().abs_diff(name.len()) <= 2 * 4;
        let mut near: Vec<(usize, &str)> = self
            .by_name
            .keys()
            .filter(alike)
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
            if let (Some(valid), Some(test)) = (&spec.valid, &spec.test)
                && valid == test
            {
                return Err(Error::user(format!(
                    "`dataset.split`: `valid` and `test` are one list, {valid}: {TO_CHOOSE_ON_TEST}"
                )));
            }
            let mut listed = Vec::new();
            for (part, list) in lists {
                match list {
                    Some(path) => listed.extend(read_txt(dataset, Path::new(path), part)?),
                    None if part == SplitName::Test => {}
                    // Where the epoch is chosen on test; else validation has no case, which is found later.
                    None if part == SplitName::Valid && spec.test.is_some() => {}
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
    let bytes = crate::file::read(path).map_err(|error| match error.kind() {
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
