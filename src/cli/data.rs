//! `oncospec data`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use image::{Rgb, RgbImage};
use serde::Serialize;

use super::dedup::{self, DedupArgs};
use super::images::{images, named};
use super::init::{self, InitArgs};
use super::predict::{each, ended};
use super::{Output, OverwriteArgs, pretty, print};
use crate::data::{Levels, Proposal, SynthKind, decode_image, inspect, propose, synth};
use crate::error::Result;
use crate::evaluate::{png_gray, png_rgb};
use crate::outputs::{Outputs, Planned, absolute};

/// Arguments of `data`.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
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
    /// Look at a folder or table of images and write a spec for it, each value with its reason.
    Init(InitArgs),
    /// Write a synthetic data set in a real layout.
    Synth {
        /// Layout and kind of images.
        #[arg(long)]
        kind: SynthKind,
        /// Folder to write to; it must not exist or be empty.
        #[arg(long, short, value_name = "DIR")]
        out: PathBuf,
        /// Number of images.
        #[arg(long, default_value_t = 60)]
        cases: u32,
        /// Seed of the images.
        #[arg(long, default_value_t = 0)]
        seed: u32,
    },
    /// List near-duplicates, such as cropped, mirrored or re-exported images, and draw them side by side.
    Dedup(DedupArgs),
    /// Propose masks for images without labels: regions of their dominant colours, to be checked and corrected.
    ProposeMasks(ProposeArgs),
}

/// Arguments of `data propose-masks`.
#[derive(Debug, Args)]
struct ProposeArgs {
    /// Images (PNG, JPEG, BMP, TIFF, WebP, DICOM), or folders of them.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Folder for IMAGE_mask.png (1 for the darkest colour, 2 for the next, ..), IMAGE_colours.png and proposals.json.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Dominant colours to look for.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..))]
    clusters: u8,
    /// Smallest region, in pixels; smaller ones are merged into their surroundings.
    #[arg(long, default_value_t = 64)]
    minimum_px: u32,
    /// Seed of the clustering.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// What was proposed for an image.
#[derive(Debug, Serialize)]
struct Proposed {
    image: PathBuf,
    mask: PathBuf,
    /// Colours and their shares of the pixels, in the order of the mask's numbers.
    colours: Vec<[u8; 3]>,
    shares: Vec<f64>,
}

/// Looks at data, or makes some.
pub(super) fn execute(args: DataArgs, output: Output) -> Result<u8> {
    match args.command {
        DataCommand::Inspect { root } => {
            let inspection = inspect(&root)?;
            let text = if output.json { pretty(&inspection)? } else { inspection.to_string() };
            print(&text)?;
            Ok(if inspection.is_usable() { 0 } else { 2 })
        }
        DataCommand::Init(args) => init::execute(&args, output),
        DataCommand::Synth { kind, out, cases, seed } => {
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
        DataCommand::Dedup(args) => dedup::execute(&args, output),
        DataCommand::ProposeMasks(args) => propose_masks(&args, output),
    }
}

fn propose_masks(args: &ProposeArgs, output: Output) -> Result<u8> {
    const PROPOSALS: &str = "proposals.json";
    let images = named(images(&args.images, output)?, "mask.png")?;
    let mut planned = vec![Planned::named(PROPOSALS)];
    for (stem, image) in &images {
        let of = |what: &&str| Planned::of(image, format!("{stem}_{what}.png"));
        planned.extend(["mask", "colours"].iter().map(of));
    }
    let files = Outputs::folder(&args.out, "a proposal", planned, args.overwrite.overwrite)?;
    let (proposed, failed) = each(images, |path, stem| {
        let image = decode_image(path, Levels::Undecided)?;
        let found = propose(&image, usize::from(args.clusters), args.minimum_px, args.seed);
        let labels = found.labels.iter().map(|label| label + 1).collect();
        let bytes = png_gray(labels, image.dimensions())?;
        let mask = files.write(&format!("{stem}_mask.png"), &bytes)?;
        files.write(&format!("{stem}_colours.png"), &painted(&found)?)?;
        output.say(format!("{} -> {}", path.display(), mask.display()));
        let (image, colours, shares) = (absolute(path), found.colours, found.shares);
        Ok(Proposed { image, mask, colours, shares })
    });
    files.merge(PROPOSALS, &proposed)?;
    ended(&proposed, failed, output)
}

/// Each pixel in the colour of its cluster.
fn painted(proposal: &Proposal) -> Result<Vec<u8>> {
    let mut picture = RgbImage::new(proposal.labels.width(), proposal.labels.height());
    for (pixel, label) in picture.pixels_mut().zip(proposal.labels.iter()) {
        *pixel = Rgb(proposal.colours[usize::from(*label)]);
    }
    png_rgb(&picture)
}
