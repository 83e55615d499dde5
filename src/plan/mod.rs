//! From a spec to a plan: every decision of a run.
//!
//! [`check`] finds everything that can be wrong from names and headers of files; [`survey`] reads the data
//! once; [`Checked::plan`] decides a run for one seed. No default is left open in a [`Plan`].

mod average;
mod check;
mod describe;
mod engine;
mod figures;
mod identity;
mod opened;
mod survey;
mod trials;

pub use check::{Checked, Depth, Trial, check, check_on, check_trial};
pub use describe::{Estimate, describe};
pub use opened::Opened;
pub use survey::{Extent, Survey, survey};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::data::{
    CaseDigest, Dataset, FusedColumn, Labels, Levels, Normalization, Preprocess, Sampling, Split,
    StainNormalization, Window, fused_column, fused_numbers, group_key,
};
use crate::device::Family;
use crate::error::{Error, Result};
use crate::evaluate::{Windows, outputs};
use crate::finding::Findings;
use crate::layer::Layer;
use crate::loss::Outputs;
use crate::model::{self, FusionConfig, ModelSpec, SecondHead, WeightsSpec};
use crate::record::{ClassShare, GuideRow, Parent, Position};
use crate::spec::{Note, Precision, Spec};

pub use engine::{EVALUATION_ENGINE, TRAINING_ENGINE, engine_parts, engine_sources};
pub use identity::prefix;

/// Every decision of one run, with its data.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The spec file.
    pub spec_path: PathBuf,
    /// Which of the runs of its experiment and seed it is.
    pub position: Position,
    /// Of the average of runs, their ids; empty of a run.
    pub members: Vec<String>,
    /// The spec as merged, each value with its origin.
    pub spec_text: String,
    /// Keys that the command line or the environment overrides, as `key = value`.
    pub overrides: Vec<String>,
    /// Keys of the spec's layers that do not count, or have another meaning in the merged spec.
    pub notes: Vec<String>,
    /// The data set.
    pub dataset: Arc<Dataset>,
    /// Its splits.
    pub split: Split,
    /// Findings about the data and their split.
    pub findings: Findings,
    /// Cases whose images are near-duplicates of one another.
    pub near_duplicates: Arc<Vec<Vec<usize>>>,
    /// What each case holds, as digests.
    pub case_digests: Arc<Vec<CaseDigest>>,
    /// Which network predicted the mask of each case, where masks guide a classifier.
    pub guide_rows: Vec<GuideRow>,
    /// Pixels of each class in each split.
    pub balance: Vec<ClassShare>,
    /// The layer table, for one batch.
    pub layers: Vec<Layer>,
    /// The decisions that `plan.toml` keeps.
    pub decisions: Decisions,
}

/// Every decision, as `plan.toml` keeps it: with the weights, enough to predict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Decisions {
    /// Training id and evaluation id.
    pub run_id: String,
    /// Names the weights: hash of what decides them.
    #[serde(default)]
    pub training_id: String,
    /// Seed of initialisation, shuffling, augmentation and dropout.
    pub seed: u32,
    /// Digest of the sources that decide the weights of every run.
    pub engine: String,
    /// Digests of the sources of its network, encoder, losses and data set, such as `model/unet`.
    #[serde(default)]
    pub engine_parts: BTreeMap<String, String>,
    /// Digest of the sources that decide figures of given weights.
    #[serde(default)]
    pub evaluation_engine: String,
    /// The kind of device that trains.
    #[serde(default)]
    pub device: Family,
    /// Hash of the pixels and labels of all cases.
    pub data_fingerprint: String,
    /// What keeps cases together: `given`, `patient`, `slide`, `institution`, `duplicates` or `none`.
    #[serde(default)]
    pub group_key: String,
    /// SHA-256 of the files of weights to start from.
    pub weights_sha256: Vec<String>,
    /// Cases in training, validation and test.
    pub cases: [usize; 3],
    /// Batches in an epoch.
    pub batches: usize,
    /// Labelled pixels of each class in the training split (background first for one foreground).
    pub class_pixels: Vec<u64>,
    /// The classes of images that a second head predicts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_classes: Vec<String>,
    /// Images of each of them in the training split.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_images: Vec<u64>,
    /// Parameters of the network.
    pub parameters: u64,
    /// Parameters that training changes.
    pub trainable: u64,
    /// Multiply-adds of one forward pass of a batch.
    pub multiply_adds: u64,
    /// The classes.
    pub labels: Labels,
    /// How pixel values are normalised for the network.
    pub normalization: Normalization,
    /// The columns that the network is given beside the image, as the training split has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fused: Vec<FusedColumn>,
    /// The window through which images of 16 bits a channel are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// How stains are normalised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stain: Option<StainNormalization>,
    /// Side of the training tiles, in pixels, where cases are tiles that were cut before and all of these are squares of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile_px: Option<u32>,
    /// The finished run that training goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Run directory, below the folder of all runs, of the network that predicts masks of new images for a guided
    /// classifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide: Option<String>,
    /// The spec with every default written out.
    pub spec: Spec,
}

