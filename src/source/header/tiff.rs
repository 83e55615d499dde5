//! What a TIFF says of itself.

use std::fs::File;
use std::io::BufReader;

use image::metadata::Orientation;
use tiff::decoder::Decoder;
use tiff::tags::{
    CompressionMethod, PhotometricInterpretation, PlanarConfiguration, SampleFormat, Tag,
};
use tiff::{ColorType, TiffError};

use super::super::orientation::understood;
use super::{Color, Complaint, Format, Header, MAX_PIXELS, Mode, REAL_BITS, can_hold};

/// Most bytes of a row of a strip or tile, all its channels: as many as 64 megapixels of 32 bits have side by side.
const MAX_ROW_BYTES: u64 = MAX_PIXELS * 4;

/// LZW makes of one byte at most this many: strings of up to 3,838 bytes from 12 bits.
const MAX_INFLATION: u64 = 2560;

/// Reads the first directory, the only one that there may be.
pub(super) fn header(file: &mut BufReader<File>, length: u64) -> Result<Header, Complaint> {
    let mut decoder = Decoder::new(file).map_err(|error| complaint(&error))?;
    let header = first_page(&mut decoder, length).map_err(|error| match error {
        Refused::Damaged(error) => complaint(&error),
        Refused::Unread(what) => what,
    })?;
    if decoder.more_images() {
        return Err("a TIFF of several pages: write the one that is meant, such as with `magick 'IN.tif[0]' OUT.png`".into());
    }
    Ok(header)
}

/// What is said of a TIFF that cannot be read.
pub(crate) fn complaint(error: &TiffError) -> Complaint {
    match error {
        TiffError::UnsupportedError(what) => format!("a TIFF of a kind that is not read: {what}"),
        TiffError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "truncated: the file ends within its header or pixels".into()
        }
        other => format!("a damaged TIFF: {other}"),
    }
}

/// Why a page is not read.
enum Refused {
    Damaged(TiffError),
    Unread(Complaint),
}

impl From<TiffError> for Refused {
    fn from(error: TiffError) -> Self {
        Self::Damaged(error)
    }
}

impl From<Complaint> for Refused {
    fn from(what: Complaint) -> Self {
        Self::Unread(what)
    }
}

fn first_page(decoder: &mut Decoder<&mut BufReader<File>>, length: u64) -> Result<Header, Refused> {
    let tag = |decoder: &mut Decoder<_>, tag| decoder.find_tag_unsigned::<u16>(tag);
    let photometric = tag(decoder, Tag::PhotometricInterpretation)?;
    if photometric == Some(PhotometricInterpretation::RGBPalette.to_u16()) {
        return Err("a TIFF with a palette: write it as gray or RGB, or as PNG".to_string().into());
    }
    let mode = mode(decoder)?;
    let planes = tag(decoder, Tag::PlanarConfiguration)?;
    if mode.color != Color::Gray && planes == Some(PlanarConfiguration::Planar.to_u16()) {
        return Err("a TIFF with a plane for each channel: write it with its channels together"
            .to_string()
            .into());
    }
    let lossy = is_jpeg(decoder)?;
    let turn = understood(tag(decoder, Tag::Orientation)?.map(u32::from).or(Some(0)), "directory")?;
    let header = Header::of(Format::Tiff, decoder.dimensions()?, mode);
    row_can_be_held(decoder, mode)?;
    pixels_are_there(decoder, length)?;
    can_hold(&header, length, MAX_INFLATION)?;
    let header = Header { lossy, ..header };
    Ok(header.shown(turn.unwrap_or(Orientation::NoTransforms)))
}

fn is_jpeg(decoder: &mut Decoder<&mut BufReader<File>>) -> Result<bool, TiffError> {
    let compression = decoder.find_tag_unsigned(Tag::Compression)?;
    Ok(compression == Some(CompressionMethod::ModernJPEG.to_u16()))
}

fn mode(decoder: &mut Decoder<&mut BufReader<File>>) -> Result<Mode, Refused> {
    let (color, bits) = match decoder.colortype()? {
        ColorType::Gray(bits) => (Color::Gray, bits),
        ColorType::Multiband { bit_depth, num_samples: 2 } => (Color::GrayAlpha, bit_depth),
        ColorType::RGB(bits) => (Color::Rgb, bits),
        // Which JPEG leaves at full size.
        ColorType::YCbCr(8) if is_jpeg(decoder)? => (Color::Rgb, 8),
        ColorType::RGBA(bits) => (Color::Rgba, bits),
        ColorType::CMYK(bits) | ColorType::CMYKA(bits) => (Color::Cmyk, bits),
        other => return Err(format!("a TIFF of {other:?}: gray and RGB are read").into()),
    };
    let formats = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat)?.unwrap_or_default();
    let is = |format: SampleFormat| {
        !formats.is_empty() && formats.iter().all(|&of| of == format.to_u16())
    };
    let of = match (bits, is(SampleFormat::IEEEFP)) {
        (REAL_BITS, true) => "",
        (_, true) => "floating-point numbers",
        (1 | 2 | 4 | 8 | 16, false) if formats.is_empty() || is(SampleFormat::Uint) => "",
        _ => "whole numbers",
    };
    if of.is_empty() {
        return Ok(Mode { bits, color });
    }
    Err(format!(
        "a TIFF of {bits}-bit {of}, of which some may have a sign: unsigned ones of up to 16 bits are read, and \
         floating-point numbers of 32"
    )
    .into())
}

/// Checks that a row of a strip or tile, which may be wider than the image and have channels that are not shown, can be in
/// memory.
fn row_can_be_held(decoder: &mut Decoder<&mut BufReader<File>>, mode: Mode) -> Result<(), Refused> {
    let width = u64::from(decoder.chunk_dimensions().0);
    let channels = decoder.find_tag_unsigned::<u16>(Tag::SamplesPerPixel)?.unwrap_or(1);
    let bytes = width * u64::from(channels) * u64::from(mode.bits) / 8;
    match bytes <= MAX_ROW_BYTES {
        true => Ok(()),
        false => Err(format!(
            "a damaged TIFF: {width} pixels of {channels} channels in a row of a strip or tile take {bytes} bytes, more \
             than the limit of {MAX_ROW_BYTES}"
        )
        .into()),
    }
}

/// Checks that strips or tiles end within the file.
fn pixels_are_there(
    decoder: &mut Decoder<&mut BufReader<File>>,
    length: u64,
) -> Result<(), Refused> {
    for (offsets, counts) in
        [(Tag::StripOffsets, Tag::StripByteCounts), (Tag::TileOffsets, Tag::TileByteCounts)]
    {
        let offsets = decoder.find_tag_unsigned_vec::<u64>(offsets)?.unwrap_or_default();
        let counts = decoder.find_tag_unsigned_vec::<u64>(counts)?.unwrap_or_default();
        let mut ends =
            offsets.iter().zip(counts).map(|(offset, count)| offset.saturating_add(count));
        if let Some(end) = ends.find(|&end| end > length) {
            return Err(format!(
                "truncated: {length} bytes, of at least {end} that its pixels take"
            )
            .into());
        }
    }
    Ok(())
}
