//! The pictures of a report: the best cases, the worst and random ones.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use image::imageops::{FilterType, resize};
use rand::Rng;

use crate::attribution::{GradCamPlusPlus, Method, attribute, heat_over};
use crate::data::{decode, random_stream};
use crate::error::Result;
use crate::evaluate::{
    CaseScore, Cases, Evaluation, ImageScore, Predictor, SECOND_HEAD_THRESHOLD, draw, jpeg,
    overlay, predicted_case, predicted_class, shown,
};
use crate::loss::Outputs;
use crate::metric::{Counts, across_classes};
use crate::model;
use crate::plan::Plan;
use crate::record::{Picture, PictureFile, PictureImages, PictureKind, RunDir};
use crate::spec::{EmptyRule, MetricKind, ReportSpec, Spec};
use crate::split_name::SplitName;

/// Draws the cases that the spec asks for, from the last split evaluated.
///
/// # Errors
/// If a case cannot be decoded or a picture not written.
pub(super) fn write(
    plan: &Plan,
    predictor: &Predictor,
    evaluation: &Evaluation,
    run: &RunDir,
) -> Result<()> {
    let spec = &plan.decisions.spec.evaluation;
    let scores = case_scores(evaluation.at(spec.resolution), spec.empty);
    let split = evaluation.split;
    let (dataset, groups) = (&*plan.dataset, plan.split.groups.as_slice());
    let cases = Cases { dataset, indices: plan.split.part(split), groups, split };
    write_chosen(plan, split, &scores, run, |name, album| {
        let Some((label, decoded, probabilities)) = predicted_case(predictor, &cases, name)? else {
            return Ok(None);
        };
        let drawn = draw(&decoded, &probabilities, predictor.outputs, &predictor.settled)?;
        Ok(Some(Picture {
            label,
            predicted: class_by_second_head(&probabilities.of_image, &plan.dataset.image_classes),
            images: PictureImages {
                image: album.save("image.jpg", "image", drawn.image)?,
                truth: album.save("truth.png", "true mask", drawn.truth)?,
                probability: album.save(
                    "probability.png",
                    "predicted probability",
                    drawn.probability,
                )?,
                prediction: album.save("prediction.png", "predicted mask", drawn.prediction)?,
                error: album.save("error.png", "errors", drawn.error)?,
                heat: None,
            },
            ..Picture::default()
        }))
    })
}

/// Draws the classified images that the spec asks for, each with the class activation map of its predicted class.
///
/// # Errors
/// If a case cannot be decoded or a picture not written.
pub(super) fn write_images(
    plan: &Plan,
    predictor: &Predictor,
    split: SplitName,
    scores: &[ImageScore],
    run: &RunDir,
) -> Result<()> {
    let classes = plan.decisions.labels.names();
    let scored = |score: &ImageScore| Scored {
        case: score.case.clone(),
        score: Some(f64::from(score.probabilities[score.truth])),
        empty: false,
    };
    let scored: Vec<Scored> = scores.iter().map(scored).collect();
    let layer = attribution_layer(&plan.decisions.spec);
    let method = Method::GradCamPlusPlus(GradCamPlusPlus { layer });
    let by_case: BTreeMap<&str, &ImageScore> =
        scores.iter().map(|score| (score.case.as_str(), score)).collect();
    write_chosen(plan, split, &scored, run, |name, album| {
        let Some(case) = plan.dataset.cases.iter().find(|case| case.id == name) else {
            return Ok(None);
        };
        let (score, decoded) = (by_case[name], decode(&plan.dataset, case)?);
        let image = shown(&decoded.image);
        // Of an average there is no map, since each of its networks has one of its own.
        let heat = match predictor.others.is_empty() {
            true => {
                let heat = attribute(predictor, &decoded, Some(score.predicted), &method)?;
                Some(jpeg(&heat_over(&image, &heat)?)?)
            }
            false => None,
        };
        let overlaid = |labels| {
            let (width, height) = image.dimensions();
            let labels = resize(labels, width, height, FilterType::Nearest);
            overlay(&image, labels.as_raw(), Outputs::Binary)
        };
        let mask = decoded.labels.as_ref().map(overlaid).transpose()?;
        let shows = format!("Grad-CAM++ map for {}", classes[score.predicted]);
        Ok(Some(Picture {
            label: case.label.clone(),
            predicted: class_with_probability(&score.probabilities, score.predicted, &classes),
            images: PictureImages {
                image: album.save("image.jpg", "image", jpeg(&image)?)?,
                prediction: album.save("mask.png", "guiding mask", mask)?,
                heat: album.save("heat.jpg", &shows, heat)?,
                ..PictureImages::default()
            },
            ..Picture::default()
        }))
    })
}

