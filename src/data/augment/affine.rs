//! Rotation, scale and shift as one affine map.

use super::{Draws, Purpose, drawn_amount};
use crate::spec::AugmentSpec;

/// Where an output pixel is read: `source = matrix * output + offset`, in pixels, x to the right
/// and y down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Affine {
    /// Row by row: source x from output x and y, source y from output x and y.
    pub matrix: [[f64; 2]; 2],
    /// Source x and y of output (0, 0).
    pub offset: [f64; 2],
}

impl Affine {
    /// Every pixel stays.
    pub(super) const IDENTITY: Self = Self { matrix: [[1.0, 0.0], [0.0, 1.0]], offset: [0.0, 0.0] };

    /// Draws angle, factor and shift; `None` if none of the three happens.
    pub(super) fn draw(spec: &AugmentSpec, draws: &Draws, sides: [usize; 2]) -> Option<Self> {
        let angle = drawn_amount(&spec.rotate, draws, Purpose::Rotate).map(|(angle, _)| angle);
        let factor = drawn_amount(&spec.scale, draws, Purpose::Scale).map(|(factor, _)| factor);
        let shift = drawn_amount(&spec.shift, draws, Purpose::Shift).and_then(|(x, mut stream)| {
            let range = spec.shift.as_ref()?.range;
            Some([x, stream.between(range)])
        });
        if angle.is_none() && factor.is_none() && shift.is_none() {
            return None;
        }
        let [right, down] = shift.unwrap_or([0.0; 2]);
        let shift_px = [right * sides[1] as f64, down * sides[0] as f64];
        Some(Self::new(angle.unwrap_or(0.0), factor.unwrap_or(1.0), shift_px, sides))
    }

    /// Turns by `degrees` counter-clockwise and magnifies by `factor`, both about the centre of an
    /// image of a height and width, then moves it by `shift_px` to the right and down.
    pub(super) fn new(
        degrees: f64,
        factor: f64,
        shift_px: [f64; 2],
        [height, width]: [usize; 2],
    ) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let matrix = [[cos / factor, -sin / factor], [sin / factor, cos / factor]];
        let [x, y] = [width, height].map(|side| (side as f64 - 1.0) / 2.0);
        let offset = |centre: f64, [from_x, from_y]: [f64; 2]| {
            centre - from_x * (x + shift_px[0]) - from_y * (y + shift_px[1])
        };
        Self { matrix, offset: [offset(x, matrix[0]), offset(y, matrix[1])] }
    }

    /// Turns output positions into source positions, in place.
    pub(super) fn map(&self, xs: &mut [f32], ys: &mut [f32]) {
        let [[xx, xy], [yx, yy]] = self.matrix.map(|row| row.map(|value| value as f32));
        let [x0, y0] = self.offset.map(|value| value as f32);
        for (x, y) in xs.iter_mut().zip(ys) {
            (*x, *y) = (xx * *x + xy * *y + x0, yx * *x + yy * *y + y0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::flip::Symmetry;
    use super::super::warp::warp;
    use super::*;

    /// A 3 x 3 image with labels, warped.
    fn warped(affine: &Affine) -> (Vec<f32>, Vec<u8>) {
        let image: Vec<f32> = (1..10).map(|value| value as f32 / 10.0).collect();
        let labels: Vec<u8> = (1..10).collect();
        let warped = warp(&image, &labels, [3, 3], affine, None);
        (warped.image, warped.labels)
    }

    #[test]
    fn no_turn_no_scale_no_shift_is_the_identity() {
        assert_eq!(Affine::new(0.0, 1.0, [0.0, 0.0], [7, 7]), Affine::IDENTITY);
        let (image, labels) = warped(&Affine::IDENTITY);
        assert_eq!(image, (1..10).map(|value| value as f32 / 10.0).collect::<Vec<_>>());
        assert_eq!(labels, (1..10).collect::<Vec<u8>>());
    }

    #[test]
    fn a_shift_by_a_whole_pixel_is_exact_and_mirrors_at_the_border() {
        let (image, labels) = warped(&Affine::new(0.0, 1.0, [1.0, 0.0], [3, 3]));
        assert_eq!(image, [0.2, 0.1, 0.2, 0.5, 0.4, 0.5, 0.8, 0.7, 0.8]);
        assert_eq!(labels, [2, 1, 2, 5, 4, 5, 8, 7, 8]);
        let (_, labels) = warped(&Affine::new(0.0, 1.0, [0.0, -1.0], [3, 3]));
        assert_eq!(labels, [4, 5, 6, 7, 8, 9, 4, 5, 6]);
    }

    #[test]
    fn half_a_turn_is_about_the_middle_of_both_sides() {
        let labels: Vec<u8> = (1..9).collect();
        let image: Vec<f32> = labels.iter().map(|&label| f32::from(label) / 10.0).collect();
        let turned =
            warp(&image, &labels, [2, 4], &Affine::new(180.0, 1.0, [0.0; 2], [2, 4]), None);
        assert_eq!(turned.labels, [8, 7, 6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn a_quarter_turn_equals_rotate90() {
        let plane: Vec<u8> = (0..64).collect();
        let image: Vec<f32> = plane.iter().map(|&value| f32::from(value) / 64.0).collect();
        for quarter_turns in 1..4 {
            let turn = Symmetry { horizontal: false, vertical: false, quarter_turns };
            let affine = Affine::new(90.0 * f64::from(quarter_turns), 1.0, [0.0, 0.0], [8, 8]);
            let warped = warp(&image, &plane, [8, 8], &affine, None);
            assert_eq!(warped.labels, turn.apply(&plane, [8, 8]));
            for (a, b) in warped.image.iter().zip(turn.apply(&image, [8, 8])) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
    }

    #[test]
    fn magnifying_by_two_spreads_the_centre() {
        // Row 0 of the output reads at y = 0.5, columns at 0.5, 1, 1.5: between 1 2 4 5 and so on.
        let (image, labels) = warped(&Affine::new(0.0, 2.0, [0.0, 0.0], [3, 3]));
        let expected = [0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7];
        for (a, b) in image.iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
        assert_eq!(labels[4], 5);
    }

    #[test]
    fn both_axes_draw_their_own_shift_within_the_range() {
        let range = [-0.25, 0.25];
        let amount = Some(crate::spec::AmountSpec { probability: 1.0, range });
        let spec = AugmentSpec { shift: amount, ..AugmentSpec::default() };
        for epoch in 0..50 {
            let affine = Affine::draw(&spec, &Draws::new(0, epoch, "a"), [40, 100]).unwrap();
            assert_eq!(affine.matrix, Affine::IDENTITY.matrix);
            assert_ne!(affine.offset[0], affine.offset[1]);
            assert!(affine.offset[0].abs() <= 25.0 && affine.offset[1].abs() <= 10.0);
        }
    }
}
