//! Pictures for tests: scenes with structure of all sizes, and copies of them.

use image::imageops::{FilterType, crop_imm, flip_horizontal, flip_vertical, resize};
use image::{Rgb, RgbImage};

use crate::data::random::{below, stream};

/// A picture of a place: noise in several octaves that darkens downwards, another one for every seed.
pub(super) fn scene(seed: u32, width: u32, height: u32) -> RgbImage {
    let mut rng = stream(seed, b"scene   ");
    let octaves: Vec<(u32, f32, Vec<f32>)> = [(4, 50.0), (9, 35.0), (20, 25.0), (45, 20.0)]
        .into_iter()
        .map(|(cells, weight)| {
            let knots = 0..(cells + 1) * (cells + 1);
            let knots = knots.map(|_| below(&mut rng, 1000) as f32 / 500.0 - 1.0).collect();
            (cells, weight, knots)
        })
        .collect();
    RgbImage::from_fn(width, height, |x, y| {
        let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
        let mut value = 130.0 - 60.0 * v;
        for (cells, weight, knots) in &octaves {
            value += weight * smooth(knots, *cells, u, v);
        }
        Rgb([value.clamp(0.0, 255.0) as u8; 3])
    })
}

fn smooth(knots: &[f32], cells: u32, u: f32, v: f32) -> f32 {
    let (x, y) = (u * cells as f32, v * cells as f32);
    let (left, top) = (x as u32, y as u32);
    let (x, y) = (x - left as f32, y - top as f32);
    let knot = |dx: u32, dy: u32| {
        knots[((top + dy).min(cells) * (cells + 1) + (left + dx).min(cells)) as usize]
    };
    let above = knot(0, 0) * (1.0 - x) + knot(1, 0) * x;
    let under = knot(0, 1) * (1.0 - x) + knot(1, 1) * x;
    above * (1.0 - y) + under * y
}

/// What a person does to a picture before it is published a second time.
#[derive(Clone, Debug)]
pub(super) struct Alteration {
    pub mirrored: bool,
    pub upside_down: bool,
    /// Hundredths of each side that are cut off: left, top, right, bottom.
    pub cut: [u32; 4],
    /// Size against the original, in hundredths, along both axes.
    pub size: [u32; 2],
    /// Gamma in hundredths.
    pub gamma: u32,
    /// Grey levels in steps of so many, as strong compression leaves them.
    pub step: u32,
    /// Whether it is written on.
    pub text: bool,
}

impl Alteration {
    pub(super) const NONE: Self = Self {
        mirrored: false,
        upside_down: false,
        cut: [0; 4],
        size: [100; 2],
        gamma: 100,
        step: 1,
        text: false,
    };

    pub(super) fn apply(&self, image: &RgbImage) -> RgbImage {
        let (width, height) = image.dimensions();
        let [left, top, right, bottom] = self.cut;
        let (x, y) = (width * left / 100, height * top / 100);
        let size = (width - x - width * right / 100, height - y - height * bottom / 100);
        let mut image = crop_imm(image, x, y, size.0, size.1).to_image();
        if self.mirrored {
            image = flip_horizontal(&image);
        }
        if self.upside_down {
            image = flip_vertical(&image);
        }
        let sides = [size.0 * self.size[0] / 100, size.1 * self.size[1] / 100];
        if self.size != [100; 2] {
            image = resize(&image, sides[0], sides[1], FilterType::Triangle);
        }
        for value in image.iter_mut() {
            let grey = 255.0 * (f32::from(*value) / 255.0).powf(self.gamma as f32 / 100.0);
            *value = ((grey as u32) / self.step * self.step).min(255) as u8;
        }
        if self.text {
            let (width, height) = image.dimensions();
            // Letters as strokes: bright columns with gaps.
            for y in height / 20..height / 20 + (height / 18).max(3) {
                for x in (width / 20..width * 2 / 3).filter(|x| x % 5 < 2) {
                    image.put_pixel(x, y, Rgb([255; 3]));
                }
            }
        }
        image
    }
}
