//! The origin of a value, and notes on values that do not count as written.

use std::fmt;
use std::path::PathBuf;

use figment::value::{Tag, Value};
use serde::de::value::{Error, U64Deserializer};
use serde::de::{Deserialize, IntoDeserializer};

/// The origin of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of a spec file, from 1.
    File {
        /// The file, as reached from the working directory.
        path: PathBuf,
        /// The line of the key.
        line: usize,
    },
    /// An environment variable, by name.
    Env(String),
    /// An argument of `--set`, `key=value`.
    Set(String),
    /// One of the runs that the spec declares, such as `fold 2`.
    Member(String),
    /// A default.
    Default,
}

impl Origin {
    /// Whether both are of one file, of the command line, of the environment, or defaults.
    pub(super) fn same_source(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { path, .. }, Self::File { path: other, .. }) => path == other,
            (Self::Env(_), Self::Env(_))
            | (Self::Set(_), Self::Set(_))
            | (Self::Member(_), Self::Member(_)) => true,
            (one, other) => one == other,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Env(name) | Self::Member(name) => f.write_str(name),
            Self::Set(_) => f.write_str("--set"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The mark on values of the source of this rank.
pub(super) fn tag_of(rank: usize) -> Tag {
    let number: U64Deserializer<Error> = (rank as u64).saturating_add(1).into_deserializer();
    // A tag reads from any number; 0 is that of defaults.
    Tag::deserialize(number).unwrap_or_default()
}

/// The rank of the source of a value with this mark; `None` for a default.
pub(super) fn rank_of(tag: Tag) -> Option<usize> {
    let number = Value::from(tag).to_u128()?;
    usize::try_from(number).ok()?.checked_sub(1)
}

/// A value that does not count, or not as written, though nothing is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The key, such as `dataset.split.fold`; empty where it is about a variable that is no key.
    pub key: String,
    /// The value as TOML; empty where there is no key.
    pub value: String,
    /// Its origin.
    pub origin: Origin,
    /// What happened to it, and why.
    pub fate: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{} {}", self.origin, self.fate),
            key => write!(f, "`{key} = {}` ({}) {}", self.value, self.origin, self.fate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_tells_its_rank() {
        for rank in [0, 1, 40, 100_000] {
            assert_eq!(rank_of(tag_of(rank)), Some(rank));
        }
        assert_eq!(rank_of(Tag::Default), None);
    }
}
