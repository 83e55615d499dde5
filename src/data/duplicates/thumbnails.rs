//! Thumbnails of any number of images, of which the first are in memory and the others in a file without a name.

use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;

use super::descriptor::{Descriptor, describe};
use super::thumbnail::{SIDE, Thumbnail};
use crate::error::{Error, Result};

/// Most thumbnails that are in memory, which is 144 MiB of them.
const MOST_HELD: usize = 16 << 10;

/// Bytes of a thumbnail.
const BYTES: usize = SIDE * SIDE;

/// Thumbnails by number, with their descriptors.
pub(crate) struct Thumbnails {
    most_held: usize,
    held: Vec<Thumbnail>,
    file: Option<File>,
    pub(super) descriptors: Vec<Descriptor>,
}

impl Thumbnails {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self::holding(MOST_HELD)
    }

    fn holding(most_held: usize) -> Self {
        Self { most_held, held: Vec::new(), file: None, descriptors: Vec::new() }
    }

    /// So many as there are.
    pub(super) fn count(&self) -> usize {
        self.descriptors.len()
    }

    /// Adds some.
    ///
    /// # Errors
    /// If a file for those that memory is not for cannot be made or is full.
    pub(crate) fn extend(&mut self, more: Vec<Thumbnail>) -> Result<()> {
        self.descriptors.par_extend(more.par_iter().map(describe));
        for thumbnail in more {
            if self.held.len() < self.most_held {
                self.held.push(thumbnail);
                continue;
            }
            let file = match self.file.take() {
                Some(file) => file,
                None => tempfile::tempfile().map_err(in_file)?,
            };
            self.file.insert(file).write_all(thumbnail.bytes()).map_err(in_file)?;
        }
        Ok(())
    }

    /// One of them.
    ///
    /// # Errors
    /// If it cannot be read back.
    pub(super) fn get(&self, number: usize) -> Result<Cow<'_, Thumbnail>> {
        let (Some(beyond), Some(file)) = (number.checked_sub(self.held.len()), &self.file) else {
            return Ok(Cow::Borrowed(&self.held[number]));
        };
        let mut bytes = vec![0; BYTES];
        file.read_exact_at(&mut bytes, (beyond * BYTES) as u64).map_err(in_file)?;
        Ok(Cow::Owned(Thumbnail::of_bytes(bytes)))
    }
}

fn in_file(error: std::io::Error) -> Error {
    Error::io(std::env::temp_dir(), "cannot keep thumbnails in a file in")(error)
}

#[cfg(test)]
mod tests {
    use super::super::testing::scene;
    use super::super::thumbnail::thumbnail;
    use super::*;

    #[test]
    fn those_in_the_file_are_the_same_as_those_in_memory() {
        let all: Vec<Thumbnail> =
            (0..5).map(|seed| thumbnail(&scene(seed, 60, 50)).unwrap()).collect();
        let mut some = Thumbnails::holding(2);
        some.extend(all[..3].to_vec()).unwrap();
        some.extend(all[3..].to_vec()).unwrap();
        assert_eq!((some.held.len(), some.count()), (2, 5));
        for (number, thumbnail) in all.iter().enumerate() {
            assert_eq!(&*some.get(number).unwrap(), thumbnail);
        }
    }
}
