//! Attention U-Net: U-Net with dropout in its blocks and a gate on each skip.
//!
//! The gate follows Oktay et al. 2018 ("Attention U-Net: Learning Where to Look for the Pancreas")
//! with the changes of a public Keras notebook on BUSI (breast_cancer_attention_unet.ipynb, 2022): 3x3
//! convolutions with ReLU instead of 1x1 ones, one attention map up-sampled by repetition, and batch
//! normalisation of the gated skip. Layer for layer the notebook's, so that its weights can be carried
//! over; Keras's batch norm has epsilon 1e-3 and keeps 0.99 of its running statistics, a momentum of
//! 0.01 in Burn.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::{Architecture, Design, Network};
use super::blocks::{
    Convolution, DoubleConv, DoubleConvConfig, NormKind, glorot_uniform, he_normal,
    summarise_nearest,
};
use super::catalogue::WeightsSpec;
use super::contracting_path::{self, contract};
use super::problems::Problems;
use super::summary::{Maps, Table};
use super::watch::{self, place};
use crate::kernels::{self, After, Input, Source};

/// Attention U-Net; the defaults are those of a public Keras notebook on BUSI.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AttentionUnetSpec {
    /// Channels of the encoder's levels, shallowest first; the bottleneck has twice the last.
    #[schemars(length(min = 1, max = 7), inner(range(min = 1, max = 4096)))]
    pub filters: Vec<u32>,
    /// Dropout probability of each encoder level, then of the bottleneck; the decoder mirrors the levels.
    #[schemars(length(min = 2, max = 8), inner(range(min = 0.0, max = 0.95)))]
    pub dropout: Vec<f64>,
    /// Weights of the whole network to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

impl Default for AttentionUnetSpec {
    fn default() -> Self {
        Self {
            filters: vec![32, 64, 128, 256],
            dropout: vec![0.1, 0.1, 0.2, 0.2, 0.3],
            weights: None,
        }
    }
}

impl Architecture for AttentionUnet {
    type Settings = AttentionUnetSpec;
    type Design = AttentionUnetConfig;

    const TITLE: &'static str = "Attention U-Net";

    fn halvings(settings: &AttentionUnetSpec) -> u32 {
        settings.filters.len() as u32
    }

    fn problems(settings: &AttentionUnetSpec, _: [usize; 2], found: &mut Problems) {
        found.dropouts(&settings.dropout, settings.filters.len());
    }

    fn design(settings: &AttentionUnetSpec, channels: [usize; 2]) -> AttentionUnetConfig {
        AttentionUnetConfig::new(settings, channels)
    }

    #[cfg(test)]
    fn samples() -> Vec<AttentionUnetSpec> {
        vec![AttentionUnetSpec { filters: vec![2, 4, 8, 16], ..AttentionUnetSpec::default() }]
    }
}

/// What an [`AttentionUnet`] is made of.
pub struct AttentionUnetConfig {
    channels: [usize; 2],
    /// Channels at each level, the last being the bottleneck.
    filters: Vec<usize>,
    dropout: Vec<f64>,
}

/// Attention U-Net; gates and decoder levels are counted from the deepest.
#[derive(Module, Debug)]
pub struct AttentionUnet {
    encoder: Vec<DoubleConv>,
    bottleneck: DoubleConv,
    gates: Vec<AttentionGate>,
    decoder: Vec<DoubleConv>,
    head: Conv2d,
}

impl AttentionUnetConfig {
    /// From the spec and the channels of images and logits.
    pub(super) fn new(spec: &AttentionUnetSpec, channels: [usize; 2]) -> Self {
        let mut filters: Vec<usize> = spec.filters.iter().map(|&n| n as usize).collect();
        filters.extend(filters.last().map(|last| 2 * last));
        Self { channels, filters, dropout: spec.dropout.clone() }
    }

    /// Encoder blocks, shallowest first, and the bottleneck.
    fn down(&self) -> (Vec<DoubleConvConfig>, DoubleConvConfig) {
        let inputs = std::iter::once(&self.channels[0]).chain(&self.filters);
        let mut blocks: Vec<DoubleConvConfig> = inputs
            .zip(&self.filters)
            .zip(&self.dropout)
            .map(|((&inputs, &outputs), &dropout)| block([inputs, outputs], dropout))
            .collect();
        let bottleneck = blocks.pop().expect("the schema asks for at least one level");
        (blocks, bottleneck)
    }

