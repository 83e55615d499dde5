//! One number that makes probabilities say how often they are right.
//!
//! Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks", ICML, section 4.2.

use crate::loss::Outputs;

/// Probabilities nearer than this to 0 or 1 count as this near: single precision rounds them there.
const NEAREST: f64 = 1e-7;
/// The temperatures that are considered.
const RANGE: [f64; 2] = [0.05, 20.0];
/// Halvings of their range in logarithms: to 1e-9 of it.
const HALVINGS: u32 = 30;

/// Probabilities of pixels or images after division of their logits by a temperature; the same where it is 1.
///
/// # Shapes
/// - values: `[channels, pixels]`, with one channel of the foreground for binary outputs
pub(super) fn tempered(values: &mut [f32], outputs: Outputs, temperature: f64) {
    if temperature == 1.0 || values.is_empty() {
        return;
    }
    if outputs == Outputs::Binary {
        for value in values {
            *value = sigmoid(logit(f64::from(*value)) / temperature) as f32;
        }
        return;
    }
    let classes = outputs.channels();
    let pixels = values.len() / classes;
    let mut scores = vec![0.0; classes];
    for pixel in 0..pixels {
        for (class, score) in scores.iter_mut().enumerate() {
            *score = log(f64::from(values[class * pixels + pixel])) / temperature;
        }
        softmax(&mut scores);
        for (class, score) in scores.iter().enumerate() {
            values[class * pixels + pixel] = *score as f32;
        }
    }
}

/// Labelled pixels or images, each with the logits of its classes, of which the differences count.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    classes: usize,
    logits: Vec<f32>,
    truth: Vec<u8>,
}

impl Observed {
    /// Nothing yet, of some outputs; one foreground is seen against the background.
    pub(super) fn new(outputs: Outputs) -> Self {
        Self { classes: outputs.channels().max(2), logits: Vec::new(), truth: Vec::new() }
    }

    /// Adds a pixel or image with the probability of each class, of one foreground that alone.
    pub(super) fn add(&mut self, truth: u8, probabilities: &[f32]) {
        match probabilities {
            &[foreground] => self.logits.extend([0.0, logit(f64::from(foreground)) as f32]),
            all => self.logits.extend(all.iter().map(|&p| log(f64::from(p)) as f32)),
        }
        self.truth.push(truth);
    }

    /// Adds what another holds.
    pub(super) fn extend(&mut self, other: Self) {
        self.logits.extend(other.logits);
        self.truth.extend(other.truth);
    }

    /// The temperature with the lowest negative log-likelihood, between 0.05 and 20; 1 where nothing was observed.
    ///
    /// The likelihood's slope rises with the inverse of the temperature, so that halving finds it.
    pub(super) fn temperature(&self) -> f64 {
        if self.truth.is_empty() {
            return 1.0;
        }
        let [mut low, mut high] = RANGE.map(f64::ln);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            // Rising with the inverse of the temperature: too cold where it is above 0.
            if self.slope((-middle).exp()) > 0.0 { low = middle } else { high = middle }
        }
        f64::midpoint(low, high).exp()
    }

    /// The derivative of the negative log-likelihood by the inverse of the temperature.
    fn slope(&self, inverse: f64) -> f64 {
        let mut scores = vec![0.0; self.classes];
        let observed = self.logits.chunks_exact(self.classes).zip(&self.truth);
        let slopes = observed.map(|(logits, &truth)| {
            for (score, logit) in scores.iter_mut().zip(logits) {
                *score = f64::from(*logit) * inverse;
            }
            softmax(&mut scores);
            let expected: f64 =
                scores.iter().zip(logits).map(|(p, logit)| p * f64::from(*logit)).sum();
            expected - f64::from(logits[usize::from(truth)])
        });
        slopes.sum()
    }
}

/// The logarithm of a probability.
fn log(p: f64) -> f64 {
    p.max(NEAREST).ln()
}

fn logit(p: f64) -> f64 {
    let p = p.clamp(NEAREST, 1.0 - NEAREST);
    (p / (1.0 - p)).ln()
}

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

fn softmax(scores: &mut [f64]) {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter_mut().for_each(|score| *score = (*score - highest).exp());
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        classes: usize,
        probabilities: Vec<Vec<f32>>,
        truth: Vec<u8>,
        temperature: f64,
        tempered: Vec<Vec<f64>>,
    }

    #[test]
    fn temperature_and_probabilities_are_scipys() {
        let text = std::fs::read_to_string(crate::testing::fixture("temperature.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
        assert!(cases.len() >= 4);
        for case in cases {
            let outputs = match case.classes {
                1 => Outputs::Binary,
                classes => Outputs::Classes(classes),
            };
            let mut observed = Observed::new(outputs);
            for (&truth, probabilities) in case.truth.iter().zip(&case.probabilities) {
                observed.add(truth, probabilities);
            }
            let found = observed.temperature();
            let off = (found / case.temperature - 1.0).abs();
            assert!(off < 1e-4, "{found}, not {}", case.temperature);
            let pixels = case.truth.len();
            let mut planes: Vec<f32> = (0..case.classes)
                .flat_map(|class| case.probabilities.iter().map(move |all| all[class]))
                .collect();
            tempered(&mut planes, outputs, case.temperature);
            for (pixel, expected) in case.tempered.iter().enumerate() {
                for (class, expected) in expected.iter().enumerate() {
                    let found = f64::from(planes[class * pixels + pixel]);
                    // SciPy's minimum is known to the root of the rounding of its value.
                    assert!((found - expected).abs() < 5e-5, "{found}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn a_temperature_of_1_changes_no_bit_and_certainty_stays_finite() {
        let mut values = [0.1, f32::MIN_POSITIVE, 1.0];
        tempered(&mut values, Outputs::Binary, 1.0);
        assert_eq!(values, [0.1, f32::MIN_POSITIVE, 1.0]);
        tempered(&mut values, Outputs::Binary, 2.0);
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)), "{values:?}");
    }

    #[test]
    fn always_right_is_as_cold_and_always_wrong_as_hot_as_can_be() {
        let mut right = Observed::new(Outputs::Binary);
        right.add(1, &[0.9]);
        right.add(0, &[0.1]);
        assert!((right.temperature() / RANGE[0] - 1.0).abs() < 1e-6);
        let mut wrong = Observed::new(Outputs::Binary);
        wrong.add(0, &[0.9]);
        assert!((wrong.temperature() / RANGE[1] - 1.0).abs() < 1e-6);
        assert_eq!(Observed::new(Outputs::Binary).temperature(), 1.0);
    }
}
