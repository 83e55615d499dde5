//! `guide.parquet`: which network predicted the mask of each case of a guided classifier.

use super::table::{parquet_file, row};
use crate::split_name::SplitName;

row! {
    /// A row of `guide.parquet`: the predicted mask of a case, an input of the guided classifier.
    pub struct GuideRow {
        /// Name of the case.
        pub case: String = "case",
        /// The split.
        pub split: SplitName = "split",
        /// The group.
        pub group: String = "group",
        /// Id of the run whose network predicted the mask; it was trained on other cases and groups.
        pub run: String = "run",
        /// Its run directory, below the folder of all runs.
        pub path: String = "path",
        /// The fold of the training cases that it was trained without.
        pub fold: u32 = "fold",
        /// Dice of the mask against the truth; `None` where undefined.
        pub dice: Option<f64> = "dice",
    }
}

parquet_file!(Vec<GuideRow>, "guide.parquet");
