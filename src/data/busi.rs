//! BUSI as published: class folders, each with images and their masks side by side.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::case::{Case, ImageSource, MaskSource};
use super::decode::Limit;
use super::files::{self, Entry, files_of, folders_of, image_stem};
use super::look::Look;
use super::open::Scan;
use crate::error::Result;
use crate::finding::{Finding, FindingKind, Findings};
use crate::spec::{BusiClass, MultiMask};

/// Every class folder.
pub const CLASSES: [BusiClass; 3] = [BusiClass::Benign, BusiClass::Malignant, BusiClass::Normal];

/// The folder of a class, which is also its label.
pub fn folder_of(class: BusiClass) -> &'static str {
    match class {
        BusiClass::Benign => "benign",
        BusiClass::Malignant => "malignant",
        BusiClass::Normal => "normal",
    }
}

/// An image and the masks that belong to it, by their numbers: 0 is `_mask.png`.
#[derive(Default)]
struct Found {
    image: Option<PathBuf>,
    masks: BTreeMap<u64, PathBuf>,
}

/// Finds the cases of some classes, reading names and headers only.
pub fn scan(root: &Path, classes: &[BusiClass], policy: MultiMask) -> Result<Scan> {
    files::check_root(root)?;
    let look = Look { root, limit: Limit::Image };
    let mut scan = Scan::default();
    for class in CLASSES.into_iter().filter(|class| classes.contains(class)) {
        let folder = root.join(folder_of(class));
        if !folder.is_dir() {
            scan.findings.push(missing_folder(root, folder_of(class)));
            continue;
        }
        let before = scan.findings.clone();
        let cases = scan_class(&look, &folder, class, policy, &mut scan.findings)?;
        if cases.is_empty() && scan.findings == before {
            scan.findings.push(
                Finding::error(FindingKind::MissingFolder, "no images in class folders")
                    .naming(folder_of(class)),
            );
        }
        scan.cases.extend(cases);
    }
    Ok(scan)
}

fn missing_folder(root: &Path, name: &str) -> Finding {
    let folders = folders_of(root).unwrap_or_default();
    let deeper = folders.iter().find(|entry| entry.path.join(name).is_dir());
    let there = match deeper {
        Some(entry) => format!("it is in `{}`: set `dataset.root` to that", entry.path.display()),
        None if folders.is_empty() => "the root has no folders at all".into(),
        None => {
            let names: Vec<_> = folders.iter().take(8).map(|entry| entry.name.as_str()).collect();
            format!("the root has {}", names.join(", "))
        }
    };
    Finding::error(FindingKind::MissingFolder, "class folders that are not there")
        .naming(format!("no folder `{name}`"))
        .remedy(format!("{there} (or leave the class out of `dataset.classes`)"))
}

fn scan_class(
    look: &Look,
    folder: &Path,
    class: BusiClass,
    policy: MultiMask,
    findings: &mut Findings,
) -> Result<Vec<Case>> {
    let label = folder_of(class);
    let mut candidates = Vec::new();
    for (stem, found) in gather(look, files_of(folder)?, findings) {
        let Some(image) = found.image else {
            findings.extend(found.masks.values().map(|mask| {
                Finding::error(FindingKind::MaskWithoutImage, "masks without their image")
                    .naming(look.name(mask))
            }));
            continue;
        };
        let masks: Vec<_> = found.masks.values().cloned().collect();
        let mask = match (masks.len(), policy) {
            (0, _) if class == BusiClass::Normal => {
                let what = "images without a mask file count as empty";
                findings.push(
                    Finding::note(FindingKind::CountsAsEmpty, what).naming(look.name(&image)),
                );
                MaskSource::Empty
            }
            (0, _) => {
                findings.push(without_mask(look, &image, format!("no `{stem}_mask.png`")));
                continue;
            }
            (2.., MultiMask::Drop) => {
                let what = "images with several masks are left out (`multi-mask = \"drop\"`)";
                findings
                    .push(Finding::note(FindingKind::SeveralMasks, what).naming(look.name(&image)));
                continue;
            }
            _ if !found.masks.contains_key(&0) => {
                let missing = format!("numbered masks but no `{stem}_mask.png`");
                findings.push(without_mask(look, &image, missing));
                continue;
            }
            (_, MultiMask::First) => MaskSource::Files(masks[..1].to_vec()),
            (_, MultiMask::Union | MultiMask::Drop) => MaskSource::Files(masks),
        };
        candidates.push((stem, image, mask));
    }
    let checked: Vec<_> = candidates
        .into_par_iter()
        .map(|(stem, image, mask)| check(look, label, &stem, image, mask))
        .collect();
    let mut cases = Vec::new();
    for (case, found) in checked {
        cases.extend(case);
        findings.extend(found);
    }
    Ok(cases)
}

fn without_mask(look: &Look, image: &Path, missing: String) -> Finding {
    Finding::error(FindingKind::ImageWithoutMask, "images without their mask")
        .naming(format!("{}: {missing}", look.name(image)))
}

