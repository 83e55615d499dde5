//! Figures of classified images: functions of the probabilities that each image was given.
//!
//! | figure | meaning |
//! |---|---|
//! | `accuracy` | part of the images called right |
//! | `balanced-accuracy` | mean recall over the classes that occur |
//! | `mcc` | Matthews' coefficient; of several classes Gorodkin's (2004) |
//! | `<metric>.class.<class>` | the class against all others |
//! | `<metric>.macro` | its mean over the classes that occur |
//!
//! where `<metric>` is precision, recall, specificity, f1, auc (of the ROC curve) or average-precision
//! (of the precision-recall curve). What they are where a denominator is 0 is scikit-learn's default: 0
//! for precision, F1 and MCC; undefined, and left out of means, for what asks for images of a class that
//! has none.

use serde::{Deserialize, Serialize};

use super::bootstrap::{FEWEST_GROUPS, weighted_interval};
use super::metric::metric_name;
use super::summary::Figure;
use crate::spec::MetricKind;

/// Name of the figure that says how good the masks are which guide a classifier: their mean Dice.
pub const MASK_DICE: &str = "mask-dice";

/// What the names of figures begin with that a second head's images have, beside those of pixels.
pub const OF_SECOND_HEAD: &str = "image-";

/// Names of all figures of a second head that tells such classes, without the split; none without classes.
pub fn second_head_names(classes: &[String]) -> Vec<String> {
    if classes.is_empty() {
        return Vec::new();
    }
    let names = image_figure_names(&MetricKind::OF_IMAGES, classes);
    names.into_iter().map(|name| format!("{OF_SECOND_HEAD}{name}")).collect()
}

/// One image and what a network says of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageScore {
    /// The case.
    pub case: String,
    /// What keeps cases together; the case itself where nothing does.
    pub group: String,
    /// Its class.
    pub truth: usize,
    /// The class it is called.
    pub predicted: usize,
    /// Probability of each class.
    pub probabilities: Vec<f32>,
}

/// The class that probabilities stand for: of two the second from `threshold` on, of several the likeliest,
/// the first of equals.
pub fn called(probabilities: &[f32], threshold: f64) -> usize {
    if let [_, second] = probabilities {
        return usize::from(*second >= threshold as f32);
    }
    let mut best = 0;
    for (class, &probability) in probabilities.iter().enumerate() {
        if probability > probabilities[best] {
            best = class;
        }
    }
    best
}

/// Whether a metric is of whole images.
pub fn is_of_images(kind: MetricKind) -> bool {
    MetricKind::OF_IMAGES.contains(&kind)
}

/// How the images of a split become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    All,
    Macro,
    Class(usize),
}

fn reductions(metric: MetricKind, classes: usize) -> Vec<Reduction> {
    match metric {
        MetricKind::Accuracy | MetricKind::BalancedAccuracy | MetricKind::Mcc => {
            vec![Reduction::All]
        }
        _ => [Reduction::Macro].into_iter().chain((0..classes).map(Reduction::Class)).collect(),
    }
}

fn name(metric: MetricKind, reduction: Reduction, classes: &[String]) -> String {
    let metric = metric_name(metric);
    match reduction {
        Reduction::All => metric.to_string(),
        Reduction::Macro => format!("{metric}.macro"),
        Reduction::Class(class) => format!("{metric}.class.{}", classes[class]),
    }
}

/// Names of all figures that [`image_figures`] gives, without the split.
pub fn image_figure_names(metrics: &[MetricKind], classes: &[String]) -> Vec<String> {
    let of_metric = |&metric: &MetricKind| {
        let reductions = reductions(metric, classes.len()).into_iter();
        reductions.map(move |reduction| name(metric, reduction, classes))
    };
    metrics.iter().flat_map(of_metric).collect()
}

