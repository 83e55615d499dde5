//! Names the engines, the commit and the compiler that this is built from, so that a run can say what made it.

#[path = "build/engine.rs"]
mod engine;
#[path = "build/tokens.rs"]
mod tokens;
#[path = "build/uses.rs"]
mod uses;

use std::path::Path;
use std::{env, process::Command};

/// What the binary is made of.
const SOURCES: [&str; 8] =
    ["src", "crates", "vendor", "build", "build.rs", "templates", "Cargo.toml", "Cargo.lock"];

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    match engine::digests(Path::new("."), &settings()) {
        Ok(digests) => {
            println!("cargo::rustc-env=TRAINING_ENGINE={}", digests.training);
            println!("cargo::rustc-env=EVALUATION_ENGINE={}", digests.evaluation);
            let parts = digests.parts.iter().map(|(name, digest)| format!("{name} {digest}"));
            println!("cargo::rustc-env=ENGINE_PARTS={}", parts.collect::<Vec<_>>().join(","));
            let sources = digests.sources.iter();
            let sources =
                sources.map(|source| [&*source.of, &source.name, &source.digest].join("|"));
            println!("cargo::rustc-env=ENGINE_SOURCES={}", sources.collect::<Vec<_>>().join(","));
        }
        Err(why) => println!("cargo::error=the engine cannot be named: {why}"),
    }
    println!("cargo::rustc-env=ENGINE_RUSTC={}", rustc_version());
    let (commit, dirty) = commit().unwrap_or_default();
    println!("cargo::rustc-env=TOOL_COMMIT={commit}");
    println!("cargo::rustc-env=TOOL_DIRTY={dirty}");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        // A third of the program would be names of symbols.
        println!("cargo::rustc-link-arg-bins=-Wl,--strip-all");
    }
}

/// How it is compiled, as far as that decides figures.
fn settings() -> Vec<String> {
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let mut settings = vec![
        format!("architecture {}", variable("CARGO_CFG_TARGET_ARCH")),
        format!("pointers of {} bits", variable("CARGO_CFG_TARGET_POINTER_WIDTH")),
        format!("instructions {}", variable("CARGO_CFG_TARGET_FEATURE")),
    ];
    let mut features: Vec<String> = env::vars()
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("CARGO_FEATURE_"))
        .collect();
    features.sort();
    settings.extend(features);
    settings
}

/// The commit that the sources are of, and whether they differ from it; `None` outside of a repository of their own.
fn commit() -> Option<(String, bool)> {
    let ask = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    // In a folder of a larger repository, its commit says nothing of these sources.
    if !ask(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    let commit = ask(&["rev-parse", "HEAD"])?;
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    Some((commit, !ask(&status)?.is_empty()))
}

fn rustc_version() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_string()).unwrap_or_default()
}
