//! U-Net (Ronneberger, Fischer and Brox 2015, "U-Net: Convolutional Networks for Biomedical Image
//! Segmentation"), with padded convolutions so that the mask has the size of the image.
//!
//! At each level of the encoder a [`DoubleConv`] and a 2x2 max-pool; below them the bottleneck. Each
//! level of the decoder doubles the size, puts the encoder's maps of that size behind its own and
//! applies a [`DoubleConv`]; a 1x1 convolution gives the logits. A transposed convolution brings the
//! channels to those of the level, interpolation leaves them for the block to reduce.

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::tensor::{Device, Tensor};

use super::blocks::{
    Convolution, DoubleConv, DoubleConvConfig, glorot_uniform, max_pool, summarise_bilinear,
    summarise_max_pool, summarise_nearest, summarise_up_convolution, up_convolution,
};
use super::summary::{Maps, Table};
use super::watch::place;
use crate::kernels::{self, After, Input, Source};
use crate::spec::{NormKind, PlainEncoderSpec, UpSampling};

/// What a [`Unet`] is made of.
pub(super) struct UnetConfig {
    channels: [usize; 2],
    pub filters: Vec<usize>,
    norm: NormKind,
    dropout: f64,
    pub up_sampling: UpSampling,
}

/// Plain U-Net; decoder levels are counted from the deepest.
#[derive(Module, Debug)]
pub struct Unet {
    encoder: Vec<DoubleConv>,
    bottleneck: DoubleConv,
    /// Empty where interpolation does without weights.
    up: Vec<ConvTranspose2d>,
    decoder: Vec<DoubleConv>,
    head: Conv2d,
    #[module(skip)]
    up_sampling: UpSampling,
}

impl UnetConfig {
    /// From the spec and the channels of images and logits.
    pub(super) fn new(spec: &PlainEncoderSpec, channels: [usize; 2]) -> Self {
        Self {
            channels,
            filters: spec.filters.iter().map(|&filters| filters as usize).collect(),
            norm: spec.norm,
            dropout: spec.dropout,
            up_sampling: spec.up_sampling,
        }
    }

    fn block(&self, inputs: usize, outputs: usize) -> DoubleConvConfig {
        let channels = [inputs, outputs];
        DoubleConvConfig { channels, norm: self.norm, dropout: self.dropout }
    }

    /// Encoder blocks, shallowest first; the last is the bottleneck.
    fn down(&self) -> Vec<DoubleConvConfig> {
        let inputs = std::iter::once(&self.channels[0]).chain(&self.filters);
        inputs.zip(&self.filters).map(|(&inputs, &outputs)| self.block(inputs, outputs)).collect()
    }

    /// Channels `[below, at]` each decoder level, deepest first.
    fn levels(&self) -> impl Iterator<Item = [usize; 2]> {
        self.filters.windows(2).rev().map(|pair| [pair[1], pair[0]])
    }

    /// The block of a decoder level, behind as many maps of its size as come from before it.
    pub(super) fn decoder_block(&self, [below, at]: [usize; 2], before: usize) -> DoubleConvConfig {
        let up = match self.up_sampling {
            UpSampling::Transposed => at,
            UpSampling::Nearest | UpSampling::Bilinear => below,
        };
        self.block(up + before * at, at)
    }

    /// The convolution that gives the logits.
    pub(super) fn head(&self) -> Convolution {
        Convolution::new([self.filters[0], self.channels[1]], 1, glorot_uniform())
    }

    /// The places of the encoder that can be looked at.
    pub(super) fn places_down(&self) -> impl Iterator<Item = String> {
        let levels = (0..self.filters.len() - 1).map(|level| format!("encoder.{level}"));
        levels.chain(["bottleneck".into()])
    }

    /// The places that can be looked at, in the order of the forward pass.
    pub(super) fn places(&self) -> Vec<String> {
        let decoder = (0..self.filters.len() - 1).map(|level| format!("decoder.{level}"));
        self.places_down().chain(decoder).collect()
    }

    /// Where the deepest features pass, and their channels.
    pub(super) fn bottleneck(&self) -> (String, usize) {
        ("bottleneck".into(), self.filters[self.filters.len() - 1])
    }

