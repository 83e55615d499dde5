//! The main job on real BUSI and BCSS.

use std::path::Path;

use oncospec::record::{Record, RunState};
use oncospec::split_name::SplitName;
use serde_json::Value;

use crate::support::{Bench, Said, repository, shared};

fn bcss_unet(bench: &Bench, command: &str, root: &Path, more: &[&str]) -> Said {
    let spec = repository().join("experiments/bcss_unet_resnet34.toml");
    let root = format!("dataset.root={}", root.display());
    let mut arguments = vec![command, spec.to_str().unwrap(), "--device", "cpu", "--set", &root];
    arguments.extend(more);
    bench.oncospec(&arguments)
}

#[test]
fn the_plan_of_system_c_has_the_published_numbers() {
    let Some(data) = shared() else { return };
    let bench = Bench::new();
    let frozen = ["--set", "model.encoder.frozen=true", "--json"];
    let said = bcss_unet(&bench, "plan", &data.join("BCSS_22"), &frozen).with(0);
    let plan: Value = serde_json::from_str(&said.out).unwrap();
    let decisions = &plan["decisions"];
    assert_eq!(decisions["parameters"], 24_439_269);
    assert_eq!(decisions["trainable"], 3_154_597);
    let giga = decisions["multiply-adds"].as_f64().unwrap() / 1e9;
    assert_eq!(format!("{giga:.2}"), "392.20");
    assert_eq!(decisions["cases"], serde_json::json!([60, 8, 0]));
}

#[test]
fn system_c_trains_on_real_tiles_and_on_a_real_roi() {
    let Some(data) = shared() else { return };
    let bench = Bench::new();
    let small = [
        "--set",
        "schedule.epochs=1",
        "--set",
        "schedule.batch-size=8",
        "--set",
        "model.encoder={kind=\"resnet18\", decoder-filters=[32, 24, 16, 12, 8]}",
        "--set",
        "dataset.image-size=64",
    ];
    let mut tiles = small.to_vec();
    tiles.extend([
        "--set",
        "name=tiles",
        "--set",
        "dataset.image-size=224",
        "--set",
        "dataset.classes={kind=\"five\"}",
    ]);
    let said = bcss_unet(&bench, "run", &data.join("BCSS_22"), &tiles).with(0);
    said.telling(&["valid.accuracy.pooled"]);
    let record = Record::read(bench.only_run("runs", "tiles")).unwrap();
    assert_eq!(record.status.state, RunState::Finished);
    assert_eq!(record.summary.classes.len(), 5);

    let mut rois = small.to_vec();
    rois.extend([
        "--set",
        "name=rois",
        "--set",
        "dataset.layout={kind=\"rois\", magnification=0.25}",
        "--set",
        "dataset.split={kind=\"holdout\", fractions={train=0.7, valid=0.3}, stratify=\"none\", group=\"none\"}",
    ]);
    let said = bcss_unet(&bench, "run", &data.join("BCSS_roi"), &rois).with(0);
    said.telling(&["valid.accuracy.pooled"]);
    let record = Record::read(bench.only_run("runs", "rois")).unwrap();
    assert_eq!(record.summary.classes.len(), 21);
    assert!(record.split.len() > 80, "{} tiles", record.split.len());
}

#[test]
fn busi_trains_with_the_shared_split_and_predicts_unlabelled_images() {
    let Some(data) = shared() else { return };
    let bench = Bench::new();
    let spec = repository().join("experiments/busi_attention_unet.toml");
    let root = format!("dataset.root={}", data.join("Dataset_BUSI_with_GT").display());
    let list =
        |split: &str| format!("dataset.split.{split}={}/splits/busi_{split}.txt", data.display());
    let (train, valid, test) = (list("train"), list("valid"), list("test"));
    bench
        .oncospec(&[
            "run",
            spec.to_str().unwrap(),
            "--device",
            "cpu",
            "--set",
            &root,
            "--set",
            "dataset.split.kind=file",
            "--set",
            &train,
            "--set",
            &valid,
            "--set",
            &test,
            "--set",
            "dataset.image-size=32",
            "--set",
            "model.filters=[4, 8, 12, 16]",
            "--set",
            "schedule.epochs=1",
        ])
        .with(0);
    let record = Record::read(bench.only_run("runs", "busi-attention-unet")).unwrap();
    let cases = |split: SplitName| record.split.iter().filter(|row| row.split == split).count();
    assert_eq!(
        (cases(SplitName::Train), cases(SplitName::Valid), cases(SplitName::Test)),
        (273, 59, 59)
    );
    let image = data.join("Dataset_BUSI_with_GT/malignant/malignant (1).png");
    bench
        .oncospec(&["predict", "busi-attention-unet", image.to_str().unwrap(), "--out", "masks"])
        .with(0);
    let mask = image::open(bench.path().join("masks/malignant (1)_mask.png")).unwrap();
    assert_eq!(image::image_dimensions(&image).unwrap(), (mask.width(), mask.height()));
}
