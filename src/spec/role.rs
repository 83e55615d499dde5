//! The role of each key of a spec, which its declaration says.

use serde::Deserialize;

use super::locate::KeyPath;
use super::schema::{below, root};
pub use crate::role::Role;

/// What a key, dotted, decides: the role of the deepest key on the way to it that has one.
pub fn role(key: &str) -> Role {
    let (mut nodes, mut role) = (vec![root()], Role::default());
    for step in KeyPath::parse(key).steps() {
        nodes = below(nodes, step);
        let marked = nodes.iter().find_map(|node| node.get("x-role"));
        role = marked.and_then(|mark| Role::deserialize(mark).ok()).unwrap_or(role);
    }
    role
}

/// Whether a key, dotted, may change the result of an experiment's runs; its seeds make several runs of one recipe.
pub fn matters(key: &str) -> bool {
    matches!(role(key), Role::Training | Role::Evaluation | Role::Resolved)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use serde_json::Value;

    use super::super::schema::{Shape, nodes_at, properties, shape};
    use super::*;

    /// Every key, dotted, down to the first name of the author's choice or element of an array.
    fn keys(node: &'static Value, path: &str, found: &mut Vec<String>) {
        let within = path.contains(['[', '*']);
        let mut visit = |node, path: String| {
            if !found.contains(&path) {
                found.push(path.clone());
            }
            keys(node, &path, found);
        };
        let mut table = |node| {
            for (key, property) in properties(node) {
                visit(property, [path, key].join(".").trim_start_matches('.').into());
            }
        };
        match shape(node) {
            Shape::Table(_) => table(node),
            Shape::Union(variants) => variants.iter().for_each(|variant| table(variant.node)),
            Shape::NumberOrTable(_, node) => table(node),
            Shape::Map(values) if !within => visit(values, format!("{path}.*")),
            Shape::Array(items) | Shape::OneOrMore(items) if !within => {
                visit(items, format!("{path}[0]"));
            }
            _ => {}
        }
    }

    #[test]
    fn every_key_keeps_its_role() {
        let mut found = Vec::new();
        keys(root(), "", &mut found);
        let mut text = String::new();
        for key in found {
            writeln!(text, "{key} {:?}", role(&key)).unwrap();
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.bind(|| insta::assert_snapshot!("roles", text));
    }

    #[test]
    fn every_kind_that_has_a_key_gives_it_the_same_role_and_every_mark_is_a_role() {
        let mut found = Vec::new();
        keys(root(), "", &mut found);
        for key in found {
            let nodes = nodes_at(&KeyPath::parse(&key));
            let marks: Vec<_> = nodes.iter().map(|node| node.get("x-role")).collect();
            assert!(marks.windows(2).all(|pair| pair[0] == pair[1]), "{key}: {marks:?}");
            for mark in marks.into_iter().flatten() {
                assert!(Role::deserialize(mark).is_ok(), "{key}: {mark}");
            }
        }
    }

    #[test]
    fn the_deepest_mark_decides_and_whole_words_count() {
        assert_eq!(role("model.weights.path"), Role::Resolved);
        assert_eq!(role("model.weights"), Role::Training);
        assert_eq!(role("gate.\"test.dice.mean\".at-least"), Role::Presentation);
        assert_eq!(role("published[0].name"), Role::Presentation);
        assert_eq!(role("namesake"), Role::Training);
        assert!(!matters("seeds[1]") && !matters("dataset.root") && matters("dataset.split.seed"));
    }
}
