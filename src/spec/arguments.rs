//! Layers from the environment and from `--set`.

use serde_json::Value as Node;

use super::layer::{Layer, Source};
use super::locate::{KeyPath, Spans, Step};
use super::origin::{Note, Origin};
use super::parse::{MAX_DEPTH, dotted_key, parse_value, unquoted_equals};
use super::problem::{Place, Problem};
use super::said::Said;
use super::schema;
use super::suggest::slip;

/// What a variable's name starts with to be a key.
const PREFIX: &str = "ONCOSPEC_";
/// Variables with that prefix that tests, benchmarks and leases of run directories read: they are no keys.
const RESERVED: [&str; 5] = [
    "ONCOSPEC_SHARED",
    "ONCOSPEC_FIXTURES",
    "ONCOSPEC_REPORT_SAMPLES",
    "ONCOSPEC_BIN",
    "ONCOSPEC_LEASE_SECONDS",
];
const ENV_HELP: &str = "ONCOSPEC_SCHEDULE__BATCH_SIZE sets `schedule.batch-size`: \
    two underscores part tables, one is a dash";

/// The spec keys among the process's environment variables.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
        Some((name, value.to_string_lossy().into_owned()))
    })
}

/// What the environment says.
#[derive(Default)]
pub(super) struct Variables {
    /// Variables that are keys, in the order of their names.
    pub layers: Vec<Layer>,
    /// Variables that are meant as keys and are none.
    pub problems: Vec<Problem>,
    /// Variables of the prefix that are no keys, and hardly meant as keys.
    pub notes: Vec<Note>,
}

/// What the `ONCOSPEC_*` variables of an environment say.
pub(super) fn of_environment(env: impl Iterator<Item = (String, String)>) -> Variables {
    let mut named: Vec<_> = env
        .filter(|(name, _)| name.starts_with(PREFIX) && !RESERVED.contains(&name.as_str()))
        .collect();
    named.sort();
    let mut found = Variables::default();
    for (name, value) in named {
        let parts = name[PREFIX.len()..].to_lowercase().replace('_', "-");
        let parts: Vec<&str> = parts.split("--").collect();
        let is_key = match parts.as_slice() {
            [only] => meaning(only),
            _ => Meaning::Key,
        };
        match is_key {
            Meaning::Key => match variable(name, &value, &parts) {
                Ok(layer) => found.layers.push(layer),
                Err(problem) => found.problems.push(problem),
            },
            Meaning::Misspelt(key) => {
                let text = format!("{name}={value}");
                let span = 0..name.len();
                let layer = Layer::new(Source::Env(name), text);
                let help = format!("did you mean {}?", variable_of(&key));
                let message = "this variable is no key of a spec";
                let problem = problem(&layer, &KeyPath::default(), span, message, Some(&help));
                found.problems.push(problem);
            }
            Meaning::Foreign(near) => {
                let near = near.map(|key| format!("; did you mean {}?", variable_of(&key)));
                let fate =
                    format!("is no key of a spec and is not read{}", near.unwrap_or_default());
                let (key, value) = (String::new(), String::new());
                found.notes.push(Note { key, value, origin: Origin::Env(name), fate });
            }
        }
    }
    found
}

/// What a variable of one part is.
enum Meaning {
    /// A key of the whole spec.
    Key,
    /// All but this key.
    Misspelt(KeyPath),
    /// A variable of something else, unless this key is meant.
    Foreign(Option<KeyPath>),
}

/// What a variable of one part, such as `seeds`, is: misspelt where it is all but a key of the spec that is no table, or
/// a path with one underscore for two; foreign where it is like no key, or only like a table or a key inside one, by
/// which a program that knows nothing of specs may well name a variable of its own.
fn meaning(part: &str) -> Meaning {
    let top = || schema::properties(schema::root()).keys().map(String::as_str);
    if top().any(|key| key == part) {
        return Meaning::Key;
    }
    if let Some(key) = slip(part, top()) {
        let path = KeyPath::default().key(key);
        let node = schema::properties(schema::root()).get(key);
        // A whole table is hardly said by a variable.
        let table = node.is_some_and(schema::holds_keys);
        return if table { Meaning::Foreign(Some(path)) } else { Meaning::Misspelt(path) };
    }
    let all = schema::all_keys();
    let joined = |path: &KeyPath| {
        let keys = path.steps().iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        });
        keys.collect::<Vec<_>>().join("-")
    };
    let names: Vec<String> = all.iter().map(joined).collect();
    let path_of =
        |name: &str| all[names.iter().position(|other| other == name).unwrap_or(0)].clone();
    let near = slip(part, names.iter().map(String::as_str));
    if let Some(name) = near.filter(|name| strsim::damerau_levenshtein(part, name) <= 1) {
        return Meaning::Misspelt(path_of(name));
    }
    let last = |path: &&KeyPath| match path.steps().last() {
        Some(Step::Key(key)) => slip(part, [key.as_str()]).is_some(),
        _ => false,
    };
    Meaning::Foreign(all.iter().find(last).cloned())
}

