//! The sources that this binary was built from, by what they decide.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::spec::Spec;

/// Digest of the sources that decide the weights of every run, set by the build script.
pub const TRAINING_ENGINE: &str = env!("TRAINING_ENGINE");
/// Digest of the sources that decide figures of given weights, set by the build script.
pub const EVALUATION_ENGINE: &str = env!("EVALUATION_ENGINE");

/// Digests of the sources of each network, encoder, loss and data set, such as `loss/dice 0123..`, set by the build script.
const PARTS: &str = env!("ENGINE_PARTS");

/// What each of these digests is made of, as `digest|source|its digest`, set by the build script.
const SOURCES: &str = env!("ENGINE_SOURCES");

/// Digests of the sources that decide the weights of a spec and not of every spec: of its network, its encoder, its losses
/// and its data set, by key and kind, such as `model/unet`.
///
/// # Errors
/// If the spec cannot be written as JSON.
pub fn engine_parts(spec: &Spec) -> Result<BTreeMap<String, String>> {
    let spec = serde_json::to_value(spec)
        .map_err(|error| Error::failed(format!("the spec cannot be read: {error}")))?;
    let known: BTreeMap<&str, &str> =
        PARTS.split(',').filter_map(|part| part.split_once(' ')).collect();
    let keys = known.keys().filter_map(|name| Some(name.split_once('/')?.0)).collect();
    let mut used = BTreeSet::new();
    kinds(&spec, "", &keys, &mut used);
    let used = used.iter().filter_map(|name| Some((name.clone(), known.get(&**name)?.to_string())));
    Ok(used.collect())
}

/// The sources that decide the figures of a run with these parts, each with the beginning of its SHA-256: files from the
/// root of the package, `crate NAME VERSION` and `build settings`.
pub fn engine_sources(parts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let entry = |entry: &str| {
        let mut fields = entry.split('|');
        let (of, name, digest) = (fields.next()?, fields.next()?, fields.next()?);
        let used = ["training", "evaluation"].contains(&of) || parts.contains_key(of);
        used.then(|| (name.to_string(), digest.to_string()))
    };
    SOURCES.split(',').filter_map(entry).collect()
}

/// The values of `kind` in a spec and in all of its tables, each after the innermost of `keys` that it is below:
/// `loss/dice`.
fn kinds<'a>(value: &'a Value, key: &'a str, keys: &BTreeSet<&str>, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(table) => {
            found.extend(table.get("kind").and_then(Value::as_str).map(|k| format!("{key}/{k}")));
            for (name, value) in table {
                // `classification-loss` is a loss, too.
                let last = name.rsplit('-').next().unwrap_or(name);
                kinds(value, if keys.contains(last) { last } else { key }, keys, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| kinds(value, key, keys, found)),
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
        assert_eq!(
            losses("[loss]\nkind = 'dice'\n[task]\nkind = 'multi-task'"),
            ["loss/cross-entropy", "loss/dice"],
            "that of images is one of them"
        );
        assert!(PARTS.split(',').all(|part| part.len() > 64), "{PARTS}");
    }

    #[test]
    fn a_run_has_the_sources_of_its_parts_and_no_others() {
        let parts = [("model/unet".to_string(), String::new())].into();
        let sources = engine_sources(&parts);
        let has = |name: &str| sources.contains_key(name);
        assert!(has("src/train/rate.rs") && has("src/metric/hd95.rs") && has("src/model/unet.rs"));
        assert!(has("crates/kernels/src/adam.rs") && has("Cargo.toml") && has("build settings"));
        assert!(sources.keys().any(|name| name.starts_with("crate burn ")));
        assert!(!has("src/loss/focal.rs") && !has("src/cli/mod.rs"));
    }

    #[test]
    fn a_spec_has_the_parts_of_its_data_set_its_network_and_its_encoder() {
        let parts = |text| {
            let all = named(&format!("[model]\n{text}\n[loss]\nkind = 'dice'"));
            all.into_iter().filter(|name| !name.starts_with("loss/")).collect::<Vec<_>>()
        };
        assert_eq!(parts("kind = 'unet'"), ["dataset/phantom", "model/unet"]);
        assert_eq!(
            parts("kind = 'unet'\nencoder = { kind = 'resnet18' }"),
            ["dataset/phantom", "encoder/resnet18", "model/unet"]
        );
        assert_eq!(parts("kind = 'resnet18'"), ["dataset/phantom", "model/resnet18"]);
    }
}
