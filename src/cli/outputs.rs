//! Files that commands write outside run directories: nothing is replaced that oncospec did not write.
//!
//! A folder that holds such files has a ledger, [`LEDGER`]: a line of JSON for each file that was written into it, with
//! its name, the SHA-256 of what was written, which command wrote it and what it was made of. A file may be replaced while its bytes are those
//! of a line; one that a person made or changed is refused by name, before any work. Lines are only added, each before
//! its file is written, so that a killed process leaves nothing that a later one takes for a person's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::data::is_image_name;
use crate::digest::sha256_of_file;
use crate::error::{Error, Result};
use crate::record::write_file_with;

/// Name of a folder's ledger; hidden, so that no reader of data takes it for a case.
const LEDGER: &str = ".oncospec-files.jsonl";

/// Most names that one refusal lists.
const NAMED: usize = 3;

/// What lets a command replace files of others.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct OverwriteArgs {
    /// Replace files that oncospec did not write or that were changed since, and write pictures into a folder that
    /// holds images.
    #[arg(long)]
    pub overwrite: bool,
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// Its name in the folder.
    pub name: String,
    /// The image or run that it is made of, by its absolute path; `None` where it stands for no single one.
    pub of: Option<PathBuf>,
}

impl Planned {
    /// A file that stands for no single image or run.
    pub(super) fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), of: None }
    }

    /// A file made of an image or a run.
    pub(super) fn of(source: &Path, name: impl Into<String>) -> Self {
        Self { name: name.into(), of: Some(canonical(source)) }
    }
}

/// A path from the root of the file system on, without links where it is there.
pub(super) fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| absolute(path))
}

/// A path from the root of the file system on, links unresolved.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// A line of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    file: String,
    sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<PathBuf>,
}

/// What oncospec wrote into a folder: lines by the names of files, the latest last.
type Ledger = BTreeMap<String, Vec<Line>>;

/// Files that a command may write.
#[derive(Debug)]
pub(super) struct Outputs {
    folder: PathBuf,
    /// What the files are, such as "a report".
    kind: &'static str,
    planned: BTreeMap<String, Option<PathBuf>>,
    ledger: Mutex<Ledger>,
    overwrite: bool,
}

/// One file that a command may write, such as a page.
#[derive(Debug)]
pub(super) struct OutputFile {
    outputs: Outputs,
    name: String,
}

impl OutputFile {
    /// Makes sure that a file of a kind can be written.
    ///
    /// # Errors
    /// As [`Outputs::folder`].
    pub(super) fn new(path: &Path, kind: &'static str, overwrite: OverwriteArgs) -> Result<Self> {
        let name = path.file_name().and_then(|name| name.to_str());
        let (Some(name), false) = (name, path.is_dir()) else {
            return Err(Error::user(format!(
                "{}: a folder, or no name for a file; name a file to write",
                path.display()
            )));
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let outputs = Outputs::folder(folder, kind, vec![Planned::named(name)], overwrite)?;
        Ok(Self { outputs, name: name.into() })
    }

    /// Where it lies.
    pub(super) fn path(&self) -> PathBuf {
        self.outputs.path(&self.name)
    }

    /// Whether another is the same file.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.name == other.name
            && canonical(&self.outputs.folder) == canonical(&other.outputs.folder)
    }

    /// Writes it.
    ///
    /// # Errors
    /// As [`Outputs::write`].
    pub(super) fn write(&self, bytes: &[u8]) -> Result<PathBuf> {
        self.outputs.write(&self.name, bytes)
    }
}

/// Why a file may not be replaced.
enum Refused {
    /// Oncospec did not write what it holds.
    Foreign,
    /// It is of another kind.
    Kind(String),
    /// It was made of another image or run.
    Of(PathBuf),
    /// It is a folder or a device.
    NoFile,
}

