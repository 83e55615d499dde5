//! `cases.parquet`: counts, distances and scores of the classes of cases.

use std::collections::BTreeMap;

use super::table::{Column, Field, ParquetFile, Table, columns_of, maps_of, parquet_file, row};
use crate::error::Result;
use crate::metric::MetricKind;
use crate::source::Metadata;
use crate::split_name::SplitName;

row! {
    /// A row of `cases.parquet`: one class of one case, in pixels.
    pub struct CaseRow {
        /// The split.
        pub split: SplitName = "split",
        /// Size at which prediction and truth were compared: `original` or `network`.
        pub resolution: String = "resolution",
        /// Name of the case.
        pub case: String = "case",
        /// The group.
        pub group: String = "group",
        /// Label of the case, such as `benign`; empty where cases carry none.
        pub label: String = "label",
        /// Name of the class.
        pub class: String = "class",
        /// True positives: pixels of the class predicted as it.
        pub tp: u64 = "tp",
        /// False positives: other pixels predicted as the class.
        pub fp: u64 = "fp",
        /// False negatives: pixels of the class predicted as another.
        pub fn_: u64 = "fn",
        /// True negatives: other pixels predicted as another class.
        pub tn: u64 = "tn",
        /// Metrics of masks and probabilities, such as distances in pixels, where they are defined.
        pub measured: BTreeMap<MetricKind, f64> = "",
        /// Dice under the rule of the run for empty masks; `None` where that rule leaves the case out.
        pub dice: Option<f64> = "dice",
        /// What its table says of the case, in columns `metadata.<column>`.
        pub metadata: Metadata = "",
    }
}

parquet_file!(Table<CaseRow>, "cases.parquet");

/// A column for each metric that any case has; a record may be older than a metric.
impl Field for BTreeMap<MetricKind, f64> {
    fn columns(_name: &str, values: Vec<&Self>) -> Vec<Column> {
        let is_measured = |kind: &MetricKind| values.iter().any(|of| of.contains_key(kind));
        let kinds = MetricKind::measured().filter(is_measured);
        columns_of(kinds.map(|kind| (kind, kind.name())), &values)
    }

    fn read(file: &ParquetFile, _name: &str, _named: &[&str]) -> Result<Vec<Self>> {
        let kinds = MetricKind::measured().map(|kind| (kind, kind.name()));
        maps_of(kinds.filter(|(_, name)| file.columns().any(|column| column == *name)), file)
    }
}
