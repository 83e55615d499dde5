//! Columns of a table beside its images: in the record, and figures by them.

use std::fs;

use oncospec::record::{Record, Stratum};
use oncospec::split_name::SplitName;
use serde_json::Value;

use crate::support::{Bench, full_name};

/// A data set of synthetic images in the layout of BUSI with a table of their age and device, in which some are missing.
/// Malignant ones are of older patients.
fn with_columns(bench: &Bench) {
    bench.oncospec(&["data", "synth", "--kind", "busi", "--out", "data", "--cases", "60"]).with(0);
    let mut rows = vec!["image;mask;class;age;device".to_string()];
    let mut number = 0;
    for class in ["benign", "malignant"] {
        let mut names: Vec<String> = fs::read_dir(bench.path().join("data").join(class))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.contains("_mask"))
            .collect();
        names.sort();
        for name in names {
            let mask = name.replace(".png", "_mask.png");
            let age =
                if class == "malignant" { 48 + number * 7 % 35 } else { 24 + number * 5 % 40 };
            let age = if number % 9 == 4 { String::new() } else { age.to_string() };
            let device = ["LOGIQ E9", "Aixplorer", ""][number % 7 % 3];
            rows.push(format!("{class}/{name};{class}/{mask};{class};{age};{device}"));
            number += 1;
        }
    }
    bench.file("data/cases.csv", rows.join("\r\n"));
}

const SPEC: &str = r#"
name = "columns"

[dataset]
kind = "table"
root = "data"
table = "cases.csv"
masks = ["mask"]
class = "class"
metadata = ["age", "device"]
image-size = 32
channels = "gray"
split = { kind = "holdout", fractions = { train = 0.4, valid = 0.2, test = 0.4 }, group = "none" }

[model]
kind = "unet"
encoder = { kind = "plain", filters = [4, 8] }

[schedule]
epochs = 1
batch-size = 8

[evaluation]
by = [
    { column = "device" },
    { column = "age", cuts = [40, 60] },
    { column = "label" },
    { column = "lesion-percent", cuts = [5] },
]

[report]
film = { frames = 1 }

[run]
device = "cpu"
"#;

fn strata<'a>(record: &'a Record, column: &str) -> Vec<&'a Stratum> {
    let of = |stratum: &&Stratum| stratum.column == column && stratum.split == SplitName::Test;
    record.strata.iter().filter(of).collect()
}

