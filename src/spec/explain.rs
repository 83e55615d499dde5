//! `oncospec explain`: what a key means, from its documentation and its schema.

use std::fmt::Write;

use serde_json::Value;

use super::locate::{KeyPath, Step, toml_key};
use super::render::inline;
use super::schema::{self, Shape};
use super::suggest::{closest, list};
use crate::error::{Error, Result};

/// A node of the schema and the way to it.
#[derive(Clone)]
struct Found {
    node: &'static Value,
    /// The way as it is asked for, with kinds: `schedule.optimizer.adam.betas`.
    asked: KeyPath,
    /// The way as TOML writes it: `schedule.optimizer.betas`.
    written: KeyPath,
    /// The lines that TOML needs before it: kinds on the way, and headers of arrays.
    before: Vec<String>,
    /// Whether the table above cannot do without it.
    required: bool,
    /// Whether it is a value under a name of the author's own choice.
    named: bool,
}

/// What `key` means: its documentation, type, default and an example. A kind may stand in the key
/// where it decides: `schedule.optimizer.adam.betas`. The empty key gives all keys.
///
/// # Errors
/// There is no such key; the message names the nearest.
pub fn explain(key: &str) -> Result<String> {
    let mut found = vec![Found {
        node: schema::root(),
        asked: KeyPath::default(),
        written: KeyPath::default(),
        before: Vec::new(),
        required: true,
        named: false,
    }];
    if key.trim().is_empty() {
        let mut text = String::new();
        write_tree(&mut text, schema::root(), 0);
        return Ok(text);
    }
    for step in KeyPath::parse(key.trim()).steps() {
        let Step::Key(name) = step else { continue };
        let next: Vec<Found> = found.iter().flat_map(|found| found.step(name)).collect();
        if next.is_empty() {
            return Err(unknown(name, &found));
        }
        found = next;
    }
    Ok(in_sections(found))
}

/// One section for each thing found; things that are the same share one.
fn in_sections(found: Vec<Found>) -> String {
    let mut sections: Vec<(Vec<KeyPath>, Found)> = Vec::new();
    for one in found {
        match sections.iter_mut().find(|(_, other)| other.node == one.node) {
            Some((paths, _)) => paths.push(one.asked),
            None => sections.push((vec![one.asked.clone()], one)),
        }
    }
    let sections: Vec<String> = sections.iter().map(|(paths, one)| one.tell(paths)).collect();
    sections.join("\n")
}

impl Found {
    /// What `name` leads to from it.
    fn step(&self, name: &str) -> Vec<Self> {
        match schema::shape(self.node) {
            Shape::Table(properties) => match properties.get(name) {
                Some(_) => vec![self.property(self.node, name)],
                // A figure's name has dots of its own: `gate.test.dice.mean.at-least`.
                None if self.named => vec![Self {
                    asked: self.asked.joined(name),
                    written: self.written.joined(name),
                    ..self.clone()
                }],
                None => Vec::new(),
            },
            Shape::Map(values) => vec![Self {
                node: values,
                asked: self.asked.key(name),
                written: self.written.key(name),
                required: false,
                named: true,
                ..self.clone()
            }],
            Shape::Array(items) => {
                let header = format!("[[{}]]", self.written);
                let element = Self {
                    node: items,
                    written: KeyPath::default(),
                    before: self.before.iter().cloned().chain([header]).collect(),
                    required: false,
                    ..self.clone()
                };
                element.step(name)
            }
            Shape::Union(_) if name == "kind" => vec![self.clone()],
            Shape::Union(variants) => match variants.iter().find(|v| v.kind == name) {
                Some(variant) => vec![self.of_kind(variant)],
                None if in_all_kinds(&variants, name) => {
                    vec![self.property(variants[0].node, name)]
                }
                None => variants
                    .iter()
                    .filter(|variant| schema::properties(variant.node).contains_key(name))
                    .map(|variant| self.of_kind(variant).property(variant.node, name))
                    .collect(),
            },
            Shape::NumberOrTable(_, table) => match schema::properties(table).get(name) {
                Some(_) => vec![self.property(schema::resolve(table), name)],
                None => Vec::new(),
            },
            Shape::Choice(_)
            | Shape::OneOrMore(_)
            | Shape::Integer
            | Shape::Number
            | Shape::Text
            | Shape::Boolean
            | Shape::Any => Vec::new(),
        }
    }

    fn of_kind(&self, variant: &schema::Variant) -> Self {
        let kind = format!("{} = \"{}\"", self.written.key("kind"), variant.kind);
        Self {
            node: variant.node,
            asked: self.asked.key(variant.kind),
            before: self.before.iter().cloned().chain([kind]).collect(),
            named: false,
            ..self.clone()
        }
    }

    fn property(&self, table: &'static Value, name: &str) -> Self {
        Self {
            node: schema::properties(table).get(name).unwrap_or(&Value::Null),
            asked: self.asked.key(name),
            written: self.written.key(name),
            required: schema::required(table).any(|required| required == name),
            named: false,
            before: self.before.clone(),
        }
    }

