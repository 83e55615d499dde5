//! PNG and JPEG files into pixels, with nothing taken on trust.
//!
//! What a file claims is checked against limits before memory is taken for it, and every complaint
//! says what was found and what would be right. Decisions that cannot be seen from outside:
//!
//! - the format is what the first bytes say, whatever the name says;
//! - transparency is dropped, not blended: the published RGBA masks carry it by accident;
//! - 16-bit images are read through a window that the spec declares; 16-bit masks are refused, for their codes are
//!   unclear;
//! - an animated image is its default picture; an animated mask is refused;
//! - CMYK is refused, since its colours depend on a profile that nobody sends along;
//! - a camera's Exif orientation is applied, as any viewer does, to masks too where they carry one; a PNG that says
//!   otherwise behind its pixels, in a text or in XMP is refused, for viewers differ.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use image::codecs::jpeg::JpegDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, RgbImage};
use png::{BitDepth, ColorType, Transformations};
use serde::Serialize;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::classes::count_codes;
use super::files::read_whole;
use super::levels::{Levels, Window};
use super::mask_values::{MaskValues, is_lesion};
use super::orientation::stated as stated_orientations;
use super::picture_values::{DeepValues, PictureValues};
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind};
use crate::spec::ForegroundSpec;

/// Most pixels of an image that is decoded whole.
pub(super) const MAX_PIXELS: u64 = 64_000_000;

/// Most bytes of an ROI and its labels together, decoded.
pub(super) const MAX_ROI_BYTES: u64 = 512 << 20;

/// Bytes of a decoded ROI pixel: three of colour, one of label.
pub(super) const ROI_PIXEL_BYTES: u64 = 4;

/// Longest file that is read, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = 1 << 30;

/// DEFLATE makes of one byte at most this many (RFC 1951: 258 bytes from two bits).
const MAX_INFLATION: u64 = 1032;

/// Longest Exif chunk of a PNG that is looked at; a picture may be in it.
const MOST_EXIF_BYTES: u64 = 1 << 24;

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
const PNG_END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";

/// The file formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Format {
    /// Portable Network Graphics.
    Png,
    /// JPEG (JFIF or Exif).
    Jpeg,
}

/// How a file stores its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Mode {
    /// Bits of each channel.
    pub bits: u8,
    /// What the channels are.
    pub color: Color,
}

/// What the channels of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Color {
    /// One of grey.
    Gray,
    /// Grey and transparency.
    GrayAlpha,
    /// An index into a table of colours.
    Palette,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue and transparency.
    Rgba,
    /// Cyan, magenta, yellow, black.
    Cmyk,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let color = match self.color {
            Color::Gray => "gray",
            Color::GrayAlpha => "gray + alpha",
            Color::Palette => "palette",
            Color::Rgb => "RGB",
            Color::Rgba => "RGBA",
            Color::Cmyk => "CMYK",
        };
        write!(f, "{}-bit {color}", self.bits)
    }
}

/// What a file says of itself, before any pixel is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The format.
    pub format: Format,
    /// Width as shown, in pixels.
    pub width: u32,
    /// Height as shown, in pixels.
    pub height: u32,
    /// How pixels are stored.
    pub mode: Mode,
    /// Whether there is more than one frame.
    pub animated: bool,
    /// How what is stored is turned or mirrored to be shown, as Exif says.
    pub orientation: Orientation,
}

impl Header {
    /// Whether it is shown otherwise than stored.
    pub(super) fn is_turned(&self) -> bool {
        self.orientation != Orientation::NoTransforms
    }

    /// The same, shown as Exif says.
    fn shown(mut self, orientation: Orientation) -> Self {
        if lies_on_its_side(orientation) {
            (self.width, self.height) = (self.height, self.width);
        }
        self.orientation = orientation;
        self
    }

    /// Width and height as stored.
    fn stored(&self) -> (u32, u32) {
        match lies_on_its_side(self.orientation) {
            true => (self.height, self.width),
            false => (self.width, self.height),
        }
    }
}

fn lies_on_its_side(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// How large a file may be once decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// An image that is decoded whole: [`MAX_PIXELS`].
    Image,
    /// A region of interest: [`MAX_ROI_BYTES`] with its labels.
    Roi,
}

/// What is wrong with a file, without its name.
type Complaint = String;

/// Reads what a file says of itself: a few hundred bytes of a PNG, the whole of a JPEG.
pub(super) fn read_header(path: &Path, limit: Limit) -> Result<Header, Complaint> {
    // Asked before it is opened, for opening a pipe would wait for someone to write into it.
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("not a file".into());
    }
    let length = metadata.len();
    if length > MAX_FILE_BYTES {
        let (mib, most) = (length >> 20, MAX_FILE_BYTES >> 20);
        return Err(format!("a file of {mib} MiB, more than the limit of {most} MiB"));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let mut start = [0; 8];
    let mut known = 0;
    while known < start.len() {
        match file.read(&mut start[known..]).map_err(unreadable)? {
            0 => break,
            more => known += more,
        }
    }
    let header = match sniff(&start[..known], length)? {
        Format::Png => png_header(&mut BufReader::with_capacity(512, file), length)?,
        Format::Jpeg => jpeg_header(&read_whole(path).map_err(unreadable)?)?,
    };
    check_size(&header, limit)?;
    Ok(header)
}

/// Decodes a PNG or JPEG file to RGB.
///
/// # Errors
/// A user's error that names the file, when it is missing, broken, too large or of a kind that is
/// not read.
pub fn decode_image(path: &Path, levels: Levels) -> Result<RgbImage> {
    decode_rgb(path, Limit::Image, levels)
}

