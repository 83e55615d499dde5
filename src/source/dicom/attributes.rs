//! Values of attributes that say what pixels mean.

use std::collections::BTreeMap;

use super::elements::Encoding;
use super::tag::{self, Tag};

/// The attributes that are read. None says who the patient is, and what is not read reaches no output.
const READ: [Tag; 16] = [
    tag::SAMPLES_PER_PIXEL,
    tag::PHOTOMETRIC_INTERPRETATION,
    tag::PLANAR_CONFIGURATION,
    tag::NUMBER_OF_FRAMES,
    tag::ROWS,
    tag::COLUMNS,
    tag::BITS_ALLOCATED,
    tag::BITS_STORED,
    tag::HIGH_BIT,
    tag::PIXEL_REPRESENTATION,
    tag::WINDOW_CENTER,
    tag::WINDOW_WIDTH,
    tag::VOI_LUT_FUNCTION,
    tag::RESCALE_INTERCEPT,
    tag::RESCALE_SLOPE,
    tag::LOSSY_IMAGE_COMPRESSION,
];

/// Attributes with their values.
pub(super) struct Attributes {
    encoding: Encoding,
    values: BTreeMap<Tag, Vec<u8>>,
}

impl Attributes {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self { encoding, values: BTreeMap::new() }
    }

    /// Whether an attribute is one of those that are read.
    pub(super) fn wants(tag: Tag) -> bool {
        READ.contains(&tag)
    }

    pub(super) fn add(&mut self, tag: Tag, value: Vec<u8>) {
        self.values.insert(tag, value);
    }

    /// A whole number of 16 bits; `None` where there is none.
    pub(super) fn number(&self, tag: Tag) -> Result<Option<u16>, String> {
        match self.values.get(&tag).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some(&[a, b]) => Ok(Some(self.encoding.short([a, b]))),
            Some(_) => Err(format!("a damaged DICOM: {tag} is no number of 16 bits")),
        }
    }

    /// A whole number of 16 bits that must be there.
    pub(super) fn required(&self, tag: Tag) -> Result<u16, String> {
        self.number(tag)?.ok_or_else(|| format!("a damaged DICOM: it has pixels and no {tag}"))
    }

    /// The first of the texts of an attribute; empty where there is none.
    pub(super) fn text(&self, tag: Tag) -> &str {
        let value = self.values.get(&tag).map_or(&[][..], Vec::as_slice);
        text(value.split(|&byte| byte == b'\\').next().unwrap_or_default())
    }

    /// The first number of an attribute that is written as text; `None` where there is none.
    pub(super) fn decimal(&self, tag: Tag) -> Result<Option<f64>, String> {
        match self.text(tag) {
            "" => Ok(None),
            said => match said.parse() {
                Ok(number) if f64::is_finite(number) => Ok(Some(number)),
                _ => Err(format!("a damaged DICOM: {tag} is no number")),
            },
        }
    }
}

/// A text without what fills it up; empty where it is not ASCII.
pub(super) fn text(value: &[u8]) -> &str {
    let said = std::str::from_utf8(value).ok().filter(|said| said.is_ascii());
    said.unwrap_or_default().trim_matches([' ', '\0'])
}
