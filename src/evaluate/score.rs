//! What is measured of one case: counts, distances and AUC of each class.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::confusion::count_classes;
use super::counts::count_binary;
use crate::metric::{ClassPixels, Counts, EmptyRule, MetricKind, MissedDistance};

/// One class of one case: all that metrics are computed from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaseScore {
    /// The case.
    pub case: String,
    /// What keeps cases together (slide, duplicate cluster); the case itself where nothing does.
    pub group: String,
    /// Label of the image, such as `benign`; empty where images carry none.
    pub label: String,
    /// Name of the class.
    pub class: String,
    /// The class in the mask: 1 for one foreground class, else from 0.
    pub class_index: usize,
    /// Pixels, the class against all others.
    pub counts: Counts,
    /// Metrics of masks and probabilities, such as distances in pixels, without those that are undefined or were not
    /// asked for.
    pub measured: BTreeMap<MetricKind, f64>,
}

impl CaseScore {
    /// Whether the truth lacks the class.
    pub fn truth_empty(&self) -> bool {
        self.counts.truth() == 0
    }

    /// The value of a metric; `None` where it is undefined ([`MetricKind::of_case`]).
    pub fn value(&self, kind: MetricKind, empty: EmptyRule) -> Option<f64> {
        kind.of_case(&self.counts, self.measured.get(&kind).copied(), empty)
    }
}

/// A case and its truth, at the size that predictions are compared at.
#[derive(Clone, Copy, Debug)]
pub struct LabelledCase<'a> {
    /// The case.
    pub case: &'a str,
    /// What keeps cases together; the case itself where nothing does.
    pub group: &'a str,
    /// Label of the image; empty where images carry none.
    pub label: &'a str,
    /// Width, in pixels.
    pub width: usize,
    /// Height, in pixels.
    pub height: usize,
    /// Class of each pixel, row by row; [`IGNORE`](crate::data::IGNORE) takes no part.
    pub truth: &'a [u8],
}

/// What is to be measured beside counts.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Metrics; those of masks and probabilities are computed only where one of their kind is asked for.
    pub metrics: &'a [MetricKind],
    /// How near outlines have to be to count as equal, in pixels.
    pub tolerance_px: f64,
    /// What surface distances are where truth or prediction alone lacks the class.
    pub missed: MissedDistance,
}

/// Scores the mask of the one foreground class, named `class`, which was made of its probabilities.
///
/// # Shapes
///
/// - prediction and probabilities: `[height, width]`, row by row
///
/// # Panics
///
/// If prediction, probabilities and truth are not of the case's size, or the truth holds anything but 0, 1 and
/// [`IGNORE`](crate::data::IGNORE).
pub fn score_binary(
    case: &LabelledCase,
    class: &str,
    prediction: &[u8],
    probabilities: &[f32],
    asked: &Asked,
) -> CaseScore {
    let counts = count_binary(prediction, case.truth);
    score(case, class, pixels(case, prediction, 1, counts, Some(probabilities), asked), asked)
}

/// Scores a class map, one score for each class, in their order. Metrics of probabilities are computed only
/// if there are some.
///
/// # Shapes
///
/// - prediction: `[height, width]`, class numbers row by row
/// - probabilities: `[classes, height, width]`
///
/// # Panics
///
/// If a shape does not fit the case, or a class number is not below the number of classes.
pub fn score_classes(
    case: &LabelledCase,
    classes: &[String],
    prediction: &[u8],
    probabilities: Option<&[f32]>,
    asked: &Asked,
) -> Vec<CaseScore> {
    let n = case.truth.len();
    let counts = count_classes(prediction, case.truth, classes.len());
    let scores = classes.iter().zip(counts).enumerate();
    scores
        .map(|(index, (class, counts))| {
            let probabilities = probabilities.map(|all| &all[index * n..(index + 1) * n]);
            score(case, class, pixels(case, prediction, index, counts, probabilities, asked), asked)
        })
        .collect()
}

fn pixels<'a>(
    case: &LabelledCase<'a>,
    prediction: &'a [u8],
    class: usize,
    counts: Counts,
    probabilities: Option<&'a [f32]>,
    asked: &Asked,
) -> ClassPixels<'a> {
    let LabelledCase { width, height, truth, .. } = *case;
    ClassPixels {
        prediction,
        truth,
        width,
        height,
        class,
        probabilities,
        tolerance_px: asked.tolerance_px,
        missed_px: match asked.missed {
            MissedDistance::LeftOut => None,
            MissedDistance::Diagonal => Some((width as f64).hypot(height as f64)),
        },
        counts,
        distances: OnceCell::new(),
        lesions: OnceCell::new(),
    }
}

fn score(case: &LabelledCase, class: &str, pixels: ClassPixels, asked: &Asked) -> CaseScore {
    CaseScore {
        case: case.case.to_owned(),
        group: case.group.to_owned(),
        label: case.label.to_owned(),
        class: class.to_owned(),
        class_index: pixels.class,
        counts: pixels.counts,
        measured: pixels.measured(asked.metrics),
    }
}

#[cfg(test)]
mod tests {
    use MetricKind::*;

    use super::*;
    use crate::data::IGNORE;
    use crate::evaluate::binarize;