/// Decodes a PNG or JPEG file to RGB within a limit.
pub(super) fn decode_rgb(path: &Path, limit: Limit, levels: Levels) -> Result<RgbImage> {
    rgb(path, limit, levels).map_err(naming(path))
}

/// Counts the 16-bit values of an image, of all its channels but alpha; nothing for an image of 8 bits.
pub(super) fn count_levels(path: &Path, limit: Limit, counts: &mut [u64]) -> Result<()> {
    let mut count = || {
        let header = read_header(path, limit)?;
        if header.mode.bits < 16 {
            return Ok(());
        }
        let bytes = read_whole(path).map_err(unreadable)?;
        let picture = png_pixels(&bytes, &header, Transformations::EXPAND)?;
        for value in colours_16(&picture).into_iter().flatten() {
            if let Some(count) = counts.get_mut(usize::from(value)) {
                *count += 1;
            }
        }
        Ok(())
    };
    count().map_err(naming(path))
}

/// What an image holds, read through `levels`.
pub(super) fn picture_values(path: &Path, limit: Limit, levels: Levels) -> Result<PictureValues> {
    let values = || {
        let (header, stored) = stored(path, limit)?;
        let (mut alpha_varies, mut deep) = (false, None);
        if let Stored::Png(picture) = &stored {
            let bytes = if header.mode.bits == 16 { 2 } else { 1 };
            alpha_varies = has_alpha_that_varies(picture, bytes);
            deep = (bytes == 2).then(|| DeepValues::of(&colours_16(picture), levels.window()));
        }
        let image = shown(stored, &header, levels)?;
        Ok(PictureValues::of(&image, alpha_varies, deep))
    };
    values().map_err(naming(path))
}

/// Decodes a mask that separates lesion from background: 1 where a pixel is lesion.
pub fn decode_binary(path: &Path, foreground: &ForegroundSpec) -> Result<GrayImage> {
    binary(path, foreground).map_err(naming(path))
}

/// What a mask that separates lesion from background holds.
pub(super) fn mask_values(path: &Path) -> Result<MaskValues> {
    let values = mask_picture(path)
        .map(|(header, picture)| MaskValues::of(header.stored(), mask_pixels(&picture)));
    values.map_err(naming(path))
}

/// Codes of a mask with their pixels.
pub(super) fn code_counts(path: &Path, limit: Limit) -> Result<Vec<(u8, u64)>> {
    let counts = count_codes(&decode_codes(path, limit)?);
    Ok((0u8..=255).zip(counts).filter(|&(_, count)| count > 0).collect())
}

/// Decodes a mask whose pixel values, or palette indices, are codes.
pub(super) fn decode_codes(path: &Path, limit: Limit) -> Result<GrayImage> {
    codes(path, limit).map_err(naming(path))
}

/// What stands against using a file as an image; `Err` if it cannot be used.
pub(super) fn judge_image(header: &Header) -> Result<Option<Finding>, Complaint> {
    if header.mode.color == Color::Cmyk {
        return Err("a CMYK JPEG, whose colours depend on a profile: convert it to RGB".into());
    }
    if header.animated {
        let what = "animated PNG images, of which only the first picture is used";
        return Ok(Some(Finding::warning(FindingKind::AnimatedImage, what)));
    }
    Ok(None)
}

/// What stands against using a file as a mask.
pub(super) fn judge_mask(header: &Header) -> Result<(), Complaint> {
    if header.format == Format::Jpeg {
        return Err("a mask in JPEG, whose losses change labels: masks must be PNG".into());
    }
    if header.animated {
        return Err("a mask in an animated PNG: a mask must be a single picture".into());
    }
    if header.mode.bits == 16 {
        return Err(format!(
            "a mask with 16 bits a channel ({}): masks must have 8 bits or fewer",
            header.mode
        ));
    }
    Ok(())
}

/// The message of an error without the file's name in front.
pub(super) fn plain(error: &Error, path: &Path) -> String {
    let text = error.to_string();
    text.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&text).to_string()
}

fn naming(path: &Path) -> impl Fn(Complaint) -> Error {
    move |complaint| Error::user(format!("{}: {complaint}", path.display()))
}

fn unreadable(error: std::io::Error) -> Complaint {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".into(),
        std::io::ErrorKind::PermissionDenied => "no permission to read it".into(),
        _ => format!("cannot be read: {error}"),
    }
}

fn sniff(start: &[u8], length: u64) -> Result<Format, Complaint> {
    if length == 0 || start.is_empty() {
        return Err("the file is empty (0 bytes)".into());
    }
    if start.starts_with(PNG_SIGNATURE) {
        return Ok(Format::Png);
    }
    if start.starts_with(b"\xff\xd8\xff") {
        return Ok(Format::Jpeg);
    }
    if PNG_SIGNATURE.starts_with(start) || b"\xff\xd8\xff".starts_with(start) {
        return Err(format!("truncated: only {length} bytes"));
    }
    let other = match start {
        [b'G', b'I', b'F', b'8', ..] => "a GIF",
        [b'B', b'M', ..] => "a BMP",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "a TIFF",
        [b'R', b'I', b'F', b'F', ..] => "a WebP or another RIFF file",
        [b'%', b'P', b'D', b'F', ..] => "a PDF",
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' '] => {
            "perhaps a Git LFS pointer, never fetched"
        }
        _ => "neither",
    };
    Err(format!("not an image that is read here, which are PNG and JPEG (this is {other})"))
}

