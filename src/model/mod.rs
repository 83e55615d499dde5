//! Networks: from a [`ModelSpec`] to logits.
//!
//! An architecture is one file with a configuration, the module it initialises and its rows of the
//! layer table, and one line in each `match` here. The module knows shapes only: no data set, no loss.

mod attention_unet;
mod blocks;
mod cmunext;
mod deep_supervision;
mod densenet;
mod efficientnet;
mod efficientnet_names;
mod encoder;
mod encoder_unet;
mod encoder_unet_plus_plus;
mod head;
mod mobile_uvit;
mod multi_task;
mod names;
mod plain_classifier;
mod problems;
mod pth;
mod resnet;
mod rgu_net;
mod summary;
mod transformer;
mod unet;
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

pub use attention_unet::{AttentionGate, AttentionUnet};
pub use blocks::{ConvNorm, DoubleConv, Norm};
pub use cmunext::{Cmunext, CmunextBlock, CmunextFusion, CmunextLevel};
pub use deep_supervision::combined;
pub use densenet::{DenseLayer, Densenet, DensenetFeatures, Transition};
pub use efficientnet::{
    Efficientnet, EfficientnetKind, EfficientnetStage, Excitation, InvertedLayer, InvertedResidual,
};
pub use encoder::{Encoder, TimmEncoder};
pub use encoder_unet::{Decoder, DecoderBlock, EncoderUnet};
pub use encoder_unet_plus_plus::{EncoderUnetPlusPlus, NestedBlocks, NestedDecoder};
pub use head::Head;
pub use mobile_uvit::{
    ConvPair, ConvUtr, LocalAggregation, LocalGlobalLocal, MobileUvit, MobileUvitFusion,
    MobileUvitLevel,
};
pub use multi_task::{ClassificationHead, Logits, Model, SecondHead};
pub use names::{TensorPath, tensor_paths};
pub use plain_classifier::{FeatureLayer, PerceptronLayer, PlainClassifier, PlainKind};
pub use problems::{problems, size_divisor};
pub use pth::archive as pth_archive;
pub use resnet::{Residual, Resnet};
pub use rgu_net::RguNet;
pub use transformer::{Perceptron, Propagation, SelfAttention, Transformer};
pub use unet::Unet;
pub use unet_plus_plus::UnetPlusPlus;
pub use unext::{TokenLevel, TokenMixer, Unext};
pub use weights::{
    Part, ShapeMismatch, WeightsReport, expected_checksum, load_weights, save_weights,
    weights_misfit,
};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use crate::error::{Error, Result};
use crate::layer::Layer;
use crate::spec::{EncoderSpec, ModelSpec, PlainEncoderSpec, ResnetEncoderSpec};
use attention_unet::AttentionUnetConfig;
use cmunext::CmunextConfig;
use densenet::DensenetConfig;
use efficientnet::EfficientnetConfig;
use encoder::EncoderConfig;
use encoder_unet::EncoderUnetConfig;
use encoder_unet_plus_plus::EncoderUnetPlusPlusConfig;
use mobile_uvit::MobileUvitConfig;
use plain_classifier::PlainClassifierConfig;
use resnet::{ResnetConfig, ResnetKind};
use rgu_net::RguNetConfig;
use summary::Table;
use unet::UnetConfig;
use unet_plus_plus::UnetPlusPlusConfig;
use unext::UnextConfig;

/// A network.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are a few networks at a time, never many")]
pub enum Net {
    /// Plain U-Net.
    Unet(Unet),
    /// Attention U-Net of system A.
    AttentionUnet(AttentionUnet),
    /// U-Net with an encoder from elsewhere.
    EncoderUnet(EncoderUnet),
    /// Plain U-Net++.
    UnetPlusPlus(UnetPlusPlus),
    /// U-Net++ with an encoder from elsewhere.
    EncoderUnetPlusPlus(EncoderUnetPlusPlus),
    /// CMUNeXt.
    Cmunext(Cmunext),
    /// UNeXt.
    Unext(Unext),
    /// Mobile U-ViT.
    MobileUvit(MobileUvit),
    /// RGU-Net.
    RguNet(RguNet),
    /// ResNet.
    Resnet(Resnet),
    /// EfficientNet.
    Efficientnet(Efficientnet),
    /// DenseNet.
    Densenet(Densenet),
    /// VGG or AlexNet.
    PlainClassifier(PlainClassifier),
}

