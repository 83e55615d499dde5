//! Contrast-limited adaptive histogram equalisation.

use image::GrayImage;

use super::mirror::mirror;

const LEVELS: usize = 256;

/// What a tile makes of each gray level.
type Curve = [u8; LEVELS];

/// Equalises the histogram around every pixel, with limited gain (Zuiderveld 1994, *Graphics Gems
/// IV*, VIII.5), byte for byte as OpenCV's `createCLAHE(clip_limit, tiles)`.
///
/// The image is cut into `tiles` (columns, rows; at least 1 each) of equal size, mirrored about
/// its last row and column where that does not come out even. No bin of a tile's histogram may
/// hold more than `clip_limit` times the mean of all bins; what is above is spread over all bins.
/// A `clip_limit` of 0 means no limit. Between the centres of tiles, what they make of a pixel is
/// interpolated bilinearly.
///
/// # Panics
/// If a number of tiles is 0.
pub(super) fn clahe(image: &GrayImage, clip_limit: f64, tiles: [u32; 2]) -> GrayImage {
    let (width, height) = image.dimensions();
    if width == 0 || height == 0 {
        return image.clone();
    }
    let tile = tile_size([width, height], tiles);
    let curves = curves(image, clip_limit, tiles, tile);
    let curves: Vec<&[Curve]> = curves.chunks_exact(tiles[0] as usize).collect();
    let columns = taps(width, tile[0], tiles[0]);
    let rows = taps(height, tile[1], tiles[1]);
    let mut equalised = image.clone();
    for (line, row) in equalised.chunks_exact_mut(width as usize).zip(&rows) {
        let [above, below] = [row.before, row.after].map(|tile| curves[tile]);
        for (pixel, column) in line.iter_mut().zip(&columns) {
            let across = |curves: &[Curve]| {
                let [left, right] = [column.before, column.after]
                    .map(|tile| f32::from(curves[tile][usize::from(*pixel)]));
                left * (1.0 - column.way) + right * column.way
            };
            let value = across(above) * (1.0 - row.way) + across(below) * row.way;
            *pixel = value.round_ties_even() as u8;
        }
    }
    equalised
}

/// Width and height of a tile. Unless both sides of the image divide evenly, both grow to the next
/// multiple above, even the one that did divide.
fn tile_size(size: [u32; 2], tiles: [u32; 2]) -> [u32; 2] {
    let even = size[0].is_multiple_of(tiles[0]) && size[1].is_multiple_of(tiles[1]);
    [0, 1].map(|axis| size[axis] / tiles[axis] + u32::from(!even))
}

/// The curves of all tiles, row by row.
fn curves(image: &GrayImage, clip_limit: f64, tiles: [u32; 2], tile: [u32; 2]) -> Vec<Curve> {
    let (width, height) = image.dimensions();
    let area = (tile[0] * tile[1]) as i32;
    let limit =
        (clip_limit > 0.0).then(|| ((clip_limit * f64::from(area) / LEVELS as f64) as i32).max(1));
    let mut curves = Vec::with_capacity((tiles[0] * tiles[1]) as usize);
    for (row, column) in (0..tiles[1]).flat_map(|row| (0..tiles[0]).map(move |c| (row, c))) {
        let mut histogram = [0; LEVELS];
        for y in row * tile[1]..(row + 1) * tile[1] {
            for x in column * tile[0]..(column + 1) * tile[0] {
                let level = image.get_pixel(mirrored(x, width), mirrored(y, height)).0[0];
                histogram[usize::from(level)] += 1;
            }
        }
        if let Some(limit) = limit {
            clip(&mut histogram, limit);
        }
        curves.push(equalising(&histogram, area));
    }
    curves
}

/// The position that one at or beyond the end mirrors to.
fn mirrored(position: u32, size: u32) -> u32 {
    mirror(position as i32, size as usize) as u32
}

/// Cuts bins off at `limit` and spreads what was cut over all bins evenly; the rest of that
/// division goes one each to bins at equal distances from the first.
fn clip(histogram: &mut [i32; LEVELS], limit: i32) {
    let mut excess = 0;
    for bin in histogram.iter_mut() {
        excess += (*bin - limit).max(0);
        *bin = (*bin).min(limit);
    }
    let (each, rest) = (excess / LEVELS as i32, excess as usize % LEVELS);
    for bin in histogram.iter_mut() {
        *bin += each;
    }
    if let Some(step) = LEVELS.checked_div(rest) {
        for bin in histogram.iter_mut().step_by(step).take(rest) {
            *bin += 1;
        }
    }
}

