//! Run directories by path, id or name of their experiment.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::outputs::canonical;
use crate::record::{is_experiment, list_experiment, list_runs, runs_beginning};

/// The run directories that `names` mean, each once: a run directory, a folder of runs, an experiment's name or, where
/// no experiment has it, the beginning of a run id under `root`.
///
/// # Errors
/// If one means nothing.
pub fn find_runs(names: &[String], root: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut seen = BTreeSet::new();
    for name in names {
        // One directory may have several paths.
        found.extend(find(name, root)?.into_iter().filter(|run| seen.insert(canonical(run))));
    }
    Ok(found)
}

/// The one run directory that `name` means.
///
/// # Errors
/// If it means none, or several.
pub fn find_run(name: &str, root: &Path) -> Result<PathBuf> {
    let mut found = find(name, root)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        count => {
            let names: Vec<String> = found.iter().map(|run| run.display().to_string()).collect();
            let names = names.join(", ");
            Err(Error::user(format!("`{name}` means {count} runs, name one of them: {names}")))
        }
    }
}

/// The run directories that one name means, of those that are under `root` or anywhere by path. Runs that it cannot mean are
/// not read.
fn find(name: &str, root: &Path) -> Result<Vec<PathBuf>> {
    let path = Path::new(name);
    let here = runs_in(path)?;
    let experiment = root.join(name);
    let mut components = path.components();
    let is_bare =
        matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
    let is_experiment = is_bare && is_experiment(&experiment);
    if is_experiment && !here.is_empty() && canonical(path) != canonical(&experiment) {
        return Err(Error::user(format!(
            "`{name}` is a folder with runs and an experiment: write ./{name} for the one, {} for the other",
            experiment.display()
        )));
    }
    if !here.is_empty() {
        return Ok(here);
    }
    let runs = match is_experiment {
        true => list_experiment(&experiment)?,
        false if name.is_empty() || !root.is_dir() => Vec::new(),
        false => runs_beginning(root, name)?,
    };
    if runs.is_empty() {
        let nothing = if root.is_dir() { "" } else { ", which is no folder" };
        return Err(Error::user(format!(
            "`{name}` is neither a run directory nor an experiment or run id under {}{nothing}; \
             `oncospec list` names the runs",
            root.display()
        )));
    }
    Ok(runs.into_iter().map(|run| run.path).collect())
}

/// The run directory that a path is, or those in the folder that it is.
fn runs_in(path: &Path) -> Result<Vec<PathBuf>> {
    if path.join("format.json").exists() {
        return Ok(vec![path.to_path_buf()]);
    }
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let mut runs = list_experiment(path)?;
    if runs.is_empty() {
        runs = list_runs(path)?;
    }
    Ok(runs.into_iter().map(|run| run.path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RunDir;

    #[test]
    fn a_run_counts_once_and_the_name_of_an_experiment_comes_before_an_id() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (experiment, id) in [("a4", "0123-01"), ("t", "a426-02"), ("t", "b000-03")] {
            RunDir::create(root, experiment, id).unwrap();
        }
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
            let found = find_runs(&names, root).unwrap();
            let relative =
                |run: PathBuf| canonical(&run).strip_prefix(canonical(root)).unwrap().to_path_buf();
            found.into_iter().map(relative).collect::<Vec<_>>()
        };
        let path = root.join("a4/../a4/0123-01").display().to_string();
        assert_eq!(of(&["a4", &path, "0123"]), [Path::new("a4/0123-01")]);
        assert_eq!(of(&["a42"]), [Path::new("t/a426-02")]);
    }

    #[test]
    fn a_name_that_means_a_folder_and_an_experiment_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let here = tempfile::Builder::new().prefix("oncospec-test-").tempdir_in(".").unwrap();
        let name = here.path().file_name().unwrap().to_str().unwrap();
        RunDir::create(Path::new("."), name, "0123").unwrap();
        RunDir::create(root, name, "4567").unwrap();
        let message = find_run(name, root).unwrap_err().to_string();
        let experiment = root.join(name).display().to_string();
        assert!(message.contains(&format!("./{name}")) && message.contains(&experiment));
        assert_eq!(
            find_run(&format!("./{name}"), root).unwrap().file_name(),
            Some("0123".as_ref())
        );
        assert_eq!(find_run(&experiment, root).unwrap(), root.join(name).join("4567"));
        assert!(find_run(name, Path::new(".")).is_ok(), "both are one");
    }
}
