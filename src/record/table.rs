//! Parquet files: rows to columns and back.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::path::Path;

pub(super) use polars::prelude::Column;
use polars::prelude::{DataFrame, NamedFrom, ParquetWriter, PolarsError, PolarsResult, Series};

use super::files;
use crate::error::Result;
use crate::parquet;
use crate::split_name::{NoSplit, SplitName};

/// A row of a Parquet file.
pub(crate) trait Row: Sized {
    /// The columns of the file.
    fn columns(rows: &[Self]) -> Vec<Column>;

    /// The rows of a file.
    ///
    /// # Errors
    /// If a column is missing, of another type, or lacks a value.
    fn read(file: &ParquetFile) -> Result<Vec<Self>>;
}

/// The rows of a Parquet file, and the frame that they were read from.
#[derive(Clone, Debug)]
pub struct Table<R> {
    rows: Vec<R>,
    /// `None` of rows that were made or changed since.
    read: Option<DataFrame>,
}

impl<R> Table<R> {
    /// The rows as a frame.
    ///
    /// # Errors
    /// If polars cannot build it.
    pub(crate) fn frame(&self) -> PolarsResult<Cow<'_, DataFrame>>
    where
        R: Row,
    {
        match &self.read {
            Some(frame) => Ok(Cow::Borrowed(frame)),
            None => DataFrame::new_infer_height(R::columns(&self.rows)).map(Cow::Owned),
        }
    }
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<R: PartialEq> PartialEq for Table<R> {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl<R> From<Vec<R>> for Table<R> {
    fn from(rows: Vec<R>) -> Self {
        Self { rows, read: None }
    }
}

impl<R> From<Table<R>> for Vec<R> {
    fn from(table: Table<R>) -> Self {
        table.rows
    }
}

impl<R> Deref for Table<R> {
    type Target = Vec<R>;

    fn deref(&self) -> &Vec<R> {
        &self.rows
    }
}

impl<R> DerefMut for Table<R> {
    fn deref_mut(&mut self) -> &mut Vec<R> {
        self.read = None;
        &mut self.rows
    }
}

/// Declares a row of a Parquet file, each field with the name of its column; a field of several columns names them
/// itself.
macro_rules! row {
    (
        $(#[$about:meta])*
        pub struct $row:ident {
            $($(#[$doc:meta])* pub $field:ident: $type:ty = $column:literal,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $row {
            $($(#[$doc])* pub $field: $type,)+
        }

        impl super::table::Row for $row {
            fn columns(rows: &[Self]) -> Vec<super::table::Column> {
                [$(<$type as super::table::Field>::columns(
                    $column,
                    rows.iter().map(|row| &row.$field).collect(),
                )),+]
                .concat()
            }

            fn read(file: &super::table::ParquetFile) -> crate::error::Result<Vec<Self>> {
                const NAMED: &[&str] = &[$($column),+];
                $(let mut $field =
                    <$type as super::table::Field>::read(file, $column, NAMED)?
                        .into_iter();)+
                Ok(std::iter::from_fn(|| Some(Self { $($field: $field.next()?),+ })).collect())
            }
        }
    };
}
pub(super) use row;

/// Stores rows in a Parquet file of this name.
macro_rules! parquet_file {
    ($rows:ty, $file:literal) => {
        impl super::artefact::Artefact for $rows {
            const FILE: &'static str = $file;

            fn to_bytes(&self, path: &std::path::Path) -> crate::error::Result<Vec<u8>> {
                super::table::to_parquet(super::table::Row::columns(&self[..]), path)
            }

            fn from_bytes(bytes: Vec<u8>, path: &std::path::Path) -> crate::error::Result<Self> {
                Ok(super::table::from_parquet(bytes, path)?.into())
            }
        }
    };
}
pub(super) use parquet_file;

/// A field of a row: one column, or several.
pub(super) trait Field: Sized {
    /// The columns of the field of every row.
    fn columns(name: &str, values: Vec<&Self>) -> Vec<Column>;

    /// The field of every row of a file; `named` are the columns of all fields.
    ///
    /// # Errors
    /// If a column is missing, of another type, or lacks a value that must be there.
    fn read(file: &ParquetFile, name: &str, named: &[&str]) -> Result<Vec<Self>>;
}

impl<C: Cell> Field for C {
    fn columns(name: &str, values: Vec<&Self>) -> Vec<Column> {
        vec![C::series(name, values).into()]
    }

    fn read(file: &ParquetFile, name: &str, _named: &[&str]) -> Result<Vec<Self>> {
        C::values(file, name)
    }
}

/// A column for each key of maps, by its name.
pub(super) fn columns_of<'a, K: Ord + 'a>(
    keys: impl Iterator<Item = (K, &'a str)>,
    maps: &[&BTreeMap<K, f64>],
) -> Vec<Column> {
    let values = |key| maps.iter().map(|map| map.get(&key).copied()).collect::<Vec<_>>();
    keys.map(|(key, name)| column(name, &values(key), |value| value)).collect()
}

/// The map of each row from the columns of these keys; a null has no key.
///
/// # Errors
/// If a column is of another type.
pub(super) fn maps_of<'a, K: Ord + Clone>(
    keys: impl Iterator<Item = (K, &'a str)>,
    file: &ParquetFile,
) -> Result<Vec<BTreeMap<K, f64>>> {
    let mut maps = vec![BTreeMap::new(); file.frame.height()];
    for (key, name) in keys {
        for (map, value) in maps.iter_mut().zip(Option::<f64>::values(file, name)?) {
            map.extend(value.map(|value| (key.clone(), value)));
        }
    }
    Ok(maps)
}

/// One column: a field of every row.
pub(super) fn column<'a, R, V: Cell + 'a>(
    name: &str,
    rows: &'a [R],
    field: impl Fn(&'a R) -> &'a V,
) -> Column {
    V::series(name, rows.iter().map(field).collect()).into()
}

/// Columns as Parquet, Zstandard-compressed; equal columns make equal bytes.
///
/// # Errors
/// If polars cannot write them.
pub(super) fn to_parquet(columns: Vec<Column>, path: &Path) -> Result<Vec<u8>> {
    let unwritable = |error: PolarsError| files::damaged(path, &error.to_string());
    let mut frame = DataFrame::new_infer_height(columns).map_err(unwritable)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).map_err(unwritable)?;
    Ok(bytes)
}

/// The table of a Parquet file.
///
/// # Errors
/// If it is damaged.
pub(super) fn from_parquet<R: Row>(bytes: Vec<u8>, path: &Path) -> Result<Table<R>> {
    let file = ParquetFile::open(bytes, path)?;
    Ok(Table { rows: R::read(&file)?, read: Some(file.frame) })
}

/// A Parquet file in memory, with its path for errors.
pub(crate) struct ParquetFile<'a> {
    path: &'a Path,
    frame: DataFrame,
}

impl<'a> ParquetFile<'a> {
    /// Decodes a file.
    ///
    /// # Errors
    /// If it is damaged.
    pub(super) fn open(bytes: Vec<u8>, path: &'a Path) -> Result<Self> {
        match parquet::frame(bytes) {
            Ok(frame) => Ok(Self { path, frame }),
            Err(why) => Err(files::damaged(path, &why)),
        }
    }

    /// The names of its columns, in their order.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.frame.get_column_names().into_iter().map(|name| name.as_str())
    }

    /// How many rows it has.
    pub(super) fn rows(&self) -> usize {
        self.frame.height()
    }

    /// A column through polars' typed view; the error names file and column.
    fn optional<V>(
        &self,
        name: &str,
        view: impl FnOnce(&Column) -> PolarsResult<Vec<Option<V>>>,
    ) -> Result<Vec<Option<V>>> {
        let column = self.frame.column(name).and_then(view);
        column.map_err(|error| files::damaged(self.path, &format!("column `{name}`: {error}")))
    }

    /// A column that has a value in every row.
    fn filled<V>(&self, name: &str, values: Vec<Option<V>>) -> Result<Vec<V>> {
        values.into_iter().collect::<Option<Vec<V>>>().ok_or_else(|| {
            files::damaged(self.path, &format!("column `{name}` lacks a value in some row"))
        })
    }
}

/// A value in a column.
pub(super) trait Cell: Sized {
    /// The column of these values.
    fn series(name: &str, values: Vec<&Self>) -> Series;

    /// The values of a column.
    ///
    /// # Errors
    /// If it is missing, of another type, or lacks a value that must be there.
    fn values(file: &ParquetFile, name: &str) -> Result<Vec<Self>>;
}

macro_rules! numbers {
    ($($number:ident),+) => {$(
        impl Cell for Option<$number> {
            fn series(name: &str, values: Vec<&Self>) -> Series {
                Series::new(name.into(), values.into_iter().copied().collect::<Vec<Self>>())
            }

            fn values(file: &ParquetFile, name: &str) -> Result<Vec<Self>> {
                file.optional(name, |column| Ok(column.$number()?.iter().collect()))
            }
        }

        impl Cell for $number {
            fn series(name: &str, values: Vec<&Self>) -> Series {
                Series::new(name.into(), values.into_iter().copied().collect::<Vec<Self>>())
            }

            fn values(file: &ParquetFile, name: &str) -> Result<Vec<Self>> {
                file.filled(name, Option::<$number>::values(file, name)?)
            }
        }
    )+};
}
numbers!(u32, u64, f64);

impl Cell for Option<String> {
    fn series(name: &str, values: Vec<&Self>) -> Series {
        Series::new(name.into(), values.into_iter().map(Option::as_deref).collect::<Vec<_>>())
    }

    fn values(file: &ParquetFile, name: &str) -> Result<Vec<Self>> {
        let text = |value: Option<&str>| value.map(str::to_owned);
        file.optional(name, |column| Ok(column.str()?.iter().map(text).collect()))
    }
}

impl Cell for String {
    fn series(name: &str, values: Vec<&Self>) -> Series {
        Series::new(name.into(), values.into_iter().map(String::as_str).collect::<Vec<&str>>())
    }

    fn values(file: &ParquetFile, name: &str) -> Result<Vec<Self>> {
        file.filled(name, Option::<String>::values(file, name)?)
    }
}

impl Cell for Option<Vec<u8>> {
    fn series(name: &str, values: Vec<&Self>) -> Series {
        Series::new(name.into(), values.into_iter().map(Option::as_deref).collect::<Vec<_>>())
    }

    fn values(file: &ParquetFile, name: &str) -> Result<Vec<Self>> {
        let bytes = |value: Option<&[u8]>| value.map(<[u8]>::to_vec);
        file.optional(name, |column| Ok(column.binary()?.iter().map(bytes).collect()))
    }
}

impl Cell for Vec<u8> {
    fn series(name: &str, values: Vec<&Self>) -> Series {
        Series::new(name.into(), values.into_iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    fn values(file: &ParquetFile, name: &str) -> Result<Vec<Self>> {
        file.filled(name, Option::<Vec<u8>>::values(file, name)?)
    }
}

impl Cell for SplitName {
    fn series(name: &str, values: Vec<&Self>) -> Series {
        let names: Vec<&str> = values.into_iter().map(|split| split.as_str()).collect();
        Series::new(name.into(), names)
    }

    fn values(file: &ParquetFile, name: &str) -> Result<Vec<Self>> {
        let names = String::values(file, name)?;
        let parsed: std::result::Result<_, NoSplit> =
            names.iter().map(|split| split.parse()).collect();
        parsed.map_err(|error| files::damaged(file.path, &format!("column `{name}`: {error}")))
    }
}
