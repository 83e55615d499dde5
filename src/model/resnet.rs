//! ResNet (He, Zhang, Ren and Sun 2016, "Deep Residual Learning for Image Recognition"), with torchvision's
//! layers, names and initialisation: as an encoder, and as a classifier.

use burn::module::{Initializer, Module};
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};

use super::architecture::{Architecture, Design, Network};
use super::blocks::Convolution;
use super::classifier::ClassifierSpec;
use super::head::{Head, HeadConfig, summarise_average};
use super::multi_task::SecondHead;
use super::problems::Problems;
use super::published::{BackboneFiles, Published};
use super::pytorch::InPytorch;
use super::summary::{Maps, Table};
use super::watch::place;
use crate::kernels::{After, Input, average, block, conv2d_batch_norm, max_pool2d};

/// The depths at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResnetKind {
    Resnet18,
    Resnet34,
    Resnet50,
}

impl ResnetKind {
    /// Blocks of each stage.
    fn blocks(self) -> [usize; 4] {
        match self {
            Self::Resnet18 => [2, 2, 2, 2],
            Self::Resnet34 | Self::Resnet50 => [3, 4, 6, 3],
        }
    }

    /// Channels that a stage gives for each channel inside its blocks: 4 where these are bottlenecks.
    fn expansion(self) -> usize {
        match self {
            Self::Resnet18 | Self::Resnet34 => 1,
            Self::Resnet50 => 4,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Resnet18 => "ResNet-18",
            Self::Resnet34 => "ResNet-34",
            Self::Resnet50 => "ResNet-50",
        }
    }

    fn in_torchvision(self) -> &'static str {
        match self {
            Self::Resnet18 => "resnet18",
            Self::Resnet34 => "resnet34",
            Self::Resnet50 => "resnet50",
        }
    }

    /// Channels of the features: the stem's, then each stage's.
    pub(super) fn features(self) -> [usize; 5] {
        let stages = [64, 128, 256, 512].map(|width| width * self.expansion());
        [64, stages[0], stages[1], stages[2], stages[3]]
    }
}

/// What a [`Resnet`] is made of.
#[derive(Clone, Debug)]
pub struct ResnetConfig {
    pub(super) kind: ResnetKind,
    channels: usize,
    /// Where it classifies.
    head: Option<HeadConfig>,
    dropout: f64,
    /// The stem is the first.
    frozen_stages: usize,
}

/// ResNet with so many layers, for the class of a whole image.
#[derive(Debug)]
pub struct Depth<const LAYERS: usize>;

impl<const LAYERS: usize> Depth<LAYERS> {
    const KIND: ResnetKind = match LAYERS {
        18 => ResnetKind::Resnet18,
        34 => ResnetKind::Resnet34,
        50 => ResnetKind::Resnet50,
        _ => panic!("no ResNet has so many layers"),
    };
}

impl<const LAYERS: usize> Architecture for Depth<LAYERS> {
    type Settings = ClassifierSpec;
    type Design = ResnetConfig;

    const TITLE: &'static str = Self::KIND.title();
    const CLASSIFIES: bool = true;

    fn halvings(_: &ClassifierSpec) -> u32 {
        5
    }

    fn problems(settings: &ClassifierSpec, _: u32, found: &mut Problems) {
        settings.problems(5, found);
    }

    fn design(settings: &ClassifierSpec, channels: [usize; 2]) -> ResnetConfig {
        ResnetConfig::classifier(Self::KIND, settings, channels)
    }

    fn freezes(settings: &ClassifierSpec) -> bool {
        settings.frozen_stages > 0
    }

    fn freeze(net: Resnet, settings: &ClassifierSpec) -> Resnet {
        net.freeze_stages(settings.frozen_stages as usize)
    }

    fn in_pytorch(
        settings: &ClassifierSpec,
        channels: [usize; 2],
        _: Option<SecondHead>,
    ) -> Option<InPytorch> {
        InPytorch::torchvision(Self::KIND.in_torchvision(), channels, settings.hidden.is_empty())
    }

