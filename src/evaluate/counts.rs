//! Pixel counts of a class, from which every overlap metric is computed.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

use crate::data::IGNORE;

/// How the labelled pixels of an image divide for one class against all others.
///
/// ```
/// use oncospec::evaluate::{count_binary, overlap};
/// use oncospec::spec::{EmptyRule, MetricKind};
///
/// let counts = count_binary(&[1, 1, 0, 0], &[1, 0, 0, 255]);
/// assert_eq!((counts.tp, counts.fp, counts.fn_, counts.tn), (1, 1, 0, 1));
/// assert_eq!(overlap(MetricKind::Dice, &counts, EmptyRule::One), Some(2.0 / 3.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// True positives: pixels of the class, called the class.
    pub tp: u64,
    /// False positives: pixels of another class, called the class.
    pub fp: u64,
    /// False negatives: pixels of the class, called another.
    #[serde(rename = "fn")]
    pub fn_: u64,
    /// True negatives: pixels of another class, called another.
    pub tn: u64,
}

impl Counts {
    /// Labelled pixels.
    pub fn total(&self) -> u64 {
        self.tp + self.fp + self.fn_ + self.tn
    }

    /// Pixels of the class in the truth.
    pub fn truth(&self) -> u64 {
        self.tp + self.fn_
    }

    /// Pixels of the class in the prediction.
    pub fn predicted(&self) -> u64 {
        self.tp + self.fp
    }

    /// Whether truth and prediction are the same on every labelled pixel.
    pub fn perfect(&self) -> bool {
        self.fp == 0 && self.fn_ == 0
    }

    /// Whether truth and prediction both lack the class.
    pub fn absent(&self) -> bool {
        self.truth() == 0 && self.predicted() == 0
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.tp += other.tp;
        self.fp += other.fp;
        self.fn_ += other.fn_;
        self.tn += other.tn;
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

impl<'a> Sum<&'a Self> for Counts {
    fn sum<I: Iterator<Item = &'a Self>>(counts: I) -> Self {
        counts.copied().sum()
    }
}

/// Counts of class 1 for a mask of 0 and 1. Pixels whose truth is [`IGNORE`] are left out.
///
/// # Panics
///
/// If the slices differ in length, the prediction holds anything but 0 and 1, or the truth anything
/// but 0, 1 and [`IGNORE`].
pub fn count_binary(prediction: &[u8], truth: &[u8]) -> Counts {
    assert_eq!(prediction.len(), truth.len(), "prediction and truth differ in size");
    // Rows: truth 0, truth 1, ignored. Columns: prediction 0, prediction 1.
    let mut cells = [[0u64; 2]; 3];
    for (&predicted, &true_) in prediction.iter().zip(truth) {
        let row = match true_ {
            0 | 1 => usize::from(true_),
            IGNORE => 2,
            _ => panic!("a binary truth holds {true_}"),
        };
        cells[row][usize::from(predicted)] += 1;
    }
    let [[tn, fp], [fn_, tp], _] = cells;
    Counts { tp, fp, fn_, tn }
}

/// The channel with the highest value at each pixel; the first of equals.
///
/// # Shapes
/// - values: `[classes, pixels]`
pub fn likeliest(values: &[f32], classes: usize) -> Vec<u8> {
    let pixels = values.len() / classes.max(1);
    let mut labels = vec![0; pixels];
    let mut highest = values[..pixels].to_vec();
    for class in 1..classes {
        let channel = &values[class * pixels..][..pixels];
        for ((label, highest), &value) in labels.iter_mut().zip(&mut highest).zip(channel) {
            if value > *highest {
                (*highest, *label) = (value, class as u8);
            }
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_labelled_pixel_falls_into_one_count() {
        let prediction = [1, 1, 1, 0, 0, 0, 0, 1, 0];
        let truth = [1, 1, 0, 1, 0, 0, 0, IGNORE, IGNORE];
        assert_eq!(count_binary(&prediction, &truth), Counts { tp: 2, fp: 1, fn_: 1, tn: 3 });
    }

    #[test]
    fn false_negatives_are_called_fn_in_json() {
        let counts = Counts { tp: 1, fp: 2, fn_: 3, tn: 4 };
        let json = serde_json::to_string(&counts).unwrap();
        assert_eq!(json, r#"{"tp":1,"fp":2,"fn":3,"tn":4}"#);
        assert_eq!(serde_json::from_str::<Counts>(&json).unwrap(), counts);
    }

    #[test]
    #[should_panic(expected = "a binary truth holds 2")]
    fn a_class_number_in_a_binary_truth_is_refused() {
        count_binary(&[0], &[2]);
    }

    #[test]
    #[should_panic(expected = "differ in size")]
    fn masks_of_two_sizes_are_refused() {
        count_binary(&[0, 1], &[0]);
    }
}
