//! What is found about data: said by every command, kept in the record, shown on the page.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names that a line shows; all of them are kept.
const SHOWN: usize = 3;

/// How much a finding matters.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The data cannot be used like this.
    Error,
    /// It can, but someone should look.
    Warning,
    /// Good to know.
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

/// What a finding is about; names stay as they are, so that scripts may rely on them.
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
    /// Masks with lesion of images that should have none.
    LesionInNormal,
    /// Images of more than 8 bits a channel.
    DeepImage,
    /// Images of 8 bits a channel among images of 16.
    MixedDepth,
    /// Images whose 16 bits hold values of 8, among others that hold more.
    StoredDepth,
    /// Images of 16 bits of which the window leaves little.
    WindowFit,
    /// Images of which all pixels are alike.
    BlankImage,
    /// Images that are drawn in their alpha channel.
    ImageAlpha,
    /// Images of two values alone.
    TwoValuedImage,
    /// Images that are the same as their mask.
    ImageIsMask,
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
    /// Images that count as without lesion for want of a mask.
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
    /// Tiles or ROIs whose names tell no slide, so that nobody knows which are of one patient.
    NoSlide,
    /// Cases that are in no split.
    LeftOut,
    /// Patients that lie in more than one split.
    Crossing,
    /// Tiles of which some pixels are in more than one split.
    CrossingTiles,
    /// Pictures that are in more than one split.
    CrossingDuplicates,
    /// Pictures that are there more than once.
    Duplicates,
    /// One picture under several labels.
    ConflictingLabels,
    /// Pictures that may be one.
    AlikeImages,
    /// Written by another version of oncospec.
    #[default]
    #[serde(other)]
    Other,
}

impl FindingKind {
    /// Whether it says that what is one lies in several splits.
    pub fn is_leak(self) -> bool {
        matches!(self, Self::Crossing | Self::CrossingTiles | Self::CrossingDuplicates)
    }
}

/// Something found about data: one line, whatever the number of files that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What it is about.
    pub kind: FindingKind,
    /// What was found, in words that fit one file and many.
    pub what: String,
    /// How many files, cases or groups it is about; 0 where it is about the data as a whole.
    pub count: usize,
    /// Their names, perhaps with what is particular to each.
    pub names: Vec<String>,
    /// What would be right; empty where nothing needs to be done.
    pub remedy: String,
}

impl Finding {
    /// The data cannot be used like this.
    pub fn error(kind: FindingKind, what: impl Into<String>) -> Self {
        Self { level: Level::Error, kind, what: what.into(), ..Self::default() }
    }

    /// Someone should look.
    pub fn warning(kind: FindingKind, what: impl Into<String>) -> Self {
        Self { level: Level::Warning, kind, what: what.into(), ..Self::default() }
    }

    /// Good to know.
    pub fn note(kind: FindingKind, what: impl Into<String>) -> Self {
        Self { level: Level::Note, kind, what: what.into(), ..Self::default() }
    }

    /// About one more file, case or group.
    #[must_use]
    pub fn naming(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self.count = self.names.len();
        self
    }

    /// About all of these as well.
    #[must_use]
    pub fn naming_all<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        names.into_iter().fold(self, Self::naming)
    }

    /// With what would be right.
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
            let shown: Vec<String> =
                self.names.iter().take(SHOWN).map(|name| escaped(name)).collect();
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

/// A name whose control characters, and those that turn the direction of text, are shown as what they are.
fn escaped(name: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut text = String::new();
    for c in name.chars() {
        if c.is_control() || turns(c) {
            text.extend(c.escape_unicode());
        } else {
            text.push(c);
        }
    }
    text
}

/// A finding as records hold it: a sentence in those of earlier versions.
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

/// All that was found about a data set: one finding of each kind and level, the worst first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Adds a finding; what is of one kind and level becomes one, with the names of both.
    pub fn push(&mut self, finding: Finding) {
        let key = |finding: &Finding| (finding.level, finding.kind);
        match self.0.iter_mut().find(|known| key(known) == key(&finding)) {
            Some(known) => {
                for name in finding.names {
                    if !known.names.contains(&name) {
                        known.names.push(name);
                    }
                }
                known.count = known.count.max(known.names.len());
            }
            None => {
                let place = self.0.partition_point(|known| known.level <= finding.level);
                self.0.insert(place, finding);
            }
        }
    }

    /// Those of a level.
    pub fn of(&self, level: Level) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(move |finding| finding.level == level)
    }

    /// Whether something stands against using the data.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(Finding::is_error)
    }

    /// All of them, the worst first.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a list.
    pub fn to_vec(&self) -> Vec<Finding> {
        self.0.clone()
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
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
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
        assert_eq!(finding.line(), "x (gnp.\\u{202e}a\\u{a}\\u{1b}[31m)");
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
