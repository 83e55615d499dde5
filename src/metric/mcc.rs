//! Matthews' correlation coefficient, of pixels or of images.

use super::{Counts, ImageConfusion, Metric, Range};

pub(super) const METRIC: Metric = Metric::highest("mcc", "MCC")
    .between(Range::Correlation)
    .of_counts(of_counts)
    .of_all_images(of_images, true);

/// Matthews (1975), Biochimica et Biophysica Acta 405:442-451; `None` where truth or prediction is constant.
fn of_counts(counts: &Counts) -> Option<f64> {
    let Counts { tp, fp, fn_, tn } = *counts;
    let margins = [tp + fp, tp + fn_, tn + fp, tn + fn_];
    if margins.contains(&0) {
        return None;
    }
    let covariance = i128::from(tp) * i128::from(tn) - i128::from(fp) * i128::from(fn_);
    let variance: f64 = margins.iter().map(|&margin| margin as f64).product();
    Some((covariance as f64 / variance.sqrt()).clamp(-1.0, 1.0))
}

/// Gorodkin's R_K (2004), which is Matthews' coefficient of two classes. 0 where truth or prediction is constant.
fn of_images(confusion: &ImageConfusion) -> Option<f64> {
    let total = confusion.total();
    if total == 0.0 {
        return None;
    }
    let truth: Vec<f64> = confusion.rows.iter().map(|row| row.iter().sum()).collect();
    let column = |class: usize| confusion.rows.iter().map(|row| row[class]).sum();
    let predicted: Vec<f64> = (0..confusion.classes()).map(column).collect();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let covariance = confusion.right() * total - product(&truth, &predicted);
    let spread = |of: &[f64]| total * total - product(of, of);
    let variance = spread(&truth) * spread(&predicted);
    Some(if variance > 0.0 { covariance / variance.sqrt() } else { 0.0 })
}
