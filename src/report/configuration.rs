//! Where the specs of several runs differ.

use std::collections::BTreeSet;

use serde::Serialize;

use super::words::UNDEFINED;
use crate::digest::Hasher;
use crate::record::Record;
use crate::spec::{EmptyRule, matters};

/// A key in which runs differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Difference {
    /// The key, dotted.
    pub key: String,
    /// Its value in each run, as TOML; a dash if the run lacks it.
    pub values: Vec<String>,
}

impl Difference {
    /// Whether the values differ. The sources of a network or a loss that a run does not use do not count.
    fn differs(&self) -> bool {
        let of_part = self.key.starts_with(ENGINE_OF);
        let mut values = self.values.iter().filter(|value| !of_part || *value != UNDEFINED);
        let first = values.next();
        values.any(|value| Some(value) != first)
    }
}

/// The beginning of the key of the sources of a network or a loss.
const ENGINE_OF: &str = "(engine of ";

/// The keys in which the specs differ, the seed, and other things that decide a result; none for a single run.
pub(super) fn differences(records: &[Record]) -> Vec<Difference> {
    let specs: Vec<Vec<(String, String)>> = records.iter().map(flat_spec).collect();
    let keys: BTreeSet<&String> = specs.iter().flatten().map(|(key, _)| key).collect();
    keys.into_iter()
        .map(|key| Difference {
            key: key.clone(),
            values: specs.iter().map(|spec| value(spec, key)).collect(),
        })
        .filter(Difference::differs)
        .collect()
}

/// Whether two runs differ in their seeds only: specs with the same keys that change results, the same data and split,
/// the same engines, the same kind of device.
pub(super) fn same_recipe(a: &Record, b: &Record) -> bool {
    let recipe = |record: &Record| {
        let keys = spec_of(record).into_iter().filter(|(key, _)| matters(key));
        keys.collect::<BTreeSet<(String, String)>>()
    };
    circumstances(a) == circumstances(b)
        && a.provenance.engine_parts == b.provenance.engine_parts
        && division(a) == division(b)
        && recipe(a) == recipe(b)
}

