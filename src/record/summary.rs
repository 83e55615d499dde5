//! `summary.json`: a run in words and totals.

use serde::{Deserialize, Serialize};

use super::artefact::json_file;
use super::figures::nan_as_null;
use super::position::Position;
use crate::figure_name::FigureName;
use crate::finding::Finding;
use crate::spec::{PublishedSpec, Settled, TriedStep};
use crate::split_name::SplitName;

/// The run in words and totals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Name of the experiment.
    pub experiment: String,
    /// Which of the runs of the experiment and seed it is; `None` if an earlier version of oncospec recorded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Of the average of runs, their ids, in order of their seeds; empty of a run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// Its description in the spec.
    pub description: String,
    /// What is predicted.
    pub task: Task,
    /// The data set, such as `BUSI, masks united`.
    pub dataset: String,
    /// The network, such as `attention-unet`.
    pub model: String,
    /// Shape of one batch of input: batch, channels, height, width.
    pub input: Vec<usize>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Names of the classes of images, which a second head predicts beside those of pixels.
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
    /// The probability from which a pixel is predicted as foreground, or an image as the second of two classes; `None` with
    /// several classes.
    pub threshold: Option<Threshold>,
    /// How outputs of the network become a prediction; `None` before the run is evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// The steps after the network about which the validation split decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<TriedStep>,
    /// How figures are to be read.
    pub semantics: Semantics,
    /// Which epoch's weights were kept.
    pub selection: Option<Selection>,
    /// What keeps cases together: `given`, `patient`, `slide`, `institution`, `duplicates` or `none`.
    pub group_key: String,
    /// Full names of the headline figures, most important first, such as `test.dice.mean`.
    pub headline: Vec<FigureName>,
    /// Findings about the data, the worst first.
    pub findings: Vec<Finding>,
    /// Notes on how the run went.
    pub notes: Vec<String>,
    /// Published figures of comparable systems.
    #[serde(default)]
    pub published: Vec<PublishedSpec>,
    /// Keys that the command line or the environment set, as `key = value`.
    #[serde(default)]
    pub overrides: Vec<String>,
    /// Keys about pictures that changed after the pictures were drawn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undrawn: Vec<String>,
}

json_file!(Summary, "summary.json");

impl Summary {
    /// Whether it is of an average of runs, which has no weights and no epochs of its own.
    pub fn is_average(&self) -> bool {
        !self.members.is_empty()
    }

    /// What an average is of, such as `average of 3 seeds`; `None` of a run.
    pub fn average_of(&self) -> Option<String> {
        self.is_average().then(|| format!("average of {} seeds", self.members.len()))
    }
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
    /// What a class scores that is absent from truth and prediction.
    pub empty: String,
    /// At which size masks are compared.
    pub resolution: String,
    /// How intervals are computed.
    pub interval: String,
    /// What the losses of the curves are averaged over.
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