fn check_size(header: &Header, limit: Limit) -> Result<(), Complaint> {
    let (width, height) = (header.width, header.height);
    if width == 0 || height == 0 {
        return Err(format!("an image of {width}x{height} has no pixels"));
    }
    let pixels = u64::from(width) * u64::from(height);
    match limit {
        Limit::Image if pixels > MAX_PIXELS => Err(format!(
            "{width}x{height} are {:.1} megapixels, more than the limit of {}",
            pixels as f64 / 1e6,
            MAX_PIXELS / 1_000_000
        )),
        Limit::Roi if pixels * ROI_PIXEL_BYTES > MAX_ROI_BYTES => Err(format!(
            "{width}x{height} take {} MiB decoded with labels, more than the limit of {} MiB",
            (pixels * ROI_PIXEL_BYTES) >> 20,
            MAX_ROI_BYTES >> 20
        )),
        Limit::Image | Limit::Roi => Ok(()),
    }
}

/// Reads the header chunk and walks to the first pixel data; the file stands behind its signature.
fn png_header(file: &mut BufReader<File>, length: u64) -> Result<Header, Complaint> {
    let truncated = |_| Complaint::from("truncated: the file ends within its header");
    let mut ihdr = [0; 25];
    file.read_exact(&mut ihdr).map_err(truncated)?;
    if &ihdr[4..8] != b"IHDR" {
        return Err("a damaged PNG: it does not begin with a header".into());
    }
    let word = |at: usize| u32::from_be_bytes([ihdr[at], ihdr[at + 1], ihdr[at + 2], ihdr[at + 3]]);
    let color = match ihdr[17] {
        0 => Color::Gray,
        2 => Color::Rgb,
        3 => Color::Palette,
        4 => Color::GrayAlpha,
        6 => Color::Rgba,
        other => return Err(format!("a damaged PNG: unknown colour type {other}")),
    };
    let mut header = Header {
        format: Format::Png,
        width: word(8),
        height: word(12),
        mode: Mode { bits: ihdr[16], color },
        animated: false,
        orientation: Orientation::NoTransforms,
    };
    let mut orientation = Orientation::NoTransforms;
    let mut position = 8 + ihdr.len() as u64;
    loop {
        let (kind, next) = png_chunk(file, position, length)?;
        match &kind {
            b"IDAT" => break,
            b"IEND" => return Err("a PNG without pixel data".into()),
            b"acTL" => header.animated = true,
            b"eXIf" if next - position <= MOST_EXIF_BYTES => {
                let mut exif = vec![0; (next - position - 12) as usize];
                file.read_exact(&mut exif).map_err(truncated)?;
                orientation = Orientation::from_exif_chunk(&exif).unwrap_or(orientation);
                file.seek_relative(4).map_err(unreadable)?;
                position = next;
                continue;
            }
            _ => {}
        }
        seek_to(file, position, next)?;
        position = next;
    }
    let raw =
        u64::from(header.height) * (u64::from(header.width) * bits_of(&header.mode)).div_ceil(8);
    if raw > length.saturating_mul(MAX_INFLATION) {
        return Err(format!(
            "truncated or forged: {length} bytes cannot hold {}x{} pixels",
            header.width, header.height
        ));
    }
    if !ends_whole(file, length)? {
        loop {
            file.seek(SeekFrom::Start(position)).map_err(unreadable)?;
            let (kind, next) = png_chunk(file, position, length)?;
            if &kind == b"IEND" {
                break;
            }
            position = next;
        }
    }
    Ok(header.shown(orientation))
}

fn bits_of(mode: &Mode) -> u64 {
    let channels = match mode.color {
        Color::Gray | Color::Palette => 1,
        Color::GrayAlpha => 2,
        Color::Rgb => 3,
        Color::Rgba | Color::Cmyk => 4,
    };
    channels * u64::from(mode.bits)
}

/// The kind of the chunk at `position`, where the file stands, and where the next one begins.
fn png_chunk(
    file: &mut BufReader<File>,
    position: u64,
    length: u64,
) -> Result<([u8; 4], u64), Complaint> {
    let truncated = || format!("truncated: {length} bytes, and the end of the PNG is missing");
    let mut start = [0; 8];
    file.read_exact(&mut start).map_err(|_| truncated())?;
    let size = u32::from_be_bytes([start[0], start[1], start[2], start[3]]);
    let next = position + 12 + u64::from(size);
    if next > length {
        return Err(truncated());
    }
    Ok(([start[4], start[5], start[6], start[7]], next))
}

fn seek_to(file: &mut BufReader<File>, position: u64, next: u64) -> Result<(), Complaint> {
    let ahead = i64::try_from(next - position - 8).map_err(|_| Complaint::from("too long"))?;
    file.seek_relative(ahead).map_err(unreadable)
}

fn ends_whole(file: &mut BufReader<File>, length: u64) -> Result<bool, Complaint> {
    let mut end = [0; PNG_END.len()];
    let Some(start) = length.checked_sub(end.len() as u64) else { return Ok(false) };
    let file = file.get_mut();
    file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
    file.read_exact(&mut end).map_err(unreadable)?;
    Ok(end == PNG_END)
}

/// Walks the segments up to the frame header, and on to the scan to see that it ends.
fn jpeg_header(bytes: &[u8]) -> Result<Header, Complaint> {
    let truncated = || Complaint::from("truncated: the end of the JPEG is missing");
    let mut header = None;
    let mut exif = false;
    let mut at = 2;
    loop {
        let marker = *bytes.get(at + 1).ok_or_else(truncated)?;
        if bytes[at] != 0xff {
            return Err("a damaged JPEG: a segment does not begin with a marker".into());
        }
        if marker == 0xff {
            at += 1;
            continue;
        }
        let size = bytes.get(at + 2..at + 4).ok_or_else(truncated)?;
        let size = usize::from(u16::from_be_bytes([size[0], size[1]]));
        let segment = bytes.get(at + 4..at + 2 + size.max(2)).ok_or_else(truncated)?;
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                header = Some(jpeg_frame(segment)?);
            }
            0xe1 => exif |= segment.starts_with(b"Exif"),
            0xda => break,
            _ => {}
        }
        at += 2 + size.max(2);
    }
    let mut header = header.ok_or("a damaged JPEG: no frame header")?;
    if !bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]) {
        return Err(truncated());
    }
    if exif {
        let orientation = JpegDecoder::new(Cursor::new(bytes))
            .and_then(|mut decoder| decoder.orientation())
            .unwrap_or(Orientation::NoTransforms);
        header = header.shown(orientation);
    }
    Ok(header)
}

