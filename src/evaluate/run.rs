//! A network against the truth: every case of a split scored at both resolutions.

use rayon::prelude::*;

use super::predictor::{Predictor, Probabilities};
use super::{
    CaseScore, Confusion, ImageScore, LabelledCase, best_image_threshold, best_threshold,
    count_at_candidates, predicted_class, score_binary, score_classes,
};
use crate::data::{Case, Dataset, Decoded, Labels, decode, leave_out, shown_before};
use crate::error::{Error, Result};
use crate::loss::Outputs;
use crate::metric::Counts;
use crate::source::resize_labels;
use crate::spec::{EvaluationSpec, Resolution, ThresholdSpec};
use crate::split_name::SplitName;

/// What to evaluate on.
pub struct Cases<'a> {
    /// The data set.
    pub dataset: &'a Dataset,
    /// Which of its cases.
    pub indices: &'a [usize],
    /// The group of every case of the data set.
    pub groups: &'a [String],
    /// Which split they are.
    pub split: SplitName,
}

/// Scores of a split.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The split.
    pub split: SplitName,
    /// At the size of the original images, one per case and class.
    pub original: Vec<CaseScore>,
    /// At the network's size, one per case and class.
    pub network: Vec<CaseScore>,
    /// What a second head predicts for the images; none without one.
    pub images: Vec<ImageScore>,
    /// Pixels by truth and prediction, at the resolution of the headline figures.
    pub confusion: Confusion,
}

impl Evaluation {
    /// The scores at one resolution.
    pub fn at(&self, resolution: Resolution) -> &[CaseScore] {
        match resolution {
            Resolution::Original => &self.original,
            Resolution::Network => &self.network,
        }
    }
}

/// Called after each batch with the number of cases done; an error ends the work.
pub type Tick<'a> = &'a dyn Fn(usize) -> Result<()>;

/// The threshold of binary outputs or two classes of images: as the spec fixes it, or the best on the validation cases.
///
/// # Errors
/// If a case cannot be decoded.
pub fn threshold(
    predictor: &Predictor,
    valid: &Cases,
    spec: &EvaluationSpec,
    tick: Tick,
) -> Result<f64> {
    match &spec.threshold {
        ThresholdSpec::Fixed(fixed) => Ok(fixed.value),
        ThresholdSpec::BestOnValid(_) if matches!(predictor.outputs, Outputs::Images(_)) => {
            let scores = classify(predictor, valid, 0.5, tick)?;
            Ok(best_image_threshold(&scores))
        }
        ThresholdSpec::BestOnValid(_) => {
            let mut counts: Vec<Vec<Counts>> = Vec::new();
            over_batches(predictor, valid, tick, |_, decoded, probabilities| {
                let seen = View::new(predictor, decoded, probabilities, spec.resolution)?;
                Ok(count_at_candidates(&seen.probabilities.values, &seen.truth))
            })
            .map(|found| counts.extend(found))?;
            Ok(best_threshold(&counts, spec.empty))
        }
    }
}

/// Scores every case.
///
/// # Errors
/// If a case cannot be decoded, or `tick` fails.
pub fn evaluate(
    predictor: &Predictor,
    cases: &Cases,
    spec: &EvaluationSpec,
    threshold: f64,
    tick: Tick,
) -> Result<Evaluation> {
    let names = cases.dataset.labels.names();
    let scored = over_batches(predictor, cases, tick, |index, decoded, probabilities| {
        let case = &cases.dataset.cases[index];
        let group = &cases.groups[index];
        let mut confusion = Confusion::new(cases.dataset.labels.values());
        let mut scores = [Resolution::Original, Resolution::Network].map(|resolution| {
            let seen = View::new(predictor, decoded, probabilities, resolution)?;
            let labels = seen.probabilities.labels(predictor.outputs, threshold);
            if resolution == spec.resolution {
                confusion.tally(&labels, &seen.truth);
            }
            Ok::<_, Error>(seen.score(predictor, case, group, &names, &labels, threshold, spec))
        });
        let network = std::mem::replace(&mut scores[1], Ok(Vec::new()))?;
        let original = std::mem::replace(&mut scores[0], Ok(Vec::new()))?;
        let image = match probabilities.of_image.as_slice() {
            [] => None,
            of_image => Some(image_score(cases, index, of_image, SECOND_HEAD_THRESHOLD)?),
        };
        Ok((original, network, confusion, image))
    })?;
    let mut evaluation = Evaluation {
        split: cases.split,
        original: Vec::new(),
        network: Vec::new(),
        images: Vec::new(),
        confusion: Confusion::new(cases.dataset.labels.values()),
    };
    for (original, network, confusion, image) in scored {
        evaluation.images.extend(image);
        evaluation.original.extend(original);
        evaluation.network.extend(network);
        evaluation.confusion.add(&confusion);
    }
    Ok(evaluation)
}

