//! Flips and quarter turns: pixels change places, none changes value.

use super::{Draws, Purpose};
use crate::spec::{AugmentSpec, Chance};

/// A mirroring left to right, then top to bottom, then quarter turns counter-clockwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symmetry {
    /// Mirrored left to right.
    pub horizontal: bool,
    /// Mirrored top to bottom.
    pub vertical: bool,
    /// Quarter turns counter-clockwise, 0 to 3.
    pub quarter_turns: u32,
}

impl Symmetry {
    /// Draws whether and how to flip and turn.
    pub(super) fn draw(spec: &AugmentSpec, draws: &Draws) -> Self {
        let fires = |chance: &Option<Chance>, purpose| {
            chance.as_ref().is_some_and(|it| draws.stream(purpose).chance(it.probability))
        };
        let quarter_turns = spec.rotate90.as_ref().map_or(0, |chance| {
            let mut stream = draws.stream(Purpose::Rotate90);
            if stream.chance(chance.probability) { 1 + stream.below(3) } else { 0 }
        });
        Self {
            horizontal: fires(&spec.horizontal_flip, Purpose::HorizontalFlip),
            vertical: fires(&spec.vertical_flip, Purpose::VerticalFlip),
            quarter_turns,
        }
    }

    /// The plane of a height and width with its pixels in their new places. Odd numbers of quarter turns are for squares.
    pub(super) fn apply<T: Copy>(self, plane: &[T], sides: [usize; 2]) -> Vec<T> {
        if plane.is_empty() || (self.quarter_turns == 0 && !self.horizontal && !self.vertical) {
            return plane.to_vec();
        }
        let [height, width] = sides.map(|side| side as isize);
        let corner = self.source(0, 0, [height, width]);
        let down = self.source(1, 0, [height, width]) - corner;
        let right = self.source(0, 1, [height, width]) - corner;
        let mut moved = Vec::with_capacity(plane.len());
        for row in 0..height {
            let start = corner + row * down;
            moved.extend((0..width).map(|column| plane[(start + column * right) as usize]));
        }
        moved
    }

    /// Index of the pixel that moves to (`row`, `column`); linear in both.
    fn source(self, row: isize, column: isize, [height, width]: [isize; 2]) -> isize {
        let (bottom, right) = (height - 1, width - 1);
        let (mut row, mut column) = match self.quarter_turns % 4 {
            0 => (row, column),
            1 => (column, right - row),
            2 => (bottom - row, right - column),
            _ => (bottom - column, row),
        };
        if self.vertical {
            row = bottom - row;
        }
        if self.horizontal {
            column = right - column;
        }
        row * width + column
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANE: [u8; 4] = [1, 2, 3, 4];

    fn moved(horizontal: bool, vertical: bool, quarter_turns: u32) -> Vec<u8> {
        Symmetry { horizontal, vertical, quarter_turns }.apply(&PLANE, [2, 2])
    }

    #[test]
    fn flips_and_turns_of_two_by_two() {
        assert_eq!(moved(false, false, 0), [1, 2, 3, 4]);
        assert_eq!(moved(true, false, 0), [2, 1, 4, 3]);
        assert_eq!(moved(false, true, 0), [3, 4, 1, 2]);
        assert_eq!(moved(false, false, 1), [2, 4, 1, 3]);
        assert_eq!(moved(false, false, 2), [4, 3, 2, 1]);
        assert_eq!(moved(false, false, 3), [3, 1, 4, 2]);
        assert_eq!(moved(true, false, 1), [1, 3, 2, 4]);
    }

    #[test]
    fn sides_may_differ() {
        let moved = |horizontal, vertical, quarter_turns| {
            Symmetry { horizontal, vertical, quarter_turns }.apply(&[1, 2, 3, 4, 5, 6], [2, 3])
        };
        assert_eq!(moved(true, false, 0), [3, 2, 1, 6, 5, 4]);
        assert_eq!(moved(false, true, 0), [4, 5, 6, 1, 2, 3]);
        assert_eq!(moved(false, false, 2), [6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn four_quarter_turns_are_none() {
        let plane: Vec<u8> = (0..9).collect();
        let turn = Symmetry { horizontal: false, vertical: false, quarter_turns: 1 };
        let turned = (0..4).fold(plane.clone(), |plane, _| turn.apply(&plane, [3, 3]));
        assert_eq!(turned, plane);
    }

    #[test]
    fn draws_turn_by_every_multiple() {
        let chance = Some(crate::spec::Chance { probability: 1.0 });
        let spec = AugmentSpec { rotate90: chance, ..AugmentSpec::default() };
        let mut turns: Vec<u32> = (0..64)
            .map(|epoch| Symmetry::draw(&spec, &Draws::new(0, epoch, "a")).quarter_turns)
            .collect();
        turns.sort_unstable();
        turns.dedup();
        assert_eq!(turns, [1, 2, 3]);
    }
}
