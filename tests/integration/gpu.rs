//! What a GPU computes against what the CPU computes: runs, predictions, resume, failures. The GPU is there or emulated
//! (`crates/cuda-emulator`); without `TEST_ON_GPU` these tests are skipped.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use oncospec::record::Record;
use oncospec::split_name::SplitName;

use crate::support::{Bench, Said, repository, said};

/// A folder to work in, where there is a GPU, real or emulated.
fn bench() -> Option<Bench> {
    if std::env::var_os("TEST_ON_GPU").is_none() {
        eprintln!("skipped: TEST_ON_GPU is not set");
        return None;
    }
    let bench = Bench::new();
    // Numbers are to be compared, not speeds.
    bench.file("cubecl.toml", LEAST_TUNING);
    Some(bench)
}

const LEAST_TUNING: &str = include_str!("../../crates/cuda-emulator/cubecl.toml");

/// A spec of a task whose run takes seconds, without what is random on the device.
fn spec(task: &str, model: &str, more: &str) -> String {
    format!(
        "name = 'tiny'\n{task}\n\
         [dataset]\nkind = 'phantom'\ncases = 24\nimage-size = 32\nchannels = 'gray'\n\
         [model]\n{model}\n\
         [schedule]\nepochs = 2\nbatch-size = 4\n{more}\n"
    )
}

const UNET: &str = "kind = 'unet'\nencoder = { kind = 'plain', filters = [4, 8] }";

fn run(bench: &Bench, device: &str, output: &str, more: &[&str]) -> Said {
    let output = format!("run.output={output}");
    let arguments = ["run", "tiny.toml", "--device", device, "--set", &output];
    bench.oncospec(&[&arguments, more].concat())
}

/// The figures of each epoch.
fn figures(run: &Path) -> Vec<(u32, SplitName, String, f64)> {
    let record = Record::read(run).unwrap();
    let rows = record.epochs.iter().flat_map(|row| {
        row.figures.iter().map(|(name, value)| (row.epoch, row.split, name.clone(), *value))
    });
    rows.collect()
}

/// Whether two runs learned the same but for rounding.
#[track_caller]
fn assert_same_curves(one: &Path, other: &Path, splits: &[SplitName]) {
    let (one, other) = (figures(one), figures(other));
    assert_eq!(one.len(), other.len());
    for ((epoch, split, name, a), (.., b)) in one.iter().zip(&other) {
        if splits.contains(split) && name == "loss" {
            let near = (a - b).abs() <= 1e-4 * a.abs().max(b.abs());
            assert!(near, "{name} of {split:?} in epoch {epoch}: {a} and {b}");
        }
    }
}

const BOTH: [SplitName; 2] = [SplitName::Train, SplitName::Valid];

/// `--set` of the weights that a short run on the CPU ends with: random ones differ between devices.
fn start(bench: &Bench) -> String {
    run(bench, "cpu", "start", &["--set", "schedule.epochs=1"]).with(0);
    let weights = bench.only_run("start", "tiny").join("model.safetensors");
    format!("model.weights={{path='{}'}}", weights.display())
}

#[track_caller]
fn assert_gpu_learns_as_the_cpu(text: &str) {
    let Some(bench) = bench() else { return };
    bench.file("tiny.toml", text);
    let weights = start(&bench);
    run(&bench, "cpu", "cpu", &["--set", &weights]).with(0);
    run(&bench, "cuda", "gpu", &["--set", &weights]).with(0);
    let [cpu, gpu] = ["cpu", "gpu"].map(|output| bench.only_run(output, "tiny"));
    assert_same_curves(&cpu, &gpu, &BOTH);
}

#[test]
fn a_gpu_learns_to_segment_as_the_cpu() {
    let more =
        "accumulate = 2\nclip = { kind = 'global-norm', limit = 1.0 }\nema = { decay = 0.9 }";
    assert_gpu_learns_as_the_cpu(&spec("", UNET, more));
}

#[test]
fn a_gpu_learns_to_classify_and_gives_images_the_probabilities_that_the_cpu_gives() {
    let Some(bench) = bench() else { return };
    let task = "[task]\nkind = 'classify'\n[loss]\nkind = 'cross-entropy'\n\
                class-weights = { kind = 'balanced' }";
    let slow = "optimizer = { kind = 'sgd', learning-rate = 0.001 }";
    bench.file("tiny.toml", spec(task, "kind = 'resnet18'", slow));
    run(&bench, "cuda", "gpu", &[]).with(0);
    let trained = bench.only_run("gpu", "tiny");
    let image = repository().join("tests/fixtures/images/gray.jpg");
    let probabilities = |device: &str| -> Vec<f64> {
        let [run, image] = [&trained, &image].map(|path| path.to_str().unwrap());
        let arguments = ["predict", run, image, "--device", device, "--out", device, "--json"];
        let said = bench.oncospec(&arguments).with(0);
        let predicted: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let of_classes = predicted[0]["probabilities"].as_object().unwrap();
        of_classes.values().map(|value| value.as_f64().unwrap()).collect()
    };
    let [cpu, gpu] = ["cpu", "cuda"].map(probabilities);
    for (cpu, gpu) in cpu.iter().zip(&gpu) {
        assert!((cpu - gpu).abs() < 1e-4, "{gpu}, not {cpu}");
    }
}

