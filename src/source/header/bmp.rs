//! What a BMP says of itself.

use std::fs::File;
use std::io::{BufReader, Read, Seek};

use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder, ImageError};

use super::{Color, Complaint, Format, Header, Mode, can_hold, ends_in_header, unreadable};

/// The kinds of compression that leave the length of each row as it is: none, and masks of bits.
const ROWS_AS_THEY_ARE: [u32; 2] = [0, 3];

/// One byte of a run makes at most this many pixels: a run of 255 takes two.
const MAX_INFLATION: u64 = 128;

/// Reads the two headers; a row is padded to four bytes.
pub(super) fn header(file: &mut BufReader<File>, length: u64) -> Result<Header, Complaint> {
    let mut start = [0; 34];
    file.read_exact(&mut start).map_err(ends_in_header)?;
    let word =
        |at: usize| u32::from_le_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]);
    // The oldest header has 12 bytes, with shorter numbers and no compression.
    let (bits, compression) = match word(14) {
        12 => (u16::from_le_bytes([start[24], start[25]]), 0),
        _ => (u16::from_le_bytes([start[28], start[29]]), word(30)),
    };
    file.rewind().map_err(unreadable)?;
    let decoder = BmpDecoder::new(&mut *file).map_err(|error| match error {
        ImageError::IoError(_) => Complaint::from("truncated: the file ends within its header"),
        other => format!("a BMP that is not read: {other}"),
    })?;
    let color = match (bits, decoder.color_type()) {
        (1..=8, _) => Color::Palette,
        (_, ColorType::Rgba8) => Color::Rgba,
        _ => Color::Rgb,
    };
    let stored = if color == Color::Palette { bits as u8 } else { 8 };
    let header = Header::of(Format::Bmp, decoder.dimensions(), Mode { bits: stored, color });
    if ROWS_AS_THEY_ARE.contains(&compression) {
        let row = (u64::from(header.width) * u64::from(bits)).div_ceil(32) * 4;
        let end = row.saturating_mul(header.height.into()).saturating_add(word(10).into());
        if end > length {
            return Err(format!("truncated: {length} bytes, of {end} that its pixels take"));
        }
    } else {
        can_hold(&header, length, MAX_INFLATION)?;
    }
    Ok(header)
}
