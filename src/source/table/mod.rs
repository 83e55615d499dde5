//! Images that a table lists: CSV or Parquet.

pub(crate) mod paths;
pub(crate) mod sheet;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::codes::Codes;
use super::files;
use super::foreground::ForegroundSpec;
use super::found::{Found, Reading, WithoutMask};
use super::header::Limit;
use super::labels::Labels;
use super::look::Look;
use super::nearest::nearest;
use super::pixels::PixelsSpec;
use super::reader::{Masks, Opening, Source};
use super::scan::Scan;
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind, Findings};
use crate::role::Role;
use crate::split_name::SplitName;
use paths::Paths;
use sheet::{Row, Sheet};

/// Images and masks that a table lists, one image a row.
///
/// A CSV file may have commas, semicolons or tabs between its cells, and be UTF-8 or Windows-1252. Paths are relative to
/// `root`, or to the table where nothing is there. Columns that no key names are left alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TableSpec {
    /// Folder that holds the data, relative to this file.
    #[schemars(extend("x-path" = true, "x-role" = Role::Instance))]
    pub root: String,
    /// The table, a `.csv`, `.tsv` or `.parquet` file, relative to `root`.
    #[schemars(length(min = 1), extend("x-role" = Role::Resolved))]
    pub table: String,
    /// Column of the images' paths.
    #[serde(default = "image")]
    #[schemars(length(min = 1), extend("x-role" = Role::Resolved))]
    pub image: String,
    /// Columns of their masks' paths; a cell may be empty, or hold several paths with `|` between them. Whole images are
    /// classified without.
    #[serde(default)]
    #[schemars(extend("x-role" = Role::Resolved))]
    pub masks: Vec<String>,
    /// Column of the images' classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-role" = Role::Resolved))]
    pub class: Option<String>,
    /// Column of what keeps images in one split, such as the patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-role" = Role::Resolved))]
    pub group: Option<String>,
    /// Column of the splits (`train`, `valid` or `val`, `test`; empty: in none), for `split = { kind = "by-column" }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-role" = Role::Resolved))]
    pub split_column: Option<String>,
    /// Columns whose values go with the cases, such as age, BI-RADS category and device: into the record, and to
    /// `evaluation.by`, which gives figures by them. A cell may be empty: the value is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-role" = Role::Evaluation))]
    pub metadata: Vec<String>,
    /// What the pixels of masks mean.
    #[serde(default)]
    pub pixels: PixelsSpec,
    /// Which pixels of a mask are foreground, where `pixels` does not tell classes by their values.
    #[serde(default)]
    pub foreground: ForegroundSpec,
    /// What becomes of an image without a mask.
    #[serde(default)]
    pub without_mask: WithoutMask,
}

fn image() -> String {
    "image".into()
}

impl Source for TableSpec {
    fn title(&self) -> String {
        format!("images of a table (`{}`), {}", self.table, self.pixels.words())
    }

    fn classes(&self) -> Result<(Labels, Codes)> {
        self.pixels.classes()
    }

    fn root(&self) -> Option<&str> {
        Some(&self.root)
    }

    fn root_mut(&mut self) -> Option<&mut String> {
        Some(&mut self.root)
    }

    fn metadata(&self) -> &[String] {
        &self.metadata
    }