    /// Gate and block of each decoder level, deepest first.
    fn levels(&self) -> impl Iterator<Item = (AttentionGateConfig, DoubleConvConfig)> {
        self.filters.windows(2).zip(&self.dropout).rev().map(|(pair, &dropout)| {
            let [at, below] = [pair[0], pair[1]];
            (AttentionGateConfig { filters: at, below }, block([below + at, at], dropout))
        })
    }

    fn head(&self) -> Convolution {
        Convolution::new([self.filters[0], self.channels[1]], 1, glorot_uniform())
    }
}

impl Design for AttentionUnetConfig {
    type Net = AttentionUnet;

    fn places(&self) -> Vec<String> {
        let decoder = self.gates().into_iter().enumerate();
        let decoder = decoder.flat_map(|(level, gate)| [gate, format!("decoder.{level}")]);
        contracting_path::places(self.filters.len() - 1).chain(decoder).collect()
    }

    fn gates(&self) -> Vec<String> {
        (0..self.filters.len() - 1).map(|level| format!("gates.{level}")).collect()
    }

    /// The last gate, the notebook's "Attention4".
    fn usual_place(&self) -> String {
        format!("gates.{}", self.filters.len() - 2)
    }

    fn bottleneck(&self) -> Option<(String, usize)> {
        Some(("bottleneck".into(), self.filters[self.filters.len() - 1]))
    }

    fn init(&self, device: &Device) -> AttentionUnet {
        let (encoder, bottleneck) = self.down();
        AttentionUnet {
            encoder: encoder.iter().map(|block| block.init(device)).collect(),
            bottleneck: bottleneck.init(device),
            gates: self.levels().map(|(gate, _)| gate.init(device)).collect(),
            decoder: self.levels().map(|(_, block)| block.init(device)).collect(),
            head: self.head().init(device),
        }
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        let (encoder, bottleneck) = self.down();
        let maps = Maps { channels: self.channels[0], sides };
        let rows = DoubleConvConfig::summarise;
        let (mut maps, skips) =
            contracting_path::summarise(&encoder, &bottleneck, table, maps, rows);
        for (index, ((gate, block), skip)) in self.levels().zip(skips.into_iter().rev()).enumerate()
        {
            let gated = gate.summarise(table, &format!("gates.{index}"), maps, skip);
            maps = summarise_nearest(table, &format!("decoder.{index}.up"), maps);
            maps = table.concat(&format!("decoder.{index}.concat"), maps, gated);
            maps = block.summarise(table, &format!("decoder.{index}"), maps);
        }
        self.head().summarise(table, "head", maps);
    }
}

impl Network for AttentionUnet {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        vec![self.forward(images)]
    }
}

impl AttentionUnet {
    /// Logits of each class at each pixel.
    ///
    /// # Shapes
    /// - images: `[batch, channels_in, height, width]`, height and width multiples of 2^levels
    /// - output: `[batch, channels_out, height, width]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let (mut x, skips) =
            contract(&self.encoder, &self.bottleneck, images, |block, x| block.forward(x));
        let levels = self.gates.iter().zip(&self.decoder).zip(skips.into_iter().rev());
        for (level, ((gate, block), skip)) in levels.enumerate() {
            let name = || format!("gates.{level}");
            let coefficients = gate.coefficients(x.clone(), skip.clone());
            watch::gate(name, &coefficients);
            let gated = place(name, gate.forward(skip, coefficients));
            let maps = block.forward(Input::pair(Source::doubled(x), gated));
            x = place(|| format!("decoder.{level}"), maps);
        }
        kernels::conv2d(&self.head, x, After::nothing())
    }
}

/// What an [`AttentionGate`] is made of: the channels of the skip and of the maps below it.
struct AttentionGateConfig {
    filters: usize,
    below: usize,
}

/// Weighs each pixel of a skip by what the level below it makes of that place.
#[derive(Module, Debug)]
pub(super) struct AttentionGate {
    gating: Conv2d,
    skip: Conv2d,
    attention: Conv2d,
    norm: BatchNorm,
}

impl AttentionGateConfig {
    fn gating(&self) -> Convolution {
        Convolution::new([self.below, self.filters], 3, he_normal())
    }

