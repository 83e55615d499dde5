//! What the files of a run directory hold.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::figure_name::FigureName;
use crate::finding::Finding;
use crate::metric::MetricKind;
use crate::spec::{ExplanationKind, PublishedSpec};
use crate::split_name::SplitName;

/// How far a run came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Decided, not begun.
    #[default]
    Planned,
    /// A process is at work on it.
    Running,
    /// Trained and evaluated.
    Finished,
    /// Ended by an error.
    Failed,
    /// Stopped before its last epoch, by a person or by the loss of the process.
    Interrupted,
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        })
    }
}

/// `status.json`: how far a run came, and why it ended there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// How far it came.
    pub state: RunState,
    /// Why it ended early; `None` where there is nothing to say.
    #[serde(default)]
    pub why: Option<String>,
    /// Epochs completed.
    pub epoch: u32,
    /// Epochs planned.
    pub epochs: u32,
    /// When this was written, RFC 3339.
    #[serde(default)]
    pub updated: String,
}

/// `provenance.json`: what made this run, and how to make it again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Training id and evaluation id.
    pub run_id: String,
    /// Names the weights.
    pub training_id: String,
    /// Seed of initialisation, shuffling and augmentation.
    pub seed: u32,
    /// The command, program name first.
    pub command: Vec<String>,
    /// Lines for a shell that make this run again.
    pub again: Vec<String>,
    /// The spec file, as it was named.
    pub spec_path: String,
    /// The repository the process stood in; `None` outside one or without `git`.
    pub git: Option<Git>,
    /// The commit that oncospec itself was built from; `None` where it was built outside of its repository.
    pub tool: Option<Git>,
    /// Digest of the sources that decide the weights of every run.
    pub engine: String,
    /// Digests of the sources of its network and its losses, by name, such as `model/unet`.
    pub engine_parts: BTreeMap<String, String>,
    /// Digest of the sources that decide figures of given weights.
    pub evaluation_engine: String,
    /// The machine.
    pub host: Host,
    /// What computed: `CPU (flex)`, or the GPU's name.
    pub device: String,
    /// The processes that worked on it, first to last.
    pub sessions: Vec<Session>,
    /// The run whose training this one goes on from.
    pub parent: Option<Parent>,
    /// The run directory, below the folder of all runs, whose weights and epochs were taken over.
    pub taken_from: Option<String>,
    /// SHA-256 of the best weights.
    pub weights_sha256: Option<String>,
    /// Versions of the software.
    pub versions: Versions,
    /// When the first process of this run started, RFC 3339.
    pub started: String,
    /// When it finished, RFC 3339.
    pub finished: Option<String>,
    /// Hash of the pixels and labels of all cases.
    pub data_fingerprint: String,
}

/// A process that worked on a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// When it started, RFC 3339.
    pub started: String,
    /// Epochs that were done before.
    pub after_epoch: u32,
    /// What computed.
    pub device: String,
    /// The machine.
    pub host: Host,
    /// Digests of both engines' sources.
    pub engines: [String; 2],
}

/// A finished run that training goes on from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Parent {
    /// Its training id.
    pub training_id: String,
    /// Its epochs.
    pub epochs: u32,
}

/// A git commit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Git {
    /// The full hash.
    pub commit: String,
    /// Whether tracked files differed from the commit.
    pub dirty: bool,
}

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// The processor's model name.
    pub cpu: String,
    /// Logical processors available to the process.
    pub cores: u32,
    /// Operating system and architecture, such as `linux x86_64`.
    pub os: String,
}

/// Versions of the software.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Versions {
    /// oncospec.
    pub oncospec: String,
    /// Burn.
    pub burn: String,
    /// The compiler.
    pub rustc: String,
}

/// A row of `split.parquet`: where a case went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SplitRow {
    /// Name of the case.
    pub case: String,
    /// What keeps cases together (slide, duplicate cluster); the case itself where nothing does.
    pub group: String,
    /// Label of the case, such as `benign`; empty where cases carry none.
    pub label: String,
    /// The split.
    pub split: SplitName,
    /// Fold of a k-fold split.
    pub fold: Option<u32>,
}

/// A row of `epochs.parquet`: the figures of one epoch on one split.
///
/// Holds no clock time: two runs of one spec and seed on one device are equal bit for bit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// The epoch, from 1.
    pub epoch: u32,
    /// Training or validation.
    pub split: SplitName,
    /// Learning rate at the epoch's end.
    pub learning_rate: f64,
    /// Figure name (`loss`, `dice.mean`, `iou.pooled`, ..) to its value; NaN is kept as such.
    pub figures: BTreeMap<String, f64>,
}

/// A row of `times.parquet`: how long an epoch took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimesRow {
    /// The epoch, from 1.
    pub epoch: u32,
    /// Training, in seconds.
    pub train_s: f64,
    /// Validation, in seconds.
    pub valid_s: f64,
}

