//! Overlap metrics: pure functions of pixel counts.
//!
//! Formulas as in Taha and Hanbury (2015), "Metrics for evaluating 3D medical image segmentation",
//! BMC Medical Imaging 15:29, section "Metrics"; what they score where a denominator is 0 is said at
//! [`overlap`].

use super::{Counts, EmptyRule, MetricKind, OfPixels};

/// An overlap metric of one class of one image, or of counts pooled over many.
///
/// | metric | formula | 0 / 0 when |
/// |---|---|---|
/// | Dice, F1 | 2 tp / (2 tp + fp + fn) | truth and prediction lack the class |
/// | IoU | tp / (tp + fp + fn) | truth and prediction lack the class |
/// | precision | tp / (tp + fp) | the prediction lacks the class |
/// | recall | tp / (tp + fn) | the truth lacks the class |
/// | specificity | tn / (tn + fp) | the truth is the class everywhere |
/// | accuracy | (tp + tn) / all | never |
/// | balanced accuracy | (recall + specificity) / 2 | recall or specificity is |
/// | MCC | (tp tn - fp fn) / sqrt((tp+fp) (tp+fn) (tn+fp) (tn+fn)) | truth or prediction is constant |
///
/// Where a metric is 0 / 0, [`EmptyRule::One`] gives 1 if prediction and truth are the same, otherwise
/// 0 (the default of scikit-learn and torchmetrics); [`EmptyRule::Skip`] gives `None`. So:
///
/// - class in neither (a normal image, nothing found): Dice, IoU, F1, precision, recall and MCC are 1,
///   or `None`; specificity and accuracy are 1 by their formulas.
/// - class in the prediction alone (a false alarm): Dice, IoU, F1 and precision are 0 by their
///   formulas; recall and MCC 0, or `None`.
/// - class in the truth alone (a missed lesion): Dice, IoU, F1 and recall are 0 by their formulas;
///   precision and MCC 0, or `None`.
/// - truth is the class everywhere: specificity is 1 if the prediction is too, else 0; or `None`.
///
/// `None` too where no pixel is labelled, and for the distances and AUC, which are no function of
/// counts.
pub fn overlap(kind: MetricKind, counts: &Counts, empty: EmptyRule) -> Option<f64> {
    if counts.total() == 0 {
        return None;
    }
    let of_absent = || match empty {
        EmptyRule::One => Some(if counts.perfect() { 1.0 } else { 0.0 }),
        EmptyRule::Skip => None,
    };
    match kind.row().of_pixels? {
        OfPixels::Counts(formula) => formula(counts).or_else(of_absent),
        OfPixels::MeanOf(kinds) => {
            let values = kinds.iter().map(|&kind| overlap(kind, counts, empty));
            Some(values.sum::<Option<f64>>()? / kinds.len() as f64)
        }
        OfPixels::Occurrence(_) | OfPixels::Masks(_) | OfPixels::Probabilities(_) => None,
    }
}

/// `None` where it is 0 / 0.
pub(super) fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}

/// A metric of an image from the counts of its classes, or of many images from their sums: of the one
/// class, or the mean over the classes that occur in truth or prediction. Accuracy is that of pixels.
///
/// This is what a case scores, wherever it is shown: in the figures of a split, among the best and worst cases, and in
/// tables of cases.
pub fn across_classes(kind: MetricKind, counts: &[Counts], empty: EmptyRule) -> Option<f64> {
    let values: Vec<Option<f64>> = counts.iter().map(|c| overlap(kind, c, empty)).collect();
    mean_of_classes(kind, counts, &values)
}

/// As [`across_classes`], from the value of each class, of any metric of pixels.
pub fn mean_of_classes(kind: MetricKind, counts: &[Counts], values: &[Option<f64>]) -> Option<f64> {
    match (values, kind) {
        ([only], _) => *only,
        (_, MetricKind::Accuracy) => {
            let right: u64 = counts.iter().map(|counts| counts.tp).sum();
            ratio(right, counts.first()?.total())
        }
        _ => {
            let occurring = counts.iter().zip(values).filter(|(counts, _)| !counts.absent());
            let (mut sum, mut n) = (0.0, 0);
            for value in occurring.filter_map(|(_, value)| *value) {
                sum += value;
                n += 1;
            }
            (n > 0).then(|| sum / f64::from(n))
        }
    }
}

#[cfg(test)]
mod tests {
    use MetricKind::*;
    use proptest::prelude::*;

    use super::*;

    const OVERLAP: [MetricKind; 8] = [Dice, Iou, Precision, Recall, Specificity, Accuracy, F1, Mcc];

    fn counts(tp: u64, fp: u64, fn_: u64, tn: u64) -> Counts {
        Counts { tp, fp, fn_, tn }
    }

    fn both(kind: MetricKind, counts: Counts) -> (Option<f64>, Option<f64>) {
        (overlap(kind, &counts, EmptyRule::One), overlap(kind, &counts, EmptyRule::Skip))
    }