impl Outputs {
    /// Files of a kind in a folder, which is made where it is not there.
    ///
    /// # Errors
    /// The user's, before any work: if the folder cannot be made or written into, if a file is there that oncospec did
    /// not write, that was changed since, is of another kind or was made of another image or run, or if pictures would come to lie among images
    /// that oncospec did not make, where a reader of data takes them for cases or masks.
    pub(super) fn folder(
        folder: &Path,
        kind: &'static str,
        planned: Vec<Planned>,
        overwrite: OverwriteArgs,
    ) -> Result<Self> {
        let unwritable = |error: std::io::Error| {
            Error::user(format!(
                "{}: cannot write into this folder: {error}; name another",
                folder.display()
            ))
        };
        fs::create_dir_all(folder).map_err(unwritable)?;
        tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder).map_err(unwritable)?;
        let outputs = Self {
            folder: folder.to_path_buf(),
            kind,
            planned: planned.into_iter().map(|planned| (planned.name, planned.of)).collect(),
            ledger: Mutex::new(read(&folder.join(LEDGER))?),
            overwrite: overwrite.overwrite,
        };
        outputs.refuse_replacing()?;
        outputs.refuse_among_images()?;
        Ok(outputs)
    }

    /// Where a file of the folder lies.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        match self.folder.as_os_str() == "." {
            true => PathBuf::from(name),
            false => self.folder.join(name),
        }
    }

    /// SHA-256 of what oncospec last wrote to a file, which may have been changed or removed since.
    pub(super) fn last_sha256(&self, name: &str) -> Option<String> {
        let ledger = self.ledger.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Some(ledger.get(name)?.last()?.sha256.clone())
    }

    /// Whether one of the files that oncospec wrote is still there.
    pub(super) fn any_left(&self, wanted: impl Fn(&str) -> bool) -> bool {
        let ledger = self.ledger.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        ledger.keys().any(|name| wanted(name) && self.path(name).is_file())
    }

    /// Whether oncospec wrote what a file holds.
    pub(super) fn is_ours(&self, name: &str) -> bool {
        self.path(name).is_file() && self.refused(name, &None).is_none()
    }

    /// Writes a file and gives its path.
    ///
    /// # Errors
    /// If someone changed it since the command began, or the disk refuses.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        self.write_with(name, |path| {
            fs::write(path, bytes).map_err(Error::io(path, "cannot write"))
        })
    }

    /// Writes a file that `save` makes at the path it is given.
    ///
    /// # Errors
    /// As [`Outputs::write`] and `save`.
    pub(super) fn write_with(
        &self,
        name: &str,
        save: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path(name);
        write_file_with(&path, |temporary| {
            save(temporary)?;
            let of = self.planned.get(name).cloned().flatten();
            if let (Some(_), false) = (self.refused(name, &of), self.overwrite) {
                return Err(Error::failed(format!(
                    "{}: someone else wrote this file while oncospec worked; it is left as it is: \
                     write to another place, or give --overwrite",
                    path.display()
                )));
            }
            let (sha256, by) = (sha256_of_file(temporary)?, Some(self.kind.to_string()));
            self.note(Line { file: name.into(), sha256, by, of })
        })?;
        Ok(path)
    }

    /// Adds entries to a list in a JSON file of the folder, in which one of the same image takes the place of the
    /// earlier. Another process that does the same waits.
    ///
    /// # Errors
    /// As [`Outputs::write`], or if the list that is there cannot be understood.
    pub(super) fn merge<T: Serialize>(&self, name: &str, entries: &[T]) -> Result<PathBuf> {
        let json = |error: serde_json::Error| {
            Error::failed(format!("{}: cannot be written as JSON: {error}", name))
        };
        let lock = OpenOptions::new().create(true).append(true).open(self.path(LEDGER));
        let lock = lock.map_err(Error::io(self.path(LEDGER), "cannot open"))?;
        lock.lock().map_err(Error::io(self.path(LEDGER), "cannot lock"))?;
        let path = self.path(name);
        let mut all: Vec<serde_json::Value> = if self.is_ours(name) {
            let bytes = fs::read(&path).map_err(Error::io(&path, "cannot read"))?;
            serde_json::from_slice(&bytes).map_err(|error| {
                Error::user(format!(
                    "{}: not the list that oncospec writes ({error}): remove it, or write into \
                     another folder",
                    path.display()
                ))
            })?
        } else {
            Vec::new()
        };
        for entry in entries {
            let entry = serde_json::to_value(entry).map_err(json)?;
            all.retain(|other| other["image"] != entry["image"]);
            all.push(entry);
        }
        let mut text = serde_json::to_string_pretty(&all).map_err(json)?;
        text.push('\n');
        self.write(name, text.as_bytes())
    }

    /// Adds a line to the ledger, if it does not end with it already.
    fn note(&self, line: Line) -> Result<()> {
        let path = self.path(LEDGER);
        let mut ledger = self.ledger.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let lines = ledger.entry(line.file.clone()).or_default();
        if lines.last() == Some(&line) {
            return Ok(());
        }
        let text = serde_json::to_string(&line)
            .map_err(|error| Error::failed(format!("{}: {error}", path.display())))?;
        let file = OpenOptions::new().create(true).append(true).open(&path);
        // A line that a killed process left half written ends here.
        let added = file.and_then(|mut file| file.write_all(format!("\n{text}\n").as_bytes()));
        added.map_err(Error::io(&path, "cannot write"))?;
        lines.push(line);
        Ok(())
    }

    /// Why a file that is to be made of something may not be written; `None` if it may.
    fn refused(&self, name: &str, of: &Option<PathBuf>) -> Option<Refused> {
        let path = self.path(name);
        let metadata = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(_) => return Some(Refused::NoFile),
            Ok(metadata) => metadata,
        };
        if metadata.is_symlink() {
            return Some(Refused::Foreign);
        }
        if !metadata.is_file() {
            return Some(Refused::NoFile);
        }
        let Ok(sha256) = sha256_of_file(&path) else { return Some(Refused::Foreign) };
        let judge = |ledger: &Ledger| {
            let lines = ledger.get(name)?;
            lines.iter().rev().find(|line| line.sha256 == sha256).cloned()
        };
        let mut ledger = self.ledger.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let line = judge(&ledger).or_else(|| {
            // Another process may have written it since.
            *ledger = read(&self.path(LEDGER)).ok()?;
            judge(&ledger)
        });
        match line {
            None => Some(Refused::Foreign),
            Some(Line { by: Some(other), .. }) if other != self.kind => Some(Refused::Kind(other)),
            Some(Line { of: Some(other), .. })
                if of.as_ref().is_some_and(|of| *of != canonical(&other)) =>
            {
                Some(Refused::Of(other))
            }
            Some(_) => None,
        }
    }

    fn refuse_replacing(&self) -> Result<()> {
        let mut foreign = Vec::new();
        for (name, of) in &self.planned {
            let path = self.path(name);
            match self.refused(name, of) {
                Some(Refused::NoFile) => {
                    return Err(Error::user(format!(
                        "{}: not a file, so it cannot be written; name another place",
                        path.display()
                    )));
                }
                Some(Refused::Kind(other)) if !self.overwrite => {
                    return Err(Error::user(format!(
                        "{}: it is {other}, and {} would replace it: write into another folder, or \
                         give --overwrite",
                        path.display(),
                        self.kind
                    )));
                }
                Some(Refused::Of(other)) if !self.overwrite => {
                    return Err(Error::user(format!(
                        "{}: it was made of {}, not of {}: write into another folder, or give \
                         --overwrite to replace it",
                        path.display(),
                        other.display(),
                        of.as_deref().unwrap_or(Path::new("it")).display()
                    )));
                }
                Some(Refused::Foreign) => foreign.push(path.display().to_string()),
                Some(Refused::Kind(_) | Refused::Of(_)) | None => {}
            }
        }
        if foreign.is_empty() || self.overwrite {
            return Ok(());
        }
        let (what, it) = match foreign.len() {
            1 => ("this file", "it"),
            _ => ("these files", "them"),
        };
        Err(Error::user(format!(
            "{}: oncospec did not write {what}, or someone changed {it} since, so nothing was \
             written: name another place, or give --overwrite to replace {it}",
            named(&foreign)
        )))
    }

    /// A picture beside images of others is a mask or a case to whoever reads the folder as data.
    fn refuse_among_images(&self) -> Result<()> {
        if self.overwrite || !self.planned.keys().any(|name| is_image_name(name)) {
            return Ok(());
        }
        let ledger = self.ledger.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let entries = fs::read_dir(&self.folder).map_err(Error::io(&self.folder, "cannot list"))?;
        let mut images: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| {
                is_image_name(name) && !name.starts_with('.') && !ledger.contains_key(name)
            })
            .collect();
        if images.is_empty() {
            return Ok(());
        }
        images.sort();
        Err(Error::user(format!(
            "{}: this folder holds images that oncospec did not make ({}); what is written beside \
             them would be read as masks or cases, so nothing was written: name another folder, or \
             give --overwrite",
            self.folder.display(),
            named(&images)
        )))
    }
}

