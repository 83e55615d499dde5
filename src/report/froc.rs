//! How many lesions are found at how many false ones an image.

use serde::Serialize;

use super::charts::{Chart, Line, draw};
use super::curves::Curve;
use super::names;
use crate::error::Result;
use crate::record::{Froc, Record};
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
    let of_split = |split: SplitName| {
        let of_run = move |(record, label): (&Record, &String)| {
            let froc = of(record, split)?;
            let curve = points(froc);
            let at = |most: &f64| {
                let within = curve.iter().filter(|(false_lesions, _)| false_lesions <= most);
                within.map(|(_, share)| *share).fold(0.0, f64::max)
            };
            Some(Found {
                run: label.clone(),
                split,
                images: froc.images,
                lesions: froc.lesions,
                shares: FALSE_AN_IMAGE.each_ref().map(at),
            })
        };
        records.iter().zip(labels).filter_map(of_run).collect::<Vec<_>>()
    };
    splits(records).into_iter().flat_map(of_split).collect()
}

fn splits(records: &[Record]) -> Vec<SplitName> {
    names::splits(records.iter().flat_map(|record| record.froc.iter().map(|froc| froc.split)))
}

fn of(record: &Record, split: SplitName) -> Option<&Froc> {
    record.froc.iter().find(|froc| froc.split == split && froc.lesions > 0 && froc.images > 0)
}

/// False lesions an image and the share of lesions that is found, by falling threshold.
fn points(froc: &Froc) -> Vec<(f64, f64)> {
    let point = |point: &crate::record::FrocPoint| {
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
    let mut curves = Vec::new();
    for split in splits(records) {
        let mut lines = Vec::new();
        let mut described = Vec::new();
        for (run, (record, label)) in records.iter().zip(labels).enumerate() {
            let Some(froc) = of(record, split) else { continue };
            described.push(format!("{label}: {} thresholds", froc.points.len()));
            lines.push(Line { run, dashed: false, points: points(froc), marked: None });
        }
        if lines.is_empty() {
            continue;
        }
        let title = format!("{}: lesions found", names::split(split));
        let description = format!("{title}. {}.", described.join("; "));
        let chart = Chart {
            description: &description,
            x_label: "False lesions an image",
            y_label: "Share of lesions found",
            whole_x: false,
            y_ends: Some((0.0, 1.02)),
            lines,
        };
        curves.push(Curve { svg: draw(&chart)?, title, name: format!("{split}.froc") });
    }
    Ok(curves)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FrocPoint;

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
