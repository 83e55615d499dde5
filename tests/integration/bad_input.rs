//! What is broken is said clearly, and nothing is lost.

use std::fs;
use std::path::{Path, PathBuf};

use image::{GrayImage, ImageBuffer, Luma, RgbImage};

use crate::support::{Bench, Said};

/// A small BUSI with one case replaced by the caller, and what `check` or `run` says of it.
struct Busi {
    bench: Bench,
}

impl Busi {
    fn new() -> Self {
        let bench = Bench::new();
        bench
            .oncospec(&["data", "synth", "--kind", "busi", "--out", "busi", "--cases", "40"])
            .with(0);
        bench.tiny("");
        Self { bench }
    }

    /// An image of the data set, and its mask.
    fn case(&self) -> (PathBuf, PathBuf) {
        let folder = self.bench.path().join("busi/benign");
        let mut images: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.to_str().unwrap().contains("_mask"))
            .collect();
        images.sort();
        let stem = images[0].file_stem().unwrap().to_str().unwrap().to_string();
        let mask = images[0].with_file_name(format!("{stem}_mask.png"));
        (images.remove(0), mask)
    }

    fn say(&self, command: &str) -> Said {
        let data = "dataset={kind=\"busi\", root=\"busi\", image-size=32}";
        let split = "dataset.split={kind=\"holdout\"}";
        let one = "schedule.epochs=1";
        self.bench.oncospec(&[command, "tiny.toml", "--set", data, "--set", split, "--set", one])
    }

    /// What a run says; the message must name the file and come before any epoch.
    #[track_caller]
    fn refused(&self, parts: &[&str]) {
        let said = self.say("run").telling(parts);
        assert!(matches!(said.code, Some(1 | 2)), "{said:?}");
        assert!(!said.err.contains("panicked"), "{}", said.err);
        assert!(!said.err.contains("epoch 1/1"), "{}", said.err);
    }
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn images_that_are_missing_empty_truncated_or_no_images() {
    let busi = Busi::new();
    let (image, mask) = busi.case();
    let whole = fs::read(&image).unwrap();

    fs::remove_file(&mask).unwrap();
    busi.refused(&[name(&image), "without their mask"]);
    fs::write(&mask, fs::read(&image).unwrap()).unwrap();

    fs::write(&image, b"").unwrap();
    busi.refused(&[name(&image), "empty"]);
    fs::write(&image, &whole[..whole.len() / 2]).unwrap();
    busi.refused(&[name(&image)]);
    fs::write(&image, "a text").unwrap();
    busi.refused(&[name(&image)]);
    fs::remove_file(&image).unwrap();
    busi.refused(&[name(&mask), "without their image"]);
}

#[test]
fn a_mask_of_another_size_than_its_image() {
    let busi = Busi::new();
    let (_, mask) = busi.case();
    GrayImage::new(7, 5).save(&mask).unwrap();
    busi.refused(&[name(&mask), "7x5"]);
}

#[test]
fn images_too_large_to_be_meant() {
    let busi = Busi::new();
    let (image, _) = busi.case();
    let mut bytes = fs::read(&image).unwrap();
    bytes[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    fs::write(&image, bytes).unwrap();
    busi.refused(&[name(&image), "60000"]);
}

#[test]
fn sixteen_bit_masks_are_refused_and_unicode_names_are_not() {
    let busi = Busi::new();
    let (image, mask) = busi.case();
    let (named, named_mask) =
        (image.with_file_name("Löß (1) 乳.png"), image.with_file_name("Löß (1) 乳_mask.png"));
    fs::rename(&image, &named).unwrap();
    fs::rename(&mask, &named_mask).unwrap();
    busi.say("check").with(0);
    let size = image::image_dimensions(&named).unwrap();
    let deep: ImageBuffer<Luma<u16>, Vec<u16>> = ImageBuffer::new(size.0, size.1);
    deep.save(&named_mask).unwrap();
    busi.refused(&["Löß (1) 乳_mask.png", "16"]);
}

#[test]
fn unknown_codes_of_bcss_are_named() {
    let bench = Bench::new();
    for (folder, value) in [("train", 0), ("train_mask", 1), ("val", 0), ("val_mask", 77)] {
        let path = bench.path().join("bcss").join(folder);
        fs::create_dir_all(&path).unwrap();
        let tile = path.join("TCGA-A1-A0SK-DX1_xmin1_ymin2_MPP-0_0_0_size224.png");
        if folder.ends_with("mask") {
            GrayImage::from_pixel(32, 32, Luma([value])).save(tile).unwrap();
        } else {
            RgbImage::new(32, 32).save(tile).unwrap();
        }
    }
    bench.tiny("");
    let data = "dataset={kind=\"bcss\", root=\"bcss\", image-size=32, split={kind=\"by-folder\"}}";
    let overrides = [
        "--set",
        data,
        "--set",
        "loss={kind=\"cross-entropy\"}",
        "--set",
        "evaluation.splits=[\"valid\"]",
    ];
    let mut arguments = vec!["run", "tiny.toml"];
    arguments.extend(overrides);
    let said = bench.oncospec(&arguments).telling(&["77"]);
    assert!(matches!(said.code, Some(1 | 2)) && !said.err.contains("panicked"), "{said:?}");
}

#[test]
fn splits_that_do_not_add_up_or_leave_a_class_out() {
    let bench = Bench::new();
    bench.tiny("");
    let fractions = "dataset.split.fractions={train=0.7, valid=0.2, test=0.2}";
    bench.oncospec(&["check", "tiny.toml", "--set", fractions]).with(2).telling(&["1.1"]);
    let few = ["check", "tiny.toml", "--set", "dataset.cases=6"];
    bench.oncospec(&few).with(2).telling(&["dataset.split"].map(|_| "split"));
}

#[test]
fn a_threshold_is_refused_where_pixels_have_several_classes() {
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&["data", "synth", "--kind", "bcss", "--out", "data", "--cases", "4"]).with(0);
    let data =
        "dataset={kind=\"bcss\", root=\"data/tiles\", image-size=32, split={kind=\"by-folder\"}}";
    for threshold in ["{kind=\"best-on-valid\"}", "{kind=\"fixed\",value=0.3}"] {
        let threshold = format!("evaluation.threshold={threshold}");
        bench
            .oncospec(&["check", "tiny.toml", "--set", data, "--set", &threshold])
            .with(2)
            .telling(&["evaluation.threshold", "a pixel gets the likeliest"]);
    }
}