    fn asked(metrics: &[MetricKind]) -> Asked<'_> {
        Asked { metrics, tolerance_px: 2.0, missed: MissedDistance::LeftOut }
    }

    fn case<'a>(truth: &'a [u8]) -> LabelledCase<'a> {
        LabelledCase { case: "a", group: "g", label: "benign", width: 4, height: 1, truth }
    }

    fn cut(case: &LabelledCase, probabilities: &[f32], threshold: f64, asked: &Asked) -> CaseScore {
        let mask = binarize(probabilities, threshold);
        score_binary(case, "lesion", &mask, probabilities, asked)
    }

    #[test]
    fn a_binary_case_is_cut_at_the_threshold_and_measured() {
        let score = cut(&case(&[0, 1, 1, 0]), &[0.1, 0.6, 0.3, 0.2], 0.5, &asked(&[Hd95, Auc]));
        assert_eq!(score.counts, Counts { tp: 1, fp: 0, fn_: 1, tn: 2 });
        assert_eq!((score.class.as_str(), score.class_index), ("lesion", 1));
        assert_eq!((score.group.as_str(), score.label.as_str()), ("g", "benign"));
        assert_eq!(score.value(Auc, EmptyRule::One), Some(1.0));
        assert!((score.value(Hd95, EmptyRule::One).unwrap() - 0.95).abs() < 1e-12);
        assert_eq!(score.value(Dice, EmptyRule::One), Some(2.0 / 3.0));
        assert!(!score.truth_empty() && score.counts.predicted() > 0);
    }

    #[test]
    fn what_is_not_asked_for_is_not_computed() {
        let score = cut(&case(&[0, 1, 1, 0]), &[0.1; 4], 0.0, &asked(&[Dice]));
        assert!(score.measured.is_empty(), "{:?}", score.measured);
    }

    #[test]
    fn distances_of_a_normal_image_follow_the_rule() {
        let normal = cut(&case(&[0; 4]), &[0.1; 4], 0.5, &asked(&[Assd]));
        assert_eq!(normal.value(Assd, EmptyRule::One), Some(0.0));
        assert_eq!(normal.value(Assd, EmptyRule::Skip), None);
        let alarm = cut(&case(&[0; 4]), &[0.9; 4], 0.5, &asked(&[Assd]));
        assert_eq!(alarm.value(Assd, EmptyRule::One), None);
        assert_eq!(alarm.value(Assd, EmptyRule::Skip), None);
    }

    #[test]
    fn a_missed_lesion_is_as_far_as_the_image_is_wide_where_that_is_asked_for() {
        let asked = Asked { missed: MissedDistance::Diagonal, ..asked(&[Hd95]) };
        for (truth, p) in [([0, 1, 1, 0], 0.1), ([0; 4], 0.9)] {
            let score = cut(&case(&truth), &[p; 4], 0.5, &asked);
            for kind in [Hd95, Assd] {
                assert_eq!(score.value(kind, EmptyRule::One), Some(4.0_f64.hypot(1.0)), "{kind:?}");
            }
        }
        let normal = cut(&case(&[0; 4]), &[0.1; 4], 0.5, &asked);
        assert_eq!(normal.value(Hd95, EmptyRule::One), Some(0.0));
    }

    #[test]
    fn alarms_are_false_in_normal_images_alone() {
        let value = |truth: &[u8], p: f32, rule| {
            cut(&case(truth), &[p; 4], 0.5, &asked(&[])).value(FalseAlarm, rule)
        };
        for rule in [EmptyRule::One, EmptyRule::Skip] {
            assert_eq!(value(&[0; 4], 0.9, rule), Some(1.0));
            assert_eq!(value(&[0; 4], 0.1, rule), Some(0.0));
            assert_eq!(value(&[0, 0, 1, 0], 0.9, rule), None);
            assert_eq!(value(&[IGNORE; 4], 0.9, rule), None);
        }
    }

    #[test]
    fn a_case_without_a_labelled_pixel_has_no_value() {
        let metrics = [Dice, Accuracy, Hd95, Assd, Auc];
        let score = cut(&case(&[IGNORE; 4]), &[0.9; 4], 0.5, &asked(&metrics));
        for kind in metrics {
            assert_eq!(score.value(kind, EmptyRule::One), None, "{kind:?}");
        }
    }

    #[test]
    fn each_class_is_scored_against_the_rest() {
        let classes = ["tumor".to_owned(), "stroma".to_owned(), "fat".to_owned()];
        let probabilities =
            [[0.8, 0.7, 0.1, 0.4], [0.1, 0.2, 0.8, 0.5], [0.1, 0.1, 0.1, 0.1]].concat();
        let scores = score_classes(
            &case(&[0, 1, 1, IGNORE]),
            &classes,
            &[0, 0, 1, 1],
            Some(&probabilities),
            &asked(&[Assd, Auc]),
        );
        assert_eq!(scores.len(), 3);
        assert_eq!(scores[0].counts, Counts { tp: 1, fp: 1, fn_: 0, tn: 1 });
        assert_eq!(scores[1].counts, Counts { tp: 1, fp: 0, fn_: 1, tn: 1 });
        let measured = |class: usize, kind| scores[class].measured.get(&kind).copied();
        assert_eq!([0, 1, 2].map(|class| measured(class, Auc)), [Some(1.0), Some(1.0), None]);
        assert_eq!(measured(2, Assd), Some(0.0));
        // Tumor is predicted at 0 and 1, true at 0: distances 0 and 1 one way, 0 the other.
        assert_eq!(measured(0, Assd), Some(1.0 / 3.0));
    }
}
