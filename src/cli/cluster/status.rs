//! How far the elements of a submission are.

use std::path::PathBuf;

use serde::Serialize;

use super::element::{Note, NoteState};
use super::queue::Queued;
use super::stages::{Element, Stages};
use super::submission::{Array, Files, Submission};
use crate::record::RunDir;

/// An element of a submission for a person.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Row {
    pub element: String,
    /// As Slurm calls it.
    pub job: String,
    pub state: State,
    /// What it waits for, why it failed, how far it is.
    pub why: Option<String>,
    /// What a person can do where it failed.
    pub help: Option<String>,
    pub node: String,
    pub runs: Vec<PathBuf>,
    pub log: PathBuf,
}

/// How far an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// It is in the queue.
    Waits,
    /// A node makes it.
    Runs,
    /// It is done.
    Done,
    /// It failed, or its process was killed.
    Failed,
    /// It was cancelled before it was done, by a person or since what it depends on failed.
    Cancelled,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Runs => "runs",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// All elements of a submission, in the order in which they can be made.
pub(super) fn rows(
    files: &Files,
    (submission, stages): &(Submission, Stages),
    queue: &[Queued],
) -> Vec<Row> {
    let mut rows = Vec::new();
    for array in &submission.arrays {
        let Some(stage) = stages.stages.get(array.stage) else { continue };
        for index in 0..array.count {
            let Some(element) = stage.elements.get(array.first + index) else { continue };
            let of_it = |job: &&Queued| job.array == array.job && job.index == index;
            let queued = queue.iter().find(of_it);
            rows.push(row(files, (array, index), element, queued));
        }
    }
    rows
}

fn row(
    files: &Files,
    (array, index): (&Array, usize),
    element: &Element,
    queued: Option<&Queued>,
) -> Row {
    let note = Note::read(&files.notes(), array.stage, array.first + index);
    let runs = match &note {
        Some(note) if !note.runs.is_empty() => note.runs.clone(),
        _ => element.runs.clone(),
    };
    let node = queued.map(|job| job.node.clone()).filter(|node| !node.is_empty());
    let (state, why) = state(note.as_ref(), queued, &runs);
    let log = files.log(array, index);
    Row {
        element: element.name.clone(),
        job: format!("{}_{index}", array.job),
        state,
        help: help(state, &log, note.as_ref(), queued),
        why,
        node: node.or_else(|| note.map(|note| note.node)).unwrap_or_default(),
        runs,
        log,
    }
}

/// How far an element is, by what its process noted and what Slurm says of its job.
fn state(
    note: Option<&Note>,
    queued: Option<&Queued>,
    runs: &[PathBuf],
) -> (State, Option<String>) {
    let epochs = || {
        let status = runs.last().map(RunDir::open_read)?.and_then(|run| run.status()).ok()?;
        (status.epochs > 0).then(|| format!("{}/{} epochs", status.epoch, status.epochs))
    };
    let why = || note.and_then(|note| note.why.clone());
    match (queued, note.map(|note| note.state)) {
        (Some(job), _) if job.is_active() && job.state == "PENDING" => {
            let since = epochs().map(|epochs| format!(", {epochs} done")).unwrap_or_default();
            (State::Waits, Some(format!("{}{since}", job.reason)))
        }
        (Some(job), _) if job.is_active() => (State::Runs, epochs()),
        (_, Some(NoteState::Done)) => (State::Done, why()),
        (_, Some(NoteState::Failed)) => (State::Failed, why()),
        (Some(job), _) if job.state == "CANCELLED" => {
            (State::Cancelled, Some(cancelled(&job.reason)).filter(|why| !why.is_empty()))
        }
        (Some(job), Some(NoteState::Running | NoteState::Stopped)) => {
            let far = epochs().map(|epochs| format!(", after {epochs}")).unwrap_or_default();
            (State::Failed, Some(format!("Slurm ended its job: {}{far}", job.state)))
        }
        (Some(job), None) => {
            (State::Failed, Some(format!("it did not begin: {}, {}", job.state, job.reason)))
        }
        (None, Some(NoteState::Running | NoteState::Stopped)) => {
            let far = epochs().map(|epochs| format!(" after {epochs}")).unwrap_or_default();
            (State::Failed, Some(format!("its job ended without a word{far}")))
        }
        (None, None) => (State::Cancelled, Some("its job is not in the queue any more".into())),
    }
}

