//! An image of any size through a network, window by window and row by row.

use std::collections::VecDeque;
use std::path::PathBuf;

use image::RgbImage;
use rayon::prelude::*;

use super::predictor::{Predictor, Probabilities};
use super::windows::{Blend, Windows};
use crate::data::{Decoded, Region};
use crate::error::{Error, Result};
use crate::source::Rows;
use crate::source::roi::{BEYOND, image_of_part};

/// A row of an image with what is predicted of it.
pub struct StitchedRow {
    /// Its number, from the top.
    pub y: u32,
    /// Its pixels, three bytes each.
    pub image: Vec<u8>,
    /// Their probabilities, `[channels, width]`.
    pub values: Vec<f32>,
}

/// How many windows an image was predicted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// All of them.
    pub windows: usize,
    /// Those whose stains were not normalised, though they should be.
    pub without_stains: usize,
}

/// Predicts an image at its own size by overlapping windows, and hands over its rows from the top down. In memory are as
/// many rows as a window has, whatever the image's height.
///
/// # Errors
/// If the image cannot be decoded, the prediction is not a number somewhere, or `each` fails.
pub fn stitch(
    predictor: &Predictor,
    windows: &Windows,
    image: &mut Rows,
    mut each: impl FnMut(StitchedRow) -> Result<()>,
) -> Result<Covered> {
    let (width, height) = image.size();
    let (columns, rows) = (windows.along(width), windows.along(height));
    let side = windows.side();
    let mut blend = Blend::new((width, height), side, predictor.outputs.channels());
    let mut band = Band { width, first: 0, rows: VecDeque::new() };
    let mut covered = Covered::default();
    for (index, &(top, _)) in rows.iter().enumerate() {
        band.fill(image, (top + side).min(height))?;
        for columns in columns.chunks(predictor.batch_size.max(1)) {
            let window = |&(left, _): &(u32, u32)| band.window(windows, side, left, top);
            let tiles = columns.par_iter().map(window).collect::<Result<Vec<Decoded>>>()?;
            let predicted = predictor.uncalibrated(&tiles.iter().collect::<Vec<_>>())?;
            for ((left, _), predicted) in columns.iter().zip(predicted) {
                covered.windows += 1;
                covered.without_stains += usize::from(predicted.no_stains.is_some());
                let seen = predicted.resized(side as usize, side as usize)?;
                blend.add(*left, top, &seen.values);
            }
        }
        let done = rows.get(index + 1).map_or(height, |(next, _)| *next);
        while band.first < done {
            let y = band.first;
            let (Some(image), Some(mut values)) = (band.take(), blend.take()) else {
                return Err(Error::failed("a row of an image lies in no window"));
            };
            predictor.calibrate(&mut values);
            each(StitchedRow { y, image, values })?;
        }
    }
    Ok(covered)
}

/// The same of a whole image, with the image; `tick` is called after each row, and an error of it ends the work.
///
/// # Errors
/// As [`stitch`].
pub(super) fn stitched(
    predictor: &Predictor,
    windows: &Windows,
    image: &mut Rows,
    tick: impl Fn() -> Result<()>,
) -> Result<(RgbImage, Probabilities)> {
    let (width, height) = image.size();
    let (columns, rows) = (width as usize, height as usize);
    let mut pixels = Vec::with_capacity(3 * columns * rows);
    let mut values = vec![0.0; predictor.outputs.channels() * columns * rows];
    stitch(predictor, windows, image, |row| {
        pixels.extend(row.image);
        for (plane, from) in values.chunks_mut(columns * rows).zip(row.values.chunks(columns)) {
            plane[row.y as usize * columns..][..columns].copy_from_slice(from);
        }
        tick()
    })?;
    let image = RgbImage::from_raw(width, height, pixels)
        .ok_or_else(|| Error::failed("an image lost rows while it was predicted"))?;
    let (of_image, no_stains) = (Vec::new(), None);
    Ok((image, Probabilities { width: columns, height: rows, values, of_image, no_stains }))
}

