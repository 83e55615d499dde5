//! Files of people stay, files of runs belong together, and what stands against the work is said before it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use oncospec::record::{Record, RunDir, RunState};
use oncospec::split_name::SplitName;

use crate::support::{Bench, full_name, json, said};

const ONE: [&str; 4] = ["--device", "cpu", "--set", "schedule.epochs=1"];

/// `run tiny.toml`, for an epoch, with more arguments.
fn run<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "tiny.toml"], &ONE[..], more].concat()
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "no {from} in {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// A trained run on phantoms, and synthetic BUSI beside it.
fn trained() -> Bench {
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&run(&[])).with(0);
    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "40"]).with(0);
    bench
}

#[test]
fn nothing_that_a_person_made_is_written_over() {
    let bench = trained();
    let image = "data/benign/benign (1).png";
    let mask = bench.path().join("data/benign/benign (1)_mask.png");
    let drawn = fs::read(&mask).unwrap();
    let inside = "data/benign";
    for command in [&["predict", "tiny"][..], &["cam", "tiny"], &["data", "propose-masks"]] {
        let beside = [command, &[image, "--out", inside]].concat();
        bench.oncospec(&beside).with(2).telling(&["nothing was written", "--overwrite"]);
    }
    assert_eq!(fs::read(&mask).unwrap(), drawn);

    let spec = fs::read(bench.path().join("tiny.toml")).unwrap();
    let page = bench.oncospec(&["report", "tiny", "-o", "tiny.toml"]);
    page.with(2).telling(&["tiny.toml: oncospec did not write this file", "--overwrite"]);
    bench.oncospec(&["ci", "tiny.toml", "--summary", "tiny.toml"]).with(2);
    assert_eq!(fs::read(bench.path().join("tiny.toml")).unwrap(), spec);
    bench.file("runs/demo.toml", "name = 'mine'");
    bench.oncospec(&["demo"]).with(2).telling(&["runs/demo.toml", "`oncospec run"]);
    bench.file("exported/model.json", "{}");
    bench.oncospec(&["export", "tiny", "--out", "exported"]).with(2).telling(&["model.json"]);

    let all = ["predict", "tiny", inside, "--out", "seen"];
    bench.oncospec(&all).with(0).telling(&["left out", "a mask by its name"]);
    bench.oncospec(&all).with(0);
    let own = bench.path().join("seen/benign (1)_mask.png");
    fs::write(&own, "corrected by hand").unwrap();
    bench.oncospec(&all).with(2).telling(&["seen/benign (1)_mask.png", "someone changed it"]);
    assert_eq!(fs::read(&own).unwrap(), b"corrected by hand");
    bench.oncospec(&[&all[..], &["--overwrite"]].concat()).with(0);
    assert_ne!(fs::read(&own).unwrap(), b"corrected by hand");

    let malignant = ["predict", "tiny", "data/malignant/malignant (1).png", "--out", "seen"];
    bench.oncospec(&malignant).with(0);
    let list = json(&bench.path().join("seen/predictions.json"));
    let named = |name: &str| {
        list.as_array().unwrap().iter().any(|one| one["image"].as_str().unwrap().ends_with(name))
    };
    assert!(named("benign (1).png") && named("malignant (1).png"), "{list}");
    assert_eq!(json(&bench.path().join("seen/legend.json"))[1]["class"], "lesion");
    fs::copy(bench.path().join(image), bench.path().join("benign (1).png")).unwrap();
    let twin = bench.oncospec(&["predict", "tiny", "benign (1).png", "--out", "seen"]);
    twin.with(2).telling(&["it was made of", "--overwrite"]);
}

