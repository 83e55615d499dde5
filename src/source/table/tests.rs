//! Tests of tables of cases.

use std::fs;
use std::path::Path;

use super::super::sample::{save_image, save_mask, spec};
use crate::data::{Dataset, leaks, open, pixel_counts, split, unsearched};
use crate::split_name::SplitName;

/// Four images with masks, of which lesion are the first three columns of nine by five pixels, and their table.
fn set(root: &Path, table: &str) {
    for name in ["a", "b", "c d", "gr\u{f6}\u{df}e"] {
        save_image(&root.join(format!("img/{name}.png")), 9, 5);
        save_mask(&root.join(format!("gt/{name}.png")), 9, 5, |x| 255 * u8::from(x < 3));
    }
    fs::write(root.join("cases.csv"), table).unwrap();
}

const ROWS: &str = "image,mask,who,what,part,age\n\
    img/a.png,gt/a.png,P1,benign,train,40\n\
    img/b.png,gt/b.png,P1,benign,val,41\n\
    img/c d.png,gt/c d.png,P2,malignant,train,42\n\
    img/gr\u{f6}\u{df}e.png,gt/gr\u{f6}\u{df}e.png,P3,malignant,val,43\n";

const SPEC: &str = "kind = 'table'\nroot = $\ntable = 'cases.csv'\nmasks = ['mask']\nclass = 'what'\ngroup = 'who'\n\
    split-column = 'part'\nsplit = { kind = 'by-column' }";

fn open_set(table: &str, toml: &str) -> crate::error::Result<Dataset> {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), table);
    let dataset = open(&spec(toml, folder.path()))?;
    assert_eq!(pixel_counts(&dataset, &[0]).unwrap(), [30, 15]);
    Ok(dataset)
}

fn error_of(table: &str, toml: &str) -> String {
    open_set(table, toml).unwrap_err().to_string()
}

fn ids(dataset: &Dataset) -> Vec<&str> {
    dataset.cases.iter().map(|case| case.id.as_str()).collect()
}

#[test]
fn rows_become_cases_with_class_group_and_split() {
    let dataset = open_set(ROWS, SPEC).unwrap();
    assert_eq!(ids(&dataset), ["img/a", "img/b", "img/c d", "img/gr\u{f6}\u{df}e"]);
    let case = &dataset.cases[2];
    assert_eq!((case.label.as_str(), case.group.as_deref()), ("malignant", Some("P2")));
    assert_eq!(case.folder, Some(SplitName::Train));
}

#[test]
fn a_group_on_both_sides_of_a_declared_split_is_named() {
    let spec = spec(SPEC, Path::new("."));
    let dataset = open_set(ROWS, SPEC).unwrap();
    let duplicates = unsearched(&dataset);
    let parts = split(&spec.split, &dataset, &duplicates).unwrap();
    assert_eq!((parts.train.as_slice(), parts.valid.as_slice()), (&[0, 2][..], &[1, 3][..]));
    assert_eq!(parts.groups, ["P1", "P1", "P2", "P3"]);
    let lines: Vec<String> =
        leaks(&dataset, &parts, &duplicates).iter().map(|f| f.line()).collect();
    assert!(
        lines[0].starts_with("groups lie in more than one split")
            && lines[0].contains("(P1 in train and valid)"),
        "{lines:?}"
    );
}

#[test]
fn semicolons_and_windows_1252_are_read_and_said() {
    let table = ROWS.replace(',', ";").replace('\u{f6}', "\u{1}").replace('\u{df}', "\u{2}");
    let bytes: Vec<u8> = table
        .bytes()
        .map(|b| match b {
            1 => 0xf6,
            2 => 0xdf,
            b => b,
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), ROWS);
    fs::write(folder.path().join("cases.csv"), bytes).unwrap();
    let dataset = open(&spec(SPEC, folder.path())).unwrap();
    assert_eq!(dataset.cases.len(), 4);
    let said: Vec<String> = dataset.findings.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|line| line.contains("read as Windows-1252")), "{said:?}");
}

#[test]
fn several_masks_stand_in_several_columns_or_in_one_cell() {
    let table = "image,m1,m2\nimg/a.png,gt/a.png,gt/b.png\nimg/b.png,gt/a.png|gt/b.png,\n";
    let toml = "kind = 'table'\nroot = $\ntable = 'cases.csv'\nmasks = ['m1', 'm2']";
    let dataset = open_set(table, toml).unwrap();
    let counts: Vec<usize> = dataset.cases.iter().map(|case| case.mask.files().len()).collect();
    assert_eq!(counts, [2, 2]);
    let layers = format!(
        "{toml}\npixels = {{ kind = 'layers', classes = [{{ name = 'x', at = 'm1' }}, {{ name = 'y', at = 'm3' }}] }}"
    );
    let message = error_of(table, &layers);
    assert!(
        message.contains("no class of `dataset.pixels.classes` has `at = \"m2\"`"),
        "{message}"
    );
    assert!(message.contains("`at = \"m3\"` is none of the columns"), "{message}");
}

