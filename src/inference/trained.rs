//! A run with its best weights, ready to predict.

use std::path::{Path, PathBuf};

use crate::data::{Decoded, decode_image};
use crate::device::{Request, choose};
use crate::error::Result;
use crate::evaluate::Predictor;
use crate::plan::Decisions;
use crate::record::{Record, RunState};
use crate::run::{beside, predictor, with_mask};

/// A run with its best weights.
pub struct Trained {
    /// The run directory.
    pub run: PathBuf,
    /// What it records.
    pub record: Record,
    /// Its plan.
    pub decisions: Decisions,
    /// Its best weights, ready to predict.
    pub predictor: Predictor,
    /// The probability from which on a pixel is foreground, or an image of the second of two classes.
    pub threshold: f64,
    /// The network that makes masks for a guided classifier, with its threshold.
    pub guide: Option<(Predictor, f64)>,
    /// How far the run came, where it did not finish.
    pub unfinished: Option<String>,
}

impl Trained {
    /// Opens a run directory, on a device.
    ///
    /// # Errors
    /// If it is none, has no weights yet, or the device is not there.
    pub fn open(run: PathBuf, device: Request) -> Result<Self> {
        let record = Record::read(&run)?;
        let decisions = Decisions::from_toml(&record.plan)?;
        let chosen = choose(device)?;
        let own = predictor(&run, &decisions, &chosen)?;
        let (threshold, unfinished) = (record.threshold(), unfinished(&record));
        let guide = match &decisions.guide {
            Some(path) => {
                let path = beside(&run, path);
                let record = Record::read(&path)?;
                let of_guide = Decisions::from_toml(&record.plan)?;
                Some((predictor(&path, &of_guide, &chosen)?, record.threshold()))
            }
            None => None,
        };
        Ok(Self { run, record, decisions, predictor: own, threshold, guide, unfinished })
    }

    /// Decodes an image file, and has the guide make a mask where the network wants one.
    ///
    /// # Errors
    /// If it cannot be decoded.
    pub fn image(&self, path: &Path) -> Result<Decoded> {
        let image = Decoded { image: decode_image(path, self.decisions.levels())?, labels: None };
        match &self.guide {
            Some((guide, threshold)) => with_mask(guide, *threshold, image),
            None => Ok(image),
        }
    }
}

/// How far a run came that did not finish, and why; `None` if it did.
pub fn unfinished(record: &Record) -> Option<String> {
    let status = &record.status;
    let why = status.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let (state, epoch, epochs) = (status.state, status.epoch, status.epochs);
    (state != RunState::Finished).then(|| format!("{state} after {epoch} of {epochs} epochs{why}"))
}
