//! Cases side by side, as the network takes them.

use std::sync::Arc;

use super::augment::augment_sample;
use super::cache::Cache;
use super::dataset::Dataset;
use super::normalize::Preprocess;
use crate::error::Result;
use crate::source::Labels;
use crate::spec::AugmentSpec;

/// A number of cases at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Indices into [`Dataset::cases`].
    pub cases: Vec<usize>,
    /// `[cases, channels, size, size]`, normalised.
    pub images: Vec<f32>,
    /// `[cases, label_size, label_size]`: class numbers, [`super::IGNORE`] where a pixel takes no part.
    pub labels: Vec<u8>,
    /// `[cases]`: the class of each image, where a network predicts both that and those of pixels; else empty.
    pub classes: Vec<u8>,
    /// `[cases, numbers]`: what a network is given beside images; else empty.
    pub numbers: Vec<f32>,
    /// Side of the labels: that of the images, or 1 where a whole image has one.
    pub label_size: usize,
    /// Channels of an image.
    pub channels: usize,
    /// Side of an image in pixels.
    pub size: usize,
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
    /// The batch of these cases, augmented where `draw` holds a seed and an epoch. `None` if
    /// `stopped` says so before it is done.
    pub(super) fn batch(
        &self,
        cases: &[usize],
        draw: Option<(u32, u32)>,
        stopped: impl Fn() -> bool,
    ) -> Option<Result<Batch>> {
        let size = self.preprocess.sampling.size as usize;
        let channels = self.preprocess.count();
        let area = size * size;
        let label_size = self.dataset.labels.side(size);
        let mut batch = Batch {
            cases: cases.to_vec(),
            images: Vec::with_capacity(cases.len() * channels * area),
            labels: Vec::with_capacity(cases.len() * label_size * label_size),
            classes: Vec::new(),
            numbers: Vec::new(),
            label_size,
            channels,
            size,
        };
        for &case in cases {
            if stopped() {
                return None;
            }
            if let Err(error) = self.append(&mut batch, case, draw) {
                return Some(Err(error));
            }
        }
        Some(Ok(batch))
    }

    /// Appends one case.
    fn append(&self, batch: &mut Batch, case: usize, draw: Option<(u32, u32)>) -> Result<()> {
        let sample = self.cache.sample(&self.dataset, case, &self.preprocess.sampling)?;
        let class = self.dataset.class_of(case);
        let of = &self.dataset.cases[case];
        batch.numbers.extend(self.preprocess.numbers(&of.id, &of.metadata)?);
        let mut label = |pixels: &[u8]| match (&self.dataset.labels, class) {
            (Labels::Images { .. }, Some(class)) => batch.labels.push(class),
            (_, class) => {
                batch.labels.extend_from_slice(pixels);
                batch.classes.extend(class);
            }
        };
        match (&self.augment, draw) {
            (Some(spec), Some((seed, epoch))) => {
                let id = &self.dataset.cases[case].id;
                let changed = augment_sample(spec, &sample, seed, epoch, id);
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
