//! One element of a stage, made by a process of its own on a node of a cluster.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::stages::{Element, Makes, RunOf, Stages, finished};
use super::submission::write;
use crate::cli::one_run::{Asked, Ended, checked, masks, one};
use crate::cli::run::{self, Place, collect};
use crate::cli::{Output, say_error};
use crate::error::{Error, Result};
use crate::record::{RunState, now};
use crate::run::Outcome;
use crate::train::Stop;

/// The name of the command, which no person needs.
pub(in crate::cli) const COMMAND: &str = "element";

/// The exit code of an element that was stopped and goes on when it is made again: that of a failure that may pass.
pub(super) const STOPPED: u8 = 75;

/// How often an element is made again that was killed without a word, as by the kernel for want of memory.
pub(super) const AFTER_KILLS: u32 = 3;

/// Arguments of `element`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ElementArgs {
    /// The stages, as JSON.
    file: PathBuf,
    /// The place of the stage.
    stage: usize,
    /// The place of the element in it.
    element: usize,
    /// Folder for notes on what became of it.
    #[arg(long)]
    notes: Option<PathBuf>,
}

/// What became of an element, as its process has noted it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Note {
    pub state: NoteState,
    /// Why it was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The run directories that it made.
    #[serde(default)]
    pub runs: Vec<PathBuf>,
    /// The node.
    pub node: String,
    /// The job, as the cluster calls it.
    pub job: String,
    /// When this was written, RFC 3339.
    pub updated: String,
}

/// How far an element came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NoteState {
    /// A process has begun it.
    Running,
    /// It was stopped, and is to go on.
    Stopped,
    /// It failed.
    Failed,
    /// It is done.
    Done,
}

impl Note {
    /// The file of the note on an element.
    pub(super) fn file(notes: &Path, stage: usize, element: usize) -> PathBuf {
        notes.join(format!("{stage}-{element}.json"))
    }

