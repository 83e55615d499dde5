//! EfficientNet-B0 (Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
//! Networks") with torchvision's layers, names and initialisation; and EfficientNet-Lite0, Google's variant
//! for phones without squeeze-and-excitation, with ReLU6 and TensorFlow's padding and epsilon, whose tensors
//! have the same names. Both classify, and both are encoders, with TensorFlow's padding and epsilon as in
//! segmentation_models_pytorch.

use burn::module::{Initializer, Module};
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::{Design, Network};
use super::blocks::Convolution;
use super::catalogue::WeightsSpec;
use super::classifier::{Classifier, ClassifierSettings, Staged};
use super::efficientnet_names::{Library, translated};
use super::efficientnet_stages::STAGES;
use super::head::{Head, HeadConfig, summarise_average};
use super::names::outward;
use super::published::{BackboneFiles, Published};
use super::summary::{Maps, Table};
use super::watch::place;
use crate::kernels::{After, Input, add, average, block, conv2d_batch_norm, excite, weigh};

/// EfficientNet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct EfficientnetSpec {
    /// Weights of all but the head to start from, with torchvision's names, for EfficientNet-Lite0 with those of
    /// the package efficientnet-lite-pytorch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
    /// Stages, from the image on, that keep their parameters; the stem is the first of nine.
    #[schemars(range(max = 9))]
    pub frozen_stages: u32,
    /// Widths of hidden layers in the head; without any the head is one linear layer.
    #[schemars(length(max = 4), inner(range(min = 1, max = 65536)))]
    pub hidden: Vec<u32>,
    /// Dropout probability before each layer of the head.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
    /// Probability that an image skips the last block; it falls evenly to 0 at the first (Huang et al. 2016).
    #[schemars(range(min = 0.0, max = 0.95))]
    pub stochastic_depth: f64,
}

impl Default for EfficientnetSpec {
    fn default() -> Self {
        Self {
            weights: None,
            frozen_stages: 0,
            hidden: Vec::new(),
            dropout: 0.2,
            stochastic_depth: 0.2,
        }
    }
}

impl ClassifierSettings for EfficientnetSpec {
    const STAGES: u32 = 9;

    fn frozen_stages(&self) -> u32 {
        self.frozen_stages
    }

    fn has_usual_head(&self) -> bool {
        self.hidden.is_empty()
    }
}

/// EfficientNet-B0, for the class of a whole image.
#[derive(Debug)]
pub struct B0;

impl Classifier for B0 {
    type Settings = EfficientnetSpec;
    type Net = Efficientnet;
    type Design = EfficientnetConfig;

    const TITLE: &'static str = "EfficientNet-B0";
    const IN_TORCHVISION: Option<&'static str> = Some("efficientnet_b0");

    fn design(settings: &EfficientnetSpec, channels: [usize; 2]) -> EfficientnetConfig {
        EfficientnetConfig::classifier(EfficientnetKind::B0, settings, channels)
    }

    #[cfg(test)]
    fn samples() -> Vec<EfficientnetSpec> {
        vec![EfficientnetSpec { frozen_stages: 3, ..EfficientnetSpec::default() }]
    }
}

/// EfficientNet-Lite0, for the class of a whole image.
#[derive(Debug)]
pub struct Lite0;

impl Classifier for Lite0 {
    type Settings = EfficientnetSpec;
    type Net = Efficientnet;
    type Design = EfficientnetConfig;

    const TITLE: &'static str = "EfficientNet-Lite0";
    const IN_TORCHVISION: Option<&'static str> = None;

    fn design(settings: &EfficientnetSpec, channels: [usize; 2]) -> EfficientnetConfig {
        EfficientnetConfig::classifier(EfficientnetKind::Lite0, settings, channels)
    }

    #[cfg(test)]
    fn samples() -> Vec<EfficientnetSpec> {
        vec![EfficientnetSpec { hidden: vec![6], ..EfficientnetSpec::default() }]
    }
}

