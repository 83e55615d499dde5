//! Metrics: a row each, with its names, which way is better, what it is made of and its formula.
//!
//! Metrics of pixels are of one class of one case, or of the counts of many ([`overlap()`]); metrics of images are of all
//! images of a split ([`OfImages`]).

mod assd;
mod at_fixed;
mod auc;
mod average_precision;
mod class_pixels;
mod counts;
mod false_alarm;
mod hd95;
mod images;
mod lesion_precision;
mod lesion_recall;
mod lesions;
mod mcc;
mod nsd;
mod overlap;
mod quantile;
mod soft_dice;
mod soft_iou;
mod surface;

use std::fmt;
use std::mem::{Discriminant, discriminant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use class_pixels::ClassPixels;
pub use counts::Counts;
pub use images::{Against, ImageConfusion, MeanOver, OfClass, OfImages, Side};
pub use lesions::{Lesions, regions};
pub use overlap::{across_classes, mean_of_classes, overlap};
pub use quantile::quantile;
pub use surface::Distances;

use self::images::ratio as part;
use self::overlap::ratio;

/// The label of pixels that take no part in loss, metrics or pictures.
pub const IGNORE: u8 = 255;

/// Makes the kinds of metrics and the way to their rows.
macro_rules! metrics {
    ($($(#[doc = $doc:literal])* $kind:ident => $row:expr,)*) => {
        /// Metrics of the pixels of a case and class, or of classified images.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum MetricKind {
            $($(#[doc = $doc])* $kind,)*
        }

        impl MetricKind {
            /// All of them.
            pub const ALL: [Self; [$(Self::$kind),*].len()] = [$(Self::$kind),*];

            /// What is known of it.
            pub fn row(self) -> Metric {
                match self {
                    $(Self::$kind => $row,)*
                }
            }
        }
    };
}

metrics! {
    /// 2 tp / (2 tp + fp + fn); the F1 score of pixels.
    Dice => Metric::highest("dice", "Dice")
        .also_named(&["dsc"])
        .of_counts(|c| ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn_)),
    /// tp / (tp + fp + fn).
    Iou => Metric::highest("iou", "IoU")
        .also_named(&["jaccard", "jac", "miou"])
        .of_counts(|c| ratio(c.tp, c.tp + c.fp + c.fn_)),
    /// tp / (tp + fp).
    Precision => Metric::highest("precision", "Precision")
        .also_named(&["ppv"])
        .of_counts(|c| ratio(c.tp, c.tp + c.fp))
        .of_classes(|c| part(c.tp, c.tp + c.fp).or(Some(0.0)), MeanOver::Named, &[Side::Class, Side::Predicted]),
    /// tp / (tp + fn); also called sensitivity.
    Recall => Metric::highest("recall", "Recall")
        .also_named(&["sensitivity", "tpr"])
        .of_counts(|c| ratio(c.tp, c.tp + c.fn_))
        .of_classes(|c| part(c.tp, c.tp + c.fn_), MeanOver::Named, &[Side::Class]),
    /// tn / (tn + fp).
    Specificity => Metric::highest("specificity", "Specificity")
        .also_named(&["tnr"])
        .of_counts(|c| ratio(c.tn, c.tn + c.fp))
        .of_classes(|c| part(c.tn, c.tn + c.fp), MeanOver::Occurring, &[Side::Others]),
    /// (tp + tn) / all.
    Accuracy => Metric::highest("accuracy", "Accuracy")
        .also_named(&["acc"])
        .of_counts(|c| ratio(c.tp + c.tn, c.total()))
        .of_all_images(ImageConfusion::accuracy, false),
    /// Harmonic mean of precision and recall; equal to Dice for pixels.
    F1 => Metric::highest("f1", "F1")
        .of_counts(|c| ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn_))
        .of_classes(|c| part(2.0 * c.tp, 2.0 * c.tp + c.fp + c.fn_).or(Some(0.0)), MeanOver::Named, &[Side::Class]),
    /// Matthews correlation coefficient.
    Mcc => mcc::METRIC,
    /// 95th percentile of the symmetric surface distance, in pixels.
    Hd95 => hd95::METRIC,
    /// Average symmetric surface distance, in pixels.
    Assd => assd::METRIC,
    /// Normalised surface distance: the part of both outlines within `evaluation.tolerance` of the other.
    Nsd => nsd::METRIC,
    /// Part of the lesions of a case that share a pixel with the prediction.
    LesionRecall => lesion_recall::METRIC,
    /// Part of the predicted lesions of a case that share a pixel with the truth.
    LesionPrecision => lesion_precision::METRIC,
    /// Share of the images without a lesion in which one is predicted. Of one foreground alone.
    FalseAlarm => false_alarm::METRIC,
    /// Area under the ROC curve of the probabilities of pixels or images.
    Auc => auc::METRIC,
    /// Mean of recall and specificity; of images, mean recall over the classes.
    BalancedAccuracy => Metric::highest("balanced-accuracy", "Balanced accuracy")
        .of_pixels(OfPixels::MeanOf(&[MetricKind::Recall, MetricKind::Specificity]))
        .of_all_images(ImageConfusion::mean_recall, true),
    /// Area under the precision-recall curve, as scikit-learn's average precision. Of images alone.
    AveragePrecision => average_precision::METRIC,
    /// The highest recall of a threshold with a specificity of at least 0.9. Of images alone.
    RecallAtSpecificity90 => Metric::highest("recall-at-specificity90", "Recall at specificity 0.90")
        .also_named(&["sensitivity-at-specificity90"])
        .of_ranking(|steps| at_fixed::recall_at_specificity(steps, 0.90)),
    /// The highest recall of a threshold with a specificity of at least 0.95. Of images alone.
    RecallAtSpecificity95 => Metric::highest("recall-at-specificity95", "Recall at specificity 0.95")
        .also_named(&["sensitivity-at-specificity95"])
        .of_ranking(|steps| at_fixed::recall_at_specificity(steps, 0.95)),
    /// The highest specificity of a threshold with a recall of at least 0.9. Of images alone.
    SpecificityAtRecall90 => Metric::highest("specificity-at-recall90", "Specificity at recall 0.90")
        .also_named(&["specificity-at-sensitivity90"])
        .of_ranking(|steps| at_fixed::specificity_at_recall(steps, 0.90)),
    /// The highest specificity of a threshold with a recall of at least 0.95. Of images alone.
    SpecificityAtRecall95 => Metric::highest("specificity-at-recall95", "Specificity at recall 0.95")
        .also_named(&["specificity-at-sensitivity95"])
        .of_ranking(|steps| at_fixed::specificity_at_recall(steps, 0.95)),
    /// Dice of the probabilities, without a threshold.
    SoftDice => soft_dice::METRIC,
    /// IoU of the probabilities, without a threshold.
    SoftIou => soft_iou::METRIC,
}

impl MetricKind {
    /// The metrics of classified images, in the order of tables: accuracies first.
    pub fn of_images() -> Vec<Self> {
        let mut kinds = Self::ALL.to_vec();
        kinds.retain(|kind| kind.row().of_images.is_some());
        kinds.sort_by_key(|kind| !matches!(kind, Self::Accuracy | Self::BalancedAccuracy));
        kinds
    }

    /// The metrics of pixels that are measured of each class of a case, as no function of its counts.
    pub fn measured() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kind| {
            matches!(kind.row().of_pixels, Some(OfPixels::Masks(_) | OfPixels::Probabilities(_)))
        })
    }

    /// What it needs of the pixels of a class.
    fn needs(self) -> Option<Discriminant<OfPixels>> {
        self.row().of_pixels.as_ref().map(discriminant)
    }

    /// Its value for a class of a case, if it is measured and not a function of counts.
    fn measure(self, pixels: &ClassPixels) -> Option<f64> {
        match self.row().of_pixels? {
            OfPixels::Masks(formula) | OfPixels::Probabilities(formula) => formula(pixels),
            OfPixels::Counts(_) | OfPixels::MeanOf(_) | OfPixels::Occurrence(_) => None,
        }
    }

    /// Its value for a class of a case, from the counts and what was measured; `None` where it is undefined.
    ///
    /// Metrics of counts follow [`overlap()`]. Those of masks are undefined under [`EmptyRule::Skip`] where truth and
    /// prediction both lack the class.
    pub fn of_case(self, counts: &Counts, measured: Option<f64>, empty: EmptyRule) -> Option<f64> {
        match self.row().of_pixels? {
            OfPixels::Counts(_) | OfPixels::MeanOf(_) => overlap(self, counts, empty),
            OfPixels::Occurrence(formula) => formula(counts),
            OfPixels::Masks(_) if empty == EmptyRule::Skip && counts.absent() => None,
            OfPixels::Masks(_) | OfPixels::Probabilities(_) => measured,
        }
    }

    /// Its name in specs, figures and files, such as `dice`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether it is about images without a lesion, of one foreground.
    pub fn is_of_normal_images(self) -> bool {
        matches!(self.row().of_pixels, Some(OfPixels::Occurrence(_)))
    }

    /// Whether it is a distance, which one empty mask leaves undefined.
    pub fn is_distance(self) -> bool {
        matches!(self.row().range, Range::Distance)
    }

    /// Whether it is a function of pixel counts, so that counts of several images can be pooled.
    pub fn is_of_counts(self) -> bool {
        matches!(self.row().of_pixels, Some(OfPixels::Counts(_) | OfPixels::MeanOf(_)))
    }
}