    fn scan(&self, opening: &Opening) -> Result<Scan> {
        let root = Path::new(&self.root);
        files::check_root(root)?;
        let path = root.join(&self.table);
        let sheet = Sheet::read(&path)?;
        let columns = Columns::of(self, &path, &sheet)?;
        if opening.masks == Masks::Read && columns.masks.is_empty() {
            return Err(Error::user(format!(
                "{}: missing key `dataset.masks`: a segmentation needs masks, by the columns of their paths; whole images \
                 are classified with `task.kind = \"classify\"`",
                root.display()
            )));
        }
        let mut rows = Rows {
            spec: self,
            columns,
            name: files::shown(root, &path),
            paths: Paths::new(root, path.parent().unwrap_or(root)),
            seen: BTreeMap::new(),
            findings: Findings::default(),
        };
        if let Some(encoding) = sheet.encoding {
            let what = format!("the table is no UTF-8 and is read as {encoding}");
            rows.findings.push(
                Finding::note(FindingKind::Table, what)
                    .naming(&rows.name)
                    .remedy("save it as CSV (UTF-8) if names look wrong"),
            );
        }
        let found: Vec<Found> = sheet.rows.iter().filter_map(|row| rows.found(row)).collect();
        let used: BTreeSet<&Path> = found
            .iter()
            .flat_map(|one| {
                std::iter::once(one.image.as_path())
                    .chain(one.masks.iter().map(|(p, _)| p.as_path()))
            })
            .collect();
        rows.findings.extend(rows.paths.not_named(&used)?);
        let reading = Reading {
            look: Look { root, limit: Limit::Image, levels: opening.levels },
            opening,
            pixels: &self.pixels,
            foreground: &self.foreground,
            without_mask: self.without_mask,
        };
        reading.cases(found, rows.findings)
    }

    fn foreground(&self) -> ForegroundSpec {
        self.foreground.clone()
    }
}

/// Where the columns of a spec stand.
struct Columns {
    image: usize,
    /// With the code of its class, of layers.
    masks: Vec<(usize, u8)>,
    class: Option<usize>,
    group: Option<usize>,
    split: Option<usize>,
    /// With the name of each.
    metadata: Vec<(String, usize)>,
}

impl Columns {
    fn of(spec: &TableSpec, path: &Path, sheet: &Sheet) -> Result<Self> {
        let mut mistakes = Vec::new();
        let mut place = |key: &str, name: &str| {
            let place = sheet.column(name);
            if place.is_none() {
                mistakes.push(missing(key, name, &sheet.header));
            }
            place.unwrap_or_default()
        };
        let image = place("image", &spec.image);
        let masks: Vec<usize> = spec.masks.iter().map(|name| place("masks", name)).collect();
        let class = spec.class.as_ref().map(|name| place("class", name));
        let group = spec.group.as_ref().map(|name| place("group", name));
        let split = spec.split_column.as_ref().map(|name| place("split-column", name));
        let metadata: Vec<(String, usize)> =
            spec.metadata.iter().map(|name| (name.clone(), place("metadata", name))).collect();
        let twice = spec.metadata.iter().enumerate();
        let twice = twice.filter(|(place, name)| spec.metadata[..*place].contains(name));
        mistakes.extend(twice.map(|(_, name)| format!("`dataset.metadata`: `{name}` twice")));
        let mut codes = vec![0; masks.len()];
        if let PixelsSpec::Layers(layers) = &spec.pixels {
            for (code, name) in codes.iter_mut().zip(&spec.masks) {
                match spec.pixels.layer(name) {
                    Some(layer) => *code = layer,
                    None => mistakes.push(format!(
                        "`dataset.masks`: no class of `dataset.pixels.classes` has `at = \"{name}\"`"
                    )),
                }
            }
            let others = layers.classes.iter().filter(|class| !spec.masks.contains(&class.at));
            mistakes.extend(others.map(|class| {
                format!("`dataset.pixels.classes`: `at = \"{}\"` is none of the columns of `dataset.masks`", class.at)
            }));
        }
        match mistakes.is_empty() {
            true => Ok(Self {
                image,
                masks: masks.into_iter().zip(codes).collect(),
                class,
                group,
                split,
                metadata,
            }),
            false => Err(Error::user(format!("{}: {}", path.display(), mistakes.join("\n  ")))),
        }
    }
}

/// Says that a column is not there, and which come near.
fn missing(key: &str, name: &str, header: &[String]) -> String {
    let columns = header.iter().map(String::as_str).filter(|other| !other.is_empty());
    let near: Vec<String> =
        nearest(name, columns).into_iter().map(|name| format!("`{name}`")).collect();
    format!("no column `{name}`, which `dataset.{key}` names; the nearest are {}", near.join(", "))
}

/// How the rows of a table become images.
struct Rows<'a> {
    spec: &'a TableSpec,
    columns: Columns,
    /// The table's, in findings.
    name: String,
    paths: Paths<'a>,
    /// Ids with the rows that have them.
    seen: BTreeMap<String, u64>,
    findings: Findings,
}

