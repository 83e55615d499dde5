//! The JSON Schema of a spec: what the checks, `oncospec explain` and editors go by.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::locate::{KeyPath, Step};

/// The JSON Schema (2020-12) of a spec file, for editors.
pub fn schema() -> Value {
    let mut schema = root().clone();
    for_editors(&mut schema);
    schema
}

/// Lets `false` stand for what may be switched off, as the checks do, and leaves out what only the checks go by.
fn for_editors(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(for_editors),
        Value::Object(object) => {
            object.shift_remove("x-role");
            object.values_mut().for_each(for_editors);
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                properties.values_mut().filter(|node| may_be_off(node)).for_each(or_false);
            }
            if let Some(values) =
                object.get_mut("additionalProperties").filter(|node| node.is_object())
            {
                or_false(values);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `node`, or `false`; what is said about it stays beside the two.
fn or_false(node: &mut Value) {
    let Value::Object(inner) = node else { return };
    let mut outer = Map::new();
    for about in ["description", "default"] {
        outer.extend(inner.shift_remove(about).map(|value| (about.to_string(), value)));
    }
    inner.shift_remove("x-optional");
    outer.insert("anyOf".into(), json!([inner, { "const": false }]));
    *node = Value::Object(outer);
}

/// The schema, made once.
pub(super) fn root() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let mut schema = schemars::schema_for!(super::Spec).to_value();
        simplify(&mut schema);
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("$id".into(), "https://oncospec.dev/spec.schema.json".into());
            schema.insert("title".into(), "oncospec experiment".into());
        }
        schema
    })
}

