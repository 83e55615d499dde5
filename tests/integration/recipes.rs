//! A published recipe written down exactly: lists for training and test, the epoch chosen on test, one of several
//! augmentations, a given normalisation, means over batches, and the table that it was published in.

use std::fs;
use std::path::Path;

use oncospec::record::Record;
use oncospec::split_name::SplitName;

use super::support::Bench;

const RECIPE: &str = r#"
name = "recipe"

[dataset]
kind = "busi"
root = "data"
image-size = 32
classes = ["benign", "malignant"]
multi-mask = "first"
normalize = { kind = "given", mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225], divide-by = 255 }
split = { kind = "file", train = "train.txt", test = "test.txt" }

[augment]
rotate90 = { probability = 0.375 }

[[augment.one-of]]
probability = 0.5
members = [
    { horizontal-flip = { probability = 1 } },
    { vertical-flip = { probability = 1 } },
    { horizontal-flip = { probability = 1 }, vertical-flip = { probability = 1 } },
]

[model]
kind = "unet"
encoder = { kind = "plain", filters = [4, 8] }

[schedule]
epochs = 2
batch-size = 4
choose-on = "test"
best = { metric = "test.iou.pooled" }

[evaluation]
metrics = ["dice", "iou", "soft-dice", "soft-iou"]
splits = ["test"]
resolution = "network"
batches = { size = 2, order = "split", smooth = 1e-5 }
"#;

/// Two of three images with a lesion are for training; test has the others from the last to the first.
fn bench() -> (Bench, [usize; 2]) {
    let bench = Bench::new();
    let synth =
        ["data", "synth", "--kind", "busi", "--out", "data", "--cases", "24", "--seed", "5"];
    bench.oncospec(&synth).with(0);
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for class in ["benign", "malignant"] {
        let mut names: Vec<String> = fs::read_dir(bench.path().join("data").join(class))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.contains("_mask"))
            .map(|name| name.trim_end_matches(".png").to_owned())
            .collect();
        names.sort();
        for (number, name) in names.into_iter().enumerate() {
            if number % 3 < 2 { train.push(name) } else { test.push(name) }
        }
    }
    test.reverse();
    bench.file("train.txt", train.join("\n"));
    bench.file("test.txt", test.join("\n"));
    bench.file("recipe.toml", RECIPE);
    (bench, [train.len(), test.len()])
}

fn literature([train, test]: [usize; 2], image_size: u32) -> String {
    format!(
        "data = 'busi'\n[[table]]\nsource = 'A benchmark'\nurl = 'https://example.org'\n\
         figures = [{{ name = 'IoU', is = 'iou' }}, {{ name = 'F1', is = 'dice' }}]\n\
         [table.protocol]\npredicts = 'pixels'\nlabels = ['benign', 'malignant']\nmasks = 'first'\n\
         cases = {{ train = {train}, valid = 0, test = {test} }}\ndivisions = 3\ngroups = 'none'\n\
         image-size = {image_size}\nresolution = 'network'\nthreshold = 0.5\nchosen-on = 'test'\n\
         convention = {{ kind = 'batches', size = 2, order = 'split', smooth = 1e-5 }}\n\
         [[table.row]]\nnetwork = 'U-Net'\nvalues = [0.6861, 0.7697]\ndeviations = [0.01, 0.02]\n"
    )
}

