//! Soft counts of overlap, which Dice, Jaccard and Tversky are ratios of.

use std::collections::BTreeSet;

use burn::tensor::{
    Tensor,
    activation::{sigmoid, softmax},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Outputs, Problems, Scope,
    measured::Measured,
    reduce::{self, per_channel, positive},
    target::Target,
};

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

impl Pool {
    /// Over what the loss of a split is taken, where counts of pixels add up over batches.
    pub fn scopes(self) -> BTreeSet<Scope> {
        match self {
            Self::Batch => Scope::PixelsTogether.into(),
            Self::Image => Scope::Images.into(),
        }
    }
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

/// Reports a loss of overlap for a network that gives whole images their class.
pub fn check_pixels(outputs: Outputs, problems: &mut Problems) {
    match outputs {
        Outputs::Binary | Outputs::Classes(_) => {}
        Outputs::Images(_) => problems.add(
            "kind",
            "this loss measures the overlap of pixels, and this network gives whole images their \
             class; use `cross-entropy` or `focal`",
        ),
    }
}

/// Soft counts over the valid pixels, one row for each image or one for the whole batch.
#[derive(Clone, Debug)]
pub struct Overlap {
    /// `[R, C]`: sum of probability where the truth is the class (true positives).
    pub both: Tensor<2>,
    /// `[R, C]`: sum of probability.
    pub predicted: Tensor<2>,
    /// `[R, C]`: number of pixels of the class.
    pub truth: Tensor<2>,
    /// `[R, C]`: 1 where the class takes part, else 0. Of several classes those take part that
    /// the row's truth has (segmentation_models_pytorch sets the loss of absent ones to 0 too,
    /// but divides by all). A lesion takes part in every row with a valid pixel, so that
    /// probability on an image without one has a cost.
    pub present: Tensor<2>,
    /// `[R, 1]`: number of valid pixels.
    valid: Tensor<2>,
    pool: Pool,
}

impl Overlap {
    /// Counts the overlap of the probabilities and the truth.
    ///
    /// # Shapes
    ///
    /// - logits: `[N, C, H, W]`
    pub fn new(logits: Tensor<4>, target: &Target, pool: Pool) -> Self {
        let probability = probabilities(logits, target) * target.valid.clone();
        let truth = target.truth();
        let both = pooled(probability.clone() * truth.clone(), pool);
        let truth = pooled(truth, pool);
        let valid = pooled(target.valid.clone(), pool);
        let present =
            if target.is_binary() { positive(valid.clone()) } else { positive(truth.clone()) };
        Self { both, predicted: pooled(probability, pool), truth, present, valid, pool }
    }

    /// 1 - `numerator / denominator`, averaged over the classes present in each row.
    ///
    /// # Shapes
    ///
    /// - numerator, denominator: `[R, C]`
    /// - output: `[R, 1]`
    pub fn loss_of_rows(&self, numerator: Tensor<2>, denominator: Tensor<2>) -> Tensor<2> {
        let loss = -(numerator / denominator.clamp_min(SMALLEST_DENOMINATOR)) + 1.0;
        reduce::mean_over_classes(loss, self.present.clone())
    }

    /// Mean over the rows with a valid pixel. Over several batches, counts pooled by batch are pooled over all of them.
    ///
    /// # Shapes
    ///
    /// - loss: `[R, 1]`
    pub fn mean_over_rows(&self, loss: Tensor<2>, ratio: Ratio) -> Measured {
        let mean = reduce::mean_over_rows(loss, self.present.clone());
        match self.pool {
            Pool::Image => mean,
            Pool::Batch => {
                let counts = [&self.both, &self.predicted, &self.truth, &self.valid];
                let counts = counts.map(|counts| counts.clone().flatten::<1>(0, 1));
                Measured::ratio(mean.value, ratio, counts.to_vec())
            }
        }
    }
}

/// A ratio of soft counts, as plain numbers: `(gain tp + smooth) / (gain tp + alpha fp + beta fn + smooth)`, and the loss
/// `outer(1 - ratio)`, taken of the mean over classes.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    /// Weight of true positives.
    pub gain: f64,
    /// Weight of false positives.
    pub alpha: f64,
    /// Weight of false negatives.
    pub beta: f64,
    /// Added to both sides.
    pub smooth: f64,
    /// What the loss makes of 1 - ratio.
    pub outer: Outer,
    /// Whether there is one channel, which counts on pixels without a lesion too.
    pub binary: bool,
}

/// What a loss makes of 1 - a ratio.
#[derive(Clone, Copy, Debug)]
pub enum Outer {
    /// Its power; that of 1 is itself.
    Power(f64),
    /// A function of it.
    Function(fn(f64) -> f64),
}

impl Ratio {
    /// The loss of sums over any number of pixels: of each class the probability where the truth is the class, then of
    /// each all its probability, then of each its pixels, and last the number of valid pixels. `None` without any.
    pub fn loss(&self, sums: &[f64]) -> Option<f64> {
        let (valid, counts) = sums.split_last()?;
        let classes = counts.len() / 3;
        let [both, predicted, truth] =
            [0, 1, 2].map(|part| &counts[part * classes..(part + 1) * classes]);
        if *valid == 0.0 {
            return None;
        }
        let present = (0..classes).filter(|&class| self.binary || truth[class] > 0.0);
        let losses: Vec<f64> = present
            .map(|class| {
                let tp = both[class];
                let (fp, missed) = (predicted[class] - tp, truth[class] - tp);
                let denominator =
                    self.gain * tp + self.alpha * fp + self.beta * missed + self.smooth;
                let denominator = denominator.max(f64::from(SMALLEST_DENOMINATOR));
                1.0 - (self.gain * tp + self.smooth) / denominator
            })
            .collect();
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        Some(match self.outer {
            Outer::Power(1.0) => mean,
            Outer::Power(gamma) => mean.max(f64::from(SMALLEST_BASE)).powf(gamma),
            Outer::Function(function) => function(mean),
        })
    }
}

/// Keeps 0 / 0 away where `smooth` is 0, as in segmentation_models_pytorch.
const SMALLEST_DENOMINATOR: f32 = 1e-7;

/// Rounding may leave a perfect row below 0, where a power is not defined, and the power's slope at 0 may be infinite.
pub const SMALLEST_BASE: f32 = 1e-7;

/// Probability of the lesion, or of each class.
///
/// # Shapes
///
/// - logits, output: `[N, C, H, W]`
pub fn probabilities(logits: Tensor<4>, target: &Target) -> Tensor<4> {
    if target.is_binary() { sigmoid(logits) } else { softmax(logits, 1) }
}

fn pooled(tensor: Tensor<4>, pool: Pool) -> Tensor<2> {
    let images = per_channel(tensor);
    match pool {
        Pool::Image => images,
        Pool::Batch => images.sum_dim(0),
    }
}
