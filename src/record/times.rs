//! `times.parquet`: how long the epochs took.

use super::table::{parquet_file, row};

row! {
    /// A row of `times.parquet`: how long an epoch took.
    pub struct TimesRow {
        /// The epoch, from 1.
        pub epoch: u32 = "epoch",
        /// Training, in seconds.
        pub train_s: f64 = "train_s",
        /// Validation, in seconds.
        pub valid_s: f64 = "valid_s",
    }
}

parquet_file!(Vec<TimesRow>, "times.parquet");