    #[cfg(test)]
    fn samples() -> Vec<ClassifierSpec> {
        match Self::KIND {
            ResnetKind::Resnet18 => {
                vec![ClassifierSpec { frozen_stages: 2, ..ClassifierSpec::default() }]
            }
            ResnetKind::Resnet34 => Vec::new(),
            ResnetKind::Resnet50 => {
                vec![ClassifierSpec { hidden: vec![5, 3], ..ClassifierSpec::default() }]
            }
        }
    }
}

impl Design for ResnetConfig {
    type Net = Resnet;

    fn places(&self) -> Vec<String> {
        self.places()
    }

    fn init(&self, device: &Device) -> Resnet {
        self.init(device)
    }

    fn summarise(&self, table: &mut Table, size: usize) {
        self.summarise(table, size);
    }
}

/// The stem and four stages of a ResNet, and where it classifies its head.
#[derive(Module, Debug)]
pub struct Resnet {
    conv1: Conv2d,
    bn1: BatchNorm,
    layer1: Vec<Residual>,
    layer2: Vec<Residual>,
    layer3: Vec<Residual>,
    layer4: Vec<Residual>,
    fc: Option<Head>,
    dropout: Dropout,
}

impl ResnetConfig {
    /// The encoder of a segmentation network, for images with so many channels.
    pub(super) fn encoder(kind: ResnetKind, channels: usize, frozen: bool) -> Self {
        let frozen_stages = if frozen { 5 } else { 0 };
        Self { kind, channels, head: None, dropout: 0.0, frozen_stages }
    }

    /// A classifier, from the channels of images and logits.
    fn classifier(kind: ResnetKind, spec: &ClassifierSpec, [images, classes]: [usize; 2]) -> Self {
        let features = kind.features()[4];
        let head = HeadConfig::new(features, &spec.hidden, classes);
        let frozen_stages = spec.frozen_stages as usize;
        Self { kind, channels: images, head: Some(head), dropout: spec.dropout, frozen_stages }
    }

    /// What its tensors' names begin with.
    fn prefix(&self) -> &'static str {
        prefix(self.head.is_some())
    }

    fn stem(&self) -> Convolution {
        convolution([self.channels, 64], 7).strided(2)
    }

    /// The blocks of a stage, counted from 0.
    fn stage(&self, stage: usize) -> Vec<ResidualConfig> {
        let [inputs, outputs] = [self.kind.features()[stage], self.kind.features()[stage + 1]];
        (0..self.kind.blocks()[stage])
            .map(|block| ResidualConfig {
                channels: [if block == 0 { inputs } else { outputs }, outputs],
                expansion: self.kind.expansion(),
                stride: if block == 0 && stage > 0 { 2 } else { 1 },
                groups: 1,
            })
            .collect()
    }

    /// The places that can be looked at, in the order of the forward pass.
    pub(super) fn places(&self) -> Vec<String> {
        let prefix = self.prefix();
        let stages = (1..).zip(self.kind.blocks());
        stages
            .flat_map(|(stage, blocks)| {
                (0..blocks).map(move |block| format!("{prefix}layer{stage}.{block}"))
            })
            .collect()
    }

    /// The network.
    pub(super) fn init(&self, device: &Device) -> Resnet {
        let stage =
            |stage| self.stage(stage).iter().map(|block| block.init(device)).collect::<Vec<_>>();
        Resnet {
            conv1: self.stem().init(device),
            bn1: BatchNormConfig::new(64).init(device),
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            layer4: stage(3),
            fc: self.head.as_ref().map(|head| head.init(device)),
            dropout: DropoutConfig::new(self.dropout).init(),
        }
    }

    /// Fills in the layer table; gives the features' maps.
    pub(super) fn summarise(&self, table: &mut Table, size: usize) -> [Maps; 5] {
        let prefix = self.prefix();
        let maps = Maps { channels: self.channels, size };
        table.set_frozen(self.frozen_stages > 0);
        let maps = self.stem().summarise(table, &format!("{prefix}conv1"), maps);
        let mut maps = batch_norm(table, &format!("{prefix}bn1"), maps);
        let mut features = [maps; 5];
        let pooled = Maps { size: maps.size / 2, ..maps };
        maps = table.plain(&format!("{prefix}maxpool"), "MaxPool2d 3x3 /2", maps, pooled);
        for stage in 0..4 {
            table.set_frozen(self.frozen_stages > stage + 1);
            for (index, block) in self.stage(stage).iter().enumerate() {
                let name = format!("{prefix}layer{}.{index}", stage + 1);
                maps = block.summarise(table, &name, maps);
            }
            features[stage + 1] = maps;
        }
        table.set_frozen(false);
        if let Some(head) = &self.head {
            summarise_average(table, "avgpool", maps);
            head.summarise(table, "fc");
        }
        features
    }
}

