//! The command line as a newcomer meets it.

use serde_json::Value;

use crate::support::Bench;

#[test]
fn the_help_names_every_command() {
    let said = Bench::new().oncospec(&["--help"]).with(0);
    insta::assert_snapshot!(said.out);
}

#[test]
fn a_typo_in_a_command_gets_a_suggestion() {
    Bench::new().oncospec(&["chek", "a.toml"]).with(2).telling(&["check"]);
}

#[test]
fn typos_in_keys_are_found_together_and_pointed_at() {
    let bench = Bench::new();
    bench.file(
        "typo.toml",
        "name = \"typo\"\n[dataset]\nkind = \"phantom\"\nimage-sise = 64\n\n[model]\nkind = \"unnet\"\n",
    );
    let said = bench.oncospec(&["check", "typo.toml"]).with(2);
    insta::assert_snapshot!(said.err);
}

#[test]
fn sizes_that_the_network_cannot_halve_are_refused_at_their_key() {
    let bench = Bench::new();
    bench.tiny("");
    let said = bench.oncospec(&["check", "tiny.toml", "--set", "dataset.image-size=33"]).with(2);
    insta::assert_snapshot!(said.err);
}

#[test]
fn figures_that_nobody_records_are_refused_with_the_nearest_name() {
    let bench = Bench::new();
    bench.tiny("best = { metric = \"valid.dice.leison\", goal = \"highest\" }\n[gate]\n\"test.dise.mean\" = { at-least = 0.5 }\n");
    let said = bench.oncospec(&["check", "tiny.toml"]).with(2);
    insta::assert_snapshot!(said.err);
}

#[test]
fn a_missing_spec_and_a_missing_run_are_the_users_mistake() {
    let bench = Bench::new();
    bench.oncospec(&["run", "nowhere.toml"]).with(2).telling(&["nowhere.toml"]);
    bench.oncospec(&["report", "nowhere"]).with(2).telling(&["nowhere", "oncospec list"]);
    bench.oncospec(&["data", "inspect", "nowhere"]).with(2).telling(&["nowhere"]);
    bench.oncospec(&["explain", "schedule.epoch"]).with(2).telling(&["schedule.epochs"]);
}

#[test]
fn a_gpu_that_is_not_there_is_an_error_in_words() {
    if oncospec::device::visible().is_ok() {
        return;
    }
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&["run", "tiny.toml", "--device", "cuda"]).with(2).telling(&[
        "cuda:0",
        "no NVIDIA driver",
        "--device cpu",
    ]);
    bench
        .oncospec(&["run", "tiny.toml", "--device", "gpu"])
        .with(2)
        .telling(&["`gpu`", "cuda:<index>"]);
}

#[test]
fn machines_read_standard_output() {
    let bench = Bench::new();
    bench.tiny("");
    let checked = bench.oncospec(&["check", "tiny.toml", "--json"]).with(0);
    let checked: Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!(checked[0]["train"], 20);
    let schema: Value = serde_json::from_str(&bench.oncospec(&["schema"]).with(0).out).unwrap();
    assert!(schema["properties"]["dataset"].is_object());
    let doctor: Value =
        serde_json::from_str(&bench.oncospec(&["doctor", "--json"]).with(0).out).unwrap();
    assert!(doctor["host"]["cores"].as_u64().unwrap() > 0);
    std::fs::create_dir(bench.path().join("runs")).unwrap();
    let list: Value =
        serde_json::from_str(&bench.oncospec(&["list", "--json"]).with(0).out).unwrap();
    assert_eq!(list, Value::Array(Vec::new()));
}

#[test]
fn completions_name_the_commands() {
    let said = Bench::new().oncospec(&["completions", "bash"]).with(0);
    assert!(said.out.contains("evaluate"));
}

#[test]
fn synthetic_data_can_be_written_inspected_and_trained_on() {
    let bench = Bench::new();
    bench
        .oncospec(&["data", "synth", "--kind", "busi", "--out", "my data (1)", "--cases", "40"])
        .with(0);
    let said = bench.oncospec(&["data", "inspect", "my data (1)", "--json"]).with(0);
    let inspection: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(inspection["layout"], "busi");
    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "my data (1)"]).with(2);
    bench.tiny("");
    let root = "dataset={kind=\"busi\", root=\"my data (1)\", image-size=32}";
    bench.oncospec(&["check", "tiny.toml", "--set", root]).with(0);
}

#[test]
fn masks_are_proposed_from_dominant_colours() {
    let bench = Bench::new();
    bench.oncospec(&["data", "synth", "--kind", "bcss", "--out", "data", "--cases", "4"]).with(0);
    let images = bench.path().join("data/tiles/train");
    let images = images.to_str().unwrap();
    bench.oncospec(&["data", "propose-masks", images, "--out", "proposed"]).with(0);
    let text = std::fs::read_to_string(bench.path().join("proposed/proposals.json")).unwrap();
    let proposed: serde_json::Value = serde_json::from_str(&text).unwrap();
    let shares = proposed[0]["shares"].as_array().unwrap();
    assert!(shares.len() >= 2, "{text}");
    let whole: f64 = shares.iter().map(|share| share.as_f64().unwrap()).sum();
    assert!((whole - 1.0).abs() < 1e-9);
    bench.file("broken.png", "no picture");
    let broken = bench.oncospec(&["data", "propose-masks", "broken.png", "--out", "more"]);
    broken.with(2).telling(&["broken.png"]);
}
