//! Intersection over union of the probabilities, without a threshold: that of the soft Jaccard loss, and of programs that
//! hand probabilities to a metric of masks.
//!
//! Rahman and Wang 2016, "Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation", ISVC,
//! doi:10.1007/978-3-319-50835-1_22.

use super::images::ratio;
use super::{ClassPixels, Metric};

pub(super) const METRIC: Metric = Metric::highest("soft-iou", "IoU of probabilities")
    .also_named(&["soft-jaccard"])
    .of_probabilities(of_pixels);

/// sum(p t) / (sum(p) + sum(t) - sum(p t)) over the labelled pixels, p the probability of the class and t whether it is the
/// truth.
///
/// An image without the class scores 0 for any probability above 0, whatever `evaluation.empty` says, and 1 for none.
fn of_pixels(pixels: &ClassPixels) -> Option<f64> {
    let [both, predicted, truth] = pixels.sums_of_probabilities()?;
    ratio(both, predicted + truth - both).or(Some(1.0))
}

#[cfg(test)]
mod tests {
    use super::super::{ClassPixels, IGNORE};

    fn of(truth: &[u8], probabilities: Option<&[f32]>) -> Option<f64> {
        super::of_pixels(&ClassPixels { probabilities, ..ClassPixels::of_masks(&[], truth, 1) })
    }

    #[test]
    fn the_value_is_that_computed_by_hand_and_ignored_pixels_take_no_part() {
        // (0.75 + 0.25) / (1.5 + 2 - 1)
        let probabilities = [0.75, 0.25, 0.5, 1.0];
        assert_eq!(of(&[1, 1, 0, IGNORE], Some(&probabilities)), Some(1.0 / 2.5));
    }

    #[test]
    fn masks_of_zeros_and_ones_have_the_value_of_masks() {
        let probabilities = [1.0, 1.0, 0.0, 0.0];
        assert_eq!(of(&[1, 0, 1, 0], Some(&probabilities)), Some(1.0 / 3.0));
    }

    #[test]
    fn a_class_that_is_absent_scores_0_for_any_probability_and_1_for_none() {
        assert_eq!(of(&[0, 0], Some(&[0.25, 0.0])), Some(0.0));
        assert_eq!(of(&[0, 0], Some(&[0.0, 0.0])), Some(1.0));
        assert_eq!(of(&[1, 1], Some(&[0.0, 0.0])), Some(0.0));
    }

    #[test]
    fn without_probabilities_or_with_one_that_is_no_number_there_is_none() {
        assert_eq!(of(&[1, 0], None), None);
        assert_eq!(of(&[1, 0], Some(&[f32::NAN, 0.0])), None);
    }
}
