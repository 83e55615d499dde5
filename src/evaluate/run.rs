//! A network against the truth: every case of a split scored at both resolutions.

use image::{GrayImage, RgbImage};
use rayon::prelude::*;

use super::pictured::{Pictured, evenly};
use super::predictor::{Predictor, Probabilities};
use super::reliability::Reliability;
use super::stitch::stitched;
use super::windows::Windows;
use super::{
    Asked, CaseScore, Confusion, Froc, ImageScore, LabelledCase, predicted_class, score_binary,
    score_classes,
};
use crate::data::{
    Dataset, Decoded, ImageSource, Labels, RegionOfCases, decode, leave_out, regions, shown_before,
};
use crate::error::{Error, Result};
use crate::loss::Outputs;
use crate::progress::Counting;
use crate::source::{Rows, labels_at};
use crate::spec::{EvaluationSpec, Resolution};
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
    /// Pixels by the probability of each class, at the resolution of the headline figures.
    pub reliability: Reliability,
    /// Lesions at every threshold, at the same resolution; `None` of several classes.
    pub froc: Option<Froc>,
    /// Cases as a page shows them, at the same resolution.
    pub pictured: Vec<Pictured>,
}

impl Evaluation {
    /// The scores at one resolution.
    pub fn at(&self, resolution: Resolution) -> &[CaseScore] {
        match resolution {
            Resolution::Original => &self.original,
            Resolution::Network => &self.network,
        }
    }

    /// Adds other cases of the split.
    fn add(&mut self, other: Self) {
        self.original.extend(other.original);
        self.network.extend(other.network);
        self.images.extend(other.images);
        self.pictured.extend(other.pictured);
        self.confusion.add(&other.confusion);
        self.reliability.add(&other.reliability);
        if let (Some(sum), Some(froc)) = (&mut self.froc, &other.froc) {
            sum.add(froc);
        }
    }
}

/// Called after each batch with the number of cases done; an error ends the work.
pub type Tick<'a> = &'a dyn Fn(usize) -> Result<()>;

/// Scores every case; where the network was trained on tiles of regions, every region of which cases are tiles. Regions, and
/// images that it was trained on crops of, are predicted by windows. No more than `pictured` cases are kept as pictures.
///
/// # Errors
/// If a case cannot be decoded, or `tick` fails.
pub fn evaluate(
    predictor: &Predictor,
    cases: &Cases,
    spec: &EvaluationSpec,
    pictured: usize,
    tick: Tick,
) -> Result<Evaluation> {
    let names = cases.dataset.labels.names();
    let kept = evenly(&scene_indices(predictor, cases)?, pictured);
    let empty = || Evaluation {
        split: cases.split,
        original: Vec::new(),
        network: Vec::new(),
        images: Vec::new(),
        confusion: Confusion::new(cases.dataset.labels.values()),
        reliability: Reliability::new(predictor.outputs.channels()),
        froc: matches!(predictor.outputs, Outputs::Binary).then(Froc::default),
        pictured: Vec::new(),
    };
    let scored = over_scenes(predictor, cases, tick, |scene| {
        let mut of_scene = empty();
        for resolution in [Resolution::Original, Resolution::Network] {
            let seen = Seen::new(scene, resolution)?;
            let labels = predictor.labels(&seen.probabilities, scene.original());
            if resolution == spec.resolution {
                of_scene.confusion.tally(&labels, &seen.truth);
                let Probabilities { values, width, height, .. } = &seen.probabilities;
                of_scene.reliability.add_case(values, &seen.truth);
                if let Some(froc) = &mut of_scene.froc {
                    froc.add_case(values, &seen.truth, *width);
                }
                if kept.contains(&scene.index) {
                    let size = (*width as u32, *height as u32);
                    let masks = [seen.truth.as_slice(), labels.as_slice()];
                    let picture = Pictured::segmented(scene.name, scene.image, masks, size)?;
                    of_scene.pictured.push(picture);
                }
            }
            let scores = seen.score(predictor, scene, &names, &labels, spec);
            match resolution {
                Resolution::Original => of_scene.original = scores,
                Resolution::Network => of_scene.network = scores,
            }
        }
        let of_image = scene.probabilities.of_image.as_slice();
        if !of_image.is_empty() {
            let score = image_score(cases, scene.index, of_image, SECOND_HEAD_THRESHOLD)?;
            of_scene.images.push(score);
        }
        Ok(of_scene)
    })?;
    let mut evaluation = empty();
    scored.into_iter().for_each(|of_scene| evaluation.add(of_scene));
    Ok(evaluation)
}

