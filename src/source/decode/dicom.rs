//! The pixels of a DICOM.

use std::io::Cursor;

use zune_jpeg::zune_core::colorspace::ColorSpace;

use super::super::dicom::{self, Compression, Dicom, Encoding, Photometric, Place};
use super::super::header::{Complaint, Header, after_segment, dicom_header};
use super::picture::{Picture, Reading, Samples, rgb_of};
use super::{jpeg, rle};

/// Values as they are stored.
enum Stored {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

/// The pixels of a DICOM. Gray becomes brighter as its values grow: those of `MONOCHROME1` are mirrored within the range of
/// what can be stored. Slope and intercept are applied; of 8 bits the file's own window is too.
pub(super) fn picture(
    bytes: &[u8],
    header: &Header,
    reading: Reading,
) -> Result<Picture, Complaint> {
    let dicom = dicom::read(Cursor::new(bytes), bytes.len() as u64)?;
    if dicom_header(&dicom) != *header {
        return Err("the file changed while it was read".into());
    }
    let stored = match dicom.compression {
        Compression::None => uncompressed(bytes, &dicom)?,
        Compression::Rle => runs(&fragments(bytes, &dicom)?, &dicom)?,
        Compression::Jpeg => baseline(&fragments(bytes, &dicom)?, header, &dicom)?,
    };
    match (stored, dicom.channels()) {
        (Stored::Eight(data), 3) => Ok(Picture::new(Samples::Eight(data), 3)),
        (stored, _) if reading == Reading::Stored && header.mode.bits == 8 => {
            let data = match stored {
                Stored::Eight(data) => data,
                Stored::Sixteen(data) => data.into_iter().map(|value| value as u8).collect(),
            };
            Ok(Picture::new(Samples::Eight(data), 1))
        }
        (Stored::Eight(data), _) => Ok(gray(data.into_iter().map(u16::from), header, &dicom)),
        (Stored::Sixteen(data), _) => Ok(gray(data.into_iter(), header, &dicom)),
    }
}

/// Values of gray after slope and intercept.
fn gray(stored: impl Iterator<Item = u16>, header: &Header, dicom: &Dicom) -> Picture {
    let (least, greatest) = dicom.stored_range();
    let unused = 32 - u32::from(dicom.bits_stored);
    let mirrored = dicom.photometric == Photometric::Monochrome1;
    let values = stored.map(|value| {
        let lowest = u32::from(value) << unused;
        let value = if dicom.signed { lowest as i32 >> unused } else { (lowest >> unused) as i32 };
        if mirrored { least + greatest - value } else { value }
    });
    let samples = match header.mode.bits {
        8 => Samples::Eight(match header.window {
            Some(window) => values.map(|value| window.apply(value)).collect(),
            None => values.map(|value| value as u8).collect(),
        }),
        16 => {
            let intercept = dicom.intercept as i32;
            Samples::Sixteen(values.map(|value| (value + intercept) as u16).collect())
        }
        _ => {
            let scaled = |value| (dicom.slope * f64::from(value) + dicom.intercept) as f32;
            Samples::Real(values.map(scaled).collect())
        }
    };
    Picture::new(samples, 1)
}

fn pixels(dicom: &Dicom) -> usize {
    usize::from(dicom.columns) * usize::from(dicom.rows)
}

fn missing() -> Complaint {
    "truncated: the end of the pixels is missing".into()
}

fn uncompressed(bytes: &[u8], dicom: &Dicom) -> Result<Stored, Complaint> {
    let &Place::Plain(start, length, words) = &dicom.place else { return Err(missing()) };
    let all = bytes.get(start as usize..).ok_or_else(missing)?;
    let all = &all[..all.len().min(length as usize)];
    let values = pixels(dicom) * dicom.channels();
    if dicom.bits_allocated == 16 {
        let of = match dicom.encoding {
            Encoding::ExplicitBig => u16::from_be_bytes,
            Encoding::ImplicitLittle | Encoding::ExplicitLittle => u16::from_le_bytes,
        };
        let data = all.get(..2 * values).ok_or_else(missing)?;
        return Ok(Stored::Sixteen(data.as_chunks::<2>().0.iter().map(|&word| of(word)).collect()));
    }
    // The last byte of an odd number is the second of its word.
    let taken = if words { values.next_multiple_of(2) } else { values };
    let mut data = all.get(..taken).ok_or_else(missing)?.to_vec();
    if words {
        data.as_chunks_mut::<2>().0.iter_mut().for_each(|word| word.reverse());
        data.truncate(values);
    }
    if dicom.channels() == 3 && dicom.planar {
        let planes: Vec<&[u8]> = data.chunks_exact(pixels(dicom)).collect();
        data = interleaved(&planes);
    }
    Ok(Stored::Eight(coloured(data, dicom.photometric)))
}

/// The channels of each pixel together.
fn interleaved(planes: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let length = planes.first().map_or(0, |plane| plane.as_ref().len());
    (0..length).flat_map(|at| planes.iter().map(move |plane| plane.as_ref()[at])).collect()
}

/// Red, green and blue of colours.
fn coloured(mut data: Vec<u8>, photometric: Photometric) -> Vec<u8> {
    if photometric == Photometric::Ybr {
        data.as_chunks_mut().0.iter_mut().for_each(|pixel| *pixel = rgb_of(*pixel));
    }
    data
}

/// What is compressed, its fragments joined.
fn fragments(bytes: &[u8], dicom: &Dicom) -> Result<Vec<u8>, Complaint> {
    let Place::Fragments(fragments) = &dicom.place else { return Err(missing()) };
    let mut joined = Vec::new();
    for &(start, length) in fragments {
        let rest = bytes.get(start as usize..).and_then(|rest| rest.get(..length as usize));
        joined.extend(rest.ok_or_else(missing)?);
    }
    Ok(joined)
}

fn runs(bytes: &[u8], dicom: &Dicom) -> Result<Stored, Complaint> {
    let of_value = usize::from(dicom.bits_allocated / 8);
    let mut planes = rle::planes(bytes, dicom.channels() * of_value, pixels(dicom))?;
    if of_value == 2 {
        let words =
            planes[0].iter().zip(&planes[1]).map(|(&high, &low)| u16::from_be_bytes([high, low]));
        return Ok(Stored::Sixteen(words.collect()));
    }
    let data = if planes.len() == 1 { planes.remove(0) } else { interleaved(&planes) };
    Ok(Stored::Eight(coloured(data, dicom.photometric)))
}

/// A JPEG of luma, or of three channels whose meaning its markers say, or else the DICOM.
fn baseline(bytes: &[u8], header: &Header, dicom: &Dicom) -> Result<Stored, Complaint> {
    let Bare { jpeg, components, colours } = bare(bytes)?;
    let channels = components.len();
    if channels != dicom.channels() {
        return Err(format!(
            "a damaged DICOM: a JPEG of {channels} channels, of {} that its pixels have",
            dicom.channels()
        ));
    }
    // The space that the decoder takes them for, so that it leaves them as they are.
    let (space, named) = match &components[..] {
        [_] => (ColorSpace::Luma, None),
        b"RGB" => (ColorSpace::RGB, Some(Photometric::Rgb)),
        _ => (ColorSpace::YCbCr, None),
    };
    let data = jpeg::samples(&jpeg, header, space)?;
    Ok(Stored::Eight(match channels {
        1 => data,
        _ => coloured(data, colours.or(named).unwrap_or(dicom.photometric)),
    }))
}

/// A JPEG without what may stand between its beginning and its frame.
struct Bare {
    jpeg: Vec<u8>,
    /// The name of each channel, which is a number or a letter.
    components: Vec<u8>,
    /// What JFIF or Adobe say of three channels.
    colours: Option<Photometric>,
}

fn bare(bytes: &[u8]) -> Result<Bare, Complaint> {
    let damaged = || Complaint::from("a damaged or truncated JPEG in a DICOM");
    if !bytes.starts_with(b"\xff\xd8") {
        return Err(damaged());
    }
    let (mut jpeg, mut components, mut colours) = (vec![0xff, 0xd8], Vec::new(), None);
    let mut at = 2;
    loop {
        let marker = *bytes.get(at + 1).ok_or_else(damaged)?;
        if bytes[at] != 0xff {
            return Err(damaged());
        }
        if marker == 0xff {
            at += 1;
            continue;
        }
        if marker == 0xda {
            jpeg.extend(&bytes[at..]);
            return Ok(Bare { jpeg, components, colours });
        }
        let next = after_segment(bytes, at).ok_or_else(damaged)?;
        let segment = bytes.get(at..next).ok_or_else(damaged)?;
        match (marker, segment.get(4..).unwrap_or_default()) {
            (0xe0, [b'J', b'F', b'I', b'F', 0, ..]) => colours = Some(Photometric::Ybr),
            (0xee, [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..]) => {
                colours = Some(if *transform == 0 { Photometric::Rgb } else { Photometric::Ybr });
            }
            (0xe0..=0xef | 0xfe, _) => {}
            (marker, rest) => {
                if let (0xc0..=0xc2, Some(named)) = (marker, rest.get(6..)) {
                    components = named.chunks_exact(3).map(|component| component[0]).collect();
                }
                jpeg.extend(segment);
            }
        }
        at = next;
    }
}
