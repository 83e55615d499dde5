//! Digests of what the compiler sees of the sources that decide figures.
//!
//! Comments, documentation, lints and code that only tests compile are left out, so that a digest changes where a
//! figure may, and nowhere else. What stands in a list, such as a network or a loss, has a digest of its own, which counts
//! for the runs that use it. Used by the build script; its tests run with the integration tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::tokens::{Unreadable, modules, read, slashed};
use super::uses::Tree;

/// What a source decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Weights and the figures of epochs.
    Training,
    /// Figures of trained weights.
    Evaluation,
    /// No figure: words, pages, files.
    Neither,
}

/// Which part a source below `src` belongs to; of several that fit, the longest decides. What nobody has placed is
/// training, the safe side.
pub(crate) const PLACES: &[(&str, Part)] = &[
    ("lib.rs", Part::Neither),
    ("attribution/", Part::Neither),
    ("baseline.rs", Part::Neither),
    ("cache_folder.rs", Part::Neither),
    ("cli/", Part::Neither),
    ("data/", Part::Training),
    ("data/commented.rs", Part::Neither),
    ("data/dominant_colours.rs", Part::Neither),
    ("data/first_settings.rs", Part::Neither),
    ("data/first_spec.rs", Part::Neither),
    ("data/inspect.rs", Part::Neither),
    ("data/regions.rs", Part::Evaluation),
    ("device/", Part::Training),
    ("device/advice.rs", Part::Neither),
    ("device/answer.rs", Part::Neither),
    ("device/failure.rs", Part::Neither),
    ("device/kept_kernels.rs", Part::Neither),
    ("device/missing.rs", Part::Neither),
    ("device/probe.rs", Part::Neither),
    ("device/request.rs", Part::Neither),
    // Changes ids by itself.
    ("digest.rs", Part::Neither),
    ("download/", Part::Neither),
    ("error.rs", Part::Neither),
    ("evaluate/", Part::Evaluation),
    // What the figures of an epoch are made of.
    ("evaluate/epoch.rs", Part::Training),
    ("evaluate/images.rs", Part::Training),
    ("evaluate/paired/", Part::Neither),
    ("evaluate/differences.rs", Part::Neither),
    ("evaluate/pictured.rs", Part::Neither),
    ("evaluate/pictures.rs", Part::Neither),
    ("evaluate/semantics.rs", Part::Neither),
    // Part of the names of recorded figures.
    ("figure_name.rs", Part::Training),
    ("file.rs", Part::Neither),
    ("finding.rs", Part::Neither),
    ("frame.rs", Part::Training),
    ("inference/", Part::Neither),
    ("layer.rs", Part::Neither),
    ("loss/", Part::Training),
    ("loss/scope.rs", Part::Neither),
    ("machine.rs", Part::Neither),
    ("memory.rs", Part::Neither),
    ("metric/", Part::Evaluation),
    // What the figures of an epoch are made of.
    ("metric/auc.rs", Part::Training),
    ("metric/counts.rs", Part::Training),
    ("metric/images.rs", Part::Training),
    ("metric/mod.rs", Part::Training),
    ("metric/overlap.rs", Part::Training),
    ("model/", Part::Training),
    ("model/summary.rs", Part::Neither),
    ("outputs/", Part::Neither),
    ("panics.rs", Part::Neither),
    // What a table of images holds.
    ("parquet.rs", Part::Training),
    ("plan/", Part::Training),
    // Changes ids by itself.
    ("plan/average.rs", Part::Neither),
    ("plan/describe.rs", Part::Neither),
    // Changes ids by itself.
    ("plan/engine.rs", Part::Neither),
    // Changes ids by itself.
    ("plan/identity.rs", Part::Neither),
    ("plan/trials.rs", Part::Neither),
    ("progress.rs", Part::Neither),
    ("provenance.rs", Part::Neither),
    ("record/", Part::Neither),
    ("report/", Part::Neither),
    ("role.rs", Part::Training),
    ("run/", Part::Training),
    ("run/again.rs", Part::Neither),
    ("run/bench.rs", Part::Neither),
    ("run/cases.rs", Part::Neither),
    ("run/changes.rs", Part::Neither),
    ("run/data_pictures.rs", Part::Neither),
    ("run/determinism.rs", Part::Neither),
    ("run/due.rs", Part::Neither),
    ("run/dump.rs", Part::Neither),
    ("run/ensemble.rs", Part::Evaluation),
    ("run/film.rs", Part::Neither),
    ("run/gates.rs", Part::Neither),
    ("run/headline.rs", Part::Evaluation),
    ("run/judge.rs", Part::Evaluation),
    ("run/one_step.rs", Part::Neither),
    ("run/options.rs", Part::Neither),
    ("run/outcome.rs", Part::Neither),
    ("run/pictures.rs", Part::Neither),
    ("run/place.rs", Part::Neither),
    ("run/refresh.rs", Part::Neither),
    ("run/resume.rs", Part::Neither),
    ("run/rows.rs", Part::Evaluation),
    ("run/strata.rs", Part::Evaluation),
    ("run/summary.rs", Part::Neither),
    ("run/sweep.rs", Part::Neither),
    ("run/trained.rs", Part::Neither),
    ("shell.rs", Part::Neither),
    ("source/", Part::Training),
    ("source/decode/rows.rs", Part::Evaluation),
    ("source/guess/", Part::Neither),
    ("source/layout.rs", Part::Neither),
    ("source/synth.rs", Part::Neither),
    ("spec/", Part::Training),
    ("spec/explain.rs", Part::Neither),
    ("spec/literature.rs", Part::Neither),
    ("spec/member.rs", Part::Neither),
    ("spec/problem.rs", Part::Neither),
    ("spec/reference.rs", Part::Neither),
    ("spec/slurm.rs", Part::Neither),
    ("spec/suggest.rs", Part::Neither),
    ("spec/suite.rs", Part::Neither),
    ("spec/sweep.rs", Part::Neither),
    ("split_name.rs", Part::Neither),
    ("text.rs", Part::Neither),
    ("train/", Part::Training),
    ("train/measure.rs", Part::Neither),
    ("train/progress.rs", Part::Neither),
];