impl Predictor {
    /// Predicts a whole image: by windows at its own size where the network sees parts of images, else as
    /// [`predict`](Self::predict).
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn whole(&self, image: &Decoded) -> Result<Probabilities> {
        match &self.windows {
            Some(windows) => {
                let mut rows = Rows::of(image.image.clone());
                Ok(stitched(self, windows, &mut rows, || Ok(()))?.1)
            }
            None => Ok(self.predict(&[image])?.remove(0)),
        }
    }
}

/// Rows of an image that windows still need.
struct Band {
    width: u32,
    /// The number of the first.
    first: u32,
    rows: VecDeque<Vec<u8>>,
}

impl Band {
    /// Reads rows up to one that is not read.
    fn fill(&mut self, image: &mut Rows, end: u32) -> Result<()> {
        while self.first + (self.rows.len() as u32) < end {
            let row = image.read()?;
            self.rows.push_back(row.ok_or_else(|| Error::failed("an image ended too early"))?);
        }
        Ok(())
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        self.first += 1;
        self.rows.pop_front()
    }

    /// A window as a case of the network's size.
    fn window(&self, windows: &Windows, side: u32, left: u32, top: u32) -> Result<Decoded> {
        let mut part = RgbImage::from_pixel(side, side, BEYOND);
        let columns = 3 * side.min(self.width - left) as usize;
        let rows = self.rows.iter().skip((top - self.first) as usize);
        for (into, from) in part.chunks_exact_mut(3 * side as usize).zip(rows) {
            into[..columns].copy_from_slice(&from[3 * left as usize..][..columns]);
        }
        let region = Region {
            path: PathBuf::new(),
            x: left,
            y: top,
            width: side,
            height: side,
            scale: windows.scale,
        };
        let image = image_of_part(&part, &region, windows.size, windows.size)?;
        Ok(Decoded::new(image))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::data::{Normalization, Preprocess, Sampling};
    use crate::frame::Frame;
    use crate::loss::Outputs;
    use crate::model::{Model, ModelSpec};
    use crate::source::Levels;
    use crate::spec::{Channels, Settled};

    const SIZE: u32 = 16;

    fn predictor(outputs: Outputs) -> Predictor {
        let spec = "kind = 'unet'\nencoder = { kind = 'plain', filters = [2, 4] }";
        let spec: ModelSpec = toml::from_str(spec).unwrap();
        let device = Device::flex();
        device.seed(1);
        let channels = Channels::Rgb;
        Predictor {
            model: Model::init(&spec, [3, outputs.channels()], None, &device),
            outputs,
            preprocess: Preprocess {
                sampling: Sampling {
                    frame: Frame::square(SIZE),
                    channels,
                    stain: None,
                    filters: Vec::new(),
                    crop: None,
                },
                inputs: Vec::new(),
                normalization: Normalization::unit(channels),
                fused: Vec::new(),
            },
            settled: Settled::network(),
            others: Vec::new(),
            size_divisor: 2,
            windows: None,
            batch_size: 3,
            device,
        }
    }

    /// A picture in three colours, as a file, with its rows.
    fn picture(folder: &std::path::Path, width: u32, height: u32) -> (RgbImage, Rows) {
        let pixel = |x: u32, y: u32| [x * 9, y * 7, (x * y) % 251].map(|value| value as u8);
        let image = RgbImage::from_fn(width, height, |x, y| image::Rgb(pixel(x, y)));
        let path = folder.join("picture.png");
        image.save(&path).unwrap();
        (image, Rows::open(&path, Levels::Refused).unwrap())
    }

    /// What is predicted of a window by itself, white beyond the image.
    fn alone(predictor: &Predictor, image: &RgbImage, left: u32, top: u32) -> Probabilities {
        let mut tile = RgbImage::from_pixel(SIZE, SIZE, BEYOND);
        for (x, y, pixel) in tile.enumerate_pixels_mut() {
            if let Some(shown) = image.get_pixel_checked(left + x, top + y) {
                *pixel = *shown;
            }
        }
        predictor.predict(&[&Decoded::new(tile)]).unwrap().remove(0)
    }

    #[test]
    fn without_overlap_a_region_is_its_tiles_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        for outputs in [Outputs::Binary, Outputs::Classes(3)] {
            let predictor = predictor(outputs);
            let windows = Windows { size: SIZE, scale: 1.0, overlap: 0.0 };
            let (image, mut rows) = picture(folder.path(), 3 * SIZE, 2 * SIZE);
            let (seen, stitched) = stitched(&predictor, &windows, &mut rows, || Ok(())).unwrap();
            assert_eq!(seen, image);
            for (left, top) in [(0, 0), (16, 0), (32, 0), (0, 16), (16, 16), (32, 16)] {
                let tile = alone(&predictor, &image, left, top);
                for channel in 0..outputs.channels() {
                    for (y, row) in tile.values[channel * 256..][..256].chunks(16).enumerate() {
                        let at = (channel * 32 + top as usize + y) * 48 + left as usize;
                        for (one, other) in row.iter().zip(&stitched.values[at..]) {
                            // A weight times a probability over the weight.
                            assert!((one - other).abs() <= f32::EPSILON, "{one} {other}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn an_image_of_any_size_is_covered() {
        let folder = tempfile::tempdir().unwrap();
        let windows = Windows { size: SIZE, scale: 1.0, overlap: 0.5 };
        for outputs in [Outputs::Binary, Outputs::Classes(3)] {
            let predictor = predictor(outputs);
            for (width, height) in [(5, 9), (16, 16), (17, 16), (40, 3), (37, 29)] {
                let (image, mut rows) = picture(folder.path(), width, height);
                let mut next = 0;
                stitch(&predictor, &windows, &mut rows, |row| {
                    assert_eq!(row.y, next);
                    next += 1;
                    assert_eq!(row.image.len(), 3 * width as usize);
                    assert_eq!(row.values.len(), outputs.channels() * width as usize);
                    assert!(row.values.iter().all(|value| (0.0..=1.00001).contains(value)));
                    if width <= SIZE && height <= SIZE {
                        let tile = alone(&predictor, &image, 0, 0);
                        let line = &tile.values[(row.y * SIZE) as usize..][..width as usize];
                        for (one, other) in line.iter().zip(&row.values) {
                            assert!((one - other).abs() <= f32::EPSILON, "{one} {other}");
                        }
                    }
                    Ok(())
                })
                .unwrap();
                assert_eq!(next, height);
            }
        }
    }

    #[test]
    fn at_half_the_scale_a_window_sees_twice_as_far() {
        let folder = tempfile::tempdir().unwrap();
        let predictor = predictor(Outputs::Classes(2));
        let windows = Windows { size: SIZE, scale: 0.5, overlap: 0.0 };
        let (image, mut rows) = picture(folder.path(), 64, 32);
        let (_, stitched) = stitched(&predictor, &windows, &mut rows, || Ok(())).unwrap();
        let region =
            |x| Region { path: PathBuf::new(), x, y: 0, width: 32, height: 32, scale: 0.5 };
        for left in [0, 32] {
            let part = image::imageops::crop_imm(&image, left, 0, 32, 32).to_image();
            let tile = image_of_part(&part, &region(left), SIZE, SIZE).unwrap();
            let tile = predictor.predict(&[&Decoded::new(tile)]).unwrap();
            let tile = tile[0].resized(32, 32).unwrap();
            for y in 0..32 {
                let found = &stitched.values[y * 64 + left as usize..][..32];
                for (one, other) in tile.values[y * 32..][..32].iter().zip(found) {
                    assert!((one - other).abs() <= f32::EPSILON, "{one} {other}");
                }
            }
        }
    }
}
