//! From files, environment and arguments to a checked [`Spec`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::check::{Checker, place_above};
use super::layer::{Layer, Ranked, Source};
use super::locate::KeyPath;
use super::problem::{Place, Problem, Problems};
use super::{Spec, arguments, defaults, files, rules, schema, weights};

/// A spec that is right as far as can be told without looking at data.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What was said, completed by defaults, its paths usable from the working directory.
    pub spec: Spec,
    /// Who said each value.
    pub origins: Origins,
    /// The file that was asked for.
    pub path: PathBuf,
    layers: Vec<Layer>,
}

/// Who said a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of a spec file, from 1.
    File {
        /// The file, as reached from the working directory.
        path: PathBuf,
        /// The line of the key.
        line: usize,
    },
    /// An environment variable, by name.
    Env(String),
    /// An argument of `--set`, `key=value`.
    Set(String),
    /// Nobody.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => f.write_str(name),
            Self::Set(_) => f.write_str("--set"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Who said each value of a spec.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<KeyPath, (usize, Origin)>);

impl Origins {
    /// Who said the value of `key`, such as `schedule.epochs` or `loss.terms[0].kind`.
    pub fn of(&self, key: &str) -> &Origin {
        self.at(&KeyPath::parse(key))
    }

    pub(super) fn at(&self, path: &KeyPath) -> &Origin {
        self.0.get(path).map_or(&Origin::Default, |(_, origin)| origin)
    }
}

impl Loaded {
    /// A mistake in the value of `key` that was found later; shown where the value was said, or
    /// where its table was, if it is a default.
    pub fn problem_at(&self, key: &str, message: String, help: Option<String>) -> Problem {
        let path = KeyPath::parse(key);
        let place = match self.origins.0.get(&path) {
            Some((rank, _)) => {
                let layer = &self.layers[*rank];
                let span = layer.spans.get(&path).map(|spans| spans.value.clone());
                Some(Place::at(layer, *rank, span))
            }
            None => place_above(&self.layers, &path),
        };
        Problem { key: key.into(), message, help, place }
    }

    /// The spec files that were read, from the lowest base up to the file that was asked for.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.layers.iter().filter_map(|layer| match &layer.source {
            Source::File(path) => Some(path.as_path()),
            Source::Env(_) | Source::Set(_) => None,
        })
    }
}

/// Reads the spec at `path`: defaults, below the files that it extends, below itself, below the
/// `ONCOSPEC_*` variables of `env`, below `sets` (each `key.path=value`, the last one on top).
///
/// # Errors
/// Everything that is wrong with any of them, all at once.
pub fn load(
    path: &Path,
    sets: &[String],
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, Problems> {
    let (mut layers, mut problems) = read_layers(path, sets, env);
    replace_kinds(&mut layers);
    let extended = |layer: &Layer| layer.table.contains_key("extends");
    let complete = problems.is_empty() && !layers.iter().any(extended);
    let (figment, mut root) = merge(&layers);
    let mut checker = Checker::new(&layers, &figment, complete);
    checker.check(&KeyPath::default(), schema::root(), &mut root);
    if let Some(dict) = root.as_dict() {
        rules::check(&mut checker, dict);
    }
    problems.append(&mut checker.problems);
    if !problems.is_empty() {
        return Err(Problems::new(path.into(), problems));
    }
    let mut origins = Origins::default();
    record_origins(&checker, &layers, &KeyPath::default(), &root, &mut origins);
    match root.deserialize::<Spec>() {
        Ok(mut spec) => {
            weights::resolve(&mut spec);
            Ok(Loaded { spec, origins, path: path.into(), layers })
        }
        Err(error) => {
            let key = error.path.join(".");
            let place = place_above(&layers, &KeyPath::parse(&key));
            let problem = Problem { key, message: error.kind.to_string(), help: None, place };
            Err(Problems::new(path.into(), vec![problem]))
        }
    }
}

/// The layers from the lowest to the highest, and what was wrong with others.
fn read_layers(
    path: &Path,
    sets: &[String],
    env: impl Iterator<Item = (String, String)>,
) -> (Vec<Layer>, Vec<Problem>) {
    let (mut layers, fault) = files::of_chain(path);
    let mut problems = Vec::from_iter(fault);
    let sets = sets.iter().map(|set| arguments::of_set(set));
    for read in arguments::of_environment(env).into_iter().chain(sets) {
        match read {
            Ok(layer) => layers.push(layer),
            Err(problem) => problems.push(problem),
        }
    }
    (layers, problems)
}

/// Takes out of each layer what belongs to a `kind` that a higher one changes.
fn replace_kinds(layers: &mut [Layer]) {
    for rank in 1..layers.len() {
        let (lower, upper) = layers.split_at_mut(rank);
        let mut lower: Vec<&mut Dict> = lower.iter_mut().map(|layer| &mut layer.table).collect();
        defaults::drop_replaced(schema::root(), &mut lower, &upper[0].table);
    }
}

/// All layers in one, over the defaults.
fn merge(layers: &[Layer]) -> (Figment, Value) {
    let said = layers
        .iter()
        .enumerate()
        .fold(Figment::new(), |below, (rank, layer)| below.merge(Ranked(rank, layer)));
    let whole_said = whole(&said);
    let said = said.join(Defaults(defaults::of_task(&whole_said)));
    let filled = defaults::defaults(schema::root(), &whole(&said));
    let figment = said.join(Defaults(filled));
    let root = Value::from(whole(&figment));
    (figment, root)
}

fn whole(figment: &Figment) -> Dict {
    // Layers are tables in memory: figment has nothing to fail on.
    figment.data().unwrap_or_default().remove(&Profile::Default).unwrap_or_default()
}

/// What holds where no layer says anything.
struct Defaults(Dict);

impl Provider for Defaults {
    fn metadata(&self) -> Metadata {
        Metadata::named("defaults")
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, self.0.clone())]))
    }
}

fn record_origins(
    checker: &Checker,
    layers: &[Layer],
    path: &KeyPath,
    value: &Value,
    origins: &mut Origins,
) {
    if let Some(rank) = checker.rank(value.tag())
        && !path.is_root()
    {
        let layer = &layers[rank];
        let origin = match &layer.source {
            Source::File(file) => {
                Origin::File { path: file.clone(), line: layer.line(path).unwrap_or(1) }
            }
            Source::Env(name) => Origin::Env(name.clone()),
            Source::Set(argument) => Origin::Set(argument.clone()),
        };
        origins.0.insert(path.clone(), (rank, origin));
    }
    match value {
        Value::Dict(_, dict) => {
            for (key, value) in dict {
                record_origins(checker, layers, &path.key(key), value, origins);
            }
        }
        Value::Array(_, elements) => {
            for (index, value) in elements.iter().enumerate() {
                record_origins(checker, layers, &path.index(index), value, origins);
            }
        }
        _ => {}
    }
}
