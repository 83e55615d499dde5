//! Figures of classified images: functions of the probabilities that each image was given.
//!
//! | figure | meaning |
//! |---|---|
//! | `accuracy` | share of the images predicted correctly |
//! | `balanced-accuracy` | mean recall over the classes that have images |
//! | `mcc` | Matthews' coefficient; of several classes Gorodkin's (2004) |
//! | `<metric>.class.<class>` | the class against all others |
//! | `<metric>.macro` | its mean over classes |
//!
//! where `<metric>` is precision, recall, specificity, f1, auc (of the ROC curve) or average-precision
//! (of the precision-recall curve).
//!
//! Where a denominator is 0, precision, F1 and MCC are 0; recall, specificity, AUC and average precision of a class ask
//! for images of it, or of others, and are undefined without. Means over classes are scikit-learn's
//! (`average="macro"`, `zero_division=0`) for precision, recall and F1: over the classes in truth or prediction, 0 where
//! 0 / 0. Those of specificity, AUC and average precision are over the classes that have images and others.
//!
//! `n` and `groups` are the images that a figure is a part of: of a class its own (of specificity all others), else
//! all. An interval is over resamples of whole groups ([`super::bootstrap`]), with one more of the class by which it can
//! change most; there is none where a class that it depends on has images of few groups.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::bootstrap::{FEWEST_GROUPS, Resampled, weighted_intervals};
use super::summary::Figure;
use super::threshold::{CANDIDATES, best_candidate};
use crate::figure_name::OF_SECOND_HEAD;
use crate::metric::{ImageConfusion, MetricKind, OfClass, OfImages, Side};

/// Names of all figures of a second head with such classes, without the split; none without classes.
pub fn second_head_names(classes: &[String]) -> Vec<String> {
    if classes.is_empty() {
        return Vec::new();
    }
    let names = image_figure_names(&MetricKind::of_images(), classes);
    names.into_iter().map(|name| format!("{OF_SECOND_HEAD}{name}")).collect()
}

/// One image and what a network predicts for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageScore {
    /// The case.
    pub case: String,
    /// What keeps cases together; the case itself where nothing does.
    pub group: String,
    /// Its class.
    pub truth: usize,
    /// The predicted class.
    pub predicted: usize,
    /// Probability of each class.
    pub probabilities: Vec<f32>,
}

/// The class that probabilities stand for: of two the second from `threshold` on, of several the likeliest,
/// the first of equals.
pub fn predicted_class(probabilities: &[f32], threshold: f64) -> usize {
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

/// How the images of a split become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reduction {
    All,
    Macro,
    Class(usize),
}

fn reductions(metric: MetricKind, classes: usize) -> Vec<Reduction> {
    match metric.row().of_images {
        None => Vec::new(),
        Some(OfImages::All { .. }) => vec![Reduction::All],
        Some(OfImages::Classes { .. }) => {
            [Reduction::Macro].into_iter().chain((0..classes).map(Reduction::Class)).collect()
        }
    }
}

