//! What was learned of files, kept on disk until one of them changes.
//!
//! It lies in the [cache folder](crate::cache_folder): one file for each kind of knowledge and
//! set of files, named by a digest of both. Paths, sizes, times and inodes tell whether a file is the same,
//! so nothing is read to find that out. The folder may be removed at any time.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::cache_folder::cache_folder;
use crate::digest::{hexadecimal, sha256};
use crate::error::Result;

/// Most bytes that the folder takes; the oldest files go first.
const MOST_BYTES: u64 = 512 << 20;

/// A file changed so lately, in seconds, might change again within the resolution of its time.
const RECENT_S: i64 = 2;

/// What `compute` finds out about `files`, from an earlier process if they are as they were then.
///
/// `knowledge` names what is found out, with whatever decides it but the files and the engine's sources.
/// What cannot be kept or read is computed, without a word.
///
/// # Errors
/// Those of `compute`.
pub fn kept<T: Serialize + DeserializeOwned>(
    knowledge: &str,
    files: &[&Path],
    compute: impl FnOnce() -> Result<T>,
) -> Result<T> {
    match (cache_folder(), state_of(files)) {
        (Some(folder), Some(state)) => kept_in(&folder, knowledge, &state, now(), compute),
        _ => compute(),
    }
}

/// By which it is known whether files are as they were.
struct State {
    digest: Sha256,
    /// When the last of them changed, in seconds since 1970.
    changed: i64,
}

/// `None` if one of them cannot be looked at.
fn state_of(files: &[&Path]) -> Option<State> {
    let mut state = State { digest: Sha256::new(), changed: i64::MIN };
    for file in files {
        let found = fs::metadata(file).ok()?;
        let path = std::path::absolute(file).ok()?;
        let path = path.as_os_str().as_encoded_bytes();
        state.digest.update((path.len() as u64).to_le_bytes());
        state.digest.update(path);
        for number in [found.dev(), found.ino(), found.size()] {
            state.digest.update(number.to_le_bytes());
        }
        for number in [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()] {
            state.digest.update(number.to_le_bytes());
        }
        state.changed = state.changed.max(found.mtime()).max(found.ctime());
    }
    Some(state)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn kept_in<T: Serialize + DeserializeOwned>(
    folder: &Path,
    knowledge: &str,
    state: &State,
    now: i64,
    compute: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let key = state.digest.clone().chain_update(knowledge).chain_update(env!("TRAINING_ENGINE"));
    let file = folder.join(format!("{}.json", hexadecimal(&key.finalize())));
    if let Some(known) = read(&file) {
        return Ok(known);
    }
    let found = compute()?;
    if state.changed + RECENT_S < now {
        // Only a convenience: a disk that is full or read-only costs time and nothing else.
        let _ = write(folder, &file, &found);
    }
    Ok(found)
}

/// A checksum on the first line, and what it is of after it.
fn read<T: DeserializeOwned>(file: &Path) -> Option<T> {
    let text = crate::file::read_to_string(file).ok()?;
    let (sum, text) = text.split_once('\n')?;
    if sha256(text) != sum {
        return None;
    }
    let known = serde_json::from_str(text).ok()?;
    // The least recently used goes first where room is short.
    let _ = crate::file::open(file).and_then(|file| file.set_modified(SystemTime::now()));
    Some(known)
}

fn write<T: Serialize>(folder: &Path, file: &Path, found: &T) -> std::io::Result<()> {
    let text = serde_json::to_string(found)?;
    fs::create_dir_all(folder)?;
    make_room(folder, text.len() as u64)?;
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    write!(beside, "{}\n{text}", sha256(&text))?;
    beside.persist(file)?;
    Ok(())
}

/// Removes the files that were used longest ago, until `more` bytes fit.
fn make_room(folder: &Path, more: u64) -> std::io::Result<()> {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = fs::read_dir(folder)?
        .flatten()
        .filter_map(|entry| {
            let found = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some((found.modified().ok()?, found.len(), entry.path()))
        })
        .collect();
    files.sort();
    let mut total: u64 = more + files.iter().map(|(_, bytes, _)| bytes).sum::<u64>();
    for (_, bytes, path) in files {
        if total <= MOST_BYTES {
            break;
        }
        fs::remove_file(path)?;
        total -= bytes;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs::File;

    use super::*;

    struct Counted {
        folder: tempfile::TempDir,
        computed: Cell<u32>,
    }

    impl Counted {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), computed: Cell::new(0) }
        }

        /// The length of a file, as known an hour later; and how often it was found out so far.
        fn length(&self, knowledge: &str, file: &Path, later: i64) -> (u64, u32) {
            let state = state_of(&[file]).unwrap();
            let compute = || {
                self.computed.set(self.computed.get() + 1);
                Ok(fs::metadata(file).unwrap().len())
            };
            let cache = self.folder.path().join("deep/cache");
            let length = kept_in(&cache, knowledge, &state, now() + later, compute).unwrap();
            (length, self.computed.get())
        }

        fn file(&self, text: &str) -> PathBuf {
            let file = self.folder.path().join("file");
            fs::write(&file, text).unwrap();
            file
        }

        fn entries(&self) -> Vec<PathBuf> {
            let cache = self.folder.path().join("deep/cache");
            fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path()).collect()
        }
    }

    #[test]
    fn what_is_known_is_found_again_until_the_file_or_the_question_changes() {
        let counted = Counted::new();
        let file = counted.file("four");
        assert_eq!(counted.length("length 1", &file, 3600), (4, 1));
        assert_eq!(counted.length("length 1", &file, 3600), (4, 1));
        assert_eq!(counted.length("length 2", &file, 3600), (4, 2));
        counted.file("eleven");
        assert_eq!(counted.length("length 1", &file, 3600), (6, 3));
    }

    #[test]
    fn a_file_that_has_just_changed_is_not_trusted_to_stay() {
        let counted = Counted::new();
        let file = counted.file("four");
        assert_eq!(counted.length("length", &file, 0), (4, 1));
        assert_eq!(counted.length("length", &file, 0), (4, 2));
    }

    #[test]
    fn what_is_damaged_is_found_out_again() {
        let counted = Counted::new();
        let file = counted.file("four");
        counted.length("length", &file, 3600);
        for damage in ["", "{", "0\n5", "\n"] {
            fs::write(&counted.entries()[0], damage).unwrap();
            assert_eq!(counted.length("length", &file, 3600).0, 4);
        }
        assert_eq!(counted.computed.get(), 5);
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_nothing_but_time() {
        let counted = Counted::new();
        let file = counted.file("four");
        fs::write(counted.folder.path().join("deep"), "a file where a folder should be").unwrap();
        assert_eq!(counted.length("length", &file, 3600), (4, 1));
        assert_eq!(counted.length("length", &file, 3600), (4, 2));
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        for (name, age_s) in [("old", 20), ("new", 10)] {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_len(MOST_BYTES / 2).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age_s)).unwrap();
        }
        make_room(folder.path(), 1).unwrap();
        assert!(!folder.path().join("old").exists() && folder.path().join("new").exists());
    }
}
