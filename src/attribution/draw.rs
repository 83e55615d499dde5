//! A heat map over its image.

use image::imageops::{FilterType, crop_imm, replace, resize};
use image::{Rgb, RgbImage};

use super::Heat;
use crate::error::Result;
use crate::evaluate::Probabilities;

/// Colours from 0 to 1, evenly spaced: dark blue over green to yellow, of a lightness that rises evenly (after
/// viridis, Smith and van der Walt 2015).
const COLOURS: [[u8; 3]; 5] =
    [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

/// Paints a heat map over an image of any size: the hotter, the less of the image is seen.
///
/// # Errors
/// If the image or the map has no pixels.
pub fn heat_over(image: &RgbImage, heat: &Heat) -> Result<RgbImage> {
    let heat = sized(image, heat)?;
    let mut out = image.clone();
    for (pixel, &value) in out.pixels_mut().zip(&heat.values) {
        let weight = 0.2 + 0.5 * value;
        for (seen, colour) in pixel.0.iter_mut().zip(colour(value)) {
            *seen = (f32::from(*seen) * (1.0 - weight) + colour * weight).round() as u8;
        }
    }
    Ok(out)
}

/// A heat map at the size of an image.
fn sized(image: &RgbImage, heat: &Heat) -> Result<Probabilities> {
    let (width, height) = image.dimensions();
    heat.clone().resized(width as usize, height as usize)
}

/// 1 where the heat is at least half of its highest, at the size of an image, else 0.
///
/// # Errors
/// If the image or the map has no pixels.
pub fn hot(image: &RgbImage, heat: &Heat) -> Result<Vec<u8>> {
    Ok(sized(image, heat)?.values.iter().map(|&value| u8::from(value >= 0.5)).collect())
}

/// Image, what was found in it (with a margin of a tenth of its size), and heat over the image, side by side;
/// the middle is empty where nothing was found.
///
/// # Errors
/// If the image or the map has no pixels.
pub fn panels(image: &RgbImage, labels: &[u8], heat: &Heat) -> Result<RgbImage> {
    /// Pixels between panels.
    const GAP: u32 = 8;
    let (width, height) = image.dimensions();
    let mut out = RgbImage::from_pixel(3 * width + 2 * GAP, height, Rgb([255; 3]));
    replace(&mut out, image, 0, 0);
    if let Some([left, top, right, bottom]) = bounds(labels, width) {
        let margin = |from: u32, to: u32| (to - from) / 10 + 1;
        let (x, y) = (margin(left, right), margin(top, bottom));
        let [left, top] = [left.saturating_sub(x), top.saturating_sub(y)];
        let [right, bottom] = [(right + x).min(width), (bottom + y).min(height)];
        let part = crop_imm(image, left, top, right - left, bottom - top).to_image();
        let scale = (width as f32 / part.width() as f32).min(height as f32 / part.height() as f32);
        let side = |length: u32| ((length as f32 * scale) as u32).max(1);
        let part = resize(&part, side(part.width()), side(part.height()), FilterType::Triangle);
        replace(&mut out, &part, i64::from(width + GAP), 0);
    }
    replace(&mut out, &heat_over(image, heat)?, i64::from(2 * (width + GAP)), 0);
    Ok(out)
}

/// Left, top, right and bottom of what has another label than 0, the last two exclusive.
fn bounds(labels: &[u8], width: u32) -> Option<[u32; 4]> {
    let places = labels.iter().enumerate().filter(|(_, label)| **label != 0);
    let places = places.map(|(index, _)| [index as u32 % width, index as u32 / width]);
    places.fold(None, |bounds, [x, y]| {
        let [left, top, right, bottom] = bounds.unwrap_or([x, y, x, y]);
        Some([left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)])
    })
}

fn colour(value: f32) -> [f32; 3] {
    let place = value.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f32;
    let below = (place as usize).min(COLOURS.len() - 2);
    let part = place - below as f32;
    std::array::from_fn(|channel| {
        let [a, b] = [below, below + 1].map(|index| f32::from(COLOURS[index][channel]));
        a + part * (b - a)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hottest_place_is_the_brightest() {
        let image = RgbImage::from_pixel(4, 2, image::Rgb([100; 3]));
        let heat = Heat { width: 2, height: 1, values: vec![0.0, 1.0] };
        let drawn = heat_over(&image, &heat).unwrap();
        let sum = |x: u32| drawn.get_pixel(x, 0).0.iter().map(|&v| u32::from(v)).sum::<u32>();
        assert!(sum(3) > sum(2) && sum(2) > sum(1) && sum(1) >= sum(0));
        let found = [0, 0, 1, 0, 0, 0, 0, 0];
        assert_eq!(bounds(&found, 4), Some([2, 0, 3, 1]));
        assert_eq!(bounds(&[0; 8], 4), None);
        assert_eq!(panels(&image, &found, &heat).unwrap().dimensions(), (28, 2));
        assert_eq!(colour(1.0), [253.0, 231.0, 37.0]);
        assert_eq!(colour(0.5), [33.0, 145.0, 140.0]);
    }
}
