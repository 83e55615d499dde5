//! How well the pixels of an image tell its mask.
//!
//! A mask is a person's reading of an image, so no single threshold gives it. Where one does, or where the image
//! varies with the labels alone, one was made from the other or is drawn in it.

use image::{GrayImage, RgbImage};
use serde::{Deserialize, Serialize};

use super::mask_values::brightest;

/// Fewest pixels on either side for a threshold to count: a lesion of a few pixels is told by chance.
const FEWEST_PIXELS: u64 = 50;

/// How well an image tells a mask of it, each number from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PairValues {
    /// Part of the variance of the image's colours that lies between the labels.
    pub explained: f64,
    /// Best Dice of a threshold of one channel, or of the chroma, with the lesion, and of its complement with the
    /// background, whichever is less.
    pub area: f64,
    /// The same with the pixels along the borders of the labels.
    pub border: f64,
}

impl PairValues {
    /// Those of an image and its mask, whose labels are 0 and 1 where it is of lesions.
    pub(super) fn of(image: &RgbImage, mask: &GrayImage, of_lesions: bool) -> Self {
        let histograms = histograms(image, mask);
        let best =
            |bit: usize| histograms.iter().map(|of| best_threshold(of, bit)).fold(0.0, f64::max);
        Self {
            explained: explained(image, mask),
            area: if of_lesions { best(LESION) } else { 0.0 },
            border: best(BORDER),
        }
    }

    /// The better of each number.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            explained: self.explained.max(other.explained),
            area: self.area.max(other.area),
            border: self.border.max(other.border),
        }
    }
}

/// The bit of a pixel that has a label other than 0.
const LESION: usize = 1;

/// The bit of a pixel that has a neighbour of another label.
const BORDER: usize = 2;

/// Pixels by these bits and by their level.
type Histogram = [[u64; 256]; 4];

/// Those of an image's channels, of the brightest one and of the chroma; of one channel where the image is gray.
fn histograms(image: &RgbImage, mask: &GrayImage) -> Vec<Histogram> {
    let pixels = image.as_raw().as_chunks::<3>().0;
    let signals = |colour @ [red, green, blue]: [u8; 3]| {
        let most = brightest(colour);
        [red, green, blue, most, most - red.min(green).min(blue)]
    };
    let gray = pixels.iter().all(|[red, green, blue]| red == green && green == blue);
    let mut found = vec![[[0; 256]; 4]; if gray { 1 } else { 5 }];
    for (&pixel, bits) in pixels.iter().zip(bits(mask)) {
        if gray {
            found[0][bits][usize::from(pixel[0])] += 1;
        } else {
            let levels = found.iter_mut().zip(signals(pixel));
            levels.for_each(|(of, level)| of[bits][usize::from(level)] += 1);
        }
    }
    found
}

/// [`LESION`] and [`BORDER`] of each pixel.
fn bits(mask: &GrayImage) -> Vec<usize> {
    let (labels, width) = (mask.as_raw(), mask.width() as usize);
    let mut bits: Vec<usize> = labels.iter().map(|&label| usize::from(label > 0)).collect();
    for at in 0..labels.len() {
        for next in [at + 1, at + width] {
            let joined = next < labels.len() && (next != at + 1 || next % width > 0);
            if joined && labels[at] != labels[next] {
                bits[at] |= BORDER;
                bits[next] |= BORDER;
            }
        }
    }
    bits
}

/// The best that a threshold does, in either direction, for pixels with this bit against those without.
fn best_threshold(histogram: &Histogram, bit: usize) -> f64 {
    let count = |level: usize, with: bool| -> u64 {
        (0..4).filter(|bits| (bits & bit > 0) == with).map(|bits| histogram[bits][level]).sum()
    };
    let levels: Vec<[u64; 2]> =
        (0..256).map(|level| [true, false].map(|with| count(level, with))).collect();
    let [with, without]: [u64; 2] = [0, 1].map(|side| levels.iter().map(|level| level[side]).sum());
    if with.min(without) < FEWEST_PIXELS {
        return 0.0;
    }
    let dice = |hits: u64, of: u64, taken: u64| 2.0 * hits as f64 / (of + taken) as f64;
    let mut best = 0.0f64;
    let [mut inside, mut outside] = [0, 0];
    for [more_inside, more_outside] in levels {
        inside += more_inside;
        outside += more_outside;
        let [below, above] = [inside + outside, with + without - inside - outside];
        let dark = dice(inside, with, below).min(dice(without - outside, without, above));
        let bright = dice(with - inside, with, above).min(dice(outside, without, below));
        best = best.max(dark).max(bright);
    }
    best
}

