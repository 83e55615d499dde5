//! `[sweep]`: trials that differ in some keys.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use toml::Value;

/// Trials that differ in some keys, of which the validation split chooses one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct SweepSpec {
    /// Which trials are made.
    #[serde(flatten)]
    pub method: SweepMethod,
    /// Recorded figure of the validation split, at the best epoch, by which a trial is chosen, such as
    /// `valid.dice.lesion`; with several `seeds` its mean over them.
    pub metric: String,
    /// Ends bad trials early by successive halving (Jamieson and Talwalkar 2016; the inner loop of Hyperband, Li et al.
    /// 2018). `metric` must then be a figure of epochs. Trials that are ended can be resumed as any run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halving: Option<HalvingSpec>,
    /// The keys that differ, dotted and in quotes, such as `"schedule.batch-size"`, each with the values that it takes.
    /// They are set as by `--set`.
    pub over: BTreeMap<String, AxisSpec>,
}

/// Which trials are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SweepMethod {
    /// Every combination of the values.
    Grid(GridSweep),
    /// Values drawn independently (Bergstra and Bengio 2012). More `trials` leave the earlier ones as they are.
    Random(RandomSweep),
    /// Values drawn so that each of as many equal parts of a range as there are trials is met once (McKay, Beckman and
    /// Conover 1979).
    LatinHypercube(LatinHypercubeSweep),
}

/// All trials train `epochs` epochs; the best of them, one in `factor`, go on to `factor` times as many, and so on, until
/// those that are left train all epochs of their schedule. A trial counts with its best epoch so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HalvingSpec {
    /// Epochs that every trial trains.
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: u32,
    /// One in how many trials goes on, and how many times as far.
    #[serde(default = "default_factor")]
    #[schemars(range(min = 2, max = 100))]
    pub factor: u32,
}

impl HalvingSpec {
    /// The epochs after which trials are ended, of so many in all.
    pub fn rungs(&self, epochs: u32) -> Vec<u32> {
        let next = |rung: &u32| rung.checked_mul(self.factor);
        std::iter::successors(Some(self.epochs), next).take_while(|rung| *rung < epochs).collect()
    }
}

fn default_factor() -> u32 {
    3
}

/// Settings of `grid`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GridSweep {}

/// Settings of `random`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RandomSweep {
    /// How many are drawn; one that is drawn twice is made once.
    #[schemars(range(min = 1, max = 1000))]
    pub trials: u32,
    /// Seed of the draws; independent of `seeds`.
    #[serde(default)]
    pub seed: u32,
}

/// Settings of `latin-hypercube`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LatinHypercubeSweep {
    /// How many are drawn; one that is drawn twice is made once.
    #[schemars(range(min = 1, max = 1000))]
    pub trials: u32,
    /// Seed of the draws; independent of `seeds`.
    #[serde(default)]
    pub seed: u32,
}

/// The values that a key takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct AxisSpec {
    /// Which values.
    #[serde(flatten)]
    pub range: AxisRange,
    /// The trials that have the key: those in which each of these other keys of the sweep has one of the values. In the
    /// others the key is as it is without the sweep.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Vec<Json>>")]
    pub when: BTreeMap<String, Vec<Value>>,
}

/// Which values a key takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AxisRange {
    /// One of these.
    Values(ValuesAxis),
    /// A number of a range, all equally likely; to four digits.
    Uniform(UniformAxis),
    /// A number of a range whose logarithms are equally likely; to four digits.
    LogUniform(LogUniformAxis),
}

/// One of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValuesAxis {
    /// The values, which may be tables and arrays; `false` switches off what may be left out.
    #[schemars(with = "Vec<Json>", length(min = 1, max = 1000))]
    pub values: Vec<Value>,
}

/// A number of a range, all equally likely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UniformAxis {
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
    /// Whether only whole numbers are drawn.
    #[serde(default)]
    pub whole: bool,
}

/// A number of a range whose logarithms are equally likely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogUniformAxis {
    /// The lowest, above 0.
    pub low: f64,
    /// The highest.
    pub high: f64,
    /// Whether only whole numbers are drawn.
    #[serde(default)]
    pub whole: bool,
}
