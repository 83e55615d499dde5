//! Whole ROIs, cut into tiles while loading.

use std::path::PathBuf;

use rayon::prelude::*;

use super::super::barcode::slide_of;
use super::super::case::{Case, ImageSource, MaskSource, Region};
use super::super::codes::{CodeCount, found_codes};
use super::super::decode::{decode_codes, plain};
use super::super::files::{self, folders_of};
use super::super::header::{Header, Limit};
use super::super::look::Look;
use super::super::roi;
use super::super::scan::Scan;
use super::super::sizes::BothSizes;
use super::super::tree;
use super::super::two_folders::{ROI_IMAGES, ROI_MASKS, images_and_masks, roi_folders};
use super::RoisSpec;
use super::classes::unknown_codes;
use super::pairs::pair;
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind, Findings};

/// A whole ROI that can be used.
pub(super) struct WholeRoi {
    /// Name of its files without extension.
    pub stem: String,
    /// The image.
    pub image: PathBuf,
    /// Its mask.
    pub mask: PathBuf,
    /// What the image says of itself.
    pub header: Header,
}

/// Finds whole ROIs with their masks, reading names and headers only.
pub(super) fn scan_rois(look: &Look) -> Result<(Vec<WholeRoi>, Findings)> {
    let root = look.root;
    files::check_root(root)?;
    if let Some(error) = images_and_masks(root)? {
        return Err(Error::user(error));
    }
    let Some((images, masks)) = roi_folders(root) else {
        let folders = folders_of(root)?.into_iter().take(8);
        let names: Vec<_> = folders.map(|entry| entry.name).collect();
        let hint = if names.iter().any(|name| name.starts_with("train")) {
            "these look like tiles: set `dataset.layout = { kind = \"tiles\" }`".to_string()
        } else if names.is_empty() {
            "the root has none".into()
        } else {
            format!("the root has {}", names.join(", "))
        };
        return Err(Error::user(format!(
            "{}: whole ROIs need the folders `{}` and `{ROI_MASKS}`; {hint}",
            root.display(),
            ROI_IMAGES[0]
        )));
    };
    let mut findings = Findings::default();
    let pairs = pair(look, &images, &masks, &mut findings)?;
    let checked: Vec<_> = pairs
        .into_par_iter()
        .map(|(stem, image, mask)| {
            let mut findings = Findings::default();
            let header = look.pair(&image, std::slice::from_ref(&mask), &mut findings);
            (header.map(|header| WholeRoi { stem, image, mask, header }), findings)
        })
        .collect();
    let mut rois = Vec::new();
    for (roi, found) in checked {
        rois.extend(roi);
        findings.extend(found);
    }
    look.mixed(rois.iter().map(|roi| (roi.stem.clone(), &roi.header)), &mut findings);
    findings.extend(tree::account(root, &[images.clone(), masks], &[], "")?);
    if rois.is_empty() && !findings.has_errors() {
        findings.push(
            Finding::error(FindingKind::MissingFolder, "no ROI in this folder")
                .naming(look.name(&images)),
        );
    }
    Ok((rois, findings))
}

/// Cuts whole ROIs into tiles of `tile` pixels, leaving out those with too few labels.
pub(super) fn cut_rois(look: &Look, spec: &RoisSpec, tile: u32) -> Result<Scan> {
    let (rois, findings) = scan_rois(look)?;
    let mut scan = Scan { findings, ..Scan::default() };
    let cut: Vec<_> = rois.par_iter().map(|roi| cut_roi(look, roi, spec, tile)).collect();
    let (mut left_out, mut all) = (0, 0);
    for cut in cut {
        match cut {
            Ok((cases, tiles)) => {
                all += tiles;
                left_out += tiles - cases.len();
                for (case, codes) in cases {
                    // A tile is cut at the network's size.
                    let codes = BothSizes { own: codes.clone(), network: codes };
                    scan.codes.insert(case.id.clone(), codes);
                    scan.cases.push(case);
                }
            }
            Err(finding) => scan.findings.push(finding),
        }
    }
    scan.findings.push(Finding::note(
        FindingKind::Tiles,
        format!(
            "{} tiles of {tile} px from {} ROIs; {left_out} of {all} left out (less than {} labelled)",
            scan.cases.len(),
            rois.len(),
            spec.minimum_labelled
        ),
    ));
    if scan.cases.is_empty() && !scan.has_errors() {
        let what = format!("no tile has {} of its pixels labelled", spec.minimum_labelled);
        scan.findings.push(
            Finding::error(FindingKind::Tiles, what)
                .remedy("lower `dataset.layout.minimum-labelled`"),
        );
    }
    Ok(scan)
}

/// Tiles that carry enough labels, with their codes, and how many there were with the others.
type CutTiles = (Vec<(Case, Vec<CodeCount>)>, usize);

/// The tiles of one ROI.
fn cut_roi(look: &Look, roi: &WholeRoi, spec: &RoisSpec, tile: u32) -> Result<CutTiles, Finding> {
    let stride = if spec.stride == 0 { tile } else { spec.stride };
    let size = (roi.header.width, roi.header.height);
    let mask = decode_codes(&roi.mask, Limit::Roi)
        .map_err(|error| look.unreadable(&roi.mask, &plain(&error, &roi.mask)))?;
    if let Some(finding) = unknown_codes(look, &roi.mask, &found_codes(mask.as_raw())) {
        return Err(finding);
    }
    let images = roi::tiles(&roi.image, size, tile, stride, spec.magnification);
    let parts = roi::labelled_parts(&mask, &images);
    let (slide, institution) = slide_of(&roi.stem);
    let total = images.len();
    let cut = |image: Region| {
        let codes = roi::codes_of_tile(&mask, &image, tile, tile)
            .map_err(|error| look.unreadable(&roi.mask, &error.to_string()))?;
        let case = Case {
            id: format!("{}/{}_{}", roi.stem, image.x, image.y),
            label: String::new(),
            slide: slide.clone().or_else(|| Some(roi.stem.clone())),
            institution: institution.clone(),
            group: None,
            folder: None,
            metadata: Default::default(),
            mask: MaskSource::Region(Region { path: roi.mask.clone(), ..image.clone() }),
            image: ImageSource::Region(image),
            width: tile,
            height: tile,
        };
        Ok((case, found_codes(codes.as_raw())))
    };
    let kept = images.into_iter().zip(parts).filter(|(_, part)| *part >= spec.minimum_labelled);
    let cases = kept.map(|(image, _)| cut(image)).collect::<Result<_, Finding>>()?;
    Ok((cases, total))
}