impl Decisions {
    /// Reads them back from the text of a `plan.toml`.
    ///
    /// # Errors
    /// If the text is not what this version writes.
    pub fn from_toml(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            Error::user(format!("plan.toml is not what this version of oncospec writes: {error}"))
        })
    }

    /// The text of `plan.toml`.
    ///
    /// # Errors
    /// If a value cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self)
            .map_err(|error| Error::failed(format!("the plan cannot be written as TOML: {error}")))
    }

    /// The same with absolute paths of its data.
    pub fn with_absolute_paths(&self) -> Self {
        let mut decisions = self.clone();
        if let Some(root) = decisions.spec.dataset.source.source_mut().root_mut()
            && let Ok(absolute) = std::path::absolute(&root)
        {
            *root = absolute.display().to_string();
        }
        decisions
    }

    /// Gives a run its ids.
    fn name(&mut self, dataset: &Dataset, split: &Split) -> Result<()> {
        let ids = identity::ids(self, dataset, split)?;
        self.run_id = ids.run();
        self.training_id = ids.training;
        Ok(())
    }

    /// The meaning of the network's output channels.
    pub fn outputs(&self) -> Outputs {
        outputs(&self.labels)
    }

    /// The second head, for the class of the image, where the task has one.
    pub fn second_head(&self) -> Option<SecondHead> {
        second_head(&self.spec, self.image_classes.len())
    }

    /// The layers for numbers beside the image, where the network is given some.
    pub fn fusion(&self) -> Option<FusionConfig> {
        fusion(&self.spec, fused_numbers(&self.fused), self.labels.channels())
    }

    /// How images of 16 bits a channel are read.
    pub fn levels(&self) -> Levels {
        self.window.map_or(Levels::Refused, Levels::Window)
    }

    /// How whole regions or images are covered by windows, where the network is trained on tiles or crops of them.
    pub fn windows(&self) -> Option<Windows> {
        let Spec { dataset, evaluation, .. } = &self.spec;
        let of_crops = dataset.crop.as_ref().map(|crop| crop.magnification);
        let scale = of_crops.or_else(|| dataset.source.source().tile_scale())?;
        let overlap = evaluation.window_overlap;
        Some(Windows { size: dataset.image_size.width, scale, overlap })
    }

    /// How an image that is larger than the training tiles is covered by windows of their size, where cases are tiles
    /// that were cut before.
    pub fn tile_windows(&self) -> Option<Windows> {
        let Spec { dataset, evaluation, .. } = &self.spec;
        let size = dataset.image_size.width;
        let scale = f64::from(size) / f64::from(self.tile_px?);
        Some(Windows { size, scale, overlap: evaluation.window_overlap })
    }

    /// How images are prepared for the network.
    pub fn preprocess(&self) -> Preprocess {
        Preprocess {
            sampling: Sampling::new(&self.spec.dataset, self.stain.clone()),
            inputs: self.spec.task.inputs().to_vec(),
            normalization: self.normalization.clone(),
            fused: self.fused.clone(),
        }
    }
}