    fn skip(&self) -> Convolution {
        Convolution::new([self.filters, self.filters], 3, he_normal()).halving_same()
    }

    fn attention(&self) -> Convolution {
        Convolution::new([self.filters, 1], 1, glorot_uniform())
    }

    fn init(&self, device: &Device) -> AttentionGate {
        AttentionGate {
            gating: self.gating().init(device),
            skip: self.skip().init(device),
            attention: self.attention().init(device),
            norm: BatchNormConfig::new(self.filters)
                .with_epsilon(1e-3)
                .with_momentum(0.01)
                .init(device),
        }
    }

    fn summarise(&self, table: &mut Table, name: &str, below: Maps, skip: Maps) -> Maps {
        self.gating().summarise(table, &format!("{name}.gating"), below);
        let maps = self.skip().summarise(table, &format!("{name}.skip"), skip);
        let maps = self.attention().summarise(table, &format!("{name}.attention"), maps);
        summarise_nearest(table, &format!("{name}.up"), maps);
        table.norm(&format!("{name}.norm"), "BatchNorm2d".to_string(), skip)
    }
}

impl AttentionGate {
    /// How much of each place of the skip is let through, from 0 to 1.
    ///
    /// # Shapes
    /// - below: `[batch, channels_below, height / 2, width / 2]`
    /// - skip: `[batch, channels, height, width]`
    /// - output: `[batch, 1, height / 2, width / 2]`
    pub(super) fn coefficients(&self, below: Tensor<4>, skip: Tensor<4>) -> Tensor<4> {
        let gating = kernels::conv2d(&self.gating, below, After::relu());
        let reduced = kernels::conv2d(&self.skip, skip, After::relu());
        let sum = kernels::add(gating, reduced);
        sigmoid(kernels::conv2d(&self.attention, sum, After::nothing()))
    }

    /// The skip, gated and normalised.
    ///
    /// # Shapes
    /// - skip and output: `[batch, channels, height, width]`
    /// - coefficients: `[batch, 1, height / 2, width / 2]`
    pub(super) fn forward(&self, skip: Tensor<4>, coefficients: Tensor<4>) -> Tensor<4> {
        kernels::batch_norm(&self.norm, kernels::gate(skip, coefficients), After::nothing())
    }
}

fn block(channels: [usize; 2], dropout: f64) -> DoubleConvConfig {
    DoubleConvConfig { channels, norm: NormKind::None, dropout }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parity::agrees;
    use crate::model::{ModelSpec, init, layers};

    fn attention_unet(base: u32, train: bool) -> ModelSpec {
        ModelSpec::AttentionUnet(AttentionUnetSpec {
            filters: vec![base, 2 * base, 4 * base, 8 * base],
            dropout: if train { vec![0.0; 5] } else { vec![0.1, 0.1, 0.2, 0.2, 0.3] },
            weights: None,
        })
    }

    #[test]
    fn attention_unet_is_the_keras_notebooks() {
        agrees("attention-unet-8", &attention_unet(8, false));
        agrees("attention-unet-16", &attention_unet(16, false));
    }

    #[test]
    fn attention_unet_in_training_is_the_keras_notebooks() {
        agrees("attention-unet-8-train", &attention_unet(8, true));
    }

    #[test]
    fn it_has_the_parameters_of_the_keras_notebook() {
        let parameters = |base| -> u64 {
            layers(&attention_unet(base, false), 3, 1, [256; 2], 8)
                .iter()
                .map(|row| row.parameters)
                .sum()
        };
        assert_eq!(parameters(32), 10_199_141);
        assert_eq!(parameters(16), 2_551_349);
        let net = init(&attention_unet(16, false), 3, 1, &Device::flex());
        // Burn counts the two running statistics of each gate's normalisation as well.
        assert_eq!(net.num_params() as u64, 2_551_349 + 2 * (128 + 64 + 32 + 16));
    }

    #[test]
    fn its_decoder_mirrors_the_dropout_of_its_encoder() {
        let rows = layers(&attention_unet(32, false), 3, 1, [256; 2], 8);
        let dropout: Vec<&str> =
            rows.iter().filter_map(|row| row.kind.strip_prefix("Dropout ")).collect();
        assert_eq!(dropout, ["0.1", "0.1", "0.2", "0.2", "0.3", "0.2", "0.2", "0.1", "0.1"]);
    }
}