fn name(metric: MetricKind, reduction: Reduction, classes: &[String]) -> String {
    let metric = metric.name();
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

/// The metric and reduction of a figure's name; `None` where no image has such a figure.
pub(super) fn named(figure: &str, classes: &[String]) -> Option<(MetricKind, Reduction)> {
    let of_metric = |metric: MetricKind| {
        reductions(metric, classes.len()).into_iter().map(move |of| (metric, of))
    };
    let mut all = MetricKind::ALL.into_iter().flat_map(of_metric);
    all.find(|(metric, of)| name(*metric, *of, classes) == figure)
}

/// The group of each image, numbered in alphabetical order, and how many there are.
pub(super) fn groups(scores: &[ImageScore]) -> (Vec<usize>, usize) {
    let mut groups: Vec<&str> = scores.iter().map(|score| score.group.as_str()).collect();
    groups.sort_unstable();
    groups.dedup();
    let place = |score: &ImageScore| groups.partition_point(|group| *group < score.group.as_str());
    (scores.iter().map(place).collect(), groups.len())
}

/// A figure of the confusion of images; `None` where it is undefined, or one of their ranking.
pub(super) fn of_confusion(
    of: OfImages,
    reduction: Reduction,
    confusion: &ImageConfusion,
) -> Option<f64> {
    let of_class = |value: OfClass, class: usize| match value {
        OfClass::Counts(formula) => formula(&confusion.against(class)),
        OfClass::Ranking(_) => None,
    };
    match (of, reduction) {
        (OfImages::All { value, .. }, Reduction::All) => value(confusion),
        (OfImages::Classes { value, .. }, Reduction::Class(class)) => of_class(value, class),
        (OfImages::Classes { value, mean, .. }, Reduction::Macro) => {
            mean.of(confusion, |class| of_class(value, class))
        }
        (OfImages::All { .. }, Reduction::Macro | Reduction::Class(_))
        | (OfImages::Classes { .. }, Reduction::All) => None,
    }
}

/// All figures of a split; those that are undefined are NaN.
pub fn image_figures(
    scores: &[ImageScore],
    classes: &[String],
    metrics: &[MetricKind],
) -> Vec<Figure> {
    let (group_of, groups) = groups(scores);
    let more = one_more(scores, &group_of, classes.len());
    let with_more: Vec<ImageScore> =
        scores.iter().chain(more.iter().flat_map(|more| &more.ends)).cloned().collect();
    let sorted = by_probability(&with_more, classes.len());
    let wanted: Vec<(MetricKind, Reduction)> = metrics
        .iter()
        .flat_map(|&metric| {
            reductions(metric, classes.len()).into_iter().map(move |of| (metric, of))
        })
        .collect();
    let values = |weights: &[f64]| {
        let weighed = Weighed::new(&with_more, &sorted, classes.len(), weights);
        wanted.iter().map(|(metric, of)| weighed.value(*metric, *of)).collect::<Vec<_>>()
    };
    let weights_of = |of_case: &dyn Fn(usize) -> f64| {
        let mut weights: Vec<f64> = (0..scores.len()).map(of_case).collect();
        weights.resize(with_more.len(), 0.0);
        weights
    };
    let found = values(&weights_of(&|_| 1.0));
    let resampled = weighted_intervals(groups, wanted.len(), |of_groups, weight| {
        let mut weights = weights_of(&|case| of_groups[group_of[case]]);
        let mut ends = vec![None; wanted.len()];
        for (place, more) in more.iter().enumerate() {
            let [lowest, highest] = [0, 1].map(|end| {
                let at = scores.len() + 2 * place + end;
                weights[at] = weight * more.images;
                let values = values(&weights);
                weights[at] = 0.0;
                values
            });
            for (end, pair) in ends.iter_mut().zip(lowest.into_iter().zip(highest)) {
                *end = widest(*end, pair);
            }
        }
        ends
    });
    let sides = Sides::new(scores, &group_of, classes);
    let figures = wanted.iter().zip(found).zip(resampled);
    figures
        .map(|(((metric, of), value), resampled)| {
            let side = sides.of(*metric, *of);
            let resampled = match (value, sides.too_few(*metric, *of)) {
                (None, _) => Resampled::default(),
                (Some(_), Some(few)) => few,
                (Some(_), None) => resampled,
            };
            Figure {
                name: name(*metric, *of, classes),
                value: value.unwrap_or(f64::NAN),
                n: value.map_or(0, |_| side.images),
                left_out: 0,
                penalised: 0,
                groups: value.map_or(0, |_| side.groups.len()),
                interval: resampled.interval.map(|(low, high)| {
                    let (lowest, highest) = metric.row().bounds(0);
                    (low.max(lowest), high.min(highest))
                }),
                interval_note: resampled.note,
            }
        })
        .collect()
}

/// One more group of the images of a class, of middle size.
pub(super) struct OneMore {
    /// How many images it has.
    pub images: f64,
    /// What is predicted of these: as wrong as can be, and as right.
    pub ends: [ImageScore; 2],
}

/// One more group of each class that has images.
pub(super) fn one_more(scores: &[ImageScore], group_of: &[usize], classes: usize) -> Vec<OneMore> {
    let occurs = occurring(scores, classes);
    let of_class = |truth: usize| {
        let of_class = scores.iter().zip(group_of).filter(|(score, _)| score.truth == truth);
        let groups: Vec<usize> = of_class.map(|(_, &group)| group).collect();
        let different = groups.iter().collect::<BTreeSet<_>>().len();
        // The next class that has images, so that each class is predicted wrongly by one.
        let after = (1..classes).map(|step| (truth + step) % classes);
        let other = after.clone().find(|&class| occurs[class]).or(after.clone().next());
        let end = |predicted: usize, own: f32| {
            // Beyond all probabilities: ranked before them or after them.
            let of = |class: usize| if (class == truth) == (own > 0.5) { 2.0 } else { -1.0 };
            let probabilities = (0..classes).map(of).collect();
            ImageScore { truth, predicted, probabilities, ..ImageScore::default() }
        };
        OneMore {
            images: groups.len() as f64 / different as f64,
            ends: [end(other.unwrap_or(truth), 0.0), end(truth, 1.0)],
        }
    };
    (0..classes).filter(|&class| occurs[class]).map(of_class).collect()
}

/// The lower of both lower ends and the higher of both higher ones.
fn widest(ends: Option<(f64, f64)>, (low, high): (Option<f64>, Option<f64>)) -> Option<(f64, f64)> {
    let pair = low.zip(high);
    match (ends, pair) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (one, other) => one.or(other),
    }
}

