//! From masks to the counts of their pixels.

use crate::data::IGNORE;
use crate::metric::Counts;

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
