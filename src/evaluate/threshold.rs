//! The probability from which on a pixel counts as lesion.

use crate::data::IGNORE;
use crate::metric::{Counts, EmptyRule, MetricKind, overlap};

/// The thresholds that `best-on-valid` chooses from.
pub const CANDIDATES: [f64; 19] = [
    0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80,
    0.85, 0.90, 0.95,
];

/// The mask of pixels whose probability is at least `threshold`: 1 there, 0 elsewhere. Both are
/// compared as `f32`, so that a probability of 0.35 reaches the threshold 0.35; NaN reaches none.
pub fn binarize(probabilities: &[f32], threshold: f64) -> Vec<u8> {
    let threshold = threshold as f32;
    probabilities.iter().map(|&p| u8::from(p >= threshold)).collect()
}

/// Counts of a case at each of [`CANDIDATES`], as [`binarize`] and
/// [`count_binary`](super::count_binary) would give them one by one, in a single pass.
///
/// # Panics
///
/// If the slices differ in length or the truth holds anything but 0, 1 and [`IGNORE`].
pub fn count_at_candidates(probabilities: &[f32], truth: &[u8]) -> Vec<Counts> {
    assert_eq!(probabilities.len(), truth.len(), "probabilities and truth differ in size");
    let thresholds = CANDIDATES.map(|threshold| threshold as f32);
    // For each true class, how many pixels reach exactly the first n candidates.
    let mut reached = [[0u64; CANDIDATES.len() + 1]; 2];
    for (&p, &true_) in probabilities.iter().zip(truth) {
        match true_ {
            0 | 1 => reached[usize::from(true_)][candidates_reached(p, &thresholds)] += 1,
            IGNORE => {}
            _ => panic!("a binary truth holds {true_}"),
        }
    }
    let [negatives, positives] = reached;
    let split = |reached: &[u64], candidate: usize| {
        let (below, above) = reached.split_at(candidate + 1);
        (below.iter().sum::<u64>(), above.iter().sum::<u64>())
    };
    let counts = |candidate| {
        let (tn, fp) = split(&negatives, candidate);
        let (fn_, tp) = split(&positives, candidate);
        Counts { tp, fp, fn_, tn }
    };
    (0..CANDIDATES.len()).map(counts).collect()
}

/// How many of the evenly spaced candidates a probability reaches.
fn candidates_reached(p: f32, thresholds: &[f32; CANDIDATES.len()]) -> usize {
    // A guess that is right but for rounding; NaN and negative numbers become 0.
    let mut n = ((p * 20.0) as usize).min(thresholds.len());
    while n > 0 && p < thresholds[n - 1] {
        n -= 1;
    }
    while n < thresholds.len() && p >= thresholds[n] {
        n += 1;
    }
    n
}

