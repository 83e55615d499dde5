//! Suites: files that name experiments to be run and compared together.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::hints::{unexpanded, write_out};
use crate::error::{Error, Result};

/// A family of experiments.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Suite {
    /// Name of its report.
    pub name: String,
    /// Title of its report.
    pub title: String,
    /// Spec files, relative to the suite's.
    pub experiments: Vec<PathBuf>,
}

/// The suite that a file is; `None` where it names no experiments, and so is a spec or no TOML at all.
///
/// # Errors
/// A suite with other keys than it can have, or without an experiment.
pub fn suite(path: &Path) -> Result<Option<Suite>> {
    let Ok(text) = crate::file::read_to_string(path) else { return Ok(None) };
    let Ok(table) = text.parse::<toml::Table>() else { return Ok(None) };
    if !table.contains_key("experiments") {
        return Ok(None);
    }
    let wrong = |why: &dyn std::fmt::Display| {
        Error::user(format!("{}: not a suite: {why}", path.display()))
    };
    let suite: Suite = toml::from_str(&text).map_err(|error| wrong(&error))?;
    if suite.experiments.is_empty() {
        return Err(wrong(&"`experiments` is empty; name spec files, relative to this one"));
    }
    let shell = |file: &PathBuf| Some(unexpanded(file.to_str()?)?.to_string());
    if let Some(found) = suite.experiments.iter().find_map(shell) {
        return Err(wrong(&format!("`experiments` holds `{found}`; {}", write_out(&found))));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let experiments = suite.experiments.iter().map(|file| folder.join(file)).collect();
    Ok(Some(Suite { experiments, ..suite }))
}

/// The spec files that paths mean: of a suite its experiments, each file once.
///
/// # Errors
/// A suite that is wrong.
pub fn spec_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths {
        let named = match suite(path)? {
            Some(suite) => suite.experiments,
            None => vec![path.clone()],
        };
        for file in named {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_suite_stands_for_its_experiments_and_other_files_for_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let good = "name = 'a'\ntitle = 'A'\nexperiments = ['../x.toml', 'y.toml', 'y.toml']\n";
        let suite_file = file("suite.toml", good);
        let spec = file("spec.toml", "name = 'b'\n");
        let paths = [suite_file, spec.clone(), PathBuf::from("no/such.toml")];
        let (x, y) = (folder.path().join("../x.toml"), folder.path().join("y.toml"));
        let expected = vec![x, y, spec, PathBuf::from("no/such.toml")];
        assert_eq!(spec_files(&paths).unwrap(), expected);
        for (text, expected) in [
            ("name = 'a'\ntitle = 'A'\nexperiments = []\n", "`experiments` is empty"),
            ("name = 'a'\ntitel = 'A'\nexperiments = ['x']\n", "titel"),
            ("name = 'a'\ntitle = 'A'\nexperiments = ['y.toml', '~/x.toml']\n", "`~`"),
        ] {
            let error = suite(&file("wrong.toml", text)).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
