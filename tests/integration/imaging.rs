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
    let page = fs::read_to_string(bench.path().join("reports/cleaned.html")).unwrap();
    let refined_as = "are of probabilities refined by a conditional random field (5 updates)";
    for part in [refined_as, "bilateral-px = 8.0"] {
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
    assert!(!String::from_utf8(page).unwrap().contains("conditional random field"));

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

const STEPS: &str = r#"extends = "tiny.toml"
name = "steps"

[evaluation]
metrics = ["dice", "hd95", "auc", "false-alarm"]
missed-distance = "diagonal"
threshold = { kind = "best-on-valid" }
calibration = { kind = "temperature" }
test-time-augmentation = { horizontal-flip = true, rotate90 = true, scales = [1.5] }
post-process = [{ kind = "fill-holes" }, { kind = "remove-small", pixels = 3 }, { kind = "largest-component" }]
"#;

/// The steps after the network of a run, as they are recorded.
fn settled(run: &Path) -> serde_json::Value {
    json(&run.join("summary.json"))["settled"].clone()
}

#[test]
fn steps_after_the_network_are_settled_on_validation_and_taken_by_every_command() {
    let bench = Bench::new();
    bench.tiny("");
    bench.file("steps.toml", STEPS);
    let run = bench.trained("steps", "all", &[]);
    let record = Record::read(&run).unwrap();
    let all = settled(&run);
    assert_eq!(all["post_process"].as_array().unwrap().len(), 3, "{all}");
    let temperature = all["temperature"].as_f64().unwrap();
    assert!((0.05..20.0).contains(&temperature) && temperature != 1.0, "{temperature}");
    let page = fs::read_to_string(bench.path().join("reports/steps.html")).unwrap();
    for part in [
        "averaged over 16 views of the image",
        "calibrated at temperature",
        "Calibration of pixels",
    ] {
        assert!(page.contains(part), "no `{part}` in the page");
    }
    // Whatever scores the run again takes the same steps.
    let path = run.to_str().unwrap();
    assert!(bench.scored_alike(path, &record) > 5);

    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "12"]).with(0);
    let masks = predicted(&bench, &run, "masks");
    let mut foreground = 0;
    for file in fs::read_dir(&masks).unwrap().map(|entry| entry.unwrap().path()) {
        if !file.to_str().unwrap().ends_with("_mask.png") {
            continue;
        }
        let mask = image::open(&file).unwrap().into_luma8();
        let width = mask.width() as usize;
        let lesion: Vec<bool> = mask.into_raw().into_iter().map(|value| value > 0).collect();
        let regions = oncospec::metric::regions(&lesion, width);
        assert!(regions.len() <= 1, "{}: {} regions", file.display(), regions.len());
        foreground += regions.len();
    }
    assert!(foreground > 0, "no mask has a lesion");
    bench.oncospec(&["export", path, "--out", "exported"]).with(0);
    let output = json(&bench.path().join("exported/model.json"))["output"].clone();
    assert_eq!(output["temperature"].as_f64(), Some(temperature));
    assert_eq!(output["post_process"][1]["pixels"], 3);

    // Of the same weights, with what helps alone.
    let keep = "evaluation.keep={kind=\"if-better-on-valid\"}";
    let chosen = bench.trained("steps", "chosen", &[keep]);
    assert_ne!(run, chosen);
    assert!(bytes(&run, "model.safetensors") == bytes(&chosen, "model.safetensors"));
    let record = Record::read(&chosen).unwrap();
    let tried = &record.summary.tried;
    let names: Vec<&str> = tried.iter().map(|tried| tried.step.as_str()).collect();
    let steps = ["test-time-augmentation", "fill-holes", "remove-small", "largest-component"];
    assert_eq!(names, steps);
    for (step, next) in tried.iter().zip(&tried[1..]) {
        assert_eq!(step.kept, step.with > step.without, "{step:?}");
        let left = if step.kept { step.with } else { step.without };
        if next.step != "fill-holes" {
            assert_eq!(next.without, left, "{next:?}");
        }
    }
    let kept = tried[1..].iter().filter(|tried| tried.kept).count();
    assert_eq!(settled(&chosen)["post_process"].as_array().unwrap().len(), kept);
    assert!(bench.scored_alike(chosen.to_str().unwrap(), &record) > 5);
}

