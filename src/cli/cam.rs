//! `oncospec cam`.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::predict::{images, named};
use super::runs::{Trained, TrainedArgs};
use super::{Output, pretty, print};
use crate::error::{Error, Result};
use crate::evaluate::jpeg;
use crate::explain::{CamMethod, explain, hot, panels};
use crate::loss::Outputs;
use crate::model;
use crate::record::write_file;

/// Arguments of `cam`.
#[derive(Debug, Args)]
pub struct CamArgs {
    #[command(flatten)]
    trained: TrainedArgs,
    /// PNG or JPEG images, or folders of them.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Folder for IMAGE_cam.jpg: the image, the part of it that was found (of a classifier: that speaks most for the
    /// class), the map over the image.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The layer; system A's last gate or the last of the decoder if not given.
    #[arg(long)]
    layer: Option<String>,
    /// Number of the class to explain; the predicted one, or that with the most predicted pixels, if not given.
    #[arg(long)]
    class: Option<usize>,
    /// How channels are weighed.
    #[arg(long, value_enum, default_value_t = CamMethod::GradCam)]
    method: CamMethod,
}

/// What was written for an image.
#[derive(Debug, Serialize)]
struct Written {
    image: PathBuf,
    picture: PathBuf,
}

/// Draws class activation maps of a run's best weights.
pub fn execute(args: CamArgs, output: Output) -> Result<u8> {
    let trained = args.trained.open()?;
    let Trained { decisions, predictor, threshold, .. } = &trained;
    let images = named(images(&args.images)?)?;
    let layer = args.layer.unwrap_or_else(|| model::usual_place(&decisions.spec.model));
    fs::create_dir_all(&args.out).map_err(Error::io(&args.out, "cannot create"))?;
    let mut written = Vec::new();
    for (stem, image) in images {
        let decoded = trained.image(&image)?;
        let heat = explain(predictor, &decoded, &layer, args.class, args.method)?;
        let found = match predictor.outputs {
            Outputs::Images(_) => hot(&decoded.image, &heat)?,
            Outputs::Binary | Outputs::Classes(_) => {
                let (width, height) = decoded.image.dimensions();
                let seen = predictor.predict(&[&decoded])?.remove(0);
                let seen = seen.resized(width as usize, height as usize)?;
                seen.labels(predictor.outputs, *threshold)
            }
        };
        let picture = args.out.join(format!("{stem}_cam.jpg"));
        write_file(&picture, &jpeg(&panels(&decoded.image, &found, &heat)?)?)?;
        output.say(format!("{} -> {}", image.display(), picture.display()));
        written.push(Written { image, picture });
    }
    if output.json { print(&pretty(&written)?) } else { Ok(0) }
}
