//! Specs of several runs against each other.

use std::collections::BTreeSet;

use serde::Serialize;

use super::words::UNDEFINED;
use crate::record::Record;
use crate::spec::matters;

/// A key in which runs differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The key, dotted.
    pub key: String,
    /// Its value in each run, as TOML; a dash where the run lacks it.
    pub values: Vec<String>,
}

/// The keys in which the runs' specs differ, and the seed; none for a single run.
pub fn differences(records: &[Record]) -> Vec<Difference> {
    let specs: Vec<Vec<(String, String)>> = records.iter().map(flat_spec).collect();
    let keys: BTreeSet<&String> = specs.iter().flatten().map(|(key, _)| key).collect();
    keys.into_iter()
        .map(|key| Difference {
            key: key.clone(),
            values: specs.iter().map(|spec| value(spec, key)).collect(),
        })
        .filter(|difference| difference.values.iter().any(|value| *value != difference.values[0]))
        .collect()
}

/// Whether two runs were asked for the same, but for what changes no result and the seed.
pub fn same_recipe(a: &Record, b: &Record) -> bool {
    let recipe = |record: &Record| {
        let keys = spec_of(record).into_iter().filter(|(key, _)| matters(key));
        keys.collect::<BTreeSet<(String, String)>>()
    };
    recipe(a) == recipe(b)
}

/// A value of one run's spec, such as `evaluation.resolution`, without quotes.
pub fn spec_text(record: &Record, key: &str) -> Option<String> {
    let spec = spec_of(record);
    let (_, value) = spec.iter().find(|(name, _)| name == key)?;
    Some(value.trim_matches('"').to_owned())
}

fn value(spec: &[(String, String)], key: &str) -> String {
    spec.iter()
        .find(|(name, _)| name == key)
        .map_or_else(|| UNDEFINED.into(), |(_, value)| value.clone())
}

/// A run's spec as dotted keys and TOML values, and the seed this run had.
fn flat_spec(record: &Record) -> Vec<(String, String)> {
    let mut flat = vec![("(seed of this run)".to_owned(), record.provenance.seed.to_string())];
    flat.extend(spec_of(record));
    flat
}

/// A run's spec as dotted keys and TOML values.
fn spec_of(record: &Record) -> Vec<(String, String)> {
    let mut flat = Vec::new();
    if let Ok(table) = record.spec.parse::<toml::Table>() {
        flatten("", &toml::Value::Table(table), &mut flat);
    }
    flat
}

fn flatten(prefix: &str, value: &toml::Value, flat: &mut Vec<(String, String)>) {
    match value {
        toml::Value::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                let key = if key.contains('.') { format!("\"{key}\"") } else { key.clone() };
                let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten(&path, value, flat);
            }
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{prefix}[{index}]"), item, flat);
            }
        }
        value => flat.push((prefix.to_owned(), value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(spec: &str) -> Record {
        Record { spec: spec.into(), ..Default::default() }
    }

    #[test]
    fn only_keys_that_differ_are_listed_at_any_depth() {
        let records = [
            record(
                "name = 'a'\n[loss]\nkind = 'sum'\nterms = [{ kind = 'bce' }, { kind = 'dice' }]",
            ),
            record("name = 'b'\n[loss]\nkind = 'sum'\nterms = [{ kind = 'bce' }]"),
        ];
        let found = differences(&records);
        assert_eq!(
            found,
            [
                Difference {
                    key: "loss.terms[1].kind".into(),
                    values: vec!["\"dice\"".into(), "–".into()]
                },
                Difference { key: "name".into(), values: vec!["\"a\"".into(), "\"b\"".into()] },
            ]
        );
    }

    #[test]
    fn a_recipe_is_all_but_names_places_and_seeds() {
        let one = record("name = 'a'\nseeds = [0]\n[schedule]\nepochs = 3");
        let other = record("name = 'b'\nseeds = [1]\n[schedule]\nepochs = 3\n[run]\nworkers = 4");
        let longer = record("name = 'a'\nseeds = [0]\n[schedule]\nepochs = 4");
        assert!(same_recipe(&one, &other) && !same_recipe(&one, &longer));
    }

    #[test]
    fn a_single_run_differs_in_nothing() {
        assert!(differences(&[record("name = 'a'")]).is_empty());
    }

    #[test]
    fn a_value_is_found_by_its_dotted_key() {
        let record = record("[evaluation]\nresolution = 'network'");
        assert_eq!(spec_text(&record, "evaluation.resolution").as_deref(), Some("network"));
        assert_eq!(spec_text(&record, "evaluation.empty"), None);
    }
}
