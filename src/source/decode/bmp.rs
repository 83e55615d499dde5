//! The pixels of a BMP.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder};

use super::super::header::{Color, Complaint, Header};
use super::picture::{Picture, Reading, Samples, unpack};

/// The pixels of a BMP.
pub(super) fn picture(
    bytes: &[u8],
    header: &Header,
    reading: Reading,
) -> Result<Picture, Complaint> {
    if reading == Reading::Stored && header.mode.color == Color::Palette {
        return Ok(Picture::new(Samples::Eight(indices(bytes, header)?), 1));
    }
    let damaged = |error| format!("a damaged or truncated BMP: {error}");
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
    if decoder.dimensions() != header.stored() {
        return Err("the file changed while it was read".into());
    }
    let channels = if decoder.color_type() == ColorType::Rgba8 { 4 } else { 3 };
    let (width, height) = header.stored();
    let mut data = vec![0; width as usize * height as usize * channels];
    decoder.read_image(&mut data).map_err(damaged)?;
    Ok(Picture::new(Samples::Eight(data), channels))
}

/// The indices into a palette, which the decoder gives as colours alone: rows of multiples of four bytes, from the bottom
/// to the top unless the height is negative.
fn indices(bytes: &[u8], header: &Header) -> Result<Vec<u8>, Complaint> {
    let word = |at: usize| -> Result<i32, Complaint> {
        let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
        word.map(i32::from_le_bytes)
            .ok_or_else(|| "truncated: the file ends within its header".into())
    };
    let is_old = word(14)? == 12;
    if !is_old && word(30)? != 0 {
        return Err(
            "a mask in a BMP with run lengths: write it without compression, or as PNG".into()
        );
    }
    let (width, height) = (header.stored().0 as usize, header.stored().1 as usize);
    let line = (width * usize::from(header.mode.bits)).div_ceil(32) * 4;
    let start = word(10)? as u32 as usize;
    let rows = bytes.get(start..).and_then(|rows| rows.get(..line * height));
    let rows = rows.ok_or("truncated: the end of the pixels is missing")?;
    let mut data = unpack(rows, line, width, header.mode.bits);
    if is_old || word(22)? > 0 {
        let rows: Vec<&[u8]> = data.chunks_exact(width).rev().collect();
        data = rows.concat();
    }
    Ok(data)
}
