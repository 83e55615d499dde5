//! Images and labels: found on disk, decoded, divided and counted.
//!
//! [`open`] reads folders and headers only; pixels are decoded case by case with [`decode`].

mod clahe;
mod commented;
mod dataset;
mod deal;
mod dominant_colours;
mod duplicates;
mod filter;
mod fingerprint;
mod first_settings;
mod first_spec;
mod fused;
mod inputs;
mod inspect;
mod leaks;
mod linked;
mod mirror;
mod open;
mod overlap;
mod random;
mod regions;
mod scored;
mod split;
mod stain;
mod subset;
mod task;
mod wiener;

pub use crate::source::{
    Case, Codes, Decoded, IGNORE, ImageSource, Labels, Levels, MaskSource, Masks, Metadata,
    PhantomImage, Region, RoiCache, Source, SynthKind, Synthesis, Window, decode_binary,
    decode_image, image_findings, is_foreign_image, is_image_name, is_mask_name, kept, phantom,
    synth,
};
pub use dataset::Dataset;
pub use dominant_colours::{Proposal, propose};
pub use duplicates::{
    BORDERLINE, Duplicates, Pair as DuplicatePair, SAME, find_duplicates, near_cases, unsearched,
};
pub use fingerprint::{CaseDigest, case_digests, fingerprint, fingerprint_of, pixels_of_cases};
pub use first_settings::MeasuredStep;
pub use first_spec::{FirstSpec, first_spec};
pub use fused::{FusedColumn, fused_column, fused_numbers, telling_columns};
pub use inspect::{Inspection, inspect, open_root};
pub use leaks::leaks;
pub use open::{
    decode, decode_labels, decode_pixels, open, open_with, percentile_window, pixel_counts,
};
pub use overlap::{leave_out, overlaps, shown_before};
pub use random::stream as random_stream;
pub use regions::{RegionOfCases, regions};
pub use scored::{Lack, lacks_foreground, unscored};
pub use split::{Split, folds, group_key, natural_groups, split, split_to_choose_on};
pub use stain::{NoStains, StainNormalization, lacking_stains, stains_lacking};
pub use subset::subset;
pub use task::{for_task, masks_of, open_for, open_with_classes};

mod augment;
mod batch;
mod cache;
mod crop;
mod draws;
mod loader;
mod normalize;
mod order;
mod resize;
mod sampler;
#[cfg(test)]
mod tiny;

pub use augment::problems as augment_problems;
pub use batch::Batch;
pub use cache::Cache;
pub use crop::Crop;
pub use loader::{Batches, Loader, Order};
pub use normalize::{Normalization, Preprocess, normalization, normalize_problems};
pub use resize::{Sample, Sampling};
pub use sampler::problem as sampler_problem;
