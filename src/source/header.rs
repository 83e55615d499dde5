//! What an image file says of itself, read before any pixel is decoded, and checked against limits.

mod bmp;
mod dicom;
mod tiff;
mod webp;

pub(super) use self::dicom::of as dicom_header;
pub(super) use self::tiff::complaint as tiff_complaint;

use std::fmt;
use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use image::metadata::Orientation;
use serde::Serialize;

use super::dicom::{MARK, MARK_AT};
use super::levels::Window;
use super::orientation;
use crate::finding::{Finding, FindingKind};
use crate::panics::{Panicked, quietly};

/// Most pixels of an image that is decoded whole.
pub(super) const MAX_PIXELS: u64 = 64_000_000;

/// Most bytes of an ROI and its labels together, decoded.
pub(super) const MAX_ROI_BYTES: u64 = 512 << 20;

/// Most pixels of an image that is read row by row.
const MAX_ROWS_PIXELS: u64 = 10_000_000_000;

/// Bytes of a decoded ROI pixel: three of colour, one of label.
pub(super) const ROI_PIXEL_BYTES: u64 = 4;

/// Longest file that is read, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = crate::file::MOST_BYTES;

/// DEFLATE makes of one byte at most this many (RFC 1951: 258 bytes from two bits).
const MAX_INFLATION: u64 = 1032;

/// Longest Exif chunk of a PNG that is looked at; a picture may be in it.
const MOST_EXIF_BYTES: u64 = 1 << 24;

/// Length of the chunk that a PNG begins with.
const PNG_IHDR_BYTES: usize = 25;

/// Bytes by which a format is known: as many as are before those of a DICOM, with its mark.
const START_BYTES: usize = MARK_AT + MARK.len();

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
pub(super) const PNG_END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";

/// The formats that are read, as messages name them.
pub(super) const READ: &str = "PNG, JPEG, BMP, TIFF, WebP and DICOM";

/// The file formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// Portable Network Graphics.
    Png,
    /// JPEG (JFIF or Exif).
    Jpeg,
    /// Windows bitmap.
    Bmp,
    /// Tagged Image File Format.
    Tiff,
    /// WebP.
    Webp,
    /// Digital Imaging and Communications in Medicine.
    Dicom,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Webp => "WebP",
            Self::Dicom => "DICOM",
        })
    }
}

/// How a file stores its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Mode {
    /// Bits of each channel; 32 are a floating-point number.
    pub bits: u8,
    /// What the channels are.
    pub color: Color,
}

/// What the channels of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Color {
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

impl Mode {
    /// Whether its values are seen through a window.
    pub(crate) fn is_deep(self) -> bool {
        self.bits > 8
    }

    /// Whether its values are floating-point numbers.
    pub(super) fn is_real(self) -> bool {
        self.bits == REAL_BITS
    }
}

/// Bits of a floating-point number.
const REAL_BITS: u8 = 32;

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
        match self.is_real() {
            true => write!(f, "floating-point {color}"),
            false => write!(f, "{}-bit {color}", self.bits),
        }
    }
}

/// What a file says of itself, before any pixel is decoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Header {
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
    /// Whether its compression changed pixels.
    pub lossy: bool,
    /// How what is stored is turned or mirrored to be shown, as Exif says.
    pub orientation: Orientation,
    /// The window through which the file says that its values are seen.
    pub window: Option<Window>,
}

