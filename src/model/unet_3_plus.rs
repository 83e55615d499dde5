//! UNet 3+ (Huang, Lin, Tong, Hu, Zhang, Iwamoto, Han, Chen and Wu 2020, "UNet 3+: A Full-Scale Connected UNet for
//! Medical Image Segmentation"), without its deep supervision and its classification-guided module.
//!
//! Each level of the decoder reads maps of every scale: the encoder's at its own level and above it, pooled to its size,
//! and of the levels below it the decoder's, of the deepest the encoder's, up-sampled bilinearly. A 3x3 convolution
//! brings each of them to the same few channels, and another one fuses them all.
//!
//! Layer for layer the authors' program, biases before the norms included. Weights start as there (He et al. 2015);
//! biases start at zero.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::{Architecture, Design, Network};
use super::blocks::{ConvNorm, Convolution, he_normal};
use super::catalogue::WeightsSpec;
use super::contracting_path::{self, contract};
use super::summary::{Maps, Table};
use super::watch::place;
use crate::kernels::{After, Input, block, concat, conv2d, enlarge, max_pool2d};

/// UNet 3+; the defaults are the published network of 26.97 M parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Unet3PlusSpec {
    /// Channels at each level, the last being the bottleneck; their number less one is the depth.
    #[schemars(length(min = 2, max = 8), inner(range(min = 1, max = 4096)))]
    pub filters: Vec<u32>,
    /// Channels that the maps of each scale bring to a level of the decoder.
    #[schemars(range(min = 1, max = 4096))]
    pub branch_filters: u32,
    /// Weights of the whole network to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
}

impl Default for Unet3PlusSpec {
    fn default() -> Self {
        Self { filters: vec![64, 128, 256, 512, 1024], branch_filters: 64, weights: None }
    }
}

impl Architecture for Unet3Plus {
    type Settings = Unet3PlusSpec;
    type Design = Unet3PlusConfig;

    const TITLE: &'static str = "UNet 3+";

    fn halvings(settings: &Unet3PlusSpec) -> u32 {
        settings.filters.len().saturating_sub(1) as u32
    }

    fn design(settings: &Unet3PlusSpec, channels: [usize; 2]) -> Unet3PlusConfig {
        Unet3PlusConfig {
            channels,
            filters: settings.filters.iter().map(|&filters| filters as usize).collect(),
            branch: settings.branch_filters as usize,
        }
    }

    #[cfg(test)]
    fn samples() -> Vec<Unet3PlusSpec> {
        vec![Unet3PlusSpec { filters: vec![2, 4, 6], branch_filters: 3, weights: None }]
    }
}

/// What a [`Unet3Plus`] is made of.
pub struct Unet3PlusConfig {
    channels: [usize; 2],
    filters: Vec<usize>,
    branch: usize,
}

/// UNet 3+; decoder levels are counted from the deepest.
#[derive(Module, Debug)]
pub struct Unet3Plus {
    encoder: Vec<Unet3PlusLevel>,
    bottleneck: Unet3PlusLevel,
    decoder: Vec<FullScale>,
    head: Conv2d,
}

/// A level of the encoder: twice convolution, norm and ReLU.
#[derive(Module, Debug)]
pub(super) struct Unet3PlusLevel {
    conv1: ConvNorm,
    conv2: ConvNorm,
}

/// A level of the decoder: a convolution for the maps of each scale, and one for all of them.
#[derive(Module, Debug)]
pub(super) struct FullScale {
    branches: Vec<ConvNorm>,
    fuse: ConvNorm,
}

fn convolution(inputs: usize, outputs: usize) -> Convolution {
    Convolution::new([inputs, outputs], 3, he_normal())
}

impl Unet3PlusConfig {
    fn depth(&self) -> usize {
        self.filters.len() - 1
    }

    /// Channels of each level of the decoder.
    fn fused(&self) -> usize {
        self.filters.len() * self.branch
    }

    /// The convolutions of a level of the encoder, counted from the top.
    fn level(&self, level: usize) -> [Convolution; 2] {
        let inputs = if level == 0 { self.channels[0] } else { self.filters[level - 1] };
        let outputs = self.filters[level];
        [convolution(inputs, outputs), convolution(outputs, outputs)]
    }

    /// The convolutions of a level of the decoder, counted from the top, one for each scale.
    fn branches(&self, level: usize) -> impl Iterator<Item = Convolution> {
        (0..self.filters.len()).map(move |scale| {
            let decoded = level < scale && scale < self.depth();
            let inputs = if decoded { self.fused() } else { self.filters[scale] };
            convolution(inputs, self.branch)
        })
    }

    fn fuse(&self) -> Convolution {
        convolution(self.fused(), self.fused())
    }

    fn head(&self) -> Convolution {
        convolution(self.fused(), self.channels[1])
    }
}

impl Design for Unet3PlusConfig {
    type Net = Unet3Plus;

    fn places(&self) -> Vec<String> {
        let decoder = (0..self.depth()).map(|level| format!("decoder.{level}"));
        contracting_path::places(self.depth()).chain(decoder).collect()
    }

    fn bottleneck(&self) -> Option<(String, usize)> {
        Some(("bottleneck".into(), self.filters[self.depth()]))
    }

