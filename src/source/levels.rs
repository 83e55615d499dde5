//! 16-bit values into 8 bits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// The window of 16-bit values that becomes 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// What becomes black.
    pub low: u16,
    /// What becomes white; above `low`.
    pub high: u16,
}

/// How images of 16 bits a channel are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Levels {
    /// Not at all: nothing says how.
    Refused,
    /// Through a window.
    Window(Window),
    /// Through a window that is found once the division is known; until then each image through one of its own,
    /// from its least to its greatest value, for comparisons that do not mind.
    Undecided,
}

impl Levels {
    /// What a spec says before any pixel is read.
    pub fn of(spec: &IntensitySpec) -> Self {
        match spec {
            IntensitySpec::AsStored(_) => Self::Refused,
            IntensitySpec::FullRange(_) => Self::Window(Window { low: 0, high: u16::MAX }),
            IntensitySpec::Window(window) => {
                Self::Window(Window { low: window.low, high: window.high })
            }
            IntensitySpec::Percentiles(_) => Self::Undecided,
        }
    }

    /// The window, once there is one.
    pub fn window(self) -> Option<Window> {
        match self {
            Self::Window(window) => Some(window),
            Self::Refused | Self::Undecided => None,
        }
    }
}

impl Window {
    /// Value `v` becomes 255 (v - low) / (high - low), rounded, within 0 and 255.
    pub fn apply(self, value: u16) -> u8 {
        let (low, high) = (u32::from(self.low), u32::from(self.high));
        let above = u32::from(value).clamp(low, high) - low;
        let range = (high - low).max(1);
        ((above * 255 + range / 2) / range) as u8
    }

    /// From the least to the greatest of some values.
    pub fn around(values: impl IntoIterator<Item = u16>) -> Self {
        let mut window = Self { low: u16::MAX, high: 0 };
        for value in values {
            window.low = window.low.min(value);
            window.high = window.high.max(value);
        }
        window
    }

    /// Between two percentiles of values of which `counts[value]` were found: the least values that at least
    /// so many percent do not exceed. `None` if the two are the same.
    pub fn between(counts: &[u64], low: f64, high: f64) -> Option<Self> {
        let total: u64 = counts.iter().sum();
        let at = |percent: f64| {
            let wanted = (percent / 100.0 * total as f64).ceil().max(1.0) as u64;
            let mut seen = 0;
            let reached = |count: &u64| {
                seen += count;
                seen >= wanted
            };
            counts.iter().position(reached).and_then(|value| u16::try_from(value).ok())
        };
        let window = Self { low: at(low)?, high: at(high)? };
        (window.low < window.high).then_some(window)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_window_of_twelve_bits_keeps_its_256_levels() {
        let window = Window { low: 0, high: 4080 };
        assert_eq!([0, 8, 16, 4080, 4095].map(|value| window.apply(value)), [0, 1, 1, 255, 255]);
        let full = Window { low: 0, high: u16::MAX };
        assert_eq!([0, 257, 65535].map(|value| full.apply(value)), [0, 1, 255]);
    }

    #[test]
    fn percentiles_are_the_least_values_that_so_many_do_not_exceed() {
        // Of ten values, one each of 0 to 8 and one of 100.
        let mut counts = vec![0; 1 << 16];
        counts[..9].fill(1);
        counts[100] = 1;
        assert_eq!(Window::between(&counts, 10.0, 90.0), Some(Window { low: 0, high: 8 }));
        assert_eq!(Window::between(&counts, 11.0, 100.0), Some(Window { low: 1, high: 100 }));
        assert_eq!(Window::between(&counts, 15.0, 20.0), None);
        assert_eq!(Window::between(&[], 1.0, 99.0), None);
    }

    proptest! {
        #[test]
        fn no_order_is_turned_round(low in 0u16..65535, width in 1u16.., a: u16, b: u16) {
            let window = Window { low, high: low.saturating_add(width) };
            let (less, more) = (a.min(b), a.max(b));
            prop_assert!(window.apply(less) <= window.apply(more));
            prop_assert_eq!(window.apply(window.low), 0);
            prop_assert_eq!(window.apply(window.high), 255);
        }
    }
}
