//! Area under the ROC curve, of pixels or of images.

use super::images::ratio;
use super::{ClassPixels, IGNORE, Metric};

pub(super) const METRIC: Metric = Metric::highest("auc", "AUC")
    .also_named(&["roc", "auroc", "rocauc"])
    .of_probabilities(of_pixels)
    .of_ranking(of_images);

/// The class against all others; `None` without probabilities.
fn of_pixels(pixels: &ClassPixels) -> Option<f64> {
    let labelled = pixels.probabilities?.iter().zip(pixels.truth).filter(|(_, t)| **t != IGNORE);
    auc(labelled.map(|(&score, &class)| (score, usize::from(class) == pixels.class)))
}

/// From the images of the class and of others at each probability of it, from the highest down.
fn of_images(steps: &[[f64; 2]]) -> Option<f64> {
    let (mut above, mut won, mut others) = (0.0, 0.0, 0.0);
    for [of_class, of_others] in steps {
        won += of_others * (above + of_class / 2.0);
        above += of_class;
        others += of_others;
    }
    ratio(won, above * others)
}

/// Area under the ROC curve: the chance that a pixel of the class scores higher than one of another, ties counting half.
///
/// Exact, by ranks (Mann and Whitney 1947; Hanley and McNeil 1982, Radiology 143:29-36):
/// AUC = sum over positives of (negatives below + half the negatives equal) / (positives negatives),
/// which is what `sklearn.metrics.roc_auc_score` integrates. `None` where all pixels or none are of the class, or a score
/// is not a number.
fn auc(pixels: impl Iterator<Item = (f32, bool)>) -> Option<f64> {
    let (mut negatives, mut positives) = (Vec::new(), Vec::new());
    for (score, of_class) in pixels {
        if score.is_nan() {
            return None;
        }
        let side = if of_class { &mut positives } else { &mut negatives };
        side.push(ordered_bits(score));
    }
    if negatives.is_empty() || positives.is_empty() {
        return None;
    }
    negatives.sort_unstable();
    positives.sort_unstable();

    // Twice the number of pairs won, so that ties stay whole numbers.
    let mut wins = 0u64;
    let (mut below, mut up_to) = (0, 0);
    for &score in &positives {
        while below < negatives.len() && negatives[below] < score {
            below += 1;
        }
        up_to = up_to.max(below);
        while up_to < negatives.len() && negatives[up_to] == score {
            up_to += 1;
        }
        wins += (below + up_to) as u64;
    }
    Some(wins as f64 / 2.0 / (positives.len() as f64 * negatives.len() as f64))
}

/// Bits that sort as the numbers do; both zeros give the same bits.
fn ordered_bits(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn auc(scores: &[f32], truth: &[u8]) -> Option<f64> {
        let labelled = scores.iter().zip(truth).filter(|(_, t)| **t != IGNORE);
        super::auc(labelled.map(|(&score, &class)| (score, class == 1)))
    }

    /// By counting every pair.
    fn auc_of_pairs(scores: &[f32], truth: &[u8]) -> Option<f64> {
        let of = |class| {
            let kept = scores.iter().zip(truth).filter(move |&(_, &t)| t == class);
            kept.map(|(&score, _)| score).collect::<Vec<f32>>()
        };
        let (negatives, positives) = (of(0), of(1));
        let mut won = 0.0;
        for p in &positives {
            for n in &negatives {
                won += match p.partial_cmp(n)? {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        let pairs = positives.len() * negatives.len();
        (pairs > 0).then(|| won / pairs as f64)
    }

    #[test]
    fn the_textbook_example_gives_three_quarters() {
        assert_eq!(auc(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1]), Some(0.75));
    }

    #[test]
    fn perfect_order_is_one_reversed_order_zero_and_ties_a_half() {
        assert_eq!(auc(&[0.1, 0.2, 0.8], &[0, 0, 1]), Some(1.0));
        assert_eq!(auc(&[0.9, 0.8, 0.2], &[0, 0, 1]), Some(0.0));
        assert_eq!(auc(&[0.5, 0.5, 0.5], &[0, 0, 1]), Some(0.5));
    }

    #[test]
    fn ignored_pixels_take_no_part() {
        assert_eq!(auc(&[0.1, 0.9, 0.8], &[0, IGNORE, 1]), Some(1.0));
        assert_eq!(auc(&[0.1, f32::NAN, 0.8], &[0, IGNORE, 1]), Some(1.0));
    }

    #[test]
    fn one_class_alone_has_no_auc() {
        assert_eq!(auc(&[0.1, 0.9], &[0, 0]), None);
        assert_eq!(auc(&[0.1, 0.9], &[1, IGNORE]), None);
        assert_eq!(auc(&[], &[]), None);
    }

    #[test]
    fn a_score_that_is_no_number_leaves_auc_undefined() {
        assert_eq!(auc(&[0.1, f32::NAN], &[0, 1]), None);
    }

    #[test]
    fn both_zeros_tie_and_infinities_lie_at_the_ends() {
        assert_eq!(auc(&[-0.0, 0.0], &[0, 1]), Some(0.5));
        assert_eq!(auc(&[f32::NEG_INFINITY, -1.0, f32::INFINITY], &[0, 0, 1]), Some(1.0));
    }

    proptest! {
        #[test]
        fn ranks_agree_with_counting_every_pair(
            pixels in prop::collection::vec(
                (-8i8..8, prop::sample::select(vec![0, 1, IGNORE])), 0..60),
        ) {
            let scores: Vec<f32> = pixels.iter().map(|p| f32::from(p.0) / 8.0).collect();
            let truth: Vec<u8> = pixels.iter().map(|p| p.1).collect();
            let (ours, pairs) = (auc(&scores, &truth), auc_of_pairs(&scores, &truth));
            prop_assert_eq!(ours.is_some(), pairs.is_some());
            if let (Some(ours), Some(pairs)) = (ours, pairs) {
                prop_assert!((ours - pairs).abs() < 1e-12, "{} {}", ours, pairs);
            }
        }
    }
}
