//! Maps of what speaks for a prediction, from the command line and in the report.

use std::fs;
use std::path::{Path, PathBuf};

use oncospec::record::Record;
use oncospec::spec::AttributionKind;

use crate::support::{Bench, Said};

const SEGMENTATION: &str = r#"
name = "found"
[dataset]
kind = "phantom"
cases = 16
image-size = 32
channels = "gray"
split = { kind = "holdout", fractions = { train = 0.5, valid = 0.25, test = 0.25 } }
[model]
kind = "attention-unet"
filters = [4, 8]
dropout = [0.0, 0.0, 0.0]
[schedule]
epochs = 1
batch-size = 4
[report]
film = { frames = 1, method = "gate", layer = "gates.0" }
[run]
device = "cpu"
"#;

const CLASSIFICATION: &str = r#"
name = "called"
[task]
kind = "classify"
[dataset]
kind = "phantom"
cases = 16
image-size = 32
channels = "gray"
split = { kind = "holdout", fractions = { train = 0.5, valid = 0.25, test = 0.25 } }
[model]
kind = "resnet18"
[schedule]
epochs = 1
batch-size = 8
[report]
best = 1
worst = 0
random = 0
film = { frames = 1, method = "integrated-gradients" }
[run]
device = "cpu"
"#;

/// A run of a spec, and an image to explain.
fn trained(bench: &Bench, spec: &str, name: &str) -> (Record, PathBuf) {
    let file = format!("{name}.toml");
    bench.file(&file, spec);
    bench.oncospec(&["run", &file]).with(0);
    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "3"]).with(0);
    let mut images: Vec<PathBuf> = fs::read_dir(bench.path().join("data/benign"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    images.sort();
    (Record::read(bench.only_run("runs", name)).unwrap(), images.remove(0))
}

fn cam(bench: &Bench, run: &str, image: &Path, out: &str, more: &[&str]) -> Said {
    let mut arguments = vec!["cam", run, image.to_str().unwrap(), "--out", out];
    arguments.extend(["--device", "cpu"].iter().chain(more));
    bench.oncospec(&arguments)
}

/// Makes a picture with each of these, no two the same.
fn draws(bench: &Bench, run: &str, image: &Path, all: &[&[&str]]) {
    let mut drawn: Vec<Vec<u8>> = Vec::new();
    for (number, more) in all.iter().enumerate() {
        let out = format!("{run}-{number}");
        cam(bench, run, image, &out, more).with(0);
        let pictures: Vec<PathBuf> = fs::read_dir(bench.path().join(out))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
            .collect();
        assert_eq!(pictures.len(), 1, "{more:?}");
        assert!(image::open(&pictures[0]).is_ok(), "{more:?}");
        let bytes = fs::read(&pictures[0]).unwrap();
        assert!(!drawn.contains(&bytes), "{more:?} draws what another does");
        drawn.push(bytes);
    }
}

#[test]
fn a_segmentation_is_explained_by_every_method() {
    let bench = Bench::new();
    let (record, image) = trained(&bench, SEGMENTATION, "found");
    draws(
        &bench,
        "found",
        &image,
        &[
            &["--method", "grad-cam", "--layer", "decoder.0"],
            &["--method", "grad-cam-plus-plus", "--layer", "encoder.0"],
            &["--method", "occlusion"],
            &["--method", "occlusion", "--patch", "8", "--stride", "8"],
            &["--method", "integrated-gradients", "--steps", "4"],
            &["--method", "gate"],
            &["--method", "gate", "--layer", "gates.0"],
        ],
    );

    let frame = &record.film[0];
    assert_eq!((frame.method, frame.layer.as_str()), (AttributionKind::Gate, "gates.0"));
    assert!(frame.images.heat.is_some());
    let page = fs::read_to_string(bench.path().join("reports/found.html")).unwrap();
    for part in ["The same case, layer gates.0", "Attention gate</th>", "the named gate passes"] {
        assert!(page.contains(part), "{part}");
    }
    let planned = bench.oncospec(&["plan", "found.toml"]).with(0).out;
    assert!(planned.contains("with the method `gate` at gates.0, gates.1"), "{planned}");

    let refused = |more: &[&str], told: &[&str]| {
        cam(&bench, "found", &image, "refused", more).with(2).telling(told);
        assert!(!bench.path().join("refused").exists());
    };
    let occlusion = ["--method", "occlusion"];
    refused(&[&occlusion[..], &["--layer", "gates.0"]].concat(), &["`layer`", "it has `patch`"]);
    refused(&[&occlusion[..], &["--steps", "9"]].concat(), &["`steps`", "it has `patch`"]);
    refused(&[&occlusion[..], &["--patch", "33"]].concat(), &["`patch`: 33", "from 1 to 32"]);
    let gradients = ["--method", "integrated-gradients"];
    refused(&[&gradients[..], &["--layer", "gates.0"]].concat(), &["`layer`", "it has `steps`"]);
    refused(&["--patch", "4"], &["`patch`", "Grad-CAM has no such setting"]);
    refused(&["--method", "gate", "--layer", "decoder.0"], &["no layer `decoder.0`", "gates.0"]);
    refused(&["--method", "gate", "--class", "0"], &["`class`", "leave it out"]);
}

#[test]
fn a_classification_is_explained_by_every_method_but_a_gates() {
    let bench = Bench::new();
    let (record, image) = trained(&bench, CLASSIFICATION, "called");
    draws(
        &bench,
        "called",
        &image,
        &[
            &["--method", "grad-cam", "--layer", "layer2.0", "--class", "1"],
            &["--method", "grad-cam-plus-plus", "--layer", "layer1.0", "--class", "1"],
            &["--method", "occlusion", "--patch", "8", "--class", "1"],
            &["--method", "integrated-gradients", "--steps", "4", "--class", "1"],
        ],
    );
    cam(&bench, "called", &image, "refused", &["--method", "gate"])
        .with(2)
        .telling(&["no attention gate", "`attention-unet` has"]);

    let frame = &record.film[0];
    let expected = (AttributionKind::IntegratedGradients, "");
    assert_eq!((frame.method, frame.layer.as_str()), expected);
    let page = fs::read_to_string(bench.path().join("reports/called.html")).unwrap();
    for part in ["The same case</caption>", "Integrated gradients</th>"] {
        assert!(page.contains(part), "{part}");
    }

    let refused = |sets: &[&str], told: &[&str]| {
        let mut arguments = vec!["check", "called.toml"];
        arguments.extend(sets.iter().flat_map(|set| ["--set", *set]));
        bench.oncospec(&arguments).with(2).telling(told);
    };
    refused(&["report.film.layer=layer4.1"], &["report.film.layer", "no such setting"]);
    refused(
        &["report.film.method=gate"],
        &["report.film.method", "no attention gate", "`attention-unet` has"],
    );
    refused(&["report.film.method=gradcam"], &["did you mean \"grad-cam\"?"]);
}
