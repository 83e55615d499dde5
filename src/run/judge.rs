//! The best weights of a run against the truth, and what is written of it.

use std::path::Path;

use super::judge_images::{self, judge_images};
use super::{net, pictures};
use crate::data::{Dataset, Labels};
use crate::device::Chosen;
use crate::error::{Error, Result};
use crate::evaluate::{self, CaseScore, Cases, Evaluation};
use crate::figure_name::OF_SECOND_HEAD;
use crate::plan::Plan;
use crate::record::{CaseRow, Confusion, Figure, Gate, Interval, RunDir, ScoreRow, Threshold};
use crate::spec::{EvaluatedSplit, GateSpec, MetricKind, Resolution, Spec, ThresholdSpec};
use crate::split_name::SplitName;
use crate::train::Stop;

/// What the evaluation decided: the threshold of binary outputs or of two classes of images.
pub type Decided = Option<Threshold>;

/// Evaluates the best weights on the splits of the spec and writes all that comes of it; `None` if
/// someone asked to stop.
pub fn judge(plan: &Plan, device: &Chosen, run: &RunDir, stop: &Stop) -> Result<Option<Decided>> {
    let spec = &plan.decisions.spec;
    let predictor = net::predictor(run.path(), &plan.decisions, device)?;
    if let Labels::Images { .. } = plan.decisions.labels {
        return judge_images(plan, &predictor, run, stop);
    }
    let tick = |_: usize| go_on(stop);
    let cases = |split: SplitName| Cases {
        dataset: &plan.dataset,
        indices: plan.split.part(split),
        groups: &plan.split.groups,
        split,
    };
    let found = evaluate::threshold(&predictor, &cases(SplitName::Valid), &spec.evaluation, &tick);
    let Some(threshold) = unless_stopped(found, stop)? else { return Ok(None) };
    let mut evaluations = Vec::new();
    for split in &spec.evaluation.splits {
        let cases = cases(split_name(*split));
        let found = evaluate::evaluate(&predictor, &cases, &spec.evaluation, threshold, &tick);
        let Some(evaluation) = unless_stopped(found, stop)? else { return Ok(None) };
        evaluations.push(evaluation);
    }
    let classes = &plan.dataset.image_classes;
    let figures: Vec<Figure> =
        evaluations.iter().flat_map(|seen| figures(seen, classes, spec)).collect();
    let rows: Vec<CaseRow> = evaluations.iter().flat_map(|seen| case_rows(seen, spec)).collect();
    let of_images = evaluations.iter().filter(|seen| !seen.images.is_empty());
    let of_images =
        of_images.map(|seen| judge_images::confusion_of(&seen.images, seen.split, classes));
    let confusion: Vec<Confusion> =
        evaluations.iter().map(|seen| confusion_of(seen, &plan.dataset)).chain(of_images).collect();
    let scores: Vec<ScoreRow> = evaluations
        .iter()
        .flat_map(|seen| {
            seen.images.iter().map(|score| judge_images::row(score, seen.split, classes))
        })
        .collect();
    run.write_cases(&rows)?;
    if !scores.is_empty() {
        run.write_scores(classes, &scores)?;
    }
    run.write_confusion(&confusion)?;
    run.write_figures(&figures)?;
    run.write_gates(&gates(spec, &figures))?;
    if let Some(evaluation) = evaluations.last() {
        pictures::write(plan, &predictor, evaluation, threshold, run)?;
    }
    let binary = matches!(plan.decisions.labels, Labels::Binary { .. });
    Ok(Some(binary.then(|| threshold_of(spec, threshold))))
}

/// A threshold and where it comes from.
pub fn threshold_of(spec: &Spec, value: f64) -> Threshold {
    let chosen = match (&spec.evaluation.threshold, spec.task.classifies()) {
        (ThresholdSpec::Fixed(_), _) => "fixed in the spec",
        (ThresholdSpec::BestOnValid(_), false) => "best mean Dice on the validation split",
        (ThresholdSpec::BestOnValid(_), true) => "best balanced accuracy on the validation split",
    };
    Threshold { value, chosen: chosen.into() }
}

