//! `[dataset]`: images, labels and how they are divided.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FilterSpec;
use crate::role::Role;

/// Images, labels and how they are divided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct DatasetSpec {
    /// Which data set, and what is particular to it.
    #[serde(flatten)]
    pub source: SourceSpec,
    /// Side of the square that images are resized to (BUSI) or tiles are expected in (BCSS), in pixels.
    #[serde(default = "default_image_size")]
    #[schemars(range(min = 16, max = 4096))]
    pub image_size: u32,
    /// Colour channels the network sees: `rgb` (3) or `gray` (1, ITU-R BT.601 luma).
    #[serde(default)]
    pub channels: Channels,
    /// Filters of every image before it is resized, in this order; of a tile cut from an ROI, those of the tile. With
    /// `channels = "gray"` the luma is taken first. Pictures show images without them.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub filters: Vec<FilterSpec>,
    /// How images of 16 bits a channel are converted to 8; those of 8 bits stay as they are.
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
    /// Memory that decoded and resized cases may take, in MiB; beyond it they are decoded again.
    #[serde(default = "default_cache_mib")]
    #[schemars(range(max = 1_000_000), extend("x-role" = Role::Execution))]
    pub cache_mib: u32,
}

fn default_image_size() -> u32 {
    256
}

fn default_cache_mib() -> u32 {
    512
}

/// The data sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SourceSpec {
    /// Breast ultrasound images (Al-Dhabyani et al. 2020), in the published folder layout.
    Busi(BusiSpec),
    /// Breast cancer histology regions (Amgad et al. 2019): tiles or whole ROIs.
    Bcss(BcssSpec),
    /// Synthetic images made on the fly, for demonstrations and tests.
    Phantom(PhantomSpec),
}

impl SourceSpec {
    /// The folder of the data; `None` where images are made on the fly.
    pub fn root(&self) -> Option<&str> {
        match self {
            Self::Busi(busi) => Some(&busi.root),
            Self::Bcss(bcss) => Some(&bcss.root),
            Self::Phantom(_) => None,
        }
    }

    /// The folder of the data, to be changed.
    pub fn root_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Busi(busi) => Some(&mut busi.root),
            Self::Bcss(bcss) => Some(&mut bcss.root),
            Self::Phantom(_) => None,
        }
    }
}

/// BUSI: `benign/`, `malignant/` and `normal/`, each with `<name>.png` and `<name>_mask*.png`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BusiSpec {
    /// Folder that holds the class folders, relative to this file.
    #[schemars(extend("x-path" = true, "x-role" = Role::Instance))]
    pub root: String,
    /// Which pixels of a mask are lesion.
    #[serde(default)]
    pub foreground: ForegroundSpec,
    /// What to do with an image that has several masks.
    #[serde(default)]
    pub multi_mask: MultiMask,
    /// Which class folders to use.
    #[serde(default = "default_busi_classes")]
    #[schemars(length(min = 1, max = 3))]
    pub classes: Vec<BusiClass>,
}

fn default_busi_classes() -> Vec<BusiClass> {
    vec![BusiClass::Benign, BusiClass::Malignant, BusiClass::Normal]
}

/// Which pixels of a mask are lesion. A palette is read through its colours, never by its indices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ForegroundSpec {
    /// Black (0) is background and the one other value that masks hold is lesion; masks with more values are refused.
    TwoValued(TwoValuedForeground),
    /// Pixels whose brightest channel is above a threshold.
    Above(ThresholdForeground),
    /// Pixels of some grey values.
    Values(ValuesForeground),
    /// Pixels whose opacity (the alpha channel) is above a threshold.
    AlphaAbove(ThresholdForeground),
}

impl Default for ForegroundSpec {
    fn default() -> Self {
        Self::TwoValued(TwoValuedForeground {})
    }
}

/// Settings of `two-valued`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TwoValuedForeground {}

