//! A PNG file written row by row, so that the picture is never in memory as a whole.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use png::{BitDepth, ColorType, Compression, StreamWriter};

use crate::error::{Error, Result};

/// A PNG of 8 bits a channel that is being written.
pub(super) struct PngRows {
    path: PathBuf,
    writer: StreamWriter<'static, Kept>,
    refused: Refused,
}

/// Why the disk refused what was written last, if it did.
type Refused = Arc<Mutex<Option<io::Error>>>;

/// A file that keeps the error of a write: the encoder writes the end of a picture when it is dropped, where nobody hears it.
struct Kept {
    file: File,
    refused: Refused,
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).inspect_err(|error| {
            let same = error.raw_os_error().map(io::Error::from_raw_os_error);
            let same = same.unwrap_or_else(|| error.kind().into());
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(same);
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl PngRows {
    /// Begins a picture of a width and height.
    pub(super) fn create(path: &Path, size: (u32, u32), color: ColorType) -> Result<Self> {
        let file = File::create(path).map_err(Error::io(path, "cannot write"))?;
        let refused = Refused::default();
        let file = Kept { file, refused: Arc::clone(&refused) };
        let mut encoder = png::Encoder::new(file, size.0, size.1);
        encoder.set_color(color);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(Compression::Fast);
        let writer = encoder.write_header().and_then(png::Writer::into_stream_writer);
        Ok(Self { path: path.to_path_buf(), writer: writer.map_err(failed(path))?, refused })
    }

    /// Adds the next row.
    pub(super) fn add(&mut self, row: &[u8]) -> Result<()> {
        self.writer.write_all(row).map_err(Error::io(&self.path, "cannot write"))
    }

    /// Ends the picture, of which all rows are there.
    pub(super) fn end(self) -> Result<()> {
        let Self { path, writer, refused } = self;
        let ended = writer.finish().map_err(failed(&path));
        match refused.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(Error::io(&path, "cannot write")(error)),
            None => ended,
        }
    }
}

fn failed(path: &Path) -> impl Fn(png::EncodingError) -> Error {
    move |error| Error::failed(format!("{}: cannot be written: {error}", path.display()))
}
