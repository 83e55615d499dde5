//! Runs that a cluster makes: what its nodes are given, and what it is asked. `.ci/slurm` does it with a real Slurm.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use oncospec::record::list_runs;
use serde_json::Value;

use super::support::{Bench, Said, json, said};

const SWEEP: &str = r#"
[evaluation]
ensemble = true

[sweep]
kind = "grid"
metric = "valid.dice.lesion"
halving = { epochs = 1, factor = 2 }

[sweep.over."schedule.optimizer.learning-rate"]
kind = "values"
values = [0.03, 0.01, 0.001]
"#;

/// The stages of a spec, as a manifest has them, in a file.
fn stages(bench: &Bench, spec: &str, sets: &[&str]) -> Value {
    let manifest = ["manifest", spec, "--kind", "kubernetes", "--device", "cpu"];
    let said = bench.oncospec(&[&manifest[..], sets].concat()).with(0);
    let documents: Vec<&str> = said.out.split("---\n").skip(1).collect();
    let map: Value = serde_json::from_str(documents[0]).unwrap();
    let text = map["data"]["stages.json"].as_str().unwrap();
    bench.file("stages.json", text);
    serde_json::from_str(text).unwrap()
}

fn names(stages: &Value) -> Vec<(String, usize)> {
    let of = |stage: &Value| {
        (stage["name"].as_str().unwrap().to_string(), stage["elements"].as_array().unwrap().len())
    };
    stages["stages"].as_array().unwrap().iter().map(of).collect()
}

fn element(bench: &Bench, stage: usize, element: usize) -> Said {
    bench.oncospec(&["element", "stages.json", &stage.to_string(), &element.to_string()])
}

/// The runs below a folder with their states.
fn made(bench: &Bench, output: &str) -> Vec<(String, u32, String)> {
    let runs = list_runs(&bench.path().join(output)).unwrap();
    let of =
        |run: oncospec::record::RunSummary| (run.run_id, run.seed, run.status.state.to_string());
    let mut made: Vec<_> = runs.into_iter().map(of).collect();
    made.sort();
    made
}

#[test]
fn elements_in_any_order_make_the_runs_and_the_page_of_one_machine() {
    let bench = Bench::new();
    bench.tiny(SWEEP);
    let seeds = ["--set", "seeds=[0, 1]"];
    let several = [&seeds[..], &["--set", "run.output=several"]].concat();
    let found = stages(&bench, "tiny.toml", &several);
    let expected = [
        ("trials of tiny to epoch 1", 6),
        ("trials of tiny to epoch 2", 6),
        ("trials of tiny to the end", 6),
        ("choices", 1),
        ("page", 1),
    ];
    assert_eq!(names(&found), expected.map(|(name, count)| (name.to_string(), count)));
    for (stage, (_, count)) in expected.iter().enumerate() {
        for index in (0..*count).rev() {
            element(&bench, stage, index).with(0);
        }
    }
    let page = fs::read_to_string(bench.path().join("reports/tiny.html")).unwrap();
    assert!(page.contains("average of 2 seeds"));
    let run = ["run", "tiny.toml", "--device", "cpu", "--set", "run.output=one", "-o", "one.html"];
    bench.oncospec(&[&run[..], &seeds].concat()).with(0);
    let one = made(&bench, "one");
    // Three trials, of which two ended after the first epoch, the chosen one, each of two seeds, and the average.
    assert_eq!((one.len(), &made(&bench, "several")), (9, &one));
}

#[test]
fn a_guide_that_fails_leaves_its_classifier_unmade_and_the_page_says_so() {
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&["run", "tiny.toml", "--set", "schedule.epochs=1"]).with(0);
    let weights = bench.large_weights(&bench.only_run("runs", "tiny"));
    fs::remove_dir_all(bench.path().join("runs")).unwrap();
    let weights = format!("weights = {{ path = {:?} }}", weights.display().to_string());
    let guide = format!("extends = \"tiny.toml\"\nname = \"guide\"\n[model]\n{weights}\n");
    bench.file("guide.toml", guide);
    bench.file(
        "guided.toml",
        "name = \"guided\"\n[task]\nkind = \"classify\"\ninputs = [\"gray\", \"mask\"]\n\
         guide = { experiment = \"guide.toml\", folds = 3 }\n[dataset]\nkind = \"phantom\"\ncases = 40\nimage-size = 32\n\
         channels = \"gray\"\n[model]\nkind = \"resnet18\"\n[loss]\nkind = \"cross-entropy\"\n",
    );
    let found = stages(&bench, "guided.toml", &[]);
    let of = ["guides of guided", "masks of guided", "runs of guided", "page"];
    assert_eq!(names(&found).iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), of);
    assert_eq!(found["stages"][2]["after"], serde_json::json!([{ "stage": 1, "succeeded": true }]));
    element(&bench, 0, 0).with(1).telling(&["guide fold 0 seed 0: failed: the training loss is"]);
    element(&bench, 1, 0).with(1).telling(&["which guides it, is not finished"]);
    element(&bench, 3, 0).with(1).telling(&["which guides it, did not finish", "report: "]);
}

