//! What a reader sees of a case: image, truth, probability, prediction and where they differ.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use image::{GrayImage, ImageFormat, Rgb, RgbImage};

use super::predictor::Probabilities;
use crate::data::{Decoded, IGNORE};
use crate::error::{Error, Result};
use crate::loss::Outputs;
use crate::spec::Settled;

/// Longest side of a picture, in pixels.
pub(super) const LONGEST_SIDE: u32 = 256;

/// Colour of a true positive, a false positive and a false negative: the blue, orange and purple of
/// a palette that people with any colour vision can distinguish (Okabe and Ito 2008).
pub const TRUE_POSITIVE: [u8; 3] = [0, 158, 115];
/// Colour of a pixel wrongly predicted as foreground.
pub const FALSE_POSITIVE: [u8; 3] = [230, 159, 0];
/// Colour of a foreground pixel that was missed.
pub const FALSE_NEGATIVE: [u8; 3] = [213, 64, 140];

/// Colours of classes, by number; they repeat after the last.
const CLASS_COLOURS: [[u8; 3]; 22] = [
    [213, 94, 0],
    [0, 114, 178],
    [240, 228, 66],
    [0, 158, 115],
    [204, 121, 167],
    [86, 180, 233],
    [230, 159, 0],
    [128, 62, 117],
    [193, 0, 32],
    [129, 112, 102],
    [0, 125, 52],
    [246, 118, 142],
    [0, 83, 138],
    [255, 122, 92],
    [83, 55, 122],
    [179, 40, 81],
    [244, 200, 0],
    [127, 24, 13],
    [147, 170, 0],
    [89, 51, 21],
    [241, 58, 19],
    [35, 44, 22],
];

/// Pictures of one case: the image as JPEG, the others as PNG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CasePictures {
    /// The image.
    pub image: Vec<u8>,
    /// The true mask; `None` if unlabelled.
    pub truth: Option<Vec<u8>>,
    /// The probability of the foreground, or of the likeliest class.
    pub probability: Vec<u8>,
    /// The predicted mask.
    pub prediction: Vec<u8>,
    /// Where truth and prediction differ; `None` if unlabelled.
    pub error: Option<Vec<u8>>,
}

/// Draws a case at its own shape, its longest side at most 256 pixels.
///
/// # Errors
/// If the image has no pixels.
pub fn draw(
    decoded: &Decoded,
    probabilities: &Probabilities,
    outputs: Outputs,
    settled: &Settled,
) -> Result<CasePictures> {
    let image = shown(&decoded.image);
    let (width, height) = image.dimensions();
    let truth = decoded
        .labels
        .as_ref()
        .map(|labels| resize(labels, width, height, FilterType::Nearest).into_raw());
    let seen = probabilities.resized(width as usize, height as usize)?;
    let labels = seen.labels(outputs, settled, decoded.image.dimensions());
    let pixels = (width * height) as usize;
    let likeliest = highest(&seen.values, pixels);
    let size = (width, height);
    Ok(CasePictures {
        image: jpeg(&image)?,
        truth: truth.as_ref().map(|truth| mask(truth, size, outputs)).transpose()?,
        probability: png_gray(likeliest, size)?,
        prediction: mask(&labels, size, outputs)?,
        error: truth.map(|truth| png_rgb(&errors(&labels, &truth, size, outputs))).transpose()?,
    })
}

/// The highest probability of each pixel, from 0 to 255.
///
/// # Shapes
/// - values: `[channels, pixels]`
pub fn highest(values: &[f32], pixels: usize) -> Vec<u8> {
    let of = |pixel: usize| {
        let values = values[pixel..].iter().step_by(pixels);
        (values.fold(0.0_f32, |highest, &value| highest.max(value)) * 255.0).round() as u8
    };
    (0..pixels).map(of).collect()
}

/// An image at its own shape, its longest side at most 256 pixels.
pub fn shown(image: &RgbImage) -> RgbImage {
    let (width, height) = image.dimensions();
    let scale = f64::from(LONGEST_SIDE) / f64::from(width.max(height).max(1));
    let side = |length: u32| ((f64::from(length) * scale.min(1.0)).round() as u32).max(1);
    resize(image, side(width), side(height), FilterType::Triangle)
}

/// The image with the predicted mask over it: half transparent, its edge opaque.
///
/// # Errors
/// If the picture cannot be encoded.
pub fn overlay(image: &RgbImage, labels: &[u8], outputs: Outputs) -> Result<Vec<u8>> {
    let width = image.width() as usize;
    let mut out = image.clone();
    let rows: Vec<&[u8]> = labels.chunks_exact(width.max(1)).collect();
    for (y, pixels) in out.chunks_exact_mut(3 * width.max(1)).enumerate() {
        let above = y.checked_sub(1).map(|above| rows[above]);
        overlay_row(pixels, [above, Some(rows[y]), rows.get(y + 1).copied()], outputs);
    }
    png_rgb(&out)
}

/// A row of an image with the predicted mask over it, as [`overlay`]: of the rows of labels above it, of its own and below
/// it, `None` is beyond the image.
pub fn overlay_row(pixels: &mut [u8], [above, own, below]: [Option<&[u8]>; 3], outputs: Outputs) {
    let Some(own) = own else { return };
    for (x, pixel) in pixels.chunks_exact_mut(3).enumerate() {
        let label = own[x];
        let Some(colour) = colour(label, outputs) else { continue };
        let beside = [x.checked_sub(1).map(|left| own[left]), own.get(x + 1).copied()];
        let around = [above.map(|row| row[x]), below.map(|row| row[x])];
        let edge = beside.into_iter().chain(around).any(|other| other != Some(label));
        let weight = if edge { 255 } else { 90 };
        for (value, colour) in pixel.iter_mut().zip(colour) {
            let mixed = u32::from(*value) * (255 - weight) + u32::from(colour) * weight;
            *value = (mixed / 255) as u8;
        }
    }
}

