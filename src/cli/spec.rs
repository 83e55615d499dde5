//! Arguments that name a spec, and what overrides it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Output;
use crate::device::{Chosen, Request, choose};
use crate::error::Result;
use crate::plan::{Checked, Depth, check};
use crate::spec::{Spec, environment, load, spec_files};

/// What overrides a spec.
#[derive(Clone, Debug, Default, Args)]
pub struct Overrides {
    /// Override a key, such as `schedule.epochs=3`; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// auto, cpu, cuda or cuda:INDEX; overrides run.device.
    #[arg(long)]
    pub device: Option<String>,
}

impl Overrides {
    /// Loads and checks a spec.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub fn check(&self, path: &Path, depth: Depth) -> Result<Checked> {
        let loaded = load(path, &self.sets, environment())?;
        Ok(check(loaded, depth)?)
    }

    /// The device that the command line or the spec asks for.
    ///
    /// # Errors
    /// If it is not there.
    pub fn device(&self, spec: &Spec, output: Output) -> Result<Chosen> {
        let request: Request = self.device.as_deref().unwrap_or(&spec.run.device).parse()?;
        let chosen = choose(request)?;
        if let Some(note) = &chosen.note {
            output.say(note);
        }
        Ok(chosen)
    }
}

/// Spec files, or suites of them.
#[derive(Clone, Debug, Args)]
pub struct Specs {
    /// Spec files, or suites of them.
    #[arg(required = true, value_name = "SPEC")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub overrides: Overrides,
}

impl Specs {
    /// Loads and checks all of them; mistakes of all files are reported together.
    ///
    /// # Errors
    /// Everything wrong with any of them.
    pub fn check(&self, depth: Depth) -> Result<Vec<Checked>> {
        let results: Vec<Result<Checked>> =
            spec_files(&self.paths)?.iter().map(|path| self.overrides.check(path, depth)).collect();
        let mistakes: Vec<String> = results
            .iter()
            .filter_map(|result| result.as_ref().err())
            .map(ToString::to_string)
            .collect();
        if mistakes.is_empty() {
            return results.into_iter().collect();
        }
        Err(crate::Error::user(mistakes.join("\n\n")))
    }
}
