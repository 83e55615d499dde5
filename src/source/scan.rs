//! What a look at the folders and headers of a data set found.

use std::collections::BTreeMap;

use super::case::{Case, MaskSource};
use super::codes::Codes;
use super::labels::IGNORE;
use super::masks::CodesOf;
use crate::finding::Findings;

/// What a look at folders and headers found.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Cases with labels.
    pub cases: Vec<Case>,
    /// Cases without.
    pub unlabelled: Vec<Case>,
    /// What was found.
    pub findings: Findings,
    /// The codes of the masks of tiles.
    pub codes_of: CodesOf,
    /// Pixels of lesion by the ids of cases.
    pub lesions: BTreeMap<String, u64>,
}

impl Scan {
    /// Whether something stands against using the data.
    pub(crate) fn has_errors(&self) -> bool {
        self.findings.has_errors()
    }

    /// Pixels of each label of a case, of which there are so many; none if its mask is not surveyed.
    pub(crate) fn label_pixels(&self, case: &Case, codes: &Codes, labels: usize) -> Vec<u64> {
        if let Some(&lesion) = self.lesions.get(&case.id) {
            let all = u64::from(case.width) * u64::from(case.height);
            return vec![all.saturating_sub(lesion), lesion];
        }
        let file = case.mask.files().first();
        let Some(found) = file.and_then(|file| self.codes_of.get(file)) else { return Vec::new() };
        let mut pixels = vec![0; labels];
        for &(code, count) in found {
            if let Some(pixels) =
                codes.label(code).and_then(|label| pixels.get_mut(usize::from(label)))
            {
                *pixels += count;
            }
        }
        pixels
    }

    /// Whether the mask of a case holds only codes that take no part.
    pub(crate) fn is_ignored(&self, case: usize, codes: &Codes) -> bool {
        let MaskSource::Files(files) = &self.cases[case].mask else { return false };
        let found = files.first().and_then(|file| self.codes_of.get(file));
        found.is_some_and(|found| found.iter().all(|&(code, _)| codes.label(code) == Some(IGNORE)))
    }
}
