//! U-Net++ (Zhou, Siddiquee, Tajbakhsh and Liang 2018, "UNet++: A Nested U-Net Architecture for Medical
//! Image Segmentation").
//!
//! Node `X(i, 0)` is the encoder at level i, counted from the top; `X(i, j)` is a [`DoubleConv`] of the
//! up-sampled `X(i + 1, j - 1)` and of all nodes before it in its row, the newest first. With deep
//! supervision each node of the top row has a head, else the last one alone.

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::tensor::{Device, Tensor};

use super::blocks::{DoubleConv, max_pool, up_convolution};
use super::summary::Table;
use super::unet::{UnetConfig, summarise_up, up};
use super::watch::place;
use crate::kernels::{self, After, Input, concat};
use crate::spec::{PlainEncoderSpec, UpSampling};

/// What a [`UnetPlusPlus`] is made of.
pub(super) struct UnetPlusPlusConfig {
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

    /// The places that can be looked at, in the order of the forward pass.
    pub(super) fn places(&self) -> Vec<String> {
        let nodes = (0..self.depth()).flat_map(|before| {
            (0..self.depth() - before).map(move |level| format!("nodes.{level}.{before}"))
        });
        self.unet.places_down().chain(nodes).collect()
    }

    /// Where the deepest features pass, and their channels.
    pub(super) fn bottleneck(&self) -> (String, usize) {
        self.unet.bottleneck()
    }

    /// The network.
    pub(super) fn init(&self, device: &Device) -> UnetPlusPlus {
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

    /// Fills in the layer table.
    pub(super) fn summarise(&self, table: &mut Table, size: usize) {
        let unet = &self.unet;
        let mut column = unet.summarise_down(table, size);
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

impl UnetPlusPlus {
    /// Logits of each class at each pixel, of each head.
    ///
    /// # Shapes
    /// - images: `[batch, channels_in, height, width]`, height and width multiples of 2^depth
    /// - outputs: `[batch, channels_out, height, width]`
    pub fn forward(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        let mut column = Vec::with_capacity(self.encoder.len() + 1);
        let mut x = images;
        for (level, block) in self.encoder.iter().enumerate() {
            let maps = place(|| format!("encoder.{level}"), block.forward(x));
            x = max_pool(maps.clone());
            column.push(maps);
        }
        column.push(place(|| "bottleneck".into(), self.bottleneck.forward(x)));
        let mut dense = column.clone();
        let depth = self.nodes.len();
        let mut tops = Vec::with_capacity(depth);
        for before in 0..depth {
            for level in 0..depth - before {
                let learnt = self.up.get(level).map(|row| &row[before]);
                let below = up(self.up_sampling, learnt, column[level + 1].clone());
                let input = Input::pair(below, dense[level].clone());
                let maps = self.nodes[level][before].forward(input);
                column[level] = place(|| format!("nodes.{level}.{before}"), maps);
                if before + 1 < depth - level {
                    dense[level] = concat(column[level].clone(), dense[level].clone());
                }
            }
            tops.push(column[0].clone());
        }
        let tops = tops.split_off(depth - self.heads.len());
        let heads = self.heads.iter().zip(tops);
        heads.map(|(head, top)| kernels::conv2d(head, top, After::nothing())).collect()
    }
}
