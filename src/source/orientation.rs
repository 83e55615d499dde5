//! How a file says that it is turned or mirrored: in Exif or XMP, wherever these lie.

use std::collections::BTreeSet;
use std::io::Cursor;

use image::metadata::Orientation;

/// Bytes before the first chunk.
const SIGNATURE: usize = 8;

/// Keywords of texts that hold Exif or XMP in hexadecimal.
const RAW_PROFILES: [&str; 3] =
    ["Raw profile type exif", "Raw profile type APP1", "Raw profile type xmp"];

/// The keyword of the text that holds XMP.
const XMP: &str = "XML:com.adobe.xmp";

/// Most bytes of the texts of a PNG that may say how it is turned, decompressed.
const MOST_TEXT_BYTES: usize = 1 << 24;

/// What a block of Exif may begin with, before two bytes more.
const EXIF_BLOCK: &[u8] = b"Exif";

/// What a block of XMP may begin with.
const XMP_BLOCK: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// The number of the orientation among the tags of TIFF, and so of Exif.
const TAG: u32 = 0x112;

/// The namespace of the tags of TIFF in XMP.
const TIFF: &str = "http://ns.adobe.com/tiff/1.0/";

/// The orientation that a block of Exif or XMP states, wherever it lies.
///
/// # Errors
/// An orientation that is there and cannot be understood.
pub(super) fn of(block: &[u8]) -> Result<Option<Orientation>, String> {
    if let Some(xmp) = block.strip_prefix(XMP_BLOCK) {
        return of_xmp(&String::from_utf8_lossy(xmp));
    }
    let exif = block.strip_prefix(EXIF_BLOCK).and_then(|rest| rest.get(2..)).unwrap_or(block);
    match exif.get(..4) {
        Some(b"II*\0" | b"MM\0*") => of_exif(exif),
        _ => of_xmp(&String::from_utf8_lossy(exif)),
    }
}