/// Sorts the files of a class folder by the image they belong to, in natural order.
fn gather(look: &Look, files: Vec<Entry>, findings: &mut Findings) -> Vec<(String, Found)> {
    let mut order: Vec<(String, Found)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for Entry { path, name } in files {
        let Some(stem) = image_stem(&name) else {
            findings.push(files::not_read(look.root, &path, &name));
            continue;
        };
        let (owner, number) = split_mask_name(stem);
        let place = *places.entry(owner.to_string()).or_insert_with(|| {
            order.push((owner.to_string(), Found::default()));
            order.len() - 1
        });
        let found = &mut order[place].1;
        let twin = match number {
            None => found.image.replace(path.clone()),
            Some(number) => found.masks.insert(number, path.clone()),
        };
        if let Some(twin) = twin {
            findings.push(files::same_case(look.root, &path, &twin));
        }
    }
    order.sort_by(|a, b| files::natural_order(&a.0, &b.0));
    order
}

/// Whether the name of a file says that it is a mask, `_mask.png` or `_mask_2.png`, in any case.
pub fn is_mask_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    image_stem(&name).is_some_and(|stem| split_mask_name(stem).1.is_some())
}

/// `benign (1)_mask_2` into `benign (1)` and 2; an image has no number.
fn split_mask_name(stem: &str) -> (&str, Option<u64>) {
    if let Some(owner) = stem.strip_suffix("_mask") {
        return (owner, Some(0));
    }
    if let Some((owner, number)) = stem.rsplit_once("_mask_")
        && let Ok(number) = number.parse()
        && number > 0
    {
        return (owner, Some(number));
    }
    (stem, None)
}

/// Reads headers, and makes a case if nothing stands against it.
fn check(
    look: &Look,
    label: &str,
    stem: &str,
    image: PathBuf,
    mask: MaskSource,
) -> (Option<Case>, Findings) {
    let masks = match &mask {
        MaskSource::Files(masks) => masks.as_slice(),
        _ => &[],
    };
    let mut findings = Findings::default();
    let Some(header) = look.pair(&image, masks, &mut findings) else { return (None, findings) };
    let case = Case {
        id: format!("{label}/{stem}"),
        label: label.into(),
        slide: None,
        institution: None,
        folder: None,
        image: ImageSource::File(image),
        mask,
        width: header.width,
        height: header.height,
    };
    (Some(case), findings)
}

#[cfg(test)]
mod tests {
    use super::super::case::{Dataset, Labels};
    use super::super::sample::{save_bytes, save_image, save_mask, spec};
    use super::super::{decode, open, pixel_counts};
    use super::*;
    use crate::finding::Level;

    const ALL: &str = "kind = 'busi'\nroot = $";

    fn set(folder: &Path) {
        for (label, stem) in [("benign", "benign (1)"), ("malignant", "malignant (1)")] {
            let mask = folder.join(format!("{label}/{stem}_mask.png"));
            save_image(&folder.join(format!("{label}/{stem}.png")), 9, 5);
            save_mask(&mask, 9, 5, |x| 255 * u8::from(x < 3));
        }
        save_image(&folder.join("normal/normal (1).png"), 7, 4);
        save_mask(&folder.join("normal/normal (1)_mask.png"), 7, 4, |_| 0);
    }