/// What is known of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// In specs, figures and files.
    pub name: &'static str,
    /// Names that other tools give it, by which a person may write it.
    pub also_named: &'static [&'static str],
    /// For people, without its unit.
    title: &'static str,
    unit: Option<&'static str>,
    /// Which way is better.
    pub goal: Goal,
    range: Range,
    /// What it is made of, of the pixels of a class; `None` where it is of images alone.
    pub of_pixels: Option<OfPixels>,
    /// What it is made of, of classified images; `None` where it is of pixels alone.
    pub of_images: Option<OfImages>,
}

/// What a metric of pixels is made of.
#[derive(Clone, Copy, Debug)]
pub enum OfPixels {
    /// Of their counts; `None` where it is 0 / 0.
    Counts(fn(&Counts) -> Option<f64>),
    /// The mean of other metrics of counts.
    MeanOf(&'static [MetricKind]),
    /// Of whether truth and prediction have any, whatever the rule for empty masks.
    Occurrence(fn(&Counts) -> Option<f64>),
    /// Of the masks of truth and prediction.
    Masks(fn(&ClassPixels) -> Option<f64>),
    /// Of the probabilities of the class.
    Probabilities(fn(&ClassPixels) -> Option<f64>),
}

impl Metric {
    const fn highest(name: &'static str, title: &'static str) -> Self {
        Self {
            name,
            also_named: &[],
            title,
            unit: None,
            goal: Goal::Highest,
            range: Range::Part,
            of_pixels: None,
            of_images: None,
        }
    }

