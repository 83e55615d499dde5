//! Problems of a spec, and how they are shown.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use serde::Serialize;

use super::layer::{Layer, Source};
use crate::text;

/// Longest stretch of a source line that is shown, in characters.
const WINDOW: usize = 120;

/// Problems of one kind of check after which it looks for no more.
pub(super) const MOST: usize = 100;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The key it is about, such as `dataset.image-size`; empty where it is about the whole file.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// Where it is.
    pub place: Option<Box<Place>>,
}

/// A place in a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, or `command line`, or `environment`.
    pub source: String,
    /// Line and column in the file, from 1; the column counts characters.
    pub position: Option<(usize, usize)>,
    /// The line itself and what of it is meant.
    #[serde(skip)]
    excerpt: Option<Excerpt>,
    /// Rank of the layer, to list problems from the lowest layer to the highest.
    #[serde(skip)]
    rank: usize,
}

/// A line of a source and the part of it that carets stand under, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    text: String,
    start: usize,
    width: usize,
}

impl Place {
    /// The bytes `span` of what `layer` says; `None` for all of it.
    pub(super) fn at(layer: &Layer, rank: usize, span: Option<Range<usize>>) -> Box<Self> {
        let Some(span) = span else {
            let source = layer.source.place();
            return Box::new(Self { source, position: None, excerpt: None, rank });
        };
        let text = layer.text.as_str();
        let start = floor(text, span.start);
        let end = floor(text, span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let before = text[line_start..start].chars().count();
        let within = text[start..end.min(line_end)].trim_end_matches('\r').chars().count();
        let excerpt = Excerpt::new(line, before, within.max(1));
        let number = text[..start].matches('\n').count() + 1;
        let position = match layer.source {
            Source::File(_) => Some((number, before + 1)),
            Source::Env(_) | Source::Set(_) | Source::Member { .. } => None,
        };
        let source = layer.source.place();
        Box::new(Self { source, position, excerpt: Some(excerpt), rank })
    }
}

/// The start of the character that byte `at` of `text` belongs to.
fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}

impl Excerpt {
    /// The window of `line` around the caret, with what a terminal would act on made harmless.
    fn new(line: &str, start: usize, width: usize) -> Self {
        let shown: Vec<char> = line.chars().map(harmless).collect();
        if shown.len() <= WINDOW {
            return Self { text: shown.into_iter().collect(), start, width };
        }
        let from = start.saturating_sub(WINDOW / 3).min(shown.len() - WINDOW);
        let to = from + WINDOW;
        let mark = |cut: bool| if cut { "…" } else { "" };
        let middle: String = shown[from..to].iter().collect();
        let text = format!("{}{middle}{}", mark(from > 0), mark(to < shown.len()));
        let shift = usize::from(from > 0);
        Self { text, start: start - from + shift, width: width.min(to - start.min(to)).max(1) }
    }
}

/// One character for another, so that carets stand where they should.
fn harmless(c: char) -> char {
    match c {
        '\t' => ' ',
        c if text::is_hidden(c) => '\u{fffd}',
        c => c,
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::lines(&self.message))?;
        let position = self.place.as_ref().and_then(|place| place.position);
        let number = position.map(|(line, _)| line.to_string()).unwrap_or_default();
        let margin = " ".repeat(number.len().max(1));
        if let Some(place) = &self.place {
            write!(f, "\n{margin}--> {}", text::name(&place.source))?;
            if let Some((line, column)) = place.position {
                write!(f, ":{line}:{column}")?;
            }
            if let Some(Excerpt { text, start, width }) = &place.excerpt {
                write!(f, "\n{margin} |\n{number:1} | {text}\n{margin} | ")?;
                write!(f, "{}{}", " ".repeat(*start), "^".repeat(*width))?;
            }
        }
        if let Some(help) = &self.help {
            let indent = format!("\n{margin}         ");
            write!(f, "\n{margin} = help: {}", text::lines(help).replace('\n', &indent))?;
        }
        Ok(())
    }
}

/// Everything wrong with a spec: never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// The file that was asked for.
    pub file: PathBuf,
    /// The mistakes, from the lowest layer to the highest, each layer from top to bottom.
    pub list: Vec<Problem>,
}

impl Problems {
    /// `list` in reading order, without repetitions.
    pub fn new(file: PathBuf, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| {
            problem.place.as_ref().map(|place| (place.rank, place.position))
        });
        list.dedup();
        Self { file, list }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            write!(f, "{problem}\n\n")?;
        }
        let count = self.list.len();
        let mistakes = if count == 1 { "mistake" } else { "mistakes" };
        let more = if count >= MOST { " or more" } else { "" };
        write!(f, "{count} {mistakes}{more} in {}", text::path(&self.file))
    }
}

impl std::error::Error for Problems {}

impl From<Problems> for crate::error::Error {
    fn from(problems: Problems) -> Self {
        Self::user(problems.to_string())
    }
}
