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

/// A classifier that is given age and which of two devices took the image.
const FUSED: &str = r#"
name = "fused"

[task]
kind = "classify"
fuse = { columns = ["age", "aixplorer"], hidden = 4 }

[dataset]
kind = "table"
root = "data"
table = "cases.csv"
class = "class"
metadata = ["age", "aixplorer", "device"]
image-size = 32
channels = "gray"
split = { kind = "holdout", fractions = { train = 0.5, valid = 0.2, test = 0.3 }, group = "none" }

[model]
kind = "resnet18"

[schedule]
epochs = 1
batch-size = 8

[evaluation]
by = [{ column = "device" }, { column = "age", cuts = [50] }]

[report]
best = 1
worst = 1
random = 1
film = { frames = 1 }

[run]
device = "cpu"
"#;

/// The table with a column for one of the devices.
fn with_device_as_number(bench: &Bench) {
    with_columns(bench);
    let table = fs::read_to_string(bench.path().join("data/cases.csv")).unwrap();
    let line = |line: &str| match line.rsplit(';').next().unwrap() {
        "device" => format!("{line};aixplorer"),
        device => format!("{line};{}", u8::from(device == "Aixplorer")),
    };
    bench.file("data/cases.csv", table.lines().map(line).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_classifier_is_given_columns_beside_the_image() {
    let bench = Bench::new();
    with_device_as_number(&bench);
    bench.file("fused.toml", FUSED);
    let planned = bench.oncospec(&["plan", "fused.toml"]).with(0).out;
    assert!(planned.contains("fusion.hidden") && planned.contains("fusion.output"), "{planned}");
    bench.oncospec(&["run", "fused.toml"]).with(0);
    let run = bench.only_run("runs", "fused");
    let record = Record::read(&run).unwrap();
    assert_eq!(record.summary.model, "ResNet-18, given age, aixplorer beside the image");
    assert!(record.layers.iter().any(|layer| layer.name == "fusion.hidden" && layer.trainable));

    // As numpy has mean and standard deviation of the training split.
    let plan: toml::Table = record.plan.parse().unwrap();
    let fused = plan["fused"].as_array().unwrap();
    let ages: Vec<f64> = record
        .split
        .iter()
        .filter(|row| row.split == SplitName::Train)
        .filter_map(|row| row.metadata["age"].as_ref()?.parse().ok())
        .collect();
    let mean = ages.iter().sum::<f64>() / ages.len() as f64;
    assert!((fused[0]["mean"].as_float().unwrap() - mean).abs() < 1e-9);
    assert_eq!(
        [&fused[0], &fused[1]].map(|one| one["indicator"].as_bool()),
        [Some(true), Some(false)]
    );
    assert_eq!(strata(&record, "device").len(), 3);
    let strata: u64 = strata(&record, "age").iter().map(|stratum| stratum.cases).sum();
    assert_eq!(
        strata,
        record.scores.iter().filter(|row| row.split == SplitName::Test).count() as u64
    );
    assert!(record.pictures.iter().all(|picture| picture.images.heat.is_some()));

    // Evaluated again, and predicted image by image, it gives what it recorded.
    let scored = bench.oncospec(&["evaluate", "fused", "--split", "test", "--json"]).with(0);
    let figures: Value = serde_json::from_str(&scored.out).unwrap();
    let again = figures.as_array().unwrap().iter().find(|figure| figure["name"] == "auc.macro");
    let recorded = record.figure(&full_name("test.auc.macro")).unwrap().value;
    assert_eq!(again.unwrap()["value"].as_f64().unwrap(), recorded);
    let table = ["--table", "data/cases.csv", "--out", "called"];
    bench.oncospec(&[&["predict", "fused", "data/benign"], &table[..]].concat()).with(0);
    let called = fs::read_to_string(bench.path().join("called/predictions.json")).unwrap();
    let called: Vec<Value> = serde_json::from_str(&called).unwrap();
    let mut compared = 0;
    for row in record.scores.iter().filter(|row| row.truth == "benign") {
        let file = format!("{}.png", row.case.rsplit('/').next().unwrap());
        let found = called
            .iter()
            .find(|one| one["image"].as_str().unwrap().ends_with(&format!("/{file}")))
            .unwrap();
        let probability = found["probabilities"]["benign"].as_f64().unwrap();
        assert!((probability - row.probabilities[0]).abs() < 1e-5, "{}", row.case);
        compared += 1;
    }
    assert!(compared > 5);

    // Other ages predict otherwise.
    let text = fs::read_to_string(bench.path().join("data/cases.csv")).unwrap();
    let older = |line: &str| {
        let mut cells: Vec<&str> = line.split(';').collect();
        if cells[3] != "age" {
            cells[3] = "99";
        }
        cells.join(";")
    };
    bench.file("data/older.csv", text.lines().map(older).collect::<Vec<_>>().join("\n"));
    let table = ["--table", "data/older.csv", "--out", "older"];
    bench.oncospec(&[&["predict", "fused", "data/benign"], &table[..]].concat()).with(0);
    let older = fs::read_to_string(bench.path().join("older/predictions.json")).unwrap();
    let older: Vec<Value> = serde_json::from_str(&older).unwrap();
    assert_ne!(older[0]["probabilities"], called[0]["probabilities"]);

    let cam = ["cam", "fused", "data/benign", "--table", "data/cases.csv", "--out", "cams"];
    bench.oncospec(&cam).with(0);
    bench.oncospec(&["export", "fused", "--out", "exported"]).with(0);
    let card = fs::read_to_string(bench.path().join("exported/model.json")).unwrap();
    let card: Value = serde_json::from_str(&card).unwrap();
    assert!(card["pytorch"].is_null());
    assert_eq!(card["fusion"]["columns"][0]["column"], "age");
    assert_eq!(card["fusion"]["columns"][0]["mean"].as_f64(), fused[0]["mean"].as_float());
}

#[test]
fn a_fused_run_resumes_to_the_same_weights() {
    let bench = Bench::new();
    with_device_as_number(&bench);
    bench.file("fused.toml", FUSED);
    let two = ["run", "fused.toml", "--set", "schedule.epochs=2"];
    bench.oncospec(&[&two[..], &["--set", "run.output=whole"]].concat()).with(0);
    bench.oncospec(&["run", "fused.toml"]).with(0);
    let parent = bench.only_run("runs", "fused");
    bench.oncospec(&["run", "fused.toml", "--extend-epochs", "1"]).with(0);
    let runs = fs::read_dir(bench.path().join("runs/fused")).unwrap();
    let longer = runs
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir() && *path != parent)
        .unwrap();
    let weights = |run: &std::path::Path| fs::read(run.join("model.safetensors")).unwrap();
    let whole = bench.only_run("whole", "fused");
    let last = |run: &std::path::Path| Record::read(run).unwrap().epochs;
    assert_eq!(last(&whole), last(&longer));
    assert!(weights(&whole) == weights(&longer));
}

#[test]
fn what_cannot_be_fused_is_refused_and_a_missing_table_named() {
    let bench = Bench::new();
    with_device_as_number(&bench);
    bench.file("fused.toml", FUSED);
    let refused = |set: &str, told: &[&str]| {
        bench.oncospec(&["check", "fused.toml", "--set", set]).with(2).telling(told);
    };
    refused(
        "task.fuse.columns=[\"device\"]",
        &["`device` holds what is no number", "columns of 0 and 1"],
    );
    refused(
        "task.fuse.columns=[\"bmi\"]",
        &["no column `bmi` goes with the cases", "age, aixplorer"],
    );
    refused("task.fuse.columns=[\"age\", \"age\"]", &["named twice"]);

    bench.oncospec(&["run", "fused.toml"]).with(0);
    let predict = |more: &[&str]| {
        bench.oncospec(&[&["predict", "fused", "data/benign", "--out", "called"], more].concat())
    };
    predict(&[]).with(2).telling(&["is given age, aixplorer beside the image", "--table FILE"]);
    bench.file("data/few.csv", "image;age;aixplorer\nmalignant/none.png;40;0\n");
    predict(&["--table", "data/few.csv"]).with(2).telling(&["no row of data/few.csv names it"]);
    bench.file("data/lacking.csv", "image;age\nbenign/a.png;40\n");
    predict(&["--table", "data/lacking.csv"]).with(2).telling(&["no column `aixplorer`"]);
    // Changed values are other data.
    let text = fs::read_to_string(bench.path().join("data/cases.csv")).unwrap();
    bench.file("data/cases.csv", text.replace(";LOGIQ E9;", ";EPIQ;"));
    let evaluate = ["evaluate", "fused", "--split", "valid"];
    bench.oncospec(&evaluate).with(2).telling(&["columns of the table are not those of the run"]);
    bench.oncospec(&[&evaluate[..], &["--changed-data"]].concat()).with(0);
}

#[test]
fn a_column_that_tells_the_class_is_found_and_a_table_is_refused_where_nothing_is_fused() {
    let bench = Bench::new();
    with_device_as_number(&bench);
    let text = fs::read_to_string(bench.path().join("data/cases.csv")).unwrap();
    let line = |line: &str| match line.split(';').nth(2).unwrap() {
        "class" => format!("{line};birads"),
        class => format!("{line};{}", if class == "malignant" { 5 } else { 2 }),
    };
    bench.file("data/cases.csv", text.lines().map(line).collect::<Vec<_>>().join("\n"));
    let told = FUSED
        .replace("metadata = [", "metadata = [\"birads\", ")
        .replace("columns = [", "columns = [\"birads\", ");
    bench.file("fused.toml", told);
    let said = bench.oncospec(&["check", "fused.toml"]).with(0);
    assert!(said.err.contains("columns that tell a class by themselves"), "{}", said.err);

    bench.file("plain.toml", FUSED.replace("fuse = ", "#").replace("\"fused\"", "\"plain\""));
    bench.oncospec(&["run", "plain.toml"]).with(0);
    let predict =
        ["predict", "plain", "data/benign", "--table", "data/cases.csv", "--out", "called"];
    bench.oncospec(&predict).with(2).telling(&["given the image alone; leave it out"]);
}
