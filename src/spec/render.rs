//! A loaded spec written out again, and what differs between specs.

use std::fmt::Write;

use toml::{Table, Value};

use super::locate::{KeyPath, quoted_string, toml_key};
use super::role::matters;
use super::{Loaded, Origin, Spec};

/// The whole spec as TOML, each value followed by a comment with its origin.
///
/// Deserialised, it is the same spec; its paths are relative to the working directory, wherever the
/// text is put.
pub fn render(loaded: &Loaded) -> String {
    let mut text = String::new();
    let origin = |path: &KeyPath| Some(loaded.origins.at(path).to_string());
    write_table(&mut text, &to_table(&loaded.spec), &KeyPath::default(), &origin);
    text
}

/// The whole spec as TOML, without comments.
pub fn to_toml(spec: &Spec) -> String {
    let mut text = String::new();
    write_table(&mut text, &to_table(spec), &KeyPath::default(), &|_| None);
    text
}

/// The keys whose values differ between `specs`, in the order of the first spec that has them, each
/// with its value in every spec as TOML; empty where a spec lacks the key.
pub fn diff(specs: &[&Spec]) -> Vec<(String, Vec<String>)> {
    let flat: Vec<Vec<(String, String)>> = specs
        .iter()
        .map(|spec| {
            let mut leaves = Vec::new();
            flatten(&Value::Table(to_table(spec)), &KeyPath::default(), &mut leaves);
            leaves
        })
        .collect();
    let mut keys: Vec<&str> = Vec::new();
    for (key, _) in flat.iter().flatten() {
        if !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    keys.into_iter()
        .map(|key| {
            let value = |leaves: &Vec<(String, String)>| {
                let found = leaves.iter().find(|(name, _)| name == key);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            (key.to_string(), flat.iter().map(value).collect::<Vec<_>>())
        })
        .filter(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1]))
        .collect()
}

/// The keys that the command line, the environment or a guided spec overrides, each as `key = value`; without those that
/// change no result: seeds, names, places and pictures.
pub fn overridden(loaded: &Loaded) -> Vec<String> {
    let mut leaves = Vec::new();
    flatten(&Value::Table(to_table(&loaded.spec)), &KeyPath::default(), &mut leaves);
    let from_outside = |key: &str| {
        matches!(loaded.origins.of(key), Origin::Set(_) | Origin::Env(_)) && matters(key)
    };
    let leaves = leaves.into_iter().filter(|(key, _)| from_outside(key));
    let off = loaded.off.iter().filter_map(|(path, origin)| {
        let key = path.to_string();
        let outside = matches!(origin, Origin::Set(_) | Origin::Env(_));
        (outside && matters(&key)).then(|| (key, "false".to_string()))
    });
    leaves.chain(off).map(|(key, value)| format!("{key} = {value}")).collect()
}

fn to_table(spec: &Spec) -> Table {
    // Every spec type is a struct or a tagged enum of such: nothing in it is beyond TOML.
    Table::try_from(spec).unwrap_or_default()
}

/// Whether `value` is written under a header of its own.
fn has_header(value: &Value) -> bool {
    match value {
        Value::Table(_) => true,
        Value::Array(array) => !array.is_empty() && array.iter().all(Value::is_table),
        _ => false,
    }
}

fn write_table(
    text: &mut String,
    table: &Table,
    path: &KeyPath,
    origin: &impl Fn(&KeyPath) -> Option<String>,
) {
    for (key, value) in table.iter().filter(|(_, value)| !has_header(value)) {
        let line = format!("{} = {}", toml_key(key), inline(value));
        // Writing to a string cannot fail.
        let _ = match origin(&path.key(key)) {
            Some(origin) => writeln!(text, "{line}  # {}", origin.replace(char::is_control, "?")),
            None => writeln!(text, "{line}"),
        };
    }
    for (key, value) in table {
        let at = path.key(key);
        match value {
            Value::Table(inner) => {
                if inner.is_empty() || inner.values().any(|value| !has_header(value)) {
                    let _ = writeln!(text, "\n[{}]", header(&at));
                }
                write_table(text, inner, &at, origin);
            }
            Value::Array(elements) if has_header(value) => {
                for (index, element) in elements.iter().enumerate() {
                    let _ = writeln!(text, "\n[[{}]]", header(&at));
                    if let Value::Table(inner) = element {
                        write_table(text, inner, &at.index(index), origin);
                    }
                }
            }
            _ => {}
        }
    }
}

/// A value on one line, very small and very large numbers with an exponent.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::Float(float) if *float != 0.0 && !(1e-4..1e10).contains(&float.abs()) => {
            let text = format!("{float:e}");
            if float.is_finite() { text } else { value.to_string() }
        }
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(inline).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Table(table) if table.is_empty() => "{}".into(),
        Value::Table(table) => {
            let keys: Vec<String> =
                table.iter().map(|(key, v)| format!("{} = {}", toml_key(key), inline(v))).collect();
            format!("{{ {} }}", keys.join(", "))
        }
        Value::String(text) if text.contains('\n') => quoted_string(text),
        other => other.to_string(),
    }
}

/// A path as a header names it: an array's last table needs no index.
fn header(path: &KeyPath) -> String {
    path.without_indices().to_string()
}

fn flatten(value: &Value, path: &KeyPath, leaves: &mut Vec<(String, String)>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                flatten(value, &path.key(key), leaves);
            }
        }
        Value::Array(elements) if has_header(value) => {
            for (index, element) in elements.iter().enumerate() {
                flatten(element, &path.index(index), leaves);
            }
        }
        leaf => leaves.push((path.to_string(), inline(leaf))),
    }
}