    #[test]
    fn formulas_give_the_values_computed_by_hand() {
        let example = counts(6, 2, 4, 8);
        for (kind, value) in [
            (Dice, 12.0 / 18.0),
            (F1, 12.0 / 18.0),
            (Iou, 6.0 / 12.0),
            (Precision, 6.0 / 8.0),
            (Recall, 6.0 / 10.0),
            (Specificity, 8.0 / 10.0),
            (Accuracy, 14.0 / 20.0),
            (Mcc, 40.0 / 9600f64.sqrt()),
        ] {
            let (one, skip) = both(kind, example);
            assert!((one.unwrap() - value).abs() < 1e-15, "{kind:?}: {one:?} is not {value}");
            assert_eq!(one, skip, "{kind:?}");
        }
    }

    #[test]
    fn a_class_in_neither_scores_one_or_is_skipped() {
        let nothing = counts(0, 0, 0, 9);
        for kind in [Dice, Iou, F1, Precision, Recall, Mcc] {
            assert_eq!(both(kind, nothing), (Some(1.0), None), "{kind:?}");
        }
        for kind in [Specificity, Accuracy] {
            assert_eq!(both(kind, nothing), (Some(1.0), Some(1.0)), "{kind:?}");
        }
    }

    #[test]
    fn a_false_alarm_scores_zero() {
        let alarm = counts(0, 3, 0, 6);
        for kind in [Dice, Iou, F1, Precision] {
            assert_eq!(both(kind, alarm), (Some(0.0), Some(0.0)), "{kind:?}");
        }
        for kind in [Recall, Mcc] {
            assert_eq!(both(kind, alarm), (Some(0.0), None), "{kind:?}");
        }
        assert_eq!(both(Specificity, alarm), (Some(6.0 / 9.0), Some(6.0 / 9.0)));
    }

    #[test]
    fn a_missed_lesion_scores_zero() {
        let missed = counts(0, 0, 3, 6);
        for kind in [Dice, Iou, F1, Recall] {
            assert_eq!(both(kind, missed), (Some(0.0), Some(0.0)), "{kind:?}");
        }
        for kind in [Precision, Mcc] {
            assert_eq!(both(kind, missed), (Some(0.0), None), "{kind:?}");
        }
        assert_eq!(both(Specificity, missed), (Some(1.0), Some(1.0)));
    }

    #[test]
    fn specificity_without_negatives_follows_the_rule() {
        assert_eq!(both(Specificity, counts(9, 0, 0, 0)), (Some(1.0), None));
        assert_eq!(both(Specificity, counts(5, 0, 4, 0)), (Some(0.0), None));
        assert_eq!(both(Mcc, counts(9, 0, 0, 0)), (Some(1.0), None));
        assert_eq!(both(Mcc, counts(0, 9, 0, 0)), (Some(0.0), None));
    }

    #[test]
    fn an_image_without_a_label_has_no_score() {
        for kind in OVERLAP {
            assert_eq!(both(kind, Counts::default()), (None, None), "{kind:?}");
        }
    }

    #[test]
    fn distances_and_auc_are_no_function_of_counts() {
        for kind in [Hd95, Assd, Auc] {
            assert_eq!(both(kind, counts(6, 2, 4, 8)), (None, None), "{kind:?}");
        }
    }

    #[test]
    fn mcc_is_exact_where_the_products_overflow_64_bits() {
        let big = 1u64 << 36;
        let mcc = overlap(Mcc, &counts(big, 0, big, big), EmptyRule::One).unwrap();
        assert!((mcc - 0.5).abs() < 1e-15, "{mcc}");
    }

    proptest! {
        #[test]
        fn metrics_stay_in_range_and_iou_never_exceeds_dice(
            tp in 0u64..50, fp in 0u64..50, fn_ in 0u64..50, tn in 0u64..50,
        ) {
            let counts = Counts { tp, fp, fn_, tn };
            for kind in OVERLAP {
                if let Some(value) = overlap(kind, &counts, EmptyRule::One) {
                    let lowest = if kind == Mcc { -1.0 } else { 0.0 };
                    prop_assert!((lowest..=1.0).contains(&value), "{:?} {}", kind, value);
                }
            }
            if let (Some(iou), Some(dice)) =
                (overlap(Iou, &counts, EmptyRule::One), overlap(Dice, &counts, EmptyRule::One))
            {
                prop_assert!(iou <= dice);
                prop_assert!((dice - 2.0 * iou / (1.0 + iou)).abs() < 1e-12);
            }
        }

        #[test]
        fn f1_is_the_harmonic_mean_of_precision_and_recall(
            tp in 1u64..50, fp in 0u64..50, fn_ in 0u64..50, tn in 0u64..50,
        ) {
            let counts = Counts { tp, fp, fn_, tn };
            let value = |kind| overlap(kind, &counts, EmptyRule::Skip).unwrap();
            let (p, r) = (value(Precision), value(Recall));
            prop_assert!((value(F1) - 2.0 * p * r / (p + r)).abs() < 1e-12);
        }

        #[test]
        fn swapping_truth_and_prediction_swaps_precision_and_recall_only(
            tp in 0u64..50, fp in 0u64..50, fn_ in 0u64..50, tn in 0u64..50,
        ) {
            let forth = Counts { tp, fp, fn_, tn };
            let back = Counts { tp, fp: fn_, fn_: fp, tn };
            for kind in [Dice, Iou, F1, Accuracy, Mcc] {
                prop_assert_eq!(both(kind, forth), both(kind, back));
            }
            prop_assert_eq!(both(Precision, forth), both(Recall, back));
        }
    }
}
