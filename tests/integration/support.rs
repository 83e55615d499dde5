//! The binary in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use oncospec::figure_name::FigureName;
use oncospec::record::Record;
use serde_json::Value;
use tempfile::TempDir;

/// A figure by its full name.
pub(crate) fn full_name(name: &str) -> FigureName {
    name.parse().unwrap()
}

/// What a file of JSON holds.
pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The real data beside the repository, or `None` with the reason printed.
pub(crate) fn shared() -> Option<PathBuf> {
    let root = std::env::var_os("ONCOSPEC_SHARED")
        .map_or_else(|| repository().join("../shared"), PathBuf::from);
    let data = root.join("data");
    if data.is_dir() {
        return Some(data);
    }
    eprintln!("skipped: no real data at {}", data.display());
    None
}

/// A folder to work in.
pub(crate) struct Bench {
    folder: TempDir,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A spec that trains in a second or two, with more keys at its end.
    pub(crate) fn tiny(&self, more: &str) -> PathBuf {
        self.file("tiny.toml", format!("{TINY}\n{more}"))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oncospec"));
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        command
    }

    pub(crate) fn oncospec(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments).output().unwrap())
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Trains the experiment of that name with some keys changed, and gives the run directory.
    pub(crate) fn trained(&self, name: &str, output: &str, sets: &[&str]) -> PathBuf {
        let (spec, output_set) = (format!("{name}.toml"), format!("run.output={output}"));
        let mut arguments = vec!["run", &spec, "--device", "cpu", "--set", &output_set];
        sets.iter().for_each(|set| arguments.extend(["--set", set]));
        self.oncospec(&arguments).with(0);
        self.only_run(output, name)
    }

    /// Scores a run again, and compares each figure with the recorded one: how many there are.
    pub(crate) fn scored_alike(&self, run: &str, record: &Record) -> usize {
        let evaluate = ["evaluate", run, "--split", "test", "--json", "--device", "cpu"];
        let again: Vec<Value> =
            serde_json::from_str(&self.oncospec(&evaluate).with(0).out).unwrap();
        for figure in &again {
            let name = figure["name"].as_str().unwrap();
            let before = record.figure(&full_name(&format!("test.{name}"))).unwrap().value;
            let now = figure["value"].as_f64().unwrap_or(f64::NAN);
            let alike = now == before || now.is_nan() && before.is_nan();
            assert!(alike, "{name}: {now}, not {before}");
        }
        again.len()
    }

    /// The weights of a run with one filter too large for single precision, so that training from them fails at its first
    /// step; in `large.safetensors`.
    pub(crate) fn large_weights(&self, run: &Path) -> PathBuf {
        let mut bytes = fs::read(run.join("model.safetensors")).unwrap();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let tensors: Value = serde_json::from_slice(&bytes[8..header]).unwrap();
        let place = &tensors["encoder.0.conv1.weight"]["data_offsets"][0];
        let filter = header + place.as_u64().unwrap() as usize;
        for number in bytes[filter..filter + 9 * 4].chunks_exact_mut(4) {
            number.copy_from_slice(&3e38f32.to_le_bytes());
        }
        self.file("large.safetensors", bytes)
    }

    /// The library that makes a process see the disk and the clock as another machine does (`tests/fixtures/machine.c`);
    /// `None`, with the reason printed, where it cannot be made.
    pub(crate) fn machine(&self) -> Option<PathBuf> {
        let library = self.path().join("machine.so");
        let source = repository().join("tests/fixtures/machine.c");
        let mut gcc = Command::new("gcc");
        gcc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
        match gcc.status() {
            Ok(status) if status.success() => Some(library),
            made => {
                eprintln!("skipped: gcc makes no library that stands for a machine: {made:?}");
                None
            }
        }
    }

    /// The only run directory of an experiment.
    pub(crate) fn only_run(&self, output: &str, experiment: &str) -> PathBuf {
        let folder = self.path().join(output).join(experiment);
        let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let mut runs: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
        assert_eq!(runs.len(), 1, "{}", folder.display());
        runs.remove(0)
    }
}

pub(crate) fn said(output: Output) -> Said {
    Said {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Said {
    /// The same, if the exit code is as it should be.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// The same, if standard error holds every one of these.
    #[track_caller]
    pub(crate) fn telling(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "no `{part}` in:\n{}", self.err);
        }
        self
    }
}

const TINY: &str = r#"
name = "tiny"

[dataset]
kind = "phantom"
cases = 40
image-size = 32
channels = "gray"
split = { kind = "holdout", fractions = { train = 0.5, valid = 0.25, test = 0.25 } }

[model]
kind = "unet"
encoder = { kind = "plain", filters = [4, 8], dropout = 0.1 }

[schedule]
epochs = 3
batch-size = 4
optimizer = { kind = "adam", learning-rate = 0.01 }
"#;
