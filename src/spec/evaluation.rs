//! `[evaluation]`: what is measured and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BatchesSpec, CalibrationSpec, KeepSpec, MaskStepSpec, RefineSpec, TestTimeSpec};
pub use crate::metric::{EmptyRule, MetricKind, MissedDistance};
use crate::role::Role;
use crate::split_name::SplitName;

/// What is measured and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct EvaluationSpec {
    /// The lowest probability at which a pixel is lesion, or an image of the second of two classes.
    #[schemars(extend("x-role" = Role::Evaluation))]
    pub threshold: ThresholdSpec,
    /// Views of an image whose probabilities are averaged, in figures, pictures and `predict`; figures of epochs are of the
    /// image alone.
    #[schemars(extend("x-role" = Role::Evaluation))]
    #[serde(skip_serializing_if = "TestTimeSpec::is_none")]
    pub test_time_augmentation: TestTimeSpec,
    /// How a network's probabilities, at its own size, are refined before they are thresholded or a threshold is chosen:
    /// in figures, pictures and `predict`. Figures of epochs, and what they decide, are of the network alone.
    #[schemars(extend("x-role" = Role::Evaluation))]
    pub refine: RefineSpec,
    /// How probabilities, averaged and refined, are made to say how often they are right; before the threshold.
    #[schemars(extend("x-role" = Role::Evaluation))]
    pub calibration: CalibrationSpec,
    /// What is made of the mask of one foreground, one after the other, in figures, pictures and `predict`; a threshold is
    /// chosen without it. Not where whole regions or images are predicted by windows.
    #[schemars(length(max = 8), extend("x-role" = Role::Evaluation))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_process: Vec<MaskStepSpec>,
    /// Which of test-time augmentation, refinement and post-processing are kept.
    #[schemars(extend("x-role" = Role::Evaluation))]
    pub keep: KeepSpec,
    /// Which metrics to compute; counts, and probabilities of images, are always stored.
    #[schemars(length(min = 1), extend("x-role" = Role::Evaluation))]
    pub metrics: Vec<MetricKind>,
    /// How near outlines have to be to count as equal in `nsd`, in pixels at the size that masks are compared at.
    #[schemars(range(min = 0.0, max = 1000.0), extend("x-role" = Role::Evaluation))]
    pub tolerance: f64,
    /// What `hd95` and `assd` are where truth or prediction alone lacks the class.
    #[schemars(extend("x-role" = Role::Evaluation))]
    pub missed_distance: MissedDistance,
    /// What overlap metrics score where a class is absent from truth and prediction alike.
    // Figures of epochs follow it, and these decide which epoch is best: a part of training.
    pub empty: EmptyRule,
    /// At which size predictions are compared for the headline figures.
    #[schemars(extend("x-role" = Role::Evaluation))]
    pub resolution: Resolution,
    /// Part of its side that a window shares with the next, where whole regions or images are predicted by windows. They are in
    /// figures, pictures and `predict` of a network that was trained on tiles cut from regions or on crops: windows have
    /// `dataset.image-size` at the scale of these, and are refined one by one and blended with Gaussian weights.
    #[schemars(range(min = 0.0, max = 0.9), extend("x-role" = Role::Evaluation))]
    pub window_overlap: f64,
    /// Splits that the best model is evaluated on after training.
    #[schemars(length(min = 1, max = 3), extend("x-role" = Role::Evaluation))]
    pub splits: Vec<SplitName>,
    /// Columns by which the headline figures of each split are given too: one of `dataset.metadata` (`table`), `label`, the
    /// class of the image, or `lesion-percent`, the part of the labelled pixels that is lesion, in per cent, where one
    /// foreground is segmented. Each value, or each interval between cuts, is a stratum; cases without a value are one of
    /// their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-role" = Role::Evaluation))]
    pub by: Vec<StrataSpec>,
    /// Whether the average of the probabilities of all seeds is evaluated as well, of each fold and division, once their
    /// runs are finished: a record of its own, whose threshold and post-processing the validation split chooses by the
    /// averaged probabilities. Each network keeps its own views, refinement and temperature. The runs of the seeds stay as
    /// they are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("x-role" = Role::Instance))]
    pub ensemble: bool,
    /// How the page takes means over batches.
    #[serde(skip_serializing_if = "BatchesSpec::is_default")]
    #[schemars(extend("x-role" = Role::Presentation))]
    pub batches: BatchesSpec,
}

/// A column by which figures are given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StrataSpec {
    /// The column.
    #[schemars(length(min = 1))]
    pub column: String,
    /// Where its numbers are cut into intervals, in ascending order: `[40, 60]` makes `< 40`, `40 to < 60` and `>= 60`.
    /// Without, each of at most 12 values is a stratum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 11))]
    pub cuts: Vec<f64>,
}

impl Default for EvaluationSpec {
    fn default() -> Self {
        Self {
            threshold: ThresholdSpec::default(),
            test_time_augmentation: TestTimeSpec::default(),
            refine: RefineSpec::default(),
            calibration: CalibrationSpec::default(),
            post_process: Vec::new(),
            keep: KeepSpec::default(),
            metrics: vec![
                MetricKind::Dice,
                MetricKind::Iou,
                MetricKind::Precision,
                MetricKind::Recall,
                MetricKind::Specificity,
                MetricKind::Accuracy,
                MetricKind::Mcc,
                MetricKind::Hd95,
                MetricKind::Assd,
                MetricKind::Auc,
            ],
            tolerance: 2.0,
            missed_distance: MissedDistance::default(),
            empty: EmptyRule::One,
            resolution: Resolution::Original,
            window_overlap: 0.5,
            splits: vec![SplitName::Valid, SplitName::Test],
            by: Vec::new(),
            ensemble: false,
            batches: BatchesSpec::default(),
        }
    }
}

/// The lowest probability at which a pixel is lesion, or an image of the second of two classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ThresholdSpec {
    /// A fixed probability.
    Fixed(FixedThreshold),
    /// The one of 0.05, 0.10, .. 0.95 that is best on the validation split.
    BestOnValid(BestOnValidThreshold),
}

impl Default for ThresholdSpec {
    fn default() -> Self {
        Self::Fixed(FixedThreshold { value: 0.5 })
    }
}

/// A fixed probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedThreshold {
    /// The probability.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub value: f64,
}

/// Settings of `best-on-valid`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BestOnValidThreshold {
    /// The metric that decides, by its highest value: of pixels its mean over cases, of images over all of them or over the
    /// classes. If absent, `dice`, of images `balanced-accuracy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<MetricKind>,
}

impl BestOnValidThreshold {
    /// The metric that decides of pixels.
    pub fn of_pixels(&self) -> MetricKind {
        self.metric.unwrap_or(MetricKind::Dice)
    }

    /// The metric that decides of images.
    pub fn of_images(&self) -> MetricKind {
        self.metric.unwrap_or(MetricKind::BalancedAccuracy)
    }
}

/// At which size predictions are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// The size of the original image: probabilities are resized to it.
    #[default]
    Original,
    /// The size the network works at: masks are resized to it. A region, of which cases are tiles, has the scale of these.
    Network,
}
