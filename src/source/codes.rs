//! How pixel values of a mask become labels.

use image::GrayImage;

/// Marks a code that no mask may hold.
const UNKNOWN: u8 = 254;

/// How pixel values of a mask become labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codes {
    table: [u8; 256],
}

impl Codes {
    /// 0 is background, 1 is foreground.
    pub fn binary() -> Self {
        Self::from_pairs([(0, 0), (1, 1)])
    }

    /// Every code is its own label.
    pub fn as_found() -> Self {
        Self { table: std::array::from_fn(|code| code as u8) }
    }

    /// Codes and their labels; no mask may hold another code.
    pub(crate) fn from_pairs(pairs: impl IntoIterator<Item = (u8, u8)>) -> Self {
        let mut table = [UNKNOWN; 256];
        for (code, label) in pairs {
            table[usize::from(code)] = label;
        }
        Self { table }
    }

    /// The label of a code: [`IGNORE`](super::IGNORE) if it takes no part, `None` if no mask may hold it.
    pub fn label(&self, code: u8) -> Option<u8> {
        Some(self.table[usize::from(code)]).filter(|&label| label != UNKNOWN)
    }

    /// The codes of a label, ascending.
    pub fn of_label(&self, label: u8) -> Vec<u8> {
        (0..=255).filter(|&code| self.label(code) == Some(label)).collect()
    }

    /// The code that stands for a label where one must: the first, or the label itself where it has none.
    pub fn first_of(&self, label: u8) -> u8 {
        self.of_label(label).first().copied().unwrap_or(label)
    }

    /// Those codes that no mask may hold.
    pub(crate) fn unknown_of(&self, found: &[CodeCount]) -> Vec<CodeCount> {
        found.iter().copied().filter(|&(code, _)| self.label(code).is_none()).collect()
    }

    /// Says which codes no mask may hold, and how many pixels have them.
    pub(crate) fn unknown(&self, found: &[(u8, u64)]) -> String {
        let known: Vec<u8> = (0..=255).filter(|&code| self.label(code).is_some()).collect();
        let last = known.last().copied().unwrap_or_default();
        let known = match known.len() == usize::from(last) + 1 {
            true => format!("0 to {last}"),
            false => known.iter().map(u8::to_string).collect::<Vec<_>>().join(", "),
        };
        let codes: Vec<_> =
            found.iter().map(|(code, pixels)| format!("code {code} ({pixels} pixels)")).collect();
        format!("unknown {}: known are {known}", codes.join(", "))
    }

    /// Replaces codes by labels.
    ///
    /// # Errors
    /// The codes that no mask may hold, each with its number of pixels.
    pub fn apply(&self, mask: &mut GrayImage) -> Result<(), Vec<(u8, u64)>> {
        let unknown = self.unknown_of(&found_codes(mask.as_raw()));
        if !unknown.is_empty() {
            return Err(unknown);
        }
        for pixel in mask.iter_mut() {
            *pixel = self.table[usize::from(*pixel)];
        }
        Ok(())
    }
}

/// A code and its pixels.
pub(crate) type CodeCount = (u8, u64);

/// The codes that occur, ascending, with their pixels.
pub(crate) fn found_codes(pixels: &[u8]) -> Vec<CodeCount> {
    (0u8..=255).zip(count_values(pixels)).filter(|&(_, count)| count > 0).collect()
}

/// How often each value of a mask occurs.
pub(crate) fn count_codes(mask: &GrayImage) -> [u64; 256] {
    count_values(mask.as_raw())
}

fn count_values(pixels: &[u8]) -> [u64; 256] {
    let mut counts = [[0; 256]; 4];
    let mut pixels = pixels.chunks_exact(4);
    for four in &mut pixels {
        for (count, &value) in counts.iter_mut().zip(four) {
            count[usize::from(value)] += 1;
        }
    }
    for &value in pixels.remainder() {
        counts[0][usize::from(value)] += 1;
    }
    std::array::from_fn(|value| counts.iter().map(|count| count[value]).sum())
}
