//! `oncospec demo`.

use std::path::PathBuf;

use clap::Args;

use super::spec::{Overrides, Specs};
use super::{Output, OverwriteArgs, run};
use crate::error::{Error, Result};
use crate::outputs::OutputFile;

/// The spec of the demonstration, built in.
const SPEC: &str = include_str!("../../experiments/demo.toml");

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Folder to work in; the spec is written there as demo.toml.
    #[arg(long, default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
    /// Make the run again if it is finished.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Trains a small network on synthetic images and renders a report.
pub(super) fn execute(args: DemoArgs, output: Output) -> Result<u8> {
    let runs = args.folder.join("runs");
    let spec = runs.join("demo.toml");
    let file = OutputFile::new(&spec, "a spec", args.overwrite.overwrite).map_err(|error| {
        match spec.is_file() {
            true => {
                Error::user(format!("{error}; `oncospec run {}` runs it as it is", spec.display()))
            }
            false => error,
        }
    })?;
    file.write(SPEC.as_bytes())?;
    output.say(format!("spec: {} (made to be read and changed)", spec.display()));
    let mut overrides = args.overrides;
    overrides.sets.insert(0, format!("run.output={}", toml_string(&runs.display().to_string())));
    run::execute(
        run::RunArgs {
            specs: Specs { paths: vec![spec], overrides },
            resume: !args.force,
            force: args.force,
            extend_epochs: None,
            jobs: 1,
            on: None,
            output: Some(args.folder.join("reports").join("demo.html")),
            templates: None,
            overwrite: args.overwrite,
        },
        output,
    )
}

/// A text as a TOML string.
fn toml_string(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}
