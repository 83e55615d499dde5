//! A layer of a spec: the keys that one source says, and how it said them.

use std::path::{Path, PathBuf};

use figment::value::{Dict, Map};
use figment::{Metadata, Profile, Provider};

use super::locate::{KeyPath, SpanMap};

/// Where a layer was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A spec file.
    File(PathBuf),
    /// An environment variable, by name.
    Env(String),
    /// An argument of `--set`, `key=value`.
    Set(String),
}

impl Source {
    /// How a person is told where to look.
    pub fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Env(_) => "environment".into(),
            Self::Set(_) => "command line".into(),
        }
    }
}

/// The keys that one source says.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// Who says them.
    pub source: Source,
    /// The keys and values.
    pub table: Dict,
    /// How they were written.
    pub text: String,
    /// Where in `text` each is.
    pub spans: SpanMap,
    /// Where in `text` lines end.
    line_ends: Vec<usize>,
}

impl Layer {
    /// A layer without keys yet.
    pub fn new(source: Source, text: String) -> Self {
        let line_ends = text.match_indices('\n').map(|(at, _)| at).collect();
        Self { source, table: Dict::new(), text, spans: SpanMap::new(), line_ends }
    }

    /// The folder that relative paths in this layer start from; `None` is the working directory.
    pub fn folder(&self) -> Option<&Path> {
        match &self.source {
            Source::File(path) => path.parent().filter(|folder| !folder.as_os_str().is_empty()),
            Source::Env(_) | Source::Set(_) => None,
        }
    }

    /// The value as it was typed, for a variable or an argument.
    pub fn raw_value(&self) -> Option<&str> {
        match self.source {
            Source::File(_) => None,
            Source::Env(_) | Source::Set(_) => self.text.split_once('=').map(|(_, value)| value),
        }
    }

    /// The line, from 1, on which the key at `path` stands.
    pub fn line(&self, path: &KeyPath) -> Option<usize> {
        let start = self.spans.get(path)?.key.start;
        Some(self.line_ends.partition_point(|&end| end < start) + 1)
    }
}

/// A layer on its way into figment, with its rank in the list of layers.
pub(super) struct Ranked<'l>(pub usize, pub &'l Layer);

impl Provider for Ranked<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::from(self.1.source.place(), figment::Source::Custom(self.0.to_string()))
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, self.1.table.clone())]))
    }
}
