//! False alarms: images without the class in which it is predicted.

use super::Metric;

/// 1 where the class is predicted in an image without it, 0 where it is not; undefined where the image has it. Its mean is
/// the false-alarm rate of normal images.
pub(super) const METRIC: Metric = Metric::lowest("false-alarm", "False alarms")
    .also_named(&["false-alarm-rate", "fpr-of-images"])
    .of_occurrence(|counts| {
        let normal = counts.total() > 0 && counts.truth() == 0;
        normal.then(|| f64::from(u8::from(counts.predicted() > 0)))
    });
