//! Cases of other data that a run has seen already.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::data::{Dataset, near_cases, open_for, pixels_of_cases};
use crate::error::Result;
use crate::plan::Decisions;
use crate::record::{Record, SplitRow};
use crate::split_name::SplitName;

/// How many cases of a data set a run had in its splits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Overlap {
    /// Cases in all.
    cases: usize,
    /// Cases with the pixels of one of the run's, by its split.
    same_pixels: BTreeMap<String, usize>,
    /// Other cases that show the same as one of the run's, by its split.
    near: BTreeMap<String, usize>,
    /// The run's cases whose images these may be, with the SHA-256 of their pixels where these were compared.
    read: BTreeMap<String, String>,
    /// Cases that have only the name of one of the run's, by its split.
    same_name: BTreeMap<String, usize>,
    /// Why pixels were not compared.
    not_compared: Option<String>,
}

impl Overlap {
    /// The names of the run's own cases whose images are among the others, with the SHA-256 of their pixels: by pixels, or
    /// by name alone where these could not be compared.
    pub(super) fn read(self) -> BTreeMap<String, String> {
        self.read
    }

    /// What a reader of the figures must know; `None` where the run has seen none of the cases.
    pub(super) fn said(&self) -> Option<String> {
        let list = |splits: &BTreeMap<String, usize>| {
            let parts = SplitName::ALL.iter().filter_map(|split| {
                let count = splits.get(split.as_str())?;
                Some(format!("{count} in its {split} split"))
            });
            parts.collect::<Vec<_>>().join(", ")
        };
        let seen: usize = self.same_pixels.values().sum();
        let named: usize = self.same_name.values().sum();
        let mut said = Vec::new();
        if seen > 0 {
            said.push(format!(
                "{seen} of {} cases are pictures that the run had: {}; the figures are not those of \
                 unseen data",
                self.cases,
                list(&self.same_pixels)
            ));
        }
        let near: usize = self.near.values().sum();
        if near > 0 {
            said.push(format!(
                "{near} of {} cases are near-duplicates of the run's: {}; the figures are not those of unseen data",
                self.cases,
                list(&self.near)
            ));
        }
        if named > 0 {
            let what = match self.not_compared {
                Some(_) => "and may be the same pictures",
                None => "with other pixels",
            };
            said.push(format!(
                "{named} of {} cases have the name of one of the run's, {what}: {}",
                self.cases,
                list(&self.same_name)
            ));
        }
        if let Some(why) = &self.not_compared {
            said.push(format!("pixels could not be compared with those of the run: {why}"));
        }
        (!said.is_empty()).then(|| said.join("; "))
    }
}

/// Compares cases with those that a run recorded, by pixels where its data are still there, else by names.
///
/// # Errors
/// If thumbnails of the images cannot be kept.
pub(super) fn overlap(
    dataset: &Dataset,
    record: &Record,
    decisions: &Decisions,
) -> Result<Overlap> {
    let own = open_for(&decisions.spec).and_then(|mut own| {
        own.decide_levels(decisions.window)?;
        Ok(own)
    });
    compare(dataset, &record.split, own)
}

fn compare(dataset: &Dataset, rows: &[SplitRow], own: Result<Dataset>) -> Result<Overlap> {
    let splits: BTreeMap<&str, SplitName> =
        rows.iter().map(|row| (row.case.as_str(), row.split)).collect();
    let mut found = Overlap { cases: dataset.cases.len(), ..Overlap::default() };
    let own = match own {
        Ok(own) => own,
        Err(error) => {
            found.not_compared = Some(error.to_string());
            for case in &dataset.cases {
                if let Some(split) = splits.get(case.id.as_str()) {
                    *found.same_name.entry(split.to_string()).or_default() += 1;
                    found.read.insert(case.id.clone(), String::new());
                }
            }
            return Ok(found);
        }
    };
    let wanted: Vec<usize> = (0..own.cases.len())
        .filter(|&case| splits.contains_key(own.cases[case].id.as_str()))
        .collect();
    let mut same: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let own_digests = digests(&own, &wanted);
    for (&case, digest) in wanted.iter().zip(&own_digests) {
        if let Some(digest) = digest {
            same.entry(digest.clone()).or_default().push(case);
        }
    }
    let all: Vec<usize> = (0..dataset.cases.len()).collect();
    let others = digests(dataset, &all);
    let near = near_cases(dataset, &own)?;
    for (index, case) in dataset.cases.iter().enumerate() {
        let pixels = others[index].as_ref().and_then(|digest| same.get(digest)).cloned();
        let place = |one: &usize| wanted.binary_search(one).ok();
        let near: Vec<usize> =
            near[index].iter().copied().filter(|one| place(one).is_some()).collect();
        let split = |own_case: &usize| splits[own.cases[*own_case].id.as_str()];
        // What the network learned from says most, and what it was judged by comes next.
        let first = |cases: &[usize]| {
            let order = [SplitName::Train, SplitName::Test, SplitName::Valid];
            order.into_iter().find(|wanted| cases.iter().any(|case| split(case) == *wanted))
        };
        let (counts, split) = match (&pixels, near.is_empty()) {
            (Some(cases), _) => (&mut found.same_pixels, first(cases)),
            (None, false) => (&mut found.near, first(&near)),
            (None, true) => (&mut found.same_name, splits.get(case.id.as_str()).copied()),
        };
        if let Some(split) = split {
            *counts.entry(split.to_string()).or_default() += 1;
        }
        for own_case in pixels.into_iter().flatten().chain(near) {
            if let Some(digest) = place(&own_case).and_then(|place| own_digests[place].clone()) {
                found.read.insert(own.cases[own_case].id.clone(), digest);
            }
        }
    }
    Ok(found)
}

