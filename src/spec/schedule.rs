//! `[schedule]`: epochs, batches and the optimizer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::metric::Goal;
use crate::split_name::SplitName;

/// Epochs, batches and the optimizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ScheduleSpec {
    /// Times that training draws as many cases as it has; with `sampler = "shuffle"` each of them once.
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: u32,
    /// Which training cases an epoch draws.
    #[serde(skip_serializing_if = "Sampler::is_default")]
    #[schemars(extend("default" = "shuffle"))]
    pub sampler: Sampler,
    /// Cases in one forward and backward pass.
    #[schemars(range(min = 1, max = 4096))]
    pub batch_size: u32,
    /// Leave out the last cases of an epoch where they make no whole batch. Other cases are left out in each epoch.
    pub drop_last: bool,
    /// Batches whose gradients are averaged before the optimizer steps.
    #[schemars(range(min = 1, max = 1024))]
    pub accumulate: u32,
    /// Keep only the inputs of the network's blocks and recompute the rest for the gradients: less memory, more time, the
    /// same result but for rounding.
    pub activation_checkpointing: bool,
    /// Number format of products in training; if absent, `f32` on the CPU and `tf32` on a GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// How gradients change the weights.
    pub optimizer: OptimizerSpec,
    /// How the learning rate changes over the run.
    pub learning_rate_schedule: RateSpec,
    /// Epochs over whose n steps the learning rate first rises, from 1/n of itself to all of it.
    #[schemars(range(min = 0.0, max = 10_000.0))]
    pub warm_up_epochs: f64,
    /// Learning rates of their own for some layers; of several that fit a layer the last counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub layer_rates: Vec<LayerRateSpec>,
    /// The epoch, counted from 1, from which on the model's frozen layers are trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 100_000))]
    pub unfreeze_epoch: Option<u32>,
    /// Limit on the gradients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<ClipSpec>,
    /// Exponential moving average of the weights, used for validation, test and the saved model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<EmaSpec>,
    /// Stop when a figure no longer improves; absent, all epochs are run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStoppingSpec>,
    /// Which epoch's weights are kept as the best.
    pub best: BestSpec,
    /// Split that is measured after each epoch: its figures choose the best epoch, stop training early and reduce the rate.
    #[serde(skip_serializing_if = "ChosenOn::is_default")]
    #[schemars(extend("default" = "valid"))]
    pub choose_on: ChosenOn,
}

impl Default for ScheduleSpec {
    fn default() -> Self {
        Self {
            epochs: 20,
            sampler: Sampler::default(),
            batch_size: 8,
            drop_last: false,
            accumulate: 1,
            activation_checkpointing: false,
            precision: None,
            optimizer: OptimizerSpec::default(),
            learning_rate_schedule: RateSpec::default(),
            warm_up_epochs: 0.0,
            layer_rates: Vec::new(),
            unfreeze_epoch: None,
            clip: None,
            ema: None,
            early_stopping: None,
            best: BestSpec::default(),
            choose_on: ChosenOn::default(),
        }
    }
}

impl ScheduleSpec {
    /// Batches in an epoch of so many cases.
    pub fn batches(&self, cases: usize) -> usize {
        batches(cases, self.batch_size as usize, self.drop_last)
    }
}

/// Batches of a size in so many cases. The last may be short; it is left out if `drop_last`, unless it is the only one.
pub fn batches(cases: usize, size: usize, drop_last: bool) -> usize {
    let whole = cases / size;
    if drop_last && whole > 0 { whole } else { cases.div_ceil(size) }
}

/// Which training cases an epoch draws; validation and test always see every case once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// Every case once, in random order.
    #[default]
    Shuffle,
    /// As many as there are cases, with each label of images (the class of an image, such as `malignant`) equally often. The
    /// cases of a label are drawn without replacement, and again from all of them when each has come: those of a rare label
    /// come several times an epoch, each time augmented anew, those of a frequent one in some epochs only. Figures of the
    /// training split are then those of the cases drawn.
    Balanced,
}

