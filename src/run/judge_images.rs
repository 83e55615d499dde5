//! The best weights of a classifier against the truth, and what is written of it.

use std::collections::BTreeSet;

use super::judge::{Decided, go_on, split_name, threshold_of, unless_stopped};
use super::{judge, pictures};
use crate::error::Result;
use crate::evaluate::{self, Cases, ImageScore, Predictor, bootstrap};
use crate::figure_name::MASK_DICE;
use crate::plan::Plan;
use crate::record::{Confusion, Figure, GuideRow, Interval, RunDir, ScoreRow};
use crate::spec::Spec;
use crate::split_name::SplitName;
use crate::train::Stop;

/// Evaluates a classifier on the splits of the spec and writes all that comes of it; `None` if someone asked to
/// stop.
pub fn judge_images(
    plan: &Plan,
    predictor: &Predictor,
    run: &RunDir,
    stop: &Stop,
) -> Result<Option<Decided>> {
    let spec = &plan.decisions.spec;
    let classes = plan.decisions.labels.names();
    let tick = |_: usize| go_on(stop);
    let cases = |split: SplitName| Cases {
        dataset: &plan.dataset,
        indices: plan.split.part(split),
        groups: &plan.split.groups,
        split,
    };
    let found = evaluate::threshold(predictor, &cases(SplitName::Valid), &spec.evaluation, &tick);
    let Some(threshold) = unless_stopped(found, stop)? else { return Ok(None) };
    let (mut figures, mut rows, mut confusion) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = None;
    for split in &spec.evaluation.splits {
        let split = split_name(*split);
        let found = evaluate::classify(predictor, &cases(split), threshold, &tick);
        let Some(scores) = unless_stopped(found, stop)? else { return Ok(None) };
        figures.extend(image_figures(&scores, split, &classes, spec));
        figures.extend(mask_dice(&plan.guide_rows, split));
        rows.extend(scores.iter().map(|score| row(score, split, &classes)));
        confusion.push(confusion_of(&scores, split, &classes));
        last = Some((split, scores));
    }
    run.write_scores(&classes, &rows)?;
    run.write_confusion(&confusion)?;
    run.write_figures(&figures)?;
    run.write_gates(&judge::gates(spec, &figures))?;
    if let Some((split, scores)) = last {
        pictures::write_images(plan, predictor, split, &scores, run)?;
    }
    Ok(Some((classes.len() == 2).then(|| threshold_of(spec, threshold))))
}

/// The figures of a split, as the record keeps them.
pub fn image_figures(
    scores: &[ImageScore],
    split: SplitName,
    classes: &[String],
    spec: &Spec,
) -> Vec<Figure> {
    let figures = evaluate::image_figures(scores, classes, &spec.evaluation.metrics);
    figures.into_iter().map(|figure| judge::recorded(figure, split)).collect()
}

/// Mean Dice of the masks that guide, over the cases of a split.
fn mask_dice(rows: &[GuideRow], split: SplitName) -> Option<Figure> {
    let of_split = rows.iter().filter(|row| row.split == split.as_str());
    let (values, groups): (Vec<f64>, Vec<&str>) =
        of_split.filter_map(|row| Some((row.dice?, row.group.as_str()))).unzip();
    let interval = bootstrap::mean_interval(&values, &groups);
    let left_out = rows.iter().filter(|row| row.split == split.as_str() && row.dice.is_none());
    (!values.is_empty()).then(|| Figure {
        split: split.to_string(),
        name: MASK_DICE.into(),
        value: values.iter().sum::<f64>() / values.len() as f64,
        n: values.len() as u64,
        left_out: left_out.count() as u64,
        groups: groups.iter().collect::<BTreeSet<_>>().len() as u64,
        interval: interval.map(|(low, high)| Interval { low, high }),
        interval_note: String::new(),
    })
}

/// An image as the record keeps it.
pub fn row(score: &ImageScore, split: SplitName, classes: &[String]) -> ScoreRow {
    ScoreRow {
        split: split.to_string(),
        case: score.case.clone(),
        group: score.group.clone(),
        truth: classes[score.truth].clone(),
        predicted: classes[score.predicted].clone(),
        probabilities: score.probabilities.iter().map(|&p| f64::from(p)).collect(),
    }
}

/// Images by truth and what they are called.
pub fn confusion_of(scores: &[ImageScore], split: SplitName, classes: &[String]) -> Confusion {
    let mut matrix = vec![vec![0; classes.len()]; classes.len()];
    for score in scores {
        matrix[score.truth][score.predicted] += 1;
    }
    Confusion { split: split.to_string(), classes: classes.to_vec(), matrix }
}