    /// The section on this, which is found at each of `paths`.
    fn tell(&self, paths: &[KeyPath]) -> String {
        let mut text = String::new();
        for path in paths {
            text += &format!("{path}\n");
        }
        let own = schema::doc(self.node);
        let general = schema::doc(schema::resolve(self.node));
        text += &format!("\n{own}\n");
        if general != own && !general.is_empty() {
            text += &format!("{general}\n");
        }
        text.push('\n');
        let is_kind = self.node.pointer("/properties/kind/const").is_some();
        if !is_kind {
            let off = if self.may_be_off() { "; `false` switches it off" } else { "" };
            text += &format!("type:     {}{off}\n", type_in_words(self.node));
            text += &format!("default:  {}\n", self.default_in_words());
        }
        if let Some(lines) = self.example(is_kind) {
            text += &format!("example:  {}\n", lines.join("\n          "));
        }
        write_inside(&mut text, self.node);
        text
    }

    /// Whether `false` may be said in its place.
    fn may_be_off(&self) -> bool {
        self.named || schema::may_be_off(self.node)
    }

    /// Lines of TOML that say this; a table of a kind says the kind itself.
    fn example(&self, is_kind: bool) -> Option<Vec<String>> {
        let example = example(self.node)?;
        let mut lines = self.before.clone();
        if is_kind {
            lines.pop();
        }
        let line = if self.written.is_root() {
            // An element of an array has no key of its own.
            format!("{} = [{example}]", lines.pop()?.trim_matches(['[', ']']))
        } else {
            format!("{} = {example}", self.written)
        };
        lines.push(line);
        Some(lines)
    }

    fn default_in_words(&self) -> String {
        match self.node.get("default") {
            Some(default) => toml_of(default),
            None if self.required => "none: it must be given".into(),
            None => "none: it may be left out".into(),
        }
    }
}

pub(super) fn type_in_words(node: &'static Value) -> String {
    let path =
        if schema::is_path(node) { ": a path, relative to the file that says it" } else { "" };
    let pattern = match schema::resolve(node).get("pattern").and_then(Value::as_str) {
        Some(pattern) => format!(" that matches {pattern}"),
        None => String::new(),
    };
    format!("{}{path}{pattern}", schema::in_words(node))
}

/// Whether `key` is the same in all of several kinds, so that no kind needs naming.
pub(super) fn in_all_kinds(variants: &[schema::Variant], key: &str) -> bool {
    let mut nodes = variants.iter().map(|variant| schema::properties(variant.node).get(key));
    let first = nodes.next().flatten();
    variants.len() > 1 && first.is_some() && nodes.all(|node| node == first)
}

/// The words, kinds or keys that stand inside a node.
fn write_inside(text: &mut String, node: &'static Value) {
    let (title, rows): (&str, Vec<(String, &str)>) = match schema::shape(node) {
        Shape::Choice(words) => {
            ("words", words.iter().map(|word| (format!("\"{}\"", word.word), word.doc)).collect())
        }
        Shape::Union(variants) => {
            ("kinds", variants.iter().map(|v| (format!("\"{}\"", v.kind), v.doc)).collect())
        }
        Shape::Table(properties) => {
            let keys = properties.iter().filter(|(_, node)| node.get("const").is_none());
            ("keys", keys.map(|(key, node)| (key.clone(), schema::doc(node))).collect())
        }
        Shape::NumberOrTable(_, table) => return write_inside(text, table),
        Shape::Array(items) => return write_inside(text, items),
        Shape::Map(values) => return write_inside(text, values),
        Shape::OneOrMore(_)
        | Shape::Integer
        | Shape::Number
        | Shape::Text
        | Shape::Boolean
        | Shape::Any => return,
    };
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    if !rows.is_empty() {
        text.push_str(&format!("{title}:\n"));
    }
    for (name, doc) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:width$}  {}", first_sentence(doc));
    }
}

/// Every key below `node`, each kind with its own.
fn write_tree(text: &mut String, node: &'static Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match schema::shape(node) {
        Shape::Table(properties) => {
            for (key, property) in properties.iter().filter(|(_, node)| node.get("const").is_none())
            {
                write_branch(text, key, property, depth);
            }
        }
        Shape::Map(values) => {
            let line = format!("{indent}<name>  {}", first_sentence(schema::doc(values)));
            let _ = writeln!(text, "{}", line.trim_end());
            write_tree(text, values, depth + 1);
        }
        Shape::Union(variants) => {
            for variant in &variants {
                let doc = first_sentence(variant.doc);
                let _ = writeln!(text, "{indent}kind = \"{}\"  {doc}", variant.kind);
                for (key, property) in schema::properties(variant.node) {
                    if property.get("const").is_none() && !in_all_kinds(&variants, key) {
                        write_branch(text, key, property, depth + 1);
                    }
                }
            }
            for (key, property) in variants.iter().take(1).flat_map(|v| schema::properties(v.node))
            {
                if in_all_kinds(&variants, key) {
                    write_branch(text, key, property, depth);
                }
            }
        }
        Shape::NumberOrTable(_, table) => write_tree(text, table, depth),
        // `explain` of the array shows its elements.
        Shape::Array(_)
        | Shape::OneOrMore(_)
        | Shape::Choice(_)
        | Shape::Integer
        | Shape::Number
        | Shape::Text
        | Shape::Boolean
        | Shape::Any => {}
    }
}

