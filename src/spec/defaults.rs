//! How layers meet: what defaults fill in, and what another `kind` drives out.

use figment::value::{Dict, Value as Said};
use serde_json::Value;

use super::schema::{Shape, is_shared, properties, replacing, shape};
use super::{CrossEntropySpec, LossSpec, MetricKind};

/// What a task fills in for keys that `said` leaves out, before the other defaults: a classifier's loss and
/// metrics.
pub(super) fn of_task(said: &Dict) -> Dict {
    let table = |key: &str| said.get(key).and_then(Said::as_dict);
    if table("task").and_then(kind) != Some("classify") {
        return Dict::new();
    }
    let mut filled = Dict::new();
    if table("loss").is_none() {
        let loss = LossSpec::CrossEntropy(CrossEntropySpec::default());
        filled.extend(Said::serialize(loss).ok().map(|loss| ("loss".to_string(), loss)));
    }
    if table("evaluation").is_none_or(|evaluation| !evaluation.contains_key("metrics")) {
        let metrics = Said::serialize(MetricKind::OF_IMAGES).ok();
        let evaluation = metrics.map(|metrics| Dict::from([("metrics".to_string(), metrics)]));
        filled.extend(
            evaluation.map(|evaluation| ("evaluation".to_string(), Said::from(evaluation))),
        );
    }
    filled
}

/// The defaults of everything that `said` leaves out of the table `node`.
///
/// A table with kinds that is said in part is completed from its default, unless its kind is another.
pub(super) fn defaults(node: &'static Value, said: &Dict) -> Dict {
    let properties = match shape(node) {
        Shape::Table(properties) => properties,
        Shape::Union(variants) => {
            match variants.iter().find(|variant| Some(variant.kind) == kind(said)) {
                Some(variant) => properties(variant.node),
                None => return Dict::new(),
            }
        }
        _ => return Dict::new(),
    };
    let mut filled = Dict::new();
    for (key, property) in properties {
        let default = property.get("default").and_then(|value| Said::serialize(value).ok());
        match (said.get(key), default) {
            (None, Some(default)) => {
                filled.insert(key.clone(), default);
            }
            (Some(Said::Dict(_, said)), default) => {
                let mut below = match (shape(property), default) {
                    (Shape::Union(_), Some(Said::Dict(_, default)))
                        if !changes_kind(&default, said) =>
                    {
                        default
                    }
                    _ => Dict::new(),
                };
                below.retain(|key, _| !said.contains_key(key));
                let whole = overlay(below.clone(), said);
                filled.insert(key.clone(), Said::from(overlay(defaults(property, &whole), &below)));
            }
            _ => {}
        }
    }
    filled
}

/// Whether `upper` says another `kind` than `lower`.
fn changes_kind(lower: &Dict, upper: &Dict) -> bool {
    matches!((kind(lower), kind(upper)), (Some(lower), Some(upper)) if lower != upper)
}

fn kind(table: &Dict) -> Option<&str> {
    table.get("kind").and_then(Said::as_str)
}

/// Removes from `lower` (tables at `node`, from the lowest layer up) what belongs to a `kind` that
/// `upper` changes, here and in all tables inside; keys that all kinds share stay. All of it, where `upper` names
/// another file in a table about one.
pub(super) fn drop_replaced(node: &'static Value, lower: &mut [&mut Dict], upper: &Dict) {
    let below = lower.iter().rev().map(|layer| &**layer).find(|layer| kind(layer).is_some());
    let of_kind = kind(upper).or_else(|| kind(below?)).map(String::from);
    if below.is_some_and(|below| changes_kind(below, upper)) {
        for layer in &mut *lower {
            layer.retain(|key, _| property(node, key, None).is_some_and(is_shared));
        }
    }
    let says_which = |table: &Dict| replacing(node).any(|key| table.contains_key(key));
    if says_which(upper) {
        for layer in lower.iter_mut().filter(|layer| says_which(layer)) {
            layer.clear();
        }
    }
    for (key, value) in upper {
        let Said::Dict(_, upper) = value else { continue };
        let Some(property) = property(node, key, of_kind.as_deref()) else { continue };
        let inner = lower.iter_mut().filter_map(|layer| match layer.get_mut(key) {
            Some(Said::Dict(_, inner)) => Some(inner),
            _ => None,
        });
        drop_replaced(property, &mut inner.collect::<Vec<_>>(), upper);
    }
}

/// The node of `key` in the table `node`, of that `kind` where it has kinds, else of any.
fn property(node: &'static Value, key: &str, kind: Option<&str>) -> Option<&'static Value> {
    match shape(node) {
        Shape::Table(properties) => properties.get(key),
        Shape::Map(values) => Some(values),
        Shape::Union(variants) => variants
            .iter()
            .filter(|variant| kind.is_none_or(|kind| variant.kind == kind))
            .find_map(|variant| properties(variant.node).get(key)),
        _ => None,
    }
}

/// `lower` with the keys of `upper` over it, tables joined.
fn overlay(mut lower: Dict, upper: &Dict) -> Dict {
    for (key, value) in upper {
        let value = match (lower.remove(key), value) {
            (Some(Said::Dict(_, lower)), Said::Dict(tag, upper)) => {
                Said::Dict(*tag, overlay(lower, upper))
            }
            _ => value.clone(),
        };
        lower.insert(key.clone(), value);
    }
    lower
}