/// Crates that compute figures, with those that their name begins, as `burn-flex`.
const FAMILIES: &[&str] = &["burn", "cubecl", "cubek", "gemm", "macerator", "rand", "zune"];
/// Crates that compute figures, by their whole name.
const CRATES: &[&str] = &[
    "chacha20",
    "cudarc",
    "fast_image_resize",
    "half",
    "image",
    "image-webp",
    "libm",
    "num-traits",
    "png",
    "pulp",
    "rayon",
    "rayon-core",
    "safetensors",
    "tiff",
];

/// Other packages of the workspace, whose sources compute figures.
pub(crate) const MEMBERS: &[&str] = &["crates/kernels", "vendor/cubecl-llvm"];

/// A list of parts that a run uses or does not.
pub(crate) struct List {
    /// The key of a spec whose table has the `kind` of a part.
    pub key: &'static str,
    /// The folder that has their files.
    pub folder: &'static str,
    /// The macro that is given the list.
    pub list: &'static str,
}

/// All lists of parts.
pub(crate) const LISTS: &[List] = &[
    List { key: "loss", folder: "loss", list: "losses" },
    List { key: "model", folder: "model", list: "architectures" },
    List { key: "encoder", folder: "model", list: "encoders" },
    List { key: "dataset", folder: "source", list: "sources" },
];

/// Digests in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    /// Of what decides the weights of every run.
    pub training: String,
    /// Of what decides figures of given weights.
    pub evaluation: String,
    /// Of what decides weights of the runs that use it, by key and kind, such as `loss/cross-entropy`.
    pub parts: BTreeMap<String, String>,
    /// What each of these digests is made of.
    pub sources: Vec<Source>,
}

