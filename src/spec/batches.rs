//! `[evaluation.batches]`: how the page takes means over batches.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the page takes means over batches, among its Dice and IoU by convention: published programs pool the pixels of
/// each batch of their loader and average over batches. No figure, gate or choice is of batches.
///
/// UNeXt's program, and others that average by an `AverageMeter`, are
/// `{ size = 16, order = "split", smooth = 1e-5, weight = "cases" }` with `threshold = 0.5` and `resolution = "network"`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct BatchesSpec {
    /// Cases in a batch; the last may have fewer. If absent, `schedule.batch-size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4096))]
    pub size: Option<u32>,
    /// In which order cases come into batches.
    pub order: BatchOrder,
    /// Added to intersection and union: IoU is (intersection + this) / (union + this), and Dice 2 IoU / (1 + IoU). Of a
    /// class that is absent from a batch both are 1.
    #[schemars(range(min = 0.0, max = 1e9))]
    pub smooth: f64,
    /// How much a batch counts.
    pub weight: BatchWeight,
}

impl BatchesSpec {
    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// In which order cases come into batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BatchOrder {
    /// By their names.
    #[default]
    Names,
    /// As the list of the split names them (`dataset.split.kind = "file"`), which is how loaders take them that do not
    /// shuffle; of other divisions in the order of the data set.
    Split,
}

/// How much a batch counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BatchWeight {
    /// By its cases, as an `AverageMeter` does that is given the size of the batch: a short last batch counts less.
    #[default]
    Cases,
    /// Each as much.
    Equal,
}
