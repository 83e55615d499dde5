//! What a DICOM file says of its single frame, and where its pixels are.
//!
//! Elements are read one after the other, and no value but those of the attributes that say what pixels mean.

mod attributes;
mod elements;
mod syntax;
mod tag;

pub(crate) use elements::Encoding;
pub(crate) use syntax::Compression;

use std::io::{Read, Seek};

use self::attributes::{Attributes, text};
use self::elements::{Element, Elements};
use self::syntax::Syntax;
use super::levels::Window;

/// Where a file says that it is DICOM.
pub(crate) const MARK_AT: usize = 128;
/// What it says.
pub(crate) const MARK: &[u8] = b"DICM";

/// What the values of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Photometric {
    /// Gray, from white on.
    Monochrome1,
    /// Gray, from black on.
    Monochrome2,
    /// Red, green, blue.
    Rgb,
    /// Luma and chroma.
    Ybr,
}

/// Where the pixels of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// One after the other from byte `.0` on, in `.1` bytes, which come in words of 16 bits if `.2`.
    Plain(u64, u32, bool),
    /// In fragments: the first byte of each, and how many they are.
    Fragments(Vec<(u64, u32)>),
}

/// What a file says of its single frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dicom {
    pub encoding: Encoding,
    pub compression: Compression,
    pub place: Place,
    pub columns: u16,
    pub rows: u16,
    pub photometric: Photometric,
    /// Whether each channel is a plane of its own.
    pub planar: bool,
    /// Bits that a value takes: 8 or 16.
    pub bits_allocated: u16,
    /// Those that count, the lowest.
    pub bits_stored: u16,
    pub signed: bool,
    /// By which stored values are multiplied.
    pub slope: f64,
    /// What is added then.
    pub intercept: f64,
    /// The first window that the file gives, of values after slope and intercept.
    pub window: Option<Window>,
    /// Whether its compression, or an earlier one, changed pixels.
    pub lossy: bool,
}

impl Dicom {
    /// Channels of a pixel.
    pub(crate) fn channels(&self) -> usize {
        match self.photometric {
            Photometric::Monochrome1 | Photometric::Monochrome2 => 1,
            Photometric::Rgb | Photometric::Ybr => 3,
        }
    }

