//! Mobile U-ViT (Tang, Nian, Ding, Ma, Quan, Dong, Yang, Liu and Zhou 2025, "Mobile U-ViT: Revisiting large
//! kernel and U-shaped ViT for efficient medical image segmentation").
//!
//! Three levels of large depthwise convolutions halve the image three times; what is left are tokens. Between
//! them information goes from local to global to local: large depthwise convolutions gather it, attention
//! between every other token in each direction exchanges it, a transposed convolution spreads it. Plain
//! transformers follow on more channels. The decoder fuses with the pooled maps of the encoder.
//!
//! As in the authors' program, GELU comes before the normalisation and doubling keeps the corners. There the
//! layer normalisations around attention and perceptron add 1e-6 to the variance, ours PyTorch's default of 1e-5.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig};
use burn::tensor::activation::sigmoid;
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
use super::transformer::{Transformer, TransformerConfig, depthwise, drop_path, linear};
use super::watch::place;
use crate::kernels::{After, Input, batch_norm, block, constant, conv2d, gelu};

/// Width of the convolutions that gather what is near a token.
const AGGREGATION: usize = 9;

/// Mobile U-ViT; the defaults are the published network of 1.39 M parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MobileUvitSpec {
    /// Channels of the three convolutional levels, the last being that of the tokens too, and of the bottleneck.
    #[schemars(inner(range(min = 1, max = 4096)))]
    pub filters: [u32; 4],
    /// Blocks of each convolutional level, local-global-local blocks, and transformers of the bottleneck.
    #[schemars(inner(range(min = 1, max = 64)))]
    pub depths: [u32; 5],
    /// Width of each convolutional level's depthwise convolutions, an odd number of pixels.
    #[schemars(inner(range(min = 1, max = 31)))]
    pub kernels: [u32; 3],
    /// Heads of attention; the last two of `filters` must be multiples of them.
    #[schemars(range(min = 1, max = 4096))]
    pub heads: u32,
    /// Probability with which a branch of a local-global-local block is left out of an image in training.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub drop_path: f64,
    /// Weights of the whole network to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

impl Default for MobileUvitSpec {
    fn default() -> Self {
        Self {
            filters: [16, 32, 64, 128],
            depths: [1, 1, 3, 3, 3],
            kernels: [3, 3, 7],
            heads: 4,
            drop_path: 0.1,
            weights: None,
        }
    }
}

impl Architecture for MobileUvit {
    type Settings = MobileUvitSpec;
    type Design = MobileUvitConfig;

    const TITLE: &'static str = "Mobile U-ViT";

    fn halvings(_: &MobileUvitSpec) -> u32 {
        // Three pools, and attention between every other token.
        4
    }

    fn problems(settings: &MobileUvitSpec, _: [usize; 2], found: &mut Problems) {
        found.kernels(&settings.kernels);
        found.divisor("model.heads", settings.heads, &settings.filters[2..]);
    }

    fn design(settings: &MobileUvitSpec, channels: [usize; 2]) -> MobileUvitConfig {
        MobileUvitConfig::new(settings, channels)
    }

    #[cfg(test)]
    fn samples() -> Vec<MobileUvitSpec> {
        vec![MobileUvitSpec {
            filters: [2, 3, 4, 6],
            depths: [1, 1, 2, 2, 1],
            kernels: [1, 3, 5],
            heads: 2,
            ..MobileUvitSpec::default()
        }]
    }
}

/// What a [`MobileUvit`] is made of.
pub struct MobileUvitConfig {
    channels: [usize; 2],
    filters: [usize; 4],
    depths: [usize; 5],
    kernels: [usize; 3],
    heads: usize,
    drop_path: f64,
}

/// Mobile U-ViT; decoder levels are counted from the deepest.
#[derive(Module, Debug)]
pub struct MobileUvit {
    stem: ConvNorm,
    encoder: Vec<MobileUvitLevel>,
    lgl: Vec<LocalGlobalLocal>,
    widen: ConvPair,
    transformer: Vec<Transformer>,
    narrow: ConvPair,
    decoder: Vec<MobileUvitFusion>,
    head: Conv2d,
}