    fn error_of(toml: &str, root: &Path) -> String {
        let error = open(&spec(toml, root)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn mask_names_give_their_image_and_number() {
        assert_eq!(split_mask_name("benign (1)"), ("benign (1)", None));
        assert_eq!(split_mask_name("benign (1)_mask"), ("benign (1)", Some(0)));
        assert_eq!(split_mask_name("benign (1)_mask_12"), ("benign (1)", Some(12)));
        assert_eq!(split_mask_name("face_mask_x"), ("face_mask_x", None));
    }

    fn count(dataset: &Dataset, of: impl Fn(&Case) -> bool) -> usize {
        dataset.cases.iter().filter(|case| of(case)).count()
    }

    #[test]
    fn the_real_half_of_busi_has_its_published_counts() {
        let Some(data) = crate::testing::shared() else { return };
        let root = data.join("Dataset_BUSI_with_GT");
        let dataset = open(&spec(ALL, &root)).unwrap();
        let labels = ["benign", "malignant", "normal"]
            .map(|label| count(&dataset, |case| case.label == label));
        assert_eq!(labels, [219, 105, 67]);
        let several =
            |case: &Case| matches!(&case.mask, MaskSource::Files(paths) if paths.len() > 1);
        assert_eq!(count(&dataset, several), 9);
        assert_eq!(dataset.cases[0].id, "benign/benign (1)");
        assert_eq!(dataset.cases[1].id, "benign/benign (3)");
        assert_eq!(dataset.labels, Labels::Binary { foreground: "lesion".into() });
        assert_eq!((dataset.cases[0].width, dataset.cases[0].height), (562, 471));
        assert!(dataset.findings.is_empty(), "{:?}", dataset.findings);

        let drop = open(&spec(&format!("{ALL}\nmulti-mask = 'drop'"), &root)).unwrap();
        assert_eq!(drop.cases.len(), 382);
        let first = open(&spec(&format!("{ALL}\nmulti-mask = 'first'"), &root)).unwrap();
        assert_eq!(count(&first, several), 0);
        let place = dataset.cases.iter().position(several).unwrap();
        let foreground = |set: &Dataset| pixel_counts(set, &[place]).unwrap()[1];
        assert!(foreground(&dataset) > foreground(&first));
    }

    #[test]
    fn classes_can_be_left_out() {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path());
        std::fs::remove_dir_all(folder.path().join("normal")).unwrap();
        let message = error_of(ALL, folder.path());
        assert!(message.contains("no folder `normal`"), "{message}");
        let toml = format!("{ALL}\nclasses = ['benign', 'malignant']");
        assert_eq!(open(&spec(&toml, folder.path())).unwrap().cases.len(), 2);
    }

    #[test]
    fn labels_are_the_union_of_all_masks() {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path());
        save_mask(&folder.path().join("benign/benign (1)_mask_1.png"), 9, 5, |x| u8::from(x == 8));
        let dataset = open(&spec(ALL, folder.path())).unwrap();
        let labels = decode(&dataset, &dataset.cases[0]).unwrap().labels.unwrap();
        assert_eq!(labels.as_raw()[..9], [1, 1, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(pixel_counts(&dataset, &[0, 2]).unwrap(), [25 + 28, 20]);
    }

    #[test]
    fn a_normal_image_without_a_mask_is_empty_and_noted() {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path());
        std::fs::remove_file(folder.path().join("normal/normal (1)_mask.png")).unwrap();
        let dataset = open(&spec(ALL, folder.path())).unwrap();
        assert_eq!(dataset.cases[2].mask, MaskSource::Empty);
        let lines: Vec<String> = dataset.findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            ["note: images without a mask file count as empty (normal/normal (1).png)"]
        );
        assert_eq!(pixel_counts(&dataset, &[2]).unwrap(), [28, 0]);
    }

    #[test]
    fn names_may_hold_spaces_parentheses_and_any_script() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("donn\u{e9}es (1)");
        set(&root);
        save_image(&root.join("benign/\u{4e73}\u{817a} (2).PNG"), 9, 5);
        save_mask(&root.join("benign/\u{4e73}\u{817a} (2)_mask.png"), 9, 5, |_| 255);
        let dataset = open(&spec(ALL, &root)).unwrap();
        assert_eq!(dataset.cases[1].id, "benign/\u{4e73}\u{817a} (2)");
        assert_eq!(pixel_counts(&dataset, &[1]).unwrap(), [0, 45]);
    }

    #[test]
    fn all_that_is_wrong_is_said_together() {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path());
        let benign = folder.path().join("benign");
        save_image(&benign.join("alone.png"), 9, 5);
        save_mask(&benign.join("orphan_mask.png"), 9, 5, |_| 0);
        save_mask(&benign.join("benign (1)_mask.png"), 10, 5, |_| 0);
        save_bytes(&benign.join("broken.png"), b"");
        save_mask(&benign.join("broken_mask.png"), 9, 5, |_| 0);
        save_image(&benign.join("numbered.png"), 9, 5);
        save_mask(&benign.join("numbered_mask_1.png"), 9, 5, |_| 0);
        let message = error_of(ALL, folder.path());
        assert!(message.contains(": 4 kinds of problems:"), "{message}");
        for part in [
            "images without their mask (2: benign/alone.png: no `alone_mask.png`; \
             benign/numbered.png: numbered masks but no `numbered_mask.png`)",
            "masks without their image (benign/orphan_mask.png)",
            "benign (1)_mask.png: a mask of 10x5 for an image of 9x5 (",
            "broken.png: the file is empty (0 bytes)",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }

    #[test]
    fn files_that_are_not_read_are_findings_and_two_files_for_a_case_an_error() {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path());
        save_bytes(&folder.path().join("benign/scan.tif"), b"II");
        save_bytes(&folder.path().join("benign/read me.txt"), b"hello");
        save_bytes(&folder.path().join("benign/Thumbs.db"), b"x");
        let dataset = open(&spec(ALL, folder.path())).unwrap();
        let levels: Vec<_> = dataset.findings.iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Warning, Level::Note]);
        save_image(&folder.path().join("benign/benign (1).jpg"), 9, 5);
        let message = error_of(ALL, folder.path());
        assert!(message.contains("stand for the same case as another"), "{message}");
    }

    #[test]
    fn a_root_one_level_too_high_is_put_right() {
        let folder = tempfile::tempdir().unwrap();
        set(&folder.path().join("Dataset_BUSI_with_GT"));
        let message = error_of(ALL, folder.path());
        assert!(message.contains("Dataset_BUSI_with_GT`: set `dataset.root` to that"), "{message}");
    }

    #[test]
    fn an_empty_class_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path());
        std::fs::remove_dir_all(folder.path().join("malignant")).unwrap();
        std::fs::create_dir(folder.path().join("malignant")).unwrap();
        let message = error_of(ALL, folder.path());
        assert!(message.contains("no images in class folders (malignant)"), "{message}");
    }
}
