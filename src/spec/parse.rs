//! TOML text to keys and values, and where in the text each stands.

use figment::value::{Dict, Value};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::hints;
use super::locate::{KeyPath, SpanMap, table_spans, value_spans};

/// Deepest nesting of tables and arrays.
pub(super) const MAX_DEPTH: usize = 32;

/// What is wrong with a text.
#[derive(Debug)]
pub(super) struct SyntaxError {
    /// Where, in bytes.
    pub span: std::ops::Range<usize>,
    /// What.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl SyntaxError {
    fn new(span: std::ops::Range<usize>, message: String) -> Self {
        Self { span, message, help: None }
    }

    /// The same of a text that begins `by` bytes further on.
    fn moved(self, by: usize) -> Self {
        Self { span: self.span.start + by..self.span.end + by, ..self }
    }
}

/// The table that the document `text` says; `spans` gets where each key is.
pub(super) fn parse_document(text: &str, spans: &mut SpanMap) -> Result<Dict, SyntaxError> {
    refuse_brackets(text)?;
    let table = DeTable::parse(text).map_err(|error| syntax_error(text, &error))?;
    refuse_depth(table.get_ref().values())?;
    table_spans(table.get_ref(), &KeyPath::default(), 0, spans);
    let table = toml::Table::deserialize(toml::de::Deserializer::from(table));
    to_dict(&table.map_err(|error| syntax_error(text, &error))?)
}

/// The value that `text`, from byte `shift` of its layer, says: TOML, or else itself as a string.
pub(super) fn parse_value(
    text: &str,
    shift: usize,
    path: &KeyPath,
    spans: &mut SpanMap,
) -> Result<Value, SyntaxError> {
    let moved = |error: SyntaxError| error.moved(shift);
    refuse_brackets(text).map_err(moved)?;
    match DeValue::parse(text) {
        Ok(value) => {
            refuse_depth([&value]).map_err(moved)?;
            value_spans(&value, path, shift, spans);
            let value = toml::Value::deserialize(toml::de::ValueDeserializer::from(value));
            let value = value.map_err(|error| moved(syntax_error(text, &error)))?;
            Value::serialize(value)
                .map_err(|error| moved(SyntaxError::new(0..text.len(), error.to_string())))
        }
        Err(error) if text.trim_start().starts_with(['[', '{', '"', '\'']) => {
            Err(moved(syntax_error(text, &error)))
        }
        Err(_) => Ok(Value::from(text)),
    }
}

fn to_dict(table: &toml::Table) -> Result<Dict, SyntaxError> {
    match Value::serialize(table) {
        Ok(Value::Dict(_, dict)) => Ok(dict),
        Ok(_) => Ok(Dict::new()),
        Err(error) => Err(SyntaxError::new(0..0, error.to_string())),
    }
}

/// TOML's error in the words of someone who does not know its parser.
fn syntax_error(text: &str, error: &toml::de::Error) -> SyntaxError {
    let span = error.span().unwrap_or(0..0);
    let there = text.get(span.clone()).unwrap_or_default();
    let help = hints::of_syntax(text, span.start, error.message());
    let message = match error.message() {
        "duplicate key" => format!("`{there}` is said twice"),
        "recursion limit" | "cannot recurse further; max recursion depth met" => too_deep(),
        message if message.starts_with("string values must be quoted") => match there.trim() {
            "" => "a value is missing".into(),
            _ => "not a value; a string is written in quotes".into(),
        },
        message if message.contains(" as i128") => {
            format!("whole numbers are from {} to {}", i64::MIN, i64::MAX)
        }
        message => format!("not TOML: {message}"),
    };
    SyntaxError { span, message, help }
}

fn too_deep() -> String {
    format!("nested more than {MAX_DEPTH} levels deep")
}

/// Refuses brackets nested too deep, before any parser descends into them.
fn refuse_brackets(text: &str) -> Result<(), SyntaxError> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        at += match rest[0] {
            b'#' => rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()),
            quote @ (b'"' | b'\'') => string_length(rest, quote),
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(SyntaxError::new(at..at + 1, too_deep()));
                }
                1
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                1
            }
            _ => 1,
        };
    }
    Ok(())
}

/// Bytes of the TOML string that `text` starts with, its quotes included.
fn string_length(text: &[u8], quote: u8) -> usize {
    let triple = [quote; 3];
    let long = text.starts_with(&triple);
    let open = if long { 3 } else { 1 };
    let mut at = open;
    while at < text.len() {
        match text[at] {
            b'\\' if quote == b'"' => at += 1,
            // An unclosed string ends with its line: the parser will complain of it.
            b'\n' if !long => return at,
            byte if byte == quote && (!long || text[at..].starts_with(&triple)) => {
                return at + open;
            }
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// Refuses tables nested too deep by dotted keys.
fn refuse_depth<'v, 'i: 'v>(
    values: impl IntoIterator<Item = &'v Spanned<DeValue<'i>>>,
) -> Result<(), SyntaxError> {
    let mut waiting: Vec<_> = values.into_iter().map(|value| (value, 1)).collect();
    while let Some((value, depth)) = waiting.pop() {
        if depth > MAX_DEPTH {
            return Err(SyntaxError::new(value.span(), too_deep()));
        }
        match value.get_ref() {
            DeValue::Table(table) => waiting.extend(table.values().map(|value| (value, depth + 1))),
            DeValue::Array(array) => waiting.extend(array.iter().map(|value| (value, depth + 1))),
            _ => {}
        }
    }
    Ok(())
}

/// Where the first `=` outside quotes is.
pub(super) fn unquoted_equals(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'=' => return Some(at),
            quote @ (b'"' | b'\'') => at += string_length(&bytes[at..], quote),
            _ => at += 1,
        }
    }
    None
}

/// `a."b.c"[0]` as a path, or `None` where it is no TOML key with indices.
pub(super) fn dotted_key(text: &str) -> Option<KeyPath> {
    let mut path = KeyPath::default();
    let mut rest = text.trim();
    loop {
        let (key, after) = one_key(rest)?;
        path = path.key(&key);
        rest = after.trim_start();
        while let Some(inside) = rest.strip_prefix('[') {
            let (digits, after) = inside.split_once(']')?;
            path = path.index(digits.trim().parse().ok()?);
            rest = after.trim_start();
        }
        if rest.is_empty() {
            return Some(path).filter(|path| path.steps().len() <= MAX_DEPTH);
        }
        rest = rest.strip_prefix('.')?.trim_start();
    }
}

/// The key, bare or quoted, that `text` starts with, and what follows it.
fn one_key(text: &str) -> Option<(String, &str)> {
    let length = match text.as_bytes().first()? {
        quote @ (b'"' | b'\'') => string_length(text.as_bytes(), *quote),
        _ => text
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
            .unwrap_or(text.len()),
    };
    let (key, rest) = text.split_at_checked(length)?;
    if key.contains(['\n', '\r']) {
        return None;
    }
    let table: toml::Table = toml::from_str(&format!("{key} = 0")).ok()?;
    let (key, _) = table.into_iter().next()?;
    Some((key, rest))
}
