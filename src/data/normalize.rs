//! From pixel values to network input.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use super::cache::Cache;
use super::dataset::Dataset;
use super::fused::{FusedColumn, fused};
use super::inputs;
use super::resize::{Sample, Sampling, network_size};
use crate::error::{Error, Result};
use crate::progress::Counting;
use crate::source::Metadata;
use crate::source::case::Decoded;
use crate::spec::{Channels, DatasetSpec, GivenNormalize, InputKind, NormalizeSpec};

/// ImageNet's mean and standard deviation of red, green and blue, as torchvision states them.
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// What is taken off each channel and what it is divided by, for values from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Normalization {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
}

/// Decides the normalisation. Statistics of the data set come from the cases `train` alone, at the
/// network's size; `workers` threads read them, and what they decode stays in `cache`.
///
/// ImageNet's figures for one gray channel are the BT.601 luma of the three.
///
/// # Errors
/// If statistics are asked for and a case cannot be decoded, there is none, or all pixels of a
/// channel are equal.
pub fn normalization(
    spec: &NormalizeSpec,
    sampling: &Sampling,
    dataset: &Dataset,
    train: &[usize],
    workers: usize,
    cache: &Cache,
) -> Result<Normalization> {
    let channels = sampling.channels;
    match spec {
        NormalizeSpec::Unit(_) => Ok(Normalization::unit(channels)),
        NormalizeSpec::Imagenet(_) => Ok(Normalization::imagenet(channels)),
        NormalizeSpec::Given(given) => Ok(Normalization::given(given, channels)),
        NormalizeSpec::Dataset(_) => {
            let sums = sum_over(dataset, train, sampling, workers, cache)?;
            sums.normalization(channels)
        }
    }
}

/// The keys of a given normalisation that do not fit the channels, and what is wrong.
pub fn normalize_problems(spec: &DatasetSpec) -> Vec<(String, String)> {
    let NormalizeSpec::Given(given) = &spec.normalize else { return Vec::new() };
    let channels = spec.channels.count();
    let numbers = [("mean", given.mean.len()), ("std", given.std.len())];
    let wrong = numbers.into_iter().filter(|(_, count)| ![1, channels].contains(count));
    let right = match channels {
        1 => "images have one channel: give one".into(),
        _ => format!("images have {channels} channels: give {channels}, or one for all"),
    };
    wrong
        .map(|(key, count)| {
            (format!("dataset.normalize.{key}"), format!("has {count} numbers, and {right}"))
        })
        .collect()
}

impl Normalization {
    /// Leaves values from 0 to 1 as they are.
    pub fn unit(channels: Channels) -> Self {
        Self { mean: vec![0.0; channels.count()], std: vec![1.0; channels.count()] }
    }

    /// ImageNet's.
    pub fn imagenet(channels: Channels) -> Self {
        match channels {
            Channels::Rgb => Self { mean: IMAGENET_MEAN.to_vec(), std: IMAGENET_STD.to_vec() },
            Channels::Gray => {
                let luma = |[r, g, b]: [f32; 3]| vec![0.299 * r + 0.587 * g + 0.114 * b];
                Self { mean: luma(IMAGENET_MEAN), std: luma(IMAGENET_STD) }
            }
        }
    }

    /// The one that is given, in one mean and one deviation of values from 0 to 1.
    fn given(spec: &GivenNormalize, channels: Channels) -> Self {
        let of = |numbers: &[f64], factor: f64| {
            let numbers = numbers.iter().cycle().take(channels.count());
            numbers.map(|number| (number * factor) as f32).collect()
        };
        Self {
            mean: of(&spec.mean, 1.0 / spec.white),
            std: of(&spec.std, spec.divide_by / spec.white),
        }
    }

    /// What becomes of a value from 0 to 1 in a channel.
    pub fn apply(&self, channel: usize, value: f32) -> f32 {
        (value - self.mean[channel]) / self.std[channel]
    }
}

/// Sums over pixels, in whole numbers: whatever thread added them in whatever order, they are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    pixels: u64,
    values: [u64; 3],
    squares: [u64; 3],
}