/// A level of the encoder.
#[derive(Module, Debug)]
pub(super) struct MobileUvitLevel {
    blocks: Vec<ConvUtr>,
    widen: ConvNorm,
}

/// A transformer's block in convolutions: a large depthwise one and a mixing of channels, each beside its input.
#[derive(Module, Debug)]
pub(super) struct ConvUtr {
    depthwise: ConvNorm,
    expand: ConvNorm,
    project: ConvNorm,
}

/// Local aggregation, sparse attention and local propagation.
#[derive(Module, Debug)]
pub(super) struct LocalGlobalLocal {
    aggregation: LocalAggregation,
    transformer: Transformer,
}

/// Gates on tokens, from large depthwise convolutions of them.
#[derive(Module, Debug)]
pub(super) struct LocalAggregation {
    position: Conv2d,
    norm1: BatchNorm,
    conv1: Conv2d,
    depthwise: Conv2d,
    conv2: Conv2d,
    norm2: BatchNorm,
    expand: Conv2d,
    project: Conv2d,
    drop_path: Dropout,
}

/// Twice a convolution, norm and ReLU.
#[derive(Module, Debug)]
pub(super) struct ConvPair {
    conv1: ConvNorm,
    conv2: ConvNorm,
}

/// A level of the decoder.
#[derive(Module, Debug)]
pub(super) struct MobileUvitFusion {
    fuse: ConvPair,
    up: ConvNorm,
}

/// The convolutions of a [`ConvUtr`]: depthwise, to four times the channels, back.
fn of_conv_utr(channels: usize, kernel: usize) -> [Convolution; 3] {
    [depthwise(channels, kernel), linear(channels, 4 * channels), linear(4 * channels, channels)]
}

/// The convolutions of a [`LocalAggregation`], in the order of its fields.
fn of_aggregation(channels: usize) -> [Convolution; 6] {
    let grouped = |inputs, outputs| convolution([inputs, outputs], 3).grouped(channels);
    [
        depthwise(channels, AGGREGATION),
        linear(channels, channels),
        depthwise(channels, AGGREGATION),
        linear(channels, channels),
        grouped(channels, 4 * channels),
        grouped(4 * channels, channels),
    ]
}

/// The convolutions of a [`ConvPair`].
fn of_pair([inputs, outputs]: [usize; 2]) -> [Convolution; 2] {
    [convolution([inputs, outputs], 3), convolution([outputs, outputs], 3)]
}

fn init_pair(channels: [usize; 2], device: &Device) -> ConvPair {
    let [conv1, conv2] = of_pair(channels).map(|conv| ConvNorm::init(&conv, device));
    ConvPair { conv1, conv2 }
}

fn summarise_pair(channels: [usize; 2], table: &mut Table, name: &str, maps: Maps) -> Maps {
    let parts = of_pair(channels).into_iter().zip(["conv1", "conv2"]);
    parts.fold(maps, |maps, (conv, part)| {
        ConvNorm::summarise(&conv, table, &format!("{name}.{part}"), maps)
    })
}

fn summarise_aggregation(table: &mut Table, name: &str, maps: Maps) -> Maps {
    let [position, conv1, depthwise, conv2, expand, project] = of_aggregation(maps.channels);
    let batch_norm = |table: &mut Table, part: &str| {
        table.norm(&format!("{name}.{part}"), "BatchNorm2d".into(), maps);
    };
    position.summarise(table, &format!("{name}.position"), maps);
    batch_norm(table, "norm1");
    for (conv, part) in [(conv1, "conv1"), (depthwise, "depthwise"), (conv2, "conv2")] {
        conv.summarise(table, &format!("{name}.{part}"), maps);
    }
    batch_norm(table, "norm2");
    let wide = expand.summarise(table, &format!("{name}.expand"), maps);
    project.summarise(table, &format!("{name}.project"), wide)
}

impl MobileUvitConfig {
    /// From the spec and the channels of images and logits.
    pub(super) fn new(spec: &MobileUvitSpec, channels: [usize; 2]) -> Self {
        Self {
            channels,
            filters: spec.filters.map(|filters| filters as usize),
            depths: spec.depths.map(|depth| depth as usize),
            kernels: spec.kernels.map(|kernel| kernel as usize),
            heads: spec.heads as usize,
            drop_path: spec.drop_path,
        }
    }

