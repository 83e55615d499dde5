//! Folds and trials: several runs of one spec, which are skipped where they are done and go on where they are not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use oncospec::record::{Record, RunState, Sweep, list_runs};
use oncospec::split_name::SplitName;

use super::support::{Bench, json};

const FOLDS: &str = "dataset.split={ kind = \"kfold\", folds = 3 }";

/// The finished runs below `runs`.
fn finished(bench: &Bench) -> Vec<PathBuf> {
    let runs = bench.path().join("runs");
    let all = if runs.is_dir() { list_runs(&runs).unwrap() } else { Vec::new() };
    let finished = all.into_iter().filter(|run| run.status.state == RunState::Finished);
    finished.map(|run| run.path).collect()
}

/// Kills a process once so many runs are finished.
fn kill_after(mut child: Child, bench: &Bench, count: usize) {
    let started = Instant::now();
    while finished(bench).len() < count {
        assert!(child.try_wait().unwrap().is_none(), "it ended before {count} runs were finished");
        assert!(started.elapsed() < Duration::from_secs(120), "no {count} runs after two minutes");
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn trained_at(run: &Path) -> std::time::SystemTime {
    fs::metadata(run.join("model.safetensors")).unwrap().modified().unwrap()
}

fn page(bench: &Bench) -> String {
    fs::read_to_string(bench.path().join("reports/tiny.html")).unwrap()
}

#[test]
fn killed_folds_go_on_where_they_were_and_are_one_row_over_all_cases() {
    let bench = Bench::new();
    bench.tiny("");
    let command = ["run", "tiny.toml", "--device", "cpu", "--set", FOLDS];
    let json_too = [&command[..], &["--json"]].concat();
    kill_after(bench.start(&command), &bench, 1);
    let first = finished(&bench);
    let before = trained_at(&first[0]);
    let said = bench.oncospec(&json_too).with(0).telling(&["fold 0 seed 0: was finished before"]);
    let outcomes: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(outcomes.as_array().unwrap().len(), 3);
    assert_eq!((outcomes[0]["reused"].as_bool(), trained_at(&first[0])), (Some(true), before));

    let records: Vec<Record> =
        finished(&bench).iter().map(|run| Record::read(run).unwrap()).collect();
    let mut tested: Vec<String> = records
        .iter()
        .flat_map(|record| record.split.iter().filter(|row| row.split == SplitName::Test))
        .map(|row| row.case.clone())
        .collect();
    tested.sort();
    tested.dedup();
    assert_eq!((records.len(), tested.len()), (3, 40), "each case is tested once");
    assert!(said.err.contains("tiny, 3 folds: each case"), "{}", said.err);
    let pooled = page(&bench);
    assert!(pooled.contains("tiny, 3 folds") && pooled.contains("n = 40"));

    // A fold that is asked for alone is the same run.
    let alone = [&command[..], &["--set", "dataset.split.fold=2", "-o", "fold.html"]].concat();
    let said = bench.oncospec(&alone).with(0);
    said.telling(&["fold 2 seed 0: was finished before"]);
    // What makes it again names it.
    let again = &records[0].provenance.again;
    assert!(again.iter().any(|line| line.contains("dataset.split.fold=")), "{again:?}");

    let shown = bench.oncospec(&["plan", "tiny.toml", "--device", "cpu", "--set", FOLDS]).with(0);
    assert!(
        shown.out.contains("# Folds of tiny") && shown.out.contains("fold 2: "),
        "{}",
        shown.out
    );
    bench
        .oncospec(&["check", "tiny.toml", "--set", FOLDS])
        .with(0)
        .telling(&["tiny.toml, fold 0: ok", "tiny.toml, fold 2: ok"]);
}

#[test]
fn repeated_divisions_are_one_row_and_no_doubt() {
    let bench = Bench::new();
    bench.tiny("");
    let folds = "dataset.split={ kind = \"kfold\", folds = 3, repeats = 2 }";
    let epochs = "schedule.epochs=1";
    bench.oncospec(&["run", "tiny.toml", "--set", folds, "--set", epochs]).with(0);
    assert_eq!(finished(&bench).len(), 6);
    let page = page(&bench);
    assert!(page.contains("tiny, 3 folds, 2 repeats") && page.contains("n = 40"));
    assert!(!page.contains("no longer those of unseen cases"));
}

const SWEEP: &str = r#"
[sweep]
kind = "grid"
metric = "valid.dice.lesion"

[sweep.over."schedule.optimizer.learning-rate"]
kind = "values"
values = [0.01, 0.0001]

[sweep.over."model.weights"]
kind = "values"
values = [false, { path = "large.safetensors" }]
when = { "schedule.optimizer.learning-rate" = [0.01] }

[gate]
"test.accuracy.pooled" = { at-least = 0.0 }
"#;

#[test]
fn a_killed_sweep_goes_on_a_failing_trial_costs_nothing_else_and_the_best_alone_is_tested() {
    let bench = Bench::new();
    bench.tiny(SWEEP);
    let alone = ["--set", "sweep=false", "--set", "schedule.epochs=1"];
    bench.oncospec(&[&["run", "tiny.toml"][..], &alone].concat()).with(0);
    bench.large_weights(&bench.only_run("runs", "tiny"));
    fs::remove_dir_all(bench.path().join("runs")).unwrap();
    let command = ["run", "tiny.toml", "--device", "cpu"];
    kill_after(bench.start(&command), &bench, 1);
    let first = finished(&bench);
    let before = trained_at(&first[0]);
    let ledger = bench.path().join("runs/tiny/test-readings.jsonl");
    assert!(!ledger.exists(), "no trial reads the test split");

    let said = bench.oncospec(&[&command[..], &["--json"]].concat()).with(1).telling(&[
        "tiny: 3 trials",
        "failed  model.weights",
        "training loss is NaN",
        "is chosen",
    ]);
    assert_eq!(trained_at(&first[0]), before);
    let outcomes: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(outcomes.as_array().unwrap().len(), 1);
    let chosen = bench.path().join(outcomes[0]["path"].as_str().unwrap());
    let record = Record::read(&chosen).unwrap();
    let Sweep { metric, chosen: number, trials } = &record.sweep;
    assert_eq!((metric.as_str(), trials.len()), ("valid.dice.lesion", 3));
    assert_eq!((trials[1].state, trials[1].value), (RunState::Failed, None));
    let value = |number: usize| trials[number - 1].value.unwrap_or(f64::NEG_INFINITY);
    assert!((1..=3).all(|other| value(*number) >= value(other)), "{trials:?}");
    assert!(record.gates[0].held);
    assert!(record.figures.iter().any(|figure| figure.split == SplitName::Test));
    let tested = finished(&bench).into_iter().filter(|run| {
        let figures = Record::read(run).unwrap().figures;
        figures.iter().any(|figure| figure.split == SplitName::Test)
    });
    let tested: Vec<PathBuf> = tested.collect();
    assert!(tested.len() == 1 && tested[0] == chosen, "{tested:?}");
    assert_eq!(fs::read_to_string(&ledger).unwrap().lines().count(), 1);
    let page = page(&bench);
    assert!(page.contains("3 trials") && page.contains("badge badge-held\">chosen"));
    // The weights are those of the trial.
    let of_trial = json(&chosen.join("provenance.json"));
    assert!(of_trial["taken_from"].is_string() || of_trial["taken-from"].is_string(), "{of_trial}");

    bench.oncospec(&command).with(1).telling(&["was finished before"]);
    assert_eq!(fs::read_to_string(&ledger).unwrap().lines().count(), 1);

    let shown = bench.oncospec(&["plan", "tiny.toml", "--device", "cpu"]).with(0);
    assert!(shown.out.contains("# Trials of tiny") && shown.out.contains("2: model.weights"));
    bench.oncospec(&["check", "tiny.toml"]).with(0).telling(&["; 3 trials"]);
}

#[test]
fn each_fold_chooses_its_own_trial() {
    let bench = Bench::new();
    bench.tiny(
        "\n[sweep]\nkind = \"random\"\ntrials = 2\nmetric = \"valid.loss\"\n\
         [sweep.over.\"schedule.optimizer.learning-rate\"]\nkind = \"log-uniform\"\nlow = 1e-4\nhigh = 1e-1\n",
    );
    let wrong = bench.oncospec(&["check", "tiny.toml", "--set", FOLDS]).with(2);
    wrong.telling(&["tiny.toml:24", "`valid.loss` is not one that [evaluation] records"]);
    let metric = "sweep.metric=valid.iou.lesion";
    let sets = ["run", "tiny.toml", "--set", FOLDS, "--set", metric, "--set", "schedule.epochs=1"];
    bench.oncospec(&sets).with(0).telling(&["tiny fold 0: 2 trials", "tiny fold 2: trial "]);
    assert_eq!(finished(&bench).len(), 9);
    let page = page(&bench);
    assert!(page.contains("tiny, 3 folds") && page.contains("n = 40"));
}

#[test]
fn bad_trials_are_ended_early_and_stay_so() {
    let bench = Bench::new();
    bench.tiny(
        "\n[sweep]\nkind = \"grid\"\nmetric = \"valid.dice.lesion\"\nhalving = { epochs = 1, factor = 2 }\n\
         [sweep.over.\"schedule.optimizer.learning-rate\"]\nkind = \"values\"\nvalues = [0.03, 0.01, 0.003, 0.0001]\n",
    );
    let said = bench.oncospec(&["run", "tiny.toml", "--json"]).with(0);
    let outcomes: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let chosen = bench.path().join(outcomes[0]["path"].as_str().unwrap());
    let sweep = Record::read(&chosen).unwrap().sweep;
    let ended = |after: &str| {
        let ended = |why: &String| why.starts_with(&format!("ended after epoch {after},"));
        sweep.trials.iter().filter(|trial| trial.why.as_ref().is_some_and(ended)).count()
    };
    assert_eq!((ended("1"), ended("2")), (2, 1), "{:?}", sweep.trials);
    assert!(sweep.trials[sweep.chosen - 1].value.is_some());
    let runs = || {
        let runs = list_runs(&bench.path().join("runs")).unwrap();
        let mut epochs: Vec<u32> = runs.iter().map(|run| run.status.epoch).collect();
        epochs.sort_unstable();
        epochs
    };
    // The chosen trial and its run with the test split have all epochs.
    assert_eq!(runs(), [1, 1, 2, 3, 3]);
    bench.oncospec(&["run", "tiny.toml"]).with(0).telling(&["was finished before"]);
    assert_eq!(runs(), [1, 1, 2, 3, 3]);
    assert_eq!(Record::read(&chosen).unwrap().sweep, sweep);
    let late = ["check", "tiny.toml", "--set", "sweep.halving.epochs=3"];
    bench.oncospec(&late).with(2).telling(&["sweep.halving.epochs", "no trial would be ended"]);
}

#[test]
fn what_is_wrong_with_a_trial_is_found_before_any_is_made() {
    let bench = Bench::new();
    bench.tiny("");
    let said = |over: &str| {
        let sweep = format!(
            "sweep={{ kind = \"grid\", metric = \"valid.dice.lesion\", over = {{ {over} }} }}"
        );
        bench.oncospec(&["run", "tiny.toml", "--set", &sweep]).with(2)
    };
    let values =
        |key: &str, values: &str| format!("{key:?} = {{ kind = \"values\", values = {values} }}");
    said(&values("schedule.batch-size", "[4, 0]")).telling(&["trial 2", "schedule.batch-size"]);
    said(&values("schedule.batchsize", "[4]")).telling(&["unknown key `batchsize`"]);
    said(&values("run.workers", "[1, 2]")).telling(&["trials that differ in `run.workers`"]);
    let cases = said(&values("dataset.split.seed", "[0, 1]"));
    cases.telling(&["other validation or test cases"]);
    assert!(!bench.path().join("runs").exists());
}