impl Sums {
    fn add(mut self, other: &Self) -> Self {
        self.pixels += other.pixels;
        for channel in 0..3 {
            self.values[channel] += other.values[channel];
            self.squares[channel] += other.squares[channel];
        }
        self
    }

    fn of(sample: &Sample) -> Self {
        let (area, inset) = (sample.area(), sample.inset);
        let pixels = (inset.width * inset.height) as u64;
        let mut sums = Self { pixels, ..Self::default() };
        for channel in 0..3 {
            let plane = channel % sample.planes;
            let plane = &sample.image[plane * area..(plane + 1) * area];
            for row in inset.rows(plane, sample.sides[1]) {
                sums.values[channel] += row.iter().map(|&v| u64::from(v)).sum::<u64>();
                let squares = row.iter().map(|&v| u64::from(v) * u64::from(v));
                sums.squares[channel] += squares.sum::<u64>();
            }
        }
        sums
    }

    fn normalization(&self, channels: Channels) -> Result<Normalization> {
        if self.pixels == 0 {
            return Err(Error::user(
                "dataset.normalize: kind `dataset` needs training cases, and there are none",
            ));
        }
        let pixels = self.pixels as f64;
        let statistics = |channel: usize| {
            let mean = self.values[channel] as f64 / pixels;
            let variance = self.squares[channel] as f64 / pixels - mean * mean;
            (mean / 255.0, variance.max(0.0).sqrt() / 255.0)
        };
        let (mean, std): (Vec<f64>, Vec<f64>) = (0..channels.count()).map(statistics).unzip();
        if let Some(channel) = std.iter().position(|&std| std < 1e-6) {
            return Err(Error::user(format!(
                "dataset.normalize: kind `dataset` cannot be used: every pixel of channel {channel} \
                 of the training images is {:.3}",
                mean[channel]
            )));
        }
        let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        Ok(Normalization { mean: narrow(mean), std: narrow(std) })
    }
}

/// The sums over what the network sees of a case: the whole, or the windows that cover it.
fn of_case(dataset: &Dataset, case: usize, sampling: &Sampling, cache: &Cache) -> Result<Sums> {
    let Some(crop) = &sampling.crop else {
        let sample = cache.sample(dataset, case, sampling)?;
        return Ok(Sums::of(&sample));
    };
    let image = cache.whole(dataset, case)?;
    let mut sums = Sums::default();
    for cut in crop.windows(image.image.dimensions()) {
        let sample = network_size(&crop.decoded(&image, cut)?, sampling)?;
        sums = sums.add(&Sums::of(&Sample { inset: crop.inset(cut), ..sample }));
    }
    Ok(sums)
}

/// The sums over all of `cases`; of several errors, that of the first case.
fn sum_over(
    dataset: &Dataset,
    cases: &[usize],
    sampling: &Sampling,
    workers: usize,
    cache: &Cache,
) -> Result<Sums> {
    let next = AtomicUsize::new(0);
    let counting = Counting::of("summing pixels", cases.len());
    let work = || {
        let mut sums = Sums::default();
        loop {
            let position = next.fetch_add(1, Ordering::Relaxed);
            let Some(&case) = cases.get(position) else { return Ok(sums) };
            counting.add(1);
            match of_case(dataset, case, sampling, cache) {
                Ok(found) => sums = sums.add(&found),
                Err(error) => {
                    next.store(cases.len(), Ordering::Relaxed);
                    return Err((position, error));
                }
            }
        }
    };
    let results: Vec<Result<Sums, (usize, Error)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let mine = work();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .chain([mine])
            .collect()
    });
    let mut total = Sums::default();
    let mut first_error: Option<(usize, Error)> = None;
    for result in results {
        match result {
            Ok(sums) => total = total.add(&sums),
            Err((position, error)) => {
                if first_error.as_ref().is_none_or(|(earliest, _)| position < *earliest) {
                    first_error = Some((position, error));
                }
            }
        }
    }
    first_error.map_or(Ok(total), |(_, error)| Err(error))
}

