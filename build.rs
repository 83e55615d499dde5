//! Names the engine's own sources and the compiler, so that a run can say what made it.

use std::path::{Path, PathBuf};
use std::{env, fs, process::Command};

use sha2::{Digest, Sha256};

/// What decides a result; the command line, records and reports do not.
const ENGINE: [&str; 8] = [
    "src/data",
    "src/evaluate",
    "src/kernels",
    "src/loss",
    "src/model",
    "src/plan",
    "src/train",
    "Cargo.lock",
];

fn main() {
    let mut files = Vec::new();
    for part in ENGINE {
        println!("cargo::rerun-if-changed={part}");
        collect(Path::new(part), &mut files);
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in &files {
        hash.update(file.to_string_lossy().as_bytes());
        hash.update([0]);
        hash.update(fs::read(file).unwrap_or_default());
        hash.update([0]);
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo::rustc-env=ENGINE_DIGEST={digest}");
    println!("cargo::rustc-env=ENGINE_RUSTC={}", rustc_version());
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            collect(&entry.path(), files);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "lock") {
        files.push(path.to_path_buf());
    }
}

fn rustc_version() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_string()).unwrap_or_default()
}
