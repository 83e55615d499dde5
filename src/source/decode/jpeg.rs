//! The pixels of a JPEG.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::super::header::{Color, Complaint, Header, after_segment};
use super::picture::{Picture, Samples};

/// A JPEG of one pass without its end marker. With the marker the decoder makes up what is missing before it; without,
/// it finds that the data have come to an end too early. `None` for one of several passes, which is checked as it is.
fn without_end(bytes: &[u8]) -> Option<Vec<u8>> {
    // As far as the decoder reads ahead: of whole data it must not find the end.
    const AHEAD: [u8; 8] = [0; 8];
    let mut at = 2;
    loop {
        let marker = *bytes.get(at + 1)?;
        match marker {
            0xff => at += 1,
            0xc2..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => return None,
            0xda => break,
            _ => at = after_segment(bytes, at)?,
        }
    }
    let end = at + bytes[at..].windows(2).position(|pair| pair == [0xff, 0xd9])?;
    Some([&bytes[..end], &AHEAD].concat())
}

/// The pixels of a JPEG; what other decoders warn of while they fill up what is missing is an error here.
pub(super) fn picture(bytes: &[u8], header: &Header) -> Result<Picture, Complaint> {
    let colors = match header.mode.color {
        Color::Gray => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    let data = samples(bytes, header, colors)?;
    let channels = if colors == ColorSpace::Luma { 1 } else { 3 };
    Ok(Picture::new(Samples::Eight(data), channels))
}

/// The samples of a JPEG in a colour space.
pub(super) fn samples(
    bytes: &[u8],
    header: &Header,
    colors: ColorSpace,
) -> Result<Vec<u8>, Complaint> {
    let damaged = |error| format!("a damaged or truncated JPEG: {error}");
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(colors);
    let scan = without_end(bytes);
    let bytes = scan.as_deref().unwrap_or(bytes);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) = header.stored();
    if decoder.dimensions() != Some((width as usize, height as usize)) {
        return Err(format!(
            "a damaged {}: a JPEG of another size than {width}x{height}",
            header.format
        ));
    }
    decoder.decode().map_err(damaged)
}
