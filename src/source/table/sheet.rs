//! A table as text: a CSV file as spreadsheets write them, or Parquet.

use std::collections::BTreeSet;
use std::path::Path;

use polars::prelude::{Column, DataType, PolarsResult};

use crate::error::{Error, Result};
use crate::panics::quietly;
use crate::parquet;

/// A table as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sheet {
    /// Names of the columns, in their order.
    pub header: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
    /// How its bytes were read, where that is not plain.
    pub encoding: Option<&'static str>,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Where it stands: the line of a CSV file, the number of the row in a Parquet file.
    pub at: u64,
    /// Its cells, without spaces around them; empty where there is no value.
    pub cells: Vec<String>,
}

/// Separators of cells that are known; the first of those that part the header into the most columns is taken.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

impl Sheet {
    /// Reads a CSV or Parquet file, as its name says.
    ///
    /// # Errors
    /// The user's: no such file, another format, damaged, without rows, a column twice.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let shown = path.display();
        let read = match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("csv" | "tsv" | "txt") => from_csv,
            Some("parquet") => from_parquet,
            Some("xlsx" | "xls" | "ods") => {
                return Err(Error::user(format!(
                    "{shown}: a spreadsheet, which is not read; save it as CSV (UTF-8) from the program that made it"
                )));
            }
            _ => {
                return Err(Error::user(format!(
                    "{shown}: a table must end in .csv, .tsv or .parquet"
                )));
            }
        };
        let bytes = crate::file::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::user(format!("{shown}: no such file")),
            _ => Error::io(path, "cannot read")(error),
        })?;
        let sheet = read(bytes).map_err(|wrong| Error::user(format!("{shown}: {wrong}")))?;
        let mut names = BTreeSet::new();
        let twice =
            sheet.header.iter().find(|name| !name.is_empty() && !names.insert(name.as_str()));
        if let Some(name) = twice {
            return Err(Error::user(format!("{shown}: several columns `{name}`: keep one")));
        }
        if sheet.rows.is_empty() {
            return Err(Error::user(format!("{shown}: no rows below the names of the columns")));
        }
        Ok(sheet)
    }

    /// The place of a column.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }
}

fn from_csv(bytes: Vec<u8>) -> Result<Sheet, String> {
    let (text, encoding) = text_of(bytes)?;
    // Lines are counted by what ends them.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (said, skipped, text) = separator_line(&text);
    let first = text.lines().next().unwrap_or_default();
    let columns = |separator: u8| {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .delimiter(separator)
            .from_reader(first.as_bytes());
        reader.records().next().and_then(Result::ok).map_or(0, |record| record.len())
    };
    let most = SEPARATORS.map(columns).into_iter().max().unwrap_or_default();
    let widest = SEPARATORS.into_iter().find(|&separator| columns(separator) == most);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(said.or(widest).unwrap_or(b','))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?;
    let header: Vec<String> = header.iter().map(String::from).collect();
    if header.iter().all(String::is_empty) {
        return Err("the file is empty; its first line must name the columns".into());
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            format!("{error}; each line must have as many cells as the first, and quotes around cells with separators")
        })?;
        let at = record.position().map_or(0, csv::Position::line) + skipped;
        let cells: Vec<String> = record.iter().map(String::from).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            rows.push(Row { at, cells });
        }
    }
    Ok(Sheet { header, rows, encoding })
}

/// The separator that a first line `sep=;` says, which spreadsheets write, how many lines that takes, and the rest.
fn separator_line(text: &str) -> (Option<u8>, u64, &str) {
    let said = text.strip_prefix("sep=").and_then(|rest| {
        let separator = *rest.as_bytes().first().filter(|byte| byte.is_ascii())?;
        Some((separator, rest[1..].strip_prefix('\n')?))
    });
    said.map_or((None, 0, text), |(separator, rest)| (Some(separator), 1, rest))
}

/// The text of a file, and how it was read where that is not UTF-8.
fn text_of(bytes: Vec<u8>) -> Result<(String, Option<&'static str>), String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("text in UTF-16, which is not read; save it as CSV (UTF-8)".into());
    }
    match String::from_utf8(bytes) {
        Ok(text) => {
            let plain = text.strip_prefix('\u{feff}').map(String::from);
            Ok((plain.unwrap_or(text), None))
        }
        Err(error) => {
            let bytes = error.into_bytes();
            let text: Option<String> = bytes.iter().map(|&byte| windows_1252(byte)).collect();
            let text = text.ok_or("neither UTF-8 nor Windows-1252 text; save it as CSV (UTF-8)")?;
            Ok((text, Some("Windows-1252 (Latin-1)")))
        }
    }
}

