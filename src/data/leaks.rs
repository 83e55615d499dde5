//! What lies on both sides of a division although it is one thing: a patient, tissue in overlapping tiles, a picture.

use std::collections::BTreeMap;

use super::dataset::Dataset;
use super::duplicates::Duplicates;
use super::overlap::overlap_clusters;
use super::split::Split;
use crate::finding::{Finding, FindingKind};
use crate::split_name::SplitName;

/// Warnings of what is in more than one part, whatever kept cases together.
pub fn leaks(dataset: &Dataset, split: &Split, duplicates: &Duplicates) -> Vec<Finding> {
    let origin = |case: usize| dataset.cases[case].known_group();
    let crossed = by_name(crossing(dataset, split, origin));
    let given = dataset.cases.iter().any(|case| case.group.is_some());
    let patients =
        dataset.cases.iter().all(|case| case.slide.is_none() || case.patient().is_some());
    let (things, key) = match (given, patients) {
        (true, _) => ("groups", "given"),
        (false, true) => ("patients", "patient"),
        (false, false) => ("slides", "slide"),
    };
    let together = format!("`dataset.split.group = \"{key}\"` keeps them together");
    let overlapping = overlap_clusters(dataset);
    let found = [
        (FindingKind::Crossing, things, crossed, together.as_str()),
        (
            FindingKind::CrossingTiles,
            "tiles that overlap",
            by_members(dataset, crossing(dataset, split, |case| Some(overlapping[case]))),
            "let the division deal them (`dataset.split.kind = \"holdout\"`), which keeps them together",
        ),
        (
            FindingKind::CrossingDuplicates,
            "near-duplicate images",
            by_members(
                dataset,
                crossing(dataset, split, |case| Some(duplicates.found.clusters[case])),
            ),
            "`dataset.split.group = \"duplicates\"` keeps them together; `oncospec data dedup` shows them",
        ),
    ];
    let found = found.into_iter().filter(|(_, _, names, _)| !names.is_empty());
    found
        .map(|(kind, things, names, remedy)| {
            let what = format!(
                "{things} lie in more than one split, so that figures on validation and test are too good"
            );
            Finding::warning(kind, what).naming_all(names).remedy(remedy)
        })
        .collect()
}

/// Keys whose cases are in more than one part, with the first case of each part.
fn crossing<K: Ord>(
    dataset: &Dataset,
    split: &Split,
    key: impl Fn(usize) -> Option<K>,
) -> Vec<(K, BTreeMap<SplitName, usize>)> {
    let mut parts: BTreeMap<K, BTreeMap<SplitName, usize>> = BTreeMap::new();
    for case in 0..dataset.cases.len() {
        if let (Some(key), Some(part)) = (key(case), split.part_of(case)) {
            parts.entry(key).or_default().entry(part).or_insert(case);
        }
    }
    parts.into_iter().filter(|(_, parts)| parts.len() > 1).collect()
}

fn by_name(crossing: Vec<(&str, BTreeMap<SplitName, usize>)>) -> Vec<String> {
    let name = |(name, parts): (&str, BTreeMap<SplitName, usize>)| {
        let parts: Vec<&str> = parts.keys().map(|part| part.as_str()).collect();
        format!("{name} in {}", parts.join(" and "))
    };
    crossing.into_iter().map(name).collect()
}

fn by_members(
    dataset: &Dataset,
    crossing: Vec<(usize, BTreeMap<SplitName, usize>)>,
) -> Vec<String> {
    let name = |(_, parts): (usize, BTreeMap<SplitName, usize>)| {
        let cases =
            parts.iter().map(|(part, &case)| format!("{} in {part}", dataset.cases[case].id));
        cases.collect::<Vec<_>>().join(", ")
    };
    crossing.into_iter().map(name).collect()
}
