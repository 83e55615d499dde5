//! Near-duplicates among the cases of a data set, kept on disk until a file changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Found, Pair, Thumbnails, near, search, thumbnail};
use crate::data::dataset::Dataset;
use crate::data::open::decode_pixels;
use crate::digest::Hasher;
use crate::error::Result;
use crate::finding::{Finding, FindingKind};
use crate::progress::Counting;
use crate::source::picture_values::PictureValues;
use crate::source::{Case, kept};

/// Cases whose thumbnails are made before they are put with the others.
const AT_ONCE: usize = 1024;

/// Near-duplicates among a data set's cases; numbers are indices into them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Duplicates {
    /// Whether images were looked at: phantoms are not, for each is drawn on its own.
    pub sought: bool,
    /// What was found.
    pub found: Found,
}

/// Looks for near-duplicates among the images of a data set. The result is kept for the next time.
///
/// # Errors
/// An image that cannot be decoded.
pub fn find_duplicates(dataset: &Dataset) -> Result<Duplicates> {
    let files: BTreeSet<&Path> =
        dataset.cases.iter().filter_map(|case| case.image.file()).collect();
    if files.is_empty() {
        return Ok(unsearched(dataset));
    }
    let files: Vec<&Path> = files.into_iter().collect();
    kept(&knowledge(dataset), &files, || {
        let (mut thumbnails, mut digests) = (Thumbnails::new(), Vec::new());
        let counting = Counting::of("looking at images", dataset.cases.len());
        for cases in dataset.cases.chunks(AT_ONCE) {
            let looked = cases
                .par_iter()
                .map(|case| {
                    counting.add(1);
                    let image = decode_pixels(dataset, case)?;
                    Ok((thumbnail(&image)?, PictureValues::of(&image, false, None).digest))
                })
                .collect::<Result<Vec<_>>>()?;
            let (more, of_these): (Vec<_>, Vec<_>) = looked.into_iter().unzip();
            thumbnails.extend(more)?;
            digests.extend(of_these);
        }
        drop(counting);
        Ok(Duplicates { sought: true, found: search(&thumbnails, Some(&digests))? })
    })
}

/// For each case of a data set the cases of another whose images show the same, copies altered as [`find_duplicates`]
/// finds them. Phantoms and images that cannot be decoded are like none.
///
/// # Errors
/// If thumbnails cannot be kept.
pub fn near_cases(dataset: &Dataset, other: &Dataset) -> Result<Vec<Vec<usize>>> {
    let mut thumbnails = Thumbnails::new();
    let mut looked = |dataset: &Dataset| -> Result<Vec<usize>> {
        let mut indices = Vec::new();
        for (number, cases) in dataset.cases.chunks(AT_ONCE).enumerate() {
            let one = |(index, case): (usize, &Case)| {
                case.image.file()?;
                let image = decode_pixels(dataset, case).ok()?;
                Some((number * AT_ONCE + index, thumbnail(&image).ok()?))
            };
            let (these, more): (Vec<_>, Vec<_>) =
                cases.par_iter().enumerate().filter_map(one).unzip();
            indices.extend(these);
            thumbnails.extend(more)?;
        }
        Ok(indices)
    };
    let (numbers, indices) = (looked(other)?, looked(dataset)?);
    let mut found = vec![Vec::new(); dataset.cases.len()];
    for (index, alike) in indices.into_iter().zip(near(&thumbnails, numbers.len())?) {
        found[index] = alike.into_iter().map(|number| numbers[number]).collect();
    }
    Ok(found)
}

/// What the answer depends on beside the files: which part of which of them each case is, and how it is read.
fn knowledge(dataset: &Dataset) -> String {
    let mut asked = Hasher::new(b"near-duplicates");
    asked.text(&format!("{:?}", dataset.levels.window()));
    for case in &dataset.cases {
        asked.text(&format!("{:?} {}x{}", case.image, case.width, case.height));
    }
    asked.finish()
}

/// Every image on its own, as near-duplicates were not searched.
pub fn unsearched(dataset: &Dataset) -> Duplicates {
    let clusters = (0..dataset.cases.len()).collect();
    let found = Found { pairs: Vec::new(), borderline: Vec::new(), clusters };
    Duplicates { sought: false, found }
}

impl Duplicates {
    /// The cluster that each case is in, named for the first case of it.
    pub fn groups(&self, dataset: &Dataset) -> Vec<String> {
        self.found.clusters.iter().map(|&first| dataset.cases[first].id.clone()).collect()
    }

    /// Clusters of more than one image, by the first of each.
    pub fn clusters(&self) -> Vec<Vec<usize>> {
        let mut clusters: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (case, &first) in self.found.clusters.iter().enumerate() {
            clusters.entry(first).or_default().push(case);
        }
        clusters.into_values().filter(|cases| cases.len() > 1).collect()
    }

    /// Clusters whose images have several labels.
    pub fn conflicting(&self, dataset: &Dataset) -> Vec<Vec<usize>> {
        let label = |case: usize| &dataset.cases[case].label;
        let differ = |cases: &Vec<usize>| cases.iter().any(|&case| label(case) != label(cases[0]));
        self.clusters().into_iter().filter(differ).collect()
    }

