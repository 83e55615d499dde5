//! Settings of a first spec, chosen from the images, each with its reason.

use std::path::Path;

use serde::Serialize;

use super::commented::{Line, quoted};
use super::dataset::Dataset;
use crate::error::Result;
use crate::finding::FindingKind;
use crate::source::decode::real_window;
use crate::source::header::{Color, Limit, read_header};
use crate::source::{Labels, Window};

/// A training step that was made, and what the machine has for it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MeasuredStep {
    /// Cases of its batch.
    pub batch_size: usize,
    /// Seconds.
    pub seconds: f64,
    /// Peak resident memory of the process that made it, in bytes.
    pub peak_bytes: u64,
    /// Memory that a process can take, in bytes.
    pub available_bytes: u64,
}

/// Settings chosen from the sizes of images and their number.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// Median of the widths, and of the heights.
    median: (u32, u32),
    /// Images that train, about.
    train: usize,
    /// Side of the network's images.
    side: u32,
    why_side: String,
    /// Cases of a batch.
    pub batch: usize,
    why_batch: String,
    pub labels: Labels,
}

/// Side of images beyond which a first trial takes too long.
const MOST_SIDE: u32 = 256;

/// Pixels of a batch: as many as eight images of 256.
const BATCH_PIXELS: u32 = 8 * 256 * 256;

/// Most cases of a batch.
const MOST_CASES: u32 = 16;

impl Chosen {
    pub(super) fn of(dataset: &Dataset) -> Self {
        let middle = (
            median(dataset.cases.iter().map(|case| case.width).collect()),
            median(dataset.cases.iter().map(|case| case.height).collect()),
        );
        let natural = (f64::from(middle.0) * f64::from(middle.1)).sqrt();
        let rounded = ((natural / 32.0).round() as u32).max(1) * 32;
        let side = rounded.min(MOST_SIDE);
        let size = format!("the median image is {} x {}", middle.0, middle.1);
        let why_side = match rounded > MOST_SIDE {
            true => format!(
                "{size}; larger sees more detail, and a step takes longer with the square of it"
            ),
            false => format!(
                "{size}; this is the nearest multiple of 32, which can be halved again and again"
            ),
        };
        let train = training_images(dataset);
        let fits = (BATCH_PIXELS / (side * side)).clamp(1, MOST_CASES) as usize;
        let few = (train / 4).max(2);
        let batch = fits.min(few);
        let why_batch = match few < fits {
            true => {
                format!("a quarter of about {train} training images, for several steps an epoch")
            }
            false => format!(
                "as many pixels a step as 8 images of 256 x 256, at most {MOST_CASES} images"
            ),
        };
        let labels = dataset.labels.clone();
        Self { median: middle, train, side, why_side, batch, why_batch, labels }
    }

    /// How images are given to the network.
    pub(super) fn images(&self, dataset: &Dataset) -> Vec<Line> {
        let mut lines = vec![Line::new("image-size", &self.side.to_string(), &self.why_side)];
        let mut files = files(dataset).peekable();
        let gray = files.peek().is_some()
            && files.all(|file| {
                read_header(file, Limit::Image).is_ok_and(|header| header.mode.color == Color::Gray)
            });
        if gray {
            lines.push(Line::new("channels", "\"gray\"", "all images are stored in grey"));
        }
        lines
    }

    pub(super) fn model(&self, cases: usize) -> Vec<Line> {
        if matches!(self.labels, Labels::Images { .. }) {
            return vec![Line::new(
                "kind",
                "\"resnet18\"",
                "small; `weights` may name a file of published weights, which few images need",
            )];
        }
        let levels = ((self.side / 16).max(2).ilog2() + 1).clamp(2, 5);
        let first: u32 = if cases < 200 { 16 } else { 32 };
        let filters: Vec<String> = (0..levels).map(|level| (first << level).to_string()).collect();
        let deepest = self.side >> (levels - 1);
        let (width, height) = self.median;
        let why = format!(
            "{levels} levels, so that the deepest maps are {deepest} pixels wide and see all of {width} x {height}; {first} \
             filters first, for {} images",
            cases
        );
        let encoder =
            format!("{{ kind = \"plain\", filters = [{}], norm = \"batch\" }}", filters.join(", "));
        vec![
            Line::new("kind", "\"unet\"", "the network to compare others with"),
            Line::new("encoder", &encoder, &why),
        ]
    }