#[test]
fn outputs_that_cannot_be_written_and_templates_that_are_not_there_are_told_before_training() {
    let bench = Bench::new();
    bench.tiny("");
    bench.file("file", "");
    for (arguments, told) in [
        (&["-o", "."][..], "a folder"),
        (&["-o", "file/page.html"], "cannot write into this folder"),
        (&["--templates", "nowhere"], "nowhere"),
        (&["--set", "run.output=file"], "file: cannot write"),
    ] {
        let said = bench.oncospec(&run(arguments)).telling(&[told]);
        assert!(matches!(said.code, Some(1 | 2)), "{said:?}");
        assert!(!said.err.contains("epoch 1/1"), "{}", said.err);
    }
    assert!(!bench.path().join("runs/tiny").exists());
    let summary = ["ci", "tiny.toml", "--summary", "file/sum.md"];
    bench.oncospec(&summary).with(2).telling(&["cannot write into this folder"]);
    bench.oncospec(&["list", "nowhere"]).with(2).telling(&["nowhere: no such folder"]);
    bench.oncospec(&["list"]).with(2).telling(&["runs: no such folder"]);
    bench.oncospec(&["ci", "nowhere"]).with(2).telling(&["nowhere"]);
    for summary in ["x.md", "./x.md", "file.d/../x.md"] {
        fs::create_dir_all(bench.path().join("file.d")).unwrap();
        let one = bench.oncospec(&["ci", "tiny.toml", "--summary", summary, "-o", "x.md"]);
        one.with(2).telling(&["x.md", "name one file"]);
    }
    let spec = fs::read_to_string(bench.path().join("tiny.toml")).unwrap();
    bench.file("other.toml", format!("description = \"other words\"\n{spec}"));
    let both = ["run", "tiny.toml", "other.toml", "--device", "cpu"];
    bench.oncospec(&both).with(2).telling(&["tiny.toml", "other.toml", "are the same run"]);
    bench
        .oncospec(&["report", "x", "--root", "nowhere"])
        .with(2)
        .telling(&["nowhere", "no folder"]);
}

/// The only folder of an experiment that ends so.
fn folder(bench: &Bench, again: bool) -> Option<PathBuf> {
    let entries = fs::read_dir(bench.path().join("runs/tiny")).ok()?;
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths.find(|path| path.is_dir() && RunDir::is_again(path) == again)
}

#[test]
fn a_finished_run_stays_until_the_forced_one_is_whole() {
    let bench = Bench::new();
    bench.tiny("");
    let more = ["--set", "schedule.epochs=5", "--set", "dataset.cases=160"];
    let arguments = |flag: &'static str| {
        let mut all = [&["run", "tiny.toml", "--device", "cpu"], &more[..]].concat();
        all.extend([flag].iter().filter(|flag| !flag.is_empty()));
        all
    };
    bench.oncospec(&arguments("")).with(0);
    let finished = folder(&bench, false).unwrap();
    let before = Record::read(&finished).unwrap();

    let mut child = bench.start(&arguments("--force"));
    let started = Instant::now();
    while folder(&bench, true)
        .and_then(|new| RunDir::open_read(new).ok()?.committed_epoch())
        .is_none()
    {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its first epoch");
        assert!(started.elapsed() < Duration::from_secs(120), "no epoch after two minutes");
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(format!("{:?}", Record::read(&finished).unwrap()), format!("{before:?}"));
    let listed = bench.oncospec(&["list"]).with(0).out;
    assert!(listed.contains("made again: interrupted"), "{listed}");
    bench.oncospec(&["report", "tiny", "-o", "page.html"]).with(0);
    bench.oncospec(&arguments("")).with(0).telling(&["was finished before"]);
    assert!(folder(&bench, true).is_some(), "only --resume goes on with it");

    bench.oncospec(&arguments("--resume")).with(0);
    assert!(folder(&bench, true).is_none());
    let after = Record::read(&finished).unwrap();
    assert_eq!((after.status.state, &after.epochs), (RunState::Finished, &before.epochs));
    assert_ne!(after.provenance.command, before.provenance.command);
}