/// Gives every image its class.
///
/// # Errors
/// If a case cannot be decoded, has no class, or `tick` fails.
pub fn classify(predictor: &Predictor, cases: &Cases, tick: Tick) -> Result<Vec<ImageScore>> {
    classify_pictured(predictor, cases, 0, tick).map(|(scores, _)| scores)
}

/// As [`classify`]; no more than `pictured` of the images are kept as pictures.
///
/// # Errors
/// As [`classify`].
pub fn classify_pictured(
    predictor: &Predictor,
    cases: &Cases,
    pictured: usize,
    tick: Tick,
) -> Result<(Vec<ImageScore>, Vec<Pictured>)> {
    let kept = evenly(cases.indices, pictured);
    let classified = over_batches(predictor, cases, tick, |index, decoded, probabilities| {
        let name = &cases.dataset.cases[index].id;
        let picture = kept.contains(&index).then(|| Pictured::classified(name, &decoded.image));
        let values = &probabilities.values;
        let score = image_score(cases, index, values, predictor.settled.threshold)?;
        Ok((score, picture.transpose()?))
    })?;
    let (scores, pictured): (Vec<_>, Vec<_>) = classified.into_iter().unzip();
    Ok((scores, pictured.into_iter().flatten().collect()))
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
    let counting = Counting::of("evaluating", cases.indices.len());
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
        counting.add(done.len());
        results.extend(done);
        tick(results.len())?;
    }
    Ok(results)
}

/// A case with its truth and prediction: an image, or a region of which cases are tiles.
pub(super) struct Scene<'a> {
    name: &'a str,
    group: &'a str,
    label: &'a str,
    /// The case in the data set; of a region its first tile.
    index: usize,
    /// Width and height at the network's scale.
    network: (u32, u32),
    image: &'a RgbImage,
    truth: &'a GrayImage,
    probabilities: &'a Probabilities,
}

impl Scene<'_> {
    /// Width and height of the original image.
    pub(super) fn original(&self) -> (u32, u32) {
        self.truth.dimensions()
    }
}

/// Predicts every case and hands it over with its truth: regions, where the network was trained on tiles of them.
pub(super) fn over_scenes<T: Send>(
    predictor: &Predictor,
    cases: &Cases,
    tick: Tick,
    each: impl Fn(&Scene) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let Some(windows) = &predictor.windows else {
        return over_batches(predictor, cases, tick, |index, decoded, probabilities| {
            let truth = decoded.labels.as_ref();
            let case = &cases.dataset.cases[index];
            each(&Scene {
                name: &case.id,
                group: &cases.groups[index],
                label: &case.label,
                index,
                network: (probabilities.width as u32, probabilities.height as u32),
                image: &decoded.image,
                truth: truth
                    .ok_or_else(|| Error::failed("a case without a mask cannot be scored"))?,
                probabilities,
            })
        });
    };
    if !of_tiles(cases) {
        return over_images(predictor, windows, cases, tick, each);
    }
    let mut results = Vec::new();
    for region in regions(cases.dataset, cases.indices, cases.groups)? {
        let tick = || tick(results.len());
        let (decoded, probabilities) =
            region_case(predictor, windows, cases.dataset, &region, tick)?;
        let truth = decoded.labels.as_ref();
        let done = each(&Scene {
            name: region.name,
            group: region.group,
            label: "",
            index: region.first,
            network: scaled(windows, &probabilities),
            image: &decoded.image,
            truth: truth.ok_or_else(|| Error::failed("a region lost its mask"))?,
            probabilities: &probabilities,
        })?;
        results.push(done);
    }
    Ok(results)
}

/// The indices of what is scored: of cases, or of the first tiles of regions.
fn scene_indices(predictor: &Predictor, cases: &Cases) -> Result<Vec<usize>> {
    if predictor.windows.is_none() || !of_tiles(cases) {
        return Ok(cases.indices.to_vec());
    }
    let regions = regions(cases.dataset, cases.indices, cases.groups)?;
    Ok(regions.iter().map(|region| region.first).collect())
}

/// Whether cases are tiles of regions, rather than whole images.
fn of_tiles(cases: &Cases) -> bool {
    let image = |&index: &usize| &cases.dataset.cases[index].image;
    cases.indices.iter().map(image).any(|image| matches!(image, ImageSource::Region(_)))
}

/// Width and height of an image at the network's scale.
fn scaled(windows: &Windows, seen: &Probabilities) -> (u32, u32) {
    let side = |length: usize| ((length as f64 * windows.scale).round() as u32).max(1);
    (side(seen.width), side(seen.height))
}