    fn stem(&self) -> Convolution {
        convolution([self.channels[0], self.filters[0]], 3)
    }

    /// Channels that each level of the encoder gets and gives.
    fn levels(&self) -> [[usize; 2]; 3] {
        let [a, b, c, _] = self.filters;
        [[a, a], [a, b], [b, c]]
    }

    /// Channels that each level of the decoder gets and gives.
    fn fusions(&self) -> [[usize; 2]; 3] {
        let [a, b, c, _] = self.filters;
        [[c, b], [b, a], [a, a]]
    }

    /// The transformer of a local-global-local block.
    fn sparse(&self) -> TransformerConfig {
        let (channels, heads, drop_path) = (self.filters[2], self.heads, self.drop_path);
        TransformerConfig { channels, heads, sparse: true, drop_path }
    }

    /// A transformer of the bottleneck.
    fn dense(&self) -> TransformerConfig {
        let (channels, heads) = (self.filters[3], self.heads);
        TransformerConfig { channels, heads, sparse: false, drop_path: 0.0 }
    }

    fn head(&self) -> Convolution {
        convolution([self.filters[0], self.channels[1]], 1)
    }

    fn init_lgl(&self, device: &Device) -> LocalGlobalLocal {
        let channels = self.filters[2];
        let [position, conv1, depthwise, conv2, expand, project] =
            of_aggregation(channels).map(|conv| conv.init(device));
        let norm = || BatchNormConfig::new(channels).init(device);
        let aggregation = LocalAggregation {
            position,
            norm1: norm(),
            conv1,
            depthwise,
            conv2,
            norm2: norm(),
            expand,
            project,
            drop_path: DropoutConfig::new(self.drop_path).init(),
        };
        LocalGlobalLocal { aggregation, transformer: self.sparse().init(device) }
    }
}

impl Design for MobileUvitConfig {
    type Net = MobileUvit;

    fn places(&self) -> Vec<String> {
        let [.., lgl, transformers] = self.depths;
        let numbered = |name, count| (0..count).map(move |index| format!("{name}.{index}"));
        let tokens = numbered("lgl", lgl).chain(numbered("transformer", transformers));
        numbered("encoder", 3).chain(tokens).chain(numbered("decoder", 3)).collect()
    }

    fn bottleneck(&self) -> Option<(String, usize)> {
        let [.., transformers] = self.depths;
        Some((format!("transformer.{}", transformers - 1), self.filters[3]))
    }

