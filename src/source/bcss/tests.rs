//! Tests of all of BCSS.

use proptest::prelude::*;

use super::super::sample::{save_bytes, save_image, save_mask, spec};
use super::super::two_folders::CODE_TABLE;
use super::tiles::tile_folders;
use super::*;
use crate::data::{IGNORE, decode, decode_labels, open, pixel_counts};
use crate::split_name::SplitName;

#[test]
fn a_tcga_name_gives_slide_and_institution() {
    let name = "TCGA-A2-A0D2-DX1_xmin96887_ymin22299_MPP-0_0_1120_size224";
    assert_eq!(slide_of(name), (Some("TCGA-A2-A0D2-DX1".into()), Some("A2".into())));
    for name in
        ["tile_1", "TCGA", "TCGA-A2", "TCGA-A2-", "TCGA-A2-A0D", "XTCGA-A2-A0D2", "tcga-abc-d"]
    {
        assert_eq!(slide_of(name), (None, None), "{name}");
    }
    let full = "TCGA-A2-A0D2-01Z-00-DX1";
    assert_eq!(slide_of(&format!("{full}.9A0C")).0.as_deref(), Some(full));
}

#[test]
fn a_slide_is_known_wherever_and_however_it_is_written() {
    for name in [
        "tcga-a2-a0d2-dx1_xmin1_ymin2",
        "tile_TCGA-A2-a0d2-DX1_0_0_size224",
        "Tile-3 tcga-A2-A0D2-DX1",
        "(TCGA-A2-A0D2-DX1)",
        "TCGA-A2-A0D2-DX1-tile7",
    ] {
        let expected = (Some("TCGA-A2-A0D2-DX1".into()), Some("A2".into()));
        assert_eq!(slide_of(name), expected, "{name}");
    }
}

#[test]
fn tile_folders_of_one_size_are_found_in_order() {
    let root = tempfile::tempdir().unwrap();
    for name in ["val_512", "train_512", "train_mask_512", "val_mask_512", "test_512", "notes"] {
        std::fs::create_dir(root.path().join(name)).unwrap();
    }
    let folders = tile_folders(root.path()).unwrap();
    let found: Vec<_> = folders
        .iter()
        .map(|folder| {
            (folder.split, folder.masks.as_ref().map(|path| path.ends_with("val_mask_512")))
        })
        .collect();
    assert_eq!(
        found,
        [(SplitName::Train, Some(false)), (SplitName::Valid, Some(true)), (SplitName::Test, None)]
    );
    std::fs::create_dir(root.path().join("train")).unwrap();
    let message = tile_folders(root.path()).err().unwrap().to_string();
    assert!(message.contains("`train`, `train_512`"), "{message}");
}