/// Images that have something in common, and the groups that they come from.
#[derive(Clone, Debug, Default)]
struct Counted {
    images: usize,
    groups: BTreeSet<usize>,
}

/// Images by class.
struct Sides<'a> {
    classes: &'a [String],
    all: Counted,
    /// Images of each class.
    truth: Vec<Counted>,
    /// Images of all others.
    others: Vec<Counted>,
    /// Images that are predicted as each class.
    predicted: Vec<Counted>,
}

impl<'a> Sides<'a> {
    fn new(scores: &[ImageScore], group_of: &[usize], classes: &'a [String]) -> Self {
        let side = |keep: &dyn Fn(&ImageScore) -> bool| {
            let kept = scores.iter().zip(group_of).filter(|(score, _)| keep(score));
            let groups: Vec<usize> = kept.map(|(_, &group)| group).collect();
            Counted { images: groups.len(), groups: groups.into_iter().collect() }
        };
        let by_class = |keep: &dyn Fn(&ImageScore, usize) -> bool| {
            (0..classes.len()).map(|class| side(&|score| keep(score, class))).collect()
        };
        Self {
            classes,
            all: side(&|_| true),
            truth: by_class(&|score, class| score.truth == class),
            others: by_class(&|score, class| score.truth != class),
            predicted: by_class(&|score, class| score.predicted == class),
        }
    }

    /// The images that a figure is a part of.
    fn of(&self, metric: MetricKind, reduction: Reduction) -> &Counted {
        match (reduction, metric.row().of_images) {
            (Reduction::Class(class), Some(OfImages::Classes { seen: [first, ..], .. })) => {
                self.side(*first, class)
            }
            _ => &self.all,
        }
    }

    fn side(&self, side: Side, class: usize) -> &Counted {
        match side {
            Side::Class => &self.truth[class],
            Side::Others => &self.others[class],
            Side::Predicted => &self.predicted[class],
        }
    }

    /// Why a figure gets no interval: a class that it depends on is in few groups.
    fn too_few(&self, metric: MetricKind, reduction: Reduction) -> Option<Resampled> {
        let asked: Vec<(Side, usize)> = match (metric.row().of_images?, reduction) {
            (OfImages::All { of_classes: false, .. }, _) => Vec::new(),
            (OfImages::Classes { seen, .. }, Reduction::Class(class)) => {
                seen.iter().map(|&side| (side, class)).collect()
            }
            _ => (0..self.classes.len()).map(|class| (Side::Class, class)).collect(),
        };
        let groups = |&(side, class): &(Side, usize)| self.side(side, class).groups.len();
        let fewest = asked.into_iter().min_by_key(groups)?;
        let groups = groups(&fewest);
        let class = &self.classes[fewest.1];
        let of = match fewest.0 {
            Side::Class => format!(" of {class}"),
            Side::Others => format!(" of others than {class}"),
            Side::Predicted => format!(" predicted as {class}"),
        };
        (groups < FEWEST_GROUPS).then(|| Resampled::few(groups, &of))
    }
}

