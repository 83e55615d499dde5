//! From files, environment and arguments to a checked [`Spec`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::value::Value;

use super::check::{Checker, place_above};
use super::defaults::completed;
use super::layer::{Layer, Source};
use super::locate::KeyPath;
use super::member::Member;
use super::merge::merge;
use super::origin::{Note, Origin, rank_of};
use super::problem::{Place, Problem, Problems};
use super::render::inline;
use super::said::Said;
use super::{Spec, SplitSpec, arguments, files, off, rules, schema};

/// A spec that is right as far as can be known without its data.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The merged spec, completed by defaults, its paths usable from the working directory.
    pub spec: Spec,
    /// The origin of each value.
    pub origins: Origins,
    /// The file that was asked for.
    pub path: PathBuf,
    /// Keys that do not count, or have another meaning than where they were written.
    pub notes: Vec<Note>,
    /// The keys that were switched off, with the origin.
    pub(super) off: Vec<(KeyPath, Origin)>,
    layers: Vec<Layer>,
}

/// The origin of each value of a spec.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<KeyPath, (usize, Origin)>);

impl Origins {
    /// The origin of the value of `key`, such as `schedule.epochs` or `loss.terms[0].kind`.
    pub fn of(&self, key: &str) -> &Origin {
        self.at(&KeyPath::parse(key))
    }

    pub(super) fn at(&self, path: &KeyPath) -> &Origin {
        self.0.get(path).map_or(&Origin::Default, |(_, origin)| origin)
    }
}

impl Loaded {
    /// A mistake in the value of `key` that was found later; shown where the value was written, or
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

    /// The environment variables that say keys, with their values.
    pub fn environment(&self) -> Vec<(String, String)> {
        let said = |layer: &Layer| match &layer.source {
            Source::Env(name) => Some((name.clone(), layer.raw_value()?.to_owned())),
            Source::File(_) | Source::Set(_) | Source::Member { .. } => None,
        };
        self.layers.iter().filter_map(said).collect()
    }

    /// The spec files that were read, from the lowest base up to the file that was asked for.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.layers.iter().filter_map(|layer| match &layer.source {
            Source::File(path) => Some(path.as_path()),
            Source::Env(_) | Source::Set(_) | Source::Member { .. } => None,
        })
    }

    /// The run, of several that the spec declares, that these keys are of, such as `fold 2`; `None` of the spec itself.
    pub fn member(&self) -> Option<&str> {
        self.layers.iter().rev().find_map(|layer| match &layer.source {
            Source::Member { name, .. } => Some(name.as_str()),
            Source::File(_) | Source::Env(_) | Source::Set(_) => None,
        })
    }

    /// What `--set` is given to make that run alone.
    pub fn member_sets(&self) -> Vec<String> {
        let of_member = |layer: &&Layer| matches!(layer.source, Source::Member { .. });
        let mut sets: Vec<String> =
            self.layers.iter().filter(of_member).map(|layer| layer.text.clone()).collect();
        if sets.is_empty() {
            return sets;
        }
        if let SplitSpec::Kfold(kfold) = &self.spec.dataset.split
            && kfold.repeats > 1
        {
            sets.push("dataset.split.repeats=1".into());
        }
        if self.spec.sweep.is_some() {
            sets.push("sweep=false".into());
        }
        sets
    }

    /// The same with keys on top of all others.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn with(&self, member: &Member) -> Result<Self, Problems> {
        let folder = self.path.parent().unwrap_or(Path::new("")).to_path_buf();
        let layer = |(key, value): &(String, toml::Value)| {
            let source = Source::Member { name: member.name.clone(), folder: folder.clone() };
            arguments::of_member(source, &format!("{key}={}", inline(value)))
        };
        self.below(member.keys.iter().map(layer))
    }

    /// The same with keys on top of all others, as by `--set`.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn with_sets(&self, sets: &[String]) -> Result<Self, Problems> {
        self.below(sets.iter().map(|set| arguments::of_set(set)))
    }

    /// The layers below some others.
    fn below(
        &self,
        others: impl Iterator<Item = Result<Layer, Problem>>,
    ) -> Result<Self, Problems> {
        let mut sources = Sources {
            layers: self.layers.clone(),
            notes: self.notes.iter().filter(|note| note.key.is_empty()).cloned().collect(),
            problems: Vec::new(),
        };
        for layer in others {
            match layer {
                Ok(layer) => sources.layers.push(layer),
                Err(problem) => sources.problems.push(problem),
            }
        }
        laid(&self.path, sources)
    }
}