/// A variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EfficientnetKind {
    /// With squeeze-and-excitation and SiLU.
    B0,
    /// With ReLU6.
    Lite0,
    /// B0 as segmentation_models_pytorch's encoder `efficientnet-b0`.
    EncoderB0,
    /// Lite0 as timm's `tf_efficientnet_lite0`.
    EncoderLite0,
}

const STEM: usize = 32;
const FEATURES: usize = 1280;

/// A convolution whose weights start normal with variance 2 / fan-out, which is that of all groups together, as
/// PyTorch counts it: the `kaiming_normal_(mode="fan_out")` of torchvision's layers, depthwise ones too.
fn convolution(channels: [usize; 2], kernel: usize) -> Convolution {
    let fan_out = channels[1] * kernel * kernel;
    let initializer = Initializer::Normal { mean: 0.0, std: (2.0 / fan_out as f64).sqrt() };
    Convolution::new(channels, kernel, initializer)
}

impl EfficientnetKind {
    /// A convolution of the network, of half the size where the stride is 2.
    fn convolution(self, channels: [usize; 2], kernel: usize, stride: usize) -> Convolution {
        let conv = convolution(channels, kernel).without_bias();
        match (self, stride) {
            (Self::Lite0 | Self::EncoderB0 | Self::EncoderLite0, 2) => conv.halving_same(),
            _ => conv.strided(stride),
        }
    }

    fn norm(self, channels: usize, device: &Device) -> BatchNorm {
        let config = BatchNormConfig::new(channels);
        match self {
            Self::B0 => config.init(device),
            Self::Lite0 | Self::EncoderB0 => {
                config.with_epsilon(1e-3).with_momentum(0.01).init(device)
            }
            Self::EncoderLite0 => config.with_epsilon(1e-3).init(device),
        }
    }

    /// What follows the norms.
    fn after(self) -> After<'static> {
        match self {
            Self::B0 | Self::EncoderB0 => After::silu(),
            Self::Lite0 | Self::EncoderLite0 => After::relu6(),
        }
    }

    fn excites(self) -> bool {
        matches!(self, Self::B0 | Self::EncoderB0)
    }

    /// Stage and block of the maps that are features at a half, a quarter, ... and a 32nd of the size. At a 16th
    /// segmentation_models_pytorch takes the first block of its stage, timm the last.
    fn features(self) -> [[usize; 2]; 5] {
        match self {
            Self::B0 | Self::EncoderB0 => [[0, 0], [2, 1], [3, 1], [5, 0], [7, 0]],
            Self::Lite0 | Self::EncoderLite0 => [[1, 0], [2, 1], [3, 1], [5, 2], [7, 0]],
        }
    }

    /// Whether there is a last convolution: an encoder from timm has none, that of segmentation_models_pytorch holds
    /// it without using it.
    fn has_last(self) -> bool {
        self != Self::EncoderLite0
    }

    /// The name outside of a block or layer.
    fn named(self, name: &str) -> String {
        match self {
            Self::B0 | Self::Lite0 => name.to_string(),
            Self::EncoderB0 => outward(&format!("encoder.{name}")),
            Self::EncoderLite0 => outward(&format!("encoder.model.{name}")),
        }
    }
}

/// What an [`Efficientnet`] is made of.
pub struct EfficientnetConfig {
    kind: EfficientnetKind,
    channels: usize,
    /// Where it classifies.
    head: Option<HeadConfig>,
    dropout: f64,
    stochastic_depth: f64,
    frozen_stages: usize,
}

impl Design for EfficientnetConfig {
    type Net = Efficientnet;

    fn places(&self) -> Vec<String> {
        self.places()
    }

    fn init(&self, device: &Device) -> Efficientnet {
        self.init(device)
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        self.summarise(table, sides);
    }
}

