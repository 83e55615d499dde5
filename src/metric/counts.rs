//! Pixel counts of a class, from which every overlap metric is computed.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// How the labelled pixels of an image divide for one class against all others.
///
/// ```
/// use oncospec::evaluate::count_binary;
/// use oncospec::metric::{EmptyRule, MetricKind, overlap};
///
/// let counts = count_binary(&[1, 1, 0, 0], &[1, 0, 0, 255]);
/// assert_eq!((counts.tp, counts.fp, counts.fn_, counts.tn), (1, 1, 0, 1));
/// assert_eq!(overlap(MetricKind::Dice, &counts, EmptyRule::One), Some(2.0 / 3.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// True positives: pixels of the class, predicted as the class.
    pub tp: u64,
    /// False positives: pixels of another class, predicted as the class.
    pub fp: u64,
    /// False negatives: pixels of the class, predicted as another.
    #[serde(rename = "fn")]
    pub fn_: u64,
    /// True negatives: pixels of another class, predicted as another.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn false_negatives_are_called_fn_in_json() {
        let counts = Counts { tp: 1, fp: 2, fn_: 3, tn: 4 };
        let json = serde_json::to_string(&counts).unwrap();
        assert_eq!(json, r#"{"tp":1,"fp":2,"fn":3,"tn":4}"#);
        assert_eq!(serde_json::from_str::<Counts>(&json).unwrap(), counts);
    }
}
