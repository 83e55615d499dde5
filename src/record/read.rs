//! A run directory read back.

use std::path::{Path, PathBuf};

use super::files;
use super::readings::{Reading, readings};
use super::run_dir::RunDir;
use super::tables;
use super::{
    CaseRow, Confusion, EpochRow, Figure, Frame, Gate, GuideRow, Picture, PictureFile, Provenance,
    RunState, ScoreRow, SplitRow, Status, Summary, TimesRow,
};
use crate::error::Result;
use crate::figure_name::FigureName;
use crate::layer::Layer;

/// Everything in a run directory but weights and pictures' bytes; what is not there yet is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The run directory.
    pub path: PathBuf,
    /// How far the run came. A run said to be running that no process holds is interrupted.
    pub status: Status,
    /// What made it.
    pub provenance: Provenance,
    /// The spec as merged, with origins.
    pub spec: String,
    /// Every decision.
    pub plan: String,
    /// Where each case went.
    pub split: Vec<SplitRow>,
    /// Figures of the epochs.
    pub epochs: Vec<EpochRow>,
    /// How long the epochs took.
    pub times: Vec<TimesRow>,
    /// Counts and distances of cases and classes.
    pub cases: Vec<CaseRow>,
    /// Which network made the mask of each case; empty where no masks guide.
    pub guide: Vec<GuideRow>,
    /// What classified images were given.
    pub scores: Vec<ScoreRow>,
    /// Recorded figures.
    pub figures: Vec<Figure>,
    /// Confusion matrices.
    pub confusion: Vec<Confusion>,
    /// The layer table.
    pub layers: Vec<Layer>,
    /// Sizes, semantics, notes.
    pub summary: Summary,
    /// Bounds and whether they hold, judged by the recorded figures.
    pub gates: Vec<Gate>,
    /// Readings of the test split of these data by the runs of the experiment; `None` where nobody counted.
    pub readings: Option<Vec<Reading>>,
    /// Which pictures show what.
    pub pictures: Vec<Picture>,
    /// What was shown of epochs.
    pub film: Vec<Frame>,
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
    /// When it is not a run directory, was written in another format version, or has a damaged
    /// file, or one that changed or went since the run finished, which is named.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self> {
        let run = RunDir::open_read(path)?;
        run.steadily(|| Self::read_once(&run))
    }

    fn read_once(run: &RunDir) -> Result<Self> {
        run.verify(None)?;
        let file = |name: &str| run.file(name);
        // A process that is killed may leave figures of an epoch that it did not commit.
        let committed = run.committed_epoch().unwrap_or(u32::MAX);
        let mut epochs = tables::read_epochs(&file("epochs.parquet"))?;
        let mut times = tables::read_times(&file("times.parquet"))?;
        epochs.retain(|row| row.epoch <= committed);
        times.retain(|row| row.epoch <= committed);
        let provenance: Provenance =
            files::read_json(&file("provenance.json"))?.unwrap_or_default();
        let figures: Vec<Figure> = files::read_json(&file("figures.json"))?.unwrap_or_default();
        let gates: Vec<Gate> = files::read_json(&file("gates.json"))?.unwrap_or_default();
        let judge = |gate: Gate| Gate::judged(gate.figure, gate.at_least, gate.at_most, &figures);
        let readings = readings(run.path(), &provenance.data_fingerprint)?;
        Ok(Self {
            status: read_status(run)?,
            gates: gates.into_iter().map(judge).collect(),
            figures,
            provenance,
            readings,
            spec: files::read_text(&file("spec.toml"))?,
            plan: files::read_text(&file("plan.toml"))?,
            split: tables::read_split(&file("split.parquet"))?,
            epochs,
            times,
            cases: tables::read_cases(&file("cases.parquet"))?,
            guide: tables::read_guide(&file("guide.parquet"))?,
            scores: tables::read_scores(&file("scores.parquet"))?,
            confusion: files::read_json(&file("confusion.json"))?.unwrap_or_default(),
            layers: files::read_json(&file("layers.json"))?.unwrap_or_default(),
            summary: files::read_json(&file("summary.json"))?.unwrap_or_default(),
            pictures: files::read_json(&run.pictures().join("pictures.json"))?.unwrap_or_default(),
            film: run.film()?,
            path: run.path().to_path_buf(),
        })
    }

    /// The figure of this name.
    pub fn figure(&self, name: &FigureName) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.has_name(name))
    }

    /// The probability from which on a pixel is foreground, or an image of the second of two classes; 0.5 where none was chosen.
    pub fn threshold(&self) -> f64 {
        self.summary.threshold.as_ref().map_or(0.5, |threshold| threshold.value)
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
            return Err(files::damaged(&run.pictures().join("pictures.json"), &why));
        }
        let file = run.own_file(&format!("pictures/{}", picture.file))?;
        files::read(&file)?.ok_or_else(|| files::missing(&file))
    }
}

/// The status, corrected where the process died without a word.
///
/// # Errors
/// If it is damaged, or not there although the run got further than to be begun.
pub(super) fn read_status(run: &RunDir) -> Result<Status> {
    let found: Option<Status> = files::read_json(&run.file("status.json"))?;
    let written = || ["figures.json", "checkpoints/last.json"].map(|name| run.file(name).exists());
    let mut status = match found {
        None if written().contains(&true) => {
            return Err(files::missing(&run.file("status.json")));
        }
        found => found.unwrap_or_default(),
    };
    if status.state == RunState::Running && !run.is_locked() {
        status.state = RunState::Interrupted;
        status.why = Some(
            "the process ended without a word: it was killed, or the machine stopped; \
             --resume goes on from the last checkpoint"
                .into(),
        );
    }
    Ok(status)
}