/// The digest that is called this is [`Digests::training`].
pub(crate) const OF_TRAINING: &str = "training";
/// The digest that is called this is [`Digests::evaluation`].
pub(crate) const OF_EVALUATION: &str = "evaluation";
/// Digits of the digest of one source: enough to see that it changed.
const SOURCE_DIGITS: usize = 12;

/// A source file, or what else decides figures, with a digest of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// Which digest it enters: [`OF_TRAINING`], [`OF_EVALUATION`] or the name of a part.
    pub of: String,
    /// The file from the root of the package, `crate NAME VERSION`, or `build settings`.
    pub name: String,
    /// The beginning of its SHA-256.
    pub digest: String,
}

impl Source {
    fn new(of: &str, name: impl Into<String>, content: &str) -> Self {
        let mut total = Total::default();
        total.add("", content);
        let digest = total.finish()[..SOURCE_DIGITS].into();
        Self { of: of.into(), name: name.into(), digest }
    }
}

/// Digests of the package in a folder, compiled with `settings`: features, architecture and the like.
///
/// # Errors
/// A source that cannot be read or is not Rust; it is named.
pub(crate) fn digests(package: &Path, settings: &[String]) -> Result<Digests, Unreadable> {
    let src = package.join("src");
    let (mut training, mut evaluation) = (Total::default(), Total::default());
    let mut sources = BTreeMap::new();
    let mut named = Vec::new();
    let compiled = modules(&src, &src.join("lib.rs"))?;
    let macros: Vec<&str> = LISTS.iter().map(|list| list.list).collect();
    let tree = Tree::of(&src, &compiled, &macros)?;
    for (path, source) in compiled {
        let name = slashed(path.strip_prefix(&src).unwrap_or(&path));
        match part_of(&name) {
            Part::Training => {
                sources.insert(name, source);
            }
            Part::Evaluation => {
                evaluation.add(&name, &source);
                named.push(Source::new(OF_EVALUATION, format!("src/{name}"), &source));
            }
            Part::Neither => {}
        }
    }
    let parts = parts(&tree, sources.keys().cloned().collect());
    let apart: BTreeSet<&String> = parts.values().flatten().collect();
    for (name, source) in sources.iter().filter(|(name, _)| !apart.contains(name)) {
        training.add(name, source);
        named.push(Source::new(OF_TRAINING, format!("src/{name}"), source));
    }
    for (part, files) in &parts {
        let of_part = |name: &String| Source::new(part, format!("src/{name}"), &sources[name]);
        named.extend(files.iter().map(of_part));
    }
    let digest = |files: &BTreeSet<String>| {
        let mut total = Total::default();
        files.iter().for_each(|name| total.add(name, &sources[name]));
        total.finish()
    };
    let parts = parts.iter().map(|(name, files)| (name.clone(), digest(files))).collect();
    for member in MEMBERS {
        let src = package.join(member).join("src");
        for (path, source) in modules(&src, &src.join("lib.rs"))? {
            let name = slashed(path.strip_prefix(package).unwrap_or(&path));
            training.add(&name, &source);
            named.push(Source::new(OF_TRAINING, name, &source));
        }
    }
    for package in packages(&read(&package.join("Cargo.lock"))?) {
        training.add("package", &package);
        let mut words = package.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        named.push(Source::new(OF_TRAINING, format!("crate {name} {version}"), &package));
    }
    for folder in MEMBERS.iter().chain(&[""]) {
        let manifest = package.join(folder).join("Cargo.toml");
        let asked = requirements(&read(&manifest)?);
        for requirement in &asked {
            training.add("requirement", requirement);
        }
        let name = slashed(manifest.strip_prefix(package).unwrap_or(&manifest));
        named.push(Source::new(OF_TRAINING, name, &asked.into_iter().collect::<String>()));
    }
    for setting in settings {
        training.add("setting", setting);
    }
    named.push(Source::new(OF_TRAINING, "build settings", &settings.concat()));
    let (training, evaluation) = (training.finish(), evaluation.finish());
    Ok(Digests { training, evaluation, parts, sources: named })
}

