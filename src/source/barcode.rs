//! TCGA barcodes in file names: slide, institution and patient.

use super::case::Case;
use crate::finding::{Finding, FindingKind};

/// The slide and the institution of a name with a TCGA barcode anywhere in it, in whatever case:
/// `TCGA-A2-A0D2-DX1` and `A2`.
pub(super) fn slide_of(name: &str) -> (Option<String>, Option<String>) {
    let name = name.to_ascii_uppercase();
    let begins = |at: usize| !name[..at].ends_with(|c: char| c.is_alphanumeric());
    let found = name.match_indices("TCGA-").filter(|&(at, _)| begins(at));
    found.map(|(at, _)| barcode(&name[at..])).find(|(slide, _)| slide.is_some()).unwrap_or_default()
}

/// The slide and the institution of a name that begins as a barcode does.
fn barcode(name: &str) -> (Option<String>, Option<String>) {
    let end = name.find(|c: char| c != '-' && !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    let fields: Vec<&str> = name[..end].trim_end_matches('-').split('-').collect();
    let [project, institution, patient, rest @ ..] = fields.as_slice() else { return (None, None) };
    let (2, Some(participant)) = (institution.len(), participant(patient)) else {
        return (None, None);
    };
    let last = rest.iter().position(|field| names_slide(field));
    let rest = &rest[..last.map_or(rest.len(), |last| last + 1)];
    let slide = [&[*project, *institution, participant], rest].concat().join("-");
    (Some(slide), Some(institution.to_string()))
}

/// The participant at the beginning of a field of a barcode: four letters or digits, whatever is glued to them.
fn participant(field: &str) -> Option<&str> {
    field.get(..4)
}

/// Whether a field of a barcode names a slide: `DX1` of a diagnostic one, `TS1`, `MS1` or `BS1` of a frozen one.
fn names_slide(field: &str) -> bool {
    let number = ["DX", "TS", "MS", "BS"].iter().find_map(|kind| field.strip_prefix(kind));
    number.is_some_and(|number| number.chars().next().is_some_and(|c| c.is_ascii_alphanumeric()))
}

/// A warning of tiles or ROIs (`things`) whose patient is unknown.
pub(super) fn unnamed(things: &str, cases: &[Case]) -> Option<Finding> {
    let strangers = cases.iter().filter(|case| case.patient().is_none());
    let mut names: Vec<&str> =
        strangers.map(|case| case.slide.as_deref().unwrap_or(&case.id)).collect();
    names.dedup();
    let what = format!(
        "{things} whose names tell no slide: nothing keeps those of one patient in one split"
    );
    let remedy = "name them after their slide, as BCSS does (`TCGA-A2-A0D2-DX1_..`), or give lists in which no \
                  patient is in two splits (`dataset.split.kind = \"file\"`)";
    let finding = Finding::warning(FindingKind::NoSlide, what).naming_all(names).remedy(remedy);
    (finding.count > 0).then_some(finding)
}
