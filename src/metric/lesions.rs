//! Lesions as connected regions of a mask.
//!
//! Metrics Reloaded (Maier-Hein, Reinke et al. 2024, Nature Methods 21:195-212) counts what is found by lesion where an
//! image can have several: pixels let a large one hide that a small one was missed.

/// How many lesions truth and prediction have, and how many meet one of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lesions {
    /// Of the truth.
    pub truth: usize,
    /// Of these, such as share a pixel with the prediction.
    pub found: usize,
    /// Of the prediction.
    pub predicted: usize,
    /// Of these, such as share a pixel with the truth.
    pub right: usize,
}

impl Lesions {
    /// Of two masks of `width` pixels a row. Pixels that touch by side or corner are of one lesion.
    pub(super) fn new(prediction: &[bool], truth: &[bool], width: usize) -> Self {
        let (truth_lesions, found) = meeting(truth, prediction, width);
        let (predicted, right) = meeting(prediction, truth, width);
        Self { truth: truth_lesions, found, predicted, right }
    }
}

/// How many regions a mask has, and how many of these share a pixel with another.
fn meeting(mask: &[bool], other: &[bool], width: usize) -> (usize, usize) {
    let regions = regions(mask, width);
    let meeting = regions.iter().filter(|pixels| pixels.iter().any(|&pixel| other[pixel])).count();
    (regions.len(), meeting)
}

/// The pixels of each region of a mask of `width` pixels a row, in the order of its first pixel. Pixels that touch by side or
/// corner are of one region.
pub fn regions(mask: &[bool], width: usize) -> Vec<Vec<usize>> {
    let mut seen = vec![false; mask.len()];
    let mut regions = Vec::new();
    for start in 0..mask.len() {
        if !mask[start] || seen[start] {
            continue;
        }
        seen[start] = true;
        let mut pixels = vec![start];
        let mut at = 0;
        while let Some(&pixel) = pixels.get(at) {
            at += 1;
            let (x, y) = (pixel % width, pixel / width);
            for row in y.saturating_sub(1)..=y + 1 {
                for column in x.saturating_sub(1)..=(x + 1).min(width - 1) {
                    let next = row * width + column;
                    if mask.get(next).copied().unwrap_or(false) && !seen[next] {
                        seen[next] = true;
                        pixels.push(next);
                    }
                }
            }
        }
        regions.push(pixels);
    }
    regions
}

#[cfg(test)]
mod tests {
    use std::cell::OnceCell;

    use serde::Deserialize;

    use crate::metric::{ClassPixels, Counts, EmptyRule, MetricKind};

    #[derive(Deserialize)]
    struct Fixture {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        width: usize,
        prediction: String,
        truth: String,
        tolerance: f64,
        nsd: f64,
        recall: Option<f64>,
        precision: Option<f64>,
    }

    #[test]
    fn lesions_and_near_outlines_are_those_of_scipy() {
        let text = std::fs::read_to_string(crate::testing::fixture("lesions.json")).unwrap();
        let Fixture { cases } = serde_json::from_str(&text).unwrap();
        assert!(cases.len() >= 20);
        for Case { width, prediction, truth, tolerance, nsd, recall, precision } in cases {
            let pixels = |text: &str| text.bytes().map(|pixel| u8::from(pixel == b'#')).collect();
            let (predicted, truth): (Vec<u8>, Vec<u8>) = (pixels(&prediction), pixels(&truth));
            let count = |is: fn(u8, u8) -> bool| {
                predicted.iter().zip(&truth).filter(|(p, t)| is(**p, **t)).count() as u64
            };
            let counts = Counts {
                tp: count(|p, t| p == 1 && t == 1),
                fp: count(|p, t| p == 1 && t == 0),
                fn_: count(|p, t| p == 0 && t == 1),
                tn: count(|p, t| p == 0 && t == 0),
            };
            let class = ClassPixels {
                prediction: &predicted,
                truth: &truth,
                width,
                height: truth.len() / width,
                class: 1,
                probabilities: None,
                tolerance_px: tolerance,
                missed_px: None,
                counts,
                distances: OnceCell::new(),
                lesions: OnceCell::new(),
            };
            let measured = class.measured(&[MetricKind::Nsd]);
            let of = |kind: MetricKind| {
                kind.of_case(&counts, measured.get(&kind).copied(), EmptyRule::One)
            };
            let expected = [
                (MetricKind::Nsd, Some(nsd)),
                (MetricKind::LesionRecall, recall),
                (MetricKind::LesionPrecision, precision),
            ];
            for (kind, expected) in expected {
                let close = match (of(kind), expected) {
                    (Some(found), Some(expected)) => (found - expected).abs() < 1e-12,
                    (found, expected) => found == expected,
                };
                assert!(close, "{kind:?}: {:?}, not {expected:?}: {prediction}", of(kind));
            }
        }
    }
}