    /// The network.
    pub(super) fn init(&self, device: &Device) -> Unet {
        let (bottleneck, encoder) = self.split_down();
        Unet {
            encoder: encoder.iter().map(|block| block.init(device)).collect(),
            bottleneck: bottleneck.init(device),
            up: match self.up_sampling {
                UpSampling::Transposed => {
                    self.levels().map(|level| up_convolution(level, device)).collect()
                }
                UpSampling::Nearest | UpSampling::Bilinear => Vec::new(),
            },
            decoder: self.levels().map(|level| self.decoder_block(level, 1).init(device)).collect(),
            head: self.head().init(device),
            up_sampling: self.up_sampling,
        }
    }

    /// The bottleneck, and the blocks above it.
    pub(super) fn split_down(&self) -> (DoubleConvConfig, Vec<DoubleConvConfig>) {
        let mut encoder = self.down();
        let bottleneck = encoder.pop().expect("`problems` asks for at least two levels");
        (bottleneck, encoder)
    }

    /// Fills in the encoder's rows of the layer table; gives the maps of each level.
    pub(super) fn summarise_down(&self, table: &mut Table, size: usize) -> Vec<Maps> {
        let (bottleneck, encoder) = self.split_down();
        let mut maps = Maps { channels: self.channels[0], size };
        let mut levels = Vec::new();
        for (index, block) in encoder.iter().enumerate() {
            maps = block.summarise(table, &format!("encoder.{index}"), maps);
            levels.push(maps);
            maps = summarise_max_pool(table, &format!("encoder.{index}.pool"), maps);
        }
        levels.push(bottleneck.summarise(table, "bottleneck", maps));
        levels
    }

    /// Fills in the layer table.
    pub(super) fn summarise(&self, table: &mut Table, size: usize) {
        let mut skips = self.summarise_down(table, size);
        let mut maps = skips.pop().expect("`problems` asks for at least two levels");
        for (index, (level, skip)) in self.levels().zip(skips.into_iter().rev()).enumerate() {
            maps = summarise_up(self.up_sampling, level, table, &format!("up.{index}"), maps);
            maps = table.concat(&format!("decoder.{index}.concat"), maps, skip);
            maps = self.decoder_block(level, 1).summarise(table, &format!("decoder.{index}"), maps);
        }
        self.head().summarise(table, "head", maps);
    }
}

/// Adds the row of doubling the size on the way to a level to the layer table.
pub(super) fn summarise_up(
    up_sampling: UpSampling,
    level: [usize; 2],
    table: &mut Table,
    name: &str,
    maps: Maps,
) -> Maps {
    match up_sampling {
        UpSampling::Transposed => summarise_up_convolution(level, table, name, maps),
        UpSampling::Nearest => summarise_nearest(table, name, maps),
        UpSampling::Bilinear => summarise_bilinear(table, name, maps),
    }
}

/// Doubles the size, by a transposed convolution where one was learnt.
pub(super) fn up(
    up_sampling: UpSampling,
    learnt: Option<&ConvTranspose2d>,
    maps: Tensor<4>,
) -> Source {
    match up_sampling {
        UpSampling::Transposed => {
            let learnt = learnt.expect("`init` makes one for each place");
            kernels::conv_transpose2d(learnt, maps).into()
        }
        UpSampling::Nearest => Source::doubled(maps),
        UpSampling::Bilinear => kernels::bilinear(maps).into(),
    }
}

impl Unet {
    /// Logits of each class at each pixel.
    ///
    /// # Shapes
    /// - images: `[batch, channels_in, height, width]`, height and width multiples of 2^depth
    /// - output: `[batch, channels_out, height, width]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let mut x = images;
        let mut skips = Vec::with_capacity(self.encoder.len());
        for (level, block) in self.encoder.iter().enumerate() {
            x = place(|| format!("encoder.{level}"), block.forward(x));
            skips.push(x.clone());
            x = max_pool(x);
        }
        x = place(|| "bottleneck".into(), self.bottleneck.forward(x));
        for (level, (block, skip)) in self.decoder.iter().zip(skips.into_iter().rev()).enumerate() {
            let below = up(self.up_sampling, self.up.get(level), x);
            x = place(|| format!("decoder.{level}"), block.forward(Input::pair(below, skip)));
        }
        kernels::conv2d(&self.head, x, After::nothing())
    }
}