/// Writes the pictures of the cases that the spec asks for, each made by `picture` of the case of a name.
fn write_chosen(
    plan: &Plan,
    split: SplitName,
    scores: &[Scored],
    run: &RunDir,
    picture: impl Fn(&str, &Album) -> Result<Option<Picture>>,
) -> Result<()> {
    let mut pictures = Vec::new();
    let chosen = choose(scores, &plan.decisions.spec.report, plan.decisions.seed);
    for (number, (kind, name, score)) in chosen.into_iter().enumerate() {
        let album = Album { run, prefix: format!("{number:03}"), of: name.clone() };
        let Some(drawn) = picture(&name, &album)? else { continue };
        pictures.push(Picture { split, case: name, kind, score, ..drawn });
    }
    run.write(&pictures)
}

/// The pictures of a case in a run directory.
pub(super) struct Album<'a> {
    /// The run directory.
    pub run: &'a RunDir,
    /// What the names of the files begin with.
    pub prefix: String,
    /// What the pictures are of, which ends their descriptions.
    pub of: String,
}

impl Album<'_> {
    /// Writes a picture, if there is one, with what it shows.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn save(
        &self,
        name: &str,
        shows: &str,
        bytes: impl Into<Option<Vec<u8>>>,
    ) -> Result<Option<PictureFile>> {
        let Some(bytes) = bytes.into() else { return Ok(None) };
        let file = format!("{}-{name}", self.prefix);
        self.run.write_picture(&file, &bytes)?;
        Ok(Some(PictureFile { file, alt: format!("{shows} of {}", self.of) }))
    }
}

/// The predicted class of an image with its probability.
pub(super) fn class_with_probability(
    probabilities: &[f32],
    class: usize,
    classes: &[String],
) -> String {
    format!("{} ({:.2})", classes[class], probabilities[class])
}

/// The same of an image whose class a second head predicts; empty without one.
pub(super) fn class_by_second_head(probabilities: &[f32], classes: &[String]) -> String {
    match probabilities {
        [] => String::new(),
        _ => {
            let class = predicted_class(probabilities, SECOND_HEAD_THRESHOLD);
            class_with_probability(probabilities, class, classes)
        }
    }
}

/// The layer of class activation maps.
fn attribution_layer(spec: &Spec) -> String {
    spec.report.film.layer.clone().unwrap_or_else(|| model::usual_place(&spec.model))
}

/// A case with its rank.
#[derive(Clone, Debug, PartialEq)]
struct Scored {
    case: String,
    /// Dice of its classes, or the probability of an image's class; `None` where undefined.
    score: Option<f64>,
    /// Whether its truth is empty.
    empty: bool,
}

/// Dice of each case, over its classes where there are several, in the order of the cases.
fn case_scores(scores: &[CaseScore], empty: EmptyRule) -> Vec<Scored> {
    scores
        .chunk_by(|one, next| one.case == next.case)
        .map(|of_case| {
            let counts: Vec<Counts> = of_case.iter().map(|score| score.counts).collect();
            Scored {
                case: of_case[0].case.clone(),
                score: across_classes(MetricKind::Dice, &counts, empty),
                empty: of_case.iter().all(CaseScore::truth_empty),
            }
        })
        .collect()
}

