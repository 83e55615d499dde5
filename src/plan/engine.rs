//! The sources that this binary was built from, by what they decide.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::spec::Spec;

/// Digest of the sources that decide the weights of every run, set by the build script.
pub const TRAINING_ENGINE: &str = env!("TRAINING_ENGINE");
/// Digest of the sources that decide figures of given weights, set by the build script.
pub const EVALUATION_ENGINE: &str = env!("EVALUATION_ENGINE");

/// Digests of the sources of each network and loss, such as `loss/dice 0123..`, set by the build script.
const PARTS: &str = env!("ENGINE_PARTS");

/// Digests of the sources that decide the weights of a spec and not of every spec: of its network and its losses, by
/// name, such as `model/unet`.
///
/// # Errors
/// If the spec cannot be written as JSON.
pub fn engine_parts(spec: &Spec) -> Result<BTreeMap<String, String>> {
    let spec = serde_json::to_value(spec)
        .map_err(|error| Error::failed(format!("the spec cannot be read: {error}")))?;
    let mut used = BTreeSet::new();
    kinds(&spec, &mut used);
    let parts = PARTS.split(',').filter_map(|part| part.split_once(' '));
    let used =
        parts.filter(|(name, _)| name.split_once('/').is_some_and(|(_, kind)| used.contains(kind)));
    Ok(used.map(|(name, digest)| (name.to_string(), digest.to_string())).collect())
}

/// The values of `kind` in a spec and in all of its tables.
fn kinds<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(table) => {
            found.extend(table.get("kind").and_then(Value::as_str));
            table.values().for_each(|value| kinds(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| kinds(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<String> {
        let text = format!("name = 'a'\n[dataset]\nkind = 'phantom'\n{text}");
        engine_parts(&toml::from_str(&text).unwrap()).unwrap().into_keys().collect()
    }

    #[test]
    fn a_spec_has_the_parts_of_its_losses() {
        let losses = |text| {
            let all = named(&format!("[model]\nkind = 'attention-unet'\n{text}"));
            all.into_iter().filter(|name| name.starts_with("loss/")).collect::<Vec<_>>()
        };
        assert_eq!(losses(""), ["loss/bce", "loss/dice", "loss/sum"], "those of the default");
        assert_eq!(losses("[loss]\nkind = 'tversky'"), ["loss/tversky"]);
        assert!(PARTS.split(',').all(|part| part.len() > 64), "{PARTS}");
    }
}