#[test]
fn paths_may_go_up_and_may_be_relative_to_the_table() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), "");
    fs::create_dir(folder.path().join("tables")).unwrap();
    let table = "image;mask\n../img/a.png;..\\gt\\a.png\nimg/b.png;gt/b.png\n";
    fs::write(folder.path().join("tables/t.csv"), table).unwrap();
    let toml = "kind = 'table'\nroot = $\ntable = 'tables/t.csv'\nmasks = ['mask']";
    assert_eq!(ids(&open(&spec(toml, folder.path())).unwrap()), ["img/a", "img/b"]);
    let toml = toml.replace("tables/t.csv", "t.csv");
    let message = open(&spec(&toml, &folder.path().join("tables"))).unwrap_err().to_string();
    assert!(message.contains("t.csv:3: img/b.png (nor is its folder)"), "{message}");
}

#[test]
fn what_is_wrong_with_rows_is_named_with_their_lines() {
    let table = ROWS
        .replace("img/b.png", "img/bb.png")
        .replace("img/c d.png", "img/a.png")
        .replace(",P3,malignant,val", ",,,sometimes");
    let message = error_of(&table, SPEC);
    for part in [
        "files that the table names and that are not there (cases.csv:3: img/bb.png (the nearest is img/b.png))",
        "cases that the table has twice (cases.csv:4: `img/a`, as in 2)",
        "rows without a class (cases.csv:5)",
        "rows without a group (cases.csv:5)",
        "none of `train`, `valid` and `test` (cases.csv:5: `sometimes`)",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn a_column_that_is_not_there_shows_the_nearest() {
    let message =
        error_of(ROWS, &SPEC.replace("'who'", "'patient'").replace("['mask']", "['masks']"));
    assert!(
        message.contains("no column `masks`, which `dataset.masks` names; the nearest are `mask`"),
        "{message}"
    );
    assert!(message.contains("no column `patient`, which `dataset.group` names"), "{message}");
}

#[test]
fn an_empty_cell_is_an_image_without_a_mask() {
    let table = ROWS.replace("gt/b.png", "");
    let message = error_of(&table, SPEC);
    assert!(
        message.contains(
            "images without their mask (img/b.png: nothing in the column `mask` (cases.csv:3))"
        ),
        "{message}"
    );
}

#[test]
fn cases_without_a_split_are_left_out() {
    let table =
        ROWS.replace("P1,benign,val", "P1,benign,").replace("P1,benign,train", "P1,benign,val");
    let spec = spec(SPEC, Path::new("."));
    let dataset = open_set(&table.replace("P2,malignant", "P2,benign"), SPEC).unwrap();
    let parts = split(&spec.split, &dataset, &unsearched(&dataset));
    let message = parts.unwrap_err().to_string();
    assert!(message.contains("no case of class `malignant` in `train`"), "{message}");
}

#[test]
fn named_columns_go_with_the_cases_and_empty_cells_are_missing() {
    let table = ROWS.replace(",41", ",").replace(",42", ", 42.5 ");
    let carrying = SPEC.replace("group = 'who'", "group = 'who'\nmetadata = ['age', 'who']");
    let dataset = open_set(&table, &carrying).unwrap();
    let age = |case: usize| dataset.cases[case].metadata["age"].as_deref();
    assert_eq!([age(0), age(1), age(2)], [Some("40"), None, Some("42.5")]);
    assert_eq!(dataset.cases[0].metadata.len(), 2);
    assert!(open_set(ROWS, SPEC).unwrap().cases.iter().all(|case| case.metadata.is_empty()));
}

#[test]
fn a_misspelt_column_of_metadata_is_refused_with_the_nearest() {
    let with = |columns: &str| {
        SPEC.replace("group = 'who'", &format!("group = 'who'\nmetadata = [{columns}]"))
    };
    let said = error_of(ROWS, &with("'aeg'"));
    assert!(
        said.contains("no column `aeg`, which `dataset.metadata` names; the nearest are `age`")
    );
    assert!(error_of(ROWS, &with("'age', 'age'")).contains("`dataset.metadata`: `age` twice"));
}
