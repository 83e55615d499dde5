//! Which pixels of a mask are foreground.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which pixels of a mask are lesion. A palette is read through its colours, never by its indices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ForegroundSpec {
    /// Black (0) is background and the one other value that masks hold is lesion; masks with more values are refused.
    TwoValued(TwoValuedForeground),
    /// Pixels whose brightest channel is above a threshold.
    Above(ThresholdForeground),
    /// Pixels of some grey values.
    Values(ValuesForeground),
    /// Pixels whose opacity (the alpha channel) is above a threshold.
    AlphaAbove(ThresholdForeground),
}

impl Default for ForegroundSpec {
    fn default() -> Self {
        Self::TwoValued(TwoValuedForeground {})
    }
}

/// Settings of `two-valued`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TwoValuedForeground {}

/// What lies above a threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ThresholdForeground {
    /// The highest value, of 0 to 255, that is still background.
    #[schemars(range(max = 254))]
    pub threshold: u8,
}

/// What has one of some values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ValuesForeground {
    /// The values that are lesion, of 0 to 255 (a mask of one bit holds 0 and 255); all others are background.
    #[schemars(length(min = 1, max = 255))]
    pub values: Vec<u8>,
}
