//! Title and direction of a figure, by its name.

use crate::figure_name::{FigureName, MASK_DICE, OF_SECOND_HEAD, PEAK_MEMORY_MIB, SECONDS};
use crate::spec::{Goal, MetricKind};

/// Figures that are of no metric: name, title, which way is better.
const OTHERS: [(&str, &str, Goal); 4] = [
    ("loss", "Loss", Goal::Lowest),
    (MASK_DICE, "Dice of the guiding masks", Goal::Highest),
    (SECONDS, "Seconds of training", Goal::Lowest),
    (PEAK_MEMORY_MIB, "Peak memory (MiB)", Goal::Lowest),
];

/// Title and direction of what a figure's name begins with, such as `dice` of `dice.lesion`.
fn known(measure: &str) -> Option<(String, Goal)> {
    let metric = MetricKind::ALL.into_iter().find(|kind| kind.name() == measure);
    let metric = metric.map(MetricKind::row).map(|row| (row.title(), row.goal));
    metric.or_else(|| {
        let other = OTHERS.iter().find(|(name, ..)| *name == measure)?;
        Some((other.1.to_owned(), other.2))
    })
}

/// The title of what a figure measures, such as `Dice` for `dice`; `None` where nothing has that name.
pub fn measure_title(measure: &str) -> Option<String> {
    known(measure).map(|(title, _)| title)
}

/// Whether a figure should fall or rise, whatever its split, reduction, class or head: `valid.loss`,
/// `dice.lesion`, `test.image-auc.macro`. `None` where no metric has such a name.
pub fn figure_goal(figure: &str) -> Option<Goal> {
    known(&measure(figure)).map(|(_, goal)| goal)
}

/// The lowest and the highest value that a figure can have, of whatever size images are; of what is no metric, any.
pub fn figure_bounds(figure: &str) -> (f64, f64) {
    let measure = measure(figure);
    let metric = MetricKind::ALL.into_iter().find(|kind| kind.name() == measure);
    metric.map_or((f64::NEG_INFINITY, f64::INFINITY), |kind| kind.row().bounds(u64::MAX))
}

/// What a figure measures, whatever its split, reduction, class or head.
fn measure(figure: &str) -> String {
    let full = figure.parse::<FigureName>();
    let name = full.as_ref().map_or(figure, |full| &full.figure);
    let measure = name.split('.').next().unwrap_or_default();
    let of_image = measure.strip_prefix(OF_SECOND_HEAD);
    of_image.filter(|of_image| known(of_image).is_some()).unwrap_or(measure).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{epoch_figures, figure_names, image_figure_names, second_head_names};
    use crate::loss::Outputs;

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
        names.extend(image_figure_names(&MetricKind::of_images(), &classes));
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
