//! The figures of one epoch on one split, gathered batch by batch.

use super::images::{ImageScore, image_values};
use crate::figure_name::OF_SECOND_HEAD;
use crate::loss::{Outputs, Sums};
use crate::metric::{Counts, EmptyRule, MetricKind, across_classes, overlap};
use crate::text;

/// Names of the figures recorded each epoch, without the split: what `schedule.best`,
/// `schedule.early-stopping` and `reduce-on-plateau` may name; also those of a second head for images, where there is
/// one.
pub fn epoch_figures(outputs: Outputs, second_head: bool) -> Vec<&'static str> {
    let of_head: &[&str] = if second_head { &OF_HEAD } else { &[] };
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
const OF_HEAD: [&str; 4] =
    ["image-accuracy", "image-balanced-accuracy", "image-f1.macro", "image-auc.macro"];

/// What numbers in a tally stand for, in words.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Every case that may be named by index.
    pub cases: Vec<String>,
    /// The classes of pixels, of one foreground that alone; of classified images theirs.
    pub classes: Vec<String>,
    /// The classes of images that a second head predicts.
    pub image_classes: Vec<String>,
}

/// Sums of one epoch on one split.
///
/// The figures mean what the figures of the same names from [`figures`](super::figures) and
/// [`image_figures`](super::image_figures) mean; of two classes the second is predicted from 0.5 on.
#[derive(Clone, Debug)]
pub struct EpochTally {
    outputs: Outputs,
    /// Classes of images that a second head predicts; 0 without one.
    image_classes: usize,
    empty: EmptyRule,
    loss: Sums,
    /// The first batch whose loss was no finite number: that loss, and the indices of its cases.
    no_number: Option<(f32, Vec<usize>)>,
    pooled: Vec<Counts>,
    dice: Means,
    iou: Means,
    images: Vec<ImageScore>,
}

impl EpochTally {
    /// An empty tally, with the number of classes of images that a second head predicts.
    pub fn new(outputs: Outputs, image_classes: usize, empty: EmptyRule) -> Self {
        Self {
            outputs,
            image_classes,
            empty,
            loss: Sums::default(),
            no_number: None,
            pooled: vec![Counts::default(); outputs.channels()],
            dice: Means::default(),
            iou: Means::default(),
            images: Vec::new(),
        }
    }

    /// Adds the loss of a batch of cases, and the sums behind it.
    pub fn add_loss(&mut self, loss: f32, sums: &Sums, cases: &[usize]) {
        self.loss.add(sums);
        if !loss.is_finite() && self.no_number.is_none() {
            self.no_number = Some((loss, cases.to_vec()));
        }
    }

    /// Pixels so far whose class is known, or images where these have classes.
    pub fn labelled(&self) -> u64 {
        match self.outputs {
            Outputs::Binary | Outputs::Classes(_) => self.pooled.first().map_or(0, Counts::total),
            Outputs::Images(_) => self.images.len() as u64,
        }
    }

