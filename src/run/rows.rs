//! The results of an evaluation as rows of the record.

use std::collections::{BTreeSet, HashMap};

use crate::data::{Dataset, Metadata};
use crate::evaluate::reliability::{BINS, Bin, Reliability};
use crate::evaluate::{self, CaseScore, Evaluation, ImageScore, Pictured, bootstrap};
use crate::figure_name::{MASK_DICE, OF_SECOND_HEAD};
use crate::record::{
    CaseRow, ClassReliability, Confusion, Figure, Froc, FrocPoint, GuideRow, Interval, PicturedRow,
    PixelReliability, ReliabilityBin, ScoreRow, Table, Threshold,
};
use crate::spec::{MetricKind, Resolution, Spec, ThresholdSpec};
use crate::split_name::SplitName;

/// The figures of a split as rows of the record; last those of images, whose `image_classes` a second head predicts.
pub fn figures(evaluation: &Evaluation, image_classes: &[String], spec: &Spec) -> Vec<Figure> {
    let scores = evaluation.at(spec.evaluation.resolution);
    let of_pixels = evaluate::figures(scores, &spec.evaluation.metrics, spec.evaluation.empty);
    let of_images = match evaluation.images.as_slice() {
        [] => Vec::new(),
        images => evaluate::image_figures(images, image_classes, &MetricKind::of_images()),
    };
    let of_images = of_images.into_iter().map(|figure| evaluate::Figure {
        name: format!("{OF_SECOND_HEAD}{}", figure.name),
        ..figure
    });
    let all = of_pixels.into_iter().chain(of_images);
    all.map(|figure| recorded(figure, evaluation.split)).collect()
}

/// A figure as a row of the record.
fn recorded(figure: evaluate::Figure, split: SplitName) -> Figure {
    Figure {
        split,
        name: figure.name,
        value: figure.value,
        n: figure.n as u64,
        left_out: figure.left_out as u64,
        penalised: figure.penalised as u64,
        groups: figure.groups as u64,
        interval: figure.interval.map(|(low, high)| Interval { low, high }),
        interval_note: figure.interval_note,
    }
}

/// The figures of a split of classified images as rows of the record.
pub fn image_figures(
    scores: &[ImageScore],
    split: SplitName,
    classes: &[String],
    spec: &Spec,
) -> Vec<Figure> {
    let figures = evaluate::image_figures(scores, classes, &spec.evaluation.metrics);
    figures.into_iter().map(|figure| recorded(figure, split)).collect()
}

/// Cases of a split as a page shows them.
pub(super) fn pictured_rows(pictured: &[Pictured], split: SplitName) -> Table<PicturedRow> {
    let row = |one: &Pictured| {
        let Pictured { case, image, truth, prediction } = one.clone();
        PicturedRow { split, case, image, truth, prediction }
    };
    pictured.iter().map(row).collect::<Vec<_>>().into()
}

/// Mean Dice of the masks that guide, over the cases of a split.
pub(super) fn mask_dice(rows: &[GuideRow], split: SplitName) -> Option<Figure> {
    let of_split = rows.iter().filter(|row| row.split == split);
    let (values, groups): (Vec<f64>, Vec<&str>) =
        of_split.filter_map(|row| Some((row.dice?, row.group.as_str()))).unzip();
    let interval = bootstrap::mean_interval(&values, &groups, (0.0, 1.0));
    let left_out = rows.iter().filter(|row| row.split == split && row.dice.is_none());
    (!values.is_empty()).then(|| Figure {
        split,
        name: MASK_DICE.into(),
        value: values.iter().sum::<f64>() / values.len() as f64,
        n: values.len() as u64,
        left_out: left_out.count() as u64,
        penalised: 0,
        groups: groups.iter().collect::<BTreeSet<_>>().len() as u64,
        interval: interval.map(|(low, high)| Interval { low, high }),
        interval_note: String::new(),
    })
}

/// What the table of a data set says of its cases, by their names; of whole regions nothing.
pub(super) struct Carried<'a>(HashMap<&'a str, &'a Metadata>);

impl<'a> Carried<'a> {
    /// By the cases of a data set.
    pub(super) fn new(dataset: &'a Dataset) -> Self {
        let cases = dataset.cases.iter().filter(|case| !case.metadata.is_empty());
        Self(cases.map(|case| (case.id.as_str(), &case.metadata)).collect())
    }

