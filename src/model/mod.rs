//! Networks: from a [`ModelSpec`] to logits.
//!
//! An architecture is one file with a configuration, the module it initialises and its rows of the
//! layer table, and one line in each `match` here. The module knows shapes only: no data set, no loss.

mod attention_unet;
mod blocks;
mod problems;
mod resnet;
mod resnet_unet;
mod summary;
mod unet;
mod weights;

#[cfg(test)]
mod parity;
#[cfg(test)]
mod tests;

pub use attention_unet::{AttentionGate, AttentionUnet};
pub use blocks::{DoubleConv, Norm};
pub use problems::{problems, size_divisor};
pub use resnet::{Residual, ResnetEncoder};
pub use resnet_unet::{Decoder, DecoderBlock, ResnetUnet};
pub use unet::Unet;
pub use weights::{Part, ShapeMismatch, WeightsReport, checksum, load_weights, save_weights};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use crate::record::Layer;
use crate::spec::{EncoderSpec, ModelSpec, ResnetEncoderSpec};
use attention_unet::AttentionUnetConfig;
use resnet::ResnetKind;
use resnet_unet::ResnetUnetConfig;
use summary::Table;
use unet::UnetConfig;

/// A network.
#[derive(Module, Debug)]
pub enum Net {
    /// Plain U-Net.
    Unet(Unet),
    /// Attention U-Net of system A.
    AttentionUnet(AttentionUnet),
    /// U-Net with a ResNet encoder.
    ResnetUnet(ResnetUnet),
}

/// What a network is made of.
enum NetConfig {
    Unet(UnetConfig),
    AttentionUnet(AttentionUnetConfig),
    ResnetUnet(ResnetUnetConfig),
}

impl NetConfig {
    fn new(spec: &ModelSpec, channels: [usize; 2]) -> Self {
        let resnet = |kind, spec| Self::ResnetUnet(ResnetUnetConfig::new(kind, spec, channels));
        match spec {
            ModelSpec::AttentionUnet(spec) => {
                Self::AttentionUnet(AttentionUnetConfig::new(spec, channels))
            }
            ModelSpec::Unet(spec) => match &spec.encoder {
                EncoderSpec::Plain(spec) => Self::Unet(UnetConfig::new(spec, channels)),
                EncoderSpec::Resnet18(spec) => resnet(ResnetKind::Resnet18, spec),
                EncoderSpec::Resnet34(spec) => resnet(ResnetKind::Resnet34, spec),
                EncoderSpec::Resnet50(spec) => resnet(ResnetKind::Resnet50, spec),
            },
        }
    }
}

/// A network with random weights, all drawn here in a fixed order, so that the device's seed decides
/// them.
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
        NetConfig::ResnetUnet(config) => Net::ResnetUnet(config.init(device)),
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
        NetConfig::ResnetUnet(config) => config.summarise(&mut table, size),
    }
    table.into_rows()
}

/// The network as training is to change it: a frozen encoder stays as it is.
///
/// Its parameters get no gradient and its batch normalisation uses the running statistics it has and
/// leaves them alone, in training as in evaluation. segmentation_models_pytorch with
/// `requires_grad = False` goes on updating these statistics while it trains; here frozen means frozen.
pub fn freeze(net: Net, spec: &ModelSpec) -> Net {
    match net {
        Net::ResnetUnet(net) if resnet_encoder(spec).is_some_and(|encoder| encoder.frozen) => {
            Net::ResnetUnet(net.freeze_encoder())
        }
        net @ (Net::Unet(_) | Net::AttentionUnet(_) | Net::ResnetUnet(_)) => net,
    }
}

fn resnet_encoder(spec: &ModelSpec) -> Option<&ResnetEncoderSpec> {
    match spec {
        ModelSpec::AttentionUnet(_) => None,
        ModelSpec::Unet(spec) => match &spec.encoder {
            EncoderSpec::Plain(_) => None,
            EncoderSpec::Resnet18(spec)
            | EncoderSpec::Resnet34(spec)
            | EncoderSpec::Resnet50(spec) => Some(spec),
        },
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
    /// Logits of each class at each pixel.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, height and width multiples of [`size_divisor`]
    /// - output: `[batch, classes, height, width]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Unet(net) => net.forward(images),
            Self::AttentionUnet(net) => net.forward(images),
            Self::ResnetUnet(net) => net.forward(images),
        }
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