/// SHA-256 of the pixels of each of some cases; `None` if it cannot be decoded, which evaluation reports.
fn digests(dataset: &Dataset, cases: &[usize]) -> Vec<Option<String>> {
    cases.par_iter().map(|&case| pixels_of_cases(dataset, &[case]).ok()?.pop()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Case;
    use crate::error::Error;

    fn dataset(seed: u32) -> Dataset {
        let text = format!(
            "name = 'x'\n[dataset]\nkind = 'phantom'\ncases = 8\nseed = {seed}\n[model]\nkind = 'unet'"
        );
        open_for(&toml::from_str(&text).unwrap()).unwrap()
    }

    fn rows(dataset: &Dataset) -> Vec<SplitRow> {
        let row = |(index, case): (usize, &Case)| SplitRow {
            case: case.id.clone(),
            split: if index < 5 { SplitName::Train } else { SplitName::Test },
            ..SplitRow::default()
        };
        dataset.cases.iter().enumerate().map(row).collect()
    }

    #[test]
    fn cases_that_a_run_had_are_counted_by_their_pixels_whatever_their_names() {
        let own = dataset(1);
        let rows = rows(&own);
        let mut renamed = own.clone();
        for (index, case) in renamed.cases.iter_mut().enumerate() {
            case.id = format!("other {index}");
        }
        let seen = compare(&renamed, &rows, Ok(own)).unwrap();
        assert!(rows.iter().all(|row| seen.read.contains_key(&row.case)));
        let said = seen.said().unwrap();
        assert!(said.contains("8 of 8 cases are pictures that the run had"), "{said}");
        assert!(said.contains("5 in its train split, 3 in its test split"), "{said}");
    }

    #[test]
    fn names_alone_are_said_to_be_names_alone() {
        let (own, other) = (dataset(1), dataset(2));
        let rows = rows(&own);
        let mut named = other.clone();
        for (case, row) in named.cases.iter_mut().zip(&rows) {
            case.id = row.case.clone();
        }
        let seen = compare(&named, &rows, Ok(own)).unwrap();
        assert!(seen.read.is_empty(), "pictures of the same names are others");
        let said = seen.said().unwrap();
        assert!(said.contains("8 of 8 cases have the name") && said.contains("other pixels"));
        let said =
            compare(&named, &rows, Err(Error::user("no such folder"))).unwrap().said().unwrap();
        assert!(said.contains("may be the same") && said.contains("no such folder"), "{said}");
        named.cases.iter_mut().for_each(|case| case.id.push('x'));
        assert_eq!(compare(&named, &rows, Ok(dataset(1))).unwrap().said(), None);
    }

    #[test]
    fn an_image_that_the_run_has_twice_counts_for_both_and_is_said_of_the_stronger() {
        let mut own = dataset(1);
        // Case 7, of the test split, is the picture of case 0, of the training split, and of case 6.
        for copy in [6, 7] {
            let id = own.cases[copy].id.clone();
            own.cases[copy] = Case { id, ..own.cases[0].clone() };
        }
        let mut rows = rows(&own);
        rows[6].split = SplitName::Valid;
        let mut other = dataset(1);
        other.cases.truncate(1);
        let seen = compare(&other, &rows, Ok(own)).unwrap();
        let said = seen.said().unwrap();
        assert!(said.contains("1 of 1 cases are pictures that the run had: 1 in its train split"));
        let names: Vec<String> = [0, 6, 7].map(|index: usize| rows[index].case.clone()).to_vec();
        let mut read: Vec<String> = seen.read().into_keys().collect();
        read.sort_by_key(|name| rows.iter().position(|row| row.case == *name));
        assert_eq!(read, names);
    }

    #[test]
    fn copies_that_were_altered_are_near_duplicates_and_read() {
        let root = tempfile::tempdir().unwrap();
        let [one, altered] = ["one", "altered"].map(|name| root.path().join(name));
        for folder in [&one, &altered] {
            crate::data::synth(crate::data::SynthKind::Busi, folder, 12, 3).unwrap();
        }
        let open = |root: &std::path::Path| {
            let text = format!(
                "name = 'x'\n[dataset]\nkind = 'busi'\nroot = '{}'\n[model]\nkind = 'unet'",
                root.display()
            );
            open_for(&toml::from_str(&text).unwrap()).unwrap()
        };
        for case in open(&altered).cases {
            let file = case.image.file().unwrap();
            let image = image::open(file).unwrap().to_rgb8();
            image::imageops::flip_horizontal(&image).save(file).unwrap();
        }
        let own = open(&one);
        let (rows, count) = (rows(&own), own.cases.len());
        let seen = compare(&open(&altered), &rows, Ok(own)).unwrap();
        let said = seen.said().unwrap();
        assert!(said.contains(&format!("{count} of {count} cases are near-duplicates")), "{said}");
        assert!(rows.iter().all(|row| seen.read.contains_key(&row.case)));
    }
}