/// How a decoded case becomes network input.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    /// How it gets the network's size.
    pub sampling: Sampling,
    /// What its channels are made of, if not those of the image: gray, whose normalisation they get.
    pub inputs: Vec<InputKind>,
    /// Mean and standard deviation of each.
    pub normalization: Normalization,
    /// Columns of a table whose numbers the network is given beside the image.
    pub fused: Vec<FusedColumn>,
}

impl Preprocess {
    /// The numbers that the network is given beside the image of a case; none where it takes none.
    ///
    /// # Errors
    /// The user's, if the case does not carry a column, or a value is no number.
    pub fn numbers(&self, case: &str, metadata: &Metadata) -> Result<Vec<f32>> {
        fused(&self.fused, case, metadata)
    }

    /// Number of channels of the network's input.
    pub fn count(&self) -> usize {
        if self.inputs.is_empty() { self.sampling.channels.count() } else { self.inputs.len() }
    }

    /// An image at the network's size, in bytes.
    ///
    /// # Errors
    /// If the image has no pixels.
    pub fn sample(&self, decoded: &Decoded) -> Result<Sample> {
        network_size(decoded, &self.sampling)
    }

    /// Appends the network's input for a sample, `[channels, height, width]`, without augmentation.
    pub fn extend_plain(&self, images: &mut Vec<f32>, sample: &Sample) {
        let area = sample.area();
        if !self.inputs.is_empty() {
            let gray: Vec<f32> =
                sample.image[..area].iter().map(|&value| f32::from(value) / 255.0).collect();
            return self.extend_intensities(images, 1, &gray, &sample.labels);
        }
        for channel in 0..self.sampling.channels.count() {
            let table: [f32; 256] =
                std::array::from_fn(|byte| self.normalization.apply(channel, byte as f32 / 255.0));
            let plane = channel % sample.planes;
            let values = &sample.image[plane * area..(plane + 1) * area];
            images.extend(values.iter().map(|&value| table[usize::from(value)]));
        }
    }

