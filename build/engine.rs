//! Two digests of what the compiler sees of the sources that decide figures.
//!
//! Comments, documentation, lints and code that only tests compile are left out, so that a digest changes where a
//! figure may, and nowhere else. Used by the build script; its tests run with the integration tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};
use sha2::{Digest, Sha256};

/// What a source decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Weights and the figures of epochs.
    Training,
    /// Figures of trained weights.
    Evaluation,
    /// No figure: words, pages, files.
    Neither,
}

/// Which part a source below `src` belongs to; of several that fit, the longest decides. What nobody has placed is
/// training, the safe side.
pub const PLACES: &[(&str, Part)] = &[
    ("lib.rs", Part::Neither),
    ("cli/", Part::Neither),
    ("data/", Part::Training),
    ("data/dominant_colours.rs", Part::Neither),
    ("data/inspect.rs", Part::Neither),
    ("data/synth.rs", Part::Neither),
    ("device.rs", Part::Training),
    // Changes ids by itself.
    ("digest.rs", Part::Neither),
    ("error.rs", Part::Neither),
    ("evaluate/", Part::Evaluation),
    // What the figures of an epoch are made of.
    ("evaluate/confusion.rs", Part::Training),
    ("evaluate/counts.rs", Part::Training),
    ("evaluate/epoch.rs", Part::Training),
    ("evaluate/images.rs", Part::Training),
    ("evaluate/overlap.rs", Part::Training),
    ("evaluate/pictures.rs", Part::Neither),
    ("evaluate/semantics.rs", Part::Neither),
    ("explain/", Part::Neither),
    // Part of the names of recorded figures.
    ("figure_name.rs", Part::Training),
    ("finding.rs", Part::Neither),
    ("kernels/", Part::Training),
    ("layer.rs", Part::Neither),
    ("loss/", Part::Training),
    ("loss/scope.rs", Part::Neither),
    ("model/", Part::Training),
    ("model/summary.rs", Part::Neither),
    ("plan/", Part::Training),
    ("plan/describe.rs", Part::Neither),
    // Changes ids by itself.
    ("plan/identity.rs", Part::Neither),
    ("provenance.rs", Part::Neither),
    ("record/", Part::Neither),
    ("report/", Part::Neither),
    ("run/", Part::Training),
    ("run/again.rs", Part::Neither),
    ("run/film.rs", Part::Neither),
    ("run/judge.rs", Part::Evaluation),
    ("run/judge_images.rs", Part::Evaluation),
    ("run/outcome.rs", Part::Neither),
    ("run/pictures.rs", Part::Neither),
    ("run/summary.rs", Part::Neither),
    ("run/trained.rs", Part::Neither),
    ("scoped.rs", Part::Training),
    ("shell.rs", Part::Neither),
    ("spec/", Part::Training),
    ("spec/explain.rs", Part::Neither),
    ("spec/problem.rs", Part::Neither),
    ("spec/reference.rs", Part::Neither),
    ("spec/suggest.rs", Part::Neither),
    ("spec/suite.rs", Part::Neither),
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
    "libm",
    "num-traits",
    "png",
    "pulp",
    "rayon",
    "rayon-core",
    "safetensors",
];

/// The two digests, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Of what decides weights.
    pub training: String,
    /// Of what decides figures of given weights.
    pub evaluation: String,
}

/// Digests of the package in a folder, compiled with `settings`: features, architecture and the like.
///
/// # Errors
/// A source that cannot be read or is not Rust; it is named.
pub fn digests(package: &Path, settings: &[String]) -> Result<Digests, Unreadable> {
    let src = package.join("src");
    let (mut training, mut evaluation) = (Total::default(), Total::default());
    for (path, source) in modules(&src, &src.join("lib.rs"))? {
        let name = slashed(path.strip_prefix(&src).unwrap_or(&path));
        match part_of(&name) {
            Part::Training => training.add(&name, &source),
            Part::Evaluation => evaluation.add(&name, &source),
            Part::Neither => {}
        }
    }
    let vendored = package.join("vendor/cubecl-llvm/src");
    for (path, source) in modules(&vendored, &vendored.join("lib.rs"))? {
        training.add(&slashed(path.strip_prefix(package).unwrap_or(&path)), &source);
    }
    for package in packages(&read(&package.join("Cargo.lock"))?) {
        training.add("package", &package);
    }
    for requirement in requirements(&read(&package.join("Cargo.toml"))?) {
        training.add("requirement", &requirement);
    }
    for setting in settings {
        training.add("setting", setting);
    }
    Ok(Digests { training: training.finish(), evaluation: evaluation.finish() })
}

