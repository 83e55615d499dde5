//! Image files into pixels, with nothing taken on trust.
//!
//! What a file claims is checked against limits before memory is taken for it, and every complaint
//! says what was found and what would be right. Decisions that cannot be seen from outside:
//!
//! - the format is what the first bytes say, whatever the name says;
//! - transparency is dropped, not blended: the published RGBA masks carry it by accident;
//! - images of 16 bits or of floating-point numbers are read through a window that the spec declares; masks of more than
//!   8 bits are refused, for their codes are unclear;
//! - an animated image is its default picture; an animated mask is refused, and so is a TIFF of several pages;
//! - a DICOM has one frame; what its values mean is what its attributes say, and a window that the spec declares goes
//!   before the file's own;
//! - CMYK is refused, since its colours depend on a profile that is rarely sent along;
//! - a camera's Exif orientation is applied, as any viewer does, to masks too where they carry one; a PNG that says
//!   otherwise behind its pixels, in a text or in XMP is refused, for viewers differ.

mod bmp;
mod dicom;
#[cfg(test)]
mod dicom_tests;
#[cfg(test)]
mod format_tests;
mod jpeg;
mod picture;
mod png;
mod rle;
mod rows;
#[cfg(test)]
mod tests;
mod tiff;
mod webp;

pub use rows::Rows;

use std::path::Path;

use image::{DynamicImage, GrayImage, RgbImage};

use self::picture::{Picture, Reading};
use super::codes::{CodeCount, found_codes};
use super::foreground::ForegroundSpec;
use super::header::{
    Complaint, Format, Header, Limit, guarded, judge_image, judge_mask, read_header, unreadable,
};
use super::levels::{Levels, Window};
use super::mask_values::{MaskValues, is_lesion};
use super::picture_values::{DeepValues, PictureValues};
use super::sizes::{BothSizes, labels_in};
use crate::error::{Error, Result};
use crate::frame::Frame;

/// Decodes an image file to RGB.
///
/// # Errors
/// A user's error that names the file, when it is missing, broken, too large or of a kind that is
/// not read.
pub fn decode_image(path: &Path, levels: Levels) -> Result<RgbImage> {
    decode_rgb(path, Limit::Image, levels)
}

/// Width and height of an image as it is shown, by what its file says of itself.
///
/// # Errors
/// As [`decode_image`], of what a header tells.
pub(crate) fn image_size(path: &Path, limit: Limit) -> Result<(u32, u32)> {
    let header = read_header(path, limit).map_err(naming(path))?;
    Ok((header.width, header.height))
}

/// Decodes an image file to RGB within a limit.
pub(super) fn decode_rgb(path: &Path, limit: Limit, levels: Levels) -> Result<RgbImage> {
    rgb(path, limit, levels).map_err(naming(path))
}

/// Counts the 16-bit values of an image, of all its channels but alpha; nothing for an image of 8 bits.
///
/// # Errors
/// As [`decode_image`], and for an image of floating-point numbers.
pub(crate) fn count_levels(path: &Path, limit: Limit, counts: &mut [u64]) -> Result<()> {
    let mut count = || {
        let header = read_header(path, limit)?;
        match header.mode.is_deep() {
            true => pixels(path, &header, Reading::Colours)?.count(counts),
            false => Ok(()),
        }
    };
    count().map_err(naming(path))
}

/// From the least to the greatest of an image's values where these are floating-point numbers; `None` for others.
///
/// # Errors
/// As [`decode_image`].
pub(crate) fn real_window(path: &Path, limit: Limit) -> Result<Option<Window>> {
    let window = || {
        let (header, picture) = image_picture(path, limit)?;
        let counted = picture.counted().filter(|_| header.mode.is_real());
        Ok(counted.map(|counted| Window::around(counted.into_iter().map(|(value, _)| value))))
    };
    window().map_err(naming(path))
}