impl Checked {
    /// Decides the run of one seed on a kind of device.
    ///
    /// # Errors
    /// If a file of weights cannot be read.
    pub fn plan(&self, survey: &Survey, seed: u32, device: Family) -> Result<Plan> {
        let mut spec = self.loaded.spec.clone();
        figures::settle(&mut spec.schedule);
        spec.schedule.precision = Some(precision(spec.schedule.precision, device)?);
        let weights_sha256 = weights(&spec.model)
            .into_iter()
            .map(|(weights, _)| model::expected_checksum(weights))
            .collect::<Result<Vec<_>>>()?;
        let fused = self.fused()?;
        let numbers = fused_numbers(&fused);
        let layers = layers(&spec, &self.dataset, numbers, spec.schedule.batch_size as usize);
        let sum = |of: &dyn Fn(&Layer) -> u64| layers.iter().map(of).sum();
        let split = &self.split;
        let mut decisions = Decisions {
            run_id: String::new(),
            training_id: String::new(),
            seed,
            engine: TRAINING_ENGINE.into(),
            engine_parts: engine_parts(&spec)?,
            evaluation_engine: EVALUATION_ENGINE.into(),
            device,
            group_key: group_key(&spec.dataset.split, &self.dataset).as_str().into(),
            parent: None,
            data_fingerprint: survey.fingerprint.clone(),
            weights_sha256,
            cases: [split.train.len(), split.valid.len(), split.test.len()],
            batches: spec.schedule.batches(split.train.len()),
            class_pixels: survey.class_pixels.clone(),
            image_classes: self.dataset.image_classes.clone(),
            class_images: class_images(&self.dataset, &split.train),
            parameters: sum(&|layer| layer.parameters),
            trainable: sum(&|layer| if layer.trainable { layer.parameters } else { 0 }),
            multiply_adds: sum(&|layer| layer.multiply_adds),
            labels: self.dataset.labels.clone(),
            normalization: survey.normalization.clone(),
            fused,
            window: self.dataset.levels.window(),
            stain: self.stain.clone(),
            tile_px: self.tile_px(),
            guide: self.guide_rows.iter().find(|row| row.fold == 0).map(|row| row.path.clone()),
            spec,
        };
        decisions.name(&self.dataset, split)?;
        Ok(Plan {
            spec_path: self.loaded.path.clone(),
            position: self.position.clone(),
            members: Vec::new(),
            spec_text: crate::spec::render(&self.loaded),
            overrides: crate::spec::overridden(&self.loaded),
            notes: of_keys(&self.loaded.notes),
            dataset: Arc::clone(&self.dataset),
            split: split.clone(),
            findings: self.findings.clone(),
            near_duplicates: Arc::clone(&self.near_duplicates),
            case_digests: Arc::clone(&survey.case_digests),
            guide_rows: self.guide_rows.clone(),
            balance: survey.balance.clone(),
            layers,
            decisions,
        })
    }

    /// The columns that the network is given beside the image, as the training split has them.
    fn fused(&self) -> Result<Vec<FusedColumn>> {
        let columns = self.loaded.spec.task.fuse().map_or(&[][..], |fuse| &fuse.columns);
        let column = |column: &String| {
            fused_column(column, &self.dataset, &self.split.train).map_err(Error::user)
        };
        columns.iter().map(column).collect()
    }

    /// Side of the training tiles, where cases are tiles that were cut before and all of these are squares of it.
    fn tile_px(&self) -> Option<u32> {
        if !self.loaded.spec.dataset.source.source().is_of_tiles() {
            return None;
        }
        let cases = &self.dataset.cases;
        let mut sizes =
            self.split.train.iter().map(|&case| (cases[case].width, cases[case].height));
        let first = sizes.next().filter(|(width, height)| width == height)?;
        sizes.all(|size| size == first).then_some(first.0)
    }
}

