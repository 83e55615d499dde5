//! An image read row by row, so that only some of its rows are in memory.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use image::RgbImage;
use image::metadata::Orientation;
use png::{ColorType, Transformations};

use super::super::header::{
    Complaint, Format, Header, Limit, judge_image, read_header, unreadable,
};
use super::super::levels::Levels;
use super::super::orientation::stated;
use super::picture::{Picture, Samples};
use super::{decode_rgb, naming};
use crate::error::Result;

/// Bytes of what a PNG says beside its pixels, above which it is read whole.
const MOST_SAID_BYTES: u64 = 1 << 24;

/// The rows of an image as RGB, from the top down. Those of a PNG are decoded one by one; other files, and a PNG that is
/// interlaced, animated or turned by Exif, are decoded whole at first, within the limits of an ROI.
pub struct Rows {
    path: PathBuf,
    size: (u32, u32),
    next: u32,
    from: Pixels,
}

enum Pixels {
    File { reader: Box<png::Reader<BufReader<File>>>, channels: usize, bits: u8, levels: Levels },
    Memory(RgbImage),
}

impl Rows {
    /// Opens an image.
    ///
    /// # Errors
    /// A user's error that names the file, when it is missing, broken, too large or of a kind that is not read.
    pub fn open(path: &Path, levels: Levels) -> Result<Self> {
        let from = match opened(path, levels).map_err(naming(path))? {
            Some(from) => from,
            None => Pixels::Memory(decode_rgb(path, Limit::Roi, levels)?),
        };
        let size = match &from {
            Pixels::File { reader, .. } => (reader.info().width, reader.info().height),
            Pixels::Memory(image) => image.dimensions(),
        };
        Ok(Self { path: path.to_path_buf(), size, next: 0, from })
    }

    /// The rows of a decoded image.
    pub fn of(image: RgbImage) -> Self {
        Self {
            path: PathBuf::new(),
            size: image.dimensions(),
            next: 0,
            from: Pixels::Memory(image),
        }
    }

    /// Width and height, in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// The next row, three bytes a pixel; `None` behind the last.
    ///
    /// # Errors
    /// A user's error that names the file, when it is damaged.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>> {
        let (width, height) = self.size;
        if self.next == height {
            return Ok(None);
        }
        let y = self.next;
        self.next += 1;
        match &mut self.from {
            Pixels::File { reader, channels, bits, levels } => {
                let row = row(reader, (*channels, *bits), *levels);
                if self.next == height {
                    let ended = reader.finish().map_err(|error| damaged(&error));
                    ended.map_err(naming(&self.path))?;
                }
                row.map(Some).map_err(naming(&self.path))
            }
            Pixels::Memory(image) => {
                let line = 3 * width as usize;
                Ok(Some(image.as_raw()[y as usize * line..][..line].to_vec()))
            }
        }
    }
}

fn damaged(error: &png::DecodingError) -> Complaint {
    format!("a damaged PNG: {error}")
}

/// The rows of a PNG that can be decoded one by one; `None` of other images.
fn opened(path: &Path, levels: Levels) -> Result<Option<Pixels>, Complaint> {
    let header = read_header(path, Limit::Rows)?;
    judge_image(&header)?;
    let bits = header.mode.bits;
    let decided = bits < 16 || levels.window().is_some();
    let plain = header.format == Format::Png && !header.animated && decided;
    if !plain || !shown_as_stored(path, &header)? {
        return Ok(None);
    }
    let file = crate::file::open(path).map_err(unreadable)?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let reader = decoder.read_info().map_err(|error| damaged(&error))?;
    if reader.info().interlaced {
        return Ok(None);
    }
    let channels = match reader.output_color_type().0 {
        ColorType::Grayscale | ColorType::Indexed => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
    };
    Ok(Some(Pixels::File { reader: Box::new(reader), channels, bits, levels }))
}

fn row(
    reader: &mut png::Reader<BufReader<File>>,
    (channels, bits): (usize, u8),
    levels: Levels,
) -> Result<Vec<u8>, Complaint> {
    let row = reader.next_row().map_err(|error| damaged(&error))?;
    let data = row.ok_or("a damaged PNG: pixels are missing")?;
    let samples = match bits {
        16 => {
            let words = data.data().as_chunks::<2>().0;
            Samples::Sixteen(words.iter().map(|&word| u16::from_be_bytes(word)).collect())
        }
        _ => Samples::Eight(data.data().to_vec()),
    };
    Picture::new(samples, channels).into_rgb(levels)
}

