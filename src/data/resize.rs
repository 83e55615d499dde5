//! From a decoded case to the network's size.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

use super::crop::Crop;
use super::filter::{filtered, luma};
use super::stain::{NoStains, StainNormalization};
use crate::error::{Error, Result};
use crate::frame::{Frame, Inset};
use crate::source::case::Decoded;
use crate::source::{IGNORE, labels_at};
use crate::spec::{Channels, DatasetSpec, FilterSpec};

/// What is decided of how images become those of the network's size, before their values are normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// What the network sees.
    pub frame: Frame,
    /// Channels of the image that the network sees.
    pub channels: Channels,
    /// What is done to the stains of the image at its own size, or of a crop at that of the network, before filters.
    pub stain: Option<StainNormalization>,
    /// What is done to the image at its own size, or to a crop at that of the network.
    pub filters: Vec<FilterSpec>,
    /// How crops are cut out of it that the network sees in its place.
    pub crop: Option<Crop>,
}

impl Sampling {
    /// What a spec decides, with the normalisation of stains that was decided from it.
    pub fn new(spec: &DatasetSpec, stain: Option<StainNormalization>) -> Self {
        Self {
            frame: spec.frame(),
            channels: spec.channels,
            stain,
            filters: spec.filters.clone(),
            crop: Crop::new(spec),
        }
    }
}

/// A case at the network's size, still in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// `[planes, height, width]`, row by row; black where it is padded.
    pub image: Vec<u8>,
    /// 3, or 1 where the image is gray (its three channels are equal, or the network sees gray).
    pub planes: usize,
    /// `[height, width]`: class numbers, [`IGNORE`] where there is no label or it is padded.
    pub labels: Vec<u8>,
    /// Height and width in pixels.
    pub sides: [usize; 2],
    /// Where the image lies, without what pads it.
    pub inset: Inset,
    /// Why its stains are not normalised, where they should be.
    pub no_stains: Option<NoStains>,
}

impl Sample {
    /// Pixels of a plane.
    pub fn area(&self) -> usize {
        self.sides[0] * self.sides[1]
    }

    /// The same without what pads it.
    pub fn cut(&self) -> Self {
        let Inset { width, height, .. } = self.inset;
        Self {
            image: self.inset.cut(&self.image, self.sides),
            planes: self.planes,
            labels: self.inset.cut(&self.labels, self.sides),
            sides: [height, width],
            inset: Inset { left: 0, top: 0, width, height },
            no_stains: self.no_stains,
        }
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.image.len() + self.labels.len()
    }
}

/// Brings a case to the size that the network sees.
///
/// The stains of the image are normalised where that is asked for and it has two. It goes through its filters, and then
/// through an antialiased bilinear filter (a triangle as wide as the reduction, as Pillow's `BILINEAR`); luma, where asked
/// for, is taken after it, or before the filters. Each label is that of the pixel that holds the centre of the new one. A case without labels gets [`IGNORE`] everywhere.
///
/// # Errors
/// If the image has no pixels.
pub(super) fn network_size(decoded: &Decoded, sampling: &Sampling) -> Result<Sample> {
    let &Sampling { frame, channels, ref stain, ref filters, .. } = sampling;
    let normalised = stain.as_ref().map(|stain| stain.apply(&decoded.image)).transpose();
    let (normalised, no_stains) = match normalised {
        Ok(image) => (image, None),
        Err(why) => (None, Some(why)),
    };
    let image = filtered(normalised.as_ref().unwrap_or(&decoded.image), channels, filters);
    let (sides, inset) = (frame.sides(), frame.inset(image.dimensions()));
    let size = (inset.width as u32, inset.height as u32);
    let (image, planes) = resize_image(&image, size, channels)?;
    let labels = match &decoded.labels {
        Some(labels) => inset.pad(labels_at(labels, size), sides, IGNORE),
        None => vec![IGNORE; sides[0] * sides[1]],
    };
    let image = inset.pad(image, sides, PADDING);
    Ok(Sample { image, planes, labels, sides, inset, no_stains })
}

/// The value of pixels that pad an image.
const PADDING: u8 = 0;

