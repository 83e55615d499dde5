//! `[dataset]`: images, labels and how they are divided.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FilterSpec, StainSpec};
use crate::frame::Frame;
pub use crate::frame::{ImageSize, Resize};
use crate::memory;
use crate::role::Role;
pub use crate::source::{
    AsStoredIntensity, BcssClasses, BcssLayout, BcssSpec, BusiClass, BusiSpec, CustomClasses,
    FiveClasses, FolderSpec, ForegroundPixels, ForegroundSpec, FullRangeIntensity, IntensitySpec,
    LayerClass, LayersPixels, MergedClasses, Modality, MultiMask, PercentilesIntensity,
    PhantomSpec, PixelsSpec, RawClasses, RestOfCodes, RestOfValues, RoisSpec, SourceSpec,
    TableSpec, ThresholdForeground, TilesSpec, TwoValuedForeground, ValueClass, ValuesForeground,
    ValuesPixels, WindowIntensity, WithoutMask,
};

/// Images, labels and how they are divided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct DatasetSpec {
    /// Which data set, and what is particular to it.
    #[serde(flatten)]
    pub source: SourceSpec,
    /// Size of what the network sees, in pixels: one number for a square, or `{ height = .., width = .. }`. Images are resized
    /// to it (BUSI, `folder`, `table`); tiles are expected in it and cut at it, and are square (BCSS).
    #[serde(default = "default_image_size")]
    pub image_size: ImageSize,
    /// How an image of another shape gets that size.
    #[serde(default, skip_serializing_if = "Resize::is_default")]
    #[schemars(extend("default" = "stretch"))]
    pub resize: Resize,
    /// Train on random crops of `image-size` in place of whole images that are resized to it. Validation covers each image by
    /// windows side by side; figures, pictures and `predict` are of whole images, predicted by windows that overlap by
    /// `evaluation.window-overlap` and are blended. Filters are applied to each crop and window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<CropSpec>,
    /// Colour channels the network sees: `rgb` (3) or `gray` (1, ITU-R BT.601 luma).
    #[serde(default)]
    pub channels: Channels,
    /// How the stains of histology are normalised, before `filters`. Those of a tile cut from an ROI are found in the tile,
    /// at the network's scale. Images without two stains stay as they are and are reported; where no training image has two,
    /// this is refused. Pictures show images without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stain: Option<StainSpec>,
    /// Filters of every image before it is resized, in this order; of a tile cut from an ROI, those of the tile. With
    /// `channels = "gray"` the luma is taken first. Pictures show images without them.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub filters: Vec<FilterSpec>,
    /// How images of more than 8 bits a channel are converted to 8; those of 8 bits stay as they are.
    #[serde(default)]
    pub intensity: IntensitySpec,
    /// How pixel values are normalised for the network.
    #[serde(default)]
    pub normalize: NormalizeSpec,
    /// How cases are divided into training, validation and test.
    #[serde(default)]
    #[schemars(extend("x-role" = Role::Resolved))]
    pub split: SplitSpec,
    /// How many of each split's cases are used: for learning curves over the number of cases, and for short trials.
    #[serde(default)]
    #[schemars(extend("x-role" = Role::Resolved))]
    pub subset: SubsetSpec,
    /// Memory that decoded and resized cases may take, in MiB, at most half of what is left; beyond it they are decoded again.
    #[serde(default = "default_cache_mib")]
    #[schemars(range(max = 1_000_000), extend("x-role" = Role::Execution))]
    pub cache_mib: u32,
}

impl DatasetSpec {
    /// What the network sees.
    pub fn frame(&self) -> Frame {
        let ImageSize { height, width } = self.image_size;
        Frame { height, width, resize: self.resize }
    }

    /// Bytes that a cache of cases may take: what is asked for, and never more than half of what is left.
    pub fn cache_bytes(&self) -> usize {
        memory::at_most((self.cache_mib as usize) << 20)
    }
}

fn default_image_size() -> ImageSize {
    ImageSize::square(256)
}

fn default_cache_mib() -> u32 {
    512
}