/// The split of the data that a spec names.
pub fn split_name(split: EvaluatedSplit) -> SplitName {
    match split {
        EvaluatedSplit::Train => SplitName::Train,
        EvaluatedSplit::Valid => SplitName::Valid,
        EvaluatedSplit::Test => SplitName::Test,
    }
}

/// An error, if someone asked to stop.
pub fn go_on(stop: &Stop) -> Result<()> {
    if stop.asked() { Err(Error::failed("asked to stop by a signal")) } else { Ok(()) }
}

/// A result, or `None` where it is an error because someone asked to stop.
pub fn unless_stopped<T>(result: Result<T>, stop: &Stop) -> Result<Option<T>> {
    match result {
        Err(_) if stop.asked() => Ok(None),
        other => other.map(Some),
    }
}

/// The figures of a split, as the record keeps them, those of images that a second head tells apart by
/// `image_classes` last.
pub fn figures(evaluation: &Evaluation, image_classes: &[String], spec: &Spec) -> Vec<Figure> {
    let scores = evaluation.at(spec.evaluation.resolution);
    let of_pixels = evaluate::figures(scores, &spec.evaluation.metrics, spec.evaluation.empty);
    let of_images = match evaluation.images.as_slice() {
        [] => Vec::new(),
        images => evaluate::image_figures(images, image_classes, &MetricKind::OF_IMAGES),
    };
    let of_images = of_images.into_iter().map(|figure| evaluate::Figure {
        name: format!("{OF_SECOND_HEAD}{}", figure.name),
        ..figure
    });
    let all = of_pixels.into_iter().chain(of_images);
    all.map(|figure| recorded(figure, evaluation.split)).collect()
}

/// A figure as the record keeps it.
pub fn recorded(figure: evaluate::Figure, split: SplitName) -> Figure {
    Figure {
        split: split.to_string(),
        name: figure.name,
        value: figure.value,
        n: figure.n as u64,
        left_out: figure.left_out as u64,
        groups: figure.groups as u64,
        interval: figure.interval.map(|(low, high)| Interval { low, high }),
        interval_note: figure.interval_note,
    }
}

fn case_rows(evaluation: &Evaluation, spec: &Spec) -> Vec<CaseRow> {
    let row = |resolution: &str, score: &CaseScore| CaseRow {
        split: evaluation.split.to_string(),
        resolution: resolution.into(),
        case: score.case.clone(),
        group: score.group.clone(),
        label: score.label.clone(),
        class: score.class.clone(),
        tp: score.counts.tp,
        fp: score.counts.fp,
        fn_: score.counts.fn_,
        tn: score.counts.tn,
        hd95: score.hd95,
        assd: score.assd,
        auc: score.auc,
        dice: score.value(MetricKind::Dice, spec.evaluation.empty),
    };
    let original = evaluation.at(Resolution::Original).iter().map(|s| row("original", s));
    let network = evaluation.at(Resolution::Network).iter().map(|s| row("network", s));
    original.chain(network).collect()
}

fn confusion_of(evaluation: &Evaluation, dataset: &Dataset) -> Confusion {
    let mut classes = dataset.labels.names();
    if classes.len() < dataset.labels.values() {
        classes.insert(0, "background".into());
    }
    let split = evaluation.split.to_string();
    Confusion { split, classes, matrix: evaluation.confusion.rows() }
}

/// The gates of a spec against recorded figures.
pub fn gates(spec: &Spec, figures: &[Figure]) -> Vec<Gate> {
    let judged = |(name, bound): (&String, &GateSpec)| {
        Gate::judged(name, bound.at_least, bound.at_most, figures)
    };
    spec.gate.iter().map(judged).collect()
}