/// The image at a width and height as planes, and how many planes there are.
fn resize_image(
    image: &RgbImage,
    size: (u32, u32),
    channels: Channels,
) -> Result<(Vec<u8>, usize)> {
    let pixels = resize_pixels(image, size)?;
    if channels == Channels::Gray {
        return Ok((pixels.chunks_exact(3).map(luma).collect(), 1));
    }
    let mut planes = Vec::with_capacity(pixels.len());
    for channel in 0..3 {
        planes.extend(pixels.chunks_exact(3).map(|pixel| pixel[channel]));
    }
    let (red, others) = planes.split_at(pixels.len() / 3);
    if others.chunks_exact(red.len()).all(|plane| plane == red) {
        planes.truncate(pixels.len() / 3);
        planes.shrink_to_fit();
        return Ok((planes, 1));
    }
    Ok((planes, 3))
}

/// An antialiased bilinear resize, interleaved as it came.
fn resize_pixels(image: &RgbImage, size: (u32, u32)) -> Result<Vec<u8>> {
    let (width, height) = image.dimensions();
    let describe = |problem: &dyn std::fmt::Display| {
        Error::failed(format!("cannot resize an image of {width}x{height} pixels: {problem}"))
    };
    if width == 0 || height == 0 {
        return Err(describe(&"it is empty"));
    }
    let source = ImageRef::new(width, height, image.as_raw(), PixelType::U8x3)
        .map_err(|error| describe(&error))?;
    let mut target = Image::new(size.0, size.1, PixelType::U8x3);
    let filter = ResizeAlg::Convolution(FilterType::Bilinear);
    let options = ResizeOptions::new().resize_alg(filter);
    Resizer::new().resize(&source, &mut target, &options).map_err(|error| describe(&error))?;
    Ok(target.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Resize;
    use image::GrayImage;
    use proptest::prelude::*;

    fn decoded(width: u32, height: u32, rgb: Vec<u8>, labels: Option<Vec<u8>>) -> Decoded {
        Decoded {
            image: RgbImage::from_raw(width, height, rgb).unwrap(),
            labels: labels.map(|labels| GrayImage::from_raw(width, height, labels).unwrap()),
            metadata: Default::default(),
        }
    }

    fn sample(decoded: &Decoded, size: u32, channels: Channels) -> Result<Sample> {
        let sampling = Sampling {
            frame: Frame::square(size),
            channels,
            stain: None,
            filters: Vec::new(),
            crop: None,
        };
        network_size(decoded, &sampling)
    }

    fn grays(values: &[u8]) -> Vec<u8> {
        values.iter().flat_map(|&value| [value; 3]).collect()
    }

    #[test]
    fn halving_averages_with_a_triangle() {
        // The left new pixel reads the first three under a triangle of width 4: 3/7, 3/7, 1/7.
        let rows = [0u8, 70, 140, 210].repeat(4);
        let sample = sample(&decoded(4, 4, grays(&rows), None), 2, Channels::Rgb).unwrap();
        assert_eq!((sample.planes, sample.sides), (1, [2, 2]));
        assert_eq!(sample.image, [50, 160, 50, 160]);
        assert_eq!(sample.labels, [IGNORE; 4]);
    }

    #[test]
    fn a_coloured_image_keeps_three_planes() {
        let rgb = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let sample = sample(&decoded(2, 2, rgb, None), 2, Channels::Rgb).unwrap();
        assert_eq!(sample.planes, 3);
        assert_eq!(sample.image, [1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12]);
    }

    #[test]
    fn a_late_coloured_pixel_is_found() {
        let mut rgb = grays(&[9; 64 * 64]);
        *rgb.last_mut().unwrap() = 10;
        let sample = sample(&decoded(64, 64, rgb, None), 64, Channels::Rgb).unwrap();
        assert_eq!(sample.planes, 3);
        assert_eq!(sample.image.last(), Some(&10));
    }

    #[test]
    fn gray_is_bt601_luma() {
        // 0.299 * 255 = 76.2, 0.587 * 255 = 149.7, 0.114 * 255 = 29.07.
        let pixels = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [7, 7, 7]];
        assert_eq!(pixels.map(|pixel| luma(&pixel)), [76, 150, 29, 7]);
        let sample = sample(&decoded(1, 1, vec![255, 0, 0], None), 2, Channels::Gray).unwrap();
        assert_eq!((sample.planes, sample.image), (1, vec![76; 4]));
    }

    #[test]
    fn labels_take_the_pixel_under_the_new_centre() {
        // New centres of 3 -> 2 lie at 0.75 and 2.25; of 1 -> 2 in the only pixel.
        let labels = GrayImage::from_raw(3, 1, vec![5, 6, 7]).unwrap();
        assert_eq!(labels_at(&labels, (2, 2)), [5, 7, 5, 7]);
        // 2 -> 4: each pixel twice.
        let labels = GrayImage::from_raw(2, 2, vec![1, 2, 3, IGNORE]).unwrap();
        let expected = [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, IGNORE, IGNORE, 3, 3, IGNORE, IGNORE];
        assert_eq!(labels_at(&labels, (4, 4)), expected);
    }

    #[derive(serde::Deserialize)]
    struct Resized {
        width: u32,
        height: u32,
        size: u32,
        pixels: Vec<u8>,
        rgb: Vec<u8>,
        gray: Vec<u8>,
    }

    #[derive(serde::Deserialize)]
    struct Fixture {
        cases: Vec<Resized>,
    }

    #[test]
    fn images_are_within_one_level_of_pillow() {
        let text = std::fs::read_to_string(crate::testing::fixture("resize.json")).unwrap();
        let fixture: Fixture = serde_json::from_str(&text).unwrap();
        assert_eq!(fixture.cases.len(), 5);
        for Resized { width, height, size, pixels, rgb, gray } in fixture.cases {
            let decoded = decoded(width, height, pixels, None);
            for (channels, expected) in [(Channels::Rgb, rgb), (Channels::Gray, gray)] {
                let sample = sample(&decoded, size, channels).unwrap();
                assert_eq!(sample.image.len(), expected.len());
                let off = sample.image.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(off <= Some(1), "{width}x{height} to {size}, {channels:?}: {off:?}");
            }
        }
    }

    #[derive(serde::Deserialize)]
    struct Drawn {
        size: (u32, u32),
        frame: (u32, u32),
        pixels: Vec<u8>,
        mask: Vec<u8>,
        image: Vec<u8>,
        labels: Vec<u8>,
    }

    #[derive(serde::Deserialize)]
    struct Letterboxed {
        drawn: Vec<Drawn>,
    }

    #[test]
    fn letterboxed_images_are_where_albumentations_puts_them_and_within_one_level_of_pillow() {
        let text = std::fs::read_to_string(crate::testing::fixture("letterbox.json")).unwrap();
        let Letterboxed { drawn } = serde_json::from_str(&text).unwrap();
        assert_eq!(drawn.len(), 8);
        for Drawn { size, frame, pixels, mask, image, labels } in drawn {
            let decoded = decoded(size.0, size.1, pixels, Some(mask));
            let resize = Resize::Letterbox;
            let frame = Frame { width: frame.0, height: frame.1, resize };
            let sampling = Sampling {
                frame,
                channels: Channels::Rgb,
                stain: None,
                filters: Vec::new(),
                crop: None,
            };
            let sample = network_size(&decoded, &sampling).unwrap();
            assert_eq!(sample.labels, labels, "{size:?}");
            let off = sample.image.iter().zip(&image).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(sample.image.len() == image.len() && off <= Some(1), "{size:?}: {off:?}");
            let inset = sample.inset;
            let cut = sample.cut();
            assert_eq!(cut.sides, [inset.height, inset.width]);
            assert!(cut.labels.iter().all(|label| *label < 4), "padding was cut off");
        }
    }

    #[test]
    fn an_empty_image_is_an_error() {
        let error = sample(&decoded(0, 3, vec![], None), 4, Channels::Rgb).unwrap_err();
        assert_eq!(error.to_string(), "cannot resize an image of 0x3 pixels: it is empty");
    }

    proptest! {
        #[test]
        fn labels_never_hold_a_value_that_was_not_there(
            width in 1u32..40, height in 1u32..40, size in 1u32..40, salt in any::<u8>(),
        ) {
            let values: Vec<u8> =
                (0..width * height).map(|i| [0, 3, IGNORE][((i ^ u32::from(salt)) % 3) as usize]).collect();
            let labels = GrayImage::from_raw(width, height, values.clone()).unwrap();
            let resized = labels_at(&labels, (size, size));
            prop_assert_eq!(resized.len(), (size * size) as usize);
            prop_assert!(resized.iter().all(|value| values.contains(value)));
        }
    }
}