    fn init(&self, device: &Device) -> MobileUvit {
        let layer = |conv: &Convolution| ConvNorm::init(conv, device);
        let conv_utr = |channels, kernel| {
            let [depthwise, expand, project] =
                of_conv_utr(channels, kernel).map(|conv| layer(&conv));
            ConvUtr { depthwise, expand, project }
        };
        let level = |index: usize| {
            let channels = self.levels()[index];
            let blocks = 0..self.depths[index];
            MobileUvitLevel {
                blocks: blocks.map(|_| conv_utr(channels[0], self.kernels[index])).collect(),
                widen: layer(&convolution(channels, 3)),
            }
        };
        let fusion = |[inputs, outputs]: [usize; 2]| MobileUvitFusion {
            fuse: init_pair([2 * inputs, inputs], device),
            up: layer(&convolution([inputs, outputs], 3)),
        };
        let [.., tokens, wide] = self.filters;
        let [.., lgl, transformers] = self.depths;
        MobileUvit {
            stem: layer(&self.stem()),
            encoder: (0..3).map(level).collect(),
            lgl: (0..lgl).map(|_| self.init_lgl(device)).collect(),
            widen: init_pair([tokens, wide], device),
            transformer: (0..transformers).map(|_| self.dense().init(device)).collect(),
            narrow: init_pair([wide, tokens], device),
            decoder: self.fusions().map(fusion).into(),
            head: self.head().init(device),
        }
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        let mut maps = Maps { channels: self.channels[0], sides };
        maps = ConvNorm::summarise(&self.stem(), table, "stem", maps);
        let mut skips = Vec::new();
        for (index, channels) in self.levels().into_iter().enumerate() {
            let name = format!("encoder.{index}");
            for block in 0..self.depths[index] {
                let convolutions = of_conv_utr(channels[0], self.kernels[index]);
                for (conv, part) in convolutions.iter().zip(["depthwise", "expand", "project"]) {
                    let name = format!("{name}.blocks.{block}.{part}");
                    maps = ConvNorm::summarise(conv, table, &name, maps);
                }
            }
            let widen = convolution(channels, 3);
            maps = ConvNorm::summarise(&widen, table, &format!("{name}.widen"), maps);
            maps = summarise_max_pool(table, &format!("{name}.pool"), maps);
            skips.push(maps);
        }
        let [.., tokens, wide] = self.filters;
        let [.., lgl, transformers] = self.depths;
        for index in 0..lgl {
            let name = format!("lgl.{index}");
            maps = summarise_aggregation(table, &format!("{name}.aggregation"), maps);
            maps = self.sparse().summarise(table, &format!("{name}.transformer"), maps);
        }
        maps = summarise_pair([tokens, wide], table, "widen", maps);
        for index in 0..transformers {
            maps = self.dense().summarise(table, &format!("transformer.{index}"), maps);
        }
        maps = summarise_pair([wide, tokens], table, "narrow", maps);
        for (index, (channels, skip)) in
            self.fusions().into_iter().zip(skips.into_iter().rev()).enumerate()
        {
            let name = format!("decoder.{index}");
            let [inputs, _] = channels;
            maps = table.concat(&format!("{name}.concat"), maps, skip);
            maps = summarise_pair([2 * inputs, inputs], table, &format!("{name}.fuse"), maps);
            maps = summarise_bilinear(table, &format!("{name}.double"), maps);
            let up = convolution(channels, 3);
            maps = ConvNorm::summarise(&up, table, &format!("{name}.up"), maps);
        }
        self.head().summarise(table, "head", maps);
    }
}

impl Network for MobileUvit {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        vec![self.forward(images)]
    }
}

impl MobileUvit {
    /// Logits of each class at each pixel.
    ///
    /// # Shapes
    /// - images: `[batch, channels_in, height, width]`, height and width multiples of 16
    /// - output: `[batch, channels_out, height, width]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let mut x = self.stem.rectified(images);
        let mut skips = Vec::with_capacity(self.decoder.len());
        for (index, level) in self.encoder.iter().enumerate() {
            x = max_pool(place(|| format!("encoder.{index}"), level.forward(x)));
            skips.push(x.clone());
        }
        for (index, tokens) in self.lgl.iter().enumerate() {
            x = place(|| format!("lgl.{index}"), tokens.forward(x));
        }
        x = self.widen.forward(x);
        for (index, tokens) in self.transformer.iter().enumerate() {
            x = place(|| format!("transformer.{index}"), tokens.forward(x));
        }
        x = self.narrow.forward(x);
        for (index, (level, skip)) in self.decoder.iter().zip(skips.into_iter().rev()).enumerate() {
            x = place(|| format!("decoder.{index}"), level.forward(x, skip));
        }
        conv2d(&self.head, x, After::nothing())
    }
}

impl MobileUvitLevel {
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

impl ConvUtr {
    /// Applies the block.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, height, width]`
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        block(self, input.into(), |block, input| {
            let input = input.into_maps();
            let x = block.depthwise.smooth(input.clone(), After::nothing().residual(input));
            let y = block.expand.smooth(x.clone(), After::nothing());
            block.project.smooth(y, After::nothing().residual(x))
        })
    }
}

impl LocalGlobalLocal {
    /// Applies the block.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, height, width]`, height and width multiples of 2
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.transformer.forward(self.aggregation.forward(input))
    }
}

impl LocalAggregation {
    /// Applies the gates.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, height, width]`
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let conv = |conv, maps| conv2d(conv, maps, After::nothing());
        let x = gated(input.clone(), conv(&self.position, input));
        let y = conv(&self.conv1, batch_norm(&self.norm1, x.clone(), After::nothing()));
        let y = conv(&self.conv2, conv(&self.depthwise, y));
        let x = gated(x, drop_path(&self.drop_path, y));
        let y = gelu(conv(&self.expand, batch_norm(&self.norm2, x.clone(), After::nothing())));
        gated(x, drop_path(&self.drop_path, conv(&self.project, y)))
    }
}

