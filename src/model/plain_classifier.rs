//! Classifiers of plain convolutions, each with ReLU, and a multi-layer perceptron on their pooled maps: VGG-16
//! (Simonyan and Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition") and AlexNet
//! (Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks"), with torchvision's layers,
//! names and initialisation.

use burn::module::{Initializer, Module};
use burn::nn::conv::Conv2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig, Relu};
use burn::tensor::module::adaptive_avg_pool2d;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::architecture::{Design, Network};
use super::blocks::{Convolution, pytorch_convolution, pytorchs};
use super::catalogue::WeightsSpec;
use super::classifier::{Classifier, ClassifierSettings, Staged};
use super::problems::Problems;
use super::published::{BackboneFiles, Published};
use super::summary::{Maps, Table};
use super::watch::place;
use crate::kernels::{After, conv2d, max_pool2d};

/// VGG or AlexNet; tensors and names are torchvision's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PlainClassifierSpec {
    /// Weights to start from, with torchvision's names: of all but the last layer, or, where `hidden` is not
    /// torchvision's, of all but the layers of the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsSpec>,
    /// Stages, from the image on, that keep their parameters: of VGG its five blocks, of AlexNet its five
    /// convolutions.
    #[schemars(range(max = 5))]
    pub frozen_stages: u32,
    /// Widths of the hidden layers of the head.
    #[schemars(length(min = 1, max = 4), inner(range(min = 1, max = 4096)))]
    pub hidden: Vec<u32>,
    /// Dropout probability at each hidden layer of the head.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
}

impl Default for PlainClassifierSpec {
    fn default() -> Self {
        Self { weights: None, frozen_stages: 0, hidden: vec![4096, 4096], dropout: 0.5 }
    }
}

impl ClassifierSettings for PlainClassifierSpec {
    const STAGES: u32 = 5;

    fn frozen_stages(&self) -> u32 {
        self.frozen_stages
    }

    fn has_usual_head(&self) -> bool {
        self.hidden == Self::default().hidden
    }
}

/// VGG-16, for the class of a whole image.
#[derive(Debug)]
pub struct Vgg16;

impl Classifier for Vgg16 {
    type Settings = PlainClassifierSpec;
    type Net = PlainClassifier;
    type Design = PlainClassifierConfig;

    const TITLE: &'static str = "VGG-16";
    const IN_TORCHVISION: Option<&'static str> = Some("vgg16");

    fn design(settings: &PlainClassifierSpec, channels: [usize; 2]) -> PlainClassifierConfig {
        PlainClassifierConfig::new(PlainKind::Vgg16, settings, channels)
    }

    #[cfg(test)]
    fn samples() -> Vec<PlainClassifierSpec> {
        vec![PlainClassifierSpec {
            hidden: vec![5, 3],
            frozen_stages: 2,
            ..PlainClassifierSpec::default()
        }]
    }
}

/// AlexNet, for the class of a whole image.
#[derive(Debug)]
pub struct Alexnet;

impl Classifier for Alexnet {
    type Settings = PlainClassifierSpec;
    type Net = PlainClassifier;
    type Design = PlainClassifierConfig;

    const TITLE: &'static str = "AlexNet";
    const IN_TORCHVISION: Option<&'static str> = Some("alexnet");

    fn problems(settings: &PlainClassifierSpec, sides: [usize; 2], found: &mut Problems) {
        settings.problems(found);
        if sides.contains(&32) {
            found.push(
                "dataset.image-size",
                "the third pool of AlexNet has nothing left of 32 pixels: give 64 or more".into(),
            );
        }
    }

    fn design(settings: &PlainClassifierSpec, channels: [usize; 2]) -> PlainClassifierConfig {
        PlainClassifierConfig::new(PlainKind::Alexnet, settings, channels)
    }