    fn of(&self, case: &str) -> Metadata {
        self.0.get(case).copied().cloned().unwrap_or_default()
    }
}

/// The classes of cases at both resolutions as rows of the record.
pub(super) fn case_rows(evaluation: &Evaluation, carried: &Carried, spec: &Spec) -> Vec<CaseRow> {
    let row = |resolution: &str, score: &CaseScore| CaseRow {
        split: evaluation.split,
        resolution: resolution.into(),
        case: score.case.clone(),
        group: score.group.clone(),
        label: score.label.clone(),
        class: score.class.clone(),
        tp: score.counts.tp,
        fp: score.counts.fp,
        fn_: score.counts.fn_,
        tn: score.counts.tn,
        measured: score.measured.clone(),
        dice: score.value(MetricKind::Dice, spec.evaluation.empty),
        metadata: carried.of(&score.case),
    };
    let original = evaluation.at(Resolution::Original).iter().map(|s| row("original", s));
    let network = evaluation.at(Resolution::Network).iter().map(|s| row("network", s));
    original.chain(network).collect()
}

/// A classified image as a row of the record.
pub(super) fn score_row(
    score: &ImageScore,
    split: SplitName,
    classes: &[String],
    carried: &Carried,
) -> ScoreRow {
    ScoreRow {
        split,
        case: score.case.clone(),
        group: score.group.clone(),
        truth: classes[score.truth].clone(),
        predicted: classes[score.predicted].clone(),
        probabilities: score.probabilities.iter().map(|&p| f64::from(p)).collect(),
        metadata: carried.of(&score.case),
    }
}

/// Pixels by truth and prediction; with one foreground, the background first.
pub(super) fn confusion_of_pixels(evaluation: &Evaluation, dataset: &Dataset) -> Confusion {
    let mut classes = dataset.labels.names();
    if classes.len() < dataset.labels.values() {
        classes.insert(0, "background".into());
    }
    Confusion { split: evaluation.split, classes, matrix: evaluation.confusion.rows() }
}

/// Pixels by the probability of each class.
pub(super) fn reliability_of_pixels(
    evaluation: &Evaluation,
    dataset: &Dataset,
) -> PixelReliability {
    let Reliability { classes, pixels, squares } = &evaluation.reliability;
    let of_class = |(class, bins): (String, &[Bin; BINS])| ClassReliability {
        class,
        bins: bins
            .iter()
            .map(|&Bin { pixels, probability, of_class }| ReliabilityBin {
                pixels,
                probability,
                of_class,
            })
            .collect(),
    };
    PixelReliability {
        split: evaluation.split,
        pixels: *pixels,
        brier: squares / (*pixels).max(1) as f64,
        classes: dataset.labels.names().into_iter().zip(classes).map(of_class).collect(),
    }
}

/// Lesions at every threshold; `None` of several classes.
pub(super) fn froc(evaluation: &Evaluation) -> Option<Froc> {
    let evaluate::Froc { images, lesions, points } = evaluation.froc.as_ref()?;
    let point = |(threshold, &[found, false_lesions]): (f64, &[u64; 2])| FrocPoint {
        threshold,
        found,
        false_lesions,
    };
    Some(Froc {
        split: evaluation.split,
        images: *images,
        lesions: *lesions,
        points: evaluate::CANDIDATES.into_iter().zip(points).map(point).collect(),
    })
}

/// Images by truth and prediction.
pub(super) fn confusion_of_images(
    scores: &[ImageScore],
    split: SplitName,
    classes: &[String],
) -> Confusion {
    let mut matrix = vec![vec![0; classes.len()]; classes.len()];
    for score in scores {
        matrix[score.truth][score.predicted] += 1;
    }
    Confusion { split, classes: classes.to_vec(), matrix }
}

/// A threshold and how it was chosen.
pub(super) fn threshold(spec: &Spec, value: f64) -> Threshold {
    let chosen = match &spec.evaluation.threshold {
        ThresholdSpec::Fixed(_) => "fixed in the spec".into(),
        ThresholdSpec::BestOnValid(best) => {
            let (metric, mean) = match spec.task.classifies() {
                true => (best.of_images(), ""),
                false => (best.of_pixels(), "mean "),
            };
            format!("highest {mean}{} on the validation split", metric.row().title())
        }
    };
    Threshold { value, chosen }
}
