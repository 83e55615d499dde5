//! `split.parquet`: where each case went.

use super::table::{Table, parquet_file, row};
use crate::source::Metadata;
use crate::split_name::SplitName;

row! {
    /// A row of `split.parquet`: where a case went.
    pub struct SplitRow {
        /// Name of the case.
        pub case: String = "case",
        /// The group (patient, slide, cluster of near-duplicates); the case itself without one.
        pub group: String = "group",
        /// Label of the case, such as `benign`; empty where cases carry none.
        pub label: String = "label",
        /// The split.
        pub split: SplitName = "split",
        /// Fold of a k-fold split.
        pub fold: Option<u32> = "fold",
        /// What its table says of the case, in columns `metadata.<column>`.
        pub metadata: Metadata = "",
    }
}

parquet_file!(Table<SplitRow>, "split.parquet");
