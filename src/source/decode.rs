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
//! - CMYK is refused, since its colours depend on a profile that is rarely sent along;
//! - a camera's Exif orientation is applied, as any viewer does, to masks too where they carry one; a PNG that says
//!   otherwise behind its pixels, in a text or in XMP is refused, for viewers differ.

mod rows;
#[cfg(test)]
mod tests;

pub use rows::Rows;

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, GrayImage, RgbImage};
use png::{BitDepth, ColorType, Transformations};
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::codes::{CodeCount, found_codes};
use super::foreground::ForegroundSpec;
use super::header::{
    Color, Complaint, Format, Header, Limit, after_segment, judge_image, judge_mask, read_header,
    unreadable,
};
use super::levels::{Levels, Window};
use super::mask_values::{MaskValues, is_lesion};
use super::orientation::stated as stated_orientations;
use super::picture_values::{DeepValues, PictureValues};
use super::sizes::{BothSizes, resize_labels};
use crate::error::{Error, Result};

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
pub(crate) fn count_levels(path: &Path, limit: Limit, counts: &mut [u64]) -> Result<()> {
    let mut count = || {
        let header = read_header(path, limit)?;
        if header.mode.bits < 16 {
            return Ok(());
        }
        let bytes = crate::file::read(path).map_err(unreadable)?;
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

/// An image, read through `levels`, and what it holds.
pub(super) fn picture(
    path: &Path,
    limit: Limit,
    levels: Levels,
) -> Result<(RgbImage, PictureValues)> {
    let values = || {
        let (header, stored) = stored(path, limit)?;
        let (mut alpha_varies, mut deep) = (false, None);
        if let Stored::Png(picture) = &stored {
            let bytes = if header.mode.bits == 16 { 2 } else { 1 };
            alpha_varies = has_alpha_that_varies(picture, bytes);
            deep = (bytes == 2).then(|| DeepValues::of(&colours_16(picture), levels.window()));
        }
        let image = shown(stored, &header, levels)?;
        let values = PictureValues::of(&image, alpha_varies, deep);
        Ok((image, values))
    };
    values().map_err(naming(path))
}

/// Decodes a mask that separates lesion from background: 1 where a pixel is lesion.
pub fn decode_binary(path: &Path, foreground: &ForegroundSpec) -> Result<GrayImage> {
    binary(path, foreground).map_err(naming(path))
}

/// What a mask that separates lesion from background holds, and its pixels of lesion at the network's size, if there is
/// one.
pub(super) fn mask_values(
    path: &Path,
    foreground: &ForegroundSpec,
    size: Option<u32>,
) -> Result<(MaskValues, u64)> {
    let values = || {
        let (header, picture) = mask_picture(path, Limit::Image, Transformations::EXPAND)?;
        let values = MaskValues::of(header.stored().0, mask_pixels(&picture), foreground);
        let network = match size {
            Some(size) => lesion_pixels(&lesion_labels(&header, &picture, foreground)?, size),
            None => values.extent.pixels,
        };
        Ok((values, network))
    };
    values().map_err(naming(path))
}

/// Pixels of lesion that are left of the labels of a mask at `size` x `size`.
pub(super) fn lesion_pixels(labels: &GrayImage, size: u32) -> u64 {
    resize_labels(labels, size).into_iter().filter(|&label| label == 1).count() as u64
}

/// Codes of a mask with their pixels, at its own size and, if there is one, at the network's.
pub(super) fn code_counts(
    path: &Path,
    limit: Limit,
    size: Option<u32>,
) -> Result<BothSizes<Vec<CodeCount>>> {
    let codes = decode_codes(path, limit)?;
    let own = found_codes(codes.as_raw());
    let network = match size {
        Some(size) if (size, size) != codes.dimensions() => {
            found_codes(&resize_labels(&codes, size))
        }
        _ => own.clone(),
    };
    Ok(BothSizes { own, network })
}

/// Decodes a mask whose pixel values, or palette indices, are codes.
pub(crate) fn decode_codes(path: &Path, limit: Limit) -> Result<GrayImage> {
    codes(path, limit).map_err(naming(path))
}

/// The message of an error without the file's name in front.
pub(crate) fn plain(error: &Error, path: &Path) -> String {
    let text = error.to_string();
    text.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&text).to_string()
}

fn naming(path: &Path) -> impl Fn(Complaint) -> Error {
    move |complaint| Error::user(format!("{}: {complaint}", path.display()))
}

/// The pixels of an image as they are stored.
enum Stored {
    Png(Picture),
    Jpeg(RgbImage),
}

fn stored(path: &Path, limit: Limit) -> Result<(Header, Stored), Complaint> {
    let header = read_header(path, limit)?;
    judge_image(&header)?;
    let bytes = crate::file::read(path).map_err(unreadable)?;
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

fn mask_picture(
    path: &Path,
    limit: Limit,
    transformations: Transformations,
) -> Result<(Header, Picture), Complaint> {
    let header = read_header(path, limit)?;
    judge_mask(&header)?;
    let bytes = crate::file::read(path).map_err(unreadable)?;
    let picture = png_pixels(&bytes, &header, transformations)?;
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
    let (header, picture) = mask_picture(path, Limit::Image, Transformations::EXPAND)?;
    if matches!(foreground, ForegroundSpec::AlphaAbove(_)) && !picture.channels.is_multiple_of(2) {
        return Err("a mask without alpha channel, which `dataset.foreground` reads".into());
    }
    lesion_labels(&header, &picture, foreground)
}

/// 1 where a pixel is lesion, 0 elsewhere.
fn lesion_labels(
    header: &Header,
    picture: &Picture,
    foreground: &ForegroundSpec,
) -> Result<GrayImage, Complaint> {
    let labels = mask_pixels(picture)
        .map(|(colour, alpha)| u8::from(is_lesion(foreground, colour, alpha)))
        .collect();
    gray_image(header, labels)
}

/// Labels or codes of each stored pixel as the image that is shown.
fn gray_image(header: &Header, data: Vec<u8>) -> Result<GrayImage, Complaint> {
    let (width, height) = header.stored();
    let image =
        GrayImage::from_raw(width, height, data).ok_or("a damaged PNG: pixels are missing")?;
    Ok(turned(image, header, DynamicImage::ImageLuma8, DynamicImage::into_luma8))
}

fn codes(path: &Path, limit: Limit) -> Result<GrayImage, Complaint> {
    let (header, picture) = mask_picture(path, limit, Transformations::IDENTITY)?;
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
