//! Images below a folder, found by patterns: anyone's data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::codes::Codes;
use super::files::{self, Entry};
use super::foreground::ForegroundSpec;
use super::found::{Found, Reading, WithoutMask};
use super::header::Limit;
use super::labels::Labels;
use super::look::Look;
use super::mask_name::like_masks;
use super::nearest::nearest;
use super::pattern::{Field, Named, Pattern};
use super::pixels::PixelsSpec;
use super::reader::{Masks, Opening, Source};
use super::scan::Scan;
use super::tree::{self, Listed};
use crate::error::{Error, Result};
use crate::finding::{Finding, FindingKind, Findings};
use crate::role::Role;
use crate::split_name::SplitName;

/// Images and masks below a folder, found by patterns of their paths.
///
/// In a pattern `*` stands for any characters of a name, `?` for one, `**` for any folders (in `masks`, for those of the
/// image), and letters for themselves in any case. `{stem}` is what an image and its masks share; in `images` it may be
/// left out and is the file's name without extension. `{class}`, `{group}` and `{split}` in `images` are the class, the
/// group and the split of the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FolderSpec {
    /// Folder that holds the data, relative to this file.
    #[schemars(extend("x-path" = true, "x-role" = Role::Instance))]
    pub root: String,
    /// Pattern of the images below `root`, such as `images/*.png`, `{class}/*.png` or `**/{group}/{stem}.jpg`. The masks of
    /// another image are no images, wherever they lie.
    #[schemars(length(min = 1), extend("x-role" = Role::Resolved))]
    pub images: String,
    /// Pattern of their masks, such as `masks/{stem}.png`, `{class}/{stem}_mask*.png` (all that match are masks of the
    /// image) or `masks/{mask-class}/{stem}.png` (with `pixels.kind = "layers"`). Whole images are classified without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-role" = Role::Resolved))]
    pub masks: Option<String>,
    /// Patterns of images that are neither, such as `**/*_overlay.png`.
    #[serde(default)]
    #[schemars(extend("x-role" = Role::Resolved))]
    pub leave_out: Vec<String>,
    /// Regular expression whose named group `(?<class>..)` finds the class of an image in its file's name; without it
    /// `{class}` of `images` is the class, if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-role" = Role::Resolved))]
    pub class: Option<String>,
    /// Regular expression whose named group `(?<group>..)` finds the group of an image, such as its patient, in its file's
    /// name; without it `{group}` of `images` is the group, if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-role" = Role::Resolved))]
    pub group: Option<String>,
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

impl Source for FolderSpec {
    fn title(&self) -> String {
        format!("images of a folder (`{}`), {}", self.images, self.pixels.words())
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

    fn scan(&self, opening: &Opening) -> Result<Scan> {
        let root = Path::new(&self.root);
        files::check_root(root)?;
        let rules = Rules::of(self)?;
        if opening.masks == Masks::Read && rules.masks.is_none() {
            return Err(Error::user(format!(
                "{}: missing key `dataset.masks`: a segmentation needs masks, by a pattern such as \
                 `masks/{{stem}}.png`; whole images are classified with `task.kind = \"classify\"`",
                root.display()
            )));
        }
        let look = Look { root, limit: Limit::Image, levels: opening.levels };
        let (found, findings) = rules.find(&look, tree::files_below(root)?, opening.masks)?;
        let reading = Reading {
            look,
            opening,
            pixels: &self.pixels,
            foreground: &self.foreground,
            without_mask: self.without_mask,
        };
        reading.cases(found, findings)
    }

    fn foreground(&self) -> ForegroundSpec {
        self.foreground.clone()
    }
}

/// The patterns of a spec, read.
struct Rules<'a> {
    spec: &'a FolderSpec,
    images: Pattern,
    masks: Option<Pattern>,
    leave_out: Vec<Pattern>,
    class: Option<Regex>,
    group: Option<Regex>,
    /// What an image and its masks have in common.
    shared: Vec<Field>,
}