    const fn lowest(name: &'static str, title: &'static str) -> Self {
        Self { goal: Goal::Lowest, ..Self::highest(name, title) }
    }

    const fn between(self, range: Range) -> Self {
        Self { range, ..self }
    }

    const fn also_named(self, also_named: &'static [&'static str]) -> Self {
        Self { also_named, ..self }
    }

    const fn in_unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    const fn of_pixels(self, of_pixels: OfPixels) -> Self {
        Self { of_pixels: Some(of_pixels), ..self }
    }

    const fn of_counts(self, formula: fn(&Counts) -> Option<f64>) -> Self {
        self.of_pixels(OfPixels::Counts(formula))
    }

    const fn of_occurrence(self, formula: fn(&Counts) -> Option<f64>) -> Self {
        self.of_pixels(OfPixels::Occurrence(formula))
    }

    const fn of_masks(self, formula: fn(&ClassPixels) -> Option<f64>) -> Self {
        self.of_pixels(OfPixels::Masks(formula))
    }

    const fn of_probabilities(self, formula: fn(&ClassPixels) -> Option<f64>) -> Self {
        self.of_pixels(OfPixels::Probabilities(formula))
    }

    const fn of_all_images(
        self,
        value: fn(&ImageConfusion) -> Option<f64>,
        of_classes: bool,
    ) -> Self {
        Self { of_images: Some(OfImages::All { value, of_classes }), ..self }
    }

    const fn of_classes(
        self,
        formula: fn(&Against) -> Option<f64>,
        mean: MeanOver,
        seen: &'static [Side],
    ) -> Self {
        let value = OfClass::Counts(formula);
        Self { of_images: Some(OfImages::Classes { value, mean, seen }), ..self }
    }

    const fn of_ranking(self, formula: fn(&[[f64; 2]]) -> Option<f64>) -> Self {
        let value = OfClass::Ranking(formula);
        let (mean, seen) = (MeanOver::Occurring, &[Side::Class, Side::Others]);
        Self { of_images: Some(OfImages::Classes { value, mean, seen }), ..self }
    }

    /// The lowest and the highest value that it can have, of an image with so many labelled pixels.
    pub fn bounds(&self, pixels: u64) -> (f64, f64) {
        match self.range {
            Range::Part => (0.0, 1.0),
            Range::Correlation => (-1.0, 1.0),
            Range::Distance => (0.0, (2.0 * pixels as f64).sqrt()),
        }
    }

    /// For people, with its unit: `HD95 (px)`.
    pub fn title(&self) -> String {
        match self.unit {
            None => self.title.to_owned(),
            Some(unit) => format!("{} ({unit})", self.title),
        }
    }
}

/// The values that a metric can have.
#[derive(Clone, Copy, Debug)]
enum Range {
    /// From 0 to 1.
    Part,
    /// From -1 to 1.
    Correlation,
    /// From 0 to the diagonal of the image, which is taken to be a square.
    Distance,
}

/// What overlap metrics score where a class is absent from truth and prediction alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyRule {
    /// 1: nothing to find and nothing found.
    #[default]
    One,
    /// The case is left out of the mean, and the report says how many were.
    Skip,
}

/// What surface distances are where truth or prediction alone lacks the class: a missed lesion, or a false alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MissedDistance {
    /// Undefined: the case is left out, and the report says how many were. A network that misses what is hard looks better.
    #[default]
    LeftOut,
    /// The diagonal of the image, the largest distance there is; the report says of how many cases it is.
    Diagonal,
}

/// Whether a figure should fall or rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Lower is better.
    Lowest,
    /// Higher is better.
    Highest,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lowest => "lowest",
            Self::Highest => "highest",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_spec() {
        for kind in MetricKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        let mut names = MetricKind::ALL.map(MetricKind::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "each metric stands once");
    }

    #[test]
    fn the_order_of_tables_of_images_stays() {
        let names: Vec<&str> = MetricKind::of_images().into_iter().map(MetricKind::name).collect();
        assert_eq!(
            names,
            [
                "accuracy",
                "balanced-accuracy",
                "precision",
                "recall",
                "specificity",
                "f1",
                "mcc",
                "auc",
                "average-precision",
                "recall-at-specificity90",
                "recall-at-specificity95",
                "specificity-at-recall90",
                "specificity-at-recall95"
            ]
        );
    }
}
