//! A file of a run directory as a value: its name, its bytes, and the value of its bytes.

use std::path::Path;

use super::files;
use crate::error::Result;

/// A file of a run directory as a value.
pub trait Artefact: Sized {
    /// Its name below the run directory, with `/` between folders.
    const FILE: &'static str;

    /// Its bytes; errors name `path`.
    ///
    /// # Errors
    /// If the value cannot be expressed in the format of the file.
    fn to_bytes(&self, path: &Path) -> Result<Vec<u8>>;

    /// The value of its bytes; errors name `path`.
    ///
    /// # Errors
    /// If the file is damaged.
    fn from_bytes(bytes: Vec<u8>, path: &Path) -> Result<Self>;
}

/// Reads a file of a run directory; `None` where there is none.
///
/// # Errors
/// If it is damaged or cannot be read.
pub(super) fn find<A: Artefact>(run: &Path) -> Result<Option<A>> {
    let path = run.join(A::FILE);
    let bytes = files::read(&path)?;
    bytes.map(|bytes| A::from_bytes(bytes, &path)).transpose()
}

/// Writes a file of a run directory as a whole.
///
/// # Errors
/// When the disk refuses.
pub(super) fn store<A: Artefact>(run: &Path, value: &A) -> Result<()> {
    let path = run.join(A::FILE);
    files::write(&path, &value.to_bytes(&path)?)
}

/// Stores a type as JSON in a file of this name.
macro_rules! json_file {
    ($type:ty, $file:literal) => {
        impl super::artefact::Artefact for $type {
            const FILE: &'static str = $file;

            fn to_bytes(&self, path: &std::path::Path) -> crate::error::Result<Vec<u8>> {
                super::files::to_json(self, path)
            }

            fn from_bytes(bytes: Vec<u8>, path: &std::path::Path) -> crate::error::Result<Self> {
                super::files::from_json(&bytes, path)
            }
        }
    };
}
pub(super) use json_file;
