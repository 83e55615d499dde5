//! `pictured.parquet`: cases as a page shows them.

use super::table::{Table, parquet_file, row};
use crate::split_name::SplitName;

row! {
    /// A row of `pictured.parquet`: an evaluated case with its masks, at the resolution of the headline figures.
    pub struct PicturedRow {
        /// The split.
        pub split: SplitName = "split",
        /// Name of the case.
        pub case: String = "case",
        /// The image as JPEG, its longest side at most 256 pixels.
        pub image: Vec<u8> = "image",
        /// The label of each pixel of the truth as gray PNG; `None` of a classified image.
        pub truth: Option<Vec<u8>> = "truth",
        /// The predicted label of each pixel as gray PNG; `None` of a classified image.
        pub prediction: Option<Vec<u8>> = "prediction",
    }
}

parquet_file!(Table<PicturedRow>, "pictured.parquet");
