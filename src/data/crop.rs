//! Crops of images at their own scale (`dataset.crop`): random ones for training, and windows that cover an image.

use std::path::PathBuf;

use image::GrayImage;

use super::draws::{Draws, Purpose, Stream};
use crate::error::Result;
use crate::frame::Inset;
use crate::source::case::{Decoded, Region};
use crate::source::roi::{corners, decoded_part};
use crate::source::{IGNORE, Labels};
use crate::spec::DatasetSpec;

/// How images are cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    /// Side of a crop as the network sees it, in pixels.
    pub size: u32,
    /// Pixels of the network for each pixel of the image.
    pub magnification: f64,
    /// Part of the random crops that must hold foreground.
    pub foreground: f64,
}

/// A square that is cut out of an image, in pixels of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    left: u32,
    top: u32,
    /// Left, top, right and bottom of what counts of it, the last two exclusive.
    counts: [u32; 4],
}

impl Crop {
    /// What a spec decides; `None` where it has images resized whole.
    pub fn new(spec: &DatasetSpec) -> Option<Self> {
        let crop = spec.crop.as_ref()?;
        let size = spec.image_size.width;
        Some(Self { size, magnification: crop.magnification, foreground: crop.foreground })
    }

    /// Side of a crop, in pixels of the image.
    fn side(&self) -> u32 {
        corners(1, self.size, self.size, self.magnification)[0].1
    }

    /// A random crop. With the probability that the share of foreground says, its middle is a random pixel of the
    /// foreground, moved until the crop lies inside the image: where pixels have several classes, of a class that is drawn
    /// among those of the image. Otherwise, and where there is none, all places are equally likely.
    pub(super) fn draw(&self, image: &Decoded, labels: &Labels, draws: &Draws) -> Cut {
        let (width, height) = image.image.dimensions();
        let side = self.side();
        let last = [width, height].map(|whole| whole.saturating_sub(side));
        let mut stream = draws.stream(Purpose::Crop);
        let wanted = stream.chance(self.foreground);
        let mask = image.labels.as_ref().filter(|_| wanted);
        let [left, top] = match mask.and_then(|mask| drawn_pixel(mask, labels, &mut stream)) {
            Some(pixel) => [0, 1].map(|axis| pixel[axis].saturating_sub(side / 2).min(last[axis])),
            None => last.map(|last| stream.below(last + 1)),
        };
        let counts = [left, top, (left + side).min(width), (top + side).min(height)];
        Cut { left, top, counts }
    }

    /// Windows side by side that cover an image of a width and height, row by row; the last of a row or column is shifted
    /// inside. Of each counts what no window before it shows.
    pub(super) fn windows(&self, (width, height): (u32, u32)) -> Vec<Cut> {
        let along = |side: u32| {
            let mut shown = 0;
            let corners = corners(side, self.size, self.size, self.magnification).into_iter();
            let fresh = corners.map(|(start, length)| {
                let from = shown.max(start);
                shown = (start + length).min(side);
                (start, from, shown)
            });
            fresh.collect::<Vec<_>>()
        };
        let (columns, rows) = (along(width), along(height));
        let in_row = |&(top, above, below): &(u32, u32, u32)| {
            let cut = move |&(left, before, behind): &(u32, u32, u32)| Cut {
                left,
                top,
                counts: [before, above, behind, below],
            };
            columns.iter().map(cut).collect::<Vec<_>>()
        };
        rows.iter().flat_map(in_row).collect()
    }

    /// How many windows cover an image of a width and height.
    pub fn count(&self, size: (u32, u32)) -> usize {
        self.windows(size).len()
    }

    /// What is cut out, at the network's size: white beyond the image, with labels that take no part there and where it does
    /// not count.
    ///
    /// # Errors
    /// If the image has no pixels.
    pub(super) fn decoded(&self, image: &Decoded, cut: Cut) -> Result<Decoded> {
        let (side, scale) = (self.side(), self.magnification);
        let Cut { left: x, top: y, counts } = cut;
        let region = Region { path: PathBuf::new(), x, y, width: side, height: side, scale };
        decoded_part(image, &region, self.size, counts)
    }

    /// Where what counts of a cut lies in it, as the network sees it.
    pub(super) fn inset(&self, cut: Cut) -> Inset {
        let at = |place: u32, start: u32| {
            (f64::from(place - start) * f64::from(self.size) / f64::from(self.side())).round()
                as usize
        };
        let [left, top, right, bottom] = cut.counts;
        let (left, right) = (at(left, cut.left), at(right, cut.left));
        let (top, bottom) = (at(top, cut.top), at(bottom, cut.top));
        Inset { left, top, width: right - left, height: bottom - top }
    }