/// Random crops of the training images, drawn from seed, epoch and case; each case gives one an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CropSpec {
    /// Scale of the crops against the image: 1 as it is stored, 0.5 half as many pixels along each side.
    #[schemars(range(min = 0.05, max = 4.0))]
    pub magnification: f64,
    /// Part of the crops that must hold foreground, where the image has some: their middle is a random pixel of it, as near
    /// as the border allows. With several classes of pixels, one of those in the image is drawn first, each as likely. The
    /// other crops are anywhere. nnU-Net has a third.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub foreground: f64,
}

impl Default for CropSpec {
    fn default() -> Self {
        Self { magnification: 1.0, foreground: 0.33 }
    }
}

/// Colour channels the network sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// ITU-R BT.601 luma.
    Gray,
}

impl Channels {
    /// How many there are.
    pub fn count(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Gray => 1,
        }
    }
}

/// How pixel values are normalised for the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NormalizeSpec {
    /// 0..255 is mapped to [0, 1].
    Unit(UnitNormalize),
    /// [0, 1], less ImageNet's mean, over ImageNet's standard deviation.
    Imagenet(ImagenetNormalize),
    /// [0, 1], less the mean, over the standard deviation of the training split's pixels.
    Dataset(DatasetNormalize),
    /// A mean and a standard deviation that are given, as published programs have them.
    Given(GivenNormalize),
}

/// Settings of `unit`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitNormalize {}

/// Settings of `imagenet`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImagenetNormalize {}

/// Settings of `dataset`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetNormalize {}

/// A value v of 0 to 255 becomes (v `white` / 255 - `mean`) / `std` / `divide-by`.
///
/// albumentations' `Normalize()` has ImageNet's figures; programs that then divide by 255 again, as UNeXt's does, are
/// `{ mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225], divide-by = 255 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GivenNormalize {
    /// What is taken off each channel, in their order; one number is for all.
    #[schemars(length(min = 1, max = 3), inner(range(min = -1e6, max = 1e6)))]
    pub mean: Vec<f64>,
    /// What each channel is then divided by; one number is for all.
    #[schemars(length(min = 1, max = 3), inner(range(min = 1e-6, max = 1e6)))]
    pub std: Vec<f64>,
    /// What 255 is before: 1 where mean and deviation are of values from 0 to 1, 255 where they are of levels.
    #[serde(default = "unchanged")]
    #[schemars(range(min = 1e-6, max = 1e6))]
    pub white: f64,
    /// What the result is divided by once more.
    #[serde(default = "unchanged")]
    #[schemars(range(min = 1e-6, max = 1e6))]
    pub divide_by: f64,
}

fn unchanged() -> f64 {
    1.0
}

impl Default for NormalizeSpec {
    fn default() -> Self {
        Self::Unit(UnitNormalize {})
    }
}

/// How cases are divided into training, validation and test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SplitSpec {
    /// Once, by fractions.
    Holdout(HoldoutSpec),
    /// Into k folds, each of which is the test split of a run, the next one validation, the rest training.
    Kfold(KfoldSpec),
    /// As lists in files say.
    File(FileSplitSpec),
    /// As the folders on disk say (`train`, `val`, `test`), or `{split}` of a pattern.
    ByFolder(ByFolderSpec),
    /// As a column of the table says (`table`).
    ByColumn(ByColumnSpec),
}

impl SplitSpec {
    /// The seed of one of several divisions that the spec asks for; `None` where it asks for one.
    pub fn division(&self) -> Option<u32> {
        match self {
            Self::Kfold(kfold) => (kfold.repeats > 1).then_some(kfold.seed),
            _ => None,
        }
    }

    /// What keeps cases together, of a division that is computed and not given.
    pub fn group_mut(&mut self) -> Option<&mut GroupKey> {
        match self {
            Self::Holdout(holdout) => Some(&mut holdout.group),
            Self::Kfold(kfold) => Some(&mut kfold.group),
            Self::File(_) | Self::ByFolder(_) | Self::ByColumn(_) => None,
        }
    }

    /// What keeps cases together, of a division that is computed and not given.
    pub fn group(&self) -> Option<GroupKey> {
        match self {
            Self::Holdout(holdout) => Some(holdout.group),
            Self::Kfold(kfold) => Some(kfold.group),
            Self::File(_) | Self::ByFolder(_) | Self::ByColumn(_) => None,
        }
    }
}