fn write_branch(text: &mut String, key: &str, node: &'static Value, depth: usize) {
    let _ = writeln!(text, "{}{key}  {}", "  ".repeat(depth), first_sentence(schema::doc(node)));
    write_tree(text, node, depth + 1);
}

/// The first sentence without its full stop; that of `et al. 2020` ends none.
fn first_sentence(doc: &str) -> &str {
    let paragraph = doc.split("\n\n").next().unwrap_or_default();
    let ends = |at: &usize| paragraph[at + 2..].starts_with(char::is_uppercase);
    match paragraph.match_indices(". ").map(|(at, _)| at).find(ends) {
        Some(at) => &paragraph[..at],
        None => paragraph.trim_end_matches('.'),
    }
}

/// A value that `node` allows, as TOML: its default where it has one.
fn example(node: &'static Value) -> Option<String> {
    if let Some(default) = node.get("default").filter(|default| **default != Value::Null) {
        let empty = default.as_object().is_some_and(serde_json::Map::is_empty);
        if !empty && default != "" {
            return Some(toml_of(default));
        }
    }
    let table = |node, kind: Option<&str>| {
        let kind = kind.map(|kind| format!("kind = \"{kind}\""));
        let mut keys: Vec<&str> = schema::required(node).filter(|key| *key != "kind").collect();
        if keys.is_empty() && kind.is_none() {
            keys.extend(schema::properties(node).keys().take(1).map(String::as_str));
        }
        let keys: Option<Vec<String>> = keys
            .into_iter()
            .map(|key| {
                let value = example(schema::properties(node).get(key)?)?;
                Some(format!("{} = {value}", toml_key(key)))
            })
            .collect();
        let inside: Vec<String> = kind.into_iter().chain(keys?).collect();
        Some(format!("{{ {} }}", inside.join(", ")))
    };
    match schema::shape(node) {
        Shape::Table(properties) => {
            table(node, properties.get("kind").and_then(|kind| kind.get("const")?.as_str()))
        }
        Shape::Union(variants) => {
            variants.first().and_then(|variant| table(variant.node, Some(variant.kind)))
        }
        Shape::Map(values) => Some(format!("{{ name = {} }}", example(values)?)),
        Shape::Choice(words) => words.first().map(|word| format!("\"{}\"", word.word)),
        Shape::Array(items) => {
            let count = schema::lengths(node, "Items").0.unwrap_or(1).max(1);
            let item = example(items)?;
            Some(format!("[{}]", vec![item; usize::try_from(count).ok()?].join(", ")))
        }
        Shape::Integer => Some(format!("{}", schema::range(node).0.unwrap_or(1.0).max(1.0))),
        Shape::Number => Some(format!("{:?}", schema::range(node).1.unwrap_or(1.0).min(0.5))),
        Shape::Text | Shape::OneOrMore(_) if schema::is_path(node) => Some("\"path/to/it\"".into()),
        Shape::OneOrMore(items) => example(items),
        Shape::NumberOrTable(number, _) => example(number),
        Shape::Text => Some("example")
            .filter(|text| schema::matches_pattern(node, text))
            .map(|text| format!("\"{text}\"")),
        Shape::Boolean => Some("true".into()),
        Shape::Any => None,
    }
}

/// A JSON value as inline TOML.
pub(super) fn toml_of(value: &Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| value.to_string(), |value| inline(&value))
}

/// The error for a key that is not there, with the nearest that is.
fn unknown(name: &str, before: &[Found]) -> Error {
    let mut names: Vec<&str> = Vec::new();
    for found in before {
        match schema::shape(found.node) {
            Shape::Table(properties) => names.extend(properties.keys().map(String::as_str)),
            Shape::NumberOrTable(_, table) => {
                names.extend(schema::properties(table).keys().map(String::as_str));
            }
            Shape::Union(variants) => {
                for variant in variants {
                    names.push(variant.kind);
                    names.extend(schema::properties(variant.node).keys().map(String::as_str));
                }
            }
            _ => {}
        }
    }
    let mut known: Vec<&str> = Vec::new();
    for name in names {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    let above = before.first().map(|found| found.asked.clone()).unwrap_or_default();
    let wrong = above.key(name);
    let help = match closest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{}`?", above.key(near)),
        None if known.is_empty() => format!("`{above}` has nothing inside"),
        None => format!("there are {}", list(known.iter().copied())),
    };
    let elsewhere = schema::keys_named(schema::root(), &KeyPath::default(), name);
    let elsewhere: Vec<String> =
        elsewhere.iter().map(|(asked, _)| format!("\n  {asked}")).collect();
    let elsewhere = match elsewhere.is_empty() {
        true => String::new(),
        false => format!("\nkeys named `{name}`:{}", elsewhere.concat()),
    };
    Error::user(format!("no key `{wrong}`; {help}{elsewhere}"))
}
