//! `oncospec cam`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::images::{ImageArgs, named};
use super::outputs::{Outputs as Files, OverwriteArgs, Planned};
use super::runs::Trained;
use super::{Output, pretty, print};
use crate::attribution::{Method, Settings, attribute, hot, panels};
use crate::error::{Error, Result};
use crate::evaluate::{called, jpeg};
use crate::loss::Outputs;
use crate::spec::{ExplanationKind, Spec};

/// Arguments of `cam`.
#[derive(Debug, Args)]
pub(super) struct CamArgs {
    #[command(flatten)]
    of: ImageArgs,
    /// Folder for IMAGE_cam.jpg: the image, the part of it that was found (of a classifier: that speaks most for the
    /// class), the map over the image.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// How the map is made.
    #[arg(long, value_enum, default_value_t = ExplanationKind::GradCam)]
    method: ExplanationKind,
    /// The layer of Grad-CAM and Grad-CAM++, or the gate, as `plan` lists them; the last gate or the last layer of the
    /// decoder if not given.
    #[arg(long)]
    layer: Option<String>,
    /// Side of the patch of occlusion, in pixels of the network's input; a tenth of the input's side if not given.
    #[arg(long, value_name = "PIXELS")]
    patch: Option<usize>,
    /// From one patch of occlusion to the next, in pixels of the network's input; half of the patch if not given.
    #[arg(long, value_name = "PIXELS")]
    stride: Option<usize>,
    /// Steps of integrated gradients from an input of zeros to the image; 50 if not given.
    #[arg(long, value_name = "COUNT")]
    steps: Option<usize>,
    /// Number of the class to explain, from 0; the predicted one, or that with the most predicted pixels, if not given.
    #[arg(long)]
    class: Option<usize>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

impl CamArgs {
    /// The method with its settings.
    fn method(&self, spec: &Spec) -> Result<Method> {
        if let (ExplanationKind::Gate, Some(_)) = (self.method, self.class) {
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
        let size = spec.dataset.image_size as usize;
        Ok(Method::new(self.method, settings, &spec.model, size)?)
    }
}

/// What was written for an image.
#[derive(Debug, Serialize)]
struct Written {
    image: PathBuf,
    picture: PathBuf,
}

/// Draws what speaks for the predictions of a run's best weights.
pub(super) fn execute(args: CamArgs, output: Output) -> Result<u8> {
    let (trained, paths) = args.of.open(output)?;
    let Trained { decisions, predictor, threshold, .. } = &trained;
    let images = named(paths, "cam.jpg")?;
    let method = args.method(&decisions.spec)?;
    let planned = images.iter().map(|(stem, image)| Planned::of(image, format!("{stem}_cam.jpg")));
    let files = Files::folder(&args.out, "an attribution", planned.collect(), args.overwrite)?;
    let mut written = Vec::new();
    for (stem, image) in images {
        let decoded = trained.image(&image)?;
        let class = match (args.class, predictor.outputs) {
            (None, Outputs::Images(_)) => {
                let seen = predictor.predict(&[&decoded])?.remove(0);
                Some(called(&seen.values, *threshold))
            }
            (class, _) => class,
        };
        let heat = attribute(predictor, &decoded, class, &method)?;
        let found = match predictor.outputs {
            Outputs::Images(_) => hot(&decoded.image, &heat)?,
            Outputs::Binary | Outputs::Classes(_) => {
                let (width, height) = decoded.image.dimensions();
                let seen = predictor.predict(&[&decoded])?.remove(0);
                let seen = seen.resized(width as usize, height as usize)?;
                seen.labels(predictor.outputs, *threshold)
            }
        };
        let bytes = jpeg(&panels(&decoded.image, &found, &heat)?)?;
        let picture = files.write(&format!("{stem}_cam.jpg"), &bytes)?;
        output.say(format!("{} -> {}", image.display(), picture.display()));
        written.push(Written { image, picture });
    }
    if output.json { print(&pretty(&written)?) } else { Ok(0) }
}
