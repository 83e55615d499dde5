//! Which figures are shown first, and by strata.

use crate::data::Labels;
use crate::figure_name::OF_SECOND_HEAD;
use crate::spec::MetricKind;

/// The headline figures of a split, without its name, the most important first. `image_classes` are those of a second
/// head.
pub(super) fn headline(
    labels: &Labels,
    image_classes: &[String],
    asked: &[MetricKind],
) -> Vec<String> {
    let names: Vec<(MetricKind, String)> = match labels {
        Labels::Images { names } => of_images(names),
        labels => of_pixels(labels).iter().map(|&(kind, name)| (kind, name.into())).collect(),
    };
    let named = names.into_iter().filter(|(kind, _)| asked.contains(kind)).map(|(_, name)| name);
    let of_second_head = match image_classes {
        [] => Vec::new(),
        classes => of_images(classes),
    };
    let of_second_head =
        of_second_head.into_iter().map(|(_, name)| format!("{OF_SECOND_HEAD}{name}"));
    named.chain(of_second_head).collect()
}

/// Headline figures of images; recall and precision of the last class, as published tables have them.
fn of_images(classes: &[String]) -> Vec<(MetricKind, String)> {
    let mut names = vec![
        (MetricKind::Accuracy, "accuracy".to_string()),
        (MetricKind::BalancedAccuracy, "balanced-accuracy".to_string()),
    ];
    let last = classes.last().map(String::as_str).unwrap_or_default();
    names.push((MetricKind::Recall, format!("recall.class.{last}")));
    names.push((MetricKind::Precision, format!("precision.class.{last}")));
    names.push((MetricKind::Auc, "auc.macro".to_string()));
    names
}

fn of_pixels(labels: &Labels) -> &'static [(MetricKind, &'static str)] {
    match labels {
        Labels::Binary { .. } => &[
            (MetricKind::Dice, "dice.lesion"),
            (MetricKind::Dice, "dice.mean"),
            (MetricKind::Iou, "iou.lesion"),
            (MetricKind::Accuracy, "accuracy.pooled"),
            (MetricKind::FalseAlarm, "false-alarm.mean"),
        ],
        Labels::Classes { .. } | Labels::Images { .. } => &[
            (MetricKind::Dice, "dice.mean"),
            (MetricKind::Dice, "dice.pooled"),
            (MetricKind::Iou, "iou.pooled"),
            (MetricKind::Accuracy, "accuracy.pooled"),
        ],
    }
}
