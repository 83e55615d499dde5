//! Late fusion: numbers about an image, such as age, beside its features.
//!
//! A hidden layer with ReLU makes features of the numbers, which are concatenated with those of the image before the last
//! linear layer of a classifier. That layer is linear in both, `W [f, h] + b = W_f f + b + W_h h`, so that it is kept in two
//! parts: the network's own, with the names of its tensors as they are, and one for the numbers, whose outputs are added
//! to the logits.

use burn::module::{Initializer, Module};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::blocks::pytorchs;
use super::summary::{Maps, Table};
use crate::layer::Layer;

/// What the names of its tensors begin with.
pub(super) const FUSION: &str = "fusion.";

/// What a [`Fusion`] is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FusionConfig {
    /// Numbers of an image.
    pub inputs: usize,
    /// Width of the hidden layer.
    pub hidden: usize,
    /// Classes.
    pub classes: usize,
}

/// From numbers about an image to what they add to its logits.
#[derive(Module, Debug)]
pub struct Fusion {
    hidden: Linear,
    /// The columns of the last linear layer that are for the numbers; its bias is the network's.
    output: Linear,
}

impl FusionConfig {
    /// The layers, whose weights are drawn when they are first used; as PyTorch starts linear layers.
    pub(super) fn init(&self, device: &Device) -> Fusion {
        let linear = |inputs: usize, outputs: usize| {
            LinearConfig::new(inputs, outputs).with_initializer(pytorchs())
        };
        let mut hidden = linear(self.inputs, self.hidden).init(device);
        let biases: Initializer = pytorchs();
        hidden.bias = Some(biases.init_with([self.hidden], Some(self.inputs), None, device));
        Fusion { hidden, output: linear(self.hidden, self.classes).with_bias(false).init(device) }
    }

    /// Its rows of the layer table, below those of the network.
    pub fn layers(&self, batch: usize) -> Vec<Layer> {
        let mut table = Table::new(batch);
        table.linear(&format!("{FUSION}hidden"), self.inputs, self.hidden);
        let [input, output] =
            [self.hidden, self.classes].map(|channels| Maps { channels, sides: [1; 2] });
        table.linear_without_bias(&format!("{FUSION}output"), input, output);
        table.into_rows()
    }
}

impl Fusion {
    /// What the numbers add to the logits.
    ///
    /// # Shapes
    /// - numbers: `[batch, inputs]`
    /// - output: `[batch, classes, 1, 1]`
    pub(super) fn forward(&self, numbers: Tensor<2>) -> Tensor<4> {
        let added = self.output.forward(relu(self.hidden.forward(numbers)));
        let [batch, classes] = added.dims();
        added.reshape([batch, classes, 1, 1])
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::names::collected;
    use super::super::parity::{filled_model, images};
    use super::super::{Model, ModelSpec, Part, WeightsSpec, load_weights, save_weights};
    use super::*;

    #[derive(Deserialize)]
    struct Case {
        network: String,
        input: [usize; 4],
        classes: usize,
        hidden: usize,
        parameters: u64,
        numbers: Vec<Vec<f32>>,
        logits: Vec<f32>,
        gradient: Vec<f32>,
    }

    fn numbers(case: &Case, device: &Device) -> Tensor<2> {
        let shape = [case.numbers.len(), case.numbers[0].len()];
        Tensor::<1>::from_floats(case.numbers.concat().as_slice(), device).reshape(shape)
    }

    fn model(case: &Case, device: &Device) -> (Model, FusionConfig) {
        let spec: ModelSpec = toml::from_str(&case.network).unwrap();
        let inputs = case.numbers[0].len();
        let config = FusionConfig { inputs, hidden: case.hidden, classes: case.classes };
        let model = Model::init(&spec, [case.input[1], case.classes], None, device);
        (model.fusing(Some(config), device), config)
    }

    #[test]
    fn features_side_by_side_before_the_last_layer_give_what_pytorch_gives() {
        let text = std::fs::read_to_string(crate::testing::fixture("fusion.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
        assert_eq!(cases.len(), 3);
        for case in cases {
            let device = Device::flex().autodiff();
            let (model, config) = model(&case, &device);
            let model = filled_model(model).map(&mut super::super::parity::Evaluating);
            let count: usize = collected(&model)
                .iter()
                .filter(|tensor| !tensor.name.contains("running_"))
                .map(|tensor| tensor.shape.num_elements())
                .sum();
            assert_eq!(count as u64, case.parameters);
            let rows = config.layers(2);
            let own: u64 = rows.iter().map(|row| row.parameters).sum();
            let named = collected(&model).into_iter().filter(|one| one.name.starts_with(FUSION));
            assert_eq!(own as usize, named.map(|one| one.shape.num_elements()).sum::<usize>());
            let numbers = numbers(&case, &device).require_grad();
            let seen = model.heads(images(case.input, &device), Some(numbers.clone())).combined();
            let gradients = seen.clone().powf_scalar(2.0).mean().backward();
            let gradient = numbers.grad(&gradients).unwrap().into_data();
            let found = [seen.into_data(), gradient];
            for (found, expected) in found.iter().zip([&case.logits, &case.gradient]) {
                let found: Vec<f32> = found.iter::<f32>().collect();
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(expected) {
                    let tolerance = 1e-4 * expected.abs().max(1.0);
                    assert!((found - expected).abs() < tolerance, "{found}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn its_weights_are_saved_and_loaded_and_weights_of_others_are_for_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let device = Device::flex();
        let spec: ModelSpec = toml::from_str("kind = 'resnet18'").unwrap();
        let config = FusionConfig { inputs: 2, hidden: 3, classes: 2 };
        let made = || Model::init(&spec, [3, 2], None, &device).fusing(Some(config), &device);
        let (one, other) = (made(), made());
        let logits = |model: &Model| {
            let numbers = Tensor::<2>::from_floats([[0.5, -1.0]], &device);
            model.heads(images([1, 3, 32, 32], &device), Some(numbers)).combined().into_data()
        };
        assert_ne!(logits(&one), logits(&other));
        let path = folder.path().join("model.safetensors");
        save_weights(&one, &path).unwrap();
        let (again, _) = load_weights(other, &WeightsSpec::at(&path), Part::Whole).unwrap();
        assert_eq!(logits(&again), logits(&one));
        // A published backbone has none of them.
        let plain = folder.path().join("plain.safetensors");
        save_weights(&Model::init(&spec, [3, 2], None, &device), &plain).unwrap();
        let (_, report) = load_weights(made(), &WeightsSpec::at(&plain), Part::Backbone).unwrap();
        assert!(report.fits(), "{report}");
    }
}
