//! The summary of a run, in words and totals.

use super::headline;
use crate::data::overlaps;
use crate::evaluate::{
    SECOND_HEAD_THRESHOLD, describe_absent, describe_empty, describe_image_reductions,
    describe_intervals, describe_loss, describe_reductions,
};
use crate::figure_name::{FigureName, MASK_DICE};
use crate::plan::Plan;
use crate::record::{Progressed, Selection, Semantics, Summary, Task};
use crate::spec::{Resize, Resolution, Spec, TaskSpec};

/// The summary of a plan, before anything is measured.
pub(super) fn summary(plan: &Plan) -> Summary {
    let decisions = &plan.decisions;
    let spec = &decisions.spec;
    let [height, width] = spec.dataset.frame().sides();
    let batch = spec.schedule.batch_size as usize;
    let classes = decisions.labels.names();
    Summary {
        experiment: spec.name.clone(),
        position: Some(plan.position.clone()),
        members: plan.members.clone(),
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
        input: vec![batch, spec.input_channels(), height, width],
        parameters: decisions.parameters,
        trainable: decisions.trainable,
        multiply_adds: decisions.multiply_adds,
        weights_bytes: decisions.parameters * 4,
        class_balance: plan.balance.clone(),
        threshold: None,
        settled: None,
        tried: Vec::new(),
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
    let evaluation = &spec.evaluation;
    let empty = || describe_empty(evaluation.empty, evaluation.missed_distance, classes);
    let resolution = || resolution(spec).to_owned() + &shared_pixels(plan);
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
    let windows = plan.decisions.windows();
    if let (Some(windows), Some(crop)) = (windows, &plan.decisions.spec.dataset.crop) {
        return format!(
            "; images are predicted by windows of {0}x{0} pixels at magnification {1} that share {2} of their side and are \
             blended; in curves, training is of random crops and validation of windows side by side",
            windows.size, crop.magnification, windows.overlap
        );
    }
    if let Some(windows) = windows {
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

fn resolution(spec: &Spec) -> &'static str {
    match (spec.evaluation.resolution, spec.dataset.resize) {
        (Resolution::Original, Resize::Stretch) => {
            "at the size of the original image: probabilities are resized to it before the threshold"
        }
        (Resolution::Original, Resize::Letterbox) => {
            "at the size of the original image: probabilities are cut back to it from its padding and resized before the \
             threshold"
        }
        (Resolution::Network, Resize::Stretch) => {
            "at the size the network works at: masks are resized to it"
        }
        (Resolution::Network, Resize::Letterbox) => {
            "at the size that the image has in the network's input: masks are resized to it, and padding takes no part"
        }
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
