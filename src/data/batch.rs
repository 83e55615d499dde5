//! Cases side by side, as the network takes them.

use std::sync::Arc;

use super::augment::augment_sample;
use super::cache::Cache;
use super::crop::Cut;
use super::dataset::Dataset;
use super::draws::Draws;
use super::normalize::Preprocess;
use super::resize::Sample;
use super::sampler::Drawn;
use crate::error::{Error, Result};
use crate::source::Labels;
use crate::spec::AugmentSpec;

/// A number of cases at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Indices into [`Dataset::cases`].
    pub cases: Vec<usize>,
    /// `[cases, channels, height, width]`, normalised.
    pub images: Vec<f32>,
    /// `[cases, ..label_sides]`: class numbers, [`super::IGNORE`] where a pixel takes no part.
    pub labels: Vec<u8>,
    /// `[cases]`: the class of each image, where a network predicts both that and those of pixels; else empty.
    pub classes: Vec<u8>,
    /// `[cases, numbers]`: what a network is given beside images; else empty.
    pub numbers: Vec<f32>,
    /// Height and width of the labels: those of the images, or 1 where a whole image has one.
    pub label_sides: [usize; 2],
    /// Channels of an image.
    pub channels: usize,
    /// Height and width of an image in pixels.
    pub sides: [usize; 2],
}

impl Batch {
    /// Whether anything in it is labelled: a pixel, or an image where these have classes.
    pub fn is_labelled(&self) -> bool {
        self.labels.iter().chain(&self.classes).any(|&label| label != super::IGNORE)
    }
}

/// Everything needed to make batches of a data set.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub dataset: Arc<Dataset>,
    pub preprocess: Preprocess,
    pub augment: Option<AugmentSpec>,
    pub cache: Arc<Cache>,
}

impl Source {
    /// The batch of the cases drawn, augmented where `draw` holds a seed and an epoch. `None` if
    /// `stopped` says so before it is done.
    pub(super) fn batch(
        &self,
        drawn: &[Drawn],
        draw: Option<(u32, u32)>,
        stopped: impl Fn() -> bool,
    ) -> Option<Result<Batch>> {
        let sides = self.preprocess.sampling.frame.sides();
        let channels = self.preprocess.count();
        let area = sides[0] * sides[1];
        let label_sides = self.dataset.labels.sides(sides);
        let mut batch = Batch {
            cases: drawn.iter().map(|drawn| drawn.case).collect(),
            images: Vec::with_capacity(drawn.len() * channels * area),
            labels: Vec::with_capacity(drawn.len() * label_sides[0] * label_sides[1]),
            classes: Vec::new(),
            numbers: Vec::new(),
            label_sides,
            channels,
            sides,
        };
        for &drawn in drawn {
            if stopped() {
                return None;
            }
            if let Err(error) = self.append(&mut batch, drawn, draw) {
                return Some(Err(error));
            }
        }
        Some(Ok(batch))
    }

    /// A case at the network's size: whole, or a part of it.
    fn sample(&self, case: usize, cut: Option<Cut>, draws: Option<&Draws>) -> Result<Arc<Sample>> {
        let sampling = &self.preprocess.sampling;
        let Some(crop) = &sampling.crop else {
            return self.cache.sample(&self.dataset, case, sampling);
        };
        let image = self.cache.whole(&self.dataset, case)?;
        let cut = match (cut, draws) {
            (Some(cut), _) => cut,
            (None, Some(draws)) => crop.draw(&image, &self.dataset.labels, draws),
            (None, None) => {
                return Err(Error::failed(
                    "a crop is drawn in training, and covered by windows else",
                ));
            }
        };
        self.preprocess.sample(&crop.decoded(&image, cut)?).map(Arc::new)
    }

    /// Appends one case.
    fn append(&self, batch: &mut Batch, drawn: Drawn, draw: Option<(u32, u32)>) -> Result<()> {
        let Drawn { case, repeat, cut } = drawn;
        let of = &self.dataset.cases[case];
        let draws = draw.map(|(seed, epoch)| Draws::again(seed, epoch, &of.id, repeat));
        let sample = self.sample(case, cut, draws.as_ref())?;
        let class = self.dataset.class_of(case);
        batch.numbers.extend(self.preprocess.numbers(&of.id, &of.metadata)?);
        let mut label = |pixels: &[u8]| match (&self.dataset.labels, class) {
            (Labels::Images { .. }, Some(class)) => batch.labels.push(class),
            (_, class) => {
                batch.labels.extend_from_slice(pixels);
                batch.classes.extend(class);
            }
        };
        match (&self.augment, &draws) {
            (Some(spec), Some(draws)) => {
                let changed = augment_sample(spec, &sample, draws);
                self.preprocess.extend_intensities(
                    &mut batch.images,
                    sample.planes,
                    &changed.image,
                    &changed.labels,
                );
                label(&changed.labels);
            }
            (None, _) | (_, None) => {
                self.preprocess.extend_plain(&mut batch.images, &sample);
                label(&sample.labels);
            }
        }
        Ok(())
    }
}
