//! Masks of one image in several files, the foreground of each a class.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::GrayImage;
use rayon::prelude::*;

use super::case::{Case, MaskSource};
use super::codes::{CodeCount, found_codes};
use super::decode::decode_binary;
use super::foreground::ForegroundSpec;
use super::kept::kept;
use super::sizes::{BothSizes, labels_in};
use crate::error::{Error, Result};
use crate::frame::Frame;

/// The codes of an image's pixels from its layers: 0 where none is foreground, the last where several are.
///
/// # Errors
/// The user's, if a file cannot be read as a mask or has another size than the image.
pub(crate) fn decode_layers(
    files: &[PathBuf],
    codes: &[u8],
    (width, height): (u32, u32),
    foreground: &ForegroundSpec,
) -> Result<GrayImage> {
    let mut all = GrayImage::new(width, height);
    for (file, &code) in files.iter().zip(codes) {
        let mask = decode_binary(file, foreground)?;
        if mask.dimensions() != (width, height) {
            return Err(Error::user(format!(
                "{}: a mask of {}x{} for an image of {width}x{height}: they must be alike",
                file.display(),
                mask.width(),
                mask.height()
            )));
        }
        for (all, &one) in all.iter_mut().zip(mask.as_raw()) {
            if one == 1 {
                *all = code;
            }
        }
    }
    Ok(all)
}

/// Codes with their pixels of the cases that have layers, by their ids.
///
/// # Errors
/// As [`decode_layers`].
pub(super) fn survey_layers(
    cases: &[Case],
    foreground: &ForegroundSpec,
    frame: Option<Frame>,
) -> Result<BTreeMap<String, BothSizes<Vec<CodeCount>>>> {
    let layers = |case: &Case| match &case.mask {
        MaskSource::Layers { files, codes } => Some((files.clone(), codes.clone())),
        _ => None,
    };
    let layered: Vec<(&Case, Vec<PathBuf>, Vec<u8>)> = cases
        .iter()
        .filter_map(|case| layers(case).map(|(files, codes)| (case, files, codes)))
        .collect();
    let files: Vec<&Path> =
        layered.iter().flat_map(|(_, files, _)| files).map(PathBuf::as_path).collect();
    let shape: Vec<(&[u8], u32, u32)> = layered
        .iter()
        .map(|(case, _, codes)| (codes.as_slice(), case.width, case.height))
        .collect();
    let knowledge = format!("codes of layers {foreground:?} {shape:?} at {frame:?}");
    let count = || -> Result<Vec<BothSizes<Vec<CodeCount>>>> {
        let of = |(case, files, codes): &(&Case, Vec<PathBuf>, Vec<u8>)| {
            let labels = decode_layers(files, codes, (case.width, case.height), foreground)?;
            let own = found_codes(labels.as_raw());
            let network = frame.map(|frame| found_codes(&labels_in(&labels, frame)));
            Ok(BothSizes { network: network.unwrap_or_else(|| own.clone()), own })
        };
        layered.par_iter().map(of).collect()
    };
    let counted = kept(&knowledge, &files, count)?;
    Ok(layered.iter().map(|(case, ..)| case.id.clone()).zip(counted).collect())
}
