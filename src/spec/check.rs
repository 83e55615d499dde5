//! Checks the merged keys against the schema, and finds every mistake at once.

use figment::value::{Dict, Num, Tag, Value};
use serde_json::Value as Node;

use super::files::tidy;
use super::hints;
use super::layer::Layer;
use super::locate::{KeyPath, Spans};
use super::origin::{Origin, rank_of};
use super::problem::{MOST, Place, Problem};
use super::render::inline;
use super::schema::{self, Shape, Variant};
use super::suggest::{closest, list, slip};

/// The key under which serde passes a TOML date.
const DATE: &str = "$__toml_private_datetime";
/// Longest string that a message repeats, in characters.
const QUOTED: usize = 60;

/// A check of merged values, which knows their layers.
pub(super) struct Checker<'l> {
    layers: &'l [Layer],
    /// Whether every layer could be read; if not, a missing key may be in one that was not.
    complete: bool,
    /// The mistakes found.
    pub problems: Vec<Problem>,
}

impl<'l> Checker<'l> {
    /// A checker of what `layers` say together.
    pub(super) fn new(layers: &'l [Layer], complete: bool) -> Self {
        Self { layers, complete, problems: Vec::new() }
    }

    /// The rank of the layer of a value; `None` for a default.
    fn rank(&self, tag: Tag) -> Option<usize> {
        rank_of(tag).filter(|&rank| rank < self.layers.len())
    }

    /// Checks `value` at `path` against `node`; makes its paths usable from the working directory
    /// and its arguments the strings that they must be. `false` is right for what may be switched off.
    pub(super) fn check(&mut self, path: &KeyPath, node: &'static Node, value: &mut Value) {
        let off = is_false(value) && schema::may_be_off(node);
        if off || self.problems.len() >= MOST {
            return;
        }
        match schema::shape(node) {
            Shape::Table(_) => self.table(path, node, None, value),
            Shape::Union(variants) => self.union(path, node, &variants, value),
            Shape::Map(values) => match value {
                Value::Dict(_, dict) if !is_date(dict) => {
                    for (key, value) in dict.iter_mut().filter(|(_, value)| !is_false(value)) {
                        self.check(&path.key(key), values, value);
                    }
                }
                _ => self.wrong_type(path, node, value),
            },
            Shape::Array(items) => self.array(path, node, items, value),
            Shape::OneOrMore(items) => match value {
                Value::Array(_, elements) => {
                    for (index, element) in elements.iter_mut().enumerate() {
                        self.check(&path.index(index), items, element);
                    }
                }
                Value::String(..) => {}
                _ => self.wrong_type(path, node, value),
            },
            Shape::NumberOrTable(number, table) => match value {
                Value::Dict(..) => self.table(path, table, None, value),
                Value::Num(..) => self.number(path, number, value),
                _ => self.wrong_type(path, node, value),
            },
            Shape::Choice(words) => match value.as_str() {
                Some(word) if words.iter().any(|known| known.word == word) => {}
                Some(word) => {
                    let near = closest(word, words.iter().map(|known| known.word));
                    let help = near.map(|near| format!("did you mean \"{near}\"?"));
                    let message = format!(
                        "`{path}` is {}; it must be {}",
                        describe(value),
                        schema::in_words(node)
                    );
                    self.at_value(path, value.tag(), message, help);
                }
                None => self.wrong_type(path, node, value),
            },
            Shape::Integer | Shape::Number => self.number(path, node, value),
            Shape::Text => self.text(path, node, value),
            Shape::Boolean if value.to_bool().is_none() => self.wrong_type(path, node, value),
            Shape::Boolean | Shape::Any => {}
        }
    }

