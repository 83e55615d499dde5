//! A layer of a spec: the keys of one source, and how they were written.

use std::path::{Path, PathBuf};

use super::files::tidy;
use super::locate::{KeyPath, SpanMap};
use super::origin::Origin;
use super::said::Said;

/// The source of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A spec file.
    File(PathBuf),
    /// An environment variable, by name.
    Env(String),
    /// An argument of `--set`, `key=value`.
    Set(String),
    /// A key of one of the runs that the spec declares, `key=value`.
    Member {
        /// Which one, such as `fold 2`.
        name: String,
        /// The folder that its paths start from.
        folder: PathBuf,
    },
}

impl Source {
    /// Where a person finds it.
    pub(super) fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Env(_) => "environment".into(),
            Self::Set(_) => "command line".into(),
            Self::Member { name, .. } => name.clone(),
        }
    }
}

/// The keys of one source: a whole layer where it is a file, else one statement of a layer.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// Their source.
    pub source: Source,
    /// The keys and values.
    pub said: Said,
    /// How they were written.
    pub text: String,
    /// Where in `text` each is.
    pub spans: SpanMap,
    /// Where in `text` lines end.
    line_ends: Vec<usize>,
}

impl Layer {
    /// A layer without keys yet.
    pub(super) fn new(source: Source, text: String) -> Self {
        let line_ends = text.match_indices('\n').map(|(at, _)| at).collect();
        Self { source, said: Said::nothing(), text, spans: SpanMap::new(), line_ends }
    }

    /// The folder that relative paths in this layer start from; `None` is the working directory.
    pub(super) fn folder(&self) -> Option<&Path> {
        let folder = match &self.source {
            Source::File(path) => path.parent()?,
            Source::Member { folder, .. } => folder,
            Source::Env(_) | Source::Set(_) => return None,
        };
        (!folder.as_os_str().is_empty()).then_some(folder)
    }

    /// The path that this layer means by `path`, from the working directory.
    pub(super) fn resolved(&self, path: &str) -> PathBuf {
        match self.folder() {
            Some(folder) => tidy(&folder.join(path)),
            None => PathBuf::from(path),
        }
    }

    /// The value as it was typed, for a variable or an argument.
    pub(super) fn raw_value(&self) -> Option<&str> {
        match self.source {
            Source::File(_) => None,
            Source::Env(_) | Source::Set(_) | Source::Member { .. } => {
                self.text.split_once('=').map(|(_, value)| value)
            }
        }
    }

    /// The line, from 1, on which the key at `path` stands.
    pub(super) fn line(&self, path: &KeyPath) -> Option<usize> {
        let start = self.spans.get(path)?.key.start;
        Some(self.line_ends.partition_point(|&end| end < start) + 1)
    }

    /// The origin of the key at `path`.
    pub(super) fn origin(&self, path: &KeyPath) -> Origin {
        match &self.source {
            Source::File(file) => {
                Origin::File { path: file.clone(), line: self.line(path).unwrap_or(1) }
            }
            Source::Env(name) => Origin::Env(name.clone()),
            Source::Set(argument) => Origin::Set(argument.clone()),
            Source::Member { name, .. } => Origin::Member(name.clone()),
        }
    }
}

/// The layers, from the lowest up: each file is one, the variables of the environment are one together, and so are the
/// arguments of `--set` and the keys of one of its runs. Each comes with the rank of its first source in the list.
pub(super) fn in_layers(sources: &[Layer]) -> impl Iterator<Item = (usize, &[Layer])> {
    let together = |one: &Layer, next: &Layer| {
        matches!(
            (&one.source, &next.source),
            (Source::Env(_), Source::Env(_))
                | (Source::Set(_), Source::Set(_))
                | (Source::Member { .. }, Source::Member { .. })
        )
    };
    sources.chunk_by(together).scan(0, |rank, layer| {
        let first = *rank;
        *rank += layer.len();
        Some((first, layer))
    })
}
