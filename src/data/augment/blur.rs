//! Gaussian blur.

use super::super::mirror::mirror;

/// Blurs a plane of a height and width with a Gaussian of this standard deviation in pixels, cut off at
/// 4 of them, mirrored outside.
pub(super) fn gaussian(plane: &mut [f32], [height, width]: [usize; 2], sigma_px: f32) {
    let kernel = kernel(sigma_px);
    let radius = (kernel.len() / 2) as i32;
    if radius == 0 {
        return;
    }
    let mut padded = vec![0.0f32; width + kernel.len() - 1];
    for row in plane.chunks_exact_mut(width) {
        for (position, value) in (-radius..).zip(&mut padded) {
            *value = row[mirror(position, width)];
        }
        row.fill(0.0);
        for (offset, weight) in kernel.iter().enumerate() {
            add_weighted(row, &padded[offset..], *weight);
        }
    }
    let source = plane.to_vec();
    for (row, target) in plane.chunks_exact_mut(width).enumerate() {
        target.fill(0.0);
        for (position, weight) in (row as i32 - radius..).zip(&kernel) {
            let line = mirror(position, height) * width;
            add_weighted(target, &source[line..line + width], *weight);
        }
    }
}

/// `target += weight * source`, as far as `target` goes.
fn add_weighted(target: &mut [f32], source: &[f32], weight: f32) {
    for (value, added) in target.iter_mut().zip(source) {
        *value += weight * added;
    }
}

/// Weights at -r..=r with r = floor(4 sigma + 1/2), adding up to 1.
fn kernel(sigma_px: f32) -> Vec<f32> {
    let sigma = f64::from(sigma_px);
    let radius = (4.0 * sigma + 0.5) as i32;
    let weights: Vec<f64> = (-radius..=radius)
        .map(
            |offset| {
                if offset == 0 { 1.0 } else { (-0.5 * (f64::from(offset) / sigma).powi(2)).exp() }
            },
        )
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| (weight / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_a_cut_gaussian_that_adds_up_to_one() {
        // exp(-2) = 0.1353 at distance 1 and exp(-8) = 0.000335 at 2, over 1 + 2 * 0.13567.
        let expected = [0.000264, 0.106450, 0.786571, 0.106450, 0.000264];
        let kernel = kernel(0.5);
        assert_eq!(kernel.len(), expected.len());
        for (a, b) in kernel.iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }

    #[test]
    fn no_width_changes_nothing() {
        let mut plane = [0.1, 0.9, 0.5, 0.3];
        gaussian(&mut plane, [2, 2], 0.0);
        assert_eq!(plane, [0.1, 0.9, 0.5, 0.3]);
    }

    #[test]
    fn a_point_becomes_the_kernel_along_both_axes() {
        let (height, width) = (9, 11);
        let mut plane = vec![0.0; height * width];
        plane[4 * width + 5] = 1.0;
        gaussian(&mut plane, [height, width], 0.5);
        let kernel = kernel(0.5);
        for (row, down) in kernel.iter().enumerate() {
            for (column, right) in kernel.iter().enumerate() {
                let found = plane[(row + 2) * width + column + 3];
                assert!((found - down * right).abs() < 1e-7);
            }
        }
    }

    #[test]
    fn a_flat_image_stays_flat_even_when_the_kernel_is_wider_than_it() {
        let mut plane = vec![0.7; 9];
        gaussian(&mut plane, [3, 3], 5.0);
        assert!(plane.iter().all(|value| (value - 0.7).abs() < 1e-5), "{plane:?}");
        let mut pixel = [0.3];
        gaussian(&mut pixel, [1, 1], 2.0);
        assert!((pixel[0] - 0.3).abs() < 1e-6);
    }
}
