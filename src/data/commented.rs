//! TOML with a comment beside each key.

use std::fmt::Write as _;

/// A key with its value, and the comment beside it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub key: String,
    pub value: String,
    why: String,
}

impl Line {
    pub(super) fn new(key: &str, value: &str, why: &str) -> Self {
        Self { key: key.into(), value: value.into(), why: why.into() }
    }

    fn text(&self) -> String {
        let statement = format!("{} = {}", self.key, self.value);
        let why = crate::text::name(&self.why);
        match statement.chars().count() + why.chars().count() {
            _ if why.is_empty() => format!("{statement}\n"),
            ..117 => format!("{statement} # {why}\n"),
            _ => format!("# {why}\n{statement}\n"),
        }
    }
}

/// Adds a table of keys, if it has any.
pub(super) fn table<'a>(text: &mut String, name: &str, lines: impl IntoIterator<Item = &'a Line>) {
    let lines: String = lines.into_iter().map(Line::text).collect();
    if !lines.is_empty() {
        let _ = write!(text, "\n[{name}]\n{lines}");
    }
}

/// A string of TOML.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
