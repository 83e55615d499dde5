//! Properties of layers, over specs made at random.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// A table with kinds, the first of which is its default, each with keys and values that they take.
struct Union {
    table: &'static str,
    kinds: &'static [(&'static str, &'static [Key])],
}

type Key = (&'static str, &'static [&'static str]);

const SEED: Key = ("seed", &["1", "2"]);
const STRATIFY: Key = ("stratify", &["\"class\"", "\"none\""]);
const GROUP: Key = ("group", &["\"none\"", "\"duplicates\""]);
const RATE: Key = ("learning-rate", &["0.5", "0.25"]);
const DECAY: Key = ("weight-decay", &["0.5", "0.125"]);
const EPSILON: Key = ("epsilon", &["0.5", "0.25"]);
const SMOOTH: Key = ("smooth", &["2.0", "3.0"]);
const POOL: Key = ("pool", &["\"batch\"", "\"image\""]);
const MINIMUM: Key = ("minimum", &["0.5", "0.25"]);

const UNIONS: [Union; 5] = [
    Union {
        table: "dataset.split",
        kinds: &[
            ("holdout", &[SEED, STRATIFY, GROUP]),
            ("kfold", &[SEED, STRATIFY, GROUP, ("fold", &["1", "2"]), ("folds", &["4", "5"])]),
            ("by-folder", &[]),
        ],
    },
    Union {
        table: "schedule.optimizer",
        kinds: &[
            ("adam", &[RATE, DECAY, EPSILON]),
            ("adamw", &[RATE, DECAY, EPSILON]),
            (
                "sgd",
                &[RATE, DECAY, ("momentum", &["0.5", "0.25"]), ("nesterov", &["true", "false"])],
            ),
        ],
    },
    Union {
        table: "loss",
        kinds: &[
            ("sum", &[]),
            ("bce", &[("label-smoothing", &["0.5", "0.25"])]),
            ("dice", &[SMOOTH, POOL]),
            // Tversky takes no gamma of 0.
            ("focal", &[("alpha", &["0.5", "false"]), ("gamma", &["0.0", "2.0"])]),
            ("tversky", &[("alpha", &["0.5", "1.0"]), ("gamma", &["1.0", "2.0"]), SMOOTH, POOL]),
        ],
    },
    Union {
        table: "schedule.learning-rate-schedule",
        kinds: &[
            ("constant", &[]),
            ("cosine", &[MINIMUM]),
            ("reduce-on-plateau", &[MINIMUM, ("patience", &["3", "4"])]),
        ],
    },
    Union {
        table: "evaluation.threshold",
        kinds: &[("fixed", &[("value", &["0.25", "0.75"])]), ("best-on-valid", &[])],
    },
];

const OTHERS: [Key; 4] = [
    ("schedule.epochs", &["3", "4"]),
    ("seeds", &["[1]", "[2, 3]"]),
    ("schedule.ema", &["false", "{ decay = 0.5 }"]),
    ("gate.\"test.dice.mean\"", &["false", "{ at-least = 0.5 }"]),
];

/// Keys and values, as TOML, that one layer says.
type Statements = BTreeMap<String, String>;

/// For each of four layers and each union, maybe a kind, and which keys of the kind it then has; then other keys.
fn four_layers() -> impl Strategy<Value = Vec<Statements>> {
    let pick = || any::<prop::sample::Index>();
    let of_union =
        (prop::option::weighted(0.4, pick()), prop::collection::vec((pick(), pick()), 0..3));
    let layer = (
        prop::collection::vec(of_union, UNIONS.len()),
        prop::collection::vec((pick(), pick()), 0..3),
    );
    prop::collection::vec(layer, 4).prop_map(|layers| {
        let mut kinds = UNIONS.map(|union| union.kinds[0]);
        layers
            .into_iter()
            .map(|(of_unions, others)| {
                let mut said = Statements::new();
                for ((union, kind), (new, keys)) in UNIONS.iter().zip(&mut kinds).zip(of_unions) {
                    if let Some(new) = new {
                        *kind = union.kinds[new.index(union.kinds.len())];
                        said.insert(format!("{}.kind", union.table), format!("\"{}\"", kind.0));
                    }
                    for (key, value) in keys.into_iter().filter(|_| !kind.1.is_empty()) {
                        let (key, values) = kind.1[key.index(kind.1.len())];
                        let value = values[value.index(values.len())];
                        said.insert(format!("{}.{key}", union.table), value.into());
                    }
                }
                for (key, value) in others {
                    let (key, values) = OTHERS[key.index(OTHERS.len())];
                    said.insert(key.into(), values[value.index(values.len())].into());
                }
                said
            })
            .collect()
    })
}

/// The statements in an order that `seed` draws.
fn shuffled(said: &Statements, seed: u64) -> Vec<(String, String)> {
    let mut all: Vec<_> = said.clone().into_iter().collect();
    let mut state = seed | 1;
    for end in (1..all.len()).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all.swap(end, (state >> 33) as usize % (end + 1));
    }
    all
}

fn lines(said: &[(String, String)]) -> String {
    said.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}

/// Loads four layers, each in an order of its own: a base, a file, the environment and `--set`.
fn load_layers(layers: &[Statements], order: u64) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [base, file, env, set] =
        [0, 1, 2, 3].map(|at| shuffled(&layers[at], order.rotate_left(at as u32)));
    let smallest = "name = \"a\"\ndataset.kind = \"phantom\"\nmodel.kind = \"unet\"\n";
    std::fs::write(folder.path().join("base.toml"), format!("{smallest}{}", lines(&base)))
        .expect("a file");
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, format!("extends = \"base.toml\"\n{}", lines(&file))).expect("a file");
    let sets: Vec<String> = set.iter().map(|(key, value)| format!("{key}={value}")).collect();
    // No variable can be named like a figure.
    let env = env.into_iter().filter(|(key, _)| !key.contains('"')).map(|(key, value)| {
        let name = key.to_uppercase().replace('-', "_").replace('.', "__");
        (format!("ONCOSPEC_{name}"), value)
    });
    load(&path, &sets, env)
}

