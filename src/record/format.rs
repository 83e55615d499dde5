//! `format.json`: which version of the layout a run directory has.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::artefact::{Artefact, find, json_file};
use super::files;
use crate::error::{Error, Result};

/// Version of the layout and of the files in it.
const FORMAT_VERSION: u32 = 1;

const NAME: &str = "oncospec-run";

/// What the file holds.
#[derive(Serialize, Deserialize)]
pub(super) struct Format {
    format: String,
    version: u32,
    /// In a directory that will replace another: the name of that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_of: Option<String>,
}

json_file!(Format, "format.json");

impl Default for Format {
    fn default() -> Self {
        Self { format: NAME.into(), version: FORMAT_VERSION, again_of: None }
    }
}

impl Format {
    /// That of a directory that will replace another of this name, if any.
    pub(super) fn again_of(name: Option<String>) -> Self {
        Self { again_of: name, ..Self::default() }
    }
}

/// What `format.json` holds, if it is there; an error where it names another format.
pub(super) fn check_format(path: &Path) -> Result<Option<Format>> {
    let Some(format) = find::<Format>(path)? else { return Ok(None) };
    if format.format != NAME {
        let why = format!("its format is `{}`", format.format);
        return Err(files::damaged(&path.join(Format::FILE), &why));
    }
    if format.version != FORMAT_VERSION {
        return Err(Error::user(format!(
            "{}: this run was written in format version {}, and this oncospec {} reads version \
             {FORMAT_VERSION}; use the oncospec that wrote it, or remove the folder and run the \
             experiment again",
            path.display(),
            format.version,
            env!("CARGO_PKG_VERSION"),
        )));
    }
    Ok(Some(format))
}
