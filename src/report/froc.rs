//! How many lesions are found at how many false ones an image.

use serde::Serialize;

use super::by_run::{self, Drawn};
use super::curves::Curve;
use super::names;
use crate::error::Result;
use crate::record::{Froc, FrocPoint, Record};
use crate::split_name::SplitName;

/// False lesions an image at which the share of lesions that are found is given, as in the LUNA16 challenge up to 2.
pub(super) const FALSE_AN_IMAGE: [f64; 5] = [0.125, 0.25, 0.5, 1.0, 2.0];

/// Lesions of a run's split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Found {
    /// Label of the run.
    pub run: String,
    /// The split.
    pub split: SplitName,
    /// Images.
    pub images: u64,
    /// Lesions of the truth.
    pub lesions: u64,
    /// The share of them that is found at each of [`FALSE_AN_IMAGE`]: the highest of a threshold with at most as many.
    pub shares: [f64; FALSE_AN_IMAGE.len()],
}

/// The numbers of every run and split with a lesion, test first.
pub(super) fn table(records: &[Record], labels: &[String]) -> Vec<Found> {
    by_run::rows(records, labels, splits(records).into_iter(), |record, label, split| {
        let froc = of(record, split)?;
        let curve = points(froc);
        let at = |most: &f64| {
            let within = curve.iter().filter(|(false_lesions, _)| false_lesions <= most);
            within.map(|(_, share)| *share).fold(0.0, f64::max)
        };
        Some(Found {
            run: label.to_owned(),
            split,
            images: froc.images,
            lesions: froc.lesions,
            shares: FALSE_AN_IMAGE.each_ref().map(at),
        })
    })
}

/// The splits in which a run has a lesion, test first.
fn splits(records: &[Record]) -> Vec<SplitName> {
    let recorded = |record: &Record| record.froc.iter().map(|froc| froc.split).collect::<Vec<_>>();
    let mut splits = names::splits(records.iter().flat_map(recorded));
    splits.retain(|split| records.iter().any(|record| of(record, *split).is_some()));
    splits
}

fn of(record: &Record, split: SplitName) -> Option<&Froc> {
    record.froc.iter().find(|froc| froc.split == split && froc.lesions > 0 && froc.images > 0)
}

/// False lesions an image and the share of lesions that is found, by falling threshold.
fn points(froc: &Froc) -> Vec<(f64, f64)> {
    let point = |point: &FrocPoint| {
        let false_lesions = point.false_lesions as f64 / froc.images as f64;
        (false_lesions, point.found as f64 / froc.lesions as f64)
    };
    froc.points.iter().rev().map(point).collect()
}

/// A curve for each split with a line for each run, test first.
///
/// # Errors
/// When plotters cannot draw.
pub(super) fn curves(records: &[Record], labels: &[String]) -> Result<Vec<Curve>> {
    let of_split = |split: SplitName| {
        let drawn = Drawn {
            title: format!("{}: lesions found", names::split(split)),
            name: format!("{split}.froc"),
            axes: ["False lesions an image", "Share of lesions found"],
        };
        by_run::chart(records, labels, drawn, |record, label| {
            let froc = of(record, split)?;
            Some((points(froc), format!("{label}: {} thresholds", froc.points.len())))
        })
    };
    splits(records).into_iter().map(of_split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_the_best_threshold_with_as_few_false_lesions() {
        let point = |threshold, found, false_lesions| FrocPoint { threshold, found, false_lesions };
        let froc = Froc {
            split: SplitName::Test,
            images: 8,
            lesions: 10,
            // A lower threshold joins two regions, so that fewer are false.
            points: vec![point(0.25, 9, 7), point(0.5, 8, 8), point(0.75, 6, 2), point(0.95, 3, 0)],
        };
        let record = Record { froc: vec![froc], ..Record::default() };
        let found = table(std::slice::from_ref(&record), &["run".into()]);
        assert_eq!(found[0].shares, [0.3, 0.6, 0.6, 0.9, 0.9]);
        assert_eq!(curves(&[record], &["run".into()]).unwrap().len(), 1);
        let none = Record { froc: vec![Froc::default()], ..Record::default() };
        assert!(table(&[none], &["run".into()]).is_empty());
    }
}