/// An image, read through `levels`, and what it holds.
pub(super) fn picture(
    path: &Path,
    limit: Limit,
    levels: Levels,
) -> Result<(RgbImage, PictureValues)> {
    let values = || {
        let (header, picture) = image_picture(path, limit)?;
        let alpha_varies = picture.has_alpha_that_varies();
        let window = levels.or_own(header.window).window();
        let deep = picture.counted().map(|counted| DeepValues::of(&counted, window));
        let image = shown(picture, &header, levels)?;
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
    frame: Option<Frame>,
) -> Result<(MaskValues, u64)> {
    let values = || {
        let (header, picture) = mask_picture(path, Limit::Image, Reading::Colours)?;
        let values = MaskValues::of(header.stored().0, picture.mask_pixels()?, foreground);
        let network = match frame {
            Some(frame) => lesion_pixels(&lesion_labels(&header, &picture, foreground)?, frame),
            None => values.extent.pixels,
        };
        Ok((values, network))
    };
    values().map_err(naming(path))
}

/// Pixels of lesion that are left of the labels of a mask in a frame.
pub(super) fn lesion_pixels(labels: &GrayImage, frame: Frame) -> u64 {
    labels_in(labels, frame).into_iter().filter(|&label| label == 1).count() as u64
}

/// Codes of a mask with their pixels, at its own size and, if there is one, at the network's.
pub(super) fn code_counts(
    path: &Path,
    limit: Limit,
    frame: Option<Frame>,
) -> Result<BothSizes<Vec<CodeCount>>> {
    let codes = decode_codes(path, limit)?;
    let own = found_codes(codes.as_raw());
    let network = match frame {
        Some(frame) if (frame.width, frame.height) != codes.dimensions() => {
            found_codes(&labels_in(&codes, frame))
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

/// The pixels of a file as they are stored.
fn pixels(path: &Path, header: &Header, reading: Reading) -> Result<Picture, Complaint> {
    let bytes = crate::file::read(path).map_err(unreadable)?;
    guarded(header.format, || match header.format {
        Format::Png => png::picture(&bytes, header, reading),
        Format::Jpeg => jpeg::picture(&bytes, header),
        Format::Bmp => bmp::picture(&bytes, header, reading),
        Format::Tiff => tiff::picture(&bytes, header, reading),
        Format::Webp => webp::picture(&bytes, header),
        Format::Dicom => dicom::picture(&bytes, header, reading),
    })
}

fn image_picture(path: &Path, limit: Limit) -> Result<(Header, Picture), Complaint> {
    let header = read_header(path, limit)?;
    judge_image(&header)?;
    let picture = pixels(path, &header, Reading::Colours)?;
    Ok((header, picture))
}

/// The image that is shown.
fn shown(picture: Picture, header: &Header, levels: Levels) -> Result<RgbImage, Complaint> {
    let (width, height) = header.stored();
    let image = RgbImage::from_raw(width, height, picture.into_rgb(levels.or_own(header.window))?)
        .ok_or_else(|| pixels_missing(header))?;
    Ok(turned(image, header, DynamicImage::ImageRgb8, DynamicImage::into_rgb8))
}

fn pixels_missing(header: &Header) -> Complaint {
    format!("a damaged {}: pixels are missing", header.format)
}

fn rgb(path: &Path, limit: Limit, levels: Levels) -> Result<RgbImage, Complaint> {
    let (header, picture) = image_picture(path, limit)?;
    shown(picture, &header, levels)
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

fn mask_picture(
    path: &Path,
    limit: Limit,
    reading: Reading,
) -> Result<(Header, Picture), Complaint> {
    let header = read_header(path, limit)?;
    judge_mask(&header)?;
    let picture = pixels(path, &header, reading)?;
    Ok((header, picture))
}

fn binary(path: &Path, foreground: &ForegroundSpec) -> Result<GrayImage, Complaint> {
    let (header, picture) = mask_picture(path, Limit::Image, Reading::Colours)?;
    if matches!(foreground, ForegroundSpec::AlphaAbove(_)) && !picture.has_alpha() {
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
    let labels = picture
        .mask_pixels()?
        .map(|(colour, alpha)| u8::from(is_lesion(foreground, colour, alpha)))
        .collect();
    gray_image(header, labels)
}

/// Labels or codes of each stored pixel as the image that is shown.
fn gray_image(header: &Header, data: Vec<u8>) -> Result<GrayImage, Complaint> {
    let (width, height) = header.stored();
    let image = GrayImage::from_raw(width, height, data).ok_or_else(|| pixels_missing(header))?;
    Ok(turned(image, header, DynamicImage::ImageLuma8, DynamicImage::into_luma8))
}

fn codes(path: &Path, limit: Limit) -> Result<GrayImage, Complaint> {
    let (header, picture) = mask_picture(path, limit, Reading::Stored)?;
    let (data, channels) = picture.eight_bits()?;
    let mut pixels = data.chunks_exact(channels);
    if let Some(pixel) =
        pixels.find(|pixel| channels > 2 && (pixel[0] != pixel[1] || pixel[1] != pixel[2]))
    {
        return Err(format!(
            "a mask in colour (a pixel is {}, {}, {}): its pixels must be codes, with equal channels",
            pixel[0], pixel[1], pixel[2]
        ));
    }
    let codes = data.chunks_exact(channels).map(|pixel| pixel[0]).collect();
    gray_image(&header, codes)
}
