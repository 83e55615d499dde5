//! The elements of a DICOM data set, one after the other (PS3.5, section 7).
//!
//! What an element declares is compared with the length of the file before anything is read, and values are read on
//! request alone, so that no file makes much more memory be taken than its own length.

use std::io::{self, Read, Seek, SeekFrom};

use super::tag::Tag;

/// Longest value that is read; those that say what pixels mean have a few dozen bytes.
const MOST_VALUE_BYTES: u32 = 1024;

/// Sequences within sequences, beyond which a file is refused.
const MOST_NESTED: usize = 64;

/// What is skipped by reading; more by moving on in the file.
const FEW_BYTES: u64 = 256;

/// Bytes of the shortest header of an element.
const LEAST_HEADER: u64 = 8;

/// The group of items and of what delimits them, which have no value representation.
const OF_ITEMS: u16 = 0xfffe;
const ITEM: Tag = Tag(OF_ITEMS, 0xe000);
const ITEM_DELIMITER: Tag = Tag(OF_ITEMS, 0xe00d);
const SEQUENCE_DELIMITER: Tag = Tag(OF_ITEMS, 0xe0dd);

/// The length of what a delimiter ends.
const UNDEFINED: u32 = u32::MAX;

/// Value representations whose length has 16 bits (PS3.5, table 7.1-2); that of others has 32, behind two bytes that say
/// nothing.
const SHORT: [&[u8; 2]; 21] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN",
    b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
];

/// How elements are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Without their value representations.
    ImplicitLittle,
    ExplicitLittle,
    ExplicitBig,
}

impl Encoding {
    /// A number of 16 bits.
    pub(super) fn short(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::ExplicitBig => u16::from_be_bytes(bytes),
            Self::ImplicitLittle | Self::ExplicitLittle => u16::from_le_bytes(bytes),
        }
    }

    fn long(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::ExplicitBig => u32::from_be_bytes(bytes),
            Self::ImplicitLittle | Self::ExplicitLittle => u32::from_le_bytes(bytes),
        }
    }
}

/// The header of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub tag: Tag,
    /// Its value representation; `None` where its encoding has none.
    pub representation: Option<[u8; 2]>,
    /// Bytes of its value; `None` where a delimiter ends it.
    pub length: Option<u32>,
}

/// A data set that is read from the front.
pub(super) struct Elements<R> {
    source: R,
    /// How the elements that come are encoded.
    pub encoding: Encoding,
    position: u64,
    /// Of the file.
    end: u64,
}

impl<R: Read + Seek> Elements<R> {
    /// The elements from `position` on, in a file of `end` bytes.
    pub(super) fn from(
        mut source: R,
        position: u64,
        end: u64,
        encoding: Encoding,
    ) -> Result<Self, String> {
        source.seek(SeekFrom::Start(position)).map_err(unreadable)?;
        Ok(Self { source, encoding, position, end })
    }

