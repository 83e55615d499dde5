//! Near-duplicate images: the same picture rescaled, exported again, or with callipers moved.
//!
//! BUSI holds many (Pawlowska et al. 2023, Data in Brief 48:109247), some under two labels; a split
//! that parts them measures memory. Images are compared as 32 x 32 thumbnails by their correlation,
//! which does not mind brightness and contrast.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use rayon::prelude::*;

use super::case::Dataset;
use super::open::decode_pixels;
use crate::error::{Error, Result};

/// Side of a thumbnail, in pixels.
const SIDE: u32 = 32;

/// Pixels of a thumbnail.
const PIXELS: usize = (SIDE * SIDE) as usize;

/// Correlation from which two images count as one.
pub const SAME: f32 = 0.98;

/// A thumbnail of mean 0 and norm 1; all 0 for an image without any contrast.
pub type Thumbnail = Box<[f32; PIXELS]>;

/// Averages an image down to a normalised grey thumbnail (ITU-R BT.601 luma).
///
/// # Errors
/// An image without pixels.
pub fn thumbnail(image: &RgbImage) -> Result<Thumbnail> {
    let failed = |why: String| Error::failed(format!("no thumbnail: {why}"));
    let from = ImageRef::new(image.width(), image.height(), image.as_raw(), PixelType::U8x3)
        .map_err(|error| failed(error.to_string()))?;
    let mut into = Image::new(SIDE, SIDE, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box));
    Resizer::new().resize(&from, &mut into, &options).map_err(|error| failed(error.to_string()))?;
    let mut thumbnail = Box::new([0.0; PIXELS]);
    for (value, pixel) in thumbnail.iter_mut().zip(into.buffer().chunks_exact(3)) {
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
        *value = 0.299 * red + 0.587 * green + 0.114 * blue;
    }
    let mean = sum(&thumbnail, |value| value) / PIXELS as f32;
    thumbnail.iter_mut().for_each(|value| *value -= mean);
    let norm = sum(&thumbnail, |value| value * value).sqrt();
    let scale = if norm > 1.0 { 1.0 / norm } else { 0.0 };
    thumbnail.iter_mut().for_each(|value| *value *= scale);
    Ok(thumbnail)
}

fn sum(values: &[f32; PIXELS], of: impl Fn(f32) -> f32) -> f32 {
    values.iter().map(|&value| of(value)).sum()
}

/// Correlation of two thumbnails, from -1 to 1. The order of additions is fixed.
pub fn correlation(a: &Thumbnail, b: &Thumbnail) -> f32 {
    let mut lanes = [0.0f32; 16];
    for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum()
}

/// Clusters images that are linked by pairs of near duplicates: for each, the index of the first
/// of its cluster.
pub fn clusters(thumbnails: &[Thumbnail]) -> Vec<usize> {
    let pairs: Vec<Vec<usize>> = (0..thumbnails.len())
        .into_par_iter()
        .map(|first| {
            let rest = first + 1..thumbnails.len();
            rest.filter(|&second| correlation(&thumbnails[first], &thumbnails[second]) >= SAME)
                .collect()
        })
        .collect();
    let mut parents: Vec<usize> = (0..thumbnails.len()).collect();
    for (first, seconds) in pairs.into_iter().enumerate() {
        for second in seconds {
            let (a, b) = (root(&mut parents, first), root(&mut parents, second));
            parents[a.max(b)] = a.min(b);
        }
    }
    (0..thumbnails.len()).map(|index| root(&mut parents, index)).collect()
}

fn root(parents: &mut [usize], mut index: usize) -> usize {
    while parents[index] != index {
        parents[index] = parents[parents[index]];
        index = parents[index];
    }
    index
}

/// The cluster of near duplicates that each case is in, named for the first case of it.
///
/// # Errors
/// An image that cannot be decoded.
pub fn duplicate_groups(dataset: &Dataset) -> Result<Vec<String>> {
    let thumbnails = dataset
        .cases
        .par_iter()
        .map(|case| thumbnail(&decode_pixels(dataset, case)?))
        .collect::<Result<Vec<_>>>()?;
    let clusters = clusters(&thumbnails);
    Ok(clusters.into_iter().map(|first| dataset.cases[first].id.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(width: u32, height: u32, phase: f32, gain: f32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let value = 100.0 + gain * (9.0 * u + phase).sin() * (7.0 * v).cos();
            image::Rgb([value as u8; 3])
        })
    }

    #[test]
    fn a_rescaled_picture_with_other_contrast_is_the_same() {
        let a = thumbnail(&pattern(400, 300, 0.0, 80.0)).unwrap();
        let b = thumbnail(&pattern(250, 260, 0.0, 50.0)).unwrap();
        assert!(correlation(&a, &b) > SAME, "{}", correlation(&a, &b));
        let other = thumbnail(&pattern(400, 300, 1.5, 80.0)).unwrap();
        assert!(correlation(&a, &other) < 0.5, "{}", correlation(&a, &other));
    }

    #[test]
    fn pictures_without_contrast_are_like_nothing() {
        let flat = thumbnail(&RgbImage::from_pixel(50, 40, image::Rgb([7; 3]))).unwrap();
        assert_eq!(correlation(&flat, &flat), 0.0);
    }

    #[test]
    fn clusters_are_named_for_their_first_and_links_carry_over() {
        let tilted = |angle: f32| {
            let mut thumbnail = Box::new([0.0; PIXELS]);
            (thumbnail[0], thumbnail[1]) = (angle.cos(), angle.sin());
            thumbnail
        };
        // 0.15 radians apart: correlation 0.989; 0.3: 0.955, linked only through the one between.
        let thumbnails = [tilted(0.0), tilted(1.5), tilted(0.3), tilted(0.15)];
        assert_eq!(clusters(&thumbnails), [0, 1, 0, 0]);
        assert_eq!(clusters(&thumbnails[..3]), [0, 1, 2]);
    }
}
