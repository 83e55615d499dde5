//! Images and labels: found on disk, decoded, divided and counted.
//!
//! [`open`] reads folders and headers only; pixels are decoded case by case with [`decode`].

mod bcss;
mod busi;
mod case;
mod clahe;
mod classes;
mod dataset;
mod deal;
mod decode;
mod dominant_colours;
mod duplicates;
mod files;
mod filter;
mod fingerprint;
mod inputs;
mod inspect;
mod kept;
mod labels;
mod leaks;
mod levels;
mod linked;
mod look;
mod mask_values;
mod masks;
mod mirror;
mod open;
mod orientation;
mod overlap;
pub mod phantom;
mod picture_values;
mod pictures;
mod random;
mod roi;
#[cfg(test)]
mod sample;
mod scan;
mod scored;
mod source;
mod split;
mod subset;
mod survey;
mod synth;
mod task;
mod tree;
mod wiener;

pub use busi::is_mask_name;
pub use case::{Case, Decoded, ImageSource, MaskSource, PhantomImage, Region};
pub use classes::Codes;
pub use dataset::Dataset;
pub use decode::{decode_binary, decode_image};
pub use dominant_colours::{Proposal, propose};
pub use duplicates::{
    BORDERLINE, Duplicates, Pair as DuplicatePair, SAME, find_duplicates, unsought,
};
pub use files::{is_foreign_image, is_image_name};
pub use fingerprint::fingerprint;
pub use inspect::{Inspection, inspect, open_root};
pub use kept::kept;
pub use labels::{IGNORE, Labels};
pub use leaks::leaks;
pub use levels::{Levels, Window};
pub use look::image_findings;
pub use open::{
    decode, decode_labels, decode_pixels, open, open_with, percentile_window, pixel_counts,
};
pub use overlap::{leave_out, overlaps, shown_before};
pub use random::stream as random_stream;
pub use roi::RoiCache;
pub use scored::{lacks_foreground, unscored};
pub use source::{Masks, Source, codes_of, source};
pub use split::{Split, folds, group_key, natural_groups, split};
pub use subset::subset;
pub use synth::{SynthKind, Synthesis, synth};
pub use task::{for_task, masks_of, open_for, open_told};

pub mod augment;
mod batch;
mod cache;
mod draws;
mod loader;
mod normalize;
mod resize;
#[cfg(test)]
mod tiny;

pub use augment::{Augmented, augment_sample, problems as augment_problems};
pub use batch::Batch;
pub use cache::Cache;
pub use loader::{Batches, Loader, Order};
pub use normalize::{Normalization, Preprocess, normalization};
pub use resize::{Sample, Sampling, resize_labels};
