//! Layers laid over one another: the `kind` of a table first, then its keys, then elements of arrays.

use std::collections::BTreeMap;
use std::path::PathBuf;

use figment::value::{Dict, Tag, Value};
use serde_json::Value as Node;

use super::check::{Checker, describe, is_date, toml_like};
use super::defaults::{completed, kind};
use super::layer::{Layer, Source, in_layers};
use super::locate::KeyPath;
use super::origin::{Note, rank_of, tag_of};
use super::problem::{Place, Problem};
use super::said::{Clash, Said};
use super::schema::{self, Shape, Variant};
use super::suggest::closest;

/// The merged layers.
pub(super) struct Merged {
    /// The root table, without defaults.
    pub root: Dict,
    /// Keys that do not count, or have another meaning than where they were written.
    pub notes: Vec<Note>,
    /// Statements that do not go together, and elements that are not there.
    pub problems: Vec<Problem>,
}

/// Lays `sources`, from the lowest to the highest, over one another.
///
/// Within a layer no order counts but that of two `--set` of one key, of which the later one does. Where a layer changes
/// the `kind` of a table, keys of lower layers stay if the new kind has them and takes their values.
pub(super) fn merge(sources: &[Layer]) -> Merged {
    let mut merger = Merger { sources, notes: Vec::new(), problems: Vec::new() };
    let root = Spot { path: KeyPath::default(), node: Some(schema::root()) };
    let mut whole = Value::from(Dict::new());
    for (first, layer) in in_layers(sources) {
        let (by_key, by_index) = merger.join(first, layer).split();
        if let Some(said) = by_key {
            whole = merger.lay(&root, Some(whole), said, None).unwrap_or(Value::from(Dict::new()));
        }
        if let Some(said) = by_index {
            let defaults = whole.as_dict().map(|whole| Value::from(completed(whole)));
            whole = merger
                .lay(&root, Some(whole), said, defaults.as_ref())
                .unwrap_or(Value::from(Dict::new()));
        }
    }
    let root = whole.into_dict().unwrap_or_default();
    Merged { root, notes: merger.notes, problems: merger.problems }
}

/// A place in the spec, and what the schema says of it, if it knows it.
struct Spot {
    path: KeyPath,
    node: Option<&'static Node>,
}

impl Spot {
    /// The value of `key` of this table, which is of that `kind` where it has kinds.
    fn key(&self, key: &str, kind: Option<&str>) -> Self {
        let node = self.node.and_then(|node| match schema::shape(node) {
            Shape::Table(properties) => properties.get(key),
            Shape::Map(values) => Some(values),
            Shape::NumberOrTable(_, table) => schema::properties(table).get(key),
            Shape::Union(variants) => variants
                .iter()
                .filter(|variant| kind.is_none_or(|kind| variant.kind == kind))
                .find_map(|variant| schema::properties(variant.node).get(key)),
            _ => None,
        });
        Self { path: self.path.key(key), node }
    }

    fn element(&self, index: usize) -> Self {
        let node = self.node.and_then(|node| match schema::shape(node) {
            Shape::Array(items) => Some(items),
            _ => None,
        });
        Self { path: self.path.index(index), node }
    }

    /// The kinds of the table here; none where it has no kinds.
    fn variants(&self) -> Vec<Variant> {
        match self.node.map(schema::shape) {
            Some(Shape::Union(variants)) => variants,
            _ => Vec::new(),
        }
    }
}

struct Merger<'l> {
    sources: &'l [Layer],
    notes: Vec<Note>,
    problems: Vec<Problem>,
}

