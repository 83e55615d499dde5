//! Findings about data: printed by every command, kept in the record, shown on the page.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text;

/// Most names that a line shows; all are kept.
const SHOWN: usize = 3;

/// How much a finding matters.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The data cannot be used like this.
    Error,
    /// The data can be used, but a person should look.
    Warning,
    /// Worth knowing.
    #[default]
    Note,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// The kind of a finding; names are stable, so that scripts may rely on them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A file that is empty, cut, damaged, too large or of a kind that is not read.
    UnreadableFile,
    /// A link to a file that is not there.
    BrokenLink,
    /// An image in a format that is not read.
    ForeignFormat,
    /// Files that begin as images do, under names that are not read.
    ImageName,
    /// Pipes, sockets, devices, and folders under the name of an image.
    NotAFile,
    /// A picture that only looks like a mask by its name.
    MaskName,
    /// A mask whose image is not there.
    MaskWithoutImage,
    /// An image whose mask is not there.
    ImageWithoutMask,
    /// Two files that stand for one case.
    SameCase,
    /// A mask of another size than its image.
    MaskSize,
    /// A mask in a format that changes or hides labels.
    MaskFormat,
    /// Masks that do not say which pixels are lesion.
    MaskValues,
    /// Masks that are drawn in their alpha channel.
    MaskAlpha,
    /// Masks of several colours, of which the spec sees one value.
    MaskColours,
    /// Masks that are lesion along their edges, and less in the middle.
    LesionAround,
    /// Masks of which nearly all is lesion.
    MostlyLesion,
    /// Masks without lesion of images that should have one.
    NoLesion,
    /// Lesions of which no pixel is left at the network's size.
    VanishedLesion,
    /// Masks with lesion of images that should have none.
    LesionInNormal,
    /// Images of more than 8 bits a channel.
    DeepImage,
    /// Images of 8 bits a channel among images of 16.
    MixedDepth,
    /// Images whose 16 bits hold values of 8, among others that hold more.
    StoredDepth,
    /// Images of more than 8 bits of which the window leaves little.
    WindowFit,
    /// Images of which all pixels are alike.
    BlankImage,
    /// Images without two stains, where stains are normalised or augmented.
    NoStains,
    /// Images that are drawn in their alpha channel.
    ImageAlpha,
    /// Images of two values alone.
    TwoValuedImage,
    /// Images that are the same as their mask.
    ImageIsMask,
    /// Masks that are drawn in their image, or made from it.
    MaskInImage,
    /// Images that give their class away by how they were stored.
    Shortcut,
    /// Columns that tell a class by themselves.
    TellingColumn,
    /// Images that are named after another image.
    NamedAfter,
    /// Images that are the same to the pixel.
    ExactCopies,
    /// Images that a camera says are turned.
    TurnedImage,
    /// Images of several frames.
    AnimatedImage,
    /// Folders without the images that they should hold, or not there.
    MissingFolder,
    /// Folders that hold images and are not read.
    FolderNotRead,
    /// Images that are not read.
    ImageNotRead,
    /// Files that are not images.
    NotAnImage,
    /// Hidden files and folders.
    Hidden,
    /// Images left out because they have several masks.
    SeveralMasks,
    /// Images without a mask that count as without lesion.
    CountsAsEmpty,
    /// Which codes masks hold.
    CodeSet,
    /// Codes that masks may not hold.
    UnknownCodes,
    /// Images of another size than the network's.
    Resized,
    /// How whole regions of interest were cut.
    Tiles,
    /// How the folders lie.
    Layout,
    /// Tiles without masks.
    Unlabelled,
    /// A tile without a labelled pixel.
    UnlabelledTile,
    /// A split without a labelled pixel.
    UnlabelledSplit,
    /// A split without a pixel of the foreground.
    UnscoredSplit,
    /// Classes that training has not one pixel of.
    UntrainedClass,
    /// Tiles or ROIs whose names have no slide, so that their patients are unknown.
    NoSlide,
    /// A pattern that matches no file.
    NoMatch,
    /// Images whose class is not told where it should be.
    NoClass,
    /// Images whose group is not told where it should be.
    NoGroup,
    /// A mask that a pattern gives to several images.
    SharedMask,
    /// How a table was read.
    Table,
    /// Rows of a table without an image.
    RowWithoutImage,
    /// Files that a table names and that are not there.
    MissingFile,
    /// Rows of a table whose split is none.
    NoSplit,
    /// Cases that are in no split.
    LeftOut,
    /// The epoch is chosen on the images that are reported.
    ChosenOnTest,
    /// Patients in more than one split.
    Crossing,
    /// Tiles of which some pixels are in more than one split.
    CrossingTiles,
    /// Images with near-duplicates in another split.
    CrossingDuplicates,
    /// Images that occur more than once.
    Duplicates,
    /// One image with several labels.
    ConflictingLabels,
    /// Images that may be near-duplicates.
    AlikeImages,
    /// Written by another version of oncospec.
    #[default]
    #[serde(other)]
    Other,
}

impl FindingKind {
    /// Whether it is a leak.
    pub fn is_leak(self) -> bool {
        matches!(self, Self::Crossing | Self::CrossingTiles | Self::CrossingDuplicates)
    }
}

/// A finding about data: one line for any number of files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What it is about.
    pub kind: FindingKind,
    /// What was found, in words for one file or many.
    pub what: String,
    /// Number of files, cases or groups; 0 for the data as a whole.
    pub count: usize,
    /// Their names, perhaps with details.
    pub names: Vec<String>,
    /// What to do; empty if nothing.
    pub remedy: String,
}

impl Finding {
    /// The data cannot be used like this.
    pub fn error(kind: FindingKind, what: impl Into<String>) -> Self {
        Self { level: Level::Error, kind, what: what.into(), ..Self::default() }
    }

