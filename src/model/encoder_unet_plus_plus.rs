//! U-Net++ with a pretrained encoder: segmentation_models_pytorch's `UnetPlusPlus("resnet34", ...)`, with its
//! decoder, head, tensor names and initialisation; EfficientNets start as torchvision's do.
//!
//! Its names are kept: block `x_d_l` is in column l, which has the size of the l-th skip counted from the
//! deepest, and d = l stands on the encoder. Each gets the block `x_d_(l-1)` up-sampled, and the skip behind all
//! blocks of its column that came before it, the newest first.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};

use super::architecture::{Design, Network};
use super::encoder::Encoder;
use super::encoder_unet::{DecoderBlock, DecoderBlockConfig, EncoderUnetConfig};
use super::published::Published;
use super::summary::{Maps, Table};
use super::watch::place;
use crate::kernels::{After, conv2d};

/// Skips: columns of blocks.
const COLUMNS: usize = 4;

/// What an [`EncoderUnetPlusPlus`] is made of: the encoder and the head are the U-Net's.
pub struct EncoderUnetPlusPlusConfig(pub EncoderUnetConfig);

/// U-Net++ with a pretrained encoder.
#[derive(Module, Debug)]
pub struct EncoderUnetPlusPlus {
    encoder: Encoder,
    decoder: NestedDecoder,
    segmentation_head: [Conv2d; 1],
}

/// The expanding path.
#[derive(Module, Debug)]
pub(super) struct NestedDecoder {
    blocks: NestedBlocks,
}

/// The blocks by their names.
#[derive(Module, Debug)]
pub(super) struct NestedBlocks {
    x_0_0: DecoderBlock,
    x_0_1: DecoderBlock,
    x_1_1: DecoderBlock,
    x_0_2: DecoderBlock,
    x_1_2: DecoderBlock,
    x_2_2: DecoderBlock,
    x_0_3: DecoderBlock,
    x_1_3: DecoderBlock,
    x_2_3: DecoderBlock,
    x_3_3: DecoderBlock,
    x_0_4: DecoderBlock,
}

/// The blocks `[d, l]` in the order in which they run, but for the last: each after what it reads.
fn order() -> impl Iterator<Item = [usize; 2]> {
    (0..COLUMNS).flat_map(|from| (0..COLUMNS - from).map(move |d| [d, d + from]))
}

impl EncoderUnetPlusPlusConfig {
    fn block(&self, [d, l]: [usize; 2]) -> DecoderBlockConfig {
        let features = self.0.encoder.design().features();
        let skip = |l: usize| features[COLUMNS - 1 - l];
        if l == COLUMNS {
            return DecoderBlockConfig {
                below: self.0.filters[COLUMNS - 1],
                skip: 0,
                filters: self.0.filters[COLUMNS],
            };
        }
        let below = match (d, l) {
            (0, 0) => features[COLUMNS],
            (0, _) => self.0.filters[l - 1],
            _ => skip(l - 1),
        };
        let filters = if d == 0 { self.0.filters[l] } else { skip(l) };
        DecoderBlockConfig { below, skip: skip(l) * (l + 1 - d), filters }
    }
}

impl Design for EncoderUnetPlusPlusConfig {
    type Net = EncoderUnetPlusPlus;

    fn places(&self) -> Vec<String> {
        let blocks = order().chain([[0, COLUMNS]]);
        let decoder = blocks.map(|[d, l]| format!("decoder.blocks.x_{d}_{l}"));
        self.0.encoder.design().places().into_iter().chain(decoder).collect()
    }

    fn bottleneck(&self) -> Option<(String, usize)> {
        self.0.bottleneck()
    }

    fn init(&self, device: &Device) -> EncoderUnetPlusPlus {
        let encoder = self.0.encoder.init(device);
        let block = |d, l| self.block([d, l]).init(device);
        let blocks = NestedBlocks {
            x_0_0: block(0, 0),
            x_0_1: block(0, 1),
            x_1_1: block(1, 1),
            x_0_2: block(0, 2),
            x_1_2: block(1, 2),
            x_2_2: block(2, 2),
            x_0_3: block(0, 3),
            x_1_3: block(1, 3),
            x_2_3: block(2, 3),
            x_3_3: block(3, 3),
            x_0_4: block(0, 4),
        };
        EncoderUnetPlusPlus {
            encoder,
            decoder: NestedDecoder { blocks },
            segmentation_head: [self.0.head().init(device)],
        }
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        let features = self.0.encoder.design().summarise(table, sides);
        let mut dense: [Maps; COLUMNS] = std::array::from_fn(|l| features[COLUMNS - 1 - l]);
        // What row d made last, in the column before.
        let mut below: [Maps; COLUMNS] = std::array::from_fn(|d| features[COLUMNS - d]);
        for [d, l] in order() {
            let block = self.block([d, l]);
            let name = format!("decoder.blocks.x_{d}_{l}");
            below[d] = block.summarise(table, &name, below[d], Some(dense[l]));
            dense[l].channels += below[d].channels;
        }
        let last = self.block([0, COLUMNS]);
        let maps = last.summarise(table, "decoder.blocks.x_0_4", below[0], None);
        self.0.head().summarise(table, "segmentation_head.0", maps);
    }
}

impl Network for EncoderUnetPlusPlus {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        vec![self.forward(images)]
    }

    fn published(&self) -> Published {
        Published::Encoder(self.encoder.files())
    }
}

impl EncoderUnetPlusPlus {
    /// Logits of each class at each pixel.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, height and width multiples of 32
    /// - output: `[batch, classes, height, width]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let [stem, stage1, stage2, stage3, stage4] = self.encoder.features(images);
        // The skips of each column and the blocks on them, the newest first.
        let mut dense = [&stage3, &stage2, &stage1, &stem].map(|maps| vec![maps.clone()]);
        let mut below = [stage4, stage3, stage2, stage1];
        for [d, l] in order() {
            let block = self.decoder.blocks.at([d, l]);
            let maps = block.forward(below[d].clone(), dense[l].clone());
            let maps = place(|| format!("decoder.blocks.x_{d}_{l}"), maps);
            if d > 0 {
                dense[l].insert(0, maps.clone());
            }
            below[d] = maps;
        }
        let [top, ..] = below;
        let x = self.decoder.blocks.at([0, COLUMNS]).forward(top, Vec::new());
        let x = place(|| "decoder.blocks.x_0_4".into(), x);
        conv2d(&self.segmentation_head[0], x, After::nothing())
    }

    /// As training is to change it, whether the encoder is frozen or not.
    pub(super) fn for_training(self, frozen: bool) -> Self {
        Self { encoder: self.encoder.for_training(frozen), ..self }
    }
}

impl NestedBlocks {
    fn at(&self, place: [usize; 2]) -> &DecoderBlock {
        match place {
            [0, 0] => &self.x_0_0,
            [0, 1] => &self.x_0_1,
            [1, 1] => &self.x_1_1,
            [0, 2] => &self.x_0_2,
            [1, 2] => &self.x_1_2,
            [2, 2] => &self.x_2_2,
            [0, 3] => &self.x_0_3,
            [1, 3] => &self.x_1_3,
            [2, 3] => &self.x_2_3,
            [3, 3] => &self.x_3_3,
            _ => &self.x_0_4,
        }
    }
}
