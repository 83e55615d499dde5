//! Batches as burn-train wants them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;

use crate::data::{Batch, Batches, Loader, Order};

/// A batch and its share of an optimizer step.
#[derive(Debug)]
pub(super) struct Input {
    /// The batch.
    pub batch: Batch,
    /// What its loss is multiplied by before the backward pass: 1 over the batches of its group.
    pub share: f32,
}

/// The number of the current epoch, which decides order and augmentation.
#[derive(Clone, Debug, Default)]
pub(super) struct EpochNumber(Arc<AtomicU32>);

impl EpochNumber {
    /// Begins an epoch.
    pub(super) fn set(&self, epoch: u32) {
        self.0.store(epoch, Ordering::SeqCst);
    }

    /// The current epoch.
    pub(super) fn get(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Training batches: shuffled and augmented anew in each epoch.
#[derive(Clone)]
pub(super) struct TrainBatches {
    loader: Loader,
    seed: u32,
    epoch: EpochNumber,
    accumulate: usize,
}

impl TrainBatches {
    /// Batches whose gradients are averaged over groups of `accumulate`.
    pub(super) fn new(loader: Loader, seed: u32, epoch: EpochNumber, accumulate: usize) -> Self {
        Self { loader, seed, epoch, accumulate }
    }
}

impl DataLoader<Input> for TrainBatches {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Input> + 'a> {
        let order = Order::Shuffled { seed: self.seed, epoch: self.epoch.get() };
        Box::new(Inputs::new(self.loader.epoch(order), &self.loader, self.accumulate))
    }

    fn num_items(&self) -> usize {
        self.loader.cases()
    }

    fn to_device(&self, _device: &Device) -> Arc<dyn DataLoader<Input>> {
        Arc::new(self.clone())
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Input>> {
        Arc::new(Self { loader: self.loader.part(start..end), ..self.clone() })
    }
}

/// Validation batches: always the same.
#[derive(Clone)]
pub(super) struct ValidBatches {
    loader: Loader,
}

impl ValidBatches {
    /// Batches in the order of the cases.
    pub(super) fn new(loader: Loader) -> Self {
        Self { loader }
    }
}

impl DataLoader<Input> for ValidBatches {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Input> + 'a> {
        Box::new(Inputs::new(self.loader.epoch(Order::Sequential), &self.loader, 1))
    }

    fn num_items(&self) -> usize {
        self.loader.cases()
    }

    fn to_device(&self, _device: &Device) -> Arc<dyn DataLoader<Input>> {
        Arc::new(self.clone())
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Input>> {
        Arc::new(Self { loader: self.loader.part(start..end) })
    }
}

/// An epoch's batches with their share of an optimizer step.
struct Inputs {
    batches: Batches,
    done: usize,
    cases: usize,
    index: usize,
    total: usize,
    accumulate: usize,
}

impl Inputs {
    fn new(batches: Batches, loader: &Loader, accumulate: usize) -> Self {
        let (cases, total) = (loader.cases(), loader.batches());
        Self { batches, done: 0, cases, index: 0, total, accumulate }
    }

    /// One over the number of batches in the group that the current one belongs to.
    fn share(&self) -> f32 {
        let group = self.index - self.index % self.accumulate;
        1.0 / self.accumulate.min(self.total - group) as f32
    }
}

impl Iterator for Inputs {
    type Item = Result<Input, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match self.batches.next()? {
            Ok(batch) => batch,
            Err(error) => return Some(Err(DatasetError::new(error))),
        };
        let share = self.share();
        self.index += 1;
        self.done += batch.cases.len();
        Some(Ok(Input { batch, share }))
    }
}

impl DataLoaderIterator<Input> for Inputs {
    fn progress(&self) -> Progress {
        Progress::new(self.done, self.cases, Some("cases".into()))
    }
}
