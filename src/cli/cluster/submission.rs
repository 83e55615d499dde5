//! What was submitted to Slurm, in files beside the runs.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::stages::Stages;
use crate::cli::run::common_name;
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::record::write_file;
use crate::spec::{Spec, Suite};

/// What was submitted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Submission {
    /// The name of its jobs.
    pub name: String,
    /// The command, as one would type it.
    pub command: String,
    /// The working directory of the jobs.
    pub folder: PathBuf,
    /// When, RFC 3339.
    pub submitted: String,
    /// The arrays that Slurm has accepted so far.
    pub arrays: Vec<Array>,
}

/// An array of jobs, which make elements of a stage that follow each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Array {
    /// The place of the stage.
    pub stage: usize,
    /// The place of its first element in the stage.
    pub first: usize,
    /// How many there are.
    pub count: usize,
    /// Its number in the queue.
    pub job: String,
}

/// The files of a submission.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// Their folder.
    pub folder: PathBuf,
}

impl Files {
    /// Those of specs: below the folder of their runs, by the name of the experiment or suite.
    ///
    /// # Errors
    /// If the working directory is not there any more.
    pub(super) fn of(specs: &[&Spec], suite: Option<&Suite>) -> Result<Self> {
        let named = common_name(specs.iter().map(|spec| spec.name.as_str()), suite);
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        let named: String = named.chars().map(plain).collect();
        let output = specs.first().map_or("runs", |spec| spec.run.output.as_str());
        let folder = Path::new(output).join(named).join("slurm");
        let folder = std::path::absolute(&folder).map_err(Error::io(&folder, "cannot find"))?;
        Ok(Self { folder })
    }

    /// The stages.
    pub(super) fn stages(&self) -> PathBuf {
        self.folder.join("stages.json")
    }

    /// What was submitted.
    pub(super) fn submission(&self) -> PathBuf {
        self.folder.join("submission.json")
    }

    /// The notes of the elements' processes.
    pub(super) fn notes(&self) -> PathBuf {
        self.folder.join("notes")
    }

    /// What jobs print.
    pub(super) fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// The log of a job of an array, as it is when it began last.
    pub(super) fn log(&self, array: &Array, index: usize) -> PathBuf {
        self.logs().join(format!("{}_{index}.log", array.job))
    }

    /// The script of the jobs of a stage.
    pub(super) fn script(&self, stage: usize) -> PathBuf {
        self.folder.join(format!("job-{stage}.sh"))
    }

    /// The name of the jobs, which no submission of another folder has.
    pub(super) fn job_name(&self) -> String {
        let path = self.folder.display().to_string();
        let of = self.folder.parent().and_then(Path::file_name).unwrap_or_default();
        format!("oncospec-{}-{}", of.to_string_lossy(), &sha256(path)[..8])
    }

    /// Reads what was submitted.
    ///
    /// # Errors
    /// If nothing was, or a file is damaged.
    pub(super) fn read(&self) -> Result<(Submission, Stages)> {
        if !self.submission().is_file() {
            return Err(Error::user(format!(
                "{}: nothing was submitted here: `oncospec run SPEC --on slurm` does that",
                self.folder.display()
            )));
        }
        Ok((read(&self.submission())?, read(&self.stages())?))
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = crate::file::read(path).map_err(Error::io(path, "cannot read"))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::failed(format!(
            "{}: cannot be understood: {error}; cancel what is in the queue, remove the file and submit again",
            path.display()
        ))
    })
}

/// Writes a value as JSON, as a whole.
///
/// # Errors
/// If the disk refuses.
pub(super) fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let json = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::failed(format!("{}: {error}", path.display())))?;
    write_file(path, &json)
}