/// The cumulative histogram, scaled to end at 255.
fn equalising(histogram: &[i32; LEVELS], area: i32) -> Curve {
    let scale = (LEVELS - 1) as f32 / area as f32;
    let mut sum = 0;
    histogram.map(|count| {
        sum += count;
        (sum as f32 * scale).round_ties_even() as u8
    })
}

/// Two tiles of a row or column of tiles, and the way from the centre of one to the other's.
struct Tap {
    before: usize,
    after: usize,
    way: f32,
}

/// Between which tiles each pixel of an axis lies; those beyond the outer centres have one twice.
fn taps(size: u32, tile: u32, tiles: u32) -> Vec<Tap> {
    let inverse = 1.0 / tile as f32;
    let tap = |position: u32| {
        let place = position as f32 * inverse - 0.5;
        let before = place.floor();
        let inside = |tile: f32| tile.clamp(0.0, (tiles - 1) as f32) as usize;
        Tap { before: inside(before), after: inside(before + 1.0), way: place - before }
    };
    (0..size).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixture;

    fn gray(width: u32, height: u32, pixels: Vec<u8>) -> GrayImage {
        GrayImage::from_raw(width, height, pixels).unwrap()
    }

    #[test]
    fn one_tile_without_a_limit_is_plain_equalisation() {
        // 255 times the share of pixels that are no brighter: 1/4, 3/4, 3/4, 1.
        let image = gray(2, 2, vec![10, 20, 20, 90]);
        assert_eq!(clahe(&image, 0.0, [1, 1]).into_raw(), [64, 191, 191, 255]);
    }

    #[test]
    fn a_limit_spreads_the_excess_over_all_bins() {
        // 3 * 256 + 2 above the limit: 3 to each bin, and one more to bins 0 and 128.
        let mut histogram = [0; LEVELS];
        histogram[5] = 770 + 4;
        clip(&mut histogram, 4);
        assert_eq!([0, 1, 5, 128, 255].map(|bin| histogram[bin]), [4, 3, 7, 4, 3]);
        assert_eq!(histogram.iter().sum::<i32>(), 774);
    }

    #[test]
    fn between_two_tiles_their_curves_are_mixed() {
        // Left: 0 -> 128 and 9 -> 255; right: 0 -> 255. At x = 2 half of each: 191.5, to even.
        let image = gray(4, 1, vec![0, 9, 0, 0]);
        assert_eq!(clahe(&image, 0.0, [2, 1]).into_raw(), [128, 255, 192, 255]);
        let columns = taps(4, 2, 2);
        let found: Vec<_> = columns.iter().map(|tap| (tap.before, tap.after, tap.way)).collect();
        assert_eq!(found, [(0, 0, 0.5), (0, 1, 0.0), (0, 1, 0.5), (1, 1, 0.0)]);
    }

    #[test]
    fn an_uneven_side_makes_both_sides_grow() {
        assert_eq!(tile_size([16, 24], [8, 8]), [2, 3]);
        assert_eq!(tile_size([16, 25], [8, 8]), [3, 4]);
    }

    #[test]
    fn an_empty_image_stays_empty() {
        assert_eq!(clahe(&gray(0, 3, vec![]), 2.0, [8, 8]).dimensions(), (0, 3));
    }

    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        width: u32,
        height: u32,
        tiles: [u32; 2],
        pixels: Vec<u8>,
        limited: Vec<Limited>,
    }

    #[derive(serde::Deserialize)]
    struct Limited {
        clip_limit: f64,
        pixels: Vec<u8>,
    }

    #[test]
    fn images_are_those_of_opencv() {
        let text = std::fs::read_to_string(fixture("clahe.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
        assert_eq!(cases.len(), 9);
        for case in cases {
            let image = gray(case.width, case.height, case.pixels);
            for Limited { clip_limit, pixels } in case.limited {
                let found = clahe(&image, clip_limit, case.tiles).into_raw();
                assert_eq!(found, pixels, "{}, clip limit {clip_limit}", case.name);
            }
        }
    }
}
