//! Run directories by path, id or name of their experiment.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::outputs::canonical;
use crate::record::{list_experiment, list_runs};

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

fn find(name: &str, root: &Path) -> Result<Vec<PathBuf>> {
    let path = Path::new(name);
    if path.join("format.json").exists() {
        return Ok(vec![path.to_path_buf()]);
    }
    if path.is_dir() {
        let mut runs = list_experiment(path)?;
        if runs.is_empty() {
            runs = list_runs(path)?;
        }
        if !runs.is_empty() {
            return Ok(runs.into_iter().map(|run| run.path).collect());
        }
    }
    let there = if root.is_dir() { list_runs(root)? } else { Vec::new() };
    let is_experiment = there.iter().any(|run| run.experiment == name);
    let runs: Vec<PathBuf> = there
        .into_iter()
        .filter(|run| match is_experiment {
            true => run.experiment == name,
            false => !name.is_empty() && run.run_id.starts_with(name),
        })
        .map(|run| run.path)
        .collect();
    if runs.is_empty() {
        let nothing = if root.is_dir() { "" } else { ", which is no folder" };
        return Err(Error::user(format!(
            "`{name}` is neither a run directory nor an experiment or run id under {}{nothing}; \
             `oncospec list` names the runs",
            root.display()
        )));
    }
    Ok(runs)
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
}
