//! Residual blocks (He, Zhang, Ren and Sun 2016, "Deep Residual Learning for Image Recognition") with torchvision's
//! layers, names and initialisation.

use burn::module::{Initializer, Module};
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};

use super::blocks::Convolution;
use super::summary::{Maps, Table};
use crate::kernels::{After, Input, block, conv2d_batch_norm};

/// What a [`Residual`] is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResidualConfig {
    pub channels: [usize; 2],
    pub expansion: usize,
    pub stride: usize,
    /// Of the convolutions of a block that is no bottleneck.
    pub groups: usize,
}

/// A residual block: two 3x3 convolutions, or 1x1, 3x3 and 1x1 (bottleneck, stride on the 3x3 one as
/// in torchvision), around which the input is added, itself or through a 1x1 convolution.
#[derive(Module, Debug)]
pub(super) struct Residual {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    conv3: Option<Conv2d>,
    bn3: Option<BatchNorm>,
    downsample: Option<(Conv2d, BatchNorm)>,
}

impl ResidualConfig {
    /// The convolutions in order: two, or three in a bottleneck.
    fn convolutions(&self) -> Vec<Convolution> {
        let [inputs, outputs] = self.channels;
        let width = outputs / self.expansion;
        if self.expansion == 1 {
            vec![
                convolution([inputs, width], 3).strided(self.stride).grouped(self.groups),
                convolution([width, width], 3).strided(1).grouped(self.groups),
            ]
        } else {
            vec![
                convolution([inputs, width], 1).strided(1),
                convolution([width, width], 3).strided(self.stride),
                convolution([width, outputs], 1).strided(1),
            ]
        }
    }

    fn downsample(&self) -> Option<Convolution> {
        let needed = self.stride != 1 || self.channels[0] != self.channels[1];
        needed.then(|| convolution(self.channels, 1).strided(self.stride))
    }

    /// The block.
    pub(super) fn init(&self, device: &Device) -> Residual {
        let layer = |conv: &Convolution| {
            (conv.init(device), BatchNormConfig::new(conv.channels[1]).init(device))
        };
        let convolutions = self.convolutions();
        let (conv1, bn1) = layer(&convolutions[0]);
        let (conv2, bn2) = layer(&convolutions[1]);
        let (conv3, bn3) = convolutions.get(2).map(layer).unzip();
        let downsample = self.downsample().as_ref().map(layer);
        Residual { conv1, bn1, conv2, bn2, conv3, bn3, downsample }
    }

    /// Adds its rows to the layer table.
    pub(super) fn summarise(&self, table: &mut Table, name: &str, input: Maps) -> Maps {
        let mut maps = input;
        for (index, conv) in self.convolutions().iter().enumerate() {
            maps = conv.summarise(table, &format!("{name}.conv{}", index + 1), maps);
            maps = batch_norm(table, &format!("{name}.bn{}", index + 1), maps);
        }
        if let Some(conv) = self.downsample() {
            let maps = conv.summarise(table, &format!("{name}.downsample.0"), input);
            batch_norm(table, &format!("{name}.downsample.1"), maps);
        }
        maps
    }
}

impl Residual {
    /// Applies the block.
    ///
    /// # Shapes
    /// - input: `[batch, channels_in, height, width]` in all
    /// - output: `[batch, channels_out, height / stride, width / stride]`
    pub(super) fn forward(&self, input: impl Into<Input>) -> Tensor<4> {
        block(self, input.into(), Self::apply)
    }

    fn apply(&self, input: Input) -> Tensor<4> {
        let x = conv2d_batch_norm(&self.conv1, &self.bn1, input.clone(), After::relu());
        let identity = match &self.downsample {
            Some((conv, norm)) => conv2d_batch_norm(conv, norm, input, After::nothing()),
            None => input.into_maps(),
        };
        let last = After::relu().residual(identity);
        match (&self.conv3, &self.bn3) {
            (Some(conv3), Some(bn3)) => {
                let x = conv2d_batch_norm(&self.conv2, &self.bn2, x, After::relu());
                conv2d_batch_norm(conv3, bn3, x, last)
            }
            _ => conv2d_batch_norm(&self.conv2, &self.bn2, x, last),
        }
    }
}

/// A convolution as torchvision starts it: normal with variance 2 / fan-out, no bias.
pub(super) fn convolution(channels: [usize; 2], kernel: usize) -> Convolution {
    let initializer = Initializer::KaimingNormal { gain: 2f64.sqrt(), fan_out_only: true };
    Convolution::new(channels, kernel, initializer).without_bias()
}

/// Adds the row of a batch normalisation to the layer table.
pub(super) fn batch_norm(table: &mut Table, name: &str, maps: Maps) -> Maps {
    table.norm(name, "BatchNorm2d".to_string(), maps)
}
