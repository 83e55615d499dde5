//! A whole region, predicted by windows and written row by row.

use std::path::{Path, PathBuf};

use png::ColorType;

use super::png_rows::PngRows;
use super::predict::{Written, count_labels, prediction_file};
use super::trained::Trained;
use crate::error::Result;
use crate::evaluate::{
    Covered, Predictor, Probabilities, StitchedRow, Windows, highest, overlay_row, stitch,
};
use crate::loss::Outputs as Kind;
use crate::outputs::Outputs;
use crate::source::Rows;

/// Predicts a region and writes its mask, the highest probability of each pixel and a picture of both; `values` are
/// those of the mask, by label. In memory are as many of its rows as a window has.
pub(super) fn write_region(
    trained: &Trained,
    windows: &Windows,
    path: &Path,
    files: &Outputs,
    stem: &str,
    values: &[u8],
) -> Result<Written> {
    let mut image = Rows::open(path, trained.decisions.levels())?;
    let name = |what: &str| prediction_file(stem, what);
    let (mut probability, mut overlay) = (PathBuf::new(), PathBuf::new());
    let (mut pixels, mut covered) = (Vec::new(), Covered::default());
    let mask = files.write_with(&name("mask"), |mask| {
        probability = files.write_with(&name("probability"), |probability| {
            overlay = files.write_with(&name("overlay"), |overlay| {
                let paths = [mask, probability, overlay];
                let outputs = trained.predictor.outputs;
                let mut pictures = Pictures::create(paths, image.size(), outputs, values)?;
                covered = stitch(&trained.predictor, windows, &mut image, |row| {
                    pictures.add(row, &trained.predictor)
                })?;
                pixels = pictures.end()?;
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    })?;
    let Covered { windows, without_stains } = covered;
    let stains = (without_stains > 0).then(|| {
        format!("the stains of {without_stains} of {windows} windows are not normalised, for no two can be found")
    });
    let (disagreement, of_image) = (None, Vec::new());
    Ok(Written { mask, probability, overlay, disagreement, pixels, of_image, stains })
}

/// The pictures of a region that are being written.
struct Pictures<'a> {
    outputs: Kind,
    values: &'a [u8],
    mask: PngRows,
    probability: PngRows,
    overlay: PngRows,
    pixels: Vec<u64>,
    /// Labels of the row above the one that waits.
    above: Option<Vec<u8>>,
    /// The last row with its labels, whose overlay waits for the labels below it.
    waiting: Option<(Vec<u8>, Vec<u8>)>,
}

impl<'a> Pictures<'a> {
    fn create(
        [mask, probability, overlay]: [&Path; 3],
        size: (u32, u32),
        outputs: Kind,
        values: &'a [u8],
    ) -> Result<Self> {
        Ok(Self {
            outputs,
            values,
            mask: PngRows::create(mask, size, ColorType::Grayscale)?,
            probability: PngRows::create(probability, size, ColorType::Grayscale)?,
            overlay: PngRows::create(overlay, size, ColorType::Rgb)?,
            pixels: vec![0; values.len()],
            above: None,
            waiting: None,
        })
    }

    fn add(&mut self, row: StitchedRow, predictor: &Predictor) -> Result<()> {
        let StitchedRow { image, values, .. } = row;
        let width = image.len() / 3;
        let (of_image, no_stains) = (Vec::new(), None);
        let seen = Probabilities { width, height: 1, values, of_image, no_stains };
        let labels = predictor.labels(&seen, (width as u32, 1));
        let mask: Vec<u8> = labels.iter().map(|&label| self.values[usize::from(label)]).collect();
        self.mask.add(&mask)?;
        self.probability.add(&highest(&seen.values, width))?;
        let counts = count_labels(&labels, self.values.len());
        self.pixels.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        self.finish_waiting(Some(&labels))?;
        self.waiting = Some((image, labels));
        Ok(())
    }

    /// Writes the overlay of the row that waits, above a row of labels.
    fn finish_waiting(&mut self, below: Option<&[u8]>) -> Result<()> {
        let Some((mut image, labels)) = self.waiting.take() else { return Ok(()) };
        overlay_row(&mut image, [self.above.as_deref(), Some(&labels), below], self.outputs);
        self.above = Some(labels);
        self.overlay.add(&image)
    }

    /// Ends the pictures, and gives the pixels of each label.
    fn end(mut self) -> Result<Vec<u64>> {
        self.finish_waiting(None)?;
        self.mask.end()?;
        self.probability.end()?;
        self.overlay.end()?;
        Ok(self.pixels)
    }
}