/// The figures of a split by name, without intervals.
pub(super) fn image_values(
    scores: &[ImageScore],
    classes: &[String],
    metrics: &[MetricKind],
) -> Vec<(String, Option<f64>)> {
    let sorted = by_probability(scores, classes.len());
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
fn by_probability(scores: &[ImageScore], classes: usize) -> Vec<Vec<usize>> {
    let by_class = |class: usize| {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        let of = |index: &usize| scores[*index].probabilities[class];
        order.sort_by(|a, b| of(b).total_cmp(&of(a)).then(a.cmp(b)));
        order
    };
    (0..classes).map(by_class).collect()
}

/// Which classes have images.
fn occurring(scores: &[ImageScore], classes: usize) -> Vec<bool> {
    (0..classes).map(|class| scores.iter().any(|score| score.truth == class)).collect()
}

/// Images that count more or less than once.
struct Weighed<'a> {
    scores: &'a [ImageScore],
    /// By class; nothing where no figure asks for probabilities.
    sorted: &'a [Vec<usize>],
    weights: &'a [f64],
    confusion: ImageConfusion,
}

impl<'a> Weighed<'a> {
    fn new(
        scores: &'a [ImageScore],
        sorted: &'a [Vec<usize>],
        classes: usize,
        weights: &'a [f64],
    ) -> Self {
        let mut confusion = ImageConfusion::new(classes);
        for (score, &weight) in scores.iter().zip(weights) {
            confusion.add(score.truth, score.predicted, weight);
        }
        Self { scores, sorted, weights, confusion }
    }

    /// `None` where it is undefined, or where images lack a class that a mean is over.
    fn value(&self, metric: MetricKind, reduction: Reduction) -> Option<f64> {
        let of = metric.row().of_images?;
        let OfImages::Classes { value: OfClass::Ranking(formula), mean, .. } = of else {
            return of_confusion(of, reduction, &self.confusion);
        };
        match reduction {
            Reduction::All => None,
            Reduction::Class(class) => formula(&self.steps(class)),
            Reduction::Macro => mean.of(&self.confusion, |class| formula(&self.steps(class))),
        }
    }

