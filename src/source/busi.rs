//! BUSI as published: class folders, each with images and their masks side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::case::{Case, ImageSource, MaskSource};
use super::codes::Codes;
use super::files::{self, Entry, files_of, folders_of, image_stem};
use super::foreground::ForegroundSpec;
use super::header::{Header, Limit};
use super::labels::Labels;
use super::layout::{Contents, Layout};
use super::levels::Levels;
use super::look::Look;
use super::mask_name::like_masks;
use super::masks::judge_lesions;
use super::pictures::{MaskReading, judge_pictures};
use super::reader::{Masks, Opening, Source, lesions};
use super::scan::Scan;
use super::tree;
use super::two_folders::images_and_masks;
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind, Findings};
use crate::role::Role;

/// BUSI: `benign/`, `malignant/` and `normal/`, each with `<name>.png` and `<name>_mask*.png`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BusiSpec {
    /// Folder that holds the class folders, relative to this file.
    #[schemars(extend("x-path" = true, "x-role" = Role::Instance))]
    pub root: String,
    /// Which pixels of a mask are lesion.
    #[serde(default)]
    pub foreground: ForegroundSpec,
    /// What to do with an image that has several masks.
    #[serde(default)]
    pub multi_mask: MultiMask,
    /// Which class folders to use.
    #[serde(default = "default_busi_classes")]
    #[schemars(length(min = 1, max = 3))]
    pub classes: Vec<BusiClass>,
}

fn default_busi_classes() -> Vec<BusiClass> {
    vec![BusiClass::Benign, BusiClass::Malignant, BusiClass::Normal]
}

/// What to do with an image that has several masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MultiMask {
    /// A pixel is lesion if any mask says so.
    #[default]
    Union,
    /// Use `_mask.png` alone.
    First,
    /// Leave the image out.
    Drop,
}

/// The class folders of BUSI.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum BusiClass {
    /// Benign lesions.
    Benign,
    /// Malignant lesions.
    Malignant,
    /// No lesion; masks are empty.
    Normal,
}

/// Every class folder.
const CLASSES: [BusiClass; 3] = [BusiClass::Benign, BusiClass::Malignant, BusiClass::Normal];

/// The folder of a class, which is also its label.
fn folder_of(class: BusiClass) -> &'static str {
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

impl Source for BusiSpec {
    fn title(&self) -> String {
        match self.multi_mask {
            MultiMask::Union => "BUSI, several masks of an image united".into(),
            MultiMask::First => "BUSI, first mask of each image".into(),
            MultiMask::Drop => "BUSI, images with several masks left out".into(),
        }
    }

    fn classes(&self) -> Result<(Labels, Codes)> {
        Ok(lesions())
    }

    fn root(&self) -> Option<&str> {
        Some(&self.root)
    }

    fn root_mut(&mut self) -> Option<&mut String> {
        Some(&mut self.root)
    }

    fn keep_present(&mut self) {
        let present = class_folders(Path::new(&self.root));
        // Of none of them, opening says what is missing.
        if self.classes.iter().any(|class| present.contains(class)) {
            self.classes.retain(|class| present.contains(class));
        }
    }

    fn layouts() -> &'static [Layout] {
        &LAYOUTS
    }

    fn scan(&self, opening: &Opening) -> Result<Scan> {
        let root = Path::new(&self.root);
        let present = self.classes.iter().any(|&class| root.join(folder_of(class)).is_dir());
        if let (false, Some(other)) = (present, images_and_masks(root)?) {
            return Err(Error::user(other));
        }
        let look = Look { root, limit: Limit::Image, levels: opening.levels };
        let mut scan = scan(&look, self, opening.masks)?;
        if !scan.has_errors() {
            scan.findings.extend(judge_pictures(
                &look,
                &scan.cases,
                MaskReading::Lesions(&self.foreground),
            ));
        }
        if opening.masks == Masks::Read && !scan.has_errors() {
            let lesions = judge_lesions(&look, &scan.cases, &self.foreground, opening.resized());
            scan.findings.extend(lesions.findings);
            scan.lesions = lesions.pixels;
        }
        Ok(scan)
    }

    fn foreground(&self) -> ForegroundSpec {
        self.foreground.clone()
    }
}

