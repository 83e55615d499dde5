//! A run directory read back.

use std::path::{Path, PathBuf};

use super::artefact::find;
use super::files;
use super::gates::{parted, with_cost};
use super::readings::{readings, united};
use super::{
    Artefact, CaseRow, Confusion, DataPicture, EpochRow, Figure, Frame, Froc, Gate, GuideRow,
    Picture, PictureFile, PicturedRow, PixelReliability, Provenance, Reading, ReadingKey, RunDir,
    ScoreRow, Scores, SplitRow, Status, Stratum, Summary, Sweep, Table, TimesRow, Words,
};
use crate::error::Result;
use crate::figure_name::FigureName;
use crate::layer::Layer;
use crate::spec::{EvaluationSpec, Settled};

/// The contents of a run directory except weights and the bytes of pictures; what is not there yet is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The run directory.
    pub path: PathBuf,
    /// How far the run came. A run that is recorded as running and held by no process is interrupted.
    pub status: Status,
    /// What made it.
    pub provenance: Provenance,
    /// The spec as merged, with origins.
    pub spec: String,
    /// Every decision.
    pub plan: String,
    /// Where each case went.
    pub split: Table<SplitRow>,
    /// Figures of the epochs.
    pub epochs: Vec<EpochRow>,
    /// How long the epochs took.
    pub times: Vec<TimesRow>,
    /// Counts and distances of each class of each case.
    pub cases: Table<CaseRow>,
    /// Which network predicted the mask of each case; empty without a guide.
    pub guide: Vec<GuideRow>,
    /// Probabilities of classified images.
    pub scores: Vec<ScoreRow>,
    /// Recorded figures.
    pub figures: Vec<Figure>,
    /// Headline figures of strata; empty where the spec names no column.
    pub strata: Vec<Stratum>,
    /// The trials by which keys of the run were chosen; empty without a sweep.
    pub sweep: Sweep,
    /// Confusion matrices.
    pub confusion: Vec<Confusion>,
    /// Pixels by the probability of each class, of each split.
    pub reliability: Vec<PixelReliability>,
    /// Lesions at every threshold, of each split.
    pub froc: Vec<Froc>,
    /// The layer table.
    pub layers: Vec<Layer>,
    /// The run in words and totals.
    pub summary: Summary,
    /// Bounds and whether they hold, by the recorded figures.
    pub gates: Vec<Gate>,
    /// Bounds on figures over all folds, which are judged where the records of these are together.
    pub gates_of_folds: Vec<Gate>,
    /// Readings of the test split of these data by the runs of the experiment; `None` if they were not counted.
    pub readings: Option<Vec<Reading>>,
    /// Which pictures show what.
    pub pictures: Vec<Picture>,
    /// Pictures of cases during training.
    pub film: Vec<Frame>,
    /// Training cases as they are, and one as training sees it.
    pub data_pictures: Vec<DataPicture>,
}

impl Record {
    /// Reads a run directory, however far the run came.
    ///
    /// ```no_run
    /// use oncospec::record::Record;
    ///
    /// let record = Record::read("runs/demo/aba6bcaab95f-afa477")?;
    /// if let Some(dice) = record.figure(&"test.dice.lesion".parse()?) {
    ///     println!("{:.3} over {} cases, {:?}", dice.value, dice.n, dice.interval);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If it is not a run directory, was written in another format version, or has a file that is damaged, or that was
    /// changed or removed since the run finished.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self> {
        let run = RunDir::open_read(path)?;
        run.steadily(|| Self::read_once(&run))
    }

    fn read_once(run: &RunDir) -> Result<Self> {
        run.verify(None)?;
        let (epochs, times) = run.committed_epochs()?;
        let mut provenance: Provenance = run.read()?;
        let figures: Vec<Figure> = run.read()?;
        let words = match find::<Words>(run.path())? {
            Some(words) => {
                provenance.again = words.again.clone();
                words
            }
            None => Words {
                spec: run.spec()?,
                plan: run.plan()?,
                summary: run.read()?,
                gates: run.read()?,
                again: Vec::new(),
            },
        };
        let (gates, gates_of_folds) =
            parted(words.gates, &with_cost(&figures, &times, &provenance));
        let key = ReadingKey {
            experiment: &words.summary.experiment,
            run_id: &provenance.run_id,
            data: &provenance.data_fingerprint,
        };
        Ok(Self {
            path: run.path().to_path_buf(),
            status: run.status()?,
            readings: readings(run.path(), &key)?,
            provenance,
            spec: words.spec,
            plan: words.plan,
            split: run.read()?,
            epochs,
            times,
            cases: run.read()?,
            guide: run.read()?,
            scores: run.read::<Scores>()?.rows,
            gates,
            gates_of_folds,
            figures,
            strata: run.read()?,
            sweep: run.read()?,
            confusion: run.read()?,
            reliability: run.read()?,
            froc: run.read()?,
            layers: run.read()?,
            summary: words.summary,
            pictures: run.read()?,
            film: run.read()?,
            data_pictures: run.read()?,
        })
    }

    /// The figure of this name.
    pub fn figure(&self, name: &FigureName) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.has_name(name))
    }

    /// The probability from which a pixel is predicted as foreground, or an image as the second of two classes; 0.5 where
    /// none was chosen.
    pub fn threshold(&self) -> f64 {
        self.summary.threshold.as_ref().map_or(0.5, |threshold| threshold.value)
    }

    /// How outputs of the network become a prediction, as the validation split settled it; all steps of its spec where the run
    /// has not come that far.
    pub fn settled(&self, evaluation: &EvaluationSpec) -> Settled {
        match &self.summary.settled {
            Some(settled) => settled.clone(),
            None => Settled { threshold: self.threshold(), ..evaluation.all_steps() },
        }
    }

    /// Adds the readings of the test split that the record of a copy of the run has and this one has not.
    pub fn add_readings(&mut self, copy: &Self) {
        let Some(theirs) = &copy.readings else { return };
        let own = self.readings.take().unwrap_or_default();
        self.readings = Some(united([own, theirs.clone()]));
    }

    /// Evaluated cases with their masks; none where the run has not come that far or an earlier version made it.
    ///
    /// # Errors
    /// When the file is missing, changed or damaged.
    pub fn pictured(&self) -> Result<Vec<PicturedRow>> {
        let run = RunDir::at(&self.path);
        let name = Table::<PicturedRow>::FILE;
        let Some(bytes) = run.own_bytes_if_any(name)? else { return Ok(Vec::new()) };
        Ok(Table::<PicturedRow>::from_bytes(bytes, &run.file(name))?.into())
    }

    /// The bytes of a picture, as they are on disk.
    ///
    /// # Errors
    /// When the file is missing or changed, or its name leads out of `pictures/`.
    pub fn picture_bytes(&self, picture: &PictureFile) -> Result<Vec<u8>> {
        let name = Path::new(&picture.file);
        let run = RunDir::at(&self.path);
        if name.file_name() != Some(name.as_os_str()) {
            let why = format!("`{}` is not a plain file name", picture.file);
            return Err(files::damaged(&run.file(Vec::<Picture>::FILE), &why));
        }
        run.own_bytes(&format!("pictures/{}", picture.file))
    }
}
