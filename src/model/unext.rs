//! UNeXt (Valanarasu and Patel 2022, "UNeXt: MLP-based Rapid Medical Image Segmentation Network").
//!
//! Three levels of one convolution each, then two whose pixels are tokens: an overlapping patch embedding and a
//! perceptron on the channels between shifts of the maps along one axis and the other. The decoder adds the
//! encoder's maps instead of concatenating them.

use burn::module::{Initializer, Module, Param, ParamId};
use burn::nn::conv::Conv2d;
use burn::nn::{LayerNorm, LayerNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::{Architecture, Design, Network};
use super::blocks::{
    ConvNorm, Convolution, max_pool, pytorch_convolution, summarise_bilinear, summarise_layer_norm,
    summarise_max_pool,
};
use super::catalogue::WeightsSpec;
use super::summary::{Maps, Table};
use super::watch::place;
use crate::kernels::{After, add, bilinear, block, constant, conv2d, gelu, layer_norm, relu};

/// Groups of channels that are shifted by -2, -1, 0, 1 and 2 pixels.
const SHIFTS: usize = 5;

/// UNeXt; the defaults are the published network of 1.47 M parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct UnextSpec {
    /// Channels of the three convolutional levels, of the one of tokens, and of the bottleneck.
    #[schemars(inner(range(min = 1, max = 4096)))]
    pub filters: [u32; 5],
    /// Weights of the whole network to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

impl Default for UnextSpec {
    fn default() -> Self {
        Self { filters: [16, 32, 128, 160, 256], weights: None }
    }
}

impl Architecture for Unext {
    type Settings = UnextSpec;
    type Design = UnextConfig;

    const TITLE: &'static str = "UNeXt";

    fn halvings(_: &UnextSpec) -> u32 {
        5
    }

    fn design(settings: &UnextSpec, channels: [usize; 2]) -> UnextConfig {
        UnextConfig::new(settings, channels)
    }

    #[cfg(test)]
    fn samples() -> Vec<UnextSpec> {
        vec![UnextSpec { filters: [2, 4, 6, 7, 8], weights: None }]
    }
}

/// What a [`Unext`] is made of.
pub struct UnextConfig {
    channels: [usize; 2],
    filters: [usize; 5],
}

/// UNeXt; decoder levels are counted from the deepest.
#[derive(Module, Debug)]
pub struct Unext {
    encoder: Vec<ConvNorm>,
    tokens: Vec<TokenLevel>,
    decoder: Vec<ConvNorm>,
    mixers: Vec<TokenMixer>,
    last: Conv2d,
    head: Conv2d,
}

/// A level of the encoder whose pixels are tokens.
#[derive(Module, Debug)]
pub(super) struct TokenLevel {
    embed: Conv2d,
    embed_norm: LayerNorm,
    mixer: TokenMixer,
}

/// A shifted perceptron beside its input, and a norm.
#[derive(Module, Debug)]
pub(super) struct TokenMixer {
    norm1: LayerNorm,
    fc1: Conv2d,
    depthwise: Conv2d,
    fc2: Conv2d,
    norm2: LayerNorm,
}

/// A convolution whose weights start normal with variance 2 / fan-out.
fn embedding(channels: [usize; 2]) -> Convolution {
    let initializer = Initializer::KaimingNormal { gain: 2f64.sqrt(), fan_out_only: true };
    Convolution::new(channels, 3, initializer)
}

/// The layers of a mixer: perceptron, depthwise convolution, perceptron.
fn of_mixer(channels: usize) -> [Convolution; 3] {
    let linear = || {
        let initializer = Initializer::Normal { mean: 0.0, std: 0.02 };
        Convolution::new([channels, channels], 1, initializer)
    };
    let depthwise = embedding([channels, channels]).strided(1).grouped(channels);
    [linear(), depthwise, linear()]
}

fn init_mixer(channels: usize, device: &Device) -> TokenMixer {
    let [fc1, depthwise, fc2] = of_mixer(channels).map(|conv| conv.init(device));
    let norm = || LayerNormConfig::new(channels).init(device);
    TokenMixer { norm1: norm(), fc1, depthwise, fc2, norm2: norm() }
}

fn summarise_mixer(table: &mut Table, name: &str, maps: Maps) -> Maps {
    summarise_layer_norm(table, &format!("{name}.norm1"), maps);
    for (conv, part) in of_mixer(maps.channels).iter().zip(["fc1", "depthwise", "fc2"]) {
        conv.summarise(table, &format!("{name}.{part}"), maps);
    }
    summarise_layer_norm(table, &format!("{name}.norm2"), maps)
}

impl UnextConfig {
    /// From the spec and the channels of images and logits.
    pub(super) fn new(spec: &UnextSpec, channels: [usize; 2]) -> Self {
        Self { channels, filters: spec.filters.map(|filters| filters as usize) }
    }

    fn encoder(&self) -> [Convolution; 3] {
        let [a, b, c, ..] = self.filters;
        [[self.channels[0], a], [a, b], [b, c]].map(|channels| pytorch_convolution(channels, 3))
    }

    /// Patch embeddings: stride 2, so that patches overlap by a pixel.
    fn embeddings(&self) -> [Convolution; 2] {
        let [.., c, d, e] = self.filters;
        [[c, d], [d, e]].map(|channels| embedding(channels).strided(2))
    }

    fn decoder(&self) -> [Convolution; 4] {
        let [a, b, c, d, e] = self.filters;
        [[e, d], [d, c], [c, b], [b, a]].map(|channels| pytorch_convolution(channels, 3))
    }

    fn last(&self) -> Convolution {
        pytorch_convolution([self.filters[0]; 2], 3)
    }

    fn head(&self) -> Convolution {
        pytorch_convolution([self.filters[0], self.channels[1]], 1)
    }
}

impl Design for UnextConfig {
    type Net = Unext;

    fn places(&self) -> Vec<String> {
        let numbered = |name, count| (0..count).map(move |index| format!("{name}.{index}"));
        numbered("encoder", 3).chain(numbered("tokens", 2)).chain(numbered("decoder", 4)).collect()
    }

    fn bottleneck(&self) -> Option<(String, usize)> {
        Some(("tokens.1".into(), self.filters[4]))
    }

    fn init(&self, device: &Device) -> Unext {
        let layer = |conv: &Convolution| ConvNorm::init(conv, device);
        let token_level = |conv: &Convolution| TokenLevel {
            embed: conv.init(device),
            embed_norm: LayerNormConfig::new(conv.channels[1]).init(device),
            mixer: init_mixer(conv.channels[1], device),
        };
        let [.., c, d, _] = self.filters;
        Unext {
            encoder: self.encoder().iter().map(layer).collect(),
            tokens: self.embeddings().iter().map(token_level).collect(),
            decoder: self.decoder().iter().map(layer).collect(),
            mixers: [d, c].iter().map(|&channels| init_mixer(channels, device)).collect(),
            last: self.last().init(device),
            head: self.head().init(device),
        }
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        let mut maps = Maps { channels: self.channels[0], sides };
        for (index, conv) in self.encoder().iter().enumerate() {
            maps = ConvNorm::summarise(conv, table, &format!("encoder.{index}"), maps);
            maps = summarise_max_pool(table, &format!("encoder.{index}.pool"), maps);
        }
        for (index, conv) in self.embeddings().iter().enumerate() {
            let name = format!("tokens.{index}");
            maps = conv.summarise(table, &format!("{name}.embed"), maps);
            summarise_layer_norm(table, &format!("{name}.embed_norm"), maps);
            maps = summarise_mixer(table, &format!("{name}.mixer"), maps);
        }
        for (index, conv) in self.decoder().iter().enumerate() {
            maps = ConvNorm::summarise(conv, table, &format!("decoder.{index}"), maps);
            maps = summarise_bilinear(table, &format!("decoder.{index}.up"), maps);
            if index < 2 {
                maps = summarise_mixer(table, &format!("mixers.{index}"), maps);
            }
        }
        maps = self.last().summarise(table, "last", maps);
        maps = summarise_bilinear(table, "last.up", maps);
        self.head().summarise(table, "head", maps);
    }
}

impl Network for Unext {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        vec![self.forward(images)]
    }
}

