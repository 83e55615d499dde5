//! `oncospec demo`.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::spec::{Overrides, Specs};
use super::{Output, run};
use crate::error::{Error, Result};

/// The spec of the demonstration, built in.
const SPEC: &str = include_str!("../../experiments/demo.toml");

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder to work in; the spec is written there as demo.toml.
    #[arg(long, default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
    /// Make the run again if it is finished.
    #[arg(long)]
    force: bool,
}

/// Trains a small network on synthetic images and renders a report.
pub fn execute(args: DemoArgs, output: Output) -> Result<u8> {
    let runs = args.folder.join("runs");
    fs::create_dir_all(&runs).map_err(Error::io(&runs, "cannot create"))?;
    let spec = runs.join("demo.toml");
    crate::record::write_file(&spec, SPEC.as_bytes())?;
    output.say(format!("spec: {} (made to be read and changed)", spec.display()));
    let mut overrides = args.overrides;
    overrides.sets.insert(0, format!("run.output={}", toml_string(&runs.display().to_string())));
    run::execute(
        run::RunArgs {
            specs: Specs { paths: vec![spec], overrides },
            resume: !args.force,
            force: args.force,
            output: Some(args.folder.join("reports").join("demo.html")),
            templates: None,
        },
        output,
    )
}

/// A text as a TOML string.
fn toml_string(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}
