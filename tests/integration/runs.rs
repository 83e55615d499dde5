//! Runs: the same twice, resumed after any end, never two at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use oncospec::record::{Record, RunState};
use oncospec::split_name::SplitName;

use crate::support::{Bench, full_name, said};

const FILES: [&str; 4] = ["epochs.parquet", "cases.parquet", "split.parquet", "model.safetensors"];

fn assert_equal_runs(one: &Path, other: &Path) {
    for file in FILES {
        let (one, other) = (one.join(file), other.join(file));
        assert!(fs::read(&one).unwrap() == fs::read(&other).unwrap(), "{file} differs");
    }
}

/// Waits until the process has finished so many epochs.
fn wait_for_epoch(child: &mut Child, checkpoints: &Path, epoch: u32) {
    let started = Instant::now();
    let last = checkpoints.join("last.json");
    let reached = || {
        let text = fs::read_to_string(&last).unwrap_or_default();
        text.contains(&format!("\"epoch\": {epoch}"))
    };
    while !reached() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before epoch {epoch}");
        assert!(started.elapsed() < Duration::from_secs(120), "no epoch {epoch} after two minutes");
        sleep(Duration::from_millis(5));
    }
}

const RESTING: &str = r#"
name = "tiny"
[dataset]
kind = "phantom"
image-size = 32
channels = "gray"
[model]
kind = "unet"
encoder = { kind = "resnet18", frozen = true, decoder-filters = [8, 8, 8, 8, 8] }
[schedule]
batch-size = 16
unfreeze-epoch = 5
"#;

const LONG: &str = "schedule.epochs=6";
const MANY: &str = "dataset.cases=200";

/// The run directory that a command would use.
fn planned(bench: &Bench, output: &str) -> PathBuf {
    let said = bench
        .oncospec(&[
            "plan",
            "tiny.toml",
            "--json",
            "--device",
            "cpu",
            "--set",
            LONG,
            "--set",
            MANY,
            "--set",
            &format!("run.output={output}"),
        ])
        .with(0);
    let plan: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    bench.path().join(plan["run"].as_str().unwrap())
}

fn arguments<'a>(output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut all =
        vec!["run", "tiny.toml", "--device", "cpu", "--set", LONG, "--set", MANY, "--set"];
    all.push(output);
    all.extend(more);
    all
}

