//! The objective that training minimises.

use burn::tensor::{Int, Tensor};

use crate::loss::{Loss, Measured, MultiTask};
use crate::model::Logits;

/// The loss of pixels, or of whole images; with a second head the weighted sum of both.
#[derive(Clone, Debug)]
pub struct Objective {
    /// The loss of the network's own outputs.
    pub loss: Loss,
    /// The loss of a second head, which gives images their class.
    pub multi_task: Option<MultiTask>,
}

impl Objective {
    /// Its mean over a batch, and the sums behind that.
    ///
    /// # Shapes
    /// - labels: `[batch, height, width]`; of whole images `[batch, 1, 1]`
    /// - classes: those of images, for a second head, `[batch, 1, 1]`
    pub fn measure(
        &self,
        logits: Logits,
        labels: Tensor<3, Int>,
        classes: Option<Tensor<3, Int>>,
    ) -> Measured {
        let loss = self.loss.measure(logits.pixels, labels);
        match (&self.multi_task, logits.images, classes) {
            (Some(second), Some(images), Some(classes)) => second.forward(loss, images, classes),
            _ => loss,
        }
    }

    /// The same in a form that does not depend on how a split is parted into batches.
    pub fn for_splits(&self) -> Self {
        Self { loss: self.loss.clone().for_splits(), ..self.clone() }
    }
}
