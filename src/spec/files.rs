//! Layers from a spec file and the files that it extends.

use std::fmt;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use figment::value::Value;

use super::layer::{Layer, Source};
use super::locate::KeyPath;
use super::parse::parse_document;
use super::problem::{Place, Problem};
use super::said::Said;
use super::suggest::closest;
use super::{extends, hints};

/// Largest spec file that is read.
const MAX_BYTES: u64 = 1 << 20;
/// Longest chain of `extends`.
const MAX_CHAIN: usize = 16;

/// A file that was read, where it really is, and what it extends, by index.
struct SpecFile {
    real: PathBuf,
    layer: Layer,
    bases: Vec<usize>,
}

/// The file at `path` above those that it extends, the lowest first. Files that cannot be used, and what only they extend,
/// are left out, with the reason.
pub(super) fn of_chain(path: &Path) -> (Vec<Layer>, Vec<Problem>) {
    let mut reader = Reader::default();
    reader.visit(path, None);
    let bases: Vec<Vec<usize>> = reader.read.iter().map(|file| file.bases.clone()).collect();
    let order = extends::order(&bases, &reader.found).unwrap_or_else(|(one, other)| {
        reader.cannot_order(one, other);
        reader.found.clone()
    });
    let mut layers: Vec<Option<Layer>> =
        reader.read.into_iter().map(|file| Some(file.layer)).collect();
    let layers = order.into_iter().filter_map(|file| layers[file].take()).collect();
    (layers, reader.problems)
}

/// Reads files and what they extend, each once.
#[derive(Default)]
struct Reader {
    read: Vec<SpecFile>,
    /// Files in the order in which all that they extend was read.
    found: Vec<usize>,
    /// The files from the one that was asked for to the one that is read.
    chain: Vec<usize>,
    problems: Vec<Problem>,
}

impl Reader {
    /// The file at `path`, which the element `by` of `extends` of the last file of the chain names.
    fn visit(&mut self, path: &Path, by: Option<&KeyPath>) -> Option<usize> {
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let read = self.read.iter().position(|file| file.real == real);
        let layer = match read {
            Some(file) if self.chain.contains(&file) => Err(self.circle(file, path)),
            Some(file) => return Some(file),
            None if self.chain.len() == MAX_CHAIN => {
                Err(Fault::whole(format!("more than {MAX_CHAIN} files extend one another"), None))
            }
            None => read_text(path).and_then(|text| parse_file(path, text)),
        };
        let mut layer = match layer {
            Ok(layer) => layer,
            Err(fault) => {
                let extending = by.zip(self.chain.last().map(|&file| &self.read[file].layer));
                self.problems.push(fault.shown(extending));
                return None;
            }
        };
        let named = bases_of(&mut layer);
        let file = self.read.len();
        self.read.push(SpecFile { real, layer, bases: Vec::new() });
        self.chain.push(file);
        for (at, base) in named {
            let base = match hints::unexpanded(&base) {
                Some(found) => {
                    let message =
                        format!("`extends` is {base:?}: `{found}` is not replaced by anything");
                    let fault = Fault::whole(message, Some(hints::write_out(found)));
                    self.problems.push(fault.shown(Some((&at, &self.read[file].layer))));
                    None
                }
                None => {
                    let base = self.read[file].layer.resolved(&base);
                    self.visit(&base, Some(&at))
                }
            };
            self.read[file].bases.extend(base);
        }
        self.chain.pop();
        self.found.push(file);
        Some(file)
    }

    /// The circle that `path` closes, from file to file.
    fn circle(&self, file: usize, path: &Path) -> Fault {
        let links = self.chain.iter().skip_while(|link| **link != file);
        let names = links.map(|&link| self.read[link].layer.source.place());
        let names: Vec<String> = names.chain([path.display().to_string()]).collect();
        Fault::whole(format!("`extends` goes in a circle: {}", names.join(" -> ")), None)
    }

    /// Says that a file names `one` and then `other`, which must lie below it.
    fn cannot_order(&mut self, one: usize, other: usize) {
        let naming = |file: &&SpecFile| file.bases.windows(2).any(|pair| pair == [one, other]);
        let Some(file) = self.read.iter().find(naming) else { return };
        let name = |file: usize| self.read[file].layer.source.place();
        let (message, help) = if one == other {
            (format!("`extends` names {} twice", name(one)), "name it once".to_string())
        } else {
            let (one, other) = (name(one), name(other));
            let message = format!("`extends` puts {other} over {one}, and elsewhere it lies below");
            (message, format!("name {other} before {one}, or leave it out where {one} extends it"))
        };
        let extends = KeyPath::default().key("extends");
        let problem = Fault::whole(message, Some(help)).shown(Some((&extends, &file.layer)));
        self.problems.push(problem);
    }
}

