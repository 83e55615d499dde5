//! Every spec that is shown to a reader is one that works.

use std::fs;
use std::path::{Path, PathBuf};

use oncospec::spec::{load, spec_files};

use crate::support::{Bench, repository, said, shared};

fn experiments(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("literature") {
            files.extend(experiments(&path));
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn every_experiment_file_is_right() {
    let files = spec_files(&experiments(&repository().join("experiments"))).unwrap();
    assert!(files.len() >= 17, "{files:?}");
    for file in files {
        if let Err(problems) = load(&file, &[], std::iter::empty()) {
            panic!("{problems}");
        }
    }
}

#[test]
fn every_file_of_published_figures_is_right_and_no_run_shares_what_its_source_leaves_out() {
    let folder = repository().join("experiments/literature");
    let files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        let found = oncospec::spec::literature(&file).unwrap();
        assert_eq!(file.file_stem().unwrap().to_str(), Some(found.data.as_str()));
        let cited = |table: &&oncospec::spec::LiteratureTable| {
            table.url.is_some() || table.source.contains("not recorded")
        };
        assert_eq!(
            found.tables.iter().filter(cited).count(),
            found.tables.len(),
            "{}",
            file.display()
        );
    }
}

#[test]
fn the_experiments_that_run_on_each_commit_find_their_data() {
    let bench = Bench::new();
    for file in experiments(&repository().join("experiments/ci")) {
        bench.oncospec(&["check", file.to_str().unwrap()]).with(0);
    }
}

#[test]
fn the_experiments_on_real_data_find_them() {
    let Some(data) = shared() else { return };
    let bench = Bench::new();
    let roots = [
        ("busi_attention_unet.toml", "Dataset_BUSI_with_GT"),
        ("busi_attention_unet_51.toml", "Dataset_BUSI_with_GT"),
        ("busi_attention_unet_first.toml", "Dataset_BUSI_with_GT"),
        ("busi_unet.toml", "Dataset_BUSI_with_GT"),
        ("busi_unet_plus_plus.toml", "Dataset_BUSI_with_GT"),
        ("busi_unet_plus_plus_resnet34.toml", "Dataset_BUSI_with_GT"),
        ("busi_unet_efficientnet_lite0.toml", "Dataset_BUSI_with_GT"),
        ("busi_unet_3_plus.toml", "Dataset_BUSI_with_GT"),
        ("busi_cmunext.toml", "Dataset_BUSI_with_GT"),
        ("busi_unext.toml", "Dataset_BUSI_with_GT"),
        ("busi_mobile_uvit.toml", "Dataset_BUSI_with_GT"),
        ("busi_rgu_net.toml", "Dataset_BUSI_with_GT"),
        ("busi_multi_task.toml", "Dataset_BUSI_with_GT"),
        ("bcss_unet_resnet34.toml", "BCSS_22"),
        ("bcss_unet_resnet34_frozen.toml", "BCSS_22"),
        ("suites/busi.toml", "Dataset_BUSI_with_GT"),
        ("suites/bcss.toml", "BCSS_22"),
    ];
    for (file, root) in roots {
        let spec = repository().join("experiments").join(file);
        let root = format!("dataset.root={}", data.join(root).display());
        bench.oncospec(&["check", spec.to_str().unwrap(), "--set", &root]).with(0);
    }
}

#[test]
fn what_a_changed_kind_drops_is_told_by_every_command_and_on_the_page() {
    let bench = Bench::new();
    bench.tiny("[evaluation]\nthreshold = { kind = \"fixed\", value = 0.25 }\n");
    let spec = "extends = \"tiny.toml\"\nname = \"other\"\nschedule.optimizer.kind = \"sgd\"\n\
                schedule.epochs = 1\nevaluation.threshold.kind = \"best-on-valid\"\n\
                report.film.frames = 0\n";
    let spec = bench.file("other.toml", spec);
    let spec = spec.to_str().unwrap();
    let note = "other: `evaluation.threshold.value = 0.25` (";
    let why = "is dropped: `evaluation.threshold.kind` is now \"best-on-valid\" (";
    for command in ["check", "plan", "run"] {
        bench.oncospec(&[command, spec, "--device", "cpu"]).with(0).telling(&[note, why]);
    }
    let page = fs::read_to_string(bench.path().join("reports/other.html")).unwrap();
    assert!(page.contains("`evaluation.threshold.value = 0.25`"), "the page does not tell");
}

#[test]
fn the_order_of_arguments_does_not_count_and_other_programs_variables_break_nothing() {
    let bench = Bench::new();
    let spec = bench.tiny("");
    let spec = spec.to_str().unwrap();
    let sets = ["dataset.split.fold=2", "dataset.split.kind=kfold"];
    for [first, second] in [sets, [sets[1], sets[0]]] {
        let arguments = ["plan", spec, "--device", "cpu", "--set", first, "--set", second];
        let plan = bench.oncospec(&arguments).with(0);
        assert!(plan.out.contains("fold = 2  # --set"), "{}", plan.out);
        assert!(plan.out.contains("kind = \"kfold\"  # --set"), "{}", plan.out);
    }
    let mut command = bench.command(&["check", spec]);
    command.env("ONCOSPEC_HOME", "/opt").env("ONCOSPEC_LR", "0.1");
    said(command.output().unwrap())
        .with(0)
        .telling(&["ONCOSPEC_HOME is no key of a spec and is not read", "ONCOSPEC_LR is no key"]);
    let mut command = bench.command(&["check", spec]);
    command.env("ONCOSPEC_SCHEDULE_EPOCHS", "3");
    said(command.output().unwrap()).with(2).telling(&["did you mean ONCOSPEC_SCHEDULE__EPOCHS?"]);
}