/// A row of `cases.parquet`: one class of one case, in pixels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CaseRow {
    /// The split.
    pub split: SplitName,
    /// Size at which prediction and truth were compared: `original` or `network`.
    pub resolution: String,
    /// Name of the case.
    pub case: String,
    /// What keeps cases together.
    pub group: String,
    /// Label of the case, such as `benign`; empty where cases carry none.
    pub label: String,
    /// Name of the class.
    pub class: String,
    /// Pixels of the class found.
    pub tp: u64,
    /// Pixels called the class that are not.
    pub fp: u64,
    /// Pixels of the class missed.
    pub fn_: u64,
    /// Other pixels, called other.
    pub tn: u64,
    /// Metrics of masks and probabilities, such as distances in pixels, where they are defined; a column each.
    pub measured: BTreeMap<MetricKind, f64>,
    /// Dice under the run's rule for empty masks; `None` where that leaves the case out.
    pub dice: Option<f64>,
}

/// A row of `scores.parquet`: one classified image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// The split.
    pub split: SplitName,
    /// Name of the case.
    pub case: String,
    /// What keeps cases together.
    pub group: String,
    /// Its class.
    pub truth: String,
    /// The class it was called.
    pub predicted: String,
    /// Probability of each class, in the order of the summary's classes.
    pub probabilities: Vec<f64>,
}

/// A row of `guide.parquet`: the mask of a case that a guided classifier is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GuideRow {
    /// Name of the case.
    pub case: String,
    /// The split.
    pub split: SplitName,
    /// What keeps cases together.
    pub group: String,
    /// Id of the run whose network made the mask; it was trained on other cases and groups.
    pub run: String,
    /// Its run directory, below the folder of all runs.
    pub path: String,
    /// The fold of the training cases that it was trained without.
    pub fold: u32,
    /// Dice of the mask against the truth; `None` where undefined.
    pub dice: Option<f64>,
}

/// A recorded figure: one number about one split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The split.
    pub split: SplitName,
    /// Its name without the split, such as `dice.mean`.
    pub name: String,
    /// Its value; NaN where it is undefined.
    #[serde(with = "nan_as_null")]
    pub value: f64,
    /// Cases it is taken over.
    pub n: u64,
    /// Cases left out because it is undefined for them.
    #[serde(default)]
    pub left_out: u64,
    /// Groups that these cases come from; 0 where that was not recorded.
    #[serde(default)]
    pub groups: u64,
    /// 95 % confidence interval.
    #[serde(default)]
    pub interval: Option<Interval>,
    /// Why there is no interval, or which resamples it leaves out; empty where that need not be said.
    #[serde(default)]
    pub interval_note: String,
}

impl Figure {
    /// The name with the split, such as `test.dice.mean`.
    pub fn full_name(&self) -> FigureName {
        FigureName::new(self.split, self.name.as_str())
    }

    /// Whether this is its full name.
    pub fn has_name(&self, name: &FigureName) -> bool {
        self.split == name.split && self.name == name.figure
    }
}

/// A 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower bound; NaN where it is undefined.
    #[serde(with = "nan_as_null")]
    pub low: f64,
    /// Upper bound; NaN where it is undefined.
    #[serde(with = "nan_as_null")]
    pub high: f64,
}

/// A confusion matrix of pixels, or of whole images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// The split.
    pub split: SplitName,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Rows are the truth, columns the prediction.
    pub matrix: Vec<Vec<u64>>,
}

/// `summary.json`: what the run is about, in words and totals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Name of the experiment.
    pub experiment: String,
    /// What it is for.
    pub description: String,
    /// What is predicted.
    pub task: Task,
    /// The data set in a few words, such as `BUSI, masks united`.
    pub dataset: String,
    /// The network in a few words, such as `attention-unet`.
    pub model: String,
    /// Shape of one batch of input: batch, channels, height, width.
    pub input: Vec<usize>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Names of the classes of images that a second head tells, beside those of pixels.
    pub image_classes: Vec<String>,
    /// Number of parameters.
    pub parameters: u64,
    /// Parameters that training changes.
    pub trainable: u64,
    /// Multiply-adds of one forward pass of `input`.
    pub multiply_adds: u64,
    /// Size of the weights, in bytes.
    pub weights_bytes: u64,
    /// Pixels of each class in each split.
    pub class_balance: Vec<ClassShare>,
    /// The probability from which on a pixel is lesion, or an image of the second of two classes; `None` with
    /// several classes.
    pub threshold: Option<Threshold>,
    /// How figures are to be read.
    pub semantics: Semantics,
    /// Which epoch's weights were kept.
    pub selection: Option<Selection>,
    /// What keeps cases together: `patient`, `slide`, `institution`, `duplicates` or `none`.
    pub group_key: String,
    /// Full names of the figures that matter most, most important first, such as `test.dice.mean`.
    pub headline: Vec<FigureName>,
    /// What was found about the data, the worst first.
    pub findings: Vec<Finding>,
    /// What else a reader must know.
    pub notes: Vec<String>,
    /// Figures that others printed of such a system.
    #[serde(default)]
    pub published: Vec<PublishedSpec>,
    /// What the command line or the environment said otherwise than the spec's files, as `key = value`.
    #[serde(default)]
    pub overrides: Vec<String>,
    /// What the spec says of pictures that were drawn before it said so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undrawn: Vec<String>,
}

