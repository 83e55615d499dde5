//! The figures of one epoch on one split, gathered batch by batch.

use super::counts::Counts;
use super::summary::across_classes;
use crate::evaluate::overlap;
use crate::spec::{EmptyRule, MetricKind};

/// Names of the figures recorded each epoch, without the split: what `schedule.best`,
/// `schedule.early-stopping` and `reduce-on-plateau` may name.
pub const EPOCH_FIGURES: [&str; 8] = [
    "loss",
    "accuracy.pooled",
    "dice.mean",
    "dice.lesion",
    "dice.pooled",
    "iou.mean",
    "iou.lesion",
    "iou.pooled",
];

/// Sums of one epoch on one split; all but the loss come from pixel counts.
///
/// The figures mean what the figures of the same names from [`figures`](super::figures) mean.
#[derive(Clone, Debug)]
pub struct EpochTally {
    empty: EmptyRule,
    loss: Mean,
    pooled: Vec<Counts>,
    dice: Means,
    iou: Means,
}

impl EpochTally {
    /// An empty tally of so many classes (one for a binary task).
    pub fn new(classes: usize, empty: EmptyRule) -> Self {
        Self {
            empty,
            loss: Mean::default(),
            pooled: vec![Counts::default(); classes],
            dice: Means::default(),
            iou: Means::default(),
        }
    }

    /// Adds a batch: its loss (the mean over its cases) and, for each case, the counts of each class.
    ///
    /// # Panics
    ///
    /// If a case has not the counts of each class.
    pub fn add_batch(&mut self, loss: f64, cases: &[Vec<Counts>]) {
        self.loss.sum += loss * cases.len() as f64;
        self.loss.n += cases.len();
        for case in cases {
            assert_eq!(case.len(), self.pooled.len(), "counts of each class");
            for (sum, &counts) in self.pooled.iter_mut().zip(case) {
                *sum += counts;
            }
            self.dice.add(MetricKind::Dice, case, self.empty);
            self.iou.add(MetricKind::Iou, case, self.empty);
        }
    }

    /// The figures, in the order of [`EPOCH_FIGURES`]; NaN where undefined.
    pub fn figures(&self) -> [(&'static str, f64); EPOCH_FIGURES.len()] {
        let pooled = |kind| across_classes(kind, &self.pooled, self.empty).unwrap_or(f64::NAN);
        let values = [
            self.loss.value(),
            pooled(MetricKind::Accuracy),
            self.dice.cases.value(),
            self.dice.lesions.value(),
            pooled(MetricKind::Dice),
            self.iou.cases.value(),
            self.iou.lesions.value(),
            pooled(MetricKind::Iou),
        ];
        std::array::from_fn(|i| (EPOCH_FIGURES[i], values[i]))
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
        let mut tally = EpochTally::new(1, EmptyRule::One);
        tally.add_batch(0.5, &[case.clone(), case.clone(), case.clone()]);
        tally.add_batch(1.5, &[case]);
        assert_eq!(tally.figures()[0], ("loss", 0.75));
    }

    #[test]
    fn an_empty_epoch_has_no_figures() {
        assert!(EpochTally::new(1, EmptyRule::One).figures().iter().all(|(_, v)| v.is_nan()));
    }

    #[test]
    fn a_loss_that_is_no_number_stays_visible() {
        let mut tally = EpochTally::new(1, EmptyRule::One);
        tally.add_batch(f64::NAN, &[vec![counts(1, 0, 0, 0)]]);
        tally.add_batch(1.0, &[vec![counts(1, 0, 0, 0)]]);
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
                let mut tally = EpochTally::new(cases[0].len(), empty);
                tally.add_batch(1.0, &cases[..1]);
                tally.add_batch(1.0, &cases[1..]);
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
