//! How fast the loader delivers real BUSI cases at 256 px: decoded each time and from the cache, each
//! as it is and augmented; and the many small cases of a folder that `benches/many.py --keep` made.
//!
//!     cargo bench --profile dev --bench loader
//!
//! Looks for BUSI in `../shared/data`, or below `ONCOSPEC_SHARED`, and for the folder in `ONCOSPEC_MANY`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use oncospec::data::{Cache, Dataset, Loader, Normalization, Order, Preprocess, Sampling, open};
use oncospec::frame::{Frame, ImageSize, Resize};
use oncospec::spec::{
    AmountSpec, AugmentSpec, BusiClass, BusiSpec, Chance, Channels, DatasetSpec, MultiMask,
    NormalizeSpec, SourceSpec, SplitSpec, SubsetSpec, load,
};

/// Threads, as many as the peer's.
const WORKERS: usize = 2;
/// Cases in a batch.
const BATCH_SIZE: usize = 8;
/// Side of the network's input.
const SIZE: u32 = 256;

fn root() -> PathBuf {
    let shared = std::env::var_os("ONCOSPEC_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    shared.join("data/Dataset_BUSI_with_GT")
}

fn busi(root: &Path) -> Arc<Dataset> {
    let source = SourceSpec::Busi(BusiSpec {
        root: root.display().to_string(),
        foreground: Default::default(),
        multi_mask: MultiMask::Union,
        classes: vec![BusiClass::Benign, BusiClass::Malignant, BusiClass::Normal],
    });
    let spec = DatasetSpec {
        source,
        image_size: ImageSize::square(SIZE),
        resize: Resize::Stretch,
        crop: None,
        channels: Channels::Rgb,
        stain: None,
        filters: Vec::new(),
        intensity: Default::default(),
        normalize: NormalizeSpec::default(),
        split: SplitSpec::default(),
        subset: SubsetSpec::default(),
        cache_mib: 0,
    };
    Arc::new(open(&spec).expect("BUSI opens"))
}

/// That of `experiments/busi_unet.toml`.
fn augment() -> AugmentSpec {
    let amount = |probability, range| Some(AmountSpec { probability, range });
    AugmentSpec {
        horizontal_flip: Some(Chance { probability: 0.5 }),
        rotate: amount(0.5, [-15.0, 15.0]),
        scale: amount(0.5, [0.9, 1.1]),
        brightness: amount(0.3, [-0.15, 0.15]),
        contrast: amount(0.3, [0.8, 1.2]),
        ..AugmentSpec::default()
    }
}

/// Times one epoch over all of BUSI.
fn epoch(bencher: Bencher, cache_mib: usize, augment: Option<AugmentSpec>) {
    let root = root();
    if !root.is_dir() {
        eprintln!("skipped: no BUSI at {}", root.display());
        return;
    }
    let mut load = loading(busi(&root), SIZE, BATCH_SIZE, cache_mib, augment);
    let cases = load();
    bencher.counter(ItemsCount::new(cases)).bench_local(load);
}

/// Loads an epoch of all cases at each call; how many there are.
fn loading(
    dataset: Arc<Dataset>,
    side: u32,
    batch_size: usize,
    cache_mib: usize,
    augment: Option<AugmentSpec>,
) -> impl FnMut() -> usize {
    let all: Vec<usize> = (0..dataset.cases.len()).collect();
    let channels = Channels::Rgb;
    let normalization = Normalization::unit(channels);
    let frame = Frame::square(side);
    let sampling = Sampling { frame, channels, stain: None, filters: Vec::new(), crop: None };
    let preprocess = Preprocess { sampling, inputs: Vec::new(), normalization, fused: Vec::new() };
    let cache = Arc::new(Cache::new(cache_mib << 20));
    let loader = Loader::new(dataset, all, preprocess, augment, batch_size, WORKERS, cache);
    let mut epoch = 0;
    move || {
        epoch += 1;
        let batches = loader.epoch(Order::Shuffled { seed: 0, epoch });
        batches.map(|batch| batch.expect("every case loads").cases.len()).sum::<usize>()
    }
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn decode(bencher: Bencher) {
    epoch(bencher, 0, None);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn uncached_augmented(bencher: Bencher) {
    epoch(bencher, 0, Some(augment()));
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn cached(bencher: Bencher) {
    epoch(bencher, 1024, None);
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn augmented(bencher: Bencher) {
    epoch(bencher, 1024, Some(augment()));
}

/// One epoch, decoded, in batches of 64: what `benches/many_peers.py` has MONAI do.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn many(bencher: Bencher) {
    let Some(folder) = std::env::var_os("ONCOSPEC_MANY") else {
        eprintln!("skipped: ONCOSPEC_MANY names no folder");
        return;
    };
    let spec = load(&Path::new(&folder).join("many.toml"), &[], std::iter::empty())
        .expect("its spec is read")
        .spec;
    let side = spec.dataset.image_size.height;
    let mut load = loading(Arc::new(open(&spec.dataset).expect("it opens")), side, 64, 0, None);
    let cases = load();
    bencher.counter(ItemsCount::new(cases)).bench_local(load);
}

fn main() {
    divan::main();
}