/// Why a job was cancelled.
fn cancelled(reason: &str) -> String {
    match reason {
        "DependencyNeverSatisfied" => "what it depends on failed".into(),
        "None" => String::new(),
        other => other.into(),
    }
}

/// What a person can do about an element.
fn help(
    state: State,
    log: &std::path::Path,
    note: Option<&Note>,
    queued: Option<&Queued>,
) -> Option<String> {
    let log = log.display();
    let again = "then submit again: what is finished is not made again";
    match (state, queued.map(|job| job.state.as_str())) {
        (State::Failed, Some("TIMEOUT")) => Some(format!(
            "it did not stop within `run.slurm.notice`: raise that or `run.slurm.time`, {again}; its log: {log}"
        )),
        (State::Failed, Some("OUT_OF_MEMORY")) => {
            Some(format!("raise `run.slurm.memory`, {again}; its log: {log}"))
        }
        (State::Failed, _) if note.is_some_and(|note| note.state == NoteState::Running) => {
            Some(format!(
                "its process was killed, maybe for want of memory: see its log, {log}, raise `run.slurm.memory` if so, {again}"
            ))
        }
        (State::Failed, _) => Some(format!("see its log, {log}, mend that, {again}")),
        (State::Cancelled, _) => {
            Some("submit again once what kept it from being made is mended".to_string())
        }
        _ => None,
    }
}

/// The rows as a table, with what is to be done below.
pub(super) fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.element.chars().count()).max().unwrap_or_default();
    let mut text =
        format!("{:width$}  {:>10}  {:9}  {:10}  {}\n", "element", "job", "state", "node", "why");
    for row in rows {
        let why = row.why.as_deref().unwrap_or_default();
        let line = format!(
            "{:width$}  {:>10}  {:9}  {:10}  {why}",
            row.element,
            row.job,
            row.state.word(),
            row.node
        );
        text += line.trim_end();
        text.push('\n');
    }
    for row in rows {
        if let Some(help) = &row.help {
            text += &format!("\n{}: {}: {help}", row.element, row.state.word());
            let run = row.runs.last().map(|run| format!("; its run: {}", run.display()));
            text += &run.unwrap_or_default();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(state: &str, reason: &str) -> Queued {
        let (state, reason) = (state.into(), reason.into());
        Queued { array: "1".into(), index: 0, state, reason, node: String::new() }
    }

    fn note(state: NoteState) -> Note {
        let why = (state == NoteState::Failed).then(|| "no such image".to_string());
        let (node, job, updated) = ("n1".into(), "1_0".into(), String::new());
        Note { state, why, runs: Vec::new(), node, job, updated }
    }

    #[test]
    fn an_element_is_as_its_note_says_unless_its_job_waits_or_ended_otherwise() {
        let of = |job: Option<(&str, &str)>, state: Option<NoteState>| {
            let queued = job.map(|(state, reason)| queued(state, reason));
            let (state, why) = state_of(queued.as_ref(), state);
            format!("{}: {}", state.word(), why.unwrap_or_default())
        };
        fn state_of(queued: Option<&Queued>, of: Option<NoteState>) -> (State, Option<String>) {
            state(of.map(note).as_ref(), queued, &[])
        }
        use NoteState::{Done, Failed, Running, Stopped};
        for (job, noted, expected) in [
            (Some(("PENDING", "Dependency")), None, "waits: Dependency"),
            (Some(("PENDING", "BeginTime")), Some(Stopped), "waits: BeginTime"),
            (Some(("RUNNING", "None")), Some(Running), "runs: "),
            (Some(("COMPLETED", "None")), Some(Done), "done: "),
            (None, Some(Done), "done: "),
            (Some(("FAILED", "NonZeroExitCode")), Some(Failed), "failed: no such image"),
            (Some(("FAILED", "x")), Some(Running), "failed: Slurm ended its job: FAILED"),
            (Some(("TIMEOUT", "x")), Some(Running), "failed: Slurm ended its job: TIMEOUT"),
            (
                Some(("FAILED", "JobLaunchFailure")),
                None,
                "failed: it did not begin: FAILED, JobLaunchFailure",
            ),
            (
                Some(("CANCELLED", "DependencyNeverSatisfied")),
                None,
                "cancelled: what it depends on failed",
            ),
            (None, Some(Running), "failed: its job ended without a word"),
            (None, None, "cancelled: its job is not in the queue any more"),
        ] {
            assert_eq!(of(job, noted), expected);
        }
    }
}
