//! `[gate]`: bounds that figures must keep.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A bound on a figure; `at-least`, `at-most` or `worse-at-most` is needed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GateSpec {
    /// The figure must not be below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// The figure must not be above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// The figure must not be worse by more than this than what `against` says. It is in the figure's own unit; worse is lower
    /// where higher is better, and higher where lower is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub worse_at_most: Option<f64>,
    /// What `worse-at-most` compares with; if absent, the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Against>,
    /// Whose figure is compared; if absent, that of each run.
    #[serde(default, skip_serializing_if = "JudgedCases::are_of_each_run")]
    pub of: JudgedCases,
    /// Which number of the figure is compared with the bounds; if absent, its value.
    #[serde(default, skip_serializing_if = "JudgedNumber::is_value")]
    pub on: JudgedNumber,
}

/// What a gate compares a figure with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The figure in the file that `run.baseline` names, which `oncospec ci --accept` writes. The gate falls where there is
    /// none.
    #[default]
    Baseline,
    /// The figure of the last other finished run of the experiment and seed whose gates hold; of a fold, of the same fold
    /// and division, and of a sweep, of the last one that it chose. The gate holds where there is none.
    LastRun,
}

/// Of which cases a gate compares a figure.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum JudgedCases {
    /// Of those of each run, so that every fold must keep the bound.
    #[default]
    EachRun,
    /// Of the test cases of all folds, each scored by the run that was not trained on it: the row of folds on the page. It is
    /// judged where all folds are finished, and `worse-at-most` compares with the baseline.
    AllFolds,
}

impl JudgedCases {
    /// Whether they are those of each run.
    pub fn are_of_each_run(&self) -> bool {
        *self == Self::EachRun
    }
}

/// Which number of a figure a gate compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JudgedNumber {
    /// Its value.
    #[default]
    Value,
    /// The lower end of its 95 % interval.
    Low,
    /// The upper end of its 95 % interval.
    High,
}

impl JudgedNumber {
    /// Whether it is the value.
    pub fn is_value(&self) -> bool {
        *self == Self::Value
    }
}