#[test]
fn a_gpu_learns_both_as_the_cpu() {
    let task = "[task]\nkind = 'multi-task'\nclassification-loss = { kind = 'cross-entropy' }";
    assert_gpu_learns_as_the_cpu(&spec(task, UNET, ""));
}

#[test]
fn weights_predict_on_a_gpu_what_they_predict_on_the_cpu() {
    let Some(bench) = bench() else { return };
    bench.file("tiny.toml", spec("", UNET, ""));
    run(&bench, "cpu", "runs", &[]).with(0);
    let trained = bench.only_run("runs", "tiny");
    let image = repository().join("tests/fixtures/images/gray.jpg");
    for device in ["cpu", "cuda"] {
        let arguments = [
            "predict",
            trained.to_str().unwrap(),
            image.to_str().unwrap(),
            "--device",
            device,
            "-o",
            "out",
        ];
        bench.oncospec(&arguments).with(0);
        // predictions.json names the folder.
        fs::rename(bench.path().join("out"), bench.path().join(device)).unwrap();
    }
    let files = |device: &str| {
        let mut files: Vec<_> = fs::read_dir(bench.path().join(device))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            // The list of files says when they were written.
            .filter(|name| !name.to_string_lossy().starts_with('.'))
            .collect();
        files.sort();
        files
    };
    assert_eq!(files("cpu"), files("cuda"));
    for name in files("cpu") {
        let [cpu, gpu] =
            ["cpu", "cuda"].map(|device| fs::read(bench.path().join(device).join(&name)).unwrap());
        assert!(cpu == gpu, "{name:?} differs");
    }
}

#[test]
fn a_run_that_was_interrupted_on_a_gpu_goes_on_as_if_it_was_not() {
    let Some(bench) = bench() else { return };
    bench.file("tiny.toml", spec("", UNET, "ema = { decay = 0.9 }"));
    run(&bench, "cuda", "whole", &[]).with(0);
    let arguments = ["run", "tiny.toml", "--device", "cuda", "--set", "run.output=parts"];
    let mut child = bench.start(&arguments);
    wait_for_a_checkpoint(&bench.path().join("parts"), &mut child);
    let id = child.id().to_string();
    Command::new("kill").args(["-INT", &id]).status().unwrap();
    said(child.wait_with_output().unwrap()).with(1);
    run(&bench, "cuda", "parts", &["--resume"]).with(0);
    let [whole, parts] = ["whole", "parts"].map(|output| bench.only_run(output, "tiny"));
    // Not to the bit: another process may fuse or choose other kernels.
    assert_same_curves(&whole, &parts, &BOTH);
}

fn wait_for_a_checkpoint(output: &Path, child: &mut Child) {
    let started = Instant::now();
    let is_there = || {
        let runs = fs::read_dir(output.join("tiny")).into_iter().flatten().flatten();
        runs.map(|run| run.path()).any(|run| run.join("checkpoints/last.json").exists())
    };
    while !is_there() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its first checkpoint");
        assert!(started.elapsed() < Duration::from_secs(300), "no checkpoint in five minutes");
        sleep(Duration::from_millis(5));
    }
}

/// A folder to work in, where the GPU is the emulated one, whose faults can be chosen.
fn emulated() -> Option<Bench> {
    let bench = bench()?;
    if std::env::var_os("CUDA_EMULATOR_SM").is_none() {
        eprintln!("skipped: the GPU is not emulated");
        return None;
    }
    bench.file("tiny.toml", spec("", UNET, ""));
    Some(bench)
}

fn with(bench: &Bench, variable: &str, value: &str, arguments: &[&str]) -> Said {
    said(bench.command(arguments).env(variable, value).output().unwrap())
}

#[test]
fn two_gpus_learn_as_one_that_accumulates() {
    let Some(bench) = emulated() else { return };
    let two = ["run", "tiny.toml", "--set", "run.output=two", "--device", "cuda:0,cuda:1"];
    let two = [&two[..], &["--set", "schedule.batch-size=8"]].concat();
    with(&bench, "CUDA_EMULATOR_DEVICES", "2", &two).with(0);
    run(&bench, "cuda", "one", &["--set", "schedule.accumulate=2"]).with(0);
    let [one, two] = ["one", "two"].map(|output| bench.only_run(output, "tiny"));
    assert_same_curves(&one, &two, &BOTH);
    let odd = ["run", "tiny.toml", "--device", "cuda:0,cuda:1", "--set", "schedule.batch-size=5"];
    with(&bench, "CUDA_EMULATOR_DEVICES", "2", &odd)
        .with(2)
        .telling(&["schedule.batch-size", "multiple of 2"]);
}

