//! One network with a head for pixels and one for whole images.

use std::fs;

use oncospec::record::Record;
use oncospec::split_name::SplitName;

use crate::support::{Bench, full_name};

pub(crate) const BOTH: &str = r#"
name = "both"
[task]
kind = "multi-task"
classification-weight = 0.5
classification-loss = { kind = "cross-entropy", class-weights = { kind = "balanced" } }
[dataset]
kind = "phantom"
cases = 48
image-size = 32
channels = "gray"
[model]
kind = "unet"
encoder = { kind = "plain", filters = [4, 8] }
[schedule]
epochs = 2
batch-size = 8
best = { metric = "valid.image-auc.macro" }
[report]
best = 1
worst = 1
random = 1
film = { frames = 1 }
[gate]
"test.image-accuracy" = { at-least = 0.0 }
"test.dice.mean" = { at-least = 0.0 }
[run]
device = "cpu"
"#;

#[test]
fn both_heads_are_trained_scored_shown_and_predict() {
    let bench = Bench::new();
    bench.file("both.toml", BOTH);
    let told = ["finished", "test.dice.lesion", "test.image-balanced-accuracy"];
    bench.oncospec(&["run", "both.toml"]).with(0).telling(&told);
    let run = bench.only_run("runs", "both");
    let record = Record::read(&run).unwrap();
    assert_eq!(record.summary.classes, ["lesion"]);
    assert_eq!(record.summary.image_classes, ["normal", "benign", "malignant"]);
    let test: Vec<_> = record.scores.iter().filter(|row| row.split == SplitName::Test).collect();
    let right = test.iter().filter(|row| row.truth == row.predicted).count();
    let accuracy = record.figure(&full_name("test.image-accuracy")).unwrap().value;
    assert_eq!(accuracy, right as f64 / test.len() as f64);
    let of_test: Vec<_> =
        record.confusion.iter().filter(|one| one.split == SplitName::Test).collect();
    assert_eq!(of_test.len(), 2, "pixels and images");
    assert!(record.epochs.iter().all(|row| row.figures.contains_key("image-f1.macro")));
    let last = record.layers.last().unwrap();
    assert_eq!((last.name.as_str(), last.parameters), ("classification_head", 8 * 3 + 3));

    let page = fs::read_to_string(bench.path().join("reports/both.html")).unwrap();
    for part in
        ["ROC curve of malignant", "Confusion of images", "Confusion of pixels", "predicted "]
    {
        assert!(page.contains(part), "{part}");
    }
    let scored = bench.oncospec(&["evaluate", "both", "--split", "test", "--json"]).with(0);
    let figures: serde_json::Value = serde_json::from_str(&scored.out).unwrap();
    let again = figures.as_array().unwrap().iter().find(|f| f["name"] == "image-accuracy").unwrap();
    assert_eq!(again["value"].as_f64().unwrap(), accuracy);

    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "6"]).with(0);
    bench.oncospec(&["predict", "both", "data/benign", "--out", "seen"]).with(0);
    let said = fs::read_to_string(bench.path().join("seen/predictions.json")).unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(said[0]["probabilities"]["malignant"].is_number() && said[0]["mask"].is_string());
    bench.oncospec(&["cam", "both", "data/benign", "--out", "cams"]).with(0);
    bench.oncospec(&["export", "both", "--out", "exported"]).with(0);
    let card = fs::read_to_string(bench.path().join("exported/model.json")).unwrap();
    let card: serde_json::Value = serde_json::from_str(&card).unwrap();
    assert_eq!(card["output"]["image_classes"][2], "malignant");
}

#[test]
fn what_does_not_fit_both_heads_is_refused_at_its_key() {
    let bench = Bench::new();
    bench.file("both.toml", BOTH);
    let rates =
        |layers: &str| format!("schedule.layer-rates=[{{ layers = \"{layers}\", factor = 10.0 }}]");
    bench.oncospec(&["check", "both.toml", "--set", &rates("classification_head")]).with(0);
    let refused = |set: &str, told: &[&str]| {
        bench.oncospec(&["check", "both.toml", "--set", set]).with(2).telling(told);
    };
    refused(
        "task.classification-loss={kind=\"dice\"}",
        &["overlap of pixels", "classification-loss"],
    );
    refused("task.classification-weight=0", &["classification-weight"]);
    refused("model.kind=resnet18", &["gives whole images their class"]);
    refused("dataset.modality=histology", &["needs images with a class of their own"]);
    refused(
        "schedule.best.metric=valid.image-auk.macro",
        &["did you mean `valid.image-auc.macro`?"],
    );
    refused(&rates("classification"), &["layers `classification` are not there"]);
}