/// All figures of a split; those that are undefined are NaN. Intervals are over resamples of whole groups.
pub fn image_figures(
    scores: &[ImageScore],
    classes: &[String],
    metrics: &[MetricKind],
) -> Vec<Figure> {
    let mut groups: Vec<&str> = scores.iter().map(|score| score.group.as_str()).collect();
    groups.sort_unstable();
    groups.dedup();
    let group_of: Vec<usize> = scores
        .iter()
        .map(|score| groups.partition_point(|group| *group < score.group.as_str()))
        .collect();
    let sorted = Sorted::new(scores, classes.len());
    let wanted: Vec<(MetricKind, Reduction)> = metrics
        .iter()
        .flat_map(|&metric| {
            reductions(metric, classes.len()).into_iter().map(move |of| (metric, of))
        })
        .collect();
    let values = |weights: &[f64]| {
        let weighed = Weighed::new(scores, &sorted, classes.len(), weights);
        wanted.iter().map(|(metric, of)| weighed.value(*metric, *of)).collect::<Vec<_>>()
    };
    let found = values(&vec![1.0; scores.len()]);
    let intervals = weighted_interval(groups.len(), wanted.len(), |times| {
        let weights: Vec<f64> = group_of.iter().map(|&group| f64::from(times[group])).collect();
        values(&weights)
    });
    let figure = |(index, (metric, of)): (usize, &(MetricKind, Reduction))| Figure {
        name: name(*metric, *of, classes),
        value: found[index].unwrap_or(f64::NAN),
        n: if found[index].is_some() { scores.len() } else { 0 },
        left_out: 0,
        groups: groups.len(),
        interval: if groups.len() >= FEWEST_GROUPS { intervals[index] } else { None },
    };
    wanted.iter().enumerate().map(figure).collect()
}

/// The figures of a split by name, without intervals.
pub(super) fn image_values(
    scores: &[ImageScore],
    classes: &[String],
    metrics: &[MetricKind],
) -> Vec<(String, Option<f64>)> {
    let sorted = Sorted::new(scores, classes.len());
    let weights = vec![1.0; scores.len()];
    let weighed = Weighed::new(scores, &sorted, classes.len(), &weights);
    let of_metric = |&metric: &MetricKind| {
        let weighed = &weighed;
        reductions(metric, classes.len())
            .into_iter()
            .map(move |of| (name(metric, of, classes), weighed.value(metric, of)))
    };
    metrics.iter().flat_map(of_metric).collect()
}

/// For each class, the images by falling probability of it.
struct Sorted(Vec<Vec<usize>>);

impl Sorted {
    fn new(scores: &[ImageScore], classes: usize) -> Self {
        let by_class = |class: usize| {
            let mut order: Vec<usize> = (0..scores.len()).collect();
            let of = |index: &usize| scores[*index].probabilities[class];
            order.sort_by(|a, b| of(b).total_cmp(&of(a)).then(a.cmp(b)));
            order
        };
        Self((0..classes).map(by_class).collect())
    }
}

/// Images that count more or less than once.
struct Weighed<'a> {
    scores: &'a [ImageScore],
    sorted: &'a Sorted,
    weights: &'a [f64],
    /// Rows are the truth, columns what images are called.
    confusion: Vec<Vec<f64>>,
}

/// One class against all others.
struct Against {
    tp: f64,
    fp: f64,
    fn_: f64,
    tn: f64,
}

impl<'a> Weighed<'a> {
    fn new(
        scores: &'a [ImageScore],
        sorted: &'a Sorted,
        classes: usize,
        weights: &'a [f64],
    ) -> Self {
        let mut confusion = vec![vec![0.0; classes]; classes];
        for (score, weight) in scores.iter().zip(weights) {
            confusion[score.truth][score.predicted] += weight;
        }
        Self { scores, sorted, weights, confusion }
    }

    fn total(&self) -> f64 {
        self.confusion.iter().flatten().sum()
    }

    fn occurs(&self, class: usize) -> bool {
        self.confusion[class].iter().sum::<f64>() > 0.0
    }

    fn against(&self, class: usize) -> Against {
        let tp = self.confusion[class][class];
        let fn_ = self.confusion[class].iter().sum::<f64>() - tp;
        let fp = self.confusion.iter().map(|row| row[class]).sum::<f64>() - tp;
        Against { tp, fp, fn_, tn: self.total() - tp - fp - fn_ }
    }