    /// The window of an image that has the most foreground, at the network's size; the first where none has any.
    ///
    /// # Errors
    /// If the image has no pixels.
    pub fn richest(&self, image: &Decoded) -> Result<Decoded> {
        let found = |cut: &Cut| {
            let [left, top, right, bottom] = cut.counts;
            let pixel =
                |labels: &GrayImage, x, y| (1..IGNORE).contains(&labels.get_pixel(x, y).0[0]);
            image.labels.as_ref().map_or(0, |labels| {
                let columns = |y| (left..right).filter(|&x| pixel(labels, x, y)).count();
                (top..bottom).map(columns).sum::<usize>()
            })
        };
        let windows = self.windows(image.image.dimensions());
        let most = windows.iter().rev().max_by_key(|cut| found(cut));
        self.decoded(image, *most.unwrap_or(&windows[0]))
    }
}

/// A random pixel of the foreground, as column and row: of the lesion, or of one of the classes that are there.
fn drawn_pixel(mask: &GrayImage, labels: &Labels, stream: &mut Stream) -> Option<[u32; 2]> {
    let first = match labels {
        Labels::Binary { .. } => 1,
        Labels::Classes { .. } | Labels::Images { .. } => 0,
    };
    let mut counts = [0u32; 256];
    mask.iter().for_each(|&label| counts[usize::from(label)] += 1);
    let present: Vec<u8> =
        (first..IGNORE).filter(|&label| counts[usize::from(label)] > 0).collect();
    let label = *present.get(stream.below(present.len() as u32) as usize)?;
    let number = stream.below(counts[usize::from(label)]) as usize;
    let of_label = mask.iter().enumerate().filter(|(_, found)| **found == label);
    let index = of_label.map(|(index, _)| index as u32).nth(number)?;
    Some([index % mask.width(), index / mask.width()])
}

#[cfg(test)]
mod tests {
    use image::RgbImage;
    use proptest::prelude::*;

    use super::*;

    fn crop(size: u32, foreground: f64) -> Crop {
        Crop { size, magnification: 1.0, foreground }
    }

    fn lesion() -> Labels {
        Labels::Binary { foreground: "lesion".into() }
    }

    /// An image whose pixels tell their place, with the labels of a function.
    fn image(width: u32, height: u32, label: impl Fn(u32, u32) -> u8) -> Decoded {
        let pixel = |x, y| image::Rgb([x as u8, y as u8, 7]);
        Decoded {
            metadata: Default::default(),
            image: RgbImage::from_fn(width, height, pixel),
            labels: Some(GrayImage::from_fn(width, height, |x, y| image::Luma([label(x, y)]))),
        }
    }

    fn drawn(crop: &Crop, image: &Decoded, labels: &Labels, number: u32) -> Cut {
        crop.draw(image, labels, &Draws::new(3, number, "case"))
    }

    fn holds(cut: &Cut, inside: impl Fn(u32, u32) -> bool) -> bool {
        let [left, top, right, bottom] = cut.counts;
        (top..bottom).any(|y| (left..right).any(|x| inside(x, y)))
    }

    #[test]
    fn the_stated_share_of_crops_holds_foreground_and_the_others_are_anywhere() {
        let inside = |x: u32, y: u32| (70..74).contains(&x) && (50..53).contains(&y);
        let image = image(120, 90, |x, y| u8::from(inside(x, y)));
        let share = |foreground: f64| {
            let crop = crop(16, foreground);
            let held = |number: &u32| holds(&drawn(&crop, &image, &lesion(), *number), inside);
            (0..4000).filter(held).count() as f64 / 4000.0
        };
        // Of 105 x 75 places 19 x 18 hold some of it.
        let by_chance = 19.0 * 18.0 / (105.0 * 75.0);
        for foreground in [0.0, 0.33, 0.8, 1.0] {
            let expected = foreground + (1.0 - foreground) * by_chance;
            let found = share(foreground);
            assert!((found - expected).abs() < 0.025, "{foreground}: {found}, not {expected}");
        }
    }

    #[test]
    fn a_class_is_drawn_as_often_as_another_whatever_its_pixels() {
        // One pixel of class 2, a row of class 1, the rest class 0, and a corner that takes no part.
        let label = |x: u32, y: u32| match (x, y) {
            (60, 40) => 2,
            (_, 10) => 1,
            (0..4, 0..4) => IGNORE,
            _ => 0,
        };
        let image = image(100, 80, label);
        let classes = Labels::Classes { names: ["a", "b", "c"].map(String::from).into() };
        let crop = crop(1, 1.0);
        let mut counts = [0; 3];
        for number in 0..3000 {
            let Cut { left, top, .. } = drawn(&crop, &image, &classes, number);
            counts[usize::from(label(left, top))] += 1;
        }
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
    }

