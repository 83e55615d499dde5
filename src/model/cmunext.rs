//! CMUNeXt (Tang, Ding, Quan, Wang, Ning and Zhou 2023, "CMUNeXt: An Efficient Medical Image Segmentation
//! Network based on Large Kernel and Skip Fusion").
//!
//! A level of the encoder is some blocks and a 3x3 convolution that changes the channels. A block adds to its
//! input a large depthwise convolution of it, and mixes the channels through four times as many. The decoder
//! up-samples bilinearly and fuses with the skip by a convolution in two groups, one for each of the two.
//! GELU comes before the normalisation, as in the authors' program.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::{Architecture, Design, Network};
use super::blocks::{
    ConvNorm, Convolution, max_pool, pytorch_convolution as convolution, summarise_bilinear,
    summarise_max_pool,
};
use super::catalogue::WeightsSpec;
use super::problems::Problems;
use super::summary::{Maps, Table};
use super::watch::place;
use crate::kernels::{After, Input, bilinear, block, conv2d};

/// CMUNeXt; the defaults are the published network of 3.14 M parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CmunextSpec {
    /// Channels of the five levels, shallowest first.
    #[schemars(inner(range(min = 1, max = 4096)))]
    pub filters: [u32; 5],
    /// Blocks of each level.
    #[schemars(inner(range(min = 1, max = 64)))]
    pub depths: [u32; 5],
    /// Width of each level's depthwise convolutions, an odd number of pixels.
    #[schemars(inner(range(min = 1, max = 31)))]
    pub kernels: [u32; 5],
    /// Weights of the whole network to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

impl Default for CmunextSpec {
    fn default() -> Self {
        Self {
            filters: [16, 32, 128, 160, 256],
            depths: [1, 1, 1, 3, 1],
            kernels: [3, 3, 7, 7, 7],
            weights: None,
        }
    }
}

impl Architecture for Cmunext {
    type Settings = CmunextSpec;
    type Design = CmunextConfig;

    const TITLE: &'static str = "CMUNeXt";

    fn halvings(_: &CmunextSpec) -> u32 {
        4
    }

    fn problems(settings: &CmunextSpec, _: [usize; 2], found: &mut Problems) {
        found.kernels(&settings.kernels);
    }

    fn design(settings: &CmunextSpec, channels: [usize; 2]) -> CmunextConfig {
        CmunextConfig::new(settings, channels)
    }

    #[cfg(test)]
    fn samples() -> Vec<CmunextSpec> {
        vec![CmunextSpec {
            filters: [2, 2, 4, 4, 6],
            kernels: [3, 5, 7, 7, 1],
            ..CmunextSpec::default()
        }]
    }
}

/// What a [`Cmunext`] is made of.
pub struct CmunextConfig {
    channels: [usize; 2],
    filters: [usize; 5],
    depths: [usize; 5],
    kernels: [usize; 5],
}

/// CMUNeXt; decoder levels are counted from the deepest.
#[derive(Module, Debug)]
pub struct Cmunext {
    stem: ConvNorm,
    encoder: Vec<CmunextLevel>,
    decoder: Vec<CmunextFusion>,
    head: Conv2d,
}

/// A level of the encoder.
#[derive(Module, Debug)]
pub(super) struct CmunextLevel {
    blocks: Vec<CmunextBlock>,
    widen: ConvNorm,
}

/// A large depthwise convolution beside its input, and a mixing of channels.
#[derive(Module, Debug)]
pub(super) struct CmunextBlock {
    depthwise: ConvNorm,
    expand: ConvNorm,
    project: ConvNorm,
}

/// A level of the decoder.
#[derive(Module, Debug)]
pub(super) struct CmunextFusion {
    up: ConvNorm,
    fuse: ConvNorm,
    expand: ConvNorm,
    project: ConvNorm,
}

/// The convolutions of a block: depthwise, to four times the channels, back.
fn of_block(channels: usize, kernel: usize) -> [Convolution; 3] {
    [
        convolution([channels, channels], kernel).grouped(channels),
        convolution([channels, 4 * channels], 1),
        convolution([4 * channels, channels], 1),
    ]
}

/// The convolutions of a fusion: up, in two groups, to four times the channels, back.
fn of_fusion([below, at]: [usize; 2]) -> [Convolution; 4] {
    [
        convolution([below, at], 3),
        convolution([2 * at, 2 * at], 3).grouped(2),
        convolution([2 * at, 4 * at], 1),
        convolution([4 * at, at], 1),
    ]
}

impl CmunextConfig {
    /// From the spec and the channels of images and logits.
    pub(super) fn new(spec: &CmunextSpec, channels: [usize; 2]) -> Self {
        let sizes = |values: [u32; 5]| values.map(|value| value as usize);
        Self {
            channels,
            filters: sizes(spec.filters),
            depths: sizes(spec.depths),
            kernels: sizes(spec.kernels),
        }
    }

    fn stem(&self) -> Convolution {
        convolution([self.channels[0], self.filters[0]], 3)
    }

    /// Channels that a level of the encoder gets and gives.
    fn level(&self, level: usize) -> [usize; 2] {
        [self.filters[level.saturating_sub(1)], self.filters[level]]
    }

    /// Channels `[below, at]` each decoder level, deepest first.
    fn fusions(&self) -> impl Iterator<Item = [usize; 2]> {
        self.filters.windows(2).rev().map(|pair| [pair[1], pair[0]])
    }

    fn head(&self) -> Convolution {
        convolution([self.filters[0], self.channels[1]], 1)
    }
}

impl Design for CmunextConfig {
    type Net = Cmunext;

