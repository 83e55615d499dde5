//! Random numbers that depend on what they are for and on nothing else.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::random::shuffle;

/// What a stream of random numbers is for. Each purpose draws from its own stream, so that turning
/// one augmentation off leaves the others' draws as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The order of the cases in an epoch.
    Shuffle,
    /// `augment.horizontal-flip`.
    HorizontalFlip,
    /// `augment.vertical-flip`.
    VerticalFlip,
    /// `augment.rotate90`.
    Rotate90,
    /// `augment.rotate`.
    Rotate,
    /// `augment.scale`.
    Scale,
    /// `augment.shift`.
    Shift,
    /// `augment.elastic`.
    Elastic,
    /// `augment.brightness`.
    Brightness,
    /// `augment.contrast`.
    Contrast,
    /// `augment.gamma`.
    Gamma,
    /// `augment.blur`.
    Blur,
    /// `augment.noise`.
    Noise,
    /// `augment.colour-jitter`.
    ColourJitter,
    /// The cases of an epoch, where `schedule.sampler` is not `shuffle`.
    Sampler,
    /// `dataset.crop`.
    Crop,
    /// `augment.stain`.
    Stain,
    /// `augment.one-of`.
    OneOf,
}

/// The random numbers of one case in one epoch of one seed.
#[derive(Clone, Debug)]
pub(super) struct Draws {
    key: [u8; 32],
}

impl Draws {
    /// The draws of `case` (its id) in `epoch` under `seed`: SHA-256 of the three is the key.
    pub(super) fn new(seed: u32, epoch: u32, case: &str) -> Self {
        Self::again(seed, epoch, case, 0)
    }

    /// The same where the case has come `repeat` times before in the epoch.
    pub(super) fn again(seed: u32, epoch: u32, case: &str, repeat: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"oncospec draws 1");
        hash.update(seed.to_le_bytes());
        hash.update(epoch.to_le_bytes());
        hash.update(case.as_bytes());
        if repeat > 0 {
            hash.update([0]);
            hash.update(repeat.to_le_bytes());
        }
        Self { key: hash.finalize().into() }
    }

    /// The stream of one purpose, from its start.
    pub(super) fn stream(&self, purpose: Purpose) -> Stream {
        let mut generator = ChaCha8Rng::from_seed(self.key);
        generator.set_stream(purpose as u64);
        Stream(generator)
    }
}

/// A stream of random numbers, equal on every machine.
#[derive(Clone, Debug)]
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    /// Uniform in `[0, 1)`, with 53 random bits.
    pub(super) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform between the ends of `range`.
    pub(super) fn between(&mut self, range: [f64; 2]) -> f64 {
        range[0] + (range[1] - range[0]) * self.uniform()
    }

    /// True with this probability: always at 1, never at 0.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Uniform in `0..count`; 0 when `count` is 0.
    pub(super) fn below(&mut self, count: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(count)) >> 32) as u32
    }

    /// Two independent standard normal numbers (Box and Muller 1958).
    pub(super) fn normal_pair(&mut self) -> [f32; 2] {
        let bits = self.0.next_u64();
        let unit = 1.0 / (1u64 << 32) as f32;
        let radius = (-2.0 * (((bits >> 32) as f32 + 1.0) * unit).min(1.0).ln()).sqrt();
        let (sin, cos) = ((bits as u32) as f32 * unit * std::f32::consts::TAU).sin_cos();
        [radius * cos, radius * sin]
    }
}

/// Puts items into the order of one epoch, by numbers of its own stream: other numbers would change every run.
pub(super) fn shuffle_epoch<T>(items: &mut [T], seed: u32, epoch: u32) {
    let mut stream = Draws::new(seed, epoch, "").stream(Purpose::Shuffle);
    shuffle(items, |bound| stream.below(bound));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_different_purposes_epochs_seeds_and_cases_differ() {
        let first = |seed, epoch, case: &str, purpose| {
            Draws::new(seed, epoch, case).stream(purpose).uniform()
        };
        let base = first(0, 0, "a", Purpose::Blur);
        assert_eq!(base, first(0, 0, "a", Purpose::Blur));
        for other in [
            first(1, 0, "a", Purpose::Blur),
            first(0, 1, "a", Purpose::Blur),
            first(0, 0, "b", Purpose::Blur),
            first(0, 0, "a", Purpose::Noise),
            Draws::again(0, 0, "a", 1).stream(Purpose::Blur).uniform(),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn chance_is_never_at_zero_and_always_at_one() {
        let mut stream = Draws::new(0, 0, "a").stream(Purpose::Blur);
        assert!((0..1000).all(|_| !stream.chance(0.0)));
        assert!((0..1000).all(|_| stream.chance(1.0)));
    }

    #[test]
    fn below_covers_its_range_evenly() {
        let mut stream = Draws::new(0, 0, "a").stream(Purpose::Blur);
        let mut counts = [0u32; 5];
        for _ in 0..5000 {
            counts[stream.below(5) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| (850..1150).contains(&count)), "{counts:?}");
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut stream = Draws::new(0, 0, "a").stream(Purpose::Noise);
        let values: Vec<f64> =
            (0..50_000).flat_map(|_| stream.normal_pair()).map(f64::from).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.015, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
        assert!(values.iter().all(|v| v.is_finite()));
    }

    #[test]
    fn shuffling_keeps_every_item_and_depends_on_seed_and_epoch() {
        let order = |seed, epoch| {
            let mut items: Vec<u32> = (0..20).collect();
            shuffle_epoch(&mut items, seed, epoch);
            items
        };
        let mut sorted = order(0, 0);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<_>>());
        assert_eq!(order(0, 0), order(0, 0));
        assert_ne!(order(0, 0), order(0, 1));
        assert_ne!(order(0, 0), order(1, 0));
    }
}
