//! What names of files and folders seem to tell.

use std::collections::{BTreeMap, BTreeSet};

use crate::split_name::SplitName;

/// Words that name classes of images.
const CLASSES: [&str; 24] = [
    "benign",
    "malignant",
    "normal",
    "cancer",
    "healthy",
    "tumor",
    "tumour",
    "positive",
    "negative",
    "pos",
    "neg",
    "insitu",
    "in_situ",
    "in situ",
    "invasive",
    "idc",
    "non-idc",
    "abnormal",
    "0",
    "1",
    "benign_without_callback",
    "sick",
    "disease",
    "control",
];

/// What the names of one level of folders seem to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Split,
    Class,
    Group,
}

/// What folders of these names, which hold so many images each, seem to be.
pub(super) fn level(names: &BTreeMap<&str, usize>) -> Level {
    let all = |is: &dyn Fn(&str) -> bool| names.keys().all(|name| is(name));
    if all(&|name| SplitName::meant(name).is_some()) {
        return Level::Split;
    }
    let known = |name: &str| CLASSES.contains(&name.to_lowercase().as_str());
    let images: usize = names.values().sum();
    let plain = |name: &str| !name.chars().any(|c| c.is_ascii_digit());
    let few = names.len() <= 12 && images >= 3 * names.len();
    if all(&known) || (few && all(&plain)) { Level::Class } else { Level::Group }
}

/// The regular expression of the class in stems of images, where a known word begins each.
pub(super) fn class(stems: &[&str]) -> Option<String> {
    let word = |stem: &str| {
        let end = stem.find(|c: char| !c.is_alphabetic()).unwrap_or(stem.len());
        stem[..end].to_string()
    };
    let words: BTreeSet<String> = stems.iter().map(|stem| word(stem)).collect();
    let known = |word: &String| CLASSES.contains(&word.to_lowercase().as_str());
    if words.len() < 2 || !words.iter().all(known) {
        return None;
    }
    let words: Vec<String> = words.into_iter().collect();
    Some(format!("^(?<class>{})", words.join("|")))
}

/// The regular expression of the group in stems of images, where the part before the first `_` or `-` has a number and
/// comes back.
pub(super) fn group(stems: &[&str]) -> Option<String> {
    ['_', '-'].into_iter().find_map(|separator| {
        let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
        for stem in stems {
            let (group, rest) = stem.split_once(separator)?;
            let numbered = group.chars().any(|c| c.is_ascii_digit());
            if !numbered || rest.is_empty() {
                return None;
            }
            *groups.entry(group).or_default() += 1;
        }
        let several = groups.len() >= 3 && groups.len() < stems.len();
        several.then(|| format!("^(?<group>[^{separator}]+){separator}"))
    })
}

/// What begins and ends all of some names, at a separator, around what differs.
pub(super) fn affixes<'a>(names: &[&'a str]) -> (&'a str, &'a str) {
    let Some(first) = names.first() else { return ("", "") };
    let is_end = |c: char| matches!(c, '_' | '-' | ' ' | '.');
    let prefix = first
        .match_indices(is_end)
        .map(|(at, end)| &first[..at + end.len()])
        .rfind(|prefix| {
            names.iter().all(|name| name.starts_with(prefix) && name.len() > prefix.len())
        })
        .unwrap_or("");
    let suffix = first
        .match_indices(is_end)
        .map(|(at, _)| &first[at..])
        .find(|suffix| {
            names
                .iter()
                .all(|name| name.ends_with(suffix) && name.len() > prefix.len() + suffix.len())
        })
        .unwrap_or("");
    (prefix, suffix)
}
