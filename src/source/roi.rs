//! Whole regions of interest: how they are cut into tiles, and the cache that tiles share.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{GrayImage, ImageBuffer, Pixel, RgbImage};

use super::case::{Decoded, Region};
use super::decode::{decode_codes, decode_rgb};
use super::header::Limit;
use super::labels::IGNORE;
use super::levels::Levels;
use crate::error::{Error, Result};

/// Fewest bytes of decoded ROIs that are kept.
const LEAST_CACHE_BYTES: usize = 256 << 20;

/// ROIs whose tiles are mixed in an epoch.
pub(crate) const OPEN_ROIS: usize = 4;

/// Files that are kept whatever their size: images and masks of the ROIs whose tiles are mixed, and of as many that came
/// since the last tile of one of them.
pub(crate) const LEAST_CACHE_FILES: usize = 2 * 2 * OPEN_ROIS;

/// What the image of a tile shows beyond the file.
pub(crate) const BEYOND: image::Rgb<u8> = image::Rgb([255; 3]);

/// Corners along one side of an ROI, as `(start, length)` in pixels of the ROI.
///
/// Tiles of `tile` pixels at their own scale begin every `stride` pixels at that scale. The last one
/// is shifted inside, so that the whole side is covered (as long as `stride` is not above `tile`).
/// A side shorter than a tile has one, which reaches beyond.
pub(crate) fn corners(side: u32, tile: u32, stride: u32, scale: f64) -> Vec<(u32, u32)> {
    // Rounded up, so that rounding the starts leaves no gap; but not for an error in the last digit.
    let length = ((f64::from(tile) / scale - 1e-9).ceil() as u32).max(1);
    let Some(last) = side.checked_sub(length).filter(|&last| last > 0) else {
        return vec![(0, length)];
    };
    let starts =
        (0u32..).map(|index| (f64::from(index) * f64::from(stride) / scale).round() as u32);
    let mut corners: Vec<_> =
        starts.take_while(|&start| start < last).map(|start| (start, length)).collect();
    corners.dedup();
    corners.push((last, length));
    corners
}

/// The tiles of an ROI, row by row.
pub(super) fn tiles(
    path: &Path,
    size: (u32, u32),
    tile: u32,
    stride: u32,
    scale: f64,
) -> Vec<Region> {
    let columns = corners(size.0, tile, stride, scale);
    let rows = corners(size.1, tile, stride, scale);
    let tiles = rows.iter().flat_map(|row| columns.iter().map(move |column| (column, row)));
    tiles
        .map(|(&(x, width), &(y, height))| Region {
            path: path.to_path_buf(),
            x,
            y,
            width,
            height,
            scale,
        })
        .collect()
}

/// The labelled part of every tile of a mask: pixels whose code is not 0 over the pixels of a tile.
pub(super) fn labelled_parts(mask: &GrayImage, tiles: &[Region]) -> Vec<f64> {
    let width = mask.width() as usize;
    let mut sums = vec![0u32; (width + 1) * (mask.height() as usize + 1)];
    for (y, row) in mask.as_raw().chunks_exact(width).enumerate() {
        let mut line = 0;
        for (x, &code) in row.iter().enumerate() {
            line += u32::from(code != 0);
            sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + line;
        }
    }
    let sum = |x: u32, y: u32| {
        let (x, y) = (x.min(mask.width()) as usize, y.min(mask.height()) as usize);
        sums[y * (width + 1) + x]
    };
    let part = |tile: &Region| {
        let (right, bottom) = (tile.x + tile.width, tile.y + tile.height);
        let inside =
            (sum(right, bottom) + sum(tile.x, tile.y)) - (sum(tile.x, bottom) + sum(right, tile.y));
        f64::from(inside) / (f64::from(tile.width) * f64::from(tile.height))
    };
    tiles.iter().map(part).collect()
}

/// A file decoded whole.
enum Roi {
    Image(RgbImage),
    Codes(GrayImage),
}

impl Roi {
    fn bytes(&self) -> usize {
        match self {
            Self::Image(image) => image.as_raw().len(),
            Self::Codes(codes) => codes.as_raw().len(),
        }
    }
}