/// What a run predicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// A class for every pixel.
    #[default]
    Segment,
    /// A class for every image.
    Classify,
}

/// Pixels of a class in a split; where images have classes, cases.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassShare {
    /// The split.
    pub split: SplitName,
    /// Name of the class.
    pub class: String,
    /// Cases that have any of it.
    pub cases: u64,
    /// Its labelled pixels, at the size of the images (of tiles, for whole ROIs).
    pub pixels: u64,
}

/// A threshold and where it was chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The probability.
    pub value: f64,
    /// Where it comes from: `fixed in the spec`, or what it was best by on the validation split.
    pub chosen: String,
}

/// How figures are to be read; each a sentence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Semantics {
    /// How cases become one number.
    pub reduction: String,
    /// What a class scores that is absent from truth and prediction alike.
    pub empty: String,
    /// At which size masks are compared.
    pub resolution: String,
    /// How intervals are computed.
    pub interval: String,
    /// What the losses of the curves are taken over.
    #[serde(default)]
    pub loss: String,
}

/// Which epoch's weights were kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// The epoch, from 1.
    pub epoch: u32,
    /// The recorded figure that decided, such as `valid.loss`.
    pub metric: FigureName,
    /// Its value at that epoch.
    #[serde(with = "nan_as_null")]
    pub value: f64,
}

/// A bound on a figure and whether it held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The figure.
    pub figure: FigureName,
    /// The figure must not be below this.
    pub at_least: Option<f64>,
    /// The figure must not be above this.
    pub at_most: Option<f64>,
    /// What it was; `None` where it was not recorded or is undefined.
    pub value: Option<f64>,
    /// Whether the bound held.
    #[serde(default)]
    pub held: bool,
}

impl Gate {
    /// A bound on a figure, judged by recorded figures: the one way to tell whether it holds. A figure that is
    /// missing or undefined falls.
    pub fn judged(
        figure: FigureName,
        at_least: Option<f64>,
        at_most: Option<f64>,
        figures: &[Figure],
    ) -> Self {
        let found = figures.iter().find(|one| one.has_name(&figure));
        let value = found.map(|one| one.value).filter(|value| !value.is_nan());
        let held = value.is_some_and(|value| {
            at_least.is_none_or(|least| value >= least) && at_most.is_none_or(|most| value <= most)
        });
        Self { figure, at_least, at_most, value, held }
    }
}

/// Why a case is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PictureKind {
    /// Among the highest scores.
    Best,
    /// Among the lowest scores.
    Worst,
    /// Drawn at random.
    #[default]
    Random,
}

/// One case in the prediction grid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Picture {
    /// The split.
    pub split: SplitName,
    /// Name of the case.
    pub case: String,
    /// Label of the case; empty where cases carry none.
    pub label: String,
    /// Why it is shown.
    pub kind: PictureKind,
    /// Its Dice; of a classified image the probability of its class; `None` where undefined.
    pub score: Option<f64>,
    /// The class that an image was called; empty where pixels have classes.
    pub predicted: String,
    /// What is shown of it.
    pub images: PictureImages,
}

/// What is shown of a case; absent ones were not made (no mask, several classes).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PictureImages {
    /// The image as the network saw it.
    pub image: Option<PictureFile>,
    /// The true mask.
    pub truth: Option<PictureFile>,
    /// The predicted probability.
    pub probability: Option<PictureFile>,
    /// The predicted mask.
    pub prediction: Option<PictureFile>,
    /// Where they differ: true positive, false positive, false negative.
    pub error: Option<PictureFile>,
    /// The class activation map of a classified image.
    pub heat: Option<PictureFile>,
}

/// A case as the network saw it in an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Frame {
    /// The epoch.
    pub epoch: u32,
    /// Whether every epoch shows this case; else it was drawn for this one.
    pub fixed: bool,
    /// Name of the case.
    pub case: String,
    /// Label of the case; empty where cases carry none.
    pub label: String,
    /// How the heat map was made.
    #[serde(default)]
    pub method: ExplanationKind,
    /// The layer or gate that it is of; empty where it is of the input.
    pub layer: String,
    /// What an image was called, and how surely; empty where pixels have classes.
    pub predicted: String,
    /// What is shown of it.
    pub images: FrameImages,
}

/// What is shown of a case in an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FrameImages {
    /// The image.
    pub image: Option<PictureFile>,
    /// The true mask; `None` if unlabelled.
    pub truth: Option<PictureFile>,
    /// The predicted mask.
    pub prediction: Option<PictureFile>,
    /// The heat map over the image.
    pub heat: Option<PictureFile>,
}

/// A picture and its description for who cannot see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PictureFile {
    /// File name in `pictures/`.
    pub file: String,
    /// What it shows.
    pub alt: String,
}

/// JSON has no NaN: it is written as `null` and read back.
mod nan_as_null {
    use super::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(*value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}