impl Rows<'_> {
    /// The image of a row; `None`, with findings, if something is wrong with it.
    fn found(&mut self, row: &Row) -> Option<Found> {
        let at = format!("{}:{}", self.name, row.at);
        let cell = |place: usize| row.cells.get(place).map_or("", String::as_str);
        let image = cell(self.columns.image);
        if image.is_empty() {
            self.wrong(
                FindingKind::RowWithoutImage,
                "rows without an image",
                at,
                "fill in the column or remove the row",
            );
            return None;
        }
        let mut masks = Vec::new();
        let mut whole = true;
        for (place, code) in self.columns.masks.clone() {
            for mask in cell(place).split('|').map(str::trim).filter(|mask| !mask.is_empty()) {
                match self.file(&at, mask) {
                    Some(path) => masks.push((path, code)),
                    None => whole = false,
                }
            }
        }
        masks.sort_by_key(|(_, code)| *code);
        let label =
            self.value(&at, row, self.columns.class, FindingKind::NoClass, "rows without a class");
        let group =
            self.value(&at, row, self.columns.group, FindingKind::NoGroup, "rows without a group");
        let split = self.split(&at, self.columns.split.map_or("", cell));
        let path = self.file(&at, image)?;
        let id = self.paths.id(&path);
        if let Some(first) = self.seen.insert(id.clone(), row.at) {
            self.wrong(
                FindingKind::SameCase,
                "cases that the table has twice",
                format!("{at}: `{id}`, as in {first}"),
                "keep one row of each image; several masks go into several columns of `dataset.masks`, or into one cell \
                 with `|` between them",
            );
            return None;
        }
        let columns = self.spec.masks.join("`, `");
        let carried = |(name, place): &(String, usize)| {
            (name.clone(), Some(cell(*place).to_string()).filter(|value| !value.is_empty()))
        };
        let metadata = self.columns.metadata.iter().map(carried).collect();
        let lacks = format!("nothing in the column `{columns}` ({at})");
        whole.then_some(Found {
            id,
            label: label?.unwrap_or_default(),
            group: group?,
            split: split?,
            metadata,
            image: path,
            masks,
            lacks,
        })
    }

    fn wrong(&mut self, kind: FindingKind, what: &str, name: String, remedy: &str) {
        self.findings.push(Finding::error(kind, what).naming(name).remedy(remedy));
    }

    /// The file that a cell names; `None`, with a finding, if it is not there.
    fn file(&mut self, at: &str, cell: &str) -> Option<std::path::PathBuf> {
        match self.paths.find(cell) {
            Ok(path) => Some(path),
            Err(near) => {
                self.findings.push(
                    Finding::error(FindingKind::MissingFile, "files that the table names and that are not there")
                        .naming(format!("{at}: {cell}{near}"))
                        .remedy(
                            "paths are relative to `dataset.root`, or to the folder of the table; in names each letter \
                             counts, large or small",
                        ),
                );
                None
            }
        }
    }

    /// What a column says of a row; the outer `None`, with a finding, if it says nothing.
    fn value(
        &mut self,
        at: &str,
        row: &Row,
        column: Option<usize>,
        kind: FindingKind,
        what: &str,
    ) -> Option<Option<String>> {
        let Some(column) = column else { return Some(None) };
        match row.cells.get(column).filter(|cell| !cell.is_empty()) {
            Some(cell) => Some(Some(cell.clone())),
            None => {
                self.wrong(
                    kind,
                    what,
                    at.to_string(),
                    "fill in the column, or leave its key out of the spec",
                );
                None
            }
        }
    }

    fn split(&mut self, at: &str, cell: &str) -> Option<Option<SplitName>> {
        if cell.is_empty() {
            return Some(None);
        }
        let split = SplitName::meant(cell);
        if split.is_none() {
            self.wrong(
                FindingKind::NoSplit,
                "rows whose split is none of `train`, `valid` and `test`",
                format!("{at}: `{cell}`"),
                "write one of these, or nothing for a case that is in no split",
            );
        }
        split.map(Some)
    }
}
