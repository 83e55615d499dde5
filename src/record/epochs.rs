//! `epochs.parquet`: the figures of the epochs.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Column, Field, ParquetFile, columns_of, maps_of, parquet_file, row};
use crate::error::Result;
use crate::split_name::SplitName;

row! {
    /// A row of `epochs.parquet`: the figures of one epoch on one split.
    ///
    /// Holds no clock time: two runs of one spec and seed on one device are equal bit for bit.
    pub struct EpochRow {
        /// The epoch, from 1.
        pub epoch: u32 = "epoch",
        /// Training or validation.
        pub split: SplitName = "split",
        /// Learning rate at the end of the epoch.
        pub learning_rate: f64 = "learning-rate",
        /// Figure name (`loss`, `dice.mean`, `iou.pooled`, ..) to its value; NaN is kept as such.
        pub figures: BTreeMap<String, f64> = "",
    }
}

parquet_file!(Vec<EpochRow>, "epochs.parquet");

/// A column for each figure, in order of their names: all columns that no other field names.
impl Field for BTreeMap<String, f64> {
    fn columns(_name: &str, values: Vec<&Self>) -> Vec<Column> {
        let names: BTreeSet<&String> = values.iter().flat_map(|figures| figures.keys()).collect();
        columns_of(names.into_iter().map(|name| (name.clone(), name.as_str())), &values)
    }

    fn read(file: &ParquetFile, _name: &str, named: &[&str]) -> Result<Vec<Self>> {
        let names = file.columns().filter(|name| !named.contains(name));
        maps_of(names.map(|name| (name.to_owned(), name)), file)
    }
}
