//! Values of more than 8 bits into 8 bits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// How images of 16 bits a channel, or of floating-point numbers, are converted to 8. Values below a window are black,
/// those above it white. Without this key a DICOM is read through its own window; this key goes before that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum IntensitySpec {
    /// Each DICOM through the window that its file gives; other images of more than 8 bits are refused.
    AsStored(AsStoredIntensity),
    /// 0 to 65535 is mapped to 0 to 255; floating-point numbers, which have no such range, are refused.
    FullRange(FullRangeIntensity),
    /// A given window is mapped to 0 to 255.
    Window(WindowIntensity),
    /// The window between two percentiles of the training split's pixels is mapped to 0 to 255; of 16 bits only.
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

/// A window of values; `low` is below `high`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WindowIntensity {
    /// The value that is mapped to black: a 12-bit image has values of 0 to 4095.
    #[serde(serialize_with = "whole_if_it_is")]
    #[schemars(with = "f64")]
    pub low: f64,
    /// The value that is mapped to white.
    #[serde(serialize_with = "whole_if_it_is")]
    #[schemars(with = "f64")]
    pub high: f64,
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

/// A number without a fraction as whole, so that `low = 0` stays what it was.
fn whole_if_it_is<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match value.fract() == 0.0 && value.abs() < f64::from(u32::MAX) {
        true => serializer.serialize_i64(*value as i64),
        false => serializer.serialize_f64(*value),
    }
}

/// The window of values that becomes 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// What becomes black.
    #[serde(serialize_with = "whole_if_it_is")]
    pub low: f64,
    /// What becomes white; above `low`.
    #[serde(serialize_with = "whole_if_it_is")]
    pub high: f64,
}

/// How images of more than 8 bits a channel are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Levels {
    /// Through the window that a file gives of itself, or not at all: nothing else says how.
    Refused,
    /// Through [`Window::FULL`], which only values of 16 bits have.
    FullRange,
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
            IntensitySpec::FullRange(_) => Self::FullRange,
            IntensitySpec::Window(window) => {
                Self::Window(Window { low: window.low, high: window.high })
            }
            IntensitySpec::Percentiles(_) => Self::Undecided,
        }
    }

    /// How an image is read whose file gives the window `own`, which counts where nothing is declared.
    pub(super) fn or_own(self, own: Option<Window>) -> Self {
        match (self, own) {
            (Self::Refused, Some(own)) => Self::Window(own),
            _ => self,
        }
    }

    /// The window, once there is one.
    pub fn window(self) -> Option<Window> {
        match self {
            Self::Window(window) => Some(window),
            Self::FullRange => Some(Window::FULL),
            Self::Refused | Self::Undecided => None,
        }
    }
}

impl Window {
    /// All values of 16 bits.
    pub const FULL: Self = Self { low: 0.0, high: u16::MAX as f64 };

    /// Value `v` becomes 255 (v - low) / (high - low), rounded, within 0 and 255.
    pub fn apply(self, value: impl Into<f64>) -> u8 {
        let Self { low, high } = self;
        if low >= high {
            return 0;
        }
        ((value.into().clamp(low, high) - low) * 255.0 / (high - low) + 0.5) as u8
    }

    /// From the least to the greatest of some values.
    pub fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let mut window = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };
        for value in values {
            window.low = window.low.min(value);
            window.high = window.high.max(value);
        }
        window
    }

    /// The one that holds both.
    pub fn or(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
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
        let window = Self { low: at(low)?.into(), high: at(high)?.into() };
        (window.low < window.high).then_some(window)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_window_of_twelve_bits_keeps_its_256_levels() {
        let window = Window { low: 0.0, high: 4080.0 };
        assert_eq!([0u16, 8, 16, 4080, 4095].map(|value| window.apply(value)), [0, 1, 1, 255, 255]);
        assert_eq!([0u16, 257, 65535].map(|value| Window::FULL.apply(value)), [0, 1, 255]);
    }

    #[test]
    fn percentiles_are_the_least_values_that_so_many_do_not_exceed() {
        // Of ten values, one each of 0 to 8 and one of 100.
        let mut counts = vec![0; 1 << 16];
        counts[..9].fill(1);
        counts[100] = 1;
        assert_eq!(Window::between(&counts, 10.0, 90.0), Some(Window { low: 0.0, high: 8.0 }));
        assert_eq!(Window::between(&counts, 11.0, 100.0), Some(Window { low: 1.0, high: 100.0 }));
        assert_eq!(Window::between(&counts, 15.0, 20.0), None);
        assert_eq!(Window::between(&[], 1.0, 99.0), None);
    }

    #[test]
    fn a_whole_number_is_written_as_one() {
        let text = |low: f64| serde_json::to_string(&Window { low, high: 4095.0 }).unwrap();
        assert_eq!(text(0.0), r#"{"low":0,"high":4095}"#);
        assert_eq!(text(-0.5), r#"{"low":-0.5,"high":4095}"#);
        assert_eq!(Window { low: -1.0, high: 1.0 }.apply(0.0f32), 128);
    }

    proptest! {
        #[test]
        fn no_order_is_turned_round(low in 0u16..65535, width in 1u16.., a: u16, b: u16) {
            let high = low.saturating_add(width);
            let window = Window { low: low.into(), high: high.into() };
            let (less, more) = (a.min(b), a.max(b));
            prop_assert!(window.apply(less) <= window.apply(more));
            prop_assert_eq!(window.apply(window.low), 0);
            prop_assert_eq!(window.apply(window.high), 255);
            // In whole numbers.
            let (above, range) = (u32::from(a.clamp(low, high) - low), u32::from(high - low));
            prop_assert_eq!(u32::from(window.apply(a)), (above * 255 + range / 2) / range);
        }
    }
}
