//! A PNG file written row by row, so that the picture is never in memory as a whole.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use png::{BitDepth, ColorType, Compression, StreamWriter};

use crate::error::{Error, Result};

/// A PNG of 8 bits a channel that is being written.
pub(super) struct PngRows {
    path: PathBuf,
    writer: StreamWriter<'static, BufWriter<File>>,
}

impl PngRows {
    /// Begins a picture of a width and height.
    pub(super) fn create(path: &Path, size: (u32, u32), color: ColorType) -> Result<Self> {
        let file = File::create(path).map_err(Error::io(path, "cannot write"))?;
        let mut encoder = png::Encoder::new(BufWriter::new(file), size.0, size.1);
        encoder.set_color(color);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(Compression::Fast);
        let writer = encoder.write_header().and_then(png::Writer::into_stream_writer);
        Ok(Self { path: path.to_path_buf(), writer: writer.map_err(failed(path))? })
    }

    /// Adds the next row.
    pub(super) fn add(&mut self, row: &[u8]) -> Result<()> {
        self.writer.write_all(row).map_err(Error::io(&self.path, "cannot write"))
    }

    /// Ends the picture, of which all rows are there.
    pub(super) fn end(self) -> Result<()> {
        self.writer.finish().map_err(failed(&self.path))
    }
}

fn failed(path: &Path) -> impl Fn(png::EncodingError) -> Error {
    move |error| Error::failed(format!("{}: cannot be written: {error}", path.display()))
}