    /// Appends planes of intensities from 0 to 1; labels are those of the pixels.
    pub(super) fn extend_intensities(
        &self,
        images: &mut Vec<f32>,
        planes: usize,
        image: &[f32],
        labels: &[u8],
    ) {
        let area = image.len() / planes;
        if !self.inputs.is_empty() {
            let frame = self.sampling.frame;
            for plane in inputs::planes(&self.inputs, &image[..area], labels, frame) {
                images.extend(plane.into_iter().map(|value| self.normalization.apply(0, value)));
            }
            return;
        }
        for channel in 0..self.sampling.channels.count() {
            let plane = channel % planes;
            let values = &image[plane * area..(plane + 1) * area];
            images.extend(values.iter().map(|&value| self.normalization.apply(channel, value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::crop::Crop;
    use crate::data::tiny;
    use crate::frame::{Frame, Resize};
    use crate::spec::{DatasetNormalize, ImagenetNormalize, UnitNormalize};
    use image::RgbImage;

    fn sample(image: &[u8], planes: usize) -> Sample {
        let frame = Frame::square(2);
        let (sides, inset) = (frame.sides(), frame.inset((2, 2)));
        Sample { image: image.to_vec(), planes, labels: vec![0; 4], sides, inset, no_stains: None }
    }

    fn sampling(size: u32, channels: Channels) -> Sampling {
        Sampling {
            frame: Frame::square(size),
            channels,
            stain: None,
            filters: Vec::new(),
            crop: None,
        }
    }

    fn close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{found:?} is not {expected:?}");
        }
    }

    #[test]
    fn statistics_of_four_pixels() {
        // Mean 51 of 255 is 0.2; deviations -51, -51, 0, 102 give variance 3901.5, root 62.461988.
        let sums = Sums::of(&sample(&[0, 0, 51, 153], 1));
        let found = sums.normalization(Channels::Gray).unwrap();
        close(&found.mean, &[0.2]);
        close(&found.std, &[62.461_988 / 255.0]);
        let rgb = sums.normalization(Channels::Rgb).unwrap();
        close(&rgb.mean, &[0.2; 3]);
    }

    #[test]
    fn padding_takes_no_part_in_statistics() {
        let image = RgbImage::from_pixel(8, 4, image::Rgb([51; 3]));
        let frame = Frame { resize: Resize::Letterbox, ..Frame::square(8) };
        let sampling = Sampling { frame, ..sampling(8, Channels::Rgb) };
        let sample = network_size(&Decoded::new(image), &sampling).unwrap();
        assert!(sample.image.contains(&0));
        let sums = Sums::of(&sample);
        assert_eq!((sums.pixels, sums.values), (32, [32 * 51; 3]));
    }

    #[test]
    fn channels_have_their_own_statistics() {
        let image = [0, 0, 255, 255, 51, 51, 153, 153, 0, 102, 0, 102];
        let found = Sums::of(&sample(&image, 3)).normalization(Channels::Rgb).unwrap();
        close(&found.mean, &[0.5, 0.4, 0.2]);
        close(&found.std, &[0.5, 0.2, 0.2]);
    }

    #[test]
    fn only_training_cases_count_and_threads_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = tiny::dataset(folder.path(), 9);
        let spec = NormalizeSpec::Dataset(DatasetNormalize {});
        let found = |train: &[usize], workers, limit| {
            let cache = Cache::new(limit);
            normalization(&spec, &sampling(4, Channels::Rgb), &dataset, train, workers, &cache)
                .unwrap()
        };
        // Case 3 holds 30 and 35: mean 32.5, deviation 2.5.
        let third = found(&[3], 1, 0);
        close(&third.mean, &[32.5 / 255.0; 3]);
        close(&third.std, &[2.5 / 255.0; 3]);
        let some = found(&[0, 2, 4, 6, 8], 1, 0);
        for (workers, limit) in [(1, 1 << 20), (2, 0), (5, 0), (9, 1 << 20)] {
            assert_eq!(some, found(&[0, 2, 4, 6, 8], workers, limit));
        }
        assert_eq!(some, found(&[8, 2, 6, 0, 4], 2, 0));
        assert_ne!(some, found(&[1, 3, 5, 7], 2, 0));
    }

    #[test]
    fn statistics_of_crops_are_those_of_all_pixels() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = tiny::dataset(folder.path(), 5);
        let spec = NormalizeSpec::Dataset(DatasetNormalize {});
        let found = |sampling: &Sampling| {
            normalization(&spec, sampling, &dataset, &[1, 3], 2, &Cache::new(1 << 20)).unwrap()
        };
        let whole = found(&sampling(4, Channels::Rgb));
        for size in [2, 3, 7] {
            let crop = Some(Crop { size, magnification: 1.0, foreground: 0.5 });
            assert_eq!(found(&Sampling { crop, ..sampling(size, Channels::Rgb) }), whole, "{size}");
        }
    }

    #[test]
    fn statistics_that_cannot_be_taken_say_why() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = tiny::dataset(folder.path(), 3);
        let spec = NormalizeSpec::Dataset(DatasetNormalize {});
        let fail = |train: &[usize]| {
            let cache = Cache::new(0);
            normalization(&spec, &sampling(4, Channels::Rgb), &dataset, train, 2, &cache)
                .unwrap_err()
                .to_string()
        };
        assert!(fail(&[]).contains("there are none"), "{}", fail(&[]));
        std::fs::write(folder.path().join("1.png"), b"no image").unwrap();
        assert!(fail(&[0, 1, 2]).starts_with("case `c1`: "), "{}", fail(&[0, 1, 2]));
        RgbImage::from_pixel(4, 4, image::Rgb([51; 3])).save(folder.path().join("2.png")).unwrap();
        let flat = fail(&[2]);
        assert!(
            flat.contains("every pixel of channel 0 of the training images is 0.200"),
            "{flat}"
        );
    }

