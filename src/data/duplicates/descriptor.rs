//! What a picture looks like from afar, as 24 numbers: its lowest frequencies, each over its spread.
//!
//! Crops and contrast hardly move the lowest frequencies, and mirroring changes only their signs, so that
//! copies lie close together. Many other pictures do as well: the descriptor proposes, registration decides.

use super::thumbnail::Thumbnail;
use super::turn::Turn;

/// Frequencies along each axis.
const WAVES: usize = 5;

/// Numbers of a descriptor: all frequencies but the mean.
pub(super) const NUMBERS: usize = WAVES * WAVES - 1;

/// Cells along each side that frequencies are taken of.
const CELLS: usize = 16;

/// Pictures that the expected spread of frequencies counts for, beside those that were seen.
const EXPECTED: f32 = 16.0;

/// Spread of the lowest frequency that is expected; those above fall off with their number (Field 1987,
/// J. Opt. Soc. Am. A 4:2379).
const SPREAD: f32 = 200.0;

/// Lowest frequencies of a picture, or of norm 1 once they are compared.
pub(super) type Descriptor = [f32; NUMBERS];

/// The frequencies of a number, down and across.
fn waves(number: usize) -> (usize, usize) {
    ((number + 1) / WAVES, (number + 1) % WAVES)
}

/// The number of two frequencies, of which one is not 0.
fn number(down: usize, across: usize) -> usize {
    down * WAVES + across - 1
}

/// The lowest frequencies of a thumbnail (discrete cosine transform, type II).
pub(super) fn describe(thumbnail: &Thumbnail) -> Descriptor {
    let cells = thumbnail.shrunk(super::thumbnail::SIDE / CELLS);
    let wave = |cell: usize, wave: usize| {
        (std::f32::consts::PI / CELLS as f32 * (cell as f32 + 0.5) * wave as f32).cos()
    };
    let waves_at: Vec<[f32; WAVES]> =
        (0..CELLS).map(|cell| std::array::from_fn(|number| wave(cell, number))).collect();
    std::array::from_fn(|index| {
        let (down, across) = waves(index);
        let rows = cells.chunks_exact(CELLS).zip(&waves_at);
        rows.map(|(row, down_at)| {
            let row = row.iter().zip(&waves_at).map(|(value, at)| value * at[across]);
            row.sum::<f32>() * down_at[down]
        })
        .sum()
    })
}

/// What descriptors are centred on and divided by.
pub(super) struct Scale {
    mean: Descriptor,
    spread: Descriptor,
}

impl Scale {
    /// The means and spreads of some descriptors, with those expected of any pictures mixed in, so that
    /// two pictures can be compared as well as thousands.
    pub(super) fn of(descriptors: &[Descriptor]) -> Self {
        let count = descriptors.len() as f32 + EXPECTED;
        let mean: Descriptor = std::array::from_fn(|index| {
            descriptors.iter().map(|descriptor| descriptor[index]).sum::<f32>() / count
        });
        let spread = std::array::from_fn(|index| {
            let (down, across) = waves(index);
            let expected = SPREAD * SPREAD / (down * down + across * across) as f32;
            let seen =
                descriptors.iter().map(|descriptor| (descriptor[index] - mean[index]).powi(2));
            ((seen.sum::<f32>() + EXPECTED * expected) / count).sqrt()
        });
        Self { mean, spread }
    }

    /// A descriptor of the picture turned, centred, scaled and of norm 1; 0 for a picture without contrast.
    pub(super) fn apply(&self, descriptor: &Descriptor, turn: Turn) -> Descriptor {
        let mut scaled: Descriptor = std::array::from_fn(|index| {
            let (down, across) = waves(index);
            let (down, across) = if turn.transposed { (across, down) } else { (down, across) };
            let mut value = descriptor[number(down, across)];
            if turn.mirrored && across % 2 == 1 {
                value = -value;
            }
            if turn.upside_down && down % 2 == 1 {
                value = -value;
            }
            (value - self.mean[index]) / self.spread[index]
        });
        let norm = scaled.iter().map(|value| value * value).sum::<f32>().sqrt();
        let flat = descriptor.iter().all(|value| value.abs() < 1.0);
        let factor = if flat { 0.0 } else { 1.0 / norm.max(1e-6) };
        scaled.iter_mut().for_each(|value| *value *= factor);
        scaled
    }
}

/// The cosine of the angle between two descriptors of norm 1.
pub(super) fn likeness(a: &Descriptor, b: &Descriptor) -> f32 {
    let mut lanes = [0.0f32; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::super::testing::scene;
    use super::super::thumbnail::thumbnail;
    use super::*;

    #[test]
    fn the_descriptor_of_a_turned_picture_is_made_without_turning_it() {
        let thumbnail = thumbnail(&scene(3, 200, 200)).unwrap();
        let scale = Scale::of(&[]);
        for turn in Turn::all() {
            let made = scale.apply(&describe(&thumbnail), turn);
            let turned = scale.apply(&describe(&thumbnail.turned(turn)), Turn::NONE);
            assert!(likeness(&made, &turned) > 0.9999, "{turn}");
        }
    }

    #[test]
    fn a_picture_without_contrast_is_like_nothing() {
        let flat = thumbnail(&image::RgbImage::from_pixel(50, 40, image::Rgb([7; 3]))).unwrap();
        let scaled = Scale::of(&[]).apply(&describe(&flat), Turn::NONE);
        assert_eq!(likeness(&scaled, &scaled), 0.0);
    }
}
