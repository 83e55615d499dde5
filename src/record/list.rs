//! The runs under a folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::artefact::find;
use super::files;
use super::gates::{parted, with_cost};
use super::{
    Artefact, Figure, Gate, Parent, Position, Provenance, RunDir, RunState, Status, Summary,
    TimesRow, Words,
};
use crate::error::{Error, Result};

/// One line of `oncospec list`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunSummary {
    /// The run directory.
    pub path: PathBuf,
    /// Name of the experiment, from the folder.
    pub experiment: String,
    /// Run id, from the folder.
    pub run_id: String,
    /// Seed.
    pub seed: u32,
    /// Which of the runs of the experiment and seed it is; `None` if an earlier version of oncospec recorded it.
    pub position: Option<Position>,
    /// When it started, RFC 3339; empty where it has not.
    pub started: String,
    /// When it finished, RFC 3339.
    pub finished: Option<String>,
    /// How far it came.
    pub status: Status,
    /// Its headline figures.
    pub headline: Vec<Figure>,
    /// How far the run came that will replace it.
    pub again: Option<Status>,
    /// Its gates that do not hold; those of all folds are not among them.
    pub fallen: Vec<Gate>,
    /// The run whose training it continues.
    pub parent: Option<Parent>,
    /// Why it cannot be read; the fields above are then empty.
    pub problem: Option<String>,
}

/// The runs under `root/<experiment>/<run-id>`, in order of experiments and seeds.
///
/// A run that cannot be read is listed with its problem.
///
/// # Errors
/// When there is no `root`, or it cannot be listed.
pub fn list_runs(root: &Path) -> Result<Vec<RunSummary>> {
    let mut runs = Vec::new();
    for experiment in folders(root)? {
        runs.extend(list_experiment(&experiment)?);
    }
    Ok(runs)
}

/// The runs of one experiment, in order of their seeds.
///
/// # Errors
/// As [`list_runs`].
pub fn list_experiment(folder: &Path) -> Result<Vec<RunSummary>> {
    let is_run = |path: &PathBuf| RunDir::is_begun(path) && !RunDir::is_again(path);
    let paths = folders(folder)?.into_iter().filter(is_run);
    let mut runs: Vec<RunSummary> = paths.map(|path| summarise(&path, folder)).collect();
    runs.sort_by_key(|run| run.seed);
    Ok(runs)
}

/// The finished runs of one experiment and seed at a position, the last one first; none where the experiment has no folder.
/// Of runs that do not say their position none is known to be there.
///
/// # Errors
/// When its folder cannot be listed.
pub fn finished_at(folder: &Path, seed: u32, position: &Position) -> Result<Vec<RunSummary>> {
    let mut runs = if folder.is_dir() { list_experiment(folder)? } else { Vec::new() };
    let is_there = |run: &RunSummary| run.seed == seed && run.position.as_ref() == Some(position);
    let finished = |run: &RunSummary| run.status.state == RunState::Finished;
    runs.retain(|run| run.problem.is_none() && is_there(run) && finished(run));
    runs.sort_by(|a, b| b.finished.cmp(&a.finished));
    Ok(runs)
}

/// Finished runs of any experiment under `root` whose id begins with `beginning`, those of `experiment` first. Runs that
/// cannot be read are left out.
///
/// # Errors
/// When `root` is there and cannot be listed.
pub fn finished_runs(root: &Path, experiment: &str, beginning: &str) -> Result<Vec<PathBuf>> {
    let mut experiments = if root.is_dir() { folders(root)? } else { Vec::new() };
    experiments.sort_by_key(|folder| folder.file_name() != Some(experiment.as_ref()));
    let mut found = Vec::new();
    for folder in experiments {
        let begins = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // A name with a dot is that of a run that will replace another.
            name.starts_with(beginning) && !name.contains('.')
        };
        let finished = |path: &PathBuf| {
            let status = RunDir::open_read(path).and_then(|run| run.status());
            status.is_ok_and(|status| status.state == RunState::Finished)
        };
        found.extend(folders(&folder)?.into_iter().filter(|path| begins(path) && finished(path)));
    }
    Ok(found)
}

