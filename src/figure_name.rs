//! Names of figures.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::split_name::SplitName;

/// Name of the figure with the mean Dice of the masks that guide a classifier.
pub const MASK_DICE: &str = "mask-dice";

/// Names of the figures of what training took, of the training split: seconds of its epochs, and the most memory of the
/// process, in MiB.
pub const SECONDS: &str = "seconds";
/// See [`SECONDS`].
pub const PEAK_MEMORY_MIB: &str = "peak-memory-mib";

/// Prefix of the names of figures of images, whose class a second head predicts.
pub const OF_SECOND_HEAD: &str = "image-";

/// The full name of a figure, such as `valid.dice.lesion`; in files it is this text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FigureName {
    /// The split.
    pub split: SplitName,
    /// Its name without the split, such as `dice.lesion`.
    pub figure: String,
}

impl FigureName {
    /// The name of a figure of a split.
    pub fn new(split: SplitName, figure: impl Into<String>) -> Self {
        Self { split, figure: figure.into() }
    }
}

/// A text that is no full name of a figure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no figure's full name: use train, valid or test, a full stop and the figure, such as `test.dice.mean`"
)]
pub struct NoFigureName(String);

impl FromStr for FigureName {
    type Err = NoFigureName;

    fn from_str(text: &str) -> Result<Self, NoFigureName> {
        let parts = text.split_once('.').filter(|(_, figure)| !figure.is_empty());
        let parsed = parts.and_then(|(split, figure)| Some(Self::new(split.parse().ok()?, figure)));
        parsed.ok_or_else(|| NoFigureName(text.into()))
    }
}

impl fmt::Display for FigureName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.split, self.figure)
    }
}

impl Serialize for FigureName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FigureName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written_whatever_a_class_is_called() {
        for name in ["valid.loss", "test.dice.mean", "train.image-auc.macro", "test.dice.class.a.b"]
        {
            assert_eq!(name.parse::<FigureName>().unwrap().to_string(), name);
            let quoted = format!("\"{name}\"");
            let read: FigureName = serde_json::from_str(&quoted).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), quoted);
        }
        let name: FigureName = "valid.dice.lesion".parse().unwrap();
        assert_eq!(name, FigureName::new(SplitName::Valid, "dice.lesion"));
    }

    #[test]
    fn what_lacks_a_split_or_a_figure_is_refused() {
        for wrong in ["", "loss", "valid", "valid.", ".loss", "val.loss", "Valid.loss"] {
            let error = wrong.parse::<FigureName>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{wrong}` is no figure's full name")), "{error}");
        }
    }
}
