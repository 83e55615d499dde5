//! Made-up images and masks of cases.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage};

use super::{CaseRow, PicturedRow, Table};
use crate::split_name::SplitName;

/// An ellipse, or one for each of several classes, in a gradient, with a prediction that is off by as much as its Dice says:
/// of the cases of the test split, with masks of some side.
pub(crate) fn pictured(cases: &[CaseRow], side: u32) -> Table<PicturedRow> {
    let mut rows: Vec<PicturedRow> = Vec::new();
    for of_case in cases.chunk_by(|one, next| one.case == next.case && one.split == next.split) {
        let first = &of_case[0];
        let known = rows.iter().any(|row| row.case == first.case);
        if first.split != SplitName::Test || known {
            continue;
        }
        let seed = first
            .case
            .bytes()
            .fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        let shift = 0.3 * (1.0 - of_case[0].dice.unwrap_or(0.0));
        let classes: Vec<u8> = (1..).take(of_case.len()).collect();
        let label = |x: u32, y: u32, shift: f64| {
            let place = |v: u32| f64::from(v) / f64::from(side);
            let at = |class: u8| 0.2 + 0.6 * f64::from((seed / u32::from(class)) % 97) / 97.0;
            let inside = |class: &&u8| {
                let (a, b) = (place(x) - at(**class) - shift, place(y) - at(**class + 1));
                a * a / 0.04 + b * b / 0.02 < 1.0
            };
            let found = if first.label == "normal" { None } else { classes.iter().find(inside) };
            found.map_or(0, |class| if classes.len() == 1 { 1 } else { *class - 1 })
        };
        let mask = |shift: f64| GrayImage::from_fn(side, side, |x, y| Luma([label(x, y, shift)]));
        let image = RgbImage::from_fn(side, side, |x, y| {
            let noise = (x.wrapping_mul(7919) ^ y.wrapping_mul(104_729) ^ seed) % 48;
            let base = 180 - 90 * y / side;
            let value = if label(x, y, 0.0) > 0 { base / 2 } else { base } + noise;
            Rgb([value as u8; 3])
        });
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, 88).encode_image(&image).unwrap();
        rows.push(PicturedRow {
            split: first.split,
            case: first.case.clone(),
            image: jpeg,
            truth: Some(png(&mask(0.0))),
            prediction: Some(png(&mask(shift))),
        });
    }
    rows.into()
}

fn png(mask: &GrayImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    mask.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}