    /// A table whose keys depend on `kind`.
    fn union(
        &mut self,
        path: &KeyPath,
        node: &'static Node,
        variants: &[Variant],
        value: &mut Value,
    ) {
        let kinds = || variants.iter().map(|variant| variant.kind);
        let dict = match value {
            Value::Dict(_, dict) if !is_date(dict) => dict,
            _ => {
                let word = value.as_str().and_then(|word| {
                    kinds().find(|kind| *kind == word).or_else(|| closest(word, kinds()))
                });
                let write = |kind| format!("write {{ kind = \"{kind}\" }}");
                let help = value.as_str().and_then(|word| off(path, node, word));
                let help = help.or_else(|| word.map(write)).unwrap_or_else(|| kinds_are(kinds()));
                let message = must_be(path, "a table with a `kind`", value);
                return self.at_value(path, value.tag(), message, Some(help));
            }
        };
        match dict.get("kind") {
            Some(Value::String(tag, kind)) => {
                let (tag, kind) = (*tag, kind.clone());
                match variants.iter().find(|variant| variant.kind == kind) {
                    Some(variant) => {
                        self.table(path, variant.node, Some((variants, variant.kind)), value);
                    }
                    None => {
                        let near = closest(&kind, kinds());
                        let meant = near.map(|near| format!("did you mean \"{near}\"?"));
                        let help = off(path, node, &kind).or(meant);
                        let help = help.unwrap_or_else(|| kinds_are(kinds()));
                        let message = format!("`{path}` has no kind {}", quote(&kind));
                        self.at_value(&path.key("kind"), tag, message, Some(help));
                        let meant = variants.iter().find(|variant| Some(variant.kind) == near);
                        if let Some(variant) = meant {
                            self.table(path, variant.node, Some((variants, variant.kind)), value);
                        }
                    }
                }
            }
            Some(other) => {
                let message = must_be(&path.key("kind"), "a string", other);
                self.at_value(&path.key("kind"), other.tag(), message, Some(kinds_are(kinds())));
            }
            None => {
                let mut meant = variants.iter().filter(|variant| {
                    let known = schema::properties(variant.node);
                    dict.keys().all(|key| known.contains_key(key))
                });
                let only = meant.next().filter(|_| meant.next().is_none());
                let (tag, kind) = (value.tag(), "kind");
                self.missing(path, tag, kind, None, kinds_are(kinds()));
                if let Some(variant) = only {
                    self.table(path, variant.node, Some((variants, variant.kind)), value);
                }
            }
        }
    }