impl<'a> Rules<'a> {
    fn of(spec: &'a FolderSpec) -> Result<Self> {
        let pattern = |key: &str, text: &str| {
            Pattern::new(text).map_err(|wrong| Error::user(format!("`dataset.{key}`: {wrong}")))
        };
        let images = pattern("images", &spec.images)?;
        let masks = spec.masks.as_deref().map(|text| pattern("masks", text)).transpose()?;
        let leave_out = spec.leave_out.iter().map(|text| pattern("leave-out", text));
        let rules = Self {
            spec,
            leave_out: leave_out.collect::<Result<_>>()?,
            class: expression("class", spec.class.as_deref(), images.names(Field::Class))?,
            group: expression("group", spec.group.as_deref(), images.names(Field::Group))?,
            shared: masks.as_ref().map_or(Ok(Vec::new()), |masks| shared(&images, masks))?,
            images,
            masks,
        };
        let layered = matches!(spec.pixels, PixelsSpec::Layers(_));
        let named = rules.masks.as_ref().is_some_and(|masks| masks.names(Field::MaskClass));
        match (layered, named) {
            (true, false) if rules.masks.is_some() => Err(Error::user(
                "`dataset.masks`: no `{mask-class}`, by which `dataset.pixels.kind = \"layers\"` tells the masks of an \
                 image apart, such as `masks/{mask-class}/{stem}.png`",
            )),
            (false, true) => Err(Error::user(
                "`dataset.masks`: `{mask-class}` needs `dataset.pixels = { kind = \"layers\", classes = [{ name = .., at \
                 = .. }] }`, which says what each is",
            )),
            _ => Ok(rules),
        }
    }

    /// Images with their masks; what is not read is a finding.
    fn find(
        &self,
        look: &Look,
        listed: Vec<Listed>,
        wanted: Masks,
    ) -> Result<(Vec<Found>, Findings)> {
        let mut findings = Findings::default();
        let (left_out, listed): (Vec<_>, Vec<_>) = listed
            .into_iter()
            .partition(|file| self.leave_out.iter().any(|pattern| pattern.matches(&file.name)));
        let pictures: Vec<&Listed> =
            listed.iter().filter(|file| tree::looks_like_image(&file.name)).collect();
        let mut images: Vec<(&Listed, Named)> = pictures
            .iter()
            .filter_map(|file| Some((*file, self.images.first(&file.name)?)))
            .collect();
        if images.is_empty() {
            findings.push(nothing("images", &self.images, &listed));
            return Ok((Vec::new(), findings));
        }
        let owned = self.masks_of(&images, &pictures, look, wanted, &mut findings);
        let masks: BTreeSet<&str> =
            owned.values().flatten().map(|mask| mask.file.name.as_str()).collect();
        if let Some(pattern) = self.masks.as_ref().filter(|_| masks.is_empty()) {
            findings.push(nothing("masks", pattern, &listed));
            return Ok((Vec::new(), findings));
        }
        images.retain(|(file, _)| !masks.contains(file.name.as_str()));
        let (read, foreign): (Vec<_>, Vec<_>) =
            images.into_iter().partition(|(file, _)| files::is_image_name(&file.name));
        let mut found = Vec::new();
        let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
        for (file, named) in &read {
            let id = files::image_stem(&file.name).unwrap_or(&file.name).to_string();
            if let Some(twin) = seen.insert(id.clone(), file.path.clone()) {
                findings.push(files::same_case(look.root, &file.path, &twin));
                continue;
            }
            found.extend(self.found(id, file, named, owned.get(file.name.as_str()), &mut findings));
        }
        let used: BTreeSet<&str> =
            read.iter().map(|(file, _)| file.name.as_str()).chain(masks.iter().copied()).collect();
        self.account(look, &listed, &left_out, &used, &foreign, &mut findings)?;
        let images: Vec<(&str, String)> = read
            .iter()
            .map(|(file, _)| (files::image_stem(&file.name).unwrap_or_default(), file.name.clone()))
            .collect();
        findings.extend(like_masks(
            &images,
            "let `dataset.masks` match them if they are masks, else name them in `dataset.leave-out`",
        ));
        Ok((found, findings))
    }