/// The part that a source decides, by its name below `src`.
pub fn part_of(name: &str) -> Part {
    let fitting = PLACES.iter().filter(|(place, _)| match place.strip_suffix('/') {
        Some(_) => name.starts_with(place),
        None => name == *place,
    });
    fitting.max_by_key(|(place, _)| place.len()).map_or(Part::Training, |(_, part)| *part)
}

/// Whether a crate computes figures.
pub fn computes(name: &str) -> bool {
    let of_family = |family: &&str| {
        let rest = name.strip_prefix(*family);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
    };
    CRATES.contains(&name) || FAMILIES.iter().any(of_family)
}

/// A source that cannot be hashed.
#[derive(Debug)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn read(path: &Path) -> Result<String, Unreadable> {
    fs::read_to_string(path).map_err(|error| Unreadable(format!("{}: {error}", path.display())))
}

fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
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

/// The modules that a build without tests compiles, from a crate's root on, each as [`compiled`] text.
pub fn modules(folder: &Path, root: &Path) -> Result<Vec<(PathBuf, String)>, Unreadable> {
    let mut found = Vec::new();
    let mut open = vec![(root.to_path_buf(), folder.to_path_buf())];
    while let Some((file, children)) = open.pop() {
        let compiled = compiled(&read(&file)?)
            .map_err(|error| Unreadable(format!("{}: {error}", file.display())))?;
        for name in compiled.modules {
            let (alone, folder) = (children.join(format!("{name}.rs")), children.join(&name));
            let file = if alone.is_file() { alone } else { folder.join("mod.rs") };
            open.push((file, folder));
        }
        found.push((file, compiled.text));
    }
    found.sort();
    Ok(found)
}

/// What the compiler sees of a source.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Compiled {
    /// Its tokens, one after the other.
    pub text: String,
    /// The modules that it names and does not hold.
    pub modules: Vec<String>,
}

/// Reduces a source to what the compiler sees of it when it does not build tests.
///
/// # Errors
/// If it is not Rust.
pub fn compiled(source: &str) -> Result<Compiled, proc_macro2::LexError> {
    let tokens: TokenStream = source.parse()?;
    let mut compiled = Compiled::default();
    compiled.take(tokens);
    Ok(compiled)
}

impl Compiled {
    fn take(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match attribute(&tokens[at..]) {
                Some((length, Attribute::Silent)) => at += length,
                Some((length, Attribute::TestOnly)) => at += length + item(&tokens[at + length..]),
                Some((length, Attribute::Kept)) => {
                    tokens[at..at + length].iter().for_each(|token| self.token(token));
                    at += length;
                }
                None => {
                    if let [
                        TokenTree::Ident(word),
                        TokenTree::Ident(name),
                        TokenTree::Punct(end),
                        ..,
                    ] = &tokens[at..]
                        && word == "mod"
                        && end.as_char() == ';'
                    {
                        self.modules.push(name.to_string());
                    }
                    self.token(&tokens[at]);
                    at += 1;
                }
            }
        }
    }

    fn token(&mut self, token: &TokenTree) {
        match token {
            TokenTree::Group(group) => self.group(group),
            TokenTree::Punct(punct) => {
                self.text.push(punct.as_char());
                // `a & &b` is not `a && b`.
                if punct.spacing() == Spacing::Alone {
                    self.text.push(' ');
                }
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => {
                self.text.push_str(&token.to_string());
                self.text.push(' ');
            }
        }
    }

    fn group(&mut self, group: &Group) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        self.text.push_str(open);
        self.take(group.stream());
        self.text.push_str(close);
    }
}

