//! Parquet files into frames, with nothing taken on trust.
//!
//! A few bytes may declare billions of values, or columns within columns without end. polars takes memory for what is
//! declared and descends as deep as it is told, which would end the process without an error. So the headers of a file and of
//! its pages are read first (Thrift's compact protocol; `parquet.thrift` of the format), and what they declare is compared with
//! the length of the file. Fields that polars reads must have their kind, since it does not look at that.

use std::io::Cursor;
use std::ops::Range;

use polars::prelude::{
    Column, DataFrame, DataType, ParallelStrategy, ParquetReader, ParquetWriter, SerReader,
};

use crate::panics::quietly;

/// The longest header of a file.
const MOST_HEADER_BYTES: usize = 8 << 20;
/// Most cells of a file without length, and how many more for each of its bytes.
const CELLS: (u64, u64) = (1 << 24, 8);
/// The same of bytes: of its pages, decompressed, and of its texts, each written out.
const BYTES: (u64, u64) = (1 << 28, 64);
/// The longest value of a fixed length.
const MOST_FIXED_BYTES: i64 = 64;
/// Values within one another, of what polars does not read.
const MOST_NESTED: usize = 16;

/// Starts polars' threads. Where the system refuses them, polars panics in the midst of whatever needs them first.
///
/// # Errors
/// Why the system refuses them.
pub(crate) fn start_threads() -> Result<(), String> {
    let columns = ["a", "b"].map(|name| Column::new(name.into(), [0i32]));
    let begin = || {
        let mut frame = DataFrame::new_infer_height(columns.into())?;
        ParquetWriter::new(std::io::sink()).finish(&mut frame)
    };
    match quietly(begin) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panicked) => Err(panicked.said),
    }
}

/// The frame that a file holds, of columns without columns or lists within.
///
/// # Errors
/// What is wrong with the file, or is declared beyond the limits.
pub(crate) fn frame(mut bytes: Vec<u8>) -> Result<DataFrame, String> {
    let length = bytes.len() as u64;
    for name in judged(&bytes)? {
        // Arrow's own schema says nothing that is needed, and may be as deep as it likes: under this name it is not read.
        bytes[name].make_ascii_lowercase();
    }
    let reader = ParquetReader::new(Cursor::new(bytes)).read_parallel(ParallelStrategy::None);
    // polars panics on some damaged files instead of returning an error.
    let frame = match quietly(|| reader.finish()) {
        Ok(Ok(frame)) => frame,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("its pages cannot be decoded".into()),
    };
    let texts = frame.columns().iter().map(written_out).fold(0, u64::saturating_add);
    within("bytes of texts", texts, BYTES, length)?;
    Ok(frame)
}

/// Bytes that the texts of a column take where each is written out; several may be one in the file.
fn written_out(column: &Column) -> u64 {
    let texts = match column.dtype() {
        DataType::String => column.str().map(|texts| texts.iter().flatten().map(str::len).sum()),
        DataType::Binary => {
            column.binary().map(|texts| texts.iter().flatten().map(<[u8]>::len).sum())
        }
        _ => return 0,
    };
    texts.map_or(0, |bytes: usize| bytes as u64)
}

fn within(what: &str, found: u64, (least, of_byte): (u64, u64), length: u64) -> Result<(), String> {
    let most = least + length.saturating_mul(of_byte);
    match found <= most {
        true => Ok(()),
        false => Err(format!(
            "it declares {found} {what}, more than the {most} that a file of {length} bytes may have"
        )),
    }
}

fn damaged() -> String {
    "its header is damaged".into()
}

