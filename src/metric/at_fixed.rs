//! Recall at a specificity that is required, and specificity at a recall.
//!
//! As torchmetrics' `BinarySensitivityAtSpecificity` and `BinarySpecificityAtSensitivity`: the highest value among the points
//! of the ROC curve that reach what is required. It says what a threshold chosen on these very images would reach.

/// The highest recall of a threshold at which the specificity is at least `least`.
///
/// # Shapes
/// - steps: images of the class and of others at each probability, from the highest down
pub(super) fn recall_at_specificity(steps: &[[f64; 2]], least: f64) -> Option<f64> {
    highest(steps, |[class, others]| (1.0 - others >= least - ROUNDING).then_some(class))
}

/// The highest specificity of a threshold at which the recall is at least `least`.
///
/// # Shapes
/// - steps: images of the class and of others at each probability, from the highest down
pub(super) fn specificity_at_recall(steps: &[[f64; 2]], least: f64) -> Option<f64> {
    highest(steps, |[class, others]| (class >= least - ROUNDING).then_some(1.0 - others))
}

/// What sums of weights in another order may differ by.
const ROUNDING: f64 = 1e-12;

/// The highest value at a point of the ROC curve, of which true and false positive rate are given.
fn highest(steps: &[[f64; 2]], value: impl Fn([f64; 2]) -> Option<f64>) -> Option<f64> {
    let all = steps.iter().fold([0.0; 2], |sum, step| [sum[0] + step[0], sum[1] + step[1]]);
    if all.contains(&0.0) {
        return None;
    }
    let mut above = [0.0; 2];
    let mut best = value([0.0; 2]);
    for step in steps {
        above = [above[0] + step[0], above[1] + step[1]];
        let here = value([above[0] / all[0], above[1] / all[1]]);
        best = [best, here].into_iter().flatten().reduce(f64::max);
    }
    best
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        truth: Vec<u8>,
        probabilities: Vec<f32>,
        recall: [f64; 2],
        specificity: [f64; 2],
    }

    #[test]
    fn points_are_those_of_scikit_learns_curve() {
        let text = std::fs::read_to_string(crate::testing::fixture("at_fixed.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
        assert!(cases.len() >= 8);
        for Case { truth, probabilities, recall, specificity } in cases {
            let mut levels = probabilities.clone();
            levels.sort_unstable_by(|a, b| b.total_cmp(a));
            levels.dedup();
            let step = |level: &f32| {
                let at = probabilities.iter().zip(&truth).filter(|(p, _)| *p == level);
                at.fold([0.0; 2], |sum: [f64; 2], (_, &truth)| match truth {
                    1 => [sum[0] + 1.0, sum[1]],
                    _ => [sum[0], sum[1] + 1.0],
                })
            };
            let steps: Vec<[f64; 2]> = levels.iter().map(step).collect();
            for (place, least) in [0.9, 0.95].into_iter().enumerate() {
                let found = recall_at_specificity(&steps, least).unwrap();
                assert!((found - recall[place]).abs() < 1e-9, "{found}, not {}", recall[place]);
                let found = specificity_at_recall(&steps, least).unwrap();
                let expected = specificity[place];
                assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
            }
        }
    }

    #[test]
    fn without_images_of_one_side_there_is_no_point() {
        assert_eq!(recall_at_specificity(&[[1.0, 0.0]], 0.9), None);
        assert_eq!(specificity_at_recall(&[[0.0, 1.0]], 0.9), None);
    }
}