    pub(super) fn loss(&self) -> Vec<Line> {
        match &self.labels {
            Labels::Binary { .. } => vec![
                Line::new("kind", "\"sum\"", ""),
                Line::new(
                    "terms",
                    "[{ kind = \"bce\" }, { kind = \"dice\" }]",
                    "Dice, since the foreground is small",
                ),
            ],
            Labels::Classes { .. } => {
                vec![Line::new("kind", "\"cross-entropy\"", "several classes of pixels")]
            }
            Labels::Images { .. } => vec![
                Line::new("kind", "\"cross-entropy\"", ""),
                Line::new(
                    "class-weights",
                    "{ kind = \"balanced\" }",
                    "rare classes count as much as common ones",
                ),
            ],
        }
    }

    pub(super) fn schedule(&self, step: Option<&MeasuredStep>) -> Vec<Line> {
        let batch = step.map_or(self.batch, |step| step.batch_size);
        let mut why_batch = match batch < self.batch {
            true => "a step with more would take more than half of the memory".into(),
            false => self.why_batch.clone(),
        };
        let steps = self.train.div_ceil(batch).max(1);
        let epochs = (4000 / steps).clamp(10, 100);
        let mut why_epochs = match epochs {
            100 => format!(
                "{steps} steps an epoch; the best epoch is kept, so that more do no harm but take time"
            ),
            10 => format!("{steps} steps an epoch, so that few epochs are many steps"),
            _ => format!("{steps} steps an epoch, 4000 in all"),
        };
        if let Some(step) = step {
            why_batch += &format!(
                "; measured: {} MiB at the peak of a step, of {} MiB available",
                step.peak_bytes >> 20,
                step.available_bytes >> 20
            );
            why_epochs += &format!("; a step took {:.2} s on this CPU", step.seconds);
        }
        let mut lines = vec![
            Line::new("epochs", &epochs.to_string(), &why_epochs),
            Line::new("batch-size", &batch.to_string(), &why_batch),
            Line::new(
                "optimizer",
                "{ kind = \"adam\", learning-rate = 1e-3 }",
                "a rate that seldom fails",
            ),
        ];
        lines.extend(self.best());
        lines
    }

    /// The figure that chooses the epoch, where the usual one does not.
    pub(super) fn best(&self) -> Option<Line> {
        let Labels::Binary { foreground } = &self.labels else { return None };
        let value = format!("{{ metric = {} }}", quoted(&format!("valid.dice.{foreground}")));
        Some(Line::new("best", &value, "the epoch whose weights are kept"))
    }
}

fn files(dataset: &Dataset) -> impl Iterator<Item = &Path> {
    dataset.cases.iter().filter_map(|case| case.image.file())
}

/// The window of images of more than eight bits.
pub(super) fn intensity(dataset: &Dataset) -> Result<Option<Line>> {
    if !dataset.findings.iter().any(|found| found.kind == FindingKind::DeepImage) {
        return Ok(None);
    }
    // DICOM gives it of its own.
    let mut deep = files(dataset)
        .filter_map(|file| read_header(file, Limit::Image).ok())
        .filter(|header| header.mode.is_deep());
    if deep.all(|header| header.window.is_some()) {
        let why = "each file gives the window through which it is seen; a window for all would go before it";
        return Ok(Some(Line::new("intensity", "{ kind = \"as-stored\" }", why)));
    }
    let mut real: Option<Window> = None;
    for file in files(dataset) {
        let found = real_window(file, Limit::Image)?;
        real = real.into_iter().chain(found).reduce(Window::or);
    }
    Ok(Some(match real {
        Some(Window { low, high }) => Line::new(
            "intensity",
            &format!("{{ kind = \"window\", low = {low:?}, high = {high:?} }}"),
            "images hold floating-point numbers; these are the least and the greatest, a scanner's own window is better",
        ),
        None => Line::new(
            "intensity",
            "{ kind = \"percentiles\", low = 0.5, high = 99.5 }",
            "images have 16 bits; this window is taken from the training images, a scanner's own is better",
        ),
    }))
}

/// Images of the usual share of training.
fn training_images(dataset: &Dataset) -> usize {
    (dataset.cases.len() * 7 / 10).max(1)
}

fn median(mut values: Vec<u32>) -> u32 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(1)
}