    /// The masks of each image, by its name.
    fn masks_of<'f>(
        &self,
        images: &[(&'f Listed, Named)],
        pictures: &[&'f Listed],
        look: &Look,
        wanted: Masks,
        findings: &mut Findings,
    ) -> BTreeMap<&'f str, Vec<Mask<'f>>> {
        let Some(pattern) = &self.masks else { return BTreeMap::new() };
        let key = |named: &Named| -> Vec<String> {
            let of = |field: &Field| named.get(*field).unwrap_or_default().to_string();
            self.shared.iter().map(of).collect()
        };
        let mut owners: BTreeMap<Vec<String>, Vec<&str>> = BTreeMap::new();
        for (file, named) in images {
            owners.entry(key(named)).or_default().push(&file.name);
        }
        let is_image: BTreeSet<&str> = images.iter().map(|(file, _)| file.name.as_str()).collect();
        let mut owned: BTreeMap<&str, Vec<Mask>> = BTreeMap::new();
        for &file in pictures {
            let readings = pattern.all(&file.name);
            let of = |named: &Named| owners.get(&key(named)).cloned().unwrap_or_default();
            let mut mine: Vec<(&str, Option<String>)> = Vec::new();
            for named in &readings {
                let class = named.get(Field::MaskClass).map(String::from);
                for owner in of(named).into_iter().filter(|owner| *owner != file.name) {
                    if !mine.iter().any(|(known, _)| *known == owner) {
                        mine.push((owner, class.clone()));
                    }
                }
            }
            match mine.as_slice() {
                [(owner, class)] => {
                    owned.entry(owner).or_default().push(Mask { file, class: class.clone() });
                }
                [] if readings.is_empty() || is_image.contains(file.name.as_str()) => {}
                [] => {
                    let (kind, what) = (FindingKind::MaskWithoutImage, "masks without their image");
                    findings.push(match wanted {
                        Masks::Read => Finding::error(kind, what)
                            .naming(&file.name)
                            .remedy("fetch their images, or name the masks in `dataset.leave-out`"),
                        Masks::Ignored => Finding::warning(kind, what).naming(&file.name),
                    });
                }
                several => {
                    let names: Vec<&str> = several.iter().take(2).map(|(name, _)| *name).collect();
                    let what = "masks that `dataset.masks` gives to several images";
                    findings.push(
                        Finding::error(FindingKind::SharedMask, what)
                            .naming(format!("{}: {}", look.name(&file.path), names.join(" and ")))
                            .remedy("say what parts them, such as `{stem}_mask.png` in place of `{stem}*.png`"),
                    );
                }
            }
        }
        owned
    }

    /// An image with what its name says of it; `None`, with a finding, if something is missing.
    fn found(
        &self,
        id: String,
        file: &Listed,
        named: &Named,
        masks: Option<&Vec<Mask>>,
        findings: &mut Findings,
    ) -> Option<Found> {
        let label = said("class", self.class.as_ref(), file, named.get(Field::Class), findings)?;
        let group = said("group", self.group.as_ref(), file, named.get(Field::Group), findings)?;
        let split = match named.get(Field::Split) {
            None => None,
            Some(name) => match SplitName::meant(name) {
                Some(split) => Some(split),
                None => {
                    let what = "folders or parts of names that `{split}` of `dataset.images` takes for a split";
                    findings.push(
                        Finding::error(FindingKind::FolderNotRead, what)
                            .naming(format!("`{name}` of {}", file.name))
                            .remedy(
                                "call them `train`, `valid` (or `val`) and `test`, or put `*` in place of `{split}`",
                            ),
                    );
                    return None;
                }
            },
        };
        let mut of_image = Vec::new();
        for mask in masks.into_iter().flatten() {
            let code = match &mask.class {
                None => 0,
                Some(class) => match self.spec.pixels.layer(class) {
                    Some(code) => code,
                    None => {
                        let what = "masks of a class that `dataset.pixels.classes` does not have";
                        findings.push(
                            Finding::error(FindingKind::UnknownCodes, what)
                                .naming(format!("`{class}` of {}", mask.file.name))
                                .remedy(format!(
                                    "add {{ name = .., at = \"{class}\" }}, or name them in `dataset.leave-out`"
                                )),
                        );
                        return None;
                    }
                },
            };
            of_image.push((mask.file.path.clone(), code));
        }
        // Later classes lie over earlier ones.
        of_image.sort_by_key(|(_, code)| *code);
        let lacks = self.masks.as_ref().map_or(String::new(), |masks| masks.filled(named));
        Some(Found {
            id,
            label: label.unwrap_or_default(),
            group,
            split,
            metadata: Default::default(),
            image: file.path.clone(),
            masks: of_image,
            lacks: format!("no `{lacks}`"),
        })
    }

    /// Mentions what no pattern matches.
    fn account(
        &self,
        look: &Look,
        listed: &[Listed],
        left_out: &[Listed],
        used: &BTreeSet<&str>,
        foreign: &[(&Listed, Named)],
        findings: &mut Findings,
    ) -> Result<()> {
        let folder = |file: &Listed| file.path.parent().map(Path::to_path_buf);
        let in_use = listed.iter().filter(|file| used.contains(file.name.as_str()));
        let read: BTreeSet<PathBuf> = in_use.filter_map(folder).collect();
        let stems: BTreeSet<String> = used
            .iter()
            .filter_map(|name| Some(files::image_stem(name)?.rsplit('/').next()?.to_string()))
            .collect();
        let is_foreign: BTreeSet<&str> =
            foreign.iter().map(|(file, _)| file.name.as_str()).collect();
        let mut others = Vec::new();
        for file in listed.iter().filter(|file| !used.contains(file.name.as_str())) {
            let beside = folder(file).is_some_and(|folder| read.contains(&folder));
            if is_foreign.contains(file.name.as_str()) {
                others.push(entry(file));
            } else if beside && files::is_image_name(&file.name) {
                let what = "images that neither `dataset.images` nor `dataset.masks` matches";
                findings.push(
                    Finding::warning(FindingKind::ImageNotRead, what)
                        .naming(&file.name)
                        .remedy("widen a pattern, or name them in `dataset.leave-out`"),
                );
            } else if beside {
                others.push(entry(file));
            }
        }
        findings.extend(files::not_read(look.root, &others, &stems));
        if !left_out.is_empty() {
            let what = "files that `dataset.leave-out` leaves out";
            findings.push(
                Finding::note(FindingKind::ImageNotRead, what)
                    .naming_all(left_out.iter().map(|file| &file.name)),
            );
        }
        let read: Vec<PathBuf> =
            read.into_iter().chain(left_out.iter().filter_map(folder)).collect();
        findings.extend(tree::account(look.root, &read, &[], "")?);
        Ok(())
    }
}

fn entry(file: &Listed) -> Entry {
    let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Entry { path: file.path.clone(), name }
}

/// A mask of an image.
struct Mask<'a> {
    file: &'a Listed,
    /// What `{mask-class}` is for it.
    class: Option<String>,
}

/// A regular expression of a spec, which has a group of the key's name.
fn expression(key: &str, text: Option<&str>, in_pattern: bool) -> Result<Option<Regex>> {
    let Some(text) = text else { return Ok(None) };
    let at = format!("`dataset.{key}`");
    if in_pattern {
        return Err(Error::user(format!(
            "{at} and `{{{key}}}` of `dataset.images` both say the {key}: keep one"
        )));
    }
    let found = Regex::new(text).map_err(|error| Error::user(format!("{at}: {error}")))?;
    if !found.capture_names().flatten().any(|name| name == key) {
        return Err(Error::user(format!(
            "{at}: `{text}` has no named group `(?<{key}>..)`, which finds the {key} in a file's name; such as \
             '^(?<{key}>[^_]+)_'"
        )));
    }
    Ok(Some(found))
}

/// What a name says by an expression, or a pattern in its place; `None`, with a finding, if it should and does not.
fn said(
    key: &'static str,
    expression: Option<&Regex>,
    file: &Listed,
    in_pattern: Option<&str>,
    findings: &mut Findings,
) -> Option<Option<String>> {
    let Some(expression) = expression else { return Some(in_pattern.map(String::from)) };
    let name = file.name.rsplit('/').next().unwrap_or(&file.name);
    let stem = files::image_stem(name).unwrap_or(name);
    let found = expression.captures(stem).and_then(|found| found.name(key));
    match found.filter(|found| !found.is_empty()) {
        Some(found) => Some(Some(found.as_str().to_string())),
        None => {
            let (kind, what) = match key {
                "class" => {
                    (FindingKind::NoClass, "images in whose names `dataset.class` finds no class")
                }
                _ => (FindingKind::NoGroup, "images in whose names `dataset.group` finds no group"),
            };
            findings.push(Finding::error(kind, what).naming(&file.name).remedy(format!(
                "`{}` must fit every name, without its extension",
                expression.as_str()
            )));
            None
        }
    }
}

/// What both patterns name.
fn shared(images: &Pattern, masks: &Pattern) -> Result<Vec<Field>> {
    let fields = [Field::Stem, Field::Class, Field::Group, Field::Split];
    let of_image = |field: Field| field == Field::Stem || images.names(field);
    for field in fields {
        if masks.names(field) && !of_image(field) {
            return Err(Error::user(format!(
                "`dataset.masks`: `{}` is not in `dataset.images` (`{}`), so that nothing says what it is",
                field.written(),
                images.as_str()
            )));
        }
    }
    let folders = Some(Field::Folders).filter(|&field| images.names(field) && masks.names(field));
    let fields = fields.into_iter().filter(|&field| masks.names(field));
    let shared: Vec<Field> = fields.chain(folders).collect();
    match shared.is_empty() {
        false => Ok(shared),
        true => Err(Error::user(format!(
            "`dataset.masks`: `{}` names nothing that belongs to one image: put `{{stem}}` in place of the image's name",
            masks.as_str()
        ))),
    }
}

/// Says that a pattern matches nothing, and which names come near.
fn nothing(key: &str, pattern: &Pattern, listed: &[Listed]) -> Finding {
    let pictures =
        listed.iter().map(|file| file.name.as_str()).filter(|name| tree::looks_like_image(name));
    let near = match nearest(pattern.as_str(), pictures).as_slice() {
        [] => "there is no image at all below `dataset.root`".into(),
        near => format!("the nearest names are {}", near.join(", ")),
    };
    Finding::error(FindingKind::NoMatch, "patterns that match no file")
        .naming(format!("`dataset.{key} = \"{}\"`: {near}", pattern.as_str()))
        .remedy("patterns are relative to `dataset.root`; `*` stays within a folder and `**/` goes through all")
}

#[cfg(test)]
mod tests;