    /// The note on an element, if its process has written one that can be read.
    pub(super) fn read(notes: &Path, stage: usize, element: usize) -> Option<Self> {
        let bytes = crate::file::read(Self::file(notes, stage, element)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// What a process made of an element.
struct Made {
    state: NoteState,
    why: Option<String>,
    runs: Vec<PathBuf>,
    code: u8,
}

/// Makes an element until a signal asks to stop: 0 when it is done, 75 when it was stopped and goes on when it is made again.
pub(in crate::cli) fn execute(args: ElementArgs, output: Output) -> Result<u8> {
    let stop = run::stop_on_every_signal()?;
    let bytes = crate::file::read(&args.file).map_err(Error::io(&args.file, "cannot read"))?;
    let stages: Stages = serde_json::from_slice(&bytes).map_err(|error| {
        Error::user(format!("{}: these are no stages: {error}", args.file.display()))
    })?;
    let found = stages.stages.get(args.stage).and_then(|stage| stage.elements.get(args.element));
    let element = found.ok_or_else(|| {
        Error::user(format!(
            "{}: it has no element {} of stage {}: it was submitted again since",
            args.file.display(),
            args.element,
            args.stage
        ))
    })?;
    let note = |made: &Made| match &args.notes {
        Some(notes) => write_note(&Note::file(notes, args.stage, args.element), made),
        None => Ok(()),
    };
    let runs = element.runs.clone();
    note(&Made { state: NoteState::Running, why: None, runs, code: 0 })?;
    output.say(format!("{}: begins on {}", element.name, node()));
    let made = make(element, &stages, &stop, output).unwrap_or_else(|error| {
        say_error(&error);
        let (why, code) = (Some(error.to_string()), error.exit_code());
        Made { state: NoteState::Failed, why, runs: element.runs.clone(), code }
    });
    let why = made.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let state = match made.state {
        NoteState::Done => "done",
        NoteState::Stopped => "stopped; it goes on when it is made again",
        NoteState::Failed | NoteState::Running => "failed",
    };
    output.say(format!("{}: {state}{why}", element.name));
    note(&made)?;
    Ok(made.code)
}

fn make(element: &Element, stages: &Stages, stop: &Stop, output: Output) -> Result<Made> {
    let done = |runs| Made { state: NoteState::Done, why: None, runs, code: 0 };
    let asked = |runs: &[RunOf]| -> Result<Vec<Asked>> {
        let all = runs.iter().map(|run| stages.asked(run));
        all.collect::<Option<_>>().ok_or_else(|| Error::failed("these stages are damaged"))
    };
    match &element.makes {
        Makes::Runs(made) => runs(&asked(made)?, stop),
        Makes::Trial { sweep, number, rungs, runs: made } => {
            match stages.sweeps.get(*sweep).is_some_and(|sweep| sweep.goes_on(*number, *rungs)) {
                true => runs(&asked(made)?, stop),
                false => Ok(Made {
                    why: Some("the trial was ended before".into()),
                    ..done(element.runs.clone())
                }),
            }
        }
        Makes::Masks(made) => {
            masks(&asked(std::slice::from_ref(made))?[0])?;
            Ok(done(Vec::new()))
        }
        Makes::Rest { declared, extend_epochs } => {
            let checked = checked(declared)?;
            let ended = collect(&[checked], &declared.overrides, *extend_epochs, stop, output)?;
            let runs: Vec<PathBuf> = ended.paths();
            let missing = element.runs.iter().find(|run| !finished(run));
            let why = match (ended.not_begun.first(), missing) {
                (Some(not_begun), _) => Some(not_begun.why.clone()),
                (None, Some(run)) => Some(format!("{} is not finished", run.display())),
                (None, None) => None,
            };
            let state = match (stop.asked(), &why) {
                (true, _) => return Ok(stopped(runs)),
                (false, None) => NoteState::Done,
                (false, Some(_)) => NoteState::Failed,
            };
            let code = if why.is_some() { 1 } else { 0 };
            Ok(Made { state, why, runs, code })
        }
        Makes::Page(args) => {
            let code = run::make(*args.clone(), Place::ThisNode, stop, output)?;
            Ok(match (stop.asked(), code) {
                (true, _) => stopped(Vec::new()),
                (false, 0) => done(Vec::new()),
                (false, code) => Made {
                    state: NoteState::Failed,
                    why: Some("a run is not finished, or a gate fell".into()),
                    code,
                    ..done(Vec::new())
                },
            })
        }
    }
}

fn stopped(runs: Vec<PathBuf>) -> Made {
    Made { state: NoteState::Stopped, why: None, runs, code: STOPPED }
}

/// Makes runs one after the other, until one is not finished.
fn runs(all: &[Asked], stop: &Stop) -> Result<Made> {
    let mut made = Vec::new();
    for asked in all {
        let path = match one(asked, stop)? {
            Ended::Run { path, .. } => path,
            Ended::Stopped => return Ok(stopped(made)),
            Ended::Refused { why, .. } => return Err(Error::failed(why)),
        };
        made.push(path.clone());
        let outcome = Outcome::read(path, false)?;
        let why = outcome.why;
        match outcome.state {
            RunState::Finished => {}
            RunState::Interrupted if stop.asked() => return Ok(stopped(made)),
            // Paused after an epoch, as it was asked to be.
            RunState::Interrupted => {}
            _ => return Ok(Made { state: NoteState::Failed, why, runs: made, code: 1 }),
        }
    }
    Ok(Made { state: NoteState::Done, why: None, runs: made, code: 0 })
}

fn write_note(file: &Path, made: &Made) -> Result<()> {
    let variable = |name: &str| std::env::var(name).ok();
    let job = match (variable("SLURM_ARRAY_JOB_ID"), variable("SLURM_ARRAY_TASK_ID")) {
        (Some(array), Some(task)) => format!("{array}_{task}"),
        _ => variable("SLURM_JOB_ID").unwrap_or_default(),
    };
    let note = Note {
        state: made.state,
        why: made.why.clone(),
        runs: made.runs.clone(),
        node: node(),
        job,
        updated: now(),
    };
    write(file, &note)
}

/// The name of this node.
fn node() -> String {
    std::env::var("SLURMD_NODENAME").unwrap_or_else(|_| crate::machine::name())
}
