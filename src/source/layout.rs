//! How data sets are laid out on disk.

use std::fmt;
use std::path::Path;

use serde::{Serialize, Serializer};

use super::case::Case;
use super::codes::Codes;
use super::labels::Labels;
use super::scan::Scan;
use crate::error::Result;

/// A way in which a data set is laid out on disk: how it is recognised and read without a spec.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// In JSON.
    pub name: &'static str,
    pub(crate) title: &'static str,
    /// The folders that it is recognised by.
    pub(crate) folders: &'static str,
    /// Whether images may have several masks.
    pub(crate) several_masks: bool,
    pub(crate) recognises: fn(&Path) -> Result<bool>,
    /// Its images, with labels or without.
    pub(crate) scan: fn(&Path) -> Result<Scan>,
    /// All that is known of it before its images are decoded.
    pub(crate) contents: fn(&Path) -> Result<Contents>,
}

/// What a folder of some layout holds.
pub(crate) struct Contents {
    pub scan: Scan,
    /// Class or split folders.
    pub parts: Vec<String>,
    /// The part that a case is in.
    pub part_of: fn(&Case) -> String,
    pub labels: Labels,
    pub codes: Codes,
    /// Which codes the masks hold: `binary`, `merged` or `full`.
    pub code_set: &'static str,
    /// What codes mean, by their numbers.
    pub code_names: &'static [&'static str],
    /// Pixels of each code in each mask, where images are too large to be decoded for it.
    pub counted: Option<Vec<[u64; 256]>>,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title)
    }
}

impl Serialize for Layout {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}
