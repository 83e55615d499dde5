//! Channels of a network's input that are made from a gray image and the mask of its lesion.

use image::GrayImage;

use super::clahe::clahe;
use crate::spec::InputKind;

/// OpenCV's usual limit and tiles.
const CLIP_LIMIT: f64 = 2.0;
const TILES: [u32; 2] = [8, 8];
/// What is kept around a lesion, as a part of its height and width.
const MARGIN: f32 = 0.1;

/// Makes each channel of an image of `size` x `size` intensities from 0 to 1; in the mask 1 is lesion.
pub(super) fn planes(kinds: &[InputKind], gray: &[f32], mask: &[u8], size: usize) -> Vec<Vec<f32>> {
    let lesion = |value: f32, label: &u8| if *label == 1 { value } else { 0.0 };
    let enhanced = kinds
        .iter()
        .any(|kind| matches!(kind, InputKind::Clahe | InputKind::Lesion))
        .then(|| equalised(gray, size));
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
            InputKind::Crop => crop(gray, mask, size),
        })
        .collect()
}

/// With its histogram equalised around every pixel.
fn equalised(gray: &[f32], size: usize) -> Vec<f32> {
    let levels = gray.iter().map(|value| (value * 255.0).round() as u8).collect();
    match GrayImage::from_raw(size as u32, size as u32, levels) {
        Some(image) => {
            let image = clahe(&image, CLIP_LIMIT, TILES);
            image.into_raw().into_iter().map(|level| f32::from(level) / 255.0).collect()
        }
        None => gray.to_vec(),
    }
}

/// The lesion with some of what is around it, enlarged to the whole by bilinear interpolation; the whole image
/// where there is no lesion.
fn crop(gray: &[f32], mask: &[u8], size: usize) -> Vec<f32> {
    let Some([columns, rows]) = bounds(mask, size) else { return gray.to_vec() };
    let last = (size - 1) as f32;
    let places = |[first, end]: [usize; 2]| -> Vec<(usize, usize, f32)> {
        let margin = (end - first) as f32 * MARGIN;
        let from = (first as f32 - margin).max(0.0);
        let to = (end as f32 + margin).min(size as f32);
        (0..size)
            .map(|index| {
                let at = from + (index as f32 + 0.5) * (to - from) / size as f32 - 0.5;
                let at = at.clamp(0.0, last);
                let low = at as usize;
                (low, (low + 1).min(size - 1), at - low as f32)
            })
            .collect()
    };
    let (columns, rows) = (places(columns), places(rows));
    let mut out = Vec::with_capacity(size * size);
    for &(above, below, down) in &rows {
        for &(left, right, across) in &columns {
            let row = |row: usize| {
                let value = |column: usize| gray[row * size + column];
                value(left) * (1.0 - across) + value(right) * across
            };
            out.push(row(above) * (1.0 - down) + row(below) * down);
        }
    }
    out
}

/// First and end (exclusive) of the columns and rows that hold a lesion.
fn bounds(mask: &[u8], size: usize) -> Option<[[usize; 2]; 2]> {
    let places = mask.iter().enumerate().filter(|(_, label)| **label == 1);
    places.map(|(index, _)| [index % size, index / size]).fold(None, |bounds, [x, y]| {
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
        let planes = planes(&kinds, &gray, &mask, 8);
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
        let cropped = &planes(&[InputKind::Crop], &gray, &mask, 8)[0];
        let (least, most) =
            cropped.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
        assert!(least > 0.2 && most < 0.5, "{least} to {most}: columns 3 and 4, and a tenth");
        assert_eq!(planes(&[InputKind::Crop], &gray, &[0; 64], 8)[0], gray);
        // A label that takes no part is no lesion.
        assert_eq!(planes(&[InputKind::Crop], &gray, &[255; 64], 8)[0], gray);
    }
}
