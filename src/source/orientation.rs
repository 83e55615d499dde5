//! How a PNG says anywhere that it is turned or mirrored: in Exif, in a text that ImageMagick writes, or in XMP.

use std::io::Cursor;

use image::metadata::Orientation;

/// Bytes before the first chunk.
const SIGNATURE: usize = 8;

/// Keywords of texts that hold Exif in hexadecimal.
const RAW_PROFILES: [&str; 2] = ["Raw profile type exif", "Raw profile type APP1"];

/// The keyword of the text that holds XMP.
const XMP: &str = "XML:com.adobe.xmp";

/// Every orientation that a PNG states, with what states it.
///
/// # Errors
/// What states one that cannot be understood.
pub(super) fn stated(bytes: &[u8]) -> Result<Vec<(Orientation, &'static str)>, String> {
    let mut found = Vec::new();
    let mut texts = false;
    for (kind, data) in (Chunks { bytes, at: SIGNATURE }) {
        match &kind {
            b"eXIf" => {
                found.extend(Orientation::from_exif_chunk(data).map(|turn| (turn, "eXIf")));
            }
            b"tEXt" | b"zTXt" | b"iTXt" => {
                let keyword = data.split(|&byte| byte == 0).next().unwrap_or_default();
                let is = |name: &&str| name.as_bytes() == keyword;
                texts |= RAW_PROFILES.iter().any(is) || is(&XMP);
            }
            _ => {}
        }
    }
    if texts {
        found.extend(of_texts(bytes)?);
    }
    Ok(found)
}

/// Kinds and contents of chunks, as far as they are whole.
struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let start: [u8; 8] = self.bytes.get(self.at..self.at + 8)?.try_into().ok()?;
        let [a, b, c, d, kind @ ..] = start;
        let from = self.at + 8;
        let to = from.checked_add(u32::from_be_bytes([a, b, c, d]) as usize)?;
        let data = self.bytes.get(from..to)?;
        self.at = to + 4;
        Some((kind, data))
    }
}

/// The orientations that texts state.
fn of_texts(bytes: &[u8]) -> Result<Vec<(Orientation, &'static str)>, String> {
    let texts = read_texts(bytes).ok_or("a PNG whose texts on how it is turned cannot be read")?;
    let mut found = Vec::new();
    for (keyword, text) in texts {
        if RAW_PROFILES.contains(&keyword.as_str()) {
            let exif = raw_profile(&text)
                .ok_or_else(|| format!("a PNG whose text `{keyword}` cannot be understood"))?;
            let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(&exif);
            found.extend(Orientation::from_exif_chunk(exif).map(|turn| (turn, "a raw profile")));
        } else if keyword == XMP && text.contains(TAG) {
            let turn = of_xmp(&text).ok_or("a PNG whose XMP gives an orientation that is none")?;
            found.push((turn, "XMP"));
        }
    }
    Ok(found)
}

/// Keywords and texts of a PNG, before its pixels and after them.
fn read_texts(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().ok()?;
    reader.finish().ok()?;
    let info = reader.info();
    let mut texts: Vec<(String, String)> = Vec::new();
    for chunk in &info.uncompressed_latin1_text {
        texts.push((chunk.keyword.clone(), chunk.text.clone()));
    }
    for chunk in &info.compressed_latin1_text {
        texts.push((chunk.keyword.clone(), chunk.get_text().ok()?));
    }
    for chunk in &info.utf8_text {
        texts.push((chunk.keyword.clone(), chunk.get_text().ok()?));
    }
    Some(texts)
}

/// The bytes of a raw profile: a line with its name, one with its length, and hexadecimal digits over several lines.
fn raw_profile(text: &str) -> Option<Vec<u8>> {
    let mut words = text.split_ascii_whitespace();
    let (_, length) = (words.next()?, words.next()?.parse::<usize>().ok()?);
    let digits: Vec<u8> = words
        .flat_map(str::chars)
        .map(|c| c.to_digit(16).map(|d| d as u8))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    (bytes.len() == length).then_some(bytes)
}

/// The name of the orientation in XMP.
const TAG: &str = "tiff:Orientation";

/// What XMP says, as an attribute or an element.
fn of_xmp(text: &str) -> Option<Orientation> {
    let (_, rest) = text.split_once(TAG)?;
    let number = rest.trim_start_matches([' ', '=', '"', '\'', '>', '\n', '\t', '\r']);
    let digits = number.chars().take_while(char::is_ascii_digit).count();
    Orientation::from_exif(number[..digits].parse().ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A gray PNG of three pixels with texts, perhaps compressed, before its pixels.
    fn with(add: impl Fn(&mut png::Encoder<&mut Vec<u8>>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 3, 1);
        encoder.set_color(png::ColorType::Grayscale);
        add(&mut encoder);
        encoder.write_header().unwrap().write_image_data(&[0, 1, 2]).unwrap();
        bytes
    }

    fn exif(orientation: u8) -> Vec<u8> {
        let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        exif
    }

    fn profile(orientation: u8) -> String {
        let bytes = [b"Exif\0\0".to_vec(), exif(orientation)].concat();
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("\nexif\n{:8}\n{}\n{}\n", bytes.len(), &digits[..20], &digits[20..])
    }

    fn of(bytes: &[u8]) -> Vec<u8> {
        stated(bytes).unwrap().into_iter().map(|(turn, _)| turn.to_exif()).collect()
    }

    #[test]
    fn it_is_read_of_texts_and_of_chunks_behind_the_pixels() {
        let raw = profile(6);
        let keyword = || RAW_PROFILES[0].to_string();
        assert_eq!(of(&with(|png| png.add_text_chunk(keyword(), raw.clone()).unwrap())), [6]);
        assert_eq!(of(&with(|png| png.add_ztxt_chunk(keyword(), raw.clone()).unwrap())), [6]);
        for xmp in ["<a tiff:Orientation=\"8\"/>", "<tiff:Orientation> 8</tiff:Orientation>"] {
            let add = |png: &mut png::Encoder<&mut Vec<u8>>| {
                png.add_itxt_chunk(XMP.into(), xmp.into()).unwrap();
            };
            assert_eq!(of(&with(add)), [8]);
        }
        assert_eq!(of(&with(|_| {})), [0; 0]);
        let mut bytes = with(|_| {});
        let end = bytes.len() - 12;
        let exif = exif(3);
        let chunk = [&(exif.len() as u32).to_be_bytes()[..], b"eXIf", &exif, &[0; 4]].concat();
        bytes.splice(end..end, chunk);
        assert_eq!(of(&bytes), [3]);
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for text in ["exif 5 00", "exif five 00", "exif 1 zz", ""] {
            let bytes =
                with(|png| png.add_text_chunk(RAW_PROFILES[0].into(), text.into()).unwrap());
            assert!(stated(&bytes).is_err(), "{text}");
        }
        let bytes = with(|png| png.add_itxt_chunk(XMP.into(), format!("{TAG}=\"9\"")).unwrap());
        assert!(stated(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn damaged_bytes_give_an_answer_or_an_error(
            damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let keyword = RAW_PROFILES[0].to_string();
            let mut bytes = with(|png| png.add_ztxt_chunk(keyword.clone(), profile(6)).unwrap());
            for (place, value) in damages {
                *place.get_mut(&mut bytes) = value;
            }
            let _ = stated(&bytes);
        }
    }
}
