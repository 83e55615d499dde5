//! The run id: same id, same result.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Decisions;
use crate::data::{Dataset, Split, SplitName};
use crate::error::{Error, Result};
use crate::spec::INDIFFERENT;

/// Digits of a run id.
const DIGITS: usize = 12;

/// Keys of a spec that stand for something hashed on its own: the division, the weights, and the masks, which are data.
const LEFT_OUT: [&[&str]; 7] = [
    &["dataset", "split"],
    &["dataset", "subset"],
    &["model", "weights", "path"],
    &["model", "weights", "name"],
    &["model", "encoder", "weights", "path"],
    &["model", "encoder", "weights", "name"],
    &["task", "guide"],
];

/// The hash of what decides a run: the spec's meaning, the seed, the division, the data, the weights
/// to start from and the engine's sources.
pub fn run_id(decisions: &Decisions, dataset: &Dataset, split: &Split) -> Result<String> {
    let mut meaning = serde_json::to_value(&decisions.spec)
        .map_err(|error| Error::failed(format!("the spec cannot be hashed: {error}")))?;
    for key in INDIFFERENT {
        remove(&mut meaning, &key.split('.').collect::<Vec<_>>());
    }
    for path in LEFT_OUT {
        remove(&mut meaning, path);
    }
    let parts: Vec<Vec<&str>> = SplitName::ALL
        .into_iter()
        .map(|part| split.part(part).iter().map(|&case| dataset.cases[case].id.as_str()).collect())
        .collect();
    let all = json!({
        "meaning": meaning,
        "seed": decisions.seed,
        "parts": parts,
        "groups": split.groups,
        "data": decisions.data_fingerprint,
        "weights": decisions.weights_sha256,
        "engine": decisions.engine,
    });
    let digest = Sha256::digest(all.to_string());
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(digits[..DIGITS].to_string())
}

fn remove(value: &mut Value, path: &[&str]) {
    let Some((last, tables)) = path.split_last() else { return };
    let mut value = value;
    for table in tables {
        let Some(inner) = value.get_mut(table) else { return };
        value = inner;
    }
    if let Some(table) = value.as_object_mut() {
        table.shift_remove(*last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_a_key_leaves_its_neighbours() {
        let mut value = json!({"a": {"b": 1, "c": 2}, "d": 3});
        remove(&mut value, &["a", "b"]);
        remove(&mut value, &["x", "y"]);
        assert_eq!(value, json!({"a": {"c": 2}, "d": 3}));
    }
}