    /// The least and the greatest value that can be stored.
    pub(crate) fn stored_range(&self) -> (i32, i32) {
        match self.signed {
            true => (-(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1),
            false => (0, (1 << self.bits_stored) - 1),
        }
    }

    /// Whether values are used as they are stored.
    fn is_unscaled(&self) -> bool {
        self.slope == 1.0 && self.intercept == 0.0
    }

    /// Bits of the values as they are read: 8 where all of these are stored, 16 where slope and intercept leave
    /// whole numbers of 0 to 65535; 32 of floating-point numbers, which all others become.
    pub(crate) fn bits(&self) -> u8 {
        let (least, greatest) = self.stored_range();
        let whole = self.slope == 1.0 && self.intercept.fract() == 0.0;
        let within = f64::from(least) + self.intercept >= 0.0
            && f64::from(greatest) + self.intercept <= f64::from(u16::MAX);
        match (self.bits_stored, self.signed) {
            (8, false) if self.is_unscaled() => 8,
            _ if whole && within => 16,
            _ => 32,
        }
    }

    /// The file's window of values as they are read, where black is below white in every file: those of `MONOCHROME1` are
    /// mirrored within the range of what can be stored.
    pub(crate) fn shown_window(&self) -> Option<Window> {
        let Window { low, high } = self.window?;
        let (least, greatest) = self.stored_range();
        // What a value and its mirror image add up to.
        let sum = self.slope * f64::from(least + greatest) + 2.0 * self.intercept;
        Some(match self.photometric {
            Photometric::Monochrome1 => Window { low: sum - high, high: sum - low },
            _ => Window { low, high },
        })
    }
}

/// Reads what a file of `length` bytes says.
///
/// # Errors
/// What is damaged, or of a kind that is not read.
pub(crate) fn read(source: impl Read + Seek, length: u64) -> Result<Dicom, String> {
    let start = (MARK_AT + MARK.len()) as u64;
    if length < start {
        return Err("truncated: the DICOM ends within its preamble".into());
    }
    let mut elements = Elements::from(source, start, length, Encoding::ExplicitLittle)?;
    let mut uid = String::new();
    while let Some(element) = elements.next_of_file()? {
        match element.tag {
            tag::TRANSFER_SYNTAX_UID => uid = text(&elements.value(element)?).to_string(),
            _ => elements.skip(element)?,
        }
    }
    let syntax = Syntax::of(&uid)?;
    elements.encoding = syntax.encoding;
    let mut attributes = Attributes::new(syntax.encoding);
    while let Some(element) = elements.next()? {
        match element.tag {
            tag::PIXEL_DATA => {
                frame(&attributes)?;
                let place = place(element, &mut elements, syntax)?;
                return described(&attributes, syntax, place);
            }
            tag::FLOAT_PIXEL_DATA | tag::DOUBLE_FLOAT_PIXEL_DATA => {
                return Err(
                    "a DICOM of floating-point pixels: write them as a TIFF of 32 bits".into()
                );
            }
            tag::MODALITY_LUT_SEQUENCE => {
                return Err(
                    "a DICOM with a table as its Modality LUT: a slope and an intercept are read"
                        .into(),
                );
            }
            tag::SHARED_FUNCTIONAL_GROUPS | tag::PER_FRAME_FUNCTIONAL_GROUPS
                if attributes.text(tag::PHOTOMETRIC_INTERPRETATION).starts_with("MONOCHROME") =>
            {
                return Err(
                    "an enhanced DICOM, whose slope, intercept and window are within sequences: write it as a PNG of 16 bits, \
                     such as with `dcmj2pnm --write-16-bit-png IN.dcm OUT.png` (DCMTK)"
                        .into(),
                );
            }
            wanted if Attributes::wants(wanted) => {
                attributes.add(wanted, elements.value(element)?);
            }
            _ => elements.skip(element)?,
        }
    }
    Err("a DICOM without pixels, as reports and directories are, or truncated before them".into())
}

/// Refuses what has several frames, or none.
fn frame(attributes: &Attributes) -> Result<(), String> {
    match attributes.decimal(tag::NUMBER_OF_FRAMES)? {
        None | Some(1.0) => Ok(()),
        Some(frames) if frames > 1.0 && frames.fract() == 0.0 => Err(format!(
            "a DICOM of {frames} frames, 1 to {frames}, as a volume or a film has: write those that are meant as images of \
             their own, such as with `dcmj2pnm --frame 1 --write-16-bit-png IN.dcm OUT.png` (DCMTK)"
        )),
        Some(_) => Err("a damaged DICOM: NumberOfFrames is no number of frames".into()),
    }
}

/// Where the pixels are, whose header was read.
fn place<R: Read + Seek>(
    element: Element,
    elements: &mut Elements<R>,
    syntax: Syntax,
) -> Result<Place, String> {
    let words = syntax.encoding == Encoding::ExplicitBig && element.representation == Some(*b"OW");
    match (syntax.compression, element.length) {
        (Compression::None, Some(length)) => Ok(Place::Plain(elements.position(), length, words)),
        (Compression::Jpeg | Compression::Rle, None) => elements.fragments().map(Place::Fragments),
        (Compression::None, None) => {
            Err("a damaged DICOM: uncompressed pixels without a length".into())
        }
        (_, Some(_)) => Err("a damaged DICOM: compressed pixels that are not in fragments".into()),
    }
}

fn described(attributes: &Attributes, syntax: Syntax, place: Place) -> Result<Dicom, String> {
    let photometric = photometric(attributes, syntax)?;
    let bits_allocated = attributes.required(tag::BITS_ALLOCATED)?;
    let bits_stored = attributes.number(tag::BITS_STORED)?.unwrap_or(bits_allocated);
    let high_bit = attributes.number(tag::HIGH_BIT)?;
    if !matches!(bits_allocated, 8 | 16) {
        return Err(format!("a DICOM of {bits_allocated} bits a value: 8 and 16 are read"));
    }
    if bits_stored == 0 || bits_stored > bits_allocated {
        return Err(format!(
            "a damaged DICOM: {bits_stored} bits in the {bits_allocated} of a value"
        ));
    }
    if high_bit.is_some_and(|bit| bit.checked_add(1) != Some(bits_stored)) {
        return Err("a DICOM whose values are not in the lowest bits: write its image as PNG, such as with \
                    `dcmj2pnm --write-16-bit-png IN.dcm OUT.png` (DCMTK)"
            .into());
    }
    let signed = match attributes.number(tag::PIXEL_REPRESENTATION)? {
        None | Some(0) => false,
        Some(1) => true,
        Some(_) => return Err("a damaged DICOM: values neither with a sign nor without".into()),
    };
    let gray = matches!(photometric, Photometric::Monochrome1 | Photometric::Monochrome2);
    if !gray && (signed || bits_stored != 8 || bits_allocated != 8) {
        return Err(format!(
            "a DICOM of colours in {bits_stored} bits a channel: 8, without sign, are read"
        ));
    }
    if syntax.compression == Compression::Jpeg && (bits_allocated, bits_stored) != (8, 8) {
        return Err(format!("a damaged DICOM: a JPEG of {bits_stored} bits, where it has 8"));
    }
    let planar = match attributes.number(tag::PLANAR_CONFIGURATION)? {
        None | Some(0) => false,
        Some(1) => true,
        Some(_) => return Err("a damaged DICOM: an unknown PlanarConfiguration".into()),
    };
    let of_gray = |wanted, otherwise| match gray {
        true => Ok::<_, String>(attributes.decimal(wanted)?.unwrap_or(otherwise)),
        false => Ok(otherwise),
    };
    let slope = of_gray(tag::RESCALE_SLOPE, 1.0)?;
    if slope <= 0.0 {
        return Err("a DICOM whose RescaleSlope is not above 0".into());
    }
    let lossy = attributes.text(tag::LOSSY_IMAGE_COMPRESSION) == "01";
    Ok(Dicom {
        encoding: syntax.encoding,
        compression: syntax.compression,
        place,
        columns: attributes.required(tag::COLUMNS)?,
        rows: attributes.required(tag::ROWS)?,
        photometric,
        planar,
        bits_allocated,
        bits_stored,
        signed,
        slope,
        intercept: of_gray(tag::RESCALE_INTERCEPT, 0.0)?,
        window: if gray { window(attributes)? } else { None },
        lossy: lossy || syntax.compression == Compression::Jpeg,
    })
}

fn photometric(attributes: &Attributes, syntax: Syntax) -> Result<Photometric, String> {
    let samples = attributes.number(tag::SAMPLES_PER_PIXEL)?.unwrap_or(1);
    let said = attributes.text(tag::PHOTOMETRIC_INTERPRETATION);
    let jpeg = syntax.compression == Compression::Jpeg;
    match (said, samples) {
        ("MONOCHROME1", 1) => Ok(Photometric::Monochrome1),
        ("MONOCHROME2", 1) => Ok(Photometric::Monochrome2),
        ("RGB", 3) => Ok(Photometric::Rgb),
        ("YBR_FULL", 3) => Ok(Photometric::Ybr),
        ("YBR_FULL_422", 3) if jpeg => Ok(Photometric::Ybr),
        ("PALETTE COLOR", 1) => Err(
            "a DICOM with a palette: write its colours, such as with `dcmj2pnm --write-png IN.dcm OUT.png` (DCMTK)"
                .into(),
        ),
        ("MONOCHROME1" | "MONOCHROME2" | "RGB" | "YBR_FULL", _) => {
            Err(format!("a damaged DICOM: {said} with {samples} values a pixel"))
        }
        _ => Err("a DICOM of other colours than MONOCHROME1, MONOCHROME2, RGB and YBR_FULL: convert it, such as with \
                  `dcmj2pnm --write-png IN.dcm OUT.png` (DCMTK)"
            .into()),
    }
}

/// The first window, as the values that become black and white (PS3.3, section C.11.2.1.2): with center c and width w of
/// the function `LINEAR`, c - 0.5 -/+ (w - 1) / 2, of `LINEAR_EXACT` c -/+ w / 2. `None` where there is none, of
/// another function, or one that makes all values black or white.
fn window(attributes: &Attributes) -> Result<Option<Window>, String> {
    let center = attributes.decimal(tag::WINDOW_CENTER)?;
    let width = attributes.decimal(tag::WINDOW_WIDTH)?;
    let (Some(center), Some(width)) = (center, width) else { return Ok(None) };
    let (middle, half) = match attributes.text(tag::VOI_LUT_FUNCTION) {
        "" | "LINEAR" => (center - 0.5, (width - 1.0) / 2.0),
        "LINEAR_EXACT" => (center, width / 2.0),
        _ => return Ok(None),
    };
    Ok((half > 0.0).then_some(Window { low: middle - half, high: middle + half }))
}
