//! What a WebP says of itself.

use std::fs::File;
use std::io::{BufReader, Read, Seek};

use image::metadata::Orientation;
use image_webp::WebPDecoder;

use super::super::orientation;
use super::{Color, Complaint, Format, Header, Mode, ends_in_header, unreadable};

/// Reads the kinds of all chunks, and Exif and XMP whole.
pub(super) fn header(file: &mut BufReader<File>, length: u64) -> Result<Header, Complaint> {
    let mut start = [0; 8];
    file.read_exact(&mut start).map_err(ends_in_header)?;
    let end = u64::from(u32::from_le_bytes([start[4], start[5], start[6], start[7]])) + 8;
    if end > length {
        return Err(format!("truncated: {length} bytes, of {end} that the WebP has"));
    }
    file.rewind().map_err(unreadable)?;
    let damaged = |error| format!("a damaged WebP: {error}");
    let mut decoder = WebPDecoder::new(file).map_err(damaged)?;
    let color = if decoder.has_alpha() { Color::Rgba } else { Color::Rgb };
    let header = Header::of(Format::Webp, decoder.dimensions(), Mode { bits: 8, color });
    let header = Header { animated: decoder.is_animated(), lossy: decoder.is_lossy(), ..header };
    let mut turn = None;
    for block in [decoder.exif_metadata(), decoder.xmp_metadata()] {
        let block = block.map_err(damaged)?;
        turn = turn.or(block.map(|block| orientation::of(&block)).transpose()?.flatten());
    }
    Ok(header.shown(turn.unwrap_or(Orientation::NoTransforms)))
}
