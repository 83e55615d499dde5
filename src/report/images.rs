//! Tables and curves of classified images.

use serde::Serialize;

use super::by_run::{self, Drawn};
use super::cases::ValueOfCase;
use super::curves::Curve;
use super::names;
use crate::error::Result;
use crate::evaluate::{ImageScore, precision_recall_curve, roc_curve};
use crate::figure_name::{FigureName, OF_SECOND_HEAD};
use crate::record::{Figure, Record, ScoreRow, Summary};
use crate::split_name::SplitName;

/// The figures of each class of a split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ClassTable {
    /// The split.
    pub split: SplitName,
    /// The metrics, for people.
    pub metrics: Vec<String>,
    /// One row for each class.
    pub rows: Vec<ClassRow>,
}

/// The figures of a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ClassRow {
    /// The class.
    pub class: String,
    /// Its images.
    pub images: usize,
    /// Figures in the order of the metrics; `None` where not recorded.
    pub cells: Vec<Option<Figure>>,
}

/// Metrics of a class against all others.
const METRICS: [&str; 6] = ["recall", "precision", "specificity", "f1", "auc", "average-precision"];

/// The classes of images; with a second head, those of that head.
pub(super) fn classes(record: &Record) -> &[String] {
    let Summary { classes, image_classes, .. } = &record.summary;
    if image_classes.is_empty() { classes } else { image_classes }
}

/// The prefix of the names of figures of images.
fn prefix(record: &Record) -> &'static str {
    if record.summary.image_classes.is_empty() { "" } else { OF_SECOND_HEAD }
}

/// The tables of a run, test first; none if only pixels have classes.
pub(super) fn class_tables(record: &Record) -> Vec<ClassTable> {
    let prefix = prefix(record);
    let metrics: Vec<&str> = METRICS
        .into_iter()
        .filter(|metric| {
            let begin = format!("{prefix}{metric}.class.");
            record.figures.iter().any(|figure| figure.name.starts_with(&begin))
        })
        .collect();
    splits(record)
        .into_iter()
        .map(|split| {
            let row = |class: &String| ClassRow {
                class: class.clone(),
                images: record
                    .scores
                    .iter()
                    .filter(|row| row.split == split && row.truth == *class)
                    .count(),
                cells: metrics
                    .iter()
                    .map(|metric| {
                        let figure = format!("{prefix}{metric}.class.{class}");
                        record.figure(&FigureName::new(split, figure)).cloned()
                    })
                    .collect(),
            };
            ClassTable {
                metrics: metrics.iter().map(|metric| names::figure(metric)).collect(),
                rows: classes(record).iter().map(row).collect(),
                split,
            }
        })
        .collect()
}

/// The splits that have scores, test first.
fn splits(record: &Record) -> Vec<SplitName> {
    names::splits(record.scores.iter().map(|row| row.split))
}

/// The probability of the true class of each image.
pub(super) fn probabilities(record: &Record) -> Vec<ValueOfCase> {
    record
        .scores
        .iter()
        .map(|row| ValueOfCase {
            split: row.split,
            case: row.case.clone(),
            label: row.truth.clone(),
            value: class_of(record, &row.truth)
                .and_then(|class| row.probabilities.get(class).copied()),
        })
        .collect()
}

fn class_of(record: &Record, name: &str) -> Option<usize> {
    classes(record).iter().position(|class| class == name)
}

/// ROC and precision-recall curves of each evaluated split: of the second of two classes, or of each of several;
/// one line per run.
///
/// # Errors
/// When plotters cannot draw.
pub(super) fn curves(records: &[Record], labels: &[String]) -> Result<Vec<Curve>> {
    let of_record = |record| {
        let classes = classes(record);
        let shown = if classes.len() == 2 { &classes[1..] } else { classes };
        let splits = splits(record).into_iter();
        splits.flat_map(move |split| shown.iter().map(move |class| (split, class.as_str())))
    };
    let mut wanted = names::distinct(records.iter().flat_map(of_record));
    wanted.sort_by_key(|(split, _)| names::split_rank(*split));
    let mut curves = Vec::new();
    for (split, class) in wanted {
        let roc = ("ROC curve", ["False positive rate", "True positive rate"]);
        curves.push(curve(records, labels, split, class, roc, roc_curve)?);
        let precision = ("Precision-recall curve", ["Recall", "Precision"]);
        curves.push(curve(records, labels, split, class, precision, precision_recall_curve)?);
    }
    Ok(curves)
}