fn jpeg_frame(segment: &[u8]) -> Result<Header, Complaint> {
    let &[bits, h1, h0, w1, w0, components, ..] = segment else {
        return Err("a damaged JPEG: its frame header is too short".into());
    };
    let color = match components {
        1 => Color::Gray,
        3 => Color::Rgb,
        4 => Color::Cmyk,
        other => return Err(format!("a JPEG with {other} channels: 1 or 3 are read")),
    };
    if bits != 8 {
        return Err(format!("a JPEG with {bits} bits a channel: 8 are read"));
    }
    Ok(Header {
        format: Format::Jpeg,
        width: u32::from(u16::from_be_bytes([w1, w0])),
        height: u32::from(u16::from_be_bytes([h1, h0])),
        mode: Mode { bits, color },
        animated: false,
        orientation: Orientation::NoTransforms,
    })
}

/// The pixels of an image as they are stored.
enum Stored {
    Png(Picture),
    Jpeg(RgbImage),
}

fn stored(path: &Path, limit: Limit) -> Result<(Header, Stored), Complaint> {
    let header = read_header(path, limit)?;
    judge_image(&header)?;
    let bytes = read_whole(path).map_err(unreadable)?;
    let stored = match header.format {
        Format::Png => Stored::Png(png_pixels(&bytes, &header, Transformations::EXPAND)?),
        Format::Jpeg => Stored::Jpeg(jpeg_pixels(&bytes, &header)?),
    };
    Ok((header, stored))
}

/// The image that is shown.
fn shown(stored: Stored, header: &Header, levels: Levels) -> Result<RgbImage, Complaint> {
    let image = match stored {
        Stored::Png(picture) => {
            let data = match header.mode.bits {
                16 => eight_bits(&picture, levels)?,
                _ => colours(&picture).flatten().collect(),
            };
            let (width, height) = header.stored();
            RgbImage::from_raw(width, height, data).ok_or("a damaged PNG: pixels are missing")?
        }
        Stored::Jpeg(image) => image,
    };
    Ok(turned(image, header, DynamicImage::ImageRgb8, DynamicImage::into_rgb8))
}

fn rgb(path: &Path, limit: Limit, levels: Levels) -> Result<RgbImage, Complaint> {
    let (header, stored) = stored(path, limit)?;
    shown(stored, &header, levels)
}

/// Whether there is an alpha channel, of values of so many bytes, with more than one value.
fn has_alpha_that_varies(picture: &Picture, bytes: usize) -> bool {
    if !picture.channels.is_multiple_of(2) {
        return false;
    }
    let pixels = picture.data.chunks_exact(picture.channels * bytes);
    let mut alphas = pixels.map(|pixel| &pixel[pixel.len() - bytes..]);
    let first = alphas.next();
    alphas.any(|alpha| Some(alpha) != first)
}

/// A JPEG of one pass without its end marker. With the marker the decoder makes up what is missing before it; without,
/// it finds that the data have come to an end too early. `None` for one of several passes, which is checked as it is.
fn without_end(bytes: &[u8]) -> Option<Vec<u8>> {
    // As far as the decoder reads ahead: of whole data it must not find the end.
    const AHEAD: [u8; 8] = [0; 8];
    let mut at = 2;
    loop {
        let marker = *bytes.get(at + 1)?;
        match marker {
            0xff => at += 1,
            0xc2..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => return None,
            0xda => break,
            _ => at = after_segment(bytes, at)?,
        }
    }
    let end = at + bytes[at..].windows(2).position(|pair| pair == [0xff, 0xd9])?;
    Some([&bytes[..end], &AHEAD].concat())
}

/// Where the segment behind this one begins.
fn after_segment(bytes: &[u8], at: usize) -> Option<usize> {
    let size = bytes.get(at + 2..at + 4)?;
    Some(at + 2 + usize::from(u16::from_be_bytes([size[0], size[1]])).max(2))
}

/// Decodes a JPEG; what other decoders warn of while they fill up what is missing is an error here.
fn jpeg_pixels(bytes: &[u8], header: &Header) -> Result<RgbImage, Complaint> {
    let damaged = |error| format!("a damaged or truncated JPEG: {error}");
    let colors = match header.mode.color {
        Color::Gray => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(colors);
    let scan = without_end(bytes);
    let bytes = scan.as_deref().unwrap_or(bytes);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let data = decoder.decode().map_err(damaged)?;
    let data = match colors {
        ColorSpace::Luma => data.into_iter().flat_map(|gray| [gray; 3]).collect(),
        _ => data,
    };
    let (width, height) = header.stored();
    RgbImage::from_raw(width, height, data)
        .ok_or_else(|| "a damaged JPEG: pixels are missing".into())
}

/// An image as Exif says that it is shown.
fn turned<T>(
    image: T,
    header: &Header,
    into: impl Fn(T) -> DynamicImage,
    out_of: impl Fn(DynamicImage) -> T,
) -> T {
    if !header.is_turned() {
        return image;
    }
    let mut image = into(image);
    image.apply_orientation(header.orientation);
    out_of(image)
}

/// Red, green and blue of each pixel of 8 bits, whatever the channels are.
fn colours(picture: &Picture) -> impl Iterator<Item = [u8; 3]> + '_ {
    let gray = picture.channels < 3;
    let pixels = picture.data.chunks_exact(picture.channels);
    pixels.map(move |pixel| if gray { [pixel[0]; 3] } else { [pixel[0], pixel[1], pixel[2]] })
}