fn sorted_notes(loaded: &Loaded) -> BTreeSet<String> {
    let shown = |note: &Note| format!("{} {} {}", note.key, note.value, note.fate);
    // The folder's name is another each time.
    loaded
        .notes
        .iter()
        .map(shown)
        .map(|text| text.split(" (").next().unwrap_or_default().to_string())
        .collect()
}

/// The value of a spec at `key`, as TOML.
fn value_of(spec: &Spec, key: &str) -> Option<toml::Value> {
    let table: toml::Table = to_toml(spec).parse().expect("TOML");
    super::locate::KeyPath::parse(key).steps().iter().try_fold(
        toml::Value::Table(table),
        |value, step| match step {
            super::locate::Step::Key(key) => value.get(key).cloned(),
            super::locate::Step::Index(index) => value.get(index).cloned(),
        },
    )
}

fn parsed(value: &str) -> toml::Value {
    format!("x = {value}").parse::<toml::Table>().expect("TOML")["x"].clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_order_within_a_layer_counts(layers in four_layers(), one in any::<u64>(), other in any::<u64>()) {
        let (one, other) = (load_layers(&layers, one), load_layers(&layers, other));
        let (one, other) = (one.expect("a right spec"), other.expect("a right spec"));
        prop_assert_eq!(&one.spec, &other.spec);
        prop_assert_eq!(sorted_notes(&one), sorted_notes(&other));
    }

    #[test]
    fn the_highest_kind_is_taken_and_nothing_is_lost_without_a_note(
        layers in four_layers(), order in any::<u64>(),
    ) {
        let loaded = load_layers(&layers, order).expect("a right spec");
        for union in &UNIONS {
            let key = format!("{}.kind", union.table);
            let said = layers.iter().rev().find_map(|said| said.get(&key)).map(|kind| parsed(kind));
            let kind = said.unwrap_or_else(|| union.kinds[0].0.into());
            prop_assert_eq!(value_of(&loaded.spec, &key), Some(kind));
        }
        for (rank, said) in layers.iter().enumerate() {
            for (key, value) in said.iter().filter(|(key, _)| rank != 2 || !key.contains('"')) {
                let over = |other: &Statements| other.contains_key(key);
                let overridden = layers[rank + 1..].iter().enumerate().any(|(above, other)| {
                    over(other) && (rank + 1 + above != 2 || !key.contains('"'))
                });
                let off = value == "false" && value_of(&loaded.spec, key).is_none();
                let holds = value_of(&loaded.spec, key) == Some(parsed(value));
                let noted = loaded.notes.iter().any(|note| note.key == *key && note.value == *value);
                prop_assert!(
                    overridden || off || holds || noted,
                    "{} = {} of layer {} is lost; notes: {:?}", key, value, rank, loaded.notes
                );
            }
        }
    }

    #[test]
    fn a_key_that_the_kind_has_not_is_an_error_in_whichever_layer(
        union in 0..UNIONS.len(), kind in any::<prop::sample::Index>(), key in any::<prop::sample::Index>(),
        rank in 1..4_usize, order in any::<u64>(),
    ) {
        let Union { table, kinds } = &UNIONS[union];
        let (kind, own) = kinds[kind.index(kinds.len())];
        let foreign: Vec<&Key> = kinds
            .iter()
            .flat_map(|(_, keys)| *keys)
            .filter(|(key, _)| own.iter().all(|(own, _)| own != key))
            .collect();
        prop_assume!(!foreign.is_empty());
        let (key, values) = foreign[key.index(foreign.len())];
        let mut layers = vec![Statements::new(); 4];
        layers[rank].insert(format!("{table}.kind"), format!("\"{kind}\""));
        layers[rank].insert(format!("{table}.{key}"), values[0].into());
        let problems = load_layers(&layers, order).expect_err("a mistake");
        let message = format!("unknown key `{key}` in `{table}` of kind \"{kind}\"");
        prop_assert_eq!(&problems.list[0].message, &message);
        let source = problems.list[0].place.as_ref().map(|place| place.source.clone());
        let source = source.expect("a place");
        prop_assert!(source.ends_with(["", "spec.toml", "environment", "command line"][rank]), "{}", source);
    }
}
