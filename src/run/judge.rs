//! The evaluation of a run or an average of runs, and the files that record it.

use super::rows::Carried;
use super::{pictures, rows, strata};
use crate::data::Labels;
use crate::error::{Error, Result};
use crate::evaluate::{self, Cases, Evaluation, ImageScore, Pictured, Predictor, Tick};
use crate::plan::Plan;
use crate::record::{
    CaseRow, Confusion, Figure, Froc, PixelReliability, RunDir, ScoreRow, Scores, Stratum, Table,
    Threshold,
};
use crate::spec::{Settled, Spec, TriedStep};
use crate::split_name::SplitName;
use crate::train::Stop;

/// What the validation split decided.
pub(super) struct Decided {
    /// The threshold of binary outputs or of two classes of images.
    pub threshold: Option<Threshold>,
    /// How outputs become a prediction.
    pub settled: Settled,
    /// The steps of it that were tried.
    pub tried: Vec<TriedStep>,
}

/// Evaluates a predictor on the splits of the spec and writes the results; `None` if someone asked to stop.
pub(super) fn judge(
    plan: &Plan,
    mut predictor: Predictor,
    run: &RunDir,
    stop: &Stop,
) -> Result<Option<Decided>> {
    let spec = &plan.decisions.spec;
    let tick = |_: usize| go_on(stop);
    let cases = |split: SplitName| Cases {
        dataset: &plan.dataset,
        indices: plan.split.part(split),
        groups: &plan.split.groups,
        split,
    };
    let valid = cases(SplitName::Valid);
    let found = evaluate::settle(&mut predictor, &valid, &spec.evaluation, &tick);
    let Some(tried) = unless_stopped(found, stop)? else { return Ok(None) };
    let mut judged = Vec::new();
    for &split in &spec.evaluation.splits {
        let is_last = spec.evaluation.splits.last() == Some(&split);
        let pictured = if is_last { spec.report.cases as usize } else { 0 };
        let found = Judged::new(plan, &predictor, &cases(split), pictured, &tick);
        let Some(found) = unless_stopped(found, stop)? else { return Ok(None) };
        judged.push(found);
    }
    write(plan, &judged, run)?;
    if let Some(last) = judged.last() {
        last.draw(plan, &predictor, run)?;
        run.write(&rows::pictured_rows(last.pictured(), last.split()))?;
    }
    let decides = match &plan.decisions.labels {
        Labels::Binary { .. } => true,
        Labels::Classes { .. } => false,
        Labels::Images { names } => names.len() == 2,
    };
    let settled = match predictor.others.is_empty() {
        true => predictor.settled,
        false => predictor.settled.of_average(),
    };
    let threshold = decides.then(|| rows::threshold(spec, settled.threshold));
    Ok(Some(Decided { threshold, settled, tried }))
}

/// The evaluation of a split.
enum Judged {
    /// Of pixels, and of images with a second head.
    Pixels(Box<Evaluation>),
    /// Of classified images.
    Images(SplitName, Vec<ImageScore>, Vec<Pictured>),
}

impl Judged {
    fn new(
        plan: &Plan,
        predictor: &Predictor,
        cases: &Cases,
        pictured: usize,
        tick: Tick,
    ) -> Result<Self> {
        let evaluation = &plan.decisions.spec.evaluation;
        match plan.decisions.labels {
            Labels::Binary { .. } | Labels::Classes { .. } => {
                evaluate::evaluate(predictor, cases, evaluation, pictured, tick)
                    .map(|found| Self::Pixels(Box::new(found)))
            }
            Labels::Images { .. } => evaluate::classify_pictured(predictor, cases, pictured, tick)
                .map(|(scores, pictured)| Self::Images(cases.split, scores, pictured)),
        }
    }

    fn split(&self) -> SplitName {
        match self {
            Self::Pixels(evaluation) => evaluation.split,
            Self::Images(split, ..) => *split,
        }
    }

    fn pictured(&self) -> &[Pictured] {
        match self {
            Self::Pixels(evaluation) => &evaluation.pictured,
            Self::Images(_, _, pictured) => pictured,
        }
    }

    fn figures(&self, plan: &Plan) -> Vec<Figure> {
        let spec = &plan.decisions.spec;
        match self {
            Self::Pixels(evaluation) => {
                rows::figures(evaluation, &plan.dataset.image_classes, spec)
            }
            Self::Images(split, scores, _) => {
                let mut figures = rows::image_figures(scores, *split, image_classes(plan), spec);
                figures.extend(rows::mask_dice(&plan.guide_rows, *split));
                figures
            }
        }
    }

