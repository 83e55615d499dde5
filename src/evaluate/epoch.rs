//! The figures of one epoch on one split, gathered batch by batch.

use super::counts::Counts;
use super::images::{ImageScore, image_values};
use super::summary::across_classes;
use crate::evaluate::overlap;
use crate::loss::Outputs;
use crate::spec::{EmptyRule, MetricKind};

/// Names of the figures recorded each epoch, without the split: what `schedule.best`,
/// `schedule.early-stopping` and `reduce-on-plateau` may name; also those of a second head for images, where there is
/// one.
pub fn epoch_figures(outputs: Outputs, second_head: bool) -> Vec<&'static str> {
    let of_head: &[&str] = if second_head { &OF_SECOND_HEAD } else { &[] };
    let figures: &[&str] = match outputs {
        Outputs::Binary | Outputs::Classes(_) => &OF_PIXELS,
        Outputs::Images(_) => &OF_IMAGES,
    };
    [figures, of_head].concat()
}

const OF_PIXELS: [&str; 8] = [
    "loss",
    "accuracy.pooled",
    "dice.mean",
    "dice.lesion",
    "dice.pooled",
    "iou.mean",
    "iou.lesion",
    "iou.pooled",
];

const OF_IMAGES: [&str; 5] = ["loss", "accuracy", "balanced-accuracy", "f1.macro", "auc.macro"];

/// Those of images again, where pixels have figures too.
const OF_SECOND_HEAD: [&str; 4] =
    ["image-accuracy", "image-balanced-accuracy", "image-f1.macro", "image-auc.macro"];

/// Sums of one epoch on one split.
///
/// The figures mean what the figures of the same names from [`figures`](super::figures) and
/// [`image_figures`](super::image_figures) mean; images of two classes are called the second from 0.5 on.
#[derive(Clone, Debug)]
pub struct EpochTally {
    outputs: Outputs,
    /// Classes of images that a second head tells; 0 without one.
    image_classes: usize,
    empty: EmptyRule,
    loss: Mean,
    pooled: Vec<Counts>,
    dice: Means,
    iou: Means,
    images: Vec<ImageScore>,
}

impl EpochTally {
    /// An empty tally, with the number of classes of images that a second head tells.
    pub fn new(outputs: Outputs, image_classes: usize, empty: EmptyRule) -> Self {
        Self {
            outputs,
            image_classes,
            empty,
            loss: Mean::default(),
            pooled: vec![Counts::default(); outputs.channels()],
            dice: Means::default(),
            iou: Means::default(),
            images: Vec::new(),
        }
    }

    /// Adds the loss of a batch, the mean over so many cases.
    pub fn add_loss(&mut self, loss: f64, cases: usize) {
        self.loss.sum += loss * cases as f64;
        self.loss.n += cases;
    }

    /// Adds, for each case, the counts of each class.
    ///
    /// # Panics
    ///
    /// If a case has not the counts of each class.
    pub fn add_counts(&mut self, cases: &[Vec<Counts>]) {
        for case in cases {
            assert_eq!(case.len(), self.pooled.len(), "counts of each class");
            for (sum, &counts) in self.pooled.iter_mut().zip(case) {
                *sum += counts;
            }
            self.dice.add(MetricKind::Dice, case, self.empty);
            self.iou.add(MetricKind::Iou, case, self.empty);
        }
    }

    /// Adds classified images.
    pub fn add_images(&mut self, images: &[ImageScore]) {
        self.images.extend_from_slice(images);
    }

    /// The figures, in the order of [`epoch_figures`]; NaN where undefined.
    pub fn figures(&self) -> Vec<(&'static str, f64)> {
        let mut values = match self.outputs {
            Outputs::Binary | Outputs::Classes(_) => self.of_pixels(),
            Outputs::Images(classes) => {
                [self.loss.value()].into_iter().chain(self.of_images(classes)).collect()
            }
        };
        if self.image_classes > 0 {
            values.extend(self.of_images(self.image_classes));
        }
        epoch_figures(self.outputs, self.image_classes > 0).into_iter().zip(values).collect()
    }

    fn of_pixels(&self) -> Vec<f64> {
        let pooled = |kind| across_classes(kind, &self.pooled, self.empty).unwrap_or(f64::NAN);
        vec![
            self.loss.value(),
            pooled(MetricKind::Accuracy),
            self.dice.cases.value(),
            self.dice.lesions.value(),
            pooled(MetricKind::Dice),
            self.iou.cases.value(),
            self.iou.lesions.value(),
            pooled(MetricKind::Iou),
        ]
    }

