//! Brightness, contrast and gamma of intensities from 0 to 1.

/// Adds to every intensity.
pub(super) fn brightness(image: &mut [f32], added: f32) {
    for value in image {
        *value = (*value + added).clamp(0.0, 1.0);
    }
}

/// Stretches all planes about their common mean.
pub(super) fn contrast(image: &mut [f32], factor: f32) {
    let sum: f64 = image.iter().map(|&value| f64::from(value)).sum();
    let mean = (sum / image.len() as f64) as f32;
    for value in image {
        *value = ((*value - mean) * factor + mean).clamp(0.0, 1.0);
    }
}

/// Raises every intensity to a power: above 1 darkens, below 1 brightens.
pub(super) fn gamma(image: &mut [f32], power: f32) {
    for value in image {
        *value = value.powf(power).clamp(0.0, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_adds_and_clamps() {
        let mut image = [0.0, 0.5, 0.75];
        brightness(&mut image, 0.5);
        assert_eq!(image, [0.5, 1.0, 1.0]);
        brightness(&mut image, -0.75);
        assert_eq!(image, [0.0, 0.25, 0.25]);
    }

    #[test]
    fn contrast_stretches_about_the_mean() {
        let mut image = [0.25, 0.5, 0.75];
        contrast(&mut image, 0.5);
        assert_eq!(image, [0.375, 0.5, 0.625]);
        contrast(&mut image, 8.0);
        assert_eq!(image, [0.0, 0.5, 1.0]);
        contrast(&mut image, 0.0);
        assert_eq!(image, [0.5; 3]);
    }

    #[test]
    fn gamma_is_a_power() {
        let mut image = [0.0, 0.5, 1.0];
        gamma(&mut image, 2.0);
        assert_eq!(image, [0.0, 0.25, 1.0]);
        gamma(&mut image, 1.0);
        assert_eq!(image, [0.0, 0.25, 1.0]);
    }
}
