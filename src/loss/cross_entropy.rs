//! Cross-entropy over classes.

use std::collections::BTreeSet;

use burn::tensor::{Tensor, activation::log_softmax};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(test)]
use super::testing::Example;
use super::{
    LossFunction, Outputs, Problems, Scope, class_weights::ClassWeights, measured::Measured,
    reduce, target::Target,
};
use crate::error::Result;
use crate::kernels::{constant, surprise};

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

/// Cross-entropy of each pixel over the classes, averaged over the valid pixels.
///
/// With `p` the softmax of the logits, `y` the true class of a pixel, weights `w` and label
/// smoothing `s` over `C` classes,
///
/// ```text
/// sum over pixels ((1 - s) w[y] (-log p[y]) + s / C sum over c (w[c] (-log p[c])))
/// -------------------------------------------------------------------------------
///                            sum over pixels w[y]
/// ```
///
/// as in PyTorch's `cross_entropy` with `weight`, `label_smoothing` and `ignore_index`.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossEntropy {
    /// A weight for each class; `None` is 1 for all.
    weights: Option<Vec<f64>>,
    label_smoothing: f64,
}

impl LossFunction for CrossEntropy {
    type Settings = CrossEntropySpec;

    fn new(settings: &CrossEntropySpec, class_pixels: &[u64]) -> Result<Self> {
        let weights = settings.class_weights.decided(class_pixels)?;
        Ok(Self { weights, label_smoothing: settings.label_smoothing })
    }

    fn check(settings: &CrossEntropySpec, outputs: Outputs, problems: &mut Problems) {
        match outputs.classes() {
            None => problems.add(
                "kind",
                "`cross-entropy` is for several classes, and this network has one output, the \
                 foreground; use `bce`",
            ),
            Some(classes) => {
                if let Some(message) = settings.class_weights.problem(classes) {
                    problems.add("class-weights.values", message);
                }
            }
        }
    }

    fn scopes(_: &CrossEntropySpec) -> BTreeSet<Scope> {
        Scope::Pixels.into()
    }

    /// 0 where no pixel of a class with a weight is valid.
    fn forward(&self, logits: Tensor<4>, target: &Target) -> Measured {
        let of_truth = surprise(logits.clone(), target.labels.clone());
        let weights = self.weights.as_ref();
        let weights = weights.map(|all| {
            let all: Vec<f32> = all.iter().map(|&weight| weight as f32).collect();
            constant(&all, [all.len()], &logits.device())
        });
        let weight = match &weights {
            Some(weights) => {
                let of_pixels = weights.clone().select(0, target.labels.clone().flatten(0, 3));
                of_pixels.reshape(target.valid.dims()) * target.valid.clone()
            }
            None => target.valid.clone(),
        };
        let of_truth = reduce::sum(of_truth * weight.clone());
        let loss = if self.label_smoothing == 0.0 {
            of_truth
        } else {
            let classes = logits.dims()[1];
            let of_classes = -log_softmax(logits, 1);
            let all = match weights {
                Some(weights) => of_classes * weights.reshape([1, classes, 1, 1]),
                None => of_classes,
            };
            let of_all = reduce::sum(all.sum_dim(1) * target.valid.clone());
            let part = self.label_smoothing / classes as f64;
            of_truth * (1.0 - self.label_smoothing) + of_all * part
        };
        Measured::mean(loss, reduce::sum(weight))
    }

    #[cfg(test)]
    fn examples() -> Vec<Example> {
        let weighted = "label-smoothing = 0.1\n\
                        class-weights = { kind = 'given', values = [1, 0.2, 3] }";
        vec![Example::classes(""), Example::classes(weighted)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, gradient, labels, logits};
    use super::*;

    fn weighted(weights: Option<Vec<f64>>, label_smoothing: f64) -> CrossEntropy {
        CrossEntropy { weights, label_smoothing }
    }

    fn loss(loss: CrossEntropy, values: &[f32], truth: &[i64]) -> f32 {
        let classes = values.len() / truth.len();
        let target = Target::new(labels(truth), classes);
        loss.forward(logits(classes, values), &target).value.into_scalar()
    }

    #[test]
    fn undecided_pixels_cost_the_logarithm_of_the_number_of_classes() {
        assert_close(loss(weighted(None, 0.0), &[0.0; 6], &[0, 2]), 3f32.ln());
    }

    #[test]
    fn the_mean_is_weighted_by_the_classes_of_the_valid_pixels() {
        // Pixels: class 0 with p = 3/4, class 1 with p = 1/4, an ignored one.
        let log_3 = 3f32.ln();
        let values = [log_3, log_3, 9.0, 0.0, 0.0, 0.0];
        let loss_by_class = weighted(Some(vec![1.0, 3.0]), 0.0);
        let expected = ((4.0 / 3.0f32).ln() + 3.0 * 4f32.ln()) / 4.0;
        assert_close(loss(loss_by_class, &values, &[0, 1, 255]), expected);
    }

    #[test]
    fn smoothing_spreads_a_part_of_the_target_over_all_classes() {
        let smooth = weighted(None, 0.2);
        let expected = 0.9 * (4.0 / 3.0f32).ln() + 0.1 * 4f32.ln();
        assert_close(loss(smooth, &[3f32.ln(), 0.0], &[0]), expected);
    }

    #[test]
    fn pixels_of_a_class_with_weight_zero_cost_nothing() {
        let loss_by_class = weighted(Some(vec![1.0, 0.0]), 0.1);
        assert_eq!(loss(loss_by_class, &[1.0, 2.0], &[1]), 0.0);
    }

    #[test]
    fn the_gradient_is_softmax_minus_truth_over_valid_pixels() {
        let log_3 = 3f32.ln();
        let values = [log_3, 5.0, 0.0, 0.0];
        let gradient = gradient(2, &values, &[0, 255], |logits, target| {
            weighted(None, 0.0).forward(logits, target)
        });
        for (found, expected) in gradient.iter().zip([-0.25, 0.0, 0.25, 0.0]) {
            assert_close(*found, expected);
        }
    }
}
