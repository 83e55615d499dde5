//! Classes of pixels that a split lacks, so that its figures of them say nothing.

use super::dataset::Dataset;
use super::split::Split;
use crate::finding::{Finding, FindingKind};
use crate::source::{BothSizes, Labels};
use crate::split_name::SplitName;

/// Pixels of each label in a split; `None` where those of a case are not counted.
fn label_pixels(dataset: &Dataset, split: &Split, part: SplitName) -> Option<BothSizes<Vec<u64>>> {
    let mut total = BothSizes::default().map(|()| vec![0; dataset.labels.values()]);
    for &case in split.part(part) {
        let counts = dataset.label_pixels.get(case).filter(|counts| !counts.own.is_empty())?;
        let add = |total: &mut Vec<u64>, of: &[u64]| {
            total.iter_mut().zip(of).for_each(|(total, count)| *total += count);
        };
        add(&mut total.own, &counts.own);
        add(&mut total.network, &counts.network);
    }
    Some(total)
}

/// Why a split has no pixel of a foreground or class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// No mask has one.
    Masks,
    /// Masks have some, and none is left at the network's size.
    Resized,
}

impl Lack {
    fn of(counts: &BothSizes<Vec<u64>>, label: usize) -> Option<Self> {
        match (counts.own[label], counts.network[label]) {
            (0, _) => Some(Self::Masks),
            (_, 0) => Some(Self::Resized),
            _ => None,
        }
    }

    /// Where there is none, in words.
    pub fn place(self) -> &'static str {
        match self {
            Self::Masks => "",
            Self::Resized => " at the network's size",
        }
    }

    /// What a person can do.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Masks => "divide the cases otherwise (`dataset.split`), or look at their masks",
            Self::Resized => "raise `dataset.image-size`, at which their masks lose all of it",
        }
    }
}

/// Why a split that has cases has no pixel of the one foreground at the size at which the network learns and is
/// validated; `None` where it has.
pub fn lacks_foreground(dataset: &Dataset, split: &Split, part: SplitName) -> Option<Lack> {
    if !matches!(dataset.labels, Labels::Binary { .. }) || split.part(part).is_empty() {
        return None;
    }
    Lack::of(&label_pixels(dataset, split, part)?, 1)
}

/// What is to be said of a division in which a split lacks what is scored, or training what the others have.
pub fn unscored(dataset: &Dataset, split: &Split) -> Vec<Finding> {
    let mut findings = Vec::new();
    for part in SplitName::ALL {
        if let (Some(lack), Labels::Binary { foreground }) =
            (lacks_foreground(dataset, split, part), &dataset.labels)
        {
            let what = "splits without one pixel of the foreground, so that their figures of it have no value";
            let cases = split.part(part).len();
            let name = format!("{part}: {cases} cases without {foreground}{}", lack.place());
            findings.push(
                Finding::warning(FindingKind::UnscoredSplit, what)
                    .naming(name)
                    .remedy(lack.remedy()),
            );
        }
    }
    findings.extend(untrained(dataset, split));
    findings
}

