//! Windows that cover an image of any size, and how what is predicted in them is blended.
//!
//! As MONAI's `sliding_window_inference` with `mode="gaussian"`: windows begin at whole steps, the last one is shifted
//! inside, and each prediction counts by a Gaussian around the middle of its window, with a standard deviation of an
//! eighth of its side and a weight of at least 0.001.

use std::collections::VecDeque;

use crate::source::roi::corners;

/// Standard deviation of the weights, as a part of a window's side.
const SIGMA: f32 = 0.125;
/// The least weight.
const LEAST_WEIGHT: f32 = 1e-3;

/// How an image is covered by windows of the size that a network was trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Windows {
    /// Side of a window at the network's scale, in pixels.
    pub size: u32,
    /// Pixels of the network for each pixel of the image.
    pub scale: f64,
    /// Part of its side that a window shares with the next.
    pub overlap: f64,
}

impl Windows {
    /// Side of a window, in pixels of the image.
    pub fn side(&self) -> u32 {
        self.along(1)[0].1
    }

    /// Where windows begin along a side of an image, and how long they are, in its pixels. One that is longer than the
    /// image reaches beyond it.
    pub fn along(&self, side: u32) -> Vec<(u32, u32)> {
        let stride = (f64::from(self.size) * (1.0 - self.overlap)) as u32;
        corners(side, self.size, stride.max(1), self.scale)
    }
}

/// How much each pixel of a window counts, row by row.
fn weights(side: usize) -> Vec<f32> {
    let middle = (side as f32 - 1.0) / 2.0;
    let sigma = SIGMA * side as f32;
    let along: Vec<f32> =
        (0..side).map(|at| (-(at as f32 - middle).powi(2) / (2.0 * sigma * sigma)).exp()).collect();
    let products = along.iter().flat_map(|y| along.iter().map(move |x| y * x));
    products.map(|weight| weight.max(LEAST_WEIGHT)).collect()
}

/// Predictions of the windows of an image, blended. It holds the rows between the first that is not taken and the last
/// that a window covers.
pub(super) struct Blend {
    width: usize,
    height: usize,
    channels: usize,
    /// Side of a window, in pixels.
    side: usize,
    weights: Vec<f32>,
    /// The first row that is held.
    first: usize,
    /// Of each row the weighted sums, `[channels, width]`, and behind them the weights' sum of each pixel.
    rows: VecDeque<Vec<f32>>,
}

impl Blend {
    /// Of an image of a width and height.
    pub(super) fn new((width, height): (u32, u32), side: u32, channels: usize) -> Self {
        let [width, height, side] = [width, height, side].map(|length| length as usize);
        let (weights, rows) = (weights(side), VecDeque::new());
        Self { width, height, channels, side, weights, first: 0, rows }
    }

    /// Adds what is predicted in a window that begins in a column and a row that is not taken yet; what lies beyond the
    /// image is dropped.
    ///
    /// # Shapes
    /// - values: `[channels, side, side]`
    pub(super) fn add(&mut self, left: u32, top: u32, values: &[f32]) {
        let (left, top) = (left as usize, top as usize);
        let columns = self.side.min(self.width - left);
        let bottom = (top + self.side).min(self.height);
        while self.first + self.rows.len() < bottom {
            self.rows.push_back(vec![0.0; (self.channels + 1) * self.width]);
        }
        for (line, y) in (top..bottom).enumerate() {
            let row = &mut self.rows[y - self.first];
            let weights = &self.weights[line * self.side..][..columns];
            for channel in 0..self.channels {
                let values = &values[(channel * self.side + line) * self.side..][..columns];
                let sums = &mut row[channel * self.width + left..][..columns];
                for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weights) {
                    *sum += value * weight;
                }
            }
            let sums = &mut row[self.channels * self.width + left..][..columns];
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
        }
    }

    /// Takes the first row, `[channels, width]`, which no window will be added to any more; `None` where none is held.
    pub(super) fn take(&mut self) -> Option<Vec<f32>> {
        let mut row = self.rows.pop_front()?;
        self.first += 1;
        let weights = row.split_off(self.channels * self.width);
        for channel in row.chunks_exact_mut(self.width) {
            channel.iter_mut().zip(&weights).for_each(|(sum, weight)| *sum /= weight);
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_rows_are_held_as_a_window_has() {
        let mut blend = Blend::new((8, 1000), 4, 1);
        for top in (0..=996).step_by(2) {
            while blend.first < top as usize {
                blend.take().unwrap();
            }
            blend.add(0, top, &[0.5; 16]);
            assert_eq!(blend.rows.len(), 4);
        }
    }

    #[derive(serde::Deserialize)]
    struct Case {
        width: u32,
        height: u32,
        window: u32,
        overlap: f64,
        channels: usize,
        image: Vec<f32>,
        weights: Vec<f32>,
        stitched: Vec<f32>,
    }

    /// What stands in for a network in `windows.py`.
    fn predicted(case: &Case, left: u32, top: u32) -> Vec<f32> {
        let mut values = Vec::new();
        for channel in 0..case.channels as u32 {
            for y in 0..case.window {
                for x in 0..case.window {
                    let pixel = case.image[((top + y) * case.width + left + x) as usize];
                    let factor = (channel + 1) * (x + 1) + y;
                    values.push(pixel * factor as f32 / (10 * case.window) as f32);
                }
            }
        }
        values
    }

    #[test]
    fn blending_is_monais() {
        let text = std::fs::read_to_string(crate::testing::fixture("windows.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
        assert_eq!(cases.len(), 6);
        for case in cases {
            let close = |found: &[f32], expected: &[f32]| {
                assert_eq!(found.len(), expected.len());
                let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
                let off = off.fold(0.0, f32::max);
                assert!(off < 2e-6, "{}x{}: {off}", case.width, case.height);
            };
            close(&weights(case.window as usize), &case.weights);
            let windows = Windows { size: case.window, scale: 1.0, overlap: case.overlap };
            let mut blend = Blend::new((case.width, case.height), case.window, case.channels);
            let mut rows = Vec::new();
            for (top, _) in windows.along(case.height) {
                while blend.first < top as usize {
                    rows.push(blend.take().unwrap());
                }
                for (left, _) in windows.along(case.width) {
                    blend.add(left, top, &predicted(&case, left, top));
                }
            }
            rows.extend(std::iter::from_fn(|| blend.take()));
            let width = case.width as usize;
            let channel = |channel: usize| {
                rows.iter().flat_map(move |row| row[channel * width..][..width].to_vec())
            };
            close(&(0..case.channels).flat_map(channel).collect::<Vec<_>>(), &case.stitched);
        }
    }

    #[test]
    fn windows_cover_a_side_and_the_last_is_shifted_inside() {
        let windows = Windows { size: 8, scale: 1.0, overlap: 0.5 };
        let starts = |side| windows.along(side).iter().map(|(start, _)| *start).collect::<Vec<_>>();
        assert_eq!(starts(7), [0]);
        assert_eq!(starts(8), [0]);
        assert_eq!(starts(9), [0, 1]);
        assert_eq!(starts(18), [0, 4, 8, 10]);
        let half = Windows { scale: 0.5, ..windows };
        assert_eq!((half.side(), half.along(40)), (16, vec![(0, 16), (8, 16), (16, 16), (24, 16)]));
        // So that a window never makes no step.
        assert_eq!(Windows { size: 1, overlap: 0.9, ..windows }.along(2), [(0, 1), (1, 1)]);
    }
}