/// A mask as a picture: white on black for one foreground, a colour a class otherwise, gray where
/// there is no label.
fn mask(labels: &[u8], size: (u32, u32), outputs: Outputs) -> Result<Vec<u8>> {
    png_rgb(&paint(labels.iter().copied(), size, |label| match (label, outputs) {
        (IGNORE, _) => [128; 3],
        (0, Outputs::Binary) => [0; 3],
        (_, Outputs::Binary) => [255; 3],
        (label, Outputs::Classes(_) | Outputs::Images(_)) => {
            colour(label, outputs).unwrap_or([0; 3])
        }
    }))
}

/// Where truth and prediction differ. Several classes: right pixels dark, wrong ones coloured.
fn errors(labels: &[u8], truth: &[u8], size: (u32, u32), outputs: Outputs) -> RgbImage {
    let pairs = labels.iter().copied().zip(truth.iter().copied());
    paint(pairs, size, |(label, truth)| match (label, truth, outputs) {
        (_, IGNORE, _) => [128; 3],
        (0, 0, Outputs::Binary) => [24; 3],
        (_, 0, Outputs::Binary) => FALSE_POSITIVE,
        (0, _, Outputs::Binary) => FALSE_NEGATIVE,
        (_, _, Outputs::Binary) => TRUE_POSITIVE,
        (label, truth, Outputs::Classes(_) | Outputs::Images(_)) if label == truth => [24; 3],
        (_, _, Outputs::Classes(_) | Outputs::Images(_)) => FALSE_POSITIVE,
    })
}

/// Colour of a label in overlays; none for background and ignored pixels.
pub fn colour(label: u8, outputs: Outputs) -> Option<[u8; 3]> {
    match (label, outputs) {
        (IGNORE, _) | (0, Outputs::Binary) => None,
        (_, Outputs::Binary) => Some(TRUE_POSITIVE),
        (label, Outputs::Classes(_) | Outputs::Images(_)) => Some(class_colour(label)),
    }
}

/// The colour of one of several classes.
pub fn class_colour(class: u8) -> [u8; 3] {
    CLASS_COLOURS[usize::from(class) % CLASS_COLOURS.len()]
}

fn paint<T>(
    pixels: impl Iterator<Item = T>,
    (width, height): (u32, u32),
    colour: impl Fn(T) -> [u8; 3],
) -> RgbImage {
    let mut image = RgbImage::new(width, height);
    for (pixel, value) in image.pixels_mut().zip(pixels) {
        *pixel = Rgb(colour(value));
    }
    image
}

/// A photograph as a JPEG file: a third of its size as PNG.
///
/// # Errors
/// If it cannot be encoded.
pub fn jpeg(image: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 88)
        .encode_image(image)
        .map_err(|error| Error::failed(format!("cannot encode a picture: {error}")))?;
    Ok(bytes)
}

/// An RGB picture as a PNG file.
///
/// # Errors
/// If it cannot be encoded.
pub fn png_rgb(image: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|error| Error::failed(format!("cannot encode a picture: {error}")))?;
    Ok(bytes.into_inner())
}

/// A gray picture as a PNG file.
///
/// # Errors
/// If there are not as many values as pixels.
pub fn png_gray(values: Vec<u8>, (width, height): (u32, u32)) -> Result<Vec<u8>> {
    let image = GrayImage::from_raw(width, height, values)
        .ok_or_else(|| Error::failed("a picture has not as many values as pixels"))?;
    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|error| Error::failed(format!("cannot encode a picture: {error}")))?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_coloured_by_kind_and_ignored_pixels_are_gray() {
        let picture = errors(&[1, 1, 0, 0, 1], &[1, 0, 1, 0, IGNORE], (5, 1), Outputs::Binary);
        let expected = [TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE, [24; 3], [128; 3]].concat();
        assert_eq!(picture.into_raw(), expected);
    }

    #[test]
    fn a_wide_image_keeps_its_shape() {
        let decoded = Decoded::new(RgbImage::new(512, 128));
        let probabilities = Probabilities {
            width: 4,
            height: 4,
            values: vec![0.7; 16],
            of_image: Vec::new(),
            no_stains: None,
        };
        let pictures =
            draw(&decoded, &probabilities, Outputs::Binary, &Settled::network()).unwrap();
        let prediction = image::load_from_memory(&pictures.prediction).unwrap();
        assert_eq!((prediction.width(), prediction.height()), (256, 64));
        assert!(pictures.truth.is_none() && pictures.error.is_none());
        let probability = image::load_from_memory(&pictures.probability).unwrap().to_luma8();
        assert_eq!(probability.get_pixel(3, 3).0, [179]);
    }

    #[test]
    fn an_overlay_leaves_the_background_as_it_is() {
        let image = RgbImage::from_pixel(3, 3, Rgb([10, 20, 30]));
        let mut labels = vec![0; 9];
        labels[4] = 1;
        let bytes = overlay(&image, &labels, Outputs::Binary).unwrap();
        let shown = image::load_from_memory(&bytes).unwrap().to_rgb8();
        assert_eq!(shown.get_pixel(0, 0).0, [10, 20, 30]);
        assert_eq!(shown.get_pixel(1, 1).0, TRUE_POSITIVE);
    }
}