impl Unext {
    /// Logits of each class at each pixel.
    ///
    /// # Shapes
    /// - images: `[batch, channels_in, height, width]`, height and width multiples of 32
    /// - output: `[batch, channels_out, height, width]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let mut x = images;
        let mut skips = Vec::with_capacity(self.decoder.len());
        for (index, layer) in self.encoder.iter().enumerate() {
            x = place(|| format!("encoder.{index}"), max_pool(layer.rectified(x)));
            skips.push(x.clone());
        }
        for (index, level) in self.tokens.iter().enumerate() {
            x = place(|| format!("tokens.{index}"), level.forward(x));
            skips.push(x.clone());
        }
        skips.pop();
        for (index, (layer, skip)) in self.decoder.iter().zip(skips.into_iter().rev()).enumerate() {
            x = add(relu(bilinear(layer.plain(x))), skip);
            if let Some(mixer) = self.mixers.get(index) {
                x = mixer.forward(x);
            }
            x = place(|| format!("decoder.{index}"), x);
        }
        let x = relu(bilinear(conv2d(&self.last, x, After::nothing())));
        conv2d(&self.head, x, After::nothing())
    }
}

impl TokenLevel {
    /// Applies the level.
    ///
    /// # Shapes
    /// - input: `[batch, channels_in, height, width]`
    /// - output: `[batch, channels_out, height / 2, width / 2]`
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let x = conv2d(&self.embed, input, After::nothing());
        self.mixer.forward(layer_norm(&self.embed_norm, x))
    }
}