#[test]
fn a_gpu_that_is_not_there_is_refused_with_those_that_are() {
    let Some(bench) = emulated() else { return };
    let second = ["run", "tiny.toml", "--device", "cuda:1"];
    bench.oncospec(&second).with(2).telling(&["no cuda:1", "one GPU, cuda:0"]);
    // NVML lists both, CUDA one.
    let hidden = |command: &[&str]| {
        let mut command = bench.command(command);
        command.env("CUDA_EMULATOR_DEVICES", "2").env("CUDA_EMULATOR_VISIBLE", "1");
        said(command.output().unwrap())
    };
    hidden(&second).with(2).telling(&["no cuda:1", "one GPU, cuda:0"]);
    let doctor = with(&bench, "CUDA_EMULATOR_DEVICES", "2", &["doctor", "--json"]).with(0);
    let doctor: serde_json::Value = serde_json::from_str(&doctor.out).unwrap();
    assert_eq!(doctor["gpus"]["gpus"].as_array().unwrap().len(), 2, "{doctor}");
}

#[test]
fn memory_that_runs_out_ends_a_run_with_what_to_do() {
    let Some(bench) = emulated() else { return };
    let large = ["--set", "model.encoder.filters=[64, 256, 512]", "--set", "dataset.image-size=64"];
    for command in ["run", "bench"] {
        let arguments = [&[command, "tiny.toml", "--device", "cuda"], &large[..]].concat();
        with(&bench, "CUDA_EMULATOR_MEM", "60000000", &arguments).with(1).telling(&[
            "the device failed while",
            "its memory is full",
            "schedule.batch-size",
            "activation-checkpointing",
        ]);
    }
}

#[test]
fn kernels_that_the_driver_refuses_are_named_before_anything_runs() {
    let Some(bench) = emulated() else { return };
    let arguments = ["run", "tiny.toml", "--device", "cuda"];
    with(&bench, "CUDA_EMULATOR_DRIVER", "11080", &arguments)
        .with(2)
        .telling(&["NVRTC is newer than the driver"]);
    let doctor = with(&bench, "CUDA_EMULATOR_DRIVER", "11080", &["doctor"]).with(0);
    assert!(doctor.out.contains("NVRTC is newer than the driver"), "{}", doctor.out);
}

/// What a run on the GPU asked of it; its probe is another process.
fn counted(bench: &Bench, name: &str, sets: &[&str]) -> serde_json::Value {
    let output = format!("run.output={name}");
    let mut arguments = vec!["run", "tiny.toml", "--device", "cuda", "--quiet", "--set", &output];
    arguments.extend(sets.iter().flat_map(|set| ["--set", *set]));
    let counts = bench.path().join(format!("{name}-%p.json"));
    with(bench, "CUDA_EMULATOR_COUNTS", counts.to_str().unwrap(), &arguments).with(0);
    let files = fs::read_dir(bench.path()).unwrap().flatten().map(|file| file.path());
    let of_processes = files
        .filter(|path| {
            let file = path.file_name().unwrap().to_string_lossy();
            file.starts_with(&format!("{name}-")) && file.ends_with(".json")
        })
        .map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap());
    of_processes.max_by_key(|counts: &serde_json::Value| counts["modules_loaded"].as_u64()).unwrap()
}

#[test]
fn statistics_are_read_once_in_several_steps() {
    let Some(bench) = emulated() else { return };
    let waits = |share: &str| {
        let subset = format!("dataset.subset.train={share}");
        let sets = ["dataset.cases=48", "schedule.batch-size=1", "schedule.epochs=1", &subset];
        let counts = counted(&bench, &format!("half-{share}"), &sets);
        assert!(counts["launches"].as_u64().unwrap() > 0);
        counts["event_synchronisations"].as_u64().unwrap()
    };
    // The first run waits for its kernels to be timed. The last has 16 steps more, whose statistics are read twice at the
    // most.
    let [_, half, whole] = ["1.00", "0.5", "1.0"].map(waits);
    assert!(whole - half <= 4, "{} more waits in 16 more steps", whole - half);
}

#[test]
fn a_second_process_compiles_no_kernel() {
    let Some(bench) = emulated() else { return };
    counted(&bench, "first", &[]);
    let second = counted(&bench, "second", &[]);
    assert!(second["modules_loaded"].as_u64().unwrap() > 50, "{second}");
    // The compiler asks for tables when it starts.
    assert_eq!(second["export_table_requests"], 0);
}
