//! A data set: its cases and what their labels mean.

use std::sync::Arc;

use crate::finding::Findings;
use crate::source::Labels;
use crate::source::case::Case;
use crate::source::codes::Codes;
use crate::source::roi::RoiCache;
use crate::source::{Levels, Window};
use crate::spec::ForegroundSpec;

/// The cases of a data set and what their labels mean.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Cases with labels, in natural order of their ids.
    pub cases: Vec<Case>,
    /// Cases without labels, in natural order of their ids.
    pub unlabelled: Vec<Case>,
    /// The classes.
    pub labels: Labels,
    /// The classes of whole images, where a network predicts both these and `labels`; else none.
    pub image_classes: Vec<String>,
    /// How pixel values of the masks become labels.
    pub codes: Codes,
    /// Which pixels of a binary mask are lesion.
    pub foreground: ForegroundSpec,
    /// How images of 16 bits are read.
    pub levels: Levels,
    /// Cases whose mask has no pixel that takes part, by their index; tiles only.
    pub ignored: Vec<usize>,
    /// Pixels of each label of each case, by its index; none of a case whose mask is not surveyed.
    pub label_pixels: Vec<Vec<u64>>,
    /// What was found on opening; none is an error.
    pub findings: Findings,
    /// Decoded ROIs, so that the tiles of one share the work.
    pub rois: Arc<RoiCache>,
}

impl Dataset {
    /// Reads images of 16 bits through a window from now on.
    pub fn decide_levels(&mut self, window: Option<Window>) {
        if let Some(window) = window {
            self.levels = Levels::Window(window);
            // What it holds was read otherwise.
            self.rois = Arc::new(RoiCache::new(self.rois.limit()));
        }
    }

    /// The class of a case's whole image; `None` where only pixels have classes.
    pub fn class_of(&self, case: usize) -> Option<u8> {
        let names = match &self.labels {
            Labels::Images { names } => names,
            Labels::Binary { .. } | Labels::Classes { .. } => &self.image_classes,
        };
        let class = names.iter().position(|name| *name == self.cases[case].label)?;
        u8::try_from(class).ok()
    }
}
