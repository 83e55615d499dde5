//! Folders of images: which files are masks, and the patterns that tell both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::files::{conversion, image_stem, is_image_name};
use super::super::mask_name::sounds_like_mask;
use super::super::tree::{self, Listed};
use super::names::{Level, affixes, class, group, level};
use super::{Guess, Key};
use crate::error::{Error, Result};
use crate::split_name::SplitName;

/// A picture below the root.
#[derive(Clone, Copy, Debug)]
struct Picture<'a> {
    /// The folders that it is in, with `/` behind each.
    folder: &'a str,
    stem: &'a str,
    /// With its dot.
    extension: &'a str,
}

impl<'a> Picture<'a> {
    fn of(file: &'a Listed) -> Self {
        let cut = file.name.rfind('/').map_or(0, |slash| slash + 1);
        let (folder, name) = file.name.split_at(cut);
        let stem = image_stem(name).unwrap_or(name);
        Self { folder, stem, extension: &name[stem.len()..] }
    }

    fn folders(self) -> impl Iterator<Item = &'a str> {
        self.folder.split_terminator('/')
    }
}

/// A level of folders in a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// One name.
    Named(String),
    /// What differs, between what does not.
    Field { before: String, field: &'static str, behind: String },
}

impl Part {
    fn text(&self) -> String {
        match self {
            Self::Named(name) => name.clone(),
            Self::Field { before, field, behind } => format!("{before}{field}{behind}"),
        }
    }
}

/// What a folder of images seems to be.
///
/// # Errors
/// The user's: no image, or none in a format that is read, or masks that belong to no image.
pub(super) fn of(root: &Path) -> Result<Guess> {
    let listed = tree::files_below(root)?;
    let (read, foreign): (Vec<&Listed>, Vec<&Listed>) = listed
        .iter()
        .filter(|file| tree::looks_like_image(&file.name))
        .partition(|file| is_image_name(&file.name));
    if read.is_empty() {
        return Err(Error::user(match foreign.first() {
            Some(first) => format!(
                "{}: {} images in a format that is not read, such as {}: {}",
                root.display(),
                foreign.len(),
                first.name,
                conversion(&first.name)
            ),
            None => format!("{}: no image is there, nor in its folders", root.display()),
        }));
    }
    let pictures: Vec<Picture> = read.into_iter().map(Picture::of).collect();
    let (images, masks) = parted(&pictures);
    let layout = Patterns::of(&images, &masks);
    let mut keys = vec![Key::new(
        "kind",
        "folder",
        format!("{} images and {} masks, found by patterns", images.len(), masks.len()),
    )];
    keys.push(Key::new("images", layout.images.clone(), layout.why()));
    if let Some(masks) = &layout.masks {
        keys.push(Key::new("masks", masks.clone(), "`{stem}` is the name of the image"));
    }
    let stems: Vec<&str> = images.iter().map(|image| image.stem).collect();
    if !layout.images.contains("{class}")
        && let Some(class) = class(&stems)
    {
        keys.push(Key::new("class", class, "names of images begin with their class"));
    }
    if !layout.images.contains("{group}")
        && !layout.images.contains("{stem}")
        && let Some(group) = group(&stems)
    {
        let why = "the first part of a name comes back, as patients do; leave it out if it means something else";
        keys.push(Key::new("group", group, why));
    }
    if !layout.mask_classes.is_empty() {
        let classes: Vec<String> = layout
            .mask_classes
            .iter()
            .map(|at| {
                let [name, at] = [class_name(at), at.clone()].map(toml::Value::from);
                format!("{{ name = {name}, at = {at} }}")
            })
            .collect();
        let value = format!("{{ kind = \"layers\", classes = [{}] }}", classes.join(", "));
        let why = "a folder of masks for each class; where masks overlap, the later counts".into();
        keys.push(Key { key: "pixels", value, why });
    }
    let split = (layout.splits.contains(&SplitName::Train)
        && layout.splits.contains(&SplitName::Valid))
    .then_some("by-folder");
    Ok(Guess { root: root.to_path_buf(), keys, has_masks: layout.masks.is_some(), split })
}

fn class_name(at: &str) -> String {
    match at.chars().all(|c| c.is_ascii_digit()) {
        true => format!("class-{at}"),
        false => at.to_string(),
    }
}

/// Pictures, divided into images and masks: by their folders, else by their names.
fn parted<'a>(pictures: &[Picture<'a>]) -> (Vec<Picture<'a>>, Vec<Picture<'a>>) {
    let in_folder = |picture: &Picture| picture.folders().any(sounds_like_mask);
    let (masks, images): (Vec<_>, Vec<_>) = pictures.iter().copied().partition(in_folder);
    if !masks.is_empty() && !images.is_empty() {
        return (images, masks);
    }
    let mut stems: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for picture in pictures {
        stems.entry(picture.folder).or_default().insert(picture.stem);
    }
    let by_name = |picture: &Picture| {
        let beside = &stems[picture.folder];
        let ends = picture.stem.match_indices(['_', '-', ' ', '.']);
        let mut ends = ends.filter(|(at, _)| sounds_like_mask(&picture.stem[at + 1..]));
        let alone = sounds_like_mask(picture.stem) && beside.len() > 1;
        ends.any(|(at, _)| {
            let base = &picture.stem[..at];
            beside.contains(base)
                || IMAGE_WORDS.iter().any(|word| beside.contains(format!("{base}{word}").as_str()))
        }) || (alone
            && beside.iter().any(|stem| IMAGE_WORDS.contains(&format!("_{stem}").as_str())))
    };
    let (masks, images) = pictures.iter().copied().partition(by_name);
    (images, masks)
}

