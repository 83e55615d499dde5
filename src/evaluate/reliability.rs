//! Whether the probabilities of pixels are right as often as they say.

use crate::metric::IGNORE;

/// Bins of equal width between 0 and 1; a probability between two of them is of the lower.
pub const BINS: usize = 10;

/// The bin of a probability.
pub fn bin_of(p: f64) -> usize {
    ((p * BINS as f64).ceil() as usize).clamp(1, BINS) - 1
}

/// Pixels whose probability of a class lies in a bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// How many.
    pub pixels: u64,
    /// The sum of their probabilities.
    pub probability: f64,
    /// How many are of the class.
    pub of_class: u64,
}

/// The labelled pixels of cases by the probability of each class: of one foreground that alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Reliability {
    /// Of each class.
    pub classes: Vec<[Bin; BINS]>,
    /// Labelled pixels.
    pub pixels: u64,
    /// The sum over pixels and classes of the squared distance of probability and truth (Brier 1950).
    pub squares: f64,
}

impl Reliability {
    /// No pixel, of so many channels.
    pub fn new(channels: usize) -> Self {
        Self { classes: vec![Default::default(); channels], pixels: 0, squares: 0.0 }
    }

    /// Adds the pixels of a case.
    ///
    /// # Shapes
    /// - probabilities: `[channels, pixels]`
    /// - truth: `[pixels]`, of one foreground 0 and 1
    pub fn add_case(&mut self, probabilities: &[f32], truth: &[u8]) {
        let foreground = usize::from(self.classes.len() == 1);
        let planes = probabilities.chunks_exact(truth.len().max(1));
        for (class, (plane, bins)) in planes.zip(&mut self.classes).enumerate() {
            for (&p, &true_) in plane.iter().zip(truth) {
                if true_ == IGNORE {
                    continue;
                }
                let (p, is_it) = (f64::from(p), usize::from(true_) == class + foreground);
                let bin = &mut bins[bin_of(p)];
                bin.pixels += 1;
                bin.probability += p;
                bin.of_class += u64::from(is_it);
                self.squares += (p - f64::from(u8::from(is_it))).powi(2);
            }
        }
        self.pixels += truth.iter().filter(|&&true_| true_ != IGNORE).count() as u64;
    }

    /// Adds the pixels of others.
    pub fn add(&mut self, other: &Self) {
        for (bins, others) in self.classes.iter_mut().zip(&other.classes) {
            for (bin, other) in bins.iter_mut().zip(others) {
                bin.pixels += other.pixels;
                bin.probability += other.probability;
                bin.of_class += other.of_class;
            }
        }
        self.pixels += other.pixels;
        self.squares += other.squares;
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        probabilities: Vec<f32>,
        truth: Vec<u8>,
        brier: f64,
        mean_probability: Vec<f64>,
        share: Vec<f64>,
    }

    #[test]
    fn bins_and_brier_score_are_those_of_scikit_learn() {
        let text = std::fs::read_to_string(crate::testing::fixture("reliability.json")).unwrap();
        let fixture: Fixture = serde_json::from_str(&text).unwrap();
        let (first, second) = fixture.truth.split_at(100);
        let (of_first, of_second) = fixture.probabilities.split_at(100);
        let mut found = Reliability::new(1);
        found.add_case(of_first, first);
        let mut rest = Reliability::new(1);
        rest.add_case(of_second, second);
        found.add(&rest);
        let brier = found.squares / found.pixels as f64;
        assert!((brier - fixture.brier).abs() < 1e-9, "{brier}, not {}", fixture.brier);
        let filled: Vec<&Bin> = found.classes[0].iter().filter(|bin| bin.pixels > 0).collect();
        assert_eq!(filled.len(), fixture.share.len());
        for ((bin, mean), share) in filled.iter().zip(&fixture.mean_probability).zip(&fixture.share)
        {
            let pixels = bin.pixels as f64;
            assert!((bin.probability / pixels - mean).abs() < 1e-9);
            assert!((bin.of_class as f64 / pixels - share).abs() < 1e-9);
        }
    }

    #[test]
    fn each_class_is_seen_against_the_rest_and_unlabelled_pixels_are_not() {
        let mut found = Reliability::new(2);
        found.add_case(&[0.25, 0.5, 0.9, 0.75, 0.5, 0.1], &[1, 0, IGNORE]);
        assert_eq!(found.pixels, 2);
        assert_eq!(found.classes[0][2], Bin { pixels: 1, probability: 0.25, of_class: 0 });
        assert_eq!(found.classes[1][7], Bin { pixels: 1, probability: 0.75, of_class: 1 });
        assert_eq!(found.classes[0][4], Bin { pixels: 1, probability: 0.5, of_class: 1 });
        assert!((found.squares - (2.0 * 0.0625 + 2.0 * 0.25)).abs() < 1e-12);
    }
}
