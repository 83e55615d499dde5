//! What the pixels of a mask hold, and which of them are lesion.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::extent::Extent;
use super::foreground::ForegroundSpec;

/// Colours of a mask that are distinguished.
const COLOURS: usize = 8;

/// Part of the lesion or of the background, whichever is less, that may be opaque or not other than the rest: soft
/// edges of an alpha channel.
const SOFT: f64 = 0.1;

/// Pixels of one brightness and opacity: the brightest channel, the alpha channel if there is one, and how many.
type Count = (u8, Option<u8>, u64);

/// What a mask holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MaskValues {
    /// Its pixels.
    counts: Vec<Count>,
    /// Colours, red first; only the first eight that were found.
    pub colours: Vec<[u8; 3]>,
    /// Which channels the colours of each brightness have, as sets of them by their [`tint`].
    tints: Vec<(u8, u8)>,
    /// How much of it is lesion, and where.
    pub extent: Extent,
}

/// Counts pixels of each brightness and opacity.
struct Counter {
    /// By brightness; by brightness and opacity where there is an alpha channel.
    counts: Vec<u64>,
    alpha: bool,
}

impl Counter {
    fn new(alpha: bool) -> Self {
        Self { counts: vec![0; if alpha { 1 << 16 } else { 1 << 8 }], alpha }
    }

    fn add(&mut self, level: u8, alpha: Option<u8>, pixels: u32) {
        let place = match (self.alpha, alpha) {
            (true, Some(alpha)) => usize::from(level) << 8 | usize::from(alpha),
            _ => usize::from(level),
        };
        self.counts[place] += u64::from(pixels);
    }

    fn counts(self) -> Vec<Count> {
        let found = self.counts.into_iter().enumerate().filter(|&(_, count)| count > 0);
        let count = |(place, count): (usize, u64)| match self.alpha {
            true => ((place >> 8) as u8, Some((place & 255) as u8), count),
            false => (place as u8, None, count),
        };
        found.map(count).collect()
    }
}

/// The channels of a colour that are at least half as bright as its brightest: 1 for red, 2 for green, 4 for blue.
pub(super) fn tint(colour: [u8; 3]) -> u8 {
    let most = u16::from(brightest(colour));
    let has = |channel: u8| u8::from(2 * u16::from(channel) >= most);
    has(colour[0]) | has(colour[1]) << 1 | has(colour[2]) << 2
}

/// How far two colours lie apart, in the channel in which they differ most, once the brighter one is as dark as the
/// other.
pub(super) fn hue_distance(one: [u8; 3], other: [u8; 3]) -> u32 {
    let darker = u32::from(brightest(one).min(brightest(other)));
    let scaled = |colour: [u8; 3]| {
        let most = u32::from(brightest(colour)).max(1);
        colour.map(|channel| u32::from(channel) * darker / most)
    };
    let differences = scaled(one).into_iter().zip(scaled(other)).map(|(a, b)| a.abs_diff(b));
    differences.max().unwrap_or_default()
}

impl MaskValues {
    /// Counts the colour and opacity of the pixels of a mask of this width, row by row.
    pub(super) fn of(
        width: u32,
        pixels: impl Iterator<Item = ([u8; 3], Option<u8>)>,
        foreground: &ForegroundSpec,
    ) -> Self {
        let mut pixels = pixels.peekable();
        let has_alpha = pixels.peek().is_some_and(|(_, alpha)| alpha.is_some());
        let mut counter = Counter::new(has_alpha);
        let mut lesion: Vec<bool> = Vec::new();
        let mut colours: Vec<[u8; 3]> = Vec::new();
        let mut tints = [0u8; 256];
        while let Some((colour, alpha)) = pixels.next() {
            let mut run = 1;
            while pixels.next_if_eq(&(colour, alpha)).is_some() {
                run += 1;
            }
            let level = brightest(colour);
            counter.add(level, alpha, run);
            let more = std::iter::repeat_n(counts_as(foreground, level, alpha), run as usize);
            lesion.extend(more);
            if level > 0 {
                tints[usize::from(level)] |= 1 << tint(colour);
            }
            if colours.len() < COLOURS && !colours.contains(&colour) {
                colours.push(colour);
            }
        }
        colours.sort_unstable();
        let tints = (0u8..=255).zip(tints).filter(|&(_, tints)| tints > 0).collect();
        let extent = Extent::of(&lesion, width as usize);
        Self { counts: counter.counts(), colours, tints, extent }
    }

