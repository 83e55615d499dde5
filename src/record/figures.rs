//! `figures.json`: the recorded figures.

use serde::{Deserialize, Serialize};

use super::artefact::json_file;
use crate::figure_name::FigureName;
use crate::split_name::SplitName;

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
    /// Cases that it summarises.
    pub n: u64,
    /// Cases left out because it is undefined for them.
    #[serde(default)]
    pub left_out: u64,
    /// Of `n`, how many are a distance that stands for a missed lesion or a false alarm.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub penalised: u64,
    /// Groups of these cases; 0 if they were not recorded.
    #[serde(default)]
    pub groups: u64,
    /// 95 % confidence interval.
    #[serde(default)]
    pub interval: Option<Interval>,
    /// Why there is no interval, or which resamples it leaves out; else empty.
    #[serde(default)]
    pub interval_note: String,
}

json_file!(Vec<Figure>, "figures.json");

fn is_zero(value: &u64) -> bool {
    *value == 0
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

impl Interval {
    /// An interval, no end of which lies beyond a lowest and a highest value; what is undefined stays so.
    pub fn within((low, high): (f64, f64), (least, most): (f64, f64)) -> Self {
        Self { low: low.clamp(least, most), high: high.clamp(least, most) }
    }
}

/// JSON has no NaN: it is written as `null` and read back.
pub(super) mod nan_as_null {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(*value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}