impl TokenMixer {
    /// Applies the mixer.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, height, width]`
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        block(self, input.into(), |mixer, input| {
            let input = input.into_maps();
            let x = layer_norm(&mixer.norm1, input.clone());
            let x = conv2d(&mixer.fc1, shifted(x, Axis::Rows), After::nothing());
            let x = gelu(conv2d(&mixer.depthwise, x, After::nothing()));
            let last = After::nothing().residual(input);
            layer_norm(&mixer.norm2, conv2d(&mixer.fc2, shifted(x, Axis::Columns), last))
        })
    }
}

/// What maps are shifted along.
#[derive(Clone, Copy, PartialEq)]
enum Axis {
    Rows,
    Columns,
}

/// Channels in five groups, the k-th moved by k - 2 pixels; what moves in from outside is zero. A depthwise
/// convolution that reads one neighbour of each pixel.
fn shifted(maps: Tensor<4>, axis: Axis) -> Tensor<4> {
    let channels = maps.dims()[1];
    // The last group is the smallest, as in `torch.chunk`.
    let group = channels.div_ceil(SHIFTS);
    let mut weights = vec![0f32; channels * SHIFTS];
    for channel in 0..channels {
        weights[channel * SHIFTS + (SHIFTS - 1 - channel / group)] = 1.0;
    }
    let half = SHIFTS / 2;
    let (kernel_size, padding) = match axis {
        Axis::Rows => ([SHIFTS, 1], PaddingConfig2d::Explicit(half, 0, half, 0)),
        Axis::Columns => ([1, SHIFTS], PaddingConfig2d::Explicit(0, half, 0, half)),
    };
    let shape = [channels, 1, kernel_size[0], kernel_size[1]];
    let weight = constant(&weights, shape, &maps.device());
    let conv = Conv2d {
        weight: Param::initialized(ParamId::new(), weight),
        bias: None,
        stride: [1; 2],
        kernel_size,
        dilation: [1; 2],
        groups: channels,
        padding,
    };
    conv2d(&conv, maps, After::nothing())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;
    use crate::model::parity::agrees;
    use crate::model::tests::parameters;

    #[test]
    fn each_group_of_channels_moves_by_its_own_number_of_pixels() {
        let device = Device::flex();
        // Seven channels: groups of 2, 2, 2, 1 and none.
        let ramp = Tensor::<1>::from_floats([1.0f32, 2.0, 3.0, 4.0], &device);
        let rows = ramp.clone().reshape([1, 1, 4, 1]).repeat_dim(1, 7);
        let moved = shifted(rows, Axis::Rows).into_data().try_to_vec::<f32>().unwrap();
        let channels: Vec<&[f32]> = moved.chunks(4).collect();
        assert_eq!(channels[0], [3.0, 4.0, 0.0, 0.0]);
        assert_eq!(channels[3], [2.0, 3.0, 4.0, 0.0]);
        assert_eq!(channels[4], [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(channels[6], [0.0, 1.0, 2.0, 3.0]);
        let columns = ramp.reshape([1, 1, 1, 4]).repeat_dim(1, 7);
        let across = shifted(columns, Axis::Columns).into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(across, moved);
    }

    #[test]
    fn unext_is_pytorchs() {
        let spec = ModelSpec::Unext(UnextSpec { filters: [4, 6, 8, 11, 12], weights: None });
        agrees("unext", &spec);
        agrees("unext-train", &spec);
    }

    #[test]
    fn unext_has_the_parameters_of_its_paper() {
        // Printed as 1.47 M.
        assert_eq!(parameters(&ModelSpec::Unext(UnextSpec::default()), 3), 1_471_921);
    }
}