#[test]
fn what_an_unfinished_or_damaged_run_is_good_for_is_said() {
    let bench = trained();
    let run_dir = bench.only_run("runs", "tiny");
    edit(&run_dir.join("status.json"), "\"finished\"", "\"interrupted\"");
    let image = "data/benign/benign (1).png";
    let predicted = bench.oncospec(&["predict", "tiny", image, "--out", "seen", "--json"]).with(0);
    assert!(predicted.err.contains("not finished (interrupted after 1 of 1 epochs"));
    let list: serde_json::Value = serde_json::from_str(&predicted.out).unwrap();
    assert!(list[0]["unfinished"].as_str().unwrap().contains("interrupted"), "{list}");
    bench.oncospec(&["cam", "tiny", image, "--out", "cams"]).with(0).telling(&["not finished"]);
    bench.oncospec(&["export", "tiny", "--out", "weights"]).with(0).telling(&["not finished"]);

    let changed = bench.oncospec(&run(&["--set", "schedule.batch-size=8", "--resume"]));
    changed.with(2).telling(&["nothing to resume", "schedule.batch-size: 4 -> 8"]);
    bench.oncospec(&run(&["--set", "schedule.batch-size=8"])).with(0);

    let runs = fs::read_dir(bench.path().join("runs/tiny")).unwrap();
    let other =
        runs.map(|entry| entry.unwrap().path()).find(|path| path.is_dir() && *path != run_dir);
    let other = other.unwrap().display().to_string();
    bench.oncospec(&["export", &other, "--out", "weights"]).with(2).telling(&["it was made of"]);

    // Of two runs one is damaged: the other one has its page.
    edit(&run_dir.join("summary.json"), "{", "");
    let page = bench.oncospec(&["report", "tiny", "-o", "page.html"]).with(1);
    page.telling(&["summary.json", "--force"]);
    let html = fs::read_to_string(bench.path().join("page.html")).unwrap();
    assert!(html.contains("A run is missing from this page") && html.contains("summary.json"));
    fs::write(run_dir.join("model.safetensors"), "others").unwrap();
    let id = run_dir.file_name().unwrap().to_str().unwrap();
    bench.oncospec(&["export", id, "--out", "weights"]).with(1).telling(&["summary.json"]);
}

#[test]
fn a_finished_run_that_lost_a_file_gives_no_figure_and_no_mask() {
    let bench = trained();
    let run_dir = bench.only_run("runs", "tiny");
    let image = "data/benign/benign (1).png";
    let uses: [&[&str]; 5] = [
        &["evaluate", "tiny"],
        &["evaluate", "tiny", "--split", "test"],
        &["predict", "tiny", image, "--out", "seen"],
        &["export", "tiny", "--out", "weights"],
        &["report", "tiny", "-o", "page.html"],
    ];
    let readings = || fs::read(bench.path().join("runs/tiny/test-readings.jsonl")).unwrap();
    let before = readings();
    for name in ["summary.json", "provenance.json", "times.parquet", "status.json"] {
        let kept = fs::read(run_dir.join(name)).unwrap();
        fs::remove_file(run_dir.join(name)).unwrap();
        let told = format!("{name}: this file of the run is missing: put it back from a copy");
        for arguments in uses {
            bench.oncospec(arguments).with(1).telling(&[&told, "`oncospec run SPEC --force`"]);
        }
        bench.oncospec(&run(&[])).with(1).telling(&[&told]);
        assert!(bench.oncospec(&["list"]).with(0).out.contains(&told), "{name}");
        fs::write(run_dir.join(name), kept).unwrap();
    }
    edit(&run_dir.join("figures.json"), "0.", "0.9");
    for arguments in uses {
        bench.oncospec(arguments).with(1).telling(&["figures.json", "damaged", "its SHA-256 is"]);
    }
    assert!(bench.oncospec(&["list"]).with(0).out.contains("figures.json"));
    assert_eq!(readings(), before, "nothing was read");
    bench.oncospec(&run(&["--force"])).with(0);
    bench.oncospec(&["evaluate", "tiny"]).with(0);
}

#[test]
fn what_a_person_put_into_a_run_directory_stays_and_all_else_in_it_is_known() {
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&run(&[])).with(0);
    let run_dir = bench.only_run("runs", "tiny");
    let written = |folder: &Path| {
        let mut names = Vec::new();
        let mut folders = vec![folder.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { names.push(path) }
            }
        }
        // Each process that holds the directory leaves a lease of another number.
        names.retain(|path| !path.file_name().unwrap().to_string_lossy().starts_with("lease."));
        names.sort();
        names
    };
    fs::write(run_dir.join("notes.txt"), "mine").unwrap();
    fs::create_dir(run_dir.join("annot")).unwrap();
    fs::write(run_dir.join("annot/x.csv"), "a").unwrap();
    let before = written(&run_dir);
    let theirs =
        || ["notes.txt", "annot/x.csv"].map(|name| fs::read_to_string(run_dir.join(name)).unwrap());
    bench.oncospec(&run(&["--force"])).with(0);
    assert_eq!((theirs(), written(&run_dir)), (["mine", "a"].map(String::from), before));
    // The same of an unfinished run, of which nothing but what is a person's is left to begin with.
    edit(&run_dir.join("status.json"), "\"finished\"", "\"interrupted\"");
    bench.oncospec(&run(&["--force"])).with(0);
    assert_eq!(theirs(), ["mine", "a"]);
    RunDir::open_write(&run_dir).unwrap().clear().unwrap();
    let mut left: Vec<_> = written(&run_dir).into_iter().collect();
    left.retain(|path| !path.ends_with("lock") && !path.ends_with("format.json"));
    let names = ["annot/x.csv", "notes.txt", "test-readings.json"];
    assert_eq!(left, names.map(|name| run_dir.join(name)), "no other file of a run is unknown");
}

