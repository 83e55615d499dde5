//! Data sets on disk: their settings, how their folders are read, and how files are decoded.
//!
//! A data set is one file with its settings, how it is recognised and how its cases are found (the trait in
//! `reader.rs`), and one line in the list below.

mod barcode;
mod bcss;
mod busi;
pub(crate) mod case;
pub(crate) mod cell;
pub(crate) mod codes;
pub(crate) mod decode;
mod dicom;
mod extent;
pub(crate) mod files;
mod folder;
mod foreground;
mod found;
pub(crate) mod guess;
pub(crate) mod header;
mod kept;
mod labels;
pub(crate) mod layers;
mod layout;
mod levels;
pub(crate) mod look;
mod mask_name;
mod mask_values;
mod masks;
pub(crate) mod nearest;
mod orientation;
mod pair_values;
mod pattern;
pub mod phantom;
pub(crate) mod picture_values;
mod pictures;
mod pixels;
mod reader;
pub(crate) mod roi;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod scan;
mod shortcuts;
mod sizes;
mod survey;
mod synth;
pub(crate) mod table;
mod tree;
mod two_folders;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use bcss::{
    BcssClasses, BcssLayout, BcssSpec, CustomClasses, FiveClasses, MergedClasses, RawClasses,
    RestOfCodes, RoisSpec, TilesSpec,
};
pub use busi::{BusiClass, BusiSpec, MultiMask, is_mask_name};
pub use case::{Case, Decoded, ImageSource, MaskSource, Metadata, Region};
pub use codes::Codes;
pub use decode::{Rows, decode_binary, decode_image};
pub use files::{is_foreign_image, is_image_name};
pub use folder::FolderSpec;
pub use foreground::{ForegroundSpec, ThresholdForeground, TwoValuedForeground, ValuesForeground};
pub use found::WithoutMask;
pub use kept::kept;
pub use labels::{IGNORE, Labels};
pub(crate) use layout::Contents;
pub use layout::Layout;
pub use levels::{
    AsStoredIntensity, FullRangeIntensity, IntensitySpec, Levels, PercentilesIntensity, Window,
    WindowIntensity,
};
pub use look::image_findings;
pub use phantom::{Modality, PhantomImage, PhantomSpec};
pub(crate) use pictures::judge_window;
pub use pixels::{
    ForegroundPixels, LayerClass, LayersPixels, PixelsSpec, RestOfValues, ValueClass, ValuesPixels,
};
pub use reader::{Masks, Opening, Source};
pub use roi::RoiCache;
pub use sizes::{BothSizes, labels_at};
pub use synth::{SynthKind, Synthesis, synth};
pub use table::TableSpec;
pub(crate) use two_folders::images_and_masks;

/// Makes of a list of data sets what an author may write, and the way to each one's own file.
macro_rules! sources {
    ($($(#[doc = $doc:literal])* $name:ident($settings:ty),)*) => {
        /// The data sets.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum SourceSpec {
            $($(#[doc = $doc])* $name($settings),)*
        }

        impl SourceSpec {
            /// What reads it.
            pub fn source(&self) -> &dyn Source {
                match self {
                    $(Self::$name(settings) => settings,)*
                }
            }

            /// What reads it, to be changed.
            pub fn source_mut(&mut self) -> &mut dyn Source {
                match self {
                    $(Self::$name(settings) => settings,)*
                }
            }
        }

        /// All layouts, in the order in which they are tried.
        pub(crate) fn layouts() -> Vec<&'static Layout> {
            [$(<$settings>::layouts()),*].into_iter().flatten().collect()
        }
    };
}

sources! {
    /// Breast ultrasound images (Al-Dhabyani et al. 2020), in the published folder layout.
    Busi(busi::BusiSpec),
    /// Breast cancer histology regions (Amgad et al. 2019): tiles or whole ROIs.
    Bcss(bcss::BcssSpec),
    /// Images and masks of any folder, found by patterns.
    Folder(folder::FolderSpec),
    /// Images and masks that a table lists.
    Table(table::TableSpec),
    /// Synthetic images made on the fly, for demonstrations and tests.
    Phantom(phantom::PhantomSpec),
}