static LAYOUTS: [Layout; 1] = [Layout {
    name: "busi",
    title: "BUSI (class folders)",
    folders: "`benign`, `malignant`, `normal` (BUSI)",
    several_masks: true,
    recognises: |root| Ok(!class_folders(root).is_empty()),
    scan: |root| {
        let look = Look { root, limit: Limit::Image, levels: Levels::Undecided };
        scan(&look, &plain_spec(root), Masks::Ignored)
    },
    contents,
}];

/// The class folders that are there.
fn class_folders(root: &Path) -> Vec<BusiClass> {
    let is_there = |class: &BusiClass| root.join(folder_of(*class)).is_dir();
    CLASSES.into_iter().filter(is_there).collect()
}

/// Everything below a root, as the defaults read it.
fn plain_spec(root: &Path) -> BusiSpec {
    BusiSpec {
        root: root.display().to_string(),
        foreground: ForegroundSpec::default(),
        multi_mask: MultiMask::Union,
        classes: class_folders(root),
    }
}

fn contents(root: &Path) -> Result<Contents> {
    let look = Look { root, limit: Limit::Image, levels: Levels::Refused };
    let spec = plain_spec(root);
    let mut scan = scan(&look, &spec, Masks::Read)?;
    if !scan.has_errors() {
        scan.findings.extend(judge_pictures(
            &look,
            &scan.cases,
            MaskReading::Lesions(&spec.foreground),
        ));
    }
    scan.findings.extend(judge_lesions(&look, &scan.cases, &spec.foreground, None).findings);
    for class in CLASSES.into_iter().filter(|class| !spec.classes.contains(class)) {
        scan.findings.push(
            Finding::warning(FindingKind::MissingFolder, "class folders that are not there")
                .naming(format!("no folder `{}`", folder_of(class))),
        );
    }
    let (labels, codes) = lesions();
    Ok(Contents {
        scan,
        parts: spec.classes.iter().map(|&class| folder_of(class).to_string()).collect(),
        part_of: |case| case.label.clone(),
        labels,
        codes,
        code_set: "binary",
        code_names: &["background", "lesion"],
        counted: None,
    })
}

/// Finds the cases of some classes, reading names and headers only.
pub(super) fn scan(look: &Look, spec: &BusiSpec, masks: Masks) -> Result<Scan> {
    let root = look.root;
    files::check_root(root)?;
    let mut scan = Scan::default();
    let (mut read, mut left_out) = (Vec::new(), Vec::new());
    let mut headers = Vec::new();
    for class in CLASSES {
        let folder = root.join(folder_of(class));
        if !spec.classes.contains(&class) {
            left_out.push(folder);
            continue;
        }
        if !folder.is_dir() {
            scan.findings.push(missing_folder(root, folder_of(class)));
            continue;
        }
        let class = Class { look, label: folder_of(class), policy: spec.multi_mask, masks };
        let before = scan.findings.clone();
        let cases = class.scan(&folder, &mut scan.findings)?;
        if cases.is_empty() && scan.findings == before {
            scan.findings.push(
                Finding::error(FindingKind::MissingFolder, "no images in class folders")
                    .naming(class.label),
            );
        }
        for (case, header) in cases {
            headers.push((case.id.clone(), header));
            scan.cases.push(case);
        }
        read.push(folder);
    }
    look.mixed(headers.iter().map(|(id, header)| (id.clone(), header)), &mut scan.findings);
    let why = "class folders that `dataset.classes` leaves out";
    scan.findings.extend(tree::account(root, &read, &left_out, why)?);
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

/// How a class folder is read.
struct Class<'a> {
    look: &'a Look<'a>,
    /// Its name.
    label: &'static str,
    policy: MultiMask,
    masks: Masks,
}