/// What an attribute means for a figure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attribute {
    /// Nothing: documentation and lints.
    Silent,
    /// What follows is compiled for tests only.
    TestOnly,
    /// Perhaps something.
    Kept,
}

/// The attribute that tokens begin with, and how many they are of it.
fn attribute(tokens: &[TokenTree]) -> Option<(usize, Attribute)> {
    let [TokenTree::Punct(hash), rest @ ..] = tokens else { return None };
    if hash.as_char() != '#' {
        return None;
    }
    let inner = matches!(rest, [TokenTree::Punct(bang), ..] if bang.as_char() == '!');
    let length = if inner { 2 } else { 1 };
    let Some(TokenTree::Group(group)) = tokens.get(length) else { return None };
    if group.delimiter() != Delimiter::Bracket {
        return None;
    }
    let text: String = group.stream().to_string().split_whitespace().collect();
    let name: &str = text.split(['(', '=', ':']).next().unwrap_or_default();
    let meaning = match name {
        "doc" | "allow" | "expect" | "warn" | "deny" | "must_use" => Attribute::Silent,
        "cfg" if text == "cfg(test)" => Attribute::TestOnly,
        _ => Attribute::Kept,
    };
    Some((length + 1, meaning))
}

/// How many tokens the item is that tokens begin with, its attributes among them.
fn item(tokens: &[TokenTree]) -> usize {
    let mut at = 0;
    while let Some((length, _)) = attribute(&tokens[at..]) {
        at += length;
    }
    // These end with a semicolon, whatever braces they hold.
    let is_flat = |word: &str| ["use", "const", "static", "type", "extern"].contains(&word);
    let words: Vec<String> = tokens[at..].iter().take(4).map(ToString::to_string).collect();
    let flat = words.iter().any(|word| is_flat(word)) && !words.iter().any(|word| word == "fn");
    for (index, token) in tokens[at..].iter().enumerate() {
        let ends = match token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !flat,
            TokenTree::Ident(_) | TokenTree::Literal(_) => false,
        };
        if ends {
            return at + index + 1;
        }
    }
    tokens.len()
}