    /// What a reader should know of them, whatever the division.
    pub fn findings(&self, dataset: &Dataset) -> Vec<Finding> {
        if !self.sought {
            return Vec::new();
        }
        let id = |case: usize| dataset.cases[case].id.as_str();
        let clusters = self.clusters();
        let images: usize = clusters.iter().map(Vec::len).sum();
        let what = match clusters.len() {
            0 => "near-duplicate images were looked for, and there is none".to_string(),
            1 => format!("{images} images are near-duplicates of one another"),
            count => format!("{images} images are near-duplicates of others, in {count} clusters"),
        };
        let mut findings = vec![Finding::note(FindingKind::Duplicates, what)];
        let conflicting = self.conflicting(dataset);
        if !conflicting.is_empty() {
            let names = conflicting.iter().map(|cluster| {
                let names: Vec<&str> = cluster.iter().map(|&case| id(case)).collect();
                names.join(" = ")
            });
            findings.push(
                Finding::warning(
                    FindingKind::ConflictingLabels,
                    "one picture under several labels",
                )
                .naming_all(names)
                .remedy("look at them with `oncospec data dedup` and leave out what is wrong"),
            );
        }
        if !self.found.borderline.is_empty() {
            let name = |pair: &Pair| {
                format!("{} / {} ({:.2})", id(pair.first), id(pair.second), pair.correlation)
            };
            findings.push(
                Finding::note(
                    FindingKind::AlikeImages,
                    "pairs of images that may be one, and count as two",
                )
                .naming_all(self.found.borderline.iter().map(name))
                .remedy("look at them with `oncospec data dedup`"),
            );
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Alteration, scene};
    use super::*;
    use crate::data::{Window, open};
    use crate::source::sample::{save_mask, spec};

    #[test]
    fn a_picture_under_two_labels_is_said_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let original = scene(1, 120, 100);
        let copy = Alteration { mirrored: true, cut: [4, 0, 3, 2], ..Alteration::NONE };
        let images = [
            ("benign/a", original.clone()),
            ("malignant/b", copy.apply(&original)),
            ("normal/c", scene(2, 120, 100)),
        ];
        for (stem, image) in images {
            let path = folder.path().join(format!("{stem}.png"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            image.save(path).unwrap();
            let mask = folder.path().join(format!("{stem}_mask.png"));
            save_mask(&mask, image.width(), image.height(), |x| u8::from(x == 3));
        }
        let dataset = open(&spec("kind = 'busi'\nroot = $", folder.path())).unwrap();
        let duplicates = find_duplicates(&dataset).unwrap();
        assert_eq!(duplicates.groups(&dataset), ["benign/a", "benign/a", "normal/c"]);
        let lines: Vec<String> =
            duplicates.findings(&dataset).iter().map(ToString::to_string).collect();
        assert_eq!(lines[0], "note: 2 images are near-duplicates of one another");
        let expected = "warning: one picture under several labels (benign/a = malignant/b)";
        assert!(lines[1].starts_with(expected), "{lines:?}");
    }

    #[test]
    fn images_read_through_another_window_are_looked_at_again() {
        let mut dataset = open(&spec("kind = 'phantom'\ncases = 2", Path::new("."))).unwrap();
        let mut asked = vec![knowledge(&dataset)];
        for high in [4095.0, 65535.0] {
            dataset.decide_levels(Some(Window { low: 0.0, high })).unwrap();
            asked.push(knowledge(&dataset));
        }
        dataset.cases[0].width += 1;
        asked.push(knowledge(&dataset));
        let different: BTreeSet<&String> = asked.iter().collect();
        assert_eq!(different.len(), asked.len());
    }

    #[test]
    fn phantoms_are_not_looked_at() {
        let spec = spec("kind = 'phantom'\ncases = 6", Path::new("."));
        let dataset = open(&spec).unwrap();
        let duplicates = find_duplicates(&dataset).unwrap();
        assert!(!duplicates.sought && duplicates.findings(&dataset).is_empty());
        assert_eq!(duplicates.found.clusters, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn the_pairs_of_busi_that_were_missed_are_found_and_no_tile_of_bcss_is() {
        let Some(data) = crate::testing::shared() else { return };
        let dataset = |toml: &str, folder: &str| open(&spec(toml, &data.join(folder))).unwrap();
        let busi = dataset("kind = 'busi'\nroot = $", "Dataset_BUSI_with_GT");
        let groups = find_duplicates(&busi).unwrap().groups(&busi);
        let group = |id: &str| {
            let place = busi.cases.iter().position(|case| case.id == id).unwrap();
            &groups[place]
        };
        for (one, other) in [
            ("malignant/malignant (109)", "malignant/malignant (13)"),
            ("normal/normal (129)", "normal/normal (35)"),
            ("normal/normal (123)", "normal/normal (29)"),
            ("normal/normal (43)", "normal/normal (53)"),
            ("benign/benign (333)", "malignant/malignant (77)"),
        ] {
            assert_eq!(group(one), group(other), "{one} and {other}");
        }
        let tiles = dataset("kind = 'bcss'\nroot = $\nimage-size = 224", "BCSS_22");
        let found = find_duplicates(&tiles).unwrap();
        assert_eq!((found.clusters().len(), found.found.borderline.len()), (0, 0));
    }
}
