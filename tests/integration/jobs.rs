//! `run --jobs`: several runs at once, by processes of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use oncospec::record::{Record, RunState, list_runs};

use super::support::{Bench, json, said};

const SEEDS: &str = "seeds=[0, 1]";

/// The runs below a folder, in order of seeds.
fn runs(bench: &Bench, output: &str) -> Vec<PathBuf> {
    let output = bench.path().join(output);
    let runs = if output.is_dir() { list_runs(&output).unwrap() } else { Vec::new() };
    runs.into_iter().map(|run| run.path).collect()
}

/// Waits until something is there.
fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(180), "no {what} after three minutes");
        sleep(Duration::from_millis(20));
    }
}

/// The processes that make two runs, once each has made an epoch and said so, which it does before the end of the next.
fn processes(bench: &Bench, child: &mut Child) -> Vec<(PathBuf, String)> {
    wait_for("epoch of two runs", || {
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        let begun = |run: &PathBuf| {
            let holder = fs::read_to_string(run.join("lock")).ok()?.trim().to_string();
            let is_begun = run.join("checkpoints/last.json").is_file() && epoch(run) > 1;
            is_begun.then(|| (run.clone(), holder))
        };
        let begun: Vec<_> = runs(bench, "runs").iter().filter_map(begun).collect();
        (begun.len() == 2).then_some(begun)
    })
}

fn signal(signal: &str, process: &str) {
    assert!(Command::new("kill").args([signal, process]).status().unwrap().success());
}

fn is_there(process: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{process}/stat"));
    state.is_ok_and(|state| !state.contains(") Z "))
}

fn epoch(run: &Path) -> u64 {
    json(&run.join("status.json"))["epoch"].as_u64().unwrap()
}

#[test]
fn runs_that_are_made_at_once_are_those_that_are_made_in_turn() {
    let bench = Bench::new();
    bench.tiny(
        "\n[sweep]\nkind = \"grid\"\nmetric = \"valid.dice.lesion\"\nhalving = { epochs = 1, factor = 2 }\n\
         [sweep.over.\"schedule.optimizer.learning-rate\"]\nkind = \"values\"\nvalues = [0.03, 0.001]\n",
    );
    let made = |output: &str, jobs: &str| {
        let output = format!("run.output={output}");
        let sets = ["--set", SEEDS, "--set", "schedule.epochs=2", "--set", &output, "--json"];
        let command = ["run", "tiny.toml", "--device", "cpu", "--jobs", jobs];
        let said = bench.oncospec(&[&command[..], &sets].concat()).with(0);
        let outcomes: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap();
        outcomes.iter().map(|one| one["run-id"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(made("one", "1"), made("several", "3"));
    let (one, several) = (runs(&bench, "one"), runs(&bench, "several"));
    // Two trials, one of which is ended, and the one that is chosen; two seeds each.
    assert_eq!((one.len(), several.len()), (6, 6));
    for (one, other) in one.iter().zip(&several) {
        assert_eq!(one.file_name(), other.file_name());
        for file in ["figures.json", "epochs.parquet", "cases.parquet", "model.safetensors"] {
            let bytes = |run: &Path| fs::read(run.join(file)).ok();
            assert!(bytes(one) == bytes(other), "{file} of {}", one.display());
        }
        let (one, other) = (Record::read(one).unwrap(), Record::read(other).unwrap());
        assert_eq!(one.sweep, other.sweep);
        assert_eq!(one.summary.position, other.summary.position);
    }
}

#[test]
fn a_process_that_dies_is_named_and_costs_no_other_run() {
    let bench = Bench::new();
    bench.tiny("");
    let command = ["run", "tiny.toml", "--device", "cpu", "--jobs", "2", "--set", SEEDS];
    let mut child = bench.start(&[&command[..], &["--set", "schedule.epochs=40"]].concat());
    let processes = processes(&bench, &mut child);
    signal("-KILL", &processes[0].1);
    let said = said(child.wait_with_output().unwrap()).with(1);
    said.telling(&[
        "error: tiny seed 0: its process ended (signal: 9 (SIGKILL)); the last that it said was: epoch ",
    ]);
    let state = |run: &Path| Record::read(run).unwrap().status.state;
    let states = [state(&processes[0].0), state(&processes[1].0)];
    assert_eq!(states, [RunState::Interrupted, RunState::Finished]);
    assert!(bench.path().join("reports/tiny.html").is_file());
}

#[test]
fn a_signal_or_the_death_of_the_command_stops_all_runs_after_a_step() {
    let bench = Bench::new();
    bench.tiny("");
    let command = ["run", "tiny.toml", "--device", "cpu", "--jobs", "2", "--set", SEEDS];
    let command = [&command[..], &["--set", "schedule.epochs=5000"]].concat();
    let mut child = bench.start(&command);
    let first = processes(&bench, &mut child);
    signal("-TERM", &child.id().to_string());
    let told = said(child.wait_with_output().unwrap()).with(1);
    told.telling(&["tiny seed 0: interrupted", "tiny seed 1: interrupted"]);
    assert!(first.iter().all(|(_, process)| !is_there(process)));

    let mut child = bench.start(&[&command[..], &["--resume"]].concat());
    let before: Vec<u64> = first.iter().map(|(run, _)| epoch(run)).collect();
    wait_for("further epoch", || {
        first.iter().zip(&before).all(|((run, _), before)| epoch(run) > *before).then_some(())
    });
    let second = processes(&bench, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    for (_, process) in &second {
        wait_for("end of a process", || (!is_there(process)).then_some(()));
    }
    for (run, _) in &second {
        let status = Record::read(run).unwrap().status;
        assert_eq!(status.state, RunState::Interrupted);
        assert!(status.why.is_some_and(|why| why.contains("stop")), "it ended by itself");
    }
}
