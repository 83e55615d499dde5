//! DenseNet-169 (Huang, Liu, van der Maaten and Weinberger 2017, "Densely Connected Convolutional Networks")
//! with torchvision's layers, names and initialisation.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};

use super::architecture::{Design, Network};
use super::blocks::{Convolution, he_normal};
use super::classifier::{Classifier, ClassifierSpec, Staged};
use super::head::{Head, HeadConfig, summarise_average};
use super::published::{BackboneFiles, Published};
use super::summary::{Maps, Table};
use super::watch::place;
use crate::kernels::{
    After, Input, batch_norm, block, concat, conv2d, conv2d_batch_norm, halve, max_pool2d,
};

/// Channels that each layer adds.
const GROWTH: usize = 32;
/// Channels between the two convolutions of a layer.
const BOTTLENECK: usize = 4 * GROWTH;
/// Channels of the stem.
const STEM: usize = 64;
/// Layers of each block of DenseNet-169.
const LAYERS: [usize; 4] = [6, 12, 32, 32];

impl Classifier for Densenet {
    type Settings = ClassifierSpec;
    type Net = Self;
    type Design = DensenetConfig;

    const TITLE: &'static str = "DenseNet-169";
    const IN_TORCHVISION: Option<&'static str> = Some("densenet169");

    fn design(settings: &ClassifierSpec, channels: [usize; 2]) -> DensenetConfig {
        DensenetConfig::new(settings, channels)
    }

    #[cfg(test)]
    fn samples() -> Vec<ClassifierSpec> {
        vec![ClassifierSpec { frozen_stages: 1, ..ClassifierSpec::default() }]
    }
}

/// What a [`Densenet`] is made of.
pub struct DensenetConfig {
    channels: usize,
    head: HeadConfig,
    dropout: f64,
    frozen_stages: usize,
}

/// DenseNet-169.
#[derive(Module, Debug)]
pub struct Densenet {
    features: DensenetFeatures,
    classifier: Head,
    dropout: Dropout,
}

/// All but the head.
#[derive(Module, Debug)]
pub(super) struct DensenetFeatures {
    conv0: Conv2d,
    norm0: BatchNorm,
    denseblock1: Vec<DenseLayer>,
    transition1: Transition,
    denseblock2: Vec<DenseLayer>,
    transition2: Transition,
    denseblock3: Vec<DenseLayer>,
    transition3: Transition,
    denseblock4: Vec<DenseLayer>,
    norm5: BatchNorm,
}

/// Norm, ReLU, 1x1 convolution, norm, ReLU, 3x3 convolution: what is put behind the channels it was given.
#[derive(Module, Debug)]
pub(super) struct DenseLayer {
    norm1: BatchNorm,
    conv1: Conv2d,
    norm2: BatchNorm,
    conv2: Conv2d,
}

/// Between two blocks: half the channels, and half the height and width.
#[derive(Module, Debug)]
pub(super) struct Transition {
    norm: BatchNorm,
    conv: Conv2d,
}

fn convolution(channels: [usize; 2], kernel: usize) -> Convolution {
    Convolution::new(channels, kernel, he_normal()).strided(1).without_bias()
}

/// The two convolutions of a layer.
fn of_layer(inputs: usize) -> [Convolution; 2] {
    [convolution([inputs, BOTTLENECK], 1), convolution([BOTTLENECK, GROWTH], 3)]
}

/// Channels that a block gets and gives.
fn of_block(index: usize) -> [usize; 2] {
    let inputs = (0..index).fold(STEM, |inputs, before| (inputs + LAYERS[before] * GROWTH) / 2);
    [inputs, inputs + LAYERS[index] * GROWTH]
}

fn transition(index: usize) -> Convolution {
    let [_, outputs] = of_block(index);
    convolution([outputs, outputs / 2], 1)
}

fn norm(channels: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels).init(device)
}

fn summarise_norm(table: &mut Table, name: &str, maps: Maps) -> Maps {
    table.norm(name, "BatchNorm2d".to_string(), maps)
}

impl DensenetConfig {
    /// From the spec, and the channels of images and logits.
    pub(super) fn new(spec: &ClassifierSpec, [images, classes]: [usize; 2]) -> Self {
        let [_, features] = of_block(3);
        Self {
            channels: images,
            head: HeadConfig::new(features, &spec.hidden, classes).with_zero_biases(),
            dropout: spec.dropout,
            frozen_stages: spec.frozen_stages as usize,
        }
    }

    fn stem(&self) -> Convolution {
        Convolution::new([self.channels, STEM], 7, he_normal()).without_bias().strided(2)
    }
}

impl Design for DensenetConfig {
    type Net = Densenet;

    fn places(&self) -> Vec<String> {
        let layers = (1..).zip(LAYERS).flat_map(|(block, layers)| {
            (1..=layers).map(move |layer| format!("features.denseblock{block}.denselayer{layer}"))
        });
        layers.chain(["features.norm5".to_string()]).collect()
    }

    fn init(&self, device: &Device) -> Densenet {
        let layers = |index: usize| -> Vec<DenseLayer> {
            let [inputs, _] = of_block(index);
            (0..LAYERS[index])
                .map(|layer| {
                    let inputs = inputs + layer * GROWTH;
                    let [conv1, conv2] = of_layer(inputs).map(|conv| conv.init(device));
                    let [norm1, norm2] = [inputs, BOTTLENECK].map(|width| norm(width, device));
                    DenseLayer { norm1, conv1, norm2, conv2 }
                })
                .collect()
        };
        let between = |index: usize| Transition {
            norm: norm(of_block(index)[1], device),
            conv: transition(index).init(device),
        };
        let features = DensenetFeatures {
            conv0: self.stem().init(device),
            norm0: norm(STEM, device),
            denseblock1: layers(0),
            transition1: between(0),
            denseblock2: layers(1),
            transition2: between(1),
            denseblock3: layers(2),
            transition3: between(2),
            denseblock4: layers(3),
            norm5: norm(of_block(3)[1], device),
        };
        let dropout = DropoutConfig::new(self.dropout).init();
        Densenet { features, classifier: self.head.init(device), dropout }
    }

