//! Filters of images before the network, and refinement of its probabilities after it.

use std::fs;
use std::path::{Path, PathBuf};

use oncospec::record::Record;

use crate::support::{Bench, full_name, json};

const CLEANED: &str = r#"extends = "tiny.toml"
name = "cleaned"

[dataset]
normalize = { kind = "dataset" }
filters = [{ kind = "wiener", window = 3 }, { kind = "clahe", tiles = 4 }]

[evaluation]
threshold = { kind = "best-on-valid" }
refine = { kind = "crf", bilateral-px = 8 }

[schedule]
epochs = 1
"#;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.tiny("");
    bench.file("cleaned.toml", CLEANED);
    bench
}

fn bytes(folder: &Path, file: &str) -> Vec<u8> {
    fs::read(folder.join(file)).unwrap()
}

/// What `predict` makes of the files in `data/benign`: the folder.
fn predicted(bench: &Bench, run: &Path, out: &str) -> PathBuf {
    let run = run.to_str().unwrap();
    bench.oncospec(&["predict", run, "data/benign", "--out", out, "--device", "cpu"]).with(0);
    bench.path().join(out)
}

/// Files of that kind in one folder that are other ones in another.
fn differing(one: &Path, other: &Path, kind: &str) -> usize {
    let names = fs::read_dir(one).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let of_kind = names.filter(|name| name.ends_with(&format!("_{kind}.png")));
    of_kind.filter(|name| bytes(one, name) != bytes(other, name)).count()
}

#[test]
fn filters_and_refinement_reach_everything_that_a_run_makes() {
    let bench = bench();
    let planned = bench.oncospec(&["plan", "cleaned.toml", "--device", "cpu"]).with(0).out;
    for part in ["[[dataset.filters]]", "kind = \"wiener\"", "clip-limit = 2.0", "window = 3"] {
        assert!(planned.contains(part), "no `{part}` in {planned}");
    }

    let refined = bench.trained("cleaned", "refined", &[]);
    let record = Record::read(&refined).unwrap();
    assert!(record.summary.semantics.resolution.contains("conditional random field (5 updates)"));
    let page = fs::read_to_string(bench.path().join("reports/cleaned.html")).unwrap();
    for part in ["after refinement (`evaluation.refine`: crf)", "bilateral-px = 8.0"] {
        assert!(page.contains(part), "no `{part}` in the page");
    }

    let path = refined.to_str().unwrap();
    let evaluate = ["evaluate", path, "--split", "test", "--device", "cpu"];
    let told = bench.oncospec(&evaluate).with(0).out;
    assert!(told.contains("refined by a conditional random field (5 updates)"), "{told}");
    assert!(bench.scored_alike(path, &record) > 10);

    // Refinement changes nothing of training, and all that comes after it.
    let plain = bench.trained("cleaned", "plain", &["evaluation.refine.kind=none"]);
    assert_ne!(refined.file_name(), plain.file_name(), "the run id");
    for file in ["model.safetensors", "epochs.parquet"] {
        assert!(bytes(&refined, file) == bytes(&plain, file), "{file} differs");
    }
    let unrefined = Record::read(&plain).unwrap();
    let auc = |record: &Record| record.figure(&full_name("test.auc.mean")).unwrap().value;
    assert_ne!(auc(&record), auc(&unrefined));
    let page = bytes(&bench.path().join("reports"), "cleaned.html");
    assert!(!String::from_utf8(page).unwrap().contains("after refinement"));

    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "12"]).with(0);
    let folders = [predicted(&bench, &refined, "masks"), predicted(&bench, &plain, "unrefined")];
    for kind in ["mask", "probability"] {
        assert!(differing(&folders[0], &folders[1], kind) > 0, "no {kind} differs");
    }
    bench.oncospec(&["cam", path, "data/benign", "--out", "cams", "--device", "cpu"]).with(0);

    bench.oncospec(&["export", path, "--out", "exported"]).with(0);
    let card = json(&bench.path().join("exported/model.json"));
    assert_eq!(card["input"]["filters"][0]["window"], 3);
    assert_eq!(card["input"]["filters"][1]["clip-limit"], 2.0);
    assert_eq!(card["output"]["refine"]["bilateral-px"], 8.0);

    // Filters change statistics and training, and not the picture of a case.
    let raw = bench.trained("cleaned", "raw", &["dataset.filters=[]"]);
    assert_ne!(refined.file_name(), raw.file_name(), "the run id");
    let mean = |run: &Path| -> f64 {
        let plan: toml::Table =
            String::from_utf8(bytes(run, "plan.toml")).unwrap().parse().unwrap();
        plan["normalization"]["mean"][0].as_float().unwrap()
    };
    assert!((mean(&refined) - mean(&raw)).abs() > 0.01, "{} {}", mean(&refined), mean(&raw));
    assert!(bytes(&refined, "model.safetensors") != bytes(&raw, "model.safetensors"));
    let image = "pictures/film-00001-fixed-image.jpg";
    assert!(bytes(&refined, image) == bytes(&raw, image), "the picture is of the filtered image");
}

#[test]
fn wrong_filters_and_refinements_are_refused_at_their_place() {
    let bench = bench();
    let refused = |from: &str, to: &str, told: &[&str]| {
        assert!(CLEANED.contains(from));
        bench.file("cleaned.toml", CLEANED.replace(from, to));
        bench.oncospec(&["check", "cleaned.toml"]).with(2).telling(told);
    };
    refused("window = 3", "window = 1", &["cleaned.toml:6:40", "a whole number from 2 to 255"]);
    refused("tiles = 4", "tile = 4", &["cleaned.toml:6:63", "did you mean `tiles`?"]);
    refused("\"clahe\"", "\"median\"", &["cleaned.toml:6:54", "`wiener`, `clahe`"]);
    refused("-px = 8", "-px = 0", &["cleaned.toml:10:41", "a number from 0.1 to 1000"]);
    refused("\"crf\"", "\"crv\"", &["cleaned.toml:10:19", "did you mean \"crf\"?"]);
}
