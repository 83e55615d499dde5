//! Where a run is made: in its folder, or beside a finished one that it will replace.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::record::{RunDir, RunState};

/// What to do with a run that is there already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Make a finished run again.
    pub force: bool,
    /// Go on from the last checkpoint of an unfinished run.
    pub resume: bool,
}

/// Where a run is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is there and finished.
    Finished,
    /// In this run directory.
    At(PathBuf),
}

/// Where the run of a folder is made. A finished run, or one whose state cannot be read, is made again beside it, so that
/// it stays until the new one is whole.
///
/// # Errors
/// If the state of the run cannot be read and it is not to be made again.
pub(super) fn place(folder: &Path, wanted: Wanted) -> Result<Place> {
    let again = RunDir::again(folder);
    let before = match state(folder) {
        Err(_) if wanted.force => Some(RunState::Finished),
        before => before?,
    };
    if before != Some(RunState::Finished) {
        return Ok(Place::At(folder.to_path_buf()));
    }
    let begun = match state(&again) {
        Ok(Some(state)) => !matches!(state, RunState::Planned | RunState::Finished),
        _ => false,
    };
    Ok(match wanted.force || (wanted.resume && begun) {
        true => Place::At(again),
        false => Place::Finished,
    })
}

/// Opens, by `open`, the run directory in which a run is made; `None` if the run is finished. Another process may finish
/// the run until this one holds it, so the place is decided again after that.
///
/// # Errors
/// As [`place`] and `open`.
pub(super) fn claim(
    folder: &Path,
    wanted: Wanted,
    open: &dyn Fn(&Path) -> Result<RunDir>,
) -> Result<Option<RunDir>> {
    loop {
        let Place::At(path) = place(folder, wanted)? else { return Ok(None) };
        let run = open(&path)?;
        if place(folder, wanted)? == Place::At(path) {
            return Ok(Some(run));
        }
        run.let_go()?;
    }
}

/// The state of a run, if it was begun.
fn state(folder: &Path) -> Result<Option<RunState>> {
    if !RunDir::is_begun(folder) {
        return Ok(None);
    }
    Ok(Some(RunDir::open_read(folder)?.status()?.state))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::record::Status;

    fn write(path: &Path, state: RunState) {
        let run = RunDir::open_write(path).unwrap();
        run.write_status(&Status { state, epoch: 3, epochs: 3, ..Status::default() }).unwrap();
    }

    #[test]
    fn a_run_that_another_process_finishes_before_it_is_held_is_not_made_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/0123");
        write(&folder, RunState::Running);
        let finished_before = |path: &Path| {
            write(path, RunState::Finished);
            RunDir::open_write(path)
        };
        let claimed =
            claim(&folder, Wanted { force: false, resume: true }, &finished_before).unwrap();
        assert!(claimed.is_none());
        assert_eq!(state(&folder).unwrap(), Some(RunState::Finished));
        // Who forces it makes it again beside the finished one.
        write(&folder, RunState::Running);
        let open = |path: &Path| {
            write(&folder, RunState::Finished);
            RunDir::open_write(path)
        };
        let run = claim(&folder, Wanted { force: true, resume: false }, &open).unwrap().unwrap();
        assert_eq!(run.path(), RunDir::again(&folder));
    }

    #[test]
    fn a_forced_run_that_another_process_brings_to_its_end_leaves_no_empty_one() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/0123");
        let again = RunDir::again(&folder);
        write(&folder, RunState::Finished);
        write(&again, RunState::Interrupted);
        let replaced_before = |path: &Path| {
            write(&again, RunState::Finished);
            RunDir::open_write(&again).unwrap().replace(&folder).unwrap();
            RunDir::open_write(path)
        };
        let claimed =
            claim(&folder, Wanted { force: false, resume: true }, &replaced_before).unwrap();
        assert!(claimed.is_none());
        assert_eq!(fs::read_dir(root.path().join("a")).unwrap().count(), 1);
    }
}
