//! What is common to all metrics: their names and which way is better.

use crate::spec::{Goal, MetricKind};

/// The name of a metric in specs, figures and files, such as `dice`.
pub fn metric_name(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Dice => "dice",
        MetricKind::Iou => "iou",
        MetricKind::Precision => "precision",
        MetricKind::Recall => "recall",
        MetricKind::Specificity => "specificity",
        MetricKind::Accuracy => "accuracy",
        MetricKind::F1 => "f1",
        MetricKind::Mcc => "mcc",
        MetricKind::Hd95 => "hd95",
        MetricKind::Assd => "assd",
        MetricKind::Auc => "auc",
        MetricKind::BalancedAccuracy => "balanced-accuracy",
        MetricKind::AveragePrecision => "average-precision",
    }
}

/// Whether a metric should rise or fall: distances fall, all others rise.
pub fn metric_goal(kind: MetricKind) -> Goal {
    match kind {
        MetricKind::Hd95 | MetricKind::Assd => Goal::Lowest,
        MetricKind::Dice
        | MetricKind::Iou
        | MetricKind::Precision
        | MetricKind::Recall
        | MetricKind::Specificity
        | MetricKind::Accuracy
        | MetricKind::F1
        | MetricKind::Mcc
        | MetricKind::Auc
        | MetricKind::BalancedAccuracy
        | MetricKind::AveragePrecision => Goal::Highest,
    }
}

/// Whether a metric is a function of pixel counts, so that counts of several images can be pooled.
pub fn has_counts(kind: MetricKind) -> bool {
    match kind {
        MetricKind::Hd95 | MetricKind::Assd | MetricKind::Auc | MetricKind::AveragePrecision => {
            false
        }
        MetricKind::Dice
        | MetricKind::Iou
        | MetricKind::Precision
        | MetricKind::Recall
        | MetricKind::Specificity
        | MetricKind::Accuracy
        | MetricKind::F1
        | MetricKind::Mcc
        | MetricKind::BalancedAccuracy => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_spec() {
        use MetricKind::*;
        for kind in [
            Dice,
            Iou,
            Precision,
            Recall,
            Specificity,
            Accuracy,
            F1,
            Mcc,
            Hd95,
            Assd,
            Auc,
            BalancedAccuracy,
            AveragePrecision,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), metric_name(kind));
        }
    }
}