/// The character of a byte in Windows-1252, of which Latin-1 is a part; `None` where it has none.
fn windows_1252(byte: u8) -> Option<char> {
    const HIGH: [char; 32] = [
        '\u{20ac}', '\0', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}',
        '\u{2c6}', '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\0', '\u{17d}', '\0', '\0',
        '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}',
        '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\0', '\u{17e}', '\u{178}',
    ];
    match byte {
        0 => None,
        0x80..=0x9f => Some(HIGH[usize::from(byte - 0x80)]).filter(|&c| c != '\0'),
        _ => Some(char::from(byte)),
    }
}

fn from_parquet(bytes: Vec<u8>) -> Result<Sheet, String> {
    let unread = |error: String| format!("no Parquet table that can be read: {error}");
    let frame = parquet::frame(bytes).map_err(unread)?;
    let header = frame.get_column_names().into_iter().map(ToString::to_string).collect();
    // polars panics at times that no calendar has.
    let columns = quietly(|| frame.columns().iter().map(cells).collect::<PolarsResult<Vec<_>>>());
    let columns = columns.map_err(|panicked| unread(panicked.said))?;
    let mut columns = columns.map_err(|error| unread(error.to_string()))?;
    let mut row = |row: usize| {
        columns.iter_mut().map(|column| std::mem::take(&mut column[row])).collect::<Vec<String>>()
    };
    let rows = (0..frame.height()).map(|number| Row { at: number as u64 + 1, cells: row(number) });
    Ok(Sheet { header, rows: rows.collect(), encoding: None })
}

/// The cells of a column as text, empty where there is no value.
fn cells(column: &Column) -> PolarsResult<Vec<String>> {
    let text = column.cast(&DataType::String)?;
    let text = text.str()?;
    Ok(text.iter().map(|value| value.unwrap_or_default().trim().to_string()).collect())
}

#[cfg(test)]
mod tests {
    use polars::prelude::{DataFrame, NamedFrom, ParquetWriter, Series};

    use super::*;

    fn csv(bytes: &[u8]) -> Result<Sheet, String> {
        from_csv(bytes.to_vec())
    }

    fn cells_of(sheet: &Sheet) -> Vec<(u64, Vec<&str>)> {
        sheet
            .rows
            .iter()
            .map(|row| (row.at, row.cells.iter().map(String::as_str).collect()))
            .collect()
    }

    #[test]
    fn spreadsheets_write_semicolons_byte_order_marks_and_separator_lines() {
        let plain = csv(b"image,mask\na.png,b.png\n").unwrap();
        assert_eq!((plain.header.len(), cells_of(&plain)), (2, vec![(2, vec!["a.png", "b.png"])]));
        assert_eq!(csv(b"\xef\xbb\xbfimage;mask\r\na.png;b.png\r\n").unwrap(), plain);
        assert_eq!(csv(b"image\tmask\na.png\tb.png\n").unwrap(), plain);
        let said = csv(b"sep=;\r\nimage;mask, of\r\na.png;\"b;c\"\r\n;\r\n").unwrap();
        assert_eq!(said.header, ["image", "mask, of"]);
        assert_eq!(cells_of(&said), [(3, vec!["a.png", "b;c"])]);
    }

    #[test]
    fn latin_1_is_read_and_said_and_utf_16_is_refused() {
        let sheet = csv(b"image\ngr\xf6\xdfe \x80.png\n").unwrap();
        assert_eq!(cells_of(&sheet)[0].1, ["gr\u{f6}\u{df}e \u{20ac}.png"]);
        assert!(sheet.encoding.is_some());
        assert!(csv(b"\xff\xfei\0m\0").unwrap_err().contains("UTF-16"));
        assert!(csv(b"image\n\x81\n").unwrap_err().contains("save it as CSV (UTF-8)"));
    }

    #[test]
    fn lines_of_other_lengths_and_empty_files_are_refused() {
        assert!(csv(b"image,mask\na.png\n").unwrap_err().contains("line: 2"));
        assert!(csv(b"").unwrap_err().contains("first line must name the columns"));
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Sheet::read(&path).unwrap_err().to_string()
        };
        assert!(read("a.csv", "image\n").contains("no rows"));
        assert!(read("b.csv", "image,image\na,b\n").contains("several columns `image`"));
        assert!(read("c.xlsx", "").contains("save it as CSV"));
        assert!(read("d.parquet", "PAR1").contains("Parquet"));
        assert!(
            Sheet::read(&folder.path().join("e.csv"))
                .unwrap_err()
                .to_string()
                .contains("no such file")
        );
    }

    #[test]
    fn numbers_and_nulls_of_parquet_become_text() {
        let columns = vec![
            Series::new("image".into(), ["a.png", "b.png"]).into(),
            Series::new("patient".into(), [Some(12_i64), None]).into(),
        ];
        let mut bytes = Vec::new();
        let mut frame = DataFrame::new_infer_height(columns).unwrap();
        ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
        let sheet = from_parquet(bytes).unwrap();
        assert_eq!(sheet.header, ["image", "patient"]);
        assert_eq!(cells_of(&sheet), [(1, vec!["a.png", "12"]), (2, vec!["b.png", ""])]);
    }
}