/// Reads the spec at `path`: defaults, below the files that it extends, below itself, below the
/// `ONCOSPEC_*` variables of `env`, below `sets` (each `key.path=value`).
///
/// ```
/// use std::path::Path;
///
/// let sets = ["schedule.epochs=3".to_owned()];
/// let loaded = oncospec::spec::load(Path::new("experiments/demo.toml"), &sets, std::iter::empty())?;
/// assert_eq!(loaded.spec.schedule.epochs, 3);
/// assert_eq!(loaded.origins.of("schedule.epochs").to_string(), "--set");
///
/// let sets = ["schedule.epoch=3".to_owned()];
/// let problems = oncospec::spec::load(Path::new("experiments/demo.toml"), &sets, std::iter::empty());
/// assert!(problems.unwrap_err().to_string().contains("did you mean `epochs`?"));
/// # Ok::<(), oncospec::spec::Problems>(())
/// ```
///
/// # Errors
/// Everything that is wrong with any of them, all at once.
pub fn load(
    path: &Path,
    sets: &[String],
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, Problems> {
    laid(path, read(path, sets, env))
}

/// Lays the layers over one another and checks what they say together.
fn laid(path: &Path, sources: Sources) -> Result<Loaded, Problems> {
    let Sources { layers, mut notes, mut problems } = sources;
    let extended = |layer: &Layer| match &layer.said {
        Said::Table(_, keys) => keys.contains_key("extends"),
        Said::Value(_) | Said::Array { .. } => false,
    };
    let complete = problems.is_empty() && !layers.iter().any(extended);
    let merged = merge(&layers);
    notes.extend(merged.notes);
    problems.extend(merged.problems);
    let mut root = Value::from(completed(&merged.root));
    let mut checker = Checker::new(&layers, complete);
    checker.check(&KeyPath::default(), schema::root(), &mut root);
    let mut off = Vec::new();
    off::take_out(&KeyPath::default(), schema::root(), &mut root, &mut off);
    if let Some(dict) = root.as_dict() {
        rules::check(&mut checker, dict);
    }
    problems.append(&mut checker.problems);
    if !problems.is_empty() {
        return Err(Problems::new(path.into(), problems));
    }
    let mut origins = Origins::default();
    record_origins(&layers, &KeyPath::default(), &root, &mut origins);
    let origin = |path: &KeyPath, tag| checker.origin(path, tag);
    let off = off.into_iter().map(|(path, tag)| (path.clone(), origin(&path, tag))).collect();
    match root.deserialize::<Spec>() {
        Ok(mut spec) => {
            spec.model.find_weights(Path::new(&spec.run.weights));
            Ok(Loaded { spec, origins, path: path.into(), notes, off, layers })
        }
        Err(error) => {
            let key = error.path.join(".");
            let place = place_above(&layers, &KeyPath::parse(&key));
            let problem = Problem { key, message: error.kind.to_string(), help: None, place };
            Err(Problems::new(path.into(), vec![problem]))
        }
    }
}

/// The layers, from the lowest to the highest.
struct Sources {
    layers: Vec<Layer>,
    notes: Vec<Note>,
    problems: Vec<Problem>,
}

fn read(path: &Path, sets: &[String], env: impl Iterator<Item = (String, String)>) -> Sources {
    let (mut layers, mut problems) = files::of_chain(path);
    let variables = arguments::of_environment(env);
    layers.extend(variables.layers);
    problems.extend(variables.problems);
    for set in sets {
        match arguments::of_set(set) {
            Ok(layer) => layers.push(layer),
            Err(problem) => problems.push(problem),
        }
    }
    Sources { layers, notes: variables.notes, problems }
}

fn record_origins(layers: &[Layer], path: &KeyPath, value: &Value, origins: &mut Origins) {
    if let Some(rank) = rank_of(value.tag())
        && let Some(layer) = layers.get(rank)
        && !path.is_root()
    {
        origins.0.insert(path.clone(), (rank, layer.origin(path)));
    }
    match value {
        Value::Dict(_, dict) => {
            for (key, value) in dict {
                record_origins(layers, &path.key(key), value, origins);
            }
        }
        Value::Array(_, elements) => {
            for (index, value) in elements.iter().enumerate() {
                record_origins(layers, &path.index(index), value, origins);
            }
        }
        _ => {}
    }
}
