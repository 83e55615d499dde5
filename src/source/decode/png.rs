//! The pixels of a PNG.

use std::io::Cursor;

use png::{BitDepth, ColorType, Transformations};

use super::super::header::{Complaint, Header};
use super::super::orientation::stated;
use super::picture::{Picture, Reading, Samples, unpack};

/// The pixels of a PNG.
pub(super) fn picture(
    bytes: &[u8],
    header: &Header,
    reading: Reading,
) -> Result<Picture, Complaint> {
    let damaged = |error: png::DecodingError| format!("a damaged PNG: {error}");
    let mut turns = stated(bytes)?.into_iter();
    if let Some((turn, place)) = turns.find(|(turn, _)| *turn != header.orientation) {
        return Err(format!(
            "a PNG that says in two ways how it is turned: orientation {} in {place}, where only some viewers \
             look, and {} otherwise: write it as it is shown, such as with `magick mogrify -auto-orient -strip`, \
             or remove what is wrong, such as with `exiftool -all= -overwrite_original`",
            turn.to_exif(),
            header.orientation.to_exif()
        ));
    }
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(match reading {
        Reading::Colours => Transformations::EXPAND,
        Reading::Stored => Transformations::IDENTITY,
    });
    let mut reader = decoder.read_info().map_err(damaged)?;
    let size = reader.output_buffer_size().ok_or("a damaged PNG: too large")?;
    let (color, depth) = reader.output_color_type();
    if (depth == BitDepth::Sixteen) != (header.mode.bits == 16)
        || (reader.info().width, reader.info().height) != header.stored()
    {
        return Err("the file changed while it was read".into());
    }
    let mut data = vec![0; size];
    let output = reader.next_frame(&mut data).map_err(damaged)?;
    let channels = match color {
        ColorType::Grayscale | ColorType::Indexed => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
    };
    let samples = match depth {
        BitDepth::Sixteen => {
            let words = data.as_chunks::<2>().0;
            Samples::Sixteen(words.iter().map(|&word| u16::from_be_bytes(word)).collect())
        }
        BitDepth::Eight => Samples::Eight(data),
        packed => {
            let (width, bits) = (header.stored().0 as usize, packed as u8);
            Samples::Eight(unpack(&data, output.line_size, width, bits))
        }
    };
    Ok(Picture::new(samples, channels))
}
