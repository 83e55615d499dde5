//! `evaluation.keep`: which steps after the network are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BestOnValidThreshold;

/// Which steps after the network are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum KeepSpec {
    /// All that the spec names.
    Always(KeepAlways),
    /// Of test-time augmentation, refinement and each step of `post-process`, in this order, those with which the metric is
    /// higher on the validation split than with those kept before.
    IfBetterOnValid(BestOnValidThreshold),
}

impl Default for KeepSpec {
    fn default() -> Self {
        Self::Always(KeepAlways {})
    }
}

/// Settings of `always`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepAlways {}