#[test]
fn the_page_of_a_run_that_was_finished_before_has_the_present_words_and_bounds() {
    let bench = Bench::new();
    let words = |description: &str, dice: f64, gate: f64, best: u32| {
        bench.tiny("");
        let spec = fs::read_to_string(bench.path().join("tiny.toml")).unwrap();
        let more = format!(
            "[report]\nbest = {best}\n[[published]]\nsystem = \"S\"\nsource = \"a paper\"\n\
             protocol = \"five folds\"\ncompares = \"no\"\nfigures = {{ Dice = {dice} }}\n\
             [gate]\n\"test.accuracy.pooled\" = {{ at-least = {gate} }}\n"
        );
        bench.file("tiny.toml", format!("description = \"{description}\"\n{spec}\n{more}"));
    };
    let page = || fs::read_to_string(bench.path().join("reports/tiny.html")).unwrap();
    words("first words", 0.7712, 0.0, 2);
    bench.oncospec(&run(&[])).with(0);
    let run_dir = bench.only_run("runs", "tiny");
    let (before, old) = (Record::read(&run_dir).unwrap(), page());
    assert!(old.contains("first words") && old.contains("0.7712"));
    words("other words", 0.6613, 0.01, 1);
    let told = bench.oncospec(&run(&[])).with(0);
    let kept = "report.best was 2 when the pictures were drawn and is 1 now";
    told.telling(&["was finished before", kept, "--force"]);
    let new = page();
    assert!(new.contains("other words") && new.contains("0.6613") && new.contains(kept));
    assert!(!new.contains("first words") && !new.contains("0.7712"));
    assert!(new.contains("at-least = 0.01") && !new.contains("at-least = 0.0\n"));
    let after = Record::read(&run_dir).unwrap();
    assert_eq!(format!("{:?}", after.figures), format!("{:?}", before.figures), "NaN among them");
    assert_eq!(after.provenance, before.provenance);
    assert!(after.plan.contains("other words") && after.plan.contains("best = 2"));
    // Said again whenever it is asked for, until the spec is as it was.
    bench.oncospec(&run(&[])).with(0).telling(&[kept]);
    words("first words", 0.7712, 0.0, 2);
    let back = bench.oncospec(&run(&[])).with(0);
    assert!(!back.err.contains("report.best"), "{}", back.err);
    assert_eq!(Record::read(&run_dir).unwrap().spec, before.spec);
}

#[test]
fn readings_go_with_a_run_that_is_moved() {
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&run(&[])).with(0);
    let run_dir = bench.only_run("runs", "tiny");
    let scored = |run: &str| {
        bench.oncospec(&["evaluate", run, "--split", "test"]).with(0);
    };
    let said = |run: &str, times: u32| {
        bench.oncospec(&["report", run, "-o", "page.html"]).with(0);
        let page = fs::read_to_string(bench.path().join("page.html")).unwrap();
        assert!(page.contains(&format!("read {times} times by one run")), "{run}");
        assert!(page.contains("no longer those of unseen cases"));
    };
    scored("tiny");
    scored("tiny");
    said("tiny", 3);
    fs::create_dir(bench.path().join("else")).unwrap();
    fs::rename(&run_dir, bench.path().join("else/moved")).unwrap();
    said("else/moved", 3);
    scored("else/moved");
    said("else/moved", 4);
}

#[test]
fn what_a_run_goes_on_from_must_be_whole() {
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&run(&[])).with(0);
    let run_dir = bench.only_run("runs", "tiny");
    fs::remove_file(run_dir.join("epochs.parquet")).unwrap();
    let told = ["epochs.parquet: this file of the run is missing: put it back", "--force"];
    bench.oncospec(&run(&["--extend-epochs", "1"])).with(1).telling(&told);
    // The same of a run of an earlier version, which has no sums.
    let mut status = json(&run_dir.join("status.json"));
    status.as_object_mut().unwrap().remove("files").unwrap();
    fs::write(run_dir.join("status.json"), status.to_string()).unwrap();
    bench.oncospec(&run(&["--extend-epochs", "1"])).with(1).telling(&told);
}