    fn summarise(&self, table: &mut Table, sides: [usize; 2]) {
        table.set_frozen(self.frozen_stages > 0);
        let maps = Maps { channels: self.channels, sides };
        let maps = self.stem().summarise(table, "features.conv0", maps);
        let maps = summarise_norm(table, "features.norm0", maps);
        let pooled = maps.with_sides(|side| side / 2);
        let mut maps = table.plain("features.pool0", "MaxPool2d 3x3 /2", maps, pooled);
        for (index, layers) in LAYERS.into_iter().enumerate() {
            table.set_frozen(self.frozen_stages > index + 1);
            for layer in 0..layers {
                let name = format!("features.denseblock{}.denselayer{}", index + 1, layer + 1);
                let given = maps;
                for (number, conv) in (1..).zip(of_layer(maps.channels)) {
                    maps = summarise_norm(table, &format!("{name}.norm{number}"), maps);
                    maps = conv.summarise(table, &format!("{name}.conv{number}"), maps);
                }
                maps = table.concat(&format!("{name}.concat"), given, maps);
            }
            if index < 3 {
                let name = format!("features.transition{}", index + 1);
                maps = summarise_norm(table, &format!("{name}.norm"), maps);
                maps = transition(index).summarise(table, &format!("{name}.conv"), maps);
                let halved = maps.with_sides(|side| side / 2);
                maps = table.plain(&format!("{name}.pool"), "AvgPool2d 2x2 /2", maps, halved);
            }
        }
        let maps = summarise_norm(table, "features.norm5", maps);
        table.set_frozen(false);
        summarise_average(table, "avgpool", maps);
        self.head.summarise(table, "classifier");
    }
}

impl Network for Densenet {
    fn heads(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        vec![self.forward(images)]
    }

    fn published(&self) -> Published {
        let files = BackboneFiles {
            first: "features.conv0.weight",
            head: "classifier.",
            renamed: from_published,
        };
        Published::Backbone(files)
    }
}

impl Staged for Densenet {
    /// The stem, then each block with what follows it.
    fn freeze_stages(self, stages: usize) -> Self {
        let mut net = self.features;
        if stages > 0 {
            (net.conv0, net.norm0) = (net.conv0.freeze(), net.norm0.freeze());
        }
        if stages > 1 {
            net.denseblock1 = net.denseblock1.freeze();
            net.transition1 = net.transition1.freeze();
        }
        if stages > 2 {
            net.denseblock2 = net.denseblock2.freeze();
            net.transition2 = net.transition2.freeze();
        }
        if stages > 3 {
            net.denseblock3 = net.denseblock3.freeze();
            net.transition3 = net.transition3.freeze();
        }
        if stages > 4 {
            net.denseblock4 = net.denseblock4.freeze();
            net.norm5 = net.norm5.freeze();
        }
        Self { features: net, ..self }
    }
}

impl Densenet {
    /// Logits of each class of the whole image.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, height and width multiples of 32
    /// - output: `[batch, classes, 1, 1]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let net = &self.features;
        let stem = conv2d_batch_norm(&net.conv0, &net.norm0, images, After::relu());
        let x = max_pool2d(stem, 3, 2, 1);
        let x = net.transition1.forward(dense_block(1, &net.denseblock1, x));
        let x = net.transition2.forward(dense_block(2, &net.denseblock2, x));
        let x = net.transition3.forward(dense_block(3, &net.denseblock3, x));
        let x = dense_block(4, &net.denseblock4, x);
        let x = place(|| "features.norm5".into(), batch_norm(&net.norm5, x, After::relu()));
        self.classifier.forward(x, &self.dropout)
    }
}

fn dense_block(number: usize, layers: &[DenseLayer], input: Tensor<4>) -> Tensor<4> {
    (1..).zip(layers).fold(input, |x, (layer, dense)| {
        let new = dense.forward(x.clone());
        place(|| format!("features.denseblock{number}.denselayer{layer}"), concat(x, new))
    })
}

impl DenseLayer {
    /// The channels it adds.
    ///
    /// # Shapes
    /// - input: `[batch, channels, height, width]`
    /// - output: `[batch, 32, height, width]`
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        block(self, input.into(), |layer, input: Input| {
            let x = batch_norm(&layer.norm1, input.into_maps(), After::relu());
            let x = conv2d_batch_norm(&layer.conv1, &layer.norm2, x, After::relu());
            conv2d(&layer.conv2, x, After::nothing())
        })
    }
}

impl Transition {
    /// Applies it.
    ///
    /// # Shapes
    /// - input: `[batch, channels, height, width]`
    /// - output: `[batch, channels / 2, height / 2, width / 2]`
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let maps = batch_norm(&self.norm, input, After::relu());
        halve(conv2d(&self.conv, maps, After::nothing()))
    }
}

/// Our name of a tensor of a DenseNet that torchvision publishes: the files keep the names that its layers had
/// before, `norm.1` for `norm1`.
fn from_published(name: &str) -> Option<String> {
    let (layer, tensor) = name.rsplit_once('.')?;
    let (layer, number) = layer.rsplit_once('.')?;
    let renames = matches!(number, "1" | "2")
        && [".norm", ".conv"].iter().any(|kind| layer.ends_with(kind))
        && layer.contains(".denselayer");
    renames.then(|| format!("{layer}{number}.{tensor}"))
}