/// The same of a picture of 16 bits.
fn colours_16(picture: &Picture) -> Vec<[u16; 3]> {
    let gray = picture.channels < 3;
    let pixels = picture.data.chunks_exact(2 * picture.channels);
    let value = |pixel: &[u8], channel: usize| {
        u16::from_be_bytes([pixel[2 * channel], pixel[2 * channel + 1]])
    };
    pixels
        .map(|pixel| match gray {
            true => [value(pixel, 0); 3],
            false => [0, 1, 2].map(|channel| value(pixel, channel)),
        })
        .collect()
}

/// 16-bit values through their window.
fn eight_bits(picture: &Picture, levels: Levels) -> Result<Vec<u8>, Complaint> {
    let colours = colours_16(picture);
    let window = match levels {
        Levels::Window(window) => window,
        Levels::Undecided => Window::around(colours.iter().flatten().copied()),
        Levels::Refused => {
            return Err("a 16-bit image, and nothing says which values are black and white: set \
                        `dataset.intensity`"
                .into());
        }
    };
    Ok(colours.into_iter().flatten().map(|value| window.apply(value)).collect())
}

fn mask_picture(path: &Path) -> Result<(Header, Picture), Complaint> {
    let header = read_header(path, Limit::Image)?;
    judge_mask(&header)?;
    let bytes = read_whole(path).map_err(unreadable)?;
    let picture = png_pixels(&bytes, &header, Transformations::EXPAND)?;
    Ok((header, picture))
}

/// Colour and opacity of each pixel.
fn mask_pixels(picture: &Picture) -> impl Iterator<Item = ([u8; 3], Option<u8>)> + '_ {
    let has_alpha = picture.channels.is_multiple_of(2);
    let pixels = picture.data.chunks_exact(picture.channels);
    let alphas = pixels.map(move |pixel| pixel.last().copied().filter(|_| has_alpha));
    colours(picture).zip(alphas)
}

fn binary(path: &Path, foreground: &ForegroundSpec) -> Result<GrayImage, Complaint> {
    let (header, picture) = mask_picture(path)?;
    if matches!(foreground, ForegroundSpec::AlphaAbove(_)) && !picture.channels.is_multiple_of(2) {
        return Err("a mask without alpha channel, which `dataset.foreground` reads".into());
    }
    let labels = mask_pixels(&picture)
        .map(|(colour, alpha)| u8::from(is_lesion(foreground, colour, alpha)))
        .collect();
    gray_image(&header, labels)
}

/// Labels or codes of each stored pixel as the image that is shown.
fn gray_image(header: &Header, data: Vec<u8>) -> Result<GrayImage, Complaint> {
    let (width, height) = header.stored();
    let image =
        GrayImage::from_raw(width, height, data).ok_or("a damaged PNG: pixels are missing")?;
    Ok(turned(image, header, DynamicImage::ImageLuma8, DynamicImage::into_luma8))
}

fn codes(path: &Path, limit: Limit) -> Result<GrayImage, Complaint> {
    let header = read_header(path, limit)?;
    judge_mask(&header)?;
    let bytes = read_whole(path).map_err(unreadable)?;
    let picture = png_pixels(&bytes, &header, Transformations::IDENTITY)?;
    let bits = header.mode.bits;
    let codes = match header.mode.color {
        Color::Gray | Color::Palette if bits < 8 => unpack(&picture, header.stored().0, bits),
        Color::Gray | Color::Palette => picture.data,
        Color::GrayAlpha => picture.data.chunks_exact(2).map(|pixel| pixel[0]).collect(),
        Color::Rgb | Color::Rgba | Color::Cmyk => {
            let mut pixels = picture.data.chunks_exact(picture.channels);
            if let Some(pixel) = pixels.find(|pixel| pixel[0] != pixel[1] || pixel[1] != pixel[2]) {
                return Err(format!(
                    "a mask in colour (a pixel is {}, {}, {}): its pixels must be codes, with equal \
                     channels",
                    pixel[0], pixel[1], pixel[2]
                ));
            }
            picture.data.chunks_exact(picture.channels).map(|pixel| pixel[0]).collect()
        }
    };
    gray_image(&header, codes)
}

/// Pixels as the decoder leaves them.
struct Picture {
    data: Vec<u8>,
    channels: usize,
    line: usize,
}

/// Rows of pixels packed into bytes, as one byte a pixel.
fn unpack(picture: &Picture, width: u32, bits: u8) -> Vec<u8> {
    let mask = (1 << bits) - 1;
    let rows = picture.data.chunks_exact(picture.line);
    rows.flat_map(|row| {
        (0..width as usize).map(move |x| {
            let bit = x * usize::from(bits);
            (row[bit / 8] >> (8 - usize::from(bits) - bit % 8)) & mask
        })
    })
    .collect()
}

