//! Identity: what is trained again, what is only scored again, and how a run is made again.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use oncospec::record::{Record, RunState, list_runs};

use crate::support::{Bench, full_name, said};

/// Run directories of an experiment.
fn runs(bench: &Bench, output: &str) -> Vec<PathBuf> {
    let runs = list_runs(&bench.path().join(output)).unwrap();
    runs.into_iter().map(|run| run.path).collect()
}

fn id(run: &std::path::Path) -> String {
    run.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn another_metric_or_threshold_scores_again_and_trains_nothing() {
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&["run", "tiny.toml", "--device", "cpu"]).with(0);
    let first = bench.only_run("runs", "tiny");
    let other = "evaluation.threshold={kind=\"fixed\", value=0.3}";
    let again = bench.oncospec(&["run", "tiny.toml", "--device", "cpu", "--set", other]).with(0);
    assert!(!again.err.contains("epoch "), "no epoch was trained: {}", again.err);
    let all = runs(&bench, "runs");
    let second = all.iter().find(|run| **run != first).unwrap();
    let (a, b) = (Record::read(&first).unwrap(), Record::read(second).unwrap());
    assert_eq!(id(&first)[..13], id(second)[..13], "one training id");
    assert_eq!(a.epochs, b.epochs);
    assert_eq!(a.provenance.weights_sha256, b.provenance.weights_sha256);
    assert!(a.provenance.weights_sha256.as_ref().is_some_and(|sum| sum.len() == 64));
    assert_eq!(b.provenance.taken_from, Some(format!("tiny/{}", id(&first))));
    assert_eq!(a.film, b.film);
    assert_eq!(b.threshold(), 0.3);
    assert_ne!(
        a.figure(&full_name("test.dice.mean")).map(|f| f.value),
        b.figure(&full_name("test.dice.mean")).map(|f| f.value)
    );
    // As if it had been trained: the same to the bit.
    bench
        .oncospec(&[
            "run",
            "tiny.toml",
            "--device",
            "cpu",
            "--set",
            other,
            "--set",
            "run.output=anew",
        ])
        .with(0);
    let anew = bench.only_run("anew", "tiny");
    for file in ["model.safetensors", "epochs.parquet", "cases.parquet", "figures.json"] {
        assert!(
            fs::read(anew.join(file)).unwrap() == fs::read(second.join(file)).unwrap(),
            "{file}"
        );
    }
    // A renamed experiment has the same weights, too.
    let renamed = bench.oncospec(&["run", "tiny.toml", "--device", "cpu", "--set", "name=renamed"]);
    assert!(!renamed.with(0).err.contains("epoch "));
    // Ids may be cut short: one name for both, one for each.
    let both = bench.oncospec(&["evaluate", &id(&first)[..12]]).with(2);
    both.telling(&["means 3 runs"]);
    bench.oncospec(&["evaluate", &id(second)]).with(0);
    let page = fs::read_to_string(bench.path().join("reports/renamed.html")).unwrap();
    assert!(page.contains("Epochs taken over from"));
}

