//! The head of a classifier: from features of the whole image to the logits of its class.

use burn::module::{Initializer, Module};
use burn::nn::{Dropout, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::blocks::pytorchs;
use super::summary::{Maps, Table};
use crate::kernels;

/// What a [`Head`] is made of.
#[derive(Clone, Debug)]
pub(super) struct HeadConfig {
    /// Features, widths of hidden layers, classes.
    widths: Vec<usize>,
    weights: Initializer,
    biases: Initializer,
}

/// One linear layer, or several with ReLU between them.
#[derive(Module, Debug)]
pub(super) enum Head {
    /// One.
    Linear(Linear),
    /// Several: a multi-layer perceptron.
    Mlp(Vec<Linear>),
}

impl HeadConfig {
    /// From the number of features, the widths of hidden layers, and the number of classes; as PyTorch starts linear
    /// layers.
    pub(super) fn new(features: usize, hidden: &[u32], classes: usize) -> Self {
        let hidden = hidden.iter().map(|&width| width as usize);
        let widths = [features].into_iter().chain(hidden).chain([classes]).collect();
        Self { widths, weights: pytorchs(), biases: pytorchs() }
    }

    /// With weights that start otherwise.
    pub(super) fn with_weights(self, weights: Initializer) -> Self {
        Self { weights, ..self }
    }

    /// With biases that start at zero.
    pub(super) fn with_zero_biases(self) -> Self {
        Self { biases: Initializer::Zeros, ..self }
    }

    /// The head.
    pub(super) fn init(&self, device: &Device) -> Head {
        let mut layers: Vec<Linear> = self
            .widths
            .windows(2)
            .map(|pair| {
                let mut layer = LinearConfig::new(pair[0], pair[1])
                    .with_initializer(self.weights.clone())
                    .init(device);
                let fan_in = Some(pair[0]);
                layer.bias = Some(self.biases.init_with([pair[1]], fan_in, None, device));
                layer
            })
            .collect();
        if layers.len() == 1 { Head::Linear(layers.remove(0)) } else { Head::Mlp(layers) }
    }

    /// Adds its rows to the layer table.
    pub(super) fn summarise(&self, table: &mut Table, name: &str) {
        let last = self.widths.len() - 2;
        for (index, pair) in self.widths.windows(2).enumerate() {
            let name = if last == 0 { name.to_string() } else { format!("{name}.{index}") };
            table.linear(&name, pair[0], pair[1]);
        }
    }
}

impl Head {
    /// Logits of each class from maps of features, which are averaged; there is dropout before each layer.
    ///
    /// # Shapes
    /// - maps: `[batch, features, height, width]`
    /// - output: `[batch, classes, 1, 1]`
    pub(super) fn forward(&self, maps: Tensor<4>, dropout: &Dropout) -> Tensor<4> {
        let [batch, features, _, _] = maps.dims();
        let pooled = kernels::average(maps).reshape([batch, features]);
        let logits: Tensor<2> = match self {
            Self::Linear(layer) => layer.forward(dropout.forward(pooled)),
            Self::Mlp(layers) => layers.iter().enumerate().fold(pooled, |x, (index, layer)| {
                let x = if index > 0 { burn::tensor::activation::relu(x) } else { x };
                layer.forward(dropout.forward(x))
            }),
        };
        let [batch, classes] = logits.dims();
        logits.reshape([batch, classes, 1, 1])
    }
}

/// Adds the row of averaging over the whole of the maps to the layer table.
pub(super) fn summarise_average(table: &mut Table, name: &str, maps: Maps) -> Maps {
    table.plain(name, "Average over pixels", maps, Maps { sides: [1; 2], ..maps })
}
