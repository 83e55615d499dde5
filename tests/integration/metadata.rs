//! Columns of a table beside its images.

use std::fs;

use oncospec::record::Record;

use crate::support::Bench;

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

[report]
film = { frames = 1 }

[run]
device = "cpu"
"#;

#[test]
fn columns_reach_the_record_and_a_misspelt_one_is_refused() {
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

    let set = ["--set", "dataset.metadata=[\"agee\"]"];
    let refused = bench.oncospec(&[&["check", "columns.toml"], &set[..]].concat()).with(2);
    refused.telling(&["no column `agee`", "`dataset.metadata`", "`age`"]);
}