    fn value(&self, metric: MetricKind, reduction: Reduction) -> Option<f64> {
        let classes = self.confusion.len();
        match reduction {
            Reduction::Class(class) => self.of_class(metric, class),
            Reduction::Macro => mean(
                (0..classes)
                    .filter(|&class| self.occurs(class))
                    .filter_map(|class| self.of_class(metric, class)),
            ),
            Reduction::All => match metric {
                MetricKind::Accuracy => {
                    let right: f64 = (0..classes).map(|class| self.confusion[class][class]).sum();
                    ratio(right, self.total())
                }
                MetricKind::BalancedAccuracy => self.value(MetricKind::Recall, Reduction::Macro),
                _ => self.matthews(),
            },
        }
    }

    fn of_class(&self, metric: MetricKind, class: usize) -> Option<f64> {
        let Against { tp, fp, fn_, tn } = self.against(class);
        match metric {
            MetricKind::Recall => ratio(tp, tp + fn_),
            MetricKind::Specificity => ratio(tn, tn + fp),
            MetricKind::Precision => Some(ratio(tp, tp + fp).unwrap_or(0.0)),
            MetricKind::F1 => Some(ratio(2.0 * tp, 2.0 * tp + fp + fn_).unwrap_or(0.0)),
            MetricKind::Auc => self.roc_area(class),
            MetricKind::AveragePrecision => self.average_precision(class),
            _ => None,
        }
    }

    /// Gorodkin's R_K: of two classes, Matthews' coefficient. 0 where truth or prediction is constant.
    fn matthews(&self) -> Option<f64> {
        let total = self.total();
        if total == 0.0 {
            return None;
        }
        let classes = 0..self.confusion.len();
        let right: f64 = classes.clone().map(|class| self.confusion[class][class]).sum();
        let truth: Vec<f64> = self.confusion.iter().map(|row| row.iter().sum()).collect();
        let called: Vec<f64> =
            classes.map(|class| self.confusion.iter().map(|row| row[class]).sum()).collect();
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let covariance = right * total - product(&truth, &called);
        let spread = |of: &[f64]| total * total - product(of, of);
        let variance = spread(&truth) * spread(&called);
        Some(if variance > 0.0 { covariance / variance.sqrt() } else { 0.0 })
    }

    /// Images of the class and others at each probability of it, from the highest down.
    fn steps(&self, class: usize) -> Vec<[f64; 2]> {
        let mut steps: Vec<(f32, [f64; 2])> = Vec::new();
        for &index in &self.sorted.0[class] {
            let score = &self.scores[index];
            let probability = score.probabilities[class];
            let side = usize::from(score.truth != class);
            match steps.last_mut() {
                Some((last, sums)) if *last == probability => sums[side] += self.weights[index],
                _ => {
                    let mut sums = [0.0; 2];
                    sums[side] = self.weights[index];
                    steps.push((probability, sums));
                }
            }
        }
        steps.into_iter().map(|(_, sums)| sums).collect()
    }

    fn roc_area(&self, class: usize) -> Option<f64> {
        let (mut above, mut won) = (0.0, 0.0);
        let mut others = 0.0;
        for [of_class, of_others] in self.steps(class) {
            won += of_others * (above + of_class / 2.0);
            above += of_class;
            others += of_others;
        }
        ratio(won, above * others)
    }

    /// The sum over thresholds of precision times the recall that is won there, as scikit-learn's.
    fn average_precision(&self, class: usize) -> Option<f64> {
        let steps = self.steps(class);
        let all: f64 = steps.iter().map(|step| step[0]).sum();
        let (mut above, mut called, mut sum) = (0.0, 0.0, 0.0);
        for [of_class, of_others] in steps {
            above += of_class;
            called += of_class + of_others;
            if of_class > 0.0 {
                sum += of_class * above / called;
            }
        }
        ratio(sum, all)
    }
}

