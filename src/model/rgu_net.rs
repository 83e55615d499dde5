//! RGU-Net: a U-Net whose blocks are residual and whose convolutions are in groups, for few parameters.
//!
//! From the literature on breast ultrasound are the name and three things: the U-Net, residual blocks, group
//! convolutions. There a conditional random field refines the masks afterwards, which is no part of the network:
//! `evaluation.refine`.
//!
//! Our own choices, since its authors' program is not public: a plain 3x3 convolution, norm and ReLU before the first
//! block; one ResNet basic block at each level, of two 3x3 convolutions in groups (He et al. 2016; Xie et al.
//! 2017 for the groups), with batch normalisation; 2x2 max-pools; 2x2 transposed convolutions on the way up, the
//! maps of the encoder behind theirs; the numbers of filters and groups. Between the groups go the first
//! convolution, the 1x1 convolutions around blocks that change the channels, and the transposed ones.

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::{Architecture, Design, Network};
use super::blocks::{
    ConvNorm, Convolution, glorot_uniform, he_normal, summarise_up_convolution, up_convolution,
};
use super::catalogue::WeightsSpec;
use super::contracting_path::{self, contract};
use super::problems::Problems;
use super::residual::{Residual, ResidualConfig};
use super::summary::{Maps, Table};
use super::watch::place;
use crate::kernels::{After, Input, conv_transpose2d, conv2d};

/// RGU-Net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RguNetSpec {
    /// Channels at each level, the last being the bottleneck; their number less one is the depth.
    #[schemars(length(min = 2, max = 8), inner(range(min = 1, max = 4096)))]
    pub filters: Vec<u32>,
    /// Groups of the 3x3 convolutions; all of `filters` must be multiples of them.
    #[schemars(range(min = 1, max = 4096))]
    pub groups: u32,
    /// Weights of the whole network to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

impl Default for RguNetSpec {
    fn default() -> Self {
        Self { filters: vec![32, 64, 128, 256, 512], groups: 4, weights: None }
    }
}

impl Architecture for RguNet {
    type Settings = RguNetSpec;
    type Design = RguNetConfig;

    const TITLE: &'static str = "RGU-Net";

    fn halvings(settings: &RguNetSpec) -> u32 {
        settings.filters.len().saturating_sub(1) as u32
    }

    fn problems(settings: &RguNetSpec, _: [usize; 2], found: &mut Problems) {
        found.divisor("model.groups", settings.groups, &settings.filters);
    }

    fn design(settings: &RguNetSpec, channels: [usize; 2]) -> RguNetConfig {
        RguNetConfig::new(settings, channels)
    }

    #[cfg(test)]
    fn samples() -> Vec<RguNetSpec> {
        vec![RguNetSpec { filters: vec![2, 4, 6], groups: 2, weights: None }]
    }
}

/// What an [`RguNet`] is made of.
pub struct RguNetConfig {
    channels: [usize; 2],
    filters: Vec<usize>,
    groups: usize,
}

/// RGU-Net; decoder levels are counted from the deepest.
#[derive(Module, Debug)]
pub struct RguNet {
    stem: ConvNorm,
    encoder: Vec<Residual>,
    bottleneck: Residual,
    up: Vec<ConvTranspose2d>,
    decoder: Vec<Residual>,
    head: Conv2d,
}

impl RguNetConfig {
    /// From the spec and the channels of images and logits.
    pub(super) fn new(spec: &RguNetSpec, channels: [usize; 2]) -> Self {
        Self {
            channels,
            filters: spec.filters.iter().map(|&filters| filters as usize).collect(),
            groups: spec.groups as usize,
        }
    }

    fn stem(&self) -> Convolution {
        let channels = [self.channels[0], self.filters[0]];
        Convolution::new(channels, 3, he_normal()).without_bias()
    }

    fn block(&self, channels: [usize; 2]) -> ResidualConfig {
        ResidualConfig { channels, expansion: 1, stride: 1, groups: self.groups }
    }