/// Says the same in fewer forms: TOML has no null, and a flattened union is a plain union.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(simplify),
        Value::Object(object) => {
            object.values_mut().for_each(simplify);
            object.remove("writeOnly");
            drop_null(object);
            spread_flattened(object);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `T or null` becomes `T`, marked as optional: an absent key is the only null there is.
fn drop_null(object: &mut Map<String, Value>) {
    let mut optional = false;
    if let Some(Value::Array(types)) = object.get_mut("type") {
        let count = types.len();
        types.retain(|name| name != "null");
        optional |= types.len() < count;
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        let count = choices.len();
        choices.retain(|choice| choice != &json!({ "type": "null" }));
        optional |= choices.len() < count;
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if optional {
        object.insert("x-optional".into(), true.into());
    }
}

/// Properties beside a union of tables go into each of its variants.
fn spread_flattened(object: &mut Map<String, Value>) {
    if !object.contains_key("oneOf") || !object.contains_key("unevaluatedProperties") {
        return;
    }
    let shared = object.remove("properties");
    let shared_required = object.remove("required");
    object.remove("unevaluatedProperties");
    object.remove("type");
    let Some(Value::Array(variants)) = object.get_mut("oneOf") else { return };
    for variant in variants.iter_mut().filter_map(Value::as_object_mut) {
        variant.insert("additionalProperties".into(), false.into());
        if let (Some(Value::Object(own)), Some(Value::Object(shared))) =
            (variant.get_mut("properties"), &shared)
        {
            own.extend(shared.clone());
        }
        if let (Some(Value::Array(own)), Some(Value::Array(shared))) =
            (variant.get_mut("required"), &shared_required)
        {
            own.extend(shared.clone());
        }
    }
}

/// What a schema node allows.
pub(super) enum Shape {
    /// A table with these keys.
    Table(&'static Map<String, Value>),
    /// A table with any keys, all values alike.
    Map(&'static Value),
    /// A table whose keys depend on `kind`.
    Union(Vec<Variant>),
    /// One of these words.
    Choice(Vec<Word>),
    /// An array of these.
    Array(&'static Value),
    /// One of these, or an array of them.
    OneOrMore(&'static Value),
    /// A whole number, or a table: the nodes of both.
    NumberOrTable(&'static Value, &'static Value),
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A string.
    Text,
    /// `true` or `false`.
    Boolean,
    /// Anything.
    Any,
}

/// One `kind` of a union.
pub(super) struct Variant {
    /// The value of `kind`.
    pub kind: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Its table.
    pub node: &'static Value,
}

/// One word of a choice.
pub(super) struct Word {
    /// The word.
    pub word: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// The node that `node` refers to, or itself.
pub(super) fn resolve(node: &'static Value) -> &'static Value {
    let mut node = node;
    while let Some(target) = node.get("$ref").and_then(Value::as_str) {
        match root().pointer(target.trim_start_matches('#')) {
            Some(found) => node = found,
            None => break,
        }
    }
    node
}

/// The keys any of which, said in a higher layer, replace the whole table `node` of lower ones.
pub(super) fn replacing(node: &'static Value) -> impl Iterator<Item = &'static str> {
    let keys = resolve(node).get("x-replacing").and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(Value::as_str)
}

/// What `node` allows.
pub(super) fn shape(node: &'static Value) -> Shape {
    let node = resolve(node);
    if let Some(alternatives) = node.get("oneOf").and_then(Value::as_array) {
        let variants: Vec<Variant> = alternatives.iter().filter_map(variant).collect();
        if variants.len() == alternatives.len() {
            return Shape::Union(variants);
        }
        return Shape::Choice(alternatives.iter().flat_map(words).collect());
    }
    if let Some([one, other]) = node.get("anyOf").and_then(Value::as_array).map(Vec::as_slice) {
        return match (other.get("items"), resolve(other).get("properties")) {
            (Some(items), _) => Shape::OneOrMore(items),
            (None, Some(_)) => Shape::NumberOrTable(one, other),
            (None, None) => Shape::Any,
        };
    }
    if node.get("enum").is_some() || node.get("const").is_some() {
        return Shape::Choice(words(node));
    }
    match node.get("type").and_then(Value::as_str) {
        Some("object") => match (node.get("properties"), node.get("additionalProperties")) {
            (None, Some(values)) if values.is_object() => Shape::Map(values),
            (properties, _) => Shape::Table(object(properties)),
        },
        Some("array") => node.get("items").map_or(Shape::Any, Shape::Array),
        Some("integer") => Shape::Integer,
        Some("number") => Shape::Number,
        Some("string") => Shape::Text,
        Some("boolean") => Shape::Boolean,
        _ => Shape::Any,
    }
}

fn object(value: Option<&'static Value>) -> &'static Map<String, Value> {
    static EMPTY: OnceLock<Map<String, Value>> = OnceLock::new();
    value.and_then(Value::as_object).unwrap_or_else(|| EMPTY.get_or_init(Map::new))
}

fn variant(node: &'static Value) -> Option<Variant> {
    let kind = node.pointer("/properties/kind/const")?.as_str()?;
    Some(Variant { kind, doc: doc(node), node })
}

fn words(node: &'static Value) -> Vec<Word> {
    let one = node.get("const").and_then(Value::as_str).into_iter();
    let many = node.get("enum").and_then(Value::as_array).into_iter().flatten();
    one.chain(many.filter_map(Value::as_str)).map(|word| Word { word, doc: doc(node) }).collect()
}

/// The documentation of a node; of what it refers to, where it has none of its own.
pub(super) fn doc(node: &'static Value) -> &'static str {
    let own = node.get("description").and_then(Value::as_str);
    own.or_else(|| resolve(node).get("description")?.as_str()).unwrap_or_default()
}

/// The keys of a table node.
pub(super) fn properties(node: &'static Value) -> &'static Map<String, Value> {
    object(resolve(node).get("properties"))
}

/// The keys that a table must have.
pub(super) fn required(node: &'static Value) -> impl Iterator<Item = &'static str> {
    let keys = resolve(node).get("required").and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(Value::as_str)
}

/// Whether its strings are paths, relative to the file that says them.
pub(super) fn is_path(node: &'static Value) -> bool {
    node.get("x-path").is_some()
}

/// Whether `false` may stand for the value of a key: it can be left out, or is a table that can be empty.
pub(super) fn may_be_off(node: &Value) -> bool {
    let empty = node.get("default").and_then(Value::as_object).is_some_and(Map::is_empty);
    empty || node.get("x-optional").is_some()
}

/// Whether it is a table.
pub(super) fn holds_keys(node: &'static Value) -> bool {
    matches!(shape(node), Shape::Table(_) | Shape::Map(_) | Shape::Union(_))
}

/// What the elements are, of an array.
pub(super) fn items(node: &'static Value) -> Option<&'static Value> {
    match shape(node) {
        Shape::Array(items) => Some(items),
        _ => None,
    }
}

/// What `key` is in a table, of each kind that has it.
pub(super) fn children(node: &'static Value, key: &str) -> Vec<&'static Value> {
    match shape(node) {
        Shape::Table(properties) => properties.get(key).into_iter().collect(),
        Shape::Map(values) => vec![values],
        Shape::Union(variants) => {
            variants.iter().filter_map(|variant| properties(variant.node).get(key)).collect()
        }
        Shape::NumberOrTable(_, table) => properties(table).get(key).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// What a step leads to from each of `nodes` that has it.
pub(super) fn below(nodes: Vec<&'static Value>, step: &Step) -> Vec<&'static Value> {
    let below = |node| match step {
        Step::Key(key) => children(node, key),
        Step::Index(_) => items(node).into_iter().collect(),
    };
    nodes.into_iter().flat_map(below).collect()
}

/// What the key at `path` is, of each kind that has it.
#[cfg(test)]
pub(super) fn nodes_at(path: &KeyPath) -> Vec<&'static Value> {
    path.steps().iter().fold(vec![root()], below)
}

/// Every key, as TOML writes it, that needs no index and no name of the author's choice.
pub(super) fn all_keys() -> Vec<KeyPath> {
    let mut found = Vec::new();
    list_keys(root(), &KeyPath::default(), &mut found);
    found
}

fn list_keys(node: &'static Value, path: &KeyPath, found: &mut Vec<KeyPath>) {
    let tables: Vec<&'static Value> = match shape(node) {
        Shape::Table(_) => vec![node],
        Shape::Union(variants) => variants.iter().map(|variant| variant.node).collect(),
        Shape::NumberOrTable(_, table) => vec![table],
        _ => Vec::new(),
    };
    for (key, property) in tables.into_iter().flat_map(properties) {
        let path = path.key(key);
        if !found.contains(&path) {
            found.push(path.clone());
        }
        list_keys(property, &path, found);
    }
}

/// The smallest and the largest number allowed.
pub(super) fn range(node: &'static Value) -> (Option<f64>, Option<f64>) {
    let node = resolve(node);
    let widest = match node.get("format").and_then(Value::as_str) {
        Some("uint32") => Some(f64::from(u32::MAX)),
        Some("uint8") => Some(f64::from(u8::MAX)),
        _ => None,
    };
    let bound = |name| node.get(name).and_then(Value::as_f64);
    (bound("minimum"), bound("maximum").or(widest))
}

/// The fewest and the most elements or characters allowed, as `minItems` or `minLength` say.
pub(super) fn lengths(node: &'static Value, what: &str) -> (Option<u64>, Option<u64>) {
    let bound = |side: &str| resolve(node).get(format!("{side}{what}")).and_then(Value::as_u64);
    (bound("min"), bound("max"))
}

/// What the schema says of a value, in words: `a whole number from 1 to 4096`.
pub(super) fn in_words(node: &'static Value) -> String {
    match shape(node) {
        Shape::Table(_) | Shape::Map(_) => "a table".into(),
        Shape::Union(_) => "a table with a `kind`".into(),
        Shape::Choice(words) => {
            let words: Vec<String> =
                words.iter().map(|word| format!("\"{}\"", word.word)).collect();
            match words.as_slice() {
                [one] => one.clone(),
                words => format!("one of {}", words.join(", ")),
            }
        }
        Shape::Array(items) => {
            let count = match count_in_words(node).as_str() {
                "" => String::new(),
                count => format!(" of{count}"),
            };
            format!("an array{count}, each {}", in_words(items))
        }
        Shape::OneOrMore(items) => format!("{}, or an array of such", in_words(items)),
        Shape::NumberOrTable(number, table) => {
            let keys = properties(table).keys().map(|key| format!("`{key}`"));
            let keys: Vec<String> = keys.collect();
            format!("{}, or a table of {}", in_words(number), keys.join(" and "))
        }
        Shape::Integer => format!("a whole number{}", range_in_words(node)),
        Shape::Number => format!("a number{}", range_in_words(node)),
        Shape::Text => "a string".into(),
        Shape::Boolean => "true or false".into(),
        Shape::Any => "any value".into(),
    }
}

/// How many elements an array may have: ` 2 to 8`; nothing where any number is allowed.
pub(super) fn count_in_words(node: &'static Value) -> String {
    match lengths(node, "Items") {
        (Some(least), Some(most)) if least == most => format!(" {least}"),
        (Some(least), Some(most)) => format!(" {least} to {most}"),
        (Some(least), None) => format!(" {least} or more"),
        (None, Some(most)) => format!(" at most {most}"),
        (None, None) => String::new(),
    }
}

/// ` from 1 to 4096`, or nothing where every number is allowed.
pub(super) fn range_in_words(node: &'static Value) -> String {
    match range(node) {
        (Some(least), Some(most)) => format!(" from {} to {}", plain(least), plain(most)),
        (Some(least), None) => format!(" of at least {}", plain(least)),
        (None, Some(most)) => format!(" of at most {}", plain(most)),
        (None, None) => String::new(),
    }
}

/// A number as a person writes it.
fn plain(number: f64) -> String {
    if number != 0.0 && number.abs() < 1e-4 || number.abs() >= 1e10 {
        return format!("{number:e}");
    }
    number.to_string()
}

/// Every key named `name` below the table `node` at `path`: as `explain` is asked for it, with kinds
/// (`schedule.optimizer.adam.betas`), and as TOML writes it (`schedule.optimizer.betas`).
pub(super) fn keys_named(
    node: &'static Value,
    path: &KeyPath,
    name: &str,
) -> Vec<(KeyPath, KeyPath)> {
    let mut found = Vec::new();
    search(node, path, path, name, &mut found);
    found
}

fn search(
    node: &'static Value,
    asked: &KeyPath,
    written: &KeyPath,
    name: &str,
    found: &mut Vec<(KeyPath, KeyPath)>,
) {
    let mut visit = |node: &'static Value, asked: &KeyPath| {
        for (key, property) in properties(node) {
            let (asked, written) = (asked.key(key), written.key(key));
            if key == name && key != "kind" {
                found.push((asked.clone(), written.clone()));
            }
            search(property, &asked, &written, name, found);
        }
    };
    match shape(node) {
        Shape::Table(_) => visit(node, asked),
        Shape::Union(variants) => {
            variants.iter().for_each(|variant| visit(variant.node, &asked.key(variant.kind)));
        }
        Shape::NumberOrTable(_, table) => visit(table, asked),
        _ => {}
    }
}

/// Whether `text` is as the node's `pattern` wants it.
pub(super) fn matches_pattern(node: &'static Value, text: &str) -> bool {
    let Some(pattern) = resolve(node).get("pattern").and_then(Value::as_str) else { return true };
    regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

/// The first character, and its index, that the node's `pattern` has no place for; `None` where the pattern is more than
/// a choice of characters.
pub(super) fn first_misfit(node: &'static Value, text: &str) -> Option<(usize, char)> {
    let pattern = resolve(node).get("pattern").and_then(Value::as_str)?;
    // A pattern that ends in a repeated class fits every beginning of a text that it fits.
    if !pattern.ends_with("*$") {
        return None;
    }
    let mut ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let place = ends.position(|end| !matches_pattern(node, &text[..end]))?;
    Some((place, text.chars().nth(place)?))
}
