//! Batches made ahead of their use, beside training.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::batch::{Batch, Source};
use super::cache::Cache;
use super::dataset::Dataset;
use super::normalize::Preprocess;
use super::sampler::{Drawn, draw_epoch};
use crate::error::{Error, Result};
use crate::spec::{AugmentSpec, Sampler, batches};

/// The batches of one split, epoch by epoch.
#[derive(Clone, Debug)]
pub struct Loader {
    source: Arc<Source>,
    items: Vec<Drawn>,
    batch_size: usize,
    workers: usize,
    drop_last: bool,
    sampler: Sampler,
}

/// In which order the cases of an epoch come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they were given, and never augmented: for validation, test and prediction.
    Sequential,
    /// As its sampler draws them from seed and epoch, tiles of regions from a few regions at a time; augmented if the loader
    /// has augmentation: for training.
    Shuffled {
        /// Seed of the run.
        seed: u32,
        /// Number of the epoch.
        epoch: u32,
    },
}

impl Loader {
    /// A loader of `cases` (indices into [`Dataset::cases`]) with `workers` threads; at least one of
    /// each of `batch_size` and `workers` is taken.
    pub fn new(
        dataset: Arc<Dataset>,
        cases: Vec<usize>,
        preprocess: Preprocess,
        augment: Option<AugmentSpec>,
        batch_size: usize,
        workers: usize,
        cache: Arc<Cache>,
    ) -> Self {
        let source = Arc::new(Source { dataset, preprocess, augment, cache });
        let (batch_size, workers) = (batch_size.max(1), workers.max(1));
        let items = cases.into_iter().map(Drawn::once).collect();
        Self { source, items, batch_size, workers, drop_last: false, sampler: Sampler::Shuffle }
    }

    /// Covers each image by windows, where the network sees crops: an epoch in order, for validation.
    pub fn windows(mut self) -> Self {
        if let Some(crop) = &self.source.preprocess.sampling.crop {
            let dataset = &self.source.dataset;
            let of_case = |item: Drawn| {
                let case = &dataset.cases[item.case];
                let cuts = crop.windows((case.width, case.height)).into_iter();
                cuts.map(move |cut| Drawn { cut: Some(cut), ..item })
            };
            self.items = self.items.into_iter().flat_map(of_case).collect();
        }
        self
    }

    /// Draws the cases of shuffled epochs otherwise.
    pub fn sampler(self, sampler: Sampler) -> Self {
        Self { sampler, ..self }
    }

    /// Leaves out the last cases of an epoch where they make no whole batch, and it is not their only one.
    pub fn drop_last(self) -> Self {
        Self { drop_last: true, ..self }
    }

    /// Number of cases in an epoch, or of windows that cover them.
    pub fn cases(&self) -> usize {
        self.items.len().min(self.batches() * self.batch_size)
    }

    /// A loader of some of the cases.
    pub fn part(&self, range: std::ops::Range<usize>) -> Self {
        Self { items: self.items[range].to_vec(), ..self.clone() }
    }

    /// Number of batches in an epoch; the last may be short.
    pub fn batches(&self) -> usize {
        batches(self.items.len(), self.batch_size, self.drop_last)
    }

    /// Starts an epoch. Its batches depend on `order` alone, not on the number of workers.
    pub fn epoch(&self, order: Order) -> Batches {
        let (mut drawn, draw) = match order {
            Order::Sequential => (self.items.clone(), None),
            Order::Shuffled { seed, epoch } => {
                let dataset = &self.source.dataset;
                let cases: Vec<usize> = self.items.iter().map(|item| item.case).collect();
                let drawn = draw_epoch(self.sampler, dataset, &cases, seed, epoch);
                (drawn, Some((seed, epoch)))
            }
        };
        drawn.truncate(self.cases());
        let total = self.batches();
        let drawn: Arc<Vec<Drawn>> = Arc::new(drawn);
        let stop = Arc::new(AtomicBool::new(false));
        let mut batches =
            Batches { lanes: Vec::new(), next: 0, total, stop: Arc::clone(&stop), failed: None };
        let workers = self.workers.min(total);
        for worker in 0..workers {
            let work = Work {
                source: Arc::clone(&self.source),
                drawn: Arc::clone(&drawn),
                batch_size: self.batch_size,
                first: worker,
                every: workers,
                draw,
                stop: Arc::clone(&stop),
            };
            let (sender, receiver) = sync_channel(READY_PER_WORKER - 1);
            let thread = Builder::new().name(format!("load-{worker}"));
            match thread.spawn(move || work.run(&sender)) {
                Ok(handle) => batches.lanes.push(Lane { receiver, handle }),
                Err(error) => {
                    let problem = format!("cannot start a thread that loads images: {error}");
                    batches.failed = Some(Error::failed(problem));
                    break;
                }
            }
        }
        batches
    }
}

