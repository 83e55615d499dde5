//! Key paths, and where each one stands in a text.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One step down from a table or an array.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// To the value of a key.
    Key(String),
    /// To an element of an array, from 0.
    Index(usize),
}

/// The way from the root to a value, written `loss.terms[0].smooth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyPath(Vec<Step>);

impl KeyPath {
    /// The value of `key` in the table at this path.
    pub(super) fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.into()))
    }

    /// Element `index` of the array at this path.
    pub(super) fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// The path of the table or array that holds this; `None` at the root.
    pub(super) fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    /// Whether this is the root.
    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The steps from the root.
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// This path with `name` joined to its last key by a dot.
    pub(super) fn joined(&self, name: &str) -> Self {
        match self.0.split_last() {
            Some((Step::Key(last), rest)) => Self(rest.to_vec()).key(&format!("{last}.{name}")),
            _ => self.key(name),
        }
    }

    /// This path with the indices left out.
    pub(super) fn without_indices(&self) -> Self {
        Self(self.0.iter().filter(|step| matches!(step, Step::Key(_))).cloned().collect())
    }

    /// Reads what [`Display`](fmt::Display) writes; a stray quote or bracket is part of the key.
    pub(super) fn parse(text: &str) -> Self {
        let mut path = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (step, after) = match rest.strip_prefix('[').and_then(index) {
                Some((at, after)) => (Step::Index(at), after),
                None => match quoted(rest) {
                    Some((key, after)) => (Step::Key(key), after),
                    None => {
                        let mut ends = rest.char_indices().skip(1);
                        let end = ends.find(|(_, c)| matches!(c, '.' | '[')).map(|(at, _)| at);
                        let end = end.unwrap_or(rest.len());
                        (Step::Key(rest[..end].into()), &rest[end..])
                    }
                },
            };
            path.0.push(step);
            rest = after.strip_prefix('.').unwrap_or(after);
        }
        path
    }
}

/// `3]rest` as 3 and `rest`.
fn index(text: &str) -> Option<(usize, &str)> {
    let (digits, rest) = text.split_once(']')?;
    Some((digits.parse().ok()?, rest))
}

/// `"a.b"rest` as `a.b` and `rest`.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = inner.char_indices().find_map(|(at, c)| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(at)
    })?;
    let (literal, rest) = text.split_at(end + 2);
    Some((serde_json::from_str(literal).ok()?, rest))
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if at == 0 => f.write_str(&toml_key(key))?,
                Step::Key(key) => write!(f, ".{}", toml_key(key))?,
            }
        }
        Ok(())
    }
}

/// A key as TOML wants it: bare where it can be, else quoted.
pub(super) fn toml_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(bare) {
        return key.into();
    }
    quoted_string(key)
}

/// A TOML string on one line.
pub(super) fn quoted_string(text: &str) -> String {
    // JSON's escapes are TOML's too, but JSON lets DEL stand as it is.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// Byte ranges of a key and of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spans {
    /// The key, or the element for an element of an array.
    pub key: Range<usize>,
    /// The value; for a table under a header, the header.
    pub value: Range<usize>,
}

/// Where each key path stands in a text.
pub(super) type SpanMap = BTreeMap<KeyPath, Spans>;

/// The spans of every key below `table`, which lies at `path`; `shift` is added to each.
pub(super) fn table_spans(table: &DeTable, path: &KeyPath, shift: usize, spans: &mut SpanMap) {
    for (key, value) in table {
        let at = path.key(key.get_ref());
        let (key, of_value) = (moved(key.span(), shift), moved(value.span(), shift));
        spans.insert(at.clone(), Spans { key, value: of_value });
        value_spans(value, &at, shift, spans);
    }
}

/// The spans of everything inside `value`, which lies at `path`; `shift` is added to each.
pub(super) fn value_spans(
    value: &Spanned<DeValue>,
    path: &KeyPath,
    shift: usize,
    spans: &mut SpanMap,
) {
    match value.get_ref() {
        DeValue::Table(table) => table_spans(table, path, shift, spans),
        DeValue::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                let at = path.index(index);
                let span = moved(element.span(), shift);
                spans.insert(at.clone(), Spans { key: span.clone(), value: span });
                value_spans(element, &at, shift, spans);
            }
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

fn moved(span: Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans_of(text: &str) -> SpanMap {
        let mut spans = SpanMap::new();
        let table = DeTable::parse(text).expect("valid TOML");
        table_spans(table.get_ref(), &KeyPath::default(), 0, &mut spans);
        spans
    }

    fn said<'t>(text: &'t str, spans: &SpanMap, path: &str) -> (&'t str, &'t str) {
        let found = &spans[&KeyPath::parse(path)];
        (&text[found.key.clone()], &text[found.value.clone()])
    }

    #[test]
    fn every_way_of_writing_a_key_is_found() {
        let text = "a.b = 1\n[gate]\n\"test.dice.mean\" = { at-least = 0.5 }\n[[loss.terms]]\nkind = 'dice'\n[[loss.terms]]\nkind = \"bce\"\nlist = [1, [2]]\n";
        let spans = spans_of(text);
        assert_eq!(said(text, &spans, "a.b"), ("b", "1"));
        assert_eq!(said(text, &spans, "gate.\"test.dice.mean\".at-least"), ("at-least", "0.5"));
        assert_eq!(said(text, &spans, "loss.terms[0].kind"), ("kind", "'dice'"));
        assert_eq!(said(text, &spans, "loss.terms[1].kind"), ("kind", "\"bce\""));
        assert_eq!(said(text, &spans, "loss.terms[1].list[1][0]"), ("2", "2"));
        assert_eq!(said(text, &spans, "loss.terms[1]"), ("[[loss.terms]]", "[[loss.terms]]"));
        assert_eq!(said(text, &spans, "gate"), ("gate", "[gate]"));
    }

    #[test]
    fn parsing_tolerates_anything() {
        assert_eq!(KeyPath::parse("a[x].b").to_string(), "a.\"[x]\".b");
        assert_eq!(KeyPath::parse("").to_string(), "");
    }

    proptest! {
        #[test]
        fn a_path_reads_back_as_written(steps in prop::collection::vec(
            prop_oneof![
                any::<String>().prop_map(Step::Key),
                (0usize..1000).prop_map(Step::Index),
            ], 0..6))
        {
            let path = KeyPath(steps);
            prop_assert_eq!(KeyPath::parse(&path.to_string()), path);
        }

        #[test]
        fn no_text_makes_parsing_panic(text in any::<String>()) {
            KeyPath::parse(&text);
        }
    }
}
