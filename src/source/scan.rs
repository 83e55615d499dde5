//! What a look at the folders and headers of a data set found.

use std::collections::BTreeMap;

use super::case::Case;
use super::codes::{CodeCount, Codes};
use super::labels::IGNORE;
use super::sizes::BothSizes;
use crate::finding::Findings;
use crate::frame::Frame;

/// What a look at folders and headers found.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Cases with labels.
    pub cases: Vec<Case>,
    /// Cases without.
    pub unlabelled: Vec<Case>,
    /// What was found.
    pub findings: Findings,
    /// Codes with their pixels by the ids of cases; tiles only.
    pub codes: BTreeMap<String, BothSizes<Vec<CodeCount>>>,
    /// Pixels of lesion by the ids of cases.
    pub lesions: BTreeMap<String, BothSizes<u64>>,
}

impl Scan {
    /// Whether something stands against using the data.
    pub(crate) fn has_errors(&self) -> bool {
        self.findings.has_errors()
    }

    /// Pixels of each label of a case, of which there are so many; none if its mask is not surveyed.
    pub(crate) fn label_pixels(
        &self,
        case: &Case,
        codes: &Codes,
        labels: usize,
        frame: Option<Frame>,
    ) -> BothSizes<Vec<u64>> {
        if let Some(lesion) = self.lesions.get(&case.id) {
            let all = |width, height| u64::from(width) * u64::from(height);
            let of = |all: u64, lesion: u64| vec![all.saturating_sub(lesion), lesion];
            let own = all(case.width, case.height);
            let inset = frame.map(|frame| frame.inset((case.width, case.height)));
            let network = inset.map_or(own, |inset| (inset.width * inset.height) as u64);
            return BothSizes { own: of(own, lesion.own), network: of(network, lesion.network) };
        }
        let Some(found) = self.codes.get(&case.id) else { return BothSizes::default() };
        found.map(|found| {
            let mut pixels = vec![0; labels];
            for &(code, count) in found {
                let label = codes.label(code).map(usize::from);
                label
                    .and_then(|label| pixels.get_mut(label))
                    .into_iter()
                    .for_each(|of| *of += count);
            }
            pixels
        })
    }

    /// Whether the mask of a case holds only codes that take no part.
    pub(crate) fn is_ignored(&self, case: usize, codes: &Codes) -> bool {
        let found = self.codes.get(&self.cases[case].id);
        found.is_some_and(|found| {
            found.own.iter().all(|&(code, _)| codes.label(code) == Some(IGNORE))
        })
    }
}