/// Finished batches that a worker holds at most: all but one wait in its queue, that one at the door.
const READY_PER_WORKER: usize = 2;

/// What one thread does: every `every`-th batch, from `first` on.
struct Work {
    source: Arc<Source>,
    drawn: Arc<Vec<Drawn>>,
    batch_size: usize,
    first: usize,
    every: usize,
    draw: Option<(u32, u32)>,
    stop: Arc<AtomicBool>,
}

impl Work {
    fn run(&self, sender: &SyncSender<Result<Batch>>) {
        let stopped = || self.stop.load(Ordering::Relaxed);
        for drawn in self.drawn.chunks(self.batch_size).skip(self.first).step_by(self.every) {
            let Some(batch) = self.source.batch(drawn, self.draw, stopped) else { return };
            if sender.send(batch).is_err() {
                return;
            }
        }
    }
}

/// The batches of an epoch, in order. A case that cannot be loaded is an error in the place of its
/// batch; the batches after it still come. Dropping it early stops its threads and waits for them.
#[derive(Debug)]
pub struct Batches {
    lanes: Vec<Lane>,
    next: usize,
    total: usize,
    stop: Arc<AtomicBool>,
    failed: Option<Error>,
}

/// One worker and the queue that it fills.
#[derive(Debug)]
struct Lane {
    receiver: Receiver<Result<Batch>>,
    handle: JoinHandle<()>,
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.next = self.total;
            return Some(Err(error));
        }
        if self.next == self.total {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let lane = &self.lanes[number % self.lanes.len()];
        Some(lane.receiver.recv().unwrap_or_else(|_| {
            self.next = self.total;
            let problem =
                format!("a loading thread broke down at batch {number} of {}", self.total);
            Err(Error::failed(problem))
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.total - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Batches {}

impl Drop for Batches {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for Lane { receiver, handle } in self.lanes.drain(..) {
            drop(receiver);
            // A panic in the thread was already reported in the place of its batch.
            let _ = handle.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::crop::Crop;
    use crate::data::normalize::Normalization;
    use crate::data::resize::Sampling;
    use crate::data::tiny;
    use crate::frame::Frame;
    use crate::spec::{
        AmountSpec, BusiClass, BusiSpec, Chance, Channels, DatasetSpec, ImageSize, MultiMask,
        NormalizeSpec, SourceSpec, SplitSpec, SubsetSpec,
    };
    use std::path::Path;

    fn preprocess() -> Preprocess {
        let channels = Channels::Rgb;
        Preprocess {
            sampling: Sampling {
                frame: Frame::square(4),
                channels,
                stain: None,
                filters: vec![],
                crop: None,
            },
            inputs: vec![],
            normalization: Normalization::unit(channels),
            fused: vec![],
        }
    }

    fn augment() -> Option<AugmentSpec> {
        Some(AugmentSpec {
            horizontal_flip: Some(Chance { probability: 0.5 }),
            noise: Some(AmountSpec { probability: 1.0, range: [0.0, 0.1] }),
            ..AugmentSpec::default()
        })
    }

    /// A loader of 7 cases, 3 in a batch.
    fn loader(folder: &Path, augment: Option<AugmentSpec>, workers: usize, limit: usize) -> Loader {
        let dataset = tiny::dataset(folder, 7);
        let cache = Arc::new(Cache::new(limit));
        Loader::new(dataset, (0..7).collect(), preprocess(), augment, 3, workers, cache)
    }

    fn all(loader: &Loader, order: Order) -> Vec<Batch> {
        loader.epoch(order).collect::<Result<_>>().unwrap()
    }

    #[test]
    fn every_case_comes_once_in_order_and_the_last_batch_is_short() {
        let folder = tempfile::tempdir().unwrap();
        let loader = loader(folder.path(), augment(), 2, 0);
        assert_eq!(loader.batches(), 3);
        assert_eq!(loader.epoch(Order::Sequential).len(), 3);
        let batches = all(&loader, Order::Sequential);
        let cases: Vec<_> = batches.iter().map(|batch| batch.cases.clone()).collect();
        assert_eq!(cases, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
        let last = &batches[2];
        assert_eq!((last.channels, last.sides), (3, [4, 4]));
        assert_eq!(last.images, [60.0, 60.0, 65.0, 65.0].map(|v: f32| v / 255.0).repeat(12));
        assert_eq!(last.labels, [1, 1, 0, 0].repeat(4));
    }

    #[test]
    fn workers_and_cache_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let order = Order::Shuffled { seed: 5, epoch: 2 };
        let one = all(&loader(folder.path(), augment(), 1, 0), order);
        for (workers, limit) in [(2, 0), (4, 0), (9, 1 << 20)] {
            let other = loader(folder.path(), augment(), workers, limit);
            assert_eq!(one, all(&other, order));
            assert_eq!(one, all(&other, order));
        }
    }

    #[test]
    fn epochs_and_seeds_differ_in_order_and_augmentation() {
        let folder = tempfile::tempdir().unwrap();
        let loader = loader(folder.path(), augment(), 2, 1 << 20);
        let cases = |batches: &[Batch]| -> Vec<usize> {
            batches.iter().flat_map(|batch| batch.cases.clone()).collect()
        };
        let first = all(&loader, Order::Shuffled { seed: 0, epoch: 0 });
        for order in [Order::Shuffled { seed: 0, epoch: 1 }, Order::Shuffled { seed: 1, epoch: 0 }]
        {
            let other = all(&loader, order);
            assert_ne!(cases(&first), cases(&other));
            let mut sorted = cases(&other);
            sorted.sort_unstable();
            assert_eq!(sorted, (0..7).collect::<Vec<_>>());
        }
        // One case alone, so that only augmentation can tell the epochs apart.
        let single = Loader { items: vec![Drawn::once(4)], ..loader };
        let image = |epoch| all(&single, Order::Shuffled { seed: 0, epoch })[0].images.clone();
        assert_ne!(image(0), image(1));
    }

    #[test]
    fn a_case_that_a_balanced_epoch_draws_again_is_augmented_anew_whatever_the_number_of_workers() {
        let folder = tempfile::tempdir().unwrap();
        let balanced = |workers| {
            let mut dataset = Dataset::clone(&tiny::dataset(folder.path(), 7));
            dataset.cases[6].label = "rare".into();
            let cache = Arc::new(Cache::new(1 << 20));
            let cases = (0..7).collect();
            let loader =
                Loader::new(dataset.into(), cases, preprocess(), augment(), 1, workers, cache);
            all(&loader.sampler(Sampler::Balanced), Order::Shuffled { seed: 2, epoch: 4 })
        };
        let batches = balanced(1);
        assert_eq!(batches, balanced(3));
        assert_eq!(batches.len(), 7);
        let rare: Vec<_> = batches.iter().filter(|batch| batch.cases == [6]).collect();
        assert!((3..=4).contains(&rare.len()), "{}", rare.len());
        assert!(rare.windows(2).all(|pair| pair[0].images != pair[1].images));
    }

    #[test]
    fn where_the_network_sees_crops_training_draws_them_and_validation_covers_each_image() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = tiny::dataset(folder.path(), 3);
        let crop = Crop { size: 2, magnification: 1.0, foreground: 0.5 };
        let mut preprocess = preprocess();
        preprocess.sampling.frame = Frame::square(2);
        preprocess.sampling.crop = Some(crop);
        let loader = |workers, limit| {
            let (cases, cache) = ((0..3).collect(), Arc::new(Cache::new(limit)));
            Loader::new(Arc::clone(&dataset), cases, preprocess.clone(), None, 1, workers, cache)
        };
        let order = |epoch| Order::Shuffled { seed: 1, epoch };
        let drawn = all(&loader(1, 0), order(0));
        assert_eq!(drawn.len(), 3);
        assert!(drawn.iter().all(|batch| batch.sides == [2, 2] && batch.labels.len() == 4));
        assert_eq!(drawn, all(&loader(3, 1 << 20), order(0)));
        let lesions: usize = (0..200)
            .flat_map(|epoch| all(&loader(1, 1 << 20), order(epoch)))
            .filter(|batch| batch.labels.contains(&1))
            .count();
        // Half hold the left half of the image for sure; of the three columns of places two do.
        assert!((470..530).contains(&lesions), "{lesions} of 600");

        let covering = loader(2, 1 << 20).windows();
        assert_eq!((covering.cases(), covering.batches()), (12, 12));
        let windows = all(&covering, Order::Sequential);
        assert_eq!(
            windows.iter().map(|batch| batch.cases[0]).collect::<Vec<_>>(),
            [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
        );
        assert_eq!(windows[4].labels, [1; 4]);
        assert_eq!(windows[5].labels, [0; 4]);
        assert_eq!(windows[4].images[0], 10.0 / 255.0);
        assert_eq!(windows[5].images[0], 15.0 / 255.0);
    }

    #[test]
    fn sequential_batches_are_not_augmented() {
        let folder = tempfile::tempdir().unwrap();
        let with = all(&loader(folder.path(), augment(), 1, 0), Order::Sequential);
        assert_eq!(with, all(&loader(folder.path(), None, 1, 0), Order::Sequential));
    }

    #[test]
    fn a_damaged_case_is_an_error_in_its_place_and_the_rest_still_comes() {
        let folder = tempfile::tempdir().unwrap();
        let loader = loader(folder.path(), None, 2, 0);
        std::fs::write(folder.path().join("4.png"), b"").unwrap();
        let batches: Vec<_> = loader.epoch(Order::Sequential).collect();
        assert_eq!(batches.len(), 3);
        assert_eq!(batches[0].as_ref().unwrap().cases, [0, 1, 2]);
        let message = batches[1].as_ref().unwrap_err().to_string();
        assert!(message.starts_with("case `c4`: "), "{message}");
        assert_eq!(batches[2].as_ref().unwrap().cases, [6]);
    }

    #[test]
    fn leaving_early_ends_the_threads() {
        let folder = tempfile::tempdir().unwrap();
        for workers in 1..4 {
            let loader = loader(folder.path(), None, workers, 0);
            let source = Arc::downgrade(&loader.source);
            let mut batches = loader.epoch(Order::Sequential);
            assert!(batches.next().is_some());
            drop(batches);
            drop(loader.epoch(Order::Sequential));
            assert_eq!(source.strong_count(), 1, "a thread still holds the source");
        }
    }

    #[test]
    fn nobody_gets_further_ahead_than_two_batches_a_worker() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = tiny::dataset(folder.path(), 20);
        let cache = Arc::new(Cache::new(1 << 20));
        let loader =
            Loader::new(dataset, (0..20).collect(), preprocess(), None, 1, 2, Arc::clone(&cache));
        let mut batches = loader.epoch(Order::Sequential);
        batches.next().unwrap().unwrap();
        // One taken, and each of two workers holds at most two more.
        let most = 5;
        for _ in 0..50 {
            std::thread::sleep(std::time::Duration::from_millis(1));
            assert!(cache.count() <= most, "{} cases were loaded ahead", cache.count());
        }
    }

    #[test]
    fn no_cases_are_no_batches() {
        let folder = tempfile::tempdir().unwrap();
        let empty = Loader { items: Vec::new(), ..loader(folder.path(), None, 2, 0) };
        assert_eq!(empty.batches(), 0);
        assert!(empty.epoch(Order::Shuffled { seed: 0, epoch: 0 }).next().is_none());
    }

    #[derive(serde::Deserialize)]
    struct Resized {
        id: String,
        mean: [f64; 3],
        lesion_pixels: usize,
    }

    #[derive(serde::Deserialize)]
    struct Fixture {
        cases: Vec<Resized>,
    }

    #[test]
    fn real_busi_cases_are_as_pillow_resizes_them() {
        let Some(shared) = crate::testing::shared() else { return };
        let channels = Channels::Rgb;
        let source = SourceSpec::Busi(BusiSpec {
            root: shared.join("Dataset_BUSI_with_GT").display().to_string(),
            foreground: Default::default(),
            multi_mask: MultiMask::Union,
            classes: vec![BusiClass::Benign, BusiClass::Malignant, BusiClass::Normal],
        });
        let spec = DatasetSpec {
            source,
            image_size: ImageSize::square(256),
            resize: Default::default(),
            crop: None,
            channels,
            stain: None,
            filters: vec![],
            intensity: Default::default(),
            normalize: NormalizeSpec::default(),
            split: SplitSpec::default(),
            subset: SubsetSpec::default(),
            cache_mib: 0,
        };
        let dataset = Arc::new(crate::data::open(&spec).unwrap());
        let text = std::fs::read_to_string(crate::testing::fixture("busi_resized.json")).unwrap();
        let Fixture { cases: expected } = serde_json::from_str(&text).unwrap();
        let index = |id: &str| dataset.cases.iter().position(|case| case.id == id).unwrap();
        let cases = expected.iter().map(|case| index(&case.id)).collect();
        let normalization = Normalization::unit(channels);
        let preprocess = Preprocess {
            sampling: Sampling::new(&spec, None),
            inputs: vec![],
            normalization,
            fused: vec![],
        };
        let cache = Arc::new(Cache::new(0));
        let loader = Loader::new(Arc::clone(&dataset), cases, preprocess, None, 1, 2, cache);
        for (batch, expected) in loader.epoch(Order::Sequential).zip(&expected) {
            let batch = batch.unwrap();
            assert_eq!(batch.cases, [index(&expected.id)]);
            for (plane, mean) in batch.images.chunks_exact(256 * 256).zip(expected.mean) {
                let found = plane.iter().map(|&v| f64::from(v)).sum::<f64>() / (256.0 * 256.0);
                assert!((found * 255.0 - mean).abs() < 0.05, "{}: {found}", expected.id);
            }
            let lesion = batch.labels.iter().filter(|&&label| label == 1).count();
            assert_eq!(lesion, expected.lesion_pixels, "{}", expected.id);
            assert!(batch.labels.iter().all(|&label| label <= 1));
        }
    }
}
