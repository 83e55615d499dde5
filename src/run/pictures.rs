//! The cases a report shows: the best, the worst and some at random.

use std::collections::BTreeMap;

use rand::Rng;

use crate::data::{decode, random_stream};
use crate::error::Result;
use crate::evaluate::{Evaluation, Predictor, draw};
use crate::plan::Plan;
use crate::record::{Picture, PictureFile, PictureImages, PictureKind, RunDir};
use crate::spec::{MetricKind, ReportSpec, Spec};

/// Draws the cases that the spec asks for, from the last split evaluated.
///
/// # Errors
/// If a case cannot be decoded or a picture not written.
pub fn write(
    plan: &Plan,
    predictor: &Predictor,
    evaluation: &Evaluation,
    threshold: f64,
    run: &RunDir,
) -> Result<()> {
    let spec = &plan.decisions.spec;
    let scores = case_scores(evaluation, spec);
    let mut pictures = Vec::new();
    for (number, (kind, name, score)) in
        choose(&scores, &spec.report, plan.decisions.seed).into_iter().enumerate()
    {
        let Some(case) = plan.dataset.cases.iter().find(|case| case.id == name) else { continue };
        let decoded = decode(&plan.dataset, case)?;
        let Some(probabilities) = predictor.predict(&[&decoded])?.pop() else { continue };
        let drawn = draw(&decoded, &probabilities, predictor.outputs, threshold)?;
        let save = |what: &str, said: &str, bytes: Vec<u8>| -> Result<Option<PictureFile>> {
            let file = format!("{number:03}-{what}.png");
            run.write_picture(&file, &bytes)?;
            Ok(Some(PictureFile { file, alt: format!("{said} of {name}") }))
        };
        let maybe = |what: &str, said: &str, bytes: Option<Vec<u8>>| match bytes {
            Some(bytes) => save(what, said, bytes),
            None => Ok(None),
        };
        let images = PictureImages {
            image: save("image", "image", drawn.image)?,
            truth: maybe("truth", "true mask", drawn.truth)?,
            probability: save("probability", "predicted probability", drawn.probability)?,
            prediction: save("prediction", "predicted mask", drawn.prediction)?,
            error: maybe("error", "errors", drawn.error)?,
        };
        pictures.push(Picture {
            split: evaluation.split.to_string(),
            case: name,
            label: case.label.clone(),
            kind,
            score,
            images,
        });
    }
    run.write_pictures(&pictures)
}

/// Mean Dice of each case over its classes, in the order of the cases.
fn case_scores(evaluation: &Evaluation, spec: &Spec) -> Vec<(String, Option<f64>)> {
    let mut order: Vec<&str> = Vec::new();
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for score in evaluation.at(spec.evaluation.resolution) {
        let of_case = values.entry(&score.case).or_insert_with(|| {
            order.push(&score.case);
            Vec::new()
        });
        of_case.extend(score.value(MetricKind::Dice, spec.evaluation.empty));
    }
    order
        .into_iter()
        .map(|case| {
            let found = &values[case];
            let mean = found.iter().sum::<f64>() / found.len() as f64;
            (case.to_string(), (!found.is_empty()).then_some(mean))
        })
        .collect()
}

/// Which cases are shown and why; no case twice.
fn choose(
    scores: &[(String, Option<f64>)],
    spec: &ReportSpec,
    seed: u32,
) -> Vec<(PictureKind, String, Option<f64>)> {
    let mut ranked: Vec<&(String, Option<f64>)> =
        scores.iter().filter(|(_, score)| score.is_some()).collect();
    ranked.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(std::cmp::Ordering::Equal));
    let worst = (spec.worst as usize).min(ranked.len() / 2);
    let best = (spec.best as usize).min(ranked.len() - worst);
    let mut chosen: Vec<(PictureKind, String, Option<f64>)> = Vec::new();
    let take = |kind, &(ref case, score): &(String, Option<f64>)| (kind, case.clone(), score);
    chosen.extend(ranked[..best].iter().map(|case| take(PictureKind::Best, case)));
    let last = ranked[ranked.len() - worst..].iter().rev();
    chosen.extend(last.map(|case| take(PictureKind::Worst, case)));
    let mut rest: Vec<&(String, Option<f64>)> = scores
        .iter()
        .filter(|(case, _)| chosen.iter().all(|(_, taken, _)| taken != case))
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

    #[test]
    fn best_worst_and_random_cases_are_all_different() {
        let scores: Vec<(String, Option<f64>)> =
            (0..9).map(|n| (format!("c{n}"), Some(f64::from(n) / 10.0))).collect();
        let spec = ReportSpec { best: 2, worst: 2, random: 3 };
        let chosen = choose(&scores, &spec, 1);
        let names: Vec<&str> = chosen.iter().map(|(_, case, _)| case.as_str()).collect();
        assert_eq!(names[..4], ["c8", "c7", "c0", "c1"]);
        let distinct: std::collections::BTreeSet<&&str> = names.iter().collect();
        assert_eq!((names.len(), distinct.len()), (7, 7));
        assert_eq!(chosen, choose(&scores, &spec, 1));
    }

    #[test]
    fn few_cases_are_shared_out() {
        let scores = vec![("a".to_string(), Some(0.5)), ("b".to_string(), None)];
        let chosen = choose(&scores, &ReportSpec { best: 4, worst: 4, random: 4 }, 0);
        let kinds: Vec<(PictureKind, &str)> =
            chosen.iter().map(|(kind, case, _)| (*kind, case.as_str())).collect();
        assert_eq!(kinds, [(PictureKind::Best, "a"), (PictureKind::Random, "b")]);
    }
}
