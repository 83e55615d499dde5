//! What the pixels of a mask hold, and which of them are lesion.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::spec::ForegroundSpec;

/// Colours of a mask that are told apart.
const COLOURS: usize = 8;

/// What a mask holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MaskValues {
    /// Values of the brightest channel, from 0 to 255, with their pixels.
    pub levels: Vec<(u8, u64)>,
    /// Colours, red first; only the first eight that were found.
    pub colours: Vec<[u8; 3]>,
    /// Opacities with their pixels; none where there is no alpha channel.
    pub alphas: Vec<(u8, u64)>,
}

impl MaskValues {
    /// Counts a colour of some pixels.
    pub(super) fn of(pixels: impl Iterator<Item = ([u8; 3], Option<u8>)>) -> Self {
        let (mut levels, mut alphas) = ([0u64; 256], [0u64; 256]);
        let mut colours: Vec<[u8; 3]> = Vec::new();
        for (colour, alpha) in pixels {
            levels[usize::from(brightest(colour))] += 1;
            if let Some(alpha) = alpha {
                alphas[usize::from(alpha)] += 1;
            }
            // Neighbours are alike, so the last colour is looked at first.
            if colours.last() != Some(&colour)
                && colours.len() < COLOURS
                && !colours.contains(&colour)
            {
                colours.push(colour);
            }
        }
        let pairs = |counts: [u64; 256]| {
            (0u8..=255).zip(counts).filter(|&(_, count)| count > 0).collect::<Vec<_>>()
        };
        colours.sort_unstable();
        Self { levels: pairs(levels), colours, alphas: pairs(alphas) }
    }

    /// Its pixels.
    pub(super) fn pixels(&self) -> u64 {
        self.levels.iter().map(|&(_, count)| count).sum()
    }

    /// Pixels that are lesion.
    pub(super) fn lesion(&self, foreground: &ForegroundSpec) -> u64 {
        let sum = |values: &[(u8, u64)], of: &dyn Fn(u8) -> bool| {
            values.iter().filter(|(value, _)| of(*value)).map(|&(_, count)| count).sum()
        };
        match foreground {
            ForegroundSpec::TwoValued(_) => sum(&self.levels, &|value| value > 0),
            ForegroundSpec::Above(above) => sum(&self.levels, &|value| value > above.threshold),
            ForegroundSpec::Values(spec) => {
                sum(&self.levels, &|value| spec.values.contains(&value))
            }
            ForegroundSpec::AlphaAbove(above) => sum(&self.alphas, &|a| a > above.threshold),
        }
    }

    /// Whether it has no colour but grays.
    pub(super) fn is_gray(&self) -> bool {
        self.colours.iter().all(|[red, green, blue]| red == green && green == blue)
    }

    /// Whether what is drawn is in the alpha channel alone.
    pub(super) fn is_drawn_in_alpha(&self) -> bool {
        let opaque = self.alphas.iter().all(|&(alpha, _)| alpha == 255);
        self.colours.len() == 1 && !opaque
    }

    /// The values other than black; a colour as its brightest channel where there is no other.
    pub(super) fn values_but_black(&self) -> BTreeSet<u8> {
        self.levels.iter().map(|&(value, _)| value).filter(|&value| value > 0).collect()
    }

    /// What it holds, in words.
    pub(super) fn words(&self) -> String {
        if !self.is_gray() {
            let name = |[red, green, blue]: &[u8; 3]| format!("#{red:02x}{green:02x}{blue:02x}");
            let more = if self.colours.len() == COLOURS { " .." } else { "" };
            let colours: Vec<_> = self.colours.iter().take(4).map(name).collect();
            return format!("colours {}{more}", colours.join(", "));
        }
        match self.levels.as_slice() {
            [(only, _)] => format!("{only} everywhere"),
            few if few.len() <= 4 => {
                let values: Vec<_> = few.iter().map(|(value, _)| value.to_string()).collect();
                format!("values {}", values.join(", "))
            }
            many => {
                let last = many.last().map_or(0, |(value, _)| *value);
                format!("{} values of {} to {last}", many.len(), many[0].0)
            }
        }
    }
}

/// The channel that decides what is above a threshold.
pub(super) fn brightest([red, green, blue]: [u8; 3]) -> u8 {
    red.max(green).max(blue)
}

/// Whether a pixel is lesion.
pub(super) fn is_lesion(foreground: &ForegroundSpec, colour: [u8; 3], alpha: Option<u8>) -> bool {
    match foreground {
        ForegroundSpec::TwoValued(_) => brightest(colour) > 0,
        ForegroundSpec::Above(above) => brightest(colour) > above.threshold,
        ForegroundSpec::Values(spec) => spec.values.contains(&brightest(colour)),
        ForegroundSpec::AlphaAbove(above) => alpha.unwrap_or(255) > above.threshold,
    }
}