    #[cfg(test)]
    fn samples() -> Vec<PlainClassifierSpec> {
        vec![PlainClassifierSpec {
            hidden: vec![6],
            frozen_stages: 4,
            ..PlainClassifierSpec::default()
        }]
    }
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlainKind {
    /// VGG-16.
    Vgg16,
    /// AlexNet.
    Alexnet,
}

/// Convolutions that look alike, each with ReLU, and maybe a max-pool with stride 2 after them.
#[derive(Clone, Copy, Debug)]
struct Stage {
    convolutions: usize,
    channels: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    /// Width of its windows.
    pool: Option<usize>,
}

/// Column D of table 1 of the paper.
const VGG16: [Stage; 5] = [vgg(2, 64), vgg(2, 128), vgg(3, 256), vgg(3, 512), vgg(3, 512)];

const fn vgg(convolutions: usize, channels: usize) -> Stage {
    Stage { convolutions, channels, kernel: 3, stride: 1, padding: 1, pool: Some(2) }
}

/// A stage is one convolution.
const ALEXNET: [Stage; 5] = [
    Stage { convolutions: 1, channels: 64, kernel: 11, stride: 4, padding: 2, pool: Some(3) },
    Stage { convolutions: 1, channels: 192, kernel: 5, stride: 1, padding: 2, pool: Some(3) },
    Stage { convolutions: 1, channels: 384, kernel: 3, stride: 1, padding: 1, pool: None },
    Stage { convolutions: 1, channels: 256, kernel: 3, stride: 1, padding: 1, pool: None },
    Stage { convolutions: 1, channels: 256, kernel: 3, stride: 1, padding: 1, pool: Some(3) },
];

impl PlainKind {
    fn stages(self) -> [Stage; 5] {
        match self {
            Self::Vgg16 => VGG16,
            Self::Alexnet => ALEXNET,
        }
    }

    /// Height and width of the maps that the perceptron reads.
    fn pooled(self) -> usize {
        match self {
            Self::Vgg16 => 7,
            Self::Alexnet => 6,
        }
    }

    /// A convolution with the weights and biases that it starts with.
    fn convolution(self, channels: [usize; 2], kernel: usize) -> Convolution {
        match self {
            Self::Vgg16 => {
                let initializer =
                    Initializer::KaimingNormal { gain: 2f64.sqrt(), fan_out_only: true };
                Convolution::new(channels, kernel, initializer)
            }
            Self::Alexnet => pytorch_convolution(channels, kernel),
        }
    }
}

/// What a [`PlainClassifier`] is made of.
pub struct PlainClassifierConfig {
    kind: PlainKind,
    channels: usize,
    hidden: Vec<usize>,
    classes: usize,
    dropout: f64,
    frozen_stages: usize,
}

/// VGG-16 or AlexNet.
#[derive(Module, Debug)]
pub struct PlainClassifier {
    features: Vec<FeatureLayer>,
    classifier: Vec<PerceptronLayer>,
    #[module(skip)]
    kind: PlainKind,
}

/// A layer of the features, in torchvision's order.
#[derive(Module, Debug)]
pub(super) enum FeatureLayer {
    /// Convolution.
    Convolution(Conv2d),
    /// ReLU.
    Relu(Relu),
    /// Maximum.
    Pool(MaxPool2d),
}

/// A layer of the perceptron, in torchvision's order.
#[derive(Module, Debug)]
pub(super) enum PerceptronLayer {
    /// Linear.
    Linear(Linear),
    /// ReLU.
    Relu(Relu),
    /// Dropout.
    Dropout(Dropout),
}

/// What a [`FeatureLayer`] is made of.
enum FeatureConfig {
    Convolution(Convolution),
    Relu,
    Pool(usize),
}

/// What a [`PerceptronLayer`] is made of.
enum PerceptronConfig {
    Linear([usize; 2]),
    Relu,
    Dropout,
}

impl PlainClassifierConfig {
    /// From the network, the spec, and the channels of images and logits.
    fn new(kind: PlainKind, spec: &PlainClassifierSpec, [images, classes]: [usize; 2]) -> Self {
        Self {
            kind,
            channels: images,
            hidden: spec.hidden.iter().map(|&width| width as usize).collect(),
            classes,
            dropout: spec.dropout,
            frozen_stages: spec.frozen_stages as usize,
        }
    }