impl Network for Resnet {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        vec![self.classify(images)]
    }

    fn published(&self) -> Published {
        let files = BackboneFiles { first: "conv1.weight", head: "fc.", renamed: |_| None };
        Published::Backbone(files)
    }
}

impl Resnet {
    /// Features at a half, a quarter, ... and a 32nd of the size.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, height and width multiples of 32
    /// - output k: `[batch, features k, height / 2^(k + 1), width / 2^(k + 1)]`
    pub fn features(&self, images: Tensor<4>) -> [Tensor<4>; 5] {
        let stem = conv2d_batch_norm(&self.conv1, &self.bn1, images, After::relu());
        let stage1 = self.stage(1, &self.layer1, max_pool2d(stem.clone(), 3, 2, 1));
        let stage2 = self.stage(2, &self.layer2, stage1.clone());
        let stage3 = self.stage(3, &self.layer3, stage2.clone());
        let stage4 = self.stage(4, &self.layer4, stage3.clone());
        [stem, stage1, stage2, stage3, stage4]
    }

    fn stage(&self, stage: usize, blocks: &[Residual], input: Tensor<4>) -> Tensor<4> {
        let prefix = prefix(self.fc.is_some());
        blocks.iter().enumerate().fold(input, |x, (index, block)| {
            place(|| format!("{prefix}layer{stage}.{index}"), block.forward(x))
        })
    }

    /// Logits of each class of the whole image; of an encoder, its features' means.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, height and width multiples of 32
    /// - output: `[batch, classes, 1, 1]`
    pub fn classify(&self, images: Tensor<4>) -> Tensor<4> {
        let [.., last] = self.features(images);
        match &self.fc {
            Some(head) => head.forward(last, &self.dropout),
            None => average(last),
        }
    }

    /// With the parameters and running statistics of the first stages left as they are by training.
    pub(super) fn freeze_stages(self, stages: usize) -> Self {
        let Self { mut conv1, mut bn1, fc, dropout, .. } = self;
        if stages > 0 {
            (conv1, bn1) = (conv1.freeze(), bn1.freeze());
        }
        let [layer1, layer2, layer3, layer4] =
            [(2, self.layer1), (3, self.layer2), (4, self.layer3), (5, self.layer4)]
                .map(|(stage, blocks)| if stages >= stage { blocks.freeze() } else { blocks });
        Self { conv1, bn1, layer1, layer2, layer3, layer4, fc, dropout }
    }
}

/// What the tensors' names of a classifier, or of an encoder, begin with.
fn prefix(classifies: bool) -> &'static str {
    if classifies { "" } else { "encoder." }
}

/// What a [`Residual`] is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResidualConfig {
    pub channels: [usize; 2],
    pub expansion: usize,
    pub stride: usize,
    /// Of the convolutions of a block that is no bottleneck.
    pub groups: usize,
}

