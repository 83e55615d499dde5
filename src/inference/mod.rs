//! What a finished run is used for: predictions, attributions and figures on images, and files for PyTorch.

mod attribute;
mod average;
mod columns;
mod evaluate;
mod export;
mod find;
mod png_rows;
mod predict;
mod region;
mod seen;
mod trained;

pub use attribute::{Attributed, attribute};
pub use average::Member;
pub use columns::Columns;
pub use evaluate::{Scored, Scoring};
pub use export::{Card, Exported, Format, export};
pub use find::{find_run, find_runs};
pub use predict::{
    ImageClass, Meaning, PredictedClass, PredictedMask, legend, predict_class, predict_mask,
    prediction_file,
};
pub use trained::{Trained, unfinished};
