//! What a data set is, as one number: two with the same fingerprint hold the same cases and pixels.

use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use super::open::{decode_labels, decode_pixels};
use crate::digest::Hasher;
use crate::error::Result;
use crate::progress::Counting;
use crate::source::case::{Case, ImageSource, MaskSource};
use crate::source::kept;
use crate::source::phantom;

/// SHA-256, in hexadecimal, of what a case holds, as decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseDigest {
    /// Name of the case.
    pub case: String,
    /// Of its size and its image.
    pub image: String,
    /// Of these and its mask.
    pub whole: String,
}

/// SHA-256, in hexadecimal, over every labelled case: id, label, size, pixels and labels of pixels, as decoded.
///
/// How files hold them does not enter it: a copy in another place, compressed otherwise, or with a palette, is the same data.
/// Phantoms enter by the version and the parameters of their generator. Kept on disk until a file changes.
///
/// # Errors
/// A file that cannot be decoded.
pub fn fingerprint(dataset: &Dataset) -> Result<String> {
    Ok(fingerprint_of(dataset, &case_digests(dataset)?))
}

/// The [`fingerprint`] of a data set from the digests of its cases.
pub fn fingerprint_of(dataset: &Dataset, digests: &[CaseDigest]) -> String {
    let mut total = Hasher::new(b"oncospec data 2");
    for (case, digest) in sorted(dataset).iter().zip(digests) {
        total.text(&case.id);
        total.text(&case.label);
        total.text(&digest.whole);
    }
    total.text(&format!("{:?}", dataset.labels));
    total.finish()
}

/// What each case of a data set holds, in order of their names. Kept on disk until a file changes.
///
/// # Errors
/// A file that cannot be decoded.
pub fn case_digests(dataset: &Dataset) -> Result<Vec<CaseDigest>> {
    // Named one by one, so that whatever else comes to decide what is decoded has to be thought of here.
    let Dataset {
        cases: _,
        labels,
        codes,
        foreground,
        levels,
        unlabelled: _,
        image_classes: _,
        ignored: _,
        label_pixels: _,
        findings: _,
        rois: _,
    } = dataset;
    let sorted = sorted(dataset);
    let files: Vec<&Path> = sorted.iter().flat_map(|case| case.files()).collect();
    let mut asked = Hasher::new(b"oncospec cases as decoded 1");
    asked.text(&format!("{labels:?} {codes:?} {foreground:?} {levels:?} {sorted:?}"));
    let compute = || -> Result<Vec<CaseDigest>> {
        let counting = Counting::of("hashing cases", sorted.len());
        let one = |case: &&Case| {
            counting.add(1);
            of_case(dataset, case)
        };
        sorted.par_iter().map(one).collect()
    };
    if files.is_empty() { compute() } else { kept(&asked.finish(), &files, compute) }
}

fn sorted(dataset: &Dataset) -> Vec<&Case> {
    let mut sorted: Vec<&Case> = dataset.cases.iter().collect();
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    sorted
}

/// SHA-256 of the pixels of some cases, as decoded, whatever files hold them.
///
/// # Errors
/// A file that cannot be decoded.
pub fn pixels_of_cases(dataset: &Dataset, cases: &[usize]) -> Result<Vec<String>> {
    let digest = |&case: &usize| {
        let image = decode_pixels(dataset, &dataset.cases[case])?;
        let mut digest = Hasher::new(b"oncospec pixels 1");
        digest.numbers(&[image.width(), image.height()]);
        digest.bytes(b"image", image.as_raw());
        Ok(digest.finish())
    };
    cases.par_iter().map(digest).collect()
}