/// What `layer` extends, as it says it, each with its key; it is taken out of the layer.
fn bases_of(layer: &mut Layer) -> Vec<(KeyPath, String)> {
    let Said::Table(_, keys) = &mut layer.said else { return Vec::new() };
    let extends = KeyPath::default().key("extends");
    let named = match keys.get("extends") {
        Some(Said::Value(Value::String(_, base))) => vec![(extends, base.clone())],
        Some(Said::Array { whole: Some(Value::Array(_, bases)), .. }) => {
            let base = |(index, base): (usize, &Value)| {
                Some((extends.index(index), base.as_str()?.to_string()))
            };
            match bases.iter().enumerate().map(base).collect() {
                Some(named) => named,
                None => return Vec::new(),
            }
        }
        _ => return Vec::new(),
    };
    keys.remove("extends");
    named
}

/// Why a file cannot be used.
struct Fault {
    message: String,
    help: Option<String>,
    place: Option<Box<Place>>,
}

impl Fault {
    fn whole(message: String, help: Option<String>) -> Self {
        Self { message, help, place: None }
    }

    fn of(path: &Path, what: impl fmt::Display, help: Option<String>) -> Self {
        Self::whole(format!("{}: {what}", path.display()), help)
    }

    /// The problem, shown where it is, or else at the key of a layer that names the file.
    fn shown(self, by: Option<(&KeyPath, &Layer)>) -> Problem {
        let (key, place) = match (self.place, by) {
            (Some(place), _) => (String::new(), Some(place)),
            (None, None) => (String::new(), None),
            (None, Some((key, by))) => {
                let span = by.spans.get(key).map(|spans| spans.value.clone());
                (key.to_string(), Some(Place::at(by, 0, span)))
            }
        };
        Problem { key, message: self.message, help: self.help, place }
    }
}

/// `a/b/../c` as `a/c`, unless `a/b` is a link, which may lead anywhere.
pub(super) fn tidy(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut tidied, component| {
        let plain = |path: &Path| {
            path.file_name().is_some() && path.symlink_metadata().is_ok_and(|found| found.is_dir())
        };
        if component == Component::ParentDir && plain(&tidied) {
            tidied.pop();
        } else {
            tidied.push(component);
        }
        tidied
    })
}

/// The text of a spec file, without a byte order mark.
fn read_text(path: &Path) -> Result<String, Fault> {
    let fault = |what: &str, help: Option<String>| Fault::of(path, what, help);
    if path.is_dir() {
        return Err(fault("is a folder, not a spec file", None));
    }
    let file = match crate::file::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(fault("no such file", similar_file(path)));
        }
        Err(error) => return Err(fault(&format!("cannot be read: {error}"), None)),
    };
    let mut bytes = Vec::new();
    if let Err(error) = file.take(MAX_BYTES + 1).read_to_end(&mut bytes) {
        return Err(fault(&format!("cannot be read: {error}"), None));
    }
    if bytes.len() as u64 > MAX_BYTES {
        let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len()).max(MAX_BYTES + 1);
        let what = format!("is larger than 1 MiB ({size} bytes); no spec is, so it was not read");
        return Err(fault(&what, None));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(fault("is UTF-16 text", Some("save it as UTF-8".into())));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let byte = error.as_bytes().get(at).copied().unwrap_or_default();
        fault(&format!("is not UTF-8 text: byte {at} is 0x{byte:02x}"), None)
    })?;
    match text.strip_prefix('\u{feff}') {
        Some(rest) => Ok(rest.into()),
        None => Ok(text),
    }
}

/// `did you mean` for a file that is not there.
fn similar_file(path: &Path) -> Option<String> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Some(format!("there is no folder {}", folder.display()));
    };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.ends_with(".toml"));
    names.sort();
    let name = path.file_name()?.to_str()?;
    let near = closest(name, names.iter().map(String::as_str))?;
    Some(format!("did you mean {}?", path.with_file_name(near).display()))
}

/// The layer that `text`, read from `path`, says.
fn parse_file(path: &Path, text: String) -> Result<Layer, Fault> {
    let source = Source::File(path.into());
    let mut layer = Layer::new(source, text);
    let parsed = parse_document(&layer.text, &mut layer.spans);
    match parsed {
        Ok(table) if table.is_empty() => Err(Fault::of(path, "is empty", Some(smallest_spec()))),
        Ok(table) => {
            layer.said = Said::table(table);
            Ok(layer)
        }
        Err(error) => {
            let place = Some(Place::at(&layer, 0, Some(error.span)));
            Err(Fault { message: error.message, help: error.help, place })
        }
    }
}

fn smallest_spec() -> String {
    "the smallest spec is\nname = \"first\"\ndataset = { kind = \"phantom\" }\nmodel = { kind = \"unet\" }"
        .into()
}
