//! U-Net++ (Zhou, Siddiquee, Tajbakhsh and Liang 2018, "UNet++: A Nested U-Net Architecture for Medical
//! Image Segmentation").
//!
//! Node `X(i, 0)` is the encoder at level i, counted from the top; `X(i, j)` is a [`DoubleConv`] of the
//! up-sampled `X(i + 1, j - 1)` and of all nodes before it in its row, the newest first. With deep
//! supervision each node of the top row has a head, else the last one alone.

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::{Architecture, Design, Network};
use super::blocks::{DoubleConv, up_convolution};
use super::catalogue::WeightsSpec;
use super::contracting_path::{self, contract};
use super::either::{Either, EitherConfig};
use super::encoder::{Chosen, EncoderSpec, PlainEncoderSpec, UpSampling};
use super::encoder_unet::EncoderUnetConfig;
use super::encoder_unet_plus_plus::{EncoderUnetPlusPlus, EncoderUnetPlusPlusConfig};
use super::multi_task::SecondHead;
use super::problems::Problems;
use super::pytorch::InPytorch;
use super::summary::Table;
use super::unet::{UnetConfig, summarise_up, up};
use super::watch::place;
use crate::kernels::{self, After, Input};

/// U-Net++.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct UnetPlusPlusSpec {
    /// The contracting path.
    pub encoder: EncoderSpec,
    /// A head on every node of the top row: their losses are averaged, and so are their probabilities.
    pub deep_supervision: bool,
    /// Weights of the whole network to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

impl Architecture for UnetPlusPlus {
    type Settings = UnetPlusPlusSpec;
    type Design = EitherConfig<UnetPlusPlusConfig, EncoderUnetPlusPlusConfig>;

    const TITLE: &'static str = "U-Net++";

    fn title(settings: &UnetPlusPlusSpec) -> String {
        let deep = if settings.deep_supervision { ", deep supervision" } else { "" };
        format!("{}{deep}", settings.encoder.after(Self::TITLE))
    }

    fn encoder(settings: &UnetPlusPlusSpec) -> Option<&EncoderSpec> {
        Some(&settings.encoder)
    }

    fn encoder_mut(settings: &mut UnetPlusPlusSpec) -> Option<&mut EncoderSpec> {
        Some(&mut settings.encoder)
    }

    fn halvings(settings: &UnetPlusPlusSpec) -> u32 {
        settings.encoder.halvings()
    }

    fn problems(settings: &UnetPlusPlusSpec, sides: [usize; 2], found: &mut Problems) {
        settings.encoder.problems(sides, found);
        if settings.deep_supervision && settings.encoder.pretrained().is_some() {
            found.push(
                "model.deep-supervision",
                "is for the `plain` encoder: the decoder of segmentation_models_pytorch, which \
                 comes with the others, has one head"
                    .into(),
            );
        }
    }

    fn design(settings: &UnetPlusPlusSpec, channels: [usize; 2]) -> Self::Design {
        match settings.encoder.chosen() {
            Chosen::Plain(encoder) => {
                let deep = settings.deep_supervision;
                EitherConfig::Plain(UnetPlusPlusConfig::new(encoder, deep, channels))
            }
            Chosen::Pretrained(encoder) => {
                let unet = EncoderUnetConfig::new(encoder, channels);
                EitherConfig::Pretrained(EncoderUnetPlusPlusConfig(unet))
            }
        }
    }

    fn freeze(
        net: Either<UnetPlusPlus, EncoderUnetPlusPlus>,
        settings: &UnetPlusPlusSpec,
    ) -> Either<UnetPlusPlus, EncoderUnetPlusPlus> {
        net.map_pretrained(|net| net.for_training(settings.encoder.is_frozen()))
    }

    fn in_pytorch(
        settings: &UnetPlusPlusSpec,
        channels: [usize; 2],
        second_head: Option<SecondHead>,
    ) -> Option<InPytorch> {
        InPytorch::smp("UnetPlusPlus", settings.encoder.pretrained()?, channels, second_head)
    }

    #[cfg(test)]
    fn samples() -> Vec<UnetPlusPlusSpec> {
        let plain = |up_sampling| {
            let filters = vec![2, 4, 6];
            EncoderSpec::Plain(PlainEncoderSpec { filters, up_sampling, ..Default::default() })
        };
        [
            (plain(UpSampling::Transposed), false),
            (plain(UpSampling::Bilinear), true),
            (EncoderSpec::Resnet18(Default::default()), false),
            (EncoderSpec::EfficientnetB0(Default::default()), false),
            (EncoderSpec::EfficientnetLite0(Default::default()), false),
        ]
        .map(|(encoder, deep_supervision)| UnetPlusPlusSpec {
            encoder,
            deep_supervision,
            weights: None,
        })
        .into()
    }
}

/// What a [`UnetPlusPlus`] is made of.
pub struct UnetPlusPlusConfig {
    unet: UnetConfig,
    deep_supervision: bool,
}