/// A case with what its image says of itself.
type Headed = (Case, Header);

impl Class<'_> {
    fn scan(&self, folder: &Path, findings: &mut Findings) -> Result<Vec<Headed>> {
        let mut candidates = Vec::new();
        for (stem, found) in self.gather(files_of(folder)?, findings) {
            let name = |path: &Path| self.look.name(path);
            let Some(image) = found.image else {
                let what = "masks without their image";
                let kind = FindingKind::MaskWithoutImage;
                findings.extend(found.masks.values().map(|mask| match self.masks {
                    Masks::Read => Finding::error(kind, what).naming(name(mask)),
                    Masks::Ignored => Finding::warning(kind, what).naming(name(mask)),
                }));
                continue;
            };
            if let Some(mask) = self.mask(&stem, &image, found.masks, findings) {
                candidates.push((stem, image, mask));
            }
        }
        let checked: Vec<_> = candidates
            .into_par_iter()
            .map(|(stem, image, mask)| self.check(&stem, image, mask))
            .collect();
        let mut cases = Vec::new();
        for (case, found) in checked {
            cases.extend(case);
            findings.extend(found);
        }
        Ok(cases)
    }

    /// Where the labels of an image come from; `None`, with a finding, if it is left out.
    fn mask(
        &self,
        stem: &str,
        image: &Path,
        masks: BTreeMap<u64, PathBuf>,
        findings: &mut Findings,
    ) -> Option<MaskSource> {
        let name = self.look.name(image);
        if self.policy == MultiMask::Drop && masks.len() > 1 {
            let what = "images with several masks are left out (`multi-mask = \"drop\"`)";
            findings.push(Finding::note(FindingKind::SeveralMasks, what).naming(name));
            return None;
        }
        if self.masks == Masks::Ignored {
            return Some(MaskSource::Unlabelled);
        }
        if masks.is_empty() && self.label == "normal" {
            let what = "images without a mask file count as empty";
            findings.push(Finding::note(FindingKind::CountsAsEmpty, what).naming(name));
            return Some(MaskSource::Empty);
        }
        if !masks.contains_key(&0) {
            let numbered = if masks.is_empty() { "" } else { "numbered masks but " };
            findings.push(
                Finding::error(FindingKind::ImageWithoutMask, "images without their mask")
                    .naming(format!("{name}: {numbered}no `{stem}_mask.png`")),
            );
            return None;
        }
        let count = masks.len();
        let masks: Vec<PathBuf> = masks.into_values().collect();
        if self.policy == MultiMask::First && count > 1 {
            let what = "images of which only the first mask is used (`multi-mask = \"first\"`)";
            findings.push(Finding::note(FindingKind::SeveralMasks, what).naming(name));
            return Some(MaskSource::Files(masks[..1].to_vec()));
        }
        Some(MaskSource::Files(masks))
    }

    /// Sorts the files of a class folder by the image they belong to, in natural order.
    fn gather(&self, files: Vec<Entry>, findings: &mut Findings) -> Vec<(String, Found)> {
        let root = self.look.root;
        let mut order: Vec<(String, Found)> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let (mut others, mut stems) = (Vec::new(), BTreeSet::new());
        for Entry { path, name } in files {
            let Some(stem) = image_stem(&name).map(files::nfc) else {
                others.push(Entry { path, name });
                continue;
            };
            let (owner, number) = split_mask_name(&stem);
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
                findings.push(files::same_case(root, &path, &twin));
            }
            stems.insert(stem);
        }
        findings.extend(files::not_read(root, &others, &stems));
        order.sort_by(|a, b| files::natural_order(&a.0, &b.0));
        self.mask_names(&order, findings);
        order
    }

    /// Finds pictures whose names suggest masks in a form that is not read, and which would count as images.
    fn mask_names(&self, order: &[(String, Found)], findings: &mut Findings) {
        let images: Vec<(&str, String)> = order
            .iter()
            .filter_map(|(stem, found)| {
                Some((stem.as_str(), self.look.name(found.image.as_ref()?)))
            })
            .collect();
        findings.extend(like_masks(
            &images,
            "call masks `<image>_mask.png`, and further ones `<image>_mask_1.png`",
        ));
    }

    /// Reads headers, and makes a case if nothing stands against it.
    fn check(&self, stem: &str, image: PathBuf, mask: MaskSource) -> (Option<Headed>, Findings) {
        let mut findings = Findings::default();
        let Some(header) = self.look.pair(&image, mask.files(), &mut findings) else {
            return (None, findings);
        };
        let case = Case {
            id: format!("{}/{stem}", self.label),
            label: self.label.into(),
            slide: None,
            institution: None,
            group: None,
            folder: None,
            metadata: Default::default(),
            image: ImageSource::File(image),
            mask,
            width: header.width,
            height: header.height,
        };
        (Some((case, header)), findings)
    }
}

