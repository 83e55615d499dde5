//! Defaults of keys that are left out.

use figment::value::{Dict, Value as Said};
use serde_json::Value;

use super::MetricKind;
use super::schema::{Shape, properties, root, shape};
use crate::loss::LossSpec;

/// `said`, with the defaults of everything that it leaves out.
pub(super) fn completed(said: &Dict) -> Dict {
    let said = overlay(of_task(said), said);
    overlay(defaults(root(), &said), &said)
}

/// What a task fills in for keys that `said` leaves out, before the other defaults: a classifier's loss and
/// metrics.
fn of_task(said: &Dict) -> Dict {
    let table = |key: &str| said.get(key).and_then(Said::as_dict);
    if table("task").and_then(kind) != Some("classify") {
        return Dict::new();
    }
    let mut filled = Dict::new();
    if let Ok(Said::Dict(tag, loss)) = Said::serialize(LossSpec::CrossEntropy(Default::default()))
        && !table("loss").is_some_and(|said| changes_kind(&loss, said))
    {
        filled.insert("loss".into(), Said::Dict(tag, loss));
    }
    if table("evaluation").is_none_or(|evaluation| !evaluation.contains_key("metrics")) {
        let metrics = Said::serialize(MetricKind::of_images()).ok();
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
fn defaults(node: &'static Value, said: &Dict) -> Dict {
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

/// The `kind` that a table says.
pub(super) fn kind(table: &Dict) -> Option<&str> {
    table.get("kind").and_then(Said::as_str)
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