/// Name, version and checksum of the packages of a lock file that compute figures.
pub fn packages(lock: &str) -> BTreeSet<String> {
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
pub fn requirements(manifest: &str) -> Vec<String> {
    let named = dependencies(manifest).into_iter().filter(|(name, _)| computes(name));
    named.map(|(name, asked)| format!("{name} {asked}")).collect()
}

/// The crates that `[dependencies]` of a manifest names, with what is asked of them.
pub fn dependencies(manifest: &str) -> Vec<(String, String)> {
    let table = manifest.split("\n[").find_map(|table| table.strip_prefix("dependencies]\n"));
    let mut found: Vec<(String, String)> = Vec::new();
    for line in table.unwrap_or_default().lines().filter(|line| !line.starts_with('#')) {
        match line.split_once(" = ") {
            Some((name, asked)) if !line.starts_with([' ', ']']) => {
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
    use super::*;

    fn text(source: &str) -> String {
        compiled(source).unwrap().text
    }

    const SOURCE: &str = "//! A module.\nuse std::fmt;\n\n/// Doubles.\n#[must_use]\npub fn double(x: f32) -> f32 {\n    \
                          // Twice.\n    x * 2.0\n}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn two() { assert!(true); }\n}\n";

    #[test]
    fn comments_documentation_lints_layout_and_tests_change_nothing() {
        let same = [
            SOURCE.replace("A module.", "Another module."),
            SOURCE.replace("/// Doubles.\n", "/// Says more.\n/// In two lines.\n"),
            SOURCE.replace("// Twice.", "/* Twice, /* as said */ above. */"),
            SOURCE.replace("#[must_use]\n", "#[expect(dead_code, reason = \"a test\")]\n"),
            SOURCE.replace("    x * 2.0", "        x\n * 2.0"),
            SOURCE.replace("assert!(true)", "assert_eq!(1 + 1, 2)"),
            SOURCE.replace(
                "#[cfg(test)]\nmod tests",
                "#[cfg(test)]\nuse a::{b, c};\n#[cfg(test)]\n#[path = \"x\"]\nmod tests",
            ),
            SOURCE.replace(
                "#[cfg(test)]\nmod tests",
                "#[cfg(test)]\nconst fn three() -> u8 { 3 }\n#[cfg(test)]\nmod tests",
            ),
        ];
        for other in same {
            assert_eq!(text(&other), text(SOURCE), "{other}");
        }
    }

    #[test]
    fn numbers_operators_names_texts_and_attributes_change_it() {
        let others = [
            SOURCE.replace("2.0", "2.1"),
            SOURCE.replace('*', "+"),
            SOURCE.replace("double", "twice"),
            SOURCE.replace("#[must_use]", "#[inline(always)]"),
            SOURCE
                .replace("x * 2.0", "x * 2.0 + f32::from(u8::from(\"// no comment\".is_empty()))"),
            SOURCE.replace("#[cfg(test)]\nmod tests", "mod tests"),
            SOURCE.replace("#[cfg(test)]", "#[cfg(not(test))]"),
        ];
        for other in others {
            assert_ne!(text(&other), text(SOURCE), "{other}");
        }
        assert_ne!(text("fn f() { a & &b }"), text("fn f() { a && b }"));
    }

    #[test]
    fn modules_of_tests_are_not_followed() {
        let found =
            compiled("mod a;\npub mod b;\n#[cfg(test)]\nmod c;\nmod d { mod e; }\n").unwrap();
        assert_eq!(found.modules, ["a", "b", "e"]);
        assert!(compiled("fn f( {").is_err());
    }

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
        for part in ["src", "vendor"] {
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
            [after.training != before.training, after.evaluation != before.evaluation]
        };
        assert_eq!(edit("src/train/rate.rs", "/ 2.0", "/ 2.5"), [true, false]);
        assert_eq!(edit("src/train/rate.rs", "//!", "//! More."), [false, false]);
        assert_eq!(edit("src/device.rs", "\"auto\" =>", "\"best\" =>"), [true, false]);
        assert_eq!(edit("src/spec/schedule.rs", "epochs: 20", "epochs: 21"), [true, false]);
        assert_eq!(
            edit("src/run/mod.rs", "seed: decisions.seed", "seed: decisions.seed + 1"),
            [true, false]
        );
        assert_eq!(edit("src/run/judge.rs", "row(\"original\"", "row(\"other\""), [false, true]);
        assert_eq!(edit("src/evaluate/surface.rs", "0.95", "0.94"), [false, true]);
        assert_eq!(edit("src/cli/mod.rs", "0 when done", "0 if done"), [false, false]);
        assert_eq!(edit("src/report/mod.rs", "oncospec report", "a report"), [false, false]);
        assert_eq!(edit("vendor/cubecl-llvm/src/lib.rs", "pub ", "pub(crate) "), [true, false]);
        assert_eq!(
            edit("Cargo.lock", "name = \"clap\"\nversion = \"", "name = \"clap\"\nversion = \"9"),
            [false, false]
        );
        assert_eq!(
            edit("Cargo.lock", "name = \"burn\"\nversion = \"", "name = \"burn\"\nversion = \"9"),
            [true, false]
        );
        assert_eq!(edit("Cargo.toml", "\"x86-v4\", ", ""), [true, false]);
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
        "nvml-wrapper",
        "plotters",
        "polars",
        "regex",
        "rustix",
        "schemars",
        "serde",
        "serde_json",
        "sha2",
        "strsim",
        "tempfile",
        "thiserror",
        "toml",
        "unicode-normalization",
        "zip",
    ];

    #[test]
    fn every_dependency_either_computes_figures_or_is_said_not_to() {
        let manifest = fs::read_to_string(package().join("Cargo.toml")).unwrap();
        let names: Vec<String> =
            dependencies(&manifest).into_iter().map(|(name, _)| name).collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            let other = OTHERS.contains(&name.as_str());
            assert!(computes(&name) != other, "place {name} in build/engine.rs: CRATES or OTHERS");
        }
        let burn = requirements(&manifest).into_iter().find(|line| line.starts_with("burn "));
        assert!(burn.unwrap().contains("x86-v4"));
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
