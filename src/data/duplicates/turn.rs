//! The eight ways to lay a square on itself: mirrored, upside down, and turned by a quarter.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How an image was mirrored or turned: first transposed, then mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Turn {
    /// Left and right change places.
    pub mirrored: bool,
    /// Top and bottom change places.
    pub upside_down: bool,
    /// Rows become columns.
    pub transposed: bool,
}

impl Turn {
    /// As it was.
    pub const NONE: Self = Self { mirrored: false, upside_down: false, transposed: false };

    /// All eight, the image as it was first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..8u8).map(|bits| Self {
            mirrored: bits & 1 != 0,
            upside_down: bits & 2 != 0,
            transposed: bits & 4 != 0,
        })
    }

    /// The turn that undoes it.
    pub fn reversed(self) -> Self {
        if self.transposed {
            Self { mirrored: self.upside_down, upside_down: self.mirrored, transposed: true }
        } else {
            self
        }
    }

    /// Where a pixel of the turned image comes from.
    pub fn source(self, x: usize, y: usize, side: usize) -> (usize, usize) {
        let (mut x, mut y) = if self.transposed { (y, x) } else { (x, y) };
        if self.mirrored {
            x = side - 1 - x;
        }
        if self.upside_down {
            y = side - 1 - y;
        }
        (x, y)
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.transposed, self.mirrored, self.upside_down) {
            (false, false, false) => "upright",
            (false, true, false) => "mirrored",
            (false, false, true) => "upside down",
            (false, true, true) => "turned by 180 degrees",
            (true, false, false) => "transposed",
            (true, true, false) | (true, false, true) => "turned by 90 degrees",
            (true, true, true) => "transposed and turned by 180 degrees",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_and_its_reverse_leave_every_pixel_in_its_place() {
        for turn in Turn::all() {
            for (x, y) in [(0, 0), (1, 0), (2, 1)] {
                let (there_x, there_y) = turn.source(x, y, 3);
                assert_eq!(turn.reversed().source(there_x, there_y, 3), (x, y), "{turn}");
            }
        }
    }
}