/// Programs in the place of Slurm's: `sbatch` notes its arguments and gives numbers from 1 on, `squeue` says what `queue` holds.
fn slurm(bench: &Bench) -> impl Fn(&[&str]) -> Said + '_ {
    for (name, text) in [
        (
            "sbatch",
            "[ \"$1\" = --version ] && exit; echo \"$@\" >>sbatch.log; [ -e refuse ] && { echo 'over the limit' >&2; exit 1; }; wc -l <sbatch.log",
        ),
        ("squeue", "cat queue 2>/dev/null || true"),
        ("scancel", "echo \"$@\" >>scancel.log"),
        ("scontrol", "echo 'MaxArraySize            = 2'"),
    ] {
        let program = bench.file(&format!("bin/{name}"), format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", bench.path().join("bin").display(), std::env::var("PATH").unwrap());
    move |arguments: &[&str]| said(bench.command(arguments).env("PATH", &path).output().unwrap())
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(String::from).collect()
}

#[test]
fn a_spec_is_submitted_once_as_arrays_that_depend_on_each_other() {
    let bench = Bench::new();
    bench.tiny(
        "[run.slurm]\npartition = \"gpu,long\"\ncpus = 2\nmemory = \"8G\"\ntime = \"1-00:00:00\"\nat-once = 1\nrequeues = 7\n",
    );
    let oncospec = slurm(&bench);
    let run = ["run", "tiny.toml", "--on", "slurm", "--set", "seeds=[0, 1, 2]"];
    let submitted = oncospec(&[&run[..], &["--json"]].concat()).with(0);
    submitted.telling(&["runs: 3 jobs, array 1, 2", "page: 1 job, array 3, afterany:1:2"]);
    let log = lines(&bench.path().join("sbatch.log"));
    for part in [
        "--array=0-1%1 ",
        "--cpus-per-task=2",
        "--mem=8G",
        "--time=1-00:00:00",
        "--partition=gpu,long",
        "--signal=USR1@120",
        "--requeue",
        "job-0.sh 0",
    ] {
        assert!(log[0].contains(part), "{part}: {}", log[0]);
    }
    assert!(log[1].contains("--array=0-0%1") && log[1].ends_with("job-0.sh 2"), "{}", log[1]);
    assert!(log[2].contains("--dependency=afterany:1:2 --kill-on-invalid-dep=yes"), "{}", log[2]);
    let files = bench.path().join("runs/tiny/slurm");
    assert!(fs::read_to_string(files.join("job-0.sh")).unwrap().contains("75) most=7 ;;"));
    assert_eq!(json(&files.join("submission.json"))["arrays"].as_array().unwrap().len(), 3);

    bench.file("queue", "1|0|RUNNING|None|n1\n1|1|FAILED|NonZeroExitCode|n1\n2|0|PENDING|Resources|\n3|0|PENDING|Dependency|\n");
    let again = oncospec(&run).with(2);
    again.telling(&["3 jobs of it are in the queue", "`oncospec slurm cancel`"]);
    assert_eq!(lines(&bench.path().join("sbatch.log")).len(), 3);
    let status = oncospec(&["slurm", "status", "tiny.toml", "--json"]).with(1);
    let rows: Vec<Value> = serde_json::from_str(&status.out).unwrap();
    let states: Vec<&str> = rows.iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["runs", "failed", "waits", "waits"]);
    assert!(rows[1]["help"].as_str().unwrap().contains("logs/1_1.log"), "{}", rows[1]);
    oncospec(&["slurm", "collect", "tiny.toml"]).with(2).telling(&["no run has begun"]);
    oncospec(&["slurm", "cancel", "tiny.toml"]).with(0).telling(&["cancelled: 3 jobs"]);
    assert!(lines(&bench.path().join("scancel.log"))[0].starts_with("--name=oncospec-tiny-"));

    // What is finished is not submitted again, and what Slurm refuses leaves no job behind.
    bench.file("queue", "");
    let first = ["run", "tiny.toml", "--device", "cpu", "--set", "seeds=[0]"];
    bench.oncospec(&first).with(0);
    oncospec(&run).with(0).telling(&["runs: 2 jobs, array 4\n"]);
    oncospec(&["slurm", "collect", "tiny.toml", "-o", "some.html"]).with(0).telling(&["of 1 runs"]);
    bench.file("refuse", "");
    oncospec(&run).with(1).telling(&["Slurm refused `sbatch --parsable", "over the limit"]);
    assert_eq!(lines(&bench.path().join("scancel.log")).len(), 2);
}

#[test]
fn what_a_cluster_cannot_do_is_said_before_anything_is_submitted() {
    let bench = Bench::new();
    bench.tiny("");
    let oncospec = slurm(&bench);
    let on = |more: &[&str]| oncospec(&[&["run", "tiny.toml", "--on", "slurm"][..], more].concat());
    on(&["--device", "cuda"]).with(2).telling(&["set `run.slurm.gpus = 1`"]);
    on(&["--force"]).with(2);
    on(&["--set", "run.slurm.memory=lots"]).with(2).telling(&["run.slurm.memory"]);
    oncospec(&["slurm", "status", "tiny.toml"]).with(2).telling(&["nothing was submitted here"]);
    assert!(!bench.path().join("sbatch.log").exists() && !bench.path().join("runs").exists());
    let mut without = bench.command(&["run", "tiny.toml", "--on", "slurm"]);
    let without = said(without.env("PATH", bench.path().join("none")).output().unwrap());
    without.with(2).telling(&["there is no such command", "leave out --on"]);
    // A machine without a GPU plans runs for one: their ids are those of a GPU.
    let of = |more: &[&str]| stages(&bench, "tiny.toml", more)["stages"][0]["elements"][0].clone();
    let manifest = ["manifest", "tiny.toml", "--kind", "kubernetes", "--set", "run.slurm.gpus=1"];
    let said = bench.oncospec(&manifest).with(0);
    assert!(
        said.out.contains("\"nvidia.com/gpu\": \"1\"")
            && said.out.contains("\\\"device\\\":\\\"cuda\\\"")
    );
    let on_cpu = of(&[])["runs"][0].to_string();
    assert!(!said.out.contains(on_cpu.trim_matches('"')));
}