/// A residual block: two 3x3 convolutions, or 1x1, 3x3 and 1x1 (bottleneck, stride on the 3x3 one as
/// in torchvision), around which the input is added, itself or through a 1x1 convolution.
#[derive(Module, Debug)]
pub(super) struct Residual {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    conv3: Option<Conv2d>,
    bn3: Option<BatchNorm>,
    downsample: Option<(Conv2d, BatchNorm)>,
}

impl ResidualConfig {
    /// The convolutions in order: two, or three in a bottleneck.
    fn convolutions(&self) -> Vec<Convolution> {
        let [inputs, outputs] = self.channels;
        let width = outputs / self.expansion;
        if self.expansion == 1 {
            vec![
                convolution([inputs, width], 3).strided(self.stride).grouped(self.groups),
                convolution([width, width], 3).strided(1).grouped(self.groups),
            ]
        } else {
            vec![
                convolution([inputs, width], 1).strided(1),
                convolution([width, width], 3).strided(self.stride),
                convolution([width, outputs], 1).strided(1),
            ]
        }
    }

    fn downsample(&self) -> Option<Convolution> {
        let needed = self.stride != 1 || self.channels[0] != self.channels[1];
        needed.then(|| convolution(self.channels, 1).strided(self.stride))
    }

    /// The block.
    pub(super) fn init(&self, device: &Device) -> Residual {
        let layer = |conv: &Convolution| {
            (conv.init(device), BatchNormConfig::new(conv.channels[1]).init(device))
        };
        let convolutions = self.convolutions();
        let (conv1, bn1) = layer(&convolutions[0]);
        let (conv2, bn2) = layer(&convolutions[1]);
        let (conv3, bn3) = convolutions.get(2).map(layer).unzip();
        let downsample = self.downsample().as_ref().map(layer);
        Residual { conv1, bn1, conv2, bn2, conv3, bn3, downsample }
    }

    /// Adds its rows to the layer table.
    pub(super) fn summarise(&self, table: &mut Table, name: &str, input: Maps) -> Maps {
        let mut maps = input;
        for (index, conv) in self.convolutions().iter().enumerate() {
            maps = conv.summarise(table, &format!("{name}.conv{}", index + 1), maps);
            maps = batch_norm(table, &format!("{name}.bn{}", index + 1), maps);
        }
        if let Some(conv) = self.downsample() {
            let maps = conv.summarise(table, &format!("{name}.downsample.0"), input);
            batch_norm(table, &format!("{name}.downsample.1"), maps);
        }
        maps
    }
}

impl Residual {
    /// Applies the block.
    ///
    /// # Shapes
    /// - input: `[batch, channels_in, height, width]` in all
    /// - output: `[batch, channels_out, height / stride, width / stride]`
    pub(super) fn forward(&self, input: impl Into<Input>) -> Tensor<4> {
        block(self, input.into(), Self::apply)
    }

    fn apply(&self, input: Input) -> Tensor<4> {
        let x = conv2d_batch_norm(&self.conv1, &self.bn1, input.clone(), After::relu());
        let identity = match &self.downsample {
            Some((conv, norm)) => conv2d_batch_norm(conv, norm, input, After::nothing()),
            None => input.into_maps(),
        };
        let last = After::relu().residual(identity);
        match (&self.conv3, &self.bn3) {
            (Some(conv3), Some(bn3)) => {
                let x = conv2d_batch_norm(&self.conv2, &self.bn2, x, After::relu());
                conv2d_batch_norm(conv3, bn3, x, last)
            }
            _ => conv2d_batch_norm(&self.conv2, &self.bn2, x, last),
        }
    }
}

/// A convolution as torchvision starts it: normal with variance 2 / fan-out, no bias.
fn convolution(channels: [usize; 2], kernel: usize) -> Convolution {
    let initializer = Initializer::KaimingNormal { gain: 2f64.sqrt(), fan_out_only: true };
    Convolution::new(channels, kernel, initializer).without_bias()
}

fn batch_norm(table: &mut Table, name: &str, maps: Maps) -> Maps {
    table.norm(name, "BatchNorm2d".to_string(), maps)
}
