//! Reading an image and its labels at other positions.

use super::super::mirror::mirror;
use super::Augmented;
use super::affine::Affine;
use super::elastic::Field;

/// Where one output pixel of the image comes from: four neighbours and the way between them.
#[derive(Clone, Copy, Debug, Default)]
struct Tap {
    top_left: u32,
    top_right: u32,
    bottom_left: u32,
    bottom_right: u32,
    right: f32,
    down: f32,
}

/// Reads every output pixel at `affine(position + field(position))`: bilinear from each plane of
/// `image`, nearest from `labels`, mirrored outside.
///
/// # Shapes
/// `image` is `[planes, height, width]`, `labels` is `[height, width]`; so is the result.
pub(super) fn warp(
    image: &[f32],
    labels: &[u8],
    [height, width]: [usize; 2],
    affine: &Affine,
    field: Option<&Field>,
) -> Augmented {
    let area = height * width;
    let mut warped = Augmented { image: vec![0.0; image.len()], labels: vec![0; area] };
    let mut xs = vec![0.0f32; width];
    let mut ys = vec![0.0f32; width];
    let mut taps = vec![Tap::default(); width];
    for row in 0..height {
        for (column, (x, y)) in xs.iter_mut().zip(&mut ys).enumerate() {
            (*x, *y) = (column as f32, row as f32);
        }
        if let Some(field) = field {
            field.add_row(row, &mut xs, &mut ys);
        }
        affine.map(&mut xs, &mut ys);
        let line = row * width..(row + 1) * width;
        for ((label, &x), &y) in warped.labels[line.clone()].iter_mut().zip(&xs).zip(&ys) {
            let line = mirror(floor(y + 0.5), height) * width;
            *label = labels[line + mirror(floor(x + 0.5), width)];
        }
        for ((tap, &x), &y) in taps.iter_mut().zip(&xs).zip(&ys) {
            *tap = Tap::at(x, y, [height, width]);
        }
        for (source, target) in image.chunks_exact(area).zip(warped.image.chunks_exact_mut(area)) {
            for (value, tap) in target[line.clone()].iter_mut().zip(&taps) {
                *value = tap.read(source);
            }
        }
    }
    warped
}

impl Tap {
    fn at(x: f32, y: f32, [height, width]: [usize; 2]) -> Self {
        let (column, row) = (floor(x), floor(y));
        let within = |place: i32, side: usize| (0..side as i32 - 1).contains(&place);
        if within(column, width) && within(row, height) {
            let top_left = row as u32 * width as u32 + column as u32;
            let bottom_left = top_left + width as u32;
            return Self {
                top_left,
                top_right: top_left + 1,
                bottom_left,
                bottom_right: bottom_left + 1,
                right: x - column as f32,
                down: y - row as f32,
            };
        }
        let (left, right) = (mirror(column, width), mirror(column.saturating_add(1), width));
        let line = |row: i32| mirror(row, height) * width;
        let (top, bottom) = (line(row), line(row.saturating_add(1)));
        Self {
            top_left: (top + left) as u32,
            top_right: (top + right) as u32,
            bottom_left: (bottom + left) as u32,
            bottom_right: (bottom + right) as u32,
            right: x - column as f32,
            down: y - row as f32,
        }
    }

    fn read(&self, plane: &[f32]) -> f32 {
        let between = |left: u32, right: u32| {
            let (left, right) = (plane[left as usize], plane[right as usize]);
            left + (right - left) * self.right
        };
        let top = between(self.top_left, self.top_right);
        let bottom = between(self.bottom_left, self.bottom_right);
        top + (bottom - top) * self.down
    }
}

/// The largest whole number not above `value`; faster than `f32::floor` on processors without an
/// instruction for it.
fn floor(value: f32) -> i32 {
    let truncated = value as i32;
    truncated - i32::from(value < truncated as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor_rounds_down_on_both_sides_of_zero() {
        assert_eq!([-1.5, -1.0, -0.25, 0.0, 0.75, 2.0].map(floor), [-2, -1, -1, 0, 0, 2]);
    }

    #[test]
    fn halfway_positions_average_the_image_and_pick_one_label() {
        let affine = Affine { offset: [0.5, 0.0], ..Affine::IDENTITY };
        let warped = warp(&[0.0, 0.5, 0.25, 0.75], &[1, 2, 3, 4], [2, 2], &affine, None);
        assert_eq!(warped.image, [0.25, 0.25, 0.5, 0.5]);
        assert_eq!(warped.labels, [2, 1, 4, 3]);
    }

    #[test]
    fn planes_move_together() {
        let affine = Affine { offset: [1.0, 0.0], ..Affine::IDENTITY };
        let image = [0.0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8];
        let warped = warp(&image, &[0; 4], [2, 2], &affine, None);
        assert_eq!(warped.image, [0.1, 0.0, 0.3, 0.2, 0.6, 0.5, 0.8, 0.7]);
    }
}
