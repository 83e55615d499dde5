//! Parity with scikit-learn, torchmetrics, MONAI and NumPy: see `tests/fixtures/metrics.py`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::data::IGNORE;
use crate::metric::{Counts, EmptyRule, MetricKind};

#[derive(Deserialize)]
struct Fixture {
    binary: Vec<Binary>,
    auc: Vec<Auc>,
    classes: Classes,
    real: Vec<Real>,
}

#[derive(Deserialize)]
struct Expected {
    counts: [u64; 4],
    scores: BTreeMap<String, Option<f64>>,
    hd95: Option<f64>,
    assd: Option<f64>,
}

#[derive(Deserialize)]
struct Binary {
    name: String,
    width: usize,
    height: usize,
    prediction: String,
    truth: String,
    #[serde(flatten)]
    expected: Expected,
}

#[derive(Deserialize)]
struct Auc {
    name: String,
    steps: Vec<u16>,
    truth: String,
    auc: f64,
}

#[derive(Deserialize)]
struct Image {
    prediction: String,
    truth: String,
}

#[derive(Deserialize)]
struct Classes {
    classes: usize,
    images: Vec<Image>,
    confusion: Vec<Vec<u64>>,
    mean: BTreeMap<String, f64>,
    pooled: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Real {
    stem: String,
    width: usize,
    height: usize,
    auc: f64,
    #[serde(flatten)]
    expected: Expected,
}

fn asked(metrics: &[MetricKind]) -> Asked<'_> {
    Asked { metrics, tolerance_px: 2.0, missed: crate::metric::MissedDistance::LeftOut }
}

fn fixture() -> Fixture {
    let json = std::fs::read(crate::testing::fixture("metrics.json")).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn pixels(text: &str) -> Vec<u8> {
    text.bytes().map(|byte| if byte == b'-' { IGNORE } else { byte - b'0' }).collect()
}

const OVERLAP: [MetricKind; 7] = [
    MetricKind::Dice,
    MetricKind::Iou,
    MetricKind::Precision,
    MetricKind::Recall,
    MetricKind::Specificity,
    MetricKind::Accuracy,
    MetricKind::Mcc,
];

/// The score of the mask of probabilities from a half on.
fn cut_at_half(case: &LabelledCase, probabilities: &[f32], metrics: &[MetricKind]) -> CaseScore {
    let mask = binarize(probabilities, 0.5);
    score_binary(case, "lesion", &mask, probabilities, &asked(metrics))
}

fn assert_close(ours: Option<f64>, theirs: Option<f64>, tolerance: f64, what: &str) {
    let close = match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= tolerance,
        (ours, theirs) => ours == theirs,
    };
    assert!(close, "{what}: ours {ours:?}, theirs {theirs:?}");
}

fn assert_expected(score: &CaseScore, expected: &Expected, what: &str) {
    let [tp, fp, fn_, tn] = expected.counts;
    assert_eq!(score.counts, Counts { tp, fp, fn_, tn }, "{what}");
    for kind in OVERLAP {
        let theirs = expected.scores[kind.name()];
        let what = format!("{what}, {}", kind.name());
        let (one, skip) = (score.value(kind, EmptyRule::One), score.value(kind, EmptyRule::Skip));
        let undefined = if score.counts.perfect() { 1.0 } else { 0.0 };
        match kind {
            // scikit-learn calls a 0 / 0 of MCC 0.
            MetricKind::Mcc => assert_close(Some(skip.unwrap_or(0.0)), theirs, 1e-12, &what),
            _ => assert_close(skip, theirs, 1e-12, &what),
        }
        assert_close(one, Some(skip.unwrap_or(undefined)), 0.0, &what);
    }
    // MONAI computes in f32. Two empty masks are 0 apart here, NaN there.
    let theirs = |distance| if score.counts.absent() { Some(0.0) } else { distance };
    let measured = |kind| score.measured.get(&kind).copied();
    for (kind, expected) in [(MetricKind::Hd95, expected.hd95), (MetricKind::Assd, expected.assd)] {
        let what = format!("{what}, {}", kind.name());
        assert_close(measured(kind), theirs(expected), 1e-5, &what);
    }
}

#[test]
fn overlap_and_distances_are_those_of_scikit_learn_and_monai() {
    let cases = fixture().binary;
    assert_eq!(cases.len(), 31);
    for Binary { name, width, height, prediction, truth, expected } in cases {
        let probabilities: Vec<f32> = pixels(&prediction).into_iter().map(f32::from).collect();
        let truth = pixels(&truth);
        let case =
            LabelledCase { case: &name, group: &name, label: "", width, height, truth: &truth };
        let score = cut_at_half(&case, &probabilities, &[MetricKind::Hd95]);
        assert_expected(&score, &expected, &name);
    }
}

