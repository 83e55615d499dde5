//! Where a predicted mask differs from the truth, small enough for a page: no wrong pixel is lost.

use image::GrayImage;

use super::pictures::{FALSE_NEGATIVE, FALSE_POSITIVE, LONGEST_SIDE, TRUE_POSITIVE, class_colour};
use crate::data::IGNORE;
use crate::error::{Error, Result};

/// Colour of background that is predicted as such, and of every background of a mask.
pub const BACKGROUND: [u8; 3] = [0, 0, 0];
/// Colour of pixels without a label.
pub const IGNORED: [u8; 3] = [128, 128, 128];
/// Colour of the foreground of a true mask.
pub const FOREGROUND: [u8; 3] = [255, 255, 255];

/// The error map of a binary mask as indexed PNG, its longest side at most 256 pixels: background, true positive, false
/// positive, false negative, without label. Where a pixel of it stands for several, those that are wrong decide.
///
/// # Errors
/// If the masks differ in size, or the picture cannot be encoded.
pub fn error_map(truth: &GrayImage, prediction: &GrayImage) -> Result<Vec<u8>> {
    const KINDS: usize = 5;
    let palette = [BACKGROUND, TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE, IGNORED];
    let kind = |(truth, label): (u8, u8)| match (label, truth) {
        (_, IGNORE) => 4,
        (0, 0) => 0,
        (_, 0) => 2,
        (0, _) => 3,
        _ => 1,
    };
    let decide = |counts: [usize; KINDS]| {
        let most = |of: &[usize]| of.iter().copied().rev().max_by_key(|&kind| counts[kind]);
        let wrong = most(&[2, 3]).filter(|&kind| counts[kind] > 0);
        wrong.or_else(|| most(&[0, 1, 4])).unwrap_or(0) as u8
    };
    let blocks = Blocks::new(truth, prediction)?;
    let pixels = blocks.map(|pixels| {
        let mut counts = [0; KINDS];
        pixels.for_each(|pair| counts[kind(pair)] += 1);
        decide(counts)
    });
    png_indexed(&pixels, blocks.size, &palette)
}

/// A predicted mask of several classes as indexed PNG in the colours of the classes, its longest side at most 256 pixels.
/// Where a pixel of it stands for several, the most frequent wrong one decides.
///
/// # Errors
/// As [`error_map`].
pub fn class_map(truth: &GrayImage, prediction: &GrayImage) -> Result<Vec<u8>> {
    let blocks = Blocks::new(truth, prediction)?;
    let pixels = blocks.map(|pixels| {
        let (mut wrong, mut all) = ([0_usize; 256], [0_usize; 256]);
        for (truth, label) in pixels {
            all[usize::from(label)] += 1;
            wrong[usize::from(label)] += usize::from(label != truth && truth != IGNORE);
        }
        let most = |of: [usize; 256]| {
            let (label, count) = of.iter().enumerate().rev().max_by_key(|(_, count)| **count)?;
            (*count > 0).then_some(label as u8)
        };
        most(wrong).or_else(|| most(all)).unwrap_or(0)
    });
    png_classes(&pixels, blocks.size)
}

/// A true mask as indexed PNG, its longest side at most 256 pixels: white on black, or in the colours of several classes.
///
/// # Errors
/// If the picture cannot be encoded.
pub fn truth_map(truth: &GrayImage, several: bool) -> Result<Vec<u8>> {
    let blocks = Blocks::new(truth, truth)?;
    let pixels = blocks.map(|pixels| {
        let mut counts = [0_usize; 256];
        pixels.for_each(|(truth, _)| counts[usize::from(truth)] += 1);
        let most = counts.iter().enumerate().rev().max_by_key(|(_, count)| **count);
        most.map_or(0, |(label, _)| label as u8)
    });
    if several {
        return png_classes(&pixels, blocks.size);
    }
    let index = |label: u8| match label {
        0 => 0,
        IGNORE => 2,
        _ => 1,
    };
    let pixels: Vec<u8> = pixels.into_iter().map(index).collect();
    png_indexed(&pixels, blocks.size, &[BACKGROUND, FOREGROUND, IGNORED])
}

/// Two masks in blocks that become one pixel each.
struct Blocks<'a> {
    truth: &'a GrayImage,
    prediction: &'a GrayImage,
    /// Width and height in blocks.
    size: (u32, u32),
}

impl<'a> Blocks<'a> {
    fn new(truth: &'a GrayImage, prediction: &'a GrayImage) -> Result<Self> {
        if truth.dimensions() != prediction.dimensions() {
            return Err(Error::failed("a mask and its truth differ in size"));
        }
        let (width, height) = truth.dimensions();
        let longest = u64::from(width.max(height).max(1));
        let side = |length: u32| match longest > u64::from(LONGEST_SIDE) {
            true => {
                let scaled = f64::from(length) * f64::from(LONGEST_SIDE) / longest as f64;
                (scaled.round() as u32).max(1)
            }
            false => length,
        };
        Ok(Self { truth, prediction, size: (side(width), side(height)) })
    }