/// Whether the name of a file says that it is a mask, `_mask.png` or `_mask_2.png`, in any case.
pub fn is_mask_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    image_stem(&name).is_some_and(|stem| split_mask_name(stem).1.is_some())
}

/// `benign (1)_mask_2` into `benign (1)` and 2, in any case; an image has no number.
fn split_mask_name(stem: &str) -> (&str, Option<u64>) {
    const MASK: &str = "_mask";
    let owner_of = |text: &str| {
        let cut = text.len().checked_sub(MASK.len()).filter(|&cut| cut > 0)?;
        text.get(cut..)?.eq_ignore_ascii_case(MASK).then_some(cut)
    };
    if let Some(cut) = owner_of(stem) {
        return (&stem[..cut], Some(0));
    }
    if let Some((masked, number)) = stem.rsplit_once('_')
        && let Some(cut) = owner_of(masked)
        && let Ok(number) = number.parse()
        && number > 0
    {
        return (&stem[..cut], Some(number));
    }
    (stem, None)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{save_bytes, save_image, save_mask, spec};
    use super::*;
    use crate::data::{Dataset, decode, open, pixel_counts};
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
        // One picture of the real data is benign, and malignant under another name.
        let said: Vec<String> = dataset.findings.iter().map(ToString::to_string).collect();
        let twice = "the same to the pixel, under several labels (benign/benign (433) = malignant/malignant (145))";
        assert!(said.len() == 1 && said[0].contains(twice), "{said:?}");

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
        save_mask(&folder.path().join("benign/benign (1)_mask_1.png"), 9, 5, |x| {
            255 * u8::from(x == 8)
        });
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
        // The pictures of the set are alike, which is said as well.
        let others = dataset.findings.iter().filter(|f| f.kind != FindingKind::ExactCopies);
        let lines: Vec<String> = others.map(ToString::to_string).collect();
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
        save_bytes(&folder.path().join("benign/benign (1).gif"), b"GIF89a");
        save_bytes(&folder.path().join("benign/read me.txt"), b"hello");
        save_bytes(&folder.path().join("benign/Thumbs.db"), b"x");
        let dataset = open(&spec(ALL, folder.path())).unwrap();
        let others = dataset.findings.iter().filter(|f| f.kind != FindingKind::ExactCopies);
        let levels: Vec<_> = others.map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Warning, Level::Note]);
        save_image(&folder.path().join("benign/benign (1).jpg"), 9, 5);
        save_bytes(&folder.path().join("benign/scan.gif"), b"GIF89a");
        let message = error_of(ALL, folder.path());
        assert!(message.contains("in a format that is not read (benign/scan.gif)"), "{message}");
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
