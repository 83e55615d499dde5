//! Layers from a spec file and the files that it extends.

use std::fmt;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use figment::value::Value;

use super::layer::{Layer, Source};
use super::locate::KeyPath;
use super::parse::parse_document;
use super::problem::{Place, Problem};
use super::suggest::closest;

/// Largest spec file that is read.
const MAX_BYTES: u64 = 1 << 20;
/// Longest chain of `extends`.
const MAX_CHAIN: usize = 16;

/// A file of a chain of `extends`, and where it really is.
struct Link {
    real: PathBuf,
    layer: Layer,
}

/// The file at `path` above those that it extends, the lowest first. What follows a file that cannot
/// be used is left out, with the reason.
pub(super) fn of_chain(path: &Path) -> (Vec<Layer>, Option<Problem>) {
    let mut chain: Vec<Link> = Vec::new();
    let mut fault = None;
    let mut next = Some(path.to_path_buf());
    while let Some(path) = next.take() {
        let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        match read(&path, &real, &chain) {
            Ok(mut layer) => {
                next = base_of(&mut layer);
                chain.push(Link { real, layer });
            }
            Err(found) => fault = Some(found.shown(chain.last().map(|link| &link.layer))),
        }
    }
    (chain.into_iter().rev().map(|link| link.layer).collect(), fault)
}

fn read(path: &Path, real: &Path, chain: &[Link]) -> Result<Layer, Fault> {
    if chain.iter().any(|link| link.real == real) {
        return Err(circle(chain, path, real));
    }
    if chain.len() == MAX_CHAIN {
        return Err(Fault::whole(format!("more than {MAX_CHAIN} files extend one another"), None));
    }
    parse_file(path, read_text(path)?)
}

/// The file that `layer` extends, relative to the working directory.
fn base_of(layer: &mut Layer) -> Option<PathBuf> {
    let Value::String(_, base) = layer.table.get("extends")? else { return None };
    let base = match layer.folder() {
        Some(folder) => tidy(&folder.join(base)),
        None => PathBuf::from(base),
    };
    layer.table.remove("extends");
    Some(base)
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

    /// The problem, shown where it is, or where `by` extends the file.
    fn shown(self, by: Option<&Layer>) -> Problem {
        let extends = KeyPath::default().key("extends");
        let (key, place) = match (self.place, by) {
            (Some(place), _) => (String::new(), Some(place)),
            (None, None) => (String::new(), None),
            (None, Some(by)) => {
                let span = by.spans.get(&extends).map(|spans| spans.value.clone());
                (extends.to_string(), Some(Place::at(by, 0, span)))
            }
        };
        Problem { key, message: self.message, help: self.help, place }
    }
}

/// The circle that `path` closes, from file to file.
fn circle(chain: &[Link], path: &Path, real: &Path) -> Fault {
    let names =
        chain.iter().skip_while(|link| link.real != real).map(|link| link.layer.source.place());
    let names: Vec<String> = names.chain([path.display().to_string()]).collect();
    Fault::whole(format!("`extends` goes in a circle: {}", names.join(" -> ")), None)
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
    let file = match std::fs::File::open(path) {
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
            layer.table = table;
            Ok(layer)
        }
        Err((span, message)) => {
            let place = Some(Place::at(&layer, 0, Some(span)));
            Err(Fault { message, help: None, place })
        }
    }
}

fn smallest_spec() -> String {
    "the smallest spec is\nname = \"first\"\ndataset = { kind = \"phantom\" }\nmodel = { kind = \"unet\" }"
        .into()
}
