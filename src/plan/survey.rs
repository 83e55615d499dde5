//! Statistics of the data that a plan needs.

use std::sync::Arc;

use rayon::prelude::*;

use super::Checked;
use crate::data::{
    Cache, CaseDigest, Normalization, Sampling, case_digests, fingerprint_of, normalization,
    pixel_counts,
};
use crate::error::Result;
use crate::progress::Counting;
use crate::record::ClassShare;
use crate::split_name::SplitName;

/// Statistics of the data.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Hash of all images and masks.
    pub fingerprint: String,
    /// What each case holds, as digests.
    pub case_digests: Arc<Vec<CaseDigest>>,
    /// Pixels of each class in each split.
    pub balance: Vec<ClassShare>,
    /// Labelled pixels of each class in the training split.
    pub class_pixels: Vec<u64>,
    /// How pixel values are normalised for the network.
    pub normalization: Normalization,
}

/// How much of the data [`survey`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    All,
    /// The part that training steps depend on. Nothing is hashed, so that no run can be recorded from it.
    Training,
}

/// Reads the data once: hashes it, counts its classes, and its statistics if they are asked for.
///
/// # Errors
/// If a file cannot be read or decoded.
pub fn survey(checked: &Checked, extent: Extent) -> Result<Survey> {
    let (dataset, split) = (&checked.dataset, &checked.split);
    let spec = &checked.loaded.spec.dataset;
    let mut names = dataset.labels.names();
    if names.len() < dataset.labels.values() {
        names.insert(0, "background".into());
    }
    let (mut balance, mut class_pixels) = (Vec::new(), Vec::new());
    let parts = match extent {
        Extent::All => &SplitName::ALL[..],
        Extent::Training => &[SplitName::Train],
    };
    for &part in parts {
        let counting = Counting::of("counting pixels", split.part(part).len());
        let counted = |&case: &usize| {
            counting.add(1);
            pixel_counts(dataset, &[case])
        };
        let cases: Vec<Vec<u64>> =
            split.part(part).par_iter().map(counted).collect::<Result<_>>()?;
        drop(counting);
        for (class, name) in names.iter().enumerate() {
            balance.push(ClassShare {
                split: part,
                class: name.clone(),
                cases: cases.iter().filter(|pixels| pixels[class] > 0).count() as u64,
                pixels: cases.iter().map(|pixels| pixels[class]).sum(),
            });
        }
        if part == SplitName::Train {
            class_pixels = balance.iter().map(|share| share.pixels).collect();
        }
    }
    let (case_digests, fingerprint) = match extent {
        Extent::All => {
            let digests = case_digests(dataset)?;
            let fingerprint = fingerprint_of(dataset, &digests);
            (digests, fingerprint)
        }
        Extent::Training => (Vec::new(), String::new()),
    };
    Ok(Survey {
        fingerprint,
        case_digests: Arc::new(case_digests),
        balance,
        class_pixels,
        normalization: normalization(
            &spec.normalize,
            &Sampling::new(spec, checked.stain.clone()),
            dataset,
            &split.train,
            checked.loaded.spec.run.threads(),
            &Cache::new(spec.cache_bytes()),
        )?,
    })
}