#[test]
fn steps_that_do_not_fit_are_refused_at_their_place() {
    let bench = Bench::new();
    bench.tiny("");
    bench.file("steps.toml", STEPS);
    let refused = |sets: &[&str], told: &[&str]| {
        let mut args = vec!["check", "steps.toml"];
        sets.iter().for_each(|set| args.extend(["--set", set]));
        bench.oncospec(&args).with(2).telling(told);
    };
    let wide = "dataset.image-size={height=32,width=64}";
    refused(&[wide], &["rotate90", "64x32 pixels do not fit the network when turned"]);
    let keep = "evaluation.keep={kind=\"if-better-on-valid\",metric=\"auc\"}";
    refused(&[keep], &["--set evaluation.keep=", "take dice, iou"]);
    let nothing = [
        "evaluation.keep={kind=\"if-better-on-valid\"}",
        "evaluation.post-process=[]",
        "evaluation.test-time-augmentation={horizontal-flip=false,rotate90=false,scales=[]}",
    ];
    refused(&nothing, &["evaluation.keep", "nothing to decide about"]);
    refused(&["evaluation.test-time-augmentation.scales=[9]"], &["a number from 0.25 to 4"]);
    refused(&["evaluation.post-process=[{kind=\"remove-small\"}]"], &["pixels"]);
    bench.oncospec(&["data", "synth", "--kind", "bcss", "--out", "data", "--cases", "4"]).with(0);
    let data =
        "dataset={kind=\"bcss\", root=\"data/tiles\", image-size=32, split={kind=\"by-folder\"}}";
    let threshold = "evaluation.threshold={kind=\"fixed\",value=0.5}";
    refused(&[data, threshold], &["it changes the mask of one foreground", "`false-alarm`"]);
}

#[test]
fn an_experiment_predicts_by_the_mean_of_its_seeds_and_of_its_folds() {
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "12"]).with(0);
    let cpu = ["--device", "cpu"];
    let run = |sets: &[&str]| {
        let mut args = vec!["run", "tiny.toml"];
        sets.iter().for_each(|set| args.extend(["--set", set]));
        bench.oncospec(&[&args[..], &cpu].concat()).with(0);
    };
    run(&["seeds=[0, 1]"]);
    let out = |out| ["predict", "tiny", "data/benign", "--out", out, "--json"];
    let said = bench.oncospec(&[&out("mean")[..], &cpu].concat()).with(0);
    assert!(said.err.contains("the probabilities of 2 runs are averaged"), "{}", said.err);
    let predicted: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let first = &predicted[0];
    let runs: Vec<&str> =
        first["runs"].as_array().unwrap().iter().map(|run| run.as_str().unwrap()).collect();
    assert_eq!(runs.len(), 2);
    assert!(first["disagreement"].as_str().unwrap().ends_with("_disagreement.png"));

    // The mean of what each predicts alone, to the level of a PNG.
    let stem = |path: &str| {
        path.rsplit_once("_mask.png").unwrap().0.rsplit_once('/').unwrap().1.to_owned()
    };
    let stem = stem(first["mask"].as_str().unwrap());
    let probability = |folder: &str| {
        let path = bench.path().join(folder).join(format!("{stem}_probability.png"));
        image::open(path).unwrap().into_luma8().into_raw()
    };
    let mean = probability("mean");
    let mut sums = vec![0.0; mean.len()];
    for (place, run) in runs.iter().enumerate() {
        let folder = format!("alone{place}");
        let args = ["predict", run, "data/benign", "--out", &folder];
        bench.oncospec(&[&args[..], &cpu].concat()).with(0);
        sums.iter_mut().zip(probability(&folder)).for_each(|(sum, p)| *sum += f64::from(p));
        assert!(!bench.path().join(&folder).join(format!("{stem}_disagreement.png")).exists());
    }
    for (mean, sum) in mean.iter().zip(&sums) {
        assert!((f64::from(*mean) - sum / 2.0).abs() <= 1.0, "{mean}, not {}", sum / 2.0);
    }

    // Seeds have one test split, so that their mean is scored on it.
    let scored =
        bench.oncospec(&["evaluate", "tiny", "--split", "test", "--device", "cpu"]).with(0);
    assert!(scored.out.contains("the mean of 2 runs"), "{}", scored.out);

    // Another spec under one name is no part of an average.
    run(&["schedule.epochs=1"]);
    let mixed = bench.oncospec(&[&out("mixed")[..], &cpu].concat()).with(2);
    mixed.telling(&["cannot be averaged", "`schedule.epochs` is", "name one run"]);

    run(&["name=folds", "dataset.split={kind=\"kfold\", folds=3, group=\"none\"}"]);
    bench
        .oncospec(&["predict", "folds", "data/benign", "--out", "folds", "--device", "cpu"])
        .with(0);
    let test = ["evaluate", "folds", "--split", "test", "--device", "cpu"];
    bench.oncospec(&test).with(2).telling(&["other cases in their test split", "--data DIR"]);
}
