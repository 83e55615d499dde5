//! `[task]`: what is predicted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::loss::LossSpec;
use crate::role::Role;

/// What is predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TaskSpec {
    /// A class for every pixel.
    Segment(SegmentSpec),
    /// A class for every image: that of its folder or diagnosis, such as benign or malignant.
    Classify(ClassifySpec),
    /// Both by one network: a class for every pixel, and one for the image from the deepest features.
    MultiTask(MultiTaskSpec),
}

/// Settings of segmentation; it has none beyond its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentSpec {}

/// Settings of classification.
///
/// Classes are ordered normal, benign, malignant, whichever there are; of two the second is the one that a
/// threshold, sensitivity and ROC are about. Where the spec says nothing, the loss is cross-entropy and all
/// metrics of whole images are measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClassifySpec {
    /// What the channels of the network's input are; if empty, the image's own. Needs `dataset.channels = "gray"`,
    /// whose normalisation all of them get.
    #[schemars(length(max = 8))]
    pub inputs: Vec<InputKind>,
    /// The segmentation that makes the masks which `inputs` are made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-role" = Role::Resolved))]
    pub guide: Option<GuideSpec>,
    /// Columns of the table that the network is given beside the image (late fusion).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuse: Option<FuseSpec>,
}

/// Numbers about an image, such as age, beside its features.
///
/// Each column is standardised by mean and standard deviation of the training split; a missing value is 0, and, where the
/// training split lacks one, a further number says so by 1. A hidden layer with ReLU makes features of these numbers, which
/// are concatenated with those of the image before the last linear layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FuseSpec {
    /// Columns of `dataset.metadata` that hold numbers; a category becomes columns of 0 and 1 in the table.
    #[schemars(length(min = 1, max = 64))]
    pub columns: Vec<String>,
    /// Width of the hidden layer.
    #[serde(default = "default_hidden")]
    #[schemars(range(min = 1, max = 4096))]
    pub hidden: u32,
}

fn default_hidden() -> u32 {
    16
}

/// Settings of a network that predicts the class of every pixel and that of the image.
///
/// The network is one of segmentation; a second head takes the mean of its deepest features (the deepest of the
/// encoder) to a linear layer, as segmentation_models_pytorch's `aux_params`. Training minimises the weighted sum of
/// `loss`, of pixels, and of this table's loss, of images. `evaluation` is of pixels; images get all metrics of classes,
/// whose names begin with `image-`, and of two classes the second from a probability of 0.5 on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MultiTaskSpec {
    /// Weight of the loss of pixels.
    #[schemars(range(min = 1e-9, max = 1e9))]
    pub segmentation_weight: f64,
    /// Weight of the loss of images.
    #[schemars(range(min = 1e-9, max = 1e9))]
    pub classification_weight: f64,
    /// The loss of the classes of images.
    pub classification_loss: LossSpec,
    /// Dropout probability before the linear layer.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
}

impl Default for MultiTaskSpec {
    fn default() -> Self {
        Self {
            segmentation_weight: 1.0,
            classification_weight: 1.0,
            classification_loss: LossSpec::CrossEntropy(Default::default()),
            dropout: 0.0,
        }
    }
}

/// A channel made from a gray image and the mask of its lesion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// The image.
    Gray,
    /// The image after contrast-limited adaptive histogram equalisation (clip limit 2, 8 x 8 tiles).
    Clahe,
    /// The equalised image inside the mask, black elsewhere.
    Lesion,
    /// The mask.
    Mask,
    /// The lesion with a tenth of its size around it, enlarged to the whole.
    Crop,
}

impl InputKind {
    /// Whether it is made from a mask.
    pub fn reads_mask(self) -> bool {
        match self {
            Self::Gray | Self::Clahe => false,
            Self::Lesion | Self::Mask | Self::Crop => true,
        }
    }
}

/// A segmentation that guides a classification.
///
/// The training cases are divided into folds, groups staying together, and as many networks are trained, each
/// without one fold, whose masks it then predicts, and with its epoch chosen on another. The first one predicts the masks
/// of validation and test cases. So no network was trained on a case whose mask it predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GuideSpec {
    /// Spec file of the segmentation, relative to this file. Its data and division are this experiment's.
    #[schemars(extend("x-path" = true))]
    pub experiment: String,
    /// Folds of the training cases, and networks.
    #[serde(default = "default_folds")]
    #[schemars(range(min = 3, max = 20))]
    pub folds: u32,
    /// Overrides of that spec, each `key=value`.
    #[serde(default)]
    pub overrides: Vec<String>,
}

fn default_folds() -> u32 {
    5
}

impl Default for TaskSpec {
    fn default() -> Self {
        Self::Segment(SegmentSpec {})
    }
}

impl TaskSpec {
    /// Its `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Segment(_) => "segment",
            Self::Classify(_) => "classify",
            Self::MultiTask(_) => "multi-task",
        }
    }

    /// Whether it gives whole images their class, and nothing else.
    pub fn classifies(&self) -> bool {
        match self {
            Self::Segment(_) | Self::MultiTask(_) => false,
            Self::Classify(_) => true,
        }
    }

    /// The second head of a network that predicts both the class of every pixel and that of the image.
    pub fn second_head(&self) -> Option<&MultiTaskSpec> {
        match self {
            Self::Segment(_) | Self::Classify(_) => None,
            Self::MultiTask(spec) => Some(spec),
        }
    }

    /// What the channels of the input are, where they are not the image's own.
    pub fn inputs(&self) -> &[InputKind] {
        match self {
            Self::Segment(_) | Self::MultiTask(_) => &[],
            Self::Classify(spec) => &spec.inputs,
        }
    }

    /// What the network is given beside the image.
    pub fn fuse(&self) -> Option<&FuseSpec> {
        match self {
            Self::Segment(_) | Self::MultiTask(_) => None,
            Self::Classify(spec) => spec.fuse.as_ref(),
        }
    }

    /// The segmentation that makes masks for it.
    pub fn guide(&self) -> Option<&GuideSpec> {
        match self {
            Self::Segment(_) | Self::MultiTask(_) => None,
            Self::Classify(spec) => spec.guide.as_ref(),
        }
    }
}
