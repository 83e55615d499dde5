//! `oncospec manifest`: the runs of a command as jobs of a cluster that is given a file.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::kubernetes::{Place, manifest};
use super::submit::{Prepared, prepared};
use crate::cli::run::{RunArgs, common_name};
use crate::cli::spec::Specs;
use crate::cli::{Output, OverwriteArgs, print};
use crate::error::Result;
use crate::outputs::OutputFile;

/// Arguments of `manifest`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ManifestArgs {
    #[command(flatten)]
    specs: Specs,
    /// The cluster.
    #[arg(long, value_enum)]
    kind: Kind,
    /// Image that has oncospec.
    #[arg(long, value_name = "IMAGE", default_value = "oncospec:latest")]
    image: String,
    /// Volume claim of the folder that all pods share, which holds the specs, the data and the runs.
    #[arg(long, value_name = "NAME", default_value = "oncospec")]
    claim: String,
    /// Where pods see that folder, which stands for the working directory of this command.
    #[arg(long, value_name = "DIR", default_value = "/work")]
    folder: String,
    /// The manifest; standard output if not given.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The page that the last job writes; reports/NAME.html if not given.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Which cluster a manifest is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Kubernetes: an indexed Job for all that can be made at once.
    Kubernetes,
}

/// Writes the runs that are not finished, and the page after them, as jobs with what `run.slurm` gives each.
pub(in crate::cli) fn execute(args: ManifestArgs, output: Output) -> Result<u8> {
    let run = RunArgs {
        specs: args.specs,
        force: false,
        resume: false,
        extend_epochs: None,
        output: args.page,
        templates: None,
        jobs: 1,
        on: None,
        overwrite: args.overwrite,
    };
    let file = args.output.as_deref();
    let file = file
        .map(|file| OutputFile::new(file, "a manifest", args.overwrite.overwrite))
        .transpose()?;
    let Prepared { checked, suite, stages } = prepared(run, output)?;
    let name = common_name(checked.iter().map(|one| one.loaded.spec.name.as_str()), suite.as_ref());
    let place = Place { image: &args.image, claim: &args.claim, folder: &args.folder };
    let text = match args.kind {
        Kind::Kubernetes => manifest(&name, &stages, &place)?,
    };
    match file {
        Some(file) => {
            file.write(text.as_bytes())?;
            output.say(format!("manifest: {}", file.path().display()));
            Ok(0)
        }
        None => print(&text),
    }
}
