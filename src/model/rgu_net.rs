//! RGU-Net: a U-Net whose blocks are residual and whose convolutions are in groups, for few parameters.
//!
//! From the literature on breast ultrasound are the name and three things: the U-Net, residual blocks, group
//! convolutions. There a conditional random field refines the masks afterwards, which is no part of the network:
//! `evaluation.refine`.
//!
//! Chosen here, for its authors' program is not public: a plain 3x3 convolution, norm and ReLU before the first
//! block; one ResNet basic block at each level, of two 3x3 convolutions in groups (He et al. 2016; Xie et al.
//! 2017 for the groups), with batch normalisation; 2x2 max-pools; 2x2 transposed convolutions on the way up, the
//! maps of the encoder behind theirs; the numbers of filters and groups. Between the groups go the first
//! convolution, the 1x1 convolutions around blocks that change the channels, and the transposed ones.

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::tensor::{Device, Tensor};

use super::blocks::{
    ConvNorm, Convolution, glorot_uniform, he_normal, max_pool, summarise_max_pool,
    summarise_up_convolution, up_convolution,
};
use super::resnet::{Residual, ResidualConfig};
use super::summary::{Maps, Table};
use super::watch::place;
use crate::kernels::{After, Input, conv_transpose2d, conv2d};
use crate::spec::RguNetSpec;

/// What an [`RguNet`] is made of.
pub(super) struct RguNetConfig {
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
        let bottleneck = blocks.pop().expect("`problems` asks for at least two levels");
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

    /// The places that can be looked at, in the order of the forward pass.
    pub(super) fn places(&self) -> Vec<String> {
        let numbered =
            |name| (0..self.filters.len() - 1).map(move |level| format!("{name}.{level}"));
        numbered("encoder").chain(["bottleneck".into()]).chain(numbered("decoder")).collect()
    }

    /// Where the deepest features pass, and their channels.
    pub(super) fn bottleneck(&self) -> (String, usize) {
        ("bottleneck".into(), self.filters[self.filters.len() - 1])
    }

    /// The network.
    pub(super) fn init(&self, device: &Device) -> RguNet {
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

    /// Fills in the layer table.
    pub(super) fn summarise(&self, table: &mut Table, size: usize) {
        let (bottleneck, encoder) = self.down();
        let mut maps = Maps { channels: self.channels[0], size };
        maps = ConvNorm::summarise(&self.stem(), table, "stem", maps);
        let mut skips = Vec::new();
        for (index, block) in encoder.iter().enumerate() {
            maps = block.summarise(table, &format!("encoder.{index}"), maps);
            skips.push(maps);
            maps = summarise_max_pool(table, &format!("encoder.{index}.pool"), maps);
        }
        maps = bottleneck.summarise(table, "bottleneck", maps);
        for (index, (level, skip)) in self.levels().zip(skips.into_iter().rev()).enumerate() {
            maps = summarise_up_convolution(level, table, &format!("up.{index}"), maps);
            maps = table.concat(&format!("decoder.{index}.concat"), maps, skip);
            maps = self.up(level).summarise(table, &format!("decoder.{index}"), maps);
        }
        self.head().summarise(table, "head", maps);
    }
}

impl RguNet {
    /// Logits of each class at each pixel.
    ///
    /// # Shapes
    /// - images: `[batch, channels_in, height, width]`, height and width multiples of 2^depth
    /// - output: `[batch, channels_out, height, width]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let mut x = self.stem.rectified(images);
        let mut skips = Vec::with_capacity(self.encoder.len());
        for (level, block) in self.encoder.iter().enumerate() {
            x = place(|| format!("encoder.{level}"), block.forward(x));
            skips.push(x.clone());
            x = max_pool(x);
        }
        x = place(|| "bottleneck".into(), self.bottleneck.forward(x));
        let levels = self.up.iter().zip(&self.decoder).zip(skips.into_iter().rev());
        for (level, ((up, block), skip)) in levels.enumerate() {
            let input = Input::pair(conv_transpose2d(up, x), skip);
            x = place(|| format!("decoder.{level}"), block.forward(input));
        }
        conv2d(&self.head, x, After::nothing())
    }
}
