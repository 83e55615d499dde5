//! What another threshold would have made of the pixels of a split.

use super::by_run::{self, Drawn};
use super::curves::Curve;
use super::names;
use crate::error::Result;
use crate::record::{ClassReliability, PixelReliability, Record};
use crate::split_name::SplitName;

/// Charts of Dice over all pixels of a split by the threshold, for one foreground, before post-processing: a line for each run,
/// test first.
///
/// # Errors
/// When plotters cannot draw.
pub(super) fn curves(records: &[Record], labels: &[String]) -> Result<Vec<Curve>> {
    let splits = records.iter().flat_map(|record| record.reliability.iter());
    let splits = splits.filter(|row| foreground(row).is_some()).map(|row| row.split);
    let of_split = |split: SplitName| {
        let drawn = Drawn {
            title: format!("{}: Dice of all pixels by threshold", names::split(split)),
            name: format!("{split}.threshold"),
            axes: ["Threshold of the probability", "Dice, pixels pooled"],
        };
        by_run::chart(records, labels, drawn, |record, label| {
            let row = record.reliability.iter().find(|row| row.split == split)?;
            let points = dice_by_threshold(foreground(row)?);
            let chosen = record.threshold();
            Some((points, format!("{label}: evaluated at {chosen:.2}")))
        })
    };
    names::splits(splits).into_iter().map(of_split).collect()
}

/// The one foreground of a split.
fn foreground(row: &PixelReliability) -> Option<&ClassReliability> {
    match row.classes.as_slice() {
        [only] if row.pixels > 0 => Some(only),
        _ => None,
    }
}

/// Dice at the lower end of each bin of the probability: pixels above it are predicted.
fn dice_by_threshold(class: &ClassReliability) -> Vec<(f64, f64)> {
    let bins = class.bins.as_slice();
    let all: u64 = bins.iter().map(|bin| bin.of_class).sum();
    let at = |first: usize| {
        let found: u64 = bins[first..].iter().map(|bin| bin.of_class).sum();
        let predicted: u64 = bins[first..].iter().map(|bin| bin.pixels).sum();
        let dice = if all + predicted == 0 {
            f64::NAN
        } else {
            2.0 * found as f64 / (all + predicted) as f64
        };
        (first as f64 / bins.len() as f64, dice)
    };
    (0..bins.len()).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ReliabilityBin;

    #[test]
    fn dice_at_a_threshold_is_that_of_the_pixels_above_it() {
        let bin = |pixels, of_class| ReliabilityBin { pixels, of_class, probability: 0.0 };
        let bins = vec![bin(70, 2), bin(10, 3), bin(20, 15)];
        let found = dice_by_threshold(&ClassReliability { class: "lesion".into(), bins });
        let expected = [40.0 / 120.0, 36.0 / 50.0, 30.0 / 40.0];
        for ((at, (x, dice)), expected) in (0..).zip(found).zip(expected) {
            assert_eq!(x, f64::from(at) / 3.0);
            assert!((dice - expected).abs() < 1e-12);
        }
    }
}
