//! A weighted sum of losses.

use std::collections::BTreeSet;

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(test)]
use super::testing::Example;
use super::{
    Loss, LossFunction, LossSpec, Outputs, Problems, Scope, measured::Measured, target::Target,
};
use crate::error::Result;

/// A weighted sum of other losses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SumSpec {
    /// The losses and their weights.
    #[schemars(length(min = 1, max = 16))]
    pub terms: Vec<TermSpec>,
}

/// One loss of a sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TermSpec {
    /// What it is multiplied by.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0, max = 1e6))]
    pub weight: f64,
    /// The loss.
    #[serde(flatten)]
    pub loss: LossSpec,
}

impl Default for LossSpec {
    /// Binary cross-entropy and soft Dice, weighed alike.
    fn default() -> Self {
        let term = |loss| TermSpec { weight: 1.0, loss };
        let terms = vec![term(Self::Bce(Default::default())), term(Self::Dice(Default::default()))];
        Self::Sum(SumSpec { terms })
    }
}

fn one() -> f64 {
    1.0
}

/// `sum over terms (weight * loss)`, of one forward pass and one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Sum {
    /// The losses and their weights.
    terms: Vec<(f64, Loss)>,
}

impl LossFunction for Sum {
    type Settings = SumSpec;

    fn new(settings: &SumSpec, class_pixels: &[u64]) -> Result<Self> {
        let terms = settings.terms.iter();
        let terms = terms.map(|term| Ok((term.weight, term.loss.decided(class_pixels)?)));
        Ok(Self { terms: terms.collect::<Result<_>>()? })
    }

    fn check(settings: &SumSpec, outputs: Outputs, problems: &mut Problems) {
        if settings.terms.is_empty() {
            problems.add("terms", "a sum needs at least one loss");
        } else if settings.terms.iter().all(|term| term.weight == 0.0) {
            problems.add("terms", "all weights are 0, so nothing would be learned");
        }
        for (index, term) in settings.terms.iter().enumerate() {
            problems.below(&format!("terms[{index}]"), |problems| {
                term.loss.check(outputs, problems);
            });
        }
    }

    fn scopes(settings: &SumSpec) -> BTreeSet<Scope> {
        settings.terms.iter().flat_map(|term| term.loss.scopes()).collect()
    }

    fn forward(&self, logits: Tensor<4>, target: &Target) -> Measured {
        let terms = self.terms.iter();
        let terms = terms.map(|(weight, loss)| loss.of(logits.clone(), target).weighted(*weight));
        terms.reduce(Measured::plus).expect("a sum has a term")
    }

    fn for_splits(self) -> Self {
        let terms = self.terms.into_iter();
        Self { terms: terms.map(|(weight, loss)| (weight, loss.for_splits())).collect() }
    }

    #[cfg(test)]
    fn examples() -> Vec<Example> {
        let of_terms = |terms: &[&str]| format!("terms = [{}]", terms.join(", "));
        vec![
            Example::binary(of_terms(&[
                "{ kind = 'bce', weight = 0.5 }",
                "{ kind = 'dice' }",
                "{ kind = 'lovasz' }",
            ])),
            Example::binary(of_terms(&[
                "{ kind = 'bce' }",
                "{ kind = 'lovasz', pool = 'image', weight = 0.5 }",
            ])),
            Example::classes(of_terms(&["{ kind = 'cross-entropy' }", "{ kind = 'dice' }"])),
            Example::classes(of_terms(&[
                "{ kind = 'cross-entropy' }",
                "{ kind = 'dice', weight = 2.0 }",
            ])),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, gradient, labels, logits};
    use super::*;

    fn bce_and_dice() -> Sum {
        let terms = "terms = [{ kind = 'bce', weight = 0.5 }, { kind = 'dice', weight = 2.0 }]";
        Sum::new(&toml::from_str(terms).unwrap(), &[]).unwrap()
    }

    #[test]
    fn terms_are_added_with_their_weights() {
        let target = Target::new(labels(&[0, 1]), 1);
        let loss = bce_and_dice().forward(logits(1, &[0.0, 0.0]), &target);
        assert_close(loss.value.into_scalar(), 0.5 * 2f32.ln() + 2.0 / 3.0);
    }

    #[test]
    fn gradients_are_added_with_their_weights() {
        let found = gradient(1, &[0.0, 0.0], &[0, 1], |logits, target| {
            bce_and_dice().forward(logits, target)
        });
        assert_close(found[0], 0.5 * 0.25 + 2.0 * 2.0 / 36.0);
        assert_close(found[1], 0.5 * -0.25 + 2.0 * -4.0 / 36.0);
    }
}
