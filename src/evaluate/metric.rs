//! What is common to all metrics: a row each, with its names, which way is better and what it is made of.

use crate::figure_name::{FigureName, MASK_DICE, OF_SECOND_HEAD};
use crate::spec::{Goal, MetricKind};

/// What is known of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    /// In specs, figures and files.
    name: &'static str,
    /// For people.
    title: &'static str,
    /// Which way is better.
    goal: Goal,
    /// Whether it is a function of pixel counts, so that counts of several images can be pooled.
    of_counts: bool,
}

fn row(kind: MetricKind) -> Row {
    use Goal::{Highest, Lowest};
    let row = |name, title, goal, of_counts| Row { name, title, goal, of_counts };
    match kind {
        MetricKind::Dice => row("dice", "Dice", Highest, true),
        MetricKind::Iou => row("iou", "IoU", Highest, true),
        MetricKind::Precision => row("precision", "Precision", Highest, true),
        MetricKind::Recall => row("recall", "Recall", Highest, true),
        MetricKind::Specificity => row("specificity", "Specificity", Highest, true),
        MetricKind::Accuracy => row("accuracy", "Accuracy", Highest, true),
        MetricKind::F1 => row("f1", "F1", Highest, true),
        MetricKind::Mcc => row("mcc", "MCC", Highest, true),
        MetricKind::Hd95 => row("hd95", "HD95 (px)", Lowest, false),
        MetricKind::Assd => row("assd", "ASSD (px)", Lowest, false),
        MetricKind::Auc => row("auc", "AUC", Highest, false),
        MetricKind::BalancedAccuracy => {
            row("balanced-accuracy", "Balanced accuracy", Highest, true)
        }
        MetricKind::AveragePrecision => {
            row("average-precision", "Average precision", Highest, false)
        }
    }
}

/// Figures that are of no metric: name, title, which way is better.
const OTHERS: [(&str, &str, Goal); 2] =
    [("loss", "Loss", Goal::Lowest), (MASK_DICE, "Dice of the guiding masks", Goal::Highest)];

/// The name of a metric in specs, figures and files, such as `dice`.
pub fn metric_name(kind: MetricKind) -> &'static str {
    row(kind).name
}

/// Whether a metric is a function of pixel counts, so that counts of several images can be pooled.
pub fn has_counts(kind: MetricKind) -> bool {
    row(kind).of_counts
}

/// Title and direction of what a figure's name begins with, such as `dice` of `dice.lesion`.
fn known(measure: &str) -> Option<(&'static str, Goal)> {
    let metrics = MetricKind::ALL.into_iter().map(row).map(|row| (row.name, row.title, row.goal));
    let found = metrics.chain(OTHERS).find(|(name, ..)| *name == measure);
    found.map(|(_, title, goal)| (title, goal))
}

/// The title of what a figure measures, such as `Dice` for `dice`; `None` where nothing has that name.
pub fn measure_title(measure: &str) -> Option<&'static str> {
    known(measure).map(|(title, _)| title)
}

/// Whether a figure should fall or rise, whatever its split, reduction, class or head: `valid.loss`,
/// `dice.lesion`, `test.image-auc.macro`. `None` where no metric has such a name.
pub fn figure_goal(figure: &str) -> Option<Goal> {
    let full = figure.parse::<FigureName>();
    let name = full.as_ref().map_or(figure, |full| &full.figure);
    let measure = name.split('.').next().unwrap_or_default();
    let of_image = measure.strip_prefix(OF_SECOND_HEAD).and_then(known);
    of_image.or_else(|| known(measure)).map(|(_, goal)| goal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{epoch_figures, figure_names, image_figure_names, second_head_names};
    use crate::loss::Outputs;

    #[test]
    fn names_are_those_of_the_spec() {
        for kind in MetricKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), metric_name(kind));
        }
        let mut names = MetricKind::ALL.map(metric_name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "each metric stands once");
    }

    #[test]
    fn losses_and_distances_should_fall_and_all_others_rise() {
        for lowest in ["loss", "valid.loss", "train.loss", "test.hd95.mean", "assd.label.benign"] {
            assert_eq!(figure_goal(lowest), Some(Goal::Lowest), "{lowest}");
        }
        for highest in [
            "valid.dice.lesion",
            "iou",
            "test.image-auc.macro",
            "image-recall.class.loss",
            "mask-dice",
            "test.mask-dice",
            "dice.class.hd95.x",
        ] {
            assert_eq!(figure_goal(highest), Some(Goal::Highest), "{highest}");
        }
        for unknown in ["", "valid", "val_dice", "valid.", "dise.mean", "image-.mean"] {
            assert_eq!(figure_goal(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn every_figure_that_is_recorded_has_a_direction() {
        let classes = ["a".to_owned(), "b.c".to_owned()];
        let mut names = figure_names(&MetricKind::ALL, &classes, &classes);
        names.extend(image_figure_names(&MetricKind::OF_IMAGES, &classes));
        names.extend(second_head_names(&classes));
        for outputs in [Outputs::Binary, Outputs::Classes(3), Outputs::Images(2)] {
            names.extend(epoch_figures(outputs, true).into_iter().map(String::from));
        }
        for name in names {
            for full in [name.clone(), format!("train.{name}"), format!("valid.{name}")] {
                assert!(figure_goal(&full).is_some(), "{full}");
            }
        }
    }
}
