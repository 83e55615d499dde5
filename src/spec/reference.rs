//! `oncospec explain --markdown`: every key of a spec on one page.

use std::fmt::Write;

use serde_json::Value;

use super::explain::{in_all_kinds, toml_of, type_in_words};
use super::locate::KeyPath;
use super::schema::{self, Shape};

/// Every key of a spec with its type, its default and its documentation, in Markdown.
pub fn reference() -> String {
    let root = schema::root();
    let tables = schema::properties(root).iter().filter(|(_, node)| has_keys(node));
    let tables: Vec<_> = tables.map(|(key, node)| (node, KeyPath::default().key(key))).collect();
    // These have sections of their own, wherever else such a table may stand.
    let written = tables.iter().map(|(node, path)| (table_of(node), path.clone())).collect();
    let text = "# Spec\n\nEvery key of a spec, written by `oncospec explain --markdown` from the documentation in its \
                source. A default in quotation marks is a kind, with the defaults of its keys.\n";
    let mut page = Page { text: text.into(), written };
    page.table(root, &KeyPath::default(), |_| true);
    for (node, path) in tables {
        page.section(node, &path, 2);
    }
    page.text
}

/// The page so far, and the tables that have a section on it.
struct Page {
    text: String,
    written: Vec<(&'static Value, KeyPath)>,
}

impl Page {
    /// The section on a table, or on an array of tables, and after it those on the tables inside.
    fn section(&mut self, node: &'static Value, path: &KeyPath, level: usize) {
        let docs = docs(&[schema::doc(node), schema::doc(table_of(node))]);
        let _ = writeln!(self.text, "\n{} `{path}`\n\n{docs}", "#".repeat(level));
        let inside = match schema::shape(node) {
            Shape::Array(items) => self.kinds_or_table(items, path),
            Shape::Map(values) => {
                let said = type_in_words(values);
                let _ =
                    writeln!(self.text, "\nEach key is a name of your own; its value is {said}.");
                self.kinds_or_table(values, &path.key("name"))
            }
            _ => self.kinds_or_table(node, path),
        };
        for (node, path) in inside {
            self.section(node, &path, 3);
        }
    }

    /// The keys of a table, those of each kind apart; the tables among them that have no section yet.
    fn kinds_or_table(
        &mut self,
        node: &'static Value,
        path: &KeyPath,
    ) -> Vec<(&'static Value, KeyPath)> {
        let Shape::Union(variants) = schema::shape(node) else {
            return self.table(node, path, |_| true);
        };
        let common = |key: &str| in_all_kinds(&variants, key);
        let mut inside = match variants.first() {
            Some(first) => self.table(first.node, path, common),
            None => Vec::new(),
        };
        for variant in &variants {
            let kind = format!("{} = \"{}\"", path.key("kind"), variant.kind);
            let docs = docs(&[variant.doc, schema::doc(schema::resolve(variant.node))]);
            let _ = writeln!(self.text, "\n#### `{kind}`\n\n{docs}");
            inside.extend(self.table(variant.node, path, |key| !common(key)));
        }
        inside
    }

    /// One row for each key that is wanted; the tables among them that have no section yet.
    fn table(
        &mut self,
        node: &'static Value,
        path: &KeyPath,
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<(&'static Value, KeyPath)> {
        let is_row =
            |(key, node): &(&String, &'static Value)| node.get("const").is_none() && wanted(key);
        let rows: Vec<_> = schema::properties(node).iter().filter(is_row).collect();
        if !rows.is_empty() {
            self.text += "\n| key | type | default | meaning |\n|---|---|---|---|\n";
        }
        let mut inside = Vec::new();
        for (key, value) in rows {
            let path = path.key(key);
            if has_keys(value) && self.section_of(value).is_none() {
                self.written.push((table_of(value), path.clone()));
                inside.push((value, path.clone()));
            }
            let words = type_in_cell(value);
            let (kind, default) = match self.section_of(value) {
                Some(section) => {
                    let default = value.get("default").and_then(|default| default.get("kind"));
                    let kind = default.and_then(Value::as_str).map(|kind| format!("`\"{kind}\"`"));
                    (format!("[{words}](#{})", anchor(section)), kind)
                }
                None => {
                    (words, value.get("default").map(|default| format!("`{}`", toml_of(default))))
                }
            };
            let required = schema::required(node).any(|required| required == key);
            let default = default.unwrap_or_else(|| if required { "required" } else { "" }.into());
            let cells = [format!("`{path}`"), kind, default, meaning(value)];
            let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
            let _ = writeln!(self.text, "| {} |", cells.join(" | "));
        }
        inside
    }

    /// Where the table that a key holds has its section.
    fn section_of(&self, node: &'static Value) -> Option<&KeyPath> {
        let known = |(table, _): &&(&'static Value, KeyPath)| std::ptr::eq(*table, table_of(node));
        self.written.iter().find(known).map(|(_, path)| path)
    }
}

/// The type of a value, a pattern as code.
fn type_in_cell(node: &'static Value) -> String {
    let words = type_in_words(node);
    match words.split_once(" that matches ") {
        Some((before, pattern)) => format!("{before} that matches `{pattern}`"),
        None => words,
    }
}

/// What a key means; of a choice, what each word means.
fn meaning(node: &'static Value) -> String {
    let mut text = schema::doc(node).replace("\n\n", " ");
    let words = match schema::shape(node) {
        Shape::Choice(words) => words,
        Shape::Array(items) => match schema::shape(items) {
            Shape::Choice(words) => words,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    for word in words.iter().filter(|word| !word.doc.is_empty()) {
        text += &format!("<br>`\"{}\"`: {}", word.word, word.doc);
    }
    text
}

/// The table that a key holds, or an array of tables at a key.
fn table_of(node: &'static Value) -> &'static Value {
    match schema::shape(node) {
        Shape::Array(items) => schema::resolve(items),
        _ => schema::resolve(node),
    }
}

fn has_keys(node: &'static Value) -> bool {
    schema::holds_keys(node) || schema::items(node).is_some_and(schema::holds_keys)
}

/// What is said of a thing in one place and another, each once; not that a kind has no settings.
fn docs(all: &[&str]) -> String {
    let mut paragraphs: Vec<String> = Vec::new();
    for paragraph in all.iter().flat_map(|doc| doc.split("\n\n")) {
        let line = paragraph.replace('\n', " ");
        if !line.trim().is_empty() && !line.ends_with("it has none.") && !paragraphs.contains(&line)
        {
            paragraphs.push(line);
        }
    }
    paragraphs.join("\n\n")
}

/// Where forges put the section of a key.
fn anchor(path: &KeyPath) -> String {
    let heading = path.to_string();
    heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}