/// The candidate with the highest mean of a metric of counts over cases, of those as high the nearest to 0.5, of those
/// as near the lower. 0.5 where the metric is undefined everywhere.
///
/// `cases` holds each case's counts at [`CANDIDATES`]; give validation cases only.
///
/// # Panics
///
/// If a case has not one entry for each candidate.
pub fn best_threshold(cases: &[Vec<Counts>], metric: MetricKind, empty: EmptyRule) -> f64 {
    let mean = |candidate: usize| {
        let value = |case: &Vec<Counts>| overlap(metric, &case[candidate], empty);
        let defined: Vec<f64> = cases.iter().filter_map(value).collect();
        (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
    };
    best_candidate(mean)
}

/// What sums of the same values in another order may differ by.
const ROUNDING: f64 = 1e-12;

/// Of [`CANDIDATES`] the one with the highest value, of those as high but for rounding the nearest to 0.5, of those as
/// near the lower; 0.5 where no value is defined. `value` is given a candidate's index.
pub(super) fn best_candidate(value: impl Fn(usize) -> Option<f64>) -> f64 {
    // By steps from the middle, since 0.7 - 0.5 is less than 0.5 - 0.3 in binary fractions; the lower comes first, and
    // the order of equals stays.
    let middle = CANDIDATES.len() / 2;
    let mut order: Vec<usize> = (0..CANDIDATES.len()).collect();
    order.sort_by_key(|&candidate| candidate.abs_diff(middle));
    let mut best = (CANDIDATES[middle], f64::NEG_INFINITY);
    for candidate in order {
        if let Some(value) = value(candidate)
            && value > best.1 + ROUNDING
        {
            best = (CANDIDATES[candidate], value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evaluate::count_binary;

    #[test]
    fn a_probability_equal_to_the_threshold_is_lesion() {
        for threshold in CANDIDATES {
            assert_eq!(binarize(&[threshold as f32], threshold), [1], "{threshold}");
            assert_eq!(binarize(&[(threshold as f32).next_down()], threshold), [0], "{threshold}");
        }
        assert_eq!(binarize(&[f32::NAN], 0.0), [0]);
    }

    #[test]
    fn the_threshold_between_lesion_and_background_is_found() {
        // Background at 0.62 and lesion at 0.71: 0.65 and 0.70 part them, 0.65 is nearer to 0.5.
        let counts = count_at_candidates(&[0.1, 0.62, 0.71, 0.9], &[0, 0, 1, 1]);
        assert_eq!(best_threshold(&[counts], MetricKind::Dice, EmptyRule::One), 0.65);
    }

    #[test]
    fn ties_go_to_the_nearest_to_a_half_and_then_to_the_lower() {
        let perfect = Counts { tp: 1, fp: 0, fn_: 0, tn: 1 };
        let wrong = Counts { tp: 0, fp: 1, fn_: 1, tn: 0 };
        let best_of = |right: &[usize]| {
            let mut case = vec![wrong; CANDIDATES.len()];
            right.iter().for_each(|&candidate| case[candidate] = perfect);
            best_threshold(&[case], MetricKind::Dice, EmptyRule::One)
        };
        assert_eq!(best_of(&[3, 11, 18]), 0.60);
        assert_eq!(best_of(&[7, 11]), 0.40);
        assert_eq!(best_of(&[]), 0.50);
    }

    #[test]
    fn the_mean_is_over_cases_and_not_over_pixels() {
        // A large case wants 0.9, two small ones 0.3: the small ones win.
        let large = count_at_candidates(&[0.5; 1000], &[0; 1000]);
        let large: Vec<Counts> =
            large.into_iter().map(|c| c + Counts { tp: 100, ..Counts::default() }).collect();
        let small = count_at_candidates(&[0.3], &[1]);
        let cases = [large, small.clone(), small];
        assert_eq!(best_threshold(&cases, MetricKind::Dice, EmptyRule::One), 0.3);
    }

    #[test]
    fn without_a_defined_dice_the_threshold_is_a_half() {
        assert_eq!(best_threshold(&[], MetricKind::Dice, EmptyRule::One), 0.5);
        let nothing = count_at_candidates(&[0.0; 4], &[0; 4]);
        assert_eq!(best_threshold(&[nothing], MetricKind::Dice, EmptyRule::Skip), 0.5);
    }

    proptest! {
        #[test]
        fn of_candidates_as_good_the_nearest_to_a_half_is_taken_and_then_the_lower(
            values in prop::collection::vec(prop::option::of(0u8..3), CANDIDATES.len()),
        ) {
            let best = best_candidate(|index| values[index].map(f64::from));
            let highest = values.iter().flatten().max();
            // In whole steps of 0.05, where nothing is rounded.
            let expected = (0..CANDIDATES.len())
                .filter(|&index| highest.is_some() && values[index].as_ref() == highest)
                .min_by_key(|&index| (index.abs_diff(9), index))
                .map_or(0.5, |index| CANDIDATES[index]);
            prop_assert_eq!(best, expected);
        }

        #[test]
        fn one_pass_counts_what_each_threshold_counts(
            pixels in prop::collection::vec(
                (
                    prop_oneof![
                        0.0f32..=1.0,
                        (0u8..=20).prop_map(|n| f32::from(n) / 20.0),
                        prop::sample::select(CANDIDATES.map(|c| (c as f32).next_down()).to_vec()),
                        Just(f32::NAN),
                        -2.0f32..3.0,
                    ],
                    prop::sample::select(vec![0, 1, IGNORE]),
                ),
                0..80,
            ),
        ) {
            let (probabilities, truth): (Vec<f32>, Vec<u8>) = pixels.into_iter().unzip();
            let at_once = count_at_candidates(&probabilities, &truth);
            for (threshold, counts) in CANDIDATES.into_iter().zip(at_once) {
                let alone = count_binary(&binarize(&probabilities, threshold), &truth);
                prop_assert_eq!(counts, alone, "{}", threshold);
            }
        }
    }
}
