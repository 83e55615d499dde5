//! DICOM files against what pydicom reads of them (`tests/fixtures/dicom.py`), and damaged ones.

use std::fs;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::levels::{Levels, Window};
use super::super::sample::save_bytes;
use super::format_tests::{Expected, all, read_alike};
use super::*;
use crate::testing::fixture;

#[test]
fn files_of_all_kinds_are_read_as_pydicom_reads_them() {
    let missing = |expected: &Expected| matches!(expected, Expected::Read { lossy: None, .. });
    assert!(!all("dicom").values().any(missing));
    read_alike("dicom", Levels::Undecided);
}

#[test]
fn a_file_without_a_window_needs_one_and_one_that_is_declared_goes_before_its_own() {
    let of = |name: &str, levels| decode_image(&fixture(&format!("dicom/{name}")), levels);
    let said = of("implicit_little.dcm", Levels::Refused).unwrap_err().to_string();
    assert!(said.contains("set `dataset.intensity`"), "{said}");
    let said = of("sigmoid.dcm", Levels::Refused).unwrap_err().to_string();
    assert!(said.contains("set `dataset.intensity`"), "{said}");
    let said = of("signed.dcm", Levels::FullRange).unwrap_err().to_string();
    assert!(said.contains("set `dataset.intensity` to { kind = \"window\""), "{said}");
    let own = of("explicit_little.dcm", Levels::Refused).unwrap();
    for levels in [Levels::FullRange, Levels::Undecided] {
        assert_ne!(of("explicit_little.dcm", levels).unwrap(), own);
    }
    // Of 8 bits the file's window is part of the picture.
    let shown = of("gray_window.dcm", Levels::Refused).unwrap();
    let declared = Levels::Window(Window { low: 0.0, high: 4095.0 });
    assert_eq!(of("gray_window.dcm", declared).unwrap(), shown);
}

#[test]
fn values_are_counted_as_they_are_after_slope_and_intercept() {
    let mut counts = vec![0; 1 << 16];
    count_levels(&fixture("dicom/intercept.dcm"), Limit::Image, &mut counts).unwrap();
    // Values of 0 to 3920, and 100.
    let first = counts.iter().position(|&count| count > 0);
    let last = counts.iter().rposition(|&count| count > 0);
    assert_eq!((first, last, counts.iter().sum()), (Some(100), Some(4020), 3 * 63));
    let found = real_window(&fixture("dicom/hounsfield.dcm"), Limit::Image).unwrap().unwrap();
    assert_eq!((found.low, found.high), (-1024.0, 2896.0));
}

#[test]
fn a_slope_within_functional_groups_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    for (name, group) in [("explicit_little.dcm", [0x29, 0x92]), ("slope.dcm", [0x30, 0x92])] {
        let mut bytes = fs::read(fixture(&format!("dicom/{name}"))).unwrap();
        let pixels = bytes.windows(4).rposition(|tag| tag == [0xe0, 0x7f, 0x10, 0x00]).unwrap();
        // An empty sequence.
        let [low, high] = group;
        let sequence = [0x00, 0x52, low, high, b'S', b'Q', 0, 0, 0, 0, 0, 0];
        bytes.splice(pixels..pixels, sequence);
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let said = decode_image(&path, Levels::Undecided).unwrap_err().to_string();
        assert!(said.contains("an enhanced DICOM"), "{said}");
    }
}

#[test]
fn a_file_that_was_cut_is_said_to_be_truncated() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "explicit_little.dcm",
        "implicit_little.dcm",
        "explicit_big.dcm",
        "rle_deep.dcm",
        "jpeg.dcm",
    ] {
        let whole = fs::read(fixture(&format!("dicom/{name}"))).unwrap();
        for length in [140, whole.len() / 3, whole.len() / 2, whole.len() - 3] {
            let path = folder.path().join(name);
            save_bytes(&path, &whole[..length]);
            let said = decode_image(&path, Levels::Undecided).unwrap_err().to_string();
            assert!(
                said.contains("truncated") || said.contains("transfer syntax"),
                "{length} of {name}: {said}"
            );
        }
    }
}

/// What a length may say, of 16 bits and of 32.
const HOSTILE: [[u8; 4]; 7] = [
    [0xff, 0xff, 0xff, 0xff],
    [0xf0, 0xff, 0xff, 0xff],
    [0xff, 0xff, 0xff, 0x7f],
    [0x00, 0x00, 0x00, 0x80],
    [0x00, 0x00, 0x00, 0x40],
    [0xfe, 0xff, 0x00, 0xe0],
    [0xfe, 0xff, 0x0d, 0xe0],
];

/// A file with a few of its bits, bytes and lengths changed, or pieces of it lost or doubled.
fn damaged(whole: &[u8], random: &mut impl Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(MARK_END..bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 | 3 => {
                let hostile = HOSTILE[random.random_range(0..HOSTILE.len())];
                let even = at & !1;
                let end = (even + 4).min(bytes.len());
                bytes[even..end].copy_from_slice(&hostile[..end - even]);
            }
            4 => bytes.truncate(at.max(MARK_END + 1)),
            _ => {
                let end = (at + random.random_range(1..40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// Behind the preamble and the mark, which are left whole.
const MARK_END: usize = 132;

#[test]
fn thousands_of_damaged_files_give_pixels_or_an_error_but_no_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(15);
    let files: Vec<Vec<u8>> = all("dicom")
        .into_keys()
        .map(|name| fs::read(fixture(&format!("dicom/{name}"))).unwrap())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.dcm");
    let (mut read, mut refused) = (0, 0);
    for round in 0..5000 {
        let bytes = damaged(&files[round % files.len()], &mut random);
        fs::write(&path, &bytes).unwrap();
        match decode_image(&path, Levels::Undecided) {
            // A file holds no more than its bytes do.
            Ok(image) => {
                read += 1;
                assert!(
                    image.len() <= 1024 * bytes.len() * 3,
                    "{} of {}",
                    image.len(),
                    bytes.len()
                );
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().contains("SECRET"), "{error}");
            }
        }
        let _ = decode_codes(&path, Limit::Image);
    }
    assert!(read > 300 && refused > 1200, "{read} read, {refused} refused");
}

#[test]
fn sequences_that_never_end_or_lie_too_deep_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(fixture("dicom/explicit_little.dcm")).unwrap();
    // Behind the elements of group 2, which say how long they are.
    let start = MARK_END
        + 12
        + u32::from_le_bytes([0, 1, 2, 3].map(|at| whole[MARK_END + 8 + at])) as usize;
    let sequence = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff";
    for (depth, part) in [(1, "truncated"), (60, "truncated"), (3000, "within one another")] {
        let path = folder.path().join("deep.dcm");
        let padding = if depth < 3000 { 0 } else { 8 };
        save_bytes(&path, &[&whole[..start], &sequence.repeat(depth), &vec![0; padding]].concat());
        let said = decode_image(&path, Levels::Undecided).unwrap_err().to_string();
        assert!(said.contains(part), "{depth}: {said}");
    }
}
