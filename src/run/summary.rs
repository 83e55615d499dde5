//! The summary of a run, in words and totals.

use super::headline;
use crate::data::overlaps;
use crate::evaluate::{
    SECOND_HEAD_THRESHOLD, describe_absent, describe_empty, describe_image_reductions,
    describe_intervals, describe_loss, describe_reductions, describe_refinement,
};
use crate::figure_name::{FigureName, MASK_DICE};
use crate::plan::Plan;
use crate::record::{Progressed, Selection, Semantics, Summary, Task};
use crate::spec::{EvaluationSpec, Resolution, TaskSpec};

/// The summary of a plan, before anything is measured.
pub(super) fn summary(plan: &Plan) -> Summary {
    let decisions = &plan.decisions;
    let spec = &decisions.spec;
    let side = spec.dataset.image_size as usize;
    let batch = spec.schedule.batch_size as usize;
    let classes = decisions.labels.names();
    Summary {
        experiment: spec.name.clone(),
        description: spec.description.clone(),
        task: match spec.task {
            TaskSpec::Segment(_) | TaskSpec::MultiTask(_) => Task::Segment,
            TaskSpec::Classify(_) => Task::Classify,
        },
        dataset: spec.dataset.source.source().title(),
        model: match (spec.task.second_head(), spec.task.fuse()) {
            (Some(_), _) => format!("{}, with a head for images", spec.model.title()),
            (None, Some(fuse)) => {
                format!(
                    "{}, given {} beside the image",
                    spec.model.title(),
                    fuse.columns.join(", ")
                )
            }
            (None, None) => spec.model.title(),
        },
        input: vec![batch, spec.input_channels(), side, side],
        parameters: decisions.parameters,
        trainable: decisions.trainable,
        multiply_adds: decisions.multiply_adds,
        weights_bytes: decisions.parameters * 4,
        class_balance: plan.balance.clone(),
        threshold: None,
        semantics: semantics(plan, classes.len()),
        selection: None,
        group_key: decisions.group_key.clone(),
        headline: headline(plan),
        findings: plan.findings.to_vec(),
        notes: plan.notes.clone(),
        published: spec.published.clone(),
        overrides: plan.overrides.clone(),
        undrawn: Vec::new(),
        image_classes: decisions.image_classes.clone(),
        classes,
    }
}

/// How figures are to be read.
fn semantics(plan: &Plan, classes: usize) -> Semantics {
    let spec = &plan.decisions.spec;
    let (of_pixels, of_images) = (describe_reductions(classes), describe_image_reductions());
    let empty = || describe_empty(spec.evaluation.empty, classes);
    let resolution = || resolution(&spec.evaluation) + &shared_pixels(plan);
    let (reduction, empty, resolution) = match spec.task {
        TaskSpec::Segment(_) => (of_pixels.to_string(), empty(), resolution()),
        TaskSpec::MultiTask(_) => (
            format!(
                "{of_pixels} Of images, whose class the second head predicts: {of_images} With two classes, an image \
                 is assigned the second from probability {SECOND_HEAD_THRESHOLD} on."
            ),
            format!("{} Of images: {}", empty(), describe_absent()),
            resolution(),
        ),
        TaskSpec::Classify(_) => (of_images.to_string(), describe_absent().into(), String::new()),
    };
    Semantics {
        reduction,
        empty,
        resolution,
        interval: describe_intervals(),
        loss: describe_loss(&spec.loss, spec.task.classifies()),
    }
}

/// What the cases are where they are not those of the split, and how pixels count that lie in several tiles.
fn shared_pixels(plan: &Plan) -> String {
    if let Some(windows) = plan.decisions.windows() {
        return format!(
            "; cases are whole regions, predicted by windows that share {} of their side and are blended, and each \
             pixel that a tile of the split shows counts once; in curves and in the split, cases are tiles",
            windows.overlap
        );
    }
    if overlaps(&plan.dataset) {
        "; tiles overlap, and a pixel in several of them counts in the first alone".into()
    } else {
        String::new()
    }
}

/// The epoch whose weights were kept.
pub(super) fn selection(plan: &Plan, progressed: &Progressed) -> Option<Selection> {
    let (epoch, value) = progressed.best?;
    let metric = plan.decisions.spec.schedule.best.metric.parse().ok()?;
    Some(Selection { epoch, metric, value })
}

fn resolution(spec: &EvaluationSpec) -> String {
    let masks = match spec.resolution {
        Resolution::Original => {
            "at the size of the original image: probabilities are resized to it before the threshold"
        }
        Resolution::Network => "at the size the network works at: masks are resized to it",
    };
    match describe_refinement(&spec.refine) {
        Some(refined) => format!("{masks}; before that, probabilities are {refined}"),
        None => masks.into(),
    }
}

/// The headline figures: of the last evaluated split first.
fn headline(plan: &Plan) -> Vec<FigureName> {
    let (labels, evaluation) = (&plan.decisions.labels, &plan.decisions.spec.evaluation);
    let names = headline::headline(labels, &plan.decisions.image_classes, &evaluation.metrics);
    let mut headline = Vec::new();
    for &split in evaluation.splits.iter().rev() {
        let named = |figure: String| FigureName::new(split, figure);
        headline.extend(names.iter().cloned().map(named));
        if !plan.guide_rows.is_empty() {
            headline.push(named(MASK_DICE.into()));
        }
    }
    headline
}