    /// Values of the brightest channel.
    pub(super) fn levels(&self) -> BTreeSet<u8> {
        self.counts.iter().map(|&(level, _, _)| level).collect()
    }

    /// Whether it has an alpha channel.
    pub(super) fn has_alpha(&self) -> bool {
        self.counts.iter().any(|(_, alpha, _)| alpha.is_some())
    }

    /// Pixels of which colour and opacity say different things about what is lesion, beyond soft edges.
    pub(super) fn contradictions(&self) -> u64 {
        let count = |is_lesion: bool, is_opaque: bool| -> u64 {
            let opaque = |alpha: Option<u8>| alpha.is_none_or(|alpha| alpha > 127);
            let of = self.counts.iter().filter(|&&(level, alpha, _)| {
                (level > 0) == is_lesion && opaque(alpha) == is_opaque
            });
            of.map(|&(_, _, count)| count).sum()
        };
        let [lesion, background] =
            [true, false].map(|is| [true, false].map(|opaque| count(is, opaque)));
        // Either side of the alpha channel may be the lesion.
        let different = (lesion[1] + background[0]).min(lesion[0] + background[1]);
        let least = (lesion[0] + lesion[1]).min(background[0] + background[1]);
        let [opaque, transparent] = [0, 1].map(|side| lesion[side] + background[side]);
        let soft = SOFT * least as f64;
        let varies = opaque.min(transparent) as f64 > soft;
        if varies && different as f64 > soft { different } else { 0 }
    }

    /// Whether there are no other colours than those that were kept.
    pub(super) fn knows_all_colours(&self) -> bool {
        self.colours.len() < COLOURS
    }

    /// Which sets of channels those colours have that are lesion by their brightness.
    pub(super) fn tints(&self, foreground: &ForegroundSpec) -> BTreeSet<u8> {
        let lesion =
            self.tints.iter().filter(|&&(level, _)| counts_as(foreground, level, Some(255)));
        lesion.flat_map(|&(_, tints)| (0..8).filter(move |tint| tints >> tint & 1 == 1)).collect()
    }

    /// Whether it has no colour but grays.
    pub(super) fn is_gray(&self) -> bool {
        self.colours.iter().all(|[red, green, blue]| red == green && green == blue)
    }

    /// Whether what is drawn is in the alpha channel alone.
    pub(super) fn is_drawn_in_alpha(&self) -> bool {
        let opaque =
            self.counts.iter().all(|&(_, alpha, _)| alpha.is_none_or(|alpha| alpha == 255));
        self.colours.len() == 1 && !opaque
    }

    /// The values other than black; a colour as its brightest channel where there is no other.
    pub(super) fn values_but_black(&self) -> BTreeSet<u8> {
        self.levels().into_iter().filter(|&value| value > 0).collect()
    }

    /// What it holds, in words.
    pub(super) fn words(&self) -> String {
        if !self.is_gray() {
            let name = |[red, green, blue]: &[u8; 3]| format!("#{red:02x}{green:02x}{blue:02x}");
            let more = if self.colours.len() == COLOURS { " .." } else { "" };
            let colours: Vec<_> = self.colours.iter().take(4).map(name).collect();
            return format!("colours {}{more}", colours.join(", "));
        }
        let levels: Vec<u8> = self.levels().into_iter().collect();
        match levels.as_slice() {
            [only] => format!("{only} everywhere"),
            few if few.len() <= 4 => {
                let values: Vec<_> = few.iter().map(u8::to_string).collect();
                format!("values {}", values.join(", "))
            }
            many => {
                let last = many.last().copied().unwrap_or_default();
                format!("{} values of {} to {last}", many.len(), many[0])
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
    counts_as(foreground, brightest(colour), alpha)
}

/// Whether a pixel of this brightness and opacity is lesion; without an alpha channel none is, if opacity decides.
fn counts_as(foreground: &ForegroundSpec, level: u8, alpha: Option<u8>) -> bool {
    match foreground {
        ForegroundSpec::TwoValued(_) => level > 0,
        ForegroundSpec::Above(above) => level > above.threshold,
        ForegroundSpec::Values(spec) => spec.values.contains(&level),
        ForegroundSpec::AlphaAbove(above) => alpha.is_some_and(|alpha| alpha > above.threshold),
    }
}
