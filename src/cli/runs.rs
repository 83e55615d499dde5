//! Arguments that name a run.

use std::path::PathBuf;

use clap::Args;

use crate::device::Request;
use crate::error::Result;
use crate::inference::{Trained, find_run, find_runs, unfinished};
use crate::record::{Record, RunDir};
use crate::text;

/// Arguments that name a run.
#[derive(Debug, Args)]
pub(super) struct OneRun {
    /// Run directory, run id or name of an experiment. Of an experiment with several runs `predict` and `evaluate` average
    /// those that differ in seeds and folds alone; other commands take one.
    #[arg(value_name = "RUN")]
    run: String,
    /// Folder of the run directories, for ids and names.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    root: PathBuf,
}

impl OneRun {
    /// The run directory.
    ///
    /// # Errors
    /// As [`find_run`].
    pub(super) fn find(&self) -> Result<PathBuf> {
        find_run(&self.run, &self.root)
    }
}

/// Arguments that name a run whose network predicts.
#[derive(Debug, Args)]
pub(super) struct TrainedArgs {
    #[command(flatten)]
    run: OneRun,
    /// auto, cpu, cuda or cuda:INDEX.
    #[arg(long, default_value = "auto")]
    device: String,
}

impl TrainedArgs {
    /// Opens the run; a warning says if it did not finish.
    ///
    /// # Errors
    /// If there is none, it has no weights of its own, or the device is not there.
    pub(super) fn open(&self) -> Result<Trained> {
        let run = self.run.find()?;
        RunDir::open_read(&run)?.best_weights()?;
        let trained = Trained::open(run, self.device.parse::<Request>()?)?;
        warn_unfinished(&trained.record);
        Ok(trained)
    }

    /// Opens the run or, where several are meant, all that are finished, whose probabilities are averaged.
    ///
    /// # Errors
    /// As [`Trained::open_all`].
    pub(super) fn open_all(&self) -> Result<Trained> {
        let mut runs = find_runs(std::slice::from_ref(&self.run.run), &self.run.root)?;
        let of_one = runs.windows(2).all(|pair| pair[0].parent() == pair[1].parent());
        if !of_one {
            // The beginning of an id that runs of several experiments have.
            runs = vec![self.run.find()?];
        }
        let trained = Trained::open_all(runs, self.device.parse::<Request>()?)?;
        warn_unfinished(&trained.record);
        if let runs @ 2.. = trained.runs().len() {
            crate::progress::print(&format!("the probabilities of {runs} runs are averaged"));
        }
        Ok(trained)
    }
}

/// Warns of a run that did not finish.
pub(super) fn warn_unfinished(record: &Record) {
    if let Some(how_far) = unfinished(record) {
        crate::progress::print(&format!(
            "warning: {}: this run is not finished ({how_far}); its best weights so far are used",
            text::path(&record.path)
        ));
    }
}