/// The candidate threshold with the highest balanced accuracy, of those as high the nearest to 0.5, of those
/// as near the lower; for two classes. 0.5 where there is no image.
pub fn best_image_threshold(scores: &[ImageScore], candidates: &[f64]) -> f64 {
    let sorted = Sorted(Vec::new());
    let weights = vec![1.0; scores.len()];
    let balanced = |threshold: f64| {
        let again: Vec<ImageScore> = scores
            .iter()
            .map(|score| ImageScore {
                truth: score.truth,
                predicted: called(&score.probabilities, threshold),
                ..ImageScore::default()
            })
            .collect();
        let weighed = Weighed::new(&again, &sorted, 2, &weights);
        weighed.value(MetricKind::BalancedAccuracy, Reduction::All)
    };
    let mut order: Vec<f64> = candidates.to_vec();
    order.sort_by(|a, b| (a - 0.5).abs().total_cmp(&(b - 0.5).abs()).then(a.total_cmp(b)));
    let mut best = (0.5, f64::NEG_INFINITY);
    for threshold in order {
        if let Some(value) = balanced(threshold)
            && value > best.1
        {
            best = (threshold, value);
        }
    }
    best.0
}

/// Points of a class's ROC curve: false positive and true positive rate, from (0, 0) to (1, 1).
pub fn roc_curve(scores: &[ImageScore], class: usize) -> Vec<(f64, f64)> {
    curve(scores, class, |above, others, all| (others / all[1], above / all[0]))
}

/// Points of a class's precision-recall curve: recall and precision, by rising recall.
pub fn precision_recall_curve(scores: &[ImageScore], class: usize) -> Vec<(f64, f64)> {
    let mut points = curve(scores, class, |above, others, all| {
        (above / all[0], if above + others > 0.0 { above / (above + others) } else { 1.0 })
    });
    if let [first, second, ..] = points.as_mut_slice() {
        first.1 = second.1;
    }
    points
}

fn curve(
    scores: &[ImageScore],
    class: usize,
    point: impl Fn(f64, f64, [f64; 2]) -> (f64, f64),
) -> Vec<(f64, f64)> {
    let classes = scores.first().map_or(0, |score| score.probabilities.len());
    let sorted = Sorted::new(scores, classes);
    let weights = vec![1.0; scores.len()];
    let steps = Weighed::new(scores, &sorted, classes, &weights).steps(class);
    let all = [0, 1].map(|side| steps.iter().map(|step| step[side]).sum::<f64>());
    if all.contains(&0.0) {
        return Vec::new();
    }
    let (mut above, mut others) = (0.0, 0.0);
    let mut points = vec![point(0.0, 0.0, all)];
    for [of_class, of_others] in steps {
        above += of_class;
        others += of_others;
        points.push(point(above, others, all));
    }
    points
}

fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0.0);
    for value in values {
        sum += value;
        n += 1.0;
    }
    ratio(sum, n)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn scored(truth: usize, probabilities: &[f32]) -> ImageScore {
        ImageScore {
            truth,
            predicted: called(probabilities, 0.5),
            probabilities: probabilities.to_vec(),
            ..ImageScore::default()
        }
    }

    fn names(classes: usize) -> Vec<String> {
        (0..classes).map(|class| class.to_string()).collect()
    }

    fn value(scores: &[ImageScore], name: &str) -> f64 {
        let classes = names(scores[0].probabilities.len());
        let figures = image_figures(scores, &classes, &MetricKind::OF_IMAGES);
        figures.into_iter().find(|figure| figure.name == name).unwrap().value
    }

    #[test]
    fn figures_of_four_images_are_those_worked_out_by_hand() {
        let scores = [
            scored(1, &[0.1, 0.9]),
            scored(1, &[0.6, 0.4]),
            scored(0, &[0.3, 0.7]),
            scored(0, &[0.8, 0.2]),
        ];
        assert_eq!(value(&scores, "accuracy"), 0.5);
        assert_eq!(value(&scores, "recall.class.1"), 0.5);
        assert_eq!(value(&scores, "specificity.class.1"), 0.5);
        assert_eq!(value(&scores, "mcc"), 0.0);
        // Of the four pairs, 0.9 wins both and 0.4 one.
        assert_eq!(value(&scores, "auc.class.1"), 0.75);
        // Recall is won at 0.9 with precision 1 and at 0.4 with precision 2 / 3.
        assert!(
            (value(&scores, "average-precision.class.1") - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12
        );
    }

    #[test]
    fn a_class_without_images_is_left_out_of_means_and_one_never_called_has_precision_0() {
        let scores = [scored(0, &[0.2, 0.8]), scored(0, &[0.1, 0.9])];
        assert!(value(&scores, "recall.class.1").is_nan());
        assert!(value(&scores, "auc.class.0").is_nan());
        assert_eq!(value(&scores, "balanced-accuracy"), 0.0);
        assert_eq!(value(&scores, "precision.class.0"), 0.0);
        assert_eq!(value(&scores, "mcc"), 0.0);
    }

    #[test]
    fn a_threshold_calls_the_second_of_two_classes() {
        assert_eq!([0.1, 0.5, 0.6].map(|p| called(&[1.0 - p, p], 0.5)), [0, 1, 1]);
        assert_eq!(called(&[0.7, 0.3], 0.3), 1);
        assert_eq!(called(&[0.4, 0.4, 0.2], 0.5), 0);
    }

    #[test]
    fn the_best_threshold_is_the_nearest_to_a_half_of_those_as_good() {
        let scores: Vec<ImageScore> = [(0, 0.1), (0, 0.2), (1, 0.35), (1, 0.9)]
            .map(|(truth, p): (usize, f32)| scored(truth, &[1.0 - p, p]))
            .to_vec();
        assert_eq!(best_image_threshold(&scores, &crate::evaluate::CANDIDATES), 0.35);
        assert_eq!(best_image_threshold(&[], &crate::evaluate::CANDIDATES), 0.5);
    }

    #[test]
    fn curves_go_from_corner_to_corner() {
        let scores = [scored(1, &[0.1, 0.9]), scored(0, &[0.5, 0.5]), scored(1, &[0.6, 0.4])];
        assert_eq!(roc_curve(&scores, 1), [(0.0, 0.0), (0.0, 0.5), (1.0, 0.5), (1.0, 1.0)]);
        let recalled = precision_recall_curve(&scores, 1);
        assert_eq!(recalled, [(0.0, 1.0), (0.5, 1.0), (0.5, 0.5), (1.0, 2.0 / 3.0)]);
        assert_eq!(roc_curve(&scores[..1], 1), []);
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        truth: Vec<usize>,
        probabilities: Vec<Vec<f32>>,
        figures: BTreeMap<String, Option<f64>>,
    }

    #[test]
    fn figures_are_those_of_scikit_learn() {
        let file = crate::testing::fixture("image_metrics.json");
        let cases: Vec<Case> =
            serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert!(cases.len() >= 10);
        for case in cases {
            let scores: Vec<ImageScore> =
                case.truth.iter().zip(&case.probabilities).map(|(&t, p)| scored(t, p)).collect();
            for (name, expected) in &case.figures {
                let found = value(&scores, name);
                let close = match expected {
                    Some(expected) => (found - expected).abs() < 1e-9,
                    None => found.is_nan(),
                };
                assert!(close, "{}, {name}: {found}, not {expected:?}", case.name);
            }
        }
    }

    #[test]
    fn more_images_of_a_group_do_not_narrow_the_interval() {
        let one: Vec<ImageScore> = (0..40)
            .map(|index| {
                let p = (index * 7 % 40) as f32 / 40.0;
                let group = index.to_string();
                ImageScore { group, ..scored(usize::from(index % 3 == 0), &[1.0 - p, p]) }
            })
            .collect();
        let three: Vec<ImageScore> = one.iter().flat_map(|score| vec![score.clone(); 3]).collect();
        let interval = |scores: &[ImageScore]| {
            image_figures(scores, &names(2), &[MetricKind::Auc])[1].interval.unwrap()
        };
        let (found, repeated) = (interval(&one), interval(&three));
        assert!((found.0 - repeated.0).abs() < 1e-12 && (found.1 - repeated.1).abs() < 1e-12);
    }
}