    #[test]
    fn an_image_without_foreground_is_cut_anywhere() {
        let image = image(40, 30, |_, _| 0);
        let crop = crop(10, 1.0);
        let (mut lefts, mut tops) = ([0; 31], [0; 21]);
        for number in 0..4000 {
            let Cut { left, top, .. } = drawn(&crop, &image, &lesion(), number);
            lefts[left as usize] += 1;
            tops[top as usize] += 1;
        }
        assert!(lefts.iter().all(|count| (85..175).contains(count)), "{lefts:?}");
        assert!(tops.iter().all(|count| (135..250).contains(count)), "{tops:?}");
    }

    #[test]
    fn a_crop_is_the_pixels_of_its_place_and_white_beyond_the_image() {
        let image = image(30, 5, |x, y| u8::from(x == 12 && y == 2));
        let crop = crop(8, 1.0);
        let cut = drawn(&crop, &image, &lesion(), 0);
        assert_eq!((cut.left, cut.top, cut.counts), (8, 0, [8, 0, 16, 5]));
        let seen = crop.decoded(&image, cut).unwrap();
        assert_eq!(seen.image.dimensions(), (8, 8));
        assert_eq!(seen.image.get_pixel(3, 4).0, [11, 4, 7]);
        assert_eq!(seen.image.get_pixel(3, 5).0, [255; 3]);
        let labels = seen.labels.unwrap();
        assert_eq!([labels.get_pixel(4, 2).0, labels.get_pixel(4, 5).0], [[1], [IGNORE]]);
        assert_eq!(labels.iter().filter(|label| **label == 1).count(), 1);
        let half = Crop { magnification: 0.5, ..crop };
        assert_eq!(half.side(), 16);
        assert_eq!(
            half.decoded(&image, drawn(&half, &image, &lesion(), 0)).unwrap().image.dimensions(),
            (8, 8)
        );
    }

    #[test]
    fn windows_count_every_pixel_once() {
        for (size, magnification, width, height) in
            [(8, 1.0, 20, 13), (8, 1.0, 8, 8), (8, 1.0, 5, 30), (8, 0.5, 50, 21), (8, 2.0, 9, 7)]
        {
            let crop = Crop { size, magnification, foreground: 0.0 };
            let image = image(width, height, |x, y| ((x + y) % 3) as u8);
            let mut times = vec![0; (width * height) as usize];
            for cut in crop.windows((width, height)) {
                let [left, top, right, bottom] = cut.counts;
                for y in top..bottom {
                    (left..right).for_each(|x| times[(y * width + x) as usize] += 1);
                }
                let seen = crop.decoded(&image, cut).unwrap();
                let inset = crop.inset(cut);
                let labels = seen.labels.unwrap();
                for (x, y, label) in labels.enumerate_pixels() {
                    let (x, y) = (x as usize, y as usize);
                    let inside = (inset.left..inset.left + inset.width).contains(&x)
                        && (inset.top..inset.top + inset.height).contains(&y);
                    if magnification >= 1.0 {
                        assert_eq!(label.0[0] != IGNORE, inside, "{x} {y} of {cut:?}");
                    }
                }
            }
            assert!(
                times.iter().all(|&times| times == 1),
                "{size} {magnification} {width}x{height}"
            );
        }
    }

    #[test]
    fn the_window_with_the_most_foreground_is_shown() {
        let image = image(32, 16, |x, y| u8::from((18..23).contains(&x) && y > 10));
        let seen = crop(8, 0.0).richest(&image).unwrap();
        assert_eq!(seen.image.get_pixel(0, 0).0, [16, 8, 7]);
        let none = crop(8, 0.0).richest(&Decoded { labels: None, ..image }).unwrap();
        assert_eq!(none.image.get_pixel(0, 0).0, [0, 0, 7]);
    }

    proptest! {
        #[test]
        fn crops_lie_inside_the_image_and_cover_what_they_must(
            width in 1u32..90, height in 1u32..90, size in 1u32..40, scale in 0.3f64..3.0, number in any::<u32>(),
            x in 0u32..90, y in 0u32..90, foreground in 0.0f64..=1.0,
        ) {
            let (x, y) = (x % width, y % height);
            let image = image(width, height, |a, b| u8::from((a, b) == (x, y)));
            let crop = Crop { size, magnification: scale, foreground };
            let cut = drawn(&crop, &image, &lesion(), number);
            let side = crop.side();
            prop_assert!(cut.left + side <= width || cut.left == 0);
            prop_assert!(cut.top + side <= height || cut.top == 0);
            let sure = drawn(&Crop { foreground: 1.0, ..crop }, &image, &lesion(), number);
            prop_assert!(holds(&sure, |a, b| (a, b) == (x, y)), "{sure:?}");
        }
    }
}