#[test]
fn weights_that_do_not_fit_are_found_by_check() {
    let bench = trained();
    bench.oncospec(&["export", "tiny", "--format", "pytorch", "--out", "weights"]).with(0);
    let weights = "model.weights.path=weights/model.pth";
    bench.oncospec(&["check", "tiny.toml", "--set", weights]).with(0);
    let wider = "model.encoder.filters=[4, 16]";
    bench.oncospec(&["check", "tiny.toml", "--set", weights, "--set", wider]).with(2).telling(&[
        "weights do not fit",
        "of another shape",
        "model.weights.path",
    ]);
    bench.oncospec(&run(&["--set", weights, "--set", wider])).with(2);
    let sum = format!("model.weights.sha256={:064}", 0);
    let other = bench.oncospec(&run(&["--set", weights, "--set", &sum]));
    other.with(2).telling(&["not the file that was meant"]);
}

#[test]
fn one_run_that_cannot_begin_is_told_first_or_leaves_the_other_its_page() {
    let bench = Bench::new();
    bench.tiny("");
    bench.file("other.toml", "extends = 'tiny.toml'\nname = 'other'\n");
    bench.oncospec(&[&["run", "other.toml"], &ONE[..]].concat()).with(0);
    let other = bench.only_run("runs", "other");
    edit(&other.join("status.json"), "\"finished\"", "\"interrupted\"");
    let both = [&["run", "tiny.toml", "other.toml"], &ONE[..]].concat();
    bench.oncospec(&both).with(2).telling(&["an unfinished run is here"]);
    assert!(!bench.path().join("runs/tiny").exists(), "nothing was trained before that");

    fs::remove_file(other.join("checkpoints/epoch-1/optimizer.burnpack")).unwrap();
    let resumed = bench.oncospec(&[&both[..], &["--resume"]].concat()).with(1);
    resumed.telling(&["tiny seed 0: finished", "optimizer.burnpack", "report: "]);
    assert!(bench.path().join("reports/comparison.html").exists());
}

#[test]
fn two_ci_at_once_both_judge() {
    let bench = Bench::new();
    bench.tiny("[gate]\n\"test.dice.lesion\" = { at-least = 0.0 }\n");
    let more = ["--device", "cpu", "--set", "schedule.epochs=4", "--set", "dataset.cases=120"];
    let arguments = [&["ci", "tiny.toml"], &more[..]].concat();
    let [one, other] = [(); 2].map(|()| bench.start(&arguments));
    let [one, other] = [one, other].map(|child| said(child.wait_with_output().unwrap()).with(0));
    for judged in [&one, &other] {
        assert!(judged.out.contains("finished"), "{}", judged.out);
    }
    let ledger = fs::read_to_string(bench.path().join("runs/tiny/test-readings.jsonl")).unwrap();
    assert_eq!(ledger.lines().count(), 1, "one scored the run: {ledger}");
    let waited = [&one, &other].iter().any(|ci| ci.err.contains("waiting: "));
    assert!(waited, "{}\n{}", one.err, other.err);
}

/// A bench with a finished run on synthetic BUSI.
fn on_busi() -> Bench {
    let bench = Bench::new();
    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "40"]).with(0);
    bench.tiny("");
    let data = "dataset={kind=\"busi\", root=\"data\", image-size=32, split={kind=\"holdout\"}}";
    bench.oncospec(&run(&["--set", data])).with(0);
    bench
}

/// The value of a figure in what `evaluate --json` printed, and the split it is said to be of.
fn figure(out: &str, name: &str) -> (f64, String) {
    let figures: serde_json::Value = serde_json::from_str(out).unwrap();
    let figure = figures.as_array().unwrap().iter().find(|figure| figure["name"] == name).unwrap();
    (figure["value"].as_f64().unwrap(), figure["split"].as_str().unwrap().to_string())
}