/// Filled by the first that needs the file; others wait for it instead of decoding it again.
type Slot = Arc<Mutex<Option<Arc<Roi>>>>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    path: PathBuf,
    codes: bool,
}

struct Held {
    key: Key,
    slot: Slot,
    bytes: usize,
}

/// Decoded ROIs, the least recently used dropped first, beyond a few that are always kept.
pub struct RoiCache {
    limit: usize,
    /// The most recently used is last.
    held: Mutex<Vec<Held>>,
}

impl std::fmt::Debug for RoiCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoiCache").finish_non_exhaustive()
    }
}

impl Default for RoiCache {
    fn default() -> Self {
        Self::new(0)
    }
}

impl RoiCache {
    /// A cache of so many bytes, or 256 MiB if that is more.
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.max(LEAST_CACHE_BYTES), held: Mutex::default() }
    }

    /// Bytes that it may take.
    pub fn limit(&self) -> usize {
        self.limit
    }

    fn get(&self, key: Key, levels: Levels) -> Result<Arc<Roi>> {
        let slot = self.slot(&key);
        let mut place = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(roi) = &*place {
            return Ok(roi.clone());
        }
        let roi = Arc::new(if key.codes {
            Roi::Codes(decode_codes(&key.path, Limit::Roi)?)
        } else {
            Roi::Image(decode_rgb(&key.path, Limit::Roi, levels)?)
        });
        *place = Some(roi.clone());
        drop(place);
        self.make_room(&key, roi.bytes());
        Ok(roi)
    }

    /// The place of a file, now the most recently used.
    fn slot(&self, key: &Key) -> Slot {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = match held.iter().position(|entry| entry.key == *key) {
            Some(index) => held.remove(index),
            None => Held { key: key.clone(), slot: Slot::default(), bytes: 0 },
        };
        let slot = entry.slot.clone();
        held.push(entry);
        slot
    }

    fn make_room(&self, key: &Key, bytes: usize) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = held.iter_mut().find(|entry| entry.key == *key) {
            entry.bytes = bytes;
        }
        let mut total: usize = held.iter().map(|entry| entry.bytes).sum();
        while total > self.limit && held.len() > LEAST_CACHE_FILES {
            let Some(oldest) = held.iter().position(|entry| entry.bytes > 0 && entry.key != *key)
            else {
                break;
            };
            total -= held.remove(oldest).bytes;
        }
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.held.lock().unwrap().iter().map(|entry| entry.bytes).sum()
    }
}

/// The image of a tile, averaged down or interpolated up to `width` x `height`.
pub(crate) fn image_tile(
    cache: &RoiCache,
    region: &Region,
    width: u32,
    height: u32,
    levels: Levels,
) -> Result<RgbImage> {
    match &*cache.get(Key { path: region.path.clone(), codes: false }, levels)? {
        Roi::Image(roi) => image_of_part(&crop(roi, region, BEYOND), region, width, height),
        Roi::Codes(_) => Err(Error::failed("an ROI's image was cached as its mask")),
    }
}

/// The image of a tile, of the pixels of the file that its region names.
pub(crate) fn image_of_part(
    part: &RgbImage,
    region: &Region,
    width: u32,
    height: u32,
) -> Result<RgbImage> {
    let filter = ResizeAlg::Convolution(FilterType::Bilinear);
    let data = resample(part.as_raw(), (region, width, height), PixelType::U8x3, filter)?;
    whole(RgbImage::from_raw(width, height, data), region)
}

/// The codes of a tile, as [`codes_of_tile`].
pub(crate) fn codes_tile(
    cache: &RoiCache,
    region: &Region,
    width: u32,
    height: u32,
) -> Result<GrayImage> {
    match &*cache.get(Key { path: region.path.clone(), codes: true }, Levels::Refused)? {
        Roi::Codes(roi) => codes_of_tile(roi, region, width, height),
        Roi::Image(_) => Err(Error::failed("an ROI's mask was cached as its image")),
    }
}

