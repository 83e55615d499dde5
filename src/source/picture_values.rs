//! What the pixels of an image hold, as far as it shows whether it is a picture.

use std::hash::{DefaultHasher, Hasher};

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::levels::Window;
use super::mask_values::brightest;
use super::pair_values::PairValues;

/// Colours of an image that are distinguished: a picture has more than two.
const COLOURS: usize = 3;

/// Levels that 1 % and 99 % of the pixels do not exceed lie at most this far apart where there is nothing to see. In
/// BUSI and in tiles of BCSS they lie 110 apart and more.
const FAINT: u8 = 4;

/// Levels this close are one in a drawing that was compressed or scaled.
const NEAR: usize = 8;

/// The two commonest levels of a drawing lie at least this far apart.
const APART: usize = 64;

/// Part of the pixels with those two levels from which on an image is a drawing. Whatever their distance, they are at
/// most 0.62 of a picture of BUSI or a tile of BCSS.
const DRAWN: f64 = 0.8;

/// What an image holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PictureValues {
    /// Colours as read, red first; only the first three that were found.
    pub colours: Vec<[u8; 3]>,
    /// Whether the alpha channel, which is not read, has more than one value.
    pub alpha_varies: bool,
    /// What is stored in more than 8 bits a channel; `None` for 8.
    pub deep: Option<DeepValues>,
    /// The brightness and colour of its pixels.
    pub tones: Tones,
    /// How well it tells its masks, the best of each number; `None` without masks.
    pub pair: Option<PairValues>,
    /// A number that is the same for images of the same size and pixels as read.
    pub digest: u64,
}

/// The brightness and colour of an image's pixels as read; their brightness is the brightest channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tones {
    /// The level that 1 % of the pixels do not exceed.
    pub dark: u8,
    /// The level that 99 % of the pixels do not exceed.
    pub bright: u8,
    /// The mean level.
    pub mean: f64,
    /// How many levels there are.
    pub levels: u32,
    /// The mean difference between the brightest and the darkest channel.
    pub chroma: f64,
    /// How far the levels lie apart that 1 % and 99 % of the pixels do not exceed, in the channel that varies most.
    pub span: u8,
    /// Part of the pixels near the two commonest levels where these lie far apart, otherwise 0.
    pub in_two_levels: f64,
}

/// What an image of more than 8 bits holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeepValues {
    /// The least value.
    pub least: f64,
    /// The greatest value.
    pub greatest: f64,
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
        let tones = Tones::of(image);
        Self { colours, alpha_varies, deep, tones, pair: None, digest: hasher.finish() }
    }

    /// Whether all pixels are alike.
    pub(super) fn is_of_one_colour(&self) -> bool {
        self.colours.len() == 1
    }

    /// Whether there is nothing to see: nearly all pixels are nearly alike.
    pub(super) fn is_blank(&self) -> bool {
        self.is_of_one_colour() || (self.tones.span <= FAINT && !self.is_two_valued())
    }

    /// Whether there are two colours alone, as in a mask.
    pub(super) fn is_two_valued(&self) -> bool {
        self.colours.len() == 2
    }

    /// Whether it holds hardly more than two values, as a mask does, perhaps compressed or scaled.
    pub(super) fn is_drawn(&self) -> bool {
        self.is_two_valued() || (self.tones.in_two_levels > DRAWN && !self.is_blank())
    }
}

/// Pixels by their level.
type Histogram = [u64; 256];

impl Tones {
    fn of(image: &RgbImage) -> Self {
        // Of red, green, blue and the brightest channel; a gray pixel counts in the last one first.
        let [mut gray, mut brightest_channel]: [Histogram; 2] = [[0; 256]; 2];
        let mut channels: [Histogram; 3] = [[0; 256]; 3];
        let mut chroma = 0u64;
        for &colour in image.as_raw().as_chunks::<3>().0 {
            let [red, green, blue] = colour;
            if red == green && green == blue {
                gray[usize::from(red)] += 1;
                continue;
            }
            let most = brightest(colour);
            brightest_channel[usize::from(most)] += 1;
            chroma += u64::from(most - red.min(green).min(blue));
            channels.iter_mut().zip(colour).for_each(|(of, level)| of[usize::from(level)] += 1);
        }
        for of in channels.iter_mut().chain([&mut brightest_channel]) {
            of.iter_mut().zip(gray).for_each(|(count, more)| *count += more);
        }
        let all = brightest_channel;
        let pixels = all.iter().sum::<u64>().max(1) as f64;
        let sum: u64 = (0..).zip(all).map(|(level, count)| level * count).sum();
        let (dark, bright) = ends(&all);
        let spans = channels.iter().map(ends).map(|(dark, bright)| bright - dark);
        Self {
            dark,
            bright,
            mean: sum as f64 / pixels,
            levels: all.iter().filter(|&&count| count > 0).count() as u32,
            chroma: chroma as f64 / pixels,
            span: spans.max().unwrap_or_default(),
            in_two_levels: in_two_levels(all) as f64 / pixels,
        }
    }
}

