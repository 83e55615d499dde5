//! Headers of images and masks, judged before anything is decoded.

use std::path::{Path, PathBuf};

use super::decode::{Header, Limit, judge_image, judge_mask, read_header};
use super::files::shown;
use crate::finding::{Finding, FindingKind, Findings};

/// How the files of a data set are looked at.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// The folder that names are told below.
    pub root: &'a Path,
    /// How large files may be.
    pub limit: Limit,
}

impl Look<'_> {
    /// The name of a file in findings.
    pub fn name(&self, path: &Path) -> String {
        shown(self.root, path)
    }

    /// What an image says of itself; `None`, with a finding, if it cannot be used.
    pub fn image(&self, path: &Path, findings: &mut Findings) -> Option<Header> {
        let judged =
            read_header(path, self.limit).and_then(|header| Ok((header, judge_image(&header)?)));
        match judged {
            Ok((header, found)) => {
                findings.extend(found.map(|found| found.naming(self.name(path))));
                Some(header)
            }
            Err(complaint) => {
                findings.push(self.unreadable(path, &complaint));
                None
            }
        }
    }

    /// What an image says of itself, if its masks can be used with it.
    pub fn pair(&self, image: &Path, masks: &[PathBuf], findings: &mut Findings) -> Option<Header> {
        let header = self.image(image, findings)?;
        let mut whole = true;
        for mask in masks {
            if let Err(finding) = self.mask(mask, image, &header) {
                findings.push(finding);
                whole = false;
            }
        }
        whole.then_some(header)
    }

    fn mask(&self, mask: &Path, image: &Path, of_image: &Header) -> Result<(), Finding> {
        let header =
            read_header(mask, self.limit).map_err(|complaint| self.unreadable(mask, &complaint))?;
        judge_mask(&header).map_err(|complaint| {
            Finding::error(
                FindingKind::MaskFormat,
                "masks in a format that changes or hides labels",
            )
            .naming(format!("{}: {complaint}", self.name(mask)))
        })?;
        if (header.width, header.height) == (of_image.width, of_image.height) {
            return Ok(());
        }
        Err(Finding::error(FindingKind::MaskSize, "masks of another size than their image").naming(
            format!(
                "{}: a mask of {}x{} for an image of {}x{} ({})",
                self.name(mask),
                header.width,
                header.height,
                of_image.width,
                of_image.height,
                self.name(image)
            ),
        ))
    }

    /// A file that cannot be used, and why.
    pub fn unreadable(&self, path: &Path, complaint: &str) -> Finding {
        Finding::error(FindingKind::UnreadableFile, "files that cannot be used")
            .naming(format!("{}: {complaint}", self.name(path)))
    }
}
