//! `oncospec export`.

use std::path::PathBuf;

use clap::Args;

use super::runs::{OneRun, warn_unfinished};
use super::{Output, OverwriteArgs, pretty, print};
use crate::error::Result;
use crate::inference::{Exported, Format, export};
use crate::outputs::{Outputs, Planned};
use crate::record::Record;

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    run: OneRun,
    /// How the weights are written.
    #[arg(long, value_enum, default_value_t = Format::Safetensors)]
    format: Format,
    /// Folder for the weights and model.json.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Writes the best weights of a run with what travels with them.
pub(super) fn execute(args: ExportArgs, output: Output) -> Result<u8> {
    let run = args.run.find()?;
    let record = Record::read(&run)?;
    let format = args.format;
    let planned = [format.file(), "model.json"].map(|name| Planned::of(&run, name)).to_vec();
    let files = Outputs::folder(&args.out, "an export", planned, args.overwrite.overwrite)?;
    warn_unfinished(&record);
    let Exported { weights, card } = export(&record, format)?;
    // The card commits the export: a killed one has none, and not that of another run.
    files.remove("model.json")?;
    let path = files.write(format.file(), &weights)?;
    let text = pretty(&card)?;
    files.write("model.json", format!("{text}\n").as_bytes())?;
    output.say(format!("{} and model.json", path.display()));
    if output.json { print(&text) } else { Ok(0) }
}
