//! Weights of classes in a loss.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

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

impl ClassWeights {
    /// The weight of each class, 1 for all where `None`; `class_pixels` counts the pixels of each in the training
    /// split.
    ///
    /// # Errors
    ///
    /// The user's, if balanced weights are asked for and no pixel is labelled.
    pub fn decided(&self, class_pixels: &[u64]) -> Result<Option<Vec<f64>>> {
        Ok(match self {
            Self::Equal(_) => None,
            Self::Balanced(_) => Some(balanced_weights(class_pixels)?),
            Self::Given(given) => Some(given.values.clone()),
        })
    }

    /// Why listed weights do not fit so many classes.
    pub fn problem(&self, classes: usize) -> Option<String> {
        let Self::Given(given) = self else { return None };
        let weights = given.values.len();
        if weights != classes {
            return Some(format!("{weights} weights for {classes} classes; give one each"));
        }
        let none_counts = given.values.iter().all(|&weight| weight == 0.0);
        none_counts.then(|| "all weights are 0, so nothing would be learned".into())
    }
}

/// Weights inverse to the pixels of each class, averaging 1 over the classes present. A class
/// without a pixel weighs 0.
///
/// # Errors
///
/// The user's, if no class has a pixel.
fn balanced_weights(class_pixels: &[u64]) -> Result<Vec<f64>> {
    let inverse = |pixels: u64| if pixels == 0 { 0.0 } else { 1.0 / pixels as f64 };
    let total: f64 = class_pixels.iter().copied().map(inverse).sum();
    if total == 0.0 {
        return Err(Error::user(
            "loss.class-weights: balanced weights need a labelled pixel in the training split, \
             and there is none",
        ));
    }
    let present = class_pixels.iter().filter(|&&pixels| pixels > 0).count() as f64;
    Ok(class_pixels.iter().map(|&pixels| inverse(pixels) * present / total).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_are_inverse_to_pixels_and_average_1_over_the_classes_present() {
        assert_eq!(balanced_weights(&[30, 10, 0]).unwrap(), [0.5, 1.5, 0.0]);
        let error = balanced_weights(&[0, 0]).unwrap_err().to_string();
        assert!(error.contains("labelled pixel"), "{error}");
    }
}