impl Header {
    /// Of a single lossless picture that is shown as stored.
    fn of(format: Format, (width, height): (u32, u32), mode: Mode) -> Self {
        let orientation = Orientation::NoTransforms;
        let (animated, lossy, window) = (false, false, None);
        Self { format, width, height, mode, animated, lossy, orientation, window }
    }

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
    pub(super) fn stored(&self) -> (u32, u32) {
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
pub(crate) enum Limit {
    /// An image that is decoded whole: [`MAX_PIXELS`].
    Image,
    /// A region of interest: [`MAX_ROI_BYTES`] with its labels.
    Roi,
    /// An image of which some rows are in memory at a time: [`MAX_ROWS_PIXELS`].
    Rows,
}

/// What is wrong with a file, without its name.
pub(super) type Complaint = String;

/// Reads what a file says of itself: a few hundred bytes, of a JPEG the whole.
pub(crate) fn read_header(path: &Path, limit: Limit) -> Result<Header, Complaint> {
    // Asked before it is opened, for opening a pipe would wait for someone to write into it.
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("not a file".into());
    }
    let length = metadata.len();
    if limit != Limit::Rows {
        check_length(length)?;
    }
    let mut file = crate::file::open(path).map_err(unreadable)?;
    let mut start = [0; START_BYTES];
    let mut known = 0;
    while known < start.len() {
        match file.read(&mut start[known..]).map_err(unreadable)? {
            0 => break,
            more => known += more,
        }
    }
    let header = match sniff(&start[..known], length)? {
        Format::Png => png_header(&mut rewound(file)?, length)?,
        // Others are read whole, whatever the limit.
        format => {
            check_length(length)?;
            guarded(format, || match format {
                Format::Bmp => bmp::header(&mut rewound(file)?, length),
                Format::Tiff => tiff::header(&mut rewound(file)?, length),
                Format::Webp => webp::header(&mut rewound(file)?, length),
                Format::Dicom => dicom::header(&mut rewound(file)?, length),
                Format::Png | Format::Jpeg => {
                    jpeg_header(&crate::file::read(path).map_err(unreadable)?)
                }
            })?
        }
    };
    check_size(&header, limit)?;
    Ok(header)
}

/// What a decoder makes of a file; a panic, as some have on damaged files, is damage too.
pub(super) fn guarded<T>(
    format: Format,
    decode: impl FnOnce() -> Result<T, Complaint>,
) -> Result<T, Complaint> {
    let failed =
        |panicked: Panicked| format!("a damaged {format}: its decoder failed: {}", panicked.said);
    quietly(decode).map_err(failed)?
}

/// A file from its beginning on.
fn rewound(mut file: File) -> Result<BufReader<File>, Complaint> {
    file.rewind().map_err(unreadable)?;
    Ok(BufReader::with_capacity(512, file))
}

/// What stands against using a file as an image; `Err` if it cannot be used.
pub(super) fn judge_image(header: &Header) -> Result<Option<Finding>, Complaint> {
    if header.mode.color == Color::Cmyk {
        return Err(format!(
            "a CMYK {}, whose colours depend on a profile: convert it to RGB",
            header.format
        ));
    }
    if header.animated {
        let what = "animated images, of which only the first picture is used";
        return Ok(Some(Finding::warning(FindingKind::AnimatedImage, what)));
    }
    Ok(None)
}

/// What stands against using a file as a mask.
pub(super) fn judge_mask(header: &Header) -> Result<(), Complaint> {
    if header.lossy {
        let compressed = match header.format {
            Format::Jpeg => "JPEG".to_string(),
            other => format!("{other} with lossy compression"),
        };
        return Err(format!(
            "a mask in {compressed}, whose losses change labels: masks must be PNG, or another format without losses"
        ));
    }
    if header.animated {
        return Err(format!(
            "a mask in an animated {}: a mask must be a single picture",
            header.format
        ));
    }
    if header.mode.color == Color::Cmyk {
        return Err("a mask in CMYK: its pixels must be codes, or black and white".into());
    }
    if header.mode.is_deep() {
        return Err(format!(
            "a mask with {} bits a channel ({}): masks must have 8 bits or fewer",
            header.mode.bits, header.mode
        ));
    }
    Ok(())
}

pub(super) fn unreadable(error: std::io::Error) -> Complaint {
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
    if start.get(MARK_AT..) == Some(MARK) {
        // What is before may be the beginning of another format, whose programs open the file then too.
        return Ok(Format::Dicom);
    }
    if start.starts_with(PNG_SIGNATURE) {
        return Ok(Format::Png);
    }
    if start.starts_with(b"\xff\xd8\xff") {
        return Ok(Format::Jpeg);
    }
    if matches!(start, [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..]) {
        return Ok(Format::Tiff);
    }
    if start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP") {
        return Ok(Format::Webp);
    }
    if start.starts_with(b"BM") {
        return Ok(Format::Bmp);
    }
    if PNG_SIGNATURE.starts_with(start) || b"\xff\xd8\xff".starts_with(start) {
        return Err(format!("truncated: only {length} bytes"));
    }
    let other = match start {
        [b'G', b'I', b'F', b'8', ..] => "a GIF",
        [b'R', b'I', b'F', b'F', ..] => "a RIFF file, but no WebP",
        [b'%', b'P', b'D', b'F', ..] => "a PDF",
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', ..] => {
            "perhaps a Git LFS pointer, never fetched"
        }
        _ => "none of these",
    };
    Err(format!("not an image that is read here, which are {READ} (this is {other})"))
}

/// Whether a file can be read whole.
fn check_length(length: u64) -> Result<(), Complaint> {
    if length <= MAX_FILE_BYTES {
        return Ok(());
    }
    let (mib, most) = (length >> 20, MAX_FILE_BYTES >> 20);
    Err(format!("a file of {mib} MiB, more than the limit of {most} MiB"))
}

