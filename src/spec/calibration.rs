//! `evaluation.calibration`: how probabilities are calibrated.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How probabilities are made to say how often they are right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CalibrationSpec {
    /// They stay as they are.
    None(NoCalibration),
    /// Their logarithms, of one foreground its logit, are divided by the temperature with the lowest negative log-likelihood
    /// on the validation split (Guo et al. 2017): one number, with which no class becomes likelier than another.
    Temperature(TemperatureScaling),
}

impl Default for CalibrationSpec {
    fn default() -> Self {
        Self::None(NoCalibration {})
    }
}

/// Settings of `none`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoCalibration {}

/// Settings of `temperature`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemperatureScaling {}
