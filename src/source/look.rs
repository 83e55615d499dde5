//! Headers of images and masks, judged before anything is decoded.

use std::path::{Path, PathBuf};

use super::files::shown;
use super::header::{Header, Limit, judge_image, judge_mask, read_header};
use super::levels::{Levels, Window};
use crate::finding::{Finding, FindingKind, Findings};

/// How the files of a data set are looked at.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    /// The folder that names are relative to.
    pub root: &'a Path,
    /// How large files may be.
    pub limit: Limit,
    /// How images of more than 8 bits are read.
    pub levels: Levels,
}

impl Look<'_> {
    /// The name of a file in findings.
    pub(super) fn name(&self, path: &Path) -> String {
        shown(self.root, path)
    }

    /// What an image says of itself; `None`, with a finding, if it cannot be used.
    pub(super) fn image(&self, path: &Path, findings: &mut Findings) -> Option<Header> {
        let judged =
            read_header(path, self.limit).and_then(|header| Ok((header, judge_image(&header)?)));
        match judged {
            Ok((header, found)) => {
                let found = found.into_iter().chain(self.depth(&header)).chain(turned(&header));
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
    pub(super) fn pair(
        &self,
        image: &Path,
        masks: &[PathBuf],
        findings: &mut Findings,
    ) -> Option<Header> {
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

    /// What is to be said of an image of more than 8 bits.
    fn depth(&self, header: &Header) -> Option<Finding> {
        if !header.mode.is_deep() {
            return None;
        }
        let kind = FindingKind::DeepImage;
        if self.levels == Levels::Refused && header.window.is_some() {
            let what =
                "images of more than 8 bits, each read through the window that its file gives";
            return Some(Finding::note(kind, what));
        }
        if header.mode.is_real() {
            return Some(self.real(kind));
        }
        Some(match self.levels {
            Levels::Refused => Finding::error(
                kind,
                "images of 16 bits a channel, and nothing says which of their values are black and white",
            )
            .remedy(
                "set `dataset.intensity` to { kind = \"window\", low = 0, high = 4095 } (12 bits; or the \
                 window of your scanner), { kind = \"full-range\" } or { kind = \"percentiles\" }",
            ),
            Levels::Window(Window { low, high }) => Finding::note(
                kind,
                format!("images of 16 bits a channel, read through the window {low} to {high}"),
            ),
            Levels::FullRange => Finding::note(
                kind,
                "images of 16 bits a channel, read through the window 0 to 65535",
            ),
            Levels::Undecided => Finding::note(
                kind,
                "images of 16 bits a channel, read through a window of the training split's percentiles",
            ),
        })
    }

    /// What is to be said of an image of floating-point numbers.
    fn real(&self, kind: FindingKind) -> Finding {
        match self.levels {
            Levels::Window(Window { low, high }) => Finding::note(
                kind,
                format!("images of floating-point numbers, read through the window {low} to {high}"),
            ),
            Levels::Undecided => Finding::note(
                kind,
                "images of floating-point numbers, which are read through a window that `dataset.intensity` gives",
            ),
            Levels::FullRange | Levels::Refused => Finding::error(
                kind,
                "images of floating-point numbers, and nothing says which of them are black and white",
            )
            .remedy(
                "set `dataset.intensity` to { kind = \"window\", low = 0.0, high = 1.0 }, or to the window that your \
                 images have",
            ),
        }
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
        if header.orientation != of_image.orientation {
            return Err(Finding::error(
                FindingKind::TurnedImage,
                "images that Exif says are turned or mirrored, with masks that do not say so",
            )
            .naming(self.name(image))
            .remedy(
                "if masks are drawn on images as viewers show them, write these anew, such as with `magick \
                 mogrify -auto-orient`; if on pixels as stored, remove the orientation, such as with \
                 `exiftool -Orientation= -overwrite_original`",
            ));
        }
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

    /// Notices images of 8 bits among images of more, by their names.
    pub(super) fn mixed<'h>(
        &self,
        headers: impl Iterator<Item = (String, &'h Header)>,
        findings: &mut Findings,
    ) {
        let (deep, flat): (Vec<_>, Vec<_>) = headers.partition(|(_, header)| header.mode.is_deep());
        // Without a window for all, those that give none of their own are refused.
        let refused = || deep.iter().any(|(_, header)| header.window.is_none());
        if deep.is_empty() || flat.is_empty() || (self.levels == Levels::Refused && refused()) {
            return;
        }
        let what = "images of 8 bits among images of 16, which no window touches";
        findings.push(
            Finding::warning(FindingKind::MixedDepth, what)
                .naming_all(flat.into_iter().map(|(name, _)| name)),
        );
    }

    /// A file that cannot be used, and why.
    pub(crate) fn unreadable(&self, path: &Path, complaint: &str) -> Finding {
        Finding::error(FindingKind::UnreadableFile, "files that cannot be used")
            .naming(format!("{}: {complaint}", self.name(path)))
    }
}

/// What is found about images that a trained network is given, which read their 16 bits through `levels`; what
/// cannot be used is reported where it is decoded.
pub fn image_findings(paths: &[PathBuf], levels: Levels) -> Findings {
    let look = Look { root: Path::new(""), limit: Limit::Image, levels };
    let mut findings = Findings::default();
    for path in paths {
        let header = look.image(path, &mut findings);
        let flat = header.is_some_and(|header| !header.mode.is_deep());
        if flat && levels.window().is_some() {
            let what = "images of 8 bits, given to a network whose images have a window of 16";
            findings.push(Finding::warning(FindingKind::MixedDepth, what).naming(look.name(path)));
        }
    }
    findings.into_iter().filter(|finding| !finding.is_error()).collect()
}

/// What is to be said of an image that is shown otherwise than stored.
fn turned(header: &Header) -> Option<Finding> {
    let what = "images that Exif says are turned or mirrored, used as viewers show them";
    header.is_turned().then(|| Finding::note(FindingKind::TurnedImage, what))
}