/// EfficientNet.
#[derive(Module, Debug)]
pub struct Efficientnet {
    features: Vec<EfficientnetStage>,
    classifier: Option<(Dropout, Head)>,
    #[module(skip)]
    kind: EfficientnetKind,
}

/// A stage of the features.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a network has nine of them")]
pub(super) enum EfficientnetStage {
    /// The stem, or the last convolution.
    Convolution((Conv2d, BatchNorm)),
    /// Blocks.
    Blocks(Vec<InvertedResidual>),
}

/// An inverted residual block (Sandler et al. 2018): a 1x1 convolution to more channels, a depthwise one,
/// squeeze-and-excitation, a 1x1 convolution back, and the input added where it has the output's shape.
#[derive(Module, Debug)]
pub(super) struct InvertedResidual {
    block: Vec<InvertedLayer>,
    stochastic_depth: Dropout,
    #[module(skip)]
    adds: bool,
    #[module(skip)]
    kind: EfficientnetKind,
}

/// A layer of a block.
#[derive(Module, Debug)]
pub(super) enum InvertedLayer {
    /// Convolution, norm, and in all but the last an activation.
    Convolution((Conv2d, BatchNorm)),
    /// Squeeze-and-excitation.
    Excitation(Excitation),
}

/// Squeeze-and-excitation (Hu, Shen and Sun 2018): factors of the channels from their means.
#[derive(Module, Debug)]
pub(super) struct Excitation {
    fc1: Conv2d,
    fc2: Conv2d,
}

impl EfficientnetConfig {
    /// The encoder of a segmentation network, for images with so many channels.
    pub(super) fn encoder(
        kind: EfficientnetKind,
        channels: usize,
        stochastic_depth: f64,
        frozen: bool,
    ) -> Self {
        let frozen_stages = if frozen { 9 } else { 0 };
        Self { kind, channels, head: None, dropout: 0.0, stochastic_depth, frozen_stages }
    }

    /// A classifier, from the variant, the spec, and the channels of images and logits.
    fn classifier(
        kind: EfficientnetKind,
        spec: &EfficientnetSpec,
        [images, classes]: [usize; 2],
    ) -> Self {
        let width = spec.hidden.first().map_or(classes, |&width| width as usize);
        let range = 1.0 / (width as f64).sqrt();
        let initializer = Initializer::Uniform { min: -range, max: range };
        let head = HeadConfig::new(FEATURES, &spec.hidden, classes);
        Self {
            kind,
            channels: images,
            head: Some(head.with_weights(initializer).with_zero_biases()),
            dropout: spec.dropout,
            stochastic_depth: spec.stochastic_depth,
            frozen_stages: spec.frozen_stages as usize,
        }
    }

    fn stem(&self) -> Convolution {
        self.kind.convolution([self.channels, STEM], 3, 2)
    }

    fn last(&self) -> Convolution {
        self.kind.convolution([STAGES[6].channels, FEATURES], 1, 1)
    }

    /// The blocks of each stage.
    fn stages(&self) -> Vec<Vec<InvertedResidualConfig>> {
        let total: usize = STAGES.iter().map(|stage| stage.blocks).sum();
        let mut before = 0;
        let mut inputs = STEM;
        let mut stages = Vec::new();
        for stage in STAGES {
            let blocks = (0..stage.blocks).map(|index| {
                let config = InvertedResidualConfig {
                    kind: self.kind,
                    channels: [inputs, stage.channels],
                    expansion: stage.expansion,
                    kernel: stage.kernel,
                    stride: if index == 0 { stage.stride } else { 1 },
                    stochastic_depth: self.stochastic_depth * before as f64 / total as f64,
                };
                inputs = stage.channels;
                before += 1;
                config
            });
            stages.push(blocks.collect());
        }
        stages
    }

