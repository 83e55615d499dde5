//! Classification from the command line, alone and guided by masks.

use std::fs;
use std::path::{Path, PathBuf};

use oncospec::record::{Record, RunDir, RunState, SplitRow, Task};
use oncospec::split_name::SplitName;

use crate::support::{self, Bench, said};

pub(crate) const CLASSIFIER: &str = r#"
name = "sorted"
[task]
kind = "classify"
[dataset]
kind = "phantom"
cases = 48
image-size = 32
channels = "gray"
[model]
kind = "resnet18"
[schedule]
epochs = 2
batch-size = 8
best = { metric = "valid.auc.macro" }
[report]
best = 1
worst = 1
random = 1
film = { frames = 1 }
[run]
device = "cpu"
"#;

fn figure(record: &Record, name: &str) -> f64 {
    record.figure(&support::full_name(name)).unwrap_or_else(|| panic!("no figure {name}")).value
}

#[test]
fn a_classifier_leaves_scores_figures_and_a_page_and_predicts() {
    let bench = Bench::new();
    bench.file("sorted.toml", CLASSIFIER);
    bench.oncospec(&["run", "sorted.toml"]).with(0).telling(&["finished", "test.auc.macro"]);
    let run = bench.only_run("runs", "sorted");
    let record = Record::read(&run).unwrap();
    assert_eq!(record.summary.task, Task::Classify);
    assert_eq!(record.summary.classes, ["normal", "benign", "malignant"]);
    let test: Vec<_> = record.scores.iter().filter(|row| row.split == SplitName::Test).collect();
    let right = test.iter().filter(|row| row.truth == row.predicted).count();
    assert_eq!(figure(&record, "test.accuracy"), right as f64 / test.len() as f64);
    for row in &record.scores {
        assert!((row.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{row:?}");
    }
    let page = fs::read_to_string(bench.path().join("reports/sorted.html")).unwrap();
    for part in ["ROC curve of malignant", "Confusion of images", "Probability of the true class"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(record.pictures.iter().all(|picture| picture.images.heat.is_some()));

    let scored = bench.oncospec(&["evaluate", "sorted", "--split", "test", "--json"]).with(0);
    let figures: serde_json::Value = serde_json::from_str(&scored.out).unwrap();
    let again = figures.as_array().unwrap().iter().find(|f| f["name"] == "mcc").unwrap();
    assert_eq!(again["value"].as_f64().unwrap(), figure(&record, "test.mcc"));

    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "6"]).with(0);
    bench.oncospec(&["predict", "sorted", "data/benign", "--out", "called"]).with(0);
    let called = fs::read_to_string(bench.path().join("called/predictions.json")).unwrap();
    let called: serde_json::Value = serde_json::from_str(&called).unwrap();
    assert!(called[0]["probabilities"]["malignant"].is_number(), "{called}");
    bench.oncospec(&["cam", "sorted", "data/benign", "--out", "cams"]).with(0);
    assert!(fs::read_dir(bench.path().join("cams")).unwrap().count() > 0);

    bench.oncospec(&["export", "sorted", "--format", "pytorch", "--out", "exported"]).with(0);
    let card = fs::read_to_string(bench.path().join("exported/model.json")).unwrap();
    let card: serde_json::Value = serde_json::from_str(&card).unwrap();
    assert!(card["pytorch"].is_null(), "torchvision's is for three channels");
    assert_eq!(card["output"]["of"], "images");
    let weights = format!("model.weights.path={}/exported/model.pth", bench.path().display());
    let planned = bench.oncospec(&["plan", "sorted.toml", "--set", &weights]).with(0).out;
    for part in ["100 tensors match", "2 ignored: fc.bias, fc.weight", "can look at layer1.0"] {
        assert!(planned.contains(part), "no `{part}` in {planned}");
    }
}

#[test]
fn what_does_not_fit_classification_is_refused_at_its_key() {
    let bench = Bench::new();
    bench.file("sorted.toml", CLASSIFIER);
    let refused = |set: &str, told: &[&str]| {
        bench.oncospec(&["check", "sorted.toml", "--set", set]).with(2).telling(told);
    };
    refused("model.kind=unet", &["gives each pixel its class", "resnet18"]);
    refused("task.kind=segment", &["gives whole images their class", "unet"]);
    refused("evaluation.metrics=[\"dice\"]", &["`dice` is a metric of pixels"]);
    refused(
        "evaluation.threshold={kind=\"best-on-valid\",metric=\"auc\"}",
        &["`auc` does not change with the threshold", "accuracy"],
    );
    refused(
        "evaluation.threshold={kind=\"fixed\", value=0.3}",
        &["a threshold is for one foreground"],
    );
    refused(
        "evaluation.refine={kind=\"crf\"}",
        &["evaluation.refine", "refines the probabilities of pixels"],
    );
    refused(
        "evaluation.post-process=[{kind=\"fill-holes\"}]",
        &["evaluation.post-process", "it changes masks"],
    );
    let small = "evaluation.test-time-augmentation={scales=[0.25]}";
    let alex = ["check", "sorted.toml", "--set", "model={kind=\"alexnet\"}", "--set", small];
    let told = ["--set evaluation.test-time-augmentation", "an input of 32x32 pixels"];
    bench
        .oncospec(&[&alex[..], &["--set", "dataset.image-size=96"]].concat())
        .with(2)
        .telling(&told);
    refused("loss={kind=\"dice\"}", &["overlap of pixels", "cross-entropy"]);
    refused("model.frozen-stages=6", &["6 of 5 stages"]);
    refused("task.inputs=[\"mask\"]", &["name the segmentation"]);
    refused("dataset.modality=histology", &["needs images with a class of their own"]);
    refused("schedule.best.metric=valid.auc.makro", &["did you mean `valid.auc.macro`?"]);
}

#[test]
fn layers_rest_until_their_epoch_and_learn_at_their_own_rate() {
    let bench = Bench::new();
    bench.file("sorted.toml", CLASSIFIER);
    let frozen = ["--set", "model.frozen-stages=5", "--set", "schedule.unfreeze-epoch=2"];
    let rates = ["--set", "schedule.layer-rates=[{ layers = \"layer1\", factor = 0.1 }]"];
    let plan = [&["plan", "sorted.toml"], &frozen[..], &rates[..]].concat();
    let planned = bench.oncospec(&plan).with(0).out;
    for part in ["trained as well from epoch 2 on", "rate x 0.1     layer1"] {
        assert!(planned.contains(part), "no `{part}` in {planned}");
    }
    bench.oncospec(&[&["run", "sorted.toml"], &frozen[..], &rates[..]].concat()).with(0);
    let refused = |sets: &[&str], told: &[&str]| {
        bench.oncospec(&[&["check", "sorted.toml"], sets].concat()).with(2).telling(told);
    };
    refused(&frozen[2..], &["nothing is frozen"]);
    let late = ["--set", "model.frozen-stages=5", "--set", "schedule.unfreeze-epoch=3"];
    refused(&late, &["there are 2 epochs"]);
    let typo = ["--set", "schedule.layer-rates=[{ layers = \"layer7\", factor = 0.1 }]"];
    refused(&typo, &["layers `layer7` are not there", "conv1, bn1, layer1"]);
    refused(&[&rates[..], &frozen[..2]].concat(), &["layers `layer1` are frozen"]);
}

const SEGMENTATION: &str = r#"
name = "finder"
[dataset]
kind = "phantom"
image-size = 32
channels = "gray"
[model]
kind = "unet"
encoder = { kind = "plain", filters = [4, 8] }
[schedule]
epochs = 1
"#;

const GUIDED: &str = r#"
extends = "sorted.toml"
name = "guided"
[task]
inputs = ["gray", "lesion", "mask", "crop"]
guide = { experiment = "finder.toml", folds = 3 }
[schedule]
epochs = 1
"#;

/// A classifier, and one that a segmentation guides.
fn with_guide() -> Bench {
    let bench = Bench::new();
    bench.file("sorted.toml", CLASSIFIER);
    bench.file("finder.toml", SEGMENTATION);
    bench.file("guided.toml", GUIDED);
    bench
}

fn segmentations(bench: &Bench) -> Vec<PathBuf> {
    let folder = bench.path().join("runs/finder");
    let mut runs: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    runs.sort();
    runs
}

fn plant(run: &Path, row: SplitRow) {
    let mut rows = Record::read(run).unwrap().split;
    rows.push(row);
    RunDir::open_write(run).unwrap().write(&rows).unwrap();
}

#[test]
fn a_guided_classifier_gets_masks_of_networks_that_had_not_seen_its_cases() {
    let bench = with_guide();
    let two_epochs = ["--set-guide", "schedule.epochs=2"];
    let plan = |more: &[&str]| {
        bench.oncospec(&[&["plan", "guided.toml"], &two_epochs[..], more].concat()).with(0).out
    };
    let planned: serde_json::Value = serde_json::from_str(&plan(&["--json"])).unwrap();
    assert!(planned["run"].is_null() && planned["decisions"]["run-id"].is_null());
    assert_eq!(planned["decisions"]["spec"]["name"], "guided");
    let planned: Vec<PathBuf> = planned["guides"]
        .as_array()
        .unwrap()
        .iter()
        .map(|guide| bench.path().join(guide["run"].as_str().unwrap()))
        .collect();
    assert_eq!(planned.len(), 3);
    let words = plan(&[]);
    assert!(words.contains("named once the masks of its guide are predicted"), "{words}");
    assert_eq!(words.matches("trained on ").count(), 3, "{words}");
    bench
        .oncospec(&[&["run", "guided.toml"], &two_epochs[..]].concat())
        .with(0)
        .telling(&["test.mask-dice"]);
    assert_eq!(segmentations(&bench).len(), 3);
    assert!(planned.iter().all(|run| segmentations(&bench).contains(run)), "{planned:?}");
    for run in segmentations(&bench) {
        assert_eq!(Record::read(run).unwrap().status.epochs, 2);
    }
    let run = bench.only_run("runs", "guided");
    let record = Record::read(&run).unwrap();
    assert_eq!(record.status.state, RunState::Finished);
    assert_eq!(record.guide.len(), 48, "every case has its mask");
    for row in &record.guide {
        let maker = Record::read(bench.path().join("runs").join(&row.path)).unwrap();
        let seen = maker.split.iter().any(|g| g.case == row.case || g.group == row.group);
        assert!(!seen, "{} was seen by {}", row.case, row.path);
    }
    let page = fs::read_to_string(bench.path().join("reports/guided.html")).unwrap();
    assert!(page.contains("no network was trained on a case whose mask it predicted"));

    // New images get the mask of the first network.
    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "6"]).with(0);
    bench.oncospec(&["predict", "guided", "data/benign", "--out", "called"]).with(0);
    let scored = bench.oncospec(&["evaluate", "guided", "--split", "valid", "--json"]).with(0);
    assert!(scored.out.contains("balanced-accuracy"), "{}", scored.out);
    let inside =
        bench.command(&["evaluate", ".", "--split", "valid", "--json"]).current_dir(&run).output();
    let inside = said(inside.unwrap()).with(0);
    assert_eq!(inside.out, scored.out, "the run may be named from inside");

    // A recorded mask is not made by a network that may have seen its case.
    let row = record.guide.iter().find(|row| row.split == SplitName::Train).unwrap();
    let masks = bench.path().join("runs").join(&row.path).join("masks");
    let mask = masks.join(format!("{}.png", row.case.replace('/', "__")));
    let before = fs::read(&mask).unwrap();
    fs::remove_file(&mask).unwrap();
    let scored = ["evaluate", "guided", "--split", "train"];
    bench.oncospec(&scored).with(2).telling(&[&row.case, "not there any more"]);
    bench.oncospec(&[&["run", "guided.toml"], &two_epochs[..]].concat()).with(0);
    assert_eq!(fs::read(&mask).unwrap(), before);
    bench.oncospec(&scored).with(0);

    // A leak: one of the networks was given a case whose mask it made.
    let of_case = &record.guide[0];
    let (case, split) = (of_case.case.clone(), SplitName::Train);
    plant(
        &bench.path().join("runs").join(&of_case.path),
        SplitRow { case, split, ..SplitRow::default() },
    );
    let other = [&["run", "guided.toml", "--set", "schedule.epochs=2"], &two_epochs[..]].concat();
    bench.oncospec(&other).with(2).telling(&["leak", &of_case.case, "train"]);
    assert_eq!(bench.only_run("runs", "guided"), run, "nothing was trained");
}

