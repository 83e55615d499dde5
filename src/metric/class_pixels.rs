//! One class of one case, as metrics of pixels see it.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::lesions::Lesions;
use super::surface::{self, Distances};
use super::{Counts, IGNORE, MetricKind};

/// Truth and prediction of one case, and the class of it that is compared with all others.
#[derive(Clone, Debug)]
pub struct ClassPixels<'a> {
    /// Class of each pixel of the prediction, row by row.
    pub prediction: &'a [u8],
    /// Class of each pixel of the truth; [`IGNORE`] takes no part.
    pub truth: &'a [u8],
    /// Width, in pixels.
    pub width: usize,
    /// Height, in pixels.
    pub height: usize,
    /// The class.
    pub class: usize,
    /// The probability of the class at each pixel; `None` where only the prediction is known.
    pub probabilities: Option<&'a [f32]>,
    /// Pixels, the class against all others.
    pub counts: Counts,
    /// How near outlines have to be to count as equal, in pixels.
    pub tolerance_px: f64,
    /// What surface distances are where one mask alone is empty; `None` where they are undefined.
    pub missed_px: Option<f64>,
    /// Measured once for all metrics that are made of them.
    pub distances: OnceCell<Option<Distances>>,
    /// The same.
    pub lesions: OnceCell<Lesions>,
}

impl ClassPixels<'_> {
    /// The values of metrics that are no function of counts, without those that are undefined: of all that need the same
    /// as one of `metrics`, masks or probabilities.
    pub fn measured(&self, metrics: &[MetricKind]) -> BTreeMap<MetricKind, f64> {
        if self.counts.total() == 0 {
            return BTreeMap::new();
        }
        let needed = |kind: &MetricKind| metrics.iter().any(|asked| asked.needs() == kind.needs());
        let kinds = MetricKind::measured().filter(needed);
        kinds.filter_map(|kind| Some((kind, kind.measure(self)?))).collect()
    }

    /// Distances between the outlines of the class in prediction and truth; `None` where one alone lacks it. Ignored
    /// pixels belong to neither.
    pub fn distances(&self) -> Option<&Distances> {
        let measured = self.distances.get_or_init(|| {
            if self.counts.absent() {
                return Some(Distances::default());
            }
            let (prediction, truth) = self.masks();
            surface::distances(&prediction, &truth, self.width, self.height)
        });
        measured.as_ref()
    }

    /// The regions of the class in prediction and truth. Ignored pixels belong to neither.
    pub fn lesions(&self) -> &Lesions {
        self.lesions.get_or_init(|| {
            let (prediction, truth) = self.masks();
            Lesions::new(&prediction, &truth, self.width)
        })
    }

    /// Sums over the labelled pixels: of the probabilities of the class where it is the truth, of all its probabilities, and
    /// the number of its pixels in the truth. `None` without probabilities, or where one is no number.
    pub(super) fn sums_of_probabilities(&self) -> Option<[f64; 3]> {
        let labelled = self.probabilities?.iter().zip(self.truth).filter(|(_, t)| **t != IGNORE);
        let (mut both, mut predicted, mut truth) = (0.0, 0.0, 0.0);
        for (&probability, &class) in labelled {
            let probability = f64::from(probability);
            predicted += probability;
            if usize::from(class) == self.class {
                both += probability;
                truth += 1.0;
            }
        }
        (!predicted.is_nan()).then_some([both, predicted, truth])
    }

    /// The pixels of the class in prediction and truth.
    fn masks(&self) -> (Vec<bool>, Vec<bool>) {
        let is_class = |&value: &u8| usize::from(value) == self.class;
        let pixels = self.prediction.iter().zip(self.truth);
        let predicted = pixels.map(|(p, &t)| t != IGNORE && is_class(p)).collect();
        (predicted, self.truth.iter().map(is_class).collect())
    }
}

#[cfg(test)]
impl<'a> ClassPixels<'a> {
    /// A row of pixels whose counts no test looks at.
    pub(super) fn of_masks(prediction: &'a [u8], truth: &'a [u8], class: usize) -> Self {
        Self {
            prediction,
            truth,
            width: truth.len(),
            height: 1,
            class,
            probabilities: None,
            counts: Counts::default(),
            tolerance_px: 2.0,
            missed_px: None,
            distances: OnceCell::new(),
            lesions: OnceCell::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_pixels_belong_to_neither_mask() {
        let pixels = ClassPixels::of_masks(&[2, 2, 1, 2], &[2, IGNORE, 2, 1], 2);
        let (prediction, truth) = pixels.masks();
        assert_eq!(prediction, [true, false, false, true]);
        assert_eq!(truth, [true, false, true, false]);
    }
}
