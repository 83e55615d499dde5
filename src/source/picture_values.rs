//! What the pixels of an image hold, as far as it shows whether it is a picture.

use std::hash::{DefaultHasher, Hasher};

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::levels::Window;

/// Colours of an image that are distinguished: a picture has more than two.
const COLOURS: usize = 3;

/// What an image holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PictureValues {
    /// Colours as read, red first; only the first three that were found.
    pub colours: Vec<[u8; 3]>,
    /// Whether the alpha channel, which is not read, has more than one value.
    pub alpha_varies: bool,
    /// What is stored in 16 bits a channel; `None` for 8.
    pub deep: Option<DeepValues>,
    /// A number that is the same for images of the same size and pixels as read.
    pub digest: u64,
}

/// What an image of 16 bits holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeepValues {
    /// The least value.
    pub least: u16,
    /// The greatest value.
    pub greatest: u16,
    /// How many different values there are.
    pub stored: u32,
    /// How many different values are left once they are read through the window.
    pub read: u32,
    /// Part of the values that lies below the window.
    pub below: f64,
    /// Part of the values that lies above the window.
    pub above: f64,
}

impl PictureValues {
    /// Those of an image as it is read.
    pub(crate) fn of(image: &RgbImage, alpha_varies: bool, deep: Option<DeepValues>) -> Self {
        let mut colours: Vec<[u8; 3]> = Vec::new();
        for pixel in image.pixels() {
            // Neighbours are alike, so the last colour is looked at first.
            if colours.last() != Some(&pixel.0) && !colours.contains(&pixel.0) {
                colours.push(pixel.0);
                if colours.len() == COLOURS {
                    break;
                }
            }
        }
        let mut hasher = DefaultHasher::new();
        hasher.write_u32(image.width());
        hasher.write_u32(image.height());
        hasher.write(image.as_raw());
        Self { colours, alpha_varies, deep, digest: hasher.finish() }
    }

    /// Whether there is nothing to see: all pixels are alike.
    pub(super) fn is_blank(&self) -> bool {
        self.colours.len() == 1
    }

    /// Whether there are two colours alone, as in a mask.
    pub(super) fn is_two_valued(&self) -> bool {
        self.colours.len() == 2
    }
}

impl DeepValues {
    /// Those of colours, read through a window; until that is decided, nothing lies outside.
    pub(crate) fn of(colours: &[[u16; 3]], window: Option<Window>) -> Self {
        let mut stored = vec![0u64; 1 << 16];
        for value in colours.iter().flatten() {
            stored[usize::from(*value)] += 1;
        }
        let total = (3 * colours.len()).max(1) as f64;
        let mut values = Self { least: u16::MAX, ..Self::default() };
        let mut read = [false; 256];
        for (value, count) in (0..=u16::MAX).zip(stored).filter(|&(_, count)| count > 0) {
            values.least = values.least.min(value);
            values.greatest = value;
            values.stored += 1;
            let Some(window) = window else { continue };
            read[usize::from(window.apply(value))] = true;
            let part = count as f64 / total;
            values.below += if value < window.low { part } else { 0.0 };
            values.above += if value > window.high { part } else { 0.0 };
        }
        let different = read.iter().filter(|&&read| read).count();
        values.read = if window.is_some() { different as u32 } else { values.stored.min(256) };
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_16_bits_are_counted_before_and_after_the_window() {
        // Eight values from 0 to 700, of which the window keeps 200 to 400.
        let colours: Vec<[u16; 3]> = (0..8).map(|value| [value * 100; 3]).collect();
        let values = DeepValues::of(&colours, Some(Window { low: 200, high: 400 }));
        let expected = DeepValues {
            least: 0,
            greatest: 700,
            stored: 8,
            read: 3,
            below: 2.0 / 8.0,
            above: 3.0 / 8.0,
        };
        assert_eq!(values, expected);
        let undecided = DeepValues::of(&colours, None);
        assert_eq!((undecided.read, undecided.below, undecided.above), (8, 0.0, 0.0));
    }

    #[test]
    fn only_images_of_the_same_size_and_pixels_have_the_same_digest() {
        let of = |width: u32, height: u32, last: u8| {
            let mut image = RgbImage::new(width, height);
            image.put_pixel(width - 1, height - 1, image::Rgb([0, 0, last]));
            PictureValues::of(&image, false, None)
        };
        let digests = [of(4, 3, 1), of(3, 4, 1), of(4, 3, 2)].map(|values| values.digest);
        assert!(digests[0] != digests[1] && digests[0] != digests[2] && digests[1] != digests[2]);
        assert_eq!(of(4, 3, 1), of(4, 3, 1));
        assert!(of(4, 3, 0).is_blank() && of(4, 3, 1).is_two_valued());
    }
}
