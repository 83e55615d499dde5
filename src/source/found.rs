//! Images that were found with what belongs to them, by a pattern or in a table, and the cases that they become.

use std::path::PathBuf;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::barcode::slide_of;
use super::case::{Case, ImageSource, MaskSource, Metadata};
use super::codes::Codes;
use super::foreground::ForegroundSpec;
use super::header::Header;
use super::layers::survey_layers;
use super::look::Look;
use super::masks::{judge_lesions, survey_cases};
use super::pictures::{MaskReading, judge_pictures};
use super::pixels::PixelsSpec;
use super::reader::{Masks, Opening};
use super::scan::Scan;
use crate::error::Result;
use crate::finding::{Finding, FindingKind, Findings};
use crate::progress::Counting;
use crate::split_name::SplitName;

/// What becomes of an image without a mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutMask {
    /// The data set is refused, and the images are named.
    #[default]
    Refuse,
    /// No pixel of it is foreground (of `values`, all have the value 0).
    Empty,
    /// It is in no split and in no figure; `oncospec predict` makes a mask of it.
    Unlabelled,
}

/// An image that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub id: String,
    pub label: String,
    pub group: Option<String>,
    pub split: Option<SplitName>,
    pub metadata: Metadata,
    pub image: PathBuf,
    /// Its masks; of layers each with the code of its class.
    pub masks: Vec<(PathBuf, u8)>,
    /// What would be its mask, where it has none.
    pub lacks: String,
}

/// How what was found is read.
pub(super) struct Reading<'a> {
    pub look: Look<'a>,
    pub opening: &'a Opening,
    pub pixels: &'a PixelsSpec,
    pub foreground: &'a ForegroundSpec,
    pub without_mask: WithoutMask,
}

