//! Decoded and resized cases, kept as far as memory allows.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::dataset::Dataset;
use super::open::decode;
use super::resize::{Sample, Sampling, network_size};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::source::case::{Case, Decoded};

/// Cases of one data set at the network's size, filled as they are first asked for.
///
/// The first cases that fit stay and none is ever thrown out: an epoch visits every case once, so
/// replacing would only lose what the next epoch needs. The rest are decoded again each time.
#[derive(Debug)]
pub struct Cache {
    limit: usize,
    kept: Mutex<Kept>,
}

/// A case, the frame and the channels it was made for.
type Key = (usize, Frame, usize);

#[derive(Debug, Default)]
struct Kept {
    samples: HashMap<Key, Arc<Sample>>,
    /// Cases at their own size, of which crops are made.
    whole: HashMap<usize, Arc<Decoded>>,
    bytes: usize,
}

impl Cache {
    /// An empty cache that will take at most `limit_bytes`; 0 keeps nothing.
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit: limit_bytes, kept: Mutex::default() }
    }

    /// Bytes of the samples kept.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Number of samples kept.
    pub fn count(&self) -> usize {
        self.lock().samples.len()
    }

    /// Case `index` of `dataset` at the network's size, from memory or decoded. A cache serves one
    /// data set, one normalisation of stains and one list of filters: it knows cases by their index alone.
    ///
    /// # Errors
    /// If the case cannot be decoded; the message names it.
    pub fn sample(
        &self,
        dataset: &Dataset,
        index: usize,
        sampling: &Sampling,
    ) -> Result<Arc<Sample>> {
        let key = (index, sampling.frame, sampling.channels.count());
        if let Some(sample) = self.lock().samples.get(&key) {
            return Ok(Arc::clone(sample));
        }
        let case = case(dataset, index)?;
        let sample = decode(dataset, case)
            .and_then(|decoded| network_size(&decoded, sampling))
            .map_err(|error| name_case(&case.id, error))?;
        let sample = Arc::new(sample);
        let mut kept = self.lock();
        let Kept { samples, bytes, .. } = &mut *kept;
        keep(samples, key, &sample, sample.bytes(), bytes, self.limit);
        Ok(sample)
    }

    /// The same case at its own size.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub(super) fn whole(&self, dataset: &Dataset, index: usize) -> Result<Arc<Decoded>> {
        if let Some(decoded) = self.lock().whole.get(&index) {
            return Ok(Arc::clone(decoded));
        }
        let case = case(dataset, index)?;
        let decoded = decode(dataset, case).map_err(|error| name_case(&case.id, error))?;
        let decoded = Arc::new(decoded);
        let labels = decoded.labels.as_ref().map_or(0, |labels| labels.as_raw().len());
        let taken = size_of::<Decoded>() + decoded.image.as_raw().len() + labels;
        let mut kept = self.lock();
        let Kept { whole, bytes, .. } = &mut *kept;
        keep(whole, index, &decoded, taken, bytes, self.limit);
        Ok(decoded)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps what takes so many bytes, if with those that are taken it stays within a limit.
fn keep<K: Eq + Hash, V>(
    kept: &mut HashMap<K, Arc<V>>,
    key: K,
    value: &Arc<V>,
    bytes: usize,
    taken: &mut usize,
    limit: usize,
) {
    if *taken + bytes <= limit && !kept.contains_key(&key) {
        *taken += bytes;
        kept.insert(key, Arc::clone(value));
    }
}

fn case(dataset: &Dataset, index: usize) -> Result<&Case> {
    dataset.cases.get(index).ok_or_else(|| {
        Error::failed(format!("there is no case {index} among {}", dataset.cases.len()))
    })
}

/// The same error, saying which case it is about.
fn name_case(id: &str, error: Error) -> Error {
    match error {
        Error::User(message) => Error::User(format!("case `{id}`: {message}")),
        Error::Busy(_) | Error::Failed(_) | Error::Io { .. } => {
            Error::failed(format!("case `{id}`: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tiny;
    use crate::spec::Channels;

    fn sampling(size: u32) -> Sampling {
        Sampling {
            frame: Frame::square(size),
            channels: Channels::Rgb,
            stain: None,
            filters: Vec::new(),
            crop: None,
        }
    }

    #[test]
    fn the_first_that_fit_stay_and_the_bound_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = tiny::dataset(folder.path(), 4);
        let read = |cache: &Cache, index| cache.sample(&dataset, index, &sampling(4)).unwrap();
        let one = read(&Cache::new(0), 0).bytes();
        let limit = 2 * one + one / 2;
        let cache = Cache::new(limit);
        let first = read(&cache, 2);
        for index in [0, 1, 3, 2, 1] {
            read(&cache, index);
            assert!(cache.bytes() <= limit);
        }
        assert_eq!((cache.count(), cache.bytes()), (2, 2 * one));
        assert!(Arc::ptr_eq(&first, &read(&cache, 2)));
        assert!(!Arc::ptr_eq(&read(&cache, 3), &read(&cache, 3)));
    }

    #[test]
    fn what_is_kept_equals_what_is_decoded() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = tiny::dataset(folder.path(), 1);
        let cache = Cache::new(1 << 20);
        let decoded = cache.sample(&dataset, 0, &sampling(4)).unwrap();
        assert_eq!(decoded.image, [0, 0, 5, 5].repeat(4));
        assert_eq!(decoded.labels, [1, 1, 0, 0].repeat(4));
        assert_eq!(decoded, cache.sample(&dataset, 0, &sampling(4)).unwrap());
        assert_eq!(cache.sample(&dataset, 0, &sampling(2)).unwrap().sides, [2, 2]);
    }

    #[test]
    fn cases_at_their_own_size_count_as_others_do() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = tiny::dataset(folder.path(), 3);
        let one = size_of::<Decoded>() + 4 * 4 * 4;
        let cache = Cache::new(2 * one);
        let whole: Vec<_> = (0..3).map(|index| cache.whole(&dataset, index).unwrap()).collect();
        assert_eq!(whole[2].image.dimensions(), (4, 4));
        assert_eq!(cache.bytes(), 2 * one);
        assert!(Arc::ptr_eq(&whole[1], &cache.whole(&dataset, 1).unwrap()));
        assert!(!Arc::ptr_eq(&whole[2], &cache.whole(&dataset, 2).unwrap()));
    }

    #[test]
    fn no_room_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = tiny::dataset(folder.path(), 1);
        let cache = Cache::new(0);
        cache.sample(&dataset, 0, &sampling(4)).unwrap();
        assert_eq!((cache.count(), cache.bytes()), (0, 0));
    }

    #[test]
    fn a_damaged_case_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = tiny::dataset(folder.path(), 2);
        let file = folder.path().join("1.png");
        std::fs::write(&file, b"").unwrap();
        let cache = Cache::new(1 << 20);
        let error = cache.sample(&dataset, 1, &sampling(4)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let message = error.to_string();
        assert!(message.starts_with("case `c1`: "), "{message}");
        assert!(message.contains(&file.display().to_string()), "{message}");
        assert_eq!(cache.count(), 0);
        let error = cache.sample(&dataset, 7, &sampling(4)).unwrap_err();
        assert_eq!(error.to_string(), "there is no case 7 among 2");
    }
}