/// What a case holds, decoded.
fn of_case(dataset: &Dataset, case: &Case) -> Result<CaseDigest> {
    let mut digest = Hasher::new(b"oncospec case 2");
    digest.numbers(&[case.width, case.height]);
    match &case.image {
        ImageSource::Phantom(phantom) => {
            digest.text(&format!("phantom {} {phantom:?}", phantom::VERSION));
        }
        ImageSource::File(_) | ImageSource::Region(_) => {
            digest.bytes(b"image", decode_pixels(dataset, case)?.as_raw());
        }
    }
    let image = digest.clone().finish();
    match &case.mask {
        MaskSource::Phantom => digest.text("phantom"),
        MaskSource::Unlabelled => digest.text("unlabelled"),
        MaskSource::Files(_)
        | MaskSource::Layers { .. }
        | MaskSource::Region(_)
        | MaskSource::Empty => {
            if let Some(labels) = decode_labels(dataset, case)? {
                digest.bytes(b"label", labels.as_raw());
            }
        }
    }
    Ok(CaseDigest { case: case.id.clone(), image, whole: digest.finish() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::{ImageFormat, RgbaImage};
    use png::{BitDepth, ColorType};

    use super::super::open;
    use super::*;
    use crate::source::sample::{png, save_bytes, save_image, save_mask, spec};

    fn set(root: &Path) -> Dataset {
        for (label, size) in [("benign", 9), ("malignant", 8), ("normal", 7)] {
            save_image(&root.join(format!("{label}/a (1).png")), size, 5);
            save_mask(&root.join(format!("{label}/a (1)_mask.png")), size, 5, |x| {
                255 * u8::from((2..4).contains(&x))
            });
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
        save_mask(&there.path().join("benign/a (1)_mask.png"), 9, 5, |x| 255 * u8::from(x == 4));
        assert_ne!(fingerprint(&copy).unwrap(), first);
    }

    #[test]
    fn the_digest_of_a_case_tells_a_changed_image_from_a_changed_mask() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = set(folder.path());
        let before = case_digests(&dataset).unwrap();
        let root = folder.path();
        save_mask(&root.join("benign/a (1)_mask.png"), 9, 5, |x| 255 * u8::from(x == 4));
        let of_mask = case_digests(&dataset).unwrap();
        assert_eq!(before[0].image, of_mask[0].image);
        assert_ne!(before[0].whole, of_mask[0].whole);
        assert_eq!(before[1..], of_mask[1..]);
        save_image(&root.join("normal/a (1).png"), 7, 5);
        let mut image = image::open(root.join("normal/a (1).png")).unwrap().to_rgb8();
        image.get_pixel_mut(0, 0).0[0] ^= 1;
        image.save(root.join("normal/a (1).png")).unwrap();
        assert_ne!(case_digests(&dataset).unwrap()[2].image, before[2].image);
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
    fn a_lossless_re_encoding_is_the_same_data() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = fingerprint(&set(here.path())).unwrap();
        set(there.path());
        let same = |what: &str| {
            let found = open(&spec("kind = 'busi'\nroot = $", there.path())).unwrap();
            assert_eq!(fingerprint(&found).unwrap(), first, "{what}");
        };
        // An image with another compression and an alpha channel that hides nothing.
        let image = there.path().join("benign/a (1).png");
        let pixels = image::open(&image).unwrap().to_rgba8();
        assert!(pixels.pixels().all(|pixel| pixel.0[3] == 255));
        RgbaImage::save_with_format(&pixels, &image, ImageFormat::Png).unwrap();
        assert_ne!(
            fs::read(&image).unwrap(),
            fs::read(here.path().join("benign/a (1).png")).unwrap()
        );
        same("RGBA");
        // A mask in one bit a pixel.
        let mask = there.path().join("benign/a (1)_mask.png");
        let row = [0b0011_0000, 0b0000_0000].repeat(5);
        save_bytes(&mask, &png((9, 5), ColorType::Grayscale, BitDepth::One, &row));
        same("one bit");
        // The same lesion in two parts.
        let part = |column: u32| move |x: u32| 255 * u8::from(x == column);
        save_mask(&mask, 9, 5, part(2));
        save_mask(&there.path().join("benign/a (1)_mask_1.png"), 9, 5, part(3));
        same("two masks");
        // A column more.
        save_mask(&mask, 9, 5, |x| 255 * u8::from(x == 2 || x == 4));
        let found = open(&spec("kind = 'busi'\nroot = $", there.path())).unwrap();
        assert_ne!(fingerprint(&found).unwrap(), first);
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
