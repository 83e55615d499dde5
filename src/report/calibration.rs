//! Whether probabilities of images and pixels are right as often as they say.

use serde::Serialize;

use super::by_run::{self, Drawn};
use super::curves::Curve;
use super::images::scores_of;
use super::names;
use crate::error::Result;
use crate::evaluate::ImageScore;
use crate::evaluate::reliability::{BINS, bin_of};
use crate::record::{ClassReliability, PixelReliability, Record, ReliabilityBin};
use crate::split_name::SplitName;

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

/// How far probabilities of the pixels of a run's split are from what happens.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct PixelCalibration {
    /// Label of the run.
    pub run: String,
    /// The split.
    pub split: SplitName,
    /// Labelled pixels.
    pub pixels: u64,
    /// Mean over pixels of the squared distance of probability and truth, of several classes summed over them (Brier 1950).
    pub brier: f64,
    /// Expected calibration error, of several classes their mean: the distance of mean probability and share of the class in
    /// 10 bins of the probability, by their pixels.
    pub ece: f64,
    /// The same with all bins that have pixels counting alike, which background does not drown.
    pub ace: f64,
}

/// The numbers of the pixels of every run and split, test first.
pub(super) fn pixel_table(records: &[Record], labels: &[String]) -> Vec<PixelCalibration> {
    by_run::rows(records, labels, splits_of_pixels(records), |record, label, split| {
        pixels_of(record, split).map(|row| pixel_calibration(label, row))
    })
}

fn splits_of_pixels(records: &[Record]) -> impl Iterator<Item = SplitName> {
    records.iter().flat_map(|record| record.reliability.iter().map(|row| row.split))
}

fn pixels_of(record: &Record, split: SplitName) -> Option<&PixelReliability> {
    record.reliability.iter().find(|row| row.split == split && row.pixels > 0)
}

fn pixel_calibration(label: &str, row: &PixelReliability) -> PixelCalibration {
    let filled = |class: &ClassReliability| -> Vec<ReliabilityBin> {
        class.bins.iter().filter(|bin| bin.pixels > 0).copied().collect()
    };
    let gap = |bin: &ReliabilityBin| (bin.probability - bin.of_class as f64).abs();
    let expected =
        |class: &ClassReliability| filled(class).iter().map(gap).sum::<f64>() / row.pixels as f64;
    let average = |class: &ClassReliability| {
        let bins = filled(class);
        let gaps = bins.iter().map(|bin| gap(bin) / bin.pixels as f64);
        gaps.sum::<f64>() / bins.len().max(1) as f64
    };
    let classes = row.classes.len().max(1) as f64;
    PixelCalibration {
        run: label.to_owned(),
        split: row.split,
        pixels: row.pixels,
        brier: row.brier,
        ece: row.classes.iter().map(expected).sum::<f64>() / classes,
        ace: row.classes.iter().map(average).sum::<f64>() / classes,
    }
}

/// Reliability diagrams of pixels: the share of a class over its probability, all classes together, a line for each run;
/// test first.
///
/// # Errors
/// When plotters cannot draw.
pub(super) fn pixel_diagrams(records: &[Record], labels: &[String]) -> Result<Vec<Curve>> {
    let of_split = |split: SplitName| {
        let drawn = Drawn {
            title: format!("{}: reliability of pixels", names::split(split)),
            name: format!("{split}.reliability.pixels"),
            axes: ["Probability of the class", "Share of pixels that are of it"],
        };
        by_run::chart(records, labels, drawn, |record, label| {
            let row = pixels_of(record, split)?;
            let bins = row.classes.iter().map(|class| class.bins.len()).max().unwrap_or(0);
            let of_all = |place: usize| {
                let bins = row.classes.iter().filter_map(|class| class.bins.get(place));
                bins.fold(ReliabilityBin::default(), |sum, &bin| sum + bin)
            };
            let filled = (0..bins).map(of_all).filter(|bin| bin.pixels > 0);
            let point = |bin: ReliabilityBin| {
                let pixels = bin.pixels as f64;
                (bin.probability / pixels, bin.of_class as f64 / pixels)
            };
            let points: Vec<(f64, f64)> = filled.map(point).collect();
            let of = format!("{label}, {} bins with pixels", points.len());
            Some((points, of))
        })
    };
    names::splits(splits_of_pixels(records)).into_iter().map(of_split).collect()
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
    by_run::rows(records, labels, splits_of_images(records), |record, label, split| {
        let scores = scores_of(record, split);
        (!scores.is_empty()).then(|| calibration(label, split, &scores))
    })
}

fn splits_of_images(records: &[Record]) -> impl Iterator<Item = SplitName> {
    records.iter().flat_map(|record| record.scores.iter().map(|row| row.split))
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
        let bin = &mut bins[bin_of(p)];
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
    let of_split = |split: SplitName| {
        let drawn = Drawn {
            title: format!("{}: reliability", names::split(split)),
            name: format!("{split}.reliability"),
            axes: ["Confidence", "Share predicted correctly"],
        };
        by_run::chart(records, labels, drawn, |record, label| {
            let scores = scores_of(record, split);
            if scores.is_empty() {
                return None;
            }
            let filled = bins(&scores).into_iter().filter(|bin| bin.images > 0.0);
            let points: Vec<(f64, f64)> =
                filled.map(|bin| (bin.confidence / bin.images, bin.right / bin.images)).collect();
            let of = format!("{label}, {} bins with images", points.len());
            Some((points, of))
        })
    };
    names::splits(splits_of_images(records)).into_iter().map(of_split).collect()
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
    fn of_pixels_the_error_is_that_of_the_bins_and_folds_add_up() {
        let bin = |pixels, probability, of_class| ReliabilityBin { pixels, probability, of_class };
        let part = |bins: &[ReliabilityBin], brier| PixelReliability {
            split: SplitName::Test,
            pixels: bins.iter().map(|bin| bin.pixels).sum(),
            brier,
            classes: vec![ClassReliability { class: "lesion".into(), bins: bins.to_vec() }],
        };
        // 90 pixels at 0.02 of which none is lesion, and 10 at 0.9 of which 5 are.
        let first = part(&[bin(60, 1.2, 0), bin(4, 3.6, 3)], 0.05);
        let second = part(&[bin(30, 0.6, 0), bin(6, 5.4, 2)], 0.1);
        let both = first.united(second);
        assert!((both.brier - (64.0 * 0.05 + 36.0 * 0.1) / 100.0).abs() < 1e-12);
        let found = pixel_calibration("a", &both);
        assert!((found.ece - (1.8 + 4.0) / 100.0).abs() < 1e-12);
        assert!((found.ace - (0.02 + 0.4) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_confidence_of_1_has_a_bin() {
        let bins = bins(&[score(1, 1.0), score(1, 0.0)]);
        assert_eq!((bins[9].images, bins[9].right), (2.0, 1.0));
    }
}