impl Sampler {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Number format of products in training. Parameters, sums, norms and losses are single precision in all of them, and so
/// are validation, evaluation and prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Single precision: 23 bits of fraction. On GPUs of compute capability 8.0 and above Burn may always choose TF32, so
    /// that it is refused there.
    F32,
    /// On a GPU, single precision whose products may round their factors to 10 bits of fraction (TF32), where that is
    /// faster: from compute capability 8.0 on.
    Tf32,
    /// On a GPU, convolutions of factors in bfloat16, 7 bits of fraction: from compute capability 8.0 on.
    Bf16,
}

impl Precision {
    /// As a spec writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }
}

/// How gradients change the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OptimizerSpec {
    /// Adam (Kingma and Ba 2015); weight decay is added to the gradient.
    Adam(AdamSpec),
    /// AdamW (Loshchilov and Hutter 2019); weight decay is decoupled.
    Adamw(AdamSpec),
    /// Stochastic gradient descent with momentum.
    Sgd(SgdSpec),
}

impl Default for OptimizerSpec {
    fn default() -> Self {
        Self::Adam(AdamSpec::default())
    }
}

impl OptimizerSpec {
    /// The learning rate before any schedule.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::Adam(adam) | Self::Adamw(adam) => adam.learning_rate,
            Self::Sgd(sgd) => sgd.learning_rate,
        }
    }

    /// Whether weight decay covers norms and biases.
    pub fn decays_norms(&self) -> bool {
        match self {
            Self::Adam(adam) | Self::Adamw(adam) => adam.decay_norms,
            Self::Sgd(sgd) => sgd.decay_norms,
        }
    }
}

/// Adam and AdamW.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AdamSpec {
    /// Learning rate before any schedule.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub learning_rate: f64,
    /// Decay of the first and of the second moment.
    #[schemars(inner(range(min = 0.0, max = 1.0)))]
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub epsilon: f64,
    /// Weight decay.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub weight_decay: f64,
    /// Whether norms and biases decay too.
    pub decay_norms: bool,
}

impl Default for AdamSpec {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
            decay_norms: true,
        }
    }
}

/// Stochastic gradient descent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SgdSpec {
    /// Learning rate before any schedule.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub learning_rate: f64,
    /// Momentum; 0 is none.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub momentum: f64,
    /// Nesterov's variant of momentum.
    pub nesterov: bool,
    /// Weight decay, added to the gradient.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub weight_decay: f64,
    /// Whether norms and biases decay too.
    pub decay_norms: bool,
}

impl Default for SgdSpec {
    fn default() -> Self {
        Self {
            learning_rate: 1e-2,
            momentum: 0.9,
            nesterov: false,
            weight_decay: 0.0,
            decay_norms: true,
        }
    }
}

/// How the learning rate changes over the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RateSpec {
    /// It does not.
    Constant(ConstantRate),
    /// Half a cosine from the learning rate to `minimum`, step by step.
    Cosine(CosineRate),
    /// (1 - t)^power of the learning rate, step by step.
    Polynomial(PolynomialRate),
    /// Multiplied by `factor` every `every` epochs.
    Step(StepRate),
    /// Up to the learning rate and down again (Smith and Topin 2019), step by step.
    OneCycle(OneCycleRate),
    /// Multiplied by `factor` when a figure has not improved for `patience` epochs.
    ReduceOnPlateau(PlateauRate),
}

impl Default for RateSpec {
    fn default() -> Self {
        Self::Constant(ConstantRate {})
    }
}

/// Settings of `constant`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConstantRate {}

/// Half a cosine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CosineRate {
    /// Learning rate at the end.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub minimum: f64,
}

/// Polynomial decay to 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PolynomialRate {
    /// The power.
    #[schemars(range(min = 0.1, max = 10.0))]
    pub power: f64,
}

impl Default for PolynomialRate {
    fn default() -> Self {
        Self { power: 0.9 }
    }
}

/// Steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StepRate {
    /// Epochs between steps.
    #[schemars(range(min = 1, max = 100_000))]
    pub every: u32,
    /// What the rate is multiplied by at each.
    #[serde(default = "tenth")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub factor: f64,
}

/// One cycle, as in PyTorch's `OneCycleLR` with cosine annealing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct OneCycleRate {
    /// Part of the run over which the rate rises.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub rise: f64,
    /// The first rate is the highest over this.
    #[schemars(range(min = 1.0, max = 1e6))]
    pub initial_divisor: f64,
    /// The last rate is the first over this.
    #[schemars(range(min = 1.0, max = 1e9))]
    pub final_divisor: f64,
}

