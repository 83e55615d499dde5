//! Adaptive noise removal.

use image::GrayImage;

/// The pixelwise adaptive Wiener filter (Lim 1990, *Two-Dimensional Signal and Image Processing*,
/// p. 548), as `scipy.signal.wiener` and MATLAB's `wiener2`.
///
/// With the mean m and the variance v of a square around it, a pixel x becomes
/// `m + max(v - noise, 0) / v * (x - m)`: flat places are averaged, edges are kept. The square has
/// sides of `window` pixels (at least 1; an even one reaches one pixel further up and left), and
/// outside the image is black. `noise` is the power of the noise in squared gray levels of 0 to
/// 255; `None` takes the mean of all v.
///
/// # Panics
/// If `window` is 0.
pub(super) fn wiener(image: &GrayImage, window: u32, noise: Option<f64>) -> GrayImage {
    let moments = moments(image, window);
    let variances = moments.iter().map(|moments| moments.variance);
    let noise = noise.unwrap_or_else(|| variances.sum::<f64>() / moments.len() as f64);
    let mut filtered = image.clone();
    for (pixel, Moments { mean, variance }) in filtered.iter_mut().zip(moments) {
        let kept = if variance > noise { 1.0 - noise / variance } else { 0.0 };
        *pixel = (mean + kept * (f64::from(*pixel) - mean)).round_ties_even() as u8;
    }
    filtered
}

/// Mean and variance of the square around a pixel.
struct Moments {
    mean: f64,
    variance: f64,
}

/// The moments around every pixel, row by row.
fn moments(image: &GrayImage, window: u32) -> Vec<Moments> {
    let sums = summed_areas(image, u64::from);
    let squares = summed_areas(image, |level| u64::from(level).pow(2));
    let count = f64::from(window).powi(2);
    let [columns, rows] = [image.width(), image.height()].map(|size| spans(size, window));
    let stride = image.width() as usize + 1;
    let mut moments = Vec::with_capacity(image.len());
    for &(top, bottom) in &rows {
        for &(left, right) in &columns {
            let area = |sums: &[u64]| {
                let at = |row: usize, column: usize| sums[row * stride + column];
                (at(bottom, right) + at(top, left) - at(bottom, left) - at(top, right)) as f64
            };
            let mean = area(&sums) / count;
            moments.push(Moments { mean, variance: area(&squares) / count - mean * mean });
        }
    }
    moments
}

/// The part of the image, from and up to, that the window around each position of an axis covers.
fn spans(size: u32, window: u32) -> Vec<(usize, usize)> {
    let (before, after) = (window / 2, (window - 1) / 2);
    let span = |position: u32| {
        let end = position.saturating_add(after).saturating_add(1).min(size);
        (position.saturating_sub(before) as usize, end as usize)
    };
    (0..size).map(span).collect()
}

/// Sums over everything above and left of each pixel corner (Crow 1984): `[height + 1, width + 1]`.
fn summed_areas(image: &GrayImage, value: impl Fn(u8) -> u64) -> Vec<u64> {
    let stride = image.width() as usize + 1;
    let mut sums = vec![0; stride * (image.height() as usize + 1)];
    for (x, y, pixel) in image.enumerate_pixels() {
        let corner = (y as usize + 1) * stride + x as usize + 1;
        let others = sums[corner - 1] + sums[corner - stride] - sums[corner - stride - 1];
        sums[corner] = value(pixel.0[0]) + others;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixture;

    fn gray(width: u32, height: u32, pixels: Vec<u8>) -> GrayImage {
        GrayImage::from_raw(width, height, pixels).unwrap()
    }

    #[test]
    fn a_point_keeps_the_part_of_its_variance_that_is_not_noise() {
        // In the middle m = 90 / 9 = 10 and v = 8100 / 9 - 100 = 800: 10 + (1 - 200 / 800) * 80.
        // Left of it m = 10 too (the window holds the point), and x - m = -10: 10 - 7.5, to even.
        let image = gray(5, 3, vec![0, 0, 0, 0, 0, 0, 0, 90, 0, 0, 0, 0, 0, 0, 0]);
        let filtered = wiener(&image, 3, Some(200.0));
        assert_eq!([0, 1, 2].map(|x| filtered.get_pixel(x, 1).0[0]), [0, 2, 70]);
    }

    #[test]
    fn much_noise_leaves_the_mean_and_none_leaves_the_image() {
        let image = gray(3, 1, vec![30, 60, 90]);
        assert_eq!(wiener(&image, 3, Some(1e9)).into_raw(), [10, 20, 17]);
        assert_eq!(wiener(&image, 3, Some(0.0)), image);
    }

    #[test]
    fn the_default_noise_is_the_mean_variance() {
        // Windows of one pixel have no variance, so neither has the noise.
        let image = gray(2, 1, vec![3, 200]);
        assert_eq!(wiener(&image, 1, None), image);
        // Variances 0, 0, 800 and 800, so the noise is 400 and half of x - m is kept.
        let image = gray(4, 1, vec![0, 0, 0, 90]);
        assert_eq!(wiener(&image, 3, None).into_raw(), [0, 0, 5, 50]);
    }

    #[test]
    fn an_even_window_reaches_further_before_than_after() {
        assert_eq!(spans(4, 3), [(0, 2), (0, 3), (1, 4), (2, 4)]);
        assert_eq!(spans(4, 2), [(0, 1), (0, 2), (1, 3), (2, 4)]);
        assert_eq!(spans(2, 9), [(0, 2), (0, 2)]);
    }

    #[test]
    fn a_black_and_an_empty_image_stay_as_they_are() {
        assert_eq!(wiener(&gray(2, 2, vec![0; 4]), 3, None).into_raw(), [0; 4]);
        assert!(wiener(&gray(0, 2, vec![]), 3, None).is_empty());
    }

    #[derive(serde::Deserialize)]
    struct Case {
        width: u32,
        height: u32,
        window: u32,
        noise: Option<f64>,
        pixels: Vec<u8>,
        filtered: Vec<f64>,
    }

    #[test]
    fn images_are_those_of_scipy_rounded() {
        let text = std::fs::read_to_string(fixture("wiener.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
        assert_eq!(cases.len(), 9);
        for case in cases {
            let image = gray(case.width, case.height, case.pixels);
            let found = wiener(&image, case.window, case.noise).into_raw();
            let off = found.iter().zip(&case.filtered).map(|(a, b)| (f64::from(*a) - b).abs());
            let off = off.fold(0.0, f64::max);
            assert_eq!(found.len(), case.filtered.len());
            assert!(off < 0.5001, "window {}, noise {:?}: {off}", case.window, case.noise);
        }
    }
}
