//! `reliability.json`: the pixels of a split by the probability of each class.

use std::ops::Add;

use serde::{Deserialize, Serialize};

use super::artefact::json_file;
use crate::split_name::SplitName;

/// The labelled pixels of a split by the probability of a class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PixelReliability {
    /// The split.
    pub split: SplitName,
    /// Labelled pixels.
    pub pixels: u64,
    /// Mean over pixels of the sum over classes of the squared distance of probability and truth.
    pub brier: f64,
    /// Of each class, of one foreground of that alone.
    pub classes: Vec<ClassReliability>,
}

json_file!(Vec<PixelReliability>, "reliability.json");

impl PixelReliability {
    /// The pixels of both, whose classes are the same.
    pub fn united(self, other: Self) -> Self {
        let pixels = self.pixels + other.pixels;
        let squares = self.brier * self.pixels as f64 + other.brier * other.pixels as f64;
        let of_class = |(own, other): (ClassReliability, ClassReliability)| {
            let bins = own.bins.into_iter().zip(other.bins).map(|(own, other)| own + other);
            ClassReliability { class: own.class, bins: bins.collect() }
        };
        Self {
            split: self.split,
            pixels,
            brier: squares / pixels.max(1) as f64,
            classes: self.classes.into_iter().zip(other.classes).map(of_class).collect(),
        }
    }
}

/// Pixels by the probability of a class, in bins of equal width.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassReliability {
    /// Name of the class.
    pub class: String,
    /// From the lowest probability up.
    pub bins: Vec<ReliabilityBin>,
}

/// Pixels of a bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// How many.
    pub pixels: u64,
    /// The sum of their probabilities.
    pub probability: f64,
    /// How many are of the class.
    pub of_class: u64,
}

impl Add for ReliabilityBin {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            pixels: self.pixels + other.pixels,
            probability: self.probability + other.probability,
            of_class: self.of_class + other.of_class,
        }
    }
}