/// Predicts whole images by windows, one after the other, and hands each over with its truth.
fn over_images<T>(
    predictor: &Predictor,
    windows: &Windows,
    cases: &Cases,
    tick: Tick,
    each: impl Fn(&Scene) -> Result<T>,
) -> Result<Vec<T>> {
    let mut results = Vec::with_capacity(cases.indices.len());
    let counting = Counting::of("evaluating", cases.indices.len());
    let shown_before = shown_before(cases.dataset, cases.indices);
    for (&index, areas) in cases.indices.iter().zip(&shown_before) {
        let case = &cases.dataset.cases[index];
        let mut decoded = decode(cases.dataset, case)?;
        decoded.labels.iter_mut().for_each(|labels| leave_out(labels, areas));
        let probabilities = predictor.whole(&decoded)?;
        let truth = decoded.labels.as_ref();
        let done = each(&Scene {
            name: &case.id,
            group: &cases.groups[index],
            label: &case.label,
            index,
            network: scaled(windows, &probabilities),
            image: &decoded.image,
            truth: truth.ok_or_else(|| Error::failed("a case without a mask cannot be scored"))?,
            probabilities: &probabilities,
        })?;
        results.push(done);
        counting.add(1);
        tick(results.len())?;
    }
    Ok(results)
}

/// A region at its own size with the truth that its tiles show, and what is predicted of it.
fn region_case(
    predictor: &Predictor,
    windows: &Windows,
    dataset: &Dataset,
    region: &RegionOfCases,
    tick: impl Fn() -> Result<()>,
) -> Result<(Decoded, Probabilities)> {
    let labels = region.labels(dataset)?;
    let mut rows = Rows::open(region.image, dataset.levels)?;
    if rows.size() != labels.dimensions() {
        return Err(Error::user(format!(
            "{}: not of the size of its mask any more: it changed meanwhile",
            region.image.display()
        )));
    }
    let (image, probabilities) = stitched(predictor, windows, &mut rows, tick)?;
    Ok((Decoded { labels: Some(labels), ..Decoded::new(image) }, probabilities))
}

/// A case by its name as [`evaluate`] scores it, with its label: decoded, and what is predicted of it. `None` where no
/// case has the name.
///
/// # Errors
/// If it cannot be decoded.
pub fn predicted_case(
    predictor: &Predictor,
    cases: &Cases,
    name: &str,
) -> Result<Option<(String, Decoded, Probabilities)>> {
    let dataset = cases.dataset;
    if let Some(windows) = predictor.windows.as_ref().filter(|_| of_tiles(cases)) {
        let regions = regions(dataset, cases.indices, cases.groups)?;
        let Some(region) = regions.iter().find(|region| region.name == name) else {
            return Ok(None);
        };
        let (decoded, predicted) = region_case(predictor, windows, dataset, region, || Ok(()))?;
        return Ok(Some((String::new(), decoded, predicted)));
    }
    let Some(case) = dataset.cases.iter().find(|case| case.id == name) else { return Ok(None) };
    let decoded = decode(dataset, case)?;
    let predicted = predictor.whole(&decoded)?;
    Ok(Some((case.label.clone(), decoded, predicted)))
}

/// Truth and probabilities at one resolution.
pub(super) struct Seen {
    pub(super) truth: Vec<u8>,
    pub(super) probabilities: Probabilities,
}

impl Seen {
    pub(super) fn new(scene: &Scene, resolution: Resolution) -> Result<Self> {
        let size = match resolution {
            Resolution::Original => scene.original(),
            Resolution::Network => scene.network,
        };
        let truth = match size == scene.original() {
            true => scene.truth.as_raw().clone(),
            false => labels_at(scene.truth, size),
        };
        let probabilities = scene.probabilities.resized(size.0 as usize, size.1 as usize)?;
        Ok(Self { truth, probabilities })
    }

    fn score(
        &self,
        predictor: &Predictor,
        scene: &Scene,
        names: &[String],
        labels: &[u8],
        spec: &EvaluationSpec,
    ) -> Vec<CaseScore> {
        let labelled = LabelledCase {
            case: scene.name,
            group: scene.group,
            label: scene.label,
            width: self.probabilities.width,
            height: self.probabilities.height,
            truth: &self.truth,
        };
        let values = &self.probabilities.values;
        let asked = Asked {
            metrics: &spec.metrics,
            tolerance_px: spec.tolerance,
            missed: spec.missed_distance,
        };
        match predictor.outputs {
            Outputs::Binary => {
                vec![score_binary(&labelled, &names[0], labels, values, &asked)]
            }
            Outputs::Classes(_) | Outputs::Images(_) => {
                score_classes(&labelled, names, labels, Some(values), &asked)
            }
        }
    }
}
