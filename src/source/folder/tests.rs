//! Tests of folders that patterns read.

use std::fs;
use std::path::Path;

use super::super::sample::{save_bytes, save_image, save_mask, spec};
use crate::data::{Dataset, IGNORE, decode_labels, open, open_with, pixel_counts};
use crate::source::{MaskSource, Masks};
use crate::split_name::SplitName;

/// Images in `images`, masks in `masks`, lesion in the first three columns of nine by five pixels.
fn pairs(root: &Path, names: &[&str]) {
    for name in names {
        save_image(&root.join(format!("images/{name}.png")), 9, 5);
        save_mask(&root.join(format!("masks/{name}.png")), 9, 5, |x| 255 * u8::from(x < 3));
    }
}

const PAIRS: &str =
    "kind = 'folder'\nroot = $\nimages = 'images/*.png'\nmasks = 'masks/{stem}.png'";

fn error_of(toml: &str, root: &Path) -> String {
    let error = open(&spec(toml, root)).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

fn ids(dataset: &Dataset) -> Vec<&str> {
    dataset.cases.iter().map(|case| case.id.as_str()).collect()
}

fn said(dataset: &Dataset) -> String {
    dataset.findings.iter().map(|finding| format!("{finding}\n")).collect()
}

#[test]
fn images_and_masks_in_two_folders_are_pairs() {
    let folder = tempfile::tempdir().unwrap();
    pairs(folder.path(), &["a", "b (2)", "gr\u{f6}\u{df}e"]);
    let dataset = open(&spec(PAIRS, folder.path())).unwrap();
    assert_eq!(ids(&dataset), ["images/a", "images/b (2)", "images/gr\u{f6}\u{df}e"]);
    assert_eq!(pixel_counts(&dataset, &[0]).unwrap(), [30, 15]);
    assert_eq!(dataset.label_pixels[0].own, [30, 15]);
}

#[test]
fn several_masks_of_an_image_are_united_and_are_no_images() {
    let folder = tempfile::tempdir().unwrap();
    for (name, column) in [("a_mask", 0), ("a_mask_1", 8), ("b_mask", 4)] {
        save_mask(&folder.path().join(format!("benign/{name}.png")), 9, 5, |x| {
            255 * u8::from(x == column)
        });
    }
    save_image(&folder.path().join("benign/a.png"), 9, 5);
    save_image(&folder.path().join("benign/b.png"), 9, 5);
    let toml =
        "kind = 'folder'\nroot = $\nimages = '{class}/*.png'\nmasks = '{class}/{stem}_mask*.png'";
    let dataset = open(&spec(toml, folder.path())).unwrap();
    assert_eq!(ids(&dataset), ["benign/a", "benign/b"]);
    assert_eq!(dataset.cases[0].label, "benign");
    assert_eq!(pixel_counts(&dataset, &[0]).unwrap(), [35, 10]);
}

#[test]
fn patterns_and_expressions_tell_class_group_and_split() {
    let folder = tempfile::tempdir().unwrap();
    for (split, name) in
        [("train", "P1_benign_1"), ("train", "P1_benign_2"), ("val", "P2_malignant_1")]
    {
        save_image(&folder.path().join(format!("{split}/img/{name}.png")), 9, 5);
        let mask = folder.path().join(format!("{split}/gt/{name}-gt.png"));
        save_mask(&mask, 9, 5, |x| 255 * u8::from(x < 3));
    }
    let toml = "kind = 'folder'\nroot = $\nimages = '{split}/img/*.png'\nmasks = '{split}/gt/{stem}-gt.png'\n\
                group = '^(?<group>P\\d+)_'\nclass = '_(?<class>[a-z]+)_'";
    let dataset = open(&spec(toml, folder.path())).unwrap();
    let case = &dataset.cases[0];
    assert_eq!((case.label.as_str(), case.group.as_deref()), ("benign", Some("P1")));
    assert_eq!(dataset.cases[2].folder, Some(SplitName::Valid));
    let message = error_of(&toml.replace("P\\d+", "Q\\d+"), folder.path());
    assert!(
        message.contains("`dataset.group` finds no group (3: train/img/P1_benign_1.png"),
        "{message}"
    );
    let message = error_of(&toml.replace("?<group>", "?<patient>"), folder.path());
    assert!(
        message
            .contains("`dataset.group`: `^(?<patient>P\\d+)_` has no named group `(?<group>..)`"),
        "{message}"
    );
}

#[test]
fn two_stars_go_through_folders_and_a_mask_is_in_those_of_its_image() {
    let folder = tempfile::tempdir().unwrap();
    for patient in ["p1", "p2/left"] {
        pairs(&folder.path().join(patient), &["a"]);
    }
    let toml = PAIRS.replace("images/*", "**/images/*").replace("masks/{", "**/masks/{");
    let dataset = open(&spec(&toml, folder.path())).unwrap();
    assert_eq!(ids(&dataset), ["p1/images/a", "p2/left/images/a"]);
    assert!(dataset.cases.iter().all(|case| case.mask.files().len() == 1));
}

#[test]
fn values_are_classes_and_some_take_no_part() {
    let folder = tempfile::tempdir().unwrap();
    save_image(&folder.path().join("i/a.png"), 9, 5);
    save_mask(&folder.path().join("m/a.png"), 9, 5, |x| {
        [0, 0, 7, 7, 7, 9, 255, 255, 255][x as usize]
    });
    let toml = "kind = 'folder'\nroot = $\nimages = 'i/*.png'\nmasks = 'm/{stem}.png'\n\
                [pixels]\nkind = 'values'\nignore = [0, 255]\n\
                classes = [{ name = 'x', values = [9] }, { name = 'y', values = [7] }]";
    let dataset = open(&spec(toml, folder.path())).unwrap();
    assert_eq!(dataset.labels.names(), ["x", "y"]);
    assert_eq!(pixel_counts(&dataset, &[0]).unwrap(), [5, 15]);
    let labels = decode_labels(&dataset, &dataset.cases[0]).unwrap().unwrap();
    assert_eq!(labels.as_raw()[..7], [IGNORE, IGNORE, 1, 1, 1, 0, IGNORE]);
    let message = error_of(&toml.replace("[0, 255]", "[255]"), folder.path());
    assert!(
        message.contains(
            "values that no class has (m/a.png: unknown code 0 (10 pixels): known are 7, 9, 255)"
        ),
        "{message}"
    );
}

#[test]
fn a_mask_for_each_class_becomes_one_mask_of_classes() {
    let folder = tempfile::tempdir().unwrap();
    save_image(&folder.path().join("images/a.png"), 9, 5);
    for (class, from) in [("0", 0), ("1", 2)] {
        let mask = folder.path().join(format!("masks/{class}/a.png"));
        save_mask(&mask, 9, 5, |x| 255 * u8::from((from..from + 3).contains(&x)));
    }
    let toml = "kind = 'folder'\nroot = $\nimages = 'images/*.png'\nmasks = 'masks/{mask-class}/{stem}.png'\n\
                [pixels]\nkind = 'layers'\nclasses = [{ name = 'x', at = '0' }, { name = 'y', at = '1' }]";
    let dataset = open(&spec(toml, folder.path())).unwrap();
    assert!(matches!(&dataset.cases[0].mask, MaskSource::Layers { codes, .. } if codes == &[1, 2]));
    assert_eq!(pixel_counts(&dataset, &[0]).unwrap(), [20, 10, 15]);
    assert_eq!(dataset.label_pixels[0].own, [20, 10, 15]);
    let message = error_of(&toml.replace("at = '1'", "at = '2'"), folder.path());
    assert!(message.contains("`1` of masks/1/a.png"), "{message}");
}

#[test]
fn an_image_without_a_mask_is_refused_empty_or_unlabelled() {
    let folder = tempfile::tempdir().unwrap();
    pairs(folder.path(), &["a", "b"]);
    save_image(&folder.path().join("images/c.png"), 9, 5);
    let message = error_of(PAIRS, folder.path());
    assert!(message.contains("without their mask (images/c.png: no `masks/c.png`)"), "{message}");
    let empty = open(&spec(&format!("{PAIRS}\nwithout-mask = 'empty'"), folder.path())).unwrap();
    assert_eq!(pixel_counts(&empty, &[2]).unwrap(), [45, 0]);
    let toml = format!("{PAIRS}\nwithout-mask = 'unlabelled'");
    let unlabelled = open(&spec(&toml, folder.path())).unwrap();
    assert_eq!((unlabelled.cases.len(), unlabelled.unlabelled.len()), (2, 1));
}

#[test]
fn whole_images_have_classes_without_masks() {
    let folder = tempfile::tempdir().unwrap();
    for (class, name) in [("benign", "a"), ("malignant", "b")] {
        save_image(&folder.path().join(format!("{class}/{name}.jpg")), 9, 5);
    }
    let toml = "kind = 'folder'\nroot = $\nimages = '{class}/*'";
    let dataset = open_with(&spec(toml, folder.path()), Masks::Ignored).unwrap();
    assert_eq!(dataset.cases.len(), 2);
    let message = error_of(toml, folder.path());
    assert!(message.contains("missing key `dataset.masks`"), "{message}");
}

#[test]
fn a_pattern_that_matches_nothing_shows_the_five_nearest_names() {
    let folder = tempfile::tempdir().unwrap();
    pairs(folder.path(), &["a", "b", "c", "d"]);
    let message = error_of(&PAIRS.replace("images/*.png", "image/*.png"), folder.path());
    assert!(
        message.contains(
            "`dataset.images = \"image/*.png\"`: the nearest names are images/a.png, images/b.png"
        ),
        "{message}"
    );
    assert_eq!(message.matches(".png").count(), 6, "{message}");
    let message = error_of(&PAIRS.replace("{stem}.png", "{stem}_mask.png"), folder.path());
    assert!(
        message.contains("`dataset.masks = \"masks/{stem}_mask.png\"`: the nearest"),
        "{message}"
    );
}

#[test]
fn what_belongs_to_nothing_or_to_two_is_named() {
    let folder = tempfile::tempdir().unwrap();
    pairs(folder.path(), &["1", "10"]);
    let message = error_of(&PAIRS.replace("{stem}.png", "{stem}*.png"), folder.path());
    assert!(message.contains("(masks/10.png: images/1.png and images/10.png)"), "{message}");
    fs::remove_file(folder.path().join("images/10.png")).unwrap();
    let message = error_of(PAIRS, folder.path());
    assert!(message.contains("masks without their image (masks/10.png)"), "{message}");
    let left_out = format!("{PAIRS}\nleave-out = ['masks/10*']");
    assert_eq!(open(&spec(&left_out, folder.path())).unwrap().cases.len(), 1);
}

#[test]
fn files_that_no_pattern_matches_are_mentioned() {
    let folder = tempfile::tempdir().unwrap();
    pairs(folder.path(), &["a"]);
    save_image(&folder.path().join("images/b.jpg"), 9, 5);
    save_image(&folder.path().join("more/c.png"), 9, 5);
    save_bytes(&folder.path().join("images/notes.txt"), b"x");
    let dataset = open(&spec(PAIRS, folder.path())).unwrap();
    let said = said(&dataset);
    for part in [
        "neither `dataset.images` nor `dataset.masks` matches (images/b.jpg)",
        "folders with images that are not read (more: 1 images)",
        "files of an unknown kind are left out (images/notes.txt)",
        "nothing says which images are of one patient",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    save_bytes(&folder.path().join("images/d.gif"), b"GIF89a");
    let message = error_of(&PAIRS.replace("images/*.png", "images/*"), folder.path());
    assert!(message.contains("images/d.gif"), "{message}");
}

#[test]
fn masks_that_no_pattern_names_do_not_become_images() {
    let folder = tempfile::tempdir().unwrap();
    pairs(folder.path(), &["a"]);
    save_image(&folder.path().join("images/a_seg.png"), 9, 5);
    let toml = format!("{PAIRS}\nwithout-mask = 'empty'");
    let message = error_of(&toml, folder.path());
    assert!(
        message.contains("sound like its mask and would count as images (images/a_seg.png)"),
        "{message}"
    );
}

#[test]
fn a_mask_of_another_size_and_several_masks_of_values_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    pairs(folder.path(), &["a"]);
    save_mask(&folder.path().join("masks/a.png"), 10, 5, |_| 255);
    let message = error_of(PAIRS, folder.path());
    assert!(message.contains("masks/a.png: a mask of 10x5 for an image of 9x5 ("), "{message}");
    save_mask(&folder.path().join("masks/a_2.png"), 9, 5, |_| 255);
    let toml = PAIRS.replace("{stem}.png", "{stem}*.png");
    let values = "[pixels]\nkind = 'values'\nclasses = [{ name = 'x', values = [0] }, { name = 'y', values = [255] }]";
    let message = error_of(&format!("{toml}\n{values}"), folder.path());
    assert!(message.contains("images with several masks"), "{message}");
}

#[test]
fn mistakes_of_patterns_name_their_key() {
    let folder = tempfile::tempdir().unwrap();
    pairs(folder.path(), &["a"]);
    for (from, to, part) in [
        ("images/*.png", "../*.png", "`dataset.images`: `../*.png` has a folder `..`"),
        ("masks/{stem}", "masks/{class}_{stem}", "`{class}` is not in `dataset.images`"),
        ("masks/{stem}", "masks/x", "names nothing that belongs to one image"),
        ("masks/{stem}", "{mask-class}/{stem}", "needs `dataset.pixels = { kind = \"layers\""),
    ] {
        let message = error_of(&PAIRS.replace(from, to), folder.path());
        assert!(message.contains(part), "{part} in {message}");
    }
}
