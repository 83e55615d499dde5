//! Two machines that see one folder: processes with locks of their own, whose operations on files are delayed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::support::{Bench, json, said};

/// A few epochs take longer than a lease lasts.
const RUN: [&str; 6] = ["run", "tiny.toml", "--device", "cpu", "--set", "schedule.epochs=40"];

/// Starts a command on a machine of that name.
fn start(bench: &Bench, library: &Path, machine: &str, more: &[&str]) -> Child {
    let folder = bench.path().join(machine);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("hostname"), format!("{machine}\n")).unwrap();
    fs::write(folder.join("boot_id"), format!("boot-of-{machine}\n")).unwrap();
    let mut command = bench.command(&[&RUN[..], more].concat());
    command.env("LD_PRELOAD", library).env("MACHINE", folder).env("MACHINE_DELAY", "20000");
    command.env("ONCOSPEC_LEASE_SECONDS", "2");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The run directory, once some epochs of it are done.
fn begun(bench: &Bench, child: &mut Child) -> PathBuf {
    let started = Instant::now();
    loop {
        let runs = fs::read_dir(bench.path().join("runs/tiny")).into_iter().flatten().flatten();
        let run = runs.map(|entry| entry.path()).find(|path| path.join("status.json").is_file());
        if let Some(run) = run.filter(|run| run.join("checkpoints/last.json").is_file()) {
            return run;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        assert!(started.elapsed() < Duration::from_secs(120), "no epoch after two minutes");
        sleep(Duration::from_millis(20));
    }
}

fn signal(signal: &str, child: &Child) {
    let process = child.id().to_string();
    assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
}

/// The weights and figures of the same run that nobody disturbs.
fn undisturbed() -> [Vec<u8>; 2] {
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&RUN).with(0);
    bits(&bench.only_run("runs", "tiny"))
}

fn bits(run: &Path) -> [Vec<u8>; 2] {
    ["model.safetensors", "figures.json"].map(|file| fs::read(run.join(file)).unwrap())
}

#[test]
fn a_run_of_another_machine_is_left_alone_while_that_lives_and_taken_over_when_it_was_killed() {
    let bench = Bench::new();
    let Some(library) = bench.machine() else { return };
    bench.tiny("");
    let mut first = start(&bench, &library, "n1", &["--set", "run.checkpoint-every=1"]);
    let run = begun(&bench, &mut first);
    let refused = said(start(&bench, &library, "n2", &["--resume"]).wait_with_output().unwrap());
    refused.with(2).telling(&[&format!("process {} on n1 is working on this run", first.id())]);
    assert!(first.try_wait().unwrap().is_none(), "the first goes on");
    first.kill().unwrap();
    first.wait().unwrap();
    let killed = Instant::now();
    let second = start(&bench, &library, "n2", &["--resume"]).wait_with_output().unwrap();
    assert!(killed.elapsed() > Duration::from_secs(2), "its lease had not ended");
    said(second).with(0).telling(&["process", "on n1 holds this run"]);
    assert_eq!(json(&run.join("provenance.json"))["sessions"].as_array().unwrap().len(), 2);
    assert!(bits(&run) == undisturbed());
}

#[test]
fn a_process_that_was_halted_while_another_machine_took_its_run_over_writes_nothing_more() {
    let bench = Bench::new();
    let Some(library) = bench.machine() else { return };
    bench.tiny("");
    let mut first = start(&bench, &library, "n1", &[]);
    let run = begun(&bench, &mut first);
    signal("-STOP", &first);
    let second = start(&bench, &library, "n2", &["--resume"]).wait_with_output().unwrap();
    said(second).with(0);
    let finished = fs::read(run.join("status.json")).unwrap();
    signal("-CONT", &first);
    let first = said(first.wait_with_output().unwrap());
    assert_ne!(first.code, Some(0), "{}", first.err);
    first.telling(&["gave no sign of life"]);
    assert!(fs::read(run.join("status.json")).unwrap() == finished);
    assert!(bits(&run) == undisturbed());
}
