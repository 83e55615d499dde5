//! What each kind of data set does.

use super::codes::Codes;
use super::foreground::ForegroundSpec;
use super::labels::Labels;
use super::layout::Layout;
use super::levels::Levels;
use super::scan::Scan;
use crate::error::Result;
use crate::frame::Frame;

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
    /// What the network sees.
    pub frame: Frame,
    /// Whether it sees crops of images at their own scale, and not whole images in its frame.
    pub cropped: bool,
    /// How images of 16 bits are read.
    pub levels: Levels,
    /// Whether masks are looked at.
    pub masks: Masks,
    /// Whether only names show which cases belong together.
    pub grouped_by_names: bool,
}

impl Opening {
    /// What whole images are resized to; `None` where they are not.
    pub(crate) fn resized(&self) -> Option<Frame> {
        (!self.cropped).then_some(self.frame)
    }
}

/// A kind of data set: its settings in a spec, and how it is read.
pub trait Source {
    /// Its name and what its settings make of it, for the page.
    fn title(&self) -> String;

    /// The classes of its pixels, and how the codes of its masks become them.
    ///
    /// # Errors
    /// The user's, if its settings name no such classes.
    fn classes(&self) -> Result<(Labels, Codes)>;

    /// Finds its cases, by names and headers alone where these show its classes.
    ///
    /// # Errors
    /// If there is no such folder, or it holds another data set; what is wrong with files is found.
    fn scan(&self, opening: &Opening) -> Result<Scan>;

    /// The folder of the data; `None` where images are made on the fly.
    fn root(&self) -> Option<&str> {
        None
    }

    /// The folder of the data, to be changed.
    fn root_mut(&mut self) -> Option<&mut String> {
        None
    }

    /// The columns of its table whose values cases carry; none where there is no table.
    fn metadata(&self) -> &[String] {
        &[]
    }

    /// Pixels of the network for each pixel of a file, where cases are tiles that are cut from larger images.
    fn tile_scale(&self) -> Option<f64> {
        None
    }

    /// Whether its cases are tiles that were cut from larger images before, at a scale that nothing says.
    fn is_of_tiles(&self) -> bool {
        false
    }

    /// Leaves out what its settings name and its folder lacks, unless it lacks all.
    fn keep_present(&mut self) {}

    /// The ways in which it lies on disk; none where images are made on the fly.
    fn layouts() -> &'static [Layout]
    where
        Self: Sized,
    {
        &[]
    }

    /// Which pixels of a mask are foreground, where all others are background.
    fn foreground(&self) -> ForegroundSpec {
        ForegroundSpec::default()
    }
}

/// Labels of one foreground class, named `lesion`.
pub(super) fn lesions() -> (Labels, Codes) {
    (Labels::Binary { foreground: "lesion".into() }, Codes::binary())
}