impl Default for OneCycleRate {
    fn default() -> Self {
        Self { rise: 0.3, initial_divisor: 25.0, final_divisor: 1e4 }
    }
}

/// Reduce on plateau.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PlateauRate {
    /// Recorded figure to watch, such as `valid.loss` or `valid.dice.mean`.
    pub metric: String,
    /// Whether lower or higher is better. It follows from the figure; if given, it must agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
    /// Epochs without improvement before the rate is reduced.
    #[schemars(range(min = 1, max = 100_000))]
    pub patience: u32,
    /// What the rate is multiplied by.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub factor: f64,
    /// The rate does not fall below this.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub minimum: f64,
}

impl Default for PlateauRate {
    fn default() -> Self {
        Self { metric: "valid.loss".into(), goal: None, patience: 10, factor: 0.1, minimum: 0.0 }
    }
}

fn tenth() -> f64 {
    0.1
}

impl Goal {
    /// Whether `new` beats `old`.
    pub fn improves(self, new: f64, old: f64) -> bool {
        match self {
            Self::Lowest => new < old,
            Self::Highest => new > old,
        }
    }
}

/// A learning rate of their own for some layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerRateSpec {
    /// A name of the layer table, or one above it: `encoder`, `encoder.layer4`, `encoder.layer4.0.conv1`.
    pub layers: String,
    /// What the learning rate is multiplied by, at every step of its schedule.
    #[schemars(range(min = 1e-9, max = 1000.0))]
    pub factor: f64,
}

impl LayerRateSpec {
    /// Whether it is for a layer, or a tensor of one, of this name.
    pub fn fits(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&self.layers);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// Limit on the gradients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ClipSpec {
    /// Each element lies within plus and minus `limit`.
    Value(ClipLimit),
    /// Each parameter's gradient has, by itself, at most the L2 norm `limit`: Keras's `clipnorm`.
    Norm(ClipLimit),
    /// All parameters' gradients together have at most the L2 norm `limit`: PyTorch's `clip_grad_norm_`.
    GlobalNorm(ClipLimit),
}

/// The limit of a gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClipLimit {
    /// The largest value, or norm, that a gradient keeps.
    #[schemars(range(min = 1e-9, max = 1e9))]
    pub limit: f64,
}

/// Exponential moving average of the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmaSpec {
    /// Part of the old average that each optimizer step keeps.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub decay: f64,
}

/// Stop when a figure no longer improves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EarlyStoppingSpec {
    /// Recorded figure to watch, such as `valid.loss` or `valid.dice.mean`.
    #[serde(default = "valid_loss")]
    pub metric: String,
    /// Whether lower or higher is better. It follows from the figure; if given, it must agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
    /// Epochs without improvement before training stops.
    #[schemars(range(min = 1, max = 100_000))]
    pub patience: u32,
    /// Smallest change that counts as an improvement.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1e9))]
    pub minimum_change: f64,
}

fn valid_loss() -> String {
    "valid.loss".into()
}

/// The split that is measured after each epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChosenOn {
    /// Validation, whose images are not reported.
    #[default]
    Valid,
    /// Test, as many published tables choose their epoch: on the very images that they report. Its figures are then too good,
    /// of which `check` and `plan` warn and which the page says in red; no comparison concludes from them, and each epoch
    /// counts as a reading of test. Figures that decide are named `test.loss`, and validation may have no case.
    Test,
}

impl ChosenOn {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The split.
    pub fn split(self) -> SplitName {
        match self {
            Self::Valid => SplitName::Valid,
            Self::Test => SplitName::Test,
        }
    }
}

/// Which epoch's weights are kept as the best.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct BestSpec {
    /// Recorded figure that decides, of the split of `schedule.choose-on`, such as `valid.loss`.
    pub metric: String,
    /// Whether lower or higher is better. It follows from the figure; if given, it must agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
}

impl Default for BestSpec {
    fn default() -> Self {
        Self { metric: valid_loss(), goal: None }
    }
}
