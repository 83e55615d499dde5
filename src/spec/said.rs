//! What a layer says of a value, and the statements of one layer joined, whatever their order.

use std::collections::BTreeMap;

use figment::value::{Dict, Tag, Value};

use super::check::is_date;
use super::locate::{KeyPath, Step};

/// What a layer says of a value.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// A value that takes the place of the one below.
    Value(Value),
    /// Keys of a table, which lie over those below.
    Table(Tag, BTreeMap<String, Self>),
    /// An array as a whole, and elements of it by their index, which lie over those of the whole, or else over those
    /// below.
    Array {
        /// The array, if it is said as a whole.
        whole: Option<Value>,
        /// Elements by index.
        elements: BTreeMap<usize, Self>,
    },
}

/// Two statements of one layer about one value.
pub(super) enum Clash {
    /// Both say all of it: the later one counts.
    Twice {
        /// The value's key.
        path: KeyPath,
        /// What the earlier one said.
        earlier: Value,
        /// What the later one says.
        later: Value,
    },
    /// One says the value, the other a key or an element inside it, or they say different sorts of these.
    Mixed {
        /// The value's key.
        path: KeyPath,
        /// The mark of the earlier statement.
        earlier: Tag,
        /// The mark of the later one.
        later: Tag,
    },
}

impl Said {
    /// No key at all.
    pub(super) fn nothing() -> Self {
        Self::Table(Tag::Default, BTreeMap::new())
    }

    /// The table `dict`.
    pub(super) fn table(dict: Dict) -> Self {
        Self::of(Value::from(dict))
    }

    /// `value`, to be joined with what else is said of it.
    pub(super) fn of(value: Value) -> Self {
        match value {
            Value::Dict(tag, dict) if !is_date(&dict) => Self::Table(
                tag,
                dict.into_iter().map(|(key, value)| (key, Self::of(value))).collect(),
            ),
            Value::Array(..) => Self::Array { whole: Some(value), elements: BTreeMap::new() },
            value => Self::Value(value),
        }
    }

    /// This at the end of `steps`.
    pub(super) fn below(self, steps: &[Step]) -> Self {
        steps.iter().rev().fold(self, |said, step| match step {
            Step::Key(key) => Self::Table(Tag::Default, BTreeMap::from([(key.clone(), said)])),
            Step::Index(index) => {
                Self::Array { whole: None, elements: BTreeMap::from([(*index, said)]) }
            }
        })
    }

    /// The same with every value marked.
    pub(super) fn marked(self, tag: Tag) -> Self {
        match self {
            Self::Value(value) => Self::Value(marked(value, tag)),
            Self::Table(_, keys) => Self::Table(
                tag,
                keys.into_iter().map(|(key, said)| (key, said.marked(tag))).collect(),
            ),
            Self::Array { whole, elements } => Self::Array {
                whole: whole.map(|whole| marked(whole, tag)),
                elements: elements.into_iter().map(|(at, said)| (at, said.marked(tag))).collect(),
            },
        }
    }

    /// Takes in what a later statement of the same layer says at `path`; where the two do not go together, they are put
    /// into `clashes`.
    pub(super) fn join(&mut self, later: Self, path: &KeyPath, clashes: &mut Vec<Clash>) {
        match (self, later) {
            (Self::Table(_, keys), Self::Table(_, later)) => {
                for (key, said) in later {
                    match keys.get_mut(&key) {
                        Some(earlier) => earlier.join(said, &path.key(&key), clashes),
                        None => {
                            keys.insert(key, said);
                        }
                    }
                }
            }
            (
                Self::Array { whole, elements },
                Self::Array { whole: later_whole, elements: later_elements },
            ) => {
                if let Some(later) = later_whole
                    && let Some(earlier) = whole.replace(later.clone())
                {
                    clashes.push(Clash::Twice { path: path.clone(), earlier, later });
                }
                for (index, said) in later_elements {
                    match elements.get_mut(&index) {
                        Some(earlier) => earlier.join(said, &path.index(index), clashes),
                        None => {
                            elements.insert(index, said);
                        }
                    }
                }
            }
            (Self::Value(earlier), Self::Value(later)) => {
                let earlier = std::mem::replace(earlier, later.clone());
                clashes.push(Clash::Twice { path: path.clone(), earlier, later });
            }
            (earlier, later) => {
                let (earlier, later) = (earlier.tag(), later.tag());
                clashes.push(Clash::Mixed { path: path.clone(), earlier, later });
            }
        }
    }

    /// What is said by key alone, and what is said of elements of arrays.
    pub(super) fn split(self) -> (Option<Self>, Option<Self>) {
        match self {
            Self::Table(tag, keys) if !keys.is_empty() => {
                let (mut plain, mut indexed) = (BTreeMap::new(), BTreeMap::new());
                for (key, said) in keys {
                    let (by_key, by_index) = said.split();
                    plain.extend(by_key.map(|said| (key.clone(), said)));
                    indexed.extend(by_index.map(|said| (key, said)));
                }
                let table =
                    |keys: BTreeMap<_, _>| (!keys.is_empty()).then_some(Self::Table(tag, keys));
                (table(plain), table(indexed))
            }
            Self::Array { whole, elements } if !elements.is_empty() => {
                let whole = whole.map(Self::of);
                (whole, Some(Self::Array { whole: None, elements }))
            }
            said => (Some(said), None),
        }
    }

    /// The mark of what is said first inside.
    pub(super) fn tag(&self) -> Tag {
        match self {
            Self::Value(value) => value.tag(),
            Self::Table(tag, keys) => keys.values().next().map_or(*tag, Self::tag),
            Self::Array { whole: Some(whole), .. } => whole.tag(),
            Self::Array { elements, .. } => {
                elements.values().next().map_or(Tag::Default, Self::tag)
            }
        }
    }
}

fn marked(value: Value, tag: Tag) -> Value {
    match value {
        Value::String(_, text) => Value::String(tag, text),
        Value::Char(_, c) => Value::Char(tag, c),
        Value::Bool(_, flag) => Value::Bool(tag, flag),
        Value::Num(_, number) => Value::Num(tag, number),
        Value::Empty(_, empty) => Value::Empty(tag, empty),
        Value::Dict(_, dict) => Value::Dict(
            tag,
            dict.into_iter().map(|(key, value)| (key, marked(value, tag))).collect(),
        ),
        Value::Array(_, elements) => {
            Value::Array(tag, elements.into_iter().map(|value| marked(value, tag)).collect())
        }
    }
}
