//! The ways by which bytes that nobody has checked come in. A target must not panic, hang or take much memory, whatever it is
//! given; what it refuses, it refuses in words.

use std::fs;
use std::iter::empty;
use std::path::{Path, PathBuf};

use oncospec::device::{Request, choose};
use oncospec::digest::sha256;
use oncospec::model::{Model, Part, WeightsSpec, load_weights, weights_misfit};
use oncospec::plan::{self, Depth};
use oncospec::record::{Record, list_runs};
use oncospec::report::{ReportOptions, render};
use oncospec::source::{ForegroundSpec, Levels, SourceSpec, decode_binary, decode_image};
use oncospec::spec::{self, Loaded};
use serde_json::{Value, json};

/// Does with bytes what oncospec does with a file of them; the folder is empty at first, and its own.
pub(crate) type Target = fn(folder: &Path, bytes: &[u8]);

/// All targets.
pub(crate) const TARGETS: [(&str, Target); 8] = [
    ("spec", spec_text),
    ("set", overrides),
    ("suite", suite),
    ("image", image),
    ("split", split),
    ("table", table),
    ("weights", weights),
    ("record", record),
];

const SPEC: &str = r#"
name = "fuzzed"
dataset = { kind = "phantom", cases = 12, image-size = 32, channels = "gray" }
model = { kind = "unet", encoder = { kind = "plain", filters = [2, 4] } }
"#;

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("the working folder takes files");
    path
}

/// Parts the first byte, which chooses among some, from the rest.
fn chosen<'a, T>(among: &'a [T], bytes: &'a [u8]) -> Option<(&'a T, &'a [u8])> {
    let (first, rest) = bytes.split_first()?;
    Some((among.get(usize::from(*first) % among.len())?, rest))
}

/// What follows a spec that could be read, as far as no file is looked at.
fn used(loaded: Loaded) {
    let _ = spec::render(&loaded);
    // Other data sets would be looked for wherever the spec says.
    if matches!(loaded.spec.dataset.source, SourceSpec::Phantom(_)) {
        let _ = plan::check(loaded, Depth::Headers);
    }
}

fn spec_text(folder: &Path, bytes: &[u8]) {
    if let Ok(loaded) = spec::load(&put(folder, "spec.toml", bytes), &[], empty()) {
        used(loaded);
    }
}

fn overrides(folder: &Path, bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let sets: Vec<String> = text.lines().map(str::to_owned).collect();
    if let Ok(loaded) = spec::load(&put(folder, "spec.toml", SPEC), &sets, empty()) {
        used(loaded);
    }
}

fn suite(folder: &Path, bytes: &[u8]) {
    put(folder, "spec.toml", SPEC);
    let _ = spec::suite(&put(folder, "suite.toml", bytes));
}

/// The first byte says how the file's name ends.
fn image(folder: &Path, bytes: &[u8]) {
    const ENDINGS: [&str; 6] = ["png", "jpg", "bmp", "tif", "webp", "dcm"];
    let Some((ending, bytes)) = chosen(&ENDINGS, bytes) else { return };
    let path = put(folder, &format!("image.{ending}"), bytes);
    for levels in [Levels::Refused, Levels::FullRange, Levels::Undecided] {
        let _ = decode_image(&path, levels);
    }
    let _ = decode_binary(&path, &ForegroundSpec::default());
}

/// The first byte says which kind of list it is.
fn split(folder: &Path, bytes: &[u8]) {
    const LISTS: [&str; 3] = [
        "path = \"list.csv\"",
        "path = \"list.json\"",
        "train = \"list.txt\", valid = \"other.txt\"",
    ];
    let Some((list, bytes)) = chosen(&LISTS, bytes) else { return };
    for name in ["list.csv", "list.json", "list.txt"] {
        put(folder, name, bytes);
    }
    put(folder, "other.txt", "phantom-0011\n");
    checked(folder, SPEC, &[format!("dataset.split={{ kind = \"file\", {list} }}")]);
}

/// The first byte says whether it is a CSV file or Parquet.
fn table(folder: &Path, bytes: &[u8]) {
    let Some((name, bytes)) = chosen(&["cases.csv", "cases.parquet"], bytes) else { return };
    put(folder, name, bytes);
    for image in ["a.bmp", "b.bmp"] {
        put(folder, image, SMALL_BMP);
    }
    let text = format!(
        "name = \"fuzzed\"\nmodel = {{ kind = \"unet\", encoder = {{ kind = \"plain\", filters = [2, 4] }} }}\n\
         dataset = {{ kind = \"table\", root = \".\", table = \"{name}\", image = \"image\", masks = [\"mask\"], \
         class = \"class\", group = \"group\", image-size = 32 }}\n"
    );
    checked(folder, &text, &[]);
}

fn checked(folder: &Path, text: &str, sets: &[String]) {
    let path = put(folder, "spec.toml", text);
    let loaded = spec::load(&path, sets, empty()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let _ = plan::check(loaded, Depth::Headers);
}

/// The first byte says whether it is safetensors or PyTorch's format.
fn weights(folder: &Path, bytes: &[u8]) {
    let Some((name, bytes)) = chosen(&["w.safetensors", "w.pth"], bytes) else { return };
    let file = WeightsSpec::at(put(folder, name, bytes));
    let loaded = spec::load(&put(folder, "spec.toml", SPEC), &[], empty());
    let spec = loaded.expect("the spec is right").spec.model;
    let device = choose(Request::Cpu).expect("there is a CPU").device;
    let model = || Model::outline(&spec, [1, 1], None, &device);
    let _ = weights_misfit(&model(), &file, Part::Whole);
    let _ = load_weights(model(), &file, Part::Whole);
}

/// The first byte says which file of a finished run is replaced; its checksum is made to fit.
fn record(folder: &Path, bytes: &[u8]) {
    let run = folder.join("fuzzed/0");
    if !run.exists() {
        copied(&example_run(), &run);
    }
    let names = names(&run);
    let Some((name, bytes)) = chosen(&names, bytes) else { return };
    let (before, status) = (fs::read(run.join(name)), fs::read(run.join("status.json")));
    put(&run, name, bytes);
    seal(&run, name, bytes);
    if let Ok(record) = Record::read(&run) {
        let _ = record.pictured();
        let _ = render(&[record], &ReportOptions::default());
    }
    let _ = list_runs(folder);
    put(&run, "status.json", status.expect("a run has a status"));
    put(&run, name, before.expect("the file was there"));
}

/// The run directory of the fixtures.
fn example_run() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("tests/fixtures/record"))
        .find(|path| path.is_dir())
        .expect("the fixtures are there")
}

/// The files at the top of a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).expect("the run is there").map(|entry| entry.expect("an entry"));
    let files = entries.filter(|entry| entry.path().is_file());
    let mut names: Vec<String> =
        files.map(|entry| entry.file_name().to_string_lossy().into()).collect();
    names.sort();
    names
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the working folder takes folders");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            true => copied(&from, &to),
            false => drop(fs::copy(from, to).expect("a file")),
        }
    }
}

/// Gives a file of a finished run the checksum of what it holds now.
fn seal(run: &Path, name: &str, bytes: &[u8]) {
    let path = run.join("status.json");
    let Ok(mut status) = serde_json::from_slice::<Value>(&fs::read(&path).unwrap_or_default())
    else {
        return;
    };
    let Some(sum) = status.get_mut("files").and_then(|files| files.get_mut(name)) else { return };
    *sum = json!([sha256(bytes)]);
    put(run, "status.json", status.to_string());
}

/// A gray image of 1 x 1.
const SMALL_BMP: &[u8] = b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\0\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\x80\x80\0";
