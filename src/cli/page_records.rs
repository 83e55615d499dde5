//! The records that a page is made of.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::outputs::canonical;
use crate::record::{Record, RunDir};
use crate::text;

/// Records, and the run directories that cannot be read.
pub(super) type Found = (Vec<Record>, Vec<(PathBuf, Error)>);

/// The records of run directories, each run once, and those that cannot be read.
///
/// A copy of a run is no second run: the one in a folder of its own id is shown, with the readings of the test split that
/// its copies know of. Standard error names the others; the record of the one says where their words or bounds differ.
fn read(runs: &[PathBuf]) -> Found {
    let (mut records, mut errors): (Vec<Record>, _) = (Vec::new(), Vec::new());
    for run in runs {
        match Record::read(run) {
            Ok(record) => match records.iter_mut().find(|other| is_copy(other, &record)) {
                Some(other) => leave_out_copy(other, record),
                None => records.push(record),
            },
            Err(error) => errors.push((run.clone(), error)),
        }
    }
    (records, errors)
}

/// The records of run directories as `read` gives them, where at least one can be read.
///
/// # Errors
/// Why the first cannot be read, if none can.
pub(super) fn read_some(runs: &[PathBuf]) -> Result<Found> {
    let (records, mut errors) = read(runs);
    match records.is_empty() && !errors.is_empty() {
        true => Err(errors.remove(0).1),
        false => Ok((records, errors)),
    }
}

/// Whether two run directories hold one run: an experiment's, of one id, with one set of weights.
fn is_copy(one: &Record, other: &Record) -> bool {
    let id =
        |record: &Record| (record.provenance.run_id.clone(), record.summary.experiment.clone());
    !one.provenance.run_id.is_empty() && id(one) == id(other) && weights(one) == weights(other)
}

/// SHA-256 of a run's best weights: as recorded when it finished, or those that it has so far.
fn weights(record: &Record) -> Option<String> {
    record.provenance.weights_sha256.clone().or_else(|| {
        let weights = RunDir::open_read(&record.path).and_then(|run| run.best_weights());
        weights.ok().map(|weights| weights.sha256)
    })
}

/// Keeps one of two copies of a run.
fn leave_out_copy(shown: &mut Record, mut copy: Record) {
    let has_own_name = |record: &Record| {
        let folder = canonical(&record.path);
        folder.file_name() == Some(record.provenance.run_id.as_ref())
    };
    if has_own_name(&copy) && !has_own_name(shown) {
        std::mem::swap(shown, &mut copy);
    }
    if canonical(&shown.path) == canonical(&copy.path) {
        return;
    }
    shown.add_readings(&copy);
    let said = format!(
        "{} is a copy of {}; it is left out",
        text::path(&copy.path),
        text::path(&shown.path)
    );
    let differs = (&copy.gates, &copy.spec, &copy.status.state)
        != (&shown.gates, &shown.spec, &shown.status.state);
    if differs {
        let fallen = copy.gates.iter().filter(|gate| !gate.held).count();
        let said =
            format!("{said}, and its spec, bounds or state are others ({fallen} gates fall there)");
        crate::progress::print(&format!("warning: {said}"));
        shown.summary.notes.push(said);
    } else {
        crate::progress::print(&format!("note: {said}"));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::record::{Gate, Reading, examples};
    use crate::spec::GateSpec;

    fn copy_folder(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            match entry.path().is_dir() {
                true => copy_folder(&entry.path(), &to),
                false => std::fs::copy(entry.path(), to).map(|_| ()).unwrap(),
            }
        }
    }

    /// Copies a run directory, with another bound.
    fn copy(run: &Record, to: &Path, at_least: f64) -> PathBuf {
        copy_folder(&run.path, to);
        let figure = &run.figures[0];
        let bound = GateSpec { at_least: Some(at_least), ..GateSpec::default() };
        let gate = Gate::judged(figure.full_name(), &bound, None, &run.figures);
        RunDir::open_write(to).unwrap().write(&vec![gate]).unwrap();
        to.to_path_buf()
    }

    #[test]
    fn of_copies_the_one_in_the_folder_of_its_id_is_shown_and_other_bounds_are_said() {
        let root = tempfile::tempdir().unwrap();
        let run = examples::busi(root.path(), "t", 0, 3, 40);
        let id = run.provenance.run_id.clone();
        let own = copy(&run, &root.path().join("own").join(&id), 1e9);
        let stale = copy(&run, &root.path().join("own/0backup"), -1e9);
        for order in [[&stale, &own], [&own, &stale]] {
            let (records, errors) = read(&order.map(PathBuf::clone));
            assert!(errors.is_empty() && records.len() == 1);
            assert_eq!(records[0].path, own);
            assert!(!records[0].gates[0].held);
            assert!(records[0].summary.notes.iter().any(|note| note.contains("0backup")));
        }
    }

    #[test]
    fn runs_of_one_id_are_two_where_the_experiment_or_the_weights_differ() {
        let root = tempfile::tempdir().unwrap();
        let one = examples::busi(root.path(), "t", 0, 3, 40);
        let change = |change: &dyn Fn(&mut Record)| {
            let mut other = one.clone();
            change(&mut other);
            is_copy(&one, &other)
        };
        assert!(change(&|other| other.path = "elsewhere".into()));
        assert!(!change(&|other| other.summary.experiment = "u".into()));
        assert!(!change(&|other| other.provenance.weights_sha256 = Some("other".into())));
        assert!(!change(&|other| other.provenance.run_id = "other".into()));
    }

    #[test]
    fn copies_of_an_unfinished_run_are_one() {
        let root = tempfile::tempdir().unwrap();
        let mut one = examples::interrupted(root.path());
        one.provenance.weights_sha256 = None;
        let other = Record { path: root.path().join("copy"), ..one.clone() };
        assert!(is_copy(&one, &other));
    }

    #[test]
    fn readings_that_a_copy_knows_of_count() {
        let root = tempfile::tempdir().unwrap();
        let run = examples::busi(root.path(), "t", 0, 3, 40);
        let elsewhere = copy(&run, &root.path().join("else").join(&run.provenance.run_id), 0.0);
        let made = &run.provenance;
        let reading =
            Reading::new((&made.run_id, 0), "again".into(), &made.data_fingerprint, &["a"]);
        RunDir::note_reading(&elsewhere, &reading).unwrap();
        let count = |order: [&PathBuf; 2]| {
            read(&order.map(PathBuf::clone)).0[0].readings.as_ref().map(Vec::len)
        };
        assert_eq!(count([&run.path, &elsewhere]), Some(2));
        assert_eq!(count([&elsewhere, &run.path]), Some(2));
    }
}
