//! What the network sees of images: letterboxed ones.

use std::fs;

use image::GenericImageView;
use oncospec::frame::{Frame, Resize};
use oncospec::record::Record;
use serde_json::Value;

use crate::support::{Bench, full_name};

const LETTERBOXED: &str = r#"extends = "tiny.toml"
name = "letterboxed"

[dataset]
resize = "letterbox"
normalize = { kind = "dataset" }

[evaluation]
refine = { kind = "crf", bilateral-px = 8 }

[schedule]
epochs = 1
"#;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.tiny("");
    bench.file("letterboxed.toml", LETTERBOXED);
    bench
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Scores a run again, and compares each figure with the recorded one.
fn scored_alike(bench: &Bench, run: &str, record: &Record) {
    let again = bench.oncospec(&["evaluate", run, "--split", "test", "--json", "--device", "cpu"]);
    let again = json(&again.with(0).out);
    assert!(again.as_array().unwrap().len() > 10);
    for figure in again.as_array().unwrap() {
        let name = figure["name"].as_str().unwrap();
        let before = record.figure(&full_name(&format!("test.{name}"))).unwrap().value;
        let now = figure["value"].as_f64().unwrap_or(f64::NAN);
        assert!(now == before || now.is_nan() && before.is_nan(), "{name}: {now}, not {before}");
    }
}

#[test]
fn padding_is_in_no_figure_and_no_picture_of_a_run() {
    let bench = bench();
    let planned = bench.oncospec(&["plan", "letterboxed.toml", "--device", "cpu"]).with(0).out;
    assert!(planned.contains("resize = \"letterbox\""), "{planned}");
    bench.oncospec(&["run", "letterboxed.toml", "--device", "cpu"]).with(0);
    let run = bench.only_run("runs", "letterboxed");
    let record = Record::read(&run).unwrap();
    let page = fs::read_to_string(bench.path().join("reports/letterboxed.html")).unwrap();
    assert!(page.contains("cut back to it from its padding"));

    // Pixels that are counted are those of the image, at both sizes.
    let frame = Frame { resize: Resize::Letterbox, ..Frame::square(32) };
    let spec = toml::from_str("kind = 'phantom'\ncases = 40").unwrap();
    let dataset = oncospec::data::open(&spec).unwrap();
    let mut padded = 0;
    for row in &record.cases {
        let case = dataset.cases.iter().find(|case| case.id == row.case).unwrap();
        let inset = frame.inset((case.width, case.height));
        let pixels = match row.resolution.as_str() {
            "original" => case.width as usize * case.height as usize,
            _ => inset.width * inset.height,
        };
        assert_eq!(
            row.tp + row.fp + row.fn_ + row.tn,
            pixels as u64,
            "{} of {}",
            row.resolution,
            row.case
        );
        padded += usize::from(!inset.is_all(frame.sides()));
    }
    assert!(padded >= 10, "{padded}");

    let path = run.to_str().unwrap();
    scored_alike(&bench, path, &record);

    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "6"]).with(0);
    bench.oncospec(&["predict", path, "data/benign", "--out", "masks", "--device", "cpu"]).with(0);
    let images = fs::read_dir(bench.path().join("data/benign")).unwrap();
    let images = images.map(|entry| entry.unwrap().path());
    for image in images.filter(|path| !path.to_string_lossy().contains("_mask")) {
        let stem = image.file_stem().unwrap().to_string_lossy().into_owned();
        let mask = bench.path().join(format!("masks/{stem}_probability.png"));
        let size = |path| image::open(path).unwrap().dimensions();
        assert_eq!(size(&mask), size(&image), "{stem}");
    }
    bench.oncospec(&["cam", path, "data/benign", "--out", "cams", "--device", "cpu"]).with(0);

    bench.oncospec(&["export", path, "--out", "exported"]).with(0);
    let card = json(&fs::read_to_string(bench.path().join("exported/model.json")).unwrap());
    assert_eq!(card["input"]["fit"], "letterbox");
    assert!(card["input"]["resize"].as_str().unwrap().contains("padded with 0"), "{card}");
    assert!(card["output"]["resize"].as_str().unwrap().starts_with("without the rows"), "{card}");
}

#[test]
fn tiles_that_are_cut_while_loading_have_nothing_to_pad() {
    let bench = Bench::new();
    bench.oncospec(&["data", "synth", "--kind", "bcss", "--out", "data", "--cases", "6"]).with(0);
    bench.file(
        "rois.toml",
        "name = 'rois'\n[dataset]\nkind = 'bcss'\nroot = 'data/rois'\nlayout = { kind = 'rois' }\nimage-size = 32\n\
         resize = 'letterbox'\n[model]\nkind = 'unet'\n[loss]\nkind = 'cross-entropy'\n",
    );
    bench.oncospec(&["check", "rois.toml"]).with(2).telling(&["dataset.resize", "nothing to pad"]);
}
