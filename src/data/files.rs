//! Folders, file names and their order.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind};

/// Orders names as people do: runs of digits count as numbers, so `benign (2)` precedes `benign (10)`.
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        match (left.first(), right.first()) {
            (None, None) => return a.cmp(b),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (m, n) = (digits(left), digits(right));
                let order = number(&left[..m]).cmp(&number(&right[..n]));
                if order != Ordering::Equal {
                    return order;
                }
                (left, right) = (&left[m..], &right[n..]);
            }
            (Some(x), Some(y)) if x == y => (left, right) = (&left[1..], &right[1..]),
            (Some(x), Some(y)) => return x.cmp(y),
        }
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// A number of any length, as its length without leading zeros and its digits.
fn number(digits: &[u8]) -> (usize, &[u8]) {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    (digits.len() - zeros, &digits[zeros..])
}

/// A file of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
}

/// The files of a folder, in natural order; hidden ones and what file managers leave are left out.
pub fn files_of(folder: &Path) -> Result<Vec<Entry>> {
    entries_of(folder, fs::FileType::is_file)
}

/// The folders in a folder, in natural order; hidden ones are left out.
pub fn folders_of(folder: &Path) -> Result<Vec<Entry>> {
    entries_of(folder, fs::FileType::is_dir)
}

fn entries_of(folder: &Path, wanted: impl Fn(&fs::FileType) -> bool) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder, "cannot list"))? {
        let entry = entry.map_err(Error::io(folder, "cannot list"))?;
        let mut kind = entry.file_type().map_err(Error::io(entry.path(), "cannot look at"))?;
        if kind.is_symlink() {
            let Ok(target) = fs::metadata(entry.path()) else { continue };
            kind = target.file_type();
        }
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(Error::user(format!("{}: the name is not valid UTF-8", path.display())));
        };
        let left_by_others = ["Thumbs.db", "desktop.ini", "__MACOSX"].contains(&name);
        if name.starts_with('.') || left_by_others || !wanted(&kind) {
            continue;
        }
        let name = name.to_string();
        entries.push(Entry { path, name });
    }
    entries.sort_by(|a, b| natural_order(&a.name, &b.name));
    Ok(entries)
}

/// The name without `.png`, `.jpg` or `.jpeg`, in any case; `None` for any other name.
pub fn image_stem(name: &str) -> Option<&str> {
    [".png", ".jpg", ".jpeg"].iter().find_map(|extension| {
        let cut = name.len().checked_sub(extension.len())?;
        let tail = name.get(cut..)?;
        (cut > 0 && tail.eq_ignore_ascii_case(extension)).then(|| &name[..cut])
    })
}

/// Whether the name has the extension of an image format that is read here.
pub fn is_image_name(name: &str) -> bool {
    image_stem(name).is_some()
}

/// Whether the name has the extension of an image format that is not read here.
pub fn is_foreign_image(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        ["bmp", "tif", "tiff", "gif", "webp", "dcm", "jp2", "svs", "npy"]
            .contains(&extension.to_ascii_lowercase().as_str())
    })
}

/// A path as findings name it: below the root, with `/` between its parts.
pub fn shown(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).ok().filter(|below| !below.as_os_str().is_empty());
    let parts = below.unwrap_or(path).components();
    let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
    match below {
        Some(_) => parts.join("/"),
        None => path.display().to_string(),
    }
}

/// A file of a folder of images that is not one, or not one that is read.
pub fn not_read(root: &Path, path: &Path, name: &str) -> Finding {
    let finding = if is_foreign_image(name) {
        Finding::warning(FindingKind::ForeignFormat, "images left out: only PNG and JPEG are read")
            .remedy("convert them, such as with `magick mogrify -format png`")
    } else {
        Finding::note(FindingKind::NotAnImage, "files left out that are not images")
    };
    finding.naming(shown(root, path))
}

/// Two files that stand for one case.
pub fn same_case(root: &Path, path: &Path, twin: &Path) -> Finding {
    Finding::error(FindingKind::SameCase, "files that stand for the same case as another")
        .naming(format!("{} and {}", shown(root, twin), shown(root, path)))
}

/// Checks that a data set's root is a folder, and says what is there instead.
pub fn check_root(root: &Path) -> Result<()> {
    if root.is_dir() {
        return Ok(());
    }
    if root.exists() {
        return Err(Error::user(format!("{}: not a folder", root.display())));
    }
    let known = root.ancestors().skip(1).find(|ancestor| ancestor.is_dir());
    let hint = known.filter(|known| !known.as_os_str().is_empty()).map_or(String::new(), |known| {
        let names: Vec<_> = folders_of(known).unwrap_or_default();
        let names: Vec<_> = names.iter().take(8).map(|entry| format!("`{}`", entry.name)).collect();
        if names.is_empty() {
            format!(" (`{}` is there, and has no folders)", known.display())
        } else {
            format!(" (`{}` is there, with {})", known.display(), names.join(", "))
        }
    });
    Err(Error::user(format!("{}: no such folder{hint}", root.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["benign (10)", "benign (2)", "benign (1)", "a", "benign (02)", "Ä1"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["a", "benign (1)", "benign (02)", "benign (2)", "benign (10)", "Ä1"]);
    }

    #[test]
    fn numbers_longer_than_any_integer_are_ordered() {
        let (small, large) = ("x99999999999999999999998", "x99999999999999999999999");
        assert_eq!(natural_order(small, large), Ordering::Less);
        assert_eq!(natural_order(large, "x0100"), Ordering::Greater);
    }

    #[test]
    fn only_png_and_jpeg_names_have_a_stem() {
        assert_eq!(image_stem("benign (1).PNG"), Some("benign (1)"));
        assert_eq!(image_stem("MPP-0.2500.jpeg"), Some("MPP-0.2500"));
        assert_eq!(image_stem("é.jpg"), Some("é"));
        assert_eq!(image_stem(".png"), None);
        assert_eq!(image_stem("a.tif"), None);
        assert_eq!(image_stem("日本"), None);
    }

    #[test]
    fn a_missing_root_names_the_folder_above_and_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("Dataset")).unwrap();
        let message = check_root(&folder.path().join("Datasets/x")).unwrap_err().to_string();
        assert!(
            message.contains("no such folder") && message.contains("with `Dataset`"),
            "{message}"
        );
    }
}
