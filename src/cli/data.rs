//! `oncospec data`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Output, pretty, print};
use crate::data::{SynthKind, inspect, synth};
use crate::error::Result;

/// Arguments of `data`.
#[derive(Debug, Args)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Count, measure and check the images and masks of a folder.
    Inspect {
        /// Folder of the data set.
        root: PathBuf,
    },
    /// Write a synthetic data set in a real layout.
    Synth {
        /// Layout and kind of images.
        #[arg(long)]
        kind: Kind,
        /// Folder to write to; it must not exist or be empty.
        #[arg(long)]
        out: PathBuf,
        /// Number of images.
        #[arg(long, default_value_t = 60)]
        cases: u32,
        /// Seed of the images.
        #[arg(long, default_value_t = 0)]
        seed: u32,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Breast ultrasound in the layout of BUSI.
    Busi,
    /// Stained tissue in the layouts of BCSS.
    Bcss,
}

/// Looks at data, or makes some.
pub fn execute(args: DataArgs, output: Output) -> Result<u8> {
    match args.command {
        DataCommand::Inspect { root } => {
            let inspection = inspect(&root)?;
            let text = if output.json { pretty(&inspection)? } else { inspection.to_string() };
            print(&text)?;
            Ok(if inspection.is_usable() { 0 } else { 2 })
        }
        DataCommand::Synth { kind, out, cases, seed } => {
            let kind = match kind {
                Kind::Busi => SynthKind::Busi,
                Kind::Bcss => SynthKind::Bcss,
            };
            let made = synth(kind, &out, cases, seed)?;
            if output.json {
                return print(&pretty(&made)?);
            }
            for root in &made.roots {
                output.say(format!("dataset.root = \"{}\"", root.display()));
            }
            output.say(format!("{} images in {} files", made.images, made.files));
            Ok(0)
        }
    }
}