/// Gives every image its class.
///
/// # Errors
/// If a case cannot be decoded, has no class, or `tick` fails.
pub fn classify(
    predictor: &Predictor,
    cases: &Cases,
    threshold: f64,
    tick: Tick,
) -> Result<Vec<ImageScore>> {
    over_batches(predictor, cases, tick, |index, _, probabilities| {
        image_score(cases, index, &probabilities.values, threshold)
    })
}

/// The probability from which on a second head predicts the second of two classes.
pub const SECOND_HEAD_THRESHOLD: f64 = 0.5;

fn image_score(
    cases: &Cases,
    index: usize,
    probabilities: &[f32],
    threshold: f64,
) -> Result<ImageScore> {
    let truth = cases.dataset.class_of(index);
    let truth = truth.ok_or_else(|| Error::failed("a case without a class cannot be scored"))?;
    Ok(ImageScore {
        case: cases.dataset.cases[index].id.clone(),
        group: cases.groups[index].clone(),
        truth: usize::from(truth),
        predicted: predicted_class(probabilities, threshold),
        probabilities: probabilities.to_vec(),
    })
}

/// What the network's outputs mean for a data set.
pub fn outputs(labels: &Labels) -> Outputs {
    match labels {
        Labels::Binary { .. } => Outputs::Binary,
        Labels::Classes { names } => Outputs::Classes(names.len()),
        Labels::Images { names } => Outputs::Images(names.len()),
    }
}

/// Decodes, predicts and hands over every case, in order; decoding and handing over run in parallel. Pixels that
/// tiles share count in the first of them alone.
fn over_batches<T: Send>(
    predictor: &Predictor,
    cases: &Cases,
    tick: Tick,
    each: impl Fn(usize, &Decoded, &Probabilities) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let size = predictor.batch_size.max(1);
    let mut results = Vec::with_capacity(cases.indices.len());
    let shown_before = shown_before(cases.dataset, cases.indices);
    for (batch, areas) in cases.indices.chunks(size).zip(shown_before.chunks(size)) {
        let decoded: Vec<Decoded> = batch
            .par_iter()
            .zip(areas)
            .map(|(&index, areas)| {
                let mut decoded = decode(cases.dataset, &cases.dataset.cases[index])?;
                decoded.labels.iter_mut().for_each(|labels| leave_out(labels, areas));
                Ok(decoded)
            })
            .collect::<Result<_>>()?;
        let probabilities = predictor.predict(&decoded.iter().collect::<Vec<_>>())?;
        let done: Vec<T> = batch
            .par_iter()
            .zip(&decoded)
            .zip(&probabilities)
            .map(|((&index, decoded), probabilities)| each(index, decoded, probabilities))
            .collect::<Result<_>>()?;
        results.extend(done);
        tick(results.len())?;
    }
    Ok(results)
}

/// Truth and probabilities at one resolution.
struct View {
    truth: Vec<u8>,
    probabilities: Probabilities,
}

impl View {
    fn new(
        predictor: &Predictor,
        decoded: &Decoded,
        probabilities: &Probabilities,
        resolution: Resolution,
    ) -> Result<Self> {
        let truth = decoded.labels.as_ref();
        let truth = truth.ok_or_else(|| Error::failed("a case without a mask cannot be scored"))?;
        match resolution {
            Resolution::Original => {
                let (width, height) = (truth.width() as usize, truth.height() as usize);
                let probabilities = probabilities.resized(width, height)?;
                Ok(Self { truth: truth.as_raw().clone(), probabilities })
            }
            Resolution::Network => Ok(Self {
                truth: resize_labels(truth, predictor.preprocess.sampling.size),
                probabilities: probabilities.clone(),
            }),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call site, in the loop above")]
    fn score(
        &self,
        predictor: &Predictor,
        case: &Case,
        group: &str,
        names: &[String],
        labels: &[u8],
        threshold: f64,
        spec: &EvaluationSpec,
    ) -> Vec<CaseScore> {
        let labelled = LabelledCase {
            case: &case.id,
            group,
            label: &case.label,
            width: self.probabilities.width,
            height: self.probabilities.height,
            truth: &self.truth,
        };
        let values = &self.probabilities.values;
        match predictor.outputs {
            Outputs::Binary => {
                vec![score_binary(&labelled, &names[0], values, threshold, &spec.metrics)]
            }
            Outputs::Classes(_) | Outputs::Images(_) => {
                score_classes(&labelled, names, labels, Some(values), &spec.metrics)
            }
        }
    }
}
