//! Cases of other data that a run has seen already.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::data::{Case, Dataset, decode_pixels, open_for};
use crate::digest::Hasher;
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
    /// The run's cases of which these may be the pictures.
    read: BTreeSet<String>,
    /// Cases that have only the name of one of the run's, by its split.
    same_name: BTreeMap<String, usize>,
    /// Why pixels were not compared.
    not_compared: Option<String>,
}

impl Overlap {
    /// The names of the run's own cases whose pictures are among the others: by pixels, or by name where pixels could
    /// not be compared.
    pub(super) fn read(&self) -> &BTreeSet<String> {
        &self.read
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
pub(super) fn overlap(dataset: &Dataset, record: &Record, decisions: &Decisions) -> Overlap {
    let own = open_for(&decisions.spec).map(|mut own| {
        own.decide_levels(decisions.window);
        own
    });
    compare(dataset, &record.split, own)
}

fn compare(dataset: &Dataset, rows: &[SplitRow], own: Result<Dataset>) -> Overlap {
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
                    found.read.insert(case.id.clone());
                }
            }
            return found;
        }
    };
    // Only images of one size can have the same pixels.
    let size = |case: &Case| (case.width, case.height);
    let sizes: BTreeSet<(u32, u32)> = dataset.cases.iter().map(size).collect();
    let seen: BTreeMap<String, (&str, SplitName)> = own
        .cases
        .par_iter()
        .filter(|case| sizes.contains(&size(case)))
        .filter_map(|case| {
            let split = *splits.get(case.id.as_str())?;
            Some((digest(&own, case)?, (case.id.as_str(), split)))
        })
        .collect::<Vec<_>>()
        .into_iter()
        .collect();
    let digests: Vec<Option<String>> =
        dataset.cases.par_iter().map(|case| digest(dataset, case)).collect();
    for (case, digest) in dataset.cases.iter().zip(digests) {
        let pixels = digest.and_then(|digest| seen.get(&digest));
        let name = splits.get(case.id.as_str());
        if let Some((own, split)) = pixels {
            found.read.insert(own.to_string());
            *found.same_pixels.entry(split.to_string()).or_default() += 1;
        } else if let Some(split) = name {
            *found.same_name.entry(split.to_string()).or_default() += 1;
        }
    }
    found
}

/// A digest of the pixels of an image; `None` if it cannot be decoded, which evaluation reports.
fn digest(dataset: &Dataset, case: &Case) -> Option<String> {
    let image = decode_pixels(dataset, case).ok()?;
    let mut hasher = Hasher::new(b"oncospec pixels");
    hasher.numbers(&[image.width()]);
    hasher.bytes(b"image", image.as_raw());
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let seen = compare(&renamed, &rows, Ok(own));
        assert!(rows.iter().all(|row| seen.read().contains(&row.case)));
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
        let seen = compare(&named, &rows, Ok(own));
        assert!(seen.read().is_empty(), "pictures of the same names are others");
        let said = seen.said().unwrap();
        assert!(said.contains("8 of 8 cases have the name") && said.contains("other pixels"));
        let said = compare(&named, &rows, Err(Error::user("no such folder"))).said().unwrap();
        assert!(said.contains("may be the same") && said.contains("no such folder"), "{said}");
        named.cases.iter_mut().for_each(|case| case.id.push('x'));
        assert_eq!(compare(&named, &rows, Ok(dataset(1))).said(), None);
    }
}
