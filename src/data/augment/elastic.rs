//! Elastic deformation: Simard, Steinkraus and Platt 2003, "Best practices for convolutional neural
//! networks applied to visual document analysis", section 2.

use super::blur::gaussian;
use super::{Draws, Purpose};
use crate::spec::AugmentSpec;

/// A smooth field of shifts, known on a grid of nodes and linear between them.
///
/// The nodes are half a standard deviation of the smoothing apart: a Gaussian leaves nothing finer
/// to sample, and the cost no longer grows with its width.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    /// Distance between nodes in pixels.
    step: usize,
    /// Rows and columns of nodes.
    nodes: [usize; 2],
    /// Shift to the right at each node, in pixels.
    right: Vec<f32>,
    /// Shift down at each node, in pixels.
    down: Vec<f32>,
}

impl Field {
    /// Draws a field; `None` if no deformation happens.
    pub(super) fn draw(spec: &AugmentSpec, draws: &Draws, sides: [usize; 2]) -> Option<Self> {
        let spec = spec.elastic.as_ref()?;
        let mut stream = draws.stream(Purpose::Elastic);
        if !stream.chance(spec.probability) {
            return None;
        }
        let step = ((spec.sigma_px / 2.0) as usize).max(1);
        let nodes = sides.map(|side| (side - 1).div_ceil(step) + 1);
        let mut smooth = || {
            let count = nodes[0] * nodes[1];
            let mut plane: Vec<f32> =
                (0..count).map(|_| stream.between([-1.0, 1.0]) as f32).collect();
            gaussian(&mut plane, nodes, (spec.sigma_px / step as f64) as f32);
            plane
        };
        let mut field = Self { step, nodes, right: smooth(), down: smooth() };
        field.scale_to(spec.shift_px as f32);
        Some(field)
    }

    /// Stretches all shifts so that the longest is `longest_px`.
    fn scale_to(&mut self, longest_px: f32) {
        let longest =
            self.right.iter().zip(&self.down).map(|(x, y)| x.hypot(*y)).fold(0.0, f32::max);
        if longest > 0.0 {
            let factor = longest_px / longest;
            self.right.iter_mut().chain(&mut self.down).for_each(|shift| *shift *= factor);
        }
    }

    /// Adds the shifts along pixel row `row` to positions `xs` and `ys`.
    pub(super) fn add_row(&self, row: usize, xs: &mut [f32], ys: &mut [f32]) {
        let (node, part) = self.between(row);
        let [rows, columns] = self.nodes;
        let next = (node + 1).min(rows - 1);
        for (shifts, positions) in [(&self.right, xs), (&self.down, ys)] {
            let upper = &shifts[node * columns..(node + 1) * columns];
            let lower = &shifts[next * columns..(next + 1) * columns];
            let at = |column: usize| upper[column] + (lower[column] - upper[column]) * part;
            for (column, span) in positions.chunks_mut(self.step).enumerate() {
                let left = at(column);
                let slope = (at((column + 1).min(columns - 1)) - left) / self.step as f32;
                for (offset, position) in span.iter_mut().enumerate() {
                    *position += left + slope * offset as f32;
                }
            }
        }
    }

    /// The node at or before pixel `position`, and the way to the next one from 0 to 1.
    fn between(&self, position: usize) -> (usize, f32) {
        (position / self.step, (position % self.step) as f32 / self.step as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ElasticSpec;

    fn draw(shift_px: f64, sigma_px: f64, size: usize, epoch: u32) -> Field {
        let elastic = Some(ElasticSpec { probability: 1.0, shift_px, sigma_px });
        let spec = AugmentSpec { elastic, ..AugmentSpec::default() };
        Field::draw(&spec, &Draws::new(0, epoch, "a"), [size; 2]).unwrap()
    }

    /// The shifts of all pixels, row by row.
    fn shifts(field: &Field, size: usize) -> Vec<(f32, f32)> {
        (0..size)
            .flat_map(|row| {
                let (mut xs, mut ys) = (vec![0.0; size], vec![0.0; size]);
                field.add_row(row, &mut xs, &mut ys);
                xs.into_iter().zip(ys)
            })
            .collect()
    }

    #[test]
    fn the_longest_shift_is_the_declared_one() {
        let longest =
            |field, size| shifts(&field, size).iter().map(|(x, y)| x.hypot(*y)).fold(0.0, f32::max);
        assert!((longest(draw(5.0, 2.0, 32, 0), 32) - 5.0).abs() < 1e-4);
        for epoch in 0..8 {
            let coarse = longest(draw(5.0, 20.0, 101, epoch), 101);
            assert!(coarse <= 5.0 + 1e-4 && coarse > 4.0, "{coarse}");
        }
    }

    #[test]
    fn no_shift_moves_nothing() {
        assert!(shifts(&draw(0.0, 4.0, 16, 0), 16).iter().all(|&shift| shift == (0.0, 0.0)));
    }

    #[test]
    fn neighbours_move_alike_the_more_the_wider_the_smoothing() {
        let roughness = |sigma_px| {
            let field = draw(1.0, sigma_px, 64, 0);
            let shifts = shifts(&field, 64);
            let steps = shifts.windows(2).enumerate().filter(|(i, _)| i % 64 != 63);
            steps.map(|(_, pair)| (pair[1].0 - pair[0].0).abs()).fold(0.0, f32::max)
        };
        assert!(roughness(8.0) < 0.25, "{}", roughness(8.0));
        assert!(roughness(16.0) < roughness(2.0));
    }

    #[test]
    fn shifts_are_linear_between_nodes() {
        let field = Field {
            step: 2,
            nodes: [2, 2],
            right: vec![0.0, 2.0, 4.0, 6.0],
            down: vec![0.0, 0.0, 1.0, 1.0],
        };
        let expected = [
            [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)],
            [(2.0, 0.5), (3.0, 0.5), (4.0, 0.5)],
            [(4.0, 1.0), (5.0, 1.0), (6.0, 1.0)],
        ];
        assert_eq!(shifts(&field, 3), expected.concat());
    }
}
