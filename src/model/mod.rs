//! Networks: from a [`ModelSpec`] to logits.
//!
//! An architecture is one file with its settings, its facts, the network and its rows of the layer table
//! (the trait in `architecture.rs`), and one line in `architectures!`. The module knows shapes only: no data
//! set, no loss.

mod architecture;
mod attention_unet;
mod blocks;
mod catalogue;
mod classifier;
mod cmunext;
mod contracting_path;
mod deep_supervision;
mod densenet;
mod efficientnet;
mod efficientnet_encoder;
mod efficientnet_names;
mod efficientnet_stages;
mod either;
mod encoder;
mod encoder_unet;
mod encoder_unet_plus_plus;
mod fusion;
mod head;
mod mobile_uvit;
mod multi_task;
mod names;
mod plain_classifier;
mod problems;
mod pth;
mod published;
mod pytorch;
mod residual;
mod resnet;
mod rgu_net;
mod summary;
mod transformer;
mod unet;
mod unet_3_plus;
mod unet_plus_plus;
mod unext;
mod watch;
mod weights;

#[cfg(test)]
mod initial;
#[cfg(test)]
pub(crate) mod parity;
#[cfg(test)]
mod tests;

pub use catalogue::{Archive, CatalogueEntry, WeightsName, WeightsSpec, fetched_weights};
pub use deep_supervision::combined;
pub use encoder::{EncoderSpec, PlainEncoderSpec, PretrainedEncoder};
pub use fusion::{Fusion, FusionConfig};
pub use multi_task::{ClassificationHead, Logits, Model, SecondHead};
pub use names::{TensorPath, tensor_paths};
pub use problems::{problems, size_divisor};
pub use pth::archive as pth_archive;
pub use pytorch::InPytorch;
pub use weights::{
    Part, ShapeMismatch, WeightsReport, expected_checksum, load_weights, save_weights,
    weights_misfit,
};

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layer::Layer;
use architecture::{Architecture, Design, Network, NetworkOf, architectures};
use problems::Problems;
use published::Published;
use summary::Table;

architectures! {
    /// U-Net (Ronneberger et al. 2015), plain or with the encoder of a ResNet or EfficientNet.
    Unet(unet::Unet),
    /// Attention U-Net (Oktay et al. 2018) as a public Keras notebook has it: gates on the skips, dropout inside the blocks.
    AttentionUnet(attention_unet::AttentionUnet),
    /// U-Net++ (Zhou et al. 2018): nested decoders joined by dense skips, plain or with the encoder of a
    /// ResNet or EfficientNet.
    UnetPlusPlus(unet_plus_plus::UnetPlusPlus),
    /// UNet 3+ (Huang et al. 2020): each level of the decoder reads maps of every scale.
    Unet3Plus(unet_3_plus::Unet3Plus),
    /// CMUNeXt (Tang et al. 2023): U-Net of large depthwise convolutions, for little memory and few cores.
    Cmunext(cmunext::Cmunext),
    /// UNeXt (Valanarasu and Patel 2022): few convolutions, then multi-layer perceptrons on shifted maps.
    Unext(unext::Unext),
    /// Mobile U-ViT (Tang et al. 2025): large depthwise convolutions, then attention between few tokens.
    MobileUvit(mobile_uvit::MobileUvit),
    /// RGU-Net: U-Net of residual blocks whose convolutions are in groups.
    RguNet(rgu_net::RguNet),
    /// ResNet-18 (He et al. 2016), for the class of a whole image.
    Resnet18(resnet::Depth<18>),
    /// ResNet-34, for the class of a whole image.
    Resnet34(resnet::Depth<34>),
    /// ResNet-50, for the class of a whole image.
    Resnet50(resnet::Depth<50>),
    /// DenseNet-169 (Huang et al. 2017), for the class of a whole image.
    Densenet169(densenet::Densenet),
    /// VGG-16 (Simonyan and Zisserman 2015), for the class of a whole image.
    Vgg16(plain_classifier::Vgg16),
    /// AlexNet (Krizhevsky 2014), for the class of a whole image.
    Alexnet(plain_classifier::Alexnet),
    /// EfficientNet-B0 (Tan and Le 2019), for the class of a whole image.
    EfficientnetB0(efficientnet::B0),
    /// EfficientNet-Lite0 (Google 2020), EfficientNet-B0 without squeeze-and-excitation, for the class of a whole image.
    EfficientnetLite0(efficientnet::Lite0),
}

impl ModelSpec {
    /// The settings of its pretrained encoder, if it has one.
    pub fn pretrained(&self) -> Option<PretrainedEncoder<'_>> {
        self.encoder()?.pretrained()
    }

    /// Gives weights with a name their path, in a folder or where they were fetched to, and their checksum.
    pub fn find_weights(&mut self, folder: &Path) {
        let of_encoder = self.encoder_mut().and_then(EncoderSpec::weights_mut);
        of_encoder.into_iter().for_each(|weights| weights.resolve(folder));
        self.weights_mut().into_iter().for_each(|weights| weights.resolve(folder));
    }
}