/// Judges a finished run again by the bounds of a spec.
///
/// # Errors
/// If the gates cannot be written.
pub fn rejudge(folder: &Path, spec: &Spec) -> Result<()> {
    let record = crate::record::Record::read(folder)?;
    let gates = gates(spec, &record.figures);
    if gates != record.gates {
        RunDir::open_write(folder)?.write_gates(&gates)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::outcome::Outcome;
    use super::*;
    use crate::record::{Record, RunState, Status};

    fn spec_with(gates: &[(&str, Option<f64>, Option<f64>)]) -> Spec {
        let text = "name = \"g\"\n[dataset]\nkind = \"phantom\"\n[model]\nkind = \"unet\"\n";
        let mut spec: Spec = toml::from_str(text).unwrap();
        for &(name, at_least, at_most) in gates {
            spec.gate.insert(name.into(), GateSpec { at_least, at_most });
        }
        spec
    }

    #[test]
    fn gates_hold_at_their_bound_and_fall_beyond_it_or_without_a_figure() {
        let spec = spec_with(&[
            ("test.dice.mean", Some(0.7), None),
            ("test.hd95.mean", None, Some(9.0)),
            ("test.iou.mean", Some(0.1), None),
            ("test.auc.mean", Some(0.1), None),
        ]);
        let figure = |name: &str, value| Figure {
            split: "test".into(),
            name: name.into(),
            value,
            ..Figure::default()
        };
        let figures =
            [figure("dice.mean", 0.7), figure("hd95.mean", 9.5), figure("auc.mean", f64::NAN)];
        let held: Vec<(String, bool)> =
            gates(&spec, &figures).into_iter().map(|gate| (gate.figure, gate.held)).collect();
        let expected = [
            ("test.auc.mean", false),
            ("test.dice.mean", true),
            ("test.hd95.mean", false),
            ("test.iou.mean", false),
        ];
        assert_eq!(held, expected.map(|(name, held)| (name.to_string(), held)));
    }

    fn bound() -> impl Strategy<Value = Option<f64>> {
        prop::option::of(prop::sample::select(vec![0.0, 0.3, 0.5, 1.0]))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn record_outcome_and_page_judge_gates_alike_whatever_was_written_of_them(
            bounds in prop::collection::vec((0..4usize, bound(), bound()), 1..4),
            values in prop::collection::vec(prop::option::of(prop::sample::select(vec![0.0, 0.3, 0.4, 1.0, f64::NAN])), 4),
            forged in any::<bool>(),
        ) {
            let name = |index: usize| format!("test.figure{index}");
            let named: Vec<(String, Option<f64>, Option<f64>)> =
                bounds.iter().map(|(index, least, most)| (name(*index), *least, *most)).collect();
            let named: Vec<(&str, Option<f64>, Option<f64>)> =
                named.iter().map(|(name, least, most)| (name.as_str(), *least, *most)).collect();
            let spec = spec_with(&named);
            let figures: Vec<Figure> = values
                .iter()
                .enumerate()
                .filter_map(|(index, value)| {
                    Some(Figure { split: "test".into(), name: format!("figure{index}"), value: (*value)?, ..Figure::default() })
                })
                .collect();
            let folder = tempfile::tempdir().unwrap();
            let run = RunDir::create(folder.path(), "a", "0").unwrap();
            run.write_figures(&figures).unwrap();
            run.write_status(&Status { state: RunState::Finished, ..Status::default() }).unwrap();
            let judged = gates(&spec, &figures);
            // By hand: a figure holds that is there, a number, and within its bounds.
            for gate in &judged {
                let index: usize = gate.figure["test.figure".len()..].parse().unwrap();
                let (least, most) = (gate.at_least.unwrap_or(f64::MIN), gate.at_most.unwrap_or(f64::MAX));
                let holds = values[index].is_some_and(|value| (least..=most).contains(&value));
                prop_assert_eq!(gate.held, holds);
            }
            let written: Vec<Gate> =
                judged.iter().map(|gate| Gate { held: gate.held != forged, ..gate.clone() }).collect();
            run.write_gates(&written).unwrap();
            drop(run);
            let path = folder.path().join("a/0");
            let record = Record::read(&path).unwrap();
            prop_assert_eq!(&record.gates, &judged);
            let outcome = Outcome::read(path, true).unwrap();
            prop_assert_eq!(outcome.held(), judged.iter().all(|gate| gate.held));
            prop_assert_eq!(&outcome.gates, &judged);
            let fallen = judged.iter().filter(|gate| !gate.held).count();
            prop_assert_eq!(crate::report::markdown(&[record]).matches("gate fell").count(), fallen);
        }
    }
}