/// Part of the variance of colours that lies between labels: 1 - (sum of squares within them) / (in all).
fn explained(image: &RgbImage, mask: &GrayImage) -> f64 {
    /// How many there are, and of each channel the sum and the sum of squares.
    type Sums = (u64, [u64; 3], [u64; 3]);
    let mut sums: Vec<Sums> = vec![Sums::default(); 256];
    for (pixel, &label) in image.as_raw().as_chunks::<3>().0.iter().zip(mask.as_raw()) {
        let (count, sum, squares) = &mut sums[usize::from(label)];
        *count += 1;
        for (channel, &level) in pixel.iter().enumerate() {
            sum[channel] += u64::from(level);
            squares[channel] += u64::from(level) * u64::from(level);
        }
    }
    let spread = |(count, sum, squares): &Sums| -> f64 {
        let of = |channel: usize| {
            squares[channel] as f64 - (sum[channel] as f64).powi(2) / (*count).max(1) as f64
        };
        (0..3).map(of).sum()
    };
    let add = |a: [u64; 3], b: [u64; 3]| [0, 1, 2].map(|channel| a[channel] + b[channel]);
    let all = sums
        .iter()
        .fold(Sums::default(), |all, one| (all.0 + one.0, add(all.1, one.1), add(all.2, one.2)));
    let within: f64 = sums.iter().map(spread).sum();
    // Sums of squares of a few levels are exact; less than one level squared is an image of one colour.
    if spread(&all) < 1.0 { 0.0 } else { 1.0 - within / spread(&all) }
}

#[cfg(test)]
mod tests {
    use image::{Luma, Rgb};

    use super::*;

    /// A disc of lesion in an image of 40 x 40 pixels.
    fn disc() -> GrayImage {
        GrayImage::from_fn(40, 40, |x, y| {
            let [x, y] = [x, y].map(|place| f64::from(place) - 19.5);
            Luma([u8::from(x * x + y * y < 100.0)])
        })
    }

    /// Levels from 60 to 187 that have nothing to do with the disc.
    fn noise(x: u32, y: u32) -> u8 {
        60 + (x * 37 + y * 91 + x * y * 13) as u8 % 128
    }

    fn of(pixel: impl Fn(u32, u32, u8) -> [u8; 3]) -> PairValues {
        let mask = disc();
        let image = RgbImage::from_fn(40, 40, |x, y| Rgb(pixel(x, y, mask.get_pixel(x, y).0[0])));
        PairValues::of(&image, &mask, true)
    }

    #[test]
    fn a_picture_tells_little_of_its_mask_and_a_drawing_of_the_mask_all() {
        let picture = of(|x, y, _| [noise(x, y); 3]);
        assert!(
            picture.explained < 0.05 && picture.area < 0.5 && picture.border < 0.4,
            "{picture:?}"
        );
        for levels in [[0, 255], [255, 0], [3, 4]] {
            let drawn = of(|_, _, label| [levels[usize::from(label)]; 3]);
            assert!(drawn.explained > 0.9999 && drawn.area > 0.9999, "{drawn:?}");
        }
    }

    #[test]
    fn a_tint_over_the_lesion_is_told_by_its_chroma_and_an_outline_by_the_border() {
        let tinted = of(|x, y, label| [noise(x, y), noise(x, y) + 30 * label, noise(x, y)]);
        assert!(tinted.area > 0.9999 && tinted.explained < 0.5, "{tinted:?}");
        let mask = disc();
        let bits = bits(&mask);
        let outline = of(|x, y, label| {
            let border = bits[(x + 40 * y) as usize] & BORDER > 0;
            if label == 1 && border { [255, 255, 0] } else { [noise(x, y); 3] }
        });
        assert!(outline.border > 0.6 && outline.area < 0.5, "{outline:?}");
    }

    #[test]
    fn a_mask_made_by_a_threshold_of_the_image_is_told_by_it_however_much_is_lesion() {
        let image = RgbImage::from_fn(40, 40, |x, y| Rgb([noise(x, y); 3]));
        for threshold in [70, 120, 180] {
            let mask = GrayImage::from_fn(40, 40, |x, y| Luma([u8::from(noise(x, y) > threshold)]));
            assert!(PairValues::of(&image, &mask, true).area > 0.9999);
            assert_eq!(PairValues::of(&image, &mask, false).area, 0.0);
        }
        // Nearly all is lesion: that a threshold takes all of it is no hit.
        let most = GrayImage::from_fn(40, 40, |x, y| Luma([u8::from(x > 1 || y > 30)]));
        assert!(PairValues::of(&image, &most, true).area < 0.5);
    }

    #[test]
    fn an_image_of_codes_is_explained_by_them() {
        let codes = GrayImage::from_fn(40, 40, |x, y| Luma([(x / 10 + y / 20) as u8]));
        let image = RgbImage::from_fn(40, 40, |x, y| {
            let code = codes.get_pixel(x, y).0[0];
            Rgb([200 - 40 * code, 50 * (code % 3), 7])
        });
        assert!(PairValues::of(&image, &codes, false).explained > 0.9999);
    }
}