    /// Images of the class and others at each probability of it, from the highest down.
    fn steps(&self, class: usize) -> Vec<[f64; 2]> {
        let mut steps: Vec<(f32, [f64; 2])> = Vec::new();
        for &index in self.sorted[class].iter().filter(|&&index| self.weights[index] > 0.0) {
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
}

/// The candidate threshold with the highest value of a metric, over all images or the mean over the classes, of those as
/// high the nearest to 0.5, of those as near the lower; for two classes. 0.5 where there is no image.
pub fn best_image_threshold(scores: &[ImageScore], metric: MetricKind) -> f64 {
    best_candidate(|candidate| {
        let again: Vec<ImageScore> = scores
            .iter()
            .map(|score| ImageScore {
                truth: score.truth,
                predicted: predicted_class(&score.probabilities, CANDIDATES[candidate]),
                ..ImageScore::default()
            })
            .collect();
        image_metric(&again, metric)
    })
}

/// A metric over all images, or its mean over the classes; `None` where it is undefined.
pub(super) fn image_metric(scores: &[ImageScore], metric: MetricKind) -> Option<f64> {
    let reduction = match metric.row().of_images {
        Some(OfImages::Classes { .. }) => Reduction::Macro,
        _ => Reduction::All,
    };
    let named = scores.iter().map(|score| score.truth.max(score.predicted) + 1);
    let classes = scores.iter().map(|score| score.probabilities.len()).chain(named).max();
    let weights = vec![1.0; scores.len()];
    Weighed::new(scores, &[], classes.unwrap_or(0).max(2), &weights).value(metric, reduction)
}

/// Points of a class's ROC curve: false positive and true positive rate, from (0, 0) to (1, 1); none where images of the class or
/// of others are missing.
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
    if class >= classes {
        return Vec::new();
    }
    let sorted = by_probability(scores, classes);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn scored(truth: usize, probabilities: &[f32]) -> ImageScore {
        ImageScore {
            truth,
            predicted: predicted_class(probabilities, 0.5),
            probabilities: probabilities.to_vec(),
            ..ImageScore::default()
        }
    }

    fn names(classes: usize) -> Vec<String> {
        (0..classes).map(|class| class.to_string()).collect()
    }

    fn value(scores: &[ImageScore], name: &str) -> f64 {
        let classes = names(scores[0].probabilities.len());
        let figures = image_figures(scores, &classes, &MetricKind::of_images());
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
        assert_eq!([0.1, 0.5, 0.6].map(|p| predicted_class(&[1.0 - p, p], 0.5)), [0, 1, 1]);
        assert_eq!(predicted_class(&[0.7, 0.3], 0.3), 1);
        assert_eq!(predicted_class(&[0.4, 0.4, 0.2], 0.5), 0);
    }

    #[test]
    fn the_best_threshold_is_the_nearest_to_a_half_of_those_as_good() {
        let scores: Vec<ImageScore> = [(0, 0.1), (0, 0.2), (1, 0.35), (1, 0.9)]
            .map(|(truth, p): (usize, f32)| scored(truth, &[1.0 - p, p]))
            .to_vec();
        assert_eq!(best_image_threshold(&scores, MetricKind::BalancedAccuracy), 0.35);
        assert_eq!(best_image_threshold(&[], MetricKind::BalancedAccuracy), 0.5);
    }

    #[test]
    fn another_metric_chooses_another_threshold() {
        // From 0.3 on all malignant images are found, with two of eight benign ones; from 0.8 on half and none.
        let mut all = vec![(1, 0.3), (1, 0.8), (0, 0.35), (0, 0.4)];
        all.extend([(0, 0.1); 6]);
        let scores: Vec<ImageScore> =
            all.into_iter().map(|(truth, p): (usize, f32)| scored(truth, &[1.0 - p, p])).collect();
        assert_eq!(best_image_threshold(&scores, MetricKind::BalancedAccuracy), 0.3);
        assert_eq!(best_image_threshold(&scores, MetricKind::Accuracy), 0.5);
    }

    #[test]
    fn of_thresholds_as_good_and_as_near_to_a_half_the_lower_is_taken() {
        // At 0.30 and at 0.70 three of the four are called right, elsewhere no more than two.
        let scores: Vec<ImageScore> = [(0, 0.27), (1, 0.32), (0, 0.67), (1, 0.72)]
            .map(|(truth, p): (usize, f32)| scored(truth, &[1.0 - p, p]))
            .to_vec();
        assert_eq!(best_image_threshold(&scores, MetricKind::BalancedAccuracy), 0.30);
    }

    #[test]
    fn n_and_groups_are_those_of_the_class() {
        // Six malignant images in three groups, forty benign ones, each by itself.
        let mut scores: Vec<ImageScore> = (0..46)
            .map(|index| {
                let malignant = index < 6;
                let p = if malignant { 0.9 } else { (index % 5) as f32 / 9.0 };
                let group = if malignant { format!("m{}", index / 2) } else { index.to_string() };
                ImageScore { group, ..scored(usize::from(malignant), &[1.0 - p, p]) }
            })
            .collect();
        scores[40].predicted = 1;
        let classes = ["benign".to_owned(), "malignant".to_owned()];
        let figures = image_figures(&scores, &classes, &MetricKind::of_images());
        let of = |name: &str| figures.iter().find(|figure| figure.name == name).unwrap();
        let counted = |name: &str| (of(name).n, of(name).groups);
        assert_eq!(counted("recall.class.malignant"), (6, 3));
        assert_eq!(counted("precision.class.malignant"), (6, 3));
        assert_eq!(counted("specificity.class.benign"), (6, 3));
        assert_eq!(counted("specificity.class.malignant"), (40, 40));
        assert_eq!(counted("recall.class.benign"), (40, 40));
        assert_eq!(counted("accuracy"), (46, 43));
        for name in ["recall.class.malignant", "specificity.class.benign", "auc.macro", "mcc"] {
            assert_eq!(of(name).interval, None, "{name}");
            let note = &of(name).interval_note;
            assert!(note.starts_with("3 groups of ") && note.ends_with(", fewer than 5"), "{note}");
        }
        assert!(of("accuracy").interval.is_some() && of("recall.class.benign").interval.is_some());
        assert_eq!(of("accuracy").interval_note, "");
    }

    #[test]
    fn where_all_are_right_the_interval_is_that_of_clopper_and_pearson() {
        let scores: Vec<ImageScore> = (0..40)
            .map(|index| {
                let p = if index % 2 == 0 { 0.9 } else { 0.1 };
                let truth = usize::from(index % 2 == 0);
                ImageScore { group: index.to_string(), ..scored(truth, &[1.0 - p, p]) }
            })
            .collect();
        let figures = image_figures(&scores, &names(2), &MetricKind::of_images());
        // All of n: the lower end is 0.025^(1/n), of 2,000 resamples.
        for (name, n) in [
            ("accuracy", 40.0),
            ("recall.class.1", 20.0),
            ("specificity.class.1", 20.0),
            ("precision.class.1", 20.0),
            ("precision.class.0", 20.0),
        ] {
            let figure = figures.iter().find(|figure| figure.name == name).unwrap();
            let (low, high) = figure.interval.unwrap();
            assert_eq!((figure.value, high), (1.0, 1.0), "{name}");
            assert!((low - 0.025_f64.powf(1.0 / n)).abs() < 0.015, "{name}: {low}");
        }
        // One image more can be the one that a required specificity does not allow.
        for figure in figures.iter().filter(|figure| !figure.name.contains("-at-")) {
            let (low, high) = figure.interval.unwrap();
            assert!(low > 0.5 && low < 1.0 && high == 1.0, "{}: {low} to {high}", figure.name);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Whatever the images: an interval has two ends, and is of classes seen in as many groups as it takes.
        #[test]
        fn no_interval_promises_what_few_images_cannot_say(
            images in prop::collection::vec((0usize..3, 0usize..12, 0.0f32..1.0, 0.0f32..1.0), 1..60),
        ) {
            let scores: Vec<ImageScore> = images
                .iter()
                .map(|&(truth, group, a, b)| {
                    let sum = a + b + 0.5;
                    let group = group.to_string();
                    ImageScore { group, ..scored(truth, &[a / sum, b / sum, 0.5 / sum]) }
                })
                .collect();
            for figure in image_figures(&scores, &names(3), &MetricKind::of_images()) {
                prop_assert!(figure.n <= scores.len() && figure.groups <= figure.n);
                prop_assert!(figure.n == 0 || !figure.value.is_nan());
                // Precision and F1 of a class without images are 0 by rule.
                prop_assert!(figure.n > 0 || figure.value.is_nan() || figure.value == 0.0);
                let Some((low, high)) = figure.interval else {
                    prop_assert!(!figure.interval_note.is_empty() || figure.value.is_nan());
                    continue;
                };
                prop_assert!(low < high, "{}: {} to {}", figure.name, low, high);
                if figure.name.contains(".class.") {
                    prop_assert!(figure.groups >= FEWEST_GROUPS, "{}", figure.name);
                }
            }
        }
    }

    #[test]
    fn curves_go_from_corner_to_corner() {
        let scores = [scored(1, &[0.1, 0.9]), scored(0, &[0.5, 0.5]), scored(1, &[0.6, 0.4])];
        assert_eq!(roc_curve(&scores, 1), [(0.0, 0.0), (0.0, 0.5), (1.0, 0.5), (1.0, 1.0)]);
        let recalled = precision_recall_curve(&scores, 1);
        assert_eq!(recalled, [(0.0, 1.0), (0.5, 1.0), (0.5, 0.5), (1.0, 2.0 / 3.0)]);
        assert_eq!(roc_curve(&scores[..1], 1), []);
        assert_eq!(roc_curve(&[], 1), []);
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
        assert!(cases.len() >= 19);
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
