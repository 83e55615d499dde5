//! The average of the seeds of a spec: a record of its own, beside those of its runs.

use std::fs;

use oncospec::record::{Record, list_runs};

use super::support::{Bench, full_name};

const ENSEMBLE: &str = r#"
[evaluation]
metrics = ["dice", "auc"]
ensemble = true
threshold = { kind = "best-on-valid", metric = "dice" }
calibration = { kind = "temperature" }
post-process = [{ kind = "fill-holes" }]
keep = { kind = "if-better-on-valid", metric = "dice" }
"#;
const SEEDS: [&str; 4] = ["--set", "seeds=[0, 1]", "--set", "schedule.epochs=1"];
const FOLDS: &str = "dataset.split={ kind = \"kfold\", folds = 3 }";

/// The records of a folder of runs: those of runs, and those of averages.
fn records(bench: &Bench, root: &str) -> (Vec<Record>, Vec<Record>) {
    let runs = list_runs(&bench.path().join(root)).unwrap();
    let records = runs.iter().map(|run| Record::read(&run.path).unwrap());
    records.partition(|record| !record.summary.is_average())
}

fn run(bench: &Bench, more: &[&str]) -> String {
    let command = [&["run", "tiny.toml", "--device", "cpu"][..], &SEEDS, more].concat();
    bench.oncospec(&command).with(0).err
}

fn name(record: &Record) -> &str {
    record.path.file_name().unwrap().to_str().unwrap()
}

/// The probabilities that a run, or those of an experiment, predict of an image.
fn predicted(bench: &Bench, run: &str, out: &str) -> Vec<u8> {
    let image = "data/benign/benign (1).png";
    bench.oncospec(&["predict", run, image, "--out", out, "--device", "cpu"]).with(0);
    fs::read(bench.path().join(out).join("benign (1)_probability.png")).unwrap()
}

#[test]
fn the_average_of_the_seeds_is_a_record_of_its_own_and_is_no_seed() {
    let bench = Bench::new();
    bench.tiny(ENSEMBLE);
    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "3"]).with(0);
    let shown = bench.oncospec(&[&["check", "tiny.toml"][..], &SEEDS].concat()).with(0);
    shown.telling(&["; the average of 2 seeds"]);
    let one_fold = ["--set", FOLDS, "--set", "dataset.split.fold=0"];
    let said = run(&bench, &one_fold);
    assert!(said.contains("tiny fold 0, average of seeds 0, 1: finished"), "{said}");
    let (runs, averages) = records(&bench, "runs");
    let [average] = averages.as_slice() else { panic!("{} averages", averages.len()) };
    assert_eq!(average.summary.members, [name(&runs[0]), name(&runs[1])]);
    assert!(!average.path.join("model.safetensors").exists() && average.epochs.is_empty());
    assert_eq!(average.provenance.weights_sha256, None);
    let page = || fs::read_to_string(bench.path().join("reports/tiny.html")).unwrap();
    assert!(!page().contains("no longer those of unseen cases"));

    // It predicts what its runs predict together, and scores what it recorded.
    let path = average.path.to_str().unwrap();
    assert!(predicted(&bench, path, "own") == predicted(&bench, "tiny", "of-runs"));
    assert!(bench.scored_alike(path, average) > 0);
    let readings = fs::read_to_string(bench.path().join("runs/tiny/test-readings.jsonl")).unwrap();
    assert_eq!(readings.matches("\"average\":true").count(), 2, "{readings}");
    let refused = bench.oncospec(&["export", path, "--out", "weights"]).with(2).err;
    assert!(refused.contains("no weights of its own") && refused.contains(name(&runs[0])));

    // Its threshold is the one that is best on the validation split.
    let threshold = average.summary.threshold.clone().unwrap();
    assert!(threshold.chosen.contains("on the validation split"), "{}", threshold.chosen);
    let dice = |record: &Record| record.figure(&full_name("valid.dice.mean")).unwrap().value;
    for step in [-0.05, 0.05] {
        let fixed = format!(
            "evaluation.threshold={{ kind = \"fixed\", value = {} }}",
            threshold.value + step
        );
        let (root, output) = (format!("runs{step}"), format!("run.output=runs{step}"));
        let unprocessed = "evaluation.post-process=[]";
        let always = "evaluation.keep={ kind = \"always\" }";
        let keys = ["--set", &fixed, "--set", &output, "--set", unprocessed, "--set", always];
        run(&bench, &[&one_fold[..], &keys].concat());
        let (_, other) = records(&bench, &root);
        assert!(dice(&other[0]) <= dice(average), "{fixed}");
    }

    // Folds: what is finished is not made again, the averages of all folds are a row.
    let said = run(&bench, &["--set", FOLDS]);
    assert!(said.contains("fold 0, average of seeds 0, 1: was finished before"), "{said}");
    let (runs, averages) = records(&bench, "runs");
    assert_eq!((runs.len(), averages.len()), (6, 3));
    let page = page();
    assert!(page.contains("tiny, 3 folds, average of 2 seeds"));
    assert!(page.contains("tiny, fold 1, average of 2 seeds"));
    assert!(page.contains("tiny, 3 folds, 2 repeats"), "the seeds alone");

    // `ci` finds nothing to do, and has rows of its own for the averages.
    let ci = [&["ci", "tiny.toml", "--set", FOLDS, "--junit", "junit.xml"][..], &SEEDS].concat();
    let said = bench.oncospec(&ci).with(0);
    assert!(said.out.contains("tiny, 3 folds, average of 2 seeds"), "{}", said.out);
    assert!(!said.out.contains("What ran, and why"), "{}", said.out);
    let verdicts = fs::read_to_string(bench.path().join("junit.xml")).unwrap();
    assert!(verdicts.contains("tiny, fold 2, average of 2 seeds"), "{verdicts}");
    let accepted = [&ci[..], &["--accept", "--overwrite"]].concat();
    bench.oncospec(&accepted).with(0);
    let listed = bench.oncospec(&["list"]).with(0).out;
    assert_eq!(listed.matches(" mean finished").count(), 3, "{listed}");
}

#[test]
fn an_average_is_not_made_where_one_of_its_runs_did_not_finish() {
    let bench = Bench::new();
    bench.tiny("");
    run(&bench, &["--set", "seeds=[0]"]);
    bench.large_weights(&bench.only_run("runs", "tiny"));
    fs::remove_dir_all(bench.path().join("runs")).unwrap();
    bench.tiny(ENSEMBLE);
    let weights = "model.weights={ path = \"large.safetensors\" }";
    let command = [&["run", "tiny.toml", "--set", weights][..], &SEEDS].concat();
    let said = bench.oncospec(&command).with(1);
    said.telling(&["tiny, average of seeds 0, 1: not made: tiny seed 0 did not finish"]);
    assert!(records(&bench, "runs").1.is_empty());
    bench.oncospec(&["check", "tiny.toml"]).with(2).telling(&["`seeds` has one"]);
}

#[test]
fn several_processes_make_the_same_average_as_one() {
    let bench = Bench::new();
    bench.tiny(ENSEMBLE);
    let figures = |root: &str, jobs: &str| {
        run(&bench, &["--set", &format!("run.output={root}"), "--jobs", jobs]);
        let (_, averages) = records(&bench, root);
        fs::read(averages[0].path.join("figures.json")).unwrap()
    };
    assert!(figures("one", "1") == figures("two", "2"));
}
