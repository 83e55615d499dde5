//! What is measured of one case: counts, distances and AUC of each class.

use serde::{Deserialize, Serialize};

use super::auc::auc;
use super::confusion::count_classes;
use super::counts::count_binary;
use super::surface::{SurfaceDistances, class_masks, surface_distances};
use super::threshold::binarize;
use crate::data::IGNORE;
use crate::metric::{Counts, EmptyRule, MetricKind, OfPixels, overlap};

/// One class of one case: all that metrics are computed from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// 95th percentile Hausdorff distance, in pixels; `None` where one mask alone is empty, where no
    /// pixel is labelled, or where distances were not asked for.
    pub hd95: Option<f64>,
    /// Average symmetric surface distance, in pixels; `None` as for `hd95`.
    pub assd: Option<f64>,
    /// Area under the ROC curve, the class against all others; `None` where the truth has the class
    /// everywhere or nowhere, or where it was not asked for.
    pub auc: Option<f64>,
}

impl CaseScore {
    /// Whether the truth lacks the class.
    pub fn truth_empty(&self) -> bool {
        self.counts.truth() == 0
    }

    /// The value of a metric; `None` where it is undefined.
    ///
    /// Overlap metrics follow [`overlap`]. Where truth and prediction both lack the class, distances
    /// are 0 under [`EmptyRule::One`] and undefined under [`EmptyRule::Skip`]; where one alone does,
    /// they are undefined under both.
    pub fn value(&self, kind: MetricKind, empty: EmptyRule) -> Option<f64> {
        let distance = |measured| distance(measured, &self.counts, empty);
        match kind {
            MetricKind::Hd95 => distance(self.hd95),
            MetricKind::Assd => distance(self.assd),
            MetricKind::Auc => self.auc,
            of_counts => overlap(of_counts, &self.counts, empty),
        }
    }
}

/// A distance between surfaces, which is measured as 0 where truth and prediction both lack the class, under a rule for
/// such cases.
pub fn distance(measured: Option<f64>, counts: &Counts, empty: EmptyRule) -> Option<f64> {
    match empty {
        EmptyRule::Skip if counts.absent() => None,
        EmptyRule::One | EmptyRule::Skip => measured,
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
    /// Class of each pixel, row by row; [`IGNORE`] takes no part.
    pub truth: &'a [u8],
}

/// Scores the probabilities of the one foreground class, named `class`, cut at `threshold` as
/// [`binarize`] does. Distances and AUC are computed only where `metrics` asks for them.
///
/// # Shapes
///
/// - probabilities: `[height, width]`, row by row
///
/// # Panics
///
/// If probabilities and truth are not of the case's size, or the truth holds anything but 0, 1 and
/// [`IGNORE`].
pub fn score_binary(
    case: &LabelledCase,
    class: &str,
    probabilities: &[f32],
    threshold: f64,
    metrics: &[MetricKind],
) -> CaseScore {
    let prediction = binarize(probabilities, threshold);
    let counts = count_binary(&prediction, case.truth);
    let auc = asked(metrics, |of| matches!(of, OfPixels::Probabilities))
        .then(|| auc(probabilities, case.truth))
        .flatten();
    score(case, class, 1, counts, &prediction, auc, metrics)
}

/// Scores a class map, one score for each class, in their order. Distances and AUC are computed only
/// where `metrics` asks for them, AUC only if there are probabilities.
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
    metrics: &[MetricKind],
) -> Vec<CaseScore> {
    let pixels = case.truth.len();
    let auc_of = |class: usize| {
        let scores = &probabilities?[class * pixels..(class + 1) * pixels];
        let against_rest =
            |&t: &u8| if t == IGNORE { t } else { u8::from(usize::from(t) == class) };
        auc(scores, &case.truth.iter().map(against_rest).collect::<Vec<u8>>())
    };
    let counts = count_classes(prediction, case.truth, classes.len());
    let scores = classes.iter().zip(counts).enumerate();
    scores
        .map(|(index, (class, counts))| {
            let auc = asked(metrics, |of| matches!(of, OfPixels::Probabilities))
                .then(|| auc_of(index))
                .flatten();
            score(case, class, index, counts, prediction, auc, metrics)
        })
        .collect()
}