    /// A table with the keys of `node`, which is the variant `kind` of a union, or of none.
    fn table(
        &mut self,
        path: &KeyPath,
        node: &'static Node,
        kind: Option<(&[Variant], &'static str)>,
        value: &mut Value,
    ) {
        let tag = value.tag();
        let dict = match value {
            Value::Dict(_, dict) if !is_date(dict) => dict,
            _ => return self.wrong_type(path, node, value),
        };
        let known = schema::properties(node);
        // Where the kind decides what is missing, whoever chose the kind left it out.
        let chosen_by = dict.get("kind").map_or(tag, Value::tag);
        let kind_name = kind.map(|(_, kind)| kind);
        for key in schema::required(node) {
            if !dict.contains_key(key) && (key != "kind" || kind.is_none()) {
                let doc = known.get(key).map_or("", schema::doc);
                let help = format!("`{key}`: {doc}{}", else_whole(path, node));
                self.missing(path, chosen_by, key, kind_name, help);
            }
        }
        for (key, value) in dict {
            let at = path.key(key);
            match known.get(key) {
                Some(_) if key == "kind" && kind.is_some() => {}
                Some(property) => self.check(&at, property, value),
                None if self.problems.len() >= MOST => return,
                None => {
                    let allowed = || known.keys().map(String::as_str);
                    let whose = table_name(path, kind_name);
                    let meant = |near: &str| format!("did you mean `{near}`?");
                    let help = of_other_kind(path, key, kind)
                        .or_else(|| slip(key, allowed()).map(meant))
                        .or_else(|| below(path, node, key))
                        .or_else(|| closest(key, allowed()).map(meant))
                        .or_else(|| below(&KeyPath::default(), schema::root(), key))
                        .unwrap_or_else(|| format!("its keys are {}", list(allowed())));
                    let message = format!("unknown key `{}` in {whose}", shortened(key));
                    self.at_key(&at, value.tag(), message, Some(help));
                }
            }
        }
    }

    fn array(
        &mut self,
        path: &KeyPath,
        node: &'static Node,
        items: &'static Node,
        value: &mut Value,
    ) {
        let tag = value.tag();
        let raw = self.rank(tag).and_then(|rank| self.layers[rank].raw_value());
        let (least, most) = schema::lengths(node, "Items");
        let Value::Array(_, elements) = value else {
            let help = match &*value {
                Value::Dict(..) => None,
                Value::Bool(_, false) if least.is_none_or(|least| least == 0) => {
                    Some("write [] for none".into())
                }
                // What is no TOML came as it was typed: seeds=1,2
                Value::String(_, text) if raw == Some(text) && text.contains(',') => {
                    Some(format!("write [{text}]"))
                }
                scalar => Some(format!("write [{}]", toml_like(scalar))),
            };
            let message = must_be(path, "an array", value);
            return self.at_value(path, tag, message, help);
        };
        let fits = |count: usize| {
            least.is_none_or(|least| count as u64 >= least)
                && most.is_none_or(|most| count as u64 <= most)
        };
        let count = elements.len();
        if !fits(count) {
            let noun = if count == 1 { "element" } else { "elements" };
            let wanted = schema::count_in_words(node);
            let message = format!("`{path}` has {count} {noun}; it must have{wanted}");
            let meant = hints::decimal_commas(elements).filter(|_| fits(count / 2));
            self.at_value(path, tag, message, meant.map(|meant| hints::point(&meant)));
        }
        for (index, element) in elements.iter_mut().enumerate() {
            self.check(&path.index(index), items, element);
        }
    }

    fn number(&mut self, path: &KeyPath, node: &'static Node, value: &Value) {
        let whole = matches!(schema::shape(node), Shape::Integer);
        let number = match value {
            Value::Num(_, number) => match number.to_f64() {
                Some(float) if whole => {
                    let help = (float.fract() == 0.0).then(|| format!("write {float:.0}"));
                    let message = must_be(path, &schema::in_words(node), value);
                    return self.at_value(path, value.tag(), message, help);
                }
                Some(float) => float,
                // Whole numbers beyond 2^53 lose digits here, and no bound is near them.
                None => whole_number(*number).map_or(f64::NAN, |number| number as f64),
            },
            _ => return self.wrong_type(path, node, value),
        };
        let (least, most) = schema::range(node);
        let inside = number.is_finite()
            && least.is_none_or(|least| number >= least)
            && most.is_none_or(|most| number <= most);
        if !inside {
            let message = must_be(path, &schema::in_words(node), value);
            self.at_value(path, value.tag(), message, None);
        }
    }

    fn text(&mut self, path: &KeyPath, node: &'static Node, value: &mut Value) {
        let tag = value.tag();
        let layer = self.rank(tag).map(|rank| &self.layers[rank]);
        if !matches!(value, Value::String(..) | Value::Dict(..) | Value::Array(..))
            && let Some(raw) = layer.and_then(Layer::raw_value)
        {
            *value = Value::String(tag, raw.into());
        }
        let Value::String(_, text) = value else {
            return self.wrong_type(path, node, value);
        };
        let wanted = || Some(format!("`{path}`: {}", schema::doc(node)));
        if let Some(message) = misfit(path, node, text) {
            return self.at_value(path, tag, message, wanted());
        }
        if !schema::is_path(node) {
            return;
        }
        if let Some((message, help)) = no_path(path, text) {
            return self.at_value(path, tag, message, help.or_else(wanted));
        }
        if let Some(folder) = layer.and_then(Layer::folder) {
            match tidy(&folder.join(&text)).into_os_string().into_string() {
                Ok(joined) => *text = joined,
                Err(_) => {
                    let message = format!(
                        "`{path}` lies in a folder whose name is not UTF-8: {}",
                        folder.display()
                    );
                    self.at_value(path, tag, message, None);
                }
            }
        }
    }

    fn wrong_type(&mut self, path: &KeyPath, node: &'static Node, value: &Value) {
        let message = must_be(path, &schema::in_words(node), value);
        let help = value.as_str().and_then(|text| meant(path, node, text));
        self.at_value(path, value.tag(), message, help);
    }

    fn missing(&mut self, path: &KeyPath, tag: Tag, key: &str, kind: Option<&str>, help: String) {
        if self.complete {
            let message = format!("missing key `{key}` in {}", table_name(path, kind));
            let place = match self.rank(tag) {
                Some(rank) => {
                    let layer = &self.layers[rank];
                    layer.spans.get(path).map(|at| Place::at(layer, rank, Some(at.key.clone())))
                }
                None => None,
            };
            let place = place.or_else(|| place_above(self.layers, path));
            let key = path.key(key).to_string();
            self.problems.push(Problem { key, message, help: Some(help), place });
        }
    }

    /// The origin of the value of this tag at `path`.
    pub(super) fn origin(&self, path: &KeyPath, tag: Tag) -> Origin {
        self.rank(tag).map_or(Origin::Default, |rank| self.layers[rank].origin(path))
    }

    /// Records a mistake in the value at `path`.
    pub(super) fn at_value(
        &mut self,
        path: &KeyPath,
        tag: Tag,
        message: String,
        help: Option<String>,
    ) {
        self.record(path, tag, message, help, |spans| spans.value.clone());
    }

    /// Records a mistake in the key at `path`.
    fn at_key(&mut self, path: &KeyPath, tag: Tag, message: String, help: Option<String>) {
        self.record(path, tag, message, help, |spans| spans.key.clone());
    }

    fn record(
        &mut self,
        path: &KeyPath,
        tag: Tag,
        message: String,
        help: Option<String>,
        part: impl Fn(&Spans) -> std::ops::Range<usize>,
    ) {
        let place = match self.rank(tag) {
            Some(rank) => {
                let layer = &self.layers[rank];
                Some(Place::at(layer, rank, layer.spans.get(path).map(part)))
            }
            None => place_above(self.layers, path),
        };
        self.problems.push(Problem { key: path.to_string(), message, help, place });
    }
}

/// Where a defaulted key would be written: the nearest table above it in a file (or else in an argument), or the highest
/// file as a whole.
pub(super) fn place_above(layers: &[Layer], path: &KeyPath) -> Option<Box<Place>> {
    let ranked = || layers.iter().enumerate().rev();
    let files = || ranked().filter(|(_, layer)| layer.raw_value().is_none());
    let mut at = Some(path.clone());
    while let Some(here) = at.filter(|here| !here.is_root()) {
        for (rank, layer) in files().chain(ranked()) {
            if let Some(spans) = layer.spans.get(&here) {
                return Some(Place::at(layer, rank, Some(spans.key.clone())));
            }
        }
        at = here.parent();
    }
    files().map(|(rank, layer)| Place::at(layer, rank, None)).next()
}

/// The help for a string in the place of another type.
fn meant(path: &KeyPath, node: &'static Node, text: &str) -> Option<String> {
    let shape = schema::shape(node);
    let number = matches!(shape, Shape::Integer | Shape::Number | Shape::NumberOrTable(..));
    let truth = matches!(shape, Shape::Boolean);
    if (number || truth) && (text.parse::<f64>().is_ok() || text.parse::<bool>().is_ok()) {
        return Some("write it without quotes".into());
    }
    let decimal = hints::decimal_comma(text).filter(|_| number);
    decimal
        .map(|decimal| hints::point(&decimal))
        .or_else(|| hints::truth(text).filter(|_| truth).map(|truth| format!("write {truth}")))
        .or_else(|| off(path, node, text))
}

/// The help for a word by which another language says that there is nothing.
fn off(path: &KeyPath, node: &Node, word: &str) -> Option<String> {
    (schema::may_be_off(node) && hints::is_nothing(word))
        .then(|| format!("`{path} = false` switches it off"))
}

/// What a table without any key said would be, for the help of one that is said in part.
fn else_whole(path: &KeyPath, node: &Node) -> String {
    match node.get("default").and_then(Node::as_object) {
        Some(default) if !default.is_empty() => {
            let default = toml::Value::try_from(default).map(|default| inline(&default));
            let default = default.unwrap_or_default();
            format!(" Say all of `{path}` or none of it; then it is {default}")
        }
        _ => String::new(),
    }
}

/// What a text breaks of what the schema says of its length and its characters.
fn misfit(path: &KeyPath, node: &'static Node, text: &str) -> Option<String> {
    let length = text.chars().count() as u64;
    let (least, most) = schema::lengths(node, "Length");
    if least.is_some_and(|least| length < least) || most.is_some_and(|most| length > most) {
        let wanted = match (least, most) {
            (Some(least), Some(most)) if least == most => format!("{least}"),
            (least, Some(most)) => format!("{} to {most}", least.unwrap_or(0)),
            (least, None) => format!("{} or more", least.unwrap_or(0)),
        };
        let found = quote(text);
        return Some(format!("`{path}` is {found}, of {length} characters; it must have {wanted}"));
    }
    if schema::matches_pattern(node, text) {
        return None;
    }
    let message = format!("`{path}` cannot be {}", quote(text));
    let Some((place, wrong)) = schema::first_misfit(node, text) else { return Some(message) };
    Some(format!("{message}: character {} is {}", place + 1, character(wrong)))
}

/// What makes a text unfit to be a path, and what would be right.
fn no_path(path: &KeyPath, text: &str) -> Option<(String, Option<String>)> {
    if text.is_empty() {
        return Some((format!("`{path}` is an empty path"), None));
    }
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        let help = "in double quotes a backslash begins an escape, such as \\t for a tab: write the path in \
                    single quotes, or with /";
        return Some((format!("`{path}` holds {}", character(control)), Some(help.into())));
    }
    let found = hints::unexpanded(text)?;
    let message = format!("`{path}` is {}: `{found}` is not replaced by anything", quote(text));
    Some((message, Some(hints::write_out(found))))
}

