//! What the labels of a data set mean.

use serde::{Deserialize, Serialize};

pub use crate::metric::IGNORE;

/// The classes of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// Foreground against background: the network has one output channel.
    Binary {
        /// Name of the foreground.
        foreground: String,
    },
    /// One class for every pixel: the network has one output channel for each.
    Classes {
        /// Their names, by label.
        names: Vec<String>,
    },
    /// One class for every image: the network has one output channel for each.
    Images {
        /// Their names, by label.
        names: Vec<String>,
    },
}

impl Labels {
    /// Output channels of the network.
    pub fn channels(&self) -> usize {
        match self {
            Self::Binary { .. } => 1,
            Self::Classes { names } | Self::Images { names } => names.len(),
        }
    }

    /// Names of the output channels.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Binary { foreground } => vec![foreground.clone()],
            Self::Classes { names } | Self::Images { names } => names.clone(),
        }
    }

    /// Height and width of the labels of images of a height and width: 1 where a whole image has one.
    pub fn sides(&self, sides: [usize; 2]) -> [usize; 2] {
        match self {
            Self::Binary { .. } | Self::Classes { .. } => sides,
            Self::Images { .. } => [1; 2],
        }
    }

    /// Number of values a label can have, `IGNORE` aside: 2 for binary.
    pub fn values(&self) -> usize {
        match self {
            Self::Binary { .. } => 2,
            Self::Classes { names } | Self::Images { names } => names.len(),
        }
    }
}
