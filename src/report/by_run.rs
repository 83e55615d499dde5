//! What is shown of each run for each split.

use super::charts::{Chart, Line};
use super::curves::Curve;
use super::names;
use crate::error::Result;
use crate::record::Record;
use crate::split_name::SplitName;

/// The rows of a table: of each of the splits, test first, those of each run.
pub(super) fn rows<'a, T, I: IntoIterator<Item = T>>(
    records: &'a [Record],
    labels: &'a [String],
    splits: impl Iterator<Item = SplitName>,
    of_run: impl Fn(&'a Record, &'a str, SplitName) -> I,
) -> Vec<T> {
    let mut rows = Vec::new();
    for split in names::splits(splits) {
        for (record, label) in records.iter().zip(labels) {
            rows.extend(of_run(record, label, split));
        }
    }
    rows
}

/// What a chart with a line for each run is called.
pub(super) struct Drawn<'a> {
    /// Its title.
    pub title: String,
    /// Its name in the page.
    pub name: String,
    /// What the axes are.
    pub axes: [&'a str; 2],
}

/// A chart of shares with a line for each run that has points; with them comes what they are of, which the description says.
///
/// # Errors
/// When plotters cannot draw.
pub(super) fn chart(
    records: &[Record],
    labels: &[String],
    Drawn { title, name, axes: [x_label, y_label] }: Drawn,
    points: impl Fn(&Record, &str) -> Option<(Vec<(f64, f64)>, String)>,
) -> Result<Curve> {
    let (mut lines, mut described) = (Vec::new(), Vec::new());
    for (run, (record, label)) in records.iter().zip(labels).enumerate() {
        if let Some((points, of)) = points(record, label) {
            described.push(of);
            let name = label.clone();
            lines.push(Line::plain(name, run, points));
        }
    }
    let description = format!("{title}. {}.", described.join("; "));
    let chart = Chart {
        description: &description,
        x_label,
        y_label,
        whole_x: false,
        y_ends: Some((0.0, 1.02)),
        lines,
    };
    Curve::new(title.clone(), name, &chart)
}
