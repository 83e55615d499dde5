//! Everything that lies below the root of a data set, so that nothing that looks like an image goes unmentioned.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::files::{
    Entry, begins_like_image, files_of, folders_of, image_stem, is_foreign_image, is_hidden,
    natural_order, nfc, shown,
};
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind, Findings};

/// Folders within folders that are looked into.
const DEEPEST: usize = 12;

/// What lies below a root and was not read when cases were looked for.
#[derive(Debug, Default)]
struct Rest {
    /// Links that lead nowhere, with where they point.
    broken: Vec<(PathBuf, PathBuf)>,
    /// Files that look like images, by their folder.
    images: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// How many other files lie in a folder that is not read.
    others: BTreeMap<PathBuf, usize>,
    /// Hidden files that look like images, and hidden folders.
    hidden: Vec<PathBuf>,
    /// What is neither a file nor a folder, and folders under the name of an image.
    odd: Vec<PathBuf>,
}

/// A file or folder, under whatever path it is reached.
type Identity = (u64, u64);

/// What a path leads to; `None` where that is unknown.
fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Mentions every file below `root` that looks like an image and lies in no folder of `read`, whose files
/// were all looked at already; links that lead nowhere anywhere; and what is hidden.
///
/// Folders of `left_out` are left out on purpose, as `why` says.
///
/// # Errors
/// If a folder cannot be listed.
pub(super) fn account(
    root: &Path,
    read: &[PathBuf],
    left_out: &[PathBuf],
    why: &str,
) -> Result<Findings> {
    let mut rest = Rest::default();
    let read: BTreeSet<Identity> = read.iter().filter_map(|folder| identity(folder)).collect();
    let mut seen: BTreeSet<Identity> = identity(root).into_iter().collect();
    walk(root, &read, 0, &mut seen, &mut rest)?;
    let mut findings = Findings::default();
    for (link, target) in &rest.broken {
        findings.push(
            Finding::error(FindingKind::BrokenLink, "links that lead nowhere")
                .naming(format!("{} -> {}", shown(root, link), target.display()))
                .remedy(
                    "fetch the files that they stand for, such as with `git annex get` or `dvc pull`, or \
                     remove the links",
                ),
        );
    }
    for (folder, images) in &rest.images {
        findings.push(of_folder(root, folder, images, left_out, why));
    }
    let unread = rest
        .others
        .iter()
        .filter(|(folder, _)| folder.as_path() != root && !rest.images.contains_key(*folder));
    let unread: Vec<String> =
        unread.map(|(folder, files)| format!("{}: {files} files", shown(root, folder))).collect();
    let what = "folders without images, which are not read";
    findings.extend(
        (!unread.is_empty())
            .then(|| Finding::note(FindingKind::FolderNotRead, what).naming_all(unread)),
    );
    let odd =
        "pipes, sockets and devices, and folders under the name of an image, which are no images";
    findings.extend((!rest.odd.is_empty()).then(|| {
        Finding::warning(FindingKind::NotAFile, odd)
            .naming_all(rest.odd.iter().map(|path| shown(root, path)))
            .remedy("put files in their place, or remove them")
    }));
    let hidden = "hidden files and folders are not looked at";
    findings.extend((!rest.hidden.is_empty()).then(|| {
        Finding::note(FindingKind::Hidden, hidden)
            .naming_all(rest.hidden.iter().map(|path| shown(root, path)))
    }));
    Ok(findings)
}

/// What is said of images in a folder that is not read.
fn of_folder(
    root: &Path,
    folder: &Path,
    images: &[PathBuf],
    left_out: &[PathBuf],
    why: &str,
) -> Finding {
    if folder == root {
        let names = images.iter().map(|image| shown(root, image));
        return Finding::warning(
            FindingKind::ImageNotRead,
            "images beside the folders that are read",
        )
        .naming_all(names)
        .remedy("move them into one of the folders, or out of the data set");
    }
    let name = format!("{}: {} images", shown(root, folder), images.len());
    if left_out.iter().any(|left_out| folder.starts_with(left_out)) {
        return Finding::note(FindingKind::FolderNotRead, why).naming(name);
    }
    Finding::warning(FindingKind::FolderNotRead, "folders with images that are not read")
        .naming(name)
        .remedy(
            "move their images into the folders that are read, or the folders out of the data set",
        )
}

