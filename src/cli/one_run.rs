//! One run, made for a process that makes several at once (`several.rs`).

use std::io::{BufRead, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::job::{Declared, Job, Task};
use super::{Output, print, run};
use crate::error::{Error, Result};
use crate::plan::{Checked, Depth, Plan, check, check_trial};
use crate::run::{Again, Options, plans_of_guide, run as make};
use crate::spec::folds;
use crate::train::Stop;

/// The name of the command, which no person needs.
pub(super) const COMMAND: &str = "one-run";

/// The run that is asked for, and how it is to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    declared: Declared,
    /// The fold of a network that guides the classifier which is declared.
    guide: Option<usize>,
    seed: u32,
    /// Its directory, as the other process has planned it; `None` where runs that come first decide it.
    run: Option<PathBuf>,
    force: bool,
    resume: bool,
    pause_after: Option<u32>,
    wait: bool,
    quiet: bool,
    command: Vec<String>,
    again: Again,
}

impl Asked {
    pub(super) fn new(task: &Task) -> Self {
        let asked = Self::unplanned(task.declared, task.options, task.plan.decisions.seed);
        Self { guide: task.guide, run: Some(task.plan.folder()), ..asked }
    }

    /// What makes it one of the runs that are declared, and the rest, which many of them share.
    pub(super) fn parted(self) -> (Which, Self) {
        let rest = Self { guide: None, seed: 0, run: None, ..self.clone() };
        (Which { guide: self.guide, seed: self.seed, run: self.run }, rest)
    }

    /// The run that is one of those that are declared.
    pub(super) fn of(&self, which: &Which) -> Self {
        let Which { guide, seed, run } = which.clone();
        Self { guide, seed, run, ..self.clone() }
    }

    /// The run of a seed, whose id runs decide that come first.
    pub(super) fn unplanned(declared: &Declared, options: &Options, seed: u32) -> Self {
        let Options { force, resume, pause_after, wait, quiet, .. } = *options;
        Self {
            declared: declared.clone(),
            guide: None,
            seed,
            run: None,
            force,
            resume,
            pause_after,
            wait,
            quiet,
            command: options.command.clone(),
            again: options.again.clone(),
        }
    }
}

/// Which of the runs that are declared one is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Which {
    guide: Option<usize>,
    seed: u32,
    run: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ended {
    /// A run that ended, in whatever state.
    Run {
        /// Its directory.
        path: PathBuf,
        /// Whether it was finished before.
        reused: bool,
    },
    /// Nothing, since it was to stop before the run began.
    Stopped,
    /// A run that could not begin.
    Refused {
        /// Why.
        why: String,
        /// The exit code that says who can mend it.
        code: u8,
    },
}

/// Reads what is asked for from standard input, makes it until that is closed, and writes what came of it.
pub(super) fn execute() -> Result<u8> {
    let stop = Stop::default();
    // The end of the input is no first signal.
    let (signalled, by_signal) = (Stop::default(), stop.clone());
    run::on_signal(move || {
        run::ask_or_end(&signalled);
        by_signal.ask();
    })?;
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    let unread = |error: &dyn std::fmt::Display| {
        Error::user(format!(
            "{COMMAND} is what `run --jobs` calls, and takes no other input: {error}"
        ))
    };
    read.map_err(|error| unread(&error))?;
    let asked: Asked = serde_json::from_str(&line).map_err(|error| unread(&error))?;
    let by_end = stop.clone();
    std::thread::spawn(move || {
        // Whatever ends the input, nobody is there to wait for the run.
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        by_end.ask();
    });
    let ended = one(&asked, &stop)
        .unwrap_or_else(|error| Ended::Refused { why: error.to_string(), code: error.exit_code() });
    let ended = serde_json::to_string(&ended);
    print(&ended.map_err(|error| Error::failed(format!("cannot write JSON: {error}")))?)
}

/// Makes the run that is asked for.
///
/// # Errors
/// If it cannot begin, or is not the one that was planned.
pub(super) fn one(asked: &Asked, stop: &Stop) -> Result<Ended> {
    let (plan, options) = planned(asked)?;
    if let Some(run) = asked.run.as_ref().filter(|run| **run != plan.folder()) {
        return Err(Error::user(format!(
            "{}: the spec, its data or the program changed while runs were made, and the run is {} now: start the command \
             again",
            run.display(),
            plan.folder().display()
        )));
    }
    if stop.asked() {
        return Ok(Ended::Stopped);
    }
    let outcome = make(&plan, &options, stop)?;
    Ok(Ended::Run { path: outcome.path, reused: outcome.reused })
}

/// Predicts the masks that the run takes from the networks that guide it, which are finished.
///
/// # Errors
/// If one of these is not, or a mask cannot be written.
pub(super) fn masks(asked: &Asked) -> Result<()> {
    let checked = checked(&asked.declared)?;
    let options = options(asked, &checked)?;
    Job::later(checked, options, asked.declared.clone()).ready().map(|_| ())
}

/// How the run is to be made.
fn options(asked: &Asked, checked: &Checked) -> Result<Options> {
    let quiet = Output { json: false, quiet: true };
    Ok(Options {
        device: asked.declared.overrides.device(&checked.loaded.spec, quiet)?,
        force: asked.force,
        resume: asked.resume,
        pause_after: asked.pause_after,
        wait: asked.wait,
        quiet: asked.quiet,
        command: asked.command.clone(),
        again: asked.again.clone(),
    })
}

/// Plans the run again from what declares it.
fn planned(asked: &Asked) -> Result<(Plan, Options)> {
    let checked = checked(&asked.declared)?;
    let options = options(asked, &checked)?;
    let plans = match asked.guide {
        Some(_) => plans_of_guide(&checked, options.device.kind.family())?,
        None => {
            let longer = run::longer_by(&checked, options.again.extend_epochs)?;
            let job = Job::later(checked, options.clone(), asked.declared.clone());
            Job { longer, ..job }.ready()?
        }
    };
    let plan = match asked.guide {
        Some(fold) => plans.into_iter().nth(fold),
        None => plans.into_iter().find(|plan| plan.decisions.seed == asked.seed),
    };
    Ok((plan.ok_or_else(|| gone(&asked.declared))?, options))
}

/// The spec, or the fold or trial of it.
///
/// # Errors
/// If it is not what was declared any more.
pub(super) fn checked(declared: &Declared) -> Result<Checked> {
    let gone = || gone(declared);
    let mut loaded = declared.overrides.load(&declared.spec)?;
    if let Some(name) = &declared.fold {
        let fold = folds(&loaded).into_iter().find(|fold| fold.name == *name);
        loaded = loaded.with(&fold.ok_or_else(gone)?)?;
    }
    let Some(trial) = declared.trial else { return Ok(check(loaded, Depth::Pixels)?) };
    let found = check_trial(&loaded, trial.number, Depth::Pixels)?.ok_or_else(gone)?;
    Ok(if trial.whole { found.checked } else { found.on_validation()? })
}

fn gone(declared: &Declared) -> Error {
    Error::user(format!(
        "{}: it changed while runs were made: start the command again",
        declared.spec.display()
    ))
}
