//! A run with its best weights, ready to predict.

use std::path::{Path, PathBuf};

use super::average::Member;
use super::columns::Columns;
use crate::data::{Decoded, decode_image};
use crate::device::{Request, choose};
use crate::error::{Error, Result};
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
    /// Runs whose probabilities are averaged with its own; where the average is recorded itself, all that are averaged.
    pub others: Vec<Member>,
    /// The network that makes masks for a guided classifier.
    pub guide: Option<Predictor>,
    /// Values of the columns that its network is given beside new images, where they were read.
    pub columns: Option<Columns>,
    /// How far the run came, where it did not finish.
    pub unfinished: Option<String>,
}

impl Trained {
    /// Opens a run directory, on a device; that of an average with the networks of all of its runs.
    ///
    /// # Errors
    /// If it is none, has no weights yet, or the device is not there.
    pub fn open(run: PathBuf, device: Request) -> Result<Self> {
        let record = Record::read(&run)?;
        if record.summary.is_average() {
            return Self::open_average(run, record, &device);
        }
        let decisions = Decisions::from_toml(&record.plan)?;
        let chosen = choose(device)?;
        let settled = record.settled(&decisions.spec.evaluation);
        let own = predictor(&run, &decisions, settled, &chosen)?;
        let unfinished = unfinished(&record);
        let guide = match &decisions.guide {
            Some(path) => {
                let path = beside(&run, path);
                let record = Record::read(&path)?;
                let of_guide = Decisions::from_toml(&record.plan)?;
                let settled = record.settled(&of_guide.spec.evaluation);
                Some(predictor(&path, &of_guide, settled, &chosen)?)
            }
            None => None,
        };
        Ok(Self {
            run,
            record,
            decisions,
            predictor: own,
            others: Vec::new(),
            guide,
            columns: None,
            unfinished,
        })
    }

    /// Reads the values of the columns that the network is given beside new images.
    ///
    /// # Errors
    /// The user's, if there must be a table and is none, there must be none and is one, or it lacks a column.
    pub fn read_columns(&mut self, table: Option<&Path>) -> Result<()> {
        self.columns = table.map(|table| Columns::read(table, &self.decisions)).transpose()?;
        match (self.decisions.spec.task.fuse(), &self.columns) {
            (Some(fuse), None) => Err(Error::user(format!(
                "the network of this run is given {} beside the image: give a table of them by --table FILE, with the \
                 column of image files that the run's own table has",
                fuse.columns.join(", ")
            ))),
            _ => Ok(()),
        }
    }

    /// Decodes an image file, with what the table says of it, and has the guide make a mask where the network wants one.
    ///
    /// # Errors
    /// If it cannot be decoded, or the table has no row of it.
    pub fn image(&self, path: &Path) -> Result<Decoded> {
        let image = Decoded::new(decode_image(path, self.decisions.levels())?);
        let metadata = self.columns.as_ref().map(|columns| columns.of(path)).transpose()?;
        let image = Decoded { metadata: metadata.unwrap_or_default(), ..image };
        // Said with the name of the file, which the network does not know.
        let preprocess = &self.predictor.preprocess;
        preprocess.numbers(&path.display().to_string(), &image.metadata)?;
        match &self.guide {
            Some(guide) => with_mask(guide, image),
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
