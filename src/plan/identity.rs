//! Run ids: same id, same result.
//!
//! A *training id* names weights: two plans of one training id train to the same weights. An *evaluation id* below it
//! names figures. A run's id is both, so that another metric or threshold makes a new run of the same weights.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Decisions, Plan};
use crate::data::{Dataset, Split};
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::spec::{Role, role};
use crate::split_name::SplitName;

/// Digits of a training id.
const TRAINING_DIGITS: usize = 12;
/// Digits of an evaluation id.
const EVALUATION_DIGITS: usize = 6;

/// The names of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ids {
    /// Of its weights.
    pub training: String,
    /// Of its figures: of its weights, and of how they are scored.
    pub evaluation: String,
}

impl Ids {
    /// Of the run.
    pub(super) fn run(&self) -> String {
        format!("{}-{}", self.training, self.evaluation)
    }
}

/// What begins the name of every run of a training id.
pub fn prefix(training: &str) -> String {
    format!("{training}-")
}

/// The ids of decisions about a data set and its split. Weights follow from the spec's meaning, the seed, the
/// division with its groups, the data, the weights to start from, the kind of device, the engine, and what was
/// trained before; figures also from how they are scored, and by which engine.
///
/// # Errors
/// If the spec cannot be written as JSON.
pub(super) fn ids(decisions: &Decisions, dataset: &Dataset, split: &Split) -> Result<Ids> {
    let spec = serde_json::to_value(&decisions.spec)
        .map_err(|error| Error::failed(format!("the spec cannot be hashed: {error}")))?;
    let parts: Vec<Vec<&str>> = SplitName::ALL
        .into_iter()
        .map(|part| split.part(part).iter().map(|&case| dataset.cases[case].id.as_str()).collect())
        .collect();
    let groups = |part: SplitName| -> Vec<&str> {
        split.part(part).iter().map(|&case| split.groups[case].as_str()).collect()
    };
    let mut trained = json!({
        "meaning": of_role(&spec, Role::Training),
        "seed": decisions.seed,
        "parts": parts,
        "groups": SplitName::ALL.map(groups),
        "group-key": decisions.group_key,
        "data": decisions.data_fingerprint,
        "weights": decisions.weights_sha256,
        "device": decisions.device,
        "engine": decisions.engine,
        "engine-parts": decisions.engine_parts,
        "parent": decisions.parent,
    });
    // Nothing where nothing is asked for, as before there were these keys.
    if let Some(stain) = &decisions.stain {
        trained["stain"] = json!(stain);
    }
    if let Some(fuse) = decisions.spec.task.fuse() {
        let numbers = |&case: &usize| -> Vec<Option<&String>> {
            let cell = |column| dataset.cases[case].metadata.get(column)?.as_ref();
            fuse.columns.iter().map(cell).collect()
        };
        let numbers = |part: SplitName| split.part(part).iter().map(numbers).collect::<Vec<_>>();
        trained["fused"] = json!(SplitName::ALL.map(numbers));
    }
    let training = digits(&trained, TRAINING_DIGITS);
    let mut scored = json!({
        "training": training,
        "meaning": of_role(&spec, Role::Evaluation),
        "engine": decisions.evaluation_engine,
    });
    // The record holds these values, and figures may be given by them; the hash of the data leaves them out.
    if dataset.cases.iter().any(|case| !case.metadata.is_empty()) {
        let cases = dataset.cases.iter().map(|case| (&case.id, &case.metadata));
        scored["metadata"] = json!(cases.collect::<BTreeMap<_, _>>());
    }
    let evaluation = digits(&scored, EVALUATION_DIGITS);
    Ok(Ids { training, evaluation })
}

/// The ids of the average of the runs of some plans, in order. No run's weights have its training id.
pub(super) fn ids_of_average(members: &[Plan]) -> Ids {
    let of = |id: fn(&Decisions) -> &String| -> Vec<&String> {
        members.iter().map(|plan| id(&plan.decisions)).collect()
    };
    let training = of(|decisions| &decisions.training_id);
    let training = digits(&json!({ "average-of": training }), TRAINING_DIGITS);
    let scored = json!({ "training": training, "average-of": of(|decisions| &decisions.run_id) });
    Ids { evaluation: digits(&scored, EVALUATION_DIGITS), training }
}

fn digits(value: &Value, count: usize) -> String {
    sha256(value.to_string())[..count].to_string()
}

/// The keys of a spec that have a role.
fn of_role(spec: &Value, wanted: Role) -> Value {
    kept(spec, "", wanted).unwrap_or_default()
}

/// A value without the keys of other roles; `None` where nothing is left.
fn kept(value: &Value, path: &str, wanted: Role) -> Option<Value> {
    let Some(table) = value.as_object().filter(|table| !table.is_empty()) else {
        return (role(path) == wanted).then(|| value.clone());
    };
    let below = |(key, value): (&String, &Value)| {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        Some((key.clone(), kept(value, &path, wanted)?))
    };
    let table: Map<String, Value> = table.iter().filter_map(below).collect();
    (!table.is_empty()).then_some(Value::Object(table))
}

#[cfg(test)]
mod tests;
