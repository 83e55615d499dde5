//! How much of a mask is lesion, and whether that lies around what is not.

use serde::{Deserialize, Serialize};

/// Part of an image that the box around its lesion takes at least where lesion and background are exchanged: around it
/// a black frame may be left.
const MOST: f64 = 0.5;

/// Part of the rim of that box from which on it is lesion all around. Of the masks of BUSI whose box is that large,
/// the greatest part is 0.12.
const AROUND: f64 = 0.75;

/// How much of a mask is lesion, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extent {
    /// Pixels of lesion.
    pub pixels: u64,
    /// Whether it fills the rim of a large box and less of its middle, as where lesion and background are exchanged.
    pub is_around: bool,
}

/// Columns or rows, the last one included.
type Span = (usize, usize);

impl Extent {
    /// That of pixels, row by row, of which each is lesion or not.
    pub(super) fn of(lesion: &[bool], width: usize) -> Self {
        let pixels = lesion.iter().filter(|&&lesion| lesion).count() as u64;
        Self { pixels, is_around: is_around(lesion, width).unwrap_or(false) }
    }
}

/// `None` where there is no lesion.
fn is_around(lesion: &[bool], width: usize) -> Option<bool> {
    let rows = || lesion.chunks_exact(width);
    let has_lesion = |row: &[bool]| row.contains(&true);
    let ys = (rows().position(has_lesion)?, rows().rposition(has_lesion)?);
    let left = rows().filter_map(|row| row.iter().position(|&lesion| lesion)).min()?;
    let right = rows().filter_map(|row| row.iter().rposition(|&lesion| lesion)).max()?;
    let xs = (left, right);
    let length = |(first, last): Span| last + 1 - first;
    let area = |(xs, ys): (Span, Span)| (length(xs) * length(ys)) as f64;
    if area((xs, ys)) < MOST * lesion.len() as f64 {
        return Some(false);
    }
    let count = |(xs, ys): (Span, Span)| -> f64 {
        let rows = rows().take(ys.1 + 1).skip(ys.0);
        rows.map(|row| row[xs.0..=xs.1].iter().filter(|&&lesion| lesion).count()).sum::<usize>()
            as f64
    };
    // What is left of a side once so much is cut off at both ends; at least its middle.
    let cut = |(first, last): Span, by: usize| {
        let by = by.min((last - first) / 2);
        (first + by, last - by)
    };
    let (whole, inner) = ((xs, ys), (cut(xs, 1), cut(ys, 1)));
    let middle = (cut(xs, length(xs) / 4), cut(ys, length(ys) / 4));
    let rim = (count(whole) - count(inner)) / (area(whole) - area(inner)).max(1.0);
    Some(rim > AROUND && count(middle) / area(middle) < rim)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That of an image of 40 x 30 pixels.
    fn of(lesion: impl Fn(usize, usize) -> bool) -> Extent {
        let pixels: Vec<bool> = (0..40 * 30).map(|at| lesion(at % 40, at / 40)).collect();
        Extent::of(&pixels, 40)
    }

    fn disc(x: usize, y: usize) -> bool {
        x.abs_diff(20).pow(2) + y.abs_diff(15).pow(2) < 64
    }

    #[test]
    fn background_around_a_hole_is_around_whatever_frame_is_left() {
        for frame in 0..4 {
            let inside =
                |x, y| (frame..40 - frame).contains(&x) && (frame..30 - frame).contains(&y);
            assert!(of(|x, y| inside(x, y) && !disc(x, y)).is_around, "{frame}");
        }
        let letterbox = of(|x, y| (5..25).contains(&y) && !disc(x, y));
        assert!(letterbox.is_around);
        assert_eq!(
            letterbox.pixels,
            40 * 20 - (0..1200).filter(|at| disc(at % 40, at / 40)).count() as u64
        );
    }

    #[test]
    fn lesions_are_not_around_however_large() {
        assert!(!of(disc).is_around && !of(|_, _| false).is_around && !of(|_, _| true).is_around);
        // A large ellipse touches its box in four places; a box is filled in its middle too.
        assert!(
            !of(|x, y| 9 * x.abs_diff(20).pow(2) + 16 * y.abs_diff(15).pow(2) < 3200).is_around
        );
        assert!(!of(|x, y| (2..38).contains(&x) && (2..28).contains(&y)).is_around);
        // A small ring.
        assert!(
            !of(|x, y| disc(x, y) && x.abs_diff(20).pow(2) + y.abs_diff(15).pow(2) > 16).is_around
        );
        assert!(!Extent::of(&[true], 1).is_around);
    }
}
