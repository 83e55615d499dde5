//! A weighted sum of losses.

use burn::tensor::Tensor;

use super::{Loss, measured::Measured, target::Target};

/// `sum over terms (weight * loss)`, of one forward pass and one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Sum {
    /// The losses and their weights.
    pub terms: Vec<(f64, Loss)>,
}

impl Sum {
    /// The sum; 0 if no pixel is valid.
    ///
    /// # Shapes
    ///
    /// - logits: `[N, C, H, W]`
    pub fn forward(&self, logits: Tensor<4>, target: &Target) -> Measured {
        let terms = self.terms.iter();
        let terms = terms.map(|(weight, loss)| loss.of(logits.clone(), target).weighted(*weight));
        terms.reduce(Measured::plus).expect("a sum has a term")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, gradient, labels, logits};
    use super::*;
    use crate::{
        loss::{bce::Bce, dice::Dice},
        spec::{BceSpec, OverlapSpec},
    };

    fn bce_and_dice() -> Sum {
        let bce = Loss::Bce(Bce::from(&BceSpec::default()));
        let dice = Loss::Dice(Dice::from(&OverlapSpec::default()));
        Sum { terms: vec![(0.5, bce), (2.0, dice)] }
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