#[test]
fn evaluation_finds_the_data_of_the_run_and_notices_when_they_are_others() {
    let bench = on_busi();
    let run_dir = bench.only_run("runs", "tiny");
    let recorded =
        Record::read(&run_dir).unwrap().figure(&full_name("valid.dice.lesion")).map(|f| f.value);
    let run_dir = run_dir.to_str().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let evaluate = |more: &[&str]| {
        let all = [&["evaluate", run_dir, "--device", "cpu", "--json"], more].concat();
        said(bench.command(&all).current_dir(elsewhere.path()).output().unwrap())
    };
    let valid = figure(&evaluate(&[]).with(0).out, "dice.lesion");
    assert_eq!((Some(valid.0), valid.1.as_str()), (recorded.or(Some(valid.0)), "valid"));

    let data = bench.path().join("data");
    let data = data.to_str().unwrap();
    let all = evaluate(&["--data", data]).with(0);
    all.telling(&["40 of 40 cases are pictures that the run had", "in its train split"]);
    let same = evaluate(&["--data", data, "--split", "valid"]).with(0);
    assert_eq!(figure(&same.out, "dice.lesion"), valid);

    // The same images under other names are read all the same.
    for folder in ["benign", "malignant", "normal"] {
        fs::create_dir_all(bench.path().join("renamed").join(folder)).unwrap();
        for entry in fs::read_dir(bench.path().join("data").join(folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().replace(" (", " (1");
            fs::copy(entry.path(), bench.path().join("renamed").join(folder).join(name)).unwrap();
        }
    }
    let ledger = || fs::read_to_string(bench.path().join("runs/tiny/test-readings.jsonl")).unwrap();
    let counted = ledger().lines().count();
    evaluate(&["--data", bench.path().join("renamed").to_str().unwrap()]).with(0);
    let lines = ledger();
    assert_eq!(lines.lines().count(), counted + 1);
    let line: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let split = Record::read(run_dir).unwrap().split;
    let test = split.iter().filter(|row| row.split == SplitName::Test).count();
    assert_eq!(line["cases"], test);

    let mask = bench.path().join("data/benign/benign (1)_mask.png");
    let size = image::image_dimensions(&mask).unwrap();
    image::GrayImage::from_fn(size.0, size.1, |x, _| image::Luma([255 * u8::from(x < 20)]))
        .save(&mask)
        .unwrap();
    evaluate(&[]).with(2).telling(&["are not those of the run", "--changed-data"]);
    evaluate(&["--changed-data"]).with(0).telling(&["warning", "are not those of the run"]);
    fs::rename(bench.path().join("data"), bench.path().join("moved")).unwrap();
    evaluate(&[]).with(2).telling(&["not there any more", "--data DIR --split valid"]);
    let moved = bench.path().join("moved");
    let other = evaluate(&["--data", moved.to_str().unwrap()]).with(0);
    assert_eq!(figure(&other.out, "dice.lesion").1, "data");
    other.telling(&["40 of 40 cases have the name of one of the run's"]);
}

#[test]
fn masks_of_several_classes_hold_the_codes_of_the_data_with_a_legend() {
    let bench = Bench::new();
    bench.oncospec(&["data", "synth", "--kind", "bcss", "--out", "data", "--cases", "12"]).with(0);
    bench.tiny("");
    let data =
        "dataset={kind=\"bcss\", root=\"data/tiles\", image-size=32, split={kind=\"by-folder\"}}";
    let sets = [
        "--set",
        data,
        "--set",
        "loss={kind=\"cross-entropy\"}",
        "--set",
        "evaluation.splits=[\"valid\"]",
    ];
    bench.oncospec(&run(&sets)).with(0);
    let tile = fs::read_dir(bench.path().join("data/tiles/val")).unwrap().next().unwrap();
    let tile = tile.unwrap().path();
    let seen = ["predict", "tiny", tile.to_str().unwrap(), "--out", "seen", "--json"];
    let out = bench.oncospec(&seen).with(0).out;
    let list: serde_json::Value = serde_json::from_str(&out).unwrap();
    let legend = json(&bench.path().join("seen/legend.json"));
    assert_eq!(list[0]["legend"], legend);
    assert_eq!((&legend[0]["value"], &legend[0]["class"]), (&1.into(), &"tumor".into()));
    assert_eq!(legend.as_array().unwrap().len(), 21);
    let mask = bench.path().join(list[0]["mask"].as_str().unwrap());
    let mask = image::open(mask).unwrap().into_luma8();
    assert!(mask.iter().all(|code| (1..=21).contains(code)));
    let most = mask.iter().max_by_key(|&&code| mask.iter().filter(|&&c| c == code).count());
    let part = &list[0]["parts"][usize::from(*most.unwrap()) - 1];
    assert!(part.as_f64().unwrap() > 0.0, "{list}");
}
