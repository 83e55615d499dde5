//! Metrics: a row each, with its names, which way is better, what it is made of and its formula.
//!
//! Metrics of pixels are of one class of one case, or of the counts of many ([`overlap()`]); metrics of images are of all
//! images of a split ([`OfImages`]). Distances of masks and areas under curves of pixels are computed where predictions
//! are scored.

mod counts;
mod images;
mod overlap;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use counts::Counts;
pub use images::{Against, ImageConfusion, MeanOver, OfClass, OfImages, Side};
pub use overlap::{across_classes, mean_over_occurring, overlap};

use self::images::ratio as part;
use self::overlap::ratio;

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
    Dice => Metric::highest("dice", "Dice").of_counts(|c| ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn_)),
    /// tp / (tp + fp + fn).
    Iou => Metric::highest("iou", "IoU").of_counts(|c| ratio(c.tp, c.tp + c.fp + c.fn_)),
    /// tp / (tp + fp).
    Precision => Metric::highest("precision", "Precision")
        .of_counts(|c| ratio(c.tp, c.tp + c.fp))
        .of_classes(|c| part(c.tp, c.tp + c.fp).or(Some(0.0)), MeanOver::Named, &[Side::Class, Side::Called]),
    /// tp / (tp + fn); also called sensitivity.
    Recall => Metric::highest("recall", "Recall")
        .of_counts(|c| ratio(c.tp, c.tp + c.fn_))
        .of_classes(|c| part(c.tp, c.tp + c.fn_), MeanOver::Named, &[Side::Class]),
    /// tn / (tn + fp).
    Specificity => Metric::highest("specificity", "Specificity")
        .of_counts(|c| ratio(c.tn, c.tn + c.fp))
        .of_classes(|c| part(c.tn, c.tn + c.fp), MeanOver::Occurring, &[Side::Others]),
    /// (tp + tn) / all.
    Accuracy => Metric::highest("accuracy", "Accuracy")
        .of_counts(|c| ratio(c.tp + c.tn, c.total()))
        .of_all_images(ImageConfusion::accuracy, false),
    /// Harmonic mean of precision and recall; equal to Dice for pixels.
    F1 => Metric::highest("f1", "F1")
        .of_counts(|c| ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn_))
        .of_classes(|c| part(2.0 * c.tp, 2.0 * c.tp + c.fp + c.fn_).or(Some(0.0)), MeanOver::Named, &[Side::Class]),
    /// Matthews correlation coefficient.
    Mcc => Metric::highest("mcc", "MCC")
        .of_counts(overlap::matthews)
        .of_all_images(ImageConfusion::matthews, true),
    /// 95th percentile of the symmetric surface distance, in pixels.
    Hd95 => Metric::lowest("hd95", "HD95").in_unit("px").of_pixels(OfPixels::Masks),
    /// Average symmetric surface distance, in pixels.
    Assd => Metric::lowest("assd", "ASSD").in_unit("px").of_pixels(OfPixels::Masks),
    /// Area under the ROC curve of the probabilities of pixels or images.
    Auc => Metric::highest("auc", "AUC")
        .of_pixels(OfPixels::Probabilities)
        .of_ranking(images::roc_area),
    /// Mean of recall and specificity; of images, mean recall over the classes.
    BalancedAccuracy => Metric::highest("balanced-accuracy", "Balanced accuracy")
        .of_pixels(OfPixels::MeanOf(&[MetricKind::Recall, MetricKind::Specificity]))
        .of_all_images(ImageConfusion::mean_recall, true),
    /// Area under the precision-recall curve, as scikit-learn's average precision. Of images alone.
    AveragePrecision => Metric::highest("average-precision", "Average precision")
        .of_ranking(images::average_precision),
}

impl MetricKind {
    /// The metrics of classified images, in the order of tables.
    pub const OF_IMAGES: [Self; 9] = [
        Self::Accuracy,
        Self::BalancedAccuracy,
        Self::Precision,
        Self::Recall,
        Self::Specificity,
        Self::F1,
        Self::Mcc,
        Self::Auc,
        Self::AveragePrecision,
    ];

    /// Its name in specs, figures and files, such as `dice`.
    pub fn name(self) -> &'static str {
        self.row().name
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
    /// For people, without its unit.
    title: &'static str,
    unit: Option<&'static str>,
    /// Which way is better.
    pub goal: Goal,
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
    /// Of the masks of truth and prediction.
    Masks,
    /// Of probabilities.
    Probabilities,
}

impl Metric {
    const fn highest(name: &'static str, title: &'static str) -> Self {
        Self { name, title, unit: None, goal: Goal::Highest, of_pixels: None, of_images: None }
    }

    const fn lowest(name: &'static str, title: &'static str) -> Self {
        Self { goal: Goal::Lowest, ..Self::highest(name, title) }
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

    /// For people, with its unit: `HD95 (px)`.
    pub fn title(&self) -> String {
        match self.unit {
            None => self.title.to_owned(),
            Some(unit) => format!("{} ({unit})", self.title),
        }
    }
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
    fn metrics_of_images_have_each_a_place_in_tables() {
        for kind in MetricKind::ALL {
            let places = MetricKind::OF_IMAGES.iter().filter(|&&placed| placed == kind).count();
            assert_eq!(places, usize::from(kind.row().of_images.is_some()), "{kind:?}");
        }
    }
}