#[test]
fn more_epochs_go_on_from_a_finished_run_as_if_it_had_had_them() {
    let bench = Bench::new();
    // What the later epochs draw follows from their numbers, too.
    bench.tiny("ema = { decay = 0.9 }\nwarm-up-epochs = 1.0\nsampler = \"balanced\"\n");
    let run =
        |more: &[&str]| bench.oncospec(&[&["run", "tiny.toml", "--device", "cpu"], more].concat());
    run(&["--extend-epochs", "2"]).with(2).telling(&["no finished run", "run the spec first"]);
    run(&[]).with(0);
    let parent = bench.only_run("runs", "tiny");
    let told = run(&["--extend-epochs", "2"]).with(0);
    assert!(told.err.contains("epoch 4/5") && !told.err.contains("epoch 3/"), "{}", told.err);
    let all = runs(&bench, "runs");
    let longer = all.iter().find(|run| **run != parent).unwrap();
    let record = Record::read(longer).unwrap();
    let from = record.provenance.parent.clone().unwrap();
    assert_eq!((from.training_id.as_str(), from.epochs), (&id(&parent)[..12], 3));
    assert_eq!((record.status.state, record.status.epoch), (RunState::Finished, 5));
    run(&["--set", "schedule.epochs=5", "--set", "run.output=whole"]).with(0);
    let whole = bench.only_run("whole", "tiny");
    assert_ne!(id(&whole)[..12], id(longer)[..12], "its parent is of its id");
    for file in ["model.safetensors", "epochs.parquet", "cases.parquet"] {
        assert!(
            fs::read(whole.join(file)).unwrap() == fs::read(longer.join(file)).unwrap(),
            "{file}"
        );
    }
    run(&["--extend-epochs", "2"]).with(0).telling(&["was finished before"]);
    let page = fs::read_to_string(bench.path().join("reports/tiny.html")).unwrap();
    assert!(page.contains("Continues") && page.contains("--extend-epochs 2"));
    let listed = bench.oncospec(&["list"]).with(0).out;
    assert!(
        listed.contains(&format!("goes on from {} (3 epochs)", &id(&parent)[..12])),
        "{listed}"
    );
    let cosine = "schedule.learning-rate-schedule={kind=\"cosine\"}";
    run(&["--set", cosine, "--extend-epochs", "2"]).with(2).telling(&[
        "schedule.learning-rate-schedule",
        "cosine",
        "schedule.epochs=5",
    ]);
}

#[test]
fn labels_are_balanced_where_images_have_them_and_else_refused() {
    let bench = Bench::new();
    bench.tiny("sampler = \"balanced\"\n");
    let plan = bench.oncospec(&["plan", "tiny.toml"]).with(0).out;
    assert!(
        plan.contains("training cases an epoch") && plan.contains("of each of 3 labels"),
        "{plan}"
    );
    let tissue = ["--set", "dataset.modality=\"histology\"", "--set", "dataset.channels=\"rgb\""];
    let told = bench.oncospec(&[&["check", "tiny.toml"][..], &tissue].concat()).with(2);
    told.telling(&["sampler = \"balanced\"", "training cases have none", "write \"shuffle\""]);
    let mistaken = ["check", "tiny.toml", "--set", "schedule.sampler=\"weighted\""];
    bench
        .oncospec(&mistaken)
        .with(2)
        .telling(&["schedule.sampler", "one of \"shuffle\", \"balanced\""]);
}