#[test]
fn columns_reach_the_record_and_figures_are_given_by_them() {
    let bench = Bench::new();
    with_columns(&bench);
    bench.file("columns.toml", SPEC);
    bench.oncospec(&["run", "columns.toml"]).with(0);
    let run = bench.only_run("runs", "columns");
    let record = Record::read(&run).unwrap();
    let table = fs::read_to_string(bench.path().join("data/cases.csv")).unwrap();
    for row in record.split.iter() {
        let line =
            table.lines().find(|line| line.starts_with(&format!("{}.png;", row.case))).unwrap();
        let cells: Vec<&str> = line.split(';').collect();
        let text = |name: &str| row.metadata[name].as_deref().unwrap_or_default();
        assert_eq!([text("age"), text("device")], [cells[3], cells[4]], "{}", row.case);
    }
    assert!(record.cases.iter().all(|row| row.metadata.len() == 2));

    // Each stratum against the rows of its cases.
    let test: Vec<_> = record
        .cases
        .iter()
        .filter(|row| row.split == SplitName::Test && row.resolution == "original")
        .collect();
    for stratum in strata(&record, "device") {
        let of: Vec<f64> = test
            .iter()
            .filter(|row| row.metadata["device"] == stratum.value)
            .filter_map(|row| row.dice)
            .collect();
        assert_eq!(stratum.cases, of.len() as u64);
        let dice = stratum.figures.iter().find(|figure| figure.name == "dice.mean").unwrap();
        assert!((dice.value - of.iter().sum::<f64>() / of.len() as f64).abs() < 1e-12);
        assert_eq!(stratum.figures.len(), 4);
    }
    let names = |column: &str| -> Vec<Option<&str>> {
        strata(&record, column).iter().map(|stratum| stratum.value.as_deref()).collect()
    };
    assert_eq!(names("device"), [Some("Aixplorer"), Some("LOGIQ E9"), None]);
    assert_eq!(names("age")[..3], [Some("< 40"), Some("40 to < 60"), Some(">= 60")]);
    for stratum in strata(&record, "label") {
        let name = format!("test.dice.label.{}", stratum.value.as_ref().unwrap());
        let dice = stratum.figures.iter().find(|figure| figure.name == "dice.mean").unwrap();
        let of_label = record.figure(&full_name(&name)).unwrap();
        assert_eq!((dice.value, dice.n), (of_label.value, of_label.n));
    }
    for column in ["device", "age", "label", "lesion-percent"] {
        let cases: u64 = strata(&record, column).iter().map(|stratum| stratum.cases).sum();
        assert_eq!(cases, test.len() as u64, "{column}");
    }
    let page = fs::read_to_string(bench.path().join("reports/columns.html")).unwrap();
    for part in ["Figures by column", "by device", "(missing)", "40 to &lt; 60"] {
        assert!(page.contains(part), "{part}");
    }

    // As an evaluation afterwards says them.
    let scored = bench.oncospec(&["evaluate", "columns", "--split", "test", "--json"]).with(0);
    let figures: Value = serde_json::from_str(&scored.out).unwrap();
    let of_stratum: Vec<&Value> =
        figures.as_array().unwrap().iter().filter(|figure| figure["by"].is_object()).collect();
    let recorded = record.strata.iter().filter(|stratum| stratum.split == SplitName::Test);
    let recorded: Vec<_> =
        recorded.flat_map(|stratum| stratum.figures.iter().map(move |f| (stratum, f))).collect();
    assert_eq!(of_stratum.len(), recorded.len());
    for (found, (stratum, figure)) in of_stratum.iter().zip(recorded) {
        assert_eq!(found["by"]["value"].as_str(), stratum.value.as_deref());
        assert_eq!(found["value"].as_f64().unwrap_or(f64::NAN).to_bits(), figure.value.to_bits());
    }
    let said = bench.oncospec(&["evaluate", "columns", "--split", "test"]).with(0).out;
    assert!(said.contains("by age: 40 to < 60, ") && said.contains("by device: (missing), "));
}

#[test]
fn other_strata_are_scored_again_from_the_same_weights_and_so_are_changed_values() {
    let bench = Bench::new();
    with_columns(&bench);
    bench.file("columns.toml", SPEC);
    bench.oncospec(&["run", "columns.toml"]).with(0);
    let again = |set: &str| {
        let said = bench.oncospec(&["run", "columns.toml", "--set", set]).with(0);
        assert!(!said.err.contains("epoch 1/1"), "nothing was trained again: {}", said.err);
        said.err
    };
    again("evaluation.by=[{column=\"device\"}]");
    again("dataset.metadata=[\"age\", \"device\"]");
    let table = fs::read_to_string(bench.path().join("data/cases.csv")).unwrap();
    bench.file("data/cases.csv", table.replace(";Aixplorer", ";EPIQ"));
    again("name=columns");
    let runs = fs::read_dir(bench.path().join("runs/columns")).unwrap();
    assert_eq!(runs.filter(|run| run.as_ref().unwrap().path().is_dir()).count(), 3);
}

#[test]
fn columns_that_make_no_strata_are_refused_at_their_key() {
    let bench = Bench::new();
    with_columns(&bench);
    bench.file("columns.toml", SPEC);
    let refused = |set: &str, told: &[&str]| {
        bench.oncospec(&["check", "columns.toml", "--set", set]).with(2).telling(told);
    };
    refused("evaluation.by=[{column=\"devcie\"}]", &["no column `devcie`; did you mean `device`?"]);
    refused("evaluation.by=[{column=\"age\"}]", &["different values", "cuts = [40, 60]"]);
    refused("evaluation.by=[{column=\"device\", cuts=[1]}]", &["`Aixplorer` of ", "no number"]);
    refused("evaluation.by=[{column=\"age\", cuts=[60, 40]}]", &["greater than the one before"]);
    refused("evaluation.by=[{column=\"lesion-percent\"}]", &["cut it"]);
    refused(
        "evaluation.by=[{column=\"device\"}, {column=\"device\"}]",
        &["`device` is named twice"],
    );
    refused("dataset.metadata=[\"agee\"]", &["no column `agee`", "`dataset.metadata`", "`age`"]);
}