/// The files of each part: its own and those that it uses, without what runs use that do not have it.
fn parts(tree: &Tree, training: BTreeSet<String>) -> BTreeMap<String, BTreeSet<String>> {
    let uses = tree.files();
    let reached = |from: BTreeSet<String>| {
        let mut reached = BTreeSet::new();
        let mut open: Vec<String> = from.into_iter().collect();
        while let Some(file) = open.pop() {
            if training.contains(&file) && reached.insert(file.clone()) {
                open.extend(uses.get(&file).into_iter().flatten().cloned());
            }
        }
        reached
    };
    let own = |folder: &str, file: &str| {
        file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/') && rest != "/mod.rs")
    };
    let of_all = |file: &&String| !LISTS.iter().any(|list| own(list.folder, file));
    let common = reached(uses.keys().filter(of_all).cloned().collect());
    let mut parts = BTreeMap::new();
    for List { key, list, .. } in LISTS {
        for (name, file) in tree.rows(list) {
            let files = reached(BTreeSet::from([file])).difference(&common).cloned().collect();
            parts.insert(format!("{key}/{}", kebab_case(&name)), files);
        }
    }
    parts
}

/// A name as serde writes it in `kebab-case`.
fn kebab_case(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(c.to_lowercase());
    }
    text
}

/// The part that a source decides, by its name below `src`.
pub(crate) fn part_of(name: &str) -> Part {
    let fitting = PLACES.iter().filter(|(place, _)| match place.strip_suffix('/') {
        Some(_) => name.starts_with(place),
        None => name == *place,
    });
    fitting.max_by_key(|(place, _)| place.len()).map_or(Part::Training, |(_, part)| *part)
}

/// Whether a crate computes figures.
pub(crate) fn computes(name: &str) -> bool {
    let of_family = |family: &&str| {
        let rest = name.strip_prefix(*family);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
    };
    CRATES.contains(&name) || FAMILIES.iter().any(of_family)
}

#[derive(Default)]
struct Total(Sha256);

impl Total {
    fn add(&mut self, name: &str, content: &str) {
        for text in [name, content] {
            self.0.update((text.len() as u64).to_le_bytes());
            self.0.update(text.as_bytes());
        }
    }

    fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Name, version and checksum of the packages of a lock file that compute figures.
pub(crate) fn packages(lock: &str) -> BTreeSet<String> {
    let value = |entry: &str, key: &str| {
        let line = entry.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        line.unwrap_or_default().trim_matches('"').to_string()
    };
    let entries = lock.split("[[package]]").skip(1);
    let named = entries.filter(|entry| computes(&value(entry, "name")));
    named
        .map(|entry| ["name", "version", "checksum"].map(|key| value(entry, key)).join(" "))
        .collect()
}

/// What a manifest asks of the crates that compute figures, features among it.
pub(crate) fn requirements(manifest: &str) -> Vec<String> {
    let named = dependencies(manifest).into_iter().filter(|(name, _)| computes(name));
    named.map(|(name, asked)| format!("{name} {asked}")).collect()
}

/// The crates that a manifest's `[dependencies]` and `[workspace.dependencies]` name, with what is asked of them.
pub(crate) fn dependencies(manifest: &str) -> Vec<(String, String)> {
    let tables = manifest.split("\n[").filter_map(|table| {
        table.strip_prefix("workspace.").unwrap_or(table).strip_prefix("dependencies]\n")
    });
    let mut found: Vec<(String, String)> = Vec::new();
    for line in tables.flat_map(str::lines).filter(|line| !line.starts_with('#')) {
        match line.split_once(" = ") {
            Some((name, asked)) if !line.starts_with([' ', ']']) => {
                let name = name.strip_suffix(".workspace").unwrap_or(name);
                found.push((name.to_string(), asked.to_string()));
            }
            _ => {
                if let Some((_, asked)) = found.last_mut() {
                    asked.push_str(line.trim());
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn package() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().flatten() {
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }

    #[test]
    fn a_number_changes_the_digest_of_its_engine_and_words_change_none() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        for part in ["src", "crates", "vendor"] {
            copy(&package().join(part), &here.join(part));
        }
        for file in ["Cargo.toml", "Cargo.lock"] {
            fs::copy(package().join(file), here.join(file)).unwrap();
        }
        let before = digests(here, &[]).unwrap();
        let edit = |file: &str, what: &str, by: &str| {
            let path = here.join(file);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(what), "{file} has no {what}");
            fs::write(&path, text.replacen(what, by, 1)).unwrap();
            let after = digests(here, &[]).unwrap();
            fs::write(&path, text).unwrap();
            let changed = |name: &&String| before.parts.get(*name) != after.parts.get(*name);
            let engines = [
                ("training", after.training != before.training),
                ("evaluation", after.evaluation != before.evaluation),
            ];
            let engines = engines.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name);
            let parts = before.parts.keys().filter(changed).map(String::as_str);
            engines.chain(parts).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(edit("src/train/rate.rs", "/ 2.0", "/ 2.5"), "training");
        assert_eq!(edit("src/train/rate.rs", "//!", "//! More."), "");
        assert_eq!(edit("src/device/mod.rs", "Device::flex()", "Device::cpu()"), "training");
        assert_eq!(edit("src/spec/schedule.rs", "epochs: 20", "epochs: 21"), "training");
        assert_eq!(
            edit("src/run/training.rs", "seed: decisions.seed", "seed: decisions.seed + 1"),
            "training"
        );
        assert_eq!(edit("src/run/rows.rs", "row(\"original\"", "row(\"other\""), "evaluation");
        assert_eq!(edit("src/metric/hd95.rs", "0.95", "0.94"), "evaluation");
        assert_eq!(edit("src/cli/mod.rs", "0 when done", "0 if done"), "");
        assert_eq!(edit("src/report/mod.rs", "oncospec report", "a report"), "");
        assert_eq!(edit("crates/kernels/src/adam.rs", "* second", "/ second"), "training");
        assert_eq!(edit("crates/kernels/Cargo.toml", "\"0.5.2\"", "\"0.5.3\""), "training");
        assert_eq!(edit("vendor/cubecl-llvm/src/lib.rs", "pub ", "pub(crate) "), "training");
        assert_eq!(
            edit("Cargo.lock", "name = \"clap\"\nversion = \"", "name = \"clap\"\nversion = \"9"),
            ""
        );
        assert_eq!(
            edit("Cargo.lock", "name = \"burn\"\nversion = \"", "name = \"burn\"\nversion = \"9"),
            "training"
        );
        assert_eq!(edit("Cargo.toml", "\"x86-v4\", ", ""), "training");
        // What stands in a list is of those that use it.
        assert_eq!(edit("src/loss/focal.rs", "gamma: 2.0", "gamma: 3.0"), "loss/focal");
        assert_eq!(edit("src/loss/focal.rs", "//!", "//! More."), "");
        assert_eq!(edit("src/model/rgu_net.rs", "groups: 4", "groups: 8"), "model/rgu-net");
        assert_eq!(edit("src/model/rgu_net.rs", "//!", "//! More."), "");
        assert_eq!(edit("src/loss/mod.rs", "/// Focal loss", "/// Loss"), "");
        assert_eq!(edit("src/source/busi.rs", "\"_mask\"", "\"-mask\""), "dataset/busi");
        assert_eq!(edit("src/source/bcss/tiles.rs", "\"val\" =>", "\"dev\" =>"), "dataset/bcss");
        assert_eq!(edit("src/loss/sum.rs", "weight: 1.0", "weight: 2.0"), "loss/sum");
        assert_eq!(
            edit("src/model/resnet.rs", "[2, 2, 2, 2]", "[2, 2, 2, 3]"),
            "encoder/resnet18 encoder/resnet34 encoder/resnet50 \
             model/resnet18 model/resnet34 model/resnet50"
        );
        assert_eq!(
            edit("src/model/efficientnet.rs", "STEM: usize = 32", "STEM: usize = 16"),
            "encoder/efficientnet-b0 encoder/efficientnet-lite0 \
             model/efficientnet-b0 model/efficientnet-lite0"
        );
        assert_eq!(
            edit("src/model/efficientnet_encoder.rs", "efficientnet-b0", "efficientnet-b1"),
            "encoder/efficientnet-b0 encoder/efficientnet-lite0"
        );
        assert_ne!(digests(here, &["feature".into()]).unwrap(), before);
    }

    #[test]
    fn every_source_has_a_place_and_every_place_a_source() {
        let src = package().join("src");
        let sources = modules(&src, &src.join("lib.rs")).unwrap();
        let names: Vec<String> =
            sources.iter().map(|(path, _)| slashed(path.strip_prefix(&src).unwrap())).collect();
        let placed = |name: &String| {
            PLACES.iter().any(|(place, _)| {
                name == place || (place.ends_with('/') && name.starts_with(place))
            })
        };
        let unplaced: Vec<&String> = names.iter().filter(|name| !placed(name)).collect();
        assert!(unplaced.is_empty(), "add to PLACES of build/engine.rs: {unplaced:?}");
        for (place, _) in PLACES {
            let found = names.iter().any(|name| name == place || name.starts_with(place));
            assert!(found, "PLACES of build/engine.rs names {place}, which is not compiled");
        }
    }

    /// Direct dependencies that compute no figure.
    const OTHERS: &[&str] = &[
        "base64",
        "clap",
        "clap_complete",
        "csv",
        "ctrlc",
        "figment",
        "humantime",
        "indicatif",
        "libc",
        "minijinja",
        "log",
        "nvml-wrapper",
        // Its sources are read themselves.
        "oncospec-kernels",
        "plotters",
        "polars",
        "proptest",
        "regex",
        "rustix",
        "schemars",
        "serde",
        "serde_json",
        "sha2",
        "signal-hook",
        "strsim",
        "tempfile",
        "thiserror",
        "toml",
        "unicode-normalization",
        "ureq",
        "zip",
    ];

    #[test]
    fn every_dependency_either_computes_figures_or_is_said_not_to() {
        let read =
            |folder: &str| fs::read_to_string(package().join(folder).join("Cargo.toml")).unwrap();
        let manifest = read("");
        let asked = [manifest.clone(), read("crates/kernels")].map(|text| dependencies(&text));
        let names: BTreeSet<String> = asked.into_iter().flatten().map(|(name, _)| name).collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            let other = OTHERS.contains(&name.as_str());
            assert!(computes(&name) != other, "place {name} in build/engine.rs: CRATES or OTHERS");
        }
        let burn = requirements(&manifest).into_iter().filter(|line| line.starts_with("burn "));
        assert!(burn.collect::<String>().contains("x86-v4"));
    }

    #[test]
    fn what_training_takes_from_evaluate_is_of_its_engine() {
        let read = |name: &str| fs::read_to_string(package().join("src").join(name)).unwrap();
        let exported = read("evaluate/mod.rs");
        for file in ["train/strategy.rs", "train/learner.rs"] {
            let source = read(file);
            let used = source.split("use crate::evaluate::").skip(1);
            let used = used.filter_map(|rest| rest.split(';').next());
            for name in used.flat_map(|list| list.split([',', '{', '}'])).map(str::trim) {
                let of = exported.lines().collect::<Vec<_>>().join(" ");
                let module = of
                    .split("pub use ")
                    .find(|one| one.split([',', '{', '}', ':', ';']).any(|n| n.trim() == name));
                let Some(module) = module.filter(|_| !name.is_empty()) else { continue };
                let module = format!("evaluate/{}.rs", module.split("::").next().unwrap());
                assert_eq!(part_of(&module), Part::Training, "{name} of {module} in {file}");
            }
        }
    }
}
