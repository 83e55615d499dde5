//! The pixels of a WebP.

use std::io::Cursor;

use image_webp::WebPDecoder;

use super::super::header::{Complaint, Header};
use super::picture::{Picture, Samples};

/// The pixels of a WebP, of an animated one its first picture.
pub(super) fn picture(bytes: &[u8], header: &Header) -> Result<Picture, Complaint> {
    let damaged = |error| format!("a damaged or truncated WebP: {error}");
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
    if decoder.dimensions() != header.stored() {
        return Err("the file changed while it was read".into());
    }
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let (width, height) = header.stored();
    let mut data = vec![0; width as usize * height as usize * channels];
    decoder.read_image(&mut data).map_err(damaged)?;
    Ok(Picture::new(Samples::Eight(data), channels))
}