/// A character as a message names it.
fn character(c: char) -> String {
    match c {
        ' ' => "a space".into(),
        '\t' => "a tab".into(),
        '\n' => "a line end".into(),
        c if c.is_ascii_graphic() => format!("`{c}`"),
        c if c.is_control() => format!("U+{:04X}", u32::from(c)),
        c => format!("`{c}` (U+{:04X})", u32::from(c)),
    }
}

/// The help for a `key` that another kind of the table at `path` has.
fn of_other_kind(
    path: &KeyPath,
    key: &str,
    kind: Option<(&[Variant], &'static str)>,
) -> Option<String> {
    let (variants, _) = kind?;
    let others: Vec<String> = variants
        .iter()
        .filter(|variant| schema::properties(variant.node).contains_key(key))
        .map(|variant| format!("\"{}\"", variant.kind))
        .collect();
    if others.is_empty() {
        return None;
    }
    Some(format!("`{path}` has it where its kind is {}", others.join(" or ")))
}

/// The help for a `key` that belongs to a table further down from `path`, or to none.
fn below(path: &KeyPath, node: &'static Node, key: &str) -> Option<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, written) in schema::keys_named(node, path, key) {
        let written = written.to_string();
        let outside = if written.contains('.') { "" } else { " outside of all tables" };
        let written = format!("`{written}`{outside}");
        if !found.contains(&written) {
            found.push(written);
        }
    }
    // A key found all over the place is no hint.
    (1..=3).contains(&found.len()).then(|| format!("did you mean {}?", found.join(" or ")))
}