#[test]
fn an_epoch_chosen_on_test_is_warned_of_recorded_counted_and_shown_and_published_tables_rank_it() {
    let (bench, counts) = bench();
    let warned = ["warning: the epoch is chosen on the", "counts as a reading"];
    for command in ["check", "plan"] {
        bench
            .oncospec(
                &[command, "recipe.toml", "--device", "cpu"]
                    [..if command == "check" { 2 } else { 4 }],
            )
            .with(0)
            .telling(&warned);
    }
    let run = bench.trained("recipe", "runs", &[]);
    let record = Record::read(&run).unwrap();
    let chosen = record.summary.selection.as_ref().unwrap();
    assert_eq!(chosen.metric.to_string(), "test.iou.pooled");
    let splits: Vec<SplitName> = record.epochs.iter().map(|row| row.split).collect();
    assert_eq!(splits, [SplitName::Train, SplitName::Test, SplitName::Train, SplitName::Test]);
    let of_epoch = |epoch: u32| {
        let row =
            record.epochs.iter().find(|row| row.epoch == epoch && row.split == SplitName::Test);
        row.unwrap().figures["iou.pooled"]
    };
    assert_eq!(chosen.value, of_epoch(1).max(of_epoch(2)));

    // Two epochs and the evaluation.
    let epochs = |readings: &[oncospec::record::Reading]| {
        readings.iter().map(|reading| reading.epoch).collect::<Vec<_>>()
    };
    assert_eq!(epochs(record.readings.as_ref().unwrap()), [Some(1), Some(2), None]);
    let ledger = fs::read_to_string(run.parent().unwrap().join("test-readings.jsonl")).unwrap();
    assert_eq!(ledger.lines().count(), 3);

    // The rows of test are in the order of its list.
    let listed = fs::read_to_string(bench.path().join("test.txt")).unwrap();
    let rows = record.split.iter().filter(|row| row.split == SplitName::Test);
    let rows: Vec<&str> = rows.map(|row| row.case.rsplit('/').next().unwrap()).collect();
    assert_eq!(rows, listed.lines().collect::<Vec<_>>());
    for name in ["soft-dice.mean", "soft-iou.mean"] {
        let figure = record.figure(&format!("test.{name}").parse().unwrap());
        assert!(figure.is_some_and(|figure| (0.0..=1.0).contains(&figure.value)), "{name}");
    }

    let page = |literature: String| -> String {
        bench.file("literature.toml", literature);
        let arguments = [
            "report",
            "recipe",
            "--literature",
            "literature.toml",
            "--output",
            "a.html",
            "--overwrite",
        ];
        bench.oncospec(&arguments).with(0);
        fs::read_to_string(bench.path().join("a.html")).unwrap()
    };
    let ranked = page(literature(counts, 32));
    for said in [
        "Chosen on the test images that are reported: the epoch of this run.",
        "epoch chosen on test",
        "It chose the epoch.",
        "read 3 times by one run",
        "chose it, so that its figures are not those of unseen cases",
        "in order of the split&#x27;s list; 0.00001 is added to intersection and union",
        "A benchmark (https:&#x2f;&#x2f;example.org)",
        ">this page<",
        "0.6861 <span class=\"interval\">± 0.01 SD",
    ] {
        assert!(ranked.contains(said), "no `{said}`");
    }
    assert!(!ranked.contains("Not ranked"));
    let apart = page(literature(counts, 64));
    assert!(apart.contains("Not ranked") && apart.contains("mage size: 64 there, 32 here"));
    assert!(!apart.contains(">this page<"));
    let [train, test] = counts;
    let apart = page(literature([train + 1, test], 32));
    assert!(apart.contains(&format!("raining images: {} there, {train} here", train + 1)));
}

#[test]
fn what_choosing_on_test_does_not_go_with_is_refused_with_what_would() {
    let (bench, _) = bench();
    let check = |sets: &[&str], said: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let arguments: Vec<&str> = ["check", "recipe.toml"].into_iter().chain(sets).collect();
        bench.oncospec(&arguments).with(2).telling(said);
    };
    check(&["schedule.best.metric=valid.loss"], &["is of the validation split", "`test.loss`"]);
    check(&["schedule.choose-on=valid"], &["`dataset.split` lists some splits, but not both"]);
    check(
        &["evaluation.splits=['valid']"],
        &["the validation split is to be evaluated", "[\"test\"]"],
    );
    check(&["evaluation.threshold.kind=best-on-valid"], &["best on validation"]);
    let pointer = "leave `valid` out and set `schedule.choose-on = \"test\"`";
    let on_valid = ["schedule.choose-on=valid", "schedule.best.metric=valid.loss"];
    check(&[&on_valid[..], &["dataset.split.valid=test.txt"]].concat(), &["are one list", pointer]);
    fs::copy(bench.path().join("test.txt"), bench.path().join("valid.txt")).unwrap();
    check(
        &[&on_valid[..], &["dataset.split.valid=valid.txt"]].concat(),
        &["is listed for `test`", pointer],
    );
    check(
        &["augment.vertical-flip={probability=0.5}"],
        &["is said by `augment.vertical-flip` too"],
    );
    check(&["dataset.normalize.mean=[0.1, 0.2]"], &["has 2 numbers", "3 channels"]);
    let test_chooses = "is of the test split, which takes no part in choices unless `schedule.choose-on` is \"test\"";
    bench.tiny("[schedule.best]\nmetric = \"test.loss\"\n");
    bench.oncospec(&["check", "tiny.toml"]).with(2).telling(&[test_chooses]);
}

#[test]
fn a_file_of_published_figures_that_is_wrong_is_named() {
    let (bench, _) = bench();
    bench.file("wrong.toml", "data = 'busi'\n");
    bench.tiny("");
    let run = bench.trained("tiny", "runs", &["schedule.epochs=1"]);
    let report = |file: &str| {
        let run: &Path = &run;
        bench.oncospec(&["report", run.to_str().unwrap(), "--literature", file])
    };
    report("wrong.toml").with(2).telling(&["wrong.toml: no file of published figures", "table"]);
    report("none.toml").with(2).telling(&["none.toml: no such file"]);
}