/// What names of images end with where masks end otherwise.
const IMAGE_WORDS: [&str; 6] = ["_image", "_img", "_original", "_rgb", "-image", "-img"];

/// The patterns of images and masks.
struct Patterns {
    images: String,
    masks: Option<String>,
    splits: BTreeSet<SplitName>,
    /// What `{mask-class}` stands for.
    mask_classes: Vec<String>,
}

impl Patterns {
    fn of(images: &[Picture], masks: &[Picture]) -> Self {
        let stems: Vec<&str> = images.iter().map(|image| image.stem).collect();
        let one_name = stems.len() > 1 && stems.iter().all(|stem| *stem == stems[0]);
        let word = IMAGE_WORDS
            .iter()
            .find(|word| !masks.is_empty() && stems.iter().all(|stem| stem.ends_with(**word)));
        let word = word.copied().unwrap_or("");
        let Some(mut folders) = levels(images) else {
            let (name, tail) = (any_of(images), tail(images, masks, word));
            let masks = (!masks.is_empty()).then(|| format!("**/{tail}"));
            return Self {
                images: format!("**/*{name}"),
                masks,
                splits: BTreeSet::new(),
                mask_classes: Vec::new(),
            };
        };
        if one_name
            && let Some(Part::Field { field, .. }) =
                folders.iter_mut().rev().find(|part| matches!(part, Part::Field { .. }))
        {
            *field = "{stem}";
        }
        let splits = match folders.iter().position(|part| part.text().contains("{split}")) {
            Some(place) => {
                let names: BTreeSet<&str> =
                    images.iter().filter_map(|image| image.folders().nth(place)).collect();
                let names: Vec<&str> = names.into_iter().collect();
                let (before, behind) = affixes(&names);
                let inner =
                    |name: &&str| SplitName::meant(&name[before.len()..name.len() - behind.len()]);
                names.iter().filter_map(inner).collect()
            }
            None => BTreeSet::new(),
        };
        let of_images = match (one_name, word) {
            (true, _) => format!("{}{}", stems[0], any_of(images)),
            (false, "") => format!("*{}", any_of(images)),
            (false, word) => format!("{{stem}}{word}{}", any_of(images)),
        };
        let path = |folders: &[Part], name: &str| {
            let parts = folders.iter().map(Part::text).chain([name.to_string()]);
            parts.collect::<Vec<_>>().join("/")
        };
        let mut mask_classes = Vec::new();
        let of_masks = (!masks.is_empty()).then(|| {
            let (parts, classes) = mask_folders(images, masks, &folders);
            mask_classes = classes;
            let name = if one_name {
                format!(
                    "{}{}",
                    common(&masks.iter().map(|mask| mask.stem).collect::<Vec<_>>()),
                    any_of(masks)
                )
            } else {
                tail(images, masks, word)
            };
            path(&parts, &name)
        });
        Self { images: path(&folders, &of_images), masks: of_masks, splits, mask_classes }
    }

    fn why(&self) -> String {
        let told: Vec<&str> = [
            ("{class}", "their class"),
            ("{group}", "what stays in one split"),
            ("{split}", "their split"),
        ]
        .iter()
        .filter(|(field, _)| self.images.contains(field))
        .map(|(_, what)| *what)
        .collect();
        match told.is_empty() {
            true => "relative to `root`".into(),
            false => format!("relative to `root`; folders tell {}", told.join(" and ")),
        }
    }
}

/// The extension of pictures, `.*` of several.
fn any_of(pictures: &[Picture]) -> String {
    let extensions: BTreeSet<String> =
        pictures.iter().map(|one| one.extension.to_lowercase()).collect();
    match extensions.len() {
        1 => extensions.into_iter().collect(),
        _ => ".*".into(),
    }
}

