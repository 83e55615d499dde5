//! ResNet (He, Zhang, Ren and Sun 2016, "Deep Residual Learning for Image Recognition"), with torchvision's
//! layers, names and initialisation: as an encoder, and as a classifier.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::{Design, Network};
use super::blocks::Convolution;
use super::catalogue::WeightsSpec;
use super::classifier::{Classifier, ClassifierSpec, Staged};
use super::encoder::{EncoderArchitecture, EncoderDesign, EncoderNetwork};
use super::head::{Head, HeadConfig, summarise_average};
use super::published::{BackboneFiles, EncoderFiles, Published};
use super::residual::{Residual, ResidualConfig, batch_norm, convolution};
use super::summary::{Maps, Table};
use super::watch::place;
use crate::kernels::{After, average, conv2d_batch_norm, max_pool2d};

/// A depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResnetKind {
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

    /// Its name in torchvision and in segmentation_models_pytorch.
    const fn in_torchvision(self) -> &'static str {
        match self {
            Self::Resnet18 => "resnet18",
            Self::Resnet34 => "resnet34",
            Self::Resnet50 => "resnet50",
        }
    }

    /// Channels of the features: the stem's, then each stage's.
    fn features(self) -> [usize; 5] {
        let stages = [64, 128, 256, 512].map(|width| width * self.expansion());
        [64, stages[0], stages[1], stages[2], stages[3]]
    }
}

/// What a [`Resnet`] is made of.
#[derive(Clone, Debug)]
pub struct ResnetConfig {
    kind: ResnetKind,
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

impl<const LAYERS: usize> Classifier for Depth<LAYERS> {
    type Settings = ClassifierSpec;
    type Net = Resnet;
    type Design = ResnetConfig;

    const TITLE: &'static str = Self::KIND.title();
    const IN_TORCHVISION: Option<&'static str> = Some(Self::KIND.in_torchvision());

    fn design(settings: &ClassifierSpec, channels: [usize; 2]) -> ResnetConfig {
        ResnetConfig::classifier(Self::KIND, settings, channels)
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

impl<const LAYERS: usize> EncoderArchitecture for Depth<LAYERS> {
    type Settings = ResnetEncoderSpec;
    type Design = ResnetConfig;

    const TITLE: &'static str = Self::KIND.title();
    const IN_SMP: &'static str = Self::KIND.in_torchvision();
    const FILES: EncoderFiles = EncoderFiles {
        prefix: "encoder.",
        first: "encoder.conv1.weight",
        beside: &["fc."],
        renamed: |_| None,
    };

    fn design(settings: &ResnetEncoderSpec, channels: usize) -> ResnetConfig {
        ResnetConfig::encoder(Self::KIND, channels, settings.frozen)
    }

    #[cfg(test)]
    fn samples() -> Vec<ResnetEncoderSpec> {
        vec![ResnetEncoderSpec { frozen: LAYERS > 18, ..Default::default() }]
    }
}

/// A ResNet encoder; tensors and names are those of segmentation_models_pytorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ResnetEncoderSpec {
    /// Weights of the encoder to start from, with torchvision's or segmentation_models_pytorch's names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
    /// Whether the encoder's parameters stay as they are.
    pub frozen: bool,
    /// Channels of the five decoder blocks, deepest first.
    #[schemars(inner(range(min = 1, max = 4096)))]
    pub decoder_filters: [u32; 5],
}

impl Default for ResnetEncoderSpec {
    fn default() -> Self {
        Self { weights: None, frozen: false, decoder_filters: [256, 128, 64, 32, 16] }
    }
}

impl EncoderDesign for ResnetConfig {
    type Net = Resnet;

    fn init(&self, device: &Device) -> Resnet {
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

    fn features(&self) -> [usize; 5] {
        self.kind.features()
    }

    fn places(&self) -> Vec<String> {
        let prefix = self.prefix();
        let stages = (1..).zip(self.kind.blocks());
        stages
            .flat_map(|(stage, blocks)| {
                (0..blocks).map(move |block| format!("{prefix}layer{stage}.{block}"))
            })
            .collect()
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) -> [Maps; 5] {
        let prefix = self.prefix();
        let maps = Maps { channels: self.channels, sides };
        table.set_frozen(self.frozen_stages > 0);
        let maps = self.stem().summarise(table, &format!("{prefix}conv1"), maps);
        let mut maps = batch_norm(table, &format!("{prefix}bn1"), maps);
        let mut features = [maps; 5];
        let pooled = maps.with_sides(|side| side / 2);
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

impl EncoderNetwork for Resnet {
    fn features(&self, images: Tensor<4>) -> [Tensor<4>; 5] {
        let stem = conv2d_batch_norm(&self.conv1, &self.bn1, images, After::relu());
        let stage1 = self.stage(1, &self.layer1, max_pool2d(stem.clone(), 3, 2, 1));
        let stage2 = self.stage(2, &self.layer2, stage1.clone());
        let stage3 = self.stage(3, &self.layer3, stage2.clone());
        let stage4 = self.stage(4, &self.layer4, stage3.clone());
        [stem, stage1, stage2, stage3, stage4]
    }
}

impl Design for ResnetConfig {
    type Net = Resnet;

    fn places(&self) -> Vec<String> {
        EncoderDesign::places(self)
    }

    fn init(&self, device: &Device) -> Resnet {
        EncoderDesign::init(self, device)
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        EncoderDesign::summarise(self, table, sides);
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
    fn encoder(kind: ResnetKind, channels: usize, frozen: bool) -> Self {
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

impl Staged for Resnet {
    fn freeze_stages(self, stages: usize) -> Self {
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

impl Resnet {
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
    fn classify(&self, images: Tensor<4>) -> Tensor<4> {
        let [.., last] = self.features(images);
        match &self.fc {
            Some(head) => head.forward(last, &self.dropout),
            None => average(last),
        }
    }
}

/// What the tensors' names of a classifier, or of an encoder, begin with.
fn prefix(classifies: bool) -> &'static str {
    if classifies { "" } else { "encoder." }
}
