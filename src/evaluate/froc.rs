//! Lesions found and false lesions at every threshold: the free-response ROC curve.
//!
//! Bunch, Hamilton, Sanderson and Simmons 1977; as for detection, of the regions of a mask: a lesion is found where a region
//! of the prediction shares a pixel with it, and a region that shares none with a lesion is false.

use super::threshold::{CANDIDATES, binarize};
use crate::metric::{IGNORE, regions};

/// Lesions of images at each of [`CANDIDATES`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Froc {
    /// Images.
    pub images: u64,
    /// Lesions of the truth.
    pub lesions: u64,
    /// At each threshold: how many of them are found, and how many regions of the prediction are false.
    pub points: [[u64; 2]; CANDIDATES.len()],
}

impl Froc {
    /// Adds an image of `width` pixels a row by the probability of its foreground. Unlabelled pixels belong to nothing.
    ///
    /// # Shapes
    /// - probabilities and truth: `[height, width]`
    pub fn add_case(&mut self, probabilities: &[f32], truth: &[u8], width: usize) {
        let lesion = |pixel: usize| truth[pixel] == 1;
        let lesions = regions(&(0..truth.len()).map(lesion).collect::<Vec<bool>>(), width);
        self.images += 1;
        self.lesions += lesions.len() as u64;
        for (threshold, [found, false_lesions]) in CANDIDATES.into_iter().zip(&mut self.points) {
            let mask = binarize(probabilities, threshold);
            let predicted = |pixel: usize| mask[pixel] == 1 && truth[pixel] != IGNORE;
            let is_found = |pixels: &&Vec<usize>| pixels.iter().any(|&pixel| predicted(pixel));
            *found += lesions.iter().filter(is_found).count() as u64;
            let predictions =
                regions(&(0..mask.len()).map(predicted).collect::<Vec<bool>>(), width);
            let is_false = |pixels: &&Vec<usize>| !pixels.iter().any(|&pixel| lesion(pixel));
            *false_lesions += predictions.iter().filter(is_false).count() as u64;
        }
    }

    /// Adds other images.
    pub fn add(&mut self, other: &Self) {
        self.images += other.images;
        self.lesions += other.lesions;
        for (point, other) in self.points.iter_mut().zip(&other.points) {
            point.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lesions_are_counted_at_each_threshold() {
        // Two lesions: one at 0.9, one at 0.3; a false region at 0.62, and one that is not labelled.
        let probabilities = [0.9, 0.0, 0.3, 0.0, 0.62, 0.0, 0.99];
        let truth = [1, 0, 1, 0, 0, 0, IGNORE];
        let mut found = Froc::default();
        found.add_case(&probabilities, &truth, 7);
        let mut normal = Froc::default();
        normal.add_case(&[0.0, 0.2], &[0, 0], 2);
        found.add(&normal);
        assert_eq!((found.images, found.lesions), (2, 2));
        let at = |threshold: f64| {
            let place = CANDIDATES.iter().position(|candidate| *candidate == threshold).unwrap();
            found.points[place]
        };
        assert_eq!(at(0.05), [2, 2]);
        assert_eq!(at(0.25), [2, 1]);
        assert_eq!(at(0.35), [1, 1]);
        assert_eq!(at(0.65), [1, 0]);
        assert_eq!(at(0.95), [0, 0]);
    }
}