impl GroupKey {
    /// Its name in a spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Given => "given",
            Self::Patient => "patient",
            Self::Slide => "slide",
            Self::Institution => "institution",
            Self::Duplicates => "duplicates",
        }
    }
}

impl Default for SplitSpec {
    fn default() -> Self {
        Self::Holdout(HoldoutSpec::default())
    }
}

/// Once, by fractions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HoldoutSpec {
    /// Part of the cases in each split; they add up to 1.
    pub fractions: Fractions,
    /// Whether each split gets its share of every class.
    pub stratify: Stratify,
    /// What keeps cases in one split.
    pub group: GroupKey,
    /// Seed of the division; independent of `seeds`.
    pub seed: u32,
}

/// Part of the cases in each split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Fractions {
    /// Training.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub train: f64,
    /// Validation.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub valid: f64,
    /// Test.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(default)]
    pub test: f64,
}

impl Default for Fractions {
    fn default() -> Self {
        Self { train: 0.7, valid: 0.15, test: 0.15 }
    }
}

/// Whether each split gets its share of every class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stratify {
    /// By class.
    #[default]
    Class,
    /// No.
    None,
}

/// What keeps cases together. Overlapping tiles always stay in one split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupKey {
    /// The groups that the data set gives (`folder`, `table`), patients where file names hold them (BCSS), else every case
    /// stands alone.
    #[default]
    Auto,
    /// Every case stands alone.
    None,
    /// The groups that the data set gives: a column of a table, a part of the name or a folder (`folder`, `table`).
    Given,
    /// The patient: the first three fields of a TCGA barcode, which all slides of a patient share (BCSS).
    Patient,
    /// The slide (BCSS).
    Slide,
    /// The institution, from the TCGA barcode (BCSS).
    Institution,
    /// Clusters of near-duplicate images (any data set).
    Duplicates,
}

/// How many of each split's cases are used: of each class the first in a seeded order, and at least one, so that subsets
/// are stratified and nested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SubsetSpec {
    /// Part of the training cases.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub train: f64,
    /// Part of the validation cases.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub valid: f64,
    /// Part of the test cases.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub test: f64,
    /// Seed of the order; independent of `seeds`.
    pub seed: u32,
}

impl Default for SubsetSpec {
    fn default() -> Self {
        Self { train: 1.0, valid: 1.0, test: 1.0, seed: 0 }
    }
}

/// Into k folds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct KfoldSpec {
    /// Number of folds.
    #[schemars(range(min = 3, max = 100))]
    pub folds: u32,
    /// Which fold is the test split, from 0. If absent, all folds are run, and the report pools their test cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 99))]
    pub fold: Option<u32>,
    /// How many divisions into folds are run, each with the next `seed`. The report gives each case its mean over them.
    #[serde(skip_serializing_if = "is_one")]
    #[schemars(range(min = 1, max = 100), extend("default" = 1, "x-role" = Role::Instance))]
    pub repeats: u32,
    /// Whether each fold gets its share of every class.
    pub stratify: Stratify,
    /// What keeps cases in one split.
    pub group: GroupKey,
    /// Seed of the division; independent of `seeds`.
    pub seed: u32,
}

impl Default for KfoldSpec {
    fn default() -> Self {
        Self {
            folds: 5,
            fold: None,
            repeats: 1,
            stratify: Stratify::Class,
            group: GroupKey::Auto,
            seed: 0,
        }
    }
}

fn is_one(count: &u32) -> bool {
    *count == 1
}

/// As lists in files say. Either `path`, or `train` and `valid` (and perhaps `test`).
///
/// A list names a case by its path, its file name or its bare stem, such as `malignant (84)`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FileSplitSpec {
    /// One `.csv` (columns `case`, `split`) or `.json` (`{"train": [..], "valid": [..], "test": [..]}`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-path" = true))]
    pub path: Option<String>,
    /// Text file with one training case a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-path" = true))]
    pub train: Option<String>,
    /// Text file with one validation case a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-path" = true))]
    pub valid: Option<String>,
    /// Text file with one test case a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-path" = true))]
    pub test: Option<String>,
}

/// As the folders on disk say; it has no settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ByFolderSpec {}

/// As a column of the table says; it has no settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ByColumnSpec {}
