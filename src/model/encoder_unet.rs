//! U-Net with a pretrained encoder: segmentation_models_pytorch's `Unet("resnet34", ...)`, with its
//! decoder, head, tensor names and initialisation; EfficientNets start as torchvision's do.

use burn::module::{Initializer, Module};
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};

use super::architecture::{Design, Network};
use super::blocks::{Convolution, glorot_uniform, summarise_nearest};
use super::encoder::{Encoder, EncoderConfig, PretrainedEncoder};
use super::published::Published;
use super::summary::{Maps, Table};
use super::watch::place;
use crate::kernels::{After, Input, Source, block, conv2d, conv2d_batch_norm};

/// What an [`EncoderUnet`] is made of.
pub struct EncoderUnetConfig {
    pub(super) encoder: EncoderConfig,
    pub(super) filters: [usize; 5],
    classes: usize,
}

/// U-Net with a pretrained encoder.
#[derive(Module, Debug)]
pub struct EncoderUnet {
    encoder: Encoder,
    decoder: Decoder,
    segmentation_head: [Conv2d; 1],
}

/// The expanding path: five blocks, deepest first.
#[derive(Module, Debug)]
pub(super) struct Decoder {
    blocks: Vec<DecoderBlock>,
}

impl EncoderUnetConfig {
    /// From the encoder's settings and the channels of images and logits.
    pub(super) fn new(encoder: PretrainedEncoder, [images, classes]: [usize; 2]) -> Self {
        let filters = encoder.decoder_filters.map(|filters| filters as usize);
        Self { encoder: encoder.config(images), filters, classes }
    }

    /// Decoder blocks, deepest first; the last one has no skip.
    fn blocks(&self) -> [DecoderBlockConfig; 5] {
        let features = self.encoder.design().features();
        std::array::from_fn(|index| DecoderBlockConfig {
            below: if index == 0 { features[4] } else { self.filters[index - 1] },
            skip: if index == 4 { 0 } else { features[3 - index] },
            filters: self.filters[index],
        })
    }

    /// The convolution that gives the logits.
    pub(super) fn head(&self) -> Convolution {
        Convolution::new([self.filters[4], self.classes], 3, glorot_uniform())
    }
}

impl Design for EncoderUnetConfig {
    type Net = EncoderUnet;

    fn places(&self) -> Vec<String> {
        let decoder = (0..5).map(|index| format!("decoder.blocks.{index}"));
        self.encoder.design().places().into_iter().chain(decoder).collect()
    }

    fn bottleneck(&self) -> Option<(String, usize)> {
        let encoder = self.encoder.design();
        Some((encoder.places().pop()?, encoder.features()[4]))
    }

    fn init(&self, device: &Device) -> EncoderUnet {
        EncoderUnet {
            encoder: self.encoder.init(device),
            decoder: Decoder { blocks: self.blocks().map(|block| block.init(device)).into() },
            segmentation_head: [self.head().init(device)],
        }
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        let features = self.encoder.design().summarise(table, sides);
        let mut maps = features[4];
        for (index, block) in self.blocks().iter().enumerate() {
            let skip = (index < 4).then(|| features[3 - index]);
            maps = block.summarise(table, &format!("decoder.blocks.{index}"), maps, skip);
        }
        self.head().summarise(table, "segmentation_head.0", maps);
    }
}

impl Network for EncoderUnet {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        vec![self.forward(images)]
    }

    fn published(&self) -> Published {
        Published::Encoder(self.encoder.files())
    }
}

impl EncoderUnet {
    /// Logits of each class at each pixel.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, height and width multiples of 32
    /// - output: `[batch, classes, height, width]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let [stem, stage1, stage2, stage3, stage4] = self.encoder.features(images);
        let skips = [Some(stage3), Some(stage2), Some(stage1), Some(stem), None];
        let blocks = self.decoder.blocks.iter().zip(skips).enumerate();
        let x = blocks.fold(stage4, |x, (index, (block, skip))| {
            place(
                || format!("decoder.blocks.{index}"),
                block.forward(x, skip.into_iter().collect()),
            )
        });
        conv2d(&self.segmentation_head[0], x, After::nothing())
    }

    /// As training is to change it, whether the encoder is frozen or not.
    pub(super) fn for_training(self, frozen: bool) -> Self {
        Self { encoder: self.encoder.for_training(frozen), ..self }
    }
}

/// What a [`DecoderBlock`] is made of.
pub(super) struct DecoderBlockConfig {
    pub below: usize,
    pub skip: usize,
    pub filters: usize,
}

/// Up-sampling by repetition, concatenation with the skip, and twice convolution, norm and ReLU.
#[derive(Module, Debug)]
pub(super) struct DecoderBlock {
    conv1: (Conv2d, BatchNorm),
    conv2: (Conv2d, BatchNorm),
}

impl DecoderBlockConfig {
    /// The convolutions: uniform weights with variance 2 / fan-in (PyTorch's `kaiming_uniform_`).
    fn convolutions(&self) -> [Convolution; 2] {
        let initializer = Initializer::KaimingUniform { gain: 2f64.sqrt(), fan_out_only: false };
        [self.below + self.skip, self.filters].map(|inputs| {
            Convolution::new([inputs, self.filters], 3, initializer.clone()).without_bias()
        })
    }

    /// The block.
    pub(super) fn init(&self, device: &Device) -> DecoderBlock {
        let [conv1, conv2] = self
            .convolutions()
            .map(|conv| (conv.init(device), BatchNormConfig::new(conv.channels[1]).init(device)));
        DecoderBlock { conv1, conv2 }
    }

    /// Adds its rows to the layer table.
    pub(super) fn summarise(
        &self,
        table: &mut Table,
        name: &str,
        maps: Maps,
        skip: Option<Maps>,
    ) -> Maps {
        let mut maps = summarise_nearest(table, &format!("{name}.up"), maps);
        if let Some(skip) = skip {
            maps = table.concat(&format!("{name}.concat"), maps, skip);
        }
        for (index, conv) in self.convolutions().iter().enumerate() {
            let name = format!("{name}.conv{}", index + 1);
            maps = conv.summarise(table, &format!("{name}.0"), maps);
            maps = table.norm(&format!("{name}.1"), "BatchNorm2d".to_string(), maps);
        }
        maps
    }
}

impl DecoderBlock {
    /// Applies the block.
    ///
    /// # Shapes
    /// - below: `[batch, channels_below, height / 2, width / 2]`
    /// - skips: `[batch, .., height, width]`, channels_skip in all
    /// - output: `[batch, filters, height, width]`
    pub(super) fn forward(&self, below: Tensor<4>, skips: Vec<Tensor<4>>) -> Tensor<4> {
        let input = Input::row(Source::doubled(below), skips);
        block(self, input, |block, input| {
            let (conv1, norm1) = &block.conv1;
            let (conv2, norm2) = &block.conv2;
            let x = conv2d_batch_norm(conv1, norm1, input, After::relu());
            conv2d_batch_norm(conv2, norm2, x, After::relu())
        })
    }
}
