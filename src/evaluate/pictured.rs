//! Cases as a page shows them: the image, and the labels of truth and prediction without loss.

use std::collections::BTreeSet;

use image::RgbImage;

use super::pictures::{jpeg, png_gray, shown};
use crate::error::Result;

/// A case as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pictured {
    /// Name of the case.
    pub case: String,
    /// The image as JPEG, its longest side at most 256 pixels.
    pub image: Vec<u8>,
    /// The label of each pixel of the truth as gray PNG; `None` of a classified image.
    pub truth: Option<Vec<u8>>,
    /// The predicted label of each pixel as gray PNG, of the same size; `None` of a classified image.
    pub prediction: Option<Vec<u8>>,
}

impl Pictured {
    /// An image with the labels of its pixels.
    ///
    /// # Shapes
    /// - truth, prediction: `[height, width]`, of `size` (width, height)
    ///
    /// # Errors
    /// If a picture cannot be encoded.
    pub(super) fn segmented(
        case: &str,
        image: &RgbImage,
        [truth, prediction]: [&[u8]; 2],
        size: (u32, u32),
    ) -> Result<Self> {
        Ok(Self {
            truth: Some(png_gray(truth.to_vec(), size)?),
            prediction: Some(png_gray(prediction.to_vec(), size)?),
            ..Self::classified(case, image)?
        })
    }

    /// An image of which only the class is predicted.
    ///
    /// # Errors
    /// If the picture cannot be encoded.
    pub(super) fn classified(case: &str, image: &RgbImage) -> Result<Self> {
        let image = jpeg(&shown(image))?;
        Ok(Self { case: case.to_owned(), image, truth: None, prediction: None })
    }
}

/// Which of some indices are pictured: all, or as many as may be, evenly spaced.
pub(super) fn evenly(indices: &[usize], most: usize) -> BTreeSet<usize> {
    let n = indices.len();
    let picked = (0..most.min(n)).map(|at| indices[at * n / most.min(n)]);
    picked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_back_as_they_were() {
        let labels: Vec<u8> = (0..=255).collect();
        let bytes = png_gray(labels.clone(), (32, 8)).unwrap();
        let read = image::load_from_memory(&bytes).unwrap().to_luma8();
        assert_eq!((read.dimensions(), read.into_raw()), ((32, 8), labels));
    }

    #[test]
    fn of_many_cases_evenly_spaced_ones_are_pictured() {
        let indices: Vec<usize> = (10..20).collect();
        assert_eq!(evenly(&indices, 100).len(), 10);
        assert_eq!(evenly(&indices, 3).into_iter().collect::<Vec<_>>(), [10, 13, 16]);
        assert!(evenly(&indices, 0).is_empty() && evenly(&[], 5).is_empty());
    }
}
