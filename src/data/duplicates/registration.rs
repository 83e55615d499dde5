//! Whether two pictures show the same scene: one is laid over the other, and their fine structure compared.
//!
//! Shift and scale along both axes are found by Gauss-Newton steps from coarse to fine (Lucas and Kanade 1981,
//! IJCAI; Baker and Matthews 2004, IJCV 56:221). What is compared are not grey values, in which any two
//! ultrasound images are alike, but deviations from the local mean over their local spread: speckle and edges,
//! which only a picture of the same place shares. Contrast and brightness do not enter.

use serde::{Deserialize, Serialize};

use super::thumbnail::{SIDE, Thumbnail};

/// Correlation at the coarsest level from which finer ones are looked at.
const PROMISING: f32 = 0.5;

/// Grey levels below which spread counts as noise.
const NOISE: f32 = 2.0;

/// Scales that the search starts from: as it is, and cropped by 4 % at each side, one way or the other.
const STARTS: [f32; 3] = [1.0, 0.92, 1.087];

/// Most steps at a level.
const STEPS: usize = 8;

/// How a picture lies in another: a place of this one, from -0.5 to 0.5 along each axis, times `scale` plus `shift`
/// is the place in the other. `x` comes first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Placement {
    /// Factors along both axes.
    pub scale: [f32; 2],
    /// Shifts along both axes, in sides of the other picture.
    pub shift: [f32; 2],
}

impl Placement {
    /// Scales that are tried, beyond which crops are not looked for.
    const SCALES: [f32; 2] = [0.8, 1.25];
    /// Largest shift that is tried.
    const SHIFT: f32 = 0.12;

    fn scaled(scale: f32) -> Self {
        Self { scale: [scale; 2], shift: [0.0; 2] }
    }

    fn stepped(self, step: [f64; 4]) -> Self {
        let [least, most] = Self::SCALES;
        let scale = |at: usize| (self.scale[at] + step[at] as f32).clamp(least, most);
        let shift =
            |at: usize| (self.shift[at] + step[at + 2] as f32).clamp(-Self::SHIFT, Self::SHIFT);
        Self { scale: [scale(0), scale(1)], shift: [shift(0), shift(1)] }
    }
}

/// Fine structure of a thumbnail at one size: deviations from the local mean over the local spread.
struct Structure {
    side: usize,
    values: Vec<f32>,
}

/// A place along a side of a picture, and where it lies in another.
struct Along {
    pixel: usize,
    place: f32,
    /// The pixel of the other before it, and how far it is behind that.
    cell: usize,
    within: f32,
}

impl Structure {
    /// Of a thumbnail shrunk by a factor; `radius` is that of the local mean, in pixels of the result.
    fn of(thumbnail: &Thumbnail, factor: usize, radius: usize) -> Self {
        let side = SIDE / factor;
        let grey = thumbnail.shrunk(factor);
        let mean = blurred(&grey, side, radius);
        let mut values: Vec<f32> =
            grey.iter().zip(&mean).map(|(value, mean)| value - mean).collect();
        let squares: Vec<f32> = values.iter().map(|value| value * value).collect();
        let variance = blurred(&squares, side, 2 * radius);
        for (value, variance) in values.iter_mut().zip(&variance) {
            *value /= (variance + NOISE * NOISE).sqrt();
        }
        Self { side, values }
    }

    /// Where places along a side of this picture lie in another, for those that lie inside.
    fn along(&self, scale: f32, shift: f32) -> Vec<Along> {
        let side = self.side as f32;
        let one = |pixel: usize| {
            let place = (pixel as f32 + 0.5) / side - 0.5;
            let there = (scale * place + shift + 0.5) * side - 0.5;
            let cell = there as usize;
            let inside = there >= 0.0 && cell + 1 < self.side;
            inside.then_some(Along { pixel, place, cell, within: there - cell as f32 })
        };
        (0..self.side).filter_map(one).collect()
    }

    /// Calls `each` with the place in this picture, value and slopes of the other there, and value here, wherever
    /// the two overlap.
    fn over(
        &self,
        other: &Self,
        placement: &Placement,
        mut each: impl FnMut([f32; 2], f32, [f32; 2], f32),
    ) {
        let Placement { scale, shift } = placement;
        let columns = self.along(scale[0], shift[0]);
        for Along { pixel: row, place: y, cell: top, within: down } in
            self.along(scale[1], shift[1])
        {
            let here = &self.values[row * self.side..][..self.side];
            let upper = &other.values[top * self.side..][..self.side];
            let lower = &other.values[(top + 1) * self.side..][..self.side];
            for &Along { pixel, place: x, cell: left, within: right } in &columns {
                let above = upper[left] + (upper[left + 1] - upper[left]) * right;
                let under = lower[left] + (lower[left + 1] - lower[left]) * right;
                let slope_x = (upper[left + 1] - upper[left]) * (1.0 - down)
                    + (lower[left + 1] - lower[left]) * down;
                let value = above + (under - above) * down;
                each([x, y], value, [slope_x, under - above], here[pixel]);
            }
        }
    }

    /// Correlation where the two overlap, from -1 to 1; 0 where one is flat.
    fn correlation(&self, other: &Self, placement: &Placement) -> f32 {
        let mut sums = [0.0f64; 6];
        self.over(other, placement, |_, there, _, here| {
            let (a, b) = (f64::from(there), f64::from(here));
            for (sum, value) in sums.iter_mut().zip([1.0, a, b, a * a, b * b, a * b]) {
                *sum += value;
            }
        });
        let [count, a, b, aa, bb, ab] = sums;
        if count < 1.0 {
            return 0.0;
        }
        let spread = (aa - a * a / count) * (bb - b * b / count);
        if spread <= 1e-6 * count { 0.0 } else { ((ab - a * b / count) / spread.sqrt()) as f32 }
    }