    fn of_images(&self, classes: usize) -> Vec<f64> {
        let names: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
        let metrics =
            [MetricKind::Accuracy, MetricKind::BalancedAccuracy, MetricKind::F1, MetricKind::Auc];
        let found = image_values(&self.images, &names, &metrics);
        let of_split = OF_IMAGES[1..].iter().map(|name| {
            let value = found.iter().find(|(found, _)| found == name);
            value.and_then(|(_, value)| *value).unwrap_or(f64::NAN)
        });
        of_split.collect()
    }
}

/// A metric's mean over cases, and over pairs of case and class whose truth has the class.
#[derive(Clone, Debug, Default)]
struct Means {
    cases: Mean,
    lesions: Mean,
}

impl Means {
    fn add(&mut self, kind: MetricKind, case: &[Counts], empty: EmptyRule) {
        self.cases.add(across_classes(kind, case, empty));
        for class in case.iter().filter(|class| class.truth() > 0) {
            self.lesions.add(overlap(kind, class, empty));
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Mean {
    sum: f64,
    n: usize,
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.n += 1;
        }
    }

    /// NaN over nothing.
    fn value(&self) -> f64 {
        self.sum / self.n as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{CaseScore, figures};

    fn counts(tp: u64, fp: u64, fn_: u64, tn: u64) -> Counts {
        Counts { tp, fp, fn_, tn }
    }

    #[test]
    fn the_loss_is_the_mean_over_cases_when_the_last_batch_is_smaller() {
        let case = vec![counts(1, 0, 0, 0)];
        let mut tally = EpochTally::new(Outputs::Binary, 0, EmptyRule::One);
        tally.add_counts(&[case]);
        tally.add_loss(0.5, 3);
        tally.add_loss(1.5, 1);
        assert_eq!(tally.figures()[0], ("loss", 0.75));
    }

    #[test]
    fn an_empty_epoch_has_no_figures() {
        for outputs in [Outputs::Binary, Outputs::Images(2)] {
            let figures = EpochTally::new(outputs, 0, EmptyRule::One).figures();
            assert!(figures.iter().all(|(_, value)| value.is_nan()));
        }
    }

    #[test]
    fn a_loss_that_is_no_number_stays_visible() {
        let mut tally = EpochTally::new(Outputs::Binary, 0, EmptyRule::One);
        tally.add_loss(f64::NAN, 1);
        tally.add_loss(1.0, 1);
        assert!(tally.figures()[0].1.is_nan());
    }

    #[test]
    fn figures_of_an_epoch_equal_those_of_an_evaluation() {
        let binary = [
            vec![counts(4, 1, 1, 4)],
            vec![counts(1, 1, 1, 7)],
            vec![counts(0, 0, 0, 10)],
            vec![counts(0, 5, 0, 5)],
            vec![counts(0, 0, 3, 7)],
        ];
        let several = [
            vec![counts(2, 0, 2, 4), counts(4, 2, 0, 2), counts(0, 0, 0, 8)],
            vec![counts(6, 0, 2, 0), counts(0, 2, 0, 6), counts(0, 0, 0, 8)],
        ];
        for empty in [EmptyRule::One, EmptyRule::Skip] {
            for cases in [&binary[..], &several[..]] {
                let outputs = match cases[0].len() {
                    1 => Outputs::Binary,
                    classes => Outputs::Classes(classes),
                };
                let mut tally = EpochTally::new(outputs, 0, empty);
                tally.add_counts(&cases[..1]);
                tally.add_counts(&cases[1..]);
                let scores: Vec<CaseScore> = (0..).zip(cases).flat_map(scores_of).collect();
                let metrics = [MetricKind::Dice, MetricKind::Iou, MetricKind::Accuracy];
                let evaluation = figures(&scores, &metrics, empty);
                for (name, value) in &tally.figures()[1..] {
                    let figure = evaluation.iter().find(|figure| figure.name == *name).unwrap();
                    assert_eq!(figure.value, *value, "{name}");
                }
            }
        }
    }

    #[test]
    fn figures_of_images_are_those_of_an_evaluation() {
        let image = |truth, p: f32| ImageScore {
            truth,
            predicted: usize::from(p >= 0.5),
            probabilities: vec![1.0 - p, p],
            ..ImageScore::default()
        };
        let mut tally = EpochTally::new(Outputs::Images(2), 0, EmptyRule::One);
        tally.add_images(&[image(0, 0.1), image(1, 0.2)]);
        tally.add_images(&[image(1, 0.9), image(0, 0.3)]);
        let figures = tally.figures();
        assert_eq!(figures[1], ("accuracy", 0.75));
        assert_eq!(figures[4], ("auc.macro", 0.75));
    }

    fn scores_of((case, classes): (usize, &Vec<Counts>)) -> Vec<CaseScore> {
        let score = |(class_index, &counts): (usize, &Counts)| CaseScore {
            case: case.to_string(),
            group: case.to_string(),
            class: class_index.to_string(),
            class_index,
            counts,
            ..CaseScore::default()
        };
        classes.iter().enumerate().map(score).collect()
    }
}
