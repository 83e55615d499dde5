//! Files of each format against what Pillow and tifffile read of them (`tests/fixtures/formats.py`).

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use serde::Deserialize;

use super::super::levels::{Levels, Window};
use super::super::sample::save_bytes;
use super::*;
use crate::testing::fixture;

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Expected {
    Refused {
        error: String,
    },
    Read {
        size: (u32, u32),
        rgb: Vec<u8>,
        #[serde(default)]
        within: u8,
        lossy: Option<bool>,
        window: Option<(f64, f64)>,
        codes: Option<Vec<u8>>,
        deep: Option<u8>,
    },
}

/// The files of a folder of fixtures, by name.
pub(super) fn all(folder: &str) -> BTreeMap<String, Expected> {
    let text = fs::read_to_string(fixture(&format!("{folder}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Reads the files of a folder as other libraries do; levels are for those that are refused.
pub(super) fn read_alike(folder: &str, refused: Levels) {
    let all = all(folder);
    assert_eq!(fs::read_dir(fixture(folder)).unwrap().count(), all.len());
    for (name, expected) in all {
        let path = fixture(&format!("{folder}/{name}"));
        match expected {
            Expected::Refused { error } => {
                let said = decode_image(&path, refused).unwrap_err().to_string();
                assert!(said.contains(&error), "{name}: {said}");
                assert!(!said.contains("SECRET") && !said.contains("PRIVATE"), "{said}");
                assert!(decode_codes(&path, Limit::Image).is_err(), "{name}");
            }
            Expected::Read { size, rgb, within, lossy, window, codes, deep } => {
                let levels = window
                    .map_or(Levels::Refused, |(low, high)| Levels::Window(Window { low, high }));
                let header = read_header(&path, Limit::Image).unwrap();
                assert_eq!((header.width, header.height), size, "{name}");
                if let Some(lossy) = lossy {
                    let bits = deep.unwrap_or(8);
                    assert_eq!((header.lossy, header.mode.bits), (lossy, bits), "{name}");
                }
                let image = decode_image(&path, levels).unwrap();
                let off = image.as_raw().iter().zip(&rgb).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(off.is_some_and(|off| off <= within), "{name} is off by {off:?}");
                assert_eq!((image.dimensions(), image.as_raw().len()), (size, rgb.len()), "{name}");
                if let Some(codes) = codes {
                    let read = decode_codes(&path, Limit::Image).unwrap();
                    assert_eq!(read.into_raw(), codes, "{name}");
                }
                if lossy.unwrap_or(within > 0) {
                    let said = decode_codes(&path, Limit::Image).unwrap_err().to_string();
                    assert!(said.contains("losses change labels"), "{name}: {said}");
                }
            }
        }
    }
}

#[test]
fn files_of_all_formats_are_read_as_other_libraries_read_them() {
    read_alike("formats", Levels::FullRange);
}

#[test]
fn floating_point_numbers_need_a_window_that_is_declared() {
    let path = fixture("formats/real.tif");
    for levels in [Levels::Refused, Levels::FullRange] {
        let said = decode_image(&path, levels).unwrap_err().to_string();
        assert!(said.contains("set `dataset.intensity` to { kind = \"window\""), "{said}");
    }
    let said = count_levels(&path, Limit::Image, &mut [0; 1 << 16]).unwrap_err().to_string();
    assert!(said.contains("set `dataset.intensity` to { kind = \"window\""), "{said}");
    let found = real_window(&path, Limit::Image).unwrap().unwrap();
    assert!((found.low - -1.48).abs() < 1e-6 && (found.high - 2.74).abs() < 1e-6, "{found:?}");
    assert_eq!(real_window(&fixture("formats/deep_big.tif"), Limit::Image).unwrap(), None);
}

#[test]
fn a_file_that_was_cut_is_said_to_be_truncated_by_its_header_or_its_pixels() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["gray.bmp", "rgb.bmp", "deep_big.tif", "rgb_deflate.tif", "turned.webp"] {
        let whole = fs::read(fixture(&format!("formats/{name}"))).unwrap();
        for length in [whole.len() / 2, whole.len() - 1] {
            let path = folder.path().join(name);
            save_bytes(&path, &whole[..length]);
            // Metadata may lie behind the pixels of a TIFF.
            match decode_image(&path, Levels::FullRange) {
                Ok(_) => assert!(name.ends_with(".tif"), "{length} bytes of {name}"),
                Err(error) => {
                    let said = error.to_string();
                    assert!(said.contains("truncated") || said.contains("damaged"), "{said}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn whatever_is_damaged_in_any_format_gives_pixels_or_an_error_but_no_panic(
        name in prop::sample::select(all("formats").into_keys().collect::<Vec<_>>()),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        kept in 0.3f64..1.3,
    ) {
        let mut bytes = fs::read(fixture(&format!("formats/{name}"))).unwrap();
        for (place, value) in damages {
            *place.get_mut(&mut bytes) = value;
        }
        bytes.truncate((bytes.len() as f64 * kept) as usize);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        save_bytes(&path, &bytes);
        if let Ok(image) = decode_image(&path, Levels::Undecided) {
            prop_assert!(image.width() > 0);
        }
        let _ = decode_codes(&path, Limit::Image);
    }
}