fn walk(
    folder: &Path,
    read: &BTreeSet<Identity>,
    depth: usize,
    seen: &mut BTreeSet<Identity>,
    rest: &mut Rest,
) -> Result<()> {
    let listed = Error::io(folder, "cannot list");
    let mut entries: Vec<(String, fs::DirEntry)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(listed)? {
        let entry = entry.map_err(Error::io(folder, "cannot list"))?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry));
    }
    entries.sort_by(|a, b| natural_order(&a.0, &b.0));
    let is_read = identity(folder).is_some_and(|folder| read.contains(&folder));
    for (name, entry) in entries {
        let path = entry.path();
        let mut kind = entry.file_type().map_err(Error::io(&path, "cannot look at"))?;
        if kind.is_symlink() {
            let Ok(target) = fs::metadata(&path) else {
                let may_be_folder = !name.contains('.');
                if looks_like_image(&name) || may_be_folder {
                    let target = fs::read_link(&path).unwrap_or_default();
                    rest.broken.push((path, target));
                }
                continue;
            };
            kind = target.file_type();
        }
        if kind.is_dir() {
            let found = fs::metadata(&path).map_err(Error::io(&path, "cannot look at"))?;
            if is_hidden(&name) {
                rest.hidden.push(path);
                continue;
            }
            if looks_like_image(&name) {
                rest.odd.push(path.clone());
            }
            if depth < DEEPEST && seen.insert((found.dev(), found.ino())) {
                walk(&path, read, depth + 1, seen, rest)?;
            }
        } else if !kind.is_file() {
            rest.odd.push(path);
        } else if is_hidden(&name) {
            if looks_like_image(&name) {
                rest.hidden.push(path);
            }
        } else if is_read {
            // Whoever looked for cases has accounted for it.
        } else if looks_like_image(&name) || begins_like_image(&path) {
            rest.images.entry(folder.to_path_buf()).or_default().push(path);
        } else {
            *rest.others.entry(folder.to_path_buf()).or_default() += 1;
        }
    }
    Ok(())
}

/// A file below a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its path from the root on, with `/` between its parts, in Unicode's composed form.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// All files below a root in natural order, without hidden ones and links that lead nowhere.
///
/// # Errors
/// If a folder cannot be listed.
pub(super) fn files_below(root: &Path) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    let mut seen: BTreeSet<Identity> = identity(root).into_iter().collect();
    list(root, "", 0, &mut seen, &mut listed)?;
    Ok(listed)
}

fn list(
    folder: &Path,
    above: &str,
    depth: usize,
    seen: &mut BTreeSet<Identity>,
    listed: &mut Vec<Listed>,
) -> Result<()> {
    let named = |name: &str| nfc(&format!("{above}{name}"));
    for Entry { path, name } in files_of(folder)? {
        listed.push(Listed { name: named(&name), path });
    }
    for Entry { path, name } in folders_of(folder)? {
        if depth < DEEPEST && identity(&path).is_some_and(|found| seen.insert(found)) {
            list(&path, &format!("{}/", named(&name)), depth + 1, seen, listed)?;
        }
    }
    Ok(())
}

