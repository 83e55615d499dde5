//! Over what the loss of a split is taken, in words for the report.

use std::collections::BTreeSet;

/// Over what the loss of a split is taken; a sum of losses has several, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// A mean over pixels.
    Pixels,
    /// Counts of all pixels together.
    PixelsTogether,
    /// A mean over images.
    Images,
    /// A mean over images, where training ranks the pixels of a whole batch.
    RankedImages,
}

impl Scope {
    /// What the report says of it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Pixels => {
                "a loss of pixels is the mean over all its labelled pixels, in cross-entropy by the weights of their classes"
            }
            Self::PixelsTogether => {
                "a loss of overlap is of the probabilities of all its labelled pixels together"
            }
            Self::Images => {
                "a loss of overlap by image is the mean over its images with a labelled pixel"
            }
            Self::RankedImages => {
                "Lov\u{e1}sz is the mean over its images with a labelled pixel (in training over batches, by their \
                 labelled pixels)"
            }
        }
    }
}

impl From<Scope> for BTreeSet<Scope> {
    fn from(scope: Scope) -> Self {
        Self::from([scope])
    }
}
