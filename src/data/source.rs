//! What each kind of data set does, and the list of them.

use super::classes::Codes;
use super::labels::Labels;
use super::levels::Levels;
use super::scan::Scan;
use crate::error::Result;
use crate::spec::{ForegroundSpec, SourceSpec};

/// Whether labels come from masks, or from folders alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masks {
    /// Each image has its masks, which are looked at.
    Read,
    /// Whole images are classified: masks may lie there or not, and are not looked at.
    Ignored,
}

/// How a data set is opened.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Side of the square that the network sees, in pixels.
    pub image_size: u32,
    /// How images of 16 bits are read.
    pub levels: Levels,
    /// Whether masks are looked at.
    pub masks: Masks,
    /// Whether nothing but names tells which cases belong together.
    pub grouped_by_names: bool,
}

/// A kind of data set, by its settings in a spec.
pub trait Source {
    /// Its name and what its settings make of it, for the page.
    fn title(&self) -> String;

    /// The classes of its pixels, and how the codes of its masks become them.
    ///
    /// # Errors
    /// The user's, if its settings name no such classes.
    fn classes(&self) -> Result<(Labels, Codes)>;

    /// Finds its cases, by names and headers alone where these tell its classes.
    ///
    /// # Errors
    /// If there is no such folder, or it holds another data set; what is wrong with files is found.
    fn scan(&self, opening: &Opening) -> Result<Scan>;

    /// Which pixels of a mask are foreground, where all others are background.
    fn foreground(&self) -> ForegroundSpec {
        ForegroundSpec::default()
    }
}

/// The data set that a spec names.
pub fn source(spec: &SourceSpec) -> &dyn Source {
    match spec {
        SourceSpec::Busi(busi) => busi,
        SourceSpec::Bcss(bcss) => bcss,
        SourceSpec::Phantom(phantom) => phantom,
    }
}

/// How the codes of a source's masks become the classes of pixels.
///
/// # Errors
/// As [`Source::classes`].
pub fn codes_of(spec: &SourceSpec) -> Result<Codes> {
    source(spec).classes().map(|(_, codes)| codes)
}

/// Labels of one foreground class, named `lesion`.
pub(super) fn lesions() -> (Labels, Codes) {
    (Labels::Binary { foreground: "lesion".into() }, Codes::binary())
}
