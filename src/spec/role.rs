//! What each key of a spec decides.

/// What a key decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The weights.
    Training,
    /// What is scored of the weights.
    Evaluation,
    /// As the value itself does not tell: what it leads to, cases, pixels or weights, is compared in its place.
    Leads,
    /// Nothing but words and bounds.
    Presentation,
    /// Pictures, which are drawn while a run is made.
    Pictures,
    /// Where and how fast.
    Execution,
}

/// The role of keys with all that is below them; of several that fit, the longest decides.
const ROLES: &[(&str, Role)] = &[
    ("extends", Role::Presentation),
    ("name", Role::Presentation),
    ("description", Role::Presentation),
    ("report", Role::Pictures),
    ("published", Role::Presentation),
    ("gate", Role::Presentation),
    ("run", Role::Execution),
    // A run has one seed, which its id holds.
    ("seeds", Role::Leads),
    ("task", Role::Training),
    ("task.guide", Role::Leads),
    ("dataset.kind", Role::Training),
    ("dataset.root", Role::Leads),
    ("dataset.multi-mask", Role::Training),
    ("dataset.foreground", Role::Training),
    ("dataset.intensity", Role::Training),
    ("dataset.classes", Role::Training),
    ("dataset.layout", Role::Training),
    ("dataset.modality", Role::Training),
    ("dataset.cases", Role::Training),
    ("dataset.seed", Role::Training),
    ("dataset.image-size", Role::Training),
    ("dataset.channels", Role::Training),
    ("dataset.filters", Role::Training),
    ("dataset.normalize", Role::Training),
    ("dataset.split", Role::Leads),
    ("dataset.subset", Role::Leads),
    ("dataset.cache-mib", Role::Execution),
    ("augment", Role::Training),
    ("model", Role::Training),
    ("model.weights.path", Role::Leads),
    ("model.weights.name", Role::Leads),
    ("model.weights.sha256", Role::Leads),
    ("model.encoder.weights.path", Role::Leads),
    ("model.encoder.weights.name", Role::Leads),
    ("model.encoder.weights.sha256", Role::Leads),
    ("loss", Role::Training),
    ("schedule", Role::Training),
    ("evaluation.threshold", Role::Evaluation),
    ("evaluation.refine", Role::Evaluation),
    ("evaluation.metrics", Role::Evaluation),
    // Figures of epochs follow it, and these decide which epoch is best.
    ("evaluation.empty", Role::Training),
    ("evaluation.resolution", Role::Evaluation),
    ("evaluation.splits", Role::Evaluation),
];

/// What a key, dotted, decides; one that nobody has placed decides the weights.
pub fn role(key: &str) -> Role {
    placed(key).unwrap_or(Role::Training)
}

fn placed(key: &str) -> Option<Role> {
    let fits = |place: &str| {
        let below = key.strip_prefix(place);
        below.is_some_and(|below| below.is_empty() || below.starts_with(['.', '[']))
    };
    let fitting = ROLES.iter().filter(|(place, _)| fits(place));
    fitting.max_by_key(|(place, _)| place.len()).map(|(_, role)| *role)
}

/// Whether a key, dotted, may change the result of an experiment's runs; its seeds make several runs of one recipe.
pub fn matters(key: &str) -> bool {
    match role(key) {
        Role::Training | Role::Evaluation => true,
        Role::Leads => !["seeds", "dataset.root"].contains(&key) && !key.starts_with("seeds["),
        Role::Presentation | Role::Pictures | Role::Execution => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::schema::{Shape, properties, root, shape};
    use super::*;

    /// Keys down to the third level, dotted, without kinds.
    fn keys() -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        below(root(), "", 3, &mut keys);
        keys
    }

    fn below(node: &'static Value, above: &str, depth: usize, keys: &mut BTreeSet<String>) {
        let mut visit = |node: &'static Value| {
            for (key, property) in properties(node) {
                let key = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
                if depth > 1 {
                    below(property, &key, depth - 1, keys);
                }
                keys.insert(key);
            }
        };
        match shape(node) {
            Shape::Table(_) => visit(node),
            Shape::Union(variants) => variants.iter().for_each(|variant| visit(variant.node)),
            _ => {}
        }
    }

    #[test]
    fn every_key_has_a_role_and_every_role_a_key() {
        let keys = keys();
        let is_table =
            |key: &String| keys.iter().any(|other| other.starts_with(&format!("{key}.")));
        let unplaced: Vec<&String> =
            keys.iter().filter(|key| placed(key).is_none() && !is_table(key)).collect();
        assert!(unplaced.is_empty(), "give these a role in src/spec/role.rs: {unplaced:?}");
        for (place, _) in ROLES.iter().filter(|(place, _)| place.split('.').count() <= 3) {
            assert!(keys.contains(*place), "src/spec/role.rs names `{place}`, which is no key");
        }
    }

    #[test]
    fn the_longest_place_decides_and_whole_words_count() {
        assert_eq!(role("model.weights.path"), Role::Leads);
        assert_eq!(role("model.weights"), Role::Training);
        assert_eq!(role("gate.\"test.dice.mean\".at-least"), Role::Presentation);
        assert_eq!(role("published[0].name"), Role::Presentation);
        assert_eq!(role("namesake"), Role::Training);
        assert!(!matters("seeds[1]") && !matters("dataset.root") && matters("dataset.split.seed"));
    }
}
