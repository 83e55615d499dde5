//! Area under the precision-recall curve, of classified images.

use super::Metric;
use super::images::ratio;

pub(super) const METRIC: Metric = Metric::highest("average-precision", "Average precision")
    .also_named(&["ap"])
    .of_ranking(of_images);

/// The sum over thresholds of precision times the recall that is won there, as scikit-learn's, from the images of the
/// class and of others at each probability of it, from the highest down.
fn of_images(steps: &[[f64; 2]]) -> Option<f64> {
    let all: f64 = steps.iter().map(|step| step[0]).sum();
    let (mut above, mut predicted, mut sum) = (0.0, 0.0, 0.0);
    for [of_class, of_others] in steps {
        above += of_class;
        predicted += of_class + of_others;
        if *of_class > 0.0 {
            sum += of_class * above / predicted;
        }
    }
    ratio(sum, all)
}
