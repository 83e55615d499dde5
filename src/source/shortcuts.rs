//! Numbers of an image's pixels that give its class away, whatever it shows.
//!
//! A class that was exported in another way is learned by that way: a shortcut (Geirhos et al. 2020, *Nature
//! Machine Intelligence* 2:665).

use super::picture_values::PictureValues;
use crate::finding::{Finding, FindingKind};

/// Fewest images of a class, and of the others together, that are compared.
const FEWEST_IMAGES: usize = 5;

/// One number of an image.
struct Number {
    name: &'static str,
    /// The least difference between classes that counts.
    least_gap: f64,
    of: fn(&PictureValues) -> Option<f64>,
}

const NUMBERS: [Number; 6] = [
    Number {
        name: "bits of the greatest stored value",
        least_gap: 0.5,
        of: |v| v.deep.as_ref().map(|deep| (deep.greatest.max(0.0) + 1.0).log2()),
    },
    Number { name: "darkest pixels", least_gap: 4.0, of: |v| Some(f64::from(v.tones.dark)) },
    Number { name: "brightest pixels", least_gap: 4.0, of: |v| Some(f64::from(v.tones.bright)) },
    Number { name: "mean brightness", least_gap: 4.0, of: |v| Some(v.tones.mean) },
    Number { name: "number of levels", least_gap: 8.0, of: |v| Some(f64::from(v.tones.levels)) },
    Number { name: "mean chroma", least_gap: 2.0, of: |v| Some(v.tones.chroma) },
];

/// The least and the greatest of some numbers.
#[derive(Clone, Copy)]
struct Range(f64, f64);

impl Range {
    fn of(numbers: &[f64]) -> Self {
        let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        Self(least, numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max))
    }

    /// Whether two lie further apart than either is wide.
    fn lies_far_from(self, other: Self, least_gap: f64) -> bool {
        let gap = (self.0 - other.1).max(other.0 - self.1);
        gap >= least_gap && gap > (self.1 - self.0).max(other.1 - other.0)
    }

    fn words(self) -> String {
        format!("{:.0} to {:.0}", self.0, self.1)
    }
}

/// Images of a class that one number separates from all others, and by far.
pub(super) fn shortcuts(images: &[(&str, &PictureValues)]) -> Option<Finding> {
    let mut labels: Vec<&str> = images.iter().map(|(label, _)| *label).collect();
    labels.sort_unstable();
    labels.dedup();
    let named = |number: &Number| {
        labels.iter().find_map(|label| {
            let (of, others): (Vec<_>, Vec<_>) = images.iter().partition(|(of, _)| of == label);
            let numbers = |of: Vec<&(&str, &PictureValues)>| -> Option<Vec<f64>> {
                of.into_iter().map(|(_, values)| (number.of)(values)).collect()
            };
            let (of, others) = (numbers(of)?, numbers(others)?);
            if of.len().min(others.len()) < FEWEST_IMAGES {
                return None;
            }
            let (of, others) = (Range::of(&of), Range::of(&others));
            of.lies_far_from(others, number.least_gap).then(|| {
                format!("{}: {label} {}, others {}", number.name, of.words(), others.words())
            })
        })
    };
    let names: Vec<String> = NUMBERS.iter().filter_map(named).collect();
    let what = "images that give their class away by how they were stored, whatever they show";
    (!names.is_empty()).then(|| {
        Finding::warning(FindingKind::Shortcut, what)
            .naming_all(names)
            .remedy("export the images of all classes alike")
    })
}
