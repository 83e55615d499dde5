//! Lovász hinge and Lovász-softmax.

use std::collections::BTreeSet;

use burn::tensor::{Tensor, activation::relu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(test)]
use super::testing::Example;
use super::{
    LossFunction, Outputs, Problems, Scope,
    bce::margin,
    measured::Measured,
    overlap::{Pool, check_pixels, probabilities},
    reduce::{self, positive},
    target::Target,
};
use crate::error::Result;

/// Lovász loss.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LovaszSpec {
    /// Over which pixels errors are ranked.
    pub pool: Pool,
}

/// The Lovász extension of the Jaccard loss (Berman, Triki and Blaschko 2018).
///
/// Errors `e` of the valid pixels, in the batch or in each image, are sorted from high to low;
/// the i-th costs what the Jaccard loss rises by when it too is wrong:
///
/// ```text
/// sum over i (e[i] (J({1..i}) - J({1..i-1})))
/// ```
///
/// With one lesion channel the error is the hinge `max(0, 1 - x)` on the lesion and
/// `max(0, 1 + x)` elsewhere; with several classes it is `|y - p|` of each class, averaged over
/// the classes present in the truth. As the authors' code with `classes="present"`, but that an
/// image without any valid pixel does not lower the mean over images.
#[derive(Clone, Debug, PartialEq)]
pub struct Lovasz {
    pool: Pool,
}

impl LossFunction for Lovasz {
    type Settings = LovaszSpec;

    fn new(settings: &LovaszSpec, _: &[u64]) -> Result<Self> {
        Ok(Self { pool: settings.pool })
    }

    fn check(_: &LovaszSpec, outputs: Outputs, problems: &mut Problems) {
        check_pixels(outputs, problems);
    }

    fn scopes(settings: &LovaszSpec) -> BTreeSet<Scope> {
        match settings.pool {
            Pool::Batch => Scope::RankedImages.into(),
            Pool::Image => Scope::Images.into(),
        }
    }

    fn forward(&self, logits: Tensor<4>, target: &Target) -> Measured {
        let [images, classes, height, width] = logits.dims();
        let truth = target.truth();
        let errors = if target.is_binary() {
            -margin(logits, target) + 1.0
        } else {
            let sign = -(truth.clone() * 2.0) + 1.0;
            probabilities(logits, target) * sign + truth.clone()
        };
        // Below every error that counts, so that ignored pixels are ranked last and cost nothing.
        let valid = target.valid.clone();
        let errors = errors * valid.clone() + (valid.clone() - 1.0);
        let rows = |tensor: Tensor<4>| match self.pool {
            Pool::Image => tensor.reshape([images * classes, height * width]),
            Pool::Batch => tensor.swap_dims(0, 1).reshape([classes, images * height * width]),
        };
        let units = match self.pool {
            Pool::Image => images,
            Pool::Batch => 1,
        };
        let truth = rows(truth);
        let present = if target.is_binary() { rows(valid) } else { truth.clone() };
        let present = positive(present.sum_dim(1)).reshape([units, classes]);
        let loss = extension(rows(errors), truth).reshape([units, classes]);
        let loss = reduce::mean_over_classes(loss, present.clone());
        let mean = reduce::mean_over_rows(loss, present);
        match self.pool {
            Pool::Image => mean,
            Pool::Batch => Measured::of_batch(mean.value, reduce::sum(target.valid.clone())),
        }
    }

    /// The loss of each image, averaged: errors cannot be ranked over more than one batch.
    fn for_splits(self) -> Self {
        Self { pool: Pool::Image }
    }

    #[cfg(test)]
    fn examples() -> Vec<Example> {
        vec![
            Example::binary(""),
            Example::binary("pool = 'image'"),
            Example::classes(""),
            Example::classes("pool = 'image'"),
        ]
    }
}

/// The extension over each row.
///
/// The rise of the Jaccard loss at a pixel is written out instead of subtracting neighbours: with
/// `G` pixels of the class, `I` of them not yet passed and the union `U` of `G` and the pixels
/// passed, it is `1 / U` at a pixel of the class and `I / (U (U - 1))` at another.
///
/// # Shapes
///
/// - errors, truth: `[R, P]`
/// - output: `[R, 1]`
fn extension(errors: Tensor<2>, truth: Tensor<2>) -> Tensor<2> {
    let order = errors.clone().detach().argsort_descending(1);
    let errors = relu(errors.gather(1, order.clone()));
    let truth = truth.gather(1, order);
    let other = -truth.clone() + 1.0;
    let total = truth.clone().sum_dim(1);
    let left = total.clone() - truth.clone().cumsum(1);
    let union = total.clone() + other.clone().cumsum(1);
    let before = (union.clone() - 1.0).clamp_min(1.0);
    let rise = truth / union.clone() + other * left / (union.clone() * before);
    // Without a pixel of the class the first error alone takes the loss from 0 to 1.
    let first = union.equal_elem(1.0).float() * total.equal_elem(0.0).float();
    (errors * (rise + first)).sum_dim(1)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, gradient, labels, logits};
    use super::*;

    fn loss(classes: usize, values: &[f32], truth: &[i64]) -> f32 {
        let target = Target::new(labels(truth), classes);
        Lovasz { pool: Pool::Batch }.forward(logits(classes, values), &target).value.into_scalar()
    }

    #[test]
    fn the_hinge_costs_each_error_what_the_jaccard_loss_rises_by() {
        // Errors 3 (background), 1.5 (lesion), 0.5 (lesion): J = 1/3, 2/3, 1.
        assert_close(loss(1, &[2.0, -0.5, 0.5], &[0, 1, 1]), (3.0 + 1.5 + 0.5) / 3.0);
        // Errors 3 (lesion), 1.5 (background), 0 (lesion): J = 1/2, 2/3.
        assert_close(loss(1, &[-2.0, 0.5, 4.0], &[1, 0, 1]), 3.0 / 2.0 + 1.5 / 6.0);
    }

    #[test]
    fn without_a_lesion_the_highest_error_is_the_loss() {
        assert_close(loss(1, &[0.5, 1.5, -3.0, 9.0], &[0, 0, 0, 255]), 2.5);
    }

    #[test]
    fn softmax_errors_are_averaged_over_the_classes_present() {
        // p = (3/4, 1/4, 0) on one pixel of class 0: only class 0 is present, its error 1/4.
        assert_close(loss(3, &[3f32.ln(), 0.0, -50.0], &[0]), 0.25);
    }

    #[test]
    fn ignored_pixels_do_not_change_the_ranks() {
        let with = loss(1, &[2.0, -9.0, -0.5, 0.5, 9.0], &[0, 255, 1, 1, 255]);
        assert_close(with, 5.0 / 3.0);
    }

    #[test]
    fn the_gradient_is_the_rise_of_the_jaccard_loss() {
        let lovasz = Lovasz { pool: Pool::Batch };
        let found = gradient(1, &[-2.0, 0.5, 4.0, 1.0], &[1, 0, 1, 255], |logits, target| {
            lovasz.forward(logits, target)
        });
        for (found, expected) in found.iter().zip([-0.5, 1.0 / 6.0, 0.0, 0.0]) {
            assert_close(*found, expected);
        }
    }
}
