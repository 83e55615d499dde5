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
    runs_beginning(root, "")
}

/// Those of them whose id begins so; the others are not looked at.
///
/// # Errors
/// As [`list_runs`].
pub fn runs_beginning(root: &Path, beginning: &str) -> Result<Vec<RunSummary>> {
    let mut runs = Vec::new();
    for experiment in folders(root)? {
        let begun = begun(&experiment, |id| id.starts_with(beginning))?;
        runs.extend(summaries(begun, &experiment));
    }
    Ok(runs)
}

/// The runs of one experiment, in order of their seeds.
///
/// # Errors
/// As [`list_runs`].
pub fn list_experiment(folder: &Path) -> Result<Vec<RunSummary>> {
    Ok(summaries(begun(folder, |_| true)?, folder))
}

/// Those of them that ended before they were finished; of the others the status is read and nothing else.
///
/// # Errors
/// As [`list_runs`].
pub fn unfinished_runs(folder: &Path) -> Result<Vec<RunSummary>> {
    let ended = |path: &PathBuf| {
        let status = RunDir::open_read(path).and_then(|run| run.status());
        status.is_ok_and(|of| matches!(of.state, RunState::Interrupted | RunState::Failed))
    };
    Ok(summaries(begun(folder, |_| true)?.filter(ended), folder))
}

/// Whether runs were begun in the folder of an experiment; none of them is read.
pub fn is_experiment(folder: &Path) -> bool {
    folder.is_dir() && begun(folder, |_| true).is_ok_and(|mut runs| runs.next().is_some())
}

/// The finished runs of one experiment and seed at a position whose ids are wanted, the last one first; none where the
/// experiment has no folder. Of runs that do not say their position none is known to be there.
///
/// When a run ended and where it stands is read of all of them, the rest of those that are taken.
///
/// # Errors
/// When its folder cannot be listed.
pub fn finished_at(
    folder: &Path,
    seed: u32,
    position: &Position,
    wanted: impl Fn(&str) -> bool,
) -> Result<impl Iterator<Item = RunSummary>> {
    let ended = |path: PathBuf| {
        let run = RunDir::open_read(&path).ok()?;
        let made: Provenance = run.read().ok()?;
        let is_there = || Some(words_of(&run).ok()?.0.position.as_ref() == Some(position));
        (made.seed == seed && is_there()?).then(|| (made.finished.unwrap_or_default(), path))
    };
    let mut there: Vec<(String, PathBuf)> = match folder.is_dir() {
        true => begun(folder, wanted)?.filter_map(ended).collect(),
        false => Vec::new(),
    };
    there.sort_by(|(a, _), (b, _)| b.cmp(a));
    let folder = folder.to_path_buf();
    let runs = there.into_iter().map(move |(_, path)| summarise(&path, &folder));
    Ok(runs.filter(|run| run.problem.is_none() && run.status.state == RunState::Finished))
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
            let name = name(path);
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
    let cannot = |error| Error::io(root, "cannot list")(error);
    let mut folders = Vec::new();
    for entry in fs::read_dir(root).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let (kind, path) = (entry.file_type().map_err(cannot)?, entry.path());
        let is_folder = kind.is_dir() || (kind.is_symlink() && path.is_dir());
        if is_folder && !name(&path).starts_with(files::TEMPORARY_PREFIX) {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// The last part of a path.
fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The run directories of one experiment whose ids are wanted; nothing in them is read.
fn begun(
    experiment: &Path,
    wanted: impl Fn(&str) -> bool,
) -> Result<impl Iterator<Item = PathBuf>> {
    let mut paths = folders(experiment)?;
    paths.retain(|path| wanted(&name(path)));
    Ok(paths.into_iter().filter(|path| RunDir::is_begun(path) && !RunDir::is_again(path)))
}

/// What a list says of run directories of one experiment, in order of their seeds.
fn summaries(paths: impl Iterator<Item = PathBuf>, experiment: &Path) -> Vec<RunSummary> {
    let mut runs: Vec<RunSummary> = paths.map(|path| summarise(&path, experiment)).collect();
    runs.sort_by_key(|run| run.seed);
    runs
}

fn summarise(path: &Path, experiment: &Path) -> RunSummary {
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
    let (summary, gates) = words_of(directory)?;
    run.position = summary.position;
    // What training took is asked by gates alone.
    let times = if gates.is_empty() { Vec::new() } else { directory.committed_epochs()?.1 };
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

/// The run in words and its bounds, by its present spec.
fn words_of(run: &RunDir) -> Result<(Summary, Vec<Gate>)> {
    Ok(match find::<Words>(run.path())? {
        Some(words) => (words.summary, words.gates),
        None => (run.read()?, run.read()?),
    })
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
        let folder = root.path().join("t");
        let at = |seed, position: &Position| {
            let found = finished_at(&folder, seed, position, |_| true).unwrap();
            found.map(|run| run.path).collect::<Vec<_>>()
        };
        for (position, path) in positions.iter().zip(&paths) {
            assert_eq!(at(3, position), std::slice::from_ref(path), "{position:?}");
            assert!(at(4, position).is_empty());
        }
        let other = Position {
            trial: BTreeMap::from([("a".into(), "2".into())]),
            ..of(None, None, None, &[])
        };
        assert!(at(3, &other).is_empty());
    }
}
