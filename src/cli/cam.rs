//! `oncospec cam`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::images::{ImageArgs, named};
use super::{Output, OverwriteArgs, pretty, print};
use crate::attribution::{Method, Settings};
use crate::error::{Error, Result};
use crate::finding::Level;
use crate::inference::attribute;
use crate::outputs::{Outputs, Planned};
use crate::spec::{AttributionKind, Spec};

/// Arguments of `cam`.
#[derive(Debug, Args)]
pub(super) struct CamArgs {
    #[command(flatten)]
    of: ImageArgs,
    /// Folder for IMAGE_cam.jpg: the image, the part of it that was found (of a classifier: that contributed most to
    /// the class), the map over the image.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// How the map is made.
    #[arg(long, value_enum, default_value_t = AttributionKind::GradCam)]
    method: AttributionKind,
    /// Layer of Grad-CAM and Grad-CAM++, or the gate, as `plan` lists them; by default the last gate or the last layer of
    /// the decoder.
    #[arg(long)]
    layer: Option<String>,
    /// Side of the occlusion patch, in pixels of the network's input; by default a tenth of its shorter side.
    #[arg(long, value_name = "PIXELS")]
    patch: Option<usize>,
    /// Distance between occlusion patches, in pixels of the network's input; by default half of the patch.
    #[arg(long, value_name = "PIXELS")]
    stride: Option<usize>,
    /// Steps of integrated gradients from an input of zeros to the image; by default 50.
    #[arg(long, value_name = "COUNT")]
    steps: Option<usize>,
    /// Number of the class to attribute, from 0; by default the predicted one, or that with the most predicted pixels.
    #[arg(long)]
    class: Option<usize>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

impl CamArgs {
    /// The method with its settings.
    fn method(&self, spec: &Spec) -> Result<Method> {
        if let (AttributionKind::Gate, Some(_)) = (self.method, self.class) {
            return Err(Error::user(
                "`class`: an attention gate lets through the same for every class; leave it out",
            ));
        }
        let settings = Settings {
            layer: self.layer.clone(),
            patch: self.patch,
            stride: self.stride,
            steps: self.steps,
        };
        let size = spec.dataset.image_size.shorter() as usize;
        Ok(Method::new(self.method, settings, &spec.model, size)?)
    }
}

/// What was written for an image.
#[derive(Debug, Serialize)]
struct Written {
    image: PathBuf,
    picture: PathBuf,
}

/// Draws which regions drove the predictions of a run's best weights. Where the network is also given columns of a table, the
/// map is of the part that the image has in the score.
pub(super) fn execute(args: CamArgs, output: Output) -> Result<u8> {
    let (trained, paths) = args.of.open(output)?;
    let images = named(paths, "cam.jpg")?;
    let method = args.method(&trained.decisions.spec)?;
    let planned = images
        .iter()
        .map(|(stem, image)| Planned::of(image, format!("{stem}_cam.jpg")).by(&trained.run));
    let (planned, overwrite) = (planned.collect(), args.overwrite.overwrite);
    let files = Outputs::folder(&args.out, "an attribution", planned, overwrite)?;
    let mut written = Vec::new();
    for (stem, image) in images {
        let attributed = attribute(&trained, &image, args.class, &method)?;
        let picture = files.write(&format!("{stem}_cam.jpg"), &attributed.picture)?;
        output.say(format!("{} -> {}", image.display(), picture.display()));
        if let Some(why) = attributed.stains {
            output.warn(Level::Warning, format!("{}: warning: {why}", image.display()));
        }
        written.push(Written { image, picture });
    }
    if output.json { print(&pretty(&written)?) } else { Ok(0) }
}