    fn places(&self) -> Vec<String> {
        let encoder = (0..5).map(|level| format!("encoder.{level}"));
        encoder.chain((0..4).map(|level| format!("decoder.{level}"))).collect()
    }

    fn bottleneck(&self) -> Option<(String, usize)> {
        Some(("encoder.4".into(), self.filters[4]))
    }

    fn init(&self, device: &Device) -> Cmunext {
        let layer = |conv: &Convolution| ConvNorm::init(conv, device);
        let level = |level: usize| {
            let channels = self.level(level);
            let block = |_| {
                let [depthwise, expand, project] =
                    of_block(channels[0], self.kernels[level]).each_ref().map(layer);
                CmunextBlock { depthwise, expand, project }
            };
            CmunextLevel {
                blocks: (0..self.depths[level]).map(block).collect(),
                widen: layer(&convolution(channels, 3)),
            }
        };
        let fusion = |channels| {
            let [up, fuse, expand, project] = of_fusion(channels).each_ref().map(layer);
            CmunextFusion { up, fuse, expand, project }
        };
        Cmunext {
            stem: layer(&self.stem()),
            encoder: (0..5).map(level).collect(),
            decoder: self.fusions().map(fusion).collect(),
            head: self.head().init(device),
        }
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        let input = Maps { channels: self.channels[0], sides };
        let mut maps = ConvNorm::summarise(&self.stem(), table, "stem", input);
        let mut skips = Vec::new();
        for level in 0..5 {
            let name = format!("encoder.{level}");
            if level > 0 {
                skips.push(maps);
                maps = summarise_max_pool(table, &format!("{name}.pool"), maps);
            }
            let channels = self.level(level);
            for block in 0..self.depths[level] {
                let convolutions = of_block(channels[0], self.kernels[level]);
                for (conv, part) in convolutions.iter().zip(["depthwise", "expand", "project"]) {
                    let name = format!("{name}.blocks.{block}.{part}");
                    maps = ConvNorm::summarise(conv, table, &name, maps);
                }
            }
            let widen = convolution(channels, 3);
            maps = ConvNorm::summarise(&widen, table, &format!("{name}.widen"), maps);
        }
        for (index, (channels, skip)) in self.fusions().zip(skips.into_iter().rev()).enumerate() {
            let name = format!("decoder.{index}");
            let [up, fuse, expand, project] = of_fusion(channels);
            maps = summarise_bilinear(table, &format!("{name}.double"), maps);
            maps = ConvNorm::summarise(&up, table, &format!("{name}.up"), maps);
            maps = table.concat(&format!("{name}.concat"), maps, skip);
            for (conv, part) in [(fuse, "fuse"), (expand, "expand"), (project, "project")] {
                maps = ConvNorm::summarise(&conv, table, &format!("{name}.{part}"), maps);
            }
        }
        self.head().summarise(table, "head", maps);
    }
}

impl Network for Cmunext {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        vec![self.forward(images)]
    }
}

impl Cmunext {
    /// Logits of each class at each pixel.
    ///
    /// # Shapes
    /// - images: `[batch, channels_in, height, width]`, height and width multiples of 16
    /// - output: `[batch, channels_out, height, width]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let mut x = self.stem.rectified(images);
        let mut skips = Vec::with_capacity(self.decoder.len());
        for (index, level) in self.encoder.iter().enumerate() {
            if index > 0 {
                skips.push(x.clone());
                x = max_pool(x);
            }
            x = place(|| format!("encoder.{index}"), level.forward(x));
        }
        let fusions = self.decoder.iter().zip(skips.into_iter().rev());
        for (index, (fusion, skip)) in fusions.enumerate() {
            x = place(|| format!("decoder.{index}"), fusion.forward(x, skip));
        }
        conv2d(&self.head, x, After::nothing())
    }
}

impl CmunextLevel {
    /// Applies the level.
    ///
    /// # Shapes
    /// - input: `[batch, channels_in, height, width]`
    /// - output: `[batch, channels_out, height, width]`
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let x = self.blocks.iter().fold(input, |x, block| block.forward(x));
        self.widen.rectified(x)
    }
}

impl CmunextBlock {
    /// Applies the block.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, height, width]`
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        block(self, input.into(), |block, input| {
            let input = input.into_maps();
            let x = block.depthwise.smooth(input.clone(), After::nothing().residual(input));
            let x = block.expand.smooth(x, After::nothing());
            block.project.smooth(x, After::nothing())
        })
    }
}

impl CmunextFusion {
    /// Applies the level.
    ///
    /// # Shapes
    /// - below: `[batch, channels_below, height / 2, width / 2]`
    /// - skip and output: `[batch, channels, height, width]`
    pub(super) fn forward(&self, below: Tensor<4>, skip: Tensor<4>) -> Tensor<4> {
        let x = self.up.rectified(bilinear(below));
        block(self, Input::pair(skip, x), |level, input| {
            let x = level.fuse.smooth(input, After::nothing());
            let x = level.expand.smooth(x, After::nothing());
            level.project.smooth(x, After::nothing())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;
    use crate::model::parity::agrees;
    use crate::model::tests::parameters;

    #[test]
    fn cmunext_is_pytorchs() {
        let spec = ModelSpec::Cmunext(CmunextSpec {
            filters: [4, 6, 8, 10, 12],
            depths: [1, 1, 2, 1, 1],
            kernels: [3, 3, 7, 7, 7],
            weights: None,
        });
        agrees("cmunext", &spec);
        agrees("cmunext-train", &spec);
    }

    #[test]
    fn cmunext_has_the_parameters_of_its_paper() {
        // Printed as 3.14 M.
        assert_eq!(parameters(&ModelSpec::Cmunext(CmunextSpec::default()), 3), 3_149_185);
    }
}
