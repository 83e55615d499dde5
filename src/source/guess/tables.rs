//! Tables whose columns lead to images.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::files::{is_image_name, shown};
use super::super::mask_name::sounds_like_mask;
use super::super::table::paths::Paths;
use super::super::table::sheet::Sheet;
use super::{Guess, Key};
use crate::error::Result;
use crate::split_name::SplitName;

/// Rows that are looked at.
const ROWS: usize = 50;

/// What a column of a table seems to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Image,
    Mask,
    Class,
    Group,
    Split,
}

/// What a table of images seems to be; `None` if no column leads to images.
pub(super) fn of(root: &Path, path: &Path) -> Result<Option<Guess>> {
    let sheet = Sheet::read(path)?;
    let mut paths = Paths::new(root, path.parent().unwrap_or(root));
    let mut columns = Vec::new();
    for (place, name) in sheet.header.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let cells: Vec<&str> = sheet.rows.iter().map(|row| row.cells[place].as_str()).collect();
        if let Some(column) = column(name, &cells, &mut paths) {
            columns.push((column, name.as_str()));
        }
    }
    let of = |wanted: Column| {
        let names = columns.iter().filter(move |(column, _)| *column == wanted);
        names.map(|(_, name)| *name).collect::<Vec<&str>>()
    };
    let (images, masks) = (of(Column::Image), of(Column::Mask));
    let Some(image) = images.first() else { return Ok(None) };
    let mut keys = vec![
        Key::new(
            "kind",
            "table",
            format!("{} rows, whose column `{image}` leads to images", sheet.rows.len()),
        ),
        Key::new("table", shown(root, path), "below `root`"),
        Key::new("image", *image, "the column of the images' paths"),
    ];
    if !masks.is_empty() {
        let names: Vec<toml::Value> = masks.iter().map(|name| toml::Value::from(*name)).collect();
        let why = match masks.len() {
            1 => "the column of the masks' paths",
            _ => "the columns of the masks' paths; all masks of an image are united",
        };
        keys.push(Key::new("masks", names, why));
    }
    if let Some(class) = of(Column::Class).first() {
        keys.push(Key::new("class", *class, "the column of the images' classes"));
    }
    if let Some(group) = of(Column::Group).first() {
        keys.push(Key::new("group", *group, "the column of what stays in one split"));
    }
    let split = of(Column::Split).first().copied();
    if let Some(split) = split {
        keys.push(Key::new("split-column", split, "the column of the splits"));
    }
    let whole = split.is_some_and(|split| {
        let place = sheet.column(split).unwrap_or_default();
        let meant = sheet.rows.iter().filter_map(|row| SplitName::meant(&row.cells[place]));
        let meant: BTreeSet<SplitName> = meant.collect();
        meant.contains(&SplitName::Train) && meant.contains(&SplitName::Valid)
    });
    Ok(Some(Guess {
        root: root.to_path_buf(),
        keys,
        has_masks: !masks.is_empty(),
        split: whole.then_some("by-column"),
    }))
}

fn column(name: &str, cells: &[&str], paths: &mut Paths) -> Option<Column> {
    let filled: Vec<&str> = cells.iter().copied().filter(|cell| !cell.is_empty()).collect();
    let first = filled.first()?;
    if is_image_name(first.split('|').next()?.trim()) {
        let looked_at: Vec<&str> = filled.iter().copied().take(ROWS).collect();
        let there = looked_at
            .iter()
            .filter(|cell| paths.find(cell.split('|').next().unwrap_or_default().trim()).is_ok());
        let most = 2 * there.count() > looked_at.len();
        let mask = sounds_like_mask(name);
        return most.then_some(if mask { Column::Mask } else { Column::Image });
    }
    let different: BTreeSet<&str> = filled.iter().copied().collect();
    let lower = name.to_lowercase();
    let whole = filled.len() == cells.len();
    let named = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if filled.iter().all(|cell| SplitName::meant(cell).is_some()) {
        return Some(Column::Split);
    }
    if whole && named(&["patient", "subject", "group", "person", "slide", "study"]) {
        return Some(Column::Group);
    }
    let is_class =
        named(&["class", "label", "diagnosis", "pathology", "category", "histology", "type"]);
    (whole && is_class && (2..=20).contains(&different.len())).then_some(Column::Class)
}