/// Compares what the headers of a file declare with its length and with each other. Gives where the names of Arrow's schemas
/// stand.
fn judged(bytes: &[u8]) -> Result<Vec<Range<usize>>, String> {
    let length = bytes.len() as u64;
    let end = bytes.strip_suffix(b"PAR1").and_then(|rest| rest.split_last_chunk::<4>());
    let (rest, taken) = end.ok_or("it does not end as Parquet does")?;
    let taken = u32::from_le_bytes(*taken) as usize;
    if taken > MOST_HEADER_BYTES {
        return Err(format!(
            "its header takes {taken} bytes, more than the limit of {MOST_HEADER_BYTES}"
        ));
    }
    let start = rest.len().checked_sub(taken).ok_or_else(damaged)?;
    let file = Thrift { bytes: rest, at: start }.fields(FILE).ok_or_else(damaged)?;
    let (root, columns) = list(&file, 2).split_first().ok_or_else(damaged)?;
    let children = number(root.fields(), 5).unwrap_or_default();
    if children != columns.len() as i64 || !columns.iter().all(is_flat) {
        return Err(
            "it has columns within columns, or lists: write each value into a column of its own"
                .into(),
        );
    }
    let fixed = columns.iter().filter_map(|column| number(column.fields(), 2)).max();
    if let Some(fixed) = fixed.filter(|&fixed| fixed > MOST_FIXED_BYTES) {
        return Err(format!(
            "it has values of a fixed length of {fixed} bytes, more than the limit of {MOST_FIXED_BYTES}"
        ));
    }
    let (mut rows, mut chunks, mut pages) = (0, 0, 0);
    for group in list(&file, 4).iter().map(Value::fields) {
        let of_group = count(group, 3).ok_or_else(damaged)?;
        rows += of_group;
        within("cells", rows.saturating_mul(columns.len().max(1) as u64), CELLS, length)?;
        if list(group, 1).len() != columns.len() {
            return Err(damaged());
        }
        for chunk in list(group, 1) {
            let chunk = fields(chunk.fields(), 3).ok_or_else(damaged)?;
            if count(chunk, 5) != Some(of_group) {
                return Err(damaged());
            }
            let begins = number(chunk, 11).or(number(chunk, 9));
            let begins = begins.and_then(|at| usize::try_from(at).ok()).ok_or_else(damaged)?;
            let bytes = count(chunk, 7).ok_or_else(damaged)?;
            chunks += bytes;
            let ends = begins.checked_add(bytes as usize).filter(|_| chunks <= length);
            let chunk = ends.and_then(|ends| rest[..start].get(..ends)).ok_or_else(damaged)?;
            pages += decompressed(chunk, begins, of_group)?;
            within("bytes in its pages", pages, BYTES, length)?;
        }
    }
    if count(&file, 3) != Some(rows) {
        return Err(damaged());
    }
    let name = |pair: &Value| match pair.fields().first() {
        Some((1, Value::Text(name)))
            if rest[name.clone()].eq_ignore_ascii_case(b"ARROW:schema") =>
        {
            Some(name.clone())
        }
        _ => None,
    };
    Ok(list(&file, 5).iter().filter_map(name).collect())
}

/// Whether an element of the schema is a column of values, required or optional, of a type that there is.
fn is_flat(column: &Value) -> bool {
    let number = |id| number(column.fields(), id);
    number(5).is_none_or(|children| children == 0)
        && matches!(number(3), Some(0 | 1))
        && matches!(number(1), Some(0..=7))
}

/// Bytes of the pages of a column, decompressed, from a byte on; they must have as many values as there are rows.
fn decompressed(bytes: &[u8], at: usize, rows: u64) -> Result<u64, String> {
    let mut thrift = Thrift { bytes, at };
    let (mut found, mut taken, mut is_first) = (0, 0, true);
    while thrift.at < bytes.len() && (is_first || found < rows) {
        let page = thrift.fields(PAGE).ok_or_else(damaged)?;
        let unpacked = count(&page, 2).ok_or_else(damaged)?;
        let part = |id| fields(&page, id).ok_or_else(damaged);
        let encoding = match number(&page, 1) {
            Some(0) => {
                found += count(part(5)?, 1).ok_or_else(damaged)?;
                number(part(5)?, 2)
            }
            Some(2) if is_first => {
                // polars takes as many bytes for a dictionary as it has values.
                let values = count(part(7)?, 1).filter(|&values| values <= unpacked);
                values.ok_or_else(damaged)?;
                number(part(7)?, 2)
            }
            Some(3) => {
                found += count(part(8)?, 1).ok_or_else(damaged)?;
                number(part(8)?, 4)
            }
            _ => return Err(damaged()),
        };
        match encoding {
            Some(0 | 2..=4 | 8 | 9) => {}
            // How many values these have is said within the page.
            Some(5..=7) => {
                return Err("a column is encoded by differences: write it plain or with a dictionary, as pandas and polars do".into());
            }
            _ => return Err(damaged()),
        }
        taken += unpacked;
        is_first = false;
        let packed = count(&page, 3).ok_or_else(damaged)?;
        thrift.skip(packed).ok_or_else(damaged)?;
    }
    match found == rows {
        true => Ok(taken),
        false => Err(damaged()),
    }
}

