//! Where a run is made: in its folder, or beside a finished one that it will replace.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::record::{Provenance, RunDir, RunState};

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

/// Where the run of an id and a folder is made. A finished run, or one whose state cannot be read, is made again beside
/// it, so that it stays until the new one is whole.
///
/// # Errors
/// If the run is not to be made again and its state cannot be read or its weights are missing, or the folder holds
/// another run.
pub(super) fn place(folder: &Path, id: &str, wanted: Wanted) -> Result<Place> {
    let again = RunDir::again(folder);
    is_run(folder, id)?;
    let before = match state(folder) {
        Err(_) if wanted.force => Some(RunState::Finished),
        before => before?,
    };
    if before != Some(RunState::Finished) {
        return Ok(Place::At(folder.to_path_buf()));
    }
    let begun = match state(&again) {
        Ok(Some(state)) if RunDir::is_again(&again) => {
            !matches!(state, RunState::Planned | RunState::Finished)
        }
        _ => false,
    };
    if wanted.force && RunDir::is_begun(&again) && !RunDir::is_again(&again) {
        return Err(Error::user(format!(
            "{}: here {} would be made again, but a run is there that oncospec did not begin for that: give it another name",
            again.display(),
            folder.display()
        )));
    }
    if wanted.force || (wanted.resume && begun) {
        return Ok(Place::At(again));
    }
    RunDir::open_read(folder)?.verify_weights()?;
    Ok(Place::Finished)
}

/// Opens, by `open`, the run directory in which a run is made; `None` if the run is finished. Another process may finish
/// the run until this one holds it, so the place is decided again after that.
///
/// # Errors
/// As [`place`] and `open`.
pub(super) fn claim(
    folder: &Path,
    id: &str,
    wanted: Wanted,
    open: &dyn Fn(&Path) -> Result<RunDir>,
) -> Result<Option<RunDir>> {
    loop {
        let Place::At(path) = place(folder, id, wanted)? else { return Ok(None) };
        let run = open(&path)?;
        if place(folder, id, wanted)? == Place::At(path) {
            return Ok(Some(run));
        }
        run.let_go()?;
    }
}

/// Makes sure that a folder, if it holds a run, holds the run of an id: it may have been renamed or replaced.
///
/// # Errors
/// The user's, if it holds another.
fn is_run(folder: &Path, id: &str) -> Result<()> {
    // A file that is damaged is named where the run is read.
    let found = RunDir::open_read(folder).and_then(|run| run.read::<Provenance>());
    let Provenance { run_id, seed, .. } = found.unwrap_or_default();
    if run_id.is_empty() || run_id == id {
        return Ok(());
    }
    Err(Error::user(format!(
        "{}: this folder holds the run {run_id} (seed {seed}), not {id}: give the folder the name of its run, or move it \
         away",
        folder.display()
    )))
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
        write_to(&RunDir::open_write(path).unwrap(), state);
    }

    fn write_to(run: &RunDir, state: RunState) {
        run.write_status(&Status { state, epoch: 3, epochs: 3, ..Status::default() }).unwrap();
    }

    #[test]
    fn a_finished_run_that_has_lost_its_weights_is_made_again_where_that_is_asked_for_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/0123");
        let run = RunDir::open_write(&folder).unwrap();
        fs::write(folder.join("checkpoints/last.json"), r#"{"epoch": 1, "best": 1, "parts": []}"#)
            .unwrap();
        write_to(&run, RunState::Finished);
        let wanted = |force| Wanted { force, resume: false };
        let missing = place(&folder, "0123", wanted(false)).unwrap_err().to_string();
        assert!(missing.contains("model.safetensors"), "{missing}");
        assert_eq!(
            place(&folder, "0123", wanted(true)).unwrap(),
            Place::At(RunDir::again(&folder))
        );
        fs::write(run.model(), "weights").unwrap();
        assert_eq!(place(&folder, "0123", wanted(false)).unwrap(), Place::Finished);
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
            claim(&folder, "0123", Wanted { force: false, resume: true }, &finished_before)
                .unwrap();
        assert!(claimed.is_none());
        assert_eq!(state(&folder).unwrap(), Some(RunState::Finished));
        // Who forces it makes it again beside the finished one.
        write(&folder, RunState::Running);
        let open = |path: &Path| {
            write(&folder, RunState::Finished);
            RunDir::open_write(path)
        };
        let run =
            claim(&folder, "0123", Wanted { force: true, resume: false }, &open).unwrap().unwrap();
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
            claim(&folder, "0123", Wanted { force: false, resume: true }, &replaced_before)
                .unwrap();
        assert!(claimed.is_none());
        assert_eq!(fs::read_dir(root.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_holds_another_run_is_refused_whatever_is_asked() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/0123");
        let made = Provenance { run_id: "4567".into(), ..Provenance::default() };
        RunDir::open_write(&folder).unwrap().write(&made).unwrap();
        for state in [RunState::Running, RunState::Finished] {
            write(&folder, state);
            for force in [false, true] {
                let wanted = Wanted { force, resume: !force };
                let refused = place(&folder, "0123", wanted).unwrap_err().to_string();
                assert!(refused.contains("holds the run 4567"), "{refused}");
                assert!(place(&folder, "4567", wanted).is_ok());
            }
        }
    }

    #[test]
    fn a_persons_copy_beside_a_run_is_not_taken_for_one_that_is_made_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/0123");
        write(&folder, RunState::Finished);
        let again = RunDir::again(&folder);
        fs::create_dir(&again).unwrap();
        for name in ["format.json", "status.json"] {
            fs::copy(folder.join(name), again.join(name)).unwrap();
        }
        let forced = Wanted { force: true, resume: false };
        let refused = place(&folder, "0123", forced).unwrap_err().to_string();
        assert!(refused.contains("0123.new") && refused.contains("another name"), "{refused}");
        assert!(!RunDir::is_again(&again));
        fs::remove_dir_all(&again).unwrap();
        // What oncospec begins there is such a run, finished or not, and no longer once it has its place.
        write(&again, RunState::Finished);
        assert_eq!(place(&folder, "0123", forced).unwrap(), Place::At(again.clone()));
        RunDir::open_write(&again).unwrap().replace(&folder).unwrap();
        fs::create_dir(&again).unwrap();
        fs::copy(folder.join("format.json"), again.join("format.json")).unwrap();
        fs::copy(folder.join("status.json"), again.join("status.json")).unwrap();
        assert!(!RunDir::is_again(&again));
    }
}
