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
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::{Architecture, Design, Network};
use super::blocks::{
    Convolution, DoubleConv, DoubleConvConfig, NormKind, glorot_uniform, summarise_bilinear,
    summarise_nearest, summarise_up_convolution, up_convolution,
};
use super::catalogue::WeightsSpec;
use super::contracting_path::{self, contract};
use super::either::{Either, EitherConfig};
use super::encoder::{Chosen, EncoderSpec, PlainEncoderSpec, UpSampling};
use super::encoder_unet::{EncoderUnet, EncoderUnetConfig};
use super::multi_task::SecondHead;
use super::problems::Problems;
use super::pytorch::InPytorch;
use super::summary::{Maps, Table};
use super::watch::place;
use crate::kernels::{self, After, Input, Source};

/// U-Net.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UnetSpec {
    /// The contracting path.
    #[serde(default)]
    pub encoder: EncoderSpec,
    /// Weights of the whole network to start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

impl Architecture for Unet {
    type Settings = UnetSpec;
    type Design = EitherConfig<UnetConfig, EncoderUnetConfig>;

    const TITLE: &'static str = "U-Net";

    fn title(settings: &UnetSpec) -> String {
        settings.encoder.after(Self::TITLE)
    }

    fn encoder(settings: &UnetSpec) -> Option<&EncoderSpec> {
        Some(&settings.encoder)
    }

    fn encoder_mut(settings: &mut UnetSpec) -> Option<&mut EncoderSpec> {
        Some(&mut settings.encoder)
    }

    fn halvings(settings: &UnetSpec) -> u32 {
        settings.encoder.halvings()
    }

    fn problems(settings: &UnetSpec, sides: [usize; 2], found: &mut Problems) {
        settings.encoder.problems(sides, found);
    }

    fn design(settings: &UnetSpec, channels: [usize; 2]) -> Self::Design {
        match settings.encoder.chosen() {
            Chosen::Plain(encoder) => EitherConfig::Plain(UnetConfig::new(encoder, channels)),
            Chosen::Pretrained(encoder) => {
                EitherConfig::Pretrained(EncoderUnetConfig::new(encoder, channels))
            }
        }
    }

    fn freeze(net: Either<Unet, EncoderUnet>, settings: &UnetSpec) -> Either<Unet, EncoderUnet> {
        net.map_pretrained(|net| net.for_training(settings.encoder.is_frozen()))
    }

    fn in_pytorch(
        settings: &UnetSpec,
        channels: [usize; 2],
        second_head: Option<SecondHead>,
    ) -> Option<InPytorch> {
        InPytorch::smp("Unet", settings.encoder.pretrained()?, channels, second_head)
    }

    #[cfg(test)]
    fn samples() -> Vec<UnetSpec> {
        EncoderSpec::samples()
            .into_iter()
            .map(|encoder| UnetSpec { encoder, weights: None })
            .collect()
    }
}

/// What a [`Unet`] is made of.
pub struct UnetConfig {
    channels: [usize; 2],
    pub(super) filters: Vec<usize>,
    norm: NormKind,
    dropout: f64,
    pub(super) up_sampling: UpSampling,
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

    /// The bottleneck, and the blocks above it.
    pub(super) fn split_down(&self) -> (DoubleConvConfig, Vec<DoubleConvConfig>) {
        let mut encoder = self.down();
        let bottleneck = encoder.pop().expect("the schema asks for at least two levels");
        (bottleneck, encoder)
    }

    /// Fills in the encoder's rows of the layer table; gives the maps of the bottleneck and of each level above it.
    pub(super) fn summarise_down(&self, table: &mut Table, sides: [usize; 2]) -> (Maps, Vec<Maps>) {
        let (bottleneck, encoder) = self.split_down();
        let maps = Maps { channels: self.channels[0], sides };
        contracting_path::summarise(&encoder, &bottleneck, table, maps, DoubleConvConfig::summarise)
    }
}

impl Design for UnetConfig {
    type Net = Unet;

    fn places(&self) -> Vec<String> {
        let levels = self.filters.len() - 1;
        let decoder = (0..levels).map(|level| format!("decoder.{level}"));
        contracting_path::places(levels).chain(decoder).collect()
    }

    fn bottleneck(&self) -> Option<(String, usize)> {
        Some(("bottleneck".into(), self.filters[self.filters.len() - 1]))
    }

    fn init(&self, device: &Device) -> Unet {
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

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        let (mut maps, skips) = self.summarise_down(table, sides);
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

impl Network for Unet {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        vec![self.forward(images)]
    }
}

impl Unet {
    /// Logits of each class at each pixel.
    ///
    /// # Shapes
    /// - images: `[batch, channels_in, height, width]`, height and width multiples of 2^depth
    /// - output: `[batch, channels_out, height, width]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let (mut x, skips) =
            contract(&self.encoder, &self.bottleneck, images, |block, x| block.forward(x));
        for (level, (block, skip)) in self.decoder.iter().zip(skips.into_iter().rev()).enumerate() {
            let below = up(self.up_sampling, self.up.get(level), x);
            x = place(|| format!("decoder.{level}"), block.forward(Input::pair(below, skip)));
        }
        kernels::conv2d(&self.head, x, After::nothing())
    }
}