#[test]
fn a_run_leaves_a_whole_record_and_a_page_and_is_not_made_again() {
    let bench = Bench::new();
    bench.tiny("\n[gate]\n\"test.accuracy.pooled\" = { at-least = 0.0 }\n");
    bench.oncospec(&["run", "tiny.toml"]).with(0).telling(&["finished", "test.dice.lesion"]);
    let run = bench.only_run("runs", "tiny");
    let record = Record::read(&run).unwrap();
    assert_eq!(record.status.state, RunState::Finished);
    assert_eq!(record.epochs.len(), 6);
    assert_eq!(record.split.len(), 40);
    assert!(
        record.figure(&full_name("test.dice.lesion")).is_some()
            && record.figure(&full_name("valid.hd95.mean")).is_some()
    );
    assert!(!record.pictures.is_empty() && record.gates[0].held);
    assert_eq!(record.readings.as_ref().map(Vec::len), Some(1));
    assert!(
        record.layers.iter().map(|layer| layer.parameters).sum::<u64>()
            == record.summary.parameters
    );
    let page = fs::read_to_string(bench.path().join("reports/tiny.html")).unwrap();
    assert!(page.contains(&record.provenance.run_id));

    let before = fs::metadata(run.join("model.safetensors")).unwrap().modified().unwrap();
    bench.oncospec(&["run", "tiny.toml"]).with(0).telling(&["was finished before"]);
    assert_eq!(before, fs::metadata(run.join("model.safetensors")).unwrap().modified().unwrap());
    fs::write(run.join("status.json"), "{").unwrap();
    bench.oncospec(&["run", "tiny.toml"]).with(1).telling(&["status.json"]);
    bench.oncospec(&["run", "tiny.toml", "--force"]).with(0).telling(&["seed 0: finished"]);
    assert_ne!(before, fs::metadata(run.join("model.safetensors")).unwrap().modified().unwrap());

    let scored = bench.oncospec(&["evaluate", "tiny", "--split", "test", "--json"]).with(0);
    let figures: serde_json::Value = serde_json::from_str(&scored.out).unwrap();
    let dice = figures.as_array().unwrap().iter().find(|f| f["name"] == "dice.lesion").unwrap();
    assert_eq!(
        dice["value"].as_f64().unwrap(),
        record.figure(&full_name("test.dice.lesion")).unwrap().value
    );
    // Made once, made again by force, and scored once more.
    assert_eq!(Record::read(&run).unwrap().readings.map(|readings| readings.len()), Some(3));

    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "6"]).with(0);
    let elsewhere = bench.oncospec(&["evaluate", "tiny", "--data", "data"]).with(2);
    elsewhere.telling(&["synthetic", "--data"]);
    let image =
        fs::read_dir(bench.path().join("data/benign")).unwrap().next().unwrap().unwrap().path();
    bench.oncospec(&["predict", "tiny", image.to_str().unwrap(), "--out", "masks"]).with(0);
    let of_image = ["_mask.png", "_overlay.png", "_probability.png"];
    let beside = [".oncospec-files.jsonl", "legend.json", "predictions.json"];
    let stem = image.file_stem().unwrap().to_str().unwrap();
    let mut expected: Vec<String> = of_image.iter().map(|end| format!("{stem}{end}")).collect();
    expected.extend(beside.map(String::from));
    let names = |folder: &str| {
        let entries = fs::read_dir(bench.path().join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    expected.sort();
    assert_eq!(names("masks"), expected);
    bench.file("broken.png", "not a picture");
    bench
        .oncospec(&["predict", "tiny", "broken.png", image.to_str().unwrap(), "--out", "more"])
        .with(2)
        .telling(&["broken.png", "1 images failed"]);
    assert_eq!(names("more"), expected);

    // A fixed and a drawn case of each of the three epochs.
    assert_eq!(record.film.len(), 6);
    assert!(record.film.iter().all(|frame| frame.layer == "decoder.0"), "{:?}", record.film[0]);
    let image = image.to_str().unwrap();
    bench
        .oncospec(&["cam", "tiny", image, "--out", "cams", "--method", "grad-cam-plus-plus"])
        .with(0);
    assert_eq!(names("cams"), [".oncospec-files.jsonl".to_string(), format!("{stem}_cam.jpg")]);
    let unknown = bench.oncospec(&["cam", "tiny", image, "--out", "cams", "--layer", "gates.0"]);
    unknown.with(2).telling(&["no layer `gates.0`", "decoder.0"]);
    bench
        .oncospec(&["check", "tiny.toml", "--set", "report.film.layer=gates.0"])
        .with(2)
        .telling(&["no layer `gates.0`", "decoder.0"]);

    for (format, file) in [("safetensors", "model.safetensors"), ("pytorch", "model.pth")] {
        bench.oncospec(&["export", "tiny", "--format", format, "--out", "exported"]).with(0);
        let weights =
            format!("model.weights.path={}", bench.path().join("exported").join(file).display());
        let planned = bench.oncospec(&["plan", "tiny.toml", "--set", &weights]).with(0);
        assert!(planned.out.contains("tensors match"), "{}", planned.out);
    }
    let card = fs::read_to_string(bench.path().join("exported/model.json")).unwrap();
    let card: serde_json::Value = serde_json::from_str(&card).unwrap();
    assert_eq!(card["output"]["activation"], "sigmoid");
    assert_eq!(card["weights"]["file"], "model.pth");
}

#[test]
fn a_suite_runs_its_experiments_and_compares_them_under_its_title() {
    let bench = Bench::new();
    bench.tiny("");
    bench.file("other.toml", "extends = 'tiny.toml'\nname = 'other'\nseeds = [1]\n");
    bench.file(
        "both.toml",
        "name = 'both'\ntitle = 'Two of a kind'\nexperiments = ['tiny.toml', 'other.toml']\n",
    );
    bench.oncospec(&["run", "both.toml", "--set", "schedule.epochs=1"]).with(0);
    let page = fs::read_to_string(bench.path().join("reports/both.html")).unwrap();
    assert!(page.contains("Two of a kind</") && page.contains("other"));
    bench.file("wrong.toml", "name = 'wrong'\nexperiments = ['tiny.toml']\n");
    bench.oncospec(&["run", "wrong.toml"]).with(2).telling(&["not a suite", "title"]);
}

#[test]
fn the_same_spec_seed_and_device_twice_is_the_same_bit_for_bit_whatever_the_workers() {
    let bench = Bench::new();
    bench.tiny("[augment]\nhorizontal-flip = { probability = 0.5 }\nnoise = { probability = 0.5, range = [0.0, 0.1] }\n");
    for (output, workers) in [("a", "1"), ("b", "3")] {
        let output = format!("run.output={output}");
        let workers = format!("run.workers={workers}");
        bench.oncospec(&["run", "tiny.toml", "--set", &output, "--set", &workers]).with(0);
    }
    let (one, other) = (bench.only_run("a", "tiny"), bench.only_run("b", "tiny"));
    assert_eq!(one.file_name(), other.file_name(), "the same run id");
    assert_equal_runs(&one, &other);
}

#[test]
fn a_subset_is_planned_trained_and_told_and_what_the_file_did_not_say_is_remarked_on() {
    let bench = Bench::new();
    bench.tiny("");
    let sets = ["--set", "dataset.subset={train=0.5, test=0.0}", "--set", "schedule.epochs=1"];
    let planned = bench.oncospec(&[&["plan", "tiny.toml"], &sets[..]].concat()).with(0);
    planned.telling(&["`dataset.subset` keeps 0.5 of the training cases"]);
    bench.oncospec(&[&["run", "tiny.toml"], &sets[..]].concat()).with(0);
    let record = Record::read(bench.only_run("runs", "tiny")).unwrap();
    let cases = |split| record.split.iter().filter(|row| row.split == split).count();
    assert_eq!(
        [cases(SplitName::Train), cases(SplitName::Valid), cases(SplitName::Test)],
        [11, 10, 3]
    );
    let page = fs::read_to_string(bench.path().join("reports/tiny.html")).unwrap();
    for part in ["cases in no split", "schedule.epochs = 1. The description"] {
        assert!(page.contains(part), "{part}");
    }
    let refused = bench.oncospec(&["check", "tiny.toml", "--set", "dataset.subset.train=2"]);
    refused.with(2).telling(&["dataset.subset.train", "0", "1"]);
}

#[test]
fn seeds_are_runs_of_their_own() {
    let bench = Bench::new();
    bench.tiny("");
    let said = bench
        .oncospec(&[
            "run",
            "tiny.toml",
            "--set",
            "seeds=[3, 4]",
            "--set",
            "schedule.epochs=1",
            "--json",
        ])
        .with(0);
    let outcomes: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_ne!(outcomes[0]["run-id"], outcomes[1]["run-id"]);
    assert_eq!(outcomes[1]["seed"], 4);
}

/// The directory of a run below `killed` that has gone so far.
fn killed_after_epoch_2(bench: &Bench) -> PathBuf {
    let folder = planned(bench, "killed");
    let mut child = bench.start(&arguments("run.output=killed", &[]));
    wait_for_epoch(&mut child, &folder.join("checkpoints"), 2);
    sleep(Duration::from_millis(30));
    child.kill().unwrap();
    child.wait().unwrap();
    folder
}

#[test]
fn a_killed_run_goes_on_and_equals_an_uninterrupted_one() {
    let bench = Bench::new();
    bench.tiny("ema = { decay = 0.9 }\naccumulate = 2\nlearning-rate-schedule = { kind = \"reduce-on-plateau\", patience = 1 }\n");
    bench.oncospec(&arguments("run.output=whole", &[])).with(0);
    let folder = killed_after_epoch_2(&bench);
    assert_eq!(Record::read(&folder).unwrap().status.state, RunState::Interrupted);
    bench.oncospec(&["report", "killed/tiny", "-o", "killed.html"]).with(0);
    bench.oncospec(&arguments("run.output=killed", &[])).with(2).telling(&[
        "unfinished run",
        "--resume",
        "--force",
    ]);
    bench.oncospec(&arguments("run.output=killed", &["--resume"])).with(0);
    assert_equal_runs(&bench.only_run("whole", "tiny"), &folder);
    let sessions = Record::read(&folder).unwrap().provenance.sessions;
    assert_eq!(sessions.len(), 2);
    assert_eq!((sessions[0].after_epoch, sessions[1].after_epoch >= 2), (0, true));
    assert!(sessions.iter().all(|session| session.device.starts_with("cpu")));
}

#[test]
fn a_killed_run_remembers_which_layers_rest_until_a_later_epoch() {
    let bench = Bench::new();
    bench.file("tiny.toml", RESTING);
    bench.oncospec(&arguments("run.output=whole", &[])).with(0);
    let folder = killed_after_epoch_2(&bench);
    bench.oncospec(&arguments("run.output=killed", &["--resume"])).with(0);
    assert_equal_runs(&bench.only_run("whole", "tiny"), &folder);
}

#[test]
fn an_interrupted_run_is_readable_and_a_second_process_is_told() {
    let bench = Bench::new();
    bench.tiny("");
    let folder = planned(&bench, "stopped");
    let mut child = bench.start(&arguments("run.output=stopped", &["-o", "stopped.html"]));
    wait_for_epoch(&mut child, &folder.join("checkpoints"), 1);
    bench
        .oncospec(&arguments("run.output=stopped", &["--resume"]))
        .with(2)
        .telling(&["working on this run"]);
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let said = said(child.wait_with_output().unwrap()).with(1);
    said.telling(&["stopping after this step", "interrupted"]);
    let record = Record::read(&folder).unwrap();
    assert_eq!(record.status.state, RunState::Interrupted);
    assert!(!record.epochs.is_empty());
    let page = fs::read_to_string(bench.path().join("stopped.html")).unwrap();
    assert!(page.contains("interrupted"));
}

#[test]
fn a_loss_that_is_not_a_number_ends_the_run_and_names_the_cases() {
    let bench = Bench::new();
    bench.tiny("");
    let overrides = [
        "run",
        "tiny.toml",
        "--device",
        "cpu",
        "--set",
        "schedule.optimizer={kind=\"sgd\", learning-rate=10.0, momentum=0.99}",
        "--set",
        "loss={kind=\"bce\", positive-weight=1000.0}",
        "--set",
        "model={kind=\"attention-unet\", filters=[4, 8], dropout=[0.0, 0.0, 0.0]}",
        "--set",
        "seeds=[0, 1, 2, 3]",
    ];
    let said = bench.oncospec(&overrides).with(1);
    said.telling(&["training loss is", "epoch", "step", "/phantom"]);
    let runs = oncospec::record::list_runs(&bench.path().join("runs")).unwrap();
    let failed = runs.iter().filter(|run| run.status.state == RunState::Failed).count();
    assert!(failed > 0, "{runs:?}");
}

#[test]
fn a_filter_too_large_for_single_precision_ends_the_run_at_its_first_step() {
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&["run", "tiny.toml", "--set", "schedule.epochs=1"]).with(0);
    let run = bench.only_run("runs", "tiny");
    let weights = bench.large_weights(&run);
    let weights = format!("model.weights={{path={:?}}}", weights.display().to_string());
    let said = bench.oncospec(&["run", "tiny.toml", "--set", &weights]).with(1);
    said.telling(&["training loss is NaN in epoch 1, step 1"]);
}

#[test]
fn early_stopping_ends_training_and_the_record_says_why() {
    let bench = Bench::new();
    bench.tiny("early-stopping = { patience = 1, minimum-change = 1e6 }\n");
    bench.oncospec(&["run", "tiny.toml", "--set", "schedule.epochs=9"]).with(0);
    let record = Record::read(bench.only_run("runs", "tiny")).unwrap();
    assert_eq!((record.status.state, record.status.epoch), (RunState::Finished, 2));
    assert!(record.summary.notes.iter().any(|note| note.contains("stopped early after epoch 2")));
}

#[test]
fn a_gate_that_falls_makes_ci_exit_with_1_and_a_wrong_spec_with_2() {
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&["ci", "tiny.toml"]).with(0);
    let fallen = "gate={\"test.dice.lesion\"={at-least=0.999999}}";
    let said = bench.oncospec(&["ci", "tiny.toml", "--set", fallen, "--summary", "sum.md"]).with(1);
    assert!(said.out.contains("test.dice.lesion") && said.err.contains("was finished before"));
    assert_eq!(fs::read_to_string(bench.path().join("sum.md")).unwrap(), said.out);
    bench.oncospec(&["ci", "tiny.toml", "--set", "schedule.epochs=0"]).with(2);
}