/// What a network is made of.
enum NetConfig {
    Unet(UnetConfig),
    AttentionUnet(AttentionUnetConfig),
    EncoderUnet(EncoderUnetConfig),
    UnetPlusPlus(UnetPlusPlusConfig),
    EncoderUnetPlusPlus(EncoderUnetPlusPlusConfig),
    Cmunext(CmunextConfig),
    Unext(UnextConfig),
    MobileUvit(MobileUvitConfig),
    RguNet(RguNetConfig),
    Resnet(ResnetConfig),
    Efficientnet(EfficientnetConfig),
    Densenet(DensenetConfig),
    PlainClassifier(PlainClassifierConfig),
}

impl NetConfig {
    fn new(spec: &ModelSpec, channels: [usize; 2]) -> Self {
        match spec {
            ModelSpec::AttentionUnet(spec) => {
                Self::AttentionUnet(AttentionUnetConfig::new(spec, channels))
            }
            ModelSpec::Unet(spec) => match ContractingPath::of(&spec.encoder, channels) {
                ContractingPath::Plain(spec) => Self::Unet(UnetConfig::new(spec, channels)),
                ContractingPath::Encoder(unet) => Self::EncoderUnet(unet),
            },
            ModelSpec::UnetPlusPlus(spec) => match ContractingPath::of(&spec.encoder, channels) {
                ContractingPath::Plain(encoder) => {
                    let deep = spec.deep_supervision;
                    Self::UnetPlusPlus(UnetPlusPlusConfig::new(encoder, deep, channels))
                }
                ContractingPath::Encoder(unet) => {
                    Self::EncoderUnetPlusPlus(EncoderUnetPlusPlusConfig(unet))
                }
            },
            ModelSpec::Cmunext(spec) => Self::Cmunext(CmunextConfig::new(spec, channels)),
            ModelSpec::Unext(spec) => Self::Unext(UnextConfig::new(spec, channels)),
            ModelSpec::MobileUvit(spec) => Self::MobileUvit(MobileUvitConfig::new(spec, channels)),
            ModelSpec::RguNet(spec) => Self::RguNet(RguNetConfig::new(spec, channels)),
            ModelSpec::Resnet18(spec) => {
                Self::Resnet(ResnetConfig::classifier(ResnetKind::Resnet18, spec, channels))
            }
            ModelSpec::Resnet34(spec) => {
                Self::Resnet(ResnetConfig::classifier(ResnetKind::Resnet34, spec, channels))
            }
            ModelSpec::Resnet50(spec) => {
                Self::Resnet(ResnetConfig::classifier(ResnetKind::Resnet50, spec, channels))
            }
            ModelSpec::Densenet169(spec) => Self::Densenet(DensenetConfig::new(spec, channels)),
            ModelSpec::Vgg16(spec) => {
                Self::PlainClassifier(PlainClassifierConfig::new(PlainKind::Vgg16, spec, channels))
            }
            ModelSpec::Alexnet(spec) => Self::PlainClassifier(PlainClassifierConfig::new(
                PlainKind::Alexnet,
                spec,
                channels,
            )),
            ModelSpec::EfficientnetB0(spec) => Self::Efficientnet(EfficientnetConfig::classifier(
                EfficientnetKind::B0,
                spec,
                channels,
            )),
            ModelSpec::EfficientnetLite0(spec) => Self::Efficientnet(
                EfficientnetConfig::classifier(EfficientnetKind::Lite0, spec, channels),
            ),
        }
    }
}

/// What the contracting path is made of, where it can be chosen.
enum ContractingPath<'a> {
    Plain(&'a PlainEncoderSpec),
    /// An encoder from elsewhere, with the decoder and head of its U-Net.
    Encoder(EncoderUnetConfig),
}

impl<'a> ContractingPath<'a> {
    fn of(spec: &'a EncoderSpec, [images, logits]: [usize; 2]) -> Self {
        let unet =
            |encoder, filters| Self::Encoder(EncoderUnetConfig::new(encoder, filters, logits));
        let resnet = |kind, spec: &ResnetEncoderSpec| {
            let encoder = ResnetConfig::encoder(kind, images, spec.frozen);
            unet(EncoderConfig::Resnet(encoder), spec.decoder_filters)
        };
        let efficientnet = |kind, spec| EfficientnetConfig::encoder(kind, spec, images);
        match spec {
            EncoderSpec::Plain(spec) => Self::Plain(spec),
            EncoderSpec::Resnet18(spec) => resnet(ResnetKind::Resnet18, spec),
            EncoderSpec::Resnet34(spec) => resnet(ResnetKind::Resnet34, spec),
            EncoderSpec::Resnet50(spec) => resnet(ResnetKind::Resnet50, spec),
            EncoderSpec::EfficientnetB0(spec) => {
                let encoder = efficientnet(EfficientnetKind::EncoderB0, spec);
                unet(EncoderConfig::EfficientnetB0(encoder), spec.decoder_filters)
            }
            EncoderSpec::EfficientnetLite0(spec) => {
                let encoder = efficientnet(EfficientnetKind::EncoderLite0, spec);
                unet(EncoderConfig::EfficientnetLite0(encoder), spec.decoder_filters)
            }
        }
    }
}