    fn strata(&self, plan: &Plan) -> Result<Vec<Stratum>> {
        let (dataset, spec) = (&plan.dataset, &plan.decisions.spec);
        match self {
            Self::Pixels(evaluation) => strata::strata_of_pixels(evaluation, dataset, spec),
            Self::Images(split, scores, _) => {
                strata::strata_of_images(scores, *split, dataset, &plan.guide_rows, spec)
            }
        }
    }

    fn cases(&self, carried: &Carried, spec: &Spec) -> Vec<CaseRow> {
        match self {
            Self::Pixels(evaluation) => rows::case_rows(evaluation, carried, spec),
            Self::Images(..) => Vec::new(),
        }
    }

    fn images(&self) -> (SplitName, &[ImageScore]) {
        match self {
            Self::Pixels(evaluation) => (evaluation.split, &evaluation.images),
            Self::Images(split, scores, _) => (*split, scores),
        }
    }

    fn scores(&self, classes: &[String], carried: &Carried) -> Vec<ScoreRow> {
        let (split, images) = self.images();
        images.iter().map(|score| rows::score_row(score, split, classes, carried)).collect()
    }

    fn confusion_of_pixels(&self, plan: &Plan) -> Option<Confusion> {
        match self {
            Self::Pixels(evaluation) => Some(rows::confusion_of_pixels(evaluation, &plan.dataset)),
            Self::Images(..) => None,
        }
    }

    fn reliability_of_pixels(&self, plan: &Plan) -> Option<PixelReliability> {
        match self {
            Self::Pixels(evaluation) => {
                Some(rows::reliability_of_pixels(evaluation, &plan.dataset))
            }
            Self::Images(..) => None,
        }
    }

    fn froc(&self) -> Option<Froc> {
        match self {
            Self::Pixels(evaluation) => rows::froc(evaluation),
            Self::Images(..) => None,
        }
    }

    fn confusion_of_images(&self, classes: &[String]) -> Option<Confusion> {
        let (split, images) = self.images();
        (!images.is_empty()).then(|| rows::confusion_of_images(images, split, classes))
    }

    fn draw(&self, plan: &Plan, predictor: &Predictor, run: &RunDir) -> Result<()> {
        match self {
            Self::Pixels(evaluation) => pictures::write(plan, predictor, evaluation, run),
            Self::Images(split, scores, _) => {
                pictures::write_images(plan, predictor, *split, scores, run)
            }
        }
    }
}

/// The classes of whole images; none if only pixels have classes.
fn image_classes(plan: &Plan) -> &[String] {
    match &plan.decisions.labels {
        Labels::Images { names } => names,
        Labels::Binary { .. } | Labels::Classes { .. } => &plan.dataset.image_classes,
    }
}

fn write(plan: &Plan, judged: &[Judged], run: &RunDir) -> Result<()> {
    let spec = &plan.decisions.spec;
    let classes = image_classes(plan);
    let carried = Carried::new(&plan.dataset);
    let classified = matches!(plan.decisions.labels, Labels::Images { .. });
    if !classified {
        let cases: Vec<CaseRow> = judged.iter().flat_map(|one| one.cases(&carried, spec)).collect();
        run.write(&Table::from(cases))?;
    }
    let scores: Vec<ScoreRow> =
        judged.iter().flat_map(|one| one.scores(classes, &carried)).collect();
    if classified || !scores.is_empty() {
        run.write(&Scores { classes: classes.to_vec(), rows: scores })?;
    }
    let of_pixels = judged.iter().filter_map(|one| one.confusion_of_pixels(plan));
    let of_images = judged.iter().filter_map(|one| one.confusion_of_images(classes));
    run.write(&of_pixels.chain(of_images).collect::<Vec<_>>())?;
    let reliability = judged.iter().filter_map(|one| one.reliability_of_pixels(plan));
    run.write(&reliability.collect::<Vec<_>>())?;
    run.write(&judged.iter().filter_map(Judged::froc).collect::<Vec<_>>())?;
    let figures: Vec<Figure> = judged.iter().flat_map(|one| one.figures(plan)).collect();
    run.write(&figures)?;
    if !spec.evaluation.by.is_empty() {
        let strata: Vec<Vec<Stratum>> =
            judged.iter().map(|one| one.strata(plan)).collect::<Result<_>>()?;
        run.write(&strata.concat())?;
    }
    Ok(())
}

/// An error, if someone asked to stop.
fn go_on(stop: &Stop) -> Result<()> {
    if stop.asked() { Err(Error::failed("asked to stop by a signal")) } else { Ok(()) }
}

/// A result, or `None` where it is an error because someone asked to stop.
fn unless_stopped<T>(result: Result<T>, stop: &Stop) -> Result<Option<T>> {
    match result {
        Err(_) if stop.asked() => Ok(None),
        other => other.map(Some),
    }
}