/// The codes of a tile of a mask, by the nearest pixel; 0 beyond the mask.
pub(super) fn codes_of_tile(
    mask: &GrayImage,
    region: &Region,
    width: u32,
    height: u32,
) -> Result<GrayImage> {
    codes_of_part(&crop(mask, region, image::Luma([0])), region, width, height)
}

/// The codes of a part that was cut out, by the nearest pixel.
fn codes_of_part(part: &GrayImage, region: &Region, width: u32, height: u32) -> Result<GrayImage> {
    let data = resample(part.as_raw(), (region, width, height), PixelType::U8, ResizeAlg::Nearest)?;
    whole(GrayImage::from_raw(width, height, data), region)
}

/// A part of a decoded image at `size` x `size`: white beyond the image, with labels that take no part there and outside of
/// `counts` (left, top, right and bottom in pixels of the image, the last two exclusive).
pub(crate) fn decoded_part(
    decoded: &Decoded,
    region: &Region,
    size: u32,
    [left, top, right, bottom]: [u32; 4],
) -> Result<Decoded> {
    let image = image_of_part(&crop(&decoded.image, region, BEYOND), region, size, size)?;
    let labels = decoded.labels.as_ref().map(|labels| {
        let mut part = crop(labels, region, image::Luma([IGNORE]));
        for (x, y, label) in part.enumerate_pixels_mut() {
            let (x, y) = (region.x + x, region.y + y);
            if !(left..right).contains(&x) || !(top..bottom).contains(&y) {
                *label = image::Luma([IGNORE]);
            }
        }
        codes_of_part(&part, region, size, size)
    });
    Ok(Decoded { labels: labels.transpose()?, ..Decoded::new(image) })
}

fn whole<T>(tile: Option<T>, region: &Region) -> Result<T> {
    tile.ok_or_else(|| Error::failed(format!("{}: a tile lost pixels", region.path.display())))
}

/// The part of an image that a region names; `beyond` where it reaches out.
fn crop<P: Pixel<Subpixel = u8>>(
    image: &ImageBuffer<P, Vec<u8>>,
    region: &Region,
    beyond: P,
) -> ImageBuffer<P, Vec<u8>> {
    let mut part = ImageBuffer::from_pixel(region.width, region.height, beyond);
    let channels = usize::from(P::CHANNEL_COUNT);
    let width = region.width.min(image.width().saturating_sub(region.x)) as usize * channels;
    let from = image.as_raw().chunks_exact(image.width() as usize * channels);
    let start = region.x as usize * channels;
    let into = part.chunks_exact_mut(region.width as usize * channels);
    if width > 0 {
        for (into, from) in into.zip(from.skip(region.y as usize)) {
            into[..width].copy_from_slice(&from[start..start + width]);
        }
    }
    part
}

