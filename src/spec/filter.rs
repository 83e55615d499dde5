//! `dataset.filters`: filters of images before the network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A filter of whole images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FilterSpec {
    /// Adaptive noise removal (Lim 1990), as `scipy.signal.wiener`: averages flat places and keeps edges. Each
    /// colour is filtered by itself.
    Wiener(WienerSpec),
    /// Contrast-limited adaptive histogram equalisation (Zuiderveld 1994), as OpenCV's. Of coloured images the luma
    /// (ITU-R BT.601) is equalised; red, green and blue change by as much.
    Clahe(ClaheSpec),
}

/// Settings of the Wiener filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct WienerSpec {
    /// Side of the square around a pixel whose mean and variance count, in pixels; an even one reaches further up
    /// and left. Beyond the image is black.
    #[schemars(range(min = 2, max = 255))]
    pub window: u32,
    /// Power of the noise, in squared levels of 0 to 255; if absent, the mean of all variances, of each image.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 65025.0))]
    pub noise: Option<f64>,
}

impl Default for WienerSpec {
    fn default() -> Self {
        Self { window: 5, noise: None }
    }
}

/// Settings of contrast-limited adaptive histogram equalisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClaheSpec {
    /// Highest bin of a tile's histogram, as a multiple of the mean of all bins; 0 for no limit.
    #[schemars(range(min = 0.0, max = 256.0))]
    pub clip_limit: f64,
    /// Tiles along each side of the image.
    #[schemars(range(min = 1, max = 64))]
    pub tiles: u32,
}

impl Default for ClaheSpec {
    fn default() -> Self {
        Self { clip_limit: 2.0, tiles: 8 }
    }
}
