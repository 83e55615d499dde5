//! A data set: its cases and what their labels mean.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::finding::{Findings, Level};
use crate::source::Labels;
use crate::source::case::Case;
use crate::source::codes::Codes;
use crate::source::roi::RoiCache;
use crate::source::{BothSizes, Levels, Window, judge_window};
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
    pub label_pixels: Vec<BothSizes<Vec<u64>>>,
    /// What was found on opening; none is an error.
    pub findings: Findings,
    /// Decoded ROIs, so that the tiles of one share the work.
    pub rois: Arc<RoiCache>,
}

impl Dataset {
    /// Reads images of more than 8 bits through a window from now on, and judges what one that was not known on opening leaves
    /// of them.
    ///
    /// # Errors
    /// The user's, if it leaves little of all of them.
    pub fn decide_levels(&mut self, window: Option<Window>) -> Result<()> {
        let Some(window) = window.filter(|window| self.levels.window() != Some(*window)) else {
            return Ok(());
        };
        self.levels = Levels::Window(window);
        // What it holds was read otherwise.
        self.rois = Arc::new(RoiCache::new(self.rois.limit()));
        let found = judge_window(&self.cases, window);
        if let Some(error) = found.of(Level::Error).next() {
            return Err(Error::user(error.line()));
        }
        self.findings.extend(found);
        Ok(())
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
