//! What a data set is, as one number: two with the same fingerprint hold the same cases and pixels.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::case::{Case, Dataset, ImageSource, MaskSource, Region};
use super::phantom;
use crate::error::{Error, Result};

/// SHA-256, in hexadecimal, over every case: id, label, size and the contents of its files.
///
/// Paths do not enter it, so a copy of the data elsewhere has the same fingerprint. Phantoms enter
/// by the version and the parameters of their generator.
///
/// # Errors
/// A file that cannot be read.
pub fn fingerprint(dataset: &Dataset) -> Result<String> {
    let cases: Vec<&Case> = dataset.cases.iter().chain(&dataset.unlabelled).collect();
    let paths: BTreeSet<&Path> = cases.iter().flat_map(|case| files_of(case)).collect();
    let paths: Vec<&Path> = paths.into_iter().collect();
    let digests = paths.par_iter().map(|path| digest(path)).collect::<Result<Vec<_>>>()?;
    let digest_of = |path: &Path| match paths.binary_search(&path) {
        Ok(index) => digests[index],
        Err(_) => [0; 32],
    };
    let mut cases = cases;
    cases.sort_by(|a, b| a.id.cmp(&b.id));
    let mut total = Hasher::new(b"oncospec data 1");
    for case in cases {
        total.text(&case.id);
        total.text(&case.label);
        total.numbers(&[case.width, case.height]);
        match &case.image {
            ImageSource::File(path) => total.file(b"file", digest_of(path)),
            ImageSource::Region(region) => total.region(region, digest_of(&region.path)),
            ImageSource::Phantom(phantom) => {
                total.text(&format!("phantom {} {phantom:?}", phantom::VERSION));
            }
        }
        match &case.mask {
            MaskSource::Files(paths) => {
                total.numbers(&[paths.len() as u32]);
                for path in paths {
                    total.file(b"mask", digest_of(path));
                }
            }
            MaskSource::Region(region) => total.region(region, digest_of(&region.path)),
            MaskSource::Phantom => total.text("phantom"),
            MaskSource::Empty => total.text("empty"),
            MaskSource::Unlabelled => total.text("unlabelled"),
        }
    }
    total.text(&format!("{:?} {:?}", dataset.labels, dataset.codes));
    Ok(total.finish())
}

/// Feeds values with their lengths, so that no two lists of values look alike.
struct Hasher(Sha256);

impl Hasher {
    fn new(purpose: &[u8]) -> Self {
        Self(Sha256::new_with_prefix(purpose))
    }

    fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn numbers(&mut self, numbers: &[u32]) {
        for number in numbers {
            self.0.update(number.to_le_bytes());
        }
    }

    fn file(&mut self, kind: &[u8; 4], digest: [u8; 32]) {
        self.0.update(kind);
        self.0.update(digest);
    }

    fn region(&mut self, region: &Region, digest: [u8; 32]) {
        self.file(b"part", digest);
        self.numbers(&[region.x, region.y, region.width, region.height]);
    }

    fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn files_of(case: &Case) -> Vec<&Path> {
    let image = match &case.image {
        ImageSource::File(path) => Some(path.as_path()),
        ImageSource::Region(region) => Some(region.path.as_path()),
        ImageSource::Phantom(_) => None,
    };
    let masks: Vec<&Path> = match &case.mask {
        MaskSource::Files(paths) => paths.iter().map(PathBuf::as_path).collect(),
        MaskSource::Region(region) => vec![&region.path],
        MaskSource::Phantom | MaskSource::Empty | MaskSource::Unlabelled => Vec::new(),
    };
    image.into_iter().chain(masks).collect()
}

fn digest(path: &Path) -> Result<[u8; 32]> {
    let mut file = File::open(path).map_err(Error::io(path, "cannot open"))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(Error::io(path, "cannot read"))? {
            0 => return Ok(hasher.finalize().into()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
