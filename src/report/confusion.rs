//! Confusion matrices as tables.

use serde::Serialize;

use super::names;
use crate::record::{Confusion, Record, Task};
use crate::split_name::SplitName;

/// A confusion matrix with the share of each cell in its row.
#[derive(Serialize)]
pub(super) struct ConfusionView {
    split: SplitName,
    /// What is counted.
    unit: &'static str,
    /// Whether it is of the first split that has one.
    first: bool,
    classes: Vec<String>,
    rows: Vec<ConfusionRow>,
}

#[derive(Serialize)]
struct ConfusionRow {
    class: String,
    total: u64,
    cells: Vec<ConfusionCell>,
}

#[derive(Serialize)]
struct ConfusionCell {
    count: u64,
    part: f64,
    agree: bool,
}

/// The matrices, test first.
pub(super) fn confusions(record: &Record) -> Vec<ConfusionView> {
    let of_images = |one: &Confusion| {
        record.summary.task == Task::Classify || one.classes == record.summary.image_classes
    };
    let mut views: Vec<ConfusionView> =
        record.confusion.iter().map(|one| confusion(one, of_images(one))).collect();
    views.sort_by_key(|view| names::split_rank(view.split));
    if let Some(first) = views.first().map(|view| view.split) {
        views.iter_mut().for_each(|view| view.first = view.split == first);
    }
    views
}

fn confusion(confusion: &Confusion, of_images: bool) -> ConfusionView {
    let rows = confusion
        .matrix
        .iter()
        .zip(&confusion.classes)
        .enumerate()
        .map(|(truth, (counts, class))| {
            let total: u64 = counts.iter().sum();
            let cell = |(predicted, &count): (usize, &u64)| ConfusionCell {
                count,
                part: count as f64 / total as f64,
                agree: truth == predicted,
            };
            ConfusionRow {
                class: class.clone(),
                total,
                cells: counts.iter().enumerate().map(cell).collect(),
            }
        })
        .collect();
    ConfusionView {
        split: confusion.split,
        unit: if of_images { "Images" } else { "Pixels" },
        first: false,
        classes: confusion.classes.clone(),
        rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_a_confusion_matrix_are_parts_of_their_row() {
        let view = confusion(
            &Confusion {
                split: SplitName::Test,
                classes: vec!["a".into(), "b".into()],
                matrix: vec![vec![3, 1], vec![0, 0]],
            },
            false,
        );
        assert_eq!((view.rows[0].total, view.rows[0].cells[0].part), (4, 0.75));
        assert!(view.rows[1].cells[0].part.is_nan(), "a class without pixels has no parts");
    }
}