impl Merger<'_> {
    /// The statements of one layer's sources, the first of which has the rank `first`, joined.
    fn join(&mut self, first: usize, layer: &[Layer]) -> Said {
        let mut said = Said::nothing();
        let mut clashes = Vec::new();
        for (at, source) in layer.iter().enumerate() {
            let statement = source.said.clone().marked(tag_of(first + at));
            said.join(statement, &KeyPath::default(), &mut clashes);
        }
        for clash in clashes {
            self.tell(clash);
        }
        said
    }

    fn tell(&mut self, clash: Clash) {
        match clash {
            Clash::Twice { earlier, later, .. } if earlier == later => {}
            Clash::Twice { path, earlier, later } => match self.source(later.tag()) {
                Some((rank, Layer { source: Source::Env(_), .. })) => {
                    let other = self.source(earlier.tag());
                    let other =
                        other.map_or(String::new(), |(_, other)| other.origin(&path).to_string());
                    let message = format!("`{path}` is said by {other} too, and otherwise");
                    self.problem(
                        &path,
                        rank,
                        message,
                        Some("the environment has no order: unset one"),
                    );
                }
                _ => {
                    let fate = format!("does not count: a later --set says {}", described(&later));
                    self.note(&path, &earlier, fate);
                }
            },
            Clash::Mixed { path, earlier, later } => {
                let Some((rank, _)) = self.source(later) else { return };
                let other =
                    self.source(earlier).map_or(String::new(), |(_, other)| other.text.clone());
                let message = format!("`{path}` is said both as a whole and in parts");
                let help = format!("the other statement is `{other}`: say one of the two");
                self.problem(&path, rank, message, Some(&help));
            }
        }
    }

    /// What is `said` of a spot laid over what lies `below`; elements of an array that no layer says are those of
    /// `defaults`.
    fn lay(
        &mut self,
        spot: &Spot,
        below: Option<Value>,
        said: Said,
        defaults: Option<&Value>,
    ) -> Option<Value> {
        match said {
            Said::Value(value) => Some(value),
            Said::Table(tag, keys) => Some(self.table(spot, below, tag, keys, defaults)),
            Said::Array { whole, elements } => {
                let array = whole.or(below).or_else(|| defaults.cloned());
                self.elements(spot, array, elements)
            }
        }
    }

    fn table(
        &mut self,
        spot: &Spot,
        below: Option<Value>,
        tag: Tag,
        keys: BTreeMap<String, Said>,
        defaults: Option<&Value>,
    ) -> Value {
        let mut table = match below {
            Some(Value::Dict(_, table)) if !is_date(&table) => table,
            _ => Dict::new(),
        };
        let kind = self.change_kind(spot, &mut table, &keys);
        self.change_file(spot, &mut table, &keys);
        for (key, said) in keys {
            let inside = spot.key(&key, kind.as_deref());
            let defaults = defaults.and_then(|defaults| defaults.as_dict()?.get(&key));
            let below = table.remove(&key);
            if let Some(value) = self.lay(&inside, below, said, defaults) {
                table.insert(key, value);
            }
        }
        Value::Dict(tag, table)
    }

    fn elements(
        &mut self,
        spot: &Spot,
        array: Option<Value>,
        said: BTreeMap<usize, Said>,
    ) -> Option<Value> {
        if said.is_empty() {
            return array;
        }
        let (tag, mut elements) = match array {
            Some(Value::Array(tag, elements)) => (tag, elements),
            other => {
                for (index, said) in said {
                    let (message, help) = match &other {
                        Some(value) => (
                            format!("`{}` is no array: it is {}", spot.path, describe(value)),
                            None,
                        ),
                        None => {
                            let message = format!("there is no array `{}` to change", spot.path);
                            (message, Some(format!("say all of `{}`", spot.path)))
                        }
                    };
                    self.no_element(spot, index, &said, message, help.as_deref());
                }
                return other;
            }
        };
        let count = elements.len();
        for (index, said) in said {
            let inside = spot.element(index);
            let Some(element) = elements.get_mut(index) else {
                let has = match count {
                    0 => "is empty".into(),
                    1 => "has 1 element, of index 0".into(),
                    count => format!("has {count} elements, of indices 0 to {}", count - 1),
                };
                let found = format!("`{}` {has}: there is none of index {index}", spot.path);
                let help = format!("to make it longer, say all of `{}`", spot.path);
                self.no_element(spot, index, &said, found, Some(&help));
                continue;
            };
            let below = std::mem::replace(element, Value::from(false));
            if let Some(value) = self.lay(&inside, Some(below), said, None) {
                *element = value;
            }
        }
        Some(Value::Array(tag, elements))
    }

    fn no_element(
        &mut self,
        spot: &Spot,
        index: usize,
        said: &Said,
        message: String,
        help: Option<&str>,
    ) {
        if let Some((rank, _)) = self.source(said.tag()) {
            self.problem(&spot.path.index(index), rank, message, help);
        }
    }

    /// Takes out of `table` what does not fit the `kind` that `keys` give it; the kind that it then has.
    fn change_kind(
        &mut self,
        spot: &Spot,
        table: &mut Dict,
        keys: &BTreeMap<String, Said>,
    ) -> Option<String> {
        let variants = spot.variants();
        if variants.is_empty() {
            return None;
        }
        let lower = kind(table).map(String::from).or_else(|| default_kind(spot));
        let upper = match keys.get("kind") {
            Some(Said::Value(Value::String(_, kind))) => kind.as_str(),
            _ => return lower,
        };
        let variant = |kind: &str| variants.iter().find(|variant| variant.kind == kind);
        let meant = variant(upper)
            .or_else(|| variant(closest(upper, variants.iter().map(|variant| variant.kind))?));
        if let (Some(old), Some(new)) = (lower.as_deref().and_then(variant), meant)
            && old.kind != new.kind
        {
            let said = keys.get("kind").and_then(|said| self.source(said.tag()));
            let by = said.map_or(String::new(), |(_, source)| {
                format!(" ({})", source.origin(&spot.path.key("kind")))
            });
            let change = Change { old, new, by };
            table.retain(|key, value| self.stays(spot, key, value, &change));
        }
        Some(upper.into())
    }

    /// Whether a key of a lower layer holds under another kind; what does not is noted, and so is what means another
    /// thing there. What is wrong under the old kind already stays, to be found by the check.
    fn stays(&mut self, spot: &Spot, key: &str, value: &Value, change: &Change) -> bool {
        if key == "kind" {
            return true;
        }
        let path = spot.path.key(key);
        let Change { old, new, by } = change;
        let node = |variant: &Variant| schema::properties(variant.node).get(key);
        let takes = |node: &'static Node| self.takes(&path, node, value);
        let (Some(of_old), of_new) = (node(old), node(new)) else { return true };
        let now = format!("`{}` is now \"{}\"{by}", spot.path.key("kind"), new.kind);
        match of_new {
            Some(of_new) if takes(of_new) => {
                if schema::doc(of_new) != schema::doc(of_old) {
                    let meaning = schema::doc(of_new).lines().next().unwrap_or_default();
                    self.note(
                        &path,
                        value,
                        format!("stays, but {now}, and there it means: {meaning}"),
                    );
                }
                true
            }
            _ if !takes(of_old) => true,
            Some(of_new) => {
                let wanted = schema::in_words(of_new);
                self.note(&path, value, format!("is dropped: {now}, where it must be {wanted}"));
                false
            }
            None => {
                self.note(&path, value, format!("is dropped: {now}, which has no `{key}`"));
                false
            }
        }
    }

    /// Whether the schema takes a value as it is.
    fn takes(&self, path: &KeyPath, node: &'static Node, value: &Value) -> bool {
        let mut checker = Checker::new(self.sources, false);
        checker.check(path, node, &mut value.clone());
        checker.problems.is_empty()
    }

    /// Empties a table about a file, such as one of weights, where `keys` name another file: what lower layers said is
    /// of the one they named.
    fn change_file(&mut self, spot: &Spot, table: &mut Dict, keys: &BTreeMap<String, Said>) {
        let Some(node) = spot.node else { return };
        let named = |key: &&str| match keys.get(*key) {
            Some(Said::Value(value @ Value::String(..))) => {
                table.get(*key).is_none_or(|below| self.file(below) != self.file(value))
            }
            _ => false,
        };
        let names_below = schema::replacing(node).any(|key| table.contains_key(key));
        let Some(by) = schema::replacing(node).find(named).filter(|_| names_below) else { return };
        let dropped = std::mem::take(table);
        for (key, value) in dropped.iter().filter(|(key, _)| !keys.contains_key(*key)) {
            let fate = format!("is dropped: `{}` names another file", spot.path.key(by));
            self.note(&spot.path.key(key), value, fate);
        }
    }

    /// The file that a value names, from the working directory.
    fn file(&self, value: &Value) -> Option<PathBuf> {
        let name = value.as_str()?;
        Some(
            self.source(value.tag())
                .map_or_else(|| name.into(), |(_, source)| source.resolved(name)),
        )
    }

    fn source(&self, tag: Tag) -> Option<(usize, &Layer)> {
        let rank = rank_of(tag)?;
        Some((rank, self.sources.get(rank)?))
    }

    fn problem(&mut self, path: &KeyPath, rank: usize, message: String, help: Option<&str>) {
        let source = &self.sources[rank];
        let span = source.spans.get(path).map(|spans| spans.key.clone());
        let place = Some(Place::at(source, rank, span));
        let help = help.map(String::from);
        self.problems.push(Problem { key: path.to_string(), message, help, place });
    }

    /// Notes the fate of what layers said of `path`: one note where one source said it all, else one for each part.
    fn note(&mut self, path: &KeyPath, value: &Value, fate: String) {
        let tag = value.tag();
        match (uniform(value, tag), value) {
            (false, Value::Dict(_, table)) => {
                for (key, value) in table {
                    self.note(&path.key(key), value, fate.clone());
                }
            }
            (false, Value::Array(_, elements)) => {
                for (index, value) in elements.iter().enumerate() {
                    self.note(&path.index(index), value, fate.clone());
                }
            }
            _ => {
                let Some((_, source)) = self.source(tag) else { return };
                let origin = source.origin(path);
                let value = described(value);
                self.notes.push(Note { key: path.to_string(), value, origin, fate });
            }
        }
    }
}

/// The change from one kind of a table to another, with its origin.
struct Change<'v> {
    old: &'v Variant,
    new: &'v Variant,
    by: String,
}

/// The kind of a table that says none.
fn default_kind(spot: &Spot) -> Option<String> {
    Some(spot.node?.get("default")?.get("kind")?.as_str()?.into())
}

/// Whether all of `value` has one mark.
fn uniform(value: &Value, tag: Tag) -> bool {
    value.tag() == tag
        && match value {
            Value::Dict(_, table) => table.values().all(|value| uniform(value, tag)),
            Value::Array(_, elements) => elements.iter().all(|value| uniform(value, tag)),
            _ => true,
        }
}

/// A value as TOML.
fn described(value: &Value) -> String {
    toml::Value::try_from(value)
        .map_or_else(|_| toml_like(value), |value| super::render::inline(&value))
}