/// Maps times 0.5 to 1.5, and times 1 where the gate is zero.
fn gated(maps: Tensor<4>, gate: Tensor<4>) -> Tensor<4> {
    maps * (sigmoid(gate) + 0.5)
}

impl ConvPair {
    /// Applies the two.
    ///
    /// # Shapes
    /// - input: `[batch, channels_in, height, width]` in all
    /// - output: `[batch, channels_out, height, width]`
    pub(super) fn forward(&self, input: impl Into<Input>) -> Tensor<4> {
        block(self, input.into(), |pair, input| pair.conv2.rectified(pair.conv1.rectified(input)))
    }
}

impl MobileUvitFusion {
    /// Applies the level.
    ///
    /// # Shapes
    /// - below and skip: `[batch, channels_in, height, width]`
    /// - output: `[batch, channels_out, 2 * height, 2 * width]`
    pub(super) fn forward(&self, below: Tensor<4>, skip: Tensor<4>) -> Tensor<4> {
        self.up.rectified(doubled(self.fuse.forward(Input::pair(below, skip))))
    }
}

/// Doubles height and width by bilinear interpolation that keeps the corners, PyTorch's `align_corners`: a
/// product with the weights along each axis.
fn doubled(maps: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = maps.dims();
    let device = maps.device();
    let rows = maps.permute([0, 2, 3, 1]).reshape([batch, height, width * channels]);
    let rows = between_corners(height, &device).matmul(rows);
    let columns = rows.reshape([batch * 2 * height, width, channels]);
    let columns = between_corners(width, &device).matmul(columns);
    columns.reshape([batch, 2 * height, 2 * width, channels]).permute([0, 3, 1, 2])
}

/// Of each of `2 * size` pixels along an axis the weights of those that it lies between, `[1, 2 * size, size]`.
fn between_corners(size: usize, device: &Device) -> Tensor<3> {
    let mut weights = vec![0f32; 2 * size * size];
    for (index, weights) in weights.chunks_exact_mut(size).enumerate() {
        let at = (index * (size - 1)) as f32 / (2 * size - 1) as f32;
        let first = at as usize;
        weights[first] = 1.0 - at.fract();
        if at.fract() > 0.0 {
            weights[first + 1] = at.fract();
        }
    }
    constant(&weights, [1, 2 * size, size], device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;
    use crate::model::layers;
    use crate::model::parity::agrees;

    fn numbers(maps: Tensor<4>) -> Vec<f32> {
        maps.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn doubling_keeps_the_corners_and_goes_straight_between_them() {
        let maps = Tensor::<4>::from_data([[[[0f32, 3.0], [6.0, 9.0]]]], &Device::flex());
        let rows = numbers(doubled(maps));
        let expected = [0.0, 2.0, 4.0, 6.0].map(|left| [0.0, 1.0, 2.0, 3.0].map(|x| left + x));
        for (found, expected) in rows.iter().zip(expected.as_flattened()) {
            assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
        }
        let pixel = Tensor::<4>::from_data([[[[5f32]]]], &Device::flex());
        assert_eq!(numbers(doubled(pixel)), [5.0; 4]);
    }

    #[test]
    fn mobile_uvit_is_pytorchs() {
        let spec = ModelSpec::MobileUvit(MobileUvitSpec {
            filters: [4, 6, 8, 12],
            depths: [1, 2, 1, 2, 1],
            kernels: [3, 5, 7],
            heads: 2,
            drop_path: 0.0,
            weights: None,
        });
        agrees("mobile-uvit", &spec);
        agrees("mobile-uvit-train", &spec);
    }

    #[test]
    fn mobile_uvit_has_the_figures_of_its_paper() {
        let rows = layers(&ModelSpec::MobileUvit(MobileUvitSpec::default()), 3, 1, [256; 2], 1);
        // Printed as 1.39 M.
        assert_eq!(rows.iter().map(|row| row.parameters).sum::<u64>(), 1_390_305);
        // Printed as 2.51 G, by thop, which counts four for each number normalised and eleven for each interpolated
        // and no biases; neither counts the products of attention.
        assert_eq!(rows.iter().map(|row| row.multiply_adds).sum::<u64>(), 2_439_600_576);
    }
}