    #[test]
    fn unit_and_imagenet_need_no_data() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = tiny::dataset(folder.path(), 0);
        let found = |spec: NormalizeSpec, channels| {
            normalization(&spec, &sampling(4, channels), &dataset, &[], 1, &Cache::new(0)).unwrap()
        };
        let unit = found(NormalizeSpec::Unit(UnitNormalize {}), Channels::Gray);
        assert_eq!(unit, Normalization { mean: vec![0.0], std: vec![1.0] });
        let imagenet = found(NormalizeSpec::Imagenet(ImagenetNormalize {}), Channels::Rgb);
        close(&imagenet.mean, &[0.485, 0.456, 0.406]);
        let gray = found(NormalizeSpec::Imagenet(ImagenetNormalize {}), Channels::Gray);
        close(&gray.mean, &[0.458_971]);
        close(&gray.std, &[0.225_609]);
    }

    #[derive(serde::Deserialize)]
    struct Albumentations {
        pixels: Vec<u8>,
        normalize: Vec<Normalised>,
    }

    #[derive(serde::Deserialize)]
    struct Normalised {
        name: String,
        mean: Vec<f64>,
        std: Vec<f64>,
        max_pixel_value: f64,
        divide_by: f64,
        image: Vec<f32>,
    }

    #[test]
    fn given_figures_make_what_albumentations_makes_of_them() {
        let text = std::fs::read_to_string(crate::testing::fixture("albumentations.json")).unwrap();
        let Albumentations { pixels, normalize } = serde_json::from_str(&text).unwrap();
        let planes: Vec<u8> =
            (0..3).flat_map(|c| pixels.iter().skip(c).step_by(3)).copied().collect();
        assert_eq!(normalize.len(), 4);
        for Normalised { name, mean, std, max_pixel_value, divide_by, image } in normalize {
            // albumentations multiplies mean and deviation by its largest value.
            let given = GivenNormalize { mean, std, white: 255.0 / max_pixel_value, divide_by };
            let normalization = Normalization::given(&given, Channels::Rgb);
            let sampling = sampling(2, Channels::Rgb);
            let preprocess = Preprocess { sampling, inputs: vec![], normalization, fused: vec![] };
            let mut input = Vec::new();
            preprocess.extend_plain(&mut input, &sample(&planes, 3));
            let largest = image.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            for (found, expected) in input.iter().zip(&image) {
                let off = (found - expected).abs() / largest;
                assert!(off < 1e-6, "{name}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn one_number_is_for_all_channels_and_others_are_one_each() {
        let given = |mean: &[f64], std: &[f64]| GivenNormalize {
            mean: mean.to_vec(),
            std: std.to_vec(),
            white: 1.0,
            divide_by: 1.0,
        };
        let one = Normalization::given(&given(&[0.5], &[0.25]), Channels::Rgb);
        assert_eq!(one, Normalization { mean: vec![0.5; 3], std: vec![0.25; 3] });
        let mut spec: DatasetSpec = toml::from_str("kind = 'phantom'").unwrap();
        let mut wrong = |mean: &[f64], std: &[f64], channels| {
            spec.normalize = NormalizeSpec::Given(given(mean, std));
            spec.channels = channels;
            let said = normalize_problems(&spec).into_iter();
            said.map(|(key, message)| format!("{key} {message}")).collect::<Vec<_>>()
        };
        assert_eq!(wrong(&[0.5], &[0.1, 0.2, 0.3], Channels::Rgb), <[&str; 0]>::default());
        assert_eq!(
            wrong(&[0.5, 0.4], &[0.1], Channels::Rgb),
            [
                "dataset.normalize.mean has 2 numbers, and images have 3 channels: give 3, or one for all"
            ]
        );
        assert_eq!(
            wrong(&[0.5], &[0.1, 0.2, 0.3], Channels::Gray),
            ["dataset.normalize.std has 3 numbers, and images have one channel: give one"]
        );
    }

    #[test]
    fn input_is_normalised_channel_by_channel() {
        let normalization = Normalization { mean: vec![0.0, 0.5, 1.0], std: vec![1.0, 0.5, 0.25] };
        let sampling = sampling(2, Channels::Rgb);
        let preprocess = Preprocess { sampling, inputs: vec![], normalization, fused: vec![] };
        let input = |level: [u8; 3]| {
            let image = RgbImage::from_pixel(2, 2, image::Rgb(level));
            let mut input = Vec::new();
            let sample = preprocess.sample(&Decoded::new(image)).unwrap();
            preprocess.extend_plain(&mut input, &sample);
            input
        };
        let expected = [1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0, -3.2, -3.2, -3.2, -3.2];
        close(&input([255, 0, 51]), &expected);
        close(&input([255; 3]), &[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
