//! What the validation split decides of a prediction: which steps are kept, the temperature and the threshold.

use super::counts::count_binary;
use super::images::{best_image_threshold, image_metric};
use super::predictor::Predictor;
use super::run::{Cases, Seen, Tick, classify, over_scenes};
use super::temperature::Observed;
use super::{best_threshold, count_at_candidates, count_classes};
use crate::error::Result;
use crate::loss::Outputs;
use crate::metric::{Counts, IGNORE, across_classes};
use crate::spec::{
    BestOnValidThreshold, CalibrationSpec, EvaluationSpec, KeepSpec, Resolution, Settled,
    ThresholdSpec, TriedStep,
};

/// By how much a metric must be higher with a step: more than sums in another order differ by.
const ROUNDING: f64 = 1e-12;
/// The most probabilities that a temperature is fitted to.
const MOST_OBSERVED: usize = 4_000_000;
/// The most pixels of a case that it is fitted to.
const MOST_PIXELS: usize = 4096;

/// Settles how outputs of the network become a prediction, and gives the steps about which validation cases decided.
///
/// In this order: test-time augmentation, refinement, temperature, threshold, post-processing; each step sees what the
/// ones before it left. Of networks that are averaged each has settled the first three for itself, and the last two are of
/// their average.
///
/// # Errors
/// If a case cannot be decoded, or `tick` fails.
pub fn settle(
    predictor: &mut Predictor,
    valid: &Cases,
    spec: &EvaluationSpec,
    tick: Tick,
) -> Result<Vec<TriedStep>> {
    let mut tried = match predictor.others.is_empty() {
        true => settle_probabilities(predictor, valid, spec, tick)?,
        false => Vec::new(),
    };
    predictor.settled.post_process.clear();
    predictor.settled.threshold = threshold(predictor, valid, spec, tick)?;
    let KeepSpec::IfBetterOnValid(by) = &spec.keep else {
        predictor.settled.post_process.clone_from(&spec.post_process);
        return Ok(tried);
    };
    let mut trial = Trial::new(predictor.settled.clone(), valid, spec, by, tick);
    for step in &spec.post_process {
        let mut with = trial.settled.clone();
        with.post_process.push(step.clone());
        trial.step(predictor, step.name(), with)?;
    }
    tried.extend(trial.tried);
    Ok(tried)
}

/// Settles what is made of a network's probabilities before they are compared with a threshold.
fn settle_probabilities(
    predictor: &mut Predictor,
    valid: &Cases,
    spec: &EvaluationSpec,
    tick: Tick,
) -> Result<Vec<TriedStep>> {
    let all = spec.all_steps();
    let tried = match &spec.keep {
        KeepSpec::Always(_) => {
            predictor.settled = Settled { post_process: Vec::new(), ..all };
            Vec::new()
        }
        KeepSpec::IfBetterOnValid(by) => {
            predictor.settled = Settled { threshold: all.threshold, ..Settled::network() };
            let mut trial = Trial::new(predictor.settled.clone(), valid, spec, by, tick);
            let with = Settled { test_time: all.test_time, ..trial.settled.clone() };
            trial.step(predictor, "test-time-augmentation", with)?;
            let with = Settled { refine: all.refine, ..trial.settled.clone() };
            trial.step(predictor, "refine", with)?;
            trial.tried
        }
    };
    if matches!(spec.calibration, CalibrationSpec::Temperature(_)) {
        predictor.settled.temperature = observed(predictor, valid, tick)?.temperature();
    }
    Ok(tried)
}

/// Steps on trial, one after the other.
struct Trial<'a> {
    valid: &'a Cases<'a>,
    spec: &'a EvaluationSpec,
    by: &'a BestOnValidThreshold,
    tick: Tick<'a>,
    /// What has been kept.
    settled: Settled,
    /// The metric with what has been kept, once it is known.
    value: Option<Option<f64>>,
    tried: Vec<TriedStep>,
}

impl<'a> Trial<'a> {
    fn new(
        settled: Settled,
        valid: &'a Cases<'a>,
        spec: &'a EvaluationSpec,
        by: &'a BestOnValidThreshold,
        tick: Tick<'a>,
    ) -> Self {
        Self { valid, spec, by, tick, settled, value: None, tried: Vec::new() }
    }

