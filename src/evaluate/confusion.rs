//! The confusion matrix of pixels.

use serde::{Deserialize, Serialize};

use crate::data::IGNORE;
use crate::metric::Counts;

/// How many pixels of each true class were predicted as each class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    classes: usize,
    /// `[truth][prediction]`, row by row.
    counts: Vec<u64>,
}

impl Confusion {
    /// An empty matrix of `classes` by `classes`.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Counts every pixel of an image whose truth is not [`IGNORE`].
    ///
    /// # Panics
    ///
    /// If the slices differ in length or hold a class that the matrix has not; the prediction of an
    /// ignored pixel may be anything.
    pub fn tally(&mut self, prediction: &[u8], truth: &[u8]) {
        assert_eq!(prediction.len(), truth.len(), "prediction and truth differ in size");
        let classes = self.classes;
        for (&predicted, &true_) in prediction.iter().zip(truth) {
            if true_ == IGNORE {
                continue;
            }
            let (row, column) = (usize::from(true_), usize::from(predicted));
            assert!(
                row < classes && column < classes,
                "class {} of {classes} classes",
                row.max(column)
            );
            self.counts[row * classes + column] += 1;
        }
    }

    /// Adds another matrix of the same classes.
    ///
    /// # Panics
    ///
    /// If the numbers of classes differ.
    pub fn add(&mut self, other: &Self) {
        assert_eq!(self.classes, other.classes, "matrices of different classes");
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum += count;
        }
    }

    /// The counts of each true class, by predicted class.
    pub fn rows(&self) -> Vec<Vec<u64>> {
        self.counts.chunks(self.classes.max(1)).map(<[u64]>::to_vec).collect()
    }

    /// Counts of one class against all others.
    ///
    /// # Panics
    ///
    /// If the matrix has no such class.
    pub fn of_class(&self, class: usize) -> Counts {
        assert!(class < self.classes, "class {class} of {} classes", self.classes);
        let at = |row: usize, column: usize| self.counts[row * self.classes + column];
        let tp = at(class, class);
        let truth: u64 = (0..self.classes).map(|column| at(class, column)).sum();
        let predicted: u64 = (0..self.classes).map(|row| at(row, class)).sum();
        let total: u64 = self.counts.iter().sum();
        Counts { tp, fp: predicted - tp, fn_: truth - tp, tn: total + tp - truth - predicted }
    }
}

/// The matrix of background and one foreground class, in this order.
impl From<Counts> for Confusion {
    fn from(Counts { tp, fp, fn_, tn }: Counts) -> Self {
        Self { classes: 2, counts: vec![tn, fp, fn_, tp] }
    }
}

/// Counts of each of `classes` classes against all others. Pixels whose truth is [`IGNORE`] are left
/// out.
///
/// # Panics
///
/// As [`Confusion::tally`].
pub fn count_classes(prediction: &[u8], truth: &[u8], classes: usize) -> Vec<Counts> {
    let mut confusion = Confusion::new(classes);
    confusion.tally(prediction, truth);
    (0..classes).map(|class| confusion.of_class(class)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::counts::count_binary;
    use super::*;

    fn example() -> Confusion {
        let mut confusion = Confusion::new(3);
        confusion.tally(&[0, 1, 1, 2, 0, 7], &[0, 0, 1, 1, 1, IGNORE]);
        confusion
    }

    #[test]
    fn rows_are_the_truth_and_columns_the_prediction() {
        assert_eq!(example().rows(), [[1, 1, 0], [1, 1, 1], [0, 0, 0]]);
    }

    #[test]
    fn a_class_against_the_rest_reads_its_row_and_column() {
        assert_eq!(example().of_class(1), Counts { tp: 1, fp: 1, fn_: 2, tn: 1 });
        assert_eq!(example().of_class(2), Counts { tp: 0, fp: 1, fn_: 0, tn: 4 });
    }

    #[test]
    fn adding_two_matrices_is_tallying_both_images() {
        let mut sum = example();
        sum.add(&example());
        assert_eq!(sum.rows(), [[2, 2, 0], [2, 2, 2], [0, 0, 0]]);
    }

    #[test]
    fn a_binary_matrix_puts_the_background_first() {
        let counts = Counts { tp: 1, fp: 2, fn_: 3, tn: 4 };
        let confusion = Confusion::from(counts);
        assert_eq!(confusion.rows(), [[4, 2], [3, 1]]);
        assert_eq!(confusion.of_class(1), counts);
    }

    #[test]
    #[should_panic(expected = "class 3 of 3 classes")]
    fn a_class_the_matrix_has_not_is_refused() {
        Confusion::new(3).tally(&[3], &[0]);
    }

    #[test]
    fn classes_are_counted_one_against_the_rest() {
        let prediction = [0, 1, 2, 2, 0];
        let truth = [0, 1, 1, 2, IGNORE];
        assert_eq!(
            count_classes(&prediction, &truth, 4),
            [
                Counts { tp: 1, fp: 0, fn_: 0, tn: 3 },
                Counts { tp: 1, fp: 0, fn_: 1, tn: 2 },
                Counts { tp: 1, fp: 1, fn_: 0, tn: 2 },
                Counts { tp: 0, fp: 0, fn_: 0, tn: 4 },
            ]
        );
    }

    proptest! {
        #[test]
        fn counts_add_up_to_the_labelled_pixels(
            pixels in prop::collection::vec((0u8..2, prop::sample::select(vec![0, 1, IGNORE])), 0..200),
        ) {
            let (prediction, truth): (Vec<u8>, Vec<u8>) = pixels.into_iter().unzip();
            let labelled = truth.iter().filter(|&&t| t != IGNORE).count() as u64;
            let counts = count_binary(&prediction, &truth);
            prop_assert_eq!(counts.total(), labelled);
            prop_assert_eq!(counts.truth(), truth.iter().filter(|&&t| t == 1).count() as u64);
            prop_assert_eq!(count_classes(&prediction, &truth, 2)[1], counts);
        }

        #[test]
        fn counts_of_parts_add_up_to_the_counts_of_the_whole(
            pixels in prop::collection::vec((0u8..4, 0u8..4), 0..200),
            cut in 0usize..200,
        ) {
            let (prediction, truth): (Vec<u8>, Vec<u8>) = pixels.into_iter().unzip();
            let cut = cut.min(truth.len());
            let first = count_classes(&prediction[..cut], &truth[..cut], 4);
            let second = count_classes(&prediction[cut..], &truth[cut..], 4);
            let sum: Vec<Counts> = first.into_iter().zip(second).map(|(a, b)| a + b).collect();
            prop_assert_eq!(sum, count_classes(&prediction, &truth, 4));
        }
    }
}