/// Whether nothing that a PNG says, before or behind its pixels, turns it.
fn shown_as_stored(path: &Path, header: &Header) -> Result<bool, Complaint> {
    if header.orientation != Orientation::NoTransforms {
        return Ok(false);
    }
    let file = crate::file::open(path).map_err(unreadable)?;
    let Some(said) = without_pixels(&mut BufReader::new(file)).map_err(unreadable)? else {
        return Ok(false);
    };
    Ok(stated(&said).is_ok_and(|turns| turns.iter().all(|(turn, _)| *turn == header.orientation)))
}

/// A PNG without its pixels; `None` where the rest is long.
fn without_pixels(file: &mut BufReader<File>) -> std::io::Result<Option<Vec<u8>>> {
    let mut said = vec![0; 8];
    file.read_exact(&mut said)?;
    loop {
        let mut start = [0; 8];
        file.read_exact(&mut start)?;
        let [a, b, c, d, kind @ ..] = start;
        // With its checksum.
        let length = u64::from(u32::from_be_bytes([a, b, c, d])) + 4;
        if &kind == b"IDAT" {
            file.seek_relative(length as i64)?;
            continue;
        }
        if said.len() as u64 + length > MOST_SAID_BYTES {
            return Ok(None);
        }
        said.extend(start);
        file.by_ref().take(length).read_to_end(&mut said)?;
        if &kind == b"IEND" {
            return Ok(Some(said));
        }
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageEncoder, Rgb};

    use super::super::super::levels::Window;
    use super::super::decode_image;
    use super::*;

    /// All rows of an image, and whether they were read one by one.
    fn all(path: &Path, levels: Levels) -> Result<(RgbImage, bool)> {
        let mut rows = Rows::open(path, levels)?;
        let by_row = matches!(rows.from, Pixels::File { .. });
        let mut data = Vec::new();
        while let Some(row) = rows.read()? {
            data.extend(row);
        }
        let (width, height) = rows.size();
        Ok((RgbImage::from_raw(width, height, data).unwrap(), by_row))
    }

    #[test]
    fn rows_are_those_of_the_image_decoded_whole() {
        let folder = tempfile::tempdir().unwrap();
        let rgb = RgbImage::from_fn(7, 5, |x, y| Rgb([x as u8, y as u8, (x * y) as u8]));
        let image = DynamicImage::from(rgb);
        for (name, image, by_row) in [
            ("rgb.png", image.clone(), true),
            ("rgba.png", image.to_rgba8().into(), true),
            ("gray.png", image.to_luma8().into(), true),
            ("gray-alpha.png", image.to_luma_alpha8().into(), true),
            ("deep.png", image.to_rgb16().into(), true),
            ("rgb.jpg", image.clone(), false),
        ] {
            let path = folder.path().join(name);
            image.save(&path).unwrap();
            let levels = match name {
                "deep.png" => Levels::Window(Window { low: 100.0, high: 1500.0 }),
                _ => Levels::Refused,
            };
            let whole = decode_image(&path, levels).unwrap();
            assert_eq!(all(&path, levels).unwrap(), (whole, by_row), "{name}");
        }
    }

    #[test]
    fn interlaced_and_turned_images_are_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let fixtures = crate::testing::fixture("images");
        let mut checked = 0;
        for entry in std::fs::read_dir(fixtures).unwrap().flatten() {
            let path = entry.path();
            // What is refused whole is refused by rows.
            let Ok(whole) = decode_image(&path, Levels::Refused) else { continue };
            assert_eq!(all(&path, Levels::Refused).unwrap().0, whole, "{}", path.display());
            checked += 1;
        }
        assert!(checked > 0);
        let path = folder.path().join("turned.png");
        let mut encoder = image::codecs::png::PngEncoder::new(File::create(&path).unwrap());
        let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        encoder.set_exif_metadata(exif.to_vec()).unwrap();
        encoder.write_image(&[1; 18], 3, 2, image::ExtendedColorType::Rgb8).unwrap();
        let (image, by_row) = all(&path, Levels::Refused).unwrap();
        assert_eq!((image.dimensions(), by_row), ((2, 3), false));
    }

    #[test]
    fn a_damaged_image_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.png");
        let noise = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * x + 7 * y * y) as u8; 3]));
        noise.save(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        std::fs::write(&path, bytes).unwrap();
        let message = all(&path, Levels::Refused).unwrap_err().to_string();
        assert!(message.contains("damaged.png: a damaged PNG"), "{message}");
    }
}
