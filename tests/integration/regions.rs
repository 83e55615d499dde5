//! Runs that are trained on tiles of whole regions: prediction, figures and pictures of regions.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use image::{GrayImage, Luma, Rgb, RgbImage};
use oncospec::record::Record;
use oncospec::split_name::SplitName;
use serde_json::Value;

use crate::support::{Bench, shared};

pub(crate) const SPEC: &str = r#"
name = "regions"

[dataset]
kind = "bcss"
root = "rois"
layout = { kind = "rois", stride = 8, minimum-labelled = 0.1 }
classes = { kind = "five" }
image-size = 16
split = { kind = "holdout", fractions = { train = 0.5, valid = 0.25, test = 0.25 }, stratify = "none" }

[model]
kind = "unet"
encoder = { kind = "plain", filters = [4, 8] }

[loss]
kind = "cross-entropy"

[schedule]
epochs = 1
batch-size = 4
optimizer = { kind = "adam", learning-rate = 0.01 }
"#;

/// Eight regions of 41 x 33 pixels, of eight patients: the left quarter has no label, then tumor and stroma.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.file("regions.toml", SPEC);
    for region in 0..8u32 {
        let stem = format!("TCGA-A{region}-A0D0-DX1_roi");
        let image = RgbImage::from_fn(41, 33, |x, y| {
            Rgb([if x < 25 { 90 } else { 200 }, (x * 5) as u8, (y * 7 + region) as u8])
        });
        let mask = GrayImage::from_fn(41, 33, |x, _| Luma([[0, 1, 1, 2, 2][x as usize / 10]]));
        for (folder, image) in
            [("images", image.into()), ("masks", image::DynamicImage::from(mask))]
        {
            let path = bench.path().join(format!("rois/{folder}/{stem}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            image.save(path).unwrap();
        }
    }
    bench
}

#[test]
fn figures_of_a_run_on_tiles_are_of_whole_regions_and_each_pixel_counts_once() {
    let bench = bench();
    bench.oncospec(&["run", "regions.toml", "--device", "cpu"]).with(0);
    let record = Record::read(bench.only_run("runs", "regions")).unwrap();
    let tiles = |split| record.split.iter().filter(|row| row.split == split).count();
    assert_eq!(tiles(SplitName::Test), 2 * 20, "tiles that overlap, in two regions");
    let rows = |split| {
        record.cases.iter().filter(move |row| row.split == split && row.resolution == "original")
    };
    let names: BTreeSet<&str> = rows(SplitName::Test).map(|row| row.case.as_str()).collect();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name.ends_with("_roi")), "{names:?}");
    for row in rows(SplitName::Test) {
        // Columns 10 to 40 are labelled, and tiles with a tenth of a label show all of them.
        assert_eq!(row.tp + row.fp + row.fn_ + row.tn, 31 * 33, "{}", row.case);
    }
    let said = &record.summary.semantics.resolution;
    assert!(
        said.contains("cases are whole regions, predicted by windows that share 0.5"),
        "{said}"
    );
    let pictures: Vec<&str> = record.pictures.iter().map(|picture| &*picture.case).collect();
    assert_eq!(pictures.len(), 2);
    let page = fs::read_to_string(bench.path().join("reports/regions.html")).unwrap();
    assert!(page.contains("cases are whole regions"));

    let told = bench.oncospec(&["evaluate", "regions", "--split", "test", "--device", "cpu"]);
    assert!(told.with(0).out.starts_with("2 regions (40 tiles) of the test split"));
    let json = ["evaluate", "regions", "--split", "test", "--device", "cpu", "--json"];
    let figures: Vec<Value> = serde_json::from_str(&bench.oncospec(&json).with(0).out).unwrap();
    for figure in record.figures.iter().filter(|figure| figure.split == SplitName::Test) {
        let again = figures.iter().find(|again| again["name"] == *figure.name).unwrap();
        assert_eq!(
            again["value"].as_f64(),
            figure.value.is_finite().then_some(figure.value),
            "{}",
            figure.name
        );
        assert!(figure.n <= 2 * 5, "{}: {}", figure.name, figure.n);
    }
}