    /// Keeps a step if the metric is higher with it; nothing where it changes nothing.
    fn step(&mut self, predictor: &mut Predictor, step: &str, with: Settled) -> Result<()> {
        if with == self.settled {
            return Ok(());
        }
        let of_masks = !with.post_process.is_empty();
        let without = match self.value {
            Some(value) => value,
            None => self.metric(predictor, of_masks)?,
        };
        predictor.settled = with;
        let value = self.metric(predictor, of_masks)?;
        let kept = value.is_some_and(|value| without.is_none_or(|old| value > old + ROUNDING));
        let (step, metric) = (step.to_owned(), self.words(predictor));
        self.tried.push(TriedStep { step, metric, without, with: value, kept });
        if kept {
            self.settled = predictor.settled.clone();
        } else {
            predictor.settled = self.settled.clone();
        }
        self.value = Some(if kept { value } else { without });
        Ok(())
    }

    /// The metric in words.
    fn words(&self, predictor: &Predictor) -> String {
        match predictor.outputs {
            Outputs::Images(_) => self.by.of_images().row().title(),
            Outputs::Binary | Outputs::Classes(_) => {
                format!("mean {}", self.by.of_pixels().row().title())
            }
        }
    }

    /// The metric on the validation split, at the threshold that would be chosen, or the one that is.
    fn metric(&self, predictor: &mut Predictor, chosen: bool) -> Result<Option<f64>> {
        let Self { valid, spec, by, tick, .. } = self;
        if !chosen {
            predictor.settled.threshold = threshold(predictor, valid, spec, tick)?;
        }
        if matches!(predictor.outputs, Outputs::Images(_)) {
            return Ok(image_metric(&classify(predictor, valid, tick)?, by.of_images()));
        }
        let classes = valid.dataset.labels.values();
        let values = over_scenes(predictor, valid, tick, |scene| {
            let seen = Seen::new(scene, spec.resolution)?;
            let labels = predictor.labels(&seen.probabilities, scene.original());
            let counts: Vec<Counts> = match predictor.outputs {
                Outputs::Binary => vec![count_binary(&labels, &seen.truth)],
                Outputs::Classes(_) | Outputs::Images(_) => {
                    count_classes(&labels, &seen.truth, classes)
                }
            };
            Ok(across_classes(by.of_pixels(), &counts, spec.empty))
        })?;
        let defined: Vec<f64> = values.into_iter().flatten().collect();
        Ok((!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64))
    }
}

/// The threshold of binary outputs or two classes of images: as the spec fixes it, or the best on the validation cases.
fn threshold(
    predictor: &Predictor,
    valid: &Cases,
    spec: &EvaluationSpec,
    tick: Tick,
) -> Result<f64> {
    match &spec.threshold {
        ThresholdSpec::Fixed(fixed) => Ok(fixed.value),
        ThresholdSpec::BestOnValid(best) if matches!(predictor.outputs, Outputs::Images(_)) => {
            let scores = classify(predictor, valid, tick)?;
            Ok(best_image_threshold(&scores, best.of_images()))
        }
        ThresholdSpec::BestOnValid(best) => {
            let counts: Vec<Vec<Counts>> = over_scenes(predictor, valid, tick, |scene| {
                let seen = Seen::new(scene, spec.resolution)?;
                Ok(count_at_candidates(&seen.probabilities.values, &seen.truth))
            })?;
            Ok(best_threshold(&counts, best.of_pixels(), spec.empty))
        }
    }
}

/// What a temperature is fitted to: images, or labelled pixels at the network's scale, of each case at most 4,096 at equal
/// distances.
fn observed(predictor: &Predictor, valid: &Cases, tick: Tick) -> Result<Observed> {
    let mut all = Observed::new(predictor.outputs);
    if matches!(predictor.outputs, Outputs::Images(_)) {
        for score in classify(predictor, valid, tick)? {
            all.add(score.truth as u8, &score.probabilities);
        }
        return Ok(all);
    }
    let channels = predictor.outputs.channels();
    let most = MOST_OBSERVED / (channels * valid.indices.len()).max(1);
    let most = most.clamp(1, MOST_PIXELS);
    let cases = over_scenes(predictor, valid, tick, |scene| {
        let seen = Seen::new(scene, Resolution::Network)?;
        let values = &seen.probabilities.values;
        let pixels = seen.truth.len();
        let labelled: Vec<usize> =
            (0..pixels).filter(|&pixel| seen.truth[pixel] != IGNORE).collect();
        let mut observed = Observed::new(predictor.outputs);
        for &pixel in labelled.iter().step_by(labelled.len().div_ceil(most).max(1)) {
            let of_pixel: Vec<f32> =
                (0..channels).map(|channel| values[channel * pixels + pixel]).collect();
            observed.add(seen.truth[pixel], &of_pixel);
        }
        Ok(observed)
    })?;
    cases.into_iter().for_each(|case| all.extend(case));
    Ok(all)
}