fn score(
    case: &LabelledCase,
    class: &str,
    class_index: usize,
    counts: Counts,
    prediction: &[u8],
    auc: Option<f64>,
    metrics: &[MetricKind],
) -> CaseScore {
    let wanted = asked(metrics, |of| matches!(of, OfPixels::Masks)) && counts.total() > 0;
    let distances =
        wanted.then(|| class_distances(case, prediction, class_index, &counts)).flatten();
    CaseScore {
        case: case.case.to_owned(),
        group: case.group.to_owned(),
        label: case.label.to_owned(),
        class: class.to_owned(),
        class_index,
        counts,
        hd95: distances.map(|distances| distances.hd95),
        assd: distances.map(|distances| distances.assd),
        auc,
    }
}

fn class_distances(
    case: &LabelledCase,
    prediction: &[u8],
    class_index: usize,
    counts: &Counts,
) -> Option<SurfaceDistances> {
    if counts.absent() {
        return Some(SurfaceDistances { hd95: 0.0, assd: 0.0 });
    }
    let class = u8::try_from(class_index).ok()?;
    let (prediction, truth) = class_masks(prediction, case.truth, class);
    surface_distances(&prediction, &truth, case.width, case.height)
}

/// Whether a metric is made of something.
fn asked(metrics: &[MetricKind], needs: fn(OfPixels) -> bool) -> bool {
    metrics.iter().any(|metric| metric.row().of_pixels.is_some_and(needs))
}

#[cfg(test)]
mod tests {
    use MetricKind::*;

    use super::*;

    fn case<'a>(truth: &'a [u8]) -> LabelledCase<'a> {
        LabelledCase { case: "a", group: "g", label: "benign", width: 4, height: 1, truth }
    }

    #[test]
    fn a_binary_case_is_cut_at_the_threshold_and_measured() {
        let score =
            score_binary(&case(&[0, 1, 1, 0]), "lesion", &[0.1, 0.6, 0.3, 0.2], 0.5, &[Hd95, Auc]);
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
        let score = score_binary(&case(&[0, 1, 1, 0]), "lesion", &[0.1; 4], 0.0, &[Dice]);
        assert_eq!((score.hd95, score.assd, score.auc), (None, None, None));
    }

    #[test]
    fn distances_of_a_normal_image_follow_the_rule() {
        let normal = score_binary(&case(&[0; 4]), "lesion", &[0.1; 4], 0.5, &[Assd]);
        assert_eq!(normal.value(Assd, EmptyRule::One), Some(0.0));
        assert_eq!(normal.value(Assd, EmptyRule::Skip), None);
        let alarm = score_binary(&case(&[0; 4]), "lesion", &[0.9; 4], 0.5, &[Assd]);
        assert_eq!(alarm.value(Assd, EmptyRule::One), None);
        assert_eq!(alarm.value(Assd, EmptyRule::Skip), None);
    }

    #[test]
    fn a_case_without_a_labelled_pixel_has_no_value() {
        let metrics = [Dice, Accuracy, Hd95, Assd, Auc];
        let score = score_binary(&case(&[IGNORE; 4]), "lesion", &[0.9; 4], 0.5, &metrics);
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
            &[Assd, Auc],
        );
        assert_eq!(scores.len(), 3);
        assert_eq!(scores[0].counts, Counts { tp: 1, fp: 1, fn_: 0, tn: 1 });
        assert_eq!(scores[1].counts, Counts { tp: 1, fp: 0, fn_: 1, tn: 1 });
        assert_eq!(scores[0].auc, Some(1.0));
        assert_eq!(scores[1].auc, Some(1.0));
        assert_eq!((scores[2].auc, scores[2].assd), (None, Some(0.0)));
        // Tumor is predicted at 0 and 1, true at 0: distances 0 and 1 one way, 0 the other.
        assert_eq!(scores[0].assd, Some(1.0 / 3.0));
    }
}