#[test]
fn the_wrong_classes_for_the_codes_name_the_right_setting() {
    let five = BcssClasses::Five(FiveClasses {});
    let merged = BcssClasses::Merged(MergedClasses {});
    let message = check_classes(CodeSet::Merged, &five).unwrap().line();
    assert!(message.contains(r#"set `dataset.classes = { kind = "merged" }`"#), "{message}");
    let message = check_classes(CodeSet::Full, &merged).unwrap().line();
    assert!(message.contains(r#""raw", "five" or "custom""#), "{message}");
    assert_eq!(check_classes(CodeSet::Full, &five), None);
    assert_eq!(check_classes(CodeSet::Merged, &merged), None);
}

fn error_of(toml: &str, root: &Path) -> String {
    let error = open(&spec(toml, root)).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

fn tiles(kind: &str) -> String {
    format!("kind = 'bcss'\nroot = $\nimage-size = 224\nclasses = {{ kind = '{kind}' }}")
}

#[test]
fn the_real_tiles_with_merged_codes_are_recognised() {
    let Some(data) = crate::testing::shared() else { return };
    let dataset = open(&spec(&tiles("merged"), &data.join("BCSS"))).unwrap();
    let folders: Vec<_> = dataset.cases.iter().filter_map(|case| case.folder).collect();
    assert_eq!(folders, [[SplitName::Train; 5].as_slice(), &[SplitName::Valid; 3]].concat());
    assert!(dataset.cases.iter().all(|case| case.slide.as_deref() == Some("TCGA-A1-A0SK-DX1")));
    let found = dataset.findings.iter().next().unwrap();
    assert!(found.what.contains("the three merged codes"));
    let counts = pixel_counts(&dataset, &(0..8).collect::<Vec<_>>()).unwrap();
    assert_eq!(counts.iter().sum::<u64>(), 8 * 224 * 224);
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
    let message = error_of(&tiles("five"), &data.join("BCSS"));
    assert!(message.contains("set `dataset.classes = { kind = \"merged\" }`"), "{message}");
}

#[test]
fn the_real_tiles_with_the_22_codes_are_recognised() {
    let Some(data) = crate::testing::shared() else { return };
    let dataset = open(&spec(&tiles("raw"), &data.join("BCSS_22"))).unwrap();
    let train = dataset.cases.iter().filter(|case| case.folder == Some(SplitName::Train));
    assert_eq!((train.count(), dataset.cases.len()), (60, 68));
    let found = &dataset.findings.iter().next().unwrap().what;
    assert!(found.contains("the 22 codes: 1, 2, 3, 4 found in 68 masks"), "{found}");
    assert_eq!(dataset.cases[0].institution.as_deref(), Some("A2"));
    let message = error_of(&tiles("merged"), &data.join("BCSS_22"));
    assert!(message.contains("\"raw\", \"five\" or \"custom\""), "{message}");
}

#[test]
fn the_real_roi_is_cut_so_that_every_pixel_is_in_a_tile() {
    let Some(data) = crate::testing::shared() else { return };
    let toml = format!("{}\nlayout = {{ kind = 'rois' }}", tiles("five"));
    let dataset = open(&spec(&toml, &data.join("BCSS_roi"))).unwrap();
    // 3391 = 15 * 224 + 31 and 2418 = 10 * 224 + 178: one more tile each way, shifted inside.
    assert_eq!(dataset.cases.len(), 16 * 11);
    assert_eq!(dataset.cases[0].id, "TCGA-A2-A0D2-DX1_xmin96887_ymin22299_MPP-0.2500/0_0");
    let mut covered = vec![false; 3391 * 2418];
    for case in &dataset.cases {
        let ImageSource::Region(region) = &case.image else { panic!("{case:?}") };
        for y in region.y..region.y + region.height {
            let row = (y * 3391 + region.x) as usize;
            covered[row..row + region.width as usize].fill(true);
        }
    }
    assert!(covered.into_iter().all(|covered| covered));
    let decoded = decode(&dataset, &dataset.cases[17]).unwrap();
    assert_eq!(decoded.image.dimensions(), (224, 224));
    assert_eq!(decoded.labels.unwrap().dimensions(), (224, 224));
}

#[test]
fn a_tile_of_the_real_roi_equals_the_tile_that_was_cut_from_it() {
    let Some(data) = crate::testing::shared() else { return };
    let toml = format!("{}\nlayout = {{ kind = 'rois' }}", tiles("raw"));
    let cut = open(&spec(&toml, &data.join("BCSS_roi"))).unwrap();
    let published = open(&spec(&tiles("raw"), &data.join("BCSS_22"))).unwrap();
    let tile = published.cases.iter().find(|case| case.id.ends_with("MPP-0_0_672_size224"));
    let same = cut.cases.iter().find(|case| case.id.ends_with("/672_0"));
    let (Some(tile), Some(same)) = (tile, same) else { panic!("{tile:?} {same:?}") };
    assert_eq!(decode(&published, tile).unwrap(), decode(&cut, same).unwrap());
}

fn small_rois(folder: &Path) {
    save_image(&folder.join("images/TCGA-E2-A0A1-DX1_a.png"), 20, 10);
    // Only columns 8 to 19 are labelled.
    let code = |x: u32| if x < 8 { 0 } else { 1 + (x % 2) as u8 };
    save_mask(&folder.join("masks/TCGA-E2-A0A1-DX1_a.png"), 20, 10, code);
}

fn rois(minimum_labelled: f64) -> String {
    format!(
        "kind = 'bcss'\nroot = $\nimage-size = 16\nlayout = {{ kind = 'rois', \
         magnification = 2.0, stride = 8, minimum-labelled = {minimum_labelled:.1} }}"
    )
}

#[test]
fn tiles_with_too_few_labels_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    small_rois(folder.path());
    let dataset = open(&spec(&rois(0.9), folder.path())).unwrap();
    let ids: Vec<_> = dataset.cases.iter().map(|case| case.id.as_str()).collect();
    let name = "TCGA-E2-A0A1-DX1_a";
    assert_eq!(ids, ["8_0", "8_2", "12_0", "12_2"].map(|tile| format!("{name}/{tile}")));
    let all = open(&spec(&rois(0.0), folder.path())).unwrap();
    assert_eq!(all.cases.len(), 8);
    let labels = decode_labels(&all, &all.cases[0]).unwrap().unwrap();
    assert!(labels.iter().all(|&label| label == IGNORE));
    let labels = decode_labels(&dataset, &dataset.cases[0]).unwrap().unwrap();
    assert_eq!(labels.as_raw()[..6], [0, 0, 1, 1, 0, 0]);
    std::fs::remove_file(folder.path().join("masks/TCGA-E2-A0A1-DX1_a.png")).unwrap();
    save_mask(&folder.path().join("masks/TCGA-E2-A0A1-DX1_a.png"), 20, 10, |_| 0);
    let message = error_of(&rois(0.5), folder.path());
    assert!(message.contains("lower `dataset.layout.minimum-labelled`"), "{message}");
}

#[test]
fn unknown_codes_name_file_code_and_pixels() {
    let folder = tempfile::tempdir().unwrap();
    small_rois(folder.path());
    let mask = folder.path().join("masks/TCGA-E2-A0A1-DX1_a.png");
    save_mask(&mask, 20, 10, |x| 20 + (x / 18) as u8 * 20);
    let message = error_of(&rois(0.5), folder.path());
    let expected = "DX1_a.png: unknown code 40 (20 pixels): known are 0 to 21";
    assert!(message.contains(expected), "{message}");

    let folder = tempfile::tempdir().unwrap();
    small_tiles(folder.path());
    let mask = folder.path().join("train_mask/t1.png");
    save_mask(&mask, 16, 16, |x| if x < 2 { 22 } else { 5 });
    let tiles = tiles("five").replace("224", "16");
    let message = error_of(&tiles, folder.path());
    assert!(message.contains("t1.png: unknown code 22 (32 pixels)"), "{message}");
    // A mask that changes later is refused then.
    save_mask(&mask, 16, 16, |_| 5);
    let dataset = open(&spec(&tiles, folder.path())).unwrap();
    save_mask(&mask, 16, 16, |x| if x < 2 { 22 } else { 5 });
    let message = decode(&dataset, &dataset.cases[0]).unwrap_err().to_string();
    assert!(message.contains("t1.png: unknown code 22 (32 pixels)"), "{message}");
    assert!(pixel_counts(&dataset, &[0]).is_err());
}

fn small_tiles(folder: &Path) {
    for name in ["train/t1.png", "train/t2.png", "val/v1.png", "test/u1.png", "test/u2.png"] {
        save_image(&folder.join(name), 16, 16);
    }
    for name in ["train_mask/t1.png", "train_mask/t2.png", "val_mask/v1.png"] {
        save_mask(&folder.join(name), 16, 16, |x| (x % 5) as u8);
    }
}

#[test]
fn tiles_of_the_test_folder_are_unlabelled() {
    let folder = tempfile::tempdir().unwrap();
    small_tiles(folder.path());
    let dataset = open(&spec(&tiles("raw"), folder.path())).unwrap();
    assert_eq!((dataset.cases.len(), dataset.unlabelled.len()), (3, 2));
    assert_eq!(dataset.unlabelled[1].id, "test/u2");
    assert_eq!(decode(&dataset, &dataset.unlabelled[0]).unwrap().labels, None);
    let labels = decode_labels(&dataset, &dataset.cases[0]).unwrap().unwrap();
    assert_eq!(labels.as_raw()[..6], [IGNORE, 0, 1, 2, 3, IGNORE]);
    let warning = dataset.findings.iter().next().unwrap().line();
    assert!(warning.contains("not 224x224 are resized"), "{warning}");
    assert!(warning.contains("(3: train/t1 is 16x16; "), "{warning}");
}

#[test]
fn a_table_of_codes_settles_which_codes_they_are() {
    let folder = tempfile::tempdir().unwrap();
    small_tiles(folder.path());
    for name in ["train_mask/t1.png", "train_mask/t2.png", "val_mask/v1.png"] {
        save_mask(&folder.path().join(name), 16, 16, |x| (x % 3) as u8);
    }
    assert!(open(&spec(&tiles("merged"), folder.path())).is_ok());
    assert!(open(&spec(&tiles("raw"), folder.path())).is_err());
    save_bytes(&folder.path().join(CODE_TABLE), b"label\tGT_code\n");
    assert!(open(&spec(&tiles("raw"), folder.path())).is_ok());
    assert!(open(&spec(&tiles("merged"), folder.path())).is_err());
}

#[test]
fn partners_that_are_missing_or_unlike_are_all_named() {
    let folder = tempfile::tempdir().unwrap();
    small_tiles(folder.path());
    save_image(&folder.path().join("train/alone.png"), 16, 16);
    save_mask(&folder.path().join("val_mask/orphan.png"), 16, 16, |_| 1);
    save_mask(&folder.path().join("val_mask/v1.png"), 16, 17, |_| 5);
    let message = error_of(&tiles("raw"), folder.path());
    for part in [
        "3 kinds of problems",
        "images without their mask (train/alone.png)",
        "masks without their image (val_mask/orphan.png)",
        "v1.png: a mask of 16x17 for an image of 16x16",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn the_wrong_layout_names_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    small_tiles(folder.path());
    let message = error_of(&rois(0.5), folder.path());
    assert!(message.contains("set `dataset.layout = { kind = \"tiles\" }`"), "{message}");
    let folder = tempfile::tempdir().unwrap();
    small_rois(folder.path());
    let message = error_of(&tiles("raw"), folder.path());
    assert!(message.contains("set `dataset.layout = { kind = \"rois\" }`"), "{message}");
}

proptest! {
    #[test]
    fn whatever_is_glued_to_a_participant_it_is_the_same(
        participant in "[A-Z0-9]{4}", glued in "[a-zA-Z0-9]{0,8}([-_. ][a-zA-Z0-9]{0,8}){0,3}",
    ) {
        let (slide, institution) = slide_of(&format!("TCGA-A2-{participant}{glued}"));
        let patient: Vec<String> = slide.unwrap().split('-').take(3).map(String::from).collect();
        prop_assert_eq!(patient, ["TCGA", "A2", &participant]);
        prop_assert_eq!(institution.as_deref(), Some("A2"));
    }
}