/// Whether two runs of an experiment differ in nothing but the fold and the seeds, and in keys that a sweep chose.
pub(super) fn same_but_fold(a: &Record, b: &Record) -> bool {
    let swept = swept(a);
    let differs = |key: &str| {
        let fold = ["dataset.split.fold", "dataset.split.seed"].contains(&key);
        let below = |swept: &String| {
            key.strip_prefix(swept.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        fold || swept.iter().any(below)
    };
    let recipe = |record: &Record| {
        let keys = spec_of(record).into_iter();
        keys.filter(|(key, _)| matters(key) && !differs(key)).collect::<BTreeSet<_>>()
    };
    // Which network or loss a run has may be what was chosen.
    let engines = !swept.is_empty() || a.provenance.engine_parts == b.provenance.engine_parts;
    a.summary.experiment == b.summary.experiment
        && circumstances(a) == circumstances(b)
        && engines
        && swept == self::swept(b)
        && recipe(a) == recipe(b)
}

/// The keys of a run's sweep.
fn swept(record: &Record) -> Vec<String> {
    let over = spec_value(record, "sweep.over");
    let over = over.as_ref().and_then(toml::Value::as_table);
    over.map(|over| over.keys().cloned().collect()).unwrap_or_default()
}

/// A value of one run's spec; of a table all of it.
pub(super) fn spec_value(record: &Record, key: &str) -> Option<toml::Value> {
    let table = record.spec.parse::<toml::Table>().ok()?;
    key.split('.').try_fold(toml::Value::Table(table), |value, key| value.get(key).cloned())
}

/// Where each case went: case, group and split.
pub(super) fn division(record: &Record) -> BTreeSet<(&str, &str, &str)> {
    let rows = record.split.iter();
    rows.map(|row| (row.case.as_str(), row.group.as_str(), row.split.as_str())).collect()
}

/// What decides a result and is in no spec.
fn circumstances(record: &Record) -> [(&'static str, String); 7] {
    let made = &record.provenance;
    let parent = made.parent.as_ref();
    [
        ("(data)", made.data_fingerprint.clone()),
        ("(average)", record.summary.average_of().unwrap_or_default()),
        ("(groups by)", record.summary.group_key.clone()),
        ("(training engine)", made.engine.clone()),
        ("(evaluation engine)", made.evaluation_engine.clone()),
        ("(kind of device)", kind_of(&made.device)),
        (
            "(epochs of the run that it continues)",
            parent.map_or_else(String::new, |p| p.epochs.to_string()),
        ),
    ]
}

/// The kind of a device, and how many there are of it: `cuda` of `cuda:1 (NVIDIA H100)`.
fn kind_of(device: &str) -> String {
    let kind = device.split([':', ' ']).next().unwrap_or_default().to_lowercase();
    match device.matches("cuda:").count() {
        0 | 1 => kind,
        gpus => format!("{kind}, {gpus} GPUs"),
    }
}

/// A short digest of a division.
fn division_digits(record: &Record) -> String {
    let mut digest = Hasher::new(b"");
    for part in division(record).iter().flat_map(|(case, group, split)| [case, group, split]) {
        digest.text(part);
    }
    digest.finish()[..12].into()
}

/// A value of one run's spec, such as `evaluation.resolution`, without quotes.
pub(super) fn spec_text(record: &Record, key: &str) -> Option<String> {
    let value = spec_value(record, key)?;
    Some(value.as_str().map_or_else(|| value.to_string(), String::from))
}

/// The resolution that the spec names for headline figures.
pub(super) fn headline_resolution(record: &Record) -> String {
    spec_text(record, "evaluation.resolution").unwrap_or_else(|| "original".into())
}

/// What a case without a class scores, as the spec says.
pub(super) fn empty_rule(record: &Record) -> EmptyRule {
    match spec_text(record, "evaluation.empty").as_deref() {
        Some("skip") => EmptyRule::Skip,
        _ => EmptyRule::One,
    }
}

fn value(spec: &[(String, String)], key: &str) -> String {
    spec.iter()
        .find(|(name, _)| name == key)
        .map_or_else(|| UNDEFINED.into(), |(_, value)| value.clone())
}

/// A run's spec as dotted keys and TOML values, with its seed and its circumstances.
fn flat_spec(record: &Record) -> Vec<(String, String)> {
    let mut flat = Vec::new();
    if !record.summary.is_average() {
        flat.push(("(seed of this run)".to_owned(), record.provenance.seed.to_string()));
    }
    let short = |value: String| value.chars().take(24).collect::<String>();
    let known = circumstances(record).into_iter().filter(|(_, value)| !value.is_empty());
    flat.extend(known.map(|(key, value)| (key.to_owned(), short(value))));
    let parts = record.provenance.engine_parts.iter();
    flat.extend(parts.map(|(name, digest)| (format!("{ENGINE_OF}{name})"), short(digest.clone()))));
    if !record.split.is_empty() {
        flat.push(("(division of the cases)".to_owned(), division_digits(record)));
    }
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
    use proptest::prelude::*;

    use super::*;
    use crate::split_name::SplitName;

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
    fn seeds_of_other_data_divisions_engines_or_devices_are_not_of_one_recipe() {
        use crate::record::{Parent, SplitRow};
        let row = |case: &str, split: SplitName| SplitRow {
            case: case.into(),
            group: case.into(),
            split,
            ..SplitRow::default()
        };
        let mut one = record("name = 'a'\nseeds = [0, 1]");
        one.split =
            vec![row("x", SplitName::Train), row("y", SplitName::Valid), row("z", SplitName::Test)]
                .into();
        one.provenance.engine_parts.insert("model/unet".into(), "aa".into());
        let mut turned = one.clone();
        turned.split.reverse();
        assert!(same_recipe(&one, &turned), "rows in another order");
        let change = |change: &dyn Fn(&mut Record)| {
            let mut other = one.clone();
            change(&mut other);
            assert!(!same_recipe(&one, &other));
            let told = differences(&[one.clone(), other]);
            assert_eq!(told.len(), 1, "{told:?}");
        };
        // As many cases in each split, but others.
        change(&|other| {
            other.split = vec![
                row("y", SplitName::Train),
                row("x", SplitName::Valid),
                row("z", SplitName::Test),
            ]
            .into();
        });
        change(&|other| other.split[0].group = "y".into());
        change(&|other| other.provenance.data_fingerprint = "ff".into());
        change(&|other| other.provenance.engine = "ff".into());
        change(&|other| {
            other.provenance.engine_parts.insert("model/unet".into(), "ff".into());
        });
        change(&|other| other.provenance.evaluation_engine = "ff".into());
        change(&|other| other.provenance.device = "cuda:0 (NVIDIA H100)".into());
        change(&|other| other.summary.group_key = "duplicates".into());
        let parent = Parent { training_id: "ab".into(), epochs: 3 };
        change(&|other| other.provenance.parent = Some(parent.clone()));
    }

    #[test]
    fn another_network_is_no_difference_of_sources() {
        let of = |part: &str| {
            let mut one = record("name = 'a'");
            one.provenance.engine_parts.insert(part.into(), part.into());
            one
        };
        assert!(differences(&[of("model/unet"), of("model/unext")]).is_empty());
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn seeds_are_of_one_recipe_where_every_case_went_to_the_same_split(
            one in prop::collection::vec(0..3usize, 4),
            turned in 0..4usize,
            group in 0..2usize,
        ) {
            let divided = |parts: &[usize], group: usize| {
                let mut record = record("name = 'a'");
                record.split = parts
                    .iter()
                    .enumerate()
                    .map(|(case, &part)| crate::record::SplitRow {
                        case: format!("case {case}"),
                        group: format!("group {}", case * group),
                        split: SplitName::ALL[part],
                        ..Default::default()
                    })
                    .collect::<Vec<_>>()
                    .into();
                record
            };
            // As many cases in each split.
            let mut other = one.clone();
            other.rotate_left(turned);
            let (a, b) = (divided(&one, 1), divided(&other, group));
            prop_assert_eq!(same_recipe(&a, &b), one == other && group == 1);
            prop_assert_eq!(differences(&[a, b]).is_empty(), one == other && group == 1);
        }
    }
}