/// The orientation that segments of a JPEG for Exif and XMP state: that of Exif, or where it states none that of XMP, as
/// viewers do.
///
/// # Errors
/// As [`of`], and where two segments of a kind differ.
pub(super) fn of_segments(segments: &[&[u8]]) -> Result<Option<Orientation>, String> {
    for kind in [EXIF_BLOCK, XMP_BLOCK] {
        let mut found = None;
        for segment in segments.iter().filter(|segment| segment.starts_with(kind)) {
            let turn = of(segment)?;
            if found.is_some() && turn.is_some() && turn != found {
                return Err("a JPEG that says in two ways how it is turned".into());
            }
            found = found.or(turn);
        }
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The orientation of the first directory of a TIFF, which Exif is.
fn of_exif(tiff: &[u8]) -> Result<Option<Orientation>, String> {
    let number = |at: usize, bytes: usize| -> Option<u32> {
        let found = tiff.get(at..at.checked_add(bytes)?)?.iter();
        let shifted = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
        Some(match tiff.starts_with(b"II") {
            true => found.rev().fold(0, shifted),
            false => found.fold(0, shifted),
        })
    };
    let directory = number(4, 4).unwrap_or_default() as usize;
    let entries = number(directory, 2).unwrap_or_default() as usize;
    let mut places = (0..entries).map(|entry| directory + 2 + 12 * entry);
    let Some(at) = places.find(|&at| number(at, 2) == Some(TAG)) else { return Ok(None) };
    // Of the three kinds of whole numbers, one of them.
    let value = match (number(at + 2, 2), number(at + 4, 4)) {
        (Some(1), Some(1)) => number(at + 8, 1),
        (Some(3), Some(1)) => number(at + 8, 2),
        (Some(4), Some(1)) => number(at + 8, 4),
        _ => None,
    };
    understood(value, "Exif")
}

/// The orientation that XMP states, in attributes or elements.
fn of_xmp(text: &str) -> Result<Option<Orientation>, String> {
    const NAME: &str = "Orientation";
    let prefixes: BTreeSet<&str> = prefixes(text).chain(["tiff"]).collect();
    let is_name = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    let mut found = None;
    for (at, _) in text.match_indices(NAME) {
        let (before, after) = (&text[..at], &text[at + NAME.len()..]);
        let qualified = before.strip_suffix(':').unwrap_or(before);
        let prefix = match before.ends_with(':') {
            true => qualified.rsplit(|c| !is_name(c)).next().unwrap_or_default(),
            false => "",
        };
        let begins = &qualified[..qualified.len() - prefix.len()];
        let is_attribute = !prefix.is_empty() && begins.ends_with(char::is_whitespace);
        if after.starts_with(is_name)
            || !prefixes.contains(prefix)
            || !(is_attribute || begins.ends_with('<'))
        {
            continue;
        }
        let turn = understood(value(after), "XMP")?;
        if found.is_some_and(|found| found != turn) {
            return Err("its XMP says in two ways how it is turned".into());
        }
        found = Some(turn);
    }
    Ok(found.flatten())
}

/// The prefixes that XMP binds to the namespace of TIFF; the empty one where that is the default.
fn prefixes(text: &str) -> impl Iterator<Item = &str> {
    // Each is looked for behind the one before it, so that a long text takes no time but its length.
    let mut last = 0;
    text.match_indices(TIFF).filter_map(move |(at, _)| {
        let before = &text[std::mem::replace(&mut last, at)..at];
        let name = before.strip_suffix(['"', '\''])?.trim_end().strip_suffix('=')?.trim_end();
        let name = name.rsplit(char::is_whitespace).next()?.strip_prefix("xmlns")?;
        if name.is_empty() { Some(name) } else { name.strip_prefix(':') }
    })
}

/// The number behind the name of an attribute or of an element without attributes.
fn value(after: &str) -> Option<u32> {
    let after = after.trim_start();
    let text = match after.strip_prefix('=') {
        Some(quoted) => {
            let quoted = quoted.trim_start();
            let quote = quoted.chars().next().filter(|c| "\"'".contains(*c))?;
            quoted[1..].split(quote).next()?
        }
        None => after.strip_prefix('>')?.split('<').next()?,
    };
    text.trim().parse().ok()
}

/// The orientation of a number; some programs write 0 for one that is not known, which viewers show as stored.
pub(super) fn understood(value: Option<u32>, place: &str) -> Result<Option<Orientation>, String> {
    let turn = |value: u32| u8::try_from(value).ok().and_then(Orientation::from_exif);
    match value {
        Some(0) => Ok(None),
        value => match value.and_then(turn) {
            Some(turn) => Ok(Some(turn)),
            None => Err(format!("its {place} gives an orientation that is none")),
        },
    }
}

/// Every orientation that a PNG states, with what states it.
///
/// # Errors
/// What states one that cannot be understood.
pub(super) fn stated(bytes: &[u8]) -> Result<Vec<(Orientation, &'static str)>, String> {
    let mut found = Vec::new();
    let mut texts = false;
    for (kind, data) in (Chunks { bytes, at: SIGNATURE }) {
        match &kind {
            b"eXIf" => found.extend(of(data)?.map(|turn| (turn, "eXIf"))),
            b"tEXt" | b"zTXt" | b"iTXt" => {
                let keyword = data.split(|&byte| byte == 0).next().unwrap_or_default();
                texts |= std::str::from_utf8(keyword).is_ok_and(may_state);
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
        if keyword != XMP {
            let block = raw_profile(&text)
                .ok_or_else(|| format!("a PNG whose text `{keyword}` cannot be understood"))?;
            found.extend(of(&block)?.map(|turn| (turn, "a raw profile")));
        } else {
            found.extend(of_xmp(&text)?.map(|turn| (turn, "XMP")));
        }
    }
    Ok(found)
}

/// Whether the text of this keyword may say how a PNG is turned.
fn may_state(keyword: &str) -> bool {
    RAW_PROFILES.contains(&keyword) || keyword == XMP
}

/// Keywords of a PNG and their texts that may say how it is turned, before its pixels and after them; `None` where they cannot
/// be decompressed, or are longer than [`MOST_TEXT_BYTES`].
fn read_texts(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().ok()?;
    reader.finish().ok()?;
    let info = reader.info();
    let plain = info.uncompressed_latin1_text.iter().filter(|chunk| may_state(&chunk.keyword));
    let mut texts: Vec<(String, String)> =
        plain.map(|chunk| (chunk.keyword.clone(), chunk.text.clone())).collect();
    // `get_text` alone decompresses whatever there is.
    let mut left = MOST_TEXT_BYTES;
    for chunk in info.compressed_latin1_text.iter().filter(|chunk| may_state(&chunk.keyword)) {
        let mut chunk = chunk.clone();
        chunk.decompress_text_with_limit(left).ok()?;
        let text = chunk.get_text().ok()?;
        left = left.saturating_sub(text.len());
        texts.push((chunk.keyword, text));
    }
    for chunk in info.utf8_text.iter().filter(|chunk| may_state(&chunk.keyword)) {
        let mut chunk = chunk.clone();
        chunk.decompress_text_with_limit(left).ok()?;
        let text = chunk.get_text().ok()?;
        left = left.saturating_sub(text.len());
        texts.push((chunk.keyword, text));
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
        let bytes = with(|png| {
            png.add_itxt_chunk(XMP.into(), "<a tiff:Orientation=\"9\"/>".into()).unwrap()
        });
        assert!(stated(&bytes).is_err());
    }

    /// A directory of one entry: the orientation as a whole number of this kind.
    fn entry(kind: u8, value: [u8; 4]) -> Vec<u8> {
        let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0".to_vec();
        exif.extend([kind, 0, 0, 0, 1]);
        exif.extend(value);
        exif.extend([0; 4]);
        exif
    }

    #[test]
    fn exif_is_read_whatever_whole_number_it_holds_and_whatever_it_begins_with() {
        for (kind, value) in [(1, [6, 0, 0, 0]), (3, [0, 6, 0, 0]), (4, [0, 0, 0, 6])] {
            let exif = entry(kind, value);
            let prefixed = [b"Exif\0\0".as_slice(), &exif].concat();
            for block in [exif, prefixed] {
                assert_eq!(super::of(&block), Ok(Some(Orientation::Rotate90)), "{kind}");
            }
        }
        for (kind, value) in [(5, [0; 4]), (2, *b"6\0\0\0"), (4, [1, 0, 0, 6]), (3, [0, 9, 0, 0])] {
            assert!(super::of(&entry(kind, value)).is_err(), "{kind}");
        }
        assert_eq!(super::of(&entry(3, [0; 4])), Ok(None));
        assert_eq!(super::of(b"Exif\0\0"), Ok(None));
    }

    #[test]
    fn xmp_is_read_under_any_prefix_and_in_any_place() {
        for xmp in [
            format!("<a xmlns:t='{TIFF}' t:Orientation = '6'/>"),
            format!("<t:Orientation>6</t:Orientation><b xmlns:t=\"{TIFF}\"/>"),
            format!("<c xmlns=\"{TIFF}\"><Orientation>6</Orientation></c>"),
            "<a other:Orientation='8' tiff:Orientation='6'/>".into(),
        ] {
            assert_eq!(of_xmp(&xmp), Ok(Some(Orientation::Rotate90)), "{xmp}");
            let block = [XMP_BLOCK, xmp.as_bytes()].concat();
            let digits: String = block.iter().map(|byte| format!("{byte:02x}")).collect();
            let profile = format!("\nxmp\n{}\n{digits}\n", block.len());
            for keyword in &RAW_PROFILES[1..] {
                let add = |png: &mut png::Encoder<&mut Vec<u8>>| {
                    png.add_ztxt_chunk((*keyword).into(), profile.clone()).unwrap();
                };
                assert_eq!(of(&with(add)), [6], "{keyword}");
            }
            assert_eq!(of_segments(&[&block]), Ok(Some(Orientation::Rotate90)));
            let exif = [b"Exif\0\0".as_slice(), &exif(3)].concat();
            assert_eq!(of_segments(&[&block, &exif]), Ok(Some(Orientation::Rotate180)));
        }
        for none in ["<a tiff:OrientationX='6' xtiff:Orientation='6'/>", "Orientation=6", ""] {
            assert_eq!(of_xmp(none), Ok(None), "{none}");
        }
        for wrong in
            ["<tiff:Orientation a='b'>6<", "<a tiff:Orientation='6' tiff:Orientation='8'/>"]
        {
            assert!(of_xmp(wrong).is_err(), "{wrong}");
        }
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