    /// The places that can be looked at, in the order of the forward pass.
    pub(super) fn places(&self) -> Vec<String> {
        let blocks = (1..).zip(STAGES).flat_map(|(stage, blocks)| {
            (0..blocks.blocks).map(move |block| format!("features.{stage}.{block}"))
        });
        let last = self.head.is_some().then(|| "features.8".to_string());
        blocks.chain(last).map(|name| self.kind.named(&name)).collect()
    }

    /// Channels of the features of an encoder.
    pub(super) fn features(&self) -> [usize; 5] {
        self.kind.features().map(|[stage, _]| match stage.checked_sub(1) {
            None => STEM,
            Some(stage) => STAGES[stage].channels,
        })
    }

    /// The network.
    pub(super) fn init(&self, device: &Device) -> Efficientnet {
        let convolution = |conv: Convolution| {
            let norm = self.kind.norm(conv.channels[1], device);
            EfficientnetStage::Convolution((conv.init(device), norm))
        };
        let blocks = self.stages().into_iter().map(|blocks| {
            EfficientnetStage::Blocks(blocks.iter().map(|block| block.init(device)).collect())
        });
        let features = [convolution(self.stem())].into_iter().chain(blocks);
        let last = self.kind.has_last().then(|| convolution(self.last()));
        let classifier = self.head.as_ref().map(|head| {
            let dropout = DropoutConfig::new(self.dropout).init();
            (dropout, head.init(device))
        });
        Efficientnet { features: features.chain(last).collect(), classifier, kind: self.kind }
    }

    /// Fills in the layer table; gives the features' maps.
    pub(super) fn summarise(&self, table: &mut Table, sides: [usize; 2]) -> [Maps; 5] {
        let named = |name: &str| self.kind.named(name);
        let norm = |table: &mut Table, name: &str, maps| {
            table.norm(&named(name), "BatchNorm2d".to_string(), maps)
        };
        table.set_frozen(self.frozen_stages > 0);
        let maps = Maps { channels: self.channels, sides };
        let maps = self.stem().summarise(table, &named("features.0.0"), maps);
        let mut given = vec![norm(table, "features.0.1", maps)];
        for (index, blocks) in self.stages().into_iter().enumerate() {
            table.set_frozen(self.frozen_stages > index + 1);
            let mut maps = given[index];
            for (block, config) in blocks.into_iter().enumerate() {
                let name = format!("features.{}.{block}.block", index + 1);
                maps = config.summarise(table, &name, maps);
            }
            given.push(maps);
        }
        if let Some(head) = &self.head {
            table.set_frozen(self.frozen_stages > 8);
            let maps = self.last().summarise(table, "features.8.0", given[7]);
            let maps = norm(table, "features.8.1", maps);
            table.set_frozen(false);
            summarise_average(table, "avgpool", maps);
            head.summarise(table, "classifier.1");
        } else if self.kind.has_last() {
            let [inputs, outputs] = self.last().channels;
            let maps = Maps { channels: outputs, ..given[7] };
            let name = named("features.8.0");
            table.unused(&name, "Conv2d 1x1, not used", given[7], maps, inputs * outputs);
            let name = named("features.8.1");
            table.unused(&name, "BatchNorm2d, not used", maps, maps, 2 * outputs);
        }
        table.set_frozen(false);
        self.kind.features().map(|[stage, _]| given[stage])
    }
}

impl Network for Efficientnet {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        vec![self.classify(images)]
    }

    fn published(&self) -> Published {
        let renamed = if self.kind == EfficientnetKind::Lite0 { from_lite } else { |_: &str| None };
        let files = BackboneFiles { first: "features.0.0.weight", head: "classifier.", renamed };
        Published::Backbone(files)
    }
}

impl Staged for Efficientnet {
    fn freeze_stages(self, stages: usize) -> Self {
        self.freeze_where(|stage| stage < stages)
    }
}