/// A network with random weights, all drawn here in a fixed order, so that the device's seed decides
/// them.
///
/// ```
/// use burn::tensor::Tensor;
/// use oncospec::device::{Request, choose};
/// use oncospec::model::init;
/// use oncospec::spec::ModelSpec;
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
    match NetConfig::new(spec, [in_channels, out_channels]) {
        NetConfig::Unet(config) => Net::Unet(config.init(device)),
        NetConfig::AttentionUnet(config) => Net::AttentionUnet(config.init(device)),
        NetConfig::EncoderUnet(config) => Net::EncoderUnet(config.init(device)),
        NetConfig::UnetPlusPlus(config) => Net::UnetPlusPlus(config.init(device)),
        NetConfig::EncoderUnetPlusPlus(config) => Net::EncoderUnetPlusPlus(config.init(device)),
        NetConfig::Cmunext(config) => Net::Cmunext(config.init(device)),
        NetConfig::Unext(config) => Net::Unext(config.init(device)),
        NetConfig::MobileUvit(config) => Net::MobileUvit(config.init(device)),
        NetConfig::RguNet(config) => Net::RguNet(config.init(device)),
        NetConfig::Resnet(config) => Net::Resnet(config.init(device)),
        NetConfig::Efficientnet(config) => Net::Efficientnet(config.init(device)),
        NetConfig::Densenet(config) => Net::Densenet(config.init(device)),
        NetConfig::PlainClassifier(config) => Net::PlainClassifier(config.init(device)),
    }
}

/// The places of a network whose maps can be looked at, in the order of the forward pass.
///
/// The spec must have no [`problems()`].
pub fn places(spec: &ModelSpec) -> Vec<String> {
    match NetConfig::new(spec, [1, 1]) {
        NetConfig::Unet(config) => config.places(),
        NetConfig::AttentionUnet(config) => config.places(),
        NetConfig::EncoderUnet(config) => config.places(),
        NetConfig::UnetPlusPlus(config) => config.places(),
        NetConfig::EncoderUnetPlusPlus(config) => config.places(),
        NetConfig::Cmunext(config) => config.places(),
        NetConfig::Unext(config) => config.places(),
        NetConfig::MobileUvit(config) => config.places(),
        NetConfig::RguNet(config) => config.places(),
        NetConfig::Resnet(config) => config.places(),
        NetConfig::Efficientnet(config) => config.places(),
        NetConfig::Densenet(config) => config.places(),
        NetConfig::PlainClassifier(config) => config.places(),
    }
}

/// The place that is looked at unless another is named: system A's last gate, else the last place.
///
/// The spec must have no [`problems()`].
pub fn usual_place(spec: &ModelSpec) -> String {
    match NetConfig::new(spec, [1, 1]) {
        NetConfig::AttentionUnet(config) => config.usual_place(),
        _ => places(spec).pop().expect("every network has places"),
    }
}

/// Where the deepest features of a segmentation network pass, and how many channels they have.
///
/// The spec must have no [`problems()`].
///
/// # Panics
/// If the network is a classifier.
fn bottleneck(spec: &ModelSpec) -> (String, usize) {
    match NetConfig::new(spec, [1, 1]) {
        NetConfig::Unet(config) => config.bottleneck(),
        NetConfig::AttentionUnet(config) => config.bottleneck(),
        NetConfig::EncoderUnet(config) => config.bottleneck(),
        NetConfig::UnetPlusPlus(config) => config.bottleneck(),
        NetConfig::EncoderUnetPlusPlus(config) => config.0.bottleneck(),
        NetConfig::Cmunext(config) => config.bottleneck(),
        NetConfig::Unext(config) => config.bottleneck(),
        NetConfig::MobileUvit(config) => config.bottleneck(),
        NetConfig::RguNet(config) => config.bottleneck(),
        NetConfig::Resnet(_)
        | NetConfig::Efficientnet(_)
        | NetConfig::Densenet(_)
        | NetConfig::PlainClassifier(_) => {
            unreachable!("a second head is for segmentation, which `check` sees to")
        }
    }
}