/// A network with random weights, all drawn in a fixed order, so that the device's seed decides them.
///
/// ```
/// use burn::tensor::Tensor;
/// use oncospec::device::{Request, choose};
/// use oncospec::model::init;
/// use oncospec::model::ModelSpec;
///
/// let spec: ModelSpec = toml::from_str("kind = 'unet'\nencoder = { kind = 'plain', filters = [4, 8] }")?;
/// let device = choose(Request::Cpu)?.device;
/// let net = init(&spec, 3, 1, &device);
/// let logits = net.forward(Tensor::zeros([2, 3, 32, 32], &device));
/// assert_eq!(logits.dims(), [2, 1, 32, 32]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The spec must have no [`problems()`].
pub fn init(spec: &ModelSpec, in_channels: usize, out_channels: usize, device: &Device) -> Net {
    let net = outline(spec, in_channels, out_channels, device);
    net.visit(&mut Draw);
    net
}

/// A network whose weights are drawn when they are first used: for one into which weights are loaded,
/// which saves drawing them.
///
/// The spec must have no [`problems()`].
pub fn outline(spec: &ModelSpec, in_channels: usize, out_channels: usize, device: &Device) -> Net {
    spec.outline([in_channels, out_channels], device)
}

/// The places of a network whose maps can be looked at, in the order of the forward pass.
///
/// The spec must have no [`problems()`].
pub fn places(spec: &ModelSpec) -> Vec<String> {
    spec.design([1, 1]).places()
}

/// The place that is looked at unless another is named.
///
/// The spec must have no [`problems()`].
pub fn usual_place(spec: &ModelSpec) -> String {
    spec.design([1, 1]).usual_place()
}

/// Where the deepest features of a segmentation network pass, and how many channels they have.
///
/// The spec must have no [`problems()`].
///
/// # Panics
/// If the network is a classifier.
fn bottleneck(spec: &ModelSpec) -> (String, usize) {
    let bottleneck = spec.design([1, 1]).bottleneck();
    bottleneck.expect("a second head is for segmentation, which `check` sees to")
}

/// The attention gates of a network whose coefficients can be looked at, in the order of the forward pass; empty
/// where it has none.
///
/// The spec must have no [`problems()`].
pub fn gates(spec: &ModelSpec) -> Vec<String> {
    spec.design([1, 1]).gates()
}

/// Burn draws a parameter when its value is first asked for.
struct Draw;

impl ModuleVisitor for Draw {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        param.val();
    }
}

/// The layer table for images of a height and width, worked out without making a tensor.
///
/// Multiply-adds are torchinfo's: one for each parameter of a convolution at each output position of
/// each image, one for each parameter of a normalisation for each image.
///
/// The spec must have no [`problems()`] at these.
pub fn layers(
    spec: &ModelSpec,
    in_channels: usize,
    out_channels: usize,
    sides: [usize; 2],
    batch: usize,
) -> Vec<Layer> {
    let mut table = Table::new(batch);
    spec.design([in_channels, out_channels]).summarise(&mut table, sides);
    table.into_rows()
}

/// The network as training is to change it: a frozen encoder, or the frozen stages of a classifier, stay as they
/// are.
///
/// Their parameters get no gradient and their batch normalisation uses the running statistics it has and
/// leaves them alone, in training as in evaluation. segmentation_models_pytorch with
/// `requires_grad = False` goes on updating these statistics while it trains.
pub fn freeze(net: Net, spec: &ModelSpec) -> Net {
    net.frozen(spec)
}

/// How many numbers a network learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParameterCount {
    /// All of them; running statistics are none.
    pub total: u64,
    /// Those that training changes.
    pub trainable: u64,
}

impl Net {
    /// Logits of each class at each pixel; of a classifier, of the whole image as of one pixel.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, height and width multiples of [`size_divisor`]
    /// - output: `[batch, classes, height, width]`, of a classifier `[batch, classes, 1, 1]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        combined(self.heads(images))
    }

    /// Logits, and the maps at one of its [`places`] as a leaf of the graph that leads from them to the logits.
    ///
    /// # Shapes
    /// - as [`forward`](Self::forward); maps: `[batch, channels, height, width]` of their own
    ///
    /// # Errors
    /// If it has no place of that name.
    pub fn watched(&self, images: Tensor<4>, place: &str) -> Result<(Tensor<4>, Tensor<4>)> {
        let (logits, maps, passed) = watch::watched(place, || self.forward(images));
        match maps {
            Some(maps) => Ok((logits, maps)),
            None => Err(Error::user(format!(
                "the network has no place `{place}` to look at; it has {}",
                passed.join(", ")
            ))),
        }
    }

    /// The attention [`gates`] that images pass, each with its coefficients from 0 to 1.
    ///
    /// # Shapes
    /// - images: as [`forward`](Self::forward); coefficients: `[batch, 1, height, width]` of their own
    pub fn gates(&self, images: Tensor<4>) -> Vec<(String, Tensor<4>)> {
        watch::gates(|| self.forward(images))
    }

    /// Counts the parameters of a network on a training (autodiff) device; elsewhere none is trainable.
    ///
    /// Burn's `num_params` counts running statistics as well.
    pub fn parameters(&self) -> ParameterCount {
        let mut counter = Counter::default();
        self.visit(&mut counter);
        counter.count
    }
}

#[derive(Default)]
struct Counter {
    path: Vec<String>,
    count: ParameterCount,
}

impl ModuleVisitor for Counter {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.path.last().is_some_and(|name| name.starts_with("running_")) {
            return;
        }
        let numbers = param.lazy_shape().num_elements() as u64;
        self.count.total += numbers;
        if param.is_require_grad() {
            self.count.trainable += numbers;
        }
    }
}