/// Folders in a folder, sorted by name.
fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    if !root.is_dir() {
        let what = if root.exists() { "not a folder" } else { "no such folder" };
        return Err(Error::user(format!(
            "{}: {what}: runs lie where `run.output` says, in `runs` unless a spec says otherwise",
            root.display()
        )));
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(root).map_err(Error::io(root, "cannot list"))? {
        let path = entry.map_err(Error::io(root, "cannot list"))?.path();
        let temporary = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(files::TEMPORARY_PREFIX));
        if path.is_dir() && !temporary {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

fn summarise(path: &Path, experiment: &Path) -> RunSummary {
    let name = |path: &Path| {
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let mut run = RunSummary {
        path: path.to_path_buf(),
        experiment: name(experiment),
        run_id: name(path),
        ..RunSummary::default()
    };
    if let Err(error) = fill(&mut run) {
        run.problem = Some(error.to_string());
    }
    run
}

/// Reads the few small files that a line needs, first how far the run came.
fn fill(run: &mut RunSummary) -> Result<()> {
    let directory = RunDir::open_read(&run.path)?;
    run.status = directory.status()?;
    *run = directory.steadily(|| filled(run.clone(), &directory))?;
    Ok(())
}

fn filled(mut run: RunSummary, directory: &RunDir) -> Result<RunSummary> {
    let names = [
        Provenance::FILE,
        Summary::FILE,
        Vec::<Figure>::FILE,
        Vec::<TimesRow>::FILE,
        Vec::<Gate>::FILE,
        Words::FILE,
    ];
    directory.verify(Some(&names))?;
    directory.verify_weights()?;
    run.status = directory.status()?;
    let again = RunDir::again(&run.path);
    if RunDir::is_again(&again) {
        run.again = Some(RunDir::open_read(again)?.status()?);
    }
    let provenance: Provenance = directory.read()?;
    run.seed = provenance.seed;
    run.started = provenance.started.clone();
    run.finished = provenance.finished.clone();
    run.parent = provenance.parent.clone();
    let figures: Vec<Figure> = directory.read()?;
    let (summary, gates) = match find::<Words>(&run.path)? {
        Some(words) => (words.summary, words.gates),
        None => (directory.read()?, directory.read()?),
    };
    run.position = summary.position;
    let (_, times) = directory.committed_epochs()?;
    let judged_by = with_cost(&figures, &times, &provenance);
    let (gates, _) = parted(gates, &judged_by);
    run.fallen = gates.into_iter().filter(|gate| !gate.held).collect();
    run.headline = summary
        .headline
        .iter()
        .filter_map(|name| figures.iter().find(|figure| figure.has_name(name)).cloned())
        .collect();
    Ok(run)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::record::examples;

    #[test]
    fn runs_of_a_fold_repeat_guide_or_trial_are_found_by_their_own_position_alone() {
        let root = tempfile::tempdir().unwrap();
        let of = |fold, division, guide, keys: &[&str]| {
            let trial = keys.iter().map(|key| (key.to_string(), "1".to_string())).collect();
            Position { fold, division, guide, trial, average: Vec::new() }
        };
        let average = Position { average: vec![3, 4], ..of(None, None, None, &[]) };
        let positions = [
            of(None, None, None, &[]),
            of(Some(0), None, None, &[]),
            of(Some(1), None, None, &[]),
            of(Some(0), Some(7), None, &[]),
            of(None, None, Some(0), &[]),
            of(None, None, None, &["a"]),
            of(None, None, None, &["a", "b"]),
            average,
        ];
        let named = |seed: u32, position: Option<Position>| {
            let run = examples::busi(root.path(), "t", seed, 1, 40);
            let folder = root.path().join("t").join(format!("run {seed}"));
            std::fs::rename(&run.path, &folder).unwrap();
            let directory = RunDir::open_write(&folder).unwrap();
            directory.write(&Summary { position, ..run.summary }).unwrap();
            directory.write(&Provenance { seed: 3, ..run.provenance }).unwrap();
            folder
        };
        let paths: Vec<PathBuf> =
            (0..).zip(&positions).map(|(number, one)| named(number, Some(one.clone()))).collect();
        // Recorded by an earlier version.
        named(100, None);
        for (position, path) in positions.iter().zip(&paths) {
            let found = finished_at(&root.path().join("t"), 3, position).unwrap();
            let found: Vec<&PathBuf> = found.iter().map(|run| &run.path).collect();
            assert_eq!(found, [path], "{position:?}");
            assert!(finished_at(&root.path().join("t"), 4, position).unwrap().is_empty());
        }
        let other = Position {
            trial: BTreeMap::from([("a".into(), "2".into())]),
            ..of(None, None, None, &[])
        };
        assert!(finished_at(&root.path().join("t"), 3, &other).unwrap().is_empty());
    }
}