/// Whether a name is that of an image, of a format that is read or not.
pub(super) fn looks_like_image(name: &str) -> bool {
    image_stem(name).is_some() || is_foreign_image(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::super::busi::{BusiClass, BusiSpec, MultiMask, scan};
    use super::super::case::{ImageSource, MaskSource};
    use super::super::foreground::ForegroundSpec;
    use super::super::header::Limit;
    use super::super::levels::Levels;
    use super::super::look::Look;
    use super::super::reader::Masks;
    use super::super::sample::{save_bytes, save_image};
    use super::*;

    fn spec(root: &Path, multi_mask: MultiMask) -> BusiSpec {
        BusiSpec {
            root: root.display().to_string(),
            foreground: ForegroundSpec::default(),
            multi_mask,
            classes: vec![BusiClass::Benign, BusiClass::Normal],
        }
    }

    /// Whether a file is part of a case or mentioned, by itself or with its folder.
    fn is_mentioned(
        root: &Path,
        file: &Path,
        used: &BTreeSet<PathBuf>,
        findings: &Findings,
    ) -> bool {
        let mut names = findings.iter().flat_map(|finding| &finding.names);
        let folder = file.parent().unwrap_or(root);
        let own = shown(root, file);
        // What is wrong with an image is said once, and not of its masks again, whose names may have another form of Unicode.
        let plain = |name: &str| super::super::files::nfc(name).to_lowercase();
        let of_image = plain(&own).rfind("_mask").map(|end| plain(&own)[..end].to_owned() + ".");
        used.contains(file)
            || names.any(|name| {
                name.contains(&own)
                    || of_image.as_ref().is_some_and(|start| plain(name).starts_with(start))
                    || name.starts_with(&format!("{}: ", shown(root, folder)))
                    || file.ancestors().any(|above| above != root && *name == shown(root, above))
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn whatever_looks_like_an_image_is_a_case_or_mentioned(
            files in prop::collection::vec(
                (
                    prop::sample::select(vec![
                        "", "benign", "normal", "malignant", "valid", "benign/more", "normal/.thumbs", "a/b/c",
                    ]),
                    prop::sample::select(vec!["x", "X", "y (1)", "gr\u{f6}", "gro\u{308}", "._x", "x-gt"]),
                    prop::sample::select(vec!["", "_mask", "_Mask", "_mask_1", "-mask", " mask"]),
                    prop::sample::select(vec![
                        ".png", ".PNG", ".jpg", ".bmp", ".tiff", ".nii.gz", ".dcm", ".gif", ".txt", "",
                    ]),
                    prop::sample::select(vec!["image", "link", "broken", "empty"]),
                ),
                1..14,
            ),
            multi_mask in prop::sample::select(vec![MultiMask::Union, MultiMask::First, MultiMask::Drop]),
            masks in prop::sample::select(vec![Masks::Read, Masks::Ignored]),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let elsewhere = folder.path().join("elsewhere.png");
            save_image(&elsewhere, 4, 3);
            let root = folder.path().join("root");
            fs::create_dir_all(root.join("benign")).unwrap();
            fs::create_dir_all(root.join("normal")).unwrap();
            let mut written = BTreeSet::new();
            for (place, stem, suffix, extension, how) in files {
                let path = root.join(place).join(format!("{stem}{suffix}{extension}"));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                if !written.insert(path.clone()) {
                    continue;
                }
                match how {
                    "link" => symlink(&elsewhere, &path).unwrap(),
                    "broken" => symlink("nowhere", &path).unwrap(),
                    "empty" => save_bytes(&path, b""),
                    _ => {
                        fs::copy(&elsewhere, &path).unwrap();
                    }
                }
            }
            let look = Look { root: &root, limit: Limit::Image, levels: Levels::Refused };
            let found = scan(&look, &spec(&root, multi_mask), masks).unwrap();
            let mut used = BTreeSet::new();
            for case in &found.cases {
                if let ImageSource::File(image) = &case.image {
                    used.insert(image.clone());
                }
                if let MaskSource::Files(masks) = &case.mask {
                    used.extend(masks.iter().cloned());
                }
                // Masks that a classifier does not read.
                if masks == Masks::Ignored {
                    let named = |file: &PathBuf| {
                        let stem = super::super::files::nfc(&shown(&root, file)).to_lowercase();
                        stem.starts_with(&format!("{}_mask", case.id.to_lowercase()))
                    };
                    used.extend(written.iter().filter(|file| named(file)).cloned());
                }
            }
            for file in written {
                let name = file.file_name().unwrap().to_string_lossy().into_owned();
                if looks_like_image(&name) {
                    let found_it = is_mentioned(&root, &file, &used, &found.findings);
                    prop_assert!(found_it, "{name} in {:?}", found.findings);
                }
            }
        }
    }

    #[test]
    fn folders_that_lead_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        save_image(&root.join("a/b/x.png"), 2, 2);
        symlink(root.join("a"), root.join("a/b/again")).unwrap();
        let found = account(root, &[], &[], "").unwrap();
        assert_eq!(found.iter().count(), 1, "{found:?}");
    }

    #[test]
    fn a_folder_that_is_read_is_so_under_any_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        save_image(&root.join("b/x.png"), 2, 2);
        fs::create_dir(root.join("a")).unwrap();
        symlink(root.join("b"), root.join("a/to")).unwrap();
        symlink(root, root.join("a/up")).unwrap();
        let found = account(root, &[root.join("a"), root.join("b")], &[], "").unwrap();
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn what_is_no_file_is_mentioned_and_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/c.png")).unwrap();
        let pipe = |name: &str| {
            let made = std::process::Command::new("mkfifo").arg(root.join(name)).status();
            assert!(made.unwrap().success());
        };
        pipe("a/b.png");
        pipe("pipe");
        symlink("/dev/null", root.join("a/null.png")).unwrap();
        let found = account(root, &[root.join("a")], &[], "").unwrap();
        let names: Vec<_> = found.iter().flat_map(|finding| &finding.names).collect();
        assert_eq!(names, ["a/b.png", "a/c.png", "a/null.png", "pipe"]);
        assert!(crate::file::read(root.join("pipe")).is_err());
    }

    #[test]
    fn an_image_under_another_name_is_known_by_its_beginning_in_folders_that_are_read_too() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for class in ["benign", "normal"] {
            save_image(&root.join(class).join("x.png"), 4, 3);
            save_image(&root.join(class).join("x_mask.png"), 4, 3);
        }
        let dicom = [[0; 128].as_slice(), b"DICM"].concat();
        save_bytes(&root.join("benign/1.3.6.1.4.1.14519"), &dicom);
        save_bytes(&root.join("benign/y.jpg_large"), b"\xff\xd8\xff\xe0");
        save_bytes(&root.join("benign/x.png~"), b"\x89PNG");
        save_bytes(&root.join("benign/notes.1"), b"text");
        save_bytes(&root.join("more/v1.2 scan"), b"\x89PNG");
        let look = Look { root, limit: Limit::Image, levels: Levels::Refused };
        let found = scan(&look, &spec(root, MultiMask::Union), Masks::Ignored).unwrap().findings;
        let lines: Vec<String> = found.iter().map(|finding| finding.to_string()).collect();
        let text = lines.join("\n");
        for part in [
            "error: files that begin as images do, under names that are not read (2: benign/1.3.6.1.4.1.14519; \
             benign/y.jpg_large)",
            "warning: files that begin as images do, beside an image of that name (benign/x.png~)",
            "warning: folders with images that are not read (more: 1 images)",
            "note: files of an unknown kind are left out (benign/notes.1)",
        ] {
            assert!(text.contains(part), "`{part}` in {text}");
        }
    }

    #[test]
    fn a_file_without_extension_is_known_by_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let dicom = [[0; 128].as_slice(), b"DICM"].concat();
        save_bytes(&folder.path().join("IM0001"), &dicom);
        save_bytes(&folder.path().join("LICENSE"), b"text");
        let found = account(folder.path(), &[], &[], "").unwrap();
        let names: Vec<_> = found.iter().flat_map(|finding| &finding.names).collect();
        assert_eq!(names, ["IM0001"]);
    }

    #[test]
    fn folders_of_which_nothing_is_read_are_mentioned() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        save_image(&root.join("a/x.png"), 2, 2);
        save_bytes(&root.join("a/notes.txt"), b"text");
        save_bytes(&root.join("README"), b"text");
        save_bytes(&root.join("extra/all.zip"), b"PK\x03\x04");
        save_bytes(&root.join("extra/all.h5"), b"\x89HDF\r\n\x1a\n");
        let found = account(root, &[root.join("a")], &[], "").unwrap();
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        let expected = "note: folders without images, which are not read (extra: 2 files)";
        assert_eq!(lines, [expected]);
    }
}