/// The levels that 1 % and 99 % of the pixels do not exceed.
fn ends(histogram: &Histogram) -> (u8, u8) {
    let all: u64 = histogram.iter().sum();
    let at = |percent: u64| {
        let mut seen = 0;
        let reached = |&count: &u64| {
            seen += count;
            100 * seen >= percent * all && seen > 0
        };
        histogram.iter().position(reached).unwrap_or_default() as u8
    };
    (at(1), at(99))
}

/// Pixels near the commonest level and near the commonest of the others; none if these lie close together.
fn in_two_levels(mut histogram: Histogram) -> u64 {
    let mut commonest = || {
        let place = (0..256).max_by_key(|&level| histogram[level]).unwrap_or_default();
        let near = &mut histogram[place.saturating_sub(NEAR)..(place + NEAR + 1).min(256)];
        let pixels: u64 = near.iter().sum();
        near.fill(0);
        (place, pixels)
    };
    let ((first, some), (second, more)) = (commonest(), commonest());
    if more == 0 || first.abs_diff(second) < APART { 0 } else { some + more }
}

impl DeepValues {
    /// Those of values with how often they are there, read through a window; until that is decided, nothing lies
    /// outside.
    pub(crate) fn of(counted: &[(f64, u64)], window: Option<Window>) -> Self {
        let total = counted.iter().map(|(_, count)| count).sum::<u64>().max(1) as f64;
        let all = Window::around(counted.iter().map(|&(value, _)| value));
        let mut values = Self {
            least: all.low,
            greatest: all.high,
            stored: u32::try_from(counted.len()).unwrap_or(u32::MAX),
            ..Self::default()
        };
        let mut read = [false; 256];
        for &(value, count) in counted {
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
        let counted: Vec<(f64, u64)> = (0..8).map(|value| (f64::from(value * 100), 3)).collect();
        let values = DeepValues::of(&counted, Some(Window { low: 200.0, high: 400.0 }));
        let expected = DeepValues {
            least: 0.0,
            greatest: 700.0,
            stored: 8,
            read: 3,
            below: 2.0 / 8.0,
            above: 3.0 / 8.0,
        };
        assert_eq!(values, expected);
        let undecided = DeepValues::of(&counted, None);
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
        assert!(of(4, 3, 0).is_blank() && of(4, 3, 1).is_drawn() && !of(4, 3, 1).is_blank());
    }

    /// Of an image of 100 x 100 pixels with these colours, numbered row by row.
    fn values(colour: impl Fn(u32) -> [u8; 3]) -> PictureValues {
        let image = RgbImage::from_fn(100, 100, |x, y| image::Rgb(colour(x + 100 * y)));
        PictureValues::of(&image, false, None)
    }

    #[test]
    fn tones_are_those_of_the_brightest_channel() {
        let tones = values(|at| [(at % 100) as u8, 10, 20 + (at % 100) as u8]).tones;
        assert_eq!((tones.dark, tones.bright, tones.levels), (20, 118, 100));
        assert_eq!((tones.mean, tones.span), (69.5, 98));
        // Red is the least up to level 9, then green.
        let chroma =
            (10.0 * 20.0 + (10..100).map(|level| f64::from(level) + 10.0).sum::<f64>()) / 100.0;
        assert!((tones.chroma - chroma).abs() < 1e-9, "{} {chroma}", tones.chroma);
    }

    #[test]
    fn what_varies_by_a_few_levels_or_in_few_pixels_shows_nothing() {
        assert!(values(|at| [(at % 3) as u8; 3]).is_blank());
        assert!(values(|at| [252 + (at % 4) as u8; 3]).is_blank());
        assert!(values(|at| if at < 90 { [at as u8; 3] } else { [7; 3] }).is_blank());
        assert!(!values(|at| [(at % 16) as u8; 3]).is_blank());
        // As bright everywhere, and of several colours.
        assert!(!values(|at| [[255, 0, 0], [0, 255, 0], [0, 0, 255]][at as usize % 3]).is_blank());
    }

    #[test]
    fn hardly_more_than_two_levels_far_apart_are_a_drawing() {
        let edge = |at: u32| (at % 100 * 2) as u8;
        let drawing = |soft: u32| {
            values(move |at| match at {
                at if at < soft => [edge(at); 3],
                at if at < 5000 => [(at % 5) as u8; 3],
                at => [251 + (at % 5) as u8; 3],
            })
        };
        assert!(drawing(1500).is_drawn() && !drawing(2500).is_drawn());
        assert!(!values(|at| [120 + (at % 20) as u8; 3]).is_drawn());
    }
}