#[test]
fn auc_is_that_of_scikit_learn() {
    for case in fixture().auc {
        let scores: Vec<f32> = case.steps.iter().map(|&step| f32::from(step) / 64.0).collect();
        let (name, truth) = (case.name.as_str(), pixels(&case.truth));
        let (width, height, truth) = (truth.len(), 1, truth.as_slice());
        let labelled = LabelledCase { case: name, group: name, label: "", width, height, truth };
        let score = cut_at_half(&labelled, &scores, &[MetricKind::Auc]);
        assert_close(score.value(MetricKind::Auc, EmptyRule::One), Some(case.auc), 1e-12, name);
    }
}

#[test]
fn class_figures_are_the_macro_averages_of_scikit_learn() {
    let fixture = fixture().classes;
    let names: Vec<String> = (0..fixture.classes).map(|class| format!("class {class}")).collect();
    let mut confusion = Confusion::new(fixture.classes);
    let mut scores = Vec::new();
    for (n, image) in fixture.images.iter().enumerate() {
        let (prediction, truth) = (pixels(&image.prediction), pixels(&image.truth));
        let name = n.to_string();
        let case = LabelledCase {
            case: &name,
            group: &name,
            label: "",
            width: 14,
            height: 9,
            truth: &truth,
        };
        confusion.tally(&prediction, &truth);
        scores.extend(score_classes(&case, &names, &prediction, None, &asked(&[])));
    }
    assert_eq!(confusion.rows(), fixture.confusion);
    let figures = figures(&scores, &OVERLAP, EmptyRule::One);
    let value = |name: String| figures.iter().find(|figure| figure.name == name).map(|f| f.value);
    for (metric, theirs) in fixture.mean {
        let name = format!("{metric}.mean");
        assert_close(value(name.clone()), Some(theirs), 1e-12, &name);
    }
    for (metric, theirs) in fixture.pooled {
        let name = format!("{metric}.pooled");
        assert_close(value(name.clone()), Some(theirs), 1e-12, &name);
    }
}

#[test]
fn real_masks_at_their_original_size_score_as_in_scikit_learn_and_monai() {
    let Some(data) = crate::testing::shared() else { return };
    let cases = fixture().real;
    assert_eq!(cases.len(), 4);
    for Real { stem, width, height, auc, expected } in cases {
        let open = |suffix: &str| {
            let path = data.join("Dataset_BUSI_with_GT").join(format!("{stem}{suffix}.png"));
            image::open(path).unwrap()
        };
        let mask = open("_mask").into_luma8();
        assert_eq!((mask.width() as usize, mask.height() as usize), (width, height), "{stem}");
        let truth: Vec<u8> = mask.as_raw().iter().map(|&gray| u8::from(gray > 127)).collect();
        let mut moved = vec![0.0; truth.len()];
        for y in 17..height {
            for x in 0..width - 9 {
                moved[y * width + x] = f32::from(truth[(y - 17) * width + x + 9]);
            }
        }
        let case =
            LabelledCase { case: &stem, group: &stem, label: "", width, height, truth: &truth };
        let score = cut_at_half(&case, &moved, &[MetricKind::Hd95]);
        assert_expected(&score, &expected, &stem);

        let image = open("").into_rgb8();
        let red: Vec<f32> = image.pixels().map(|pixel| f32::from(pixel[0]) / 255.0).collect();
        let score = cut_at_half(&case, &red, &[MetricKind::Auc]);
        assert_close(score.value(MetricKind::Auc, EmptyRule::One), Some(auc), 1e-12, &stem);
    }
}

#[derive(Deserialize)]
struct Batches {
    width: usize,
    images: Vec<Soft>,
}

#[derive(Deserialize)]
struct Soft {
    name: String,
    logits: Vec<f64>,
    truth: Vec<u8>,
    soft: [f64; 2],
}

#[test]
fn metrics_of_probabilities_are_those_of_numpy() {
    let json = std::fs::read(crate::testing::fixture("batches.json")).unwrap();
    let Batches { width, images } = serde_json::from_slice(&json).unwrap();
    assert_eq!(images.len(), 7);
    let metrics = [MetricKind::SoftDice, MetricKind::SoftIou];
    for Soft { name, logits, truth, soft } in images {
        let probabilities: Vec<f32> =
            logits.iter().map(|logit| (1.0 / (1.0 + (-logit).exp())) as f32).collect();
        let height = truth.len() / width;
        let case =
            LabelledCase { case: &name, group: &name, label: "", width, height, truth: &truth };
        let score = cut_at_half(&case, &probabilities, &metrics);
        for (kind, theirs) in metrics.into_iter().zip(soft) {
            let ours = score.value(kind, EmptyRule::One);
            assert_close(ours, Some(theirs), 1e-7, &format!("{name}, {}", kind.name()));
        }
    }
}