/// The attention gates of a network whose coefficients can be looked at, in the order of the forward pass; empty
/// where it has none.
///
/// The spec must have no [`problems()`].
pub fn gates(spec: &ModelSpec) -> Vec<String> {
    match NetConfig::new(spec, [1, 1]) {
        NetConfig::AttentionUnet(config) => config.gates(),
        _ => Vec::new(),
    }
}

/// Burn draws a parameter when its value is first asked for.
struct Draw;

impl ModuleVisitor for Draw {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        param.val();
    }
}

/// The layer table for square images, worked out without making a tensor.
///
/// Multiply-adds are torchinfo's: one for each parameter of a convolution at each output position of
/// each image, one for each parameter of a normalisation for each image.
///
/// The spec must have no [`problems()`] at this size.
pub fn layers(
    spec: &ModelSpec,
    in_channels: usize,
    out_channels: usize,
    size: usize,
    batch: usize,
) -> Vec<Layer> {
    let mut table = Table::new(batch);
    match NetConfig::new(spec, [in_channels, out_channels]) {
        NetConfig::Unet(config) => config.summarise(&mut table, size),
        NetConfig::AttentionUnet(config) => config.summarise(&mut table, size),
        NetConfig::EncoderUnet(config) => config.summarise(&mut table, size),
        NetConfig::UnetPlusPlus(config) => config.summarise(&mut table, size),
        NetConfig::EncoderUnetPlusPlus(config) => config.summarise(&mut table, size),
        NetConfig::Cmunext(config) => config.summarise(&mut table, size),
        NetConfig::Unext(config) => config.summarise(&mut table, size),
        NetConfig::MobileUvit(config) => config.summarise(&mut table, size),
        NetConfig::RguNet(config) => config.summarise(&mut table, size),
        NetConfig::Resnet(config) => {
            config.summarise(&mut table, size);
        }
        NetConfig::Efficientnet(config) => {
            config.summarise(&mut table, size);
        }
        NetConfig::Densenet(config) => config.summarise(&mut table, size),
        NetConfig::PlainClassifier(config) => config.summarise(&mut table, size),
    }
    table.into_rows()
}

/// The network as training is to change it: a frozen encoder, or the frozen stages of a classifier, stay as they
/// are.
///
/// Their parameters get no gradient and their batch normalisation uses the running statistics it has and
/// leaves them alone, in training as in evaluation. segmentation_models_pytorch with
/// `requires_grad = False` goes on updating these statistics while it trains; here frozen means frozen.
pub fn freeze(net: Net, spec: &ModelSpec) -> Net {
    let encoder = spec.pretrained().is_some_and(|encoder| encoder.frozen);
    let stages = spec.frozen_stages().unwrap_or(0);
    match net {
        Net::EncoderUnet(net) => Net::EncoderUnet(net.for_training(encoder)),
        Net::EncoderUnetPlusPlus(net) => Net::EncoderUnetPlusPlus(net.for_training(encoder)),
        Net::Resnet(net) => Net::Resnet(net.freeze_stages(stages)),
        Net::Efficientnet(net) => Net::Efficientnet(net.freeze_stages(stages)),
        Net::Densenet(net) => Net::Densenet(net.freeze_stages(stages)),
        Net::PlainClassifier(net) => Net::PlainClassifier(net.freeze_stages(stages)),
        net @ (Net::Unet(_)
        | Net::AttentionUnet(_)
        | Net::UnetPlusPlus(_)
        | Net::Cmunext(_)
        | Net::Unext(_)
        | Net::MobileUvit(_)
        | Net::RguNet(_)) => net,
    }
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

    /// The logits of every head: what a loss is taken of. There are several with deep supervision,
    /// and [`combined`] makes a prediction of them.
    ///
    /// # Shapes
    /// - as [`forward`](Self::forward)
    pub fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        match self {
            Self::Unet(net) => vec![net.forward(images)],
            Self::AttentionUnet(net) => vec![net.forward(images)],
            Self::EncoderUnet(net) => vec![net.forward(images)],
            Self::UnetPlusPlus(net) => net.forward(images),
            Self::EncoderUnetPlusPlus(net) => vec![net.forward(images)],
            Self::Cmunext(net) => vec![net.forward(images)],
            Self::Unext(net) => vec![net.forward(images)],
            Self::MobileUvit(net) => vec![net.forward(images)],
            Self::RguNet(net) => vec![net.forward(images)],
            Self::Resnet(net) => vec![net.classify(images)],
            Self::Efficientnet(net) => vec![net.classify(images)],
            Self::Densenet(net) => vec![net.forward(images)],
            Self::PlainClassifier(net) => vec![net.forward(images)],
        }
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