    /// The bottleneck, and the blocks above it, shallowest first.
    fn down(&self) -> (ResidualConfig, Vec<ResidualConfig>) {
        let inputs = self.filters[..1].iter().chain(&self.filters);
        let pairs = inputs.zip(&self.filters).map(|(&inputs, &outputs)| [inputs, outputs]);
        let mut blocks: Vec<ResidualConfig> = pairs.map(|channels| self.block(channels)).collect();
        let bottleneck = blocks.pop().expect("the schema asks for at least two levels");
        (bottleneck, blocks)
    }

    /// Channels `[below, at]` each decoder level, deepest first.
    fn levels(&self) -> impl Iterator<Item = [usize; 2]> {
        self.filters.windows(2).rev().map(|pair| [pair[1], pair[0]])
    }

    /// The block of a decoder level, on its own maps and the encoder's.
    fn up(&self, [_, at]: [usize; 2]) -> ResidualConfig {
        self.block([2 * at, at])
    }

    fn head(&self) -> Convolution {
        Convolution::new([self.filters[0], self.channels[1]], 1, glorot_uniform())
    }
}

impl Design for RguNetConfig {
    type Net = RguNet;

    fn places(&self) -> Vec<String> {
        let levels = self.filters.len() - 1;
        let decoder = (0..levels).map(|level| format!("decoder.{level}"));
        contracting_path::places(levels).chain(decoder).collect()
    }

    fn bottleneck(&self) -> Option<(String, usize)> {
        Some(("bottleneck".into(), self.filters[self.filters.len() - 1]))
    }

    fn init(&self, device: &Device) -> RguNet {
        let (bottleneck, encoder) = self.down();
        RguNet {
            stem: ConvNorm::init(&self.stem(), device),
            encoder: encoder.iter().map(|block| block.init(device)).collect(),
            bottleneck: bottleneck.init(device),
            up: self.levels().map(|level| up_convolution(level, device)).collect(),
            decoder: self.levels().map(|level| self.up(level).init(device)).collect(),
            head: self.head().init(device),
        }
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        let (bottleneck, encoder) = self.down();
        let maps = Maps { channels: self.channels[0], sides };
        let maps = ConvNorm::summarise(&self.stem(), table, "stem", maps);
        let rows = ResidualConfig::summarise;
        let (mut maps, skips) =
            contracting_path::summarise(&encoder, &bottleneck, table, maps, rows);
        for (index, (level, skip)) in self.levels().zip(skips.into_iter().rev()).enumerate() {
            maps = summarise_up_convolution(level, table, &format!("up.{index}"), maps);
            maps = table.concat(&format!("decoder.{index}.concat"), maps, skip);
            maps = self.up(level).summarise(table, &format!("decoder.{index}"), maps);
        }
        self.head().summarise(table, "head", maps);
    }
}

impl Network for RguNet {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        vec![self.forward(images)]
    }
}

impl RguNet {
    /// Logits of each class at each pixel.
    ///
    /// # Shapes
    /// - images: `[batch, channels_in, height, width]`, height and width multiples of 2^depth
    /// - output: `[batch, channels_out, height, width]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let images = self.stem.rectified(images);
        let (mut x, skips) =
            contract(&self.encoder, &self.bottleneck, images, |block, x| block.forward(x));
        let levels = self.up.iter().zip(&self.decoder).zip(skips.into_iter().rev());
        for (level, ((up, block), skip)) in levels.enumerate() {
            let input = Input::pair(conv_transpose2d(up, x), skip);
            x = place(|| format!("decoder.{level}"), block.forward(input));
        }
        conv2d(&self.head, x, After::nothing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;
    use crate::model::parity::agrees;
    use crate::model::tests::parameters;

    #[test]
    fn rgu_net_is_pytorchs() {
        let spec =
            ModelSpec::RguNet(RguNetSpec { filters: vec![4, 8, 12], groups: 2, weights: None });
        agrees("rgu-net", &spec);
        agrees("rgu-net-train", &spec);
    }

    #[test]
    fn rgu_net_has_few_parameters_for_its_filters() {
        assert_eq!(parameters(&ModelSpec::RguNet(RguNetSpec::default()), 3), 2_821_857);
        let ungrouped = RguNetSpec { groups: 1, ..RguNetSpec::default() };
        assert_eq!(parameters(&ModelSpec::RguNet(ungrouped), 3), 8_123_361);
    }
}