/// Classes that have pixels in validation or test and none in training.
fn untrained(dataset: &Dataset, split: &Split) -> Option<Finding> {
    let Labels::Classes { names } = &dataset.labels else { return None };
    let trained = label_pixels(dataset, split, SplitName::Train)?;
    let mut found = Vec::new();
    for part in [SplitName::Valid, SplitName::Test] {
        let Some(counts) = label_pixels(dataset, split, part) else { continue };
        found.extend((0..names.len()).filter(|&class| counts.own[class] > 0).filter_map(|class| {
            let place = Lack::of(&trained, class)?.place();
            let (name, pixels) = (&names[class], counts.own[class]);
            Some(format!("{name}: {pixels} pixels in {part}, none in train{place}"))
        }));
    }
    let what = "classes that training has not one pixel of, and that cannot be learned";
    let remedy =
        "divide the cases otherwise, or merge or leave out the classes in `dataset.classes`";
    let finding = Finding::warning(FindingKind::UntrainedClass, what).naming_all(found);
    (finding.count > 0).then(|| finding.remedy(remedy))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{open, unsearched};
    use super::*;
    use crate::error::Result;
    use crate::source::sample::{save_image, save_mask, spec};
    use crate::spec::{ByFolderSpec, SplitSpec};

    #[test]
    fn a_class_that_training_lacks_is_named_with_its_pixels() {
        let folder = tempfile::tempdir().unwrap();
        for (part, codes) in [("train", [1, 2]), ("val", [2, 4])] {
            let name = format!("TCGA-A2-A0D2-DX1_{part}.png");
            save_image(&folder.path().join(part).join(&name), 8, 8);
            let mask = folder.path().join(format!("{part}_mask")).join(&name);
            save_mask(&mask, 8, 8, |x| codes[usize::from(x > 2)]);
        }
        let toml = "kind = 'bcss'\nroot = $\nimage-size = 8\nclasses = { kind = 'raw' }";
        let dataset = open(&spec(toml, folder.path())).unwrap();
        let by_folder = SplitSpec::ByFolder(ByFolderSpec {});
        let split = super::super::split(&by_folder, &dataset, &unsearched(&dataset)).unwrap();
        let found = unscored(&dataset, &split);
        assert_eq!(found.len(), 1, "{found:?}");
        let (name, count) = (&found[0].names, found[0].count);
        assert!(count == 1 && name[0].ends_with(": 40 pixels in valid, none in train"), "{name:?}");
    }

    /// Cases in training and validation, none in test.
    fn divided(train: &[usize], valid: &[usize]) -> Split {
        Split {
            train: train.to_vec(),
            valid: valid.to_vec(),
            test: Vec::new(),
            left_out: Vec::new(),
            left_out_why: String::new(),
            groups: Vec::new(),
            fold: None,
            listed: Vec::new(),
        }
    }

    #[test]
    fn a_class_that_tiles_of_rois_have_in_validation_alone_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (stem, codes) in [("TCGA-A2-A0D0-DX1", [1, 2]), ("TCGA-A2-A0D1-DX1", [2, 4])] {
            save_image(&folder.path().join(format!("images/{stem}.png")), 8, 8);
            let mask = folder.path().join(format!("masks/{stem}.png"));
            save_mask(&mask, 8, 8, |x| codes[usize::from(x > 2)]);
        }
        let toml = "kind = 'bcss'\nroot = $\nimage-size = 8\nclasses = { kind = 'raw' }\nlayout.kind = 'rois'";
        let dataset = open(&spec(toml, folder.path())).unwrap();
        let found = unscored(&dataset, &divided(&[0], &[1]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].names[0].ends_with(": 40 pixels in valid, none in train"), "{found:?}");
    }

    /// BUSI of images with lesions of these widths in 64 columns, seen at 8: each network pixel is that of a column
    /// that is 4 above a multiple of 8.
    fn lesions(folder: &Path, widths: &[u32]) -> Result<Dataset> {
        for (case, &width) in widths.iter().enumerate() {
            save_image(&folder.join(format!("benign/{case}.png")), 64, 64);
            let mask = folder.join(format!("benign/{case}_mask.png"));
            save_mask(&mask, 64, 64, |x| 255 * u8::from((9..9 + width).contains(&x)));
        }
        open(&spec("kind = 'busi'\nroot = $\nimage-size = 8\nclasses = ['benign']", folder))
    }

    #[test]
    fn lesions_that_vanish_at_the_networks_size_are_named_and_lack_in_their_split() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = lesions(folder.path(), &[2, 3, 20]).unwrap();
        let found: Vec<String> = dataset.findings.iter().map(ToString::to_string).collect();
        let expected = "warning: lesions of which `dataset.image-size` 8 leaves no pixel (2: benign/0: 128 pixels of \
                        64x64; benign/1: 192 pixels of 64x64): raise `dataset.image-size`, or cut the images to tiles";
        assert!(found.iter().any(|line| line == expected), "{found:?}");
        let split = divided(&[0, 1], &[2]);
        assert_eq!(lacks_foreground(&dataset, &split, SplitName::Train), Some(Lack::Resized));
        assert_eq!(lacks_foreground(&dataset, &split, SplitName::Valid), None);
        let found = unscored(&dataset, &split);
        let expected = "train: 2 cases without lesion at the network's size";
        assert!(found.len() == 1 && found[0].names == [expected], "{found:?}");
    }

    #[test]
    fn nothing_is_trained_where_all_lesions_vanish() {
        let folder = tempfile::tempdir().unwrap();
        let error = lesions(folder.path(), &[2, 3]).unwrap_err();
        assert!(error.to_string().contains("leaves no pixel (2: benign/0"), "{error}");
    }

    #[test]
    fn lesions_of_several_masks_are_resized_together() {
        let folder = tempfile::tempdir().unwrap();
        let second = folder.path().join("benign/0_mask_1.png");
        save_mask(&second, 64, 64, |x| 255 * u8::from(x == 12));
        let dataset = lesions(folder.path(), &[2, 20]).unwrap();
        let of_lesion = dataset.label_pixels[0].map(|pixels| pixels[1]);
        assert_eq!((of_lesion.own, of_lesion.network), (3 * 64, 8));
    }
}
