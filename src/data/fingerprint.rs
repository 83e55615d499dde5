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

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::super::sample::{save_image, save_mask, spec};
    use super::*;

    fn set(root: &Path) -> Dataset {
        for (label, size) in [("benign", 9), ("malignant", 8), ("normal", 7)] {
            save_image(&root.join(format!("{label}/a (1).png")), size, 5);
            save_mask(&root.join(format!("{label}/a (1)_mask.png")), size, 5, |x| u8::from(x == 3));
        }
        open(&spec("kind = 'busi'\nroot = $", root)).unwrap()
    }

    #[test]
    fn a_copy_elsewhere_is_the_same_and_a_changed_pixel_is_not() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = fingerprint(&set(here.path())).unwrap();
        assert_eq!(first.len(), 64);
        let copy = set(there.path());
        assert_eq!(fingerprint(&copy).unwrap(), first);
        save_mask(&there.path().join("benign/a (1)_mask.png"), 9, 5, |x| u8::from(x == 4));
        assert_ne!(fingerprint(&copy).unwrap(), first);
    }

    #[test]
    fn the_order_of_cases_and_the_number_of_threads_do_not_matter_but_labels_do() {
        let folder = tempfile::tempdir().unwrap();
        let mut dataset = set(folder.path());
        let first = fingerprint(&dataset).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| fingerprint(&dataset)).unwrap(), first);
        dataset.cases.reverse();
        assert_eq!(fingerprint(&dataset).unwrap(), first);
        dataset.cases[0].label = "other".into();
        assert_ne!(fingerprint(&dataset).unwrap(), first);
    }

    #[test]
    fn phantoms_differ_by_seed() {
        let of = |seed: u32| {
            let toml = format!("kind = 'phantom'\ncases = 6\nseed = {seed}");
            fingerprint(&open(&spec(&toml, Path::new(""))).unwrap()).unwrap()
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
