//! The two stains of histology: found in an image, and made those of a reference (`dataset.stain`).

mod eigen;
mod lacking;
mod macenko;

pub use lacking::{lacking_stains, stains_lacking};
pub use macenko::{NoStains, StainNormalization};