    fn init(&self, device: &Device) -> Unet3Plus {
        let layer = |conv: &Convolution| ConvNorm::init(conv, device);
        let level = |level| {
            let [conv1, conv2] = self.level(level).map(|conv| layer(&conv));
            Unet3PlusLevel { conv1, conv2 }
        };
        let full_scale = |level| FullScale {
            branches: self.branches(level).map(|conv| layer(&conv)).collect(),
            fuse: layer(&self.fuse()),
        };
        Unet3Plus {
            encoder: (0..self.depth()).map(level).collect(),
            bottleneck: level(self.depth()),
            decoder: (0..self.depth()).rev().map(full_scale).collect(),
            head: self.head().init(device),
        }
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        let encoder: Vec<_> = (0..self.depth()).map(|level| self.level(level)).collect();
        let rows = |level: &[Convolution; 2], table: &mut Table, name: &str, maps| {
            let parts = level.iter().zip(["conv1", "conv2"]);
            parts.fold(maps, |maps, (conv, part)| {
                ConvNorm::summarise(conv, table, &format!("{name}.{part}"), maps)
            })
        };
        let maps = Maps { channels: self.channels[0], sides };
        let bottleneck = self.level(self.depth());
        let (deepest, mut scales) =
            contracting_path::summarise(&encoder, &bottleneck, table, maps, rows);
        scales.push(deepest);
        for (index, level) in (0..self.depth()).rev().enumerate() {
            let name = format!("decoder.{index}");
            for (scale, conv) in self.branches(level).enumerate() {
                let name = format!("{name}.branches.{scale}");
                let maps = summarise_scaled(table, &name, scales[scale], scale, level);
                ConvNorm::summarise(&conv, table, &name, maps);
            }
            let fused = Maps { channels: self.fused(), ..scales[level] };
            let branch = Maps { channels: self.branch, ..scales[level] };
            table.plain(&format!("{name}.concat"), "Concat", branch, fused);
            scales[level] =
                ConvNorm::summarise(&self.fuse(), table, &format!("{name}.fuse"), fused);
        }
        self.head().summarise(table, "head", scales[0]);
    }
}

/// Adds the row of [`scaled`] to the layer table, where there is one.
fn summarise_scaled(table: &mut Table, name: &str, maps: Maps, from: usize, to: usize) -> Maps {
    let times = 1 << from.abs_diff(to);
    if from < to {
        let kind = format!("MaxPool2d {times}x{times} /{times}");
        table.plain(&format!("{name}.pool"), &kind, maps, maps.with_sides(|side| side / times))
    } else if from > to {
        let kind = format!("Upsample bilinear x{times}");
        table.plain(&format!("{name}.up"), &kind, maps, maps.with_sides(|side| side * times))
    } else {
        maps
    }
}

/// Brings maps from one level to the size of another: by their maximum, or bilinearly.
fn scaled(maps: Tensor<4>, from: usize, to: usize) -> Tensor<4> {
    let times = 1 << from.abs_diff(to);
    if from < to {
        return max_pool2d(maps, times, times, 0);
    }
    enlarge(maps, times)
}

impl Network for Unet3Plus {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        vec![self.forward(images)]
    }
}

impl Unet3Plus {
    /// Logits of each class at each pixel.
    ///
    /// # Shapes
    /// - images: `[batch, channels_in, height, width]`, height and width multiples of 2^depth
    /// - output: `[batch, channels_out, height, width]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let (deepest, mut scales) =
            contract(&self.encoder, &self.bottleneck, images, Unet3PlusLevel::forward);
        scales.push(deepest);
        // The encoder's maps of a level are of no more use once the decoder has its own.
        for (index, (level, block)) in (0..self.decoder.len()).rev().zip(&self.decoder).enumerate()
        {
            scales[level] = place(|| format!("decoder.{index}"), block.forward(&scales, level));
        }
        conv2d(&self.head, scales.swap_remove(0), After::nothing())
    }
}

impl Unet3PlusLevel {
    /// Applies it.
    ///
    /// # Shapes
    /// - input: `[batch, channels_in, height, width]`
    /// - output: `[batch, channels_out, height, width]`
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        block(self, input.into(), |level, input: Input| {
            level.conv2.rectified(level.conv1.rectified(input))
        })
    }
}

impl FullScale {
    /// Fuses the maps of all scales at the size of a level.
    ///
    /// # Shapes
    /// - scales: k of `[batch, channels_k, height * 2^(level - k), width * 2^(level - k)]`, counted from the top
    /// - output: `[batch, scales * branch, height, width]`
    pub(super) fn forward(&self, scales: &[Tensor<4>], level: usize) -> Tensor<4> {
        let branches = self.branches.iter().zip(scales).enumerate();
        let all = branches
            .map(|(scale, (conv, maps))| conv.rectified(scaled(maps.clone(), scale, level)))
            .reduce(concat);
        self.fuse.rectified(all.expect("the schema asks for at least two levels"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;
    use crate::model::parity::agrees;
    use crate::model::tests::parameters;

    #[test]
    fn unet_3_plus_is_pytorchs() {
        let spec = ModelSpec::Unet3Plus(Unet3PlusSpec {
            filters: vec![4, 6, 8, 10],
            branch_filters: 3,
            weights: None,
        });
        agrees("unet-3-plus", &spec);
        agrees("unet-3-plus-train", &spec);
    }

    #[test]
    fn unet_3_plus_has_the_parameters_of_the_authors_program() {
        // Printed as 26.97 M.
        assert_eq!(parameters(&ModelSpec::Unet3Plus(Unet3PlusSpec::default()), 3), 26_971_777);
    }
}
