//! Folders, file names and their order.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use super::header::READ;
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind, Findings};

/// Orders names as people do: runs of digits count as numbers, so `benign (2)` precedes `benign (10)`.
pub(crate) fn natural_order(a: &str, b: &str) -> Ordering {
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

/// Whether a folder or file is one that its maker does not show.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX"
}

/// A file of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it is.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
}

/// Whether a file begins as images do, of a format that is read or not, whatever its name is. What is compressed is told
/// by the name that it would have without.
pub(super) fn begins_like_image(path: &Path) -> bool {
    let mut start = Vec::new();
    let read =
        crate::file::open(path).and_then(|file| file.take(MOST_START).read_to_end(&mut start));
    read.is_ok() && {
        BEGINNINGS.iter().any(|beginning| start.starts_with(beginning))
            || start.get(128..132) == Some(b"DICM")
            || (start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP"))
            || begins_like_bmp(&start)
            || begins_like_heif(&start)
            || begins_like_bare_dicom(&start)
            || matches!(start.get(344..348), Some(b"n+1\0" | b"ni1\0"))
            || (start.starts_with(b"\x1f\x8b") && is_compressed_image(path))
    }
}

/// Bytes of a beginning that are looked at: as many as a header of NIfTI has.
const MOST_START: u64 = 348;

/// `BM`, four bytes that are 0, and a header of a length that BMP has.
fn begins_like_bmp(start: &[u8]) -> bool {
    const LENGTHS: [u8; 7] = [12, 40, 52, 56, 64, 108, 124];
    let length = start.get(14).is_some_and(|length| LENGTHS.contains(length));
    start.starts_with(b"BM")
        && start.get(6..10) == Some(&[0; 4])
        && length
        && start.get(15..18) == Some(&[0; 3])
}

/// HEIC, HEIF or AVIF: a box of brands, one of which is theirs.
fn begins_like_heif(start: &[u8]) -> bool {
    const BRANDS: [&[u8]; 8] =
        [b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1", b"avif", b"avis"];
    let Some(&[a, b, c, d]) = start.get(..4) else { return false };
    let length = (u32::from_be_bytes([a, b, c, d]) as usize).min(start.len());
    start.get(4..8) == Some(b"ftyp")
        && start
            .get(8..length)
            .is_some_and(|brands| brands.chunks(4).any(|brand| BRANDS.contains(&brand)))
}

/// DICOM without its preamble: an element of group 2 or 8, with its kind, or with a length that such an element may have.
fn begins_like_bare_dicom(start: &[u8]) -> bool {
    let Some(&[group, 0, _, 0, a, b, c, d]) = start.get(..8) else { return false };
    let length = u32::from_le_bytes([a, b, c, d]);
    let kind = a.is_ascii_uppercase() && b.is_ascii_uppercase();
    [2, 8].contains(&group) && (kind || (1..=64).contains(&length) && length % 2 == 0)
}

/// Whether the name is that of an image without `.gz`, or whatever else is behind its last dot.
fn is_compressed_image(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.is_some_and(|stem| is_image_name(stem) || is_foreign_image(stem))
}

/// How files of images begin: PNG, JPEG, GIF, TIFF, JPEG XL, JPEG 2000, Photoshop, OpenEXR, QOI.
const BEGINNINGS: [&[u8]; 11] = [
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"II\x2a\0",
    b"MM\0\x2a",
    b"\xff\x0a",
    b"\0\0\0\x0cJXL ",
    b"\0\0\0\x0cjP  ",
    b"8BPS",
    b"\x76\x2f\x31\x01",
    b"qoif",
];

/// The files of a folder, in natural order; hidden ones and what file managers leave are left out.
pub(super) fn files_of(folder: &Path) -> Result<Vec<Entry>> {
    entries_of(folder, fs::FileType::is_file)
}

/// The folders in a folder, in natural order; hidden ones are left out.
pub(crate) fn folders_of(folder: &Path) -> Result<Vec<Entry>> {
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
        let left_by_others = ["Thumbs.db", "desktop.ini"].contains(&name);
        if is_hidden(name) || left_by_others || !wanted(&kind) {
            continue;
        }
        let name = name.to_string();
        entries.push(Entry { path, name });
    }
    entries.sort_by(|a, b| natural_order(&a.name, &b.name));
    Ok(entries)
}

/// How the names of images that are read end.
const EXTENSIONS: [&str; 9] =
    [".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".dcm", ".dicom"];

/// The name without the extension of a format that is read, in any case; `None` for any other name.
pub(crate) fn image_stem(name: &str) -> Option<&str> {
    EXTENSIONS.iter().find_map(|extension| {
        let cut = name.len().checked_sub(extension.len())?;
        let tail = name.get(cut..)?;
        (cut > 0 && tail.eq_ignore_ascii_case(extension)).then(|| &name[..cut])
    })
}

/// Whether the name has the extension of an image format that is read.
pub fn is_image_name(name: &str) -> bool {
    image_stem(name).is_some()
}

/// Formats of images that are not read, by the extensions of their files.
const FOREIGN: [&str; 33] = [
    "dib", "gif", "jp2", "j2k", "jfif", "jpe", "svs", "ndpi", "mrxs", "scn", "npy", "npz", "nii",
    "nii.gz", "nrrd", "mha", "mhd", "heic", "heif", "avif", "ppm", "pgm", "pbm", "tga", "jxl",
    "jls", "ima", "exr", "psd", "qoi", "mat", "tif.gz", "dcm.gz",
];

/// The name without its extension, if that is of an image format that is not read.
pub(super) fn foreign_stem(name: &str) -> Option<&str> {
    FOREIGN.iter().find_map(|extension| {
        let cut = name.len().checked_sub(extension.len() + 1)?;
        let tail = name.get(cut..)?.strip_prefix('.')?;
        (cut > 0 && tail.eq_ignore_ascii_case(extension)).then(|| &name[..cut])
    })
}

/// Whether the name has the extension of an image format that is not read.
pub fn is_foreign_image(name: &str) -> bool {
    foreign_stem(name).is_some()
}

/// A name in Unicode's composed form (NFC): systems differ in how they write an umlaut.
pub(super) fn nfc(name: &str) -> String {
    name.nfc().collect()
}

/// A path as findings name it: below the root, with `/` between its parts.
pub(crate) fn shown(root: &Path, path: &Path) -> String {
    let is_below = |below: &&Path| !below.as_os_str().is_empty() && below.is_relative();
    let below = path.strip_prefix(root).ok().filter(is_below);
    let parts = below.unwrap_or(path).components();
    let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
    match below {
        Some(_) => parts.join("/"),
        None => path.display().to_string(),
    }
}

/// Files of a folder of images that are not read, known once the stems of those that are read are known: a picture that
/// is there in such a format too is a warning, any other would be lost.
pub(super) fn not_read(root: &Path, files: &[Entry], stems: &BTreeSet<String>) -> Findings {
    let of = |Entry { path, name }: &Entry| {
        let finding = match foreign_stem(name) {
            None if begins_like_image(path) => {
                let stem = name.split('.').next().unwrap_or(name);
                let kind = FindingKind::ImageName;
                match stems.contains(&nfc(stem)) {
                    true => Finding::warning(kind, "files that begin as images do, beside an image of that name"),
                    false => Finding::error(kind, "files that begin as images do, under names that are not read")
                        .remedy("call them as what they are: .png, .jpg, .dcm (DICOM); or convert what is not read"),
                }
            }
            None => Finding::note(FindingKind::NotAnImage, "files of an unknown kind are left out"),
            Some(stem) if stems.contains(&nfc(stem)) => Finding::warning(
                FindingKind::ForeignFormat,
                "images left out that are there in a format that is read too",
            ),
            Some(_) => {
                Finding::error(FindingKind::ForeignFormat, "images in a format that is not read")
                    .remedy(conversion(name))
            }
        };
        finding.naming(shown(root, path))
    };
    files.iter().map(of).collect()
}

/// How to convert a file of another format.
pub(super) fn conversion(name: &str) -> String {
    let extension = name.rsplit('.').next().unwrap_or_default();
    let how = match extension.to_ascii_lowercase().as_str() {
        "ima" => "`mv IN.ima IN.dcm` (it is DICOM, by a scanner's name)".to_string(),
        "nii" | "gz" | "nrrd" | "mha" | "mhd" | "npy" | "npz" | "mat" => {
            "a script that writes each slice as a PNG".to_string()
        }
        _ => format!("`magick mogrify -format png *.{extension}`"),
    };
    format!("{READ} are read; convert them, such as with {how}")
}

/// Two files that stand for one case.
pub(super) fn same_case(root: &Path, path: &Path, twin: &Path) -> Finding {
    let names = |path: &Path| path.file_name().map(|name| nfc(&name.to_string_lossy()));
    let alike = names(path) == names(twin);
    let how = if alike { " (in two forms of Unicode)" } else { "" };
    Finding::error(FindingKind::SameCase, "files that stand for the same case as another")
        .naming(format!("{} and {}{how}", shown(root, twin), shown(root, path)))
}

/// Checks that a data set's root is a folder, and says what is there instead.
pub(crate) fn check_root(root: &Path) -> Result<()> {
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
    fn only_names_of_formats_that_are_read_have_a_stem() {
        assert_eq!(image_stem("benign (1).PNG"), Some("benign (1)"));
        assert_eq!(image_stem("MPP-0.2500.jpeg"), Some("MPP-0.2500"));
        assert_eq!(image_stem("é.jpg"), Some("é"));
        assert_eq!(image_stem(".png"), None);
        assert_eq!(image_stem("a.TIF"), Some("a"));
        assert_eq!(image_stem("a.tif.gz"), None);
        assert_eq!(image_stem("a.gif"), None);
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

    #[test]
    fn images_are_known_by_their_beginnings_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let begins = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            begins_like_image(&path)
        };
        let bmp = [b"BM\x9a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".as_slice(), &[0; 36]].concat();
        let nifti = [[0; 344].as_slice(), b"n+1\0"].concat();
        for (name, bytes) in [
            ("scan.raw1", bmp.as_slice()),
            ("b.xyz", b"\0\0\0\x1cftypavif\0\0\0\0"),
            ("c.xyz", b"\0\0\0\x18ftypmsf0\0\0\0\0heic"),
            ("IM9", b"\x08\0\x05\0CS\x0a\0ISO_IR 100"),
            ("IM10", b"\x08\0\0\0\x04\0\0\0\x10\x01\0\0"),
            ("b.png.gz", b"\x1f\x8b\x08"),
            ("b.nii.gz_old", b"\x1f\x8b\x08"),
            ("volume", &nifti),
        ] {
            assert!(begins(name, bytes), "{name}");
        }
        for (name, bytes) in [
            ("notes.txt", b"BMI of all patients".as_slice()),
            ("film.mp4", b"\0\0\0\x14ftypisom\0\0\0\0mp41"),
            ("table.csv.gz", b"\x1f\x8b\x08"),
            ("archive.zip", b"PK\x03\x04"),
            ("numbers", b"\x02\0\x01\0\xff\xff\xff\xff"),
            ("empty", b""),
        ] {
            assert!(!begins(name, bytes), "{name}");
        }
    }
}