/// What lies above a threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ThresholdForeground {
    /// The highest value, of 0 to 255, that is still background.
    #[schemars(range(max = 254))]
    pub threshold: u8,
}

/// What has one of some values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ValuesForeground {
    /// The values that are lesion, of 0 to 255 (a mask of one bit holds 0 and 255); all others are background.
    #[schemars(length(min = 1, max = 255))]
    pub values: Vec<u8>,
}

/// What to do with an image that has several masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MultiMask {
    /// A pixel is lesion if any mask says so.
    #[default]
    Union,
    /// Use `_mask.png` alone.
    First,
    /// Leave the image out.
    Drop,
}

/// The class folders of BUSI.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum BusiClass {
    /// Benign lesions.
    Benign,
    /// Malignant lesions.
    Malignant,
    /// No lesion; masks are empty.
    Normal,
}

/// BCSS: tiles (`train`, `train_mask`, `val`, `val_mask`, `test`) or whole ROIs (`images`, `masks`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BcssSpec {
    /// Folder that holds the data, relative to this file.
    #[schemars(extend("x-path" = true, "x-role" = Role::Instance))]
    pub root: String,
    /// Whether `root` holds tiles or whole ROIs.
    #[serde(default)]
    pub layout: BcssLayout,
    /// How the codes of the masks are mapped to classes.
    #[serde(default)]
    pub classes: BcssClasses,
}

/// How BCSS images lie on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BcssLayout {
    /// Tiles already cut, as published.
    Tiles(TilesSpec),
    /// Whole ROIs, cut into tiles while loading.
    Rois(RoisSpec),
}

impl Default for BcssLayout {
    fn default() -> Self {
        Self::Tiles(TilesSpec {})
    }
}

/// Settings of the tile layout; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TilesSpec {}

/// How whole ROIs are cut into tiles of `image-size`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RoisSpec {
    /// Distance between tile corners at the tile's own scale, in pixels; 0 means `image-size` (no overlap).
    #[serde(default)]
    #[schemars(range(max = 4096))]
    pub stride: u32,
    /// Scale of the tiles against the ROI: 1 as scanned, 0.5 half the magnification.
    #[serde(default = "one")]
    #[schemars(range(min = 0.05, max = 4.0))]
    pub magnification: f64,
    /// Smallest part of a tile that must carry a label (not code 0), from 0 to 1.
    #[serde(default = "half")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub minimum_labelled: f64,
}

fn one() -> f64 {
    1.0
}

fn half() -> f64 {
    0.5
}

/// How the codes of a BCSS mask are mapped to classes. Code 0 of the 22 (outside the ROI) is always ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BcssClasses {
    /// The 21 codes of `gtruth_codes.tsv`, 1 to 21, as 21 classes.
    Raw(RawClasses),
    /// tumor {1, 19, 20}, stroma {2}, inflammatory {3, 10, 11}, necrosis {4}, other {the rest}.
    Five(FiveClasses),
    /// The three codes of the public 224-pixel tiles: 0 rest, 1 tumor, 2 stroma.
    Merged(MergedClasses),
    /// Any named groups of codes.
    Custom(CustomClasses),
}

impl Default for BcssClasses {
    fn default() -> Self {
        Self::Raw(RawClasses {})
    }
}

/// Settings of `raw`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawClasses {}

/// Settings of `five`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FiveClasses {}

/// Settings of `merged`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MergedClasses {}

/// Named groups of raw codes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CustomClasses {
    /// Class name to the codes it takes; classes are numbered in alphabetical order of their names.
    #[schemars(length(min = 1, max = 21))]
    pub groups: BTreeMap<String, Vec<u8>>,
    /// What happens to a code that no group names.
    #[serde(default)]
    pub rest: RestOfCodes,
}

/// What happens to a code that no group names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestOfCodes {
    /// Its pixels take no part in loss, metrics or pictures.
    #[default]
    Ignore,
    /// It is mapped to one more class, the last, named `rest`.
    Class,
}