    /// Gauss-Newton steps from a placement; the best that was seen, with its correlation.
    fn fitted(&self, other: &Self, start: Placement) -> (f32, Placement) {
        let mut best = (self.correlation(other, &start), start);
        let mut placement = start;
        for _ in 0..STEPS {
            let Some(step) = self.step(other, &placement) else { break };
            placement = placement.stepped(step);
            let correlation = self.correlation(other, &placement);
            if correlation > best.0 {
                best = (correlation, placement);
            }
            if step.iter().all(|part| part.abs() < 0.1 / self.side as f64) {
                break;
            }
        }
        best
    }

    /// The change of scales and shifts that brings the other's values closest to these, as far as slopes tell.
    fn step(&self, other: &Self, placement: &Placement) -> Option<[f64; 4]> {
        let side = f64::from(self.side as u32);
        let mut equations = [[0.0f64; 5]; 4];
        self.over(other, placement, |[x, y], there, [slope_x, slope_y], here| {
            let (slope_x, slope_y) = (f64::from(slope_x) * side, f64::from(slope_y) * side);
            let changes = [slope_x * f64::from(x), slope_y * f64::from(y), slope_x, slope_y];
            let missing = f64::from(here - there);
            for (equation, change) in equations.iter_mut().zip(changes) {
                for (sum, other) in equation.iter_mut().zip(changes) {
                    *sum += change * other;
                }
                equation[4] += change * missing;
            }
        });
        solved(equations)
    }
}

/// Two passes of a mean over a window of `2 radius + 1` pixels, which is cut at the edges.
fn blurred(values: &[f32], side: usize, radius: usize) -> Vec<f32> {
    let mut values = values.to_vec();
    for _ in 0..2 {
        let mut rows = vec![0.0; values.len()];
        for (from, into) in values.chunks_exact(side).zip(rows.chunks_exact_mut(side)) {
            for (x, mean) in into.iter_mut().enumerate() {
                let window = &from[x.saturating_sub(radius)..(x + radius + 1).min(side)];
                *mean = window.iter().sum::<f32>() / window.len() as f32;
            }
        }
        for y in 0..side {
            let window = y.saturating_sub(radius)..(y + radius + 1).min(side);
            let share = 1.0 / window.len() as f32;
            let into = &mut values[y * side..][..side];
            into.fill(0.0);
            for row in window {
                for (sum, value) in into.iter_mut().zip(&rows[row * side..][..side]) {
                    *sum += value * share;
                }
            }
        }
    }
    values
}

/// Solves four linear equations, the right side last (Gauss-Jordan with pivots).
fn solved(mut rows: [[f64; 5]; 4]) -> Option<[f64; 4]> {
    for column in 0..4 {
        let pivot =
            (column..4).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        rows.swap(column, pivot);
        let lead = rows[column];
        if lead[column].abs() < 1e-9 {
            return None;
        }
        for (row, values) in rows.iter_mut().enumerate() {
            if row != column {
                let factor = values[column] / lead[column];
                for (value, lead) in values.iter_mut().zip(lead) {
                    *value -= factor * lead;
                }
            }
        }
    }
    Some(std::array::from_fn(|row| rows[row][4] / rows[row][row]))
}

/// Lays the second picture over the first, and says how its structure correlates with what it covers.
pub(super) fn register(first: &Thumbnail, second: &Thumbnail) -> (f32, Placement) {
    let level = |factor, radius| {
        (Structure::of(second, factor, radius), Structure::of(first, factor, radius))
    };
    let (here, there) = level(4, 2);
    let mut best = (f32::NEG_INFINITY, Placement::scaled(1.0));
    for scale in STARTS {
        let fitted = here.fitted(&there, Placement::scaled(scale));
        if fitted.0 > best.0 {
            best = fitted;
        }
    }
    if best.0 < PROMISING {
        return (0.0, best.1);
    }
    for (factor, radius) in [(2, 2), (1, 3)] {
        let (here, there) = level(factor, radius);
        best = here.fitted(&there, best.1);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::testing::scene;
    use super::super::thumbnail::thumbnail;
    use super::*;

    #[test]
    fn a_crop_is_laid_where_it_came_from() {
        let whole = scene(1, 400, 300);
        let part = image::imageops::crop_imm(&whole, 20, 0, 360, 291).to_image();
        let (correlation, placement) =
            register(&thumbnail(&whole).unwrap(), &thumbnail(&part).unwrap());
        assert!(correlation > 0.8, "{correlation}");
        // 5 % cut left and right, 3 % at the bottom.
        for (found, right) in placement.scale.into_iter().zip([0.9, 0.97]) {
            assert!((found - right).abs() < 0.01, "{placement:?}");
        }
        assert!((placement.shift[1] + 0.015).abs() < 0.005, "{placement:?}");
    }

    #[test]
    fn another_scene_does_not_fit() {
        let (correlation, _) = register(
            &thumbnail(&scene(1, 300, 300)).unwrap(),
            &thumbnail(&scene(2, 300, 300)).unwrap(),
        );
        assert!(correlation < 0.3, "{correlation}");
    }

    #[test]
    fn four_equations_are_solved() {
        let rows = [
            [0.0, 2.0, 0.0, 0.0, 4.0],
            [1.0, 0.0, 0.0, 0.0, 1.0],
            [0.0, 0.0, 1.0, 1.0, 7.0],
            [0.0, 0.0, 1.0, -1.0, -1.0],
        ];
        assert_eq!(solved(rows), Some([1.0, 2.0, 3.0, 4.0]));
        assert_eq!(solved([[0.0; 5]; 4]), None);
    }
}