impl Efficientnet {
    /// Logits of each class of the whole image; of an encoder, its last features' means.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, height and width multiples of 32
    /// - output: `[batch, classes, 1, 1]`
    pub fn classify(&self, images: Tensor<4>) -> Tensor<4> {
        match &self.classifier {
            Some((dropout, head)) => {
                let stages = self.features.iter().enumerate();
                let maps = stages
                    .fold(images, |maps, (index, stage)| self.stage(index, stage, maps, |_, _| ()));
                head.forward(maps, dropout)
            }
            None => {
                let [.., last] = self.features(images);
                average(last)
            }
        }
    }

    /// Features at a half, a quarter, ... and a 32nd of the size.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, height and width multiples of 32
    /// - output k: `[batch, features k, height / 2^(k + 1), width / 2^(k + 1)]`
    pub fn features(&self, images: Tensor<4>) -> [Tensor<4>; 5] {
        let wanted = self.kind.features();
        let mut features = Vec::new();
        self.features.iter().enumerate().take(8).fold(images, |maps, (index, stage)| {
            self.stage(index, stage, maps, |block, maps| {
                if wanted.contains(&[index, block]) {
                    features.push(maps.clone());
                }
            })
        });
        <[Tensor<4>; 5]>::try_from(features).expect("each is a block that was passed")
    }

    /// Runs a stage and shows the maps after each of its blocks.
    fn stage(
        &self,
        index: usize,
        stage: &EfficientnetStage,
        maps: Tensor<4>,
        mut show: impl FnMut(usize, &Tensor<4>),
    ) -> Tensor<4> {
        let named = |name: String| self.kind.named(&name);
        match stage {
            EfficientnetStage::Convolution((conv, norm)) => {
                let maps = conv2d_batch_norm(conv, norm, maps, self.kind.after());
                show(0, &maps);
                if index == 0 { maps } else { place(|| named(format!("features.{index}")), maps) }
            }
            EfficientnetStage::Blocks(blocks) => {
                blocks.iter().enumerate().fold(maps, |maps, (block, layer)| {
                    let maps = layer.forward(maps);
                    let maps = place(|| named(format!("features.{index}.{block}")), maps);
                    show(block, &maps);
                    maps
                })
            }
        }
    }

    /// With the last convolution, which an encoder holds without using it, left as it is by training.
    pub(super) fn freeze_unused(self) -> Self {
        self.freeze_where(|stage| stage == 8)
    }

    fn freeze_where(self, frozen: impl Fn(usize) -> bool) -> Self {
        let features = self.features.into_iter().enumerate();
        let features = features
            .map(|(index, stage)| if frozen(index) { stage.freeze() } else { stage })
            .collect();
        Self { features, ..self }
    }
}

/// What an [`InvertedResidual`] is made of.
#[derive(Clone, Copy, Debug)]
struct InvertedResidualConfig {
    kind: EfficientnetKind,
    channels: [usize; 2],
    expansion: usize,
    kernel: usize,
    stride: usize,
    stochastic_depth: f64,
}

impl InvertedResidualConfig {
    fn width(&self) -> usize {
        self.channels[0] * self.expansion
    }

    /// The convolutions in order: to more channels, unless there are as many; depthwise; back.
    fn convolutions(&self) -> Vec<Convolution> {
        let [inputs, outputs] = self.channels;
        let width = self.width();
        let widening = self.kind.convolution([inputs, width], 1, 1);
        let depthwise = self.kind.convolution([width, width], self.kernel, self.stride);
        let narrowing = self.kind.convolution([width, outputs], 1, 1);
        let widening = (self.expansion > 1).then_some(widening);
        widening.into_iter().chain([depthwise.grouped(width), narrowing]).collect()
    }

    /// The two layers of the excitation, where there is one.
    fn excitation(&self) -> Option<[Convolution; 2]> {
        let (width, squeezed) = (self.width(), (self.channels[0] / 4).max(1));
        let layer = |channels| convolution(channels, 1).strided(1);
        self.kind.excites().then(|| [layer([width, squeezed]), layer([squeezed, width])])
    }