    /// A person should look.
    pub fn warning(kind: FindingKind, what: impl Into<String>) -> Self {
        Self { level: Level::Warning, kind, what: what.into(), ..Self::default() }
    }

    /// Worth knowing.
    pub fn note(kind: FindingKind, what: impl Into<String>) -> Self {
        Self { level: Level::Note, kind, what: what.into(), ..Self::default() }
    }

    /// Adds the name of a file, case or group.
    #[must_use]
    pub fn naming(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self.count = self.names.len();
        self
    }

    /// Adds several names.
    #[must_use]
    pub fn naming_all<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        names.into_iter().fold(self, Self::naming)
    }

    /// Adds what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// Whether the data cannot be used like this.
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }

    /// The line without its level.
    pub fn line(&self) -> String {
        let mut line = self.what.clone();
        if !self.names.is_empty() {
            let shown: Vec<_> =
                self.names.iter().take(SHOWN).map(|name| text::name(name)).collect();
            let count = if self.count > 1 { format!("{}: ", self.count) } else { String::new() };
            let more = match self.count.saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            line.push_str(&format!(" ({count}{}{more})", shown.join("; ")));
        }
        if !self.remedy.is_empty() {
            line.push_str(": ");
            line.push_str(&self.remedy);
        }
        line
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.level, self.line())
    }
}

/// A finding in a record: a sentence in records of earlier versions.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Sentence(String),
    Whole {
        level: Level,
        #[serde(default)]
        kind: FindingKind,
        what: String,
        #[serde(default)]
        count: usize,
        #[serde(default)]
        names: Vec<String>,
        #[serde(default)]
        remedy: String,
    },
}

impl From<Written> for Finding {
    fn from(written: Written) -> Self {
        match written {
            Written::Sentence(what) => Self { what, ..Self::default() },
            Written::Whole { level, kind, what, count, names, remedy } => {
                Self { level, kind, what, count, names, remedy }
            }
        }
    }
}

/// The findings about a data set: one for each kind and level, the worst first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Findings {
    list: Vec<Finding>,
    /// Names that findings of a level and kind have, so that each is named once.
    #[serde(skip)]
    named: BTreeMap<(Level, FindingKind), BTreeSet<String>>,
}

impl Findings {
    /// Adds a finding; it is merged with one of the same kind and level.
    pub fn push(&mut self, finding: Finding) {
        let key = |finding: &Finding| (finding.level, finding.kind);
        let named = self.named.entry(key(&finding)).or_default();
        match self.list.iter_mut().find(|known| key(known) == key(&finding)) {
            Some(known) => {
                let more = finding.names.into_iter().filter(|name| named.insert(name.clone()));
                known.names.extend(more);
                known.count = known.count.max(known.names.len());
            }
            None => {
                named.extend(finding.names.iter().cloned());
                let place = self.list.partition_point(|known| known.level <= finding.level);
                self.list.insert(place, finding);
            }
        }
    }

    /// Those of a level.
    pub fn of(&self, level: Level) -> impl Iterator<Item = &Finding> {
        self.list.iter().filter(move |finding| finding.level == level)
    }

    /// Whether the data cannot be used.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(Finding::is_error)
    }

    /// All of them, the worst first.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.list.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// As a list.
    pub fn to_vec(&self) -> Vec<Finding> {
        self.list.clone()
    }
}

impl Extend<Finding> for Findings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}

impl FromIterator<Finding> for Findings {
    fn from_iter<T: IntoIterator<Item = Finding>>(findings: T) -> Self {
        let mut all = Self::default();
        all.extend(findings);
        all
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_one_line_with_its_count_and_three_names() {
        let mut all = Findings::default();
        for number in 0..780 {
            all.push(
                Finding::error(FindingKind::BrokenLink, "links that lead nowhere")
                    .naming(format!("benign ({number}).png"))
                    .remedy("fetch what they stand for"),
            );
            all.push(Finding::note(FindingKind::NotAnImage, "left out").naming("a"));
        }
        let lines: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "error: links that lead nowhere (780: benign (0).png; benign (1).png; benign (2).png \
                 and 777 more): fetch what they stand for",
                "note: left out (a)"
            ]
        );
        assert_eq!(all.iter().next().map(|finding| finding.names.len()), Some(780));
    }

    #[test]
    fn the_worst_comes_first_and_a_kind_of_two_levels_is_two() {
        let kind = FindingKind::MostlyLesion;
        let all: Findings =
            [Finding::note(kind, "c"), Finding::error(kind, "a"), Finding::warning(kind, "b")]
                .into_iter()
                .collect();
        let what: String = all.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(what, "abc");
    }

    #[test]
    fn names_cannot_turn_or_break_the_line() {
        let finding = Finding::note(FindingKind::Other, "x").naming("gnp.\u{202e}a\n\x1b[31m");
        assert_eq!(finding.line(), "x (gnp.\\u{202e}a\\n\\u{1b}[31m)");
    }

    #[test]
    fn records_of_earlier_and_later_versions_are_read() {
        let old: Finding = serde_json::from_str("\"17 images were united\"").unwrap();
        assert_eq!((old.level, old.line()), (Level::Note, "17 images were united".to_string()));
        let later = r#"{"level": "warning", "kind": "not-known-yet", "what": "w", "more": 1}"#;
        let later: Finding = serde_json::from_str(later).unwrap();
        assert_eq!((later.kind, later.line()), (FindingKind::Other, "w".to_string()));
        let written = Finding::error(FindingKind::MaskSize, "sizes").naming("a");
        let text = serde_json::to_string(&written).unwrap();
        assert_eq!(serde_json::from_str::<Finding>(&text).unwrap(), written);
    }
}
