//! The pixels of a TIFF.

use std::io::Cursor;

use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};

use super::super::header::{Color, Complaint, Header, MAX_FILE_BYTES, tiff_complaint};
use super::picture::{Picture, Reading, Samples, rgb_of, unpack};

/// The pixels of a TIFF.
pub(super) fn picture(
    bytes: &[u8],
    header: &Header,
    reading: Reading,
) -> Result<Picture, Complaint> {
    let complaint = |error| tiff_complaint(&error);
    // The header was checked; a strip is never larger than what is read.
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_FILE_BYTES as usize;
    limits.intermediate_buffer_size = MAX_FILE_BYTES as usize;
    let decoder = Decoder::new(Cursor::new(bytes)).map_err(complaint)?;
    let mut decoder = decoder.with_limits(limits);
    if decoder.dimensions().map_err(complaint)? != header.stored() {
        return Err("the file changed while it was read".into());
    }
    let (bits, width) = (header.mode.bits, header.stored().0 as usize);
    let channels = match header.mode.color {
        Color::Gray | Color::Palette => 1,
        Color::GrayAlpha => 2,
        Color::Rgb => 3,
        Color::Rgba | Color::Cmyk => 4,
    };
    let samples = match decoder.read_image().map_err(complaint)? {
        DecodingResult::U8(data) if bits < 8 => {
            let line = (width * channels * usize::from(bits)).div_ceil(8);
            let mut data = unpack(&data, line, width * channels, bits);
            if reading == Reading::Colours {
                let brightest = (1u16 << bits) - 1;
                data.iter_mut()
                    .for_each(|value| *value = (u16::from(*value) * 255 / brightest) as u8);
            }
            Samples::Eight(data)
        }
        DecodingResult::U8(mut data) => {
            if matches!(decoder.colortype(), Ok(ColorType::YCbCr(_))) {
                data.as_chunks_mut().0.iter_mut().for_each(|pixel| *pixel = rgb_of(*pixel));
            }
            Samples::Eight(data)
        }
        DecodingResult::U16(data) => Samples::Sixteen(data),
        DecodingResult::F32(data) => Samples::Real(data),
        _ => return Err("a TIFF of numbers that are not read".into()),
    };
    Ok(Picture::new(samples, channels))
}
