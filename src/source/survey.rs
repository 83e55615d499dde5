//! What is found in each of many files, kept on disk until one of them changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::decode::plain;
use super::kept::kept;
use crate::error::{Error, Result};
use crate::progress::Counting;

/// What a file holds, or why it could not be read.
pub(super) type Surveyed<T> = std::result::Result<T, String>;

/// What is found in each of some files, from an earlier process where nothing has changed.
///
/// `knowledge` names what is found out, as in [`kept`]; it depends on the files `beside` as well.
pub(super) fn survey<T: Clone + Send + Serialize + DeserializeOwned>(
    knowledge: &str,
    mut files: Vec<&Path>,
    beside: &[&Path],
    of: impl Fn(&Path) -> Result<T> + Sync,
) -> BTreeMap<PathBuf, Surveyed<T>> {
    files.sort_unstable();
    files.dedup();
    // What cannot be read now may be the next time: only what is whole is kept.
    let mut in_part = None;
    let compute = || {
        let counting = Counting::of("reading images", files.len());
        let one = |file: &&Path| {
            counting.add(1);
            of(file).map_err(|error| plain(&error, file))
        };
        let found: Vec<Surveyed<T>> = files.par_iter().map(one).collect();
        match found.iter().find_map(|one| one.as_ref().err()) {
            None => Ok(found),
            Some(why) => {
                let why = Error::user(why.clone());
                in_part = Some(found);
                Err(why)
            }
        }
    };
    let found = kept(knowledge, &[files.as_slice(), beside].concat(), compute);
    let found = found.unwrap_or_else(|_| in_part.unwrap_or_default());
    files.into_iter().map(Path::to_path_buf).zip(found).collect()
}