    /// Where the source stands.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The header of the next element, whose value is to be read or skipped; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Element>, String> {
        match self.left() {
            0 => Ok(None),
            _ => self.header(self.encoding).map(Some),
        }
    }

    /// The header of the next element if it is of group 2, whose elements are before all others.
    pub(super) fn next_of_file(&mut self) -> Result<Option<Element>, String> {
        if self.left() < LEAST_HEADER {
            return Ok(None);
        }
        let mut group = [0; 2];
        self.source.read_exact(&mut group).map_err(unreadable)?;
        self.source.seek(SeekFrom::Start(self.position)).map_err(unreadable)?;
        match u16::from_le_bytes(group) {
            2 => self.next(),
            _ => Ok(None),
        }
    }

    /// The value of an element, at once behind its header.
    ///
    /// # Errors
    /// If it is longer than such a value can be, or than the file.
    pub(super) fn value(&mut self, element: Element) -> Result<Vec<u8>, String> {
        match element.length {
            Some(length) if length <= MOST_VALUE_BYTES => {
                self.must_hold(length.into())?;
                let mut value = vec![0; length as usize];
                self.source.read_exact(&mut value).map_err(unreadable)?;
                self.position += u64::from(length);
                Ok(value)
            }
            _ => Err(format!("a damaged DICOM: the value of {} is too long", element.tag)),
        }
    }

    /// Goes behind the value of an element, at once behind its header.
    pub(super) fn skip(&mut self, element: Element) -> Result<(), String> {
        self.skip_value(element, self.encoding, 0)
    }

    /// Where the fragments of compressed pixels are, but for the table of their offsets.
    pub(super) fn fragments(&mut self) -> Result<Vec<(u64, u32)>, String> {
        let mut found = Vec::new();
        let mut has_table = false;
        loop {
            let item = self.header(self.encoding)?;
            match (item.tag, item.length) {
                (ITEM, Some(length)) => {
                    // Those without bytes would take more memory than they have in the file.
                    if std::mem::replace(&mut has_table, true) && length > 0 {
                        found.push((self.position, length));
                    }
                    self.pass(length.into())?;
                }
                (SEQUENCE_DELIMITER, _) if has_table => return Ok(found),
                _ => return Err("a damaged DICOM: its pixels are no list of fragments".into()),
            }
        }
    }

    /// The header of an element, an item or a delimiter.
    fn header(&mut self, encoding: Encoding) -> Result<Element, String> {
        let [a, b, c, d, e, f, g, h] = self.bytes::<8>()?;
        let tag = Tag(encoding.short([a, b]), encoding.short([c, d]));
        let representation =
            (tag.0 != OF_ITEMS && encoding != Encoding::ImplicitLittle).then_some([e, f]);
        let length = match representation {
            None => encoding.long([e, f, g, h]),
            Some(short) if SHORT.contains(&&short) => encoding.short([g, h]).into(),
            Some(_) => encoding.long(self.bytes::<4>()?),
        };
        let length = (length != UNDEFINED).then_some(length);
        Ok(Element { tag, representation, length })
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.must_hold(N as u64)?;
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes).map_err(unreadable)?;
        self.position += N as u64;
        Ok(bytes)
    }

    fn skip_value(
        &mut self,
        element: Element,
        encoding: Encoding,
        depth: usize,
    ) -> Result<(), String> {
        match (element.length, element.representation) {
            (Some(length), _) => self.pass(length.into()),
            (None, _) if depth == MOST_NESTED => Err(format!(
                "a damaged DICOM: more than {MOST_NESTED} sequences within one another"
            )),
            // PS3.5, section 6.2.2: what is unknown and without a length is encoded without value representations.
            (None, Some([b'U', b'N'])) => self.skip_items(Encoding::ImplicitLittle, depth),
            (None, _) => self.skip_items(encoding, depth),
        }
    }

    fn skip_items(&mut self, encoding: Encoding, depth: usize) -> Result<(), String> {
        loop {
            let item = self.header(encoding)?;
            match (item.tag, item.length) {
                (ITEM, Some(length)) => self.pass(length.into())?,
                (ITEM, None) => loop {
                    let element = self.header(encoding)?;
                    if element.tag == ITEM_DELIMITER {
                        break;
                    }
                    self.skip_value(element, encoding, depth + 1)?;
                },
                (SEQUENCE_DELIMITER, _) => return Ok(()),
                _ => return Err("a damaged DICOM: a sequence of something else than items".into()),
            }
        }
    }

    /// Goes on by so many bytes.
    fn pass(&mut self, bytes: u64) -> Result<(), String> {
        self.must_hold(bytes)?;
        let passed = match bytes {
            0..=FEW_BYTES => {
                io::copy(&mut (&mut self.source).take(bytes), &mut io::sink()).map(|_| ())
            }
            _ => self.source.seek(SeekFrom::Start(self.position + bytes)).map(|_| ()),
        };
        passed.map_err(unreadable)?;
        self.position += bytes;
        Ok(())
    }

    fn left(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// Checks that so many bytes are left.
    fn must_hold(&self, bytes: u64) -> Result<(), String> {
        match bytes <= self.left() {
            true => Ok(()),
            false => Err(format!(
                "truncated: {} bytes, of at least {} that the DICOM has",
                self.end,
                self.position + bytes
            )),
        }
    }
}

fn unreadable(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "truncated: the DICOM ends within an element".into(),
        _ => format!("cannot be read: {error}"),
    }
}