/// Which cases are shown and why; no case twice. Cases with an empty truth are among the best only if there are not
/// enough others.
fn choose(
    scores: &[Scored],
    spec: &ReportSpec,
    seed: u32,
) -> Vec<(PictureKind, String, Option<f64>)> {
    let mut ranked: Vec<&Scored> = scores.iter().filter(|case| case.score.is_some()).collect();
    ranked.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal));
    let worst = (spec.worst as usize).min(ranked.len() / 2);
    let lowest = ranked.split_off(ranked.len() - worst);
    ranked.sort_by_key(|case| case.empty);
    ranked.truncate(spec.best as usize);
    let take = |kind, case: &Scored| (kind, case.case.clone(), case.score);
    let best = ranked.iter().map(|case| take(PictureKind::Best, case));
    let mut chosen: Vec<_> = best.collect();
    chosen.extend(lowest.iter().rev().map(|case| take(PictureKind::Worst, case)));
    let mut rest: Vec<&Scored> = scores
        .iter()
        .filter(|case| chosen.iter().all(|(_, taken, _)| *taken != case.case))
        .collect();
    let mut stream = random_stream(seed, b"pictures");
    for _ in 0..(spec.random as usize).min(rest.len()) {
        let index = (u64::from(stream.next_u32()) * rest.len() as u64) >> 32;
        chosen.push(take(PictureKind::Random, rest.remove(index as usize)));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(case: &str, score: Option<f64>, empty: bool) -> Scored {
        Scored { case: case.into(), score, empty }
    }

    #[test]
    fn a_case_scores_the_mean_over_its_own_classes_and_the_figure_is_the_mean_of_that() {
        // A tile that shows two of five classes, badly: the three it does not show add nothing.
        let score = |case: &str, class_index: usize, [tp, fp, fn_, tn]: [u64; 4]| CaseScore {
            case: case.into(),
            group: case.into(),
            class: class_index.to_string(),
            class_index,
            counts: Counts { tp, fp, fn_, tn },
            ..CaseScore::default()
        };
        let absent = |case: &str| (2..5).map(|class| score(case, class, [0, 0, 0, 100])).collect();
        let scores: Vec<CaseScore> = [
            vec![score("a", 0, [2, 48, 48, 2]), score("a", 1, [2, 48, 48, 2])],
            absent("a"),
            vec![score("b", 0, [50, 0, 0, 50]), score("b", 1, [50, 0, 0, 50])],
            absent("b"),
        ]
        .concat();
        for empty in [EmptyRule::One, EmptyRule::Skip] {
            let shown = case_scores(&scores, empty);
            let values: Vec<f64> = shown.iter().filter_map(|case| case.score).collect();
            assert_eq!(values, [0.04, 1.0]);
            let figures = crate::evaluate::figures(&scores, &[MetricKind::Dice], empty);
            let figure = figures.iter().find(|figure| figure.name == "dice.mean").unwrap();
            assert!((figure.value - 0.52).abs() < 1e-12);
        }
    }

    #[test]
    fn best_worst_and_random_cases_are_all_different() {
        let scores: Vec<Scored> =
            (0..9).map(|n| scored(&format!("c{n}"), Some(f64::from(n) / 10.0), n == 8)).collect();
        let spec = ReportSpec { best: 2, worst: 2, random: 3, ..ReportSpec::default() };
        let chosen = choose(&scores, &spec, 1);
        let names: Vec<&str> = chosen.iter().map(|(_, case, _)| case.as_str()).collect();
        assert_eq!(names[..4], ["c7", "c6", "c0", "c1"]);
        let distinct: std::collections::BTreeSet<&&str> = names.iter().collect();
        assert_eq!((names.len(), distinct.len()), (7, 7));
        assert_eq!(chosen, choose(&scores, &spec, 1));
    }

    #[test]
    fn few_cases_are_shared_out() {
        let scores = vec![scored("a", Some(0.5), false), scored("b", None, false)];
        let chosen = choose(&scores, &ReportSpec::default(), 0);
        let kinds: Vec<(PictureKind, &str)> =
            chosen.iter().map(|(kind, case, _)| (*kind, case.as_str())).collect();
        assert_eq!(kinds, [(PictureKind::Best, "a"), (PictureKind::Random, "b")]);
    }
}