/// Synthetic images in the manner of BUSI or BCSS, the same on every machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PhantomSpec {
    /// What the images imitate.
    #[serde(default)]
    pub modality: Modality,
    /// Number of images.
    #[serde(default = "default_phantom_cases")]
    #[schemars(range(min = 6, max = 100_000))]
    pub cases: u32,
    /// Seed of the images.
    #[serde(default)]
    pub seed: u32,
}

fn default_phantom_cases() -> u32 {
    60
}

/// What phantom images imitate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// Breast ultrasound in the manner of BUSI: benign, malignant and normal.
    #[default]
    Ultrasound,
    /// Stained tissue in the manner of BCSS, with the 5-group classes.
    Histology,
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

/// How images of 16 bits a channel are converted to 8. Values below a window are black, those above it white.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum IntensitySpec {
    /// Not at all: images of 16 bits are refused.
    AsStored(AsStoredIntensity),
    /// 0 to 65535 is mapped to 0 to 255.
    FullRange(FullRangeIntensity),
    /// A given window is mapped to 0 to 255.
    Window(WindowIntensity),
    /// The window between two percentiles of the training split's pixels is mapped to 0 to 255.
    Percentiles(PercentilesIntensity),
}

impl Default for IntensitySpec {
    fn default() -> Self {
        Self::AsStored(AsStoredIntensity {})
    }
}

/// Settings of `as-stored`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AsStoredIntensity {}

/// Settings of `full-range`; it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FullRangeIntensity {}

/// A window of 16-bit values; `low` is below `high`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WindowIntensity {
    /// The value that is mapped to black: a 12-bit image has values of 0 to 4095.
    pub low: u16,
    /// The value that is mapped to white.
    pub high: u16,
}

/// A window between two percentiles; `low` is below `high`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PercentilesIntensity {
    /// Percent of the pixels at or below the value that is mapped to black.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub low: f64,
    /// Percent of the pixels at or below the value that is mapped to white.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub high: f64,
}

impl Default for PercentilesIntensity {
    fn default() -> Self {
        Self { low: 0.5, high: 99.5 }
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
    /// Into k folds: fold `fold` is the test split, the next one validation, the rest training.
    Kfold(KfoldSpec),
    /// As lists in files say.
    File(FileSplitSpec),
    /// As the folders on disk say (`train`, `val`, `test`).
    ByFolder(ByFolderSpec),
}

impl SplitSpec {
    /// What keeps cases together, of a division that is computed and not given.
    pub fn group_mut(&mut self) -> Option<&mut GroupKey> {
        match self {
            Self::Holdout(holdout) => Some(&mut holdout.group),
            Self::Kfold(kfold) => Some(&mut kfold.group),
            Self::File(_) | Self::ByFolder(_) => None,
        }
    }

    /// What keeps cases together, of a division that is computed and not given.
    pub fn group(&self) -> Option<GroupKey> {
        match self {
            Self::Holdout(holdout) => Some(holdout.group),
            Self::Kfold(kfold) => Some(kfold.group),
            Self::File(_) | Self::ByFolder(_) => None,
        }
    }
}

impl GroupKey {
    /// Its name in a spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
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
    /// Patients where file names hold them (BCSS), else every case stands alone.
    #[default]
    Auto,
    /// Every case stands alone.
    None,
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
    /// Which fold is the test split, from 0.
    #[schemars(range(max = 99))]
    pub fold: u32,
    /// Whether each fold gets its share of every class.
    pub stratify: Stratify,
    /// What keeps cases in one split.
    pub group: GroupKey,
    /// Seed of the division; independent of `seeds`.
    pub seed: u32,
}

impl Default for KfoldSpec {
    fn default() -> Self {
        Self { folds: 5, fold: 0, stratify: Stratify::Class, group: GroupKey::Auto, seed: 0 }
    }
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
