//! What attention gates let through.

use burn::tensor::Tensor;

use super::method::{Attribution, Settings, Unfit, layer_of};
use super::{Heat, Subject, numbers};
use crate::error::{Error, Result};
use crate::model::{self, ModelSpec, Net};

/// Coefficients of an attention gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The gate.
    pub gate: String,
}

impl Attribution for Gate {
    const SETTINGS: &'static [&'static str] = &["layer"];

    fn new(settings: Settings, model: &ModelSpec, _: usize) -> Result<Self, Unfit> {
        let gates = model::gates(model);
        let Some(last) = gates.last().cloned() else {
            return Err(Unfit {
                key: "method",
                message: "the network has no attention gate".into(),
                help: "`attention-unet` has".into(),
            });
        };
        layer_of(settings.layer, gates, || last).map(|gate| Self { gate })
    }

    fn layer(&self) -> Option<&str> {
        Some(&self.gate)
    }

    fn heat(&self, subject: &Subject) -> Result<Heat> {
        coefficients(subject.net, subject.input.clone(), &self.gate)
    }
}

/// The coefficients of an attention gate (Oktay et al. 2018) for one image, at the gate's own size: how much of each
/// place of the skip is let through, whatever the class. They are as they are, not scaled to a highest value of 1.
///
/// # Shapes
/// - input: `[1, channels, height, width]`
///
/// # Errors
/// If the network has no such gate.
pub fn coefficients(net: &Net, input: Tensor<4>, name: &str) -> Result<Heat> {
    let mut gates = net.gates(input);
    let Some(index) = gates.iter().position(|(gate, _)| gate == name) else {
        let names: Vec<String> = gates.into_iter().map(|(gate, _)| gate).collect();
        let has = if names.is_empty() { "none".into() } else { names.join(", ") };
        return Err(Error::user(format!("the network has no gate `{name}`; it has {has}")));
    };
    let (_, maps) = gates.swap_remove(index);
    let [_, _, height, width] = maps.dims();
    Ok(Heat { width, height, values: numbers(maps) })
}
