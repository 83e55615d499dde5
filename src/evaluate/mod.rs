//! From a network to figures: predictions, counts per case and class, metrics as functions of them,
//! statistics.
//!
//! ```text
//! Predictor -> probabilities -> Counts, distances, AUC -> CaseScore -> Figure
//! ```
//!
//! [`evaluate`] takes a network through a split, [`classify`] one that gives images their class; from the probabilities
//! on, everything is a pure function of arrays. What a metric scores in every degenerate case is said at
//! [`overlap`](crate::metric::overlap()) and [`MetricKind::of_case`](crate::metric::MetricKind::of_case), how cases
//! become one number at [`figures`] and [`image_figures`].

pub mod bootstrap;
mod confusion;
mod counts;
mod crf;
pub mod differences;
mod epoch;
mod froc;
mod images;
mod metric;
pub mod paired;
mod pictured;
pub mod pictures;
mod planes;
mod post_process;
mod predictor;
mod refine;
pub mod reliability;
mod run;
mod score;
mod semantics;
mod settle;
mod stitch;
mod strata;
mod summary;
mod temperature;
mod threshold;
mod views;
mod windows;

pub use confusion::{Confusion, count_classes};
pub use counts::{count_binary, likeliest};
pub use epoch::{EpochTally, Names, epoch_figures};
pub use froc::Froc;
pub use images::{
    ImageScore, best_image_threshold, image_figure_names, image_figures, precision_recall_curve,
    predicted_class, roc_curve, second_head_names,
};
pub use metric::{figure_bounds, figure_goal, measure_title};
pub use pictured::Pictured;
pub use pictures::{
    CasePictures, colour, draw, highest, jpeg, overlay, overlay_row, png_gray, png_rgb, shown,
};
pub use predictor::{Predictor, Probabilities, not_a_number};
pub use run::{
    Cases, Evaluation, SECOND_HEAD_THRESHOLD, Tick, classify, classify_pictured, evaluate, outputs,
    predicted_case,
};
pub use score::{Asked, CaseScore, LabelledCase, score_binary, score_classes};
pub use semantics::{
    describe_absent, describe_empty, describe_image_reductions, describe_intervals, describe_loss,
    describe_reductions, describe_steps,
};
pub use settle::settle;
pub use stitch::{Covered, StitchedRow, stitch};
pub use strata::{Strata, Unstratified};
pub use summary::{Figure, figure_names, figures};
pub use threshold::{CANDIDATES, best_threshold, binarize, count_at_candidates};
pub use views::sides as view_sides;
pub use windows::Windows;

#[cfg(test)]
mod coverage;
#[cfg(test)]
mod parity;
