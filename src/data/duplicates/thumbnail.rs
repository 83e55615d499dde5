//! Images as the search for near-duplicates sees them: squares of 96 pixels, in grey.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

use super::turn::Turn;
use crate::error::{Error, Result};

/// Side of a thumbnail, in pixels.
pub(super) const SIDE: usize = 96;

/// A grey square of [`SIDE`] pixels, row by row, whatever the shape of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thumbnail(Box<[u8]>);

/// Averages an image down to a grey square (ITU-R BT.601 luma).
///
/// # Errors
/// An image without pixels.
pub(crate) fn thumbnail(image: &RgbImage) -> Result<Thumbnail> {
    let failed = |why: String| Error::failed(format!("no thumbnail: {why}"));
    let from = ImageRef::new(image.width(), image.height(), image.as_raw(), PixelType::U8x3)
        .map_err(|error| failed(error.to_string()))?;
    let mut into = Image::new(SIDE as u32, SIDE as u32, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box));
    Resizer::new().resize(&from, &mut into, &options).map_err(|error| failed(error.to_string()))?;
    let luma = into.buffer().chunks_exact(3).map(|pixel| {
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
        (0.299 * red + 0.587 * green + 0.114 * blue).round() as u8
    });
    Ok(Thumbnail(luma.collect()))
}

impl Thumbnail {
    /// Its grey values, row by row.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Of [`SIDE`] times [`SIDE`] grey values, row by row.
    pub(super) fn of_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// Grey values averaged over squares of `factor` pixels, row by row; `factor` divides [`SIDE`].
    pub(crate) fn shrunk(&self, factor: usize) -> Vec<f32> {
        let side = SIDE / factor;
        let mut values = vec![0.0; side * side];
        for (y, row) in self.0.chunks_exact(SIDE).enumerate() {
            for (x, &value) in row.iter().enumerate() {
                values[(y / factor) * side + x / factor] += f32::from(value);
            }
        }
        let share = 1.0 / (factor * factor) as f32;
        values.iter_mut().for_each(|value| *value *= share);
        values
    }

    /// The thumbnail mirrored and turned.
    pub(crate) fn turned(&self, turn: Turn) -> Self {
        let at = |index: usize| {
            let (x, y) = turn.source(index % SIDE, index / SIDE, SIDE);
            self.0[y * SIDE + x]
        };
        Self((0..SIDE * SIDE).map(at).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_is_grey_and_shrinks_by_averaging() {
        let image =
            RgbImage::from_fn(192, 96, |x, _| image::Rgb([if x < 96 { 10 } else { 30 }; 3]));
        let thumbnail = thumbnail(&image).unwrap();
        assert_eq!(thumbnail.shrunk(48), [10.0, 30.0, 10.0, 30.0]);
        assert_eq!(thumbnail.shrunk(96), [20.0]);
        let turned = thumbnail.turned(Turn { transposed: true, ..Turn::NONE });
        assert_eq!(turned.shrunk(48), [10.0, 10.0, 30.0, 30.0]);
    }
}
