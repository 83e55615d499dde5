//! What a look at the folders and headers of a data set found.

use super::case::{Case, MaskSource};
use super::classes::Codes;
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
}

impl Scan {
    /// Whether something stands against using the data.
    pub(crate) fn has_errors(&self) -> bool {
        self.findings.has_errors()
    }

    /// Whether the mask of a case holds only codes that take no part.
    pub(crate) fn is_ignored(&self, case: usize, codes: &Codes) -> bool {
        let MaskSource::Files(files) = &self.cases[case].mask else { return false };
        let found = files.first().and_then(|file| self.codes_of.get(file));
        found.is_some_and(|found| found.iter().all(|&(code, _)| codes.label(code) == Some(IGNORE)))
    }
}
