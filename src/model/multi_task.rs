//! A network, with what it may have beside it: a second head for the class of the whole image, or, of a classifier, layers for
//! numbers about the image.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};

use super::blocks::glorot_uniform;
use super::fusion::{Fusion, FusionConfig};
use super::head::{Head, HeadConfig, summarise_average};
use super::summary::{Maps, Table};
use super::{ModelSpec, Net, bottleneck, combined, freeze, init, outline, watch};
use crate::layer::Layer;

/// A network with the head for images, or the layers for numbers about these, that it may have.
#[derive(Module, Debug)]
pub struct Model {
    /// The network.
    pub net: Net,
    classification_head: Option<ClassificationHead>,
    fusion: Option<Fusion>,
}

/// From the deepest features to the class of the whole image: their mean, dropout, a linear layer. Its tensors are
/// those of segmentation_models_pytorch's `ClassificationHead`, and start as these.
#[derive(Module, Debug)]
pub struct ClassificationHead {
    linear: Head,
    dropout: Dropout,
    /// Where the deepest features pass.
    #[module(skip)]
    place: String,
}

/// Logits of a batch of images.
#[derive(Clone, Debug)]
pub struct Logits {
    /// Of every head for pixels, `[batch, classes, height, width]`: several with deep supervision.
    pub pixels: Vec<Tensor<4>>,
    /// Of the head for images, `[batch, classes, 1, 1]`.
    pub images: Option<Tensor<4>>,
}

/// The head for images that a model is to have.
#[derive(Clone, Copy, Debug)]
pub struct SecondHead {
    /// Dropout probability before the linear layer.
    pub dropout: f64,
    /// Classes of images.
    pub classes: usize,
}

impl SecondHead {
    fn config(&self, features: usize) -> HeadConfig {
        HeadConfig::new(features, &[], self.classes)
            .with_weights(glorot_uniform())
            .with_zero_biases()
    }

    fn init(&self, spec: &ModelSpec, device: &Device) -> ClassificationHead {
        let (place, features) = bottleneck(spec);
        let dropout = DropoutConfig::new(self.dropout).init();
        ClassificationHead { linear: self.config(features).init(device), dropout, place }
    }

    /// Its rows of the layer table, below those of the network.
    pub fn layers(&self, spec: &ModelSpec, batch: usize) -> Vec<Layer> {
        let (_, channels) = bottleneck(spec);
        let mut table = Table::new(batch);
        summarise_average(&mut table, "classification_head.0", Maps { channels, sides: [1; 2] });
        self.config(channels).summarise(&mut table, "classification_head");
        table.into_rows()
    }
}

impl From<Net> for Model {
    fn from(net: Net) -> Self {
        Self { net, classification_head: None, fusion: None }
    }
}

impl Model {
    /// A model with random weights, all drawn in a fixed order, as [`init`].
    pub fn init(
        spec: &ModelSpec,
        [inputs, outputs]: [usize; 2],
        head: Option<SecondHead>,
        device: &Device,
    ) -> Self {
        let net = init(spec, inputs, outputs, device);
        let classification_head = head.map(|head| head.init(spec, device));
        if let Some(head) = &classification_head {
            head.visit(&mut super::Draw);
        }
        Self { net, classification_head, fusion: None }
    }

    /// A model into which weights are loaded, as [`outline`].
    pub fn outline(
        spec: &ModelSpec,
        [inputs, outputs]: [usize; 2],
        head: Option<SecondHead>,
        device: &Device,
    ) -> Self {
        let net = outline(spec, inputs, outputs, device);
        let classification_head = head.map(|head| head.init(spec, device));
        Self { net, classification_head, fusion: None }
    }

    /// The model with layers for numbers about images, if any, with random weights.
    pub fn fusing(self, config: Option<FusionConfig>, device: &Device) -> Self {
        let fusion = config.map(|config| config.init(device));
        if let Some(fusion) = &fusion {
            fusion.visit(&mut super::Draw);
        }
        Self { fusion, ..self }
    }

    /// Whether it is given numbers about images.
    pub fn is_fused(&self) -> bool {
        self.fusion.is_some()
    }

    /// The model as training is to change it, as [`freeze`].
    pub fn freeze(self, spec: &ModelSpec) -> Self {
        Self { net: freeze(self.net, spec), ..self }
    }

    /// The logits of all heads: what a loss is taken of.
    ///
    /// # Shapes
    /// - images: as [`Net::forward`]
    /// - numbers: of a model that [`is_fused`](Self::is_fused) `[batch, inputs]`, else none
    ///
    /// # Panics
    /// If there are numbers and the model takes none, or it takes some and there are none.
    pub fn heads(&self, images: Tensor<4>, numbers: Option<Tensor<2>>) -> Logits {
        let logits = self.of_images(images);
        match (&self.fusion, numbers) {
            (None, None) => logits,
            (Some(fusion), Some(numbers)) => {
                let added = fusion.forward(numbers);
                let pixels = logits.pixels.into_iter().map(|head| head + added.clone()).collect();
                Logits { pixels, ..logits }
            }
            (Some(_), None) => panic!("the model takes numbers beside images"),
            (None, Some(_)) => panic!("the model takes no numbers beside images"),
        }
    }

    fn of_images(&self, images: Tensor<4>) -> Logits {
        match &self.classification_head {
            None => Logits { pixels: self.net.heads(images), images: None },
            Some(head) => {
                let (pixels, features) = watch::passing(&head.place, || self.net.heads(images));
                let images = features.map(|features| head.linear.forward(features, &head.dropout));
                Logits { pixels, images }
            }
        }
    }
}

impl Logits {
    /// Logits of each class at each pixel, those of several heads [`combined`].
    pub fn combined(self) -> Tensor<4> {
        combined(self.pixels)
    }
}
