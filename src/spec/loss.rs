//! `[loss]`: what training minimises.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What training minimises. Ignored pixels take no part in any of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LossSpec {
    /// Binary cross-entropy of each pixel, averaged. For one foreground class.
    Bce(BceSpec),
    /// Cross-entropy of each pixel over the classes, averaged.
    CrossEntropy(CrossEntropySpec),
    /// 1 - soft Dice.
    Dice(OverlapSpec),
    /// 1 - soft Jaccard (IoU).
    Jaccard(OverlapSpec),
    /// 1 - Tversky index (Salehi et al. 2017).
    Tversky(TverskySpec),
    /// Focal loss (Lin et al. 2017).
    Focal(FocalSpec),
    /// Lovász hinge, or Lovász-softmax for several classes (Berman et al. 2018).
    Lovasz(LovaszSpec),
    /// A weighted sum of other losses.
    Sum(SumSpec),
}

impl Default for LossSpec {
    fn default() -> Self {
        Self::Sum(SumSpec {
            terms: vec![
                TermSpec { weight: 1.0, loss: LossSpec::Bce(BceSpec::default()) },
                TermSpec { weight: 1.0, loss: LossSpec::Dice(OverlapSpec::default()) },
            ],
        })
    }
}

/// Binary cross-entropy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct BceSpec {
    /// Target of a lesion pixel becomes 1 - s/2, of another s/2.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub label_smoothing: f64,
    /// Weight of lesion pixels against the others; 1 leaves them equal.
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub positive_weight: f64,
}

impl Default for BceSpec {
    fn default() -> Self {
        Self { label_smoothing: 0.0, positive_weight: 1.0 }
    }
}

/// Cross-entropy over classes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CrossEntropySpec {
    /// Weight of each class.
    pub class_weights: ClassWeights,
    /// Part of the target spread evenly over the classes.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub label_smoothing: f64,
}

/// Weight of each class in a loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ClassWeights {
    /// All alike.
    Equal(EqualWeights),
    /// Inverse to each class's pixels (or images) in the training split, averaging 1 over the classes present.
    Balanced(BalancedWeights),
    /// As listed, in the order of the classes.
    Given(GivenWeights),
}

impl Default for ClassWeights {
    fn default() -> Self {
        Self::Equal(EqualWeights {})
    }
}

/// Settings of `equal`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EqualWeights {}

/// Settings of `balanced`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BalancedWeights {}

/// Weights as listed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenWeights {
    /// One weight per class.
    #[schemars(length(min = 1), inner(range(min = 0.0, max = 1e6)))]
    pub values: Vec<f64>,
}

/// Over which pixels sums are taken before a ratio is formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pool {
    /// All pixels of the batch together (segmentation_models_pytorch).
    #[default]
    Batch,
    /// Each image alone, then the mean over images.
    Image,
}

/// Soft Dice or soft Jaccard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct OverlapSpec {
    /// Added to numerator and denominator, in pixels.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub smooth: f64,
    /// Over which pixels sums are taken.
    pub pool: Pool,
}

impl Default for OverlapSpec {
    fn default() -> Self {
        Self { smooth: 1.0, pool: Pool::Batch }
    }
}

/// Tversky: tp / (tp + alpha fp + beta fn), raised to gamma as 1 - index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TverskySpec {
    /// Weight of false positives.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub alpha: f64,
    /// Weight of false negatives.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub beta: f64,
    /// Exponent of the loss (focal Tversky, Abraham and Khan 2019); 1 is plain Tversky.
    #[schemars(range(min = 0.1, max = 10.0))]
    pub gamma: f64,
    /// Added to numerator and denominator, in pixels.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub smooth: f64,
    /// Over which pixels sums are taken.
    pub pool: Pool,
}

impl Default for TverskySpec {
    fn default() -> Self {
        Self { alpha: 0.3, beta: 0.7, gamma: 1.0, smooth: 1.0, pool: Pool::Batch }
    }
}

/// Focal loss: -(1 - p)^gamma log p, averaged over pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FocalSpec {
    /// How strongly easy pixels are played down.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub gamma: f64,
    /// Weight of lesion pixels, the others weighing 1 - alpha; absent, all weigh 1. Binary only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub alpha: Option<f64>,
}

impl Default for FocalSpec {
    fn default() -> Self {
        Self { gamma: 2.0, alpha: None }
    }
}

/// Lovász loss.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LovaszSpec {
    /// Over which pixels errors are ranked.
    pub pool: Pool,
}

/// A weighted sum of other losses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SumSpec {
    /// The losses and their weights.
    #[schemars(length(min = 1, max = 16))]
    pub terms: Vec<TermSpec>,
}

/// One loss of a sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TermSpec {
    /// What it is multiplied by.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0, max = 1e6))]
    pub weight: f64,
    /// The loss.
    #[serde(flatten)]
    pub loss: LossSpec,
}

fn one() -> f64 {
    1.0
}