/// Of what kind a value is.
#[derive(Clone, Copy)]
enum Kind {
    Flag,
    Byte,
    Short,
    Int,
    Long,
    Text,
    List(&'static Kind),
    Struct(&'static [(i16, Kind)]),
}

use Kind::{Flag, Int, Long, Text};

const EMPTY: Kind = Kind::Struct(&[]);
const TIME: Kind =
    Kind::Struct(&[(1, Flag), (2, Kind::Struct(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]))]);
const LOGICAL_TYPE: Kind = Kind::Struct(&[
    (1, EMPTY),
    (2, EMPTY),
    (3, EMPTY),
    (4, EMPTY),
    (5, Kind::Struct(&[(1, Int), (2, Int)])),
    (6, EMPTY),
    (7, TIME),
    (8, TIME),
    (10, Kind::Struct(&[(1, Kind::Byte), (2, Flag)])),
    (11, EMPTY),
    (12, EMPTY),
    (13, EMPTY),
    (14, EMPTY),
    (15, EMPTY),
]);
const SCHEMA: Kind = Kind::Struct(&[
    (1, Int),
    (2, Int),
    (3, Int),
    (4, Text),
    (5, Int),
    (6, Int),
    (7, Int),
    (8, Int),
    (9, Int),
    (10, LOGICAL_TYPE),
]);
const STATISTICS: Kind = Kind::Struct(&[
    (1, Text),
    (2, Text),
    (3, Long),
    (4, Long),
    (5, Text),
    (6, Text),
    (7, Flag),
    (8, Flag),
]);
const COLUMN: Kind = Kind::Struct(&[
    (1, Int),
    (2, Kind::List(&Int)),
    (3, Kind::List(&Text)),
    (4, Int),
    (5, Long),
    (6, Long),
    (7, Long),
    (9, Long),
    (10, Long),
    (11, Long),
    (12, STATISTICS),
    (14, Long),
    (15, Int),
]);
const CHUNK: Kind =
    Kind::Struct(&[(1, Text), (2, Long), (3, COLUMN), (4, Long), (5, Int), (6, Long), (7, Int)]);
const GROUP: Kind = Kind::Struct(&[
    (1, Kind::List(&CHUNK)),
    (2, Long),
    (3, Long),
    (4, Kind::List(&Kind::Struct(&[(1, Int), (2, Flag), (3, Flag)]))),
    (5, Long),
    (6, Long),
    (7, Kind::Short),
]);
const FILE: &[(i16, Kind)] = &[
    (1, Int),
    (2, Kind::List(&SCHEMA)),
    (3, Long),
    (4, Kind::List(&GROUP)),
    (5, Kind::List(&Kind::Struct(&[(1, Text), (2, Text)]))),
    (6, Text),
    (7, Kind::List(&Kind::Struct(&[(1, EMPTY), (2, EMPTY)]))),
];
const PAGE: &[(i16, Kind)] = &[
    (1, Int),
    (2, Int),
    (3, Int),
    (4, Int),
    (5, Kind::Struct(&[(1, Int), (2, Int), (3, Int), (4, Int), (5, STATISTICS)])),
    (6, EMPTY),
    (7, Kind::Struct(&[(1, Int), (2, Int), (3, Flag)])),
    (
        8,
        Kind::Struct(&[
            (1, Int),
            (2, Int),
            (3, Int),
            (4, Int),
            (5, Int),
            (6, Int),
            (7, Flag),
            (8, STATISTICS),
        ]),
    ),
];

/// A value of a header.
enum Value {
    Number(i64),
    /// Where its bytes are.
    Text(Range<usize>),
    List(Vec<Value>),
    Struct(Vec<(i16, Value)>),
}

impl Value {
    fn fields(&self) -> &[(i16, Self)] {
        match self {
            Self::Struct(fields) => fields,
            _ => &[],
        }
    }
}

fn field(fields: &[(i16, Value)], id: i16) -> Option<&Value> {
    fields.iter().find(|(of, _)| *of == id).map(|(_, value)| value)
}

fn fields(of: &[(i16, Value)], id: i16) -> Option<&[(i16, Value)]> {
    field(of, id).map(Value::fields)
}

fn number(of: &[(i16, Value)], id: i16) -> Option<i64> {
    match field(of, id) {
        Some(Value::Number(number)) => Some(*number),
        _ => None,
    }
}

/// A number of things, which is not negative, and small enough to be added up.
fn count(of: &[(i16, Value)], id: i16) -> Option<u64> {
    number(of, id).and_then(|number| u64::try_from(number).ok()).filter(|&count| count < 1 << 48)
}

fn list(of: &[(i16, Value)], id: i16) -> &[Value] {
    match field(of, id) {
        Some(Value::List(values)) => values,
        _ => &[],
    }
}

/// Values one after the other, from a byte on. Whatever is read is `None` where the bytes are no such value.
struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// How values are marked.
const FLAGS: [u8; 2] = [1, 2];
const BYTE: u8 = 3;
const SHORT: u8 = 4;
const INT: u8 = 5;
const LONG: u8 = 6;
const DOUBLE: u8 = 7;
const TEXT: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

impl Kind {
    fn is(self, mark: u8) -> bool {
        match self {
            Self::Flag => FLAGS.contains(&mark),
            Self::Byte => mark == BYTE,
            Self::Short => mark == SHORT,
            Self::Int => mark == INT,
            Self::Long => mark == LONG,
            Self::Text => mark == TEXT,
            Self::List(_) => mark == LIST,
            Self::Struct(_) => mark == STRUCT,
        }
    }
}

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, bytes: u64) -> Option<()> {
        let end = self.at.checked_add(usize::try_from(bytes).ok()?)?;
        self.at = Some(end).filter(|&end| end <= self.bytes.len())?;
        Some(())
    }

    /// Seven bits a byte, the lowest first.
    fn unsigned(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// The sign is the lowest bit.
    fn signed(&mut self) -> Option<i64> {
        let number = self.unsigned()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// The number and the mark of the next field; the outer `None` is damage, the inner one the end.
    fn next(&mut self, last: i16) -> Option<Option<(i16, u8)>> {
        let start = self.byte()?;
        let mark = start & 0x0f;
        if mark == 0 {
            return Some(None);
        }
        let id = match start >> 4 {
            0 => i16::try_from(self.signed()?).ok()?,
            more => last.checked_add(more.into())?,
        };
        // A field that comes twice could be read in two ways.
        (id > last).then_some(Some((id, mark)))
    }

    /// How many elements a list has, each of which takes a byte at least, and their mark.
    fn elements(&mut self) -> Option<(usize, u8)> {
        let start = self.byte()?;
        let many = match start >> 4 {
            15 => usize::try_from(self.unsigned()?).ok()?,
            few => few.into(),
        };
        (many <= self.bytes.len() - self.at).then_some((many, start & 0x0f))
    }

    fn fields(&mut self, kinds: &[(i16, Kind)]) -> Option<Vec<(i16, Value)>> {
        let (mut found, mut last) = (Vec::new(), 0);
        while let Some((id, mark)) = self.next(last)? {
            last = id;
            match kinds.iter().find(|(of, _)| *of == id) {
                Some((_, kind)) if kind.is(mark) => {
                    let value = match kind {
                        Kind::Flag => Value::Number((mark == FLAGS[0]).into()),
                        kind => self.value(*kind)?,
                    };
                    found.push((id, value));
                }
                Some(_) => return None,
                None => self.pass(mark, 0)?,
            }
        }
        Some(found)
    }

    fn value(&mut self, kind: Kind) -> Option<Value> {
        Some(match kind {
            // Flags have no bytes of their own in a struct, and no list of them is read.
            Kind::Flag => return None,
            Kind::Byte => Value::Number(self.byte()?.into()),
            Kind::Short | Kind::Int => Value::Number(i32::try_from(self.signed()?).ok()?.into()),
            Kind::Long => Value::Number(self.signed()?),
            Kind::Text => {
                let length = self.unsigned()?;
                let start = self.at;
                self.skip(length)?;
                Value::Text(start..self.at)
            }
            Kind::List(of) => {
                let (many, mark) = self.elements()?;
                let mut values = Vec::with_capacity(many);
                for _ in 0..many {
                    values.push(Some(*of).filter(|of| of.is(mark)).and_then(|of| self.value(of))?);
                }
                Value::List(values)
            }
            Kind::Struct(kinds) => Value::Struct(self.fields(kinds)?),
        })
    }

    /// Goes behind a value that polars does not read.
    fn pass(&mut self, mark: u8, depth: usize) -> Option<()> {
        match mark {
            1 | 2 => Some(()),
            BYTE => self.skip(1),
            SHORT | INT | LONG => self.unsigned().map(|_| ()),
            DOUBLE => self.skip(8),
            TEXT => self.unsigned().and_then(|length| self.skip(length)),
            LIST if depth < MOST_NESTED => {
                let (many, mark) = self.elements()?;
                // Programs differ in how long a flag in a list is.
                if FLAGS.contains(&mark) {
                    return None;
                }
                (0..many).try_for_each(|_| self.pass(mark, depth + 1))
            }
            STRUCT if depth < MOST_NESTED => {
                let mut last = 0;
                while let Some((id, mark)) = self.next(last)? {
                    last = id;
                    self.pass(mark, depth + 1)?;
                }
                Some(())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::{NamedFrom, ParquetWriter, Series};

    use super::*;

    fn file(columns: Vec<Column>) -> Vec<u8> {
        let mut frame = DataFrame::new_infer_height(columns).unwrap();
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
        bytes
    }

    fn small() -> Vec<u8> {
        let names = Series::new("name".into(), ["a", "b", "a"]);
        let numbers = Series::new("number".into(), [Some(1_u32), None, Some(3)]);
        let shares = Series::new("share".into(), [0.5, f64::NAN, 1.0]);
        file(vec![names.into(), numbers.into(), shares.into()])
    }

    #[test]
    fn a_file_is_read_with_its_types() {
        let frame = frame(small()).unwrap();
        assert_eq!((frame.height(), frame.width()), (3, 3));
        let types: Vec<DataType> = frame.columns().iter().map(|one| one.dtype().clone()).collect();
        assert_eq!(types, [DataType::String, DataType::UInt32, DataType::Float64]);
        assert_eq!(super::frame(file(Vec::new())).unwrap().width(), 0);
    }

    #[test]
    fn lists_are_refused() {
        let inner = Series::new("".into(), [1_u32, 2]);
        let lists = Series::new("lists".into(), [inner.clone(), inner]);
        let said = frame(file(vec![lists.into()])).unwrap_err();
        assert!(said.contains("columns within columns"), "{said}");
    }

    #[test]
    fn damage_anywhere_is_an_error_or_harmless() {
        let whole = small();
        for at in 0..whole.len() {
            for bit in [1, 16, 128] {
                let mut damaged = whole.clone();
                damaged[at] ^= bit;
                let _ = frame(damaged);
            }
            assert!(frame(whole[..at].to_vec()).is_err());
        }
    }
}
