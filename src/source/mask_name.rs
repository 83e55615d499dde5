//! Pictures whose names say that they are masks.

use std::collections::BTreeSet;

use crate::finding::{Finding, FindingKind, Findings};

/// Finds pictures whose names suggest masks in a form that is not read, and which would count as images: each with its
/// stem and the name that findings give it.
pub(super) fn like_masks(images: &[(&str, String)], remedy: &str) -> Findings {
    let mut findings = Findings::default();
    let stems: BTreeSet<&str> = images.iter().map(|(stem, _)| *stem).collect();
    for (stem, name) in images {
        let owner = |at: usize| stem.get(..at).is_some_and(|owner| stems.contains(owner));
        let beside = stem
            .match_indices(['_', '-', ' ', '.'])
            .any(|(at, _)| owner(at) && sounds_like_mask(&stem[at + 1..]));
        if beside {
            findings.push(
                Finding::error(
                    FindingKind::MaskName,
                    "pictures beside an image that sound like its mask and would count as images",
                )
                .naming(name)
                .remedy(remedy),
            );
        } else if stem.to_lowercase().contains("mask") {
            let what = "pictures that sound like masks and count as images";
            findings.push(Finding::warning(FindingKind::MaskName, what).naming(name));
        }
    }
    findings
}

/// Whether what follows an image's name, or the name of a folder, says that it is a mask.
pub(crate) fn sounds_like_mask(text: &str) -> bool {
    let text = text.to_lowercase();
    let words = ["mask", "gt", "seg", "label", "annot", "truth", "lesion", "roi", "contour"];
    words.iter().any(|word| text.contains(word))
}
