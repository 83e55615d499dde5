//! Layers from the environment and from `--set`.

use super::layer::{Layer, Source};
use super::locate::{KeyPath, Spans, Step};
use super::parse::{MAX_DEPTH, dotted_key, nested, parse_value, unquoted_equals};
use super::problem::{Place, Problem};

/// What a variable's name starts with to be a key.
const PREFIX: &str = "ONCOSPEC_";
/// Variables with that prefix that are no keys: they tell the tests where files are.
const RESERVED: [&str; 3] = ["ONCOSPEC_SHARED", "ONCOSPEC_FIXTURES", "ONCOSPEC_REPORT_SAMPLES"];
const ENV_HELP: &str = "ONCOSPEC_SCHEDULE__BATCH_SIZE sets `schedule.batch-size`: \
    two underscores part tables, one is a dash";

/// The spec keys among the process's environment variables.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
        Some((name, value.to_string_lossy().into_owned()))
    })
}

/// One layer for each `ONCOSPEC_*` variable, in the order of their names.
pub(super) fn of_environment(
    env: impl Iterator<Item = (String, String)>,
) -> Vec<Result<Layer, Problem>> {
    let is_key = |name: &String| name.starts_with(PREFIX) && !RESERVED.contains(&name.as_str());
    let mut found: Vec<_> = env.filter(|(name, _)| is_key(name)).collect();
    found.sort();
    let variable = |(name, value): (String, String)| {
        let text = format!("{name}={value}");
        let parts = name[PREFIX.len()..].to_lowercase();
        let path = parts
            .split("__")
            .take(MAX_DEPTH + 1)
            .fold(KeyPath::default(), |path, part| path.key(&part.replace('_', "-")));
        let key = 0..name.len();
        one_key(Layer::new(Source::Env(name), text), &path, key)
    };
    found.into_iter().map(variable).collect()
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
            let help = "for example --set schedule.epochs=5";
            let message = "`--set` wants a key, `=` and a value";
            Err(problem(&layer, &KeyPath::default(), key, message, Some(help)))
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
        Err((span, message)) => return Err(problem(&layer, path, span, &message, None)),
    };
    let whole = Spans { key, value: start..layer.text.len() };
    let mut at = Some(path.clone());
    while let Some(here) = at.filter(|here| !here.is_root()) {
        at = here.parent();
        layer.spans.insert(here, whole.clone());
    }
    layer.table = nested(path.steps(), value);
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
