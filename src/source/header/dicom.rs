//! What a DICOM says of itself.

use std::fs::File;
use std::io::BufReader;

use super::super::dicom::{self, Compression, Dicom, Place};
use super::{Color, Complaint, Format, Header, Mode, bits_of, can_hold};

/// JPEG codes a block of 64 values with at least two bits, of which the sparest subsampling makes 683 a byte.
const MAX_JPEG_INFLATION: u64 = 1024;

/// Runs of up to 128 bytes take two.
const MAX_RLE_INFLATION: u64 = 64;

/// Reads the elements up to the pixels, and none of their values but those that say what pixels are.
pub(super) fn header(file: &mut BufReader<File>, length: u64) -> Result<Header, Complaint> {
    let dicom = dicom::read(file, length)?;
    let header = of(&dicom);
    pixels_are_there(&dicom, &header, length)?;
    Ok(header)
}

/// The same of a file that was read.
pub(crate) fn of(dicom: &Dicom) -> Header {
    let color = if dicom.channels() == 1 { Color::Gray } else { Color::Rgb };
    let mode = Mode { bits: dicom.bits(), color };
    let size = (dicom.columns.into(), dicom.rows.into());
    Header {
        lossy: dicom.lossy,
        window: dicom.shown_window(),
        ..Header::of(Format::Dicom, size, mode)
    }
}

/// Checks that the file has as many bytes for its pixels as these take.
fn pixels_are_there(dicom: &Dicom, header: &Header, length: u64) -> Result<(), Complaint> {
    let stored = Mode { bits: dicom.bits_allocated as u8, ..header.mode };
    match (&dicom.place, dicom.compression) {
        (&Place::Plain(start, bytes, _), _) => {
            let taken = u64::from(header.width) * u64::from(header.height) * bits_of(&stored) / 8;
            if u64::from(bytes) < taken {
                return Err(format!(
                    "a damaged DICOM: {bytes} bytes of pixels, of {taken} that {}x{} take",
                    header.width, header.height
                ));
            }
            match start + taken > length {
                true => Err(format!(
                    "truncated: {length} bytes, of {} that the DICOM has",
                    start + taken
                )),
                false => Ok(()),
            }
        }
        (Place::Fragments(fragments), compression) => {
            let bytes = fragments.iter().map(|(_, bytes)| u64::from(*bytes)).sum();
            let inflation = match compression {
                Compression::Jpeg => MAX_JPEG_INFLATION,
                Compression::Rle | Compression::None => MAX_RLE_INFLATION,
            };
            can_hold(&Header { mode: stored, ..*header }, bytes, inflation)
        }
    }
}
