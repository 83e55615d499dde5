//! Channels of a network's input that are made from a gray image and the mask of its lesion.

use image::GrayImage;

use super::clahe::clahe;
use crate::frame::{Frame, Resize};
use crate::spec::InputKind;

/// OpenCV's usual limit and tiles.
const CLIP_LIMIT: f64 = 2.0;
const TILES: [u32; 2] = [8, 8];
/// What is kept around a lesion, as a part of its height and width.
const MARGIN: f32 = 0.1;

/// Makes each channel of intensities from 0 to 1 of a frame; in the mask 1 is lesion.
pub(super) fn planes(
    kinds: &[InputKind],
    gray: &[f32],
    mask: &[u8],
    frame: Frame,
) -> Vec<Vec<f32>> {
    let lesion = |value: f32, label: &u8| if *label == 1 { value } else { 0.0 };
    let enhanced = kinds
        .iter()
        .any(|kind| matches!(kind, InputKind::Clahe | InputKind::Lesion))
        .then(|| equalised(gray, frame));
    let enhanced = enhanced.as_deref().unwrap_or(&[]);
    kinds
        .iter()
        .map(|kind| match kind {
            InputKind::Gray => gray.to_vec(),
            InputKind::Clahe => enhanced.to_vec(),
            InputKind::Lesion => {
                enhanced.iter().zip(mask).map(|(&value, label)| lesion(value, label)).collect()
            }
            InputKind::Mask => mask.iter().map(|label| lesion(1.0, label)).collect(),
            InputKind::Crop => crop(gray, mask, frame),
        })
        .collect()
}

/// With its histogram equalised around every pixel.
fn equalised(gray: &[f32], frame: Frame) -> Vec<f32> {
    let levels = gray.iter().map(|value| (value * 255.0).round() as u8).collect();
    match GrayImage::from_raw(frame.width, frame.height, levels) {
        Some(image) => {
            let image = clahe(&image, CLIP_LIMIT, TILES);
            image.into_raw().into_iter().map(|level| f32::from(level) / 255.0).collect()
        }
        None => gray.to_vec(),
    }
}

/// The lesion with some of what is around it, enlarged to the whole by bilinear interpolation: stretched, or, where images
/// keep their shape, with more around its shorter side; the whole image where there is no lesion.
fn crop(gray: &[f32], mask: &[u8], frame: Frame) -> Vec<f32> {
    let [height, width] = frame.sides();
    let Some([columns, rows]) = bounds(mask, width) else { return gray.to_vec() };
    let around = |[first, end]: [usize; 2], side: usize| {
        let margin = (end - first) as f32 * MARGIN;
        [(first as f32 - margin).max(0.0), (end as f32 + margin).min(side as f32)]
    };
    let (mut columns, mut rows) = (around(columns, width), around(rows, height));
    if frame.resize == Resize::Letterbox {
        let part = |[from, to]: [f32; 2], side: usize| (to - from) / side as f32;
        let part = part(columns, width).max(part(rows, height));
        columns = widened(columns, part * width as f32, width);
        rows = widened(rows, part * height as f32, height);
    }
    let places = |[from, to]: [f32; 2], side: usize| -> Vec<(usize, usize, f32)> {
        (0..side)
            .map(|index| {
                let at = from + (index as f32 + 0.5) * (to - from) / side as f32 - 0.5;
                let at = at.clamp(0.0, (side - 1) as f32);
                let low = at as usize;
                (low, (low + 1).min(side - 1), at - low as f32)
            })
            .collect()
    };
    let (columns, rows) = (places(columns, width), places(rows, height));
    let mut out = Vec::with_capacity(width * height);
    for &(above, below, down) in &rows {
        for &(left, right, across) in &columns {
            let row = |row: usize| {
                let value = |column: usize| gray[row * width + column];
                value(left) * (1.0 - across) + value(right) * across
            };
            out.push(row(above) * (1.0 - down) + row(below) * down);
        }
    }
    out
}

/// A span made as long as `length` about its middle, inside a side that is at least as long.
fn widened([from, to]: [f32; 2], length: f32, side: usize) -> [f32; 2] {
    let from = ((from + to - length) / 2.0).clamp(0.0, (side as f32 - length).max(0.0));
    [from, from + length]
}

/// First and end (exclusive) of the columns and rows that hold a lesion.
fn bounds(mask: &[u8], width: usize) -> Option<[[usize; 2]; 2]> {
    let places = mask.iter().enumerate().filter(|(_, label)| **label == 1);
    places.map(|(index, _)| [index % width, index / width]).fold(None, |bounds, [x, y]| {
        let [[left, right], [top, bottom]] = bounds.unwrap_or([[x, x], [y, y]]);
        Some([[left.min(x), right.max(x + 1)], [top.min(y), bottom.max(y + 1)]])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of 0, 0.1, .. 0.7 on 8 x 8 pixels, and a lesion of 2 x 2 in the middle.
    fn image() -> (Vec<f32>, Vec<u8>) {
        let gray = (0..64).map(|index| (index % 8) as f32 / 10.0).collect();
        let inside = |index: usize| (3..5).contains(&(index % 8)) && (3..5).contains(&(index / 8));
        (gray, (0..64).map(|index| u8::from(inside(index))).collect())
    }

    #[test]
    fn each_channel_is_made_of_the_image_or_the_mask() {
        let (gray, mask) = image();
        let kinds = [InputKind::Gray, InputKind::Mask, InputKind::Clahe, InputKind::Lesion];
        let planes = planes(&kinds, &gray, &mask, Frame::square(8));
        assert_eq!(planes[0], gray);
        assert_eq!(planes[1].iter().sum::<f32>(), 4.0);
        assert_eq!(planes[1][3 * 8 + 3], 1.0);
        for index in 0..64 {
            let expected = if mask[index] == 1 { planes[2][index] } else { 0.0 };
            assert_eq!(planes[3][index], expected);
        }
    }

    #[test]
    fn a_crop_enlarges_the_lesion_and_is_the_whole_image_where_there_is_none() {
        let (gray, mask) = image();
        let cropped = &planes(&[InputKind::Crop], &gray, &mask, Frame::square(8))[0];
        let (least, most) =
            cropped.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
        assert!(least > 0.2 && most < 0.5, "{least} to {most}: columns 3 and 4, and a tenth");
        assert_eq!(planes(&[InputKind::Crop], &gray, &[0; 64], Frame::square(8))[0], gray);
        // A label that takes no part is no lesion.
        assert_eq!(planes(&[InputKind::Crop], &gray, &[255; 64], Frame::square(8))[0], gray);
    }

    #[test]
    fn a_crop_of_an_image_that_keeps_its_shape_keeps_that_of_the_lesion() {
        let gray: Vec<f32> = (0..64).map(|index| (index / 8) as f32 / 10.0).collect();
        // A lesion of one row and all columns but the outer two: 7.2 columns with its margin, so 7.2 rows.
        let mask: Vec<u8> =
            (0..64).map(|at| u8::from(at / 8 == 4 && (1..7).contains(&(at % 8)))).collect();
        let stretched = &planes(&[InputKind::Crop], &gray, &mask, Frame::square(8))[0];
        assert!(stretched.iter().all(|value| (0.34..=0.46).contains(value)), "{stretched:?}");
        let frame = Frame { resize: Resize::Letterbox, ..Frame::square(8) };
        let kept = &planes(&[InputKind::Crop], &gray, &mask, frame)[0];
        let (first, last) = (kept[0], kept[63]);
        assert!((first - 0.075).abs() < 0.02 && (last - 0.7).abs() < 0.03, "{first} to {last}");
    }
}