    /// What each block becomes, of its pixels as pairs of truth and prediction; blocks cover every pixel once.
    fn map(&self, of_block: impl Fn(&mut dyn Iterator<Item = (u8, u8)>) -> u8) -> Vec<u8> {
        let (width, height) = (self.truth.width() as usize, self.truth.height() as usize);
        let (columns, rows) = (self.size.0 as usize, self.size.1 as usize);
        let bound = |at: usize, of: usize, length: usize| at * length / of;
        let (truth, prediction) = (self.truth.as_raw(), self.prediction.as_raw());
        let mut out = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            let lines = bound(row, rows, height)..bound(row + 1, rows, height);
            for column in 0..columns {
                let across = bound(column, columns, width)..bound(column + 1, columns, width);
                let mut pixels = lines.clone().flat_map(|y| {
                    let line = y * width + across.start..y * width + across.end;
                    line.map(|at| (truth[at], prediction[at]))
                });
                out.push(of_block(&mut pixels));
            }
        }
        out
    }
}

/// Labels in the colours of their classes.
fn png_classes(labels: &[u8], size: (u32, u32)) -> Result<Vec<u8>> {
    let mut present: Vec<u8> = labels.to_vec();
    present.sort_unstable();
    present.dedup();
    let palette: Vec<[u8; 3]> = present
        .iter()
        .map(|&label| if label == IGNORE { IGNORED } else { class_colour(label) })
        .collect();
    let mut index = [0_u8; 256];
    for (at, label) in present.iter().enumerate() {
        index[usize::from(*label)] = at as u8;
    }
    let pixels: Vec<u8> = labels.iter().map(|&label| index[usize::from(label)]).collect();
    png_indexed(&pixels, size, &palette)
}

/// An indexed PNG with as few bits a pixel as the palette needs.
fn png_indexed(pixels: &[u8], (width, height): (u32, u32), palette: &[[u8; 3]]) -> Result<Vec<u8>> {
    let (depth, bits) = match palette.len() {
        0..=2 => (png::BitDepth::One, 1),
        3..=4 => (png::BitDepth::Two, 2),
        5..=16 => (png::BitDepth::Four, 4),
        _ => (png::BitDepth::Eight, 8),
    };
    let each = 8 / bits;
    let packed: Vec<u8> = pixels
        .chunks(width.max(1) as usize)
        .flat_map(|row| row.chunks(each))
        .map(|part| {
            let shifted = part.iter().enumerate();
            shifted.fold(0, |byte, (at, &pixel)| byte | pixel << (8 - bits * (at + 1)))
        })
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(depth);
    encoder.set_palette(palette.concat());
    encoder.set_compression(png::Compression::Balanced);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&packed)?;
        writer.finish()
    });
    written.map_err(|error| Error::failed(format!("cannot encode a picture: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn mask(width: u32, labels: &[u8]) -> GrayImage {
        GrayImage::from_raw(width, labels.len() as u32 / width, labels.to_vec()).unwrap()
    }

    fn colours(png: &[u8]) -> Vec<[u8; 3]> {
        let image = image::load_from_memory(png).unwrap().to_rgb8();
        image.pixels().map(|Rgb(colour)| *colour).collect()
    }

    #[test]
    fn errors_are_told_apart() {
        let (truth, found) = (mask(5, &[0, 1, 0, 1, IGNORE]), mask(5, &[0, 1, 1, 0, 1]));
        assert_eq!(
            colours(&error_map(&truth, &found).unwrap()),
            [BACKGROUND, TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE, IGNORED]
        );
        assert_eq!(
            colours(&truth_map(&truth, false).unwrap()),
            [BACKGROUND, FOREGROUND, BACKGROUND, FOREGROUND, IGNORED]
        );
        assert!(error_map(&truth, &mask(1, &[0; 5])).is_err());
    }

    #[test]
    fn a_single_wrong_pixel_of_a_large_mask_is_seen() {
        let truth = mask(1024, &vec![0; 1024 * 512]);
        let mut found = truth.clone();
        found.get_pixel_mut(777, 333).0 = [1];
        let map = image::load_from_memory(&error_map(&truth, &found).unwrap()).unwrap().to_rgb8();
        assert_eq!(map.dimensions(), (256, 128));
        let wrong: Vec<(u32, u32)> = map
            .enumerate_pixels()
            .filter(|(_, _, Rgb(colour))| *colour == FALSE_POSITIVE)
            .map(|(x, y, _)| (x, y))
            .collect();
        assert_eq!(wrong, [(777 / 4, 333 / 4)]);
        let classes = image::load_from_memory(&class_map(&truth, &found).unwrap()).unwrap();
        assert_eq!(classes.to_rgb8().get_pixel(777 / 4, 333 / 4).0, class_colour(1));
    }

    #[test]
    fn many_classes_keep_their_colours() {
        let labels: Vec<u8> = (0..40).collect();
        let found = colours(&truth_map(&mask(8, &labels), true).unwrap());
        let expected: Vec<[u8; 3]> = labels.iter().map(|&label| class_colour(label)).collect();
        assert_eq!(found, expected);
    }
}