    fn init(&self, device: &Device) -> InvertedResidual {
        let mut block: Vec<InvertedLayer> = self
            .convolutions()
            .iter()
            .map(|conv| {
                let norm = self.kind.norm(conv.channels[1], device);
                InvertedLayer::Convolution((conv.init(device), norm))
            })
            .collect();
        if let Some([fc1, fc2]) = self.excitation() {
            let excitation = Excitation { fc1: fc1.init(device), fc2: fc2.init(device) };
            block.insert(block.len() - 1, InvertedLayer::Excitation(excitation));
        }
        InvertedResidual {
            block,
            stochastic_depth: DropoutConfig::new(self.stochastic_depth).init(),
            adds: self.stride == 1 && self.channels[0] == self.channels[1],
            kind: self.kind,
        }
    }

    fn summarise(&self, table: &mut Table, name: &str, input: Maps) -> Maps {
        let named = |layer: usize, part: &str| self.kind.named(&format!("{name}.{layer}.{part}"));
        let mut maps = input;
        let convolutions = self.convolutions();
        let mut layer = 0;
        for (index, conv) in convolutions.iter().enumerate() {
            if let (true, Some([fc1, fc2])) = (index + 1 == convolutions.len(), self.excitation()) {
                let means = summarise_average(table, &named(layer, "avgpool"), maps);
                let squeezed = fc1.summarise(table, &named(layer, "fc1"), means);
                fc2.summarise(table, &named(layer, "fc2"), squeezed);
                layer += 1;
            }
            maps = conv.summarise(table, &named(layer, "0"), maps);
            maps = table.norm(&named(layer, "1"), "BatchNorm2d".to_string(), maps);
            layer += 1;
        }
        maps
    }
}

impl InvertedResidual {
    /// Applies the block.
    ///
    /// # Shapes
    /// - input: `[batch, channels_in, height, width]`
    /// - output: `[batch, channels_out, height / stride, width / stride]`
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        if !self.adds {
            return block(self, input.into(), |block, input| block.apply(input, After::nothing()));
        }
        let learns = self.stochastic_depth.training.is_enabled() && input.device().is_autodiff();
        if !learns || self.stochastic_depth.prob == 0.0 {
            return block(self, input.into(), |block, input| {
                let after = After::nothing().residual(input.clone().into_maps());
                block.apply(input, after)
            });
        }
        let maps =
            block(self, input.clone().into(), |block, input| block.apply(input, After::nothing()));
        let [batch, channels, _, _] = maps.dims();
        let ones = Tensor::<4>::ones([batch, 1, 1, 1], &maps.device());
        let kept = self.stochastic_depth.forward(ones);
        add(weigh(maps, kept.expand([batch, channels, 1, 1])), input)
    }

    fn apply(&self, input: Input, last: After) -> Tensor<4> {
        let mut last = Some(last);
        let count = self.block.len();
        let layers = self.block.iter().enumerate();
        let output = layers.fold(input, |x, (index, layer)| match layer {
            InvertedLayer::Convolution((conv, norm)) => {
                let end = if index + 1 == count { last.take() } else { None };
                let after = end.unwrap_or_else(|| self.kind.after());
                conv2d_batch_norm(conv, norm, x, after).into()
            }
            InvertedLayer::Excitation(excitation) => excitation.forward(x.into_maps()).into(),
        });
        output.into_maps()
    }
}

impl Excitation {
    /// Weighs the channels.
    ///
    /// # Shapes
    /// - maps and output: `[batch, channels, height, width]`
    pub(super) fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        excite(&self.fc1, &self.fc2, maps)
    }
}

/// Our name of a tensor of efficientnet-lite-pytorch's EfficientNet-Lite0.
fn from_lite(name: &str) -> Option<String> {
    translated(name, Library::EfficientnetPytorch, Library::Torchvision, false)
}
