//! Tests of what folders seem to be.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::sample::{save_image, save_mask};
use super::names::{Level, affixes, class, group, level};
use super::*;

/// Writes images and masks, of which those end with `mask` or lie in folders of masks.
fn made(images: &[&str], masks: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in images {
        save_image(&folder.path().join(name), 9, 5);
    }
    for name in masks {
        save_mask(&folder.path().join(name), 9, 5, |x| 255 * u8::from(x < 3));
    }
    folder
}

/// What a guess says of a key, without quotes.
fn said(guess: &Guess, key: &str) -> String {
    let found = guess.keys.iter().find(|known| known.key == key);
    found.map_or(String::new(), |key| key.value.trim_matches('"').to_string())
}

#[track_caller]
fn patterns(images: &[&str], masks: &[&str], expected: [&str; 2]) -> Guess {
    let folder = made(images, masks);
    let guess = guess(folder.path()).unwrap();
    assert_eq!([said(&guess, "images"), said(&guess, "masks")], expected);
    assert_eq!(guess.scan(Masks::Read).unwrap().cases.len(), images.len());
    guess
}

#[test]
fn folders_of_a_split_may_have_something_around_its_name() {
    let images = ["train_images/a.png", "train_images/b.png", "val_images/c.png"];
    let masks = ["train_masks/a.png", "train_masks/b.png", "val_masks/c.png"];
    let guess = patterns(&images, &masks, ["{split}_images/*.png", "{split}_masks/{stem}.png"]);
    assert_eq!(guess.split, Some("by-folder"));
    let images = ["train/a.png", "val/b.png", "test/c.png"];
    let masks = ["train_mask/a.png", "val_mask/b.png", "test_mask/c.png"];
    patterns(&images, &masks, ["{split}/*.png", "{split}_mask/{stem}.png"]);
}

#[test]
fn names_may_say_image_and_mask_and_lie_at_any_depth() {
    let images = ["1_image.png", "2_image.png"];
    patterns(&images, &["1_mask.png", "2_mask.png"], ["{stem}_image.png", "{stem}_mask.png"]);
    let (images, masks) = (["a.png", "x/b.jpg"], ["a_mask.png", "x/b_mask.png"]);
    patterns(&images, &masks, ["**/*.*", "**/{stem}_mask.png"]);
}

#[test]
fn images_without_a_mask_are_unlabelled() {
    let folder =
        made(&["images/a.png", "images/b.png", "images/c.png"], &["masks/a.png", "masks/b.png"]);
    let guess = guess(folder.path()).unwrap();
    assert_eq!(said(&guess, "without-mask"), "unlabelled");
}

#[test]
fn values_of_masks_say_what_they_mean() {
    let keys = |value: &dyn Fn(u32) -> u8| {
        let folder = made(&["images/a.png"], &[]);
        save_mask(&folder.path().join("masks/a.png"), 9, 5, value);
        let guess = guess(folder.path()).unwrap();
        (said(&guess, "foreground"), said(&guess, "pixels"))
    };
    assert_eq!(keys(&|x| u8::from(x > 4)), (String::new(), String::new()));
    let values = "{ kind = \"values\", values = [2] }";
    assert_eq!(keys(&|x| 1 + u8::from(x > 4)).0, values);
    let three = keys(&|x| [0, 1, 255][x as usize % 3]).1;
    assert!(three.contains("ignore = [255]") && three.contains("\"class-1\""), "{three}");
    assert_eq!(keys(&|x| (x * 28) as u8).0, "{ kind = \"above\", threshold = 127 }");
}

#[test]
fn what_cannot_be_told_is_refused_with_words() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &Path| guess(path).unwrap_err().to_string();
    assert!(error(folder.path()).contains("no image is there"));
    std::fs::write(folder.path().join("a.gif"), b"GIF89a").unwrap();
    assert!(error(folder.path()).contains("1 images in a format that is not read, such as a.gif"));
    let table = folder.path().join("t.csv");
    std::fs::write(&table, "name,age\nx,1\n").unwrap();
    assert!(error(&table).contains("no column holds paths of images"));
}

#[test]
fn levels_of_folders_are_splits_classes_or_groups() {
    let of =
        |names: &[(&'static str, usize)]| level(&names.iter().copied().collect::<BTreeMap<_, _>>());
    assert_eq!(of(&[("train", 3), ("validation", 1)]), Level::Split);
    assert_eq!(of(&[("Benign", 1), ("malignant", 1)]), Level::Class);
    assert_eq!(of(&[("cyst", 9), ("scar", 9)]), Level::Class);
    assert_eq!(of(&[("P1", 9), ("P2", 9)]), Level::Group);
    assert_eq!(of(&[("anna", 1), ("bert", 1)]), Level::Group);
}

#[test]
fn names_of_files_tell_classes_and_patients() {
    assert_eq!(class(&["benign (1)", "malignant_2"]).unwrap(), "^(?<class>benign|malignant)");
    assert_eq!(class(&["benign (1)", "tile_2"]), None);
    assert_eq!(group(&["P1_a", "P1_b", "P2_a", "P3_a"]).unwrap(), "^(?<group>[^_]+)_");
    assert_eq!(group(&["P1_a", "P2_a", "P3_a"]), None);
    assert_eq!(group(&["img_1", "img_2", "img_3", "img_4"]), None);
    assert_eq!(affixes(&["train_images_256", "val_images_256"]), ("", "_images_256"));
    assert_eq!(affixes(&["set-train", "set-val"]), ("set-", ""));
}