/// Names, the first few of many with their number.
pub(super) fn named(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len() {
        count if count > NAMED => format!("{count} files: {shown}, .."),
        _ => shown,
    }
}

/// What oncospec wrote into a folder, by its names.
///
/// # Errors
/// If the ledger is there and cannot be read.
pub(super) fn written_into(folder: &Path) -> Result<BTreeSet<String>> {
    Ok(read(&folder.join(LEDGER))?.into_keys().collect())
}

fn read(path: &Path) -> Result<Ledger> {
    let bytes = match File::open(path).and_then(std::io::read_to_string) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::io(path, "cannot read")(error)),
    };
    let mut ledger = Ledger::new();
    // A line that is half written says nothing, and its file counts as a person's.
    for line in bytes.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
        ledger.entry(line.file.clone()).or_default().push(line);
    }
    Ok(ledger)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const KEEP: OverwriteArgs = OverwriteArgs { overwrite: false };
    const REPLACE: OverwriteArgs = OverwriteArgs { overwrite: true };

    fn claim(folder: &Path, names: &[&str], overwrite: OverwriteArgs) -> Result<Outputs> {
        let planned = names.iter().map(|name| Planned::named(*name)).collect();
        Outputs::folder(folder, "a page", planned, overwrite)
    }

    fn refused(result: Result<Outputs>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn an_own_file_is_replaced_and_an_edited_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = claim(folder.path(), &["a.toml"], KEEP).unwrap().write("a.toml", b"1").unwrap();
        claim(folder.path(), &["a.toml"], KEEP).unwrap().write("a.toml", b"2").unwrap();
        fs::write(&file, b"mine").unwrap();
        let message = refused(claim(folder.path(), &["a.toml"], KEEP));
        assert!(message.contains("a.toml: oncospec did not write this file, or"), "{message}");
        assert!(message.contains("--overwrite"), "{message}");
        claim(folder.path(), &["a.toml"], REPLACE).unwrap().write("a.toml", b"3").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"3");
        claim(folder.path(), &["a.toml"], KEEP).unwrap();
    }

    #[test]
    fn many_refused_files_are_counted_and_three_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a.html", "b.html", "c.html", "d.html"];
        for name in names {
            fs::write(folder.path().join(name), b"mine").unwrap();
        }
        let message = refused(claim(folder.path(), &names, KEEP));
        assert!(message.contains("4 files: ") && message.contains("c.html, .."), "{message}");
        assert!(!message.contains("d.html"), "{message}");
    }

    #[test]
    fn what_is_edited_while_a_command_works_stays() {
        let folder = tempfile::tempdir().unwrap();
        let outputs = claim(folder.path(), &["page.html"], KEEP).unwrap();
        fs::write(folder.path().join("page.html"), b"mine").unwrap();
        let error = outputs.write("page.html", b"new").unwrap_err().to_string();
        assert!(error.contains("it is left as it is"), "{error}");
        assert_eq!(fs::read(folder.path().join("page.html")).unwrap(), b"mine");
    }

    #[test]
    fn a_file_that_another_process_wrote_meanwhile_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = [(); 2].map(|()| claim(folder.path(), &["ci.html"], KEEP).unwrap());
        one.write("ci.html", b"1").unwrap();
        other.write("ci.html", b"2").unwrap();
        one.write("ci.html", b"3").unwrap();
    }

    #[test]
    fn folders_links_and_devices_are_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("page.html")).unwrap();
        for overwrite in [KEEP, REPLACE] {
            assert!(
                refused(claim(folder.path(), &["page.html"], overwrite)).contains("not a file")
            );
            let message = OutputFile::new(&folder.path().join("page.html"), "a page", overwrite)
                .unwrap_err()
                .to_string();
            assert!(message.contains("a folder"), "{message}");
        }
        let message =
            OutputFile::new(Path::new("/dev/null"), "a page", KEEP).unwrap_err().to_string();
        assert!(message.contains("/dev/null"), "{message}");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("nowhere", folder.path().join("link.html")).unwrap();
            refused(claim(folder.path(), &["link.html"], KEEP));
        }
        fs::write(folder.path().join("file"), b"").unwrap();
        let message = refused(claim(&folder.path().join("file/deeper"), &["a"], KEEP));
        assert!(message.contains("cannot write into this folder"), "{message}");
    }

    #[test]
    fn pictures_do_not_come_to_lie_among_the_images_of_others() {
        let folder = tempfile::tempdir().unwrap();
        claim(folder.path(), &["x_mask.png"], KEEP).unwrap().write("x_mask.png", b"1").unwrap();
        claim(folder.path(), &["y_mask.png"], KEEP).expect("its own pictures are no data");
        fs::write(folder.path().join("y.PNG"), b"an image").unwrap();
        let message = refused(claim(folder.path(), &["y_mask.png"], KEEP));
        assert!(message.contains("y.PNG") && message.contains("masks or cases"), "{message}");
        claim(folder.path(), &["model.json"], KEEP).expect("no picture");
        claim(folder.path(), &["y_mask.png"], REPLACE).expect("told to");
    }

    #[test]
    fn a_file_made_of_another_image_of_the_same_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let of = |image: &str| {
            let planned = vec![Planned::of(Path::new(image), "x_mask.png")];
            Outputs::folder(folder.path(), "a prediction", planned, KEEP)
        };
        of("/a/x.png").unwrap().write("x_mask.png", b"1").unwrap();
        of("/a/x.png").unwrap();
        assert!(refused(of("/b/x.png")).contains("it was made of /a/x.png, not of /b/x.png"));
    }

    #[test]
    #[cfg(unix)]
    fn an_image_is_itself_by_whatever_path() {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("images");
        fs::create_dir_all(&images).unwrap();
        fs::write(images.join("x.png"), b"1").unwrap();
        std::os::unix::fs::symlink("images", folder.path().join("link")).unwrap();
        let out = folder.path().join("out");
        for path in ["images/x.png", "link/x.png", "out/../images/x.png"] {
            let planned = vec![Planned::of(&folder.path().join(path), "x_mask.png")];
            let outputs = Outputs::folder(&out, "a prediction", planned, KEEP).unwrap();
            outputs.write("x_mask.png", path.as_bytes()).unwrap();
        }
    }

    #[test]
    fn a_file_of_another_kind_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let of = |kind, overwrite| {
            Outputs::folder(folder.path(), kind, vec![Planned::named("x_mask.png")], overwrite)
        };
        of("a prediction", KEEP).unwrap().write("x_mask.png", b"1").unwrap();
        let message = refused(of("a proposal", KEEP));
        assert!(message.contains("it is a prediction, and a proposal would replace"), "{message}");
        of("a proposal", REPLACE).unwrap().write("x_mask.png", b"2").unwrap();
        refused(of("a prediction", KEEP));
    }

    #[test]
    fn lists_are_merged_by_their_images() {
        let folder = tempfile::tempdir().unwrap();
        let entry = |image: &str, class: &str| {
            BTreeMap::from([("image", image.to_string()), ("class", class.to_string())])
        };
        let add = |entries: &[BTreeMap<&str, String>]| {
            let outputs = claim(folder.path(), &["predictions.json"], KEEP).unwrap();
            let path = outputs.merge("predictions.json", entries).unwrap();
            let text = fs::read_to_string(path).unwrap();
            serde_json::from_str::<Vec<BTreeMap<String, String>>>(&text).unwrap()
        };
        add(&[entry("a", "benign"), entry("b", "benign")]);
        let all = add(&[entry("b", "malignant"), entry("c", "benign")]);
        let found: Vec<(&str, &str)> =
            all.iter().map(|entry| (entry["image"].as_str(), entry["class"].as_str())).collect();
        assert_eq!(found, [("a", "benign"), ("b", "malignant"), ("c", "benign")]);
    }

    /// What happens to a folder in turn.
    #[derive(Clone, Debug)]
    enum Act {
        /// A person writes a file.
        Person(u8, u8),
        /// A command writes a file, and is killed after the ledger's line where the last is set.
        Command(u8, u8, bool),
        /// The end of the ledger is lost.
        Torn,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            (0..2u8, any::<u8>()).prop_map(|(file, byte)| Act::Person(file, byte)),
            (0..2u8, any::<u8>(), any::<bool>())
                .prop_map(|(file, byte, killed)| Act::Command(file, byte, killed)),
            Just(Act::Torn),
        ];
        proptest::collection::vec(act, 1..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Whatever persons, commands and kills do in turn, a person's bytes are never replaced.
        #[test]
        fn no_order_of_events_loses_what_a_person_wrote(acts in acts()) {
            let folder = tempfile::tempdir().unwrap();
            // What a person wrote last, while nobody was told to replace it.
            let mut persons: [Option<Vec<u8>>; 2] = [None, None];
            for act in acts {
                match act {
                    Act::Person(file, byte) => {
                        let bytes = format!("a person's {byte}").into_bytes();
                        fs::write(folder.path().join(format!("{file}.html")), &bytes).unwrap();
                        persons[usize::from(file)] = Some(bytes);
                    }
                    Act::Command(file, byte, killed) => {
                        let name = format!("{file}.html");
                        let bytes = format!("a page {byte}").into_bytes();
                        let claimed = claim(folder.path(), &[&name], KEEP);
                        prop_assert!(persons[usize::from(file)].is_none() || claimed.is_err());
                        if let Ok(outputs) = claimed {
                            if killed {
                                let sha256 = crate::digest::sha256(&bytes);
                                outputs.note(Line { file: name, sha256, by: None, of: None }).unwrap();
                            } else {
                                outputs.write(&name, &bytes).unwrap();
                            }
                        }
                    }
                    Act::Torn => {
                        let ledger = folder.path().join(LEDGER);
                        let Ok(bytes) = fs::read(&ledger) else { continue };
                        fs::write(&ledger, &bytes[..bytes.len().saturating_sub(7)]).unwrap();
                    }
                }
                for (file, bytes) in persons.iter().enumerate() {
                    if let Some(bytes) = bytes {
                        let found = fs::read(folder.path().join(format!("{file}.html"))).unwrap();
                        prop_assert_eq!(&found, bytes);
                    }
                }
            }
        }
    }
}