/// The number format of products that was asked for, or that of a kind of device.
fn precision(asked: Option<Precision>, device: Family) -> Result<Precision> {
    match (asked, device) {
        (None | Some(Precision::F32), Family::Cpu) => Ok(Precision::F32),
        (Some(Precision::Tf32 | Precision::Bf16), Family::Cpu) => Err(Error::user(
            "schedule.precision: tf32 and bf16 are formats of GPUs, and this run computes on the CPU; leave the key out, \
             or write \"f32\"",
        )),
        (asked, Family::Cuda(_)) => Ok(asked.unwrap_or(Precision::Tf32)),
    }
}

/// The notes that are about keys of the spec.
fn of_keys(notes: &[Note]) -> Vec<String> {
    notes.iter().filter(|note| !note.key.is_empty()).map(ToString::to_string).collect()
}

/// The second head of a spec's network, where its task has one.
fn second_head(spec: &Spec, classes: usize) -> Option<SecondHead> {
    spec.task.second_head().map(|head| SecondHead { dropout: head.dropout, classes })
}

/// The layers for so many numbers beside an image, where a spec's network is given some.
fn fusion(spec: &Spec, inputs: usize, classes: usize) -> Option<FusionConfig> {
    let fuse = spec.task.fuse()?;
    Some(FusionConfig { inputs, hidden: fuse.hidden as usize, classes })
}

/// The layer table of a spec's network, its second head and its layers for so many numbers beside the image, for batches
/// of a size.
fn layers(spec: &Spec, dataset: &Dataset, numbers: usize, batch: usize) -> Vec<Layer> {
    let mut layers = model::layers(
        &spec.model,
        spec.input_channels(),
        dataset.labels.channels(),
        spec.dataset.frame().sides(),
        batch,
    );
    if let Some(head) = second_head(spec, dataset.image_classes.len()) {
        layers.extend(head.layers(&spec.model, batch));
    }
    if let Some(fusion) = fusion(spec, numbers, dataset.labels.channels()) {
        layers.extend(fusion.layers(batch));
    }
    layers
}

/// Counts some cases by the class of images that a second head predicts.
fn class_images(dataset: &Dataset, cases: &[usize]) -> Vec<u64> {
    let of_class = |class: usize| {
        let same = |case: &&usize| dataset.class_of(**case).map(usize::from) == Some(class);
        cases.iter().filter(same).count() as u64
    };
    (0..dataset.image_classes.len()).map(of_class).collect()
}

impl Plan {
    /// The same, as going on from a finished run.
    ///
    /// # Errors
    /// If the spec cannot be hashed.
    pub fn with_parent(mut self, parent: Parent) -> Result<Self> {
        self.decisions.parent = Some(parent);
        self.decisions.name(&self.dataset, &self.split)?;
        Ok(self)
    }

    /// The run for a person, such as `busi-unet fold 2 seed 0`.
    pub fn name(&self) -> String {
        self.position.name(&self.decisions.spec.name, self.decisions.seed)
    }

    /// The folder of this run's directory: `<output>/<experiment>/<run-id>`.
    pub fn folder(&self) -> PathBuf {
        let spec = &self.decisions.spec;
        PathBuf::from(&spec.run.output).join(&spec.name).join(&self.decisions.run_id)
    }
}

/// The files of weights that a model starts from, and which part of it each fills.
pub fn weights(spec: &ModelSpec) -> Vec<(&WeightsSpec, model::Part)> {
    let encoder = spec.pretrained().and_then(|encoder| encoder.weights);
    let encoder = encoder.map(|weights| (weights, model::Part::Encoder));
    let part = if spec.classifies() { model::Part::Backbone } else { model::Part::Whole };
    encoder.into_iter().chain(spec.weights().map(|weights| (weights, part))).collect()
}