/// The levels of the folders of images; `None` where they lie in folders of different depth.
fn levels(images: &[Picture]) -> Option<Vec<Part>> {
    let depth = images.first()?.folders().count();
    if images.iter().any(|image| image.folders().count() != depth) {
        return None;
    }
    let mut used: Vec<&'static str> = Vec::new();
    let part = |place: usize| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for image in images {
            *counts.entry(image.folders().nth(place).unwrap_or_default()).or_default() += 1;
        }
        if counts.len() == 1 {
            return Part::Named(counts.into_keys().collect());
        }
        let names: Vec<&str> = counts.keys().copied().collect();
        let (before, behind) = affixes(&names);
        let inner = counts
            .iter()
            .map(|(name, count)| (&name[before.len()..name.len() - behind.len()], *count));
        let is_split = level(&inner.collect()) == Level::Split;
        let (before, behind) = if is_split { (before, behind) } else { ("", "") };
        let field = match level(&counts) {
            _ if is_split => "{split}",
            Level::Class | Level::Split => "{class}",
            Level::Group => "{group}",
        };
        let field = if used.contains(&field) { "*" } else { field };
        used.push(field);
        Part::Field { before: before.into(), field, behind: behind.into() }
    };
    Some((0..depth).map(part).collect())
}

/// The levels of the folders of masks, told by those of their images, and what stands for their classes.
fn mask_folders(
    images: &[Picture],
    masks: &[Picture],
    of_images: &[Part],
) -> (Vec<Part>, Vec<String>) {
    let depth = masks.iter().map(|mask| mask.folders().count()).max().unwrap_or_default();
    let names_at = |pictures: &[Picture], place: usize| -> BTreeSet<String> {
        pictures.iter().filter_map(|one| one.folders().nth(place)).map(String::from).collect()
    };
    let mut classes = Vec::new();
    let part = |place: usize| {
        let names = names_at(masks, place);
        // What differs among the images differs alike among their masks, perhaps with something around it.
        let mut order: Vec<usize> = (0..of_images.len()).collect();
        order.sort_by_key(|&other| other.abs_diff(place));
        for other in order {
            let Part::Field { before, field, behind } = &of_images[other] else { continue };
            let inner: BTreeSet<String> = names_at(images, other)
                .into_iter()
                .map(|name| name[before.len()..name.len() - behind.len()].to_string())
                .collect();
            if *field != "*"
                && let Some((before, behind)) = around(&names, &inner)
            {
                return Part::Field { before, field, behind };
            }
        }
        match names.len() {
            0 | 1 => Part::Named(names.into_iter().collect()),
            _ if classes.is_empty() => {
                classes = names.into_iter().collect();
                Part::Field { before: String::new(), field: "{mask-class}", behind: String::new() }
            }
            _ => Part::Field { before: String::new(), field: "*", behind: String::new() },
        }
    };
    let parts = (0..depth).map(part).collect();
    (parts, classes)
}

/// What stands before and behind each of some names, of which one of `inner` is the middle.
fn around(names: &BTreeSet<String>, inner: &BTreeSet<String>) -> Option<(String, String)> {
    let first = names.first()?;
    inner.iter().filter(|name| !name.is_empty()).find_map(|middle| {
        let at = first.find(middle.as_str())?;
        let (before, behind) = (&first[..at], &first[at + middle.len()..]);
        let fits = |name: &String| {
            let middle = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind));
            middle.is_some_and(|middle| inner.contains(middle))
        };
        (names.len() > 1 && names.iter().all(fits))
            .then(|| (before.to_string(), behind.to_string()))
    })
}

/// The pattern of the names of masks.
fn tail(images: &[Picture], masks: &[Picture], word: &str) -> String {
    let stems: BTreeSet<&str> =
        images.iter().map(|image| &image.stem[..image.stem.len() - word.len()]).collect();
    let (mut before, mut behind) = (BTreeSet::new(), BTreeSet::new());
    for mask in masks {
        if let Some((front, back)) = of_stem(mask.stem, &stems) {
            before.insert(front);
            behind.insert(back);
        }
    }
    let before = match before.len() {
        1 => before.into_iter().collect::<String>(),
        0 => String::new(),
        _ => "*".into(),
    };
    let behind = match behind.len() {
        1 => behind.into_iter().collect::<String>(),
        0 => String::new(),
        _ => common(&behind.into_iter().collect::<Vec<_>>()),
    };
    format!("{before}{{stem}}{behind}{}", any_of(masks))
}

/// What stands before and behind the stem of an image in the stem of its mask, the longest that fits.
fn of_stem<'a>(mask: &'a str, stems: &BTreeSet<&str>) -> Option<(&'a str, &'a str)> {
    if stems.contains(mask) {
        return Some(("", ""));
    }
    let ends: Vec<usize> = mask.match_indices(['_', '-', ' ', '.']).map(|(at, _)| at).collect();
    let behind =
        ends.iter().rev().find(|&&at| stems.contains(&mask[..at])).map(|&at| ("", &mask[at..]));
    let before =
        || ends.iter().find(|&&at| stems.contains(&mask[at + 1..])).map(|&at| (&mask[..=at], ""));
    behind.or_else(before)
}

/// What all texts begin with, and `*` where some go on.
fn common(texts: &[&str]) -> String {
    let Some(first) = texts.first() else { return String::new() };
    let shared = first
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|&end| texts.iter().all(|text| text.get(..end) == Some(&first[..end])))
        .last()
        .unwrap_or(0);
    let more = texts.iter().any(|text| text.len() > shared);
    format!("{}{}", &first[..shared], if more { "*" } else { "" })
}