/// An image as it was scored; `None` where it was scored by other classes than those of the record.
pub(super) fn image_score(row: &ScoreRow, record: &Record) -> Option<ImageScore> {
    if row.probabilities.len() != classes(record).len() {
        return None;
    }
    Some(ImageScore {
        case: row.case.clone(),
        group: row.group.clone(),
        truth: class_of(record, &row.truth)?,
        predicted: class_of(record, &row.predicted)?,
        probabilities: row.probabilities.iter().map(|&p| p as f32).collect(),
    })
}

/// The images of a split, in order of their names.
pub(super) fn scores_of(record: &Record, split: SplitName) -> Vec<ImageScore> {
    let rows = record.scores.iter().filter(|row| row.split == split);
    let mut scores: Vec<ImageScore> = rows.filter_map(|row| image_score(row, record)).collect();
    scores.sort_by(|a, b| a.case.cmp(&b.case));
    scores
}

/// Points of a curve of a class.
type Points = fn(&[ImageScore], usize) -> Vec<(f64, f64)>;

fn curve(
    records: &[Record],
    labels: &[String],
    split: SplitName,
    class: &str,
    (kind, axes): (&str, [&str; 2]),
    points: Points,
) -> Result<Curve> {
    let title = format!("{}: {kind} of {class}", names::split(split));
    let drawn = Drawn { title, name: format!("{split}.{class}"), axes };
    by_run::chart(records, labels, drawn, |record, label| {
        let points = points(&scores_of(record, split), class_of(record, class)?);
        let thresholds = points.len().checked_sub(1)?;
        Some((points, format!("{label}: {thresholds} thresholds")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let row = |truth: &str, p: f64| ScoreRow {
            split: SplitName::Test,
            case: format!("{truth} {p}"),
            truth: truth.into(),
            predicted: truth.into(),
            probabilities: vec![1.0 - p, p],
            ..ScoreRow::default()
        };
        Record {
            summary: Summary {
                classes: vec!["benign".into(), "malignant".into()],
                ..Summary::default()
            },
            scores: vec![row("benign", 0.25), row("malignant", 0.75), row("malignant", 0.125)],
            figures: vec![Figure {
                split: SplitName::Test,
                name: "recall.class.malignant".into(),
                value: 0.5,
                ..Figure::default()
            }],
            ..Record::default()
        }
    }

    #[test]
    fn a_class_has_its_images_and_the_figures_recorded_of_it() {
        let tables = class_tables(&record());
        assert_eq!(tables.len(), 1);
        assert_eq!(tables[0].metrics, ["Recall"]);
        let rows: Vec<(usize, Option<f64>)> = tables[0]
            .rows
            .iter()
            .map(|row| (row.images, row.cells[0].as_ref().map(|figure| figure.value)))
            .collect();
        assert_eq!(rows, [(1, None), (2, Some(0.5))]);
    }

    #[test]
    fn an_image_counts_by_the_probability_of_its_true_class() {
        let values: Vec<Option<f64>> =
            probabilities(&record()).into_iter().map(|case| case.value).collect();
        assert_eq!(values, [Some(0.75), Some(0.75), Some(0.125)]);
    }

    #[test]
    fn two_classes_have_the_curves_of_the_second() {
        let curves = curves(&[record()], &["a".into()]).unwrap();
        let titles: Vec<&str> = curves.iter().map(|curve| curve.title.as_str()).collect();
        let expected =
            ["Test: ROC curve of malignant", "Test: Precision-recall curve of malignant"];
        assert_eq!(titles, expected);
        assert!(curves.iter().all(|curve| curve.svg.is_some()));
    }
}
