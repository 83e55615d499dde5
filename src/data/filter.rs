//! `dataset.filters` at work on images.

use std::borrow::Cow;

use image::{GrayImage, Luma, Rgb, RgbImage};

use super::clahe::clahe;
use super::wiener::wiener;
use crate::spec::{Channels, FilterSpec};

/// An image after filters, in their order; where the network sees gray, its luma. Without filters the image itself,
/// whose luma is then still to be taken.
pub(super) fn filtered<'a>(
    image: &'a RgbImage,
    channels: Channels,
    filters: &[FilterSpec],
) -> Cow<'a, RgbImage> {
    if filters.is_empty() {
        return Cow::Borrowed(image);
    }
    let mut planes = planes(image, channels);
    for filter in filters {
        planes = apply(filter, planes);
    }
    let [red, green, blue] = [0, 1, 2].map(|channel| &planes[channel % planes.len()]);
    let colours = red.pixels().zip(green.pixels()).zip(blue.pixels());
    let pixels = colours.flat_map(|((r, g), b)| [r.0[0], g.0[0], b.0[0]]).collect();
    let (width, height) = image.dimensions();
    RgbImage::from_raw(width, height, pixels).map_or(Cow::Borrowed(image), Cow::Owned)
}

/// Red, green and blue; of a gray image, or where the network sees gray, the luma alone.
fn planes(image: &RgbImage, channels: Channels) -> Vec<GrayImage> {
    let plane = |of: &dyn Fn(&Rgb<u8>) -> u8| {
        let (width, height) = image.dimensions();
        GrayImage::from_fn(width, height, |x, y| Luma([of(image.get_pixel(x, y))]))
    };
    let gray = image.pixels().all(|Rgb([r, g, b])| r == g && g == b);
    match channels {
        Channels::Rgb if !gray => (0..3).map(|channel| plane(&|pixel| pixel.0[channel])).collect(),
        Channels::Rgb | Channels::Gray => vec![plane(&|pixel| luma(&pixel.0))],
    }
}

/// ITU-R BT.601 luma of red, green and blue, rounded as Pillow's mode `L` does.
pub(super) fn luma(pixel: &[u8]) -> u8 {
    let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
    ((19_595 * r + 38_470 * g + 7_471 * b + 32_768) >> 16) as u8
}

/// What a filter makes of one plane, or of red, green and blue.
fn apply(filter: &FilterSpec, planes: Vec<GrayImage>) -> Vec<GrayImage> {
    match filter {
        FilterSpec::Wiener(spec) => {
            planes.iter().map(|plane| wiener(plane, spec.window, spec.noise)).collect()
        }
        FilterSpec::Clahe(spec) => {
            let equalise = |plane: &GrayImage| clahe(plane, spec.clip_limit, [spec.tiles; 2]);
            match planes.as_slice() {
                [red, green, blue] => equalise_luma([red, green, blue], equalise),
                gray => gray.iter().map(equalise).collect(),
            }
        }
    }
}

/// Equalises the luma and adds its change to each colour: what becomes of Y in YCbCr, back in RGB.
fn equalise_luma(
    colours: [&GrayImage; 3],
    equalise: impl Fn(&GrayImage) -> GrayImage,
) -> Vec<GrayImage> {
    let (width, height) = colours[0].dimensions();
    let before = GrayImage::from_fn(width, height, |x, y| {
        Luma([luma(&colours.map(|colour| colour.get_pixel(x, y).0[0]))])
    });
    let after = equalise(&before);
    let changed = |colour: &GrayImage| {
        let mut changed = colour.clone();
        for ((value, &before), &after) in changed.iter_mut().zip(before.iter()).zip(after.iter()) {
            let level = i16::from(*value) + i16::from(after) - i16::from(before);
            *value = level.clamp(0, 255) as u8;
        }
        changed
    };
    colours.map(changed).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{ClaheSpec, WienerSpec};
    use crate::testing::fixture;

    const WIENER: FilterSpec = FilterSpec::Wiener(WienerSpec { window: 3, noise: Some(200.0) });
    const CLAHE: FilterSpec = FilterSpec::Clahe(ClaheSpec { clip_limit: 0.0, tiles: 1 });

    fn rgb(width: u32, height: u32, pixels: Vec<u8>) -> RgbImage {
        RgbImage::from_raw(width, height, pixels).unwrap()
    }

    #[test]
    fn each_colour_is_freed_of_its_own_noise() {
        // Columns of 3 in a window of 3 x 3: green is the point of the Wiener filter's own test.
        let mut pixels = vec![0; 5 * 3 * 3];
        pixels[7 * 3 + 1] = 90;
        let found = filtered(&rgb(5, 3, pixels), Channels::Rgb, &[WIENER]).into_owned();
        assert_eq!([1, 2].map(|x| found.get_pixel(x, 1).0), [[0, 2, 0], [0, 70, 0]]);
    }

    #[test]
    fn filters_come_in_the_order_given() {
        let image = RgbImage::from_fn(9, 9, |x, y| Rgb([(x * x + 7 * y) as u8; 3]));
        let found = |filters: &[FilterSpec]| filtered(&image, Channels::Rgb, filters).into_owned();
        let [one, other] = [found(&[WIENER, CLAHE]), found(&[CLAHE, WIENER])];
        assert_ne!(one, other);
        assert_eq!(one, filtered(&found(&[WIENER]), Channels::Rgb, &[CLAHE]).into_owned());
        assert_eq!(found(&[]), image);
    }

    #[test]
    fn gray_is_the_luma_before_filters() {
        // Lumas 76, 150, 29 and 76 become 255 times the share that is no brighter.
        let pixels = vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 0, 0];
        let found = filtered(&rgb(2, 2, pixels), Channels::Gray, &[CLAHE]).into_owned();
        let gray: Vec<u8> = found.pixels().map(|pixel| pixel.0[0]).collect();
        assert_eq!(gray, [191, 255, 64, 191]);
        assert!(found.pixels().all(|Rgb([r, g, b])| r == g && g == b));
    }

    #[derive(serde::Deserialize)]
    struct Case {
        width: u32,
        height: u32,
        tiles: u32,
        clip_limit: f64,
        pixels: Vec<u8>,
        equalised: Vec<u8>,
    }

    #[test]
    fn colours_are_those_of_opencv_but_for_its_rounded_chroma() {
        let text = std::fs::read_to_string(fixture("clahe_rgb.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
        assert_eq!(cases.len(), 3);
        for Case { width, height, tiles, clip_limit, pixels, equalised } in cases {
            let filter = FilterSpec::Clahe(ClaheSpec { clip_limit, tiles });
            let image = rgb(width, height, pixels);
            let found = filtered(&image, Channels::Rgb, &[filter]).into_owned();
            let off = found.iter().zip(&equalised).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(off <= Some(2), "{width}x{height}, {tiles} tiles: {off:?}");
            assert_ne!(found, image);
        }
    }
}