fn kinds_are<'k>(kinds: impl Iterator<Item = &'k str>) -> String {
    let kinds: Vec<&str> = kinds.collect();
    match kinds.as_slice() {
        [only] => format!("its only kind is \"{only}\""),
        kinds => format!("its kinds are {}", list(kinds.iter().copied())),
    }
}

fn table_name(path: &KeyPath, kind: Option<&str>) -> String {
    let of_kind = kind.map(|kind| format!(" of kind \"{kind}\"")).unwrap_or_default();
    if path.is_root() { "the spec".into() } else { format!("`{path}`{of_kind}") }
}

fn must_be(path: &KeyPath, what: &str, found: &Value) -> String {
    format!("`{path}` must be {what}, found {}", describe(found))
}

/// Whether a table is how serde passes a TOML date.
pub(super) fn is_date(dict: &Dict) -> bool {
    dict.contains_key(DATE)
}

fn is_false(value: &Value) -> bool {
    value.to_bool() == Some(false)
}

/// A value as a message names it.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Dict(_, dict) if is_date(dict) => "a date".into(),
        Value::Dict(..) => "a table".into(),
        Value::Array(..) => "an array".into(),
        Value::String(_, text) => quote(text),
        other => toml_like(other),
    }
}

/// A value as it would be written.
pub(super) fn toml_like(value: &Value) -> String {
    match value {
        Value::String(_, text) => quote(text),
        Value::Char(_, c) => quote(&c.to_string()),
        Value::Bool(_, flag) => flag.to_string(),
        Value::Num(_, number) => match number.to_f64() {
            Some(float) => format!("{float:?}").to_lowercase(),
            None => whole_number(*number).map_or("a number".into(), |number| number.to_string()),
        },
        Value::Empty(..) => "nothing".into(),
        Value::Dict(..) => "{ .. }".into(),
        Value::Array(..) => "[ .. ]".into(),
    }
}

fn whole_number(number: Num) -> Option<i128> {
    number.to_i128().or_else(|| number.to_u128().and_then(|number| number.try_into().ok()))
}

fn quote(text: &str) -> String {
    format!("{:?}", shortened(text))
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= QUOTED {
        return text.into();
    }
    text.chars().take(QUOTED).chain(['…']).collect()
}