/// U-Net++; levels are counted from the top.
#[derive(Module, Debug)]
pub struct UnetPlusPlus {
    /// `X(i, 0)` above the deepest.
    encoder: Vec<DoubleConv>,
    bottleneck: DoubleConv,
    /// What leads up to the nodes; empty where interpolation does without weights.
    up: Vec<Vec<ConvTranspose2d>>,
    /// `X(i, j)` for j from 1.
    nodes: Vec<Vec<DoubleConv>>,
    heads: Vec<Conv2d>,
    #[module(skip)]
    up_sampling: UpSampling,
}

impl UnetPlusPlusConfig {
    /// From the spec and the channels of images and logits.
    pub(super) fn new(
        spec: &PlainEncoderSpec,
        deep_supervision: bool,
        channels: [usize; 2],
    ) -> Self {
        Self { unet: UnetConfig::new(spec, channels), deep_supervision }
    }

    fn depth(&self) -> usize {
        self.unet.filters.len() - 1
    }

    /// Channels `[below, at]` a level.
    fn level(&self, level: usize) -> [usize; 2] {
        [self.unet.filters[level + 1], self.unet.filters[level]]
    }

    fn heads(&self) -> usize {
        if self.deep_supervision { self.depth() } else { 1 }
    }
}

impl Design for UnetPlusPlusConfig {
    type Net = UnetPlusPlus;

    fn places(&self) -> Vec<String> {
        let nodes = (0..self.depth()).flat_map(|before| {
            (0..self.depth() - before).map(move |level| format!("nodes.{level}.{before}"))
        });
        contracting_path::places(self.depth()).chain(nodes).collect()
    }

    fn bottleneck(&self) -> Option<(String, usize)> {
        self.unet.bottleneck()
    }

    fn init(&self, device: &Device) -> UnetPlusPlus {
        let unet = &self.unet;
        let rows = |level| 0..self.depth() - level;
        let (bottleneck, encoder) = unet.split_down();
        UnetPlusPlus {
            encoder: encoder.iter().map(|block| block.init(device)).collect(),
            bottleneck: bottleneck.init(device),
            up: match unet.up_sampling {
                UpSampling::Transposed => (0..self.depth())
                    .map(|at| rows(at).map(|_| up_convolution(self.level(at), device)).collect())
                    .collect(),
                UpSampling::Nearest | UpSampling::Bilinear => Vec::new(),
            },
            nodes: (0..self.depth())
                .map(|at| {
                    let node = |before| unet.decoder_block(self.level(at), before + 1);
                    rows(at).map(|before| node(before).init(device)).collect()
                })
                .collect(),
            heads: (0..self.heads()).map(|_| unet.head().init(device)).collect(),
            up_sampling: unet.up_sampling,
        }
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        let unet = &self.unet;
        let (deepest, mut column) = unet.summarise_down(table, sides);
        column.push(deepest);
        let mut dense = column.clone();
        for before in 0..self.depth() {
            for level in 0..self.depth() - before {
                let name = format!("nodes.{level}.{before}");
                let up = format!("up.{level}.{before}");
                let below = column[level + 1];
                let below = summarise_up(unet.up_sampling, self.level(level), table, &up, below);
                let maps = table.concat(&format!("{name}.concat"), below, dense[level]);
                let block = unet.decoder_block(self.level(level), before + 1);
                column[level] = block.summarise(table, &name, maps);
                dense[level].channels += column[level].channels;
            }
            if self.deep_supervision {
                unet.head().summarise(table, &format!("heads.{before}"), column[0]);
            }
        }
        if !self.deep_supervision {
            unet.head().summarise(table, "heads.0", column[0]);
        }
    }
}

impl Network for UnetPlusPlus {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        self.forward(images)
    }
}

impl UnetPlusPlus {
    /// Logits of each class at each pixel, of each head.
    ///
    /// # Shapes
    /// - images: `[batch, channels_in, height, width]`, height and width multiples of 2^depth
    /// - outputs: `[batch, channels_out, height, width]`
    pub fn forward(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        let (deepest, mut column) =
            contract(&self.encoder, &self.bottleneck, images, |block, x| block.forward(x));
        column.push(deepest);
        // The nodes of each row, the newest first.
        let mut dense: Vec<Vec<_>> = column.iter().map(|maps| vec![maps.clone()]).collect();
        let depth = self.nodes.len();
        let mut tops = Vec::with_capacity(depth);
        for before in 0..depth {
            for level in 0..depth - before {
                let learnt = self.up.get(level).map(|row| &row[before]);
                let below = up(self.up_sampling, learnt, column[level + 1].clone());
                let input = Input::row(below, dense[level].clone());
                let maps = self.nodes[level][before].forward(input);
                column[level] = place(|| format!("nodes.{level}.{before}"), maps);
                if before + 1 < depth - level {
                    dense[level].insert(0, column[level].clone());
                }
            }
            tops.push(column[0].clone());
        }
        let tops = tops.split_off(depth - self.heads.len());
        let heads = self.heads.iter().zip(tops);
        heads.map(|(head, top)| kernels::conv2d(head, top, After::nothing())).collect()
    }
}