#[test]
fn a_guide_must_be_another_experiment_and_a_segmentation() {
    let bench = with_guide();
    let refused = |set: &str, told: &str| {
        bench.oncospec(&["check", "guided.toml", "--set", set]).with(2).telling(&[told]);
    };
    let path = |name: &str| {
        let path = bench.path().join(name);
        format!("task.guide.experiment={}", path.display())
    };
    refused(&path("guided.toml"), "cannot guide itself");
    refused(&path("sorted.toml"), "must be a segmentation");
    refused(&path("nowhere.toml"), "no such file");
    refused("task.inputs=[\"gray\"]", "no input is made from its masks");
    refused("dataset.channels=rgb", "made from gray images");
    refused("task.guide.overrides=[\"schedule.epoch=1\"]", "did you mean `epochs`?");
    let guide_set = |spec: &str, set: &str, told: &str| {
        bench.oncospec(&["check", spec, "--set-guide", set]).with(2).telling(&[told]);
    };
    guide_set("guided.toml", "schedule.epoch=1", "did you mean `epochs`?");
    guide_set("sorted.toml", "schedule.epochs=1", "no spec has a `task.guide`");
    guide_set("guided.toml", "schedule.best.metric=valid.dic", "schedule.best.metric");
    guide_set("guided.toml", "report.film.layer=nowhere", "report.film.layer");
    guide_set("guided.toml", "model.kind=resnet18", "model.kind");
    let few = [
        "check",
        "guided.toml",
        "--set",
        "dataset.subset.train=0.4",
        "--set",
        "task.guide.folds=20",
    ];
    bench.oncospec(&few).with(2).telling(&["task.guide.folds", "too few for 20 folds"]);
}

#[test]
fn a_guide_that_fails_leaves_a_page_with_the_other_runs() {
    let bench = with_guide();
    let mut arguments = vec!["run", "guided.toml", "sorted.toml", "-o", "page.html"];
    for diverging in [
        "schedule.optimizer={kind=\"sgd\", learning-rate=10.0, momentum=0.99}",
        "schedule.epochs=30",
        "loss={kind=\"sum\", terms=[{kind=\"bce\", positive-weight=1000.0, weight=1e6}]}",
        "model={kind=\"attention-unet\", filters=[4, 8], dropout=[0.0, 0.0, 0.0]}",
    ] {
        arguments.extend(["--set-guide", diverging]);
    }
    let told = ["guided: not run", "did not finish", "sorted seed 0: finished"];
    bench.oncospec(&arguments).with(1).telling(&told);
    let page = fs::read_to_string(bench.path().join("page.html")).unwrap();
    let page = page.replace("<bdi>", "");
    for part in ["class=\"banner banner-failed\"", "Recorded figures of sorted", "finder"] {
        assert!(page.contains(part), "{part}");
    }
}