/// The variable that says a key.
fn variable_of(key: &KeyPath) -> String {
    let parts = key.steps().iter().map(|step| match step {
        Step::Key(key) => key.to_uppercase().replace('-', "_"),
        Step::Index(index) => index.to_string(),
    });
    format!("{PREFIX}{}", parts.collect::<Vec<_>>().join("__"))
}

/// The layer of one variable, whose name has these parts.
fn variable(name: String, value: &str, parts: &[&str]) -> Result<Layer, Problem> {
    let text = format!("{name}={value}");
    let key = 0..name.len();
    one_key(Layer::new(Source::Env(name), text), &path_of(parts), key)
}

/// The key that parts mean; a number is an index where the schema has an array.
fn path_of(parts: &[&str]) -> KeyPath {
    let mut path = KeyPath::default();
    let mut nodes: Vec<&'static Node> = vec![schema::root()];
    for part in parts.iter().take(MAX_DEPTH + 1) {
        let items: Vec<&'static Node> =
            nodes.iter().filter_map(|node| schema::items(node)).collect();
        match part.parse() {
            Ok(index) if !items.is_empty() => {
                path = path.index(index);
                nodes = items;
            }
            _ => {
                path = path.key(part);
                nodes = nodes.iter().flat_map(|node| schema::children(node, part)).collect();
            }
        }
    }
    path
}

/// The layer of one `--set key.path=value`.
pub(super) fn of_set(argument: &str) -> Result<Layer, Problem> {
    let option = "--set ";
    let layer = Layer::new(Source::Set(argument.into()), format!("{option}{argument}"));
    let equals = unquoted_equals(argument);
    let key = option.len()..option.len() + equals.unwrap_or(argument.len());
    match equals.and_then(|at| dotted_key(&argument[..at])) {
        Some(path) => one_key(layer, &path, key),
        None => {
            let help = "for example --set schedule.epochs=5 or --set 'loss.terms[0].weight=2'";
            let message = "`--set` wants a key, `=` and a value";
            Err(problem(&layer, &KeyPath::default(), key, message, Some(help)))
        }
    }
}

/// The layer of one key, `key=value`, of a run that a spec declares.
pub(super) fn of_member(source: Source, statement: &str) -> Result<Layer, Problem> {
    let equals = unquoted_equals(statement);
    let key = 0..equals.unwrap_or(statement.len());
    let layer = Layer::new(source, statement.into());
    match dotted_key(&statement[key.clone()]) {
        Some(path) => one_key(layer, &path, key),
        None => {
            let message = "this is no key of a spec";
            Err(problem(&layer, &KeyPath::default(), key, message, None))
        }
    }
}

/// `layer` with the one key at `path`, which its text says at `key`, before `=` and the value.
fn one_key(
    mut layer: Layer,
    path: &KeyPath,
    key: std::ops::Range<usize>,
) -> Result<Layer, Problem> {
    if *path == KeyPath::default().key("extends") {
        let message = "`extends` can be said in a file only";
        return Err(problem(&layer, path, key, message, None));
    }
    if path.steps().contains(&Step::Key(String::new())) {
        let message = "a part of this key is empty";
        return Err(problem(&layer, path, key, message, Some(ENV_HELP)));
    }
    if path.steps().len() > MAX_DEPTH {
        let message = format!("this key has more than {MAX_DEPTH} parts");
        return Err(problem(&layer, &KeyPath::default(), key, &message, Some(ENV_HELP)));
    }
    let start = key.end + 1;
    let value = match parse_value(&layer.text[start..], start, path, &mut layer.spans) {
        Ok(value) => value,
        Err(error) => {
            let help = error.help.as_deref();
            return Err(problem(&layer, path, error.span, &error.message, help));
        }
    };
    let whole = Spans { key, value: start..layer.text.len() };
    let mut at = Some(path.clone());
    while let Some(here) = at.filter(|here| !here.is_root()) {
        at = here.parent();
        layer.spans.insert(here, whole.clone());
    }
    layer.said = Said::of(value).below(path.steps());
    Ok(layer)
}

fn problem(
    layer: &Layer,
    path: &KeyPath,
    span: std::ops::Range<usize>,
    message: &str,
    help: Option<&str>,
) -> Problem {
    Problem {
        key: path.to_string(),
        message: message.into(),
        help: help.map(String::from),
        place: Some(Place::at(layer, usize::MAX, Some(span))),
    }
}
