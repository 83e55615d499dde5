//! Classes of pixels that a split lacks, so that its figures of them say nothing.

use super::dataset::Dataset;
use super::split::Split;
use crate::finding::{Finding, FindingKind};
use crate::source::Labels;
use crate::split_name::SplitName;

/// Pixels of each label in a split; `None` where those of a case are not counted.
fn label_pixels(dataset: &Dataset, split: &Split, part: SplitName) -> Option<Vec<u64>> {
    let mut total = vec![0; dataset.labels.values()];
    for &case in split.part(part) {
        let counts = dataset.label_pixels.get(case).filter(|counts| !counts.is_empty())?;
        total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
    }
    Some(total)
}

/// Whether a split has cases and no pixel of the one foreground.
pub fn lacks_foreground(dataset: &Dataset, split: &Split, part: SplitName) -> bool {
    let binary = matches!(dataset.labels, Labels::Binary { .. });
    binary
        && !split.part(part).is_empty()
        && label_pixels(dataset, split, part).is_some_and(|counts| counts[1] == 0)
}

/// What is to be said of a division in which a split lacks what is scored, or training what the others have.
pub fn unscored(dataset: &Dataset, split: &Split) -> Vec<Finding> {
    let mut findings = Vec::new();
    for part in SplitName::ALL {
        if let (true, Labels::Binary { foreground }) =
            (lacks_foreground(dataset, split, part), &dataset.labels)
        {
            let what = "splits without one pixel of the foreground, so that their figures of it have no value";
            let name = format!("{part}: {} cases without {foreground}", split.part(part).len());
            findings.push(
                Finding::warning(FindingKind::UnscoredSplit, what)
                    .naming(name)
                    .remedy("divide the cases otherwise, or look at their masks"),
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
        let absent = (0..names.len()).filter(|&class| trained[class] == 0 && counts[class] > 0);
        found.extend(absent.map(|class| {
            format!("{}: {} pixels in {part}, none in train", names[class], counts[class])
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
    use super::super::{open, unsearched};
    use super::*;
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
}
