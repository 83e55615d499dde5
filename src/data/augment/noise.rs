//! Gaussian noise.

use super::Stream;

/// Adds independent normal noise of this standard deviation to every value, then clamps to [0, 1].
pub(super) fn gaussian(image: &mut [f32], sigma: f32, stream: &mut Stream) {
    for pair in image.chunks_mut(2) {
        for (value, noise) in pair.iter_mut().zip(stream.normal_pair()) {
            *value = (*value + sigma * noise).clamp(0.0, 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Draws, Purpose};
    use super::*;

    fn noisy(sigma: f32, count: usize) -> Vec<f32> {
        let mut image = vec![0.5; count];
        gaussian(&mut image, sigma, &mut Draws::new(0, 0, "a").stream(Purpose::Noise));
        image
    }

    #[test]
    fn noise_has_the_declared_standard_deviation() {
        let image = noisy(0.1, 40_001);
        let mean = image.iter().sum::<f32>() / image.len() as f32;
        let variance = image.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / image.len() as f32;
        assert!((mean - 0.5).abs() < 0.002, "{mean}");
        assert!((variance.sqrt() - 0.1).abs() < 0.002, "{variance}");
    }

    #[test]
    fn no_deviation_changes_nothing() {
        assert_eq!(noisy(0.0, 5), [0.5; 5]);
    }
}
