//! `false` in the place of what may be left out: TOML has no null, and a lower layer may have said it.

use figment::value::{Tag, Value};
use serde_json::Value as Node;

use super::locate::KeyPath;
use super::schema::{self, Shape, may_be_off};

/// Takes out of `value`, which lies at `path` and is what `node` describes, every key that is switched off, and adds it
/// to `off` with the mark of who said so.
pub(super) fn take_out(
    path: &KeyPath,
    node: &'static Node,
    value: &mut Value,
    off: &mut Vec<(KeyPath, Tag)>,
) {
    let is_off = |value: &Value| value.to_bool() == Some(false);
    match (schema::shape(node), value) {
        (Shape::Array(items), Value::Array(_, elements)) => {
            for (index, element) in elements.iter_mut().enumerate() {
                take_out(&path.index(index), items, element, off);
            }
        }
        (Shape::Map(values), Value::Dict(_, table)) => table.retain(|key, value| {
            let at = path.key(key);
            if is_off(value) {
                off.push((at, value.tag()));
                return false;
            }
            take_out(&at, values, value, off);
            true
        }),
        (shape @ (Shape::Table(_) | Shape::Union(_)), Value::Dict(_, table)) => {
            let kind = super::defaults::kind(table).map(String::from);
            let properties = match shape {
                Shape::Union(variants) => variants
                    .iter()
                    .find(|variant| Some(variant.kind) == kind.as_deref())
                    .map(|variant| schema::properties(variant.node)),
                _ => Some(schema::properties(node)),
            };
            let Some(properties) = properties else { return };
            table.retain(|key, value| {
                let Some(property) = properties.get(key) else { return true };
                let at = path.key(key);
                if is_off(value) && may_be_off(property) {
                    off.push((at, value.tag()));
                    return false;
                }
                take_out(&at, property, value, off);
                true
            });
        }
        _ => {}
    }
}
