//! Whether probabilities of images are right as often as they say.

use serde::Serialize;

use super::charts::{Chart, Line, draw};
use super::curves::Curve;
use super::images::scores_of;
use super::names;
use crate::error::Result;
use crate::evaluate::ImageScore;
use crate::record::Record;
use crate::split_name::SplitName;

/// Bins of equal width between 0 and 1.
const BINS: usize = 10;

/// How far probabilities of a run's split are from what happens.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Calibration {
    /// Label of the run.
    pub run: String,
    /// The split.
    pub split: SplitName,
    /// Images.
    pub images: usize,
    /// Mean over images of the sum over classes of the squared distance of probability and truth (Brier 1950); of two
    /// classes half of it, as scikit-learn's `brier_score_loss`.
    pub brier: f64,
    /// Expected calibration error: the distance of confidence and accuracy in 10 bins of the confidence, by their images
    /// (Guo et al. 2017).
    pub ece: f64,
    /// Mean confidence in the predicted class less accuracy: positive where the network is too sure.
    pub over_confidence: f64,
}

/// Images of a bin: how many, the sum of their confidence, and how many are predicted correctly.
#[derive(Clone, Copy, Default)]
struct Bin {
    images: f64,
    confidence: f64,
    right: f64,
}

/// The numbers of every run and split that has images, test first.
pub(super) fn table(records: &[Record], labels: &[String]) -> Vec<Calibration> {
    let splits = records.iter().flat_map(|record| record.scores.iter().map(|row| row.split));
    let of_split = |split: SplitName| {
        let of_run = move |(record, label): (&Record, &String)| {
            let scores = scores_of(record, split);
            (!scores.is_empty()).then(|| calibration(label, split, &scores))
        };
        records.iter().zip(labels).filter_map(of_run).collect::<Vec<_>>()
    };
    names::splits(splits).into_iter().flat_map(of_split).collect()
}

fn calibration(label: &str, split: SplitName, scores: &[ImageScore]) -> Calibration {
    let n = scores.len() as f64;
    let of_image = |score: &ImageScore| {
        let classes = score.probabilities.iter().enumerate();
        let squares = classes.map(|(class, &p)| {
            let truth = f64::from(u8::from(class == score.truth));
            (f64::from(p) - truth).powi(2)
        });
        let sum: f64 = squares.sum();
        if score.probabilities.len() == 2 { sum / 2.0 } else { sum }
    };
    let bins = bins(scores);
    let gap = |bin: &Bin| (bin.confidence - bin.right).abs() / n;
    let sum = |of: fn(&Bin) -> f64| bins.iter().map(of).sum::<f64>();
    Calibration {
        run: label.to_owned(),
        split,
        images: scores.len(),
        brier: scores.iter().map(of_image).sum::<f64>() / n,
        ece: bins.iter().map(gap).sum(),
        over_confidence: (sum(|bin| bin.confidence) - sum(|bin| bin.right)) / n,
    }
}

/// Images by their confidence: the highest of their probabilities, whose class is right or not.
fn bins(scores: &[ImageScore]) -> [Bin; BINS] {
    let mut bins = [Bin::default(); BINS];
    for score in scores {
        let classes = score.probabilities.iter().enumerate();
        let Some((class, &p)) = classes.max_by(|a, b| a.1.total_cmp(b.1)) else { continue };
        let p = f64::from(p);
        let bin = &mut bins[((p * BINS as f64).ceil() as usize).clamp(1, BINS) - 1];
        bin.images += 1.0;
        bin.confidence += p;
        bin.right += f64::from(u8::from(class == score.truth));
    }
    bins
}

/// Reliability diagrams: accuracy over confidence, a line for each run; test first.
///
/// # Errors
/// When plotters cannot draw.
pub(super) fn diagrams(records: &[Record], labels: &[String]) -> Result<Vec<Curve>> {
    let splits = records.iter().flat_map(|record| record.scores.iter().map(|row| row.split));
    let mut diagrams = Vec::new();
    for split in names::splits(splits) {
        let mut lines = Vec::new();
        let mut described = Vec::new();
        for (run, (record, label)) in records.iter().zip(labels).enumerate() {
            let scores = scores_of(record, split);
            if scores.is_empty() {
                continue;
            }
            let filled = bins(&scores).into_iter().filter(|bin| bin.images > 0.0);
            let points: Vec<(f64, f64)> =
                filled.map(|bin| (bin.confidence / bin.images, bin.right / bin.images)).collect();
            described.push(format!("{label}, {} bins with images", points.len()));
            lines.push(Line { run, dashed: false, points, marked: None });
        }
        let title = format!("{}: reliability", names::split(split));
        let description = format!("{title}. {}.", described.join("; "));
        let chart = Chart {
            description: &description,
            x_label: "Confidence",
            y_label: "Share predicted correctly",
            whole_x: false,
            y_ends: Some((0.0, 1.02)),
            lines,
        };
        diagrams.push(Curve { svg: draw(&chart)?, title, name: format!("{split}.reliability") });
    }
    Ok(diagrams)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(truth: usize, p: f32) -> ImageScore {
        ImageScore { truth, probabilities: vec![1.0 - p, p], ..ImageScore::default() }
    }

    #[test]
    fn numbers_are_those_computed_by_hand() {
        // Confidence 0.75, 0.75, 0.625 and 0.875, of which the second is wrong.
        let scores = [score(1, 0.75), score(0, 0.75), score(0, 0.375), score(1, 0.875)];
        let found = calibration("a", SplitName::Test, &scores);
        let brier = (0.0625 + 0.5625 + 0.140625 + 0.015625) / 4.0;
        assert!((found.brier - brier).abs() < 1e-12);
        // Of each bin the sum of confidence less how many are right: two at 0.75, one at 0.625, one at 0.875.
        let ece = ((1.5_f64 - 1.0).abs() + (0.625_f64 - 1.0).abs() + (0.875_f64 - 1.0).abs()) / 4.0;
        assert!((found.ece - ece).abs() < 1e-12);
        assert!((found.over_confidence - (3.0 - 3.0) / 4.0).abs() < 1e-12);
    }

    #[test]
    fn of_several_classes_the_squares_of_all_count() {
        let score =
            ImageScore { truth: 2, probabilities: vec![0.5, 0.25, 0.25], ..ImageScore::default() };
        let found = calibration("a", SplitName::Test, &[score]);
        assert!((found.brier - (0.25 + 0.0625 + 0.5625)).abs() < 1e-12);
        assert!((found.over_confidence - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_confidence_of_1_has_a_bin() {
        let bins = bins(&[score(1, 1.0), score(1, 0.0)]);
        assert_eq!((bins[9].images, bins[9].right), (2.0, 1.0));
    }
}