#[test]
fn what_the_page_says_makes_the_run_again_does() {
    let bench = Bench::new();
    let synth = ["data", "synth", "--kind", "busi", "--out", "it's data", "--cases", "48"];
    bench.oncospec(&synth).with(0);
    bench.file(
        "spec.toml",
        "name = 'again'\nseeds = [3, 4]\n[dataset]\nkind = 'busi'\nroot = 'nowhere'\n\
         image-size = 32\n[model]\nkind = 'unet'\n\
         encoder = { kind = 'plain', filters = [4, 8] }\n[schedule]\nepochs = 2\n",
    );
    let mut command = bench.command(&[
        "run",
        "spec.toml",
        "--set",
        "dataset.root=it's data",
        "--set",
        "schedule.epochs=1",
        "--device",
        "cpu",
    ]);
    command.env("ONCOSPEC_SCHEDULE__BATCH_SIZE", "5").env("ONCOSPEC_DESCRIPTION", "two words");
    said(command.output().unwrap()).with(0);
    let made = runs(&bench, "runs");
    assert_eq!(made.len(), 2);
    let first = made.iter().find(|run| Record::read(run).unwrap().provenance.seed == 4).unwrap();
    let again = Record::read(first).unwrap().provenance.again;
    assert!(again[0].starts_with("# oncospec 0.1.0, engine "), "{again:?}");
    let kept = id(first);
    fs::rename(bench.path().join("runs"), bench.path().join("before")).unwrap();

    let binary = PathBuf::from(env!("CARGO_BIN_EXE_oncospec"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let shell = Command::new("sh")
        .args(["-euc", &again.join("\n")])
        .env("PATH", path)
        .current_dir(std::env::temp_dir())
        .output();
    said(shell.unwrap()).with(0);
    let runs = runs(&bench, "runs");
    assert_eq!(runs.iter().map(|run| id(run)).collect::<Vec<_>>(), [kept]);
    let epochs = |run: &std::path::Path| fs::read(run.join("epochs.parquet")).unwrap();
    assert!(epochs(&runs[0]) == epochs(&bench.path().join("before/again").join(id(&runs[0]))));
}

#[test]
fn readings_of_the_test_split_are_counted_before_they_are_made_whatever_becomes_of_the_run() {
    let bench = Bench::new();
    bench.tiny("");
    let run = |more: &[&str]| {
        bench.oncospec(
            &[&["run", "tiny.toml", "--device", "cpu", "--set", "schedule.epochs=1"], more]
                .concat(),
        )
    };
    run(&[]).with(0);
    let ledger = bench.path().join("runs/tiny/test-readings.jsonl");
    let counted = || fs::read_to_string(&ledger).unwrap().lines().count();
    assert_eq!(counted(), 1);
    run(&[]).with(0);
    assert_eq!(counted(), 1, "a finished run is not read again");
    run(&["--force"]).with(0);
    run(&["--set", "schedule.batch-size=5"]).with(0);
    run(&["--set", "evaluation.splits=[\"valid\"]"]).with(0);
    assert_eq!(counted(), 3);
    let first = bench.path().join("runs/tiny").join(
        serde_json::from_str::<serde_json::Value>(
            fs::read_to_string(&ledger).unwrap().lines().next().unwrap(),
        )
        .unwrap()["run-id"]
            .as_str()
            .unwrap(),
    );
    let page = bench.path().join("page.html");
    bench.oncospec(&["report", first.to_str().unwrap(), "-o", "page.html"]).with(0);
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("read 3 times by 2 runs of this experiment"));
    assert!(text.contains("no longer those of unseen cases"));
    // Where nothing can be counted, nothing is read.
    fs::remove_file(&ledger).unwrap();
    fs::create_dir(&ledger).unwrap();
    bench
        .oncospec(&["evaluate", first.to_str().unwrap(), "--split", "test"])
        .with(1)
        .telling(&["test-readings.jsonl"]);
}

#[test]
fn run_page_list_and_ci_say_the_same_of_gates_whenever_they_are_asked() {
    let bench = Bench::new();
    bench.tiny("");
    let run = |command: &str, gate: &str| {
        bench.oncospec(&[
            command,
            "tiny.toml",
            "--device",
            "cpu",
            "--set",
            "schedule.epochs=1",
            "-o",
            "page.html",
            "--set",
            gate,
        ])
    };
    let page = || fs::read_to_string(bench.path().join("page.html")).unwrap();
    let fallen = "gate={\"test.dice.lesion\"={at-least=0.999999}}";
    let holding = "gate={\"test.dice.lesion\"={at-least=0.0}}";
    for command in ["run", "ci"] {
        let told = run(command, fallen).with(1);
        assert!(format!("{}{}", told.out, told.err).contains("gate fell"), "{told:?}");
        assert!(page().contains("badge-fell"));
        assert!(bench.oncospec(&["list"]).with(0).out.contains("1 gate(s) fell"));
        run(command, holding).with(0);
        assert!(page().contains("badge-held") && !page().contains("badge-fell\">"));
    }
    run("run", fallen).with(1).telling(&["was finished before", "must be at least 0.999999"]);
    // A verdict that was written by hand is not believed.
    let gates = bench.only_run("runs", "tiny").join("gates.json");
    let text = fs::read_to_string(&gates).unwrap();
    fs::write(&gates, text.replace("\"held\": false", "\"held\": true")).unwrap();
    let refused = bench.oncospec(&["report", "tiny", "-o", "page.html"]).with(1);
    refused.telling(&["gates.json: this file of the run is damaged: its SHA-256 is", "--force"]);
    // A run of an earlier version has no sums.
    let status = gates.with_file_name("status.json");
    let mut said: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&status).unwrap()).unwrap();
    said.as_object_mut().unwrap().remove("files").unwrap();
    fs::write(&status, said.to_string()).unwrap();
    bench.oncospec(&["report", "tiny", "-o", "page.html"]).with(0);
    assert!(page().contains("badge-fell\">"));
}
