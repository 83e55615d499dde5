//! Which figures decide, and what is said of those that cannot.

use std::fs;

use image::{GrayImage, ImageBuffer};
use oncospec::record::{Record, RunState};
use oncospec::split_name::SplitName;

use crate::support::Bench;

/// A small BUSI with lesions in some benign images of training alone.
fn no_lesion_in_validation() -> Bench {
    let bench = Bench::new();
    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "busi", "--cases", "30"]).with(0);
    let (mut train, mut valid) = (Vec::new(), Vec::new());
    for class in ["benign", "malignant", "normal"] {
        let folder = bench.path().join("busi").join(class);
        let names = fs::read_dir(&folder).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.contains("_mask")).collect();
        names.sort();
        for (number, name) in names.into_iter().enumerate() {
            let list = if number % 3 == 0 { &mut valid } else { &mut train };
            list.push(format!("{class}/{name}"));
            if number % 3 == 0 || class == "malignant" {
                let stem = name.trim_end_matches(".png");
                let masks = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
                for mask in
                    masks.filter(|path| path.to_string_lossy().contains(&format!("{stem}_mask")))
                {
                    let (width, height) = image::image_dimensions(&mask).unwrap();
                    GrayImage::new(width, height).save(&mask).unwrap();
                }
            }
        }
    }
    bench.file("train.txt", train.join("\n"));
    bench.file("valid.txt", valid.join("\n"));
    bench.tiny("");
    bench
}

const OF_LISTS: &str = "dataset={kind=\"busi\", root=\"busi\", image-size=32, channels=\"gray\", \
                        split={kind=\"file\", train=\"train.txt\", valid=\"valid.txt\"}}";

#[test]
fn a_figure_that_no_validation_case_has_ends_the_run_at_its_first_epoch() {
    let bench = no_lesion_in_validation();
    let decided_by =
        |metric: &'static str| ["run", "tiny.toml", "--set", OF_LISTS, "--set", metric];
    // That is known before anything is trained,
    let refused = bench.oncospec(&decided_by("schedule.best.metric=valid.dice.lesion")).with(2);
    refused.telling(&["`valid.dice.lesion` decides, and the valid split has not one pixel"]);
    // and this when nothing was predicted either.
    let arguments = [
        &decided_by("schedule.best.metric=valid.dice.mean")[..],
        &[
            "--set",
            "evaluation={splits=[\"valid\"], empty=\"skip\"}",
            "--set",
            "loss={kind=\"bce\", positive-weight=0.001}",
            "--set",
            "schedule.optimizer.learning-rate=0.3",
        ],
    ]
    .concat();
    let why = "valid.dice.mean, which decides the best epoch, is NaN in epoch 1";
    bench.oncospec(&arguments).with(1).telling(&["epoch 1/3", why]);
    let record = Record::read(bench.only_run("runs", "tiny")).unwrap();
    assert_eq!(record.status.state, RunState::Failed);
    assert_eq!(record.status.epoch, 1);
    assert!(record.status.why.unwrap().starts_with(why));
    let page = fs::read_to_string(bench.path().join("reports/tiny.html")).unwrap();
    assert!(page.contains(&as_sentence(why)));
    // Going on changes nothing of the cause.
    let again = [&arguments[..], &["--resume"]].concat();
    bench.oncospec(&again).with(1).telling(&["valid.dice.mean", "is NaN in epoch 1"]);
}

/// A phrase as the page begins a sentence with it.
fn as_sentence(text: &str) -> String {
    format!("V{}", &text[1..])
}

#[test]
fn directions_are_known_and_names_that_are_no_figures_are_answered_by_those_there_are() {
    let bench = Bench::new();
    bench.tiny("");
    let refused = |set: &str, told: &[&str]| {
        bench.oncospec(&["check", "tiny.toml", "--set", set]).with(2).telling(told);
    };
    let there = "figures begin with `valid.`, then loss, accuracy.pooled, {dice, iou}.{mean, \
                 lesion, pooled}";
    refused(
        "schedule.best.metric=val_dice",
        &["`val_dice` is not recorded", "did you mean `valid.dice.lesion`?", there],
    );
    refused("schedule.best.metric=train.loss", &["is of the training split", "`valid.loss`"]);
    refused(
        "schedule.early-stopping={metric=\"val_loss\", patience=2}",
        &["did you mean `valid.loss`?", "figures begin with `train.` or `valid.`"],
    );
    refused(
        "schedule.best={metric=\"valid.dice.lesion\", goal=\"lowest\"}",
        &["higher is better for `valid.dice.lesion`, so its goal is \"highest\", not \"lowest\""],
    );
    refused(
        "schedule.learning-rate-schedule={kind=\"reduce-on-plateau\", goal=\"highest\"}",
        &["lower is better for `valid.loss`"],
    );
    refused(
        "gate={\"test_dice\"={at-least=0.5}}",
        &["did you mean `test.dice.lesion`?", "{hd95, assd, auc}.{mean, lesion"],
    );
    refused("gate={\"test.hd95.mean\"={at-least=5}}", &["lower is better", "give `at-most`"]);
    for goal in ["", ", goal=\"highest\""] {
        let set = format!("schedule.best={{metric=\"valid.dice.lesion\"{goal}}}");
        bench.oncospec(&["check", "tiny.toml", "--set", &set]).with(0);
    }
}

#[test]
fn the_epoch_with_the_highest_dice_is_kept_and_batches_of_ignored_pixels_make_no_step() {
    let bench = Bench::new();
    bench.oncospec(&["data", "synth", "--kind", "bcss", "--out", "data", "--cases", "24"]).with(0);
    let masks = bench.path().join("data/tiles/train_mask");
    let mut paths: Vec<_> =
        fs::read_dir(&masks).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in &paths[..2] {
        let mask = image::open(path).unwrap();
        let outside: GrayImage = ImageBuffer::new(mask.width(), mask.height());
        outside.save(path).unwrap();
    }
    bench.tiny("");
    let data = "dataset={kind=\"bcss\", root=\"data/tiles\", image-size=32, \
                classes={kind=\"five\"}, split={kind=\"by-folder\"}}";
    bench
        .oncospec(&[
            "run",
            "tiny.toml",
            "--set",
            data,
            "--set",
            "schedule.batch-size=1",
            "--set",
            "loss={kind=\"cross-entropy\"}",
            "--set",
            "schedule.best.metric=valid.dice.lesion",
            "--set",
            "evaluation.splits=[\"valid\"]",
        ])
        .with(0)
        .telling(&["epoch 1: 2 batches without a labelled pixel made no step"]);
    let run = bench.only_run("runs", "tiny");
    let record = Record::read(&run).unwrap();
    let notes = &record.summary.notes;
    assert!(notes.iter().any(|note| note.starts_with("6 batches without a labelled pixel")));
    let dice = |epoch: u32| {
        let mut rows = record.epochs.iter();
        rows.find(|row| row.epoch == epoch && row.split == SplitName::Valid).unwrap().figures["dice.lesion"]
    };
    let best = (1..=3).max_by(|&a, &b| dice(a).total_cmp(&dice(b)).then(b.cmp(&a))).unwrap();
    let selection = record.summary.selection.unwrap();
    assert_eq!((selection.epoch, selection.value), (best, dice(best)));
    assert!(record.plan.contains("goal = \"highest\""), "{}", record.plan);
}