    /// Why a figure of [`figures`](Self::figures) is no finite number; for one that is, or that there is not, in
    /// general words.
    pub fn cause(&self, figure: &str, split: &str, names: &Names) -> String {
        let (of_image, name) = match figure.strip_prefix(OF_SECOND_HEAD) {
            Some(name) => (true, name),
            None => (matches!(self.outputs, Outputs::Images(_)), figure),
        };
        let first = |cases: &[usize]| {
            let shown = cases.iter().take(3).filter_map(|&case| names.cases.get(case));
            let shown: Vec<_> = shown.map(|name| text::name(name)).collect();
            let more = if cases.len() > 3 {
                format!(" and {} more", cases.len() - 3)
            } else {
                String::new()
            };
            format!("{}{more}", shown.join(", "))
        };
        if self.labelled() == 0 {
            let what = if of_image { "image" } else { "pixel" };
            return format!("no {what} of the {split} split is labelled");
        }
        match (name, &self.no_number) {
            ("loss", Some((loss, cases))) => {
                format!("the loss of a batch is {loss}; its cases: {}", first(cases))
            }
            ("loss", None) => format!("no labelled pixel of the {split} split counts in the loss"),
            ("auc.macro", _) => {
                let classes = match of_image && !names.image_classes.is_empty() {
                    true => &names.image_classes,
                    false => &names.classes,
                };
                let found = self.images.first().and_then(|image| classes.get(image.truth));
                let found = found.map_or_else(String::new, |class| text::name(class).into_owned());
                format!(
                    "all images of the {split} split are of one class, {found}, and AUC needs others"
                )
            }
            _ if self.pooled.iter().all(|counts| counts.truth() == 0) => {
                let classes: Vec<_> = names.classes.iter().map(|name| text::name(name)).collect();
                format!(
                    "no case of the {split} split has a labelled pixel of class {} at the network's size",
                    classes.join(" or ")
                )
            }
            _ => format!("it is undefined for every case of the {split} split"),
        }
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
                [self.loss_value()].into_iter().chain(self.of_images(classes)).collect()
            }
        };
        if self.image_classes > 0 {
            values.extend(self.of_images(self.image_classes));
        }
        epoch_figures(self.outputs, self.image_classes > 0).into_iter().zip(values).collect()
    }

    fn loss_value(&self) -> f64 {
        self.loss.loss().unwrap_or(f64::NAN)
    }

    fn of_pixels(&self) -> Vec<f64> {
        let pooled = |kind| across_classes(kind, &self.pooled, self.empty).unwrap_or(f64::NAN);
        vec![
            self.loss_value(),
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

    fn names() -> Names {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Names {
            cases: owned(&["a", "b\u{202e}", "c", "d"]),
            classes: owned(&["benign", "malignant"]),
            image_classes: Vec::new(),
        }
    }

    #[test]
    fn an_empty_epoch_has_no_figures() {
        for outputs in [Outputs::Binary, Outputs::Images(2)] {
            let figures = EpochTally::new(outputs, 0, EmptyRule::One).figures();
            assert!(figures.iter().all(|(_, value)| value.is_nan()));
        }
    }

    #[test]
    fn a_figure_that_is_no_number_has_a_cause() {
        let tally = || EpochTally::new(Outputs::Binary, 0, EmptyRule::Skip);
        let mut of_normals = tally();
        assert_eq!(
            of_normals.cause("dice.mean", "validation", &names()),
            "no pixel of the validation split is labelled"
        );
        of_normals.add_counts(&[vec![counts(0, 0, 0, 9)]]);
        let lesion = Names { classes: vec!["lesion".into()], ..names() };
        for figure in ["dice.lesion", "dice.mean", "iou.pooled"] {
            assert_eq!(
                of_normals.cause(figure, "validation", &lesion),
                "no case of the validation split has a labelled pixel of class lesion at the network's size"
            );
        }
        let mut diverged = tally();
        diverged.add_counts(&[vec![counts(1, 0, 0, 9)]]);
        diverged.add_loss(0.5, &Sums::default(), &[0]);
        diverged.add_loss(f32::NAN, &Sums::default(), &[1, 2, 3, 0]);
        diverged.add_loss(f32::INFINITY, &Sums::default(), &[0]);
        assert_eq!(
            diverged.cause("loss", "validation", &names()),
            "the loss of a batch is NaN; its cases: b\\u{202e}, c, d and 1 more"
        );
        let mut images = EpochTally::new(Outputs::Images(2), 0, EmptyRule::One);
        let score = ImageScore { truth: 1, probabilities: vec![0.5; 2], ..ImageScore::default() };
        images.add_images(&[score]);
        assert_eq!(
            images.cause("auc.macro", "validation", &names()),
            "all images of the validation split are of one class, malignant, and AUC needs others"
        );
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