impl Reading<'_> {
    /// Makes cases, of which headers, masks and pictures are judged.
    ///
    /// # Errors
    /// The user's, if the classes are declared wrongly.
    pub(super) fn cases(&self, found: Vec<Found>, findings: Findings) -> Result<Scan> {
        let mut scan = Scan { findings, ..Scan::default() };
        let counting = Counting::of("reading headers", found.len());
        let of_case = |found| {
            counting.add(1);
            self.case(found)
        };
        let checked: Vec<_> = found.into_par_iter().map(of_case).collect();
        drop(counting);
        let mut headers = Vec::new();
        for (case, findings) in checked {
            scan.findings.extend(findings);
            let Some((case, header)) = case else { continue };
            headers.push((case.id.clone(), header));
            match (&case.mask, self.opening.masks) {
                (MaskSource::Unlabelled, Masks::Read) => scan.unlabelled.push(case),
                _ => scan.cases.push(case),
            }
        }
        self.look
            .mixed(headers.iter().map(|(id, header)| (id.clone(), header)), &mut scan.findings);
        scan.findings.extend(without_masks(&scan));
        scan.findings.extend(self.alone(&scan));
        self.judge(&mut scan)?;
        Ok(scan)
    }

    /// Reads headers, and makes a case if nothing stands against it.
    fn case(&self, found: Found) -> (Option<(Case, Header)>, Findings) {
        let mut findings = Findings::default();
        let name = self.look.name(&found.image);
        let mask = match self.opening.masks {
            Masks::Ignored => MaskSource::Unlabelled,
            Masks::Read if !found.masks.is_empty() => {
                let (files, codes) = found.masks.into_iter().unzip();
                match self.pixels {
                    PixelsSpec::Foreground(_) => MaskSource::Files(files),
                    PixelsSpec::Values(_) if files.len() > 1 => {
                        let what = "images with several masks, of which each pixel would have several values";
                        let finding = Finding::error(FindingKind::SeveralMasks, what).naming(name);
                        findings.push(finding.remedy(
                            "keep one, or set `dataset.pixels.kind` to \"foreground\" (their union counts) or \
                             \"layers\" (a mask for each class)",
                        ));
                        return (None, findings);
                    }
                    PixelsSpec::Values(_) => MaskSource::Files(files),
                    PixelsSpec::Layers(_) => MaskSource::Layers { files, codes },
                }
            }
            Masks::Read => match self.without_mask {
                WithoutMask::Empty => {
                    let what = "images without a mask file count as empty";
                    findings.push(Finding::note(FindingKind::CountsAsEmpty, what).naming(name));
                    MaskSource::Empty
                }
                WithoutMask::Unlabelled => MaskSource::Unlabelled,
                WithoutMask::Refuse => {
                    let what = "images without their mask";
                    findings.push(
                        Finding::error(FindingKind::ImageWithoutMask, what)
                            .naming(format!("{name}: {}", found.lacks))
                            .remedy(
                                "if they have nothing to be outlined, set `dataset.without-mask = \"empty\"`; if nobody \
                                 has outlined it yet, \"unlabelled\"",
                            ),
                    );
                    return (None, findings);
                }
            },
        };
        let Some(header) = self.look.pair(&found.image, mask.files(), &mut findings) else {
            return (None, findings);
        };
        let stem = found.id.rsplit('/').next().unwrap_or(&found.id);
        let (slide, institution) = slide_of(stem);
        let case = Case {
            label: found.label,
            slide,
            institution,
            group: found.group,
            folder: found.split,
            metadata: found.metadata,
            image: ImageSource::File(found.image),
            mask,
            width: header.width,
            height: header.height,
            id: found.id,
        };
        (Some((case, header)), findings)
    }

    /// Says that nothing keeps the cases of a patient together, where the division asks for what is known.
    fn alone(&self, scan: &Scan) -> Option<Finding> {
        let known = scan.cases.iter().any(|case| case.known_group().is_some());
        (self.opening.grouped_by_names && !known && !scan.cases.is_empty()).then(|| {
            let what = "nothing says which images are of one patient, so that each stands alone and one patient may be in \
                        several splits";
            Finding::note(FindingKind::NoSlide, what)
                .remedy("if a patient has several images, say by `dataset.group` what tells them")
        })
    }

    fn judge(&self, scan: &mut Scan) -> Result<()> {
        if scan.has_errors() {
            return Ok(());
        }
        let reading = match self.pixels {
            PixelsSpec::Values(_) => MaskReading::Codes,
            PixelsSpec::Foreground(_) | PixelsSpec::Layers(_) => {
                MaskReading::Lesions(self.foreground)
            }
        };
        scan.findings.extend(judge_pictures(&self.look, &scan.cases, reading));
        if self.opening.masks == Masks::Ignored || scan.has_errors() {
            return Ok(());
        }
        let frame = self.opening.resized();
        match self.pixels {
            PixelsSpec::Values(_) => {
                let codes_of = survey_cases(&self.look, scan, frame);
                let (_, codes) = self.pixels.classes()?;
                let unknown = codes_of.iter().filter_map(|(mask, found)| {
                    let unknown = codes.unknown_of(&found.own);
                    let name = || format!("{}: {}", self.look.name(mask), codes.unknown(&unknown));
                    (!unknown.is_empty()).then(name)
                });
                let finding =
                    Finding::error(FindingKind::UnknownCodes, UNKNOWN).naming_all(unknown);
                scan.findings.extend((finding.count > 0).then(|| {
                    finding.remedy(
                        "add them to a class or to `dataset.pixels.ignore`, or set `dataset.pixels.rest = \"ignore\"`",
                    )
                }));
                scan.findings.extend(self.empty_value(scan, &codes));
            }
            PixelsSpec::Foreground(_) | PixelsSpec::Layers(_) => {
                let layered = matches!(self.pixels, PixelsSpec::Layers(_));
                let lesions = judge_lesions(&self.look, &scan.cases, self.foreground, frame);
                // Classes may fill an image together.
                let of_one = [FindingKind::MostlyLesion, FindingKind::LesionAround];
                let findings = lesions.findings.into_iter();
                scan.findings
                    .extend(findings.filter(|found| !(layered && of_one.contains(&found.kind))));
                if !layered {
                    scan.lesions = lesions.pixels;
                } else if !scan.has_errors() {
                    scan.codes = survey_layers(&scan.cases, self.foreground, frame)?;
                }
            }
        }
        Ok(())
    }

    /// Refuses images without a mask that count as empty where 0 is no class.
    fn empty_value(&self, scan: &Scan, codes: &Codes) -> Option<Finding> {
        let empty = scan.cases.iter().filter(|case| case.mask == MaskSource::Empty);
        let what = "images without a mask whose pixels would have the value 0, which no class has";
        let finding = Finding::error(FindingKind::CodeSet, what)
            .naming_all(empty.map(|case| case.id.clone()));
        (codes.label(0).is_none() && finding.count > 0).then(|| {
            finding.remedy("add 0 to a class, or set `dataset.without-mask` to \"unlabelled\"")
        })
    }
}

/// What is said of masks that hold values of no class.
const UNKNOWN: &str = "masks with values that no class has";

fn without_masks(scan: &Scan) -> Option<Finding> {
    let what = "images without a mask, which are in no split and in no figure";
    let finding = Finding::note(FindingKind::Unlabelled, what)
        .naming_all(scan.unlabelled.iter().map(|case| case.id.clone()));
    (finding.count > 0).then(|| finding.remedy("`oncospec predict` makes masks of them"))
}