#[test]
fn a_whole_region_is_predicted_at_its_own_size_beside_its_truth() {
    let bench = bench();
    bench.oncospec(&["run", "regions.toml", "--device", "cpu"]).with(0);
    let stem = "TCGA-A0-A0D0-DX1_roi";
    let image = format!("rois/images/{stem}.png");
    let predict = |out: &str, more: &[&str]| {
        let mut arguments = vec!["predict", "regions", &image, "--out", out, "--device", "cpu"];
        arguments.extend(more);
        bench.oncospec(&arguments)
    };
    predict("masks", &["--truth", "rois/masks"]).with(0);
    let open = |folder: &str, what: &str| {
        image::open(bench.path().join(format!("{folder}/{stem}_{what}.png"))).unwrap()
    };
    let mask = open("masks", "mask").to_luma8();
    assert_eq!(mask.dimensions(), (41, 33));
    // The first code of each of the five classes: tumor, stroma, inflammatory, necrosis, other.
    assert!(mask.iter().all(|code| [1, 2, 3, 4, 5].contains(code)));
    let truth = open("masks", "truth").to_luma8();
    let own = image::open(bench.path().join(format!("rois/masks/{stem}.png"))).unwrap();
    assert_eq!(truth, own.to_luma8(), "codes 0, 1 and 2 stand for themselves");
    for (what, channels) in [("probability", 1), ("overlay", 3)] {
        let picture = open("masks", what);
        assert_eq!((picture.width(), picture.height()), (41, 33));
        assert_eq!(picture.color().channel_count(), channels, "{what}");
    }
    let written = fs::read(bench.path().join("masks/predictions.json")).unwrap();
    let written: Vec<Value> = serde_json::from_slice(&written).unwrap();
    let parts = written[0]["parts"].as_array().unwrap().iter();
    assert!((parts.map(|part| part.as_f64().unwrap()).sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(written[0]["truth"].as_str().unwrap().ends_with("_truth.png"));
    // A part of an image is predicted as it is in the whole, far enough from its edge: nothing is shrunk.
    let whole = image::open(bench.path().join(&image)).unwrap();
    whole.crop_imm(0, 0, 24, 24).save(bench.path().join("part.png")).unwrap();
    let part = ["predict", "regions", "part.png", "--out", "parts", "--device", "cpu"];
    bench.oncospec(&part).with(0);
    let part = image::open(bench.path().join("parts/part_mask.png")).unwrap().to_luma8();
    assert!((0..8).all(|at| part.get_pixel(at, at) == mask.get_pixel(at, at)));

    let no_mask = predict("none", &["--truth", "rois"]).with(2);
    no_mask.telling(&[&format!("rois/{stem}.png"), "no such file"]);
    let cam = ["cam", "regions", &image, "--out", "maps", "--device", "cpu"];
    bench.oncospec(&cam).with(2).telling(&["41x33", "tiles of 16x16 pixels"]);
}

const TILES: &str = r#"
name = "tiles"

[dataset]
kind = "bcss"
root = "tiles"
classes = { kind = "five" }
image-size = 16
split = { kind = "by-folder" }

[model]
kind = "unet"
encoder = { kind = "plain", filters = [4, 8] }

[loss]
kind = "cross-entropy"

[schedule]
epochs = 1
batch-size = 2

[evaluation]
splits = ["valid"]
"#;

/// Four tiles for training, of which the last has a side of its own, two of 32 pixels for validation, and a region.
fn tiles_bench(last: u32) -> Bench {
    let bench = Bench::new();
    bench.file("tiles.toml", TILES);
    let save = |path: &str, side: (u32, u32), number: u32| {
        let path = bench.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let pixel = |x: u32, y: u32| Rgb([(x * 7) as u8, (y * 5) as u8, (x * y + number) as u8]);
        RgbImage::from_fn(side.0, side.1, pixel).save(path).unwrap();
    };
    for (folder, count) in [("train", 4), ("val", 2)] {
        for number in 0..count {
            let side = if (folder, number) == ("train", 3) { last } else { 32 };
            let name = format!("TCGA-{folder}-A{number}_0_0_size{side}.png");
            save(&format!("tiles/{folder}/{name}"), (side, side), number);
            let mask = GrayImage::from_fn(side, side, |x, _| {
                Luma([[1, 10][x as usize * 2 / side as usize]])
            });
            let path = bench.path().join(format!("tiles/{folder}_mask/{name}"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            mask.save(path).unwrap();
        }
    }
    save("region.png", (100, 70), 9);
    save("part.png", (50, 50), 9);
    save("tile.png", (32, 32), 9);
    bench.oncospec(&["run", "tiles.toml", "--device", "cpu"]).with(0);
    bench
}

#[test]
fn an_image_larger_than_tiles_of_one_size_is_predicted_at_their_scale() {
    let bench = tiles_bench(32);
    let images = ["region.png", "part.png", "tile.png"];
    let predict = [&["predict", "tiles"], &images[..], &["--out", "masks", "--device", "cpu"]];
    let said = bench.oncospec(&predict.concat()).with(0);
    assert!(!said.err.contains("shrunk"), "{}", said.err);
    let probability = |stem: &str| {
        let path = bench.path().join(format!("masks/{stem}_probability.png"));
        image::open(path).unwrap().to_luma8()
    };
    let (region, part, tile) = (probability("region"), probability("part"), probability("tile"));
    assert_eq!((region.dimensions(), tile.dimensions()), ((100, 70), (32, 32)));
    // The first window of each begins in the same corner and ends far from it.
    assert!((0..16).all(|at| region.get_pixel(at, at) == part.get_pixel(at, at)));
}

#[test]
fn an_image_larger_than_tiles_of_several_sizes_is_shrunk_in_words() {
    let bench = tiles_bench(24);
    let predict = ["predict", "tiles", "region.png", "--out", "masks", "--device", "cpu"];
    let said = bench.oncospec(&predict).with(0);
    said.telling(&["region.png: warning: shrunk from 100x70 to 16x16 pixels", "one size of its"]);
    let written = fs::read(bench.path().join("masks/predictions.json")).unwrap();
    let written: Vec<Value> = serde_json::from_slice(&written).unwrap();
    assert!(written[0]["shrunk"].as_str().unwrap().starts_with("shrunk from 100x70"));
}

#[test]
fn windows_are_of_data_that_are_cut_into_tiles() {
    let bench = bench();
    bench.tiny("[evaluation]\nwindow-overlap = 0.25");
    let said = bench.oncospec(&["check", "tiny.toml"]).with(2);
    said.telling(&["this data set is not cut", "| window-overlap = 0.25"]);
    let set = ["check", "regions.toml", "--set", "evaluation.window-overlap=0.25"];
    bench.oncospec(&set).with(0);
    let beyond = ["check", "regions.toml", "--set", "evaluation.window-overlap=0.95"];
    bench.oncospec(&beyond).with(2).telling(&["evaluation.window-overlap"]);
}

#[test]
fn a_real_region_is_predicted_as_a_whole() {
    let Some(data) = shared() else { return };
    let bench = Bench::new();
    bench.file("regions.toml", SPEC);
    let rois = data.join("BCSS_roi");
    let root = format!("dataset.root={}", rois.display());
    let run = [
        "run",
        "regions.toml",
        "--device",
        "cpu",
        "--set",
        &root,
        "--set",
        "dataset.image-size=64",
        "--set",
        "dataset.layout={kind=\"rois\", magnification=0.25, stride=64}",
        "--set",
        "dataset.split={kind=\"holdout\", fractions={train=0.7, valid=0.3, test=0.0}, stratify=\"none\", group=\"none\"}",
        "--set",
        "evaluation.splits=[\"valid\"]",
        "--set",
        "evaluation.metrics=[\"dice\"]",
    ];
    bench.oncospec(&run).with(0);
    let record = Record::read(bench.only_run("runs", "regions")).unwrap();
    let of_valid: BTreeSet<&str> = record.cases.iter().map(|row| row.case.as_str()).collect();
    assert_eq!(of_valid.len(), 1, "{of_valid:?}");
    let name = "TCGA-A2-A0D2-DX1_xmin96887_ymin22299_MPP-0.2500.png";
    let image = rois.join("images").join(name);
    let truth = rois.join("masks");
    let predict = ["predict", "regions", image.to_str().unwrap(), "--out", "masks"];
    let truth = ["--truth", truth.to_str().unwrap(), "--device", "cpu"];
    bench.oncospec(&[&predict[..], &truth].concat()).with(0);
    let size = image::image_dimensions(&image).unwrap();
    for what in ["mask", "truth", "probability", "overlay"] {
        let file = name.replace(".png", &format!("_{what}.png"));
        let path = bench.path().join("masks").join(file);
        assert_eq!(image::image_dimensions(Path::new(&path)).unwrap(), size, "{what}");
    }
}