fn resample(
    data: &[u8],
    (region, width, height): (&Region, u32, u32),
    kind: PixelType,
    algorithm: ResizeAlg,
) -> Result<Vec<u8>> {
    if (region.width, region.height) == (width, height) {
        return Ok(data.to_vec());
    }
    let failed = |why: String| Error::failed(format!("{}: {why}", region.path.display()));
    let from = ImageRef::new(region.width, region.height, data, kind)
        .map_err(|error| failed(error.to_string()))?;
    let mut into = Image::new(width, height, kind);
    Resizer::new()
        .resize(&from, &mut into, &ResizeOptions::new().resize_alg(algorithm))
        .map_err(|error| failed(error.to_string()))?;
    Ok(into.into_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn region(x: u32, y: u32, width: u32, height: u32) -> Region {
        Region { path: PathBuf::new(), x, y, width, height, scale: 1.0 }
    }

    #[test]
    fn the_last_tile_is_shifted_inside() {
        assert_eq!(corners(10, 4, 4, 1.0), [(0, 4), (4, 4), (6, 4)]);
        assert_eq!(corners(8, 4, 4, 1.0), [(0, 4), (4, 4)]);
        assert_eq!(corners(8, 4, 2, 1.0), [(0, 4), (2, 4), (4, 4)]);
        assert_eq!(corners(4, 4, 4, 1.0), [(0, 4)]);
    }

    #[test]
    fn a_side_shorter_than_a_tile_has_one_that_reaches_beyond() {
        assert_eq!(corners(3, 4, 4, 1.0), [(0, 4)]);
    }

    #[test]
    fn at_half_magnification_a_tile_covers_twice_as_much() {
        assert_eq!(corners(20, 4, 4, 0.5), [(0, 8), (8, 8), (12, 8)]);
    }

    proptest! {
        #[test]
        fn every_pixel_is_covered(
            side in 1u32..900, tile in 1u32..300, step in 1u32..300, scale in 0.05f64..4.0,
        ) {
            let stride = step.min(tile);
            let mut reached = 0;
            for (start, length) in corners(side, tile, stride, scale) {
                prop_assert!(start <= reached, "a gap before {start}, {reached} reached");
                prop_assert!(start + length <= side || start == 0);
                reached = start + length;
            }
            prop_assert!(reached >= side);
        }
    }

    #[test]
    fn labelled_parts_count_codes_other_than_0_over_the_whole_tile() {
        let mask = GrayImage::from_raw(3, 2, vec![0, 1, 2, 0, 0, 7]).unwrap();
        let tiles = [region(0, 0, 2, 2), region(1, 0, 2, 2), region(0, 0, 4, 4)];
        assert_eq!(labelled_parts(&mask, &tiles), [0.25, 0.75, 3.0 / 16.0]);
    }

    #[test]
    fn a_crop_keeps_pixels_and_fills_what_lies_beyond() {
        let image = GrayImage::from_raw(3, 2, vec![1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(crop(&image, &region(1, 0, 2, 2), image::Luma([9])).into_raw(), [2, 3, 5, 6]);
        assert_eq!(crop(&image, &region(2, 1, 2, 2), image::Luma([9])).into_raw(), [6, 9, 9, 9]);
    }

    #[test]
    fn tiles_of_one_roi_share_its_decoding_and_the_cache_stays_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roi.png");
        RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8, y as u8, 7])).save(&path).unwrap();
        let cache = RoiCache::default();
        let tile = Region { path: path.clone(), ..region(8, 4, 16, 16) };
        let first = image_tile(&cache, &tile, 16, 16, Levels::Refused).unwrap();
        assert_eq!(first.get_pixel(2, 3).0, [10, 7, 7]);
        assert_eq!(cache.bytes(), 40 * 30 * 3);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(image_tile(&cache, &tile, 16, 16, Levels::Refused).unwrap(), first);
        cache.held.lock().unwrap()[0].bytes = LEAST_CACHE_BYTES + 1;
        for other in 1..=LEAST_CACHE_FILES {
            assert_eq!(
                cache.bytes(),
                LEAST_CACHE_BYTES + other,
                "few files are kept whatever their size"
            );
            let key = Key { path: other.to_string().into(), codes: false };
            cache.slot(&key);
            cache.make_room(&key, 1);
        }
        assert_eq!(cache.bytes(), LEAST_CACHE_FILES);
        assert!(image_tile(&cache, &tile, 16, 16, Levels::Refused).is_err());
    }

    #[test]
    fn scaled_tiles_average_the_image_and_pick_codes() {
        let folder = tempfile::tempdir().unwrap();
        let (image, mask) = (folder.path().join("i.png"), folder.path().join("m.png"));
        RgbImage::from_fn(8, 8, |x, _| image::Rgb([if x % 2 == 0 { 0 } else { 200 }; 3]))
            .save(&image)
            .unwrap();
        GrayImage::from_fn(8, 8, |x, _| image::Luma([if x < 4 { 1 } else { 20 }]))
            .save(&mask)
            .unwrap();
        let cache = RoiCache::default();
        let tile = image_tile(
            &cache,
            &Region { path: image, ..region(0, 0, 8, 8) },
            4,
            4,
            Levels::Refused,
        )
        .unwrap();
        assert!(tile.pixels().all(|pixel| (75..=125).contains(&pixel.0[0])), "{tile:?}");
        let codes = codes_tile(&cache, &Region { path: mask, ..region(0, 0, 8, 8) }, 4, 4).unwrap();
        assert_eq!(codes.into_raw()[..4], [1, 1, 20, 20]);
    }
}