fn png_pixels(
    bytes: &[u8],
    header: &Header,
    transformations: Transformations,
) -> Result<Picture, Complaint> {
    let damaged = |error: png::DecodingError| format!("a damaged PNG: {error}");
    let mut turns = stated_orientations(bytes)?.into_iter();
    if let Some((turn, place)) = turns.find(|(turn, _)| *turn != header.orientation) {
        return Err(format!(
            "a PNG that says in two ways how it is turned: orientation {} in {place}, where only some viewers \
             look, and {} otherwise: write it as it is shown, such as with `magick mogrify -auto-orient -strip`, \
             or remove what is wrong, such as with `exiftool -all= -overwrite_original`",
            turn.to_exif(),
            header.orientation.to_exif()
        ));
    }
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(transformations);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let size = reader.output_buffer_size().ok_or("a damaged PNG: too large")?;
    let (color, depth) = reader.output_color_type();
    if (depth == BitDepth::Sixteen) != (header.mode.bits == 16)
        || (reader.info().width, reader.info().height) != header.stored()
    {
        return Err("the file changed while it was read".into());
    }
    let mut data = vec![0; size];
    let output = reader.next_frame(&mut data).map_err(damaged)?;
    let channels = match color {
        ColorType::Grayscale | ColorType::Indexed => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
    };
    Ok(Picture { data, channels, line: output.line_size })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sample::{png, save_bytes};
    use super::*;
    use crate::testing::fixture;

    const FULL: Levels = Levels::Window(Window { low: 0, high: u16::MAX });
    const TWO: ForegroundSpec = ForegroundSpec::TwoValued(crate::spec::TwoValuedForeground {});

    fn file(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bild (1) \u{e4}\u{65e5}.png");
        save_bytes(&path, bytes);
        (folder, path)
    }

    /// What is said of bytes as an image and as a mask with codes.
    fn complaints(bytes: &[u8]) -> [Option<String>; 2] {
        let (_folder, path) = file(bytes);
        let of = |error: Error| {
            let text = error.to_string();
            assert!(matches!(error, Error::User(_)), "{text}");
            text.strip_prefix(&format!("{}: ", path.display())).expect("names the file").to_string()
        };
        [decode_image(&path, FULL).err().map(of), decode_codes(&path, Limit::Image).err().map(of)]
    }

    fn both(bytes: &[u8], part: &str) {
        for complaint in complaints(bytes) {
            let complaint = complaint.expect("an error");
            assert!(complaint.contains(part), "`{part}` in `{complaint}`");
        }
    }

    /// An 8-bit gray PNG of the pixels given.
    fn gray(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
        png((width, height), ColorType::Grayscale, BitDepth::Eight, pixels)
    }

    fn noise() -> Vec<u8> {
        gray(50, 40, &(0..2000u32).map(|x| (x * x / 7) as u8).collect::<Vec<_>>())
    }

    /// Writes another size into the header of a PNG, and its checksum.
    fn claim(mut bytes: Vec<u8>, width: u32, height: u32) -> Vec<u8> {
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |sum, &byte| {
            (0..8).fold(sum ^ u32::from(byte), |sum: u32, _| {
                if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
            })
        })
    }

    #[test]
    fn a_missing_file_is_said_to_be_missing() {
        let error = decode_image(Path::new("/nowhere/benign (1).png"), FULL).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/benign (1).png: no such file");
    }

    #[test]
    fn a_folder_and_a_file_without_end_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_header(folder.path(), Limit::Image), Err("not a file".into()));
        let path = folder.path().join("sparse.png");
        File::create(&path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        let complaint = read_header(&path, Limit::Image).unwrap_err();
        assert_eq!(complaint, "a file of 1024 MiB, more than the limit of 1024 MiB");
    }

    proptest! {
        #[test]
        fn whatever_is_damaged_gives_pixels_or_an_error_but_no_panic(
            name in prop::sample::select(vec![
                "gray.jpg", "progressive.jpg", "turned.jpg", "cmyk.jpg", "palette.png", "animated.png",
            ]),
            damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            kept in 0.3f64..1.3,
        ) {
            let mut bytes = fs::read(fixture(&format!("images/{name}"))).unwrap();
            for (place, value) in damages {
                *place.get_mut(&mut bytes) = value;
            }
            bytes.truncate((bytes.len() as f64 * kept) as usize);
            let (_folder, path) = file(&bytes);
            if let Ok(image) = decode_image(&path, FULL) {
                prop_assert!(image.width() > 0);
            }
            let _ = (decode_binary(&path, &TWO), decode_codes(&path, Limit::Image));
        }
    }

    #[test]
    fn empty_files_and_files_of_other_kinds_are_named() {
        both(b"", "the file is empty (0 bytes)");
        both(b"\x89PN", "truncated: only 3 bytes");
        both(b"GIF89a..........", "this is a GIF");
        both(b"%PDF-1.7", "this is a PDF");
        both(b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer");
        both(b"hello, world", "not an image that is read here, which are PNG and JPEG");
    }

    #[test]
    fn a_truncated_png_is_found_at_any_length_by_its_header_alone() {
        let whole = noise();
        for length in [8, 20, 33, 40, 60, whole.len() / 2, whole.len() - 13, whole.len() - 1] {
            let (_folder, path) = file(&whole[..length]);
            let complaint = read_header(&path, Limit::Image).unwrap_err();
            assert!(complaint.contains("truncated"), "{length}: {complaint}");
            both(&whole[..length], "truncated");
        }
    }

    #[test]
    fn bytes_after_the_end_of_a_png_do_no_harm() {
        let mut bytes = gray(2, 1, &[0, 255]);
        bytes.extend_from_slice(b"left by a camera");
        assert_eq!(complaints(&bytes), [None, None]);
    }

    #[test]
    fn a_damaged_png_is_found_when_decoded() {
        let mut bytes = noise();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        both(&bytes, "a damaged PNG");
    }

    #[test]
    fn a_truncated_jpeg_is_found_though_decoders_would_fill_it_up() {
        let whole = fs::read(fixture("images/gray.jpg")).unwrap();
        assert_eq!(complaints(&whole)[0], None);
        for length in [4, 30, 200, whole.len() - 2] {
            let complaint = complaints(&whole[..length])[0].clone().unwrap();
            assert!(complaint.contains("truncated"), "{length}: {complaint}");
        }
    }

    #[test]
    fn sizes_are_refused_before_memory_is_taken() {
        both(&claim(gray(1, 1, &[0]), 6_000, 6_000), "cannot hold 6000x6000 pixels");
        both(&claim(gray(1, 1, &[0]), 0, 5), "an image of 0x5 has no pixels");
        both(&large(8001, 8000), "8001x8000 are 64.0 megapixels, more than the limit of 64");
    }

    /// A PNG that claims a size and is long enough for it to be true.
    fn large(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = claim(gray(1, 1, &[0]), width, height);
        bytes.resize((u64::from(width) * u64::from(height) / 1000) as usize, 0);
        bytes
    }

    #[test]
    fn an_roi_may_be_larger_but_not_than_its_memory() {
        let (_folder, path) = file(&large(8001, 8000));
        assert_eq!(read_header(&path, Limit::Roi).map(|header| header.width), Ok(8001));
        let (_folder, path) = file(&large(12_000, 12_000));
        let complaint = read_header(&path, Limit::Roi).unwrap_err();
        let expected =
            "12000x12000 take 549 MiB decoded with labels, more than the limit of 512 MiB";
        assert_eq!(complaint, expected);
    }

    #[test]
    fn pixel_data_beyond_the_image_changes_nothing() {
        // Says 4 x 2 pixels before a stream that inflates to 20 MB.
        let bytes = claim(gray(4000, 5000, &vec![0; 20_000_000]), 4, 2);
        let (_folder, path) = file(&bytes);
        assert_eq!(decode_codes(&path, Limit::Image).unwrap().into_raw(), [0; 8]);
    }

    #[test]
    fn cmyk_is_refused() {
        let complaint = decode_image(&fixture("images/cmyk.jpg"), FULL).unwrap_err().to_string();
        assert!(complaint.contains("a CMYK JPEG") && complaint.contains("to RGB"), "{complaint}");
    }

    #[test]
    fn sixteen_bits_are_read_through_a_window_in_images_and_refused_in_masks() {
        let bytes = png((2, 1), ColorType::Grayscale, BitDepth::Sixteen, &[0x0f, 0xff, 0, 0]);
        let (_folder, path) = file(&bytes);
        let read = |low, high| decode_image(&path, Levels::Window(Window { low, high })).unwrap();
        assert_eq!(read(0, 4095).into_raw(), [255, 255, 255, 0, 0, 0]);
        assert_eq!(read(0, 65535).into_raw(), [16, 16, 16, 0, 0, 0]);
        assert_eq!(decode_image(&path, Levels::Undecided).unwrap(), read(0, 4095));
        let complaint = decode_image(&path, Levels::Refused).unwrap_err().to_string();
        assert!(complaint.contains("set `dataset.intensity`"), "{complaint}");
        let mut counts = vec![0; 1 << 16];
        count_levels(&path, Limit::Image, &mut counts).unwrap();
        assert_eq!((counts[0], counts[4095], counts.iter().sum::<u64>()), (3, 3, 6));
        let complaint = complaints(&bytes)[1].clone().unwrap();
        assert!(complaint.contains("16 bits a channel (16-bit gray)"), "{complaint}");
        assert!(decode_binary(&path, &TWO).is_err());
    }

    #[test]
    fn an_animated_image_is_its_first_picture_and_an_animated_mask_is_refused() {
        let path = fixture("images/animated.png");
        let header = read_header(&path, Limit::Image).unwrap();
        assert!(judge_image(&header).unwrap().unwrap().what.contains("animated"));
        assert_eq!(decode_image(&path, FULL).unwrap().get_pixel(5, 5).0, [255, 0, 0]);
        let complaint = decode_binary(&path, &TWO).unwrap_err().to_string();
        assert!(complaint.contains("a mask in an animated PNG"), "{complaint}");
    }

    #[test]
    fn a_palette_gives_colours_to_images_and_indices_to_codes() {
        let path = fixture("images/palette.png");
        let image = decode_image(&path, FULL).unwrap();
        assert_eq!(image.get_pixel(1, 0).0, [255, 0, 0]);
        let codes = decode_codes(&path, Limit::Image).unwrap();
        assert_eq!(codes.into_raw(), [0, 1, 2, 3, 0, 1, 2, 3]);
        assert_eq!(decode_binary(&path, &TWO).unwrap().into_raw(), [0, 1, 1, 1, 0, 1, 1, 1]);
    }

    #[test]
    fn masks_of_every_published_mode_give_the_same_labels() {
        // Nine columns, so that a row of single bits does not end with its byte.
        let on = [1, 0, 0, 1, 1, 0, 1, 0, 1u8];
        let spread =
            |values: fn(u8) -> Vec<u8>| on.into_iter().flat_map(values).collect::<Vec<_>>();
        let eight = |color: ColorType, rows: &[u8]| png((9, 1), color, BitDepth::Eight, rows);
        let bits = [0b1001_1010, 0b1000_0000];
        let opaque = |on: u8| vec![on * 255, on * 255, on * 255, 255];
        let files = [
            png((9, 1), ColorType::Grayscale, BitDepth::One, &bits),
            eight(ColorType::Grayscale, &spread(|on| vec![on * 255])),
            eight(ColorType::Rgb, &spread(|on| vec![on * 255; 3])),
            // Opaque everywhere: transparency must not count as lesion.
            eight(ColorType::Rgba, &spread(opaque)),
            eight(ColorType::GrayscaleAlpha, &spread(|on| vec![on, 255])),
        ];
        for bytes in files {
            let (_folder, path) = file(&bytes);
            assert_eq!(decode_binary(&path, &TWO).unwrap().into_raw(), on);
        }
    }

    #[test]
    fn codes_may_be_stored_as_equal_channels_but_not_as_colours() {
        let bytes = png((2, 1), ColorType::Rgba, BitDepth::Eight, &[7, 7, 7, 255, 21, 21, 21, 0]);
        let (_folder, path) = file(&bytes);
        assert_eq!(decode_codes(&path, Limit::Image).unwrap().into_raw(), [7, 21]);
        let bytes = png((1, 1), ColorType::Rgb, BitDepth::Eight, &[1, 2, 3]);
        let complaint = complaints(&bytes)[1].clone().unwrap();
        assert!(complaint.contains("a pixel is 1, 2, 3"), "{complaint}");
    }

    /// A JPEG of noise, and what the image crate makes of it.
    fn noise_in_jpeg() -> (Vec<u8>, RgbImage) {
        let noise = |x: u32, y: u32, c: u32| ((x * 31 + y * 57 + c * 83) * (x + 7 * y) % 251) as u8;
        let picture =
            RgbImage::from_fn(64, 96, |x, y| image::Rgb([0, 1, 2].map(|c| noise(x, y, c))));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        let bytes = bytes.into_inner();
        let decoded = image::load_from_memory(&bytes).unwrap().into_rgb8();
        (bytes, decoded)
    }

    #[test]
    fn a_jpeg_that_was_cut_and_closed_again_is_refused_as_it_was_decoded_before_if_whole() {
        let (whole, decoded) = noise_in_jpeg();
        let (_folder, path) = file(&whole);
        assert_eq!(decode_image(&path, FULL).unwrap(), decoded);
        for percent in [30, 50, 70, 85, 95] {
            let mut cut = whole[..whole.len() * percent / 100].to_vec();
            cut.extend([0xff, 0xd9]);
            let complaint = complaints(&cut)[0].clone().expect("refused");
            assert!(complaint.contains("truncated JPEG"), "{percent} %: {complaint}");
        }
    }

    #[test]
    fn a_whole_jpeg_is_read_however_little_data_it_has() {
        for (width, height) in [(1, 1), (8, 8), (9, 40), (64, 200)] {
            let mut bytes = Cursor::new(Vec::new());
            let black = RgbImage::new(width, height);
            black.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
            let (_folder, path) = file(&bytes.into_inner());
            assert_eq!(decode_image(&path, FULL).unwrap(), black);
        }
    }

    #[test]
    fn a_mask_in_jpeg_is_refused() {
        let complaint = decode_binary(&fixture("images/gray.jpg"), &TWO).unwrap_err().to_string();
        assert!(complaint.contains("masks must be PNG"), "{complaint}");
    }

    #[test]
    fn jpegs_of_other_kinds_are_read_whatever_their_name() {
        let gray = decode_image(&fixture("images/gray.jpg"), FULL).unwrap();
        assert_eq!(gray.dimensions(), (24, 16));
        let value = gray.get_pixel(12, 8).0;
        assert!(value[0].abs_diff(120) < 6 && value[0] == value[2], "{value:?}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("progressive.png");
        fs::copy(fixture("images/progressive.jpg"), &path).unwrap();
        let value = decode_image(&path, FULL).unwrap().get_pixel(12, 8).0;
        assert!(value[0].abs_diff(120) < 6, "{value:?}");
    }

    /// An Exif block that says nothing but the orientation.
    fn exif(orientation: u8) -> Vec<u8> {
        let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        exif
    }

    /// A PNG with an Exif block before its pixels.
    fn with_exif(mut bytes: Vec<u8>, orientation: u8) -> Vec<u8> {
        let exif = exif(orientation);
        let mut chunk = (exif.len() as u32).to_be_bytes().to_vec();
        chunk.extend(b"eXIf");
        chunk.extend(&exif);
        chunk.extend(crc32(&chunk[4..]).to_be_bytes());
        bytes.splice(33..33, chunk);
        bytes
    }

    #[test]
    fn images_and_masks_are_turned_as_exif_says() {
        let path = fixture("images/turned.jpg");
        let header = read_header(&path, Limit::Image).unwrap();
        assert!(header.is_turned());
        let shown = decode_image(&path, FULL).unwrap();
        assert_eq!((shown.width(), shown.height()), (header.width, header.height));

        // Stored as 0 1 2, to be turned by 90 degrees to the right: a column from 0 down to 2.
        let (_folder, path) = file(&with_exif(gray(3, 1, &[0, 1, 2]), 6));
        let header = read_header(&path, Limit::Image).unwrap();
        assert_eq!((header.width, header.height, header.is_turned()), (1, 3, true));
        let column: Vec<u8> =
            decode_image(&path, FULL).unwrap().pixels().map(|pixel| pixel.0[0]).collect();
        assert_eq!(column, [0, 1, 2]);
        assert_eq!(decode_codes(&path, Limit::Image).unwrap().dimensions(), (1, 3));
        // Behind the pixels, where a viewer might not look.
        let mut behind = gray(3, 1, &[0, 1, 2]);
        let chunk = with_exif(behind.clone(), 6)[33..33 + 12 + exif(6).len()].to_vec();
        let end = behind.len() - PNG_END.len();
        behind.splice(end..end, chunk);
        both(&behind, "orientation 6 in eXIf, where only some viewers look, and 1 otherwise");
        // Upside down.
        let (_folder, path) = file(&with_exif(gray(3, 1, &[0, 0, 9]), 3));
        assert_eq!(decode_binary(&path, &TWO).unwrap().into_raw(), [1, 0, 0]);
    }
}