    /// The layers of each stage of the features.
    fn features(&self) -> Vec<Vec<FeatureConfig>> {
        let mut inputs = self.channels;
        let stages = self.kind.stages().into_iter().map(|stage| {
            let mut layers = Vec::new();
            for _ in 0..stage.convolutions {
                let channels = [inputs, stage.channels];
                let conv = self
                    .kind
                    .convolution(channels, stage.kernel)
                    .strided(stage.stride)
                    .padded(stage.padding);
                layers.extend([FeatureConfig::Convolution(conv), FeatureConfig::Relu]);
                inputs = stage.channels;
            }
            layers.extend(stage.pool.map(FeatureConfig::Pool));
            layers
        });
        stages.collect()
    }

    /// VGG drops out what a hidden layer gives, AlexNet what it reads.
    fn perceptron(&self) -> Vec<PerceptronConfig> {
        use PerceptronConfig::{Dropout, Linear, Relu};
        let channels = self.kind.stages()[4].channels;
        let mut inputs = channels * self.kind.pooled() * self.kind.pooled();
        let mut layers = Vec::new();
        for &width in &self.hidden {
            let linear = Linear([inputs, width]);
            match self.kind {
                PlainKind::Vgg16 => layers.extend([linear, Relu, Dropout]),
                PlainKind::Alexnet => layers.extend([Dropout, linear, Relu]),
            }
            inputs = width;
        }
        layers.push(Linear([inputs, self.classes]));
        layers
    }
}

impl Design for PlainClassifierConfig {
    type Net = PlainClassifier;

    fn places(&self) -> Vec<String> {
        let layers = self.features().into_iter().flatten().enumerate();
        let rectified = layers.filter(|(_, layer)| matches!(layer, FeatureConfig::Relu));
        rectified.map(|(index, _)| place_name(index)).collect()
    }

    fn init(&self, device: &Device) -> PlainClassifier {
        let features = self.features().into_iter().flatten().map(|layer| match layer {
            FeatureConfig::Convolution(config) => FeatureLayer::Convolution(config.init(device)),
            FeatureConfig::Relu => FeatureLayer::Relu(Relu::new()),
            FeatureConfig::Pool(kernel) => {
                let pool = MaxPool2dConfig::new([kernel; 2]).with_strides([2; 2]);
                FeatureLayer::Pool(pool.init())
            }
        });
        let perceptron = self.perceptron().into_iter().map(|layer| match layer {
            PerceptronConfig::Linear([inputs, outputs]) => {
                let config = LinearConfig::new(inputs, outputs);
                PerceptronLayer::Linear(match self.kind {
                    PlainKind::Vgg16 => {
                        let normal = Initializer::Normal { mean: 0.0, std: 0.01 };
                        let mut linear = config.with_initializer(normal).init(device);
                        linear.bias = Some(Initializer::Zeros.init([outputs], device));
                        linear
                    }
                    PlainKind::Alexnet => config.with_initializer(pytorchs()).init(device),
                })
            }
            PerceptronConfig::Relu => PerceptronLayer::Relu(Relu::new()),
            PerceptronConfig::Dropout => {
                PerceptronLayer::Dropout(DropoutConfig::new(self.dropout).init())
            }
        });
        PlainClassifier {
            features: features.collect(),
            classifier: perceptron.collect(),
            kind: self.kind,
        }
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        let mut maps = Maps { channels: self.channels, sides };
        let mut names = (0..).map(|index| format!("features.{index}"));
        for (stage, layers) in self.features().into_iter().enumerate() {
            table.set_frozen(self.frozen_stages > stage);
            for (layer, name) in layers.into_iter().zip(&mut names) {
                maps = match layer {
                    FeatureConfig::Convolution(conv) => conv.summarise(table, &name, maps),
                    FeatureConfig::Relu => maps,
                    FeatureConfig::Pool(kernel) => {
                        let pooled = maps.with_sides(|side| (side - kernel) / 2 + 1);
                        table.plain(&name, &format!("MaxPool2d {kernel}x{kernel} /2"), maps, pooled)
                    }
                };
            }
        }
        table.set_frozen(false);
        let side = self.kind.pooled();
        let kind = format!("Average over pixels to {side}x{side}");
        let mut maps = table.plain("avgpool", &kind, maps, Maps { sides: [side; 2], ..maps });
        for (index, layer) in self.perceptron().into_iter().enumerate() {
            let name = format!("classifier.{index}");
            maps = match layer {
                PerceptronConfig::Linear([inputs, outputs]) => table.linear(&name, inputs, outputs),
                PerceptronConfig::Relu => maps,
                PerceptronConfig::Dropout => table.dropout(&name, self.dropout, maps),
            };
        }
    }
}

/// The place after a ReLU.
fn place_name(index: usize) -> String {
    format!("features.{index}")
}

impl Network for PlainClassifier {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        vec![self.forward(images)]
    }