fn check_size(header: &Header, limit: Limit) -> Result<(), Complaint> {
    let (width, height) = (header.width, header.height);
    if width == 0 || height == 0 {
        return Err(format!("an image of {width}x{height} has no pixels"));
    }
    let pixels = u64::from(width) * u64::from(height);
    let too_many = |most: u64| {
        Err(format!(
            "{width}x{height} are {:.1} megapixels, more than the limit of {}",
            pixels as f64 / 1e6,
            most / 1_000_000
        ))
    };
    match limit {
        Limit::Image if pixels > MAX_PIXELS => too_many(MAX_PIXELS),
        Limit::Rows if pixels > MAX_ROWS_PIXELS => too_many(MAX_ROWS_PIXELS),
        Limit::Roi if pixels * ROI_PIXEL_BYTES > MAX_ROI_BYTES => Err(format!(
            "{width}x{height} take {} MiB decoded with labels, more than the limit of {} MiB",
            (pixels * ROI_PIXEL_BYTES) >> 20,
            MAX_ROI_BYTES >> 20
        )),
        Limit::Image | Limit::Roi | Limit::Rows => Ok(()),
    }
}

/// Reads the header chunk and walks to the first pixel data.
fn png_header(file: &mut BufReader<File>, length: u64) -> Result<Header, Complaint> {
    file.seek_relative(PNG_SIGNATURE.len() as i64).map_err(unreadable)?;
    let mut ihdr = [0; PNG_IHDR_BYTES];
    file.read_exact(&mut ihdr).map_err(ends_in_header)?;
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
    let mode = Mode { bits: ihdr[16], color };
    let mut header = Header::of(Format::Png, (word(8), word(12)), mode);
    let (orientation, position) = walk_to_pixels(file, &mut header, length)?;
    can_hold(&header, length, MAX_INFLATION)?;
    if !ends_whole(file, length)? {
        walk_to_end(file, position, length)?;
    }
    Ok(header.shown(orientation))
}

/// The orientation that the chunks before the first pixel data say, and where these begin.
fn walk_to_pixels(
    file: &mut BufReader<File>,
    header: &mut Header,
    length: u64,
) -> Result<(Orientation, u64), Complaint> {
    let mut orientation = Orientation::NoTransforms;
    let mut position = 8 + PNG_IHDR_BYTES as u64;
    loop {
        let (kind, next) = png_chunk(file, position, length)?;
        match &kind {
            b"IDAT" => return Ok((orientation, position)),
            b"IEND" => return Err("a PNG without pixel data".into()),
            b"acTL" => header.animated = true,
            b"eXIf" if next - position <= MOST_EXIF_BYTES => {
                let mut exif = vec![0; (next - position - 12) as usize];
                file.read_exact(&mut exif).map_err(ends_in_header)?;
                orientation = orientation::of(&exif)?.unwrap_or(orientation);
                file.seek_relative(4).map_err(unreadable)?;
                position = next;
                continue;
            }
            _ => {}
        }
        seek_to(file, position, next)?;
        position = next;
    }
}

/// Walks from chunk to chunk until the last.
fn walk_to_end(
    file: &mut BufReader<File>,
    mut position: u64,
    length: u64,
) -> Result<(), Complaint> {
    loop {
        file.seek(SeekFrom::Start(position)).map_err(unreadable)?;
        let (kind, next) = png_chunk(file, position, length)?;
        if &kind == b"IEND" {
            return Ok(());
        }
        position = next;
    }
}

/// Checks that a file is long enough for its pixels where one byte makes at most `inflation` of them.
fn can_hold(header: &Header, length: u64, inflation: u64) -> Result<(), Complaint> {
    let row_bits = u64::from(header.width) * bits_of(&header.mode);
    let raw = u64::from(header.height) * row_bits.div_ceil(8);
    if raw <= length.saturating_mul(inflation) {
        return Ok(());
    }
    Err(format!(
        "truncated or forged: {length} bytes cannot hold {}x{} pixels",
        header.width, header.height
    ))
}

fn ends_in_header(_: std::io::Error) -> Complaint {
    "truncated: the file ends within its header".into()
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
    let mut stating = Vec::new();
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
        let next = after_segment(bytes, at).ok_or_else(truncated)?;
        let segment = bytes.get(at + 4..next).ok_or_else(truncated)?;
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                header = Some(jpeg_frame(segment)?);
            }
            0xe1 => stating.push(segment),
            0xda => break,
            _ => {}
        }
        at = next;
    }
    let header = header.ok_or("a damaged JPEG: no frame header")?;
    if !bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]) {
        return Err(truncated());
    }
    let turn = orientation::of_segments(&stating)?;
    Ok(header.shown(turn.unwrap_or(Orientation::NoTransforms)))
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
    let size = [[w1, w0], [h1, h0]].map(|side| u32::from(u16::from_be_bytes(side)));
    let header = Header::of(Format::Jpeg, size.into(), Mode { bits, color });
    Ok(Header { lossy: true, ..header })
}

/// Where the segment behind this one begins.
pub(super) fn after_segment(bytes: &[u8], at: usize) -> Option<usize> {
    let size = bytes.get(at + 2..at + 4)?;
    Some(at + 2 + usize::from(u16::from_be_bytes([size[0], size[1]])).max(2))
}