    fn published(&self) -> Published {
        let files =
            BackboneFiles { first: "features.0.weight", head: self.head(), renamed: |_| None };
        Published::Backbone(files)
    }
}

impl Staged for PlainClassifier {
    fn freeze_stages(self, stages: usize) -> Self {
        let frozen: usize = self.kind.stages()[..stages].iter().map(Stage::layers).sum();
        let features = self.features.into_iter().enumerate();
        let features = features
            .map(|(index, layer)| if index < frozen { layer.freeze() } else { layer })
            .collect();
        Self { features, ..self }
    }
}

impl PlainClassifier {
    /// Logits of each class of the whole image.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, height and width multiples of 32, of AlexNet 64 or more
    /// - output: `[batch, classes, 1, 1]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let maps = self.features.iter().enumerate().fold(images, |x, (index, layer)| match layer {
            // With the ReLU that follows every convolution.
            FeatureLayer::Convolution(conv) => conv2d(conv, x, After::relu()),
            FeatureLayer::Relu(_) => place(|| place_name(index), x),
            FeatureLayer::Pool(pool) => max_pool2d(x, pool.kernel_size[0], pool.stride[0], 0),
        });
        let side = self.kind.pooled();
        let maps = match maps.dims() {
            [_, _, height, width] if [height, width] == [side; 2] => maps,
            _ => adaptive_avg_pool2d(maps, [side; 2]),
        };
        let logits: Tensor<2> =
            self.classifier.iter().fold(maps.flatten(1, 3), |x, layer| match layer {
                PerceptronLayer::Linear(linear) => linear.forward(x),
                PerceptronLayer::Relu(relu) => relu.forward(x),
                PerceptronLayer::Dropout(dropout) => dropout.forward(x),
            });
        let [batch, classes] = logits.dims();
        logits.reshape([batch, classes, 1, 1])
    }

    /// What the names begin with of the tensors that published weights do not fill: the last layer's where the
    /// hidden ones are torchvision's, else the whole perceptron's.
    fn head(&self) -> &'static str {
        let linear = self.classifier.iter().filter_map(|layer| match layer {
            PerceptronLayer::Linear(linear) => Some(linear.weight.lazy_shape()[0] as u32),
            PerceptronLayer::Relu(_) | PerceptronLayer::Dropout(_) => None,
        });
        // What each layer but the first reads is what a hidden one gives.
        let torchvisions = linear.skip(1).eq(PlainClassifierSpec::default().hidden);
        if torchvisions { "classifier.6." } else { "classifier." }
    }
}

impl Stage {
    /// Layers of it, ReLU and pool among them.
    fn layers(&self) -> usize {
        2 * self.convolutions + usize::from(self.pool.is_some())
    }
}
